"""Figures that are built once: for the same values the same one, for any other another, and drawing changes none."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app import figures
from app.panels import charts

PAGE = """
import pandas as pd, streamlit as st
from app import figures
from app.panels import charts
table = pd.DataFrame({"Low": [0.0, 0.5], "High": [0.5, 1.0], "Tweets": [3, 4]})
st.session_state.figure = charts.built(figures.relevance_bars, table)
st.plotly_chart(st.session_state.figure, key="a")
"""


@pytest.fixture(autouse=True)
def nothing_is_kept():
    charts._built.clear()


def test_a_figure_is_built_once_for_the_same_values_and_anew_for_any_other():
    asked = []

    def build(table: pd.DataFrame, *more: object) -> go.Figure:
        asked.append((table.to_dict("list"), *more))
        return go.Figure(go.Bar(x=table["x"]))

    table = pd.DataFrame({"x": [1, 2, 3]})
    first = charts.built(build, table, 0, ["a"])
    assert charts.built(build, table.copy(), 0, ["a"]) is first
    others = [
        (table.assign(x=[1, 2, 4]), 0, ["a"]),
        (table.assign(x=[1.0, 2.0, 3.0]), 0, ["a"]),
        (table.rename(columns={"x": "y"}).assign(x=[1, 2, 3]), 0, ["a"]),
        (table.set_index(pd.Index([5, 6, 7])), 0, ["a"]),
        (table, 1, ["a"]),
        (table, 0, ["b"]),
        (table, 0, ["a"], range(2)),
    ]
    assert all(charts.built(build, *given) is not first for given in others)
    assert len(asked) == 1 + len(others)


def test_two_functions_of_the_same_values_have_a_figure_each():
    table = pd.DataFrame({"Low": [0.0], "High": [1.0], "Tweets": [3], "5 %": 0, "25 %": 1, "Median": 2, "75 %": 3})
    table = table.assign(**{"95 %": 4, "Mean": 2, "Group": "a"})
    histogram = charts.built(figures.relevance_bars, table)
    assert charts.built(figures.spread_boxes, table, "gate").data[0].type == "box"
    assert charts.built(figures.relevance_bars, table) is histogram


def test_drawing_leaves_a_figure_as_it_was_and_two_readers_get_the_same():
    one, other = (AppTest.from_string(PAGE, default_timeout=300).run() for _ in range(2))
    assert not one.exception
    figure = one.session_state.figure
    assert other.session_state.figure is figure
    table = pd.DataFrame({"Low": [0.0, 0.5], "High": [0.5, 1.0], "Tweets": [3, 4]})
    assert figure.to_json() == figures.relevance_bars(table).to_json()
    assert one.get("plotly_chart")[0].proto.spec == other.get("plotly_chart")[0].proto.spec
