"""Visual bias of a run over a whole set: how often another tweet's picture changes the answer. Free of torch.

Every tweet that has a picture was read beside its own, beside none, and beside K of other tweets of the set, drawn by
a seed. A change says that the answer depends on which picture stands there, be it for better or worse; where nothing
changes, the tagger would have said the same of any of these pictures. Intervals draw whole tweets again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from umt_core.analysis.building import SPAN, TWEET
from umt_core.analysis.ledger import ledger
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import Interval, interval_of
from umt_core.errors import DataError
from umt_core.explain.kept import about_kept, kept_file, read_kept
from umt_core.labels import LABELS
from umt_core.schema import ScoredSpan, Span

KIND = "pictures"
OWN, NONE, FOREIGN = "own", "none", "foreign"
SCHEMA = pa.schema(
    [
        TWEET,
        ("kind", pa.string()),  # own, none or foreign; of each tweet the own comes first
        ("of", pa.int32()),  # the tweet whose picture it is; null: no picture
        ("spans", pa.list_(pa.struct([*SPAN, ("score", pa.float64())]))),
        ("probabilities", pa.list_(pa.float64())),  # of the spans that are found beside the own picture
    ]
)
RESAMPLES = 2_000
KEPT_DRAWS = 5_000  # tweets up to which the draws are kept, 80 MB; of more they are drawn anew for each figure
ALL = "all"
# What a foreign picture does to what the ledger says, by outcome: the words for a page.
FLIPS = {
    "fixed": "wrong again beside a foreign picture",
    "broken": "right after all beside a foreign picture",
    "both_right": "wrong beside a foreign picture",
    "both_wrong": "right beside a foreign picture",
    "spurious_added": "not found any more beside a foreign picture",
}


@dataclass(frozen=True, slots=True)
class Read:
    """What is said of a tweet beside one picture."""

    of: int | None  # the tweet whose picture it is
    spans: frozenset[Span]
    probabilities: tuple[float, ...]  # of the spans beside the tweet's own picture


@dataclass(frozen=True, slots=True)
class TweetBias:
    """One tweet beside its own picture, none, and those of others."""

    tweet: int
    own: tuple[ScoredSpan, ...]
    probabilities: tuple[float, ...]  # of those spans, beside the own picture
    none: Read
    foreign: tuple[Read, ...]

    @property
    def spans(self) -> frozenset[Span]:
        return frozenset(s.span for s in self.own)

    @property
    def changed(self) -> float:
        """The share of foreign pictures beside which the answer is another."""
        return sum(read.spans != self.spans for read in self.foreign) / len(self.foreign)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a foreign picture changes something, of ``count`` spans (or tweets) beside K pictures each."""

    group: str  # a type, an outcome, or ALL
    count: int
    foreign: Interval  # share of (span, foreign picture) pairs in which it changes
    none: Interval  # share that changes where there is no picture
    shift: Interval | None = None  # mean absolute change of the span's probability over foreign pictures


@dataclass(frozen=True, slots=True)
class PictureScores:
    """F1 over the labelled tweets that have a picture; intervals by drawing tweets."""

    tweets: int
    own: Interval
    none: Interval
    foreign: Interval  # mean of the K draws' F1
    own_less_foreign: Interval
    own_less_none: Interval


