"""Does it pay to look at a picture that fits? Fixed and broken by relevance, and a router between two systems.

The router takes the system's answer where a tweet's relevance (see ``relevance``) is at least a threshold, and the
baseline's below it. The threshold is chosen on the dev split, the figures are of the test split. The oracle router,
which knows the gold labels, says how much any router could win. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from umt_core.analysis.ledger import OUTCOMES
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import RESAMPLES, Counts, Interval, PairedTest, intervals, paired_test
from umt_core.errors import DataError
from umt_core.explain.faithfulness import scaled_ranks
from umt_core.explain.kept import about_kept, read_kept

KIND = "relevance"  # of ``kept``: tweet, relevance (null: no picture)
ALL_SYSTEM, ALL_BASELINE = -1.0, 2.0  # thresholds that no relevance, which is from 0 to 1, decides anything by
NO_PICTURE = ALL_SYSTEM  # stands for the relevance of a picture that is not there: it is below every other
PARTS = 5  # quantiles
SHUFFLES = 1_000


@dataclass(frozen=True, eq=False)
class Pair:
    """Two systems on the labelled tweets of a split."""

    baseline: str  # names of runs
    system: str
    tweets: np.ndarray  # (n,) their numbers in the set
    relevance: np.ndarray  # (n,) 0 to 1, or NO_PICTURE
    counts: np.ndarray  # (n, 5) correct and predicted spans of the baseline, of the system, then gold spans
    outcomes: np.ndarray  # (n, len(OUTCOMES)) lines of the ledger
    made_by: tuple[str, ...] = ()  # sums of the weights of both runs and of what relevance was computed with

    def f1(self, system: np.ndarray) -> float:
        """Of the answers of the system where true, (n,), and of the baseline elsewhere."""
        return float(_f1(*self.totals(system)))

    def totals(self, system: np.ndarray) -> tuple[int, int, int]:
        """Correct, predicted and gold spans of these answers."""
        correct, predicted = (int(np.where(system, self.counts[:, 2 + i], self.counts[:, i]).sum()) for i in (0, 1))
        return correct, predicted, int(self.counts[:, 4].sum())

    def only(self, kept: np.ndarray) -> Pair:
        """The tweets where true, (n,)."""
        names = ("tweets", "relevance", "counts", "outcomes")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def lines(self, outcome: str, where: np.ndarray) -> int:
        """Lines of the ledger of an outcome, in the tweets where true, (n,)."""
        return int(self.outcomes[where, OUTCOMES.index(outcome)].sum())

    @property
    def has_picture(self) -> np.ndarray:
        return self.relevance > NO_PICTURE


def _f1(correct: Any, predicted: Any, gold: Any) -> Any:
    return 2 * correct / np.maximum(predicted + gold, 1)


def read_relevance(found: PredictionSet) -> pa.Table | None:
    """A set's relevance; ``None``: nobody has computed it yet."""
    return read_kept(found, None, KIND)


def read_pair(found: PredictionSet, baseline: str, system: str) -> Pair:
    """Two runs of a set, whose relevance has been computed.

    Raises:
        DataError: the set has no such run, no relevance, or no labelled tweet.
    """
    kept = read_relevance(found)
    if kept is None:
        raise DataError(f"{found.name}: wanted the relevance of its pictures, it was not computed: sets relevance")
    sides = [
        f"""LEFT JOIN (SELECT tweet, count(*) FILTER (start IS NOT NULL AND error IS NULL) AS correct,
            count(start) AS predicted FROM {found.table("matches", run)} GROUP BY tweet) {name} USING (tweet)"""
        for name, run in (("b", baseline), ("s", system))
    ]
    columns = [f"coalesce({side}.{count}, 0)" for side in "bs" for count in ("correct", "predicted")]
    rows = found.query(
        f"""SELECT tweet, [{", ".join(columns)}, entities] AS counts FROM {found.table("tweets")} {" ".join(sides)}
        WHERE entities IS NOT NULL ORDER BY tweet"""
    )
    if not rows:
        raise DataError(f"{found.name}: wanted labelled tweets, it has none")
    tweets = np.array([row["tweet"] for row in rows])
    place = {tweet: i for i, tweet in enumerate(tweets.tolist())}
    outcomes = np.zeros((len(rows), len(OUTCOMES)), np.int64)
    sql = f"SELECT tweet, outcome, count(*) AS n FROM {found.pair(baseline, system)} GROUP BY ALL"
    for row in found.query(sql):
        if row["tweet"] in place:
            outcomes[place[row["tweet"]], OUTCOMES.index(row["outcome"])] = row["n"]
    scores = np.full(found.info.tweets, np.nan)
    scores[kept["tweet"].to_numpy()] = kept["relevance"].to_numpy(zero_copy_only=False)
    relevance = np.where(np.isnan(scores), NO_PICTURE, scores)[tweets]
    made_by = *(found.run(run).weights_sha256 for run in (baseline, system)), about_kept(kept).get("model", "")
    return Pair(baseline, system, tweets, relevance, np.array([row["counts"] for row in rows]), outcomes, made_by)


