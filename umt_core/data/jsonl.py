"""One tweet a line, in JSON: what ``predict`` reads and writes.

    {"id": "7", "tokens": ["in", "Oz"], "image": "7", "spans": [{"start": 1, "end": 2, "label": "LOC"}]}

``text`` may stand in place of ``tokens``; it is then tokenised, and spans say where they
stand in it too (``start_char``, ``end_char``, in code points). What we write holds both and
reads back as the same tweet. ``predictions`` is for readers of our output and not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from umt_core.data.conll import iter_conll
from umt_core.data.files import iter_lines, write_text
from umt_core.data.tokenize import DEFAULT_STYLE, tokenize
from umt_core.errors import DataError
from umt_core.labels import LABEL_ALIASES, LABELS
from umt_core.schema import Example, ScoredSpan, Span
from umt_core.spans import span_characters, spans_to_tags

Offsets = tuple[tuple[int, int], ...]


def read_examples(path: str | Path) -> list[Example]:
    """Tweets of a CoNLL (``.txt``, ``.conll``) or JSONL (``.jsonl``) file, by its suffix.

    Raises:
        DataError: another suffix, or a file that is not in its form.
    """
    return list(iter_examples(path))


def iter_examples(path: str | Path) -> Iterator[Example]:
    """``read_examples``, one tweet at a time: the file is never in memory as a whole."""
    match Path(path).suffix.lower():
        case ".txt" | ".conll":
            return iter_conll(iter_lines(path), source=str(path))
        case ".jsonl":
            return iter_jsonl(iter_lines(path), source=str(path))
        case suffix:
            raise DataError(f"{path}: wanted a file .txt, .conll or .jsonl, got {suffix or 'no suffix'}")


def read_jsonl(path: str | Path, *, style: str = DEFAULT_STYLE) -> list[Example]:
    """The tweets of a JSONL file (``DataError`` as in ``parse_jsonl``)."""
    return parse_jsonl(iter_lines(path), source=str(path), style=style)


def parse_jsonl(lines: Iterable[str], *, source: str = "<lines>", style: str = DEFAULT_STYLE) -> list[Example]:
    """The tweets of JSONL lines; ``style`` is how raw text is tokenised, ``source`` stands in errors.

    A tweet without an id is called ``line-<n>``. A span may give ``start_char`` and
    ``end_char`` alone; they must then fall on borders of tokens.

    >>> line = '{"text": "in Oz", "spans": [{"start_char": 3, "end_char": 5, "label": "LOC"}]}'
    >>> parse_jsonl([line])[0].spans
    (Span(start=1, end=2, label='LOC'),)

    Raises:
        DataError: a line is not a JSON object of this form, an id comes twice, or a span is
            outside the tweet, overlaps another, or has an unknown label. The message names the line.
    """
    return list(iter_jsonl(lines, source=source, style=style))


def iter_jsonl(lines: Iterable[str], *, source: str = "<lines>", style: str = DEFAULT_STYLE) -> Iterator[Example]:
    """``parse_jsonl``, one tweet at a time."""
    first_seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{source}:{number}"
        try:
            example = parse_record(line, number, style=style)
            if example.id in first_seen:
                raise DataError(
                    f"wanted an id of its own for each tweet, got {example.id!r} again"
                    f" (first in line {first_seen[example.id]})"
                )
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        first_seen[example.id] = number
        yield example


def parse_record(line: str, number: int = 1, *, style: str = DEFAULT_STYLE) -> Example:
    """The tweet of one line, which is the ``number``th; errors as ``parse_jsonl``, without the line's number."""
    return example_of(read_object(line), number, style=style)


