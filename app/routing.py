"""Relevance of a prediction set's pictures and what a router makes of it, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import sets
from umt_core.analysis.sets import PredictionSet
from umt_core.explain.kept import kept_file
from umt_core.explain.relevance_info import RelevanceInfo, read_info, relevance_folder
from umt_core.explain.router import KIND, Part, Routed, Trend, by_relevance, read_pair, route, trend
from umt_core.manifest import MANIFEST

DEV = "valid"  # name of the split that thresholds are chosen on


@dataclass(frozen=True, slots=True)
class Found:
    """What relevance says of two runs on a set."""

    parts: list[Part]
    trend: Trend


def model() -> RelevanceInfo | None:
    """The trained projections that pages take; ``None``: there are none (``CheckpointError``: they are damaged)."""
    folder = relevance_folder()
    return read_info(folder) if (folder / MANIFEST).exists() else None


def dev_of(found: PredictionSet, *runs: str) -> PredictionSet | str:
    """The set that thresholds are chosen on; or a line on what it lacks."""
    name = f"{found.info.dataset}/{DEV}"
    if name == found.name:
        return "This is the dev split: a router is chosen on it, and judged on another."
    folders, _ = sets.folders()
    if name not in folders:
        return f"A threshold is chosen on {name}, of which there are no predictions yet."
    dev = sets.opened(folders[name])
    if missing := [run for run in runs if run not in dev.runs]:
        return f"A threshold is chosen on {name}, where {' and '.join(missing)} did not run yet."
    if not kept_file(dev, None, KIND).exists():
        return f"A threshold is chosen on {name}, whose relevance was not computed yet."
    return dev


def found(of: PredictionSet, baseline: str, system: str) -> Found:
    """Errors as ``read_pair``."""
    return _found(of.folder, _stamp(of, baseline, system), baseline, system)


def routed(dev: PredictionSet, test: PredictionSet, baseline: str, system: str) -> Routed:
    """Errors as ``route``."""
    stamps = (_stamp(dev, baseline, system), _stamp(test, baseline, system))
    return _routed(dev.folder, test.folder, stamps, baseline, system)


def _stamp(of: PredictionSet, *runs: str) -> tuple[str | int, ...]:
    """Changes with the runs' weights and the kept relevance."""
    path = kept_file(of, None, KIND)
    return path.stat().st_mtime_ns if path.exists() else 0, *(of.run(run).weights_sha256 for run in runs)


@st.cache_data(max_entries=16, show_spinner="Comparing by relevance …")
def _found(folder: Path, stamp: tuple[str | int, ...], baseline: str, system: str) -> Found:
    pair = read_pair(sets.opened(folder), baseline, system)
    return Found(by_relevance(pair), trend(pair))


@st.cache_data(max_entries=16, show_spinner="Choosing the router's threshold on dev …")
def _routed(dev: Path, test: Path, stamps: tuple[tuple[str | int, ...], ...], baseline: str, system: str) -> Routed:
    return route(*(read_pair(sets.opened(folder), baseline, system) for folder in (dev, test)))
