"""Inspect: what the taggers find in one tweet, where they look, how far they trust the picture."""

import streamlit as st

from app import access, explaining, markup, services, state
from app.panels import findings, reader, sidebar, tweet_form, word_detail
from umt_core.labels import LABEL_NAMES

samples = services.samples()
texts = {i: services.sample_text(sample) for i, sample in samples.items()}
state.start(texts, services.opening_sample(), explaining.find)

st.caption("What the taggers find in a tweet, where in the picture they look, and how far the gate opens.")
if complaint := state.complaint():
    st.warning(markup.plain(complaint))
chosen = sidebar.choose()
if line := explaining.without_picture():
    st.warning(markup.plain(line))
tweet_form.show()
case = reader.read(state.request(), chosen)
st.page_link("views/explain.py", label="Explain this tweet", icon=":material/psychology_alt:")


@st.fragment
def results() -> None:
    """All that depends on the chosen word: a choice redraws this and not the page."""
    access.stay()
    st.html(markup.legend(LABEL_NAMES))
    view = findings.view(case)
    findings.tracks(view, shaded=True)
    left, right = st.columns([5, 6], gap="large")
    with left:
        word_detail.attention(view)
    with right:
        findings.entities(view)
        word_detail.gate(view)
    word_detail.contributions(view)
    state.remember_in_link()


results()
