"""The tweets of a training run: labelled ones to learn from and to choose by, more of another set, unlabelled ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from umt_core.data.images import ImageIndex, images_sum
from umt_core.data.jsonl import read_examples, read_jsonl
from umt_core.data.restyle import restyle
from umt_core.data.tokenize import DEFAULT_STYLE, STYLES
from umt_core.encoders.features import FeatureStore, RegionFeatures
from umt_core.encoders.vision import VisionEncoder
from umt_core.errors import ConfigError, DataError
from umt_core.manifest import file_sum
from umt_core.schema import Example
from umt_core.train.compose import TEST, UNLABELLED, VALID

ALSO = "also"  # the split of more labelled tweets, beside those of ``compose``


@dataclass(frozen=True, slots=True)
class Split:
    """Tweets of one file."""

    name: str
    path: Path
    examples: Sequence[Example]
    images: ImageIndex | None = None
    rows: tuple[int | None, ...] = ()  # of their pictures' regions; none where the system reads text only
    made_from: Any = None  # the data that the file was put together from
    dropped: int = 0  # tweets of the file that are left out, since they stand in a split to choose or test by
    unlabelled: int = 0  # tweets of the file that are left out, since they have no labels

    def describe(self) -> dict[str, Any]:
        """What a manifest says of it."""
        found = {
            "file": self.path.name,
            "sha256": file_sum(self.path),
            "tweets": len(self.examples),
            "pictures": sum(row is not None for row in self.rows),
        }
        more = {"from": self.made_from} if self.made_from is not None else {}
        more |= {"images_sha256": images_sum(self.images)} if self.images and self.rows else {}
        return found | more | ({"dropped": self.dropped} if self.name in (ALSO, UNLABELLED) else {})


def read_labelled(name: str, path: Path, images: ImageIndex | None, made_from: Any = None) -> Split:
    """Labelled tweets. Of those to train on, the ones without labels are left out, as if they were not there.

    Raises:
        DataError: the file cannot be read, or has no span, or not all tweets to choose or test by have labels.
    """
    read = read_examples(path)
    examples = [example for example in read if example.spans is not None]
    if not any(example.spans for example in examples):
        raise DataError(f"{path}: wanted labelled tweets, got {len(read)} without any span")
    if name in (VALID, TEST) and len(examples) < len(read):
        raise DataError(f"{path}: wanted labels for all tweets of {name}, {len(read) - len(examples)} have none")
    return Split(name, path, examples, images, made_from=made_from, unlabelled=len(read) - len(examples))


def read_also(
    path: Path, images: ImageIndex | None, style: str, exclude: Sequence[Split], *, as_published: bool = False
) -> Split:
    """Labelled tweets of another data set, split in our data set's ``style``; errors as ``read_labelled``.

    ``as_published``: they stay as they were split. Those that stand in the splits to choose or test by are left out.
    """
    return _joining(read_labelled(ALSO, path, images), "" if as_published else style, exclude)


def read_unlabelled(
    path: Path, images: ImageIndex | None, style: str, exclude: Sequence[Split], *, as_published: bool = False
) -> Split:
    """Tweets without labels; those that a file has are not looked at. All are split in our data set's ``style``.

    ``as_published``: only raw text is. Those that stand in the splits to choose or test by are left out.

    Raises:
        DataError: the file cannot be read, or holds no words.
    """
    raw = style if style in STYLES else DEFAULT_STYLE
    read = read_jsonl(path, style=raw) if path.suffix.lower() == ".jsonl" else read_examples(path)
    examples = [replace(example, spans=None) for example in read if example.tokens]
    if not examples:
        raise DataError(f"{path}: wanted tweets, got none")
    return _joining(Split(UNLABELLED, path, examples, images), "" if as_published else style, exclude)


def _joining(found: Split, style: str, exclude: Sequence[Split]) -> Split:
    """Tweets of elsewhere as they join ours. A style that we don't know changes none."""
    found = _apart(found, exclude)
    if style in STYLES:  # which takes links out of some: they are compared again
        found = replace(found, examples=[restyle(example, style) for example in found.examples])
        found = _apart(found, exclude)
    return replace(found, examples=[example for example in found.examples if example.tokens])


def _apart(found: Split, exclude: Iterable[Split]) -> Split:
    """A split without the tweets that stand in others too."""
    known = {letters(example.tokens) for split in exclude for example in split.examples}
    apart = [example for example in found.examples if letters(example.tokens) not in known]
    return replace(found, examples=apart, dropped=found.dropped + len(found.examples) - len(apart))


def letters(tokens: Sequence[str]) -> str:
    """A tweet's letters and digits in lower case: the same however it was split, and whatever signs stand between.

    >>> letters(["@Ann", ":", "I'm", "here"]) == letters(["@", "ann", "I", "'", "m", "here", "!"])
    True
    """
    return "".join(c for c in "".join(tokens).casefold() if c.isalnum())


def find_regions(
    splits: Sequence[Split], vision: VisionEncoder, progress: Callable[[int, int], None] | None
) -> tuple[list[Split], np.ndarray, list[str]]:
    """The splits with the rows of their pictures' regions, those regions, and complaints about pictures.

    Raises:
        ConfigError: nobody said where a split's pictures are.
    """
    for split in splits:
        if split.images is None:
            raise ConfigError(f"{split.path}: the system uses images: wanted those of {split.name}, got none")
    paths = [split.images.path(e.image) for split in splits if split.images for e in split.examples]
    features = FeatureStore().features_for(paths, vision, progress=progress)
    left = iter(features.rows)
    found = [replace(split, rows=tuple(next(left) for _ in split.examples)) for split in splits]
    return found, features.array, list(features.unreadable.values())


def regions_of(splits: Sequence[Split], array: np.ndarray | None) -> RegionFeatures | None:
    """The regions of the tweets of splits, one after the other; ``None``: the system reads text only."""
    if array is None:
        return None
    return RegionFeatures(array, tuple(row for split in splits for row in split.rows), {})
