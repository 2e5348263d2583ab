"""Figures 3 and 4 from the results' own predictions, and whether the differences are more than chance."""

from __future__ import annotations

import streamlit as st

from app import benchmark, figures, standings, state
from app.panels import charts, linked
from app.standings import Browser
from umt_core.analysis.benchmark_pairs import Predictions, figures_3_and_4
from umt_core.analysis.claims import compared_pairs
from umt_core.analysis.significance import RESAMPLES

_HEADINGS = {
    "fixed": "Figure 3, fixed: BERT-CRF is wrong, the system right",
    "broken": "Figure 4, broken: BERT-CRF is right, the system wrong",
}


def bars(dataset: str, found: Predictions | None, where: Browser, notice: str) -> None:
    """Both figures, and the table of their counts; ``notice`` ends its caption."""
    rows = figures_3_and_4(dataset, found)
    table = standings.moved_table(rows, sum(map(len, found.gold)) if found else 0)
    if not table.empty:
        highest = table["count"].max()
        for column, (outcome, heading) in zip(st.columns(2, gap="large"), _HEADINGS.items(), strict=True):
            part = table[table["outcome"] == outcome].reset_index(drop=True)
            with column:
                st.markdown(f"**{heading}**")
                st.plotly_chart(
                    charts.built(figures.moved_bars, part, highest),
                    config={"displayModeBar": False},
                    key=f"benchmark_{outcome}_{dataset}",
                    alt=f"{outcome}: {', '.join(f'{title} {n}' for title, n in part[['title', 'count']].values)}",
                )
    linked.show(f"benchmark_moved_{dataset}", *standings.moved_cells(rows, where))
    st.caption(
        "Gold entities of the test split, first seeds. The paper draws these bars of the four that read pictures "
        f"beside BERT, and prints no numbers.{notice}"
    )


def chance(dataset: str, found: Predictions | None, where: Browser, notice: str) -> None:
    """Every pair's tests, once the reader asks for them: they take seconds; ``notice`` ends their caption."""
    wanted = compared_pairs(dataset, found) if found else []
    if not wanted:
        return
    asked = st.toggle(
        f"Test each system against BERT-CRF, GVATT and AdaCAN, and the paper's other pairs ({len(wanted)} pairs)",
        key=f"{state.Key.BENCHMARK_CHANCE}_{dataset}",  # the small taggers and those at the paper's size stand together
        persist_state="session",
    )
    if not asked:
        return
    bar = st.progress(0.0, text="Drawing tweets again and again …")
    rows = []
    for done, pair in enumerate(wanted, 1):
        rows.append(benchmark.against(dataset, pair))
        bar.progress(done / len(wanted), text=f"Pair {done} of {len(wanted)}; switching it off stops this.")
    bar.empty()
    linked.show(f"benchmark_pairs_{dataset}", *standings.against_cells(rows, where))
    st.caption(
        f"First seeds on the test split. Whole tweets are swapped (p) and drawn (interval), {RESAMPLES:,} times each; "
        "McNemar's test is exact, of fixed against broken. Neither knows how far the seeds of one system lie "
        f"apart.{notice}"
    )
