"""Choice of a data set, and of the two systems that are set side by side, in the sidebar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import markup, outcomes, sets, state, tables
from umt_core.analysis.browse import resolve
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.errors import DataError

FEW = 2  # lines about runs that stand by themselves


@dataclass(frozen=True, slots=True)
class Chosen:
    """A split and what has been predicted for it."""

    name: str
    source: sets.Source | None  # None: its files are not here
    found: PredictionSet | None  # None: no tagger has run over it


def choose() -> Chosen:
    """Lets the reader choose a data set; says what is wrong with it or with others."""
    sources = sets.sources()
    folders, complaints = sets.folders()
    names = list(dict.fromkeys([*sources, *folders]))
    key = state.field_key("data")
    if (asked := st.session_state.get(key)) is not None and asked not in names:
        state.complain(f"The link asks for the data set {asked!r}, which is not here; this is another one.")
        del st.session_state[key]
    if st.session_state.get(key) is None and (predicted := next((name for name in names if name in folders), None)):
        st.session_state[key] = predicted  # there is something to see, as in the samples there may be not
    with st.sidebar:
        st.markdown("**MNER workbench**")
        name = st.selectbox(
            "Data set",
            names,
            format_func=tables.data_set_title,
            key=key,
            on_change=state.first_page,
            persist_state="session",
        )
    found = None
    if name in folders:
        try:
            found = sets.opened(folders[name])
        except DataError as error:
            complaints.append(str(error))
    for line in [*complaints, *_doubts(found, sources.get(name))]:
        st.warning(markup.plain(line))
    if found is not None:
        _say_changed(found)
    return Chosen(name, sources.get(name), found)


def _doubts(found: PredictionSet | None, source: sets.Source | None) -> list[str]:
    if found is None:
        return []
    other = sets.other_data(found, source)
    return [*found.complaints, *([other] if other else [])]


def _say_changed(found: PredictionSet) -> None:
    """Which runs are not of what is served; many of them, as of predictions that were taken in, in one line."""
    lines = list(found.changed().values())
    if len(lines) <= FEW:
        for line in lines:
            st.warning(markup.plain(line))
        return
    title = f"{len(lines)} of {len(found.runs)} predictions are of taggers other than those served here"
    with st.expander(title, icon=":material/info:"):
        st.markdown("Figures and tweets are of the taggers that made them. Inspect and Explain ask those served here.")
        st.markdown("\n".join(f"- {markup.plain(line)}" for line in lines))


def choose_pair(found: PredictionSet) -> tuple[str, str]:
    """Lets the reader choose baseline and system among a set's runs."""
    usual = resolve(found, Query())
    titles = outcomes.run_titles(found.runs)
    with st.sidebar:
        baseline = _run("Baseline", "baseline", list(titles), usual.baseline, titles)
        system = _run("System", "system", list(titles), usual.system, titles)
    return baseline, system


def _run(label: str, name: str, runs: Sequence[str], usual: str, titles: dict[str, str]) -> str:
    key = state.field_key(name)
    asked = st.session_state.get(key)
    if asked not in runs:
        if asked is not None:
            state.complain(f"There are no predictions of {asked!r} for this data set; this is {titles[usual]}.")
        st.session_state[key] = usual
    chosen: str = st.selectbox(
        label,
        runs,
        format_func=lambda run: titles.get(run, run),
        key=key,
        on_change=state.first_page,
        persist_state="session",
    )
    return chosen
