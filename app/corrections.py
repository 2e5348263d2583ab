"""Corrections for the pages: the store, opened once for all sessions, and the tweets that can be corrected."""

from __future__ import annotations

import getpass
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import streamlit as st

from app import garbage, services, sets
from umt_core.analysis.paper import MAIN_SYSTEMS
from umt_core.analysis.sets import PredictionSet
from umt_core.corrections.store import Store, default_url
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.errors import DataError, ImageError, StoreError
from umt_core.schema import Example, Span

AUTHOR_COOKIE = "mner_author"  # the editor writes it
LONGEST_AUTHOR = 80  # characters
OWN_LABELS = "the data set's own labels"
MOST_KEPT = 400_000  # tweets of all splits that are kept as they were read: two of the largest


def store() -> tuple[Store, str]:
    """The store, and a line on why nothing can be written to it; "": it can.

    Raises:
        StoreError: it cannot even be read.
    """
    url = default_url()
    try:
        return _opened(url, read_only=False), ""
    except StoreError as error:
        line = str(error)
        try:
            return _opened(url, read_only=True), line
        except StoreError:
            raise error from None


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(url: str, *, read_only: bool) -> Store:
    return Store(url, read_only=read_only)


def remember(store: Store, of: Tweets) -> None:
    """Notes which file of the data set is corrected (``StoreError`` if that cannot be stored)."""
    with suppress(OSError):  # the file has gone since: there is nothing to note
        store.remember_data(of.name, sets.data_sum(of.data))


def other_file(store: Store, of: Tweets) -> str:
    """A line where labels were made on another file than the one that is here; "": they were not, or it is an own set.

    Own sets grow, and an id stays its tweet's.
    """
    source = sets.sources().get(of.name)
    with suppress(OSError, StoreError):  # of which the page tells otherwise
        others = set(store.data_sums(of.name)) - {sets.data_sum(of.data)}
        if others and source is not None and not source.of.own:
            return (
                f"Labels were corrected on another {of.data.name} too, and go by the ids of tweets: where an id is of "
                "another tweet now, so are its labels."
            )
    return ""


def default_author() -> str:
    """Who this browser remembers, else ``$UMT_AUTHOR``, else who runs the app; "": not known."""
    cookie = st.context.cookies.get(AUTHOR_COOKIE)
    if isinstance(cookie, str) and (remembered := unquote(cookie).strip()):  # AppTest has a stand-in for cookies
        return remembered[:LONGEST_AUTHOR]
    with suppress(OSError, KeyError):
        return os.environ.get("UMT_AUTHOR") or getpass.getuser()
    return ""


def author_complaint(name: str) -> str:
    """What is wrong with a name that changes are to be stored with; "": nothing."""
    if not name:
        return "wanted a name: say in the sidebar who you are; got none"
    if (sign := next((character for character in name if not character.isprintable()), None)) is not None:
        return f"wanted a name without invisible signs, got U+{ord(sign):04X} after {name.partition(sign)[0]!r}"
    return ""


# --- tweets --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tweets:
    """The tweets of a split, by id, in the order of their file."""

    name: str  # twitter2017/test
    data: Path
    examples: Mapping[str, Example]
    images: ImageIndex | None
    complaint: str = ""  # why there are no pictures

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.examples)

    def own_labels(self, identity: str) -> tuple[Span, ...]:
        """Those of the data set; none where a tweet came without."""
        return self.examples[identity].spans or ()


def tweets(source: sets.Source) -> Tweets:
    """A split's tweets, read once for each state of its files.

    Raises:
        DataError: the file is not there any more, or not in its form.
    """
    try:
        pictures = source.of.images()
        stamps = tuple(path.stat().st_mtime_ns for path in (source.data, pictures) if path is not None)
    except (ImageError, OSError) as error:
        raise DataError(f"{source.name}: cannot read its files: {error}") from error
    return _KEPT.get(source.name, source.data, pictures, stamps)


class _Kept:
    """The splits that were asked for last, as many as hold ``MOST_KEPT`` tweets, and the last one in any case."""

    def __init__(self) -> None:
        self._splits: OrderedDict[tuple[Any, ...], Tweets] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, *key: Any) -> Tweets:
        with self._turn:
            if key in self._splits:
                self._splits.move_to_end(key)
                return self._splits[key]
        found = _read(*key)
        garbage.spare()  # a split can be a million objects
        with self._turn:
            self._splits[key] = found
            while len(self._splits) > 1 and sum(len(of.examples) for of in self._splits.values()) > MOST_KEPT:
                self._splits.popitem(last=False)
        return found


_KEPT = _Kept()


def _read(name: str, data: Path, pictures: Path | None, stamps: tuple[int, ...]) -> Tweets:
    examples: dict[str, Example] = {}
    for example in read_examples(data):
        examples.setdefault(example.id, example)  # a second one of the same id cannot be told apart
    try:
        return Tweets(name, data, examples, ImageIndex.open(pictures) if pictures else None)
    except DataError as error:
        return Tweets(name, data, examples, None, str(error))


def picture_uri(of: Tweets, identity: str) -> str | None:
    """A tweet's picture as a data URI; ``None``: it has none.

    Raises:
        DataError, ImageError: it is there and cannot be read.
    """
    path = of.images.path(of.examples[identity].image) if of.images else None
    return None if path is None else services.file_picture_uri(path, path.stat().st_mtime_ns)


def credit(data: str, identity: str) -> str:
    """Whose photograph a sample tweet's picture is; "": nobody's."""
    sample = services.samples().get(identity) if data == sets.SAMPLES else None
    return (sample.credit or "") if sample else ""


# --- predictions ---------------------------------------------------------------------------------


def found_by_systems(found: PredictionSet, of: Tweets, ids: Collection[str]) -> dict[str, dict[str, tuple[Span, ...]]]:
    """What each run of a prediction set found in these tweets: by tweet, then by run, the main systems first.

    So their keys on the Correct page stay the same when others join them.
    """
    answers: dict[str, dict[str, tuple[Span, ...]]] = {identity: {} for identity in ids}
    places = f"(SELECT id, min(tweet) AS tweet FROM {found.table('tweets')} WHERE id IN (SELECT unnest(?)) GROUP BY id)"
    for run in sorted(found.runs, key=lambda run: found.runs[run].system not in MAIN_SYSTEMS):
        spans: dict[str, list[Span]] = {}
        # Joined from the left: a tweet without a span is one in which the system found nothing.
        sql = (
            f'SELECT id, s.start, s."end", s.label FROM {places} LEFT JOIN {found.table("spans", run)} s USING (tweet)'
        )
        for row in found.query(sql, list(ids)):
            of_tweet = spans.setdefault(row["id"], [])
            if row["start"] is not None:
                of_tweet.append(Span(row["start"], row["end"], row["label"]))
        for identity, of_tweet in spans.items():
            words = len(of.examples[identity].tokens)
            answers[identity][run] = tuple(sorted(span for span in of_tweet if span.end <= words))
    return answers
