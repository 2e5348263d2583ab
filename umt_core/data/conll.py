"""The CoNLL form of the field: ``IMGID:<id>``, then ``token<TAB>tag`` lines, then a blank line.

TWITTER-2015 and TWITTER-2017 are published in it. ``OTHER`` is read as ``MISC``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from umt_core.data.files import read_lines, write_text
from umt_core.errors import DataError
from umt_core.labels import LABEL_ALIASES, LABELS
from umt_core.schema import Example, Span
from umt_core.showing import printable
from umt_core.spans import spans_to_tags, tags_to_spans

ID_PREFIX = "IMGID:"

# Every spelling of a tag that is read, and the tag it stands for.
TAG_SPELLINGS: dict[str, str] = {
    "O": "O",
    **{f"{p}-{label}": f"{p}-{label}" for label in LABELS for p in "BI"},
    **{f"{p}-{alias}": f"{p}-{label}" for alias, label in LABEL_ALIASES.items() for p in "BI"},
}


def read_conll(path: str | Path) -> list[Example]:
    """The tweets of a CoNLL file.

    Raises:
        DataError: the file cannot be read, or a line of it is not in the form.
    """
    return parse_conll(read_lines(path), source=str(path))


def parse_conll(lines: Iterable[str], *, source: str = "<lines>") -> list[Example]:
    """The tweets of CoNLL lines (with or without their line ends); ``source`` names them in errors.

    ``tags`` keeps the file's own spelling, ``spans`` reads it leniently: an ``I-`` that
    continues nothing opens a span. In lines without any ``IMGID:`` a blank line alone ends a
    tweet; its id is then ``line-<n>``, where it begins, and it has no picture.

    >>> parse_conll(["IMGID:7", "in\\tO", "Oz\\tB-OTHER", ""])[0].spans
    (Span(start=1, end=2, label='MISC'),)

    Raises:
        DataError: a line has not two columns, an unknown tag or an empty token; an id is empty
            or comes twice; a tweet has no id or no token. The message names the line.
    """
    return list(iter_conll(lines, source=source))


def iter_conll(lines: Iterable[str], *, source: str = "<lines>") -> Iterator[Example]:
    """``parse_conll``, one tweet at a time."""
    first_seen: dict[str, int] = {}
    named, nameless = False, 0  # whether an id was seen; the first line of the first tweet without one
    for block in conll_blocks(lines):
        named = named or block.name is not None
        nameless = nameless or (block.number if block.name is None else 0)
        if named and nameless:
            raise DataError(f"{source}:{nameless}: wanted {ID_PREFIX}<id> before a tweet's first token, got none")
        try:
            example = block_example(block)
        except DataError as error:
            raise DataError(f"{source}:{error}") from error
        if block.identity in first_seen:
            raise DataError(
                f"{source}:{block.number}: wanted an id of its own for each tweet,"
                f" got {block.identity!r} again (first in line {first_seen[block.identity]})"
            )
        first_seen[block.identity] = block.number
        yield example


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one tweet, not yet looked into."""

    number: int  # of its first line in the file
    name: str | None  # what stands after its ``IMGID:``; ``None``: it has no such line
    lines: tuple[str, ...]  # of its tokens, without their ends

    @property
    def identity(self) -> str:
        """The tweet's id: of its own, or by where it begins."""
        return self.name or f"line-{self.number}"

    def rows(self, tags: Container[str] | None = TAG_SPELLINGS) -> list[tuple[str, str]]:
        """Tokens and tags; ``tags`` are those that are read, ``None``: any.

        Raises:
            DataError: the id or all tokens are missing, or a line has not two columns, an empty token or a tag
                that is none of ``tags``. The message begins with the line's number.
        """
        if self.name == "":
            raise DataError(f"{self.number}: wanted an id after {ID_PREFIX}, got nothing")
        if not self.lines:
            name = f"{ID_PREFIX}{printable(' '.join((self.name or '').split()))}"
            raise DataError(f"{self.number}: wanted token<TAB>tag lines after {name}, got none")
        first = self.number + (self.name is not None)
        return [_row(line, number, tags) for number, line in enumerate(self.lines, first)]


def block_example(block: Block) -> Example:
    """The tweet of a block's lines; errors as ``Block.rows``."""
    tokens, tags = zip(*block.rows(), strict=True)
    spans = tags_to_spans([TAG_SPELLINGS[tag] for tag in tags])
    return Example(block.identity, tokens, image=block.name, spans=spans, tags=tags)


