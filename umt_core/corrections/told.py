"""The history of a tweet's labels, as a case report tells it."""

from __future__ import annotations

from collections.abc import Iterable

from umt_core.corrections.events import COMMON, Event
from umt_core.explain.report import Correction


def told(events: Iterable[Event], *, authors: bool) -> tuple[Correction, ...]:
    """Events in their order; second opinions, which are nobody else's to read, are left out.

    Args:
        authors: name who made them.
    """
    return tuple(
        Correction(e.time, e.action, e.before, e.after, _reason(e, authors), e.author if authors else "")
        for e in events
        if e.track == COMMON
    )


def _reason(event: Event, authors: bool) -> str:
    """The store gives an undo or redo a reason where another author's labels stay, and names them there."""
    named = event.action in ("undo", "redo") and event.reason
    return "left as somebody else has it" if named and not authors else event.reason
