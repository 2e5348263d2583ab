"""The editor on the Correct page: what it draws from the desk, and how what was done in it is stored."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import corrections, markup, outcomes, sets, state, tables
from app.panels import correct_desk, correct_payload, editor
from app.panels.correct_choice import SECOND_OPINION, Chosen
from app.panels.correct_desk import IN_FILE_ORDER, Answers, Desk
from app.panels.correct_payload import AwayError
from umt_core.corrections.events import BLIND, Event, TweetKey
from umt_core.corrections.second_opinion import ADJUDICATION
from umt_core.corrections.store import Store
from umt_core.errors import DataError, ImageError, UmtError
from umt_core.schema import Span

_NO_SYSTEMS = (
    "No predictions of this data set yet: run the taggers on the Errors page, and what they find can be accepted here."
)
_BLIND = "A second opinion: what others answered and what the systems found is hidden until yours is stored."


def answers() -> Answers:
    """What became of this session's actions."""
    found: Answers = st.session_state.setdefault(state.Key.ANSWERS, Answers())
    return found


def show(desk: Desk, chosen: Chosen, store: Store, read_only: str) -> None:
    """Draws the editor, and stores what is new in what it says."""

    def take() -> None:
        _take(getattr(state.component_state(state.Key.EDITOR), "desk", None), desk, store, again=True)

    def visit() -> None:
        asked = getattr(state.component_state(state.Key.EDITOR), "visit", None)
        if (where := correct_payload.read_visit(asked, words)) is not None:
            answers().lead(*where, desk)

    payload = editor.show(_data(desk, chosen, store, read_only), take, visit).desk
    # A session that is new to the server (it was started again) is told what the old one may not have stored.
    if _take(payload, desk, store, again=False):
        st.rerun()


def _take(payload: Any, desk: Desk, store: Store, *, again: bool) -> bool:
    message = correct_payload.read(payload, words)
    desk.follow(message)
    return answers().take(message, store, desk, again=again)


def words(key: TweetKey) -> int | None:
    """How many words a tweet has; ``None``: its data set has no such tweet.

    Raises:
        AwayError: the data set is not here, or cannot be read now.
    """
    if (source := sets.sources().get(key.data)) is None:
        raise AwayError(f"the data set {key.data!r} is not here.")
    try:
        example = corrections.tweets(source).examples.get(key.tweet)
    except DataError as error:
        raise AwayError(f"{error}.") from error
    return len(example.tokens) if example else None


def _data(desk: Desk, chosen: Chosen, store: Store, read_only: str) -> dict[str, Any]:
    heard = correct_payload.read(getattr(state.component_state(state.Key.EDITOR), "desk", None), words)
    systems, problem = _systems(desk, chosen)
    titles = outcomes.run_titles(chosen.found.runs) if chosen.found else {}
    items = [
        correct_desk.item(desk, place, systems.get(desk.ids[place], {}), titles) for place in correct_desk.window(desk)
    ]
    pictures, lines = _pictures(desk, heard.pictures)
    for item in items:
        item["picture"] = lines.get(item["id"], "")
    return {
        "heard": heard.number,
        "queue": desk.name,
        "data": desk.tweets.name,
        "track": desk.track,
        "author": desk.author,
        "longest": correct_payload.LONGEST["text"],
        "session": answers().born,
        "authorChosen": bool(st.session_state.get(state.Key.AUTHOR_CHOSEN)),
        "readOnly": read_only,
        "total": len(desk.ids),
        "place": desk.place,
        "desk": desk.born,
        "jump": desk.jump,
        "items": items,
        "pictures": pictures,
        "answers": answers().of,
        "undo": _step(store.undoable(desk.author), desk) if desk.author else None,
        "redo": _step(store.redoable(desk.author), desk) if desk.author else None,
        "noSystems": problem,
    }


def _step(event: Event | None, desk: Desk) -> dict[str, Any] | None:
    if event is None:
        return None
    what = correct_desk.told(event, desk.tweets)
    where = "" if desk.ids and event.key == desk.key else f" in tweet {event.key.tweet}"
    where += "" if event.key.data == desk.tweets.name else f" of {tables.data_set_title(event.key.data)}"
    return {"number": event.number, "what": what + where}


def _systems(desk: Desk, chosen: Chosen) -> tuple[dict[str, dict[str, tuple[Span, ...]]], str]:
    """What the systems found in the tweets that the editor has, and a line where there is nothing."""
    if desk.track == BLIND:
        return {}, _BLIND
    if desk.queue == ADJUDICATION:
        return {}, ""
    if chosen.found is None or not chosen.found.runs:
        return {}, _NO_SYSTEMS
    try:
        return desk.systems(chosen.found), ""
    except UmtError as error:
        return {}, str(error)


def _pictures(desk: Desk, has: frozenset[str]) -> tuple[dict[str, str | None], dict[str, str]]:
    """Pictures that the editor is to have and has not, and a line for each tweet whose picture is none."""
    pictures: dict[str, str | None] = {}
    lines = {}
    for identity in correct_desk.pictured(desk):
        there = f"{desk.tweets.name}\n{identity}" in has  # as the editor calls it: another data set may have this id
        if desk.tweets.examples[identity].image is None:
            pictures[identity], lines[identity] = None, "This tweet has no picture."
            continue
        try:
            uri = None if there else corrections.picture_uri(desk.tweets, identity)
            if not there:
                pictures[identity] = uri
                lines[identity] = "" if uri else "The picture is not here."
        except (ImageError, DataError, OSError) as error:
            pictures[identity], lines[identity] = None, str(error)
    return pictures, lines


def notes(desk: Desk, *more: str) -> str:
    """What a reader must know of the data set and the queue as a whole, in one piece; "": nothing."""
    return "  \n".join(markup.plain(line) for line in [desk.tweets.complaint, *more, *desk.notes] if line)


def follow_elsewhere(chosen: Chosen) -> None:
    """Goes to the tweet of another data set or track that a session was led to, as a link to it would."""
    where, answers().elsewhere = answers().elsewhere, None
    if where is None or not correct_payload.is_here(where[0], words):
        return
    (key, track), queue = where, chosen.queue
    if (track == BLIND) != (queue == SECOND_OPINION):
        queue = SECOND_OPINION if track == BLIND else IN_FILE_ORDER
    st.query_params.from_dict({"data": key.data, "queue": queue, "tweet": key.tweet})
    st.rerun()
