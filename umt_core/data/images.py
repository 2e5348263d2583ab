"""Pictures: opened safely and upright, and found by a tweet's id."""

from __future__ import annotations

import base64
import hashlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from umt_core.data.files import read_lines
from umt_core.errors import DataError, FolderError, ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # of a folder's pictures, in the order they are looked for
MAX_BYTES = 20_000_000  # of a file; a phone's photograph has 2 to 8 million
MAX_PIXELS = 40_000_000  # width x height; as RGB that is 120 MB of memory

# Pillow only warns of pictures that unpack to very much more than their file; its documentation
# advises to make that an error. Ours below is stricter, this catches what is found later.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def open_image(source: str | Path | bytes | BinaryIO, *, name: str = "") -> Image.Image:
    """The picture as upright RGB, 8 bits a channel, wholly loaded; ``name`` stands in errors.

    Of an animation the first frame. Transparent parts are laid on white, 16-bit greys
    are rescaled, a camera's rotation (EXIF) is carried out.

    Raises:
        ImageError: there is no such file, it is not a JPEG, PNG, WEBP or GIF, is damaged, or
            larger than ``MAX_BYTES`` or ``MAX_PIXELS``.
    """
    if isinstance(source, str | Path):
        name = name or Path(source).name
    name = name or "picture"
    data = read_image_bytes(source, name=name)
    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
        width, height = picture.size  # from the header: nothing is unpacked yet
        if width * height > MAX_PIXELS:
            raise ImageError(f"{name}: wanted at most {MAX_PIXELS:,} pixels, got {width:,} x {height:,}")
        picture.load()
        return _on_white(_upright(_eight_bit(picture)))
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{name}: wanted a JPEG, PNG, WEBP or GIF picture, got {_kind(data)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: wanted at most {MAX_PIXELS:,} pixels, got more") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"{name}: wanted a whole picture, got a damaged one ({reason})") from error


def read_image_bytes(source: str | Path | bytes | BinaryIO, *, name: str = "picture") -> bytes:
    """The bytes of a picture's file, at most ``MAX_BYTES`` (``ImageError`` otherwise)."""
    if isinstance(source, bytes):
        data = source
    else:
        try:
            if isinstance(source, str | Path):
                with Path(source).open("rb") as file:
                    data = file.read(MAX_BYTES + 1)
            else:
                source.seek(0)
                data = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"{name}: wanted a readable picture file, got: {reason}") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name}: wanted a file of at most {MAX_BYTES:,} bytes, got a larger one")
    return data