def conll_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """The tweets of CoNLL lines, as lines; an ``IMGID:`` and a blank line begin a new one."""
    name: str | None = None
    rows: list[str] = []
    start = 0  # line of the tweet being read
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if number == 1:
            line = line.removeprefix("\ufeff")
        is_id = line.startswith(ID_PREFIX) and "\t" not in line  # "IMGID:7<TAB>O" is a token
        if is_id or not line.strip(" "):
            if start:
                yield Block(start, name, tuple(rows))
            name, rows, start = None, [], 0
        if is_id:
            name, start = line.removeprefix(ID_PREFIX).strip(), number
        elif line.strip(" "):
            start = start or number
            rows.append(line)
    if start:
        yield Block(start, name, tuple(rows))


def _row(line: str, number: int, tags: Container[str] | None) -> tuple[str, str]:
    columns = line.split("\t")
    if len(columns) != 2:
        raise DataError(f"{number}: wanted two columns (token<TAB>tag), got {len(columns)}: {line[:60]!r}")
    token, tag = columns
    if not token:
        raise DataError(f"{number}: wanted a token before the tab, got nothing")
    if tags is not None and tag not in tags:
        raise DataError(f"{number}: wanted a tag of {', '.join(TAG_SPELLINGS)}, got {tag[:60]!r}")
    return token, tag


def gold_spans(example: Example, *, strict: bool = False) -> tuple[Span, ...]:
    """A tweet's gold spans, none if it is not labelled.

    ``strict`` leaves out those that begin with an orphan ``I-`` where the file's own tags are known.
    """
    if strict and example.tags is not None:
        return tags_to_spans([TAG_SPELLINGS[tag] for tag in example.tags], strict=True)
    return example.spans or ()


def format_conll(examples: Iterable[Example]) -> str:
    """CoNLL text of labelled tweets: what a file spelled comes out as it was.

    The form has one name for a tweet and its picture: the id is written, not ``image``.

    >>> from umt_core.schema import Span
    >>> format_conll([Example("7", ("in", "Oz"), spans=(Span(1, 2, "LOC"),))])
    'IMGID:7\\nin\\tO\\nOz\\tB-LOC\\n\\n'

    Raises:
        DataError: a tweet has no labels or no token, or an id, token or span that the form
            cannot hold.
    """
    return "".join(_format_example(example) for example in examples)


def write_conll(path: str | Path, examples: Iterable[Example]) -> None:
    """Writes labelled tweets as CoNLL, in one step (``DataError`` as in ``format_conll``)."""
    write_text(path, format_conll(examples))


def _format_example(example: Example) -> str:
    where = f"tweet {example.id!r}"
    if example.spans is None:
        raise DataError(f"{where}: wanted a labelled tweet, got one without spans")
    if not example.tokens:
        raise DataError(f"{where}: wanted at least one token, got none")
    if not example.id or example.id != example.id.strip() or _breaks(example.id):
        raise DataError(f"{where}: wanted an id of one line without outer spaces or tabs")
    for token in example.tokens:
        if not token or _breaks(token):
            raise DataError(f"{where}: wanted tokens without tabs and line breaks, got {token!r}")
    rows = zip(example.tokens, _spelled_tags(example, where), strict=True)
    return "".join([f"{ID_PREFIX}{example.id}\n", *(f"{token}\t{tag}\n" for token, tag in rows), "\n"])


def _breaks(text: str) -> bool:
    return any(character in text for character in "\t\r\n")


def _spelled_tags(example: Example, where: str) -> tuple[str, ...] | list[str]:
    spans = example.spans or ()
    if example.tags is not None and len(example.tags) == len(example.tokens):
        # After a correction `spans` says more than the tags that the file spelled.
        known = [TAG_SPELLINGS.get(tag, "?") for tag in example.tags]
        if "?" not in known and tags_to_spans(known) == tuple(sorted(spans)):
            return example.tags
    if unknown := sorted({span.label for span in spans} - set(LABELS)):
        raise DataError(f"{where}: wanted labels of {', '.join(LABELS)}, got {', '.join(unknown)}")
    try:
        return spans_to_tags(spans, len(example.tokens))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
