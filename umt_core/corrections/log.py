"""The table of events: rows ↔ events, and what the last ones of a tweet and of an author are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Row, Select, Table, Text, func, select

from umt_core.corrections.events import BLIND, Event, Labels, TweetKey
from umt_core.corrections.fold import Entry, Track, tops
from umt_core.data.files import utc_now
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


def now() -> str:
    return utc_now("milliseconds").replace("+00:00", "Z")


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
