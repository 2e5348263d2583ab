"""The tweet with one track a tagger, word by word under each other. One click chooses a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app import markup, state, tables
from app.panels.component import component
from umt_core.analysis.agreement import Difference
from umt_core.schema import ScoredSpan, Span

TAIL = 20  # words drawn of what the taggers did not read: enough to see where they stopped
_TRACKS = component("tracks")
_KINDS = {"type": "type", "extent": "extent", "type and extent": "both", "found": "found"}


def show(
    doc: str,
    tokens: Sequence[str],
    found: Mapping[str, Sequence[ScoredSpan | Span]],
    *,
    gold: Sequence[Span] | None,
    esd: Sequence[tuple[str, float]],
    differences: Sequence[Difference],
    read: int,
    chosen: int,
    shares: Sequence[float] | None,
    esd_of: str = "",
    shares_of: str = "",
    key: state.Key = state.Key.TRACKS,
    word: state.Key = state.Key.WORD,
) -> None:
    """Draws the tracks.

    ``found`` goes from a system's title to its spans, with their probabilities where these are known, ``read`` counts
    the words that the taggers read, ``esd`` is what the span detector of the system ``esd_of`` says, ``shares`` how
    much each word has of a chosen block, by the map that ``shares_of`` names.

    The chosen word arrives in ``state``, at ``word``, before the next run.
    """
    words = tokens[: read + TAIL]
    hidden = len(tokens) - len(words)
    tracks = [
        {
            "title": title,
            "gold": False,
            "spans": [drawn for drawn in map(_found, spans) if drawn["end"] <= len(words)],
        }
        for title, spans in found.items()
    ]
    if gold is not None:
        spans = [_span(span, None) for span in gold if span.end <= len(words)]
        tracks.insert(0, {"title": tables.GOLD, "gold": True, "spans": spans})
    _TRACKS(
        key=key,
        data={
            "doc": doc,
            "words": [markup.visible(word) for word in words],
            "rightToLeft": markup.right_to_left(words),
            "tracks": tracks,
            "esd": [(tag, f"{p:.2f}") for tag, p in esd[: len(words)]],
            "esdTitle": f"ESD ({esd_of})",
            "differences": [_difference(d) for d in differences if d.end <= len(words)],
            "sentences": tables.difference_lines([markup.visible(t) for t in tokens], differences),
            "chosen": chosen,
            "sharesTitle": shares_of,
            "shares": None if shares is None else [round(float(s), 5) for s in shares],
            "colours": dict(markup.TYPE_COLOURS),
            "more": f"… and {hidden:,} more words, not drawn: no tagger reads them" if hidden else "",
        },
        on_word_change=lambda: state.take_choice(key, "word", word, doc),
    )


def _found(found: ScoredSpan | Span) -> dict[str, Any]:
    return _span(found, None) if isinstance(found, Span) else _span(found.span, f"{found.score:.2f}")


def _span(span: Span, probability: str | None) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "p": probability}


def _difference(found: Difference) -> dict[str, object]:
    return {"start": found.start, "end": found.end, "kind": _KINDS[found.kind]}
