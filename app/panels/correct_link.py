"""From the tweets that the filters find to the page that corrects them."""

from __future__ import annotations

import streamlit as st

from app import sets
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet

CORRECT_PAGE = "views/correct.py"


def button(found: PredictionSet, query: Query, tweet: str | None = None) -> None:
    """Leads to the Correct page: to one tweet, or to the first open one of all that the query finds."""
    label = "Correct these" if tweet is None else "Correct this tweet"
    here = found.name in sets.sources()
    why = None if here else "Its data file is not here: set UMT_DATA to the folder that holds it"
    if st.button(label, icon=":material/edit_note:", disabled=not here, help=why):
        params = {"queue": "browser", **query.to_params(), "data": found.name}
        st.switch_page(CORRECT_PAGE, query_params=params | ({"tweet": tweet} if tweet else {}))
