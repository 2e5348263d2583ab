"""What the span editor sends, checked: nothing that comes from a browser is believed.

The editor sends all actions that have not been answered yet, oldest first, and sends them again until they are
(after a reload, too). Each has a nonce, so that one that comes twice is done once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.corrections import LONGEST_AUTHOR, author_complaint
from umt_core.corrections.events import BLIND, COMMON, GOLD, TweetKey
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Span

EDITS = ("set", "accept", "skip", "comment")
STEPS = ("undo", "redo")  # through what the author did, wherever it was
AT_ONCE = 500  # actions; a hand that fast has no browser
LONGEST = {"author": LONGEST_AUTHOR, "text": 2000, "base": 200}  # characters
_NONCE = re.compile(r"[A-Za-z0-9-]{8,64}")
_LARGEST = 2**53  # whole numbers up to here are exact in a browser


class AwayError(DataError):
    """A tweet's data set is not here now. It may come back, and the browser keeps what was done to it until then."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a person did in the editor."""

    nonce: str
    kind: str  # one of EDITS or STEPS
    key: TweetKey  # of a step: the tweet in view
    author: str
    track: str = COMMON
    before: tuple[Span, ...] = ()  # what the person saw
    after: tuple[Span, ...] = ()
    revision: int = 0  # of what the person saw
    base: str = GOLD
    text: str = ""  # of a comment
    number: int = 0  # of a step: the event that it is about
    keep: bool = False  # of a step: pass over what somebody else changed since


@dataclass(frozen=True, slots=True)
class Message:
    """All that the editor said last."""

    number: int = 0  # of the message: the editor waits for what was made of it before it says more
    queue: str = ""  # name of the queue that it shows
    tweet: str = ""  # id of the tweet in view; "": the editor does not have it yet
    place: int = 0  # of that in the queue
    pictures: frozenset[str] = frozenset()  # that it has: name of the data set, line feed, id of the tweet
    actions: tuple[Action, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)  # by nonce: a line on what is wrong with an action
    away: Mapping[str, str] = field(default_factory=dict)  # by nonce: a line on a tweet whose data set is not here


Length = Callable[[TweetKey], int | None]  # words of a tweet; None: there is no such tweet; AwayError: nobody knows now


def read(payload: Any, length: Length) -> Message:
    """What a payload says, as far as it is sound."""
    if not isinstance(payload, Mapping):
        return Message()
    actions, refused, away = [], {}, {}
    for raw in _list(payload.get("actions"))[:AT_ONCE]:
        nonce = raw.get("nonce") if isinstance(raw, Mapping) else None
        if isinstance(nonce, str) and _NONCE.fullmatch(nonce):
            try:
                actions.append(_action(raw, nonce, length))
            except AwayError as error:
                away[nonce] = str(error)
            except DataError as error:
                refused[nonce] = str(error)
    number, place = (
        value if type(value) is int and value >= 0 else 0 for value in map(payload.get, ("number", "place"))
    )
    return Message(
        number=number,
        queue=_short(payload.get("queue")),
        tweet=_short(payload.get("tweet")),
        place=place,
        pictures=frozenset(name for name in _list(payload.get("pictures"))[:AT_ONCE] if isinstance(name, str)),
        actions=tuple(actions),
        refused=refused,
        away=away,
    )


def read_visit(payload: Any, length: Length) -> tuple[TweetKey, str] | None:
    """The tweet and the track that the editor wants to show; ``None``: there is no such tweet."""
    if not isinstance(payload, Mapping):
        return None
    key, track = TweetKey(_short(payload.get("data")), _short(payload.get("tweet"))), payload.get("track")
    return (key, track) if track in (COMMON, BLIND) and is_here(key, length) else None


def is_here(key: TweetKey, length: Length) -> bool:
    """Whether there is such a tweet, as far as is known now."""
    try:
        return length(key) is not None
    except AwayError:
        return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST["text"] else ""


def _action(raw: Mapping[str, Any], nonce: str, length: Length) -> Action:
    key = TweetKey(_text(raw, "data", LONGEST["text"]), _text(raw, "tweet", LONGEST["text"]))
    words = length(key)
    if words is None:
        raise DataError(f"wanted a tweet of {key.data!r}, got {key.tweet!r}, which is not in it")
    kind = _one_of(raw, "kind", (*EDITS, *STEPS))
    before, after = ((), ()) if kind in STEPS else (_spans(raw.get(name), words) for name in ("before", "after"))
    text = _text(raw, "text", LONGEST["text"])
    if kind == "comment" and not text.strip():
        raise DataError("wanted a comment, got nothing written")
    author = _text(raw, "author", LONGEST["author"]).strip()
    if complaint := author_complaint(author):
        raise DataError(complaint)
    return Action(
        nonce,
        kind,
        key,
        author,
        track=_one_of(raw, "track", (COMMON, BLIND)),
        before=before,
        after=after,
        revision=_number(raw, "revision"),
        base=_text(raw, "base", LONGEST["base"]) or GOLD,
        text=text,
        number=_number(raw, "number"),
        keep=raw.get("keep") is True,
    )


def _text(raw: Mapping[str, Any], name: str, longest: int) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise DataError(f"{name}: wanted text of at most {longest} characters, got {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{name}: wanted text, got half a surrogate pair") from error
    return value


def _one_of(raw: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str) or value not in choices:
        raise DataError(f"{name}: wanted one of {', '.join(map(repr, choices))}, got {_kind(value)}")
    return value


def _number(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name, 0)
    if type(value) is not int or not 0 <= value < _LARGEST:  # a bool is an int
        raise DataError(f"{name}: wanted a whole number from 0, got {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return repr(value)[:60]


def _spans(value: Any, words: int) -> tuple[Span, ...]:
    """Spans in order, none over another, within the tweet's words."""
    if not isinstance(value, list):
        raise DataError(f"wanted a list of spans, got {_kind(value)}")
    spans: list[Span] = []
    for item in value:
        if not (isinstance(item, list) and len(item) == 3):
            raise DataError(f"wanted a span as [start, end, type], got {_kind(item)}")
        start, end, label = item
        first = spans[-1].end if spans else 0
        if type(start) is not int or type(end) is not int or not first <= start < end <= words:
            raise DataError(f"wanted spans in order, one after the other, in {words} words, got {_kind(item)}")
        if not isinstance(label, str) or label not in LABELS:
            raise DataError(f"wanted a type of {', '.join(LABELS)}, got {_kind(label)}")
        spans.append(Span(start, end, label))
    return tuple(spans)
