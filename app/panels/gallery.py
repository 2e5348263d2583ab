"""The sample tweets as cards, filtered by kind, in a dialog."""

from __future__ import annotations

import math
from collections.abc import Mapping

import streamlit as st

from app import services, state, tables
from app.panels.component import component
from umt_core.data.samples import Sample

_GALLERY = component("gallery")
PER_PAGE = 15


@st.dialog("Sample tweets", width="large")
def choose() -> None:
    """Lets the reader open a sample."""
    if state.sample_is_asked_for():  # just now: no card is drawn anew to be closed
        st.rerun()
    samples = services.samples()
    kinds = sorted({kind for sample in samples.values() for kind in sample.kind})
    wanted = st.pills("Kind", kinds, selection_mode="multi", format_func=tables.kind_title, key=state.Key.KINDS)
    matching = [sample for sample in samples.values() if set(wanted or ()) <= set(sample.kind)]
    st.caption(f"{len(matching)} of {len(samples)} tweets, written for this project, with gold labels")
    if not matching:
        return
    pages = math.ceil(len(matching) / PER_PAGE)
    # The key holds the filter: another choice of kinds starts at its first page.
    page = st.pagination(pages, key=f"{state.Key.GALLERY}_{'_'.join(sorted(wanted or ()))}") if pages > 1 else 1
    _GALLERY(
        key=state.Key.GALLERY,
        data={
            "items": [_card(sample) for sample in matching[(page - 1) * PER_PAGE : page * PER_PAGE]],
            "current": state.request().sample,
        },
        on_picked_change=_take,
    )


def _take() -> None:
    picked = getattr(st.session_state.get(state.Key.GALLERY), "picked", None)
    if isinstance(picked, Mapping) and picked.get("id") in services.samples():
        state.ask_for_sample(picked["id"])


def _card(sample: Sample) -> dict[str, object]:
    return {
        "id": sample.example.id,
        "text": services.sample_text(sample),
        "kinds": [tables.kind_title(kind) for kind in sample.kind],
        "credit": sample.credit or "",
        "thumbnail": services.thumbnail_uri(sample.example.id),
    }
