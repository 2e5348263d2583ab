"""Inspect: what the taggers find in one tweet, where they look, how far they trust the picture."""

from collections.abc import Mapping

import streamlit as st

from app import markup, services, state, tables
from app.panels import findings, sidebar, tweet_form, word_detail
from umt_core.errors import UmtError
from umt_core.labels import LABEL_NAMES
from umt_core.schema import Inspection

samples = services.samples()
state.start({i: services.sample_text(sample) for i, sample in samples.items()}, services.opening_sample())

st.title("Inspect a tweet", anchor=False)
st.caption("What three taggers read in a tweet and its picture, where they look, and how far they trust the picture.")
if complaint := state.complaint():
    st.warning(complaint)
chosen = sidebar.choose()
tweet_form.show()
request = state.request()

if not chosen:
    st.info("Choose a tagger in the sidebar. If there is none, train one: `python -m umt_core train --help`.")
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
        inspections: Mapping[str, Inspection] = services.inspect(chosen, example, picture)
except UmtError as error:
    st.error(markup.plain(str(error)))
    st.stop()

for line in tables.notice_lines(list(inspections.values())):
    st.info(markup.plain(line))


@st.fragment
def results() -> None:
    """All that depends on the chosen word: a choice redraws this and not the page."""
    st.html(markup.legend(LABEL_NAMES))
    view = findings.view(example, picture, services.picture_name(request), inspections)
    findings.tracks(view)
    left, right = st.columns([5, 6], gap="large")
    with left:
        word_detail.attention(view)
    with right:
        findings.entities(view)
        word_detail.gate(view)
    word_detail.contributions(view)
    state.remember_in_link()


results()
