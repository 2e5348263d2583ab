"""Precision, recall and F1 over strict matches: the same span and the same type (paper, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from umt_core.labels import LABELS
from umt_core.schema import Span


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of spans, and the figures that follow from them, 0 to 1."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """2 P R / (P + R); 0 where nothing is right."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.gold}


@dataclass(frozen=True, slots=True)
class Scores:
    """The score over all types, and of each."""

    overall: Score
    by_type: dict[str, Score]
    tweets: int

    def to_dict(self) -> dict[str, Any]:
        """The fields that ``evaluate --json`` writes."""
        figures = self.overall.to_dict()
        return {
            "precision": figures["precision"],
            "recall": figures["recall"],
            "f1": figures["f1"],
            "by_type": {label: score.to_dict() for label, score in self.by_type.items()},
            "tweets": self.tweets,
            "spans": self.overall.gold,
        }


def score_spans(
    gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]], labels: Sequence[str] = LABELS
) -> Scores:
    """Scores of predicted spans, tweet by tweet.

    >>> score_spans([[Span(0, 1, "PER")]], [[Span(0, 1, "PER"), Span(2, 3, "LOC")]]).overall.precision
    0.5
    """
    counts = {label: [0, 0, 0] for label in labels}
    for ours, theirs in zip(predicted, gold, strict=True):
        ours, theirs = set(ours), set(theirs)
        for place, spans in enumerate((ours & theirs, ours, theirs)):
            for span in spans:
                counts.setdefault(span.label, [0, 0, 0])[place] += 1
    by_type = {label: Score(*row) for label, row in counts.items()}
    overall = Score(*(sum(row[i] for row in counts.values()) for i in range(3)))
    return Scores(overall, by_type, len(gold))