def read_object(line: str) -> dict[str, Any]:
    """A line's JSON object (``DataError``: it is none, or holds a number that JSON has not)."""
    try:
        record = json.loads(line.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise DataError("wanted a JSON object, got one nested too deeply") from error
    except ValueError as error:
        raise DataError(f"wanted a JSON object, got: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"wanted a JSON object, got {_show(record)}")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise DataError(f"wanted finite numbers, got {name}")


def _show(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def example_of(record: dict[str, Any], number: int = 1, *, style: str = DEFAULT_STYLE) -> Example:
    """The tweet of a line's object; as ``parse_record``."""
    identity = record.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    identity = f"line-{number}" if identity is None else _text(identity, "id")
    image = record.get("image")
    text = record.get("text")
    offsets: Offsets | None = None
    if text is not None:
        text = _text(text, "text")
    if record.get("tokens") is not None:
        tokens = _tokens(record["tokens"])
        offsets = None if text is None else locate_tokens(tokens, text)
    elif text is not None:
        found = tokenize(text, style)
        tokens, offsets = found.tokens, found.offsets
    else:
        raise DataError('wanted "tokens" or "text", got neither')
    spans = None if record.get("spans") is None else _spans(record["spans"], len(tokens), offsets)
    return Example(
        id=identity,
        tokens=tokens,
        image=None if image is None else _text(image, "image"),
        spans=spans,
        text=text,
        offsets=offsets,
    )


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f'wanted text as "{name}", got {_show(value)}')
    if not value.strip():
        raise DataError(f'wanted text as "{name}", got nothing but white space')
    check_encodable(value, name)
    return value


def check_encodable(value: str, name: str) -> None:
    """Raises:
    DataError: the text holds half a surrogate pair.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f'wanted text as "{name}", got half a surrogate pair (character {error.start})') from error


def _tokens(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(token, str) for token in value):
        raise DataError(f'wanted a list of text as "tokens", got {_show(value)}')
    for token in value:
        if not token:
            raise DataError('wanted "tokens" that are not empty, got an empty one')
        check_encodable(token, "tokens")
    return tuple(value)


def locate_tokens(tokens: tuple[str, ...], text: str) -> Offsets:
    """Where tokens stand in the text that they were split from (``DataError``: they are not its tokens)."""
    offsets, end = [], 0
    for token in tokens:
        start = text.find(token, end)
        if start < 0 or text[end:start].strip():
            raise DataError(f'wanted "tokens" that make up "text", got {_show(token)} out of its place')
        end = start + len(token)
        offsets.append((start, end))
    if text[end:].strip():
        raise DataError(f'wanted "tokens" that make up "text", got {_show(text[end:].strip())} left over')
    return tuple(offsets)


def _spans(value: object, length: int, offsets: Offsets | None) -> tuple[Span, ...]:
    if not isinstance(value, list):
        raise DataError(f'wanted a list as "spans", got {_show(value)}')
    spans = tuple(sorted(_span(item, offsets) for item in value))
    spans_to_tags(spans, length)  # refuses what overlaps or lies outside
    return spans


def _span(value: object, offsets: Offsets | None) -> Span:
    if not isinstance(value, dict):
        raise DataError(f"wanted a span like {{start, end, label}}, got {_show(value)}")
    label = value.get("label")
    label = LABEL_ALIASES.get(label, label) if isinstance(label, str) else label
    if label not in LABELS:
        raise DataError(f"wanted a label of {', '.join(LABELS)}, got {_show(label)}")
    if "start" in value or "end" in value or offsets is None:
        return Span(_integer(value, "start"), _integer(value, "end"), label)
    start, end = _integer(value, "start_char"), _integer(value, "end_char")
    starts = {first: i for i, (first, _) in enumerate(offsets)}
    ends = {last: i for i, (_, last) in enumerate(offsets, 1)}
    if start not in starts or end not in ends:
        raise DataError(f"wanted a span on the borders of tokens, got characters {start} to {end}")
    return Span(starts[start], ends[end], label)


def _integer(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f'wanted a whole number as "{name}", got {_show(number)}')
    return number


def format_record(example: Example, predictions: Mapping[str, Sequence[ScoredSpan]] | None = None) -> str:
    """One line of JSON for a tweet, and what each system says of it.

    >>> format_record(Example("7", ("in", "Oz")), {"bert-crf": [ScoredSpan(Span(1, 2, "LOC"), 0.5)]})
    '{"id": "7", "tokens": ["in", "Oz"], "image": null, "predictions": {"bert-crf": \
[{"start": 1, "end": 2, "label": "LOC", "score": 0.5}]}}'

    Raises:
        DataError: a score is not a finite number, or a text holds half a surrogate pair.
    """
    record: dict[str, Any] = {"id": example.id, "tokens": example.tokens, "image": example.image}
    if example.text is not None:
        record["text"] = example.text
    if example.spans is not None:
        record["spans"] = [_span_record(span, example.offsets) for span in example.spans]
    if predictions is not None:
        record["predictions"] = {
            system: [_scored_record(scored, example) for scored in spans] for system, spans in predictions.items()
        }
    line = json.dumps(record, ensure_ascii=False)
    check_encodable(line, f"tweet {example.id!r}")
    return line


def _span_record(span: Span, offsets: Offsets | None) -> dict[str, Any]:
    record: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
    if offsets is not None:
        record["start_char"], record["end_char"] = span_characters(span, offsets)
    return record


def _scored_record(scored: ScoredSpan, example: Example) -> dict[str, Any]:
    if not math.isfinite(scored.score):
        raise DataError(f"tweet {example.id!r}: wanted a finite score, got {scored.score}")
    return _span_record(scored.span, example.offsets) | {"score": round(scored.score, 6)}


def write_jsonl(
    path: str | Path,
    examples: Sequence[Example],
    predictions: Mapping[str, Sequence[Sequence[ScoredSpan]]] | None = None,
) -> None:
    """Writes tweets as JSONL in one step; ``predictions`` holds one list of spans a tweet for each system.

    Raises:
        DataError: as ``format_record``, or the file cannot be written.
    """
    lines = []
    for i, example in enumerate(examples):
        said = None if predictions is None else {system: spans[i] for system, spans in predictions.items()}
        lines.append(format_record(example, said) + "\n")
    write_text(path, "".join(lines))
