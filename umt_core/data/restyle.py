"""Tweets of one data set, split as another one has them (see ``tokenize``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import regex  # type: ignore[import-untyped]

from umt_core.data.agreement import rejoin
from umt_core.data.tokenize import STYLES, tokenize
from umt_core.schema import Example, Span

_OTHER = dict(zip(STYLES, reversed(STYLES), strict=True))
_MARKS = ("@", "#")
_LINK = regex.compile(r"(?:https?:|www\.|t\.co/|pic\.twitter\.com/)\S*", regex.IGNORECASE)


def restyle(example: Example, style: str) -> Example:
    """A tweet as a data set of this style has it, with its spans; the same object where it has it so.

    TWITTER-2015's ``#NBA`` is TWITTER-2017's ``# NBA``, of which the entity is ``NBA`` alone. TWITTER-2017 holds no
    URL, and a tweet may be left without words.

    Raises:
        KeyError: the style is none of ``STYLES``.
    """
    if not _is_of(_OTHER[style], example.tokens):
        return example
    text, places = rejoin(example.tokens, _OTHER[style])
    split = tokenize(text, style)
    kept = [
        (token, at) for token, at in zip(split.tokens, split.offsets, strict=True) if not _is_left_out(token, style)
    ]
    tokens, offsets = tuple(token for token, _ in kept), [at for _, at in kept]
    spans: list[Span] | None = None
    if example.spans is not None:
        spans = []
        for span in sorted(example.spans, key=lambda span: span.start):
            carried = _carried(span, (places.offsets[span.start][0], places.offsets[span.end - 1][1]), tokens, offsets)
            if carried and not any(carried.overlaps(other) for other in spans):
                spans.append(carried)
    return replace(
        example, tokens=tokens, spans=None if spans is None else tuple(spans), text=None, offsets=None, tags=None
    )


def _is_of(style: str, tokens: Sequence[str]) -> bool:
    """Whether a tweet bears a sign of a style that the other one does not have."""
    if style == "twitter2017":
        return any(token in _MARKS for token in tokens[:-1])
    return any(_LINK.match(token) or len(tokenize(token, "twitter2017").tokens) > 1 for token in tokens)


def _is_left_out(token: str, style: str) -> bool:
    return style == "twitter2017" and _LINK.match(token) is not None


def _carried(
    span: Span, place: tuple[int, int], tokens: Sequence[str], offsets: Sequence[tuple[int, int]]
) -> Span | None:
    """The span of the tokens that its characters are in, without a mark in front; ``None``: there are none."""
    inside = [i for i, (start, end) in enumerate(offsets) if start < place[1] and place[0] < end]
    while inside and tokens[inside[0]] in _MARKS:
        inside.pop(0)
    return Span(inside[0], inside[-1] + 1, span.label) if inside else None