# --- the router ----------------------------------------------------------------------------------


def choose_threshold(pair: Pair) -> float:
    """The threshold with the best F1; of several the lowest, which sends fewest tweets to the baseline."""
    order = np.argsort(pair.relevance, kind="stable")
    relevance, counts = pair.relevance[order], pair.counts[order]
    # The first k tweets are the baseline's, the others the system's.
    below = np.concatenate([np.zeros((1, 2), np.int64), counts[:, :2].cumsum(axis=0)])
    above = np.concatenate([counts[::-1, 2:4].cumsum(axis=0)[::-1], np.zeros((1, 2), np.int64)])
    correct, predicted = (below + above).T
    f1 = _f1(correct, predicted, counts[:, 4].sum())  # (n + 1,)
    thresholds = np.append(relevance, ALL_BASELINE)
    thresholds[0] = ALL_SYSTEM
    # Tweets of the same relevance go the same way.
    first = np.concatenate([[True], np.diff(relevance) > 0, [True]])
    best = np.flatnonzero(first)[f1[first].argmax()]
    return float(thresholds[best])


def oracle(pair: Pair) -> np.ndarray:
    """Where an oracle takes the system's answer, (n,), so that F1 is the highest that any choice by tweet can give.

    F1 = 2 T / (P + G) is above f exactly where the sum of 2 t - f p over the tweets is above f G: for a given f each
    tweet can be decided by itself. Starting from the system's f, its F1 rises until it stays (Dinkelbach).
    """
    chosen, f1 = np.ones(len(pair.tweets), bool), -1.0
    while (higher := pair.f1(chosen)) > f1:
        f1 = higher
        gain = 2 * (pair.counts[:, 2] - pair.counts[:, 0]) - f1 * (pair.counts[:, 3] - pair.counts[:, 1])
        chosen = gain > 0
    return chosen


@dataclass(frozen=True, slots=True)
class Routed:
    """What a router whose threshold was chosen on dev does on test. Figures are F1, 0 to 1."""

    baseline: str
    system: str
    threshold: float  # ALL_SYSTEM and ALL_BASELINE: no relevance decides anything
    dev: Mapping[str, float]  # F1 of "baseline", "system", "router", "oracle"
    test: Mapping[str, Interval]  # the same
    to_system: Mapping[str, float]  # share of the tweets of "dev" and "test" that the router gives to the system
    oracle_to_system: float  # share of test tweets on which the oracle prefers the system; ties are the baseline's
    against_system: PairedTest  # router minus system, on test
    against_baseline: PairedTest
    shuffled: Interval  # test F1 of routers that are chosen by relevance of other tweets: mean, and 95 of 100
    p_shuffled: float  # how often such a router is as good as this one
    tweets: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def route(dev: Pair, test: Pair, *, resamples: int = RESAMPLES, shuffles: int = SHUFFLES, seed: int = 0) -> Routed:
    """Chooses a threshold on dev and takes the figures of test.

    Raises:
        DataError: the splits are of different runs, of other weights of one name, or of other relevance.
    """
    if (dev.baseline, dev.system) != (test.baseline, test.system):
        runs = ", ".join((dev.baseline, dev.system, test.baseline, test.system))
        raise DataError(f"wanted dev and test of the same two runs, got {runs}")
    if dev.made_by != test.made_by:
        sums = zip((dev.baseline, dev.system, "relevance"), dev.made_by, test.made_by, strict=False)
        other = ", ".join(name for name, one, another in sums if one != another)
        raise DataError(f"wanted dev and test by the same weights, got others for {other}: compute one of them again")
    threshold = choose_threshold(dev)
    answers = {split: _choices(pair, threshold) for split, pair in (("dev", dev), ("test", test))}
    to_system = answers["test"]["router"]
    chance = _shuffled(dev, test, shuffles, seed)
    counts = _counts(test, answers["test"])
    figures = [intervals(counts, system=i, resamples=resamples, seed=seed)["f1"] for i in range(counts.systems)]

    def against(other: str, fixed: int, broken: int) -> PairedTest:
        both = {name: answers["test"][name] for name in (other, "router")}
        return paired_test(_counts(test, both), fixed=fixed, broken=broken, resamples=resamples, seed=seed)

    low, high = np.quantile(chance, (0.025, 0.975))
    return Routed(
        baseline=test.baseline,
        system=test.system,
        threshold=threshold,
        dev={name: dev.f1(chosen) for name, chosen in answers["dev"].items()},
        test=dict(zip(answers["test"], figures, strict=True)),
        to_system={split: float(choices["router"].mean()) for split, choices in answers.items()},
        oracle_to_system=float(answers["test"]["oracle"].mean()),
        # Where the router answers as the baseline, it breaks what the system fixed, and the other way round.
        against_system=against("system", test.lines("broken", ~to_system), test.lines("fixed", ~to_system)),
        against_baseline=against("baseline", test.lines("fixed", to_system), test.lines("broken", to_system)),
        shuffled=Interval(float(chance.mean()), float(low), float(high)),
        p_shuffled=float((np.count_nonzero(chance >= test.f1(to_system)) + 1) / (len(chance) + 1)),
        tweets={"dev": len(dev.tweets), "test": len(test.tweets)},
    )