@dataclass(frozen=True, eq=False)
class Bias:
    """What was kept of a run, tweet by tweet."""

    tweets: tuple[TweetBias, ...]
    pictures: int  # K
    seed: int
    pool: int  # different pictures that were drawn from

    @cached_property
    def changes(self) -> Rate:
        """Of the tweets: how often their answer is another one."""
        rows = [(t.changed, t.none.spans != t.spans, 1) for t in self.tweets]
        return _rate(ALL, np.array(rows, float).reshape(-1, 3))

    def by_type(self) -> list[Rate]:
        """Of the spans found beside the own picture, by type: how often a span is not found any more."""
        return [self._of_type(label) for label in (ALL, *LABELS)]

    def _of_type(self, label: str) -> Rate:
        rows = []
        for t in self.tweets:
            places = [i for i, s in enumerate(t.own) if label in (ALL, s.span.label)]
            gone = [t.own[i].span not in read.spans for read in t.foreign for i in places]
            shifts = [abs(read.probabilities[i] - t.probabilities[i]) for read in t.foreign for i in places]
            without = sum(t.own[i].span not in t.none.spans for i in places)
            rows.append((sum(gone) / len(t.foreign), without, len(places), sum(shifts) / len(t.foreign)))
        return _rate(label, np.array(rows, float).reshape(-1, 4))

    def by_outcome(self, gold: Mapping[int, Collection[Span]], baseline: Mapping[int, Collection[Span]]) -> list[Rate]:
        """Of the ledger's spans against a baseline, by outcome: how often one is turned round, see ``FLIPS``.

        Args:
            gold: of the labelled tweets; the others are left out.
            baseline: what the baseline says of each, beside the tweet's own picture if it looks at any.
        """
        rows: dict[str, list[tuple[float, float, int]]] = {outcome: [] for outcome in FLIPS}
        for t in self.tweets:
            if t.tweet not in gold:
                continue
            of_tweet = {outcome: [0.0, 0.0, 0] for outcome in FLIPS}
            for entry in ledger(gold[t.tweet], baseline.get(t.tweet, ()), t.spans):
                if entry.outcome in of_tweet:
                    was = entry.span in t.spans
                    counts = of_tweet[entry.outcome]
                    counts[0] += sum((entry.span in read.spans) != was for read in t.foreign) / len(t.foreign)
                    counts[1] += (entry.span in t.none.spans) != was
                    counts[2] += 1
            for outcome, counts in of_tweet.items():
                rows[outcome].append((counts[0], counts[1], int(counts[2])))
        return [_rate(outcome, np.array(of, float).reshape(-1, 3)) for outcome, of in rows.items()]

    def scores(self, gold: Mapping[int, Collection[Span]]) -> PictureScores:
        """F1 beside the own picture, none, and foreign ones.

        Raises:
            DataError: none of the tweets is labelled.
        """
        rows = [_counts(t, set(gold[t.tweet])) for t in self.tweets if t.tweet in gold]
        if not rows:
            raise DataError("wanted at least one labelled tweet with a picture, got none")
        columns = np.array(rows, float)  # (tweets, 1 + 2 * (2 + K)): gold, then right and found beside each
        values, drawn = _f1(columns.sum(axis=0)[None]), _f1(_resampled(columns))
        named = {}
        for name, of in (("own", slice(0, 1)), ("none", slice(1, 2)), ("foreign", slice(2, None))):
            named[name] = values[0, of].mean(), drawn[:, of].mean(axis=1)
        less = {
            f"own_less_{name}": (named["own"][0] - named[name][0], named["own"][1] - named[name][1])
            for name in ("foreign", "none")
        }
        return PictureScores(
            len(rows), **{name: interval_of(float(value), of) for name, (value, of) in (named | less).items()}
        )


def read_bias(found: PredictionSet, run: str, kept: pa.Table | None = None) -> Bias | None:
    """What is kept of a run; ``None``: nobody has computed it (``keep_bias`` does).

    Args:
        kept: what ``read_kept`` gave, if it is at hand.

    Raises:
        DataError: the set has no such run, or what is kept is damaged.
    """
    table = read_kept(found, run, KIND) if kept is None else kept
    if table is None:
        return None
    try:
        about = about_kept(table)
        by_tweet: dict[int, list[dict[str, Any]]] = {}
        for row in table.to_pylist():
            by_tweet.setdefault(row["tweet"], []).append(row)
        tweets = tuple(_tweet(tweet, rows) for tweet, rows in by_tweet.items())
        return Bias(tweets, int(about["pictures"]), int(about["seed"]), int(about["pool"]))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{kept_file(found, run, KIND)}: wanted a run's {KIND}, got: {error}; remove it") from error


