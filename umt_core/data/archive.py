"""Pictures that come with an upload: in a ZIP archive, in a folder, or as files one by one.

Nothing is unpacked to a place that an archive names: a picture's bytes are read when a tweet asks for it, so many and
no more, and what is done with them never depends on its name there.
"""

from __future__ import annotations

import lzma
import struct
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from umt_core.data.images import MAX_BYTES, ImageIndex, read_image_bytes
from umt_core.errors import DataError, ImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
MOST_FILES = 65_000  # of an archive or folder: the data sets of the field have 4,000 to 8,000 pictures
MOST_DIRECTORY = 20_000_000  # bytes of an archive's list of files, which is read whole: so many names of 250
MOST_UNPACKED = 8_000_000_000  # bytes read from an archive in all: 4,000 photographs of 2 million
MOST_RATIO = 100  # of a file, unpacked to packed: a picture is packed already and shrinks by little, a bomb 1,000 times
SMALL = 1_000_000  # bytes; a file that unpacks to no more may shrink as it likes

# What ``zipfile`` raises on an archive that is damaged, locked, or packed in a way that it does not know.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError),
)


class Pictures:
    """Pictures by the names that tweets give them: a path, a file's name, or that without its suffix.

    Capitals do not matter, nor does the way in which an accent is written.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], bytes], passed_over: Iterable[str] = ()) -> None:
        self.passed_over = list(passed_over)  # a line for each file that is no picture for us, or may not be read
        self._read = read
        self._by_path: dict[str, set[str]] = defaultdict(set)
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._by_stem: dict[str, set[str]] = defaultdict(set)
        self.files = 0
        for name in names:
            path = PurePosixPath(_plain(name))
            if path.name.startswith(".") or "__macosx" in path.parts:
                continue  # what Finder puts beside the files themselves
            if path.suffix not in SUFFIXES:
                self.passed_over.append(f"{name}: passed over, its name is not that of a picture")
                continue
            self.files += 1
            for found, key in ((self._by_path, str(path)), (self._by_name, path.name), (self._by_stem, path.stem)):
                found[key].add(name)

    def read(self, name: str) -> bytes | None:
        """The bytes of a tweet's picture; ``None``: there is none of this name.

        Raises:
            ImageError: there are several, or it cannot be read.
        """
        path = PurePosixPath(_plain(name))
        named = {of for of in self._by_name.get(path.name, ()) if _ends_alike(path, PurePosixPath(_plain(of)))}
        found = self._by_path.get(str(path)) or named or self._by_stem.get(str(path))
        if not found:
            return None
        if len(found) > 1:
            raise ImageError(f"wanted one picture called {name!r}, got {len(found)}: {', '.join(sorted(found)[:3])}")
        return self._read(*found)


def _ends_alike(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether one path is the end of the other: ``7.png`` of ``pics/7.png``, not ``test/7.png`` of ``train/7.png``."""
    common = min(len(one.parts), len(other.parts))
    return one.parts[len(one.parts) - common :] == other.parts[len(other.parts) - common :]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/").casefold()


@contextmanager
def open_pictures(path: Path) -> Iterator[Pictures]:
    """The pictures of a ZIP archive, of a folder and its subfolders, or of a ``.tsv`` of ``id<TAB>path``.

    Raises:
        DataError: it is none of these, or as ``zip_pictures``.
    """
    if path.is_dir():
        yield _folder_pictures(path)
    elif path.suffix.lower() == ".tsv":
        yield _listed_pictures(path)
    else:
        try:
            file = path.open("rb")
        except OSError as error:
            raise DataError(f"{path}: wanted a ZIP archive, a folder or a .tsv, got: {error.strerror}") from error
        with file:
            yield zip_pictures(file, name=path.name)


def file_pictures(files: Mapping[str, BinaryIO]) -> Pictures:
    """Pictures that came as files one by one."""
    return Pictures(files, lambda name: read_image_bytes(files[name], name=name))


def _listed_pictures(path: Path) -> Pictures:
    index = ImageIndex.open(path)
    paths = ((name, index.path(name)) for name in index.entries or ())
    known = {f"{name}{file.suffix}": file for name, file in paths if file is not None}
    return Pictures(known, lambda name: read_image_bytes(known[name], name=name))


