"""Errors: what one system fixes and breaks of another, as bars, as tweets, and tweet by tweet."""

import streamlit as st

from app import markup, state
from app.panels import building, data_set, filters, outcome_bars, tweet_detail, tweet_list
from umt_core.errors import UmtError

state.follow_link()
st.caption("What one tagger gets right where another is wrong, and what it breaks: entity by entity, with the tweets.")
chosen = data_set.choose()
found = chosen.found
if found is None or building.is_first(chosen):
    for line in state.link_complaints():
        st.warning(markup.plain(line))
    state.keep_data_address(chosen.name, key=state.Key.ADDRESS)
    building.empty(chosen)
    st.stop()
try:
    baseline, system = data_set.choose_pair(found)
    query = filters.choose(found, baseline, system)
    for line in state.link_complaints():
        st.warning(markup.plain(line))
    tweet = state.tweet()
    if tweet is None or not tweet_detail.show(found, query, tweet):
        outcome_bars.show(found, query)
        tweet_list.show(found, query)
        building.more(chosen)
except UmtError as error:
    st.error(markup.plain(str(error)))
    st.stop()
state.keep_address(query)
