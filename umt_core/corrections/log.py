"""The table of events: rows ↔ events, what a tweet's and an author's last ones are, and how one more is added."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Row, Select, Table, Text, func, insert, select

from umt_core.corrections.events import BLIND, GOLD, ConflictError, Edit, Event, Labels, TweetKey
from umt_core.corrections.fold import Entry, Track, tops, track_of
from umt_core.errors import StoreError
from umt_core.schema import Span

_METADATA = MetaData()  # as the newest version of the database has them
_TEXTS = ("data", "tweet", "track", "action", "author", "time", "before", "after", "base", "reason", "nonce")
_NUMBERS = ("skipped", "of", "below", "across")
EVENTS = Table(
    "events",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    *(Column(name, Text) for name in _TEXTS),
    *(Column(name, Integer) for name in _NUMBERS),
)
DATA_SUMS = Table("data_sums", _METADATA, *(Column(name, Text) for name in ("data", "sha256", "time")))

ANSWERS = ("set", "accept", "skip", "restore")  # what says something of a tweet's labels


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- rows ----------------------------------------------------------------------------------------


def spans_to_text(spans: Sequence[Span] | None) -> str | None:
    if spans is None:
        return None
    return json.dumps([[s.start, s.end, s.label] for s in spans], separators=(",", ":"))


@lru_cache(maxsize=4096)  # most are said many times: of two events in a row, and of tweets alike
def text_to_spans(text: str | None) -> tuple[Span, ...] | None:
    return None if text is None else tuple(Span(*fields) for fields in json.loads(text))


def to_row(entry: Entry) -> dict[str, Any]:
    e = entry.event
    names = ("number", "action", "author", "time", "base", "reason", "track", "nonce", "of")
    row = {name: getattr(e, name) for name in names}
    row |= {"data": e.key.data, "tweet": e.key.tweet}
    row |= {"before": spans_to_text(e.before), "after": spans_to_text(e.after)}
    return row | {"skipped": int(entry.skipped), "below": entry.below, "across": entry.across}


def to_entry(row: Row[Any]) -> Entry:
    event = Event(
        number=row.number,
        key=TweetKey(row.data, row.tweet),
        action=row.action,
        author=row.author,
        time=row.time,
        before=text_to_spans(row.before),
        after=text_to_spans(row.after),
        base=row.base,
        reason=row.reason,
        track=row.track,
        nonce=row.nonce,
        of=row.of,
    )
    return Entry(event, bool(row.skipped), row.below, row.across)


# --- questions -----------------------------------------------------------------------------------


def entries(connection: Connection, query: Select[Any]) -> list[Entry]:
    return [to_entry(row) for row in connection.execute(query)]


def entry(connection: Connection, number: int) -> Entry | None:
    row = connection.execute(select(EVENTS).where(EVENTS.c.number == number)).first()
    return None if row is None else to_entry(row)


def of_track(track: Track) -> Select[Any]:
    """The events of a tweet in one track."""
    key, name, author = track
    c = EVENTS.c
    query = select(EVENTS).where(c.data == key.data, c.tweet == key.tweet, c.track == name)
    return query.where(c.author == author) if name == BLIND else query


def last_of_track(connection: Connection, track: Track, *, before: int | None = None) -> Entry | None:
    query = of_track(track).order_by(EVENTS.c.number.desc()).limit(1)
    row = connection.execute(query if before is None else query.where(EVENTS.c.number < before)).first()
    return None if row is None else to_entry(row)


def last_of_author(connection: Connection, author: str) -> Entry | None:
    query = select(EVENTS).where(EVENTS.c.author == author).order_by(EVENTS.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else to_entry(row)


def labels_of(found: Entry | None) -> Labels:
    return Labels() if found is None else found.labels


def latest(connection: Connection, author: str, action: str) -> Entry | None:
    """The event that this author's undo or redo would take back."""
    undo, redo = tops(last_of_author(connection, author))
    top = undo if action == "undo" else redo
    return entry(connection, top) if top else None


def last_number(connection: Connection) -> int:
    return connection.execute(select(func.max(EVENTS.c.number))).scalar() or 0


# --- one more ------------------------------------------------------------------------------------


