"""The store of corrections: what people did to tweets, one event after another, and what that adds up to.

SQLite in one file by default, PostgreSQL by URL. An event that a method has returned is on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Select, func, insert, select

from umt_core.corrections import log
from umt_core.corrections.database import Database, file_url, parsed_url
from umt_core.corrections.events import (
    BLIND,
    COMMON,
    LONGEST_NAME,
    BadEditError,
    Edit,
    Event,
    Labels,
    TweetKey,
    is_name,
)
from umt_core.corrections.fold import ANSWERS, Entry, Fold, track_of
from umt_core.corrections.log import DATA_SUMS, EVENTS
from umt_core.corrections.writer import Writer
from umt_core.data.files import home_dir
from umt_core.errors import StoreError
from umt_core.labels import LABELS
from umt_core.schema import Span

EDITS = ("set", "accept", "skip", "comment")  # the actions that an edit may have
LONGEST_TEXT = 10_000  # characters
_BATCH = 2000  # events that are read at once


def default_url() -> str:
    """``$UMT_STORE``, else a file in ``home_dir()``."""
    return os.environ.get("UMT_STORE") or file_url(home_dir() / "corrections.sqlite")


def is_unbegun(url: str | None) -> bool:
    """Whether it is the app's own store (``None``), and nobody has stored anything yet: there is no file."""
    if url is not None:
        return False
    own = parsed_url(default_url())
    return own.drivername == "sqlite" and not Path(own.database or "").exists()