def webp_uri(picture: Image.Image, quality: int) -> str:
    """A picture as a data URI, encoded anew: nothing of its file goes along (EXIF, colour profile, XMP)."""
    bare = Image.fromarray(np.asarray(picture.convert("RGB")))  # some encoders would take them from the picture
    buffer = BytesIO()
    bare.save(buffer, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def content_hash(data: bytes) -> str:
    """SHA-256 of a file's bytes in hex: two pictures are the same if this is."""
    return hashlib.sha256(data).hexdigest()


def _eight_bit(picture: Image.Image) -> Image.Image:
    # Pillow's convert() clips 16-bit greys, so that nearly all of it turns white.
    if picture.mode.startswith("I;16"):
        greys = np.asarray(picture, dtype=np.uint32)
        return Image.fromarray(((greys + 128) // 257).astype(np.uint8))
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF says nothing of how the picture stands; the pixels are sound
        return picture


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _kind(data: bytes) -> str:
    """What a file that is no picture of ours seems to be, for the error message."""
    if not data:
        return "an empty file"
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8")):
        return "a damaged one"
    known = {b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"%PDF": "PDF", b"PK\x03\x04": "a ZIP archive"}
    for start, kind in known.items():
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or a film"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "something else"
    return "something else" if "\0" in text else "text"


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """Where the pictures of tweets are: ``<id>.jpg`` in a folder, or listed in a ``.tsv``.

    ``entries`` holds the list's paths by id, relative to ``root``; ``None`` for a folder.
    """

    root: Path  # resolved
    entries: Mapping[str, str] | None = None

    @classmethod
    def open(cls, path: str | Path) -> ImageIndex:
        """The pictures of a folder, or of a ``.tsv`` of ``id<TAB>path``, paths relative to the file.

        Raises:
            DataError: it is neither, or a line of the list has not two columns, an id a second
                time, or an absolute path.
        """
        path = Path(path)
        if path.is_dir():
            return cls(path.resolve())
        if path.suffix.lower() == ".tsv":
            return cls(path.resolve().parent, _parse_index(read_lines(path), source=str(path)))
        got = "a file" if path.exists() else "nothing there"
        raise DataError(f"{path}: wanted a folder of pictures or a .tsv of id<TAB>path, got {got}")

    def path(self, image_id: str | None) -> Path | None:
        """The file of a tweet's picture, given its id or its path below ``root``; ``None``: it has none.

        A list is its user's own and may point elsewhere; a name that comes with a tweet never
        leads out of ``root``.

        Raises:
            DataError: the picture is in ``root``, but a link out of it.
            FolderError: its folder is not there any more, which would make every tweet one without a picture.
        """
        name = image_id or ""
        if not name:
            return None
        if self.entries is not None and name in self.entries:
            file = self.root / self.entries[name]
            if _is_file(file):
                return file
            need_folder(file)
            return None
        for candidate in self._candidates(name):
            file = self.root / candidate
            if _is_file(file):
                if not file.resolve().is_relative_to(self.root):
                    raise DataError(f"{file}: wanted a picture inside {self.root}, got a link out of it")
                return file
        need_folder(self.root / "any")  # a folder below it comes with a tweet's name, and may never have been
        return None

    def _candidates(self, name: str) -> list[str]:
        """Paths below ``root`` at which the picture of this name may be."""
        if name.lower().endswith(SUFFIXES):  # a path, as JSONL may give it
            path = Path(name)
            return [] if path.is_absolute() or os.pardir in path.parts else [name]
        if self.entries is not None or not name or "/" in name or os.sep in name:
            return []
        return [name + suffix for suffix in SUFFIXES]


def images_sum(index: ImageIndex) -> str:
    """SHA-256 of the pictures' names and sizes: enough to tell two collections apart without reading them.

    Raises:
        DataError: their folder cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if index.entries is not None:
            named = [(name, index.root / path) for name, path in sorted(index.entries.items())]
        else:
            named = [(path.name, path) for path in sorted(index.root.iterdir())]
        for name, path in named:
            size = path.stat().st_size if path.is_file() else -1
            digest.update(f"{name}\t{size}\n".encode())
    except OSError as error:
        need_folder(index.root / "any")
        raise DataError(f"{index.root}: wanted a folder of pictures that can be read, got: {error.strerror}") from error
    return digest.hexdigest()


def need_folder(picture: Path) -> None:
    """Called where a picture is missing: complains if its folder is gone too.

    Raises:
        FolderError: the folder is not there any more.
    """
    if not os.path.isdir(picture.parent):  # noqa: PTH112  as _is_file
        raise FolderError(f"{picture.parent}: wanted the folder of pictures, it is not there any more")


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  Path.is_file raises on names that no file can have


def _parse_index(lines: list[str], *, source: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        columns = line.split("\t")
        if not line or (number == 1 and columns == ["id", "path"]):
            continue
        where = f"{source}:{number}"
        if len(columns) != 2 or not all(columns):
            raise DataError(f"{where}: wanted two columns (id<TAB>path), got {line[:60]!r}")
        image_id, path = columns
        if image_id in entries:
            raise DataError(f"{where}: wanted each id once, got {image_id!r} again")
        if Path(path).is_absolute():
            raise DataError(f"{where}: wanted a path relative to the list, got {path!r}")
        entries[image_id] = path
    return entries
