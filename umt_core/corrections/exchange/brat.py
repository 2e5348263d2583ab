"""brat's standoff: a text and a file of annotations a tweet, in a folder or a ``.zip``. Offsets are code points.

Names of files are the tweets' ids, percent-encoded. ``tweets.jsonl``, which brat passes over, holds tokens and
pictures; where it is missing, or tells of another text, the text is split as we split.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

from umt_core.corrections.exchange.folders import new_folder
from umt_core.corrections.exchange.rows import Care, Known, Reading, Words, read_words, words_of
from umt_core.data.archive import UNREADABLE, check_directory
from umt_core.data.files import write_stream
from umt_core.data.jsonl import format_record, iter_jsonl
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Example, Span

TWEETS = "tweets.jsonl"
_CONF = "annotation.conf"  # without it brat shows types in grey and lets nobody edit
LONGEST = 4 << 20  # bytes of a tweet's file; more in a zip is no tweet
MOST_UNPACKED = 1_000_000_000  # bytes of all files of a zip, which reads no more of one than it says there is
_LONGEST_NAME = 200  # bytes; file systems end at 255
# Lines of .ann are read by Python's idea of a line, which has more ends than "\n"; a tab parts its columns.
_BREAK = re.compile("[\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029]")
_ENTITY = re.compile(r"T\d+\t(?P<label>\S+) (?P<places>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<said>.*))?", re.DOTALL)

Opener = Callable[[str], IO[bytes]]


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """A folder, or one file if the name ends in ``.zip``."""
    if path.suffix.lower() == ".zip":
        with write_stream(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in _files(examples):
                archive.writestr(zipfile.ZipInfo(name), text.encode(), zipfile.ZIP_DEFLATED)
        return
    with new_folder(path) as folder:
        for name, text in _files(examples):
            (folder / name).write_bytes(text.encode())


def _files(examples: Iterable[Example]) -> Iterator[tuple[str, str]]:
    yield _CONF, "\n".join(["[entities]", *LABELS, "[relations]", "[events]", "[attributes]", ""])
    records = []
    for example in examples:
        bare = replace(example, spans=None if example.spans is None else ())
        records.append(format_record(bare) + "\n")
        name, words = _file_name(example.id), words_of(example)
        yield f"{name}.txt", words.text
        yield f"{name}.ann", "".join(_line(n, span, words) for n, span in enumerate(sorted(example.spans or ()), 1))
    yield TWEETS, "".join(records)


def _file_name(identity: str) -> str:
    name = quote(identity, safe="")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) > _LONGEST_NAME:
        raise DataError(f"tweet {identity[:60]!r}: wanted an id that a file can be named by, got {len(name)} bytes")
    return name


def _line(number: int, span: Span, words: Words) -> str:
    first, last = words.offsets[span.start], words.offsets[span.end - 1]
    parts = list(_fragments(words.text, first[0], last[1])) or [first]
    # A token of white space is part of no fragment, and the entity may begin or end with one.
    parts = [first, *parts] if parts[0][0] >= first[1] else parts
    parts = [*parts, last] if parts[-1][1] <= last[0] else parts
    said = " ".join(_BREAK.sub(" ", words.text[a:b]) for a, b in parts)
    return f"T{number}\t{span.label} {';'.join(f'{a} {b}' for a, b in parts)}\t{said}\n"


def _fragments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """An entity around line breaks, which brat writes as one in pieces."""
    breaks = [found.start() for found in _BREAK.finditer(text, start, end)]
    for before, after in pairwise([start - 1, *breaks, end]):
        piece = text[before + 1 : after]
        if inner := piece.strip():
            first = before + 1 + piece.index(inner)
            yield first, first + len(inner)


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The documents of a folder and those below it, or of a ``.zip``: as we wrote them, else by name."""
    try:
        if path.is_dir():
            names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
            yield from _documents(names, lambda name: (path / name).open("rb"), path, bio, known)
        else:
            with path.open("rb") as file:
                check_directory(file, str(path))
                with zipfile.ZipFile(file) as archive:
                    if (size := sum(entry.file_size for entry in archive.infolist())) > MOST_UNPACKED:
                        raise DataError(f"{path}: wanted at most {MOST_UNPACKED:,} bytes of tweets, got {size:,}")
                    yield from _documents(sorted(archive.namelist()), archive.open, path, bio, known)
    except UNREADABLE as error:
        raise DataError(f"{path}: wanted a folder or a .zip, got: {error}") from error


