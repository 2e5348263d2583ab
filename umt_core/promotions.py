"""The log of what was promoted: which version of a tagger is served, since when and by whom. Free of torch.

One JSON object a line in ``promotions.jsonl``, appended and kept. What is served is what the lines add up to:
a promotion lays a version on the family's pile, a roll-back takes from it, and below all lies the original.
A version is known by its name and by the sum of its weights, so that a renamed one is found and another
one that got a removed one's name is not taken for it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from umt_core.data.files import Stamp, home_dir, locked, stamp_of
from umt_core.data.moving import sync
from umt_core.errors import CheckpointError, DataError

ORIGINAL = "original"  # the version that was not retrained here: what comes with the project, or lies beside it
LOG = "promotions.jsonl"
PROMOTE, ROLL_BACK, RENAME, REMOVE = "promote", "roll back", "rename", "remove"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log."""

    time: str  # UTC, ISO 8601
    author: str
    family: str  # twitter2017/umt-bert-crf
    action: str
    version: str  # that the action is about: of a promotion and a roll-back what is served from now on
    weights_sha256: str  # of the version; "": not known
    size: int = 0  # of the weights' file, bytes
    before: str = ""  # the version that was served till then; of a rename the old name


def retrained_folder() -> Path:
    """Where retrained checkpoints are kept, and the log."""
    return home_dir() / "checkpoints"


def records() -> tuple[Record, ...]:
    """The lines of the log, oldest first. A line that was cut short by a kill, or is none of ours, is left out."""
    return _read()[0]


def log_complaints() -> tuple[str, ...]:
    """A line for each thing in the log that cannot be read."""
    return _read()[1]


def pile(family: str) -> list[Record]:
    """What was promoted and not rolled back, the latest last; the original lies below without a record."""
    found: list[Record] = []
    for record in records():
        if record.family != family:
            continue
        if record.action == PROMOTE:
            found.append(record)
        elif record.action == ROLL_BACK:
            while found:
                found.pop()
                if found and _same(found[-1], record):
                    break
        elif record.action == RENAME:
            found = [
                dataclasses.replace(r, version=record.version) if r.version == record.before and _same(r, record) else r
                for r in found
            ]
        elif record.action == REMOVE:
            found = [r for r in found if r.version != record.version]
    return found


def _same(one: Record, other: Record) -> bool:
    if ORIGINAL in (one.version, other.version):
        return one.version == other.version
    return one.weights_sha256 == other.weights_sha256


@contextmanager
def changing() -> Iterator[None]:
    """Keeps other processes from changing versions and the log; waits for them first.

    Raises:
        CheckpointError: the place cannot be written.
    """
    try:
        with locked(retrained_folder(), wait=True):
            yield
    except DataError as error:
        raise CheckpointError(str(error)) from error


def append(record: Record) -> None:
    """Adds a line, on the disk when this returns; inside ``changing``.

    Raises:
        CheckpointError: it cannot be written; then the log is as it was.
    """
    path = retrained_folder() / LOG
    line = json.dumps(dataclasses.asdict(record), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    try:
        with path.open("ab+") as log:
            whole = _whole(log)
            log.truncate(whole)  # what a kill cut short was never acknowledged
            try:
                log.write(line)
                log.flush()
                os.fsync(log.fileno())
            except OSError:
                log.truncate(whole)
                raise
        sync(path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: wanted to note what is served, got: {error.strerror}") from error


def _whole(log: Any) -> int:
    """The bytes of the log's whole lines."""
    log.seek(0)
    content: bytes = log.read()
    return content.rfind(b"\n") + 1


def _read() -> tuple[tuple[Record, ...], tuple[str, ...]]:
    path = retrained_folder() / LOG
    try:
        return _parsed(path, stamp_of(path))
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        return (), (_unreadable(path, error),)


@lru_cache(maxsize=8)
def _parsed(path: Path, stamp: Stamp) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except OSError as error:
        return (), (_unreadable(path, error),)
    found, complaints = [], []
    for number, line in enumerate(lines, 1):
        if (record := _record(line)) is not None:
            found.append(record)
        elif line:
            complaints.append(f"{path}:{number}: not a line of ours; it is left out")
    return tuple(found), tuple(complaints)


def _record(line: bytes) -> Record | None:
    try:
        values = json.loads(line)
        record = Record(**{f.name: values[f.name] for f in dataclasses.fields(Record) if f.name in values})
    except (ValueError, TypeError, KeyError):
        return None
    texts = (f.name for f in dataclasses.fields(Record) if f.name != "size")
    sound = all(isinstance(getattr(record, name), str) for name in texts) and isinstance(record.size, int)
    return record if sound else None


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path}: wanted the log of promotions, got: {error.strerror}; the originals are served"
