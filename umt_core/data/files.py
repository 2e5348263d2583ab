"""Text files in and out (UTF-8, whole lines, never half a file), and where cache and users' work are."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from umt_core.errors import DataError


def cache_dir() -> Path:
    """Where what can be made again is kept: ``$UMT_CACHE``, else ``~/.cache/mner-workbench``."""
    return Path(os.environ.get("UMT_CACHE") or Path.home() / ".cache" / "mner-workbench")


def home_dir() -> Path:
    """Where people's work is kept: corrections, own tweets, jobs, retrained checkpoints.

    ``$UMT_HOME``, else ``~/.local/share/mner-workbench``.
    """
    return Path(os.environ.get("UMT_HOME") or Path.home() / ".local" / "share" / "mner-workbench")


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 file, without their ends; a BOM and CRLF are accepted.

    Raises:
        DataError: the file is missing, a folder, unreadable, or not UTF-8.
    """
    return list(iter_lines(path))


def iter_lines(path: str | Path) -> Iterator[str]:
    """``read_lines``, one at a time.

    Only line feeds end a line: ``str.splitlines`` would also break at U+0085 or U+2028,
    which tweets contain.
    """
    path, number = Path(path), 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start = codecs.BOM_UTF8 if number == 1 else b""
                yield line.removeprefix(start).decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise DataError(f"{path}: wanted a readable file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: wanted UTF-8, got byte 0x{error.object[error.start]:02x}") from error


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file in one step: a reader finds the old text or the new, never a part.

    Raises:
        DataError: the text holds half a surrogate pair, or the place cannot be written.
    """
    write_pieces(path, [text])


def write_pieces(path: str | Path, pieces: Iterable[str]) -> None:
    """``write_text`` of a text that comes in pieces, and need not be in memory as a whole."""
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            for piece in pieces:
                file.write(piece.encode("utf-8"))
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
