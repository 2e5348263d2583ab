"""One tweet of a prediction set: gold and all systems under each other, the picture, the ledger's lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import markup, outcomes, sets, state
from app.panels import correct_link, tracks
from umt_core.analysis.agreement import differences
from umt_core.analysis.browse import find
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.data.images import content_hash
from umt_core.errors import DataError, ImageError
from umt_core.labels import LABEL_NAMES

INSPECT_PAGE, EXPLAIN_PAGE = "views/inspect.py", "views/explain.py"
LONGEST = 400  # words that are drawn
Row = Mapping[str, Any]


def show(found: PredictionSet, query: Query, identity: str) -> bool:
    """Draws the tweet; whether there is one of this id."""
    try:
        row = find(found, identity, query)
        total = sets.count(found, query)
    except DataError as error:
        state.open_tweet(None)
        st.warning(markup.plain(str(error)))
        return False
    _steps(found, query, row, total)
    st.html(markup.legend(LABEL_NAMES))
    _tracks(found, query, row)
    left, right = st.columns([2, 3], gap="large")
    with left:
        _picture(found, row)
    with right:
        _lines(found, query, row)
    return True


def _steps(found: PredictionSet, query: Query, row: Row, total: int) -> None:
    """Back, previous, next, and on to Inspect and Explain."""
    place = row["position"]
    where = "not among the tweets that the filters find" if place is None else f"{place + 1:,} of {total:,}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("All tweets", icon=":material/arrow_back:", shortcut="L", on_click=state.open_tweet, args=(None,))
        for label, name, icon, key in (
            ("Previous", "previous", "chevron_left", "P"),
            ("Next", "next", "chevron_right", "N"),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                shortcut=key,
                disabled=row[name] is None,
                on_click=state.open_tweet,
                args=(row[name],),
                key=f"errors_{name}",
            )
        if st.button("Open in Inspect", icon=":material/image_search:", disabled=row["tokens"] is None):
            state.hand_over(sets.request_of(found, row))
            st.switch_page(INSPECT_PAGE)
        if st.button("Explain", icon=":material/psychology_alt:", disabled=row["tokens"] is None):
            st.switch_page(EXPLAIN_PAGE, query_params={"data": found.name, "tweet": row["id"]})
        correct_link.button(found, query, row["id"])
    st.markdown(f"**{markup.plain(row['id'])}** · {where}")


def _tracks(found: PredictionSet, query: Query, row: Row) -> None:
    words = outcomes.words_of(row)
    titles = outcomes.run_titles(found.runs)
    runs = list(dict.fromkeys([query.baseline, *found.runs]))
    runs = [run for run in runs if run != query.system or run == query.baseline]
    runs += [query.system] if query.system != query.baseline else []
    scored = {titles[run]: outcomes.scored_of(row, run) for run in runs}
    gold = outcomes.gold_of(row)
    lines = outcomes.matching(row, outcomes.entries_of(row, query.baseline, query.system))
    first = lines[0].span.start if lines else gold[0].start if gold else 0
    doc = content_hash("\0".join((found.info.key, row["id"], *titles)).encode("utf-8", "replace"))[:16]
    if row["tokens"] is None:
        st.info("This set came without its tweets: words are shown by their numbers.")
    tracks.show(
        doc,
        words,
        scored,
        gold=gold if outcomes.labelled(row) else None,
        esd=[],
        differences=differences({title: [s.span for s in spans] for title, spans in scored.items()}),
        read=min(len(words), LONGEST),
        chosen=state.word(len(words), first, state.Key.ERRORS_WORD),
        shares=None,
        key=state.Key.ERRORS_TRACKS,
        word=state.Key.ERRORS_WORD,
    )


def _picture(found: PredictionSet, row: Row) -> None:
    st.subheader("Picture", anchor=False)
    try:
        picture = sets.shown_uri(found, row)
    except ImageError as error:
        st.warning(markup.plain(str(error)))
        return
    if picture is None:
        there = row["image"] == "missing"
        st.text("This tweet has no picture." if there else sets.GONE)
        return
    st.image(picture, width=420)
    if credit := sets.picture_credit(found, row):
        st.caption(markup.plain(credit))
    if row["image"] == "placeholder":
        st.caption("A placeholder: one colour, or the same file under many names.")
    if note := sets.picture_note(found):
        st.caption(markup.plain(note))


def _lines(found: PredictionSet, query: Query, row: Row) -> None:
    titles = outcomes.run_titles(found.runs)
    st.subheader(f"{titles[query.baseline]} and {titles[query.system]}, entity by entity", anchor=False)
    table = outcomes.ledger_table(
        row, outcomes.entries_of(row, query.baseline, query.system), query.baseline, query.system, titles
    )
    if not outcomes.labelled(row):
        st.text("Not labelled: there is nothing to hold the taggers' entities against.")
    elif table.empty:
        st.text("No entity, and none found.")
    else:
        st.dataframe(table, hide_index=True, alt="What became of each entity")
        st.caption("A type, the probability that the tagger gives it, and the class of the error.")
    st.html(markup.facts(f"This tweet, for {titles[query.system]}", outcomes.tweet_facts(row, query.system)))
