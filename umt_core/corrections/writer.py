"""How events are added: what an edit, an undo, a redo, a restore becomes, and when it is refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, insert, select

from umt_core.corrections import log
from umt_core.corrections.events import BLIND, COMMON, GOLD, BadEditError, ConflictError, Edit, Event, Labels, TweetKey
from umt_core.corrections.fold import ANSWERS, Entry, Standing, Track, tops, track_of
from umt_core.corrections.log import EVENTS
from umt_core.errors import StoreError
from umt_core.schema import Span

_MANY = 500  # values in one question


class Writer:
    """Adds events within one transaction that nobody else writes beside."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = log.last_number(connection)
        self._tops: dict[str, tuple[int, int]] = {}
        self._labels: dict[Track, Labels] = {}
        self._sent: dict[str, Event] = {}
        self._added: list[Entry] = []

    def edits(self, edits: Sequence[Edit]) -> list[Event]:
        """What edits become; that of before, if one was sent before. Errors as ``Store.append``."""
        self._look_up(edits)
        events = [self._edit(edit) for edit in edits]
        self._write()
        return events

    def _look_up(self, edits: Sequence[Edit]) -> None:
        """What stands on the edits' tweets, and which of the edits are known: many at a time."""
        c = EVENTS.c
        nonces = [edit.nonce for edit in edits if edit.nonce]
        for part in _parts(nonces):
            found = log.entries(self._connection, select(EVENTS).where(c.nonce.in_(part)))
            self._sent |= {entry.event.nonce: entry.event for entry in found}
        tweets: dict[tuple[str, str], dict[str, None]] = {}
        for edit in edits:
            tweets.setdefault((edit.key.data, edit.track), {})[edit.key.tweet] = None
        for (data, track), ids in tweets.items():
            names = (c.tweet, c.author) if track == BLIND else (c.tweet,)
            for part in _parts(list(ids)):
                of_these = select(func.max(c.number)).where(c.data == data, c.track == track, c.tweet.in_(part))
                last = select(EVENTS).where(c.number.in_(of_these.group_by(*names)))
                self._labels |= {entry.track: entry.labels for entry in log.entries(self._connection, last)}

    def _edit(self, edit: Edit) -> Event:
        if known := self._sent.get(edit.nonce):
            return _same(known, edit)
        labels = self._labels.get(track_of(edit.key, edit.track, edit.author), Labels())
        unlike = labels.spans is not None and edit.before != labels.spans
        if edit.revision != labels.revision or unlike:
            raise ConflictError(_conflict(edit.key, labels), edit, labels)
        if edit.action in ("set", "accept"):
            return self._add(edit, edit.before, edit.after, skipped=False)
        skipped = labels.skipped or edit.action == "skip"
        return self._add(edit, labels.spans, labels.spans, skipped=skipped)

    def restore(self, key: TweetKey, number: int, author: str, revision: int) -> Event:
        then = log.entry(self._connection, number) if number else None
        if number and (then is None or then.event.key != key):
            raise StoreError(f"wanted an event of tweet {key.tweet} of {key.data}, got number {number}")
        if then is not None and then.event.track == BLIND and then.event.author != author:
            raise StoreError(f"wanted an event that {author} may see, got number {number}, a second opinion")
        name, base = (then.event.track, then.event.base) if then else (COMMON, GOLD)
        current = log.labels_of(log.last_of_track(self._connection, track_of(key, name, author)))
        if revision != current.revision:
            raise ConflictError(_conflict(key, current), None, current)
        labels = log.labels_of(then)
        edit = Edit(key, "restore", author, (), (), revision, base, track=name)
        event = self._add(edit, current.spans, labels.spans, skipped=labels.skipped, of=number)
        self._write()
        return event

    def take_back(self, author: str, action: str, *, keep: bool, expected: int | None) -> Event | None:
        """An undo or a redo of this author; errors as ``Store.undo``."""
        top = log.latest(self._connection, author, action)
        if top is None or expected not in (None, top.about):
            return None
        of_tweet = log.entries(self._connection, log.of_track(top.track).order_by(EVENTS.c.number))
        current, standing = of_tweet[-1].labels, Standing()
        for found in of_tweet:
            standing.take(found.event, skipped=found.skipped)
        key, reason, then = top.event.key, "", current
        about = next((found for found in of_tweet if found.event.number == top.about), None)
        if about is None or about.event.action in ANSWERS:  # a comment changes no labels, nor does its undo
            if other := standing.later_than(top.about, author):
                if not keep:
                    what = f"wanted to {action} event {top.about} on tweet {key.tweet} of {key.data}"
                    told = f"{what}, but {other} has changed it since; nothing was overwritten"
                    raise ConflictError(told, None, replace(current, author=other))
                reason = f"left as {other} has it"
            then = standing.after(action, top.about)
        base = about.event.base if about else GOLD
        edit = Edit(key, action, author, (), (), current.revision, base, reason, top.event.track)
        event = self._add(edit, current.spans, then.spans, skipped=then.skipped, of=top.about, top=top)
        self._write()
        return event

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
            time=log.now(),
            before=before,
            after=after,
            base=edit.base,
            reason=edit.reason,
            track=edit.track,
            nonce=edit.nonce or secrets.token_urlsafe(12),
            of=of,
        )
        entry = self._placed(event, skipped, top)
        self._added.append(entry)
        self._labels[entry.track] = entry.labels
        self._sent[event.nonce] = event
        return event

    def _write(self) -> None:
        if self._added:
            self._connection.execute(insert(EVENTS), [log.to_row(entry) for entry in self._added])

    def _placed(self, event: Event, skipped: bool, top: Entry | None) -> Entry:
        """An event with its place on its author's stacks, from one of which an undo or redo takes ``top``."""
        author, number = event.author, event.number
        if author not in self._tops:
            self._tops[author] = tops(log.last_of_author(self._connection, author))
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


def _same(event: Event, edit: Edit) -> Event:
    """The event of an edit that is sent once more; ``BadEditError`` if it is another edit."""
    names = ("key", "action", "author", "track", "base", "reason")
    same = all(getattr(event, name) == getattr(edit, name) for name in names)
    if not same or (edit.action in ("set", "accept") and event.after != edit.after):
        raise BadEditError(f"wanted a nonce for each edit, got {edit.nonce!r}, which event {event.number} has already")
    return event


def _parts(values: list[str]) -> Iterator[list[str]]:
    return (values[start : start + _MANY] for start in range(0, len(values), _MANY))