class Store:
    """An append-only store of events; threads and processes may use one at once.

    Raises:
        StoreError: in one line, if it cannot be opened, read or written; nothing then counts as stored.
    """

    def __init__(self, url: str | None = None, *, read_only: bool = False) -> None:
        self._database = Database(url or default_url(), read_only=read_only)
        self.url = self._database.url  # without password

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # --- to do something -------------------------------------------------------------------------

    def append(self, edit: Edit) -> Event:
        """Stores an edit; one sent before, by its nonce, is given back as it was stored then.

        Raises:
            BadEditError: it makes no sense, and never will.
            ConflictError: the tweet is not any more what the edit's author saw.
        """
        return self.append_all([edit])[0]

    def append_all(self, edits: Sequence[Edit]) -> list[Event]:
        """Stores all of them or none; errors as ``append``."""
        for edit in edits:
            _check_edit(edit)
        with self._database.writing("store an edit") as connection:
            return Writer(connection).edits(edits)

    def undo(self, author: str, *, keep: bool = False, expected: int | None = None) -> Event | None:
        """Takes back the last action of an author, whichever tweet it was on; ``None``: there is none.

        The labels are then those of the newest answer to the tweet that nobody has undone. ``expected``: the event
        that the author means, as ``undoable`` told it; where the last is another by now, nothing is done (``None``).

        Raises:
            ConflictError: another author's newer answer stands there. With ``keep`` it stays, and the action
                counts as undone all the same: the next undo is of the one before.
        """
        return self._take_back(author, "undo", keep, expected)

    def redo(self, author: str, *, keep: bool = False, expected: int | None = None) -> Event | None:
        """Does again what the author last took back, unless they have done something else since; as ``undo``."""
        return self._take_back(author, "redo", keep, expected)

    def _take_back(self, author: str, action: str, keep: bool, expected: int | None) -> Event | None:
        _check_name("an author", author)
        with self._database.writing(action) as connection:
            return Writer(connection).take_back(author, action, keep=keep, expected=expected)

    def restore(self, key: TweetKey, number: int, author: str, *, revision: int) -> Event:
        """Sets the labels as they were after one of the tweet's events; after 0: as the data set has them.

        Raises:
            ConflictError: the tweet has changed since ``revision``.
        """
        _check_name("an author", author)
        with self._database.writing("restore labels") as connection:
            return Writer(connection).restore(key, number, author, revision)

    # --- what there is ---------------------------------------------------------------------------

    def labels(self, key: TweetKey, *, track: str = COMMON, author: str = "") -> Labels:
        """What stands on a tweet now; in the blind track, by that author."""
        with self._database.reading("read labels") as connection:
            return log.labels_of(log.last_of_track(connection, track_of(key, track, author)))

    def current(self, data: str | None = None, *, track: str = COMMON, author: str = "") -> dict[TweetKey, Labels]:
        """What stands now on every tweet that has events; in the blind track, by that author."""
        c = EVENTS.c
        last = select(func.max(c.number)).where(c.track == track).group_by(c.data, c.tweet)
        last = _only(last, data, author if track == BLIND else None)
        columns = select(c.data, c.tweet, c.after, c.number, c.skipped, c.author)
        query = columns.where(c.number.in_(last)).order_by(c.number)
        with self._database.reading("read labels") as connection:
            rows = connection.execute(query).all()
        return {
            TweetKey(data_, tweet): Labels(log.text_to_spans(after), number, bool(skipped), by)
            for data_, tweet, after, number, skipped, by in rows
        }

    def opinions(self, data: str | None = None) -> dict[TweetKey, dict[str, tuple[Span, ...]]]:
        """Each author's last answer that they have not undone, of both tracks; who skipped last has none."""
        c = EVENTS.c
        columns = select(c.number, c.data, c.tweet, c.author, c.action, c.after, c.of).where(c.action != "comment")
        standing: dict[tuple[str, str, str], dict[int, tuple[str, str | None]]] = {}
        done: dict[int, tuple[str, str | None]] = {}
        for number, data_, tweet, author, action, after, of in self._rows(_only(columns, data, None)):
            answers = standing.setdefault((data_, tweet, author), {})
            if action in ANSWERS:
                answers[number] = done[number] = action, after
            elif action == "undo":
                answers.pop(of, None)
            elif of in done:
                answers[of] = done[of]
        found: dict[TweetKey, dict[str, tuple[Span, ...]]] = {}
        for (data_, tweet, author), answers in standing.items():
            action, after = answers[max(answers)] if answers else ("skip", None)
            if action != "skip" and (spans := log.text_to_spans(after)) is not None:
                found.setdefault(TweetKey(data_, tweet), {})[author] = spans
        return found

    def history(self, key: TweetKey, *, track: str = COMMON, author: str = "") -> list[Event]:
        """A tweet's events from the first on; in the blind track, those of that author."""
        query = log.of_track(track_of(key, track, author)).order_by(EVENTS.c.number)
        with self._database.reading("read a tweet's history") as connection:
            return [entry.event for entry in log.entries(connection, query)]

    def events(
        self, *, data: str | None = None, tweet: str | None = None, author: str | None = None, after: int = 0
    ) -> Iterator[Event]:
        """Events of both tracks by number, from the one after ``after``; those stored meanwhile come too."""
        for entry in self._entries(data=data, tweet=tweet, author=author, after=after):
            yield entry.event

    def _entries(
        self, *, data: str | None = None, tweet: str | None = None, author: str | None = None, after: int = 0
    ) -> Iterator[Entry]:
        return map(log.to_entry, self._rows(_only(select(EVENTS), data, author, tweet), after))

    def _rows(self, query: Select[Any], after: int = 0) -> Iterator[Any]:
        """In parts, so that whoever takes long over them keeps nobody from writing."""
        query = query.order_by(EVENTS.c.number).limit(_BATCH)
        while True:
            with self._database.reading("read events") as connection:
                rows = connection.execute(query.where(EVENTS.c.number > after)).all()
            yield from rows
            if len(rows) < _BATCH:
                return
            after = rows[-1].number

    def count(self, *, data: str | None = None, author: str | None = None) -> int:
        with self._database.reading("count events") as connection:
            return connection.execute(_only(select(func.count()).select_from(EVENTS), data, author)).scalar_one()

    def last(self) -> int:
        """Number of the newest event; 0: there is none. While it stays, everything else does."""
        with self._database.reading("read events") as connection:
            return log.last_number(connection)

    def authors(self) -> list[str]:
        with self._database.reading("read its authors") as connection:
            return sorted(connection.execute(select(EVENTS.c.author).distinct()).scalars())

    def newest_author(self) -> str | None:
        """Who did the newest event; ``None``: there is none."""
        with self._database.reading("read its authors") as connection:
            last = log.entry(connection, log.last_number(connection))
            return last.event.author if last else None

    def undoable(self, author: str) -> Event | None:
        """The action that ``undo`` would take back."""
        return self._latest(author, "undo")

    def redoable(self, author: str) -> Event | None:
        """The action that ``redo`` would do again."""
        return self._latest(author, "redo")

    def _latest(self, author: str, action: str) -> Event | None:
        with self._database.reading("read events") as connection:
            top = log.latest(connection, author, action)
            about = log.entry(connection, top.about) if top else None
            return about.event if about else None

    # --- the data that it is about ---------------------------------------------------------------

    def remember_data(self, data: str, sha256: str) -> None:
        """Notes which file of a data set corrections are made on; a second time changes nothing."""
        _check_name("a data set", data)
        _check_name("a sum", sha256)
        if sha256 in self.data_sums(data):
            return
        with self._database.writing("note a data set") as connection:
            rows = select(DATA_SUMS).where(DATA_SUMS.c.data == data, DATA_SUMS.c.sha256 == sha256)
            if connection.execute(rows).first() is None:
                connection.execute(insert(DATA_SUMS), {"data": data, "sha256": sha256, "time": log.now()})

    def data_sums(self, data: str) -> list[str]:
        """SHA-256 of each file of a data set that corrections were made on, from the first on."""
        c = DATA_SUMS.c
        with self._database.reading("read of data sets") as connection:
            query = select(c.sha256).where(c.data == data).order_by(c.time, c.sha256)
            return list(connection.execute(query).scalars())

    def digest(self, data: str | None = None) -> str:
        """SHA-256 of the labels as they stand and of what is skipped, whoever did it and in whatever order."""
        told = hashlib.sha256()
        for key, labels in sorted(self.current(data).items()):
            if labels.spans is not None or labels.skipped:
                fields = (key.data, key.tweet, log.spans_to_text(labels.spans), labels.skipped)
                told.update(json.dumps(fields).encode() + b"\n")
        return told.hexdigest()

    # --- care ------------------------------------------------------------------------------------

    def verify(self) -> int:
        """Works through all events from the first on, and says how many there are.

        Raises:
            StoreError: one is missing, or does not follow from those before it.
        """
        if wrong := self._database.integrity():
            raise StoreError(f"{self.url}: wanted a sound database, got: {wrong}")
        fold, number = Fold(), 0
        for entry in self._entries():
            number = entry.event.number
            if wrong := fold.add(entry):
                raise StoreError(f"{self.url}: wanted events that follow from each other, got: {wrong}")
        return number

    def backup(self, path: Path) -> None:
        """Copies the store as it is now into a new SQLite file, which is a store itself.

        Raises:
            StoreError: the file is there already, or cannot be written; there is then no half of one.
        """
        if path.exists():
            raise StoreError(f"{path}: wanted a new file for the backup, got one that is there")
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            self.copy_to(file_url(part))
            part.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: wanted a place for the backup, got: {error.strerror}") from error
        finally:
            with suppress(OSError):
                part.unlink()

    def copy_to(self, url: str) -> int:
        """Copies all events into another store, which must have none, as one transaction; how many there are.

        Raises:
            StoreError: it has events already, or cannot be written; nothing is then in it that was not before.
        """
        last = self.last()  # what comes after it may come into the next one
        with self._database.reading("read of data sets") as connection:
            sums = [dict(row) for row in connection.execute(select(DATA_SUMS)).mappings()]
        copy, copied = Database(url), 0
        with closing(copy), copy.writing("write the copy") as connection:
            if there := connection.execute(select(func.count()).select_from(EVENTS)).scalar():
                raise StoreError(f"{copy.url}: wanted an empty store to copy into, got one of {there:,} events")
            if sums:
                connection.execute(insert(DATA_SUMS), sums)
            for entries in _batches(self._entries(), last):
                connection.execute(insert(EVENTS), [log.to_row(entry) for entry in entries])
                copied += len(entries)
        return copied


