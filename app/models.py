"""Versions of taggers for the Models page, with what prediction sets and corrections say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import streamlit as st

from app import corrections, markup, sets, tables
from app.lineage import SPLITS, Line
from umt_core.analysis.before_after import BeforeAfter, ChangedTweet, before_after
from umt_core.analysis.benchmark import YOUR_PICTURES, row_sets, systems_of
from umt_core.analysis.paper import TEXT_ALONE
from umt_core.analysis.reproduction import data_of
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import Interval
from umt_core.analysis.tables import score_rows
from umt_core.corrections.gold import gold_of
from umt_core.encoders.catalog import MPNET_BASE
from umt_core.errors import CheckpointError, DataError, StoreError
from umt_core.registry import CheckpointInfo, Damaged, checkpoints_folder, families, served, survey
from umt_core.schema import Span

SHOWN = 100  # corrected tweets in a list


def lines() -> list[Line]:
    """All versions of all families, damaged ones too."""
    found = []
    folders, _ = sets.folders()
    for family in families():
        now = served_version(family)
        for version in survey(family):
            is_served = isinstance(version, CheckpointInfo) and version.version == now
            known = {} if isinstance(version, Damaged) else _intervals(version, folders)
            found.append(Line(version, is_served, _size(version.folder), known))
    return found


def served_version(family: str) -> str:
    """The version that is served; "": none."""
    with suppress(CheckpointError):
        return served(family).version
    return ""


def _size(folder: Path) -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def _intervals(info: CheckpointInfo, folders: Mapping[str, Path]) -> dict[str, Interval]:
    """Of F1, on those splits of the version's data set that it has read."""
    found = {}
    for split in SPLITS:
        name = f"{info.manifest.dataset}/{split}"
        with suppress(KeyError, DataError):
            made = sets.opened(folders[name])
            if (run := run_of(made, info)) is not None:
                row = sets.rows(made, score_rows, [run])[0]
                found[split] = Interval(row["f1"], row["f1_low"], row["f1_high"])
    return found


def run_of(found: PredictionSet, info: CheckpointInfo) -> str | None:
    """The name of a version's run in a set; ``None``: it has not read it."""
    weights = info.manifest.weights_sha256
    return next((name for name, run in found.runs.items() if run.weights_sha256 == weights), None)


# --- before and after ----------------------------------------------------------------------------


def compared(found: PredictionSet, parent: str, new: str) -> tuple[BeforeAfter, str]:
    """Before and after on a set, and a line on why the corrections are left out; "": they are not.

    Raises:
        DataError: as ``before_after``.
    """
    labels, digest, complaint = {}, "", ""
    try:
        store, _ = corrections.store()
        labels, digest = gold_of(store.current(found.name)), store.digest(found.name)
    except StoreError as error:
        complaint = str(error)
    runs = tuple(found.runs[name].folder_name for name in (parent, new))
    return _compared(found.folder, runs, parent, new, digest, _labels=labels), complaint


@st.cache_data(max_entries=16, show_spinner=False)
def _compared(
    folder: Path, runs: tuple[str, ...], parent: str, new: str, digest: str, _labels: Mapping[str, Sequence[Span]]
) -> BeforeAfter:
    return before_after(sets.opened(folder), parent, new, _labels)


def words(found: PredictionSet, tweets: Sequence[ChangedTweet]) -> dict[str, Sequence[str]]:
    """The words of tweets by id; none where the set came without them."""
    if not found.has_texts or not tweets:
        return {}
    sql = f"""SELECT id, tokens FROM {found.table("tweets")} JOIN {found.table("texts")} USING (tweet)
        WHERE id IN (SELECT unnest(?))"""
    return {row["id"]: row["tokens"] for row in found.query(sql, [tweet.id for tweet in tweets])}


# --- systems that are not here ---------------------------------------------------------------------


def missing_systems() -> dict[str, list[str]]:
    """The paper's systems that have no checkpoint here, by checkpoint set."""
    here = set(families())
    return {name: [s for s in systems_of(name) if f"{name}/{s}" not in here] for name in row_sets()}


def system_rows() -> pd.DataFrame:
    """The paper's systems, and in which checkpoint sets each is here; "": it is not meant to be in that one."""
    missing = missing_systems()
    systems = dict.fromkeys(system for name in missing for system in systems_of(name))
    rows = []
    for system in systems:
        cells = ["" if system not in systems_of(n) else "–" if system in missing[n] else "✓ here" for n in missing]
        rows.append([tables.system_title(system), *cells])
    return pd.DataFrame(rows, columns=["System", *missing])


def train_command(source: sets.Source | None, name: str, system: str) -> str:
    """The command line that trains a system of a checkpoint set afresh, and tests it once.

    Args:
        source: a split of its data set.
    """
    data = data_of(name)
    files = {split: f"{data}/{split}.txt" for split in ("train", "valid", "test")}
    images = "IMAGES"
    if source is not None:
        files |= {split: sets.short(path) for split, path in source.of.splits.items() if split in files}
        images = sets.short(source.of.listed_images) if source.of.listed_images else images
    words = ["train", "--system", system]
    for split, file in files.items():
        words += [f"--{split}", file]
    words += [] if system in TEXT_ALONE else ["--images", images, "--about-images", YOUR_PICTURES]
    if name != data:
        words += ["--text-encoder", MPNET_BASE.name, "--name", name]
    return markup.command(*words, "--output", sets.short(checkpoints_folder() / name / system))
