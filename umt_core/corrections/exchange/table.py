"""CSV: a row for each entity, and one with the label ``O`` for a labelled tweet that has none.

Columns: ``id, image, text, start, end, label, surface, tokens``. ``start`` and ``end`` count tokens from 0, ``end`` is
one past the last; ``tokens`` is a JSON list; a row without a label says that the tweet is not labelled. What a
spreadsheet would take for a formula begins with an apostrophe, which is taken off again on reading.

Read are also tables with fewer columns: ``text`` or ``tokens`` alone is enough (the text is split as we split, the id
is ``line-<n>``), ``start_char`` and ``end_char`` count characters of the text, and semicolons, tabs or bars may part
the columns. A tweet may be one row with all of its labels: ``tags``, one for each token with spaces between, or
``spans``, a JSON list as in JSON lines. Columns may have other usual names (``ALIASES``), in capitals or not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path

from umt_core.corrections.exchange.jsonl import read_spans
from umt_core.corrections.exchange.rows import Care, Known, Reading, Words, read_words, words_of
from umt_core.data.files import as_written, iter_lines, table_line, write_pieces
from umt_core.errors import DataError
from umt_core.schema import Example, Span
from umt_core.showing import printable
from umt_core.spans import tags_to_spans

COLUMNS = ("id", "image", "text", "start", "end", "label", "surface", "tokens")
NO_ENTITY = "O"
_DELIMITERS = ",;\t|"
# What our columns are called in people's tables.
ALIASES = {
    **dict.fromkeys(("tweet_id", "tweetid", "id_str"), "id"),
    **dict.fromkeys(("tweet", "full_text", "sentence"), "text"),
    **dict.fromkeys(("words",), "tokens"),
    **dict.fromkeys(("picture", "img", "imgid", "image_id", "photo", "file"), "image"),
    **dict.fromkeys(("labels", "ner_tags", "bio"), "tags"),
    **dict.fromkeys(("entities",), "spans"),
    **dict.fromkeys(("type",), "label"),
}


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """One file, with a byte order mark, by which spreadsheets know UTF-8."""
    write_pieces(path, _pieces(examples))


def _pieces(examples: Iterable[Example]) -> Iterator[str]:
    yield "\ufeff" + table_line(COLUMNS, "\r\n")
    for example in examples:
        yield from (table_line(row, "\r\n") for row in _rows(example))


def _rows(example: Example) -> Iterator[Sequence[str]]:
    words = words_of(example)
    tweet = (example.id, example.image or "", words.text)
    tokens = json.dumps(example.tokens, ensure_ascii=False)
    for span in sorted(example.spans or ()):
        first, last = words.offsets[span.start][0], words.offsets[span.end - 1][1]
        yield *tweet, str(span.start), str(span.end), span.label, words.text[first:last], tokens
    if not example.spans:
        yield *tweet, "", "", "" if example.spans is None else NO_ENTITY, "", tokens


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The tweets of a file: rows of one id that follow each other are one tweet."""
    for name, group in groupby(_rows_of(path), key=lambda row: row.values.get("id") or f"line-{row.number}"):
        rows = list(group)
        where = f"{path}:{rows[0].number}"
        try:
            if broken := next((row.broken for row in rows if row.broken), None):
                raise DataError(broken)
            found = _tweet(name, where, [row.values for row in rows], Care(bio), known)
            yield replace(found, nameless="id" not in rows[0].values)
        except DataError as error:
            yield Reading(where, None, (str(error),))


@dataclass(frozen=True, slots=True)
class _Row:
    number: int  # of its line
    values: dict[str, str]  # by column, those that are not empty
    broken: str = ""  # why it is none


