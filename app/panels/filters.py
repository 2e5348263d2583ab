"""Filters of the Errors page, in the sidebar. They combine: a tweet must pass all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from app import outcomes, sets, state
from umt_core.analysis.query import CHOICES, LONGEST_SEARCH, Query
from umt_core.analysis.sets import PredictionSet

_LABELS = {
    "outcome": "Outcome",
    "type": "Type",
    "error": "Error of the system",
    "baseline_error": "Error of the baseline",
    "gold_type": "Type, gold",
    "predicted_type": "Type, predicted by the system",
    "seen": "Words of the entity in training data",
    "image": "Picture",
}
_TITLES: Mapping[str, Mapping[str, str]] = {
    "outcome": {name: outcomes.outcome_title(name) for name in outcomes.OUTCOMES},
    "image": outcomes.IMAGE_TITLES,
    "predicted_type": {"none": "nothing"},
    "gold_type": {"none": "nothing"},
}
_HELP = {
    "outcome": "  \n".join(f"**{sign} {name}**: {meaning}" for sign, name, meaning in outcomes.OUTCOMES.values()),
    "error": "  \n".join(f"**{name}**: {meaning}" for name, meaning in outcomes.ERROR_MEANINGS.items()),
    "type": "Of a gold entity, or of a predicted one that is not gold",
}


def choose(found: PredictionSet, baseline: str, system: str) -> Query:
    """Draws the filters and gives what they ask for."""
    limits: dict[str, tuple[float, float]] = {**sets.limits(found.folder), "score": (0.0, 1.0)}
    if found.run(system).uses_image:
        limits["gate"] = (0.0, 1.0)
    limits = {name: (low, high) for name, (low, high) in limits.items() if low < high}
    for name, (low, high) in limits.items():
        state.clamp(name, low, high)
    data = found.name
    active = _active(state.chosen_query(data, baseline, system, limits))
    with st.sidebar:
        st.divider()
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**Filters** · {active} active" if active else "**Filters**")
            st.button("Clear", type="tertiary", disabled=not active, on_click=state.clear_filters)
        _pills("outcome")
        _pills("type")
        _text(found)
        _pills("error")
        with st.expander("More filters", key=state.Key.MORE_FILTERS):
            for name in ("baseline_error", "gold_type", "predicted_type"):
                _pills(name)
            if found.info.train_sha256:
                _pills("seen")
            if len(found.info.images) > 1:
                _pills("image", tuple(found.info.images))
            _range("words", "Words", limits, 1)
            _range("entities", "Gold entities", limits, 1)
            _range("score", "System's probability of the entity", limits, 0.01)
            _range("gate", "Gate, as a quantile among the tweets", limits, 0.01)
    return state.chosen_query(data, baseline, system, limits)


def _pills(name: str, options: tuple[str, ...] | None = None) -> None:
    titles = _TITLES.get(name, {})
    st.pills(
        _LABELS[name],
        options or CHOICES[name],
        selection_mode="multi",
        format_func=lambda value: titles.get(value, value),
        key=state.field_key(name),
        help=_HELP.get(name),
        on_change=state.first_page,
        persist_state="session",
    )


def _text(found: PredictionSet) -> None:
    disabled = not found.has_texts
    for name, label, hint in (
        ("text", "Text", "Part of the tweet, capitals or not"),
        ("regex", "Regular expression", "As RE2 reads it; (?i) at its start for capitals or not"),
    ):
        st.text_input(
            label,
            key=state.field_key(name),
            help="This set came without its tweets" if disabled else hint,
            disabled=disabled,
            max_chars=LONGEST_SEARCH,
            on_change=state.first_page,
            persist_state="session",
        )


def _range(name: str, label: str, limits: Mapping[str, tuple[float, float]], step: float) -> None:
    if name not in limits:
        return
    low, high = limits[name]
    st.slider(
        label,
        low,
        high,
        step=type(low)(step),
        key=state.field_key(name),
        on_change=state.first_page,
        persist_state="session",
    )


def _active(query: Query) -> int:
    """How many filters are on."""
    bare = replace(query, data="", baseline="", system="", sort="tweet", descending=False, page=0)
    return len(bare.to_params())