class Writer:
    """Adds events within one transaction that nobody else writes beside."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = last_number(connection)
        self._tops: dict[str, tuple[int, int]] = {}

    def edit(self, edit: Edit) -> Event:
        """What an edit becomes; that of before, if it was sent before (``ConflictError`` as ``Store.append``)."""
        if edit.nonce and (known := self._known(edit)):
            return known
        track = track_of(edit.key, edit.track, edit.author)
        labels = labels_of(last_of_track(self._connection, track))
        unlike = labels.spans is not None and edit.before != labels.spans
        if edit.revision != labels.revision or unlike:
            raise ConflictError(_conflict(edit.key, labels), edit, labels)
        if edit.action in ("set", "accept"):
            return self._add(edit, edit.before, edit.after, skipped=False)
        skipped = labels.skipped or edit.action == "skip"
        return self._add(edit, labels.spans, labels.spans, skipped=skipped)

    def _known(self, edit: Edit) -> Event | None:
        row = self._connection.execute(select(EVENTS).where(EVENTS.c.nonce == edit.nonce)).first()
        if row is None:
            return None
        event = to_entry(row).event
        same = all(
            getattr(event, n) == getattr(edit, n) for n in ("key", "action", "author", "track", "base", "reason")
        )
        if not same or (edit.action in ("set", "accept") and event.after != edit.after):
            raise StoreError(
                f"wanted a nonce for each edit, got {edit.nonce!r}, which event {event.number} has already"
            )
        return event

    def restore(self, key: TweetKey, number: int, author: str, revision: int) -> Event:
        then = entry(self._connection, number) if number else None
        if number and (then is None or then.event.key != key):
            raise StoreError(f"wanted an event of tweet {key.tweet} of {key.data}, got number {number}")
        if then is not None and then.event.track == BLIND and then.event.author != author:
            raise StoreError(f"wanted an event that {author} may see, got number {number}, a second opinion")
        name, base = (then.event.track, then.event.base) if then else ("", GOLD)
        now_ = labels_of(last_of_track(self._connection, track_of(key, name, author)))
        if revision != now_.revision:
            raise ConflictError(_conflict(key, now_), None, now_)
        labels = labels_of(then)
        edit = Edit(key, "restore", author, (), (), revision, base, track=name)
        return self._add(edit, now_.spans, labels.spans, skipped=labels.skipped, of=number)

    def take_back(self, author: str, action: str, *, keep: bool) -> Event | None:
        """An undo or a redo of this author; errors as ``Store.undo``."""
        top = latest(self._connection, author, action)
        if top is None:
            return None
        key, about = top.event.key, entry(self._connection, top.about)
        now_ = labels_of(last_of_track(self._connection, top.track))
        then, reason = labels_of(last_of_track(self._connection, top.track, before=top.event.number)), ""
        if other := self._changed_since(top, now_):
            if not keep:
                what = f"wanted to {action} event {top.about} on tweet {key.tweet} of {key.data}"
                raise ConflictError(f"{what}, but {other} has changed it since; nothing was overwritten", None, now_)
            then, reason = now_, f"left as {other} has it"
        base = about.event.base if about else GOLD
        edit = Edit(key, action, author, (), (), now_.revision, base, reason, top.event.track)
        return self._add(edit, now_.spans, then.spans, skipped=then.skipped, of=top.about, top=top)

    def _changed_since(self, top: Entry, labels: Labels) -> str | None:
        """The author whose answer to the tweet stands since an event, if that is another's."""
        since = entries(
            self._connection, of_track(top.track).where(EVENTS.c.number > top.event.number).order_by(EVENTS.c.number)
        )
        standing: dict[int, Event] = {}
        for found in since:
            if found.event.action == "undo":
                standing.pop(found.about, None)
            elif found.event.author != top.event.author:
                done = entry(self._connection, found.about) if found.event.action == "redo" else found
                standing |= {done.event.number: done.event} if done else {}
        others = [event.author for event in standing.values() if event.action in ANSWERS]
        if not others and (labels.spans, labels.skipped) != (top.event.after, top.skipped):
            others = [found.event.author for found in since if found.event.author != top.event.author]
        return others[-1] if others else None

    def _add(
        self,
        edit: Edit,
        before: tuple[Span, ...] | None,
        after: tuple[Span, ...] | None,
        *,
        skipped: bool,
        of: int = 0,
        top: Entry | None = None,
    ) -> Event:
        """Who does what to which tweet is told by ``edit``, what it changes by the rest."""
        self._number += 1
        event = Event(
            number=self._number,
            key=edit.key,
            action=edit.action,
            author=edit.author,
            time=now(),
            before=before,
            after=after,
            base=edit.base,
            reason=edit.reason,
            track=edit.track,
            nonce=edit.nonce or secrets.token_urlsafe(12),
            of=of,
        )
        self._connection.execute(insert(EVENTS), to_row(self._placed(event, skipped, top)))
        return event

    def _placed(self, event: Event, skipped: bool, top: Entry | None) -> Entry:
        """An event with its place on its author's stacks, from one of which an undo or redo takes ``top``."""
        author, number = event.author, event.number
        if author not in self._tops:
            self._tops[author] = tops(last_of_author(self._connection, author))
        undo, redo = self._tops[author]
        if top is None:
            below, across = undo, 0
        else:
            below, across = redo if event.action == "undo" else undo, top.below
        self._tops[author] = (across, number) if event.action == "undo" else (number, across)
        return Entry(event, skipped, below, across)


def _conflict(key: TweetKey, labels: Labels) -> str:
    who = labels.author or "somebody"
    return f"tweet {key.tweet} of {key.data} has changed: {who} was there before you; nothing was overwritten"
