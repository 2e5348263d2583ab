"""Explain, Provenance: which part of a tagger each tag comes from, what an entity needs, and what-if."""

from __future__ import annotations

import streamlit as st

from app import figures, markup, provenance_tables, services, state, tables
from app.explaining import Case
from app.panels import charts, findings, what_if
from app.panels.findings import View
from app.panels.word_detail import word_name
from umt_core.explain.provenance import ESD, Provenance, provenance
from umt_core.model.chain import Scoring

SUMS = (
    "The CRF decodes the path with the largest sum of main emissions, converted ESD emissions (equation 7) and "
    "transitions (equation 5). These are the numbers that the tagger itself adds up, and no estimates."
)
NEIGHBOURS = (
    "Tag before, tag after: the transitions from and to the decoded tags beside this word. With these the decoded tag "
    "has the largest sum. Behind: by how much a tag would have to gain here to take its place."
)
LEFT_OUT = (
    "Each part is left out, all else stays, and the tweet is decoded again. That shows what the decision needs of this "
    "tagger as it is trained. A tagger trained without the part would have learned to do without it."
)


def show(case: Case) -> None:
    """One tagger's decision in parts."""
    names = {tables.checkpoint_title(name): name for name in case.inspections}
    usual = next((title for title, name in names.items() if case.inspections[name].converted_esd is not None), None)
    title = state.one_of(state.Key.ATTRIBUTED, list(names), usual)
    st.segmented_control("Tagger", list(names), key=state.Key.ATTRIBUTED, required=True, persist_state="session")
    scoring, own = services.own_path(case.chosen, names[title], case.example, case.picture)
    found, view = provenance(scoring, own), findings.view(case)
    tokens = [markup.visible(token) for token in case.example.tokens]
    st.subheader("Who decided each word", anchor=False)
    st.dataframe(
        provenance_tables.words(tokens, found, case.gold),
        hide_index=True,
        column_config={"Who decided": st.column_config.TextColumn(width="large")},
        alt="Word by word what each part alone would have said, and who decided",
    )
    st.caption(
        "Main alone: decoded from the main emissions with the same CRF. ESD alone: its own CRF over B, I and O. "
        "Largest emission: each word by itself, without the CRF."
    )
    _needs(tokens, found)
    _word(view, found)
    st.caption(f"Check of the whole path: {provenance_tables.check_line(found)}. {SUMS}")
    if scoring.conversion is None:
        st.info(_nothing_to_change(scoring))
    else:
        what_if.show(case, names[title], scoring, own.raw)


def _word(view: View, found: Provenance) -> None:
    st.subheader(f"The parts of {word_name(view)}", anchor=False)
    if view.word >= len(found.decoded):
        st.text(f"This tagger read the first {len(found.decoded)} words only; this one came after them.")
        return
    table = provenance_tables.of_word(found, view.word)
    left, right = st.columns([4, 5], gap="large")
    with left:
        st.plotly_chart(
            charts.built(figures.part_bars, table),
            config={"displayModeBar": False},
            key="parts",
            alt="What each part adds to each tag; the table has the numbers",
        )
        if ruled_out := table.loc[table["Ruled out"], "Tag"].tolist():
            st.caption(f"Not drawn, since a transition rules them out beside these tags: {', '.join(ruled_out)}.")
    with right:
        numbers = [column for column in table.columns if column not in ("Tag", "Ruled out")]
        st.dataframe(
            table.drop(columns="Ruled out"),
            hide_index=True,
            height="content",
            column_config=dict.fromkeys(numbers, st.column_config.NumberColumn(format="%.2f")),
            alt="The parts of each tag of the chosen word",
        )
        st.caption(NEIGHBOURS)


def _needs(tokens: list[str], found: Provenance) -> None:
    st.subheader("What each entity needs", anchor=False)
    table = provenance_tables.needs(tokens, found)
    if table.empty:
        st.text("This tagger finds no entity here.")
    else:
        st.dataframe(table, hide_index=True, alt="What becomes of each entity without each part")
    held = provenance_tables.held_back(tokens, found)
    if not held.empty:
        st.markdown("**Held back:** not decoded here, and would be without the part")
        st.dataframe(held, hide_index=True, alt="Entities that a part keeps from being decoded")
    alone = (
        " Without the main emissions little but ESD decides, which hardly knows types." if ESD in found.parts else ""
    )
    st.caption(LEFT_OUT + alone)


def _nothing_to_change(scoring: Scoring) -> str:
    if scoring.esd_tags:
        return "This tagger's span detector adds nothing to its scores: there is no share to change."
    return "This tagger has no span detector: there is no share of it to change. Choose UMT for that."
