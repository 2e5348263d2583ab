"""The labelled data sets at hand: our samples, and what lies in the folder that ``UMT_DATA`` names.

$UMT_DATA/twitter2017/train.txt, valid.txt, test.txt     as published (.txt, .conll or .jsonl)
$UMT_DATA/twitter2017/images/<id>.jpg                    or one of the other places in ``IMAGES``
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from umt_core.data.samples import SAMPLES_FILE, sample_images_folder

SAMPLE_DATA = "sample_data"
SPLITS = ("train", "valid", "test")
SUFFIXES = (".txt", ".conll", ".jsonl")
# Where a data set's pictures are looked for, the first that is there; {} is the set's name.
IMAGES = ("{}/images.tsv", "{}/images", "{}.tsv", "images/{}.tsv", "images/{}", "{}_images")


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set's files."""

    name: str  # twitter2017
    splits: Mapping[str, Path]  # train, valid, test, as far as they are there; of the samples "tweets"
    listed_images: Path | None = None

    def images(self) -> Path | None:
        """Folder or ``.tsv`` of its pictures; ``None``: there are none. The samples' are drawn when first asked for.

        Raises:
            DataError, ImageError: the samples' pictures cannot be made.
        """
        return sample_images_folder() if self.name == SAMPLE_DATA else self.listed_images


def data_folder() -> Path | None:
    """``$UMT_DATA``; ``None``: it is not set."""
    return Path(os.environ["UMT_DATA"]) if os.environ.get("UMT_DATA") else None


def data_sets() -> list[DataSet]:
    """Our samples, then the data sets of ``data_folder()`` by name."""
    root = data_folder()
    found = [DataSet(SAMPLE_DATA, {"tweets": SAMPLES_FILE})]
    for folder in sorted(root.iterdir()) if root and root.is_dir() else ():
        files = [folder / f"{split}{suffix}" for split in SPLITS for suffix in reversed(SUFFIXES)]
        splits = {file.stem: file for file in files if file.is_file()}
        if root and splits:
            places = (root / place.format(folder.name) for place in IMAGES)
            found.append(DataSet(folder.name, splits, next((place for place in places if place.exists()), None)))
    return found


def data_complaint() -> str | None:
    """A line on what is wrong with ``UMT_DATA``; ``None``: nothing, or it is not set."""
    root = data_folder()
    if root is None or len(data_sets()) > 1:
        return None
    got = "no such folder" if not root.is_dir() else f"no folder in it with {', '.join(SPLITS)} .txt or .jsonl"
    return f"UMT_DATA={root}: wanted a folder of data sets like twitter2017/test.txt, got {got}"
