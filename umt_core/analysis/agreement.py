"""Where several readings of one tweet differ, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from umt_core.schema import Span


@dataclass(frozen=True, slots=True)
class Difference:
    """Tokens ``[start, end)`` that the readers do not read alike."""

    start: int
    end: int
    kind: str  # "type", "extent", "type and extent", or "found" where one of them found nothing
    readings: tuple[tuple[str, tuple[Span, ...]], ...]  # what each reader found there


def differences(readings: Mapping[str, Sequence[Span]]) -> tuple[Difference, ...]:
    """Stretches of overlapping spans on which the readers are not of one mind, from left to right.

    >>> found = differences({"BERT": [Span(0, 1, "PER")], "UMT": [Span(0, 1, "LOC")]})
    >>> found[0].kind, found[0].start, found[0].end
    ('type', 0, 1)
    """
    result = []
    for start, end in _stretches([span for spans in readings.values() for span in spans]):
        inside = {
            reader: tuple(sorted(span for span in spans if start <= span.start < end))
            for reader, spans in readings.items()
        }
        if len(set(inside.values())) > 1:
            result.append(Difference(start, end, _kind(list(inside.values())), tuple(inside.items())))
    return tuple(result)


def _stretches(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Token ranges of spans that overlap one another."""
    stretches: list[tuple[int, int]] = []
    for span in sorted(spans):
        if stretches and span.start < stretches[-1][1]:
            start, end = stretches[-1]
            stretches[-1] = (start, max(end, span.end))
        else:
            stretches.append((span.start, span.end))
    return stretches


def _kind(found: Sequence[tuple[Span, ...]]) -> str:
    if not all(found):
        return "found"
    one_extent = len({tuple((s.start, s.end) for s in spans) for spans in found}) == 1
    one_type = len({label for spans in found for label in {s.label for s in spans}}) == 1
    return "type" if one_extent else "extent" if one_type else "type and extent"


def difference_lines(tokens: Sequence[str], found: Sequence[Difference]) -> list[tuple[str, str]]:
    """For each difference the words it is about, and a sentence of who reads them how."""
    lines = []
    for difference in found:
        by_reading: dict[str, list[str]] = {}
        for reader, spans in difference.readings:
            what = ", ".join(_reading(span, difference, tokens) for span in spans) or "nothing"
            by_reading.setdefault(what, []).append(reader)
        sentence = "; ".join(f"{in_words(readers)}: {what}" for what, readers in by_reading.items())
        lines.append((" ".join(tokens[difference.start : difference.end]), sentence))
    return lines


def _reading(span: Span, difference: Difference, tokens: Sequence[str]) -> str:
    whole = (span.start, span.end) == (difference.start, difference.end)
    return span.label if whole else f"{span.label} “{span.text(tuple(tokens))}”"


def in_words(names: Sequence[str]) -> str:
    """
    >>> in_words(["A", "B", "C"])
    'A, B and C'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
