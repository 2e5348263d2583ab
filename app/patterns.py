"""What a prediction set is asked about on the Patterns page: one system, beside a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd
import pyarrow as pa
import streamlit as st

from app import outcomes, sets
from app.outcomes import Cells
from umt_core.analysis.sets import PredictionSet, RunInfo
from umt_core.explain import faithfulness
from umt_core.explain.aggregates import Box, Extreme, tweets_behind
from umt_core.explain.faithfulness import MapFaithfulness
from umt_core.explain.kept import kept_file

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What every section of the Patterns page is given."""

    found: PredictionSet
    baseline: str  # names of runs; outcomes (fixed, broken, …) are the system's against the baseline
    system: str

    @property
    def run(self) -> RunInfo:
        """The system's."""
        return self.found.run(self.system)

    @property
    def title(self) -> str:
        """The system's short name."""
        return outcomes.run_titles(self.found.runs)[self.system]

    @property
    def baseline_title(self) -> str:
        return outcomes.run_titles(self.found.runs)[self.baseline]

    @property
    def key(self) -> str:
        """Changes with the set and both runs' weights: for keys of widgets."""
        runs = (self.found.run(name).weights_sha256[:12] for name in (self.baseline, self.system))
        return "_".join((self.found.info.key, *runs))

    @property
    def link(self) -> dict[str, str]:
        """Where Errors is to show something: this set and these runs."""
        return {"data": self.found.name, "baseline": self.baseline, "system": self.system}


def aggregate(
    asked: Asked,
    kind: str,
    function: Callable[Concatenate[PredictionSet, str, P], T],
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """What a function of ``aggregates`` says of the system's kept results; the same is asked once."""
    stamp = kept_file(asked.found, asked.system, kind).stat().st_mtime_ns
    of = asked.found.folder, asked.key, asked.system, stamp
    kept: T = _aggregate(*of, function.__name__, arguments, options, function)
    return kept


@st.cache_data(max_entries=128, show_spinner=False)
def _aggregate(
    folder: Path,
    key: str,
    run: str,
    stamp: int,
    name: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    _function: Callable[..., Any],
) -> Any:
    return _function(sets.opened(folder), run, *arguments, **options)


def summary(asked: Asked, table: pa.Table, least_effect: float) -> list[MapFaithfulness]:
    """``faithfulness.summarise``, once."""
    stamp = kept_file(asked.found, asked.system, faithfulness.KIND).stat().st_mtime_ns
    found: list[MapFaithfulness] = _summary(asked.key, stamp, least_effect, table)
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def _summary(key: str, stamp: int, least_effect: float, _table: pa.Table) -> list[MapFaithfulness]:
    return faithfulness.summarise(_table, least_effect)


# --- as tables -----------------------------------------------------------------------------------


def group_title(by: str, group: str) -> str:
    return outcomes.outcome_title(group) if by == "outcome" else group


def spreads(by: str, boxes: Sequence[Box]) -> pd.DataFrame:
    """A row a group."""
    rows = [(group_title(by, box.group), box.count, box.tweets, box.mean, *box.quantiles) for box in boxes]
    return pd.DataFrame(rows, columns=["Group", "Count", "Tweets", "Mean", "5 %", "25 %", "Median", "75 %", "95 %"])


def spread_cells(asked: Asked, by: str, boxes: Sequence[Box]) -> tuple[Cells, Cells]:
    """The same for a linked table: a group leads to its tweets on Errors.

    What is found in a tweet without labels no filter there finds by its type: that would lead to too few.
    """
    what = "Words" if by == "part" else "Entities"
    titles = ["", what, "Tweets", "Mean", "5 %", "25 %", "Median", "75 %", "95 %"]
    columns = [{"title": title, "words": not i} for i, title in enumerate(titles)]
    rows = []
    for box in boxes:
        filters = tweets_behind(by, box.group).to_params()
        found_there = by != "type" or not asked.found.info.unlabelled
        link = asked.link | filters if filters and found_there else None
        figures = [outcomes.cell(f"{value:.3f}") for value in (box.mean, *box.quantiles)]
        counts = [outcomes.cell(f"{box.count:,}"), outcomes.cell(f"{box.tweets:,}")]
        rows.append({"cells": [outcomes.cell(group_title(by, box.group), link=link), *counts, *figures]})
    return columns, rows


def extreme_cells(
    asked: Asked, title: str, rows: Sequence[Extreme]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tweets at an end, each a link to it."""
    columns: Cells = [{"title": title, "words": True}, {"title": "Value"}]
    cells = [
        [outcomes.cell(row.id, link=asked.link | {"tweet": row.id}), outcomes.cell(f"{row.value:.3f}")] for row in rows
    ]
    return columns, [{"cells": row} for row in cells]


def faithfulness_table(found: Sequence[MapFaithfulness]) -> pd.DataFrame:
    """A row a map and head."""
    return pd.DataFrame(
        {
            "Map": [m.title for m in found],
            "Attention": [m.is_attention for m in found],
            "Entities": [m.spans for m in found],
            "ρ": [m.rho.value for m in found],
            "Low": [m.rho.low for m in found],
            "High": [m.rho.high for m in found],
            "25 %": [m.quartiles[0] for m in found],
            "Median": [m.quartiles[1] for m in found],
            "75 %": [m.quartiles[2] for m in found],
            "Area": [None if m.area is None else m.area.value for m in found],
            "Area low": [None if m.area is None else m.area.low for m in found],
            "Area high": [None if m.area is None else m.area.high for m in found],
        }
    )


def agreeing(
    asked: Asked, table: pa.Table, name: str, head: int, least_effect: float, *, most: bool, count: int = 5
) -> list[Extreme]:
    """The tweets in which a map agrees most, or least, with occlusion, by their furthest entity.

    Of entities that some block moves by ``least_effect`` at least, as in ``faithfulness.summarise``.
    """
    rows = table.to_pandas()
    rows = rows[(rows["map"] == name) & (rows["head"] == head) & (rows["effect"] >= least_effect)]
    rows = rows.dropna(subset=["rho"])
    ends = rows.groupby("tweet")["rho"].agg("max" if most else "min").sort_values(ascending=not most).head(count)
    ids = {
        row["tweet"]: row["id"]
        for row in asked.found.query(
            f"SELECT tweet, id FROM {asked.found.table('tweets')} WHERE list_contains(?::BIGINT[], tweet)",
            [int(tweet) for tweet in ends.index],
        )
    }
    return [Extreme(ids[int(tweet)], float(rho)) for tweet, rho in ends.items()]
