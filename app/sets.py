"""Prediction sets for the pages: which there are, their pictures, and building them in the background.

A set is opened once and shared by all sessions; it is opened again when a file that describes it changes.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Concatenate, ParamSpec, TypeVar

import streamlit as st

from app import markup, outcomes, services, state
from app.work import Work, submit
from umt_core.analysis.browse import Page, browse, write_export
from umt_core.analysis.building import build_set
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet, set_folders
from umt_core.data import stats
from umt_core.data.datasets import SAMPLE_DATA, DataSet, data_complaint, data_sets
from umt_core.data.images import ImageIndex, open_image, read_image_bytes
from umt_core.errors import DataError, ImageError, UmtError
from umt_core.manifest import file_sum
from umt_core.schema import Example

P = ParamSpec("P")
T = TypeVar("T")

SAMPLES = f"{SAMPLE_DATA}/tweets"
GONE = "The picture is not here: its folder has moved or gone."
_SAMPLE_PICTURES = '"$({} -c "from umt_core.data.samples import *; print(sample_images_folder())")"'
PART = 100  # tweets that are kept at a time while a set is built: what a stop costs at most


@dataclass(frozen=True, slots=True)
class Source:
    """A split whose files are here."""

    name: str  # twitter2017/test
    data: Path
    of: DataSet


# --- which there are -----------------------------------------------------------------------------


def sources() -> dict[str, Source]:
    """Splits whose files are here, by name: the sample tweets, then of each data set first what it is tested on."""
    found = {}
    for of in data_sets():
        for split, data in reversed(list(of.splits.items())):
            name = f"{of.name}/{split}"
            found[name] = Source(name, data, of)
    return found


def data_set_rows() -> tuple[list[dict[str, Any]], list[str]]:
    """What is in each split (``stats.data_set_rows``), counted once, and a line for each that cannot be read."""
    found, complaints = [], []
    for of in data_sets():
        try:
            files = [*of.splits.values(), *([of.listed_images] if of.listed_images else [])]
            found += _data_set_rows(of.name, tuple((str(path), path.stat().st_mtime_ns) for path in files))
        except (UmtError, OSError) as error:
            complaints.append(str(error))
    return found, complaints


@st.cache_data(max_entries=32, show_spinner=False)
def _data_set_rows(name: str, stamps: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return stats.data_set_rows(next(of for of in data_sets() if of.name == name))


def folders() -> tuple[dict[str, Path], list[str]]:
    """Of each name the prediction set to show, and a line for all that is wrong with sets or data sets."""
    complaints = [line for line in [data_complaint()] if line]
    by_name: dict[str, list[PredictionSet]] = {}
    for folder in set_folders():
        try:
            found = opened(folder)
        except DataError as error:
            complaints.append(str(error))
        else:
            by_name.setdefault(found.name, []).append(found)
    return {name: _to_show(name, several).folder for name, several in by_name.items()}, complaints


def _to_show(name: str, several: Sequence[PredictionSet]) -> PredictionSet:
    """Of the sets of a name the newest of the data file as it is, once there are predictions in it.

    While taggers are at work on it, once there are those of two to compare: that may take hours, and until then the
    set from before has more to show.
    """
    if len(several) == 1:
        return several[0]
    source, at_work = sources().get(name), job(name)
    enough = 2 if at_work is not None and at_work.running else 1
    return max(several, key=lambda s: (min(len(s.runs), enough), other_data(s, source) is None, s.info.created))


def opened(folder: Path) -> PredictionSet:
    """A prediction set with the runs that it has now (``DataError`` as ``PredictionSet.open``)."""
    files = sorted([*folder.glob("*.json"), *folder.glob("[!.]*/*.json")])
    try:
        stamps = tuple((str(path), path.stat().st_mtime_ns) for path in files)
    except OSError as error:  # somebody is removing it
        raise DataError(f"{folder}: wanted a prediction set, got one that goes away: {error.strerror}") from error
    return _opened(folder, stamps)


@st.cache_resource(max_entries=32, show_spinner=False)
def _opened(folder: Path, stamps: tuple[tuple[str, int], ...]) -> PredictionSet:
    return PredictionSet.open(folder)


def other_data(found: PredictionSet, source: Source | None) -> str | None:
    """A line if the data file is not any more the one that the set was built from."""
    if source is None or not source.data.exists():
        return None
    if data_sum(source.data) == found.info.data_sha256:
        return None
    if source.of.own:
        return f"{source.name} has other tweets than when the taggers ran; run them again to have all of them read."
    return f"{source.data.name} is not the file that these predictions were made for; run the taggers again."


def data_sum(path: Path) -> str:
    """SHA-256 of a data file as it is now."""
    return _file_sum(path, path.stat().st_mtime_ns)


@st.cache_data(max_entries=16, show_spinner=False)
def _file_sum(path: Path, changed: int) -> str:
    return file_sum(path)


@st.cache_data(max_entries=16, show_spinner=False)
def limits(folder: Path) -> dict[str, tuple[int, int]]:
    """Least and most words of a set's tweets, and gold entities of those that are labelled."""
    found = opened(folder)
    columns = "min(words), max(words), min(entities), max(entities)"
    (row,) = found.query(f"SELECT {columns} FROM {found.table('tweets')}")
    words_low, words_high, low, high = row.values()
    found_limits = {"words": (words_low, words_high)}
    return found_limits if low is None else found_limits | {"entities": (low, high)}


