"""A page's plotly figures, built once for what they show: plotly takes longer to check one than to send it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

MOST = 128  # figures, of some 50 kB each


def built(build: Callable[..., go.Figure], *given: Any) -> go.Figure:
    """What ``build``, a function of ``figures`` and the like, makes of just these values. Sessions share it: to be
    drawn, not changed. It holds no colours of a theme; those are the browser's.
    """
    figure: go.Figure = _built(f"{build.__module__}.{build.__qualname__}", given, build)
    return figure


@st.cache_resource(max_entries=MOST, show_spinner=False)
def _built(name: str, given: tuple[Any, ...], _build: Callable[..., go.Figure]) -> go.Figure:
    return _build(*given)
