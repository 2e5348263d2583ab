"""The results of ``reproduce`` for the Benchmark page: read when they change, and their predictions taken in."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app import sets
from app.markup import command
from app.standings import NOWHERE, Browser
from app.work import Work
from umt_core.analysis import benchmark_pairs, claims
from umt_core.analysis.benchmark import Results, Standing
from umt_core.analysis.benchmark_pairs import Against, Predictions, predictions_folder
from umt_core.analysis.building import add_texts, adopt_set
from umt_core.analysis.claims import Finding
from umt_core.analysis.reproduction import COST, results_folder
from umt_core.analysis.sets import SET, PredictionSet, sets_folder
from umt_core.data.datasets import data_folder


def where() -> str:
    """The folder of the results, as a reader would look for it."""
    name = sets.short(results_folder())
    return f"{name} (UMT_RESULTS)" if os.environ.get("UMT_RESULTS") else name


def shell_data() -> str:
    """The folder of data sets as a command has it."""
    found = data_folder()
    return "FOLDER" if found is None else sets.short(found)


def results() -> Results:
    """What the folder of results holds now (``DataError``: a file is damaged)."""
    folder = results_folder()
    files = sorted([*folder.glob("*/*/seed-*.json"), *folder.glob(COST)])
    return _results(folder, tuple((str(path), path.stat().st_mtime_ns) for path in files))


@st.cache_resource(max_entries=4, show_spinner=False)
def _results(folder: Path, stamps: tuple[tuple[str, int], ...]) -> Results:
    return Results.read(folder)


# --- predictions ---------------------------------------------------------------------------------


def kept(dataset: str) -> PredictionSet | None:
    """The predictions that go with the rows of a name; ``None``: there are none (``DataError``: they are damaged)."""
    folder = predictions_folder(results_folder(), dataset)
    return sets.opened(folder) if (folder / SET).exists() else None


def predictions(dataset: str) -> Predictions | None:
    """The same as spans, read once (errors as ``kept``)."""
    found = kept(dataset)
    return None if found is None else _predictions(results_folder(), dataset, _runs(found))


def _runs(found: PredictionSet) -> tuple[str, ...]:
    return tuple(run.folder_name for run in found.runs.values())


@st.cache_resource(max_entries=8, show_spinner=False)
def _predictions(folder: Path, dataset: str, runs: tuple[str, ...]) -> Predictions | None:
    return Predictions.read(folder, dataset)


@st.cache_resource(show_spinner=False)
def _daggers() -> dict[tuple[Path, str, tuple[str, ...]], list[str]]:
    return {}


def daggers(dataset: str) -> list[str] | None:
    """The figures of UMT that are marked; ``None``: ``find_daggers`` has not been asked (errors as ``kept``)."""
    found = kept(dataset)
    return [] if found is None else _daggers().get((results_folder(), dataset, _runs(found)))


def find_daggers(dataset: str) -> None:
    """Works out ``daggers``, which takes a second and more: a page draws everything else before."""
    found = kept(dataset)
    if found is not None:
        _daggers()[results_folder(), dataset, _runs(found)] = benchmark_pairs.daggers(predictions(dataset))


@st.cache_resource(show_spinner=False)
def _findings() -> dict[tuple[Results, str, tuple[str, ...]], list[Finding]]:
    return {}


def findings(dataset: str) -> list[Finding] | None:
    """What came of the paper's claims; ``None``: ``find_claims`` has not been asked (errors as ``kept``)."""
    found = kept(dataset)
    if found is None:
        return claims.findings(results(), dataset, None)
    return _findings().get((results(), dataset, _runs(found)))


def find_claims(dataset: str) -> None:
    """Works out ``findings``, which takes seconds."""
    found = kept(dataset)
    if found is not None:
        _findings()[results(), dataset, _runs(found)] = claims.findings(results(), dataset, predictions(dataset))


def against(dataset: str, pair: tuple[str, str]) -> Against:
    """The tests of baseline and system, drawn once; their predictions must be there (errors as ``kept``)."""
    found = kept(dataset)
    return _against(results_folder(), dataset, () if found is None else _runs(found), pair)


@st.cache_data(max_entries=256, show_spinner=False)
def _against(folder: Path, dataset: str, runs: tuple[str, ...], pair: tuple[str, str]) -> Against:
    found = _predictions(folder, dataset, runs)
    assert found is not None
    return benchmark_pairs.against(found, *pair)


# --- the tweets behind the figures ---------------------------------------------------------------


def browser(dataset: str, standings: Sequence[Standing]) -> Browser:
    """Where the errors of these rows can be looked at: of each whose first seed's predictions are here with tweets."""
    found = kept(dataset)
    folders, _ = sets.folders()
    if found is None or found.name not in folders:
        return NOWHERE
    here = sets.opened(folders[found.name])
    if not here.has_texts or _made_with(here) != _made_with(found):
        return NOWHERE
    # UMT without ESD has MT's weights.
    runs = {(run.system, run.weights_sha256): name for name, run in here.runs.items()}
    return Browser(here.name, {s.system: runs[s.system, s.weights] for s in standings if (s.system, s.weights) in runs})


def _made_with(found: PredictionSet) -> tuple[str, str]:
    """What a tagger's predictions depend on besides its weights."""
    return found.info.data_sha256, found.info.images_sha256


def hidden(found: PredictionSet) -> bool:
    """Whether these predictions are taken in, but the pages show a newer set of their name."""
    folder = sets_folder() / found.info.dataset / f"{found.info.split}-{found.info.key}"
    folders, _ = sets.folders()
    if not (folder / SET).exists() or folders.get(found.name) == folder:
        return False
    return sets.opened(folder).has_texts and not set(_runs(found)) - set(_runs(sets.opened(folder)))


class Adoption(Work):
    """Predictions being taken in, joined to the reader's tweets."""

    STOPPED = "Stopped. Taking them in again goes on from there."

    def __init__(self, found: PredictionSet, source: sets.Source) -> None:
        super().__init__()
        self.found, self.source = found, source

    @property
    def line(self) -> str:
        """How far it is."""
        return f"{self.what}: {self.done:,}" if self.done else f"{self.what} …"

    @property
    def fraction(self) -> float:
        return self.done / self.found.info.tweets

    def work(self) -> None:
        self.report("copying predictions", 0, 0)
        taken = adopt_set(self.found.folder)
        of = self.source.of
        add_texts(taken, self.source.data, of.images(), train=of.splits.get("train"), progress=self.report)


@st.cache_resource(show_spinner=False)
def _adoptions() -> dict[Path, Adoption]:
    return {}


def adoption(found: PredictionSet) -> Adoption | None:
    """The newest work that takes these predictions in, going on or over."""
    return _adoptions().get(found.folder)


def adopt(found: PredictionSet, source: sets.Source) -> None:
    """Begins to take predictions in, unless that is going on; it waits for no tagger."""
    running = adoption(found)
    if running is None or not running.running:
        _adoptions()[found.folder] = started = Adoption(found, source)
        threading.Thread(target=started.run, name="adoption", daemon=True).start()


def adopt_command(found: PredictionSet, source: sets.Source | None) -> str:
    """The command line that takes them in."""
    words = ["sets", "adopt", sets.short(found.folder), "--data"]
    if source is None:
        return command(*words, f"{found.info.split}.txt")
    images = source.of.listed_images
    return command(*words, sets.short(source.data), *(["--images", sets.short(images)] if images else []))
