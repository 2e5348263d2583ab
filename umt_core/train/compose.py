"""Puts together what a retraining reads: original tweets, corrected ones and own ones, in proportion.

The files are written once, before the job waits in the queue: what is corrected afterwards is for the next
one, and a run that was killed goes on with the data that it began with. Free of torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umt_core.corrections.events import Labels, TweetKey
from umt_core.corrections.exchange import corrected
from umt_core.data.datasets import data_sets, find_split
from umt_core.data.files import write_json, write_text
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples, write_jsonl
from umt_core.errors import ConfigError, DataError
from umt_core.manifest import file_sum
from umt_core.schema import Example

TRAIN, VALID, TEST, UNLABELLED = "train", "valid", "test", "unlabelled"
PICTURES = "images.tsv"
NOTE = "corrections.json"  # beside a corrected file: what it was made from
HELD_OUT = 0.1  # of the training tweets, to choose the epoch by where no file is given for that
SHOWN = 3  # tweets that a complaint names


@dataclass(frozen=True, slots=True)
class Part:
    """Tweets to train on: a split or a file, and how much of it.

    ``share`` is of the tweets that nobody corrected; those that somebody did all come in.
    """

    data: str  # <data set>/<split>, or a file
    share: float = 1.0
    images: str | None = None  # folder or .tsv, for a file

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"{self.data}: wanted a share of 0 to 1, got {self.share}")


@dataclass(frozen=True, slots=True)
class Mixture:
    """What to put together."""

    train: tuple[Part, ...]
    valid: Part | None = None  # None: a part of the training tweets is held out
    test: Part | None = None
    repeat: int = 1  # how often a corrected tweet stands among those to train on
    correct_valid: bool = False  # choose the epoch by corrected labels, too
    seed: int = 0  # which tweets a share takes
    unlabelled: tuple[Part, ...] = ()  # tweets of which labels are not looked at


@dataclass(frozen=True, slots=True)
class Tweet:
    """A labelled tweet and where it comes from."""

    key: TweetKey
    example: Example
    corrected: bool  # its labels come from the store
    changed: bool  # and are not those of the data set
    picture: Path | None


@dataclass(frozen=True, slots=True)
class MixedSplit:
    """The tweets of a split, in order, and what they were made from."""

    tweets: tuple[Tweet, ...]
    made_from: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Composition:
    """All that a retraining reads."""

    splits: Mapping[str, MixedSplit]  # train, valid, and perhaps test and unlabelled
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Tweets: to ``train`` on (each repeat counts), ``corrected`` ones, to choose and test by, ``unlabelled``."""
        train = self.splits[TRAIN].tweets
        found = {name: len(split.tweets) for name, split in self.splits.items()}
        return found | {"corrected": len({t.key for t in train if t.corrected})}

    def corrections(self) -> dict[str, int]:
        """How many tweets have labels from the store, and how many of these are not the data set's own."""
        tweets = {t.key: t for name in (TRAIN, VALID) for t in self.splits[name].tweets if t.corrected}
        return {"tweets": len(tweets), "changed": sum(t.changed for t in tweets.values())}


def compose(mixture: Mixture, labels: Mapping[TweetKey, Labels]) -> Composition:
    """Reads and mixes the tweets; ``labels`` are the current ones of the store.

    Raises:
        DataError: a file cannot be read, a split is empty, or a tweet to train on is one to choose or test by.
        ConfigError: no data, or the same twice.
    """
    if not mixture.train:
        raise ConfigError("wanted data to train on, got none")
    for parts in (mixture.train, mixture.unlabelled):
        if repeated := _repeated(find_split(part.data)[0] for part in parts):
            raise ConfigError(f"wanted each data set once, got {repeated} again")
    chosen = [tweet for part in mixture.train for tweet in _share(_read(part, labels), part.share, mixture.seed)]
    valid = _held(mixture.valid, labels if mixture.correct_valid else {})
    test = _held(mixture.test, {})
    if valid is None:
        away = _held_out(chosen)
        chosen, valid = [t for t in chosen if t.key not in away], [t for t in chosen if t.key in away]
    notes = _check_apart(chosen, valid, test or [])
    tweets = {TRAIN: [t for t in chosen for _ in range(mixture.repeat if t.corrected else 1)], VALID: valid}
    if test is not None:
        tweets[TEST] = test
    raw = _without_labels(mixture, tweets)
    for name, found in tweets.items():
        if not any(t.example.spans for t in found):
            raise DataError(f"{name}: wanted labelled tweets with entities, got {len(found)} without any")
    tweets |= {UNLABELLED: raw} if raw else {}
    given = {TRAIN: mixture.train, UNLABELLED: mixture.unlabelled}
    given |= {name: (part,) for name, part in ((VALID, mixture.valid), (TEST, mixture.test)) if part}
    files = {name: dict(find_split(part.data) for part in parts) for name, parts in given.items()}
    splits = {name: MixedSplit(tuple(of), _origins(of, files.get(name, files[TRAIN]))) for name, of in tweets.items()}
    return Composition(splits, notes)


