"""A click on a linked cell of a table that stays on its page: it changes the address, before the page is run."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from types import SimpleNamespace
from app.panels import linked
st.query_params["other"] = "1"
st.session_state["table"] = SimpleNamespace(followed={followed!r})
linked._stay("table")
"""


@pytest.mark.parametrize(
    ("followed", "address"),
    [
        ({"link": {"model": "a/bert-crf@b", 7: 8}}, {"model": "a/bert-crf@b", "7": "8"}),
        ({"link": "model"}, {"other": "1"}),
        ({}, {"other": "1"}),
        (None, {"other": "1"}),
    ],
)  # fmt: skip
def test_a_click_changes_the_address_and_what_is_no_link_nothing(followed, address):
    page = AppTest.from_string(PAGE.format(followed=followed), default_timeout=300).run()
    assert not page.exception
    assert {
        name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()
    } == address
