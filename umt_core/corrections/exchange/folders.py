"""Forms that are a folder of files: the whole folder comes into place in one step, or stays as it was."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from umt_core.errors import DataError
from umt_core.manifest import file_sum

MARK = ".mner-workbench"  # in the folders that we made and may replace, with the sums of what we wrote there
_SAID = "Made by `corrections export`; the next one to this place replaces it, unless a file was changed since."


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which then takes the place of ``path``; what was there goes if we made it.

    Raises:
        DataError: there is something else at ``path``, or work that was done there since, or the place cannot be
            written.
    """
    if path.exists() and not (path / MARK).is_file() and not (path.is_dir() and not any(path.iterdir())):
        what = "a folder with other things in it" if path.is_dir() else "a file"
        raise DataError(f"{path}: wanted a new folder, or one that an export made, got {what}")
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.mkdir(parents=True)
        yield part
        sums = _sums(part)
        if (path / MARK).is_file() and (changed := _changed(path, sums)):
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise DataError(
                f"{path}: wanted files as the last export left them, got changes in {changed[0]}{more}: "
                "import them and remove the folder, or give another one"
            )
        lines = (f"{told}  {name}" for name, told in sums.items())
        (part / MARK).write_text("\n".join([_SAID, *lines, ""]), encoding="utf-8")
        _replace(part, path)
    except OSError as error:
        raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file by its path in the folder; of what other tools hide there none."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    visible = {name: path for name, path in files.items() if not any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): file_sum(path) for name, path in visible.items()}


def _changed(folder: Path, new: Mapping[str, str]) -> list[str]:
    """The files of an exported folder that somebody changed or added since, and that ``new`` ones would undo."""
    mark = folder / MARK
    lines = mark.read_text(encoding="utf-8", errors="replace").split("\n")[1:]
    written = {name: told for told, _, name in (line.partition("  ") for line in lines) if name}
    if not written:  # of an earlier version, which kept no sums
        since = mark.stat().st_mtime_ns
        edited = (path for path in sorted(folder.rglob("*.ann")) if path.stat().st_mtime_ns > since)
        return [path.relative_to(folder).as_posix() for path in edited]
    return [name for name, told in _sums(folder).items() if told not in (written.get(name), new.get(name))]


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
