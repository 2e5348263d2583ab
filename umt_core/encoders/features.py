"""Regions of pictures, computed once: on disk for training, in memory for the app.

The vision encoder is frozen, so that a picture's regions depend on the encoder and the
picture's bytes alone. Both places keep them as float16; every reader, trained or shown, so
gets the same numbers.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image

from umt_core.data.images import content_hash, need_folder, open_image
from umt_core.encoders.files import Sums, cache_dir
from umt_core.encoders.vision import VisionEncoder
from umt_core.errors import ConfigError, ImageError
from umt_core.schema import GRID, REGIONS

Progress = Callable[[int, int], None]  # done, of how many
_SUM = re.compile("[0-9a-f]{64}")
_LINE = 64 + 1  # bytes of a SHA-256 in hexadecimal and its line's end
MOST_BYTES = 20_000_000_000  # of an encoder's rows on disk: 160,000 pictures of 1280 channels


@dataclass(frozen=True, slots=True, eq=False)
class RegionFeatures:
    """Regions of a list of pictures: ``array[rows[i]]`` are those of picture ``i``."""

    array: np.ndarray  # (pictures kept, 49, channels), float16, mapped from disk
    rows: tuple[int | None, ...]  # one per picture asked for; None: there is none, or it is unreadable
    unreadable: Mapping[int, str]  # which pictures could not be read, and why

    @classmethod
    def none(cls, count: int) -> RegionFeatures:
        """Of ``count`` tweets without pictures."""
        return cls(np.zeros((0, 0, 0), np.float16), (None,) * count, {})

    def __getitem__(self, index: int) -> np.ndarray | None:
        """Regions (49, channels) of picture ``index``, or ``None``."""
        row = self.rows[index]
        return None if row is None else self.array[row]


def encode_images(encoder: VisionEncoder, images: Sequence[Image.Image], batch_size: int = 16) -> np.ndarray:
    """Regions (images, 49, channels) of RGB pictures, float32."""
    device = next(encoder.parameters()).device
    regions = np.empty((len(images), REGIONS, encoder.channels), np.float32)
    for start in range(0, len(images), batch_size):
        pixels = torch.stack([encoder.pixels(image) for image in images[start : start + batch_size]])
        with torch.inference_mode():
            regions[start : start + batch_size] = encoder(pixels.to(device)).float().cpu().numpy()
    return regions


def encode_occluded(
    encoder: VisionEncoder, image: Image.Image, batch_size: int = REGIONS, progress: Progress | None = None
) -> np.ndarray:
    """Regions (49, 49, channels), float16, of an RGB picture with each of its 49 blocks painted over in turn.

    Painted are the pixels that the net reads, 32 × 32 of the 224 × 224, with their mean colour over the picture. The
    net's fields overlap: what is painted over changes the vectors of other blocks too.
    """
    pixels = encoder.pixels(image)  # (3, 224, 224)
    side = pixels.shape[-1] // GRID
    painted = pixels.repeat(REGIONS, 1, 1, 1)
    mean = pixels.mean((1, 2))[:, None, None]
    for block in range(REGIONS):
        top, left = side * (block // GRID), side * (block % GRID)
        painted[block, :, top : top + side, left : left + side] = mean
    device = next(encoder.parameters()).device
    regions = np.empty((REGIONS, REGIONS, encoder.channels), np.float16)
    for start in range(0, REGIONS, batch_size):
        with torch.inference_mode():
            part = encoder(painted[start : start + batch_size].to(device))
        regions[start : start + batch_size] = part.float().cpu().numpy()
        if progress:
            progress(min(start + batch_size, REGIONS), REGIONS)
    return regions


class FeatureStore:
    """A folder of regions, one subfolder per encoder, weights and transform.

    ``regions.f16`` holds the rows one after the other and ``index.txt`` the SHA-256 of each
    row's picture. A row's line is written when the row is safe on disk, so that after a kill
    whatever lies beyond the last whole line is cut off by the next writer. Any number of
    processes may read while one writes; others that want to write wait for it.

    An encoder's rows have at most ``max_bytes``. Where new ones would be more, those of pictures that are not being
    asked for leave, all at once; only a single call for more pictures than fit makes the rows more than that.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int | None = None) -> None:
        """
        Args:
            folder: by default ``features`` in the cache, which training and prediction share.
            max_bytes: by default ``$UMT_REGIONS_BYTES``, else 20 GB.

        Raises:
            ConfigError: ``UMT_REGIONS_BYTES`` is no whole number.
        """
        self.folder = Path(folder) if folder else cache_dir() / "features"
        self.max_bytes = _most_bytes() if max_bytes is None else max_bytes

    def features_for(
        self,
        images: Sequence[Path | bytes | None],
        encoder: VisionEncoder,
        *,
        batch_size: int = 16,
        progress: Progress | None = None,
    ) -> RegionFeatures:
        """Regions of pictures (files, or their bytes); what the store lacks is computed and added.

        A picture that cannot be read has no row and is named in ``unreadable``.

        Raises:
            DataError: the pictures' folder goes away while they are read.
        """
        table = _Table(self.folder / encoder.fingerprint, encoder.channels)
        sums = Sums(self.folder / "sums.sqlite")
        hashes: list[str | None] = []
        unreadable: dict[int, str] = {}
        for i, image in enumerate(images):
            try:
                hashes.append(_hash(image, sums))
            except OSError as error:
                if isinstance(image, Path):
                    need_folder(image)
                hashes.append(None)
                unreadable[i] = f"{image!s}: cannot read the picture: {error.strerror}"
        sums.save()

        rows, array = table.read()
        wanted = {digest: image for digest, image in zip(hashes, images, strict=True) if digest and image is not None}
        failed: dict[str, str] = {}
        if wanted.keys() - rows.keys():
            with table.locked():
                rows, _ = table.read()  # another process may have computed them while we waited
                todo = [(digest, image) for digest, image in wanted.items() if digest not in rows]
                if (len(rows) + len(todo)) * table.row_bytes > self.max_bytes:
                    table.keep_only(wanted.keys() & rows.keys())
                with table.writing() as append:
                    failed = _fill(append, todo, encoder, batch_size, progress)
                rows, array = table.read()
        unreadable |= {i: failed[digest] for i, digest in enumerate(hashes) if digest in failed}
        return RegionFeatures(
            array,
            tuple(rows.get(digest) if digest else None for digest in hashes),
            dict(sorted(unreadable.items())),
        )


