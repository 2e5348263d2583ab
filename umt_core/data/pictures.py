"""What can be told of a picture without a model: whether it is a placeholder, and which others look like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from umt_core.data.images import content_hash, open_image, read_image_bytes

COPIES = 5  # files with the same bytes that make a placeholder: people share a picture, but seldom so often
FLAT = 3.0  # of 255; a picture whose greys spread less than this shows nothing
LIKE = 5  # bits of 64 in which fingerprints of near-duplicates may differ; of others about 32 do
_BANDS = LIKE + 1  # two fingerprints that differ in at most LIKE bits agree in one of so many bands


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Of one picture file."""

    digest: str  # SHA-256 of the bytes, in hexadecimal
    flat: bool  # one colour, or nearly so
    fingerprint: int  # 64 bits: where it grows brighter from left to right, in a grid of 8 x 8


def picture_facts(path: Path) -> PictureFacts:
    """Facts of a picture file (``ImageError`` if it cannot be read)."""
    data = read_image_bytes(path, name=path.name)
    picture = open_image(data, name=path.name)
    grey = picture.convert("L").resize((9, 8), Image.Resampling.BOX, reducing_gap=2)
    rows = np.asarray(grey, dtype=np.int16)
    bits = (rows[:, 1:] > rows[:, :-1]).flatten()
    spread = float(np.asarray(picture.resize((32, 32)), dtype=np.float32).std(axis=(0, 1)).max())
    return PictureFacts(content_hash(data), spread < FLAT, int("".join("01"[int(bit)] for bit in bits), 2))


def placeholders(facts: Mapping[Path, PictureFacts]) -> set[Path]:
    """The files that stand for a picture that is not there: flat, or the same bytes under ``COPIES`` names."""
    names = defaultdict(list)
    for path, fact in facts.items():
        names[fact.digest].append(path)
    copied = (path for paths in names.values() if len(paths) >= COPIES for path in paths)
    return {*copied, *(path for path, fact in facts.items() if fact.flat)}


def look_alikes(facts: Mapping[Path, PictureFacts]) -> Iterator[tuple[Path, Path]]:
    """Pairs of files that look alike but are not the same bytes; flat ones, which all look alike, are left out."""
    for a, b in _near(((path, fact.fingerprint) for path, fact in facts.items() if not fact.flat)):
        if facts[a].digest != facts[b].digest:
            yield a, b


def _near(items: Iterable[tuple[Path, int]]) -> Iterator[tuple[Path, Path]]:
    """Pairs whose fingerprints differ in at most ``LIKE`` bits, each once."""
    width = 64 // _BANDS
    bands: dict[tuple[int, int], list[tuple[Path, int]]] = defaultdict(list)
    for path, fingerprint in items:
        parts = [(fingerprint >> (i * width)) & ((1 << width) - 1) for i in range(_BANDS)]
        found = {other for i, part in enumerate(parts) for other in bands[i, part]}
        for other, mark in sorted(found):
            if (mark ^ fingerprint).bit_count() <= LIKE:
                yield other, path
        for i, part in enumerate(parts):
            bands[i, part].append((path, fingerprint))