def _batches(entries: Iterator[Entry], last: int) -> Iterator[list[Entry]]:
    wanted = takewhile(lambda entry: entry.event.number <= last, entries)
    while batch := list(islice(wanted, _BATCH)):
        yield batch


def _only(query: Select[Any], data: str | None, author: str | None, tweet: str | None = None) -> Select[Any]:
    if data is not None:
        query = query.where(EVENTS.c.data == data)
    if tweet is not None:
        query = query.where(EVENTS.c.tweet == tweet)
    return query if author is None else query.where(EVENTS.c.author == author)


# --- checks --------------------------------------------------------------------------------------


def _check_edit(edit: Edit) -> None:
    if edit.action not in EDITS:
        raise BadEditError(f"wanted an action of {', '.join(EDITS)}, got {edit.action!r}")
    if edit.track not in (COMMON, BLIND):
        raise BadEditError(f"wanted the common track ({COMMON!r}) or {BLIND!r}, got {edit.track!r}")
    _check_name("a data set", edit.key.data)
    _check_name("a tweet's id", edit.key.tweet)
    _check_name("an author", edit.author)
    _check_name("what the labels came from", edit.base)
    _check_text("a reason", edit.reason)
    if edit.nonce:
        _check_name("a nonce", edit.nonce)
    if edit.action == "comment" and not edit.reason.strip():
        raise BadEditError("wanted a comment's text, got none")
    for spans in (edit.before, edit.after):
        _check_spans(edit.key, spans)


def _check_name(what: str, text: str) -> None:
    if not is_name(text):
        raise BadEditError(f"wanted {what} of 1 to {LONGEST_NAME} printable characters, got {text[:LONGEST_NAME]!r}")


def _check_text(what: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise BadEditError(f"wanted {what} of at most {LONGEST_TEXT:,} characters, got {len(text):,}")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise BadEditError(f"wanted {what} without NUL and half surrogate pairs, got {text[:LONGEST_NAME]!r}")


def _check_spans(key: TweetKey, spans: Sequence[Span]) -> None:
    end, where = 0, f"tweet {key.tweet} of {key.data}"
    for span in spans:
        if span.label not in LABELS:
            raise BadEditError(f"{where}: wanted a type of {', '.join(LABELS)}, got {span.label!r}")
        if span.start < 0 or span.end <= span.start:
            raise BadEditError(f"{where}: wanted a span of at least one word, got words {span.start} to {span.end}")
        if span.start < end:
            raise BadEditError(
                f"{where}: wanted spans from left to right that do not overlap, got {span} after word {end}"
            )
        end = span.end