def _folder_pictures(folder: Path) -> Pictures:
    root = folder.resolve()
    names: list[str] = []
    passed_over = []
    for path in sorted(folder.rglob("*")):
        if len(names) >= MOST_FILES:
            raise DataError(f"{folder}: wanted a folder of at most {MOST_FILES:,} files, got more")
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.resolve().is_relative_to(root):
            names.append(name)
        elif not path.is_dir():
            passed_over.append(f"{name}: passed over, a link out of the folder, or no file")
    return Pictures(names, lambda name: read_image_bytes(folder / name, name=name), passed_over)


# --- ZIP -----------------------------------------------------------------------------------------


def zip_pictures(file: BinaryIO, *, name: str = "archive") -> Pictures:
    """The pictures of a ZIP archive; ``file`` stays open as long as they are wanted.

    Raises:
        DataError: it is no ZIP archive or a damaged one, it is encrypted, or it holds more than ``MOST_FILES``.
    """
    check_directory(file, name)
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE as error:
        raise DataError(f"{name}: wanted a ZIP archive of pictures, got: {error}") from error
    entries: dict[str, zipfile.ZipInfo] = {}
    passed_over = []
    for entry in archive.infolist():
        if entry.filename.endswith("/"):  # a folder; ``is_dir`` stumbles over a name of no letters
            continue
        if entry.flag_bits & 1:
            raise DataError(f"{name}: wanted an archive without a password, got {entry.filename!r} encrypted")
        if why := _refused(entry):
            passed_over.append(f"{entry.filename}: passed over, {why}")
        elif entry.filename in entries:
            passed_over.append(f"{entry.filename}: passed over, the archive has a file of this name before it")
        else:
            entries[entry.filename] = entry
    return Pictures(entries, _Reader(archive, entries).read, passed_over)


def check_directory(file: BinaryIO, name: str) -> None:
    """Raises:
    DataError: the list of files at an archive's end is so large that it is not to be read.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 22 - 65_535))  # the longest comment
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place >= 0 and len(tail) >= place + 22:
        files, directory = struct.unpack_from("<HI", tail, place + 10)
        large = tail[max(0, place - 20) :].startswith(b"PK\6\7")  # numbers of 64 bits stand elsewhere
        if large or directory > MOST_DIRECTORY or files > MOST_FILES:
            raise DataError(f"{name}: wanted an archive of at most {MOST_FILES:,} files and 4 GB, got a larger one")


def _refused(entry: zipfile.ZipInfo) -> str:
    """Why a file of an archive is not to be read; "": it may be."""
    path = entry.filename.replace("\\", "/")
    if path.startswith("/") or ".." in path.split("/") or path[1:2] == ":" or "\0" in entry.orig_filename:
        return "its path leads out of the archive"
    if (entry.external_attr >> 28) == 0xA:
        return "it is a link"
    return ""


class _Reader:
    """Reads files of an archive, within bounds that do not rest on what the archive says of itself."""

    def __init__(self, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        self.archive, self.entries, self.left = archive, entries, MOST_UNPACKED

    def read(self, name: str) -> bytes:
        entry = self.entries[name]
        if entry.file_size > SMALL and entry.file_size > MOST_RATIO * entry.compress_size:
            raise ImageError(f"{name}: wanted a picture, got a file that unpacks to {entry.file_size:,} bytes, a bomb")
        if self.left <= 0:
            raise ImageError(f"{name}: wanted at most {MOST_UNPACKED:,} bytes of pictures in all, got more")
        self.left -= min(entry.file_size, MAX_BYTES + 1)  # of a damaged file too, which is unpacked before it is told
        try:
            with self.archive.open(entry) as stream:
                data = stream.read(MAX_BYTES + 1)
        except (NotImplementedError, RuntimeError) as error:
            raise ImageError(f"{name}: wanted a file that we can unpack, got: {error}") from error
        except UNREADABLE as error:
            raise ImageError(f"{name}: wanted a whole file in the archive, got a damaged one ({error})") from error
        return read_image_bytes(data, name=name)
