"""Finds weight files and checks that they are what their publishers made. Free of torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from umt_core.data.files import cache_dir as cache_dir
from umt_core.data.files import part_of
from umt_core.errors import BackboneError

_TABLE = "CREATE TABLE IF NOT EXISTS sums (path TEXT PRIMARY KEY, size INT, modified INT, changed INT, sha256 TEXT)"
_ASKED = "SELECT size, modified, changed, sha256 FROM sums WHERE path = ?"
_RECENT_NS = 2_000_000_000  # a file this young may change again within one tick of the file system's clock


def package_file(module: str, filename: str, *, install: str) -> Path:
    """A file inside an installed package, found without importing the package.

    Raises:
        BackboneError: the package is not installed or lacks the file; ``install`` says how to get it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise BackboneError(f"wanted the package {module}, which is not installed: {install}")
    for folder in spec.submodule_search_locations or ():
        if (path := Path(folder, filename)).exists():
            return path
    raise BackboneError(f"the package {module} has no {filename}: {install}")


class Sums:
    """SHA-256 of files, remembered in an SQLite file until a file's size or times change.

    The memory may be lost at any time: it costs the reading of the files again, nothing else.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._new: dict[str, tuple[int, int, int, str]] = {}
        self._reader: sqlite3.Connection | None = None

    def of(self, path: Path) -> str:
        """SHA-256 of a file, in hexadecimal; ``OSError`` if it cannot be read."""
        path = path.resolve()
        stat = path.stat()
        # The change time too: a copy that keeps the modification time cannot set it.
        stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        known = self._new.get(str(path)) or self._known(path)
        if known is not None and known[:3] == stamp:
            return known[3]
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RECENT_NS:
            self._new[str(path)] = (*stamp, digest)
        return digest

    def save(self) -> None:
        """Adds what is new to what others wrote; a folder we may not write to stays as it is."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        rows = [(path, *row) for path, row in self._new.items()]
        self._new = {}
        try:
            self._write(rows)
        except (OSError, sqlite3.OperationalError):
            pass  # no place, no right, or somebody writes for long
        except sqlite3.DatabaseError:  # a damaged file, and no more than a memory
            with contextlib.suppress(OSError, sqlite3.OperationalError):
                self.file.unlink()
                self._write(rows)

    def _known(self, path: Path) -> tuple[int, int, int, str] | None:
        with contextlib.suppress(sqlite3.Error):
            if self._reader is None and self.file.exists():  # to connect would make an empty one
                self._reader = sqlite3.connect(self.file)
            if self._reader is not None:
                found: tuple[int, int, int, str] | None = self._reader.execute(_ASKED, (str(path),)).fetchone()
                return found
        return None

    def _write(self, rows: list[tuple[str, int, int, int, str]]) -> None:
        if not rows:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(_TABLE)
            connection.executemany("INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?, ?)", rows)


def file_sha256(path: Path) -> str:
    """SHA-256 of a weights file; of an unchanged file it is remembered in the cache.

    Raises:
        BackboneError: the file cannot be read.
    """
    sums = Sums(cache_dir() / "sums.sqlite")
    try:
        digest = sums.of(path)
    except OSError as error:
        raise BackboneError(f"{path}: cannot read the weights: {error.strerror}") from error
    sums.save()
    return digest


def verify(path: Path, sha256: str) -> None:
    """Checks a weights file against its sum, or against as many of its first digits as are known.

    Raises:
        BackboneError: the file is missing, unreadable, or another than the one wanted.
    """
    found = file_sha256(path)
    if not sha256 or not found.startswith(sha256):
        raise BackboneError(f"{path}: wanted weights with SHA-256 {sha256}, got {found}: install them again")


def check_archive(path: Path) -> None:
    """Checks the parts of a file that ``torch.save`` wrote against the CRC-32 that it keeps of each; torch does not.

    A file in torch's older form has none, and passes.

    Raises:
        zipfile.BadZipFile: a part is another than was written.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"{path}: {damaged} is another than was written")


def unpack(pieces: Sequence[Path], sha256: str, names: Iterable[str], folder: Path) -> None:
    """Joins the pieces of a zip, checks the whole, and puts the files of these names into a new ``folder``.

    The folder appears whole or not at all, and what the zip calls its paths decides nothing.

    Raises:
        BackboneError: the pieces are not the ones wanted, lack a file, or there is no room for them.
    """
    part = part_of(folder)
    try:
        part.mkdir(parents=True)
        with tempfile.TemporaryFile(dir=part) as joined:
            for piece in pieces:
                with piece.open("rb") as stream:
                    shutil.copyfileobj(stream, joined)
            joined.seek(0)
            if (found := hashlib.file_digest(joined, "sha256").hexdigest()) != sha256:
                raise BackboneError(f"{pieces[0].parent}: wanted pieces of SHA-256 {sha256}, got {found}")
            with zipfile.ZipFile(joined) as archive:
                members = {Path(member.filename).name: member for member in archive.infolist()}
                for name in names:
                    with archive.open(members[name]) as source, (part / name).open("xb") as target:
                        shutil.copyfileobj(source, target)
        if not folder.exists():  # else another process was quicker
            part.rename(folder)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BackboneError(f"{folder}: cannot unpack the weights: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