# --- figures, computed once ----------------------------------------------------------------------


def rows(
    found: PredictionSet, table: Callable[Concatenate[PredictionSet, P], T], *arguments: P.args, **options: P.kwargs
) -> T:
    """What a function of ``umt_core.analysis.tables`` gives for a set; the same is computed once."""
    kept: T = _rows(found.folder, _run_folders(found), table.__name__, arguments, options, table)
    return kept


def _run_folders(found: PredictionSet) -> tuple[str, ...]:
    """What a set's figures depend on: its folder is of its data, a run's of its weights."""
    return tuple(run.folder_name for run in found.runs.values())


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(
    folder: Path,
    runs: tuple[str, ...],
    name: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    _table: Callable[..., Any],
) -> Any:
    return _table(opened(folder), *arguments, **options)


def page(found: PredictionSet, query: Query) -> Page:
    """A page of what a query finds, with the predictions of its two runs; errors as ``browse``."""
    return _page(found.folder, _run_folders(found), query.to_params())


@st.cache_data(max_entries=32, show_spinner=False)
def _page(folder: Path, runs: tuple[str, ...], params: dict[str, str]) -> Page:
    query = Query.from_params(params)
    return browse(opened(folder), query, runs=[query.baseline, query.system])


def count(found: PredictionSet, query: Query) -> int:
    """How many tweets a query finds; the same is counted once."""
    params = replace(query, sort="tweet", descending=False, page=0).to_params()
    return _count(found.folder, _run_folders(found), params)


@st.cache_data(max_entries=256, show_spinner=False)
def _count(folder: Path, runs: tuple[str, ...], params: dict[str, str]) -> int:
    return browse(opened(folder), Query.from_params(params), runs=[], size=1).tweets


def export(found: PredictionSet, query: Query, form: str) -> BinaryIO:
    """A temporary file, which is deleted when it is closed, of all tweets that a query finds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write_export(found, query, form, path)
        return path.open("rb")


# --- pictures ------------------------------------------------------------------------------------


@st.cache_resource(max_entries=4, show_spinner=False)
def _images(folder: Path, stamp: int) -> ImageIndex:
    if (index := opened(folder).images()) is None:
        raise _NoPictures  # which is not kept: the folder may come back
    return index


class _NoPictures(Exception):
    pass


def picture_path(found: PredictionSet, row: Mapping[str, Any]) -> Path | None:
    """The file of a tweet's picture; ``None``: it has none, or the set came without pictures."""
    with suppress(DataError, OSError, _NoPictures):
        index = _images(found.folder, (found.folder / "source.json").stat().st_mtime_ns)
        return index.path(row["picture"])
    return None


def thumbnail(found: PredictionSet, row: Mapping[str, Any]) -> str | None:
    """A tweet's picture, small, as a data URI; ``None``: there is none that can be read."""
    path = picture_path(found, row)
    with suppress(ImageError, OSError):
        return None if path is None else services.file_thumbnail_uri(path, path.stat().st_mtime_ns)
    return None


def picture(found: PredictionSet, row: Mapping[str, Any]) -> state.Picture | None:
    """A tweet's picture as its file holds it.

    Raises:
        ImageError: it cannot be read.
    """
    path = picture_path(found, row)
    return None if path is None else state.Picture(path.name, read_image_bytes(path, name=path.name))


