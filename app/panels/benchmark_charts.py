"""The Benchmark page's charts, each with its table beside it: the seeds' spread, and F1 against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import standing_figures, standings, state
from app.panels import charts, linked
from app.standings import Browser
from umt_core.analysis.benchmark import Cost, Standing

_QUIET = {"displayModeBar": False}


def seeds(found: Sequence[Standing], where: Mapping[str, Browser]) -> None:
    """A strip of the seeds of the systems that have several; ``where`` by row set."""
    st.subheader("Spread of the seeds", anchor=False)
    table = standings.seed_table(found)
    if table.empty:
        st.info("No system here has several seeds yet: one training alone does not show how much chance is in it.")
        return
    chart, words = st.columns(2, gap="large", vertical_alignment="center")
    with chart:
        st.plotly_chart(
            charts.built(standing_figures.seed_strip, table),
            config=_QUIET,
            key="benchmark_seeds",
            alt="; ".join(f"{row.System} seed {row.Seed}: {row.F1:.2f}" for row in table.itertuples()),
        )
    with words:
        linked.show("benchmark_seed_table", *standings.seed_cells(found, where))
    st.caption(
        "A difference between systems that is no larger than the seeds of one lie apart is no finding."
        f"{standings.stand_in_line(standings.with_seeds(found))}"
    )


def cost(found: Sequence[Cost], split: str, by: str, where: Mapping[str, Browser], timed: str, notice: str) -> None:
    """F1 against what it costs, ``by`` one of the ``COSTS``; how it was ``timed`` and ``notice`` end the caption."""
    st.subheader("F1 against cost", anchor=False)
    if not found:
        st.info("Nothing is run yet, so nothing has cost anything.")
        return
    st.segmented_control(
        "Cost",
        list(standings.COSTS),
        format_func=standings.COSTS.__getitem__,
        key=state.Key.BENCHMARK_COST,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    table = standings.cost_table(found, split)
    column = standings.COSTS[by]
    st.plotly_chart(
        charts.built(standing_figures.f1_by_cost, table, column),
        config=_QUIET,
        key="benchmark_cost_chart",
        alt="; ".join(f"{row['System']}: F1 {row['F1']:.2f} at {row[column]}" for row in table.to_dict("records")),
    )
    linked.show("benchmark_costs", *standings.cost_cells(found, split, by, where))
    devices = ", ".join(dict.fromkeys(cost.device for cost in found))
    st.caption(
        "Parameters, in millions, are those that were trained and those that stay as published, the vision encoder's "
        f"left out. Time is that of prediction on {devices}, in batches, with the regions of pictures computed before. "
        f"{timed} F1 is the mean of the seeds, their extremes are the whisker; the rest is of the first seed.{notice}"
    )
