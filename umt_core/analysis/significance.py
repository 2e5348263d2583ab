"""Whether a difference is more than chance: bootstrap over tweets, exact McNemar, the smallest difference to be seen.

Tweets are the unit that is drawn, since the spans of one tweet are not independent. Figures
depend on a tweet only through its counts (correct, predicted, gold), and few different counts
occur. Drawing n tweets with replacement is the same as drawing how often each *pattern* of
counts comes (a multinomial), which makes ten thousand resamples of a million tweets as
quick as of a thousand.
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
    p_bootstrap: float  # two-sided: twice the smaller share of resamples on one side of 0
    p_mcnemar: float  # exact, two-sided, of fixed against broken gold spans
    significant_from: float  # z(0.975) * se: a smaller difference cannot be told from chance here
    smallest_difference: float  # (z(0.975) + z(0.8)) * se: this large, it would be found in 80 of 100 such test sets

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Counts:
    """Tweets by their pattern of counts: ``correct, predicted`` of each system in turn, then ``gold``."""

    def __init__(self, tweets: Mapping[Pattern, int]) -> None:
        if not tweets:
            raise DataError("wanted at least one labelled tweet to take figures of, got none")
        self.patterns = np.array(list(tweets), dtype=np.int64)  # (patterns, 2 * systems + 1)
        self.tweets = np.array(list(tweets.values()), dtype=np.int64)  # (patterns,)

    @classmethod
    def of(cls, gold: Sequence[Iterable[Span]], *systems: Sequence[Iterable[Span]]) -> Counts:
        """Of spans, tweet by tweet.

        >>> one = Span(0, 1, "PER")
        >>> Counts.of([[one], []], [[one], [one]]).patterns.tolist()
        [[1, 1, 1], [0, 1, 0]]
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


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)


def _figures(totals: np.ndarray, system: int) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of one system. ``totals``: (..., 2 * systems + 1)."""
    correct, predicted, gold = totals[..., 2 * system], totals[..., 2 * system + 1], totals[..., -1]
    return {
        "precision": _ratio(correct, predicted),
        "recall": _ratio(correct, gold),
        "f1": _ratio(2 * correct, predicted + gold),
    }


def interval_of(value: float, resampled: np.ndarray) -> Interval:
    """A figure, with the percentile interval of what it is when tweets are drawn again."""
    low, high = np.quantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(value), float(low), float(high))


def intervals(counts: Counts, *, system: int = 0, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Precision, recall and F1 of a system, each with its interval."""
    observed = _figures(counts.totals, system)
    drawn = _figures(counts.resampled(resamples, seed), system)
    return {name: interval_of(float(observed[name]), drawn[name]) for name in observed}


def paired_test(counts: Counts, *, resamples: int = RESAMPLES, seed: int = 0, fixed: int, broken: int) -> PairedTest:
    """The second system of the counts against the first.

    Args:
        fixed, broken: of the ledger; what McNemar's test compares.
    """
    from scipy.stats import norm

    baseline, system = (float(_figures(counts.totals, s)["f1"]) for s in (0, 1))
    drawn = counts.resampled(resamples, seed)
    differences = _figures(drawn, 1)["f1"] - _figures(drawn, 0)["f1"]
    error = standard_error(counts)
    return PairedTest(
        difference=interval_of(system - baseline, differences),
        p_bootstrap=_two_sided(differences),
        p_mcnemar=mcnemar(fixed, broken),
        significant_from=float(norm.ppf((1 + LEVEL) / 2) * error),
        smallest_difference=float((norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER)) * error),
    )


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