class FeatureCache:
    """The regions of the pictures last asked for, at most ``max_bytes`` of them; threads may share it."""

    def __init__(self, max_bytes: int = 64_000_000) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._regions: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_compute(self, image: Image.Image, encoder: VisionEncoder) -> np.ndarray:
        """Regions (49, channels), float16, read-only, of an RGB picture; known by what the net reads of it."""
        (regions,) = self.get_or_compute_all([image], encoder)
        assert regions is not None
        return regions

    def get_or_compute_all(
        self, images: Sequence[Image.Image | None], encoder: VisionEncoder
    ) -> list[np.ndarray | None]:
        """``get_or_compute`` of several pictures, the new ones among them in batches; ``None`` for ``None``."""
        keys: list[tuple[str, str] | None] = []
        found: dict[tuple[str, str], np.ndarray] = {}
        new: dict[tuple[str, str], torch.Tensor] = {}
        for image in images:
            if image is None:
                keys.append(None)
                continue
            pixels = encoder.pixels(image)
            key = (encoder.fingerprint, content_hash(pixels.numpy().tobytes()))
            keys.append(key)
            with self._lock:
                if key in self._regions:
                    self._regions.move_to_end(key)
                    found[key] = self._regions[key]
                elif key not in new:
                    new[key] = pixels
        device = next(encoder.parameters()).device
        # Of more, the maps leave a CPU's caches: measured, 4 take two thirds of the time of 1, and 20 as long as 1.
        batch_size = 4 if device.type == "cpu" else 32
        for start in range(0, len(new), batch_size):
            part = list(new)[start : start + batch_size]
            with torch.inference_mode():
                regions = encoder(torch.stack([new[key] for key in part]).to(device)).cpu().numpy().astype(np.float16)
            for key, of_picture in zip(part, regions, strict=True):
                found[key] = self._keep(key, of_picture.copy())  # a view would hold the whole batch
        return [None if key is None else found[key] for key in keys]

    def _keep(self, key: tuple[str, str], regions: np.ndarray) -> np.ndarray:
        regions.flags.writeable = False
        with self._lock:
            if key not in self._regions:
                self._regions[key] = regions
                self.bytes += regions.nbytes
            while self.bytes > self.max_bytes:
                self.bytes -= self._regions.popitem(last=False)[1].nbytes
        return regions


