"""A file of tweets in pieces: where each tweet begins, and what it is. Nothing holds the file as a whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from umt_core.data.conll import Block, block_example, conll_blocks
from umt_core.data.jsonl import parse_record, read_object
from umt_core.errors import DataError
from umt_core.schema import MOST_WORDS, Example

SUFFIXES = (".jsonl", ".txt", ".conll")
MAX_LINE = 1_000_000  # bytes; what is longer is no tweet, and is not kept in memory


@dataclass(frozen=True, slots=True)
class Line:
    number: int  # in the file, from 1
    offset: int  # in the file, in bytes
    content: bytes  # without its end; cut where it is longer than ``MAX_LINE``

    @property
    def text(self) -> str:
        # What is no UTF-8 becomes half surrogate pairs, which ``parse`` refuses for one tweet alone.
        return self.content.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Raw:
    """A tweet as it stands in the file, not yet looked into."""

    line: int
    offset: int
    source: str | Block  # a line of JSON, or lines of CoNLL


def raw_tweets(file: BinaryIO, suffix: str, *, offset: int = 0, number: int = 1) -> Iterator[Raw]:
    """The tweets of a file from a place on where one begins; ``number`` is that line's."""
    lines = _lines(file, offset, number)
    return _blocks(lines, number) if suffix != ".jsonl" else _records(lines)


def identity(raw: Raw) -> str | None:
    """A tweet's id, as ``parse`` has it; ``None``: it cannot be told, and ``parse`` refuses the tweet."""
    if isinstance(raw.source, Block):
        return raw.source.identity
    try:
        found = read_object(raw.source).get("id")
    except DataError:
        return None
    if found is None:
        return f"line-{raw.line}"
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def parse(raw: Raw, *, named: bool) -> Example:
    """The tweet itself. ``named``: the file has ``IMGID:`` lines, so that each tweet must have one.

    Raises:
        DataError: as ``parse_record`` and ``parse_conll``, or the tweet is longer than ``MAX_LINE`` or ``MOST_WORDS``.
    """
    lines = raw.source.lines if isinstance(raw.source, Block) else (raw.source,)
    for line in lines:
        if len(line.encode("utf-8", "surrogateescape")) >= MAX_LINE:
            raise DataError(f"wanted a line of less than {MAX_LINE:,} bytes, got a longer one")
        _check_utf8(line)
    if isinstance(raw.source, str):
        example = parse_record(raw.source, raw.line)
    elif named and raw.source.name is None:
        raise DataError("wanted IMGID:<id> before the tweet's first token, got none")
    else:
        example = block_example(raw.source)
    if len(example.tokens) > MOST_WORDS:
        raise DataError(f"wanted at most {MOST_WORDS:,} words, got {len(example.tokens):,}")
    return example


def suffix_of(path: Path) -> str:
    """Of a file of tweets (``DataError``: it is none that we read)."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: wanted a file .txt, .conll or .jsonl, got {suffix or 'no suffix'}")
    return suffix


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) - 0xDC00
        raise DataError(f"wanted UTF-8, got byte 0x{byte:02x}") from error


def _lines(file: BinaryIO, offset: int, number: int) -> Iterator[Line]:
    file.seek(offset)
    while line := file.readline(MAX_LINE):
        length, end = len(line), line
        while not end.endswith(b"\n") and (end := file.readline(MAX_LINE)):
            length += len(end)
        yield Line(number, offset, line.removesuffix(b"\n").removesuffix(b"\r"))
        offset, number = offset + length, number + 1


def _records(lines: Iterator[Line]) -> Iterator[Raw]:
    for line in lines:
        text = line.text
        if text.strip():
            yield Raw(line.number, line.offset, text)


def _blocks(lines: Iterator[Line], first: int) -> Iterator[Raw]:
    places: deque[tuple[int, int]] = deque()  # number and offset of the lines since the tweet being read began

    def texts() -> Iterator[str]:
        for line in lines:
            places.append((line.number, line.offset))
            yield line.text

    for block in conll_blocks(texts()):
        number = block.number + first - 1
        while places[0][0] < number:
            places.popleft()
        yield Raw(number, places[0][1], Block(number, block.name, block.lines))