def current_labels(url: str) -> tuple[dict[TweetKey, Labels], dict[str, Any]]:
    """The current labels of a store, and what a manifest says of it.

    Raises:
        StoreError: it cannot be read.
    """
    from umt_core.corrections.store import Store  # imports SQLAlchemy

    with Store(url, read_only=True) as store:
        while True:  # until nobody corrected anything while we read
            digest, labels, events = store.digest(), store.current(), store.count()
            if store.digest() == digest:
                return labels, {"store": store.url, "digest": digest, "events": events}


def correct_file(
    file: Path, url: str, data: str, folder: Path, *, kept: Path | None = None
) -> tuple[Path, dict[str, Any]]:
    """A file's tweets with the labels that a store has for the data set ``data``, written into ``folder``.

    What was written there for the same file, data set and store stays, whatever was corrected since: a run that goes
    on must find the data that it began with.

    Args:
        kept: the folder in which that is looked for, and left as it is; by default ``folder``.

    Returns:
        the file, and what a manifest says of the corrections.

    Raises:
        DataError: a file cannot be read or written.
        StoreError: the store cannot be read.
    """
    name, kept = f"{file.stem}.jsonl", kept or folder
    labels, about = current_labels(url)
    about |= {"data": data, "file": file.name, "sha256": file_sum(file) if file.is_file() else None}
    with suppress(OSError, ValueError):
        before = json.loads((kept / NOTE).read_text(encoding="utf-8"))
        if (kept / name).exists() and all(before.get(what) == about[what] for what in ("store", "data", "sha256")):
            return kept / name, before
    examples = read_examples(file)
    given = _given(labels, data)
    found = corrected(examples, given)
    about |= {
        "tweets": sum(example.id in given for example in examples),
        "changed": sum(before.spans != after.spans for before, after in zip(examples, found, strict=True)),
    }
    write_jsonl(folder / name, found)
    write_json(folder / NOTE, about)
    return folder / name, about


def write_composition(composition: Composition, folder: Path) -> dict[str, Path]:
    """Writes the splits as JSONL and the list of their pictures into a folder that lies where it will stay.

    A repeated tweet has a number after its name, as a file holds each id once.

    Raises:
        DataError: it cannot be written.
    """
    pictures: dict[Path, str] = {}
    paths = {}
    for name, split in composition.splits.items():
        seen: dict[TweetKey, int] = {}
        examples = []
        for tweet in split.tweets:
            seen[tweet.key] = seen.get(tweet.key, 0) + 1
            picture = None
            if tweet.picture is not None:
                picture = pictures.setdefault(tweet.picture, f"p{len(pictures)}")
            identity = f"{tweet.key.data}/{tweet.key.tweet}#{seen[tweet.key]}"
            examples.append(replace(tweet.example, id=identity, image=picture))
        paths[name] = folder / f"{name}.jsonl"
        write_jsonl(paths[name], examples)
    here = folder.resolve()
    rows = [f"{name}\t{os.path.relpath(path, here)}\n" for path, name in pictures.items()]
    write_text(folder / PICTURES, "".join(["id\tpath\n", *rows]))
    return paths


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _find(part: Part) -> tuple[str, Path, Path | None]:
    """The name of a part, its file and its pictures: those given, else those of the data set that it names."""
    name, file = find_split(part.data)
    if part.images:
        return name, file, Path(part.images)
    known = ((of, path) for of in data_sets() for split, path in of.splits.items() if f"{of.name}/{split}" == name)
    of = next((of for of, path in known if path.resolve() == file.resolve()), None)  # another file may be named so
    return name, file, of.images() if of else None


def _without_labels(mixture: Mixture, others: Mapping[str, Sequence[Tweet]]) -> list[Tweet]:
    """The tweets that are learned from without their labels: none that stands among the others under its name."""
    if not mixture.unlabelled:
        return []
    known = {tweet.key for of in others.values() for tweet in of}
    read = [t for part in mixture.unlabelled for t in _share(_read(part, {}, raw=True), part.share, mixture.seed)]
    found = [tweet for tweet in read if tweet.key not in known]
    if not found:
        raise DataError(f"{UNLABELLED}: wanted tweets that are in no other part, got none among {len(read)}")
    return found


