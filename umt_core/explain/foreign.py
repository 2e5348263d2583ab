"""Other tweets' pictures, drawn by a seed: what a tweet's own is exchanged for. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from umt_core.analysis.sets import PredictionSet
from umt_core.data.images import content_hash, open_image, read_image_bytes
from umt_core.data.samples import load_samples, sample_picture
from umt_core.errors import DataError, ImageError

T = TypeVar("T")

FOREIGN = 8  # pictures for a tweet, unless said otherwise
LONGEST_SIDE = 1600  # pixels of a drawn picture: dozens of photographs as they come would fill gigabytes


class Pool:
    """The different pictures of a collection of tweets.

    ``identities`` names each tweet's picture, so that two that are the same have one name; ``None``: it has none.
    """

    def __init__(self, identities: Sequence[Hashable | None]) -> None:
        self.identities = identities
        first: dict[Hashable, int] = {}
        for tweet, identity in enumerate(identities):
            if identity is not None:
                first.setdefault(identity, tweet)
        self._tweets = list(first.values())  # one of the tweets that have each picture, in their order

    def __len__(self) -> int:
        return len(self._tweets)

    def draw(self, tweet: int, count: int, seed: int = 0) -> list[int]:
        """``count`` tweets whose pictures differ from the tweet's own and from each other.

        The same seed gives the same ones, and the first of a larger draw are those of a smaller.

        Raises:
            DataError: there are not as many other pictures.
        """
        others = [other for other in self._tweets if self.identities[other] != self.identities[tweet]]
        if len(others) < count:
            raise DataError(f"wanted {count} other pictures, there are {len(others)}")
        order = np.random.default_rng([seed, tweet]).permutation(len(others))
        return [others[i] for i in order[:count]]


def set_pictures(found: PredictionSet, identity: str, count: int = FOREIGN, seed: int = 0) -> dict[str, Image.Image]:
    """Pictures of other tweets of a set, by a title that names the tweet; fewer where the set has not as many.

    ``identity`` is the tweet's id. Files that cannot be read, and copies of its own or of each other, are passed over;
    larger ones are made smaller (``LONGEST_SIDE``), which is far more than the 224 pixels that a vision encoder reads.

    Raises:
        DataError: the set has no such tweet, or came without its pictures.
    """
    index = found.images()
    if index is None:
        raise DataError(f"{found.name}: wanted the pictures that the set was built with, they are not here")
    rows = found.query(
        f"""SELECT tweet, id, picture FROM {found.table("tweets")} t JOIN {found.table("texts")} x USING (tweet)
        WHERE image IN ('present', 'placeholder') OR id = ? ORDER BY tweet""",
        identity,
    )
    place = next((i for i, row in enumerate(rows) if row["id"] == identity), None)
    if place is None:
        raise DataError(f"{found.name}: wanted the tweet {identity!r}, there is none")
    order = np.random.default_rng([seed, rows[place]["tweet"]]).permutation(len(rows))
    others = ((rows[i]["id"], index.path(rows[i]["picture"])) for i in order if i != place)
    pictures: dict[str, Image.Image] = {}
    for of, picture in islice(different_pictures(others, index.path(rows[place]["picture"])), count):
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=3)
        pictures[f"picture of tweet {of}"] = picture
    return pictures


def different_pictures(
    others: Iterable[tuple[T, Path | None]], own: Path | None, passed_over: Callable[[ImageError], None] | None = None
) -> Iterator[tuple[T, Image.Image]]:
    """Of other tweets' pictures, each with what it is called, those that are no copies of ``own`` or of one before.

    ``passed_over`` hears of each that cannot be read. Nothing is read before it is asked for.
    """
    seen = set()
    if own is not None:
        with suppress(ImageError):  # its own cannot be read either: no other is a copy of it
            seen.add(content_hash(read_image_bytes(own, name=own.name)))
    for name, path in others:
        if path is None:
            continue
        try:
            data = read_image_bytes(path, name=path.name)
            if (digest := content_hash(data)) in seen:
                continue
            picture = open_image(data, name=path.name)
        except ImageError as error:
            if passed_over is not None:
                passed_over(error)
            continue
        seen.add(digest)
        yield name, picture


def sample_pictures(sample: str | None = None, count: int = FOREIGN, seed: int = 0) -> dict[str, Image.Image]:
    """Pictures of sample tweets, by a title that names the sample; ``sample``: the one whose own is left out."""
    samples = load_samples()
    own = next((s.picture for s in samples if s.example.id == sample), None)
    different = {s.picture: s for s in samples if s.picture is not None and s.picture != own}
    names = sorted(different)
    pictures: dict[str, Image.Image] = {}
    for i in np.random.default_rng(seed).permutation(len(names)):
        if len(pictures) == count:
            break
        found = different[names[i]]
        if (picture := sample_picture(found)) is not None:
            pictures[f"picture of the sample {found.example.id}"] = picture
    return pictures
