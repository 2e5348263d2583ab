"""What the Patterns page shows of a run's visual bias, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import streamlit as st

from app import sets
from app.patterns import Asked
from umt_core.analysis.before_after import gold_by_tweet, spans_by_tweet
from umt_core.errors import DataError
from umt_core.explain.bias import KIND, Bias, PictureScores, Rate, read_bias
from umt_core.explain.kept import kept_file


@dataclass(frozen=True, slots=True, eq=False)
class BiasFigures:
    """Of a run, against a baseline."""

    bias: Bias
    by_type: list[Rate]
    by_outcome: list[Rate]
    scores: PictureScores | None  # None: no tweet with a picture is labelled


def figures(asked: Asked, kept: pa.Table) -> BiasFigures:
    """Figures of what is kept (``DataError``: it is damaged, or of no tweet)."""
    changed = kept_file(asked.found, asked.system, KIND).stat().st_mtime_ns
    return _figures(asked.found.folder, asked.baseline, asked.system, asked.key, changed, kept)


@st.cache_resource(max_entries=8, show_spinner="Drawing tweets again and again for the intervals …")
def _figures(folder: Path, baseline: str, system: str, key: str, changed: int, _kept: pa.Table) -> BiasFigures:
    found = sets.opened(folder)
    bias = read_bias(found, system, _kept)
    if bias is None or not bias.tweets:
        raise DataError(f"{found.name}: wanted tweets with pictures that can be read, there is none")
    gold = gold_by_tweet(found)
    before = spans_by_tweet(found, found.table("spans", baseline))
    labelled = any(t.tweet in gold for t in bias.tweets)
    return BiasFigures(bias, bias.by_type(), bias.by_outcome(gold, before), bias.scores(gold) if labelled else None)
