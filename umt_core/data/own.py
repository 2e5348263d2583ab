"""People's own data sets: tweets that were uploaded, or added one by one from the app.

    <home_dir()>/own/<name>/tweets.jsonl         what the set holds; labels may be missing
                            images.tsv           SHA-256 of a picture's bytes, and its file
                            images/<sha>.jpg     pictures, named by their bytes alone

The tweets' file is written last and in one step, under a lock that all processes share. So a set, and what is added
to it, is there whole or not at all, whenever a process is killed; a picture may then be there that no tweet names.
No name that comes with a tweet or a picture becomes the name of a file.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from umt_core.data.datasets import OWN_IMAGES, OWN_NAME, OWN_SPLIT, OWN_TWEETS, SAMPLE_DATA, data_sets, own_folder
from umt_core.data.files import home_dir, locked, write_text
from umt_core.data.images import content_hash, open_image
from umt_core.data.jsonl import format_record, read_jsonl
from umt_core.data.moving import move
from umt_core.errors import DataError
from umt_core.schema import Example

MY_TWEETS = "my-tweets"  # where the app puts single tweets
MOST_TWEETS = 200_000  # of a set; the file is written anew whenever tweets are added, which takes a second then
_STAGE = ".adding-"  # folders in which pictures wait for their tweets
_IMAGES = "images"

# The first bytes of the formats that ``open_image`` reads.
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif"}


@dataclass(frozen=True, slots=True)
class Added:
    """What became of tweets that were to be added to a set."""

    ids: tuple[str, ...]  # of those that are in it now and were not before
    known: frozenset[str]  # ids that it had already: these tweets were not added
    same: Mapping[str, str]  # id of a tweet that was added → id of one before with the same words and picture


def data_name(name: str) -> str:
    """What a set's tweets are known by, as in ``TweetKey.data``.

    >>> data_name("my-tweets")
    'my-tweets/tweets'
    """
    return f"{name}/{OWN_SPLIT}"


def check_name(name: str) -> None:
    """Raises:
    DataError: no own data set can be called that.
    """
    if not OWN_NAME.fullmatch(name):
        raise DataError(
            f"wanted a name of at most 40 small letters, digits, - and _, not beginning with - or _, got {name[:60]!r}"
        )
    if name == SAMPLE_DATA or any(found.name == name and not found.own for found in data_sets()):
        raise DataError(f"wanted a name of its own for the data set, got {name!r}, which another data set has")


def read_own(name: str) -> list[Example]:
    """The tweets of a set; none if there is no such set (``DataError`` if its file is damaged)."""
    path = own_folder() / name / OWN_TWEETS
    return read_jsonl(path) if path.exists() else []


def content_id(example: Example) -> str:
    """An id for a tweet that came without one, from its words and its picture: the same tweet has the same."""
    text = "\0".join((*example.tokens, example.image or ""))
    return f"t-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


# --- adding --------------------------------------------------------------------------------------


@contextmanager
def staging() -> Iterator[Path]:
    """A folder for pictures until their tweets are added; it goes in the end, and with it what a kill has left.

    Raises:
        DataError: the place cannot be written.
    """
    with ExitStack() as stack:
        with locked(own_folder(), wait=True):
            _sweep()
            stage = own_folder() / f"{_STAGE}{secrets.token_hex(8)}"
            stack.enter_context(locked(stage))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _sweep() -> None:
    """Removes folders of processes that have ended: theirs are not locked any more."""
    for stage in own_folder().glob(f"{_STAGE}*"):
        with contextlib.suppress(DataError), locked(stage):
            shutil.rmtree(stage, ignore_errors=True)


def stage_picture(stage: Path, data: bytes, *, name: str) -> str:
    """Keeps a picture in a staging folder; gives what it is known by. ``name`` stands in errors.

    Raises:
        ImageError: it is no picture that we read.
        DataError: the place cannot be written.
    """
    open_image(data, name=name)
    digest = content_hash(data)
    suffix = next(suffix for start, suffix in _SUFFIXES.items() if data.startswith(start))
    path = stage / f"{digest}{suffix}"
    if not path.exists():
        try:
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    return digest


def add_tweets(name: str, examples: Sequence[Example], stage: Path) -> Added:
    """Adds tweets to a set, which is made if it is not there; all that can be added, in one step.

    Args:
        stage: where their pictures wait (``image``: what ``stage_picture`` gave).

    Raises:
        DataError: the name is not one, the set would become too large, it is damaged, or cannot be written, or a
            tweet's id was that of another tweet in a set of this name that was removed.
    """
    check_name(name)
    folder = own_folder() / name
    with locked(own_folder(), wait=True):
        before = read_own(name)
        known = {example.id for example in before}
        new = list({example.id: example for example in examples if example.id not in known}.values())
        if len(before) + len(new) > MOST_TWEETS:
            raise DataError(f"{name}: wanted at most {MOST_TWEETS:,} tweets in a set, got {len(before) + len(new):,}")
        if new:
            _check_removed(name, new)
            _take_pictures(stage, folder)
            write_text(folder / OWN_TWEETS, "".join(format_record(example) + "\n" for example in (*before, *new)))
    same = _same({(example.tokens, example.image): example.id for example in reversed(before)}, new)
    already = frozenset(example.id for example in examples if example.id in known)
    return Added(tuple(example.id for example in new), already, same)


def _check_removed(name: str, new: Iterable[Example]) -> None:
    """Refuses tweets that corrections of others would fall to: these go by the set's name and the tweet's id."""
    trash = home_dir() / "trash"
    before: dict[str, tuple[str, ...]] = {}
    for removed in sorted(trash.glob(f"own-{name}-[0-9]*T[0-9]*-*")):
        with contextlib.suppress(DataError):  # a damaged one
            before |= {example.id: example.tokens for example in read_jsonl(removed / OWN_TWEETS)}
    if other := [example.id for example in new if before.get(example.id, example.tokens) != example.tokens]:
        raise DataError(
            f"{name}: wanted another name, or other ids: {len(other)} tweets ({other[0]!r}) have the id of another "
            f"tweet in the {name} that was removed, and would get its corrections"
        )


def _take_pictures(stage: Path, folder: Path) -> None:
    """Moves pictures to where they belong, and lists all that are there."""
    images = folder / _IMAGES
    try:
        images.mkdir(parents=True, exist_ok=True)
        for path in stage.glob("*.*"):
            if path.name[0] != ".":
                move(path, images / path.name)
        files = sorted(path.name for path in images.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise DataError(f"{images}: wanted a place to write, got: {error.strerror}") from error
    if files:
        write_text(folder / OWN_IMAGES, "".join(f"{Path(file).stem}\t{_IMAGES}/{file}\n" for file in files))


def _same(first: dict[tuple[tuple[str, ...], str | None], str], examples: Iterable[Example]) -> dict[str, str]:
    """Which tweets have words and picture of one before them; ``first``: ids of those that were there."""
    found = {}
    for example in examples:
        other = first.setdefault((example.tokens, example.image), example.id)
        if other != example.id:
            found[example.id] = other
    return found


def add_tweet(example: Example, picture: bytes | None, name: str = MY_TWEETS) -> tuple[str, bool]:
    """Adds one tweet, unlabelled, under an id made from its words and picture.

    Gives the id, and whether the tweet is new there.

    Raises:
        ImageError: the picture is none that we read.
        DataError: as ``add_tweets``.
    """
    with staging() as stage:
        image = None if picture is None else stage_picture(stage, picture, name="the tweet's picture")
        tweet = replace(example, image=image, spans=None, tags=None)
        tweet = replace(tweet, id=content_id(tweet))
        return tweet.id, bool(add_tweets(name, [tweet], stage).ids)


# --- removing ------------------------------------------------------------------------------------


def remove_own(name: str) -> Path:
    """Takes a set away: its folder goes to the trash, where it can be had back from. Gives the new place.

    Corrections of its tweets stay in their store.

    Raises:
        DataError: there is no such set, or it cannot be moved.
    """
    folder = own_folder() / name
    with locked(own_folder(), wait=True):
        if not OWN_NAME.fullmatch(name) or not (folder / OWN_TWEETS).exists():
            own = ", ".join(found.name for found in data_sets() if found.own) or "none"
            raise DataError(f"wanted one of your own data sets ({own}), got {name[:60]!r}")
        time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        trash = home_dir() / "trash" / f"own-{name}-{time}-{secrets.token_hex(2)}"
        try:
            trash.parent.mkdir(parents=True, exist_ok=True)
            move(folder, trash)
        except OSError as error:
            raise DataError(f"{folder}: cannot move it to {trash}: {error.strerror}") from error
    return trash
