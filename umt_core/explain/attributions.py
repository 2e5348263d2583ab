"""Which words and blocks an entity's score rests on. Free of torch: ``span_score`` computes, with Captum.

The score of a span is the *log-odds* log P - log(1 - P) of the probability that is shown for it: the CRF's marginal
that exactly these words are one entity of this type. In nats; 0 stands for P = 0.5. A probability near 1 hardly moves
whatever is taken away, its log-odds do.

The *baseline* is the tweet with [PAD] in the place of every subword and without a word shape ([CLS], [SEP] and the
positions stay), beside no picture (49 blocks of zeros). A tagger that reads words by their characters too goes on
reading them as they are written: words are given what their embeddings and shapes add, not what their spelling does.
What a tagger says of the baseline is an answer like any other: an attribution is told against it, and another baseline
gives another attribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from umt_core.errors import ConfigError
from umt_core.schema import Span

METHODS = {
    "integrated_gradients": "Integrated gradients",
    "occlusion": "Leaving out one at a time",
}
SPELLING = (
    "This tagger also reads each word by its characters, the same ones in the empty tweet: a word is given what its "
    "embedding and shape add, not what its spelling does. The score without any spelling stands with those without "
    "one of its sources."
)
STEPS = 50  # points of the path at which gradients are taken
PIECE = 10  # of them that are taken at a time: between two pieces a reader may stop
DOUBTFUL = 0.05  # share of the difference in score from which on a convergence delta is worth a warning


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What each word and each block of a tweet adds to a span's score, in nats; negative: it speaks against it."""

    method: str  # of METHODS
    checkpoint: str
    system: str
    span: Span
    score: float  # log-odds of the span in the tweet as it is
    baseline: float  # in the baseline
    words: np.ndarray  # (words that were read,), each the sum of its subwords
    blocks: np.ndarray | None  # (49,); None: the system reads text only, or the tweet has no picture
    steps: int  # of integrated gradients
    spelling_stays: bool = False  # the tagger reads characters, and reads the same ones in the baseline

    @property
    def difference(self) -> float:
        """What integrated gradients divide among words and blocks."""
        return self.score - self.baseline

    @property
    def total(self) -> float:
        return float(self.words.sum() + (0.0 if self.blocks is None else self.blocks.sum()))

    @property
    def delta(self) -> float | None:
        """By how much the parts miss the difference: the rule's error. ``None``: parts left out need not add up."""
        return self.total - self.difference if self.method == "integrated_gradients" else None

    @property
    def doubtful(self) -> bool:
        return self.delta is not None and abs(self.delta) > DOUBTFUL * max(abs(self.difference), 1e-6)


@dataclass(frozen=True, slots=True)
class Ablation:
    """A span's score without one of the tagger's sources."""

    feature: str
    meaning: str  # what was done
    score: float  # log-odds without it

    def drop(self, score: float) -> float:
        """How much of the score goes with it."""
        return score - self.score


def pieces(method: str, steps: int = STEPS) -> int:
    """In how many pieces an attribution is computed; between two of them one may stop.

    Raises:
        ConfigError: there is no such method, or fewer than one step.
    """
    if method not in METHODS:
        raise ConfigError(f"wanted a method of {list(METHODS)}, got {method!r}")
    if steps < 1:
        raise ConfigError(f"steps: wanted 1 or more, got {steps}")
    return max(1, round(steps / PIECE)) if method == "integrated_gradients" else 2


def add(one: Attribution, other: Attribution) -> Attribution:
    """Two pieces of one attribution together."""
    blocks = None if one.blocks is None or other.blocks is None else one.blocks + other.blocks
    return replace(one, words=one.words + other.words, blocks=blocks)


def to_log_odds(probabilities: Sequence[float] | np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, as a score is made of its own; of 0 and 1 what float64 next to them has.

    >>> float(to_log_odds([0.5])[0])
    0.0
    """
    sure = float(np.finfo(np.float64).eps)
    p = np.clip(np.asarray(probabilities, np.float64), sure, 1 - sure)
    odds: np.ndarray = np.log(p) - np.log1p(-p)
    return odds


def attribution_json(found: Attribution, tokens: Sequence[str]) -> dict[str, Any]:
    """The values as JSON, each word with its text."""
    span = {"start": found.span.start, "end": found.span.end, "label": found.span.label}
    return {
        "method": found.method,
        "checkpoint": found.checkpoint,
        "system": found.system,
        "span": span | {"text": found.span.text(tuple(tokens))},
        "score": found.score,
        "baseline_score": found.baseline,
        "steps": found.steps,
        "spelling_stays": found.spelling_stays,
        "delta": found.delta,
        "words": [[token, round(float(v), 6)] for token, v in zip(tokens, found.words, strict=False)],
        "blocks": None if found.blocks is None else [round(float(v), 6) for v in found.blocks],
    }
