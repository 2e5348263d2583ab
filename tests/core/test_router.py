"""The router and its oracle against every other choice; fixed and broken by relevance against the ledger."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, make
from umt_core.analysis.ledger import OUTCOMES, ledger
from umt_core.analysis.metrics import score_spans
from umt_core.errors import DataError
from umt_core.explain.kept import write_kept
from umt_core.explain.router import (
    ALL_BASELINE,
    ALL_SYSTEM,
    KIND,
    NO_PICTURE,
    Pair,
    by_relevance,
    choose_threshold,
    oracle,
    read_pair,
    route,
    trend,
)

TWEETS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set whose tweets with a number that 4 divides have no relevance; some of the others share one."""
    made = make(tmp_path_factory.mktemp("router"), count=TWEETS)
    relevance = [None if i % 4 == 0 else round(((7 * i) % 23) / 23, 2) for i in range(TWEETS)]
    table = pa.table({"tweet": pa.array(range(TWEETS), pa.int32()), "relevance": pa.array(relevance, pa.float32())})
    write_kept(made.set, None, KIND, table)
    return made, relevance


def random_pair(seed: int, n: int) -> Pair:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    predicted = rng.integers(0, 4, (n, 2))
    correct = np.minimum(rng.integers(0, 4, (n, 2)), np.minimum(predicted, gold[:, None]))
    counts = np.stack([correct[:, 0], predicted[:, 0], correct[:, 1], predicted[:, 1], gold], axis=1)
    relevance = np.where(rng.random(n) < 0.2, NO_PICTURE, rng.integers(0, 5, n) / 5)
    return Pair("b", "s", np.arange(n), relevance, counts, np.zeros((n, len(OUTCOMES)), int))


def test_a_pair_holds_what_the_metrics_and_the_ledger_say_of_each_tweet(made):
    made, relevance = made
    pair = read_pair(made.set, TEXT_ONLY, WITH_IMAGES)
    gold = [set(example.spans) for example in made.examples]
    said = [[{s.span for s in p.spans} for p in made.predictions[run]] for run in (TEXT_ONLY, WITH_IMAGES)]
    for i, tweet in enumerate(pair.tweets):
        theirs, *ours = gold[tweet], said[0][tweet], said[1][tweet]
        expected = [n for spans in ours for n in (len(spans & theirs), len(spans))] + [len(theirs)]
        assert pair.counts[i].tolist() == expected
        lines = [entry.outcome for entry in ledger(theirs, *ours)]
        assert pair.outcomes[i].tolist() == [lines.count(outcome) for outcome in OUTCOMES]
        known = relevance[tweet]
        assert pair.relevance[i] == pytest.approx(NO_PICTURE if known is None else known)
    for side, spans in ((False, said[0]), (True, said[1])):
        assert pair.f1(np.full(TWEETS, side)) == pytest.approx(score_spans(gold, spans).overall.f1)


def test_a_set_without_relevance_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="sets relevance"):
        read_pair(make(tmp_path, count=6).set, TEXT_ONLY, WITH_IMAGES)


@pytest.mark.parametrize("seed", range(30))
def test_no_other_threshold_is_better_on_dev(seed):
    pair = random_pair(seed, n=12)
    every = [ALL_SYSTEM, *sorted({r for r in pair.relevance.tolist() if r != NO_PICTURE}), ALL_BASELINE]
    f1 = [pair.f1(pair.relevance >= threshold) for threshold in every]
    assert choose_threshold(pair) == every[int(np.argmax(f1))]


@pytest.mark.parametrize("seed", range(30))
def test_no_choice_by_tweet_beats_the_oracle(seed):
    pair = random_pair(seed, n=10)
    every = (pair.f1(np.array(choice)) for choice in itertools.product((False, True), repeat=10))
    assert pair.f1(oracle(pair)) == pytest.approx(max(every), abs=1e-12)


