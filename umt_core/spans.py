"""Between tags, spans and characters.

Spans are half-open ranges of tokens; character offsets count code points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from umt_core.errors import DataError
from umt_core.schema import Span


def tags_to_spans(tags: Sequence[str], *, strict: bool = False) -> tuple[Span, ...]:
    """Spans that a tag sequence stands for, from left to right.

    An ``I-`` that continues nothing opens a span, as in conlleval, seqeval's default and
    the paper's scorer. With ``strict`` such a tag, and those that go on from it, are
    no span at all (seqeval's strict IOB2).

    >>> tags_to_spans(["I-PER", "I-PER", "O", "B-LOC", "I-ORG"])
    (Span(start=0, end=2, label='PER'), Span(start=3, end=4, label='LOC'), Span(start=4, end=5, label='ORG'))
    >>> tags_to_spans(["I-PER", "I-PER", "O", "B-LOC", "I-ORG"], strict=True)
    (Span(start=3, end=4, label='LOC'),)
    """
    spans: list[Span] = []
    start: int | None = None
    label = ""
    before = "O"
    for i, tag in enumerate((*tags, "O")):
        prefix, _, kind = tag.partition("-")
        continues = prefix == "I" and before != "O" and before[2:] == kind
        if not continues:
            if start is not None:
                spans.append(Span(start, i, label))
                start = None
            if prefix == "B" or (prefix == "I" and not strict):
                start, label = i, kind
        before = tag
    return tuple(spans)


def spans_to_tags(spans: Iterable[Span], length: int) -> list[str]:
    """BIO2 tags of ``length`` tokens.

    Raises:
        DataError: a span lies outside the tokens or overlaps another.
    """
    tags = ["O"] * length
    for span in spans:
        if not 0 <= span.start < span.end <= length:
            raise DataError(f"span {span.start}:{span.end} {span.label} lies outside the tweet's {length} tokens")
        if any(tag != "O" for tag in tags[span.start : span.end]):
            raise DataError(f"span {span.start}:{span.end} {span.label} overlaps another span")
        tags[span.start] = f"B-{span.label}"
        tags[span.start + 1 : span.end] = [f"I-{span.label}"] * (span.end - span.start - 1)
    return tags


def span_characters(span: Span, offsets: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """First and one-past-last character (code points) of a span, given each token's."""
    return offsets[span.start][0], offsets[span.end - 1][1]
