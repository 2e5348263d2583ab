"""Figures 3 and 4 of the paper for this data set: what systems fix and break. A click on a bar shows its tweets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app import figures, markup, outcomes, sets, state
from app.panels import charts
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import mcnemar
from umt_core.analysis.tables import ledger_rows

FEW = 4  # systems whose names have room beside the other choices
_HEADINGS = {
    "fixed": "Fixed: {baseline} is wrong, the system right",
    "broken": "Broken: {baseline} is right, the system wrong",
}


def show(found: PredictionSet, query: Query) -> None:
    """Draws both figures for all systems beside the baseline."""
    if not found.info.labelled:
        st.info(markup.plain(outcomes.unlabelled_line(found.info)))
        return
    titles = outcomes.run_titles(found.runs)
    others = [run for run in found.runs if run != query.baseline]
    if not others:
        st.info("Only one tagger has run over this data set: run another one below to see what it fixes and breaks.")
        return
    st.session_state.setdefault(state.Key.SHARE, False)
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        st.segmented_control(
            "Bars show",
            [False, True],
            format_func=lambda share: "Share of gold entities" if share else "Counts",
            key=state.Key.SHARE,
            label_visibility="collapsed",
            required=True,
            persist_state="session",
        )
        st.toggle("By type", key=state.Key.BY_TYPE, persist_state="session")
    systems = others
    if len(others) > 1:
        systems = (row if len(others) <= FEW else st).pills(
            "Systems",
            others,
            selection_mode="multi",
            default=others,
            format_func=lambda run: titles[run],
            label_visibility="collapsed",
            key=f"{state.Key.BARS}_{found.info.key}_{query.baseline}_{'_'.join(others)}",  # what is new has a bar
        )
    if not systems:
        st.text("Choose a system to see its bars.")
        return
    by_type, share = bool(st.session_state[state.Key.BY_TYPE]), bool(st.session_state[state.Key.SHARE])
    rows = sets.rows(found, ledger_rows, query.baseline, list(systems), by_type=by_type)
    table = outcomes.bar_table(rows, titles)
    highest = table.loc[table["outcome"].isin(_HEADINGS), "share" if share else "count"].max()
    dimmed = any(_is_shown(row, query) for row in table.to_dict("records"))
    for column, outcome in zip(st.columns(2, gap="large"), _HEADINGS, strict=True):
        with column:
            st.markdown(f"**{_HEADINGS[outcome].format(baseline=titles[query.baseline])}**")
            _chart(table[table["outcome"] == outcome].reset_index(drop=True), outcome, share, highest, query, dimmed)
    st.caption(_rest(rows, titles, query))
    if note := sets.picture_note(found):
        st.caption(f"{note}. So no bar says anything about the tweets' own pictures.")


def _chart(table: pd.DataFrame, outcome: str, share: bool, highest: float, query: Query, dimmed: bool) -> None:
    bright = [not dimmed or _is_shown(row, query) for row in table.to_dict("records")]
    key = f"{state.Key.BARS}_{outcome}"
    st.plotly_chart(
        charts.built(figures.outcome_bars, table, share, highest, bright),
        config={"displayModeBar": False},
        key=key,
        on_select=lambda: _take(key, table),
        selection_mode="points",
        alt=f"{outcome}: {', '.join(f'{t} {k} {n}' for t, k, n in table[['title', 'type', 'count']].values)}",
    )


def _is_shown(row: Mapping[str, object], query: Query) -> bool:
    """Whether the list below has this bar's tweets."""
    types = () if row["type"] == "all" else (row["type"],)
    return (query.system, query.outcome, query.type) == (row["system"], (row["outcome"],), types)


def _take(key: str, table: pd.DataFrame) -> None:
    points = st.session_state[key].selection.points
    if not points:  # a changed figure loses its selection
        return
    row = table.iloc[int(points[0]["customdata"][0])]
    types = [] if row["type"] == "all" else [row["type"]]
    state.filter_by(system=row["system"], outcome=[row["outcome"]], type=types)


def _rest(rows: list[dict[str, object]], titles: Mapping[str, str], query: Query) -> str:
    """What else the system changes, in a line."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["system"] == query.system:
            outcome = str(row["outcome"])
            counts[outcome] = counts.get(outcome, 0) + int(str(row["count"]))
    if not counts:
        return "Click on a bar to see its tweets."
    net = counts["fixed"] - counts["broken"]
    p = outcomes.p_value(mcnemar(counts["fixed"], counts["broken"]))
    right = f"{abs(net)} {'more' if net > 0 else 'fewer'}" if net else "as many"
    return (
        f"Click on a bar to see its tweets. {titles[query.system]} fixes {counts['fixed']} and breaks "
        f"{counts['broken']}, so it has {right} right (McNemar's p {p}); "
        f"it removes {counts['spurious_removed']} spurious entities and adds {counts['spurious_added']}."
    )