def request_of(found: PredictionSet, row: Mapping[str, Any]) -> state.Request:
    """A tweet of a set as Inspect and Explain read it: with its own words, gold labels and picture.

    Raises:
        DataError: the set came without its tweets.
    """
    if row["tokens"] is None:
        raise DataError(f"{found.name}: wanted a tweet with its words, this set came without its tweets")
    if found.name == SAMPLES and (sample := services.samples().get(row["id"])):
        return state.Request(services.sample_text(sample), sample=row["id"], picture_of=row["id"])
    text = row["text"] if row["raw"] else None
    gold = tuple(outcomes.gold_of(row)) if outcomes.labelled(row) else None
    example = Example(row["id"], tuple(row["tokens"]), spans=gold, text=text)
    of_tweet, lost = None, ""
    try:
        if (of_tweet := picture(found, row)) is None and row["image"] != "missing":
            lost = GONE
    except ImageError as error:
        lost = str(error)
    shown = text or " ".join(example.tokens)
    return state.Request(shown, own_picture=of_tweet, given=example, data=found.name, lost=lost)


def shown_uri(found: PredictionSet, row: Mapping[str, Any]) -> str | None:
    """A tweet's picture as the page shows it, as a data URI; errors as ``picture``."""
    path = picture_path(found, row)
    return None if path is None else services.picture_uri(str(path), open_image(path))


def picture_credit(found: PredictionSet, row: Mapping[str, Any]) -> str | None:
    """Whose photograph a sample tweet's picture is."""
    sample = services.samples().get(row["id"]) if found.name == SAMPLES else None
    return sample.credit if sample else None


def picture_note(found: PredictionSet) -> str | None:
    """A line about what the pictures are, where they are not the tweets' own."""
    notes = dict.fromkeys(
        run.images for run in found.runs.values() if run.uses_image and "stand-in" in run.images.lower()
    )
    return f"Pictures in training: {'; '.join(notes)}" if notes else None


# --- building ------------------------------------------------------------------------------------


class Job(Work):
    """Taggers running over a split."""

    STOPPED = "Stopped. What is done is kept: running it again goes on from there."

    def __init__(self, source: Source, checkpoints: Sequence[str]) -> None:
        super().__init__()
        self.source, self.checkpoints = source, tuple(checkpoints)

    @property
    def line(self) -> str:
        """How far it is."""
        what = self.what
        if what in self.checkpoints:
            what += f" (tagger {self.checkpoints.index(what) + 1} of {len(self.checkpoints)})"
        if self.total and self.done == self.total:
            return f"{what}: done; going on …"
        counts = f"{self.done:,} of {self.total:,} tweets" if self.total else f"{self.done:,} tweets"
        return f"{what}: {counts}" if self.done else f"{what} …"

    @property
    def fraction(self) -> float:
        """Of all taggers' work, 0 to 1."""
        before = self.checkpoints.index(self.what) if self.what in self.checkpoints else 0
        return (before + super().fraction) / max(1, len(self.checkpoints))

    def work(self) -> None:
        self.what = "reading tweets and pictures"
        of = self.source.of
        made = build_set(self.source.data, of.images(), dataset=of.name, progress=self.report)
        services.Lazy.RUN_SET(made, self.checkpoints, device=services.DEVICE, part=PART, progress=self.report)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}


def job(name: str) -> Job | None:
    """The newest job of a split, running or over."""
    return _jobs().get(name)


def start_job(source: Source, checkpoints: Sequence[str]) -> None:
    """Begins to build a set, unless that is going on."""
    running = job(source.name)
    if running is None or not running.running:
        _jobs()[source.name] = started = Job(source, checkpoints)
        submit(started)


def command(source: Source, checkpoints: Sequence[str]) -> str:
    """The command line that does the same as a job."""
    parts = [p for name in checkpoints for p in ("--checkpoint", name)]
    line = markup.command("sets", "run", *parts, "--data", short(source.data))
    if source.name == SAMPLES:
        return f"{line} --images {_SAMPLE_PICTURES.format(shlex.quote(markup.python()))}"
    images = source.of.listed_images
    return line if images is None else f"{line} --images {shlex.quote(short(images))}"


def short(path: Path) -> str:
    """A path as it can be typed where the app was started."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
