"""What is computed once for a whole prediction set: read once, and computed in the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import streamlit as st

from app import services, sets
from app.work import Work, submit
from umt_core.analysis.sets import PredictionSet
from umt_core.explain.kept import kept_file, read_kept


@dataclass(frozen=True, slots=True)
class Recipe:
    """How results of a kind are made: ``compute(found, run, device=, progress=, **options)``."""

    kind: str  # of ``umt_core.explain.kept``
    compute: services.Lazy
    what: str  # what is computed, for people
    command: str  # that does the same in a shell
    options: Mapping[str, Any] = field(default_factory=dict)


class Keeping(Work):
    """Results of one kind being computed for a run."""

    STOPPED = "Stopped."

    def __init__(self, found: PredictionSet, run: str | None, recipe: Recipe) -> None:
        super().__init__()
        self.found, self.name, self.recipe = found, run, recipe
        self.what = "waiting for other work to end"

    @property
    def line(self) -> str:
        """How far it is."""
        counts = f"{self.done:,} of {self.total:,} tweets"
        return f"{self.recipe.what}: {counts}" if self.total else f"{self.recipe.what}: {self.what} …"

    def work(self) -> None:
        self.what = "loading the tagger"
        options = self.recipe.options
        self.recipe.compute(self.found, self.name, device=services.DEVICE, progress=self.report, **options)


def table(found: PredictionSet, run: str | None, kind: str) -> pa.Table | None:
    """Kept results, read once; errors and ``None`` as ``read_kept``."""
    path = kept_file(found, run, kind)
    return _table(path, path.stat().st_mtime_ns, found.folder, run, kind) if path.exists() else None


@st.cache_resource(max_entries=8, show_spinner=False)
def _table(path: Path, changed: int, folder: Path, run: str | None, kind: str) -> pa.Table | None:
    return read_kept(sets.opened(folder), run, kind)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[Path, Keeping]:
    return {}


def job(found: PredictionSet, run: str | None, kind: str) -> Keeping | None:
    """The newest job that computes these results, running or over."""
    return _jobs().get(kept_file(found, run, kind))


def start(found: PredictionSet, run: str | None, recipe: Recipe) -> None:
    """Begins to compute, unless that is going on."""
    running = job(found, run, recipe.kind)
    if running is None or not running.running:
        _jobs()[kept_file(found, run, recipe.kind)] = started = Keeping(found, run, recipe)
        submit(started)
