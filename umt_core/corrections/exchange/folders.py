"""Forms that are a folder of files: the whole folder comes into place in one step, or stays as it was."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umt_core.errors import DataError

MARK = ".mner-workbench"  # in the folders that we made and may replace


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which then takes the place of ``path``; what was there goes if we made it.

    Raises:
        DataError: there is something else at ``path``, or the place cannot be written.
    """
    if path.exists() and not (path / MARK).is_file() and not (path.is_dir() and not any(path.iterdir())):
        what = "a folder with other things in it" if path.is_dir() else "a file"
        raise DataError(f"{path}: wanted a new folder, or one that an export made, got {what}")
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.mkdir(parents=True)
        yield part
        (part / MARK).write_text("Made by `corrections export`; the next one to this place replaces it.\n")
        _replace(part, path)
    except OSError as error:
        raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _replace(new: Path, place: Path) -> None:
    """Puts a folder into place; what was there is ``new`` afterwards, or gone."""
    if not place.exists() or not any(place.iterdir()):
        new.replace(place)
    elif not _exchange(new, place):
        # Where the system cannot exchange two folders there is a moment without either.
        old = new.with_suffix(".old")
        place.replace(old)
        new.replace(place)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchanges two names in one step, where the system can (Linux: ``renameat2``)."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return call is not None and call(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0