def _documents(names: list[str], opened: Opener, path: Path, bio: str, known: Known) -> Iterator[Reading]:
    ours = _tweets(opened, path) if TWEETS in names else {}
    there, place = set(names), {name: i for i, name in enumerate(ours)}
    texts = [name.removesuffix(".txt") for name in names if name.endswith(".txt")]
    for stem in sorted(texts, key=lambda stem: place.get(unquote(stem), len(place))):
        name = f"{stem}.txt"
        where = f"{path}: {name}"
        try:
            text = _content(opened, name)
            lines = _content(opened, f"{stem}.ann") if f"{stem}.ann" in there else None
            if lines is None and (own := ours.get(unquote(stem))) and own.spans is not None:
                raise DataError(f"wanted {stem}.ann beside {name}, got none")  # else its labels would be taken for none
            yield _tweet(unquote(stem), text, lines, where, ours, known, Care(bio))
        except DataError as error:
            yield Reading(where, None, (str(error),))


def _tweets(opened: Opener, path: Path) -> dict[str, Example]:
    with opened(TWEETS) as stream:
        lines = iter(lambda: stream.readline(LONGEST + 1), b"")
        texts = (_of_a_tweet(line, TWEETS).decode("utf-8", "replace") for line in lines)
        return {tweet.id: tweet for tweet in iter_jsonl(texts, source=f"{path}: {TWEETS}")}


def _of_a_tweet(content: bytes, name: str) -> bytes:
    if len(content) > LONGEST:
        raise DataError(f"wanted a tweet, got more than {LONGEST:,} bytes in {name}")
    return content


def _content(opened: Opener, name: str) -> str:
    try:
        with opened(name) as stream:
            return _of_a_tweet(stream.read(LONGEST + 1), name).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"wanted UTF-8 in {name}, got byte 0x{error.object[error.start]:02x}") from error
    except UNREADABLE as error:
        raise DataError(f"wanted a file that can be unpacked as {name}, got: {error}") from error


def _tweet(name: str, text: str, lines: str | None, where: str, ours: Known, known: Known, care: Care) -> Reading:
    tweet = ours.get(name)
    if tweet is not None and words_of(tweet).text != text:
        tweet = None
    words = words_of(tweet) if tweet else read_words(text, None, known.get(name))
    image = tweet.image if tweet else None
    found = [entity for line in (lines or "").split("\n") for entity in _entity(line.rstrip("\r"), text, care)]
    labelled = bool(found) or (lines is not None if tweet is None else tweet.spans is not None)
    spans = care.spans(care.placed(found, text, words.offsets), len(words.tokens))
    return care.reading(where, words.example(name, image, spans if labelled else None))


def _entity(line: str, text: str, care: Care) -> Iterator[tuple[int, int, str]]:
    """The entity of a line of annotations; relations, attributes and notes are none."""
    if not line.startswith("T"):
        return
    match = _ENTITY.fullmatch(line)
    if match is None:
        raise DataError(f"wanted an entity as T1<TAB>PER 0 3<TAB>Ann, got {line[:60]!r}")
    pieces = [(int(a), int(b)) for a, b in (piece.split(" ") for piece in match["places"].split(";"))]
    (start, _), (_, end) = pieces[0], pieces[-1]
    if any(text[before:after].strip() for (_, before), (after, _) in pairwise(pieces)):
        places = match["places"]
        care.complaints.append(f"wanted an entity of words in a row, got characters {places}; repair: all between too")
    else:
        start, end = care.agreed(start, end, text, match["said"])
    yield start, end, match["label"]
