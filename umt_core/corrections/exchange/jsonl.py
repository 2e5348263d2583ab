"""JSON lines, as ``umt_core.data.jsonl`` has them: the one form that holds all of a tweet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from umt_core.corrections.exchange.rows import REPAIR, Care, Known, Reading
from umt_core.data.files import iter_lines, write_pieces
from umt_core.data.jsonl import example_of, format_record, read_object
from umt_core.errors import DataError
from umt_core.schema import Example, Span

# What others call the labels that we have as "spans": a tweet that has them is not one without labels.
LABELS_ELSEWHERE = frozenset({"bio", "entities", "labels", "ner_tags", "tags"})


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The tweets of a file; ``known`` is not needed, a line says all."""
    for number, line in enumerate(iter_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = read_object(line)
            example = example_of(record, number)
            if example.spans is None and (other := LABELS_ELSEWHERE & record.keys()):
                raise DataError(f'wanted labels as "spans" (docs/data.md), got {", ".join(sorted(other))}')
            yield Reading(where, example, nameless=record.get("id") is None)
        except DataError as error:
            yield _mended(line, number, where) if bio == REPAIR else Reading(where, None, (str(error),))


def _mended(line: str, number: int, where: str) -> Reading:
    """A line whose spans alone are out of order, put right."""
    try:
        record = read_object(line)
        spans = record.pop("spans", None)
        bare = example_of(record, number)
        care = Care(REPAIR)
        mended = read_spans(spans, bare, care)
    except DataError as error:
        return Reading(where, None, (str(error),))
    example = Example(bare.id, bare.tokens, bare.image, mended, bare.text, bare.offsets)
    return replace(care.reading(where, example), nameless=record.get("id") is None)


def read_spans(spans: object, bare: Example, care: Care) -> tuple[Span, ...]:
    """The spans of a JSON list, for a tweet's tokens (``DataError``: it is none)."""
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        raise DataError('wanted a list like [{"start": 0, "end": 2, "label": "PER"}] as "spans"')
    return care.spans((triple for span in spans for triple in _tokens_of(span, bare, care)), len(bare.tokens))


def _tokens_of(span: dict[str, Any], bare: Example, care: Care) -> list[tuple[int, int, str]]:
    names = ("start", "end") if "start" in span or bare.offsets is None else ("start_char", "end_char")
    start, end, label = (span.get(name) for name in (*names, "label"))
    if type(start) is not int or type(end) is not int:
        raise DataError(f'wanted whole numbers as "{names[0]}" and "{names[1]}", got {start!r} and {end!r}')
    triple = (start, end, str(label))
    if names[0] == "start" or bare.text is None or bare.offsets is None:
        return [triple]
    return care.placed([triple], bare.text, bare.offsets)


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """One file; errors as ``format_record``."""
    write_pieces(path, (format_record(example) + "\n" for example in examples))
