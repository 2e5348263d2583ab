"""A small data set on disk, for tests of training and of the command line: our own words, pictures of one colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from umt_core.data.conll import parse_conll, write_conll
from umt_core.schema import Example

# Written as word/tag; the words of a type are few, so that a tiny tagger can learn them.
_LINES = """
Ann/B-PER sings/O in/O Oslo/B-LOC
Bob/B-PER meets/O Ann/B-PER Lee/I-PER at/O the/O game/O
the/O Hawks/B-ORG play/O in/O Rome/B-LOC tonight/O
Bob/B-PER Ray/I-PER plays/O with/O the/O Hawks/B-ORG
no/O game/O tonight/O
Ann/B-PER Lee/I-PER and/O Bob/B-PER in/O Rome/B-LOC
#/O Hawks/B-ORG win/O
the/O film/O Dune/B-MISC in/O Oslo/B-LOC
Jets/B-ORG meets/O Hawks/B-ORG in/O Lima/B-LOC
@/O bob/O sings/O
Dune/B-MISC Two/I-MISC tonight/O at/O Roxy/B-LOC Hall/I-LOC
the/O city/O of/O Lima/B-LOC
Lee/B-PER plays/O with/O Jets/B-ORG
Oslo/B-LOC and/O Rome/B-LOC and/O Lima/B-LOC
Ann/B-PER meets/O Ray/B-PER
band/O of/O the/O city/O 🎉/O
Ray/B-PER in/O the/O film/O Dune/B-MISC
Jets/B-ORG at/O Roxy/B-LOC Hall/I-LOC with/O Bob/B-PER Ray/I-PER
Hawks/B-ORG
sings/O
"""


def tweets() -> list[Example]:
    """Twenty labelled tweets, named t0 to t19."""
    lines = []
    for i, line in enumerate(_LINES.strip().splitlines()):
        words = [word.rsplit("/", 1) for word in line.split()]
        lines += [f"IMGID:t{i}", *(f"{token}\t{tag}" for token, tag in words), ""]
    return parse_conll(lines)


@dataclass(frozen=True, slots=True)
class Files:
    """A data set on disk."""

    train: Path
    valid: Path
    test: Path
    images: Path


def write_data(folder: Path, without_picture: int = 2) -> Files:
    """The tweets as CoNLL (12 to train, 4 and 4), and a picture of one colour for all but the last few."""
    examples = tweets()
    images = folder / "images"
    images.mkdir(parents=True)
    for i, example in enumerate(examples[: len(examples) - without_picture]):
        Image.new("RGB", (32, 24), (12 * i, 255 - 12 * i, 128)).save(images / f"{example.id}.png")
    for name, part in (("train", examples[:12]), ("valid", examples[12:16]), ("test", examples[16:])):
        write_conll(folder / f"{name}.txt", part)
    return Files(folder / "train.txt", folder / "valid.txt", folder / "test.txt", images)
