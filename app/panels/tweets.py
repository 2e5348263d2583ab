"""Tweets of a query as cards: gold entities marked in the text, and what became of each. One click opens one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import markup, state
from app.panels.component import component

_TWEETS = component("tweets")


def show(cards: list[dict[str, Any]]) -> None:
    """Draws the cards of ``outcomes.card``; the one that is clicked is open from the next run on."""
    _TWEETS(
        key=state.Key.TWEETS,
        data={"items": cards, "colours": dict(markup.TYPE_COLOURS)},
        on_opened_change=_open,
    )


def _open() -> None:
    payload = getattr(state.component_state(state.Key.TWEETS), "opened", None)
    if isinstance(payload, Mapping) and isinstance(payload.get("id"), str):
        state.open_tweet(payload["id"])
