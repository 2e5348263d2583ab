"""Text files in and out (UTF-8, whole lines, never half a file), where cache and users' work are, and the time."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import datetime
import fcntl
import io
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from umt_core.errors import BusyError, DataError


def cache_dir() -> Path:
    """Where what can be made again is kept: ``$UMT_CACHE``, else ``~/.cache/mner-workbench``."""
    return Path(os.environ.get("UMT_CACHE") or Path.home() / ".cache" / "mner-workbench")


def home_dir() -> Path:
    """Where people's work is kept: corrections, own tweets, jobs, retrained checkpoints.

    ``$UMT_HOME``, else ``~/.local/share/mner-workbench``.
    """
    return Path(os.environ.get("UMT_HOME") or Path.home() / ".local" / "share" / "mner-workbench")


def utc_now(timespec: str = "seconds") -> str:
    """The time as our files have it, ISO 8601 in UTC; ``timespec`` as ``datetime.isoformat`` has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec=timespec)


class Stamp(NamedTuple):
    """What tells that a file was changed or put in another's place, without its being read."""

    inode: int
    size: int  # bytes
    modified: int  # ns
    changed: int  # ns; its contents, name or rights: a copy that keeps the time of modification cannot set this


def stamp_of(path: Path) -> Stamp:
    """Of a file as it is now (``OSError``: it cannot be asked)."""
    now = path.stat()
    return Stamp(now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 file, without their ends; a BOM and CRLF are accepted.

    Raises:
        DataError: the file is missing, a folder, unreadable, or not UTF-8.
    """
    return list(iter_lines(path))


def iter_lines(path: str | Path, *, whole: bool = False) -> Iterator[str]:
    """``read_lines``, one at a time; ``whole``: with BOM and line ends, so that joined they are the file.

    Only line feeds end a line: ``str.splitlines`` would also break at U+0085 or U+2028,
    which tweets contain.
    """
    path, number = Path(path), 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start = codecs.BOM_UTF8 if number == 1 and not whole else b""
                text = line.removeprefix(start).decode()
                yield text if whole else text.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise DataError(f"{path}: wanted a readable file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: wanted UTF-8, got byte 0x{error.object[error.start]:02x}") from error


def harmless(text: str) -> str:
    """A field of a table for people: what a spreadsheet would run as a formula begins with an apostrophe.

    >>> harmless("=1+1"), as_written(harmless("=1+1")), harmless("it's")
    ("'=1+1", '=1+1', "it's")
    """
    return f"'{text}" if _is_formula(text) else text


def as_written(field: str) -> str:
    """The text that ``harmless`` made a field of."""
    return field[1:] if field.startswith("'") and _is_formula(field[1:]) else field


def _is_formula(text: str) -> bool:
    text = text.lstrip("'")  # so that one apostrophe more or less tells a text from what was made of it
    return text[:1] in ("\t", "\r") or _UNSEEN.sub("", text)[:1] in _FORMULA_STARTS


def table_line(fields: Iterable[object], end: str = "\n") -> str:
    """A line of a CSV table for people, each text of it ``harmless``.

    >>> print(table_line(["=1+1", 2, "a,b"]), end="")
    '=1+1,2,"a,b"
    """
    buffer = io.StringIO()
    # With another end of lines Python (before 3.13) leaves "\r" bare, at which spreadsheets begin a new row.
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([harmless(field) if isinstance(field, str) else field for field in fields])
    return buffer.getvalue().removesuffix("\r\n") + end


_UNSEEN = re.compile(r"^[\s\ufeff\u200b-\u200f\u2060]+")
_FORMULA_STARTS = tuple("=+-@＝＋－＠")  # the full-width ones are normalised by some


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file in one step: a reader finds the old text or the new, never a part.

    Raises:
        DataError: the text holds half a surrogate pair, or the place cannot be written.
    """
    write_pieces(path, [text])


def write_json(path: str | Path, values: Any) -> None:
    """Writes a dataclass, or what else JSON has a form for, in one step (``DataError`` as ``write_text``)."""
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        values = dataclasses.asdict(values)
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_pieces(path: str | Path, pieces: Iterable[str | bytes]) -> None:
    """``write_text`` of a text that comes in pieces, and need not be in memory as a whole."""
    with write_stream(path) as file:
        for piece in pieces:
            file.write(piece if isinstance(piece, bytes) else piece.encode("utf-8"))


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place, beside it: of no other process and no other thread."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")


@contextlib.contextmanager
def write_stream(path: str | Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to fill, which takes its place when that is done (``DataError`` as ``write_text``).

    ``mode``: who may read and write it, less what the umask takes away.
    """
    path = Path(path)
    temporary = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: wanted text, got half a surrogate pair (character {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):  # gone already, or its folder is none
            temporary.unlink()


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keeps other processes from writing in a folder; the system lets go when this one ends, however it does.

    Args:
        wait: for a process that is at work there, instead of giving up.

    Raises:
        BusyError: another one is at work there.
        DataError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise DataError(f"{folder}: wanted a place to write, got: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise BusyError(f"{folder}: another process is at work here; wait for it") from error
        yield
