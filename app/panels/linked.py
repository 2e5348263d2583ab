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
    page: str = ERRORS_PAGE,
) -> None:
    """Draws a table of ``outcomes.cell``; a click on a linked one goes to the page.

    Columns have a ``title``, and ``words`` where they hold no figures; rows have ``cells``, and
    ``quiet`` where they stand back, ``goes_on`` where the next row belongs to the same thing.
    """
    followed = _LINKED(
        key=key,
        data={"columns": list(columns), "rows": list(rows), "caption": caption},
        on_followed_change=lambda: None,
    ).followed
    if isinstance(followed, Mapping) and isinstance(followed.get("link"), Mapping):
        st.switch_page(page, query_params={str(k): str(v) for k, v in followed["link"].items()})
