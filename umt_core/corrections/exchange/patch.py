"""A patch: only the changes against a data set, by ids and token numbers. It holds no tweet, so it may be passed on.

    {"patch": 1, "data": "twitter2017/test", "sha256": "…"}
    {"id": "7", "before": [], "after": [{"start": 1, "end": 2, "label": "LOC"}]}

``data`` and ``sha256`` are of the data set's file; ``before`` is what that file says (null: not labelled).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umt_core.corrections.exchange.rows import Problem
from umt_core.data.files import iter_lines, write_pieces
from umt_core.data.jsonl import read_object
from umt_core.errors import DataError
from umt_core.schema import Example, Span

VERSION = 1
Triples = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a patch; its entities are not yet held against the tweet's tokens."""

    where: str
    tweet: str
    before: Triples | None
    after: Triples


def write_patch(path: Path, data: str, sha256: str, pairs: Iterable[tuple[Example, Example]]) -> int:
    """Writes the tweets whose labels differ, given as the data set has them and corrected; how many those are."""
    changes = [_change(before, after) for before, after in pairs if before.spans != after.spans]
    head = json.dumps({"patch": VERSION, "data": data, "sha256": sha256}, ensure_ascii=False)
    write_pieces(path, (line + "\n" for line in [head, *changes]))
    return len(changes)


def _change(before: Example, after: Example) -> str:
    labels = {"before": _records(before.spans), "after": _records(after.spans)}
    return json.dumps({"id": before.id, **labels}, ensure_ascii=False)


def _records(spans: tuple[Span, ...] | None) -> list[dict[str, Any]] | None:
    return None if spans is None else [{"start": s.start, "end": s.end, "label": s.label} for s in sorted(spans)]


def read_patch(path: Path, data: str, sha256: str) -> Iterator[Change | Problem]:
    """The changes of a patch for a data set whose file has this sum, and a problem for each line that is none.

    Raises:
        DataError: it cannot be read, is no patch, or is one for another file.
    """
    lines = iter_lines(path)
    try:
        head = read_object(next(lines, ""))
    except DataError as error:
        raise DataError(f"{path}:1: wanted a patch, {error}") from error
    if head.get("patch") != VERSION:
        raise DataError(f"{path}:1: wanted a patch of version {VERSION}, got {str(head)[:60]!r}")
    if head.get("sha256") != sha256:
        other = f"{head.get('data')} with SHA-256 {str(head.get('sha256'))[:12]}…"
        raise DataError(
            f"{path}: wanted a patch for {data} as it is here (SHA-256 {sha256[:12]}…), got one for {other}"
        )
    first_seen: dict[str, int] = {}
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            change = _read_change(read_object(line), where)
        except DataError as error:
            yield Problem(where, str(error))
            continue
        if (first := first_seen.setdefault(change.tweet, number)) != number:
            yield Problem(where, f"wanted one change a tweet, got {change.tweet!r} again (first in line {first})")
        else:
            yield change


def _read_change(record: dict[str, Any], where: str) -> Change:
    tweet, after = record.get("id"), _triples(record, "after")
    if not isinstance(tweet, str) or after is None:
        raise DataError(f"wanted a change with id and after, got {str(record)[:60]!r}")
    return Change(where, tweet, _triples(record, "before"), after)


def _triples(record: dict[str, Any], name: str) -> Triples | None:
    spans = record.get(name)
    if spans is None:
        return None
    try:
        found = tuple((span["start"], span["end"], span["label"]) for span in spans)
    except (KeyError, TypeError):
        found = ((None, None, None),)
    if not all(type(a) is int and type(b) is int and isinstance(label, str) for a, b, label in found):
        raise DataError(f"wanted a list of entities with start, end and label as {name}, got {str(spans)[:60]!r}")
    return found
