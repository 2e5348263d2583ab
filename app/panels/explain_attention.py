"""Explain, Attention: the maps between words and blocks, by head and mean, each named and checked."""

from __future__ import annotations

import streamlit as st

from app import markup, state, tables
from app.explaining import Case
from app.panels import findings, map_check, word_detail
from app.panels.findings import View
from umt_core.explain import attention as maps

WHAT_CHECKS = (
    "Rows that run over the 49 blocks sum to 1 in every head. A row of block → word runs over all subwords: what the "
    "words lack of 1, [CLS] and [SEP] have."
)
ENTROPY = (
    "Entropy says how evenly a head spreads what it looks at: 0 bits on one block alone, {:.2f} bits (log2 49) on all "
    "alike. A head that is nearly even looks at nothing in particular, however bright its strongest block is drawn. "
    "The mean of the heads hides that they look at different blocks: its entropy is never below the mean of theirs."
)
OF_BLOCKS = "Here the rows are blocks: entropy is over the words, the mean of the 49 blocks, beside that of even rows."


def show(case: Case) -> None:
    """The chosen word's row of a map over the picture, all its heads, and the system's maps with their checks."""
    view = findings.view(case)
    left, right = st.columns([5, 6], gap="large")
    with left:
        word_detail.attention(view)
    with right:
        _heads(view)
    _maps(view)
    if (choice := state.attention_choice(view.lookers)) is not None and view.word < view.read_by(choice[2]):
        map_check.show(case, choice[2], choice[0], choice[1], view.word)


def _heads(view: View) -> None:
    choice = state.attention_choice(view.lookers)
    if choice is None or view.word >= view.read_by(choice[2]):
        return
    map_, _, title = choice
    st.subheader(f"Every head at {word_detail.word_name(view)}", anchor=False)
    rows = maps.heads_of_word(view.lookers[title], map_, view.word)
    ratio = 1.5 if view.picture is None else view.picture.width / view.picture.height
    drawn = [(f"{tables.head_title(head)}, {head.bits:.2f} bits", head.row) for head in rows]
    st.html(markup.small_maps(drawn, ratio))
    number = st.column_config.NumberColumn
    st.dataframe(
        tables.heads_of_word(rows),
        hide_index=True,
        height="content",
        column_config={
            "Entropy (bits)": number(format="%.3f"),
            "Even (bits)": number(format="%.3f"),
            "Weight there": number(format="%.4f"),
        },
        alt="Each head's entropy and strongest block at the chosen word",
    )
    st.caption(ENTROPY.format(maps.MOST_BITS) if map_.rows_are_words else OF_BLOCKS)


def _maps(view: View) -> None:
    choice = state.attention_choice(view.lookers)
    if choice is None:
        return
    title = choice[2]
    st.subheader(f"The maps of {markup.plain(title)}", anchor=False)
    sums = st.column_config.NumberColumn(format="%.6f")
    st.dataframe(
        tables.map_checks(view.lookers[title]),
        hide_index=True,
        column_config={"Least row sum": sums, "Largest row sum": sums},
        alt="Each map with what its rows sum to",
    )
    st.caption(f"Check: {WHAT_CHECKS} {word_detail.NOT_PROOF}")
    looker = view.lookers[title]
    if caveat := maps.gate_caveat(looker):
        st.caption(caveat)
