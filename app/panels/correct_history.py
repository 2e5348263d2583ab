"""What was done to a tweet, from the last event back, and the way back to any of its versions."""

from __future__ import annotations

import streamlit as st

from app import access, markup, state
from app.corrections import OWN_LABELS
from app.panels.correct_desk import Desk, labels_line, told
from umt_core.access.users import Role
from umt_core.corrections.events import COMMON, ConflictError, Event, TweetKey
from umt_core.corrections.store import Store
from umt_core.errors import StoreError
from umt_core.schema import Span

SHOWN = 12  # events, unless all are asked for
_ACTIONS = {"undo": "undid", "redo": "did again", "restore": "went back to"}


def show(desk: Desk, store: Store, *, read_only: bool) -> None:
    """Draws the events of the tweet in view."""
    if desk.track != COMMON:
        _others(desk, store)
        return
    events = store.history(desk.key)
    if not events:
        return
    with st.expander(f"History of this tweet · {len(events)}", key=state.Key.HISTORY):
        every = len(events) <= SHOWN or st.toggle(f"All {len(events)}", key=f"{state.Key.HISTORY}_all")
        for event in reversed(events if every else events[-SHOWN:]):
            _row(desk, store, event, newest=event is events[-1], read_only=read_only)
        if every:
            _start(desk, store, read_only=read_only)


def _others(desk: Desk, store: Store) -> None:
    """Once a second opinion is given, what it is compared with."""
    stands = store.labels(desk.key)
    if desk.done(desk.tweet) and stands.spans is not None:
        st.text(f"{stands.author} has: {labels_line(desk, desk.tweet, stands.spans)}")


def _row(desk: Desk, store: Store, event: Event, *, newest: bool, read_only: bool) -> None:
    what = _told(desk, event)
    with st.container(horizontal=True, vertical_alignment="center", key=f"event_{event.number}"):
        with st.container(gap=None):
            st.text(f"{event.number} · {event.author} · {what}")
            st.caption(markup.plain(f"{_time(event)} · {_labels(desk, event.after)}"))
        st.button(
            "Now" if newest else "Restore",
            disabled=newest or read_only,
            help=None if newest else "Sets the labels as they were after this event",
            on_click=access.guarded(Role.ANNOTATE, restore),
            args=(desk, store, desk.key, _revision(desk), event.number),
            key=f"restore_{event.number}",
        )


def _start(desk: Desk, store: Store, *, read_only: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="event_0"):
        with st.container(gap=None):
            st.text(f"At first: {OWN_LABELS}")
            st.caption(markup.plain(_labels(desk, desk.tweets.own_labels(desk.tweet))))
        st.button(
            "Restore",
            disabled=read_only,
            on_click=access.guarded(Role.ANNOTATE, restore),
            args=(desk, store, desk.key, _revision(desk), 0),
            key="restore_0",
        )


def _told(desk: Desk, event: Event) -> str:
    if event.action in _ACTIONS:
        return f"{_ACTIONS[event.action]} event {event.of}" if event.of else f"went back to {OWN_LABELS}"
    if event.action == "comment":
        return f"“{event.reason}”"
    return told(event, desk.tweets)


def _labels(desk: Desk, spans: tuple[Span, ...] | None) -> str:
    if spans is None:
        return OWN_LABELS
    return labels_line(desk, desk.tweet, spans)


def _time(event: Event) -> str:
    return event.time.replace("T", " ")[:16] + " UTC"


def _revision(desk: Desk) -> int:
    labels = desk.labels.get(desk.tweet)
    return labels.revision if labels else 0


def restore(desk: Desk, store: Store, key: TweetKey, revision: int, number: int) -> None:
    """Sets the labels of a tweet as they were after an event; a line for the page if that fails.

    The tweet and its revision are those that were drawn: by the time of the click another may be in view.
    """
    try:
        store.restore(key, number, desk.author, revision=revision)
    except ConflictError:
        state.complain_of_correction("Somebody changed this tweet meanwhile; look at it again before you go back.")
    except StoreError as error:
        state.complain_of_correction(str(error))
