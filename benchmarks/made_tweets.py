"""Tweets by the thousand of our own writing: the samples, with names and words changed for others of the same kind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import Image

from umt_core.data.files import write_pieces
from umt_core.data.jsonl import format_record
from umt_core.data.samples import load_samples, sample_picture
from umt_core.schema import Example

SEED = 7


def write_tweets(path: Path, count: int, pictures: Path | None = None) -> Path:
    """Writes ``count`` tweets, each with an id of its own, and where asked a picture of its own for each."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for i, picture in enumerate(_pictures(count)):
            picture.save(pictures / f"made-{i}.jpg", quality=85)
    tweets = made_tweets(count, with_picture=pictures is not None)
    write_pieces(path, (format_record(tweet) + "\n" for tweet in tweets))
    return path


def made_tweets(count: int, *, with_picture: bool = False) -> Iterator[Example]:
    """The same tweets at every call, of which no two are likely to be the same; without labels."""
    chance = random.Random(SEED)
    samples, names, words = load_samples(), _names(), _words()
    for i in range(count):
        example = samples[i % len(samples)].example
        tokens: list[str] = []
        end = 0
        for span in sorted(example.spans or ()):
            tokens += _changed(example.tokens[end : span.start], words, chance)
            tokens += chance.choice(names[span.label])
            end = span.end
        tokens += _changed(example.tokens[end:], words, chance)
        yield Example(f"made-{i}", tuple(tokens), image=f"made-{i}" if with_picture else None)


def _changed(tokens: tuple[str, ...], words: list[str], chance: random.Random) -> list[str]:
    return [chance.choice(words) if token.isalpha() and chance.random() < 0.2 else token for token in tokens]


@cache
def _names() -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for example in (sample.example for sample in load_samples()):
        for span in example.spans or ():
            found.setdefault(span.label, []).append(example.tokens[span.start : span.end])
    return found


@cache
def _words() -> list[str]:
    words = set()
    for example in (sample.example for sample in load_samples()):
        named = {i for span in example.spans or () for i in range(span.start, span.end)}
        words |= {token for i, token in enumerate(example.tokens) if i not in named and token.isalpha()}
    return sorted(words)


def _pictures(count: int) -> Iterator[Image.Image]:
    """Pieces of the samples' pictures: as many different files, of the size that a photograph in a tweet has."""
    chance = random.Random(SEED)
    whole = [picture for sample in load_samples() if (picture := sample_picture(sample)) is not None]
    for i in range(count):
        picture = whole[i % len(whole)].resize((800, 600))
        left, top = chance.randrange(80), chance.randrange(60)
        yield picture.crop((left, top, left + 720, top + 540))