class _Table:
    """Rows of one encoder on disk: fixed size, in the order of the index's lines."""

    def __init__(self, folder: Path, channels: int) -> None:
        self.folder = folder
        self.shape = (REGIONS, channels)
        self.row_bytes = REGIONS * channels * np.dtype(np.float16).itemsize
        self.data = folder / "regions.f16"
        self.index = folder / "index.txt"

    def read(self) -> tuple[dict[str, int], np.ndarray]:
        """Row of each picture's SHA-256, and the rows; a line that a kill left half-written ends the table."""
        while True:
            try:
                with self.data.open("rb") as data:
                    rows = {digest: row for row, digest in enumerate(self._lines())}
                    # Else another process has put new files in the place of these: the lines may be theirs.
                    if os.path.samestat(os.fstat(data.fileno()), self.data.stat()):
                        return rows, self._mapped(data, len(rows))
            except FileNotFoundError:
                return {}, np.zeros((0, *self.shape), np.float16)

    def _mapped(self, data: BinaryIO, rows: int) -> np.ndarray:
        if rows == 0:  # an empty file cannot be mapped
            return np.zeros((0, *self.shape), np.float16)
        return np.memmap(data, np.float16, "r", shape=(rows, *self.shape))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other writers out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the system when the file closes, or the process dies
            yield

    def keep_only(self, digests: Iterable[str]) -> None:
        """Puts a table of these rows alone in the place of this one, with the lock. Who maps the old one keeps it."""
        rows, array = self.read()
        kept = sorted(digests, key=rows.__getitem__)
        new = self.data.with_name(f"{self.data.name}.new")
        with new.open("wb") as data:
            for digest in kept:
                data.write(array[rows[digest]].tobytes())
            data.flush()
            os.fsync(data.fileno())
        # Never lines beside rows that are not theirs: without lines there is no row.
        self.index.unlink(missing_ok=True)
        new.replace(self.data)
        with self.index.open("wb") as index:
            _write(index, "".join(f"{digest}\n" for digest in kept).encode())

    @contextmanager
    def writing(self) -> Iterator[Callable[[Sequence[str], np.ndarray], None]]:
        """Gives a function that appends rows, with the lock."""
        rows = len(self._lines())
        with self.data.open("ab") as data, self.index.open("ab") as index:
            data.truncate(rows * self.row_bytes)
            index.truncate(rows * _LINE)

            def append(digests: Sequence[str], regions: np.ndarray) -> None:
                _write(data, regions.astype(np.float16).tobytes())
                _write(index, "".join(f"{digest}\n" for digest in digests).encode())

            yield append

    def _lines(self) -> list[str]:
        try:
            content = self.index.read_bytes()
            whole = min(len(content) // _LINE, self.data.stat().st_size // self.row_bytes)
        except FileNotFoundError:
            return []
        lines = content.decode("ascii", "replace").split("\n")[:whole]
        # Past damage nobody can tell which row is whose: what follows is computed again.
        return list(takewhile(_SUM.fullmatch, lines))


def _most_bytes() -> int:
    given = os.environ.get("UMT_REGIONS_BYTES", "").strip()
    if given and not given.isdecimal():
        raise ConfigError(f"UMT_REGIONS_BYTES: wanted a whole number of bytes, got {given!r}")
    return int(given) if given else MOST_BYTES


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
    stream.flush()
    os.fsync(stream.fileno())


def _fill(
    append: Callable[[Sequence[str], np.ndarray], None],
    todo: Sequence[tuple[str, Path | bytes]],
    encoder: VisionEncoder,
    batch_size: int,
    progress: Progress | None,
) -> dict[str, str]:
    """Computes and appends the regions of ``todo``; returns why the rest could not be read."""
    failed: dict[str, str] = {}
    for start in range(0, len(todo), batch_size):
        digests, images = [], []
        for digest, source in todo[start : start + batch_size]:
            try:
                images.append(open_image(source))
                digests.append(digest)
            except ImageError as error:
                if isinstance(source, Path):
                    need_folder(source)
                failed[digest] = str(error)
        if images:
            append(digests, encode_images(encoder, images, batch_size))
        if progress:
            progress(min(start + batch_size, len(todo)), len(todo))
    return failed


def _hash(image: Path | bytes | None, sums: Sums) -> str | None:
    if image is None:
        return None
    return content_hash(image) if isinstance(image, bytes) else sums.of(image)
