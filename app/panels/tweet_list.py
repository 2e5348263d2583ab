"""What the filters found: how many, in which order, a page of it, and all of it as a file."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import streamlit as st

from app import markup, outcomes, sets, state
from app.panels import correct_link, tweets
from umt_core.analysis.browse import FORMATS, Page
from umt_core.analysis.query import PAGE, SORTS, Query
from umt_core.analysis.sets import PredictionSet
from umt_core.errors import DataError

_FORMS = {
    "csv": ("CSV, a line an entity", "text/csv"),
    "jsonl": ("JSONL, gold and predictions", "application/jsonl"),
    "conll": ("CoNLL, gold", "text/plain"),
}


def show(found: PredictionSet, query: Query) -> None:
    """Draws the list; a click on a tweet opens it."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        heading = st.container(width="content")
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            _order(found, query)
            _export(found, query)
            correct_link.button(found, query)
    try:
        page = sets.page(found, query)
        if page.tweets and not page.rows:  # a link to a page that is not there any more
            query = state.last_page(query, page.tweets)
            page = sets.page(found, query)
    except DataError as error:
        st.error(markup.plain(str(error)))
        return
    with heading:
        st.subheader(_count(page), anchor=False)
        for line in filter(None, (outcomes.filter_line(query), outcomes.unlabelled_line(found.info))):
            st.caption(markup.plain(line))
    if not page.tweets:
        st.info("No tweet passes all of these filters. Take one away, or clear them in the sidebar.")
        return
    titles = outcomes.run_titles(found.runs)
    tweets.show(
        [outcomes.card(row, query.baseline, query.system, titles, sets.thumbnail(found, row)) for row in page.rows]
    )
    if page.tweets > PAGE:
        _pages(query, math.ceil(page.tweets / PAGE))


def _count(page: Page) -> str:
    tweets_ = f"{page.tweets:,} {'tweet' if page.tweets == 1 else 'tweets'}"
    gold, wrong = page.gold_spans, page.other_spans  # a wrong entity that stands for a gold one is one of each
    counts = [f"{gold:,} gold {'entity' if gold == 1 else 'entities'}"] if gold else []
    counts += [f"{wrong:,} wrong {'prediction' if wrong == 1 else 'predictions'}"] if wrong else []
    return ": ".join(filter(None, (tweets_, " and ".join(counts))))


def _pages(query: Query, pages: int) -> None:
    key = f"errors_pages_{hash(replace(query, page=0))}"  # another query is another widget
    if st.session_state.get(key, 1) != query.page + 1:  # which a link changes too
        st.session_state[key] = query.page + 1
    st.pagination(pages, key=key, on_change=lambda: state.take_page(key))


def _order(found: PredictionSet, query: Query) -> None:
    looks = [found.run(run).uses_image for run in (query.system,)]
    sorts = [name for name in SORTS if all(looks) or not name.startswith(("gate", "entropy"))]
    if query.sort not in sorts:
        sorts.append(query.sort)
    st.selectbox(
        "Sort by",
        sorts,
        format_func=lambda name: outcomes.SORT_TITLES[name],
        key=state.field_key("sort"),
        on_change=state.first_page,
        width=300,
        persist_state="session",
    )
    st.toggle("Descending", key=state.field_key("descending"), on_change=state.first_page, persist_state="session")


def _export(found: PredictionSet, query: Query) -> None:
    with st.popover("Export", icon=":material/download:"):
        st.caption("All tweets that the filters find, in this order.")
        for form in FORMATS:
            title, mime = _FORMS[form]
            st.download_button(
                title,
                partial(sets.export, found, query, form),
                file_name=f"{found.name.replace('/', '-')}.{'txt' if form == 'conll' else form}",
                mime=mime,
                on_click="ignore",
                disabled=form != "csv" and not found.has_texts,
                key=f"export_{form}",
                width="stretch",
            )
        if not found.has_texts:
            st.caption("This set came without its tweets, so that only CSV can be written.")
