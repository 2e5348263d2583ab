"""Backup and restore of people's work: corrections, own data sets, retrained checkpoints, users. Free of torch.

A backup is one tar file:

    corrections.sqlite              the store as it was, whatever database it is kept in
    home/own/…, home/checkpoints/…  what else ``home_dir()`` holds, but for jobs, the trash and locks
    backup.json                     SHA-256 and size of each of these, written last

A file without its last member was cut short and is refused. All is copied while the app runs: files there are never
changed in place but for the log of promotions, which is read, like the versions that it names, under its own lock.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from umt_core.corrections.database import file_url, parsed_url
from umt_core.corrections.store import Store, default_url, is_unbegun
from umt_core.data.files import home_dir, locked, utc_now, write_stream
from umt_core.data.moving import move
from umt_core.errors import DataError, StoreError, UmtError
from umt_core.promotions import changing, retrained_folder

STORE = "corrections.sqlite"
HOME = "home"
CONTENTS = "backup.json"
_STAGE = ".restoring"  # folder of the home in which files wait for their places
_SQLITE = ("", "-journal", "-wal", "-shm")  # how the names of a database's files end
VERSION = 1
LINKED = 2  # levels of the home, folders of work and the sets in them, at which a link is followed
LEFT_OUT = ("jobs", "trash")  # running work, whose checkpoints are kept when they are done; what was thrown away
MOST_FILES = 1_000_000
_LONGEST_CONTENTS = 512 * 2**20  # bytes of backup.json
_BLOCK = 2**20

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says of itself, and holds."""

    created: str  # UTC, ISO 8601
    events: int  # of the store
    files: dict[str, Kept]  # by their names in the archive

    @property
    def bytes(self) -> int:
        return sum(kept.bytes for kept in self.files.values())