def _read(part: Part, labels: Mapping[TweetKey, Labels], *, raw: bool = False) -> list[Tweet]:
    """The labelled tweets of a part, with their labels from the store where it has some; ``raw``: all, without any."""
    name, file, images = _find(part)
    index = ImageIndex.open(images) if images else None
    examples = read_examples(file)
    given = _given(labels, name)
    tweets = []
    for before, after in zip(examples, corrected(examples, given), strict=True):
        if raw:
            after = replace(after, spans=None)
        if (after.spans is None and not raw) or not after.tokens:
            continue
        picture = index.path(after.image) if index else None
        key, touched = TweetKey(name, after.id), after.id in given
        tweets.append(Tweet(key, after, touched, after.spans != before.spans, picture and picture.resolve()))
    return tweets


def _given(labels: Mapping[TweetKey, Labels], data: str) -> dict[str, Labels]:
    """The labels that people have set for the tweets of a data set, by id; not of one that was skipped since."""
    of = ((key.tweet, found) for key, found in labels.items() if key.data == data)
    return {tweet: found for tweet, found in of if found.spans is not None and not found.skipped}


def _held(part: Part | None, labels: Mapping[TweetKey, Labels]) -> list[Tweet] | None:
    return None if part is None else _read(part, labels)


def _share(tweets: Sequence[Tweet], share: float, seed: int) -> list[Tweet]:
    """All corrected tweets and a share of the others: a larger one takes the same and more."""
    others = sorted((t.key for t in tweets if not t.corrected), key=lambda key: _draw(key, seed))
    taken = set(others[: round(share * len(others))])
    return [t for t in tweets if t.corrected or t.key in taken]


def _held_out(tweets: Sequence[Tweet]) -> set[TweetKey]:
    """A tweet is always held out, or never: whatever else is there, so that later scores can be compared."""
    held = {t.key for t in tweets if _draw(t.key, -1) < HELD_OUT}
    return held or {t.key for t in sorted(tweets, key=lambda t: _draw(t.key, -1))[: len(tweets) > 1]}


def _draw(key: TweetKey, seed: int) -> float:
    return draw(f"{seed}\0{key.data}\0{key.tweet}")


def draw(text: str) -> float:
    """A number from 0 to 1 that a text always has, and like texts have far apart."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) / 2**64


def _check_apart(train: Sequence[Tweet], valid: Sequence[Tweet], test: Sequence[Tweet]) -> tuple[str, ...]:
    """Refuses to train on what is there to choose or test by.

    Two tweets are the same if they have one name in one data set, or the same words. Published splits
    share a few short tweets of different people ("Happy birthday"): these are noted, and left as published.
    """
    notes = []
    for what, held in ((VALID, valid), (TEST, test)):
        names = {(_data_set(t.key), t.key.tweet) for t in held}
        words = {t.example.tokens: t.key for t in held}
        same, published = [], []
        for tweet in train:
            other = words.get(tweet.example.tokens)
            if (_data_set(tweet.key), tweet.key.tweet) in names or (other and _data_set(other) != _data_set(tweet.key)):
                same.append(tweet.key)
            elif other:
                published.append(tweet.key)
        if same:
            raise DataError(f"wanted to train on other tweets than those of {what}, got {_named(same)} in both")
        if published:
            notes.append(f"{_named(published)}: the same words stand in {what}, as published")
    return tuple(notes)


def _data_set(key: TweetKey) -> str:
    return key.data.rpartition("/")[0]


def _named(keys: Sequence[TweetKey]) -> str:
    names = ", ".join(f"{key.data}/{key.tweet}" for key in keys[:SHOWN])
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{names}{more}"


def _origins(tweets: Sequence[Tweet], files: Mapping[str, Path]) -> tuple[dict[str, Any], ...]:
    """What a manifest says of a split's sources."""
    rows = []
    for data in dict.fromkeys(t.key.data for t in tweets):
        of = [t for t in tweets if t.key.data == data]
        keys = {t.key for t in of}
        rows.append(
            {
                "data": data,
                "sha256": file_sum(files[data]),
                "tweets": len(keys),
                "corrected": len({t.key for t in of if t.corrected}),
                "rows": len(of),
            }
        )
    return tuple(rows)
