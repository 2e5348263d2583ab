"""Intervals and tests: against scipy on the tweets themselves, and against simulation."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from scipy.stats import bootstrap

from umt_core.analysis.significance import Counts, intervals, mcnemar, paired_test, standard_error
from umt_core.errors import DataError
from umt_core.schema import Span

RNG = np.random.default_rng(3)


def counts_of(rows):
    """Counts of rows (correct, predicted, correct, predicted, gold), one a tweet."""
    return Counts(Counter(map(tuple, rows.tolist())))


def random_rows(n, better=0.05):
    gold = RNG.integers(0, 4, n)
    first = RNG.binomial(gold, 0.7)
    second = np.minimum(gold, first + RNG.binomial(1, better, n) - RNG.binomial(1, better / 2, n).clip(0, first))
    return np.stack([first, first + RNG.integers(0, 2, n), second, second + RNG.integers(0, 2, n), gold], axis=1)


def f1(rows, system=0):
    correct, predicted, gold = rows[..., 2 * system], rows[..., 2 * system + 1], rows[..., -1]
    return 2 * correct.sum(-1) / (predicted.sum(-1) + gold.sum(-1))


def test_counts_are_of_spans():
    one, two = Span(0, 1, "PER"), Span(2, 3, "LOC")
    counts = Counts.of([[one, two], [], [one]], [[one], [two], [two]], [[one, two], [], []])
    assert counts.totals.tolist() == [1, 3, 2, 2, 3]


def test_the_order_of_the_tweets_changes_no_draw():
    rows = random_rows(300)
    one, other = (paired_test(counts_of(of), resamples=300, fixed=3, broken=1) for of in (rows, rows[::-1]))
    assert one == other


def test_intervals_agree_with_scipys_bootstrap():
    rows = random_rows(400)
    ours = intervals(counts_of(rows), system=1)["f1"]
    theirs = bootstrap(
        tuple(rows.T),
        lambda *c, axis=-1: 2 * c[2].sum(axis) / (c[3].sum(axis) + c[4].sum(axis)),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        batch=200,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.value == pytest.approx(f1(rows, 1))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_the_standard_error_is_the_spread_of_resampled_differences():
    rows = random_rows(600)
    drawn = rows.T[:, RNG.integers(0, 600, (3000, 600))].transpose(1, 2, 0)  # (resamples, tweets, counts)
    totals = drawn.sum(axis=1)
    differences = 2 * totals[:, 2] / (totals[:, 3] + totals[:, 4]) - 2 * totals[:, 0] / (totals[:, 1] + totals[:, 4])
    assert standard_error(counts_of(rows)) == pytest.approx(differences.std(), rel=0.06)


def test_a_difference_of_the_stated_size_is_found_in_four_of_five_test_sets():
    # Systems that differ by a known amount: with tweets of one gold span the size that is stated can be hit.
    n, gain, loss = 680, 0.09, 0.05
    found, stated, true = 0, [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        change = rng.choice([1, -1, 0], n, p=[gain, loss, 1 - gain - loss])
        first = np.where(change == 1, 0, np.where(change == -1, 1, rng.random(n) < 0.8)).astype(int)
        rows = np.stack([first, np.ones(n, int), first + change, np.ones(n, int), np.ones(n, int)], axis=1)
        test = paired_test(counts_of(rows), resamples=100, fixed=0, broken=0)
        found += abs(test.difference.value) > test.significant_from
        stated.append(test.smallest_difference)
        true.append(test.difference.value)
    assert np.mean(true) == pytest.approx(gain - loss, abs=0.005)
    assert np.mean(stated) == pytest.approx(gain - loss, rel=0.1)  # the size that was built in
    assert 0.65 < found / 100 < 0.92


def test_no_difference_gives_a_p_of_one_and_a_clear_one_a_small_p():
    rows = random_rows(300)
    rows[:, 2:4] = rows[:, :2]
    same = paired_test(counts_of(rows), resamples=500, fixed=5, broken=5)
    assert (same.difference.value, same.p_randomisation, same.p_bootstrap, same.p_mcnemar) == (0, 1, 1, 1)
    rows[:, 0] = 0
    clear = paired_test(counts_of(rows), resamples=500, fixed=90, broken=10)
    assert max(clear.p_randomisation, clear.p_bootstrap) < 0.01


def pattern_counts(**tweets):
    """Tweets by what the two systems find of their one gold entity: ``fixed=3`` for three that the second alone has."""
    patterns = {"fixed": (0, 1, 1, 1, 1), "broken": (1, 1, 0, 1, 1), "both": (1, 1, 1, 1, 1)}
    return Counts({patterns[name]: count for name, count in tweets.items()})


@pytest.mark.parametrize(("fixed", "broken"), [(1, 0), (4, 0), (6, 0), (5, 3), (9, 1)])
def test_of_few_tweets_that_differ_randomisation_makes_no_more_than_a_sign_test(fixed, broken):
    # With one entity a tweet F1 is the share that is right, and swapping answers is tossing a coin for each change.
    test = paired_test(pattern_counts(fixed=fixed, broken=broken, both=700), fixed=fixed, broken=broken)
    assert test.p_randomisation == pytest.approx(mcnemar(fixed, broken), abs=0.02)
    assert test.significant == (mcnemar(fixed, broken) < 0.05)


def test_where_all_tweets_differ_alike_nothing_is_known_of_chance():
    test = paired_test(pattern_counts(fixed=1), fixed=1, broken=0)
    assert (test.p_randomisation, test.significant_from, test.smallest_difference) == (1.0, None, None)


def test_draws_in_which_f1_is_0_of_0_tell_nothing_of_the_difference():
    # (correct, predicted) of each system, gold: one tweet of five has an entity, and the second system finds it.
    test = paired_test(Counts({(0, 0, 1, 1, 1): 1, (0, 0, 0, 0, 0): 4}), fixed=1, broken=0)
    assert (test.difference.low, test.difference.high) == (1.0, 1.0)
    assert test.p_bootstrap < 0.001
    nothing = paired_test(Counts({(0, 0, 0, 0, 0): 5}), fixed=0, broken=0)
    assert (nothing.difference.low, nothing.difference.high, nothing.p_bootstrap) == (0.0, 0.0, 1.0)


def test_swapping_leaves_what_both_have_together():
    counts = counts_of(random_rows(200))
    swapped = counts.swapped(50, seed=1)
    assert (swapped[:, :2] + swapped[:, 2:4] == counts.totals[:2] + counts.totals[2:4]).all()
    assert (swapped[:, 4] == counts.totals[4]).all()


def test_draws_without_any_entity_of_a_type_say_nothing_of_it():
    rare = Counts({(0, 0, 0): 720, (1, 1, 1): 3})
    for found in intervals(rare).values():
        assert (found.value, found.low, found.high) == (1, 1, 1)
    for found in intervals(Counts({(0, 0, 0): 9})).values():
        assert (found.value, found.low, found.high) == (0, 0, 0)


def test_mcnemar_is_the_binomial_sum():
    # 1 or fewer of 9, on both sides
    assert mcnemar(1, 8) == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar(8, 1) == mcnemar(1, 8)


def test_the_same_seed_gives_the_same_figures():
    counts = counts_of(random_rows(100))
    assert intervals(counts, seed=4, resamples=200) == intervals(counts, seed=4, resamples=200)
    assert intervals(counts, seed=4, resamples=200) != intervals(counts, seed=5, resamples=200)


def test_ten_thousand_resamples_of_a_test_set_take_less_than_a_second():
    counts = counts_of(random_rows(3257))
    took = []
    for _ in range(3):  # what shares the processor makes one slower
        began = time.process_time()
        paired_test(counts, fixed=1, broken=1)
        took.append(time.process_time() - began)
    assert min(took) < 2


def test_no_tweets_are_refused():
    with pytest.raises(DataError, match="at least one labelled tweet"):
        Counts({})
