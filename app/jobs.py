"""Retraining jobs for the pages: what can be trained on, and what a request comes to. Only reads are cached."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from app import lineage, markup, sets
from umt_core.corrections.store import Store, default_url, is_unbegun
from umt_core.errors import StoreError, UmtError
from umt_core.registry import CheckpointInfo, families, served, versions
from umt_core.train import jobs
from umt_core.train.compose import Part
from umt_core.train.jobs import JobRequest, Plan, Status

FRESH = 10  # seconds for which what was read of data and store holds


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a store holds that training can use."""

    tweets: dict[str, int]  # with labels that somebody set and has not skipped since, by data set
    complaint: str | None = None


def bases() -> dict[str, str]:
    """Names of all versions that can be trained on, each with its title; the served one of each family first."""
    found: dict[str, str] = {}
    for family in families():
        with suppress(UmtError):
            now = served(family).version
            every = sorted(versions(family), key=lambda info: info.version != now)
            found |= {info.name: _title(info, now) for info in every}
    return found


def _title(info: CheckpointInfo, now: str) -> str:
    return lineage.title(f"{info.family}@{info.version}") + (" (served)" if info.version == now else "")


@st.cache_data(ttl=FRESH, show_spinner=False)
def corrections(url: str) -> Corrections:
    """How many tweets of which data set have labels in the store."""
    try:
        if url == default_url() and is_unbegun(None):
            return Corrections({})  # nobody has corrected anything yet
        with Store(url, read_only=True) as store:
            labels = store.current().items()
            return Corrections(Counter(k.data for k, of in labels if of.spans is not None and not of.skipped))
    except StoreError as error:
        return Corrections({}, str(error))


@st.cache_data(ttl=FRESH, max_entries=64, show_spinner=False)
def plan(request: JobRequest) -> tuple[Plan | None, str | None]:
    """What a request comes to, or a line that says why it cannot be done."""
    try:
        return jobs.plan(request), None
    except UmtError as error:
        return None, str(error)


def usual_training(dataset: str, counted: Corrections) -> list[str]:
    """The data sets to train a tagger of ``dataset`` on, as long as nobody says otherwise.

    Its own training tweets, and all that somebody labelled but what published splits keep for judging. None, where
    there are neither: the sample tweets are for looking at.
    """
    sources = list(sets.sources())
    own = [name for name in sources if counted.tweets.get(name) and name.rpartition("/")[2] not in ("valid", "test")]
    train = f"{dataset}/train"
    return list(dict.fromkeys([*([train] if train in sources else []), *own]))


def command(request: JobRequest) -> str:
    """The command line that asks for the same."""
    words = ["jobs", "submit", "--base", request.base]
    for part in request.train:
        words += ["--train", _part(part)]
    for name, value in (("valid", request.valid), ("test", request.test)):
        words += [f"--{name}", value.data] if value else []
    for teacher in request.teachers:
        words += ["--teacher", teacher]
    for part in request.unlabelled:
        words += ["--unlabelled", _part(part)]
    if request.store:
        words += ["--corrections", "default" if request.store == default_url() else request.store]
    defaults = JobRequest(request.base, request.train)
    for name in ("mode", "repeat", "epochs", "patience", "layers", "rates", "seed", "version", "author", "devices"):
        if (value := getattr(request, name)) != getattr(defaults, name):
            words += [f"--{name}", str(value)]
    return markup.command(*words, *(["--correct-valid"] if request.correct_valid else []))


def result(job: Status) -> str | None:
    """The version that came of a job, by the name that it has now; ``None``: it is not here any more."""
    family, _, version = (job.checkpoint or "").partition("@")

    def is_it(info: CheckpointInfo) -> bool:
        return info.manifest.weights_sha256 == job.weights_sha256 if job.weights_sha256 else info.version == version

    with suppress(UmtError):
        found = sorted(filter(is_it, versions(family)), key=lambda info: info.version != version)
        return found[0].name if found else None
    return None


def _part(part: Part) -> str:
    return part.data if part.share == 1 else f"{part.data}={part.share:g}"
