"""Scores, pair by pair: whether systems differ by more than chance."""

from __future__ import annotations

import streamlit as st

from app import outcomes, sets, state
from app.panels import linked
from umt_core.analysis.browse import resolve
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.tables import pair_rows

FEW = 4  # systems whose pairs are all shown
EVERY_PAIR = "all"  # in an address; a run's name has a slash


def against(found: PredictionSet) -> str | None:
    """The run that the others are compared with; ``None``: every pair is shown. A link's that is not here is told."""
    if len(found.runs) <= FEW:
        return None
    asked, usual = st.session_state.get(state.Key.AGAINST), resolve(found, Query()).baseline
    if asked not in (*found.runs, EVERY_PAIR):
        link = st.query_params.to_dict()  # of another data set: the reader has turned to this one
        if asked is not None and (link.get("data"), link.get("against")) == (found.name, asked):
            state.complain(f"There are no predictions of {asked!r} to compare with; this is against {usual}.")
        asked = st.session_state[state.Key.AGAINST] = usual
    return str(asked)


def show(found: PredictionSet, baseline: str | None) -> None:
    """Draws the table, and where there are many pairs the choice of the baseline, which is ``against``'s."""
    st.subheader("Pair by pair: more than chance?", anchor=False)
    titles = outcomes.run_titles(found.runs)
    if baseline is not None:
        st.selectbox(
            "Compared with",
            [*titles, EVERY_PAIR],
            format_func=lambda name: titles.get(name, "each other: every pair"),
            key=state.Key.AGAINST,
            persist_state="session",
            width=320,
        )
    with st.spinner("Comparing the systems …"):
        rows = sets.rows(found, pair_rows, baseline=None if baseline == EVERY_PAIR else baseline)
    columns, lines = outcomes.pair_cells(rows, titles)
    linked.show("scores_pairs", columns, outcomes.with_data(lines, found.name))
    st.caption(
        "Both tests are paired. Randomisation swaps the two systems' answers in half of the tweets, by chance, and "
        "asks how often they then differ as much; the interval is a bootstrap's, which draws whole tweets. "
        "McNemar's takes entities for independent, and compares fixed with broken."
    )
