"""A table whose cells lead to a page, mostly to Errors with the filters that show what they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.panels.component import component

_LINKED = component("linked")
ERRORS_PAGE = "views/errors.py"


def show(
    key: str,
    columns: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    caption: str = "",
    page: str | None = ERRORS_PAGE,
) -> None:
    """Draws a table of ``outcomes.cell``; a click on a linked one goes to the page, or with ``None`` changes this one's
    address before it is run: going from a page to itself would run it twice.

    Columns have a ``title``, and ``words`` where they hold no figures; rows have ``cells``, and
    ``quiet`` where they stand back, ``goes_on`` where the next row belongs to the same thing.
    """
    followed = _LINKED(
        key=key,
        data={"columns": list(columns), "rows": list(rows), "caption": caption},
        on_followed_change=lambda: _stay(key) if page is None else None,
    ).followed
    if page is not None and (query := _link(followed)) is not None:
        st.switch_page(page, query_params=query)


def _stay(key: str) -> None:
    if (query := _link(getattr(st.session_state.get(key), "followed", None))) is not None:
        st.query_params.from_dict(query)


def _link(followed: object) -> dict[str, str] | None:
    """Where a click leads, as an address has it; ``None``: nowhere."""
    if not isinstance(followed, Mapping) or not isinstance(followed.get("link"), Mapping):
        return None
    return {str(name): str(value) for name, value in followed["link"].items()}