def back_up(path: Path, url: str | None = None, *, progress: Progress | None = None) -> Contents:
    """Writes a backup of the store and of ``home_dir()``, while both are in use.

    Args:
        url: of the store, by default ``default_url()``.

    Raises:
        DataError: the file is there already, or cannot be written; there is then no half of one.
        DataError, CheckpointError: a link in ``home_dir()`` leads to no work.
        StoreError: the store cannot be read, or is not there although its URL was given.
    """
    if path.exists():
        raise DataError(f"{path}: wanted a new file for the backup, got one that is there")
    home = home_dir()
    # A URL that somebody wrote leads to a store, or is wrong.
    unbegun = not os.environ.get("UMT_STORE") and is_unbegun(url)
    url = url or default_url()
    with tempfile.TemporaryDirectory(prefix="umt-backup-") as scratch, ExitStack() as opened:
        store = Path(scratch) / STORE
        events = 0 if unbegun else _copy_store(url, store)
        files: list[tuple[str, IO[bytes]]] = []
        # A version that is removed from now on is still read to its end through the file that is open.
        if retrained_folder().is_dir():
            with changing():
                files += [(name, opened.enter_context(path.open("rb"))) for name, path in _below(home, "checkpoints")]
        kept: dict[str, Kept] = {}
        try:
            with (
                write_stream(path, mode=0o600) as target,
                tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                if events:
                    with store.open("rb") as copy:
                        kept[STORE] = _add(tar, STORE, copy)
                for name, file in files:
                    kept[name] = _add(tar, name, file)
                for name, place in _others(home, url):
                    with contextlib.suppress(FileNotFoundError), place.open("rb") as file:  # removed this moment
                        kept[name] = _add(tar, name, file)
                    if progress:
                        progress(len(kept), 0)
                contents = Contents(utc_now(), events, kept)
                _add(tar, CONTENTS, io.BytesIO(_to_json(contents)))
        except OSError as error:
            raise DataError(f"{path}: wanted to write the backup, got: {error.strerror or error}") from error
    return contents


def check_backup(path: Path, *, progress: Progress | None = None) -> Contents:
    """Reads a backup through, and holds each file against its sum.

    Raises:
        DataError: it is none, was cut short or changed, or names a place outside itself.
    """
    found: dict[str, Kept] = {}
    contents: Contents | None = None
    try:
        with _members(path) as members:
            for name, file in members:
                if name == CONTENTS:
                    contents = _from_json(path, file.read(_LONGEST_CONTENTS))
                    continue
                found[name] = _sum_of(file)
                if progress:
                    progress(len(found), 0)
    except OSError as error:
        raise DataError(f"{path}: wanted a backup, got: {error.strerror or error}") from error
    if contents is None:
        raise DataError(f"{path}: wanted a whole backup, got one that was cut short: it has no {CONTENTS}")
    if wrong := sorted(n for n in found.keys() | contents.files.keys() if found.get(n) != contents.files.get(n)):
        raise DataError(f"{path}: wanted files by their sums, got another or none at {wrong[0]} ({len(wrong)} in all)")
    return contents


def restore(path: Path, url: str | None = None, *, progress: Progress | None = None) -> Contents:
    """Puts a backup's work where there is none: into ``home_dir()`` and the store.

    The backup is checked first, and the places. Folders get theirs by renaming, and the store is filled last, in one
    transaction. What was cut off can be begun again: what is there already as the backup has it stays.

    Args:
        url: of the store, by default ``default_url()``; a PostgreSQL database may take what SQLite held.

    Raises:
        DataError: as ``check_backup``; or there is other work in the place already, which is never written over, or a
            link that leads to nothing.
        BusyError: another process is restoring there.
        StoreError: the store has other events already, or cannot be written.
    """
    contents, home, url = check_backup(path, progress=progress), home_dir(), url or default_url()
    stage = home / _STAGE
    with locked(home):
        try:
            for left in home.glob(f"{_STAGE}*"):  # of a kill
                shutil.rmtree(left, ignore_errors=True)
            _check_places(home, contents)
            with _members(path) as members:
                for name, file in members:
                    if name != CONTENTS:
                        _write(stage / name, file)
            with _filled_last(stage / STORE, url):
                if (stage / HOME).is_dir():
                    _put(stage / HOME, home)
        except OSError as error:
            raise DataError(f"{home}: wanted to restore {path.name} there, got: {error.strerror or error}") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return contents


def _check_places(home: Path, contents: Contents) -> None:
    """Holds what is in the places of a backup's work against the backup: a try that was cut off may have put it there.

    Raises:
        DataError: something else is there, or a link that leads to nothing.
    """
    for top in sorted({name.split("/")[1] for name in contents.files if name.startswith(f"{HOME}/")}):
        for name, path in _below(home, top):
            with path.open("rb") as file:
                if _sum_of(file) != contents.files.get(name):
                    raise DataError(f"{home}: wanted a place without {top} to restore it, got one that has it")


@contextlib.contextmanager
def _filled_last(path: Path, url: str) -> Iterator[None]:
    """Fills a store from a backup's when all else is in place, unless it is filled already; no file, no store.

    Raises:
        StoreError: it holds something else, before anything is put into place.
    """
    if not path.exists():
        yield
        return
    with contextlib.closing(Store(file_url(path))) as source, contextlib.closing(Store(url)) as store:
        source.verify()
        there = store.count()
        if there and (there, store.digest()) != (source.count(), source.digest()):
            raise StoreError(f"{store.url}: wanted an empty store to restore into, got one of {there:,} other events")
        yield
        if not there:
            source.copy_to(url)


def _put(path: Path, place: Path) -> None:
    """Moves a file or folder into place; into a folder that is there, or a link to one, what is not in it yet."""
    if path.is_dir() and place.is_dir():
        for inner in sorted(path.iterdir()):
            _put(inner, place / inner.name)
    elif not place.is_file():
        move(path, place)


def _copy_store(url: str, path: Path) -> int:
    """How many events there are; 0: there is no copy."""
    if url.startswith("sqlite:") and not (file := _sqlite_file(url)).exists():
        raise StoreError(f"{file_url(file)}: wanted a store of corrections to back up, got no such file")
    with contextlib.closing(Store(url)) as store:
        store.backup(path)
    with contextlib.closing(Store(file_url(path))) as copy:
        return copy.count()


def _sqlite_file(url: str) -> Path:
    return Path(parsed_url(url).database or "")


def _others(home: Path, url: str) -> Iterator[tuple[str, Path]]:
    """What else of people's work is in there: data sets, and single files such as the users'."""
    if not home.is_dir():
        return
    # A store is never copied as files, neither the one that is backed up nor one in its usual place.
    stores = {home / STORE, _sqlite_file(url) if url.startswith("sqlite:") else home / STORE}
    here = {store.name for store in stores if store.parent.resolve() == home.resolve()}
    not_copied = {f"{name}{end}" for name in here for end in _SQLITE}
    for top in sorted(home.iterdir()):
        retrained = top == retrained_folder() and top.is_dir()  # else a link to none: said by who looks below
        if top.name not in LEFT_OUT and not retrained and top.name not in not_copied:
            yield from _below(home, top.name)


def _below(home: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """The files at or below a path, by their names in the archive.

    Files of a folder come before what is in the folders inside, which are listed after those were read: a set's tweets
    are written after their pictures, so that the pictures of all tweets that were read are there.

    A folder of work, or one set in it, may lie on another disk behind a link. A link further in is passed over.

    Raises:
        DataError: such a link leads to nothing, or to a folder that holds the link itself.
    """
    top = home / folder
    if top.name.startswith("."):  # locks, halves, what is being removed
        return
    if top.is_symlink():
        if folder.count("/") >= LINKED:
            return
        if not top.exists() or home.resolve().is_relative_to(top.resolve()):
            got = "a folder that holds it" if top.exists() else "nothing"
            raise DataError(f"{top}: wanted a link to work, got one to {got}: {top.readlink()}")
    if top.is_file():
        yield f"{HOME}/{folder}", top
        return
    inside = sorted(top.iterdir(), reverse=True) if top.is_dir() else []
    for path in sorted(inside, key=Path.is_dir):
        yield from _below(home, f"{folder}/{path.name}")


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> Kept:
    member = tarfile.TarInfo(name)
    member.size = file.seek(0, io.SEEK_END)
    member.mtime = int(datetime.datetime.now(datetime.UTC).timestamp())
    member.mode = 0o600
    file.seek(0)
    read = _Summing(file)
    tar.addfile(member, read)
    return Kept(member.size, read.sum.hexdigest())


class _Summing:
    """A file whose bytes are summed up as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.sum.update(block)
        return block


@contextlib.contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The files of a backup with their names, one after another; nothing is taken that is no plain file of ours."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield _plain_files(path, tar)
    except (tarfile.TarError, EOFError) as error:  # also by who reads the files
        raise DataError(f"{path}: wanted a backup, got no sound tar file: {error}") from error


def _plain_files(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for number, member in enumerate(tar):
        file = tar.extractfile(member) if member.isreg() else None
        if file is None or not _is_ours(member.name) or number > MOST_FILES:
            raise DataError(f"{path}: wanted a backup's files, got {member.name[:80]!r}")
        yield member.name, file


def _is_ours(name: str) -> bool:
    parts = PurePosixPath(name).parts
    plain = not any(part.startswith((".", "/")) or "\\" in part or "\0" in part for part in parts)
    return name in (STORE, CONTENTS) or (plain and len(parts) > 1 and parts[0] == HOME and "/".join(parts) == name)


def _sum_of(file: IO[bytes]) -> Kept:
    told, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        told.update(block)
        size += len(block)
    return Kept(size, told.hexdigest())


def _write(path: Path, file: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        shutil.copyfileobj(file, target, _BLOCK)
    path.chmod(0o600)


def _to_json(contents: Contents) -> bytes:
    return json.dumps({"backup": VERSION, **asdict(contents)}, indent=1).encode()


def _from_json(path: Path, text: bytes) -> Contents:
    try:
        values: dict[str, Any] = json.loads(text)
        if values.get("backup") != VERSION:
            raise DataError(f"{path}: wanted a backup of version {VERSION}, got {str(values.get('backup'))[:20]}")
        files = {str(name): Kept(int(of["bytes"]), str(of["sha256"])) for name, of in values["files"].items()}
        return Contents(str(values["created"]), int(values["events"]), files)
    except UmtError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: wanted a backup's {CONTENTS}, got something else") from error