def _choices(pair: Pair, threshold: float) -> dict[str, np.ndarray]:
    """Where each of the four answers as the system does."""
    return {
        "baseline": np.zeros(len(pair.tweets), bool),
        "system": np.ones(len(pair.tweets), bool),
        "router": pair.relevance >= threshold,
        "oracle": oracle(pair),
    }


def _counts(pair: Pair, choices: Mapping[str, np.ndarray]) -> Counts:
    columns = [
        np.where(chosen, pair.counts[:, 2 + i], pair.counts[:, i]) for chosen in choices.values() for i in (0, 1)
    ]
    rows = np.stack([*columns, pair.counts[:, 4]], axis=1)
    patterns, tweets = np.unique(rows, axis=0, return_counts=True)
    return Counts({tuple(pattern): n for pattern, n in zip(patterns.tolist(), tweets.tolist(), strict=True)})


def _shuffled(dev: Pair, test: Pair, shuffles: int, seed: int) -> np.ndarray:
    """Test F1 of routers that go by the relevance of other tweets of their split, (shuffles,)."""
    rng = np.random.default_rng(seed)

    def other(pair: Pair) -> Pair:
        relevance = pair.relevance.copy()
        relevance[pair.has_picture] = rng.permutation(relevance[pair.has_picture])
        return replace(pair, relevance=relevance)

    found = np.empty(shuffles)
    for i in range(shuffles):
        threshold, shuffled = choose_threshold(other(dev)), other(test)
        found[i] = test.f1(shuffled.relevance >= threshold)
    return found


# --- fixed and broken by relevance ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Tweets of like relevance. Figures are F1, 0 to 1."""

    low: float | None  # relevance, both ends included; None: tweets without a picture
    high: float | None
    tweets: int
    outcomes: Mapping[str, int]  # lines of the ledger
    baseline: float
    system: float
    test: PairedTest

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def by_relevance(pair: Pair, parts: int = PARTS, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Part]:
    """The tweets without a picture, where there are any, and quantiles of the others from the least relevant on.

    Tweets of the same relevance are in one part.
    """
    relevance = pair.relevance[pair.has_picture]
    edges = np.quantile(relevance, np.linspace(0, 1, parts + 1)[1:-1]) if len(relevance) else []
    place = np.where(pair.has_picture, np.searchsorted(edges, pair.relevance, side="right"), -1)
    return [_part(pair.only(place == i), resamples, seed) for i in range(-1, parts) if (place == i).any()]


def _part(pair: Pair, resamples: int, seed: int) -> Part:
    outcomes = dict(zip(OUTCOMES, pair.outcomes.sum(axis=0).tolist(), strict=True))
    everywhere = np.ones(len(pair.tweets), bool)
    shown = bool(pair.has_picture.all())
    sides = {"baseline": ~everywhere, "system": everywhere}
    return Part(
        low=float(pair.relevance.min()) if shown else None,
        high=float(pair.relevance.max()) if shown else None,
        tweets=len(pair.tweets),
        outcomes=outcomes,
        baseline=pair.f1(~everywhere),
        system=pair.f1(everywhere),
        test=paired_test(
            _counts(pair, sides), fixed=outcomes["fixed"], broken=outcomes["broken"], resamples=resamples, seed=seed
        ),
    )


@dataclass(frozen=True, slots=True)
class Trend:
    """Whether a system gains more where the picture fits: over tweets with a picture and a gold span."""

    correlation: float  # Spearman's, of relevance with fixed less broken spans; 0 where one of them never differs
    p: float  # two-sided, of as strong a one when relevance is shuffled
    tweets: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def trend(pair: Pair, *, shuffles: int = RESAMPLES, seed: int = 0) -> Trend:
    chosen = pair.only(pair.has_picture & (pair.counts[:, 4] > 0))
    gain = chosen.counts[:, 2] - chosen.counts[:, 0]  # always as many as fixed less broken
    ranks = [scaled_ranks(values) for values in (chosen.relevance, gain)]
    observed = float(ranks[0] @ ranks[1])
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.permutation(ranks[0]) @ ranks[1] for _ in range(shuffles)])
    as_strong = np.count_nonzero(np.abs(drawn) >= abs(observed) - 1e-12)
    return Trend(observed, float((as_strong + 1) / (shuffles + 1)), len(gain))
