"""Has the chosen taggers read the tweet, and says what hinders them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import markup, services, state, tables
from app.explaining import Case
from app.panels import sidebar
from umt_core.errors import UmtError
from umt_core.registry import CheckpointInfo

NONE_CHOSEN = f"Choose a tagger in the sidebar. If there is none, train one: `{markup.command('train', '--help')}`."
NONE_CAN_RUN = (
    "None of the chosen taggers can run here: install what the sidebar names, or choose another checkpoint set."
)


def read(request: state.Request, chosen: Sequence[CheckpointInfo]) -> Case:
    """The tweet with what the taggers say of it; ends the page where there is nothing to show."""
    if not chosen:
        state.remember_in_link()  # or the link would be followed again, and its taggers chosen for good
        st.info(NONE_CAN_RUN if sidebar.any_picked() else NONE_CHOSEN)
        st.stop()
    try:
        example, picture = services.example(request), services.picture(request)
        if not example.tokens:
            st.info("Type or paste a tweet to see its entities.")
            state.remember_in_link()
            st.stop()
        with st.spinner("Loading the taggers; the first time takes some seconds …", show_time=True):
            models, failures = services.load(chosen)
        for line in failures:
            st.error(markup.plain(line))
        if failures:
            st.button("Load again", on_click=services.load_again, args=(chosen,))
        if not models:
            st.stop()
        sidebar.models(chosen, models)
        with st.spinner("Reading the tweet …"):
            inspections = services.inspect(chosen, example, picture)
    except UmtError as error:
        st.error(markup.plain(str(error)))
        st.stop()
    for line in tables.notice_lines(list(inspections.values())):
        st.info(markup.plain(line))
    return Case(example, picture, services.picture_name(request), tuple(chosen), inspections, request.data)
