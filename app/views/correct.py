"""Correct: labels repaired tweet by tweet, each change stored when it is made."""

import streamlit as st

from app import access, corrections, markup, state
from app.panels import correct_choice, correct_editor, correct_history, correct_progress
from app.panels.correct_choice import Chosen
from umt_core.access.users import Role
from umt_core.errors import UmtError

correct_choice.follow_link()
chosen = correct_choice.choose()
if chosen is None:
    st.info("There is no data set to correct.")
    st.stop()
try:
    store, read_only = corrections.store()
    desk = correct_choice.desk_for(chosen, store)
except UmtError as error:
    st.error(markup.plain(str(error)))
    st.stop()
read_only = read_only or access.why_not(Role.ANNOTATE)
if read_only:
    st.warning(markup.plain(f"Labels can be looked at, not changed: {read_only}"))
if notes := correct_editor.notes(desk, corrections.other_file(store, desk.tweets)):
    st.warning(notes)


@st.fragment
def work(chosen: Chosen) -> None:
    """All that an edit changes: a key redraws this and not the page."""
    access.stay()
    try:
        desk.refresh(store)
        for line in state.correction_complaints():
            st.warning(markup.plain(line))
        correct_progress.agreement(desk, store)
        correct_progress.show(desk, chosen)
        if desk.ids:
            correct_editor.show(desk, chosen, store, read_only)
            correct_history.show(desk, store, read_only=bool(read_only))
    except UmtError as error:
        st.error(markup.plain(str(error)))
        return
    correct_editor.follow_elsewhere(chosen)
    correct_choice.keep_address(desk, chosen)


work(chosen)
