"""Explain: where an entity comes from and what would have changed it, each with a value by which to doubt it."""

from importlib import import_module

import streamlit as st

from app import access, explaining, markup, services, state
from app.panels import findings, reader, sidebar, tweet_form
from umt_core.errors import UmtError
from umt_core.labels import LABEL_NAMES

# Each is a panel, explain_<name>, that is imported when it is chosen: some need much.
SECTIONS = {
    "attention": "Attention",
    "provenance": "Provenance",
    "picture_what_if": "Picture what-if",
    "text_what_if": "Text what-if",
    "attribution": "Attribution",
    "report": "Report",
}

samples = services.samples()
texts = {i: services.sample_text(sample) for i, sample in samples.items()}
state.start(texts, services.opening_sample(), explaining.find, state.EXPLAIN_LINK)

st.caption("Where each entity comes from and what would have changed it, always with a check of how far to believe it.")
if complaint := state.complaint():
    st.warning(markup.plain(complaint))
chosen = sidebar.choose()
if line := explaining.without_picture():
    st.warning(markup.plain(line))
with st.expander("The tweet and its picture", expanded=not state.request().text.strip()):
    tweet_form.show()
case = reader.read(state.request(), chosen)


@st.fragment
def sections() -> None:
    """All that depends on the chosen word and section: a choice redraws this and not the page."""
    access.stay()
    st.html(markup.legend(LABEL_NAMES))
    part = state.part(list(SECTIONS))
    findings.tracks(findings.view(case), shaded=part == "attention")
    st.segmented_control(
        "What to look at",
        list(SECTIONS),
        format_func=SECTIONS.__getitem__,
        key=state.Key.PART,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    try:
        if case.picture is not None and (note := explaining.picture_note(case)):
            st.caption(markup.plain(note))
        import_module(f"app.panels.explain_{part}").show(case)
    except UmtError as error:
        st.error(markup.plain(str(error)))
    state.remember_in_link(state.EXPLAIN_LINK)


sections()