def _rows_of(path: Path) -> Iterator[_Row]:
    lines = iter_lines(path, whole=True)
    first = next(lines, "").removeprefix("\ufeff")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        header = [ALIASES.get(name, name) for name in (name.strip().lower() for name in next(reader, []))]
    except csv.Error as error:
        raise DataError(f"{path}:1: wanted a line of column names in CSV, got: {error}") from error
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise DataError(f"{path}:1: wanted each column once, got {printable(' '.join(', '.join(twice).split()))} again")
    if not set(header) & {"text", "tokens"}:
        raise DataError(f"{path}:1: wanted a line of column names, with text or tokens, got {first.strip()[:60]!r}")
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield _Row(number, {}, f"wanted a row of CSV, got: {error}")
            continue
        if fields is None:
            return
        if len(fields) > len(header):
            yield _Row(number, {}, f"wanted {len(header)} columns as in the first line, got {len(fields)}")
        elif any(fields):
            found = zip(header, map(as_written, fields), strict=False)
            yield _Row(number, {name: value for name, value in found if value})


def _tweet(name: str, where: str, rows: Sequence[Mapping[str, str]], care: Care, known: Known) -> Reading:
    first = rows[0]
    for column in ("image", "text", "tokens"):
        if len(values := {row.get(column) for row in rows}) > 1:
            raise DataError(f"wanted one {column} in all rows of tweet {name!r}, got {len(values)}")
    words = _words(first, known.get(name))
    if of_all := [column for column in ("tags", "spans") if column in first]:
        if len(rows) > 1 or len(of_all) > 1 or "label" in first:
            raise DataError(f"wanted the labels of tweet {name!r} once, in tags, spans or rows with a label, got more")
        return care.reading(where, words.example(name, first.get("image"), _labels(first, words, care)))
    labels = [row.get("label") for row in rows]
    if not any(labels):
        return care.reading(where, words.example(name, first.get("image"), None))
    if NO_ENTITY in labels and len(rows) > 1:
        raise DataError(f"wanted either entities or one row with the label {NO_ENTITY}, got both")
    found = [span for row in rows if row.get("label") != NO_ENTITY for span in _span(row, words, care)]
    spans = care.spans(found, len(words.tokens))
    return care.reading(where, words.example(name, first.get("image"), spans))


def _labels(row: Mapping[str, str], words: Words, care: Care) -> tuple[Span, ...]:
    """All labels of a tweet, from its one row."""
    if "tags" in row:
        tags = row["tags"].split()
        if len(tags) != len(words.tokens):
            raise DataError(f"wanted a tag for each of {len(words.tokens)} tokens, got {len(tags)}")
        return tags_to_spans(care.tags(tags, words.tokens))
    try:
        spans = json.loads(row["spans"])
    except (ValueError, RecursionError):
        spans = None
    bare = Example("", words.tokens, text=words.text, offsets=words.offsets)
    return read_spans(spans, bare, care)


def _words(row: Mapping[str, str], known: Example | None) -> Words:
    tokens = None
    if "tokens" in row:
        try:
            tokens = json.loads(row["tokens"])
        except (ValueError, RecursionError):
            tokens = row["tokens"].split(" ")
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            got = repr(row["tokens"][:60])
            raise DataError(f"wanted a JSON list of text, or words with spaces between, as tokens, got {got}")
    text = row.get("text")
    if tokens is None:
        return read_words(text or "", None, known)
    return read_words(" ".join(tokens) if text is None else text, tuple(tokens))


def _span(row: Mapping[str, str], words: Words, care: Care) -> list[tuple[int, int, str]]:
    label = row.get("label", "")
    if "start" in row and "end" in row:
        return [(_number(row, "start"), _number(row, "end"), label)]
    start, end = _number(row, "start_char"), _number(row, "end_char")
    return care.placed([(start, end, label)], words.text, words.offsets)


def _number(row: Mapping[str, str], column: str) -> int:
    try:
        return int(row[column])
    except (KeyError, ValueError):
        raise DataError(f"wanted a whole number as {column}, got {row.get(column, '')[:60]!r}") from None
