"""Whether a difference is more than chance: randomisation and bootstrap over tweets, McNemar, the least to be seen.

Tweets are the unit that is drawn, since the spans of one tweet are not independent. Figures
depend on a tweet only through its counts (correct, predicted, gold), and few different counts
occur. Drawing n tweets with replacement is the same as drawing how often each *pattern* of
counts comes (a multinomial), which makes ten thousand resamples of a million tweets as
quick as of a thousand. For the same reason *randomisation* (the two systems' answers change
places in half of the tweets, by chance) draws how many tweets of each pattern are swapped. It
makes no less of few tweets than it should, where the bootstrap's p takes four that differ for proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from umt_core.errors import DataError
from umt_core.schema import Span

RESAMPLES = 10_000
LEVEL = 0.95  # of intervals; a difference is significant at 1 - LEVEL, two-sided
POWER = 0.8  # how often a difference of the smallest size to be seen would be seen

Pattern = tuple[int, ...]  # correct and predicted spans of each system in turn, then gold spans


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, 0 to 1, and its bootstrap percentile interval at ``LEVEL``."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A system against a baseline on the same tweets. Figures and differences are F1, 0 to 1."""

    difference: Interval  # F1 of the system minus F1 of the baseline
    p_randomisation: float  # two-sided: how often as large a difference comes where the two are swapped by chance
    p_bootstrap: float  # two-sided: twice the smaller share of resamples on one side of 0; too small where few differ
    p_mcnemar: float  # exact, two-sided, of fixed against broken gold spans
    significant_from: float | None  # z(0.975) * se: a smaller difference cannot be told from chance here
    smallest_difference: float | None  # (z(0.975) + z(0.8)) * se: it would be found in 80 of 100 such test sets

    @property
    def significant(self) -> bool:
        return is_significant(self.p_randomisation)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_significant(p: float) -> bool:
    return p < 1 - LEVEL


class Counts:
    """Tweets by their pattern of counts: ``correct, predicted`` of each system in turn, then ``gold``."""

    def __init__(self, tweets: Mapping[Pattern, int]) -> None:
        if not tweets:
            raise DataError("wanted at least one labelled tweet to take figures of, got none")
        patterns = sorted(tweets)  # so that the same tweets give the same draws, in whatever order they came
        self.patterns = np.array(patterns, dtype=np.int64)  # (patterns, 2 * systems + 1)
        self.tweets = np.array([tweets[pattern] for pattern in patterns], dtype=np.int64)  # (patterns,)

    @classmethod
    def of(cls, gold: Sequence[Iterable[Span]], *systems: Sequence[Iterable[Span]]) -> Counts:
        """Of spans, tweet by tweet.

        >>> one = Span(0, 1, "PER")
        >>> Counts.of([[one], []], [[one], [one]]).patterns.tolist()
        [[0, 1, 0], [1, 1, 1]]
        """
        tweets: Counter[Pattern] = Counter()
        for theirs, *ours in zip(gold, *systems, strict=True):
            theirs = set(theirs)
            found = [set(spans) for spans in ours]
            tweets[(*(n for spans in found for n in (len(spans & theirs), len(spans))), len(theirs))] += 1
        return cls(tweets)

    @property
    def systems(self) -> int:
        return (self.patterns.shape[1] - 1) // 2

    @cached_property
    def totals(self) -> np.ndarray:
        return self.tweets @ self.patterns  # (2 * systems + 1,)

    def resampled(self, resamples: int, seed: int) -> np.ndarray:
        """The totals of each resample: (resamples, 2 * systems + 1)."""
        n = self.tweets.sum()
        draws = np.random.default_rng(seed).multinomial(n, self.tweets / n, size=resamples)
        totals: np.ndarray = draws @ self.patterns
        return totals

    def swapped(self, resamples: int, seed: int) -> np.ndarray:
        """The totals where in half of all tweets, taken by chance, the first two systems have each other's answers.

        Shape: (resamples, 2 * systems + 1).
        """
        change = np.zeros_like(self.patterns)
        change[:, :2] = self.patterns[:, 2:4] - self.patterns[:, :2]
        change[:, 2:4] = -change[:, :2]
        matters = change.any(axis=1)
        tweets = self.tweets[matters]
        swaps = np.random.default_rng(seed).binomial(tweets, 0.5, size=(resamples, len(tweets)))
        totals: np.ndarray = self.totals + swaps @ change[matters]
        return totals


def _ratio(above: np.ndarray, below: np.ndarray, nothing: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), nothing), where=below > 0)


