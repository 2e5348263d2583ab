"""Our own tweets with gold labels and pictures: what the app opens with (``sample_data/``).

Pictures are drawn by code of ours (``umt_core.data.scenes``) or come with scikit-image and
scikit-learn; they are made when first asked for and kept in the cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import secrets
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from umt_core.data import drawing, scenes
from umt_core.data.files import cache_dir, read_lines
from umt_core.data.images import open_image
from umt_core.data.jsonl import parse_jsonl
from umt_core.errors import DataError, ImageError
from umt_core.schema import Example

SAMPLES_FILE = Path(__file__).resolve().parents[2] / "sample_data" / "tweets.jsonl"
OPENING_SAMPLE = "phoenix-on-stage"  # all four types, a name with three readings, a picture that decides

PHOTOGRAPHS = {"skimage": "data", "sklearn": "datasets/images"}  # package: its folder of photographs

# What each photograph shows and whose it is; its licence. A page that shows one says so.
CREDITS = {
    "skimage:astronaut.png": ("Eileen Collins, NASA", "public domain"),
    "skimage:camera.png": ("man with a camera, Lav Varshney", "CC0"),
    "skimage:chelsea.png": ("Chelsea the cat, Stéfan van der Walt", "CC0"),
    "skimage:coffee.png": ("cup of coffee, Rachel Michetti, courtesy of Pikolo Espresso Bar", "CC0"),
    "skimage:coins.png": ("Greek coins from Pompeii, Brooklyn Museum", "no known copyright restrictions"),
    "skimage:hubble_deep_field.jpg": ("Hubble eXtreme Deep Field, NASA", "public domain"),
    "skimage:rocket.jpg": ("Falcon 9 with DSCOVR, SpaceX", "public domain"),
    "sklearn:china.jpg": (
        "Summer Palace, Beijing, danielbuechele on Flickr",
        "CC BY 2.0, creativecommons.org/licenses/by/2.0",
    ),
    "sklearn:flower.jpg": ("dahlia, vultilion on Flickr", "CC BY 2.0, creativecommons.org/licenses/by/2.0"),
}

HARD_KINDS = {
    "ambiguous": "a name that is also another name or a plain word",
    "several": "several entities, of which the picture shows one or none",
    "unrelated": "a picture that has nothing to do with the words",
    "emoji": "emoji beside or instead of words",
    "hashtag": "names behind # and @",
    "case": "all capitals or all small letters",
    "none": "no entity, though something looks like one",
    "rare": "names that training tweets do not hold, some of them invented",
    "script": "words in other scripts than the Latin one, some from right to left",
    "long": "names of many tokens",
    "nested": "a name inside a name",
}
KINDS = {**HARD_KINDS, "plain": "nothing special", "no-picture": "no picture at all"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A tweet of ours, labelled, and why it is worth a look."""

    example: Example
    kind: tuple[str, ...]  # of KINDS
    note: str  # one sentence
    picture: str | None  # scene:variant[:words] or package:file; None: no picture

    @property
    def credit(self) -> str | None:
        """Whose photograph the picture is; ``None``: it is drawn, or there is none."""
        return f"Photograph: {'; '.join(CREDITS[self.picture])}" if self.picture in CREDITS else None

    @property
    def hard(self) -> bool:
        return not HARD_KINDS.keys().isdisjoint(self.kind)


@cache
def load_samples() -> tuple[Sample, ...]:
    """All samples, in the order of the file.

    Raises:
        DataError: the file is missing or not in its form.
    """
    return parse_samples(read_lines(SAMPLES_FILE), source=str(SAMPLES_FILE))


def parse_samples(lines: list[str], *, source: str = "<lines>") -> tuple[Sample, ...]:
    """Samples from JSONL: tweets as ``parse_jsonl`` reads them, with ``kind``, ``note`` and ``picture``.

    Raises:
        DataError: a line is not in this form (its number is in the message).
    """
    samples = []
    for number, (line, example) in enumerate(zip(lines, parse_jsonl(lines, source=source), strict=True), 1):
        record = json.loads(line)
        kind, note = tuple(record.get("kind", ())), record.get("note", "")
        if not kind or not note or not set(kind) <= KINDS.keys():
            raise DataError(f"{source}:{number}: wanted a note and a kind of {', '.join(KINDS)}, got {kind}, {note!r}")
        samples.append(Sample(example, kind, note, record.get("picture")))
    return tuple(samples)


def sample_picture(sample: Sample) -> Image.Image | None:
    """The sample's picture as RGB; ``None``: it has none.

    It is read back from the file that ``sample_images_folder`` holds, so that the app and the
    command line see the same pixels.

    Raises:
        ImageError: the package that the photograph comes with is not installed.
    """
    if sample.picture is None:
        return None
    try:
        path = sample_file(sample)
    except DataError:  # the cache cannot be written
        return open_image(_picture_bytes(sample.picture), name=_file_name(sample))
    return None if path is None else open_image(path)


def sample_thumbnail(sample: Sample, width: int) -> Image.Image | None:
    """The picture, ``width`` pixels wide, in its own proportions; errors as ``sample_picture``."""
    if (picture := sample_picture(sample)) is None:
        return None
    height = max(1, round(picture.height * width / picture.width))
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2)


def sample_images_folder() -> Path:
    """A folder with each sample's picture as ``<id>.jpg`` or ``<id>.png``, for ``--images``.

    Raises:
        DataError: the cache cannot be written.
        ImageError: as ``sample_picture``.
    """
    for sample in load_samples():
        sample_file(sample)
    return _folder()


def sample_file(sample: Sample) -> Path | None:
    """The file of a sample's picture, made when it is first asked for; ``None``: it has none.

    Errors as ``sample_images_folder``.
    """
    if sample.picture is None:
        return None
    path = _folder() / _file_name(sample)
    if not path.exists() and not _keep(path, _picture_bytes(sample.picture)):
        raise DataError(f"{path}: wanted a place to write the sample pictures, got none")
    return path


def _file_name(sample: Sample) -> str:
    package, _, file = (sample.picture or "").partition(":")
    return sample.example.id + (Path(file).suffix if package in PHOTOGRAPHS else ".jpg")


def _picture_bytes(picture: str) -> bytes:
    package, _, file = picture.partition(":")
    if package in PHOTOGRAPHS:
        return photograph_path(package, file).read_bytes()
    stream = BytesIO()
    scenes.draw(picture).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def photograph_path(package: str, file: str) -> Path:
    """A photograph inside an installed package, found without importing it.

    Raises:
        ImageError: the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, PHOTOGRAPHS[package], file)).is_file():
            return path
    raise ImageError(f"wanted {file} of the package {package}, got no such file (is the package installed?)")


@cache
def _folder() -> Path:
    """Named after all that the pictures are made from: after a change they are made anew."""
    digest = hashlib.sha256(SAMPLES_FILE.read_bytes())
    for source in (Path(drawing.__file__), *sorted(Path(scenes.__file__).parent.glob("*.py"))):
        digest.update(source.read_bytes())
    return cache_dir() / "samples" / digest.hexdigest()[:12]


def _keep(path: Path, data: bytes) -> bool:
    """Writes a file in one step; whether that was possible."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        return False
    return True
