"""The sample tweets as cards, filtered by kind, in a dialog."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import services, state
from app.panels.component import component

_GALLERY = component("gallery")


@st.dialog("Sample tweets", width="large")
def choose() -> None:
    """Lets the reader open a sample."""
    items = services.gallery()
    kinds = sorted({kind for item in items for kind in item["kinds"]})
    wanted = st.pills("Kind", kinds, selection_mode="multi", key=state.Key.KINDS)
    shown = [item for item in items if set(wanted or ()) <= set(item["kinds"])]
    st.caption(f"{len(shown)} of {len(items)} tweets, written for this project, with gold labels")
    picked = _GALLERY(
        key=state.Key.GALLERY,
        data={"items": shown, "current": state.request().sample},
        on_picked_change=lambda: None,
    ).picked
    if isinstance(picked, Mapping) and picked.get("id") in services.samples():
        state.ask_for_sample(picked["id"])
        st.rerun()