def _figures(totals: np.ndarray, system: int, nothing: float = 0.0) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of one system. ``totals``: (..., 2 * systems + 1); ``nothing``: what 0 / 0 is."""
    correct, predicted, gold = totals[..., 2 * system], totals[..., 2 * system + 1], totals[..., -1]
    return {
        "precision": _ratio(correct, predicted, nothing),
        "recall": _ratio(correct, gold, nothing),
        "f1": _ratio(2 * correct, predicted + gold, nothing),
    }


def interval_of(value: float, resampled: np.ndarray) -> Interval:
    """A figure, with the percentile interval of what it is when tweets are drawn again.

    Draws that have no such figure (NaN) are left out; if none has one, the interval is the value.
    """
    known = resampled[~np.isnan(resampled)]
    low, high = np.quantile(known if len(known) else [value], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(value), float(low), float(high))


def intervals(counts: Counts, *, system: int = 0, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Precision, recall and F1 of a system, each with its interval; what is 0 of 0 counts as 0."""
    observed = _figures(counts.totals, system)
    drawn = _figures(counts.resampled(resamples, seed), system, np.nan)
    return {name: interval_of(float(observed[name]), drawn[name]) for name in observed}


def paired_test(counts: Counts, *, resamples: int = RESAMPLES, seed: int = 0, fixed: int, broken: int) -> PairedTest:
    """The second system of the counts against the first.

    Args:
        fixed, broken: of the ledger; what McNemar's test compares.
    """
    from scipy.stats import norm

    observed, swapped = map(_difference, (counts.totals, counts.swapped(resamples, seed)))
    drawn = _difference(counts.resampled(resamples, seed), np.nan)
    error = standard_error(counts) or None  # 0: all tweets differ alike, or none does, and nothing is known of chance
    return PairedTest(
        difference=interval_of(float(observed), drawn),
        p_randomisation=_as_large(swapped, float(observed)),
        p_bootstrap=_two_sided(drawn[~np.isnan(drawn)]),
        p_mcnemar=mcnemar(fixed, broken),
        significant_from=error and float(norm.ppf((1 + LEVEL) / 2) * error),
        smallest_difference=error and float((norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER)) * error),
    )


def _difference(totals: np.ndarray, nothing: float = 0.0) -> np.ndarray:
    """F1 of the second system less that of the first; arguments as ``_figures``."""
    difference: np.ndarray = _figures(totals, 1, nothing)["f1"] - _figures(totals, 0, nothing)["f1"]
    return difference


def _as_large(differences: np.ndarray, observed: float) -> float:
    # What was observed is one of the swaps that might have been, so that p is never 0.
    return float((np.count_nonzero(np.abs(differences) >= abs(observed) - 1e-12) + 1) / (len(differences) + 1))


def _two_sided(differences: np.ndarray) -> float:
    # One more on each side: a finite number of resamples never shows a probability of 0.
    sides = [(np.count_nonzero(side) + 1) / (len(differences) + 1) for side in (differences <= 0, differences >= 0)]
    return float(min(1.0, 2 * min(sides)))


def mcnemar(fixed: int, broken: int) -> float:
    """Exact two-sided p that as many are fixed as broken; it takes spans for independent.

    >>> mcnemar(0, 0), round(mcnemar(8, 1), 4)
    (1.0, 0.0391)
    """
    from scipy.stats import binomtest  # takes most of a second, and pages that only count do without

    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0


def standard_error(counts: Counts) -> float:
    """Of the difference in F1 between the second system and the first, from the tweets' paired variance.

    To first order a tweet with t correct, p predicted and g gold spans moves F = 2T / (P + G) by
    i = (2 t - F (p + g)) / mean(p + g) / n. Hence se = sd(i of the system - i of the baseline) / sqrt(n),
    where i is taken without its 1/n.
    """
    n = counts.tweets.sum()
    difference = _influence(counts, 1) - _influence(counts, 0)  # (patterns,)
    mean = counts.tweets @ difference / n
    variance = counts.tweets @ (difference - mean) ** 2 / n
    return float(np.sqrt(variance / n))


def _influence(counts: Counts, system: int) -> np.ndarray:
    correct, size = counts.patterns[:, 2 * system], counts.patterns[:, 2 * system + 1] + counts.patterns[:, -1]
    f1 = float(_figures(counts.totals, system)["f1"])
    mean_size = max(float(counts.tweets @ size) / counts.tweets.sum(), 1e-12)
    influence: np.ndarray = (2 * correct - f1 * size) / mean_size
    return influence