def _tweet(tweet: int, rows: Sequence[dict[str, Any]]) -> TweetBias:
    own, none, *foreign = rows
    if [row["kind"] for row in rows] != [OWN, NONE, *[FOREIGN] * len(foreign)] or not foreign:
        raise ValueError(f"tweet {tweet} without its own, no, and foreign pictures")
    scored = tuple(ScoredSpan(Span(s["start"], s["end"], s["label"]), s["score"]) for s in own["spans"])
    return TweetBias(tweet, scored, tuple(own["probabilities"]), _read(none), tuple(_read(row) for row in foreign))


def _read(row: dict[str, Any]) -> Read:
    spans = frozenset(Span(s["start"], s["end"], s["label"]) for s in row["spans"])
    return Read(row["of"], spans, tuple(row["probabilities"]))


def _counts(t: TweetBias, gold: set[Span]) -> list[int]:
    said = [t.spans, t.none.spans, *(read.spans for read in t.foreign)]
    return [len(gold), *(n for spans in said for n in (len(spans & gold), len(spans)))]


def _f1(totals: np.ndarray) -> np.ndarray:
    # totals: (n, 1 + 2 * pictures) -> (n, pictures)
    gold, right, found = totals[:, :1], totals[:, 1::2], totals[:, 2::2]
    return np.divide(2 * right, gold + found, out=np.zeros(right.shape), where=gold + found > 0)


def _rate(group: str, rows: np.ndarray) -> Rate:
    # rows: (tweets, 3 or 4): changed beside foreign pictures, without picture, of how many; shift of probability
    total = rows.sum(axis=0)
    count = int(total[2])
    if not count:
        nothing = Interval(0.0, 0.0, 0.0)
        return Rate(group, 0, nothing, nothing, nothing if rows.shape[1] > 3 else None)
    drawn = _resampled(rows)
    drawn = drawn[drawn[:, 2] > 0]  # a draw without any of them says nothing of them
    found = [interval_of(total[i] / count, drawn[:, i] / drawn[:, 2]) for i in (0, 1, 3) if i < rows.shape[1]]
    return Rate(group, count, *found)


def _resampled(columns: np.ndarray) -> np.ndarray:
    """Totals of tweets drawn again, as many as there are: (``RESAMPLES``, columns)."""
    tweets = len(columns)
    if tweets <= KEPT_DRAWS:
        totals: np.ndarray = _kept_draws(tweets) @ columns
        return totals
    return np.stack([row @ columns for row in _draws(tweets)])


def _draws(tweets: int) -> Iterator[np.ndarray]:
    """How often each tweet comes in each of ``RESAMPLES`` resamples, the same for all figures: (tweets,) at a time."""
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(tweets, size=tweets), minlength=tweets).astype(np.float64)


@lru_cache(maxsize=2)
def _kept_draws(tweets: int) -> np.ndarray:
    return np.stack(list(_draws(tweets)))  # (RESAMPLES, tweets)


def bias_json(
    bias: Bias, gold: Mapping[int, Collection[Span]], baseline: Mapping[int, Collection[Span]]
) -> dict[str, Any]:
    """All figures as JSON. Arguments as in ``Bias.by_outcome``."""
    return {
        "tweets": len(bias.tweets),
        "pictures": bias.pictures,
        "seed": bias.seed,
        "pool": bias.pool,
        "changes": asdict(bias.changes),
        "by_type": [asdict(rate) for rate in bias.by_type()],
        "by_outcome": [asdict(rate) | {"means": FLIPS[rate.group]} for rate in bias.by_outcome(gold, baseline)],
        "f1": asdict(bias.scores(gold)) if any(of.tweet in gold for of in bias.tweets) else None,
    }
