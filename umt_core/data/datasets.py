"""The data sets at hand: our samples, what lies in the folder that ``UMT_DATA`` names, and people's own.

$UMT_DATA/twitter2017/train.txt, valid.txt, test.txt     as published (.txt, .conll or .jsonl)
$UMT_DATA/twitter2017/images/<id>.jpg                    or one of the other places in ``IMAGES``
<home_dir()>/own/<name>/tweets.jsonl, images.tsv         see ``own``, which writes them
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from umt_core.data.files import home_dir
from umt_core.data.samples import SAMPLES_FILE, sample_images_folder
from umt_core.errors import DataError

SAMPLE_DATA = "sample_data"
SPLITS = ("train", "valid", "test")
SUFFIXES = (".txt", ".conll", ".jsonl")
# Where a data set's pictures are looked for, the first that is there; {} is the set's name.
IMAGES = ("{}/images.tsv", "{}/images", "{}.tsv", "images/{}.tsv", "images/{}", "{}_images")

# Of an own data set, in its folder.
OWN_SPLIT = "tweets"
OWN_TWEETS, OWN_IMAGES = f"{OWN_SPLIT}.jsonl", "images.tsv"
OWN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # also a folder's name and part of a link, everywhere


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set's files."""

    name: str  # twitter2017
    splits: Mapping[str, Path]  # train, valid, test, as far as they are there; of the samples and of own ones "tweets"
    listed_images: Path | None = None
    own: bool = False  # people brought it: tweets may be added, and need no labels

    def images(self) -> Path | None:
        """Folder or ``.tsv`` of its pictures; ``None``: there are none. The samples' are drawn when first asked for.

        Raises:
            DataError, ImageError: the samples' pictures cannot be made.
        """
        return sample_images_folder() if self.name == SAMPLE_DATA else self.listed_images


def data_folder() -> Path | None:
    """``$UMT_DATA``; ``None``: it is not set."""
    return Path(os.environ["UMT_DATA"]) if os.environ.get("UMT_DATA") else None


def own_folder() -> Path:
    """Where people's own data sets are, a folder each."""
    return home_dir() / "own"


def data_sets() -> list[DataSet]:
    """Our samples, then the data sets of ``data_folder()`` by name, then people's own by name.

    An own one whose name a data set of ``data_folder()`` has is left out; ``data_complaint`` says so.
    """
    others = [DataSet(SAMPLE_DATA, {OWN_SPLIT: SAMPLES_FILE}), *_published()]
    taken = {data_set.name for data_set in others}
    return [*others, *(data_set for data_set in _own() if data_set.name not in taken)]


def _published() -> list[DataSet]:
    return data_sets_in(root) if (root := data_folder()) else []


def data_sets_in(root: Path) -> list[DataSet]:
    """The data sets of a folder that is laid out as ``UMT_DATA``'s, by name."""
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        files = [folder / f"{split}{suffix}" for split in SPLITS for suffix in reversed(SUFFIXES)]
        splits = {file.stem: file for file in files if file.is_file()}
        if splits:
            places = (root / place.format(folder.name) for place in IMAGES)
            found.append(DataSet(folder.name, splits, next((place for place in places if place.exists()), None)))
    return found


def _own() -> list[DataSet]:
    found = []
    for tweets in sorted(own_folder().glob(f"*/{OWN_TWEETS}")):
        if OWN_NAME.fullmatch(tweets.parent.name):
            images = tweets.with_name(OWN_IMAGES)
            listed = images if images.exists() else None
            found.append(DataSet(tweets.parent.name, {OWN_SPLIT: tweets}, listed, own=True))
    return found


def find_split(name: str) -> tuple[str, Path]:
    """A split's name (``<data set>/<split>``) and file, by the name or by the file.

    A file of no known data set is named by its folder and itself, as its predictions are.

    Raises:
        DataError: there is no such split and no such file.
    """
    known = {f"{of.name}/{split}": file for of in data_sets() for split, file in of.splits.items()}
    if name in known:
        return name, known[name]
    path = Path(name)
    if not path.is_file():
        unset = "" if data_folder() else "; UMT_DATA is not set"
        raise DataError(f"{name}: wanted a data set or a file, got neither; known data sets: {', '.join(known)}{unset}")
    here = path.resolve()
    found = next((split for split, file in known.items() if file.resolve() == here), None)
    return found or f"{here.parent.name}/{here.stem}", path


def data_complaint() -> str | None:
    """A line on what is wrong with ``UMT_DATA``; ``None``: nothing, or it is not set."""
    if (root := data_folder()) is None:
        return None
    if published := {data_set.name for data_set in _published()}:
        hidden = [data_set.name for data_set in _own() if data_set.name in published]
        return f"UMT_DATA={root} has data sets of the names of your own {', '.join(hidden)}" if hidden else None
    got = "no such folder" if not root.is_dir() else f"no folder in it with {', '.join(SPLITS)} .txt or .jsonl"
    return f"UMT_DATA={root}: wanted a folder of data sets like twitter2017/test.txt, got {got}"
