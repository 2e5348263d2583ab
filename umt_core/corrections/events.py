"""The values that the store of corrections takes and gives."""

from __future__ import annotations

from dataclasses import dataclass

from umt_core.errors import StoreError
from umt_core.schema import Span

GOLD = "gold"  # the base of an edit that began from the data set's own labels; else a checkpoint's name

# What a person does to a tweet. The last three are answers to earlier events.
ACTIONS = ("set", "accept", "skip", "comment", "undo", "redo", "restore")

COMMON = ""  # the track of the labels that everybody shares
BLIND = "blind"  # the track of second opinions: one answer an author, seen by nobody else until both are in

LONGEST_NAME = 200  # characters


def is_name(text: str) -> bool:
    r"""Whether a data set, a tweet or an author may be called so: signs that can be seen, and plain spaces.

    >>> is_name("Zoë 2"), is_name("Zoë\u3000 2"), is_name(" ")
    (True, False, False)
    """
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and not text.isspace()


@dataclass(frozen=True, slots=True, order=True)
class TweetKey:
    """Names a tweet among all data sets."""

    data: str  # <data set>/<split>: twitter2017/test, sample_data/tweets, my-tweets/tweets
    tweet: str  # its id in there


@dataclass(frozen=True, slots=True)
class Labels:
    """What the events on a tweet add up to, in one track."""

    spans: tuple[Span, ...] | None = None  # None: nobody has set any; the data set's own labels hold
    revision: int = 0  # number of the last event on the tweet in this track; 0: there is none
    skipped: bool = False  # the last answer was to skip it
    author: str = ""  # of the last event


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person wants to do: everything of an event but its number and time.

    ``revision`` is that of the labels the person was looking at: if the tweet has moved on since,
    the store refuses with ``ConflictError`` and nothing is overwritten.
    """

    key: TweetKey
    action: str  # set, accept, skip or comment
    author: str
    before: tuple[Span, ...]  # the labels that the person saw
    after: tuple[Span, ...]  # the labels from now on; a skip and a comment leave them as they are
    revision: int
    base: str = GOLD
    reason: str = ""  # why, or a comment's text
    track: str = COMMON
    nonce: str = ""  # the same edit sent twice is stored once; "": made by the store


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done, for ever."""

    number: int  # from 1, rising; over all tweets
    key: TweetKey
    action: str
    author: str
    time: str  # UTC, ISO 8601 with milliseconds
    before: tuple[Span, ...] | None  # None: no labels had been set
    after: tuple[Span, ...] | None
    base: str
    reason: str
    track: str
    nonce: str
    of: int = 0  # the event that an undo, redo or restore is about


class BadEditError(StoreError):
    """What is asked for makes no sense, now or later: sending it again is of no use."""


class ConflictError(StoreError):
    """Somebody else changed the tweet meanwhile. ``theirs`` is what stands now, ``edit`` what was not stored."""

    def __init__(self, message: str, edit: Edit | None, theirs: Labels) -> None:
        super().__init__(message)
        self.edit, self.theirs = edit, theirs