def test_a_router_is_judged_on_test_by_a_threshold_of_dev(made):
    made, _ = made
    test = read_pair(made.set, TEXT_ONLY, WITH_IMAGES)
    dev = test.only(np.arange(TWEETS) % 2 == 0)
    routed = route(dev, test, resamples=200, shuffles=50)
    chosen = test.relevance >= choose_threshold(dev)
    said = [[{s.span for s in p.spans} for p in made.predictions[run]] for run in (TEXT_ONLY, WITH_IMAGES)]
    answers = [said[int(system)][tweet] for tweet, system in zip(test.tweets, chosen, strict=True)]
    gold = [set(made.examples[tweet].spans) for tweet in test.tweets]
    assert routed.test["router"].value == pytest.approx(score_spans(gold, answers).overall.f1)
    assert routed.to_system["test"] == chosen.mean()
    assert routed.test["oracle"].value >= max(routed.test[name].value for name in ("baseline", "system", "router"))
    # The ledger of the router against each of the two, by the router's own answers.
    for against, side in ((routed.against_baseline, 0), (routed.against_system, 1)):
        value = score_spans(gold, answers).overall.f1 - score_spans(gold, said[side]).overall.f1
        assert against.difference.value == pytest.approx(value)


def test_a_router_by_relevance_that_tells_who_is_right_beats_all_shuffled_ones():
    n = 200
    right, gold = np.arange(n) % 2, np.ones(n, int)
    counts = np.stack([1 - right, np.ones(n, int), right, np.ones(n, int), gold], axis=1)
    outcomes = np.zeros((n, len(OUTCOMES)), int)
    outcomes[np.arange(n), [OUTCOMES.index("fixed" if r else "broken") for r in right]] = 1
    rng = np.random.default_rng(0)
    pair = Pair("b", "s", np.arange(n), right * 0.5 + 0.5 * rng.random(n), counts, outcomes)
    routed = route(pair, pair, resamples=200, shuffles=99)
    assert routed.test["router"].value == routed.test["oracle"].value == 1.0
    assert routed.p_shuffled == pytest.approx(0.01)
    assert routed.against_system.p_mcnemar < 1e-20
    assert trend(pair, shuffles=99).p == pytest.approx(0.01)


def test_splits_of_other_runs_are_refused():
    pair = random_pair(0, n=4)
    other = Pair("b", "t", *(getattr(pair, name) for name in ("tweets", "relevance", "counts", "outcomes")))
    with pytest.raises(DataError, match="same two runs, got b, s, b, t"):
        route(pair, other)


def test_splits_by_other_weights_under_the_same_names_are_refused():
    dev = replace(random_pair(0, n=4), made_by=("1", "2", "3"))
    assert route(dev, dev, resamples=20, shuffles=9)
    with pytest.raises(DataError, match="by the same weights, got others for s, relevance: compute one of them again"):
        route(dev, replace(dev, made_by=("1", "other", "another")))


def test_parts_by_relevance_hold_every_tweet_once_and_add_up(made):
    made, _ = made
    pair = read_pair(made.set, TEXT_ONLY, WITH_IMAGES)
    without, *parts = by_relevance(pair, 3, resamples=200)
    assert without.low is None
    assert without.tweets == TWEETS // 4
    assert sum(part.tweets for part in (without, *parts)) == TWEETS
    for before, after in itertools.pairwise(parts):
        assert before.high < after.low
    for i, outcome in enumerate(OUTCOMES):
        assert sum(part.outcomes[outcome] for part in (without, *parts)) == pair.outcomes[:, i].sum()
    first = pair.only((pair.relevance >= parts[0].low) & (pair.relevance <= parts[0].high))
    assert first.tweets.size == parts[0].tweets
    assert parts[0].system == pytest.approx(first.f1(np.ones(first.tweets.size, bool)))


def test_the_trend_is_spearmans(made):
    made, _ = made
    pair = read_pair(made.set, TEXT_ONLY, WITH_IMAGES)
    chosen = pair.only((pair.relevance > NO_PICTURE) & (pair.counts[:, 4] > 0))
    fixed, broken = (chosen.outcomes[:, OUTCOMES.index(name)] for name in ("fixed", "broken"))
    expected = spearmanr(chosen.relevance, fixed - broken)
    found = trend(pair, shuffles=4_000)
    assert found.correlation == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, abs=0.03)
    assert found.tweets == len(chosen.tweets)
