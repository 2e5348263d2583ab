"""Faithfulness of maps: planted and reversed ones, curves and drops asked singly, summaries by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from tests.ui.tiny_set import write_data, write_set
from umt_core.__main__ import main
from umt_core.analysis.building import table as make_table
from umt_core.analysis.sets import PredictionSet
from umt_core.errors import DataError
from umt_core.explain import keep_faithfulness
from umt_core.explain.attributions import to_log_odds
from umt_core.explain.faithfulness import (
    GRADIENTS,
    KIND,
    MEAN,
    ORDERS,
    OTHER_OCCLUSION,
    SCHEMA,
    STRIDE,
    area,
    deleted,
    faithfulness_of,
    order_of,
    random_orders,
    rank_correlation,
    span_maps,
    summarise,
    verdict,
)
from umt_core.explain.kept import about_kept, kept_file, read_kept
from umt_core.schema import REGIONS, Span

UMT, TEXT = "twitter2017/umt-bert-crf", "twitter2017/bert-crf"
TWEET, SPANS = tiny.TWEETS[8], [Span(2, 4, "ORG"), Span(6, 7, "PER")]
PICTURE = tiny.pictures(1, 3)[0]
assert PICTURE is not None


def predictor(system: str = "umt-bert-crf"):
    return predictor_of(tiny.system(system))


def log_odds(of, picture: np.ndarray | None, span: Span) -> float:
    ((answer,),) = of.with_pictures([TWEET], [[picture]], [[span]])
    return float(to_log_odds(answer.probabilities)[0])


def drops(of, span: Span) -> np.ndarray:
    """Each block taken away by hand, one reading each."""
    found = []
    for block in range(REGIONS):
        without = PICTURE.copy()
        without[block] = 0
        found.append(log_odds(of, PICTURE, span) - log_odds(of, without, span))
    return np.array(found)


def test_a_planted_map_has_rho_1_and_its_reverse_has_rho_minus_1():
    of = predictor()
    by_hand = {span: drops(of, span) for span in SPANS}

    def maps(span: Span):
        planted = np.exp(by_hand[span])  # ranks are all that counts
        return {("word_to_block", 0): planted, ("word_to_block", 1): -planted, ("word_to_block", 2): np.ones(REGIONS)}

    for found in faithfulness_of(of, TWEET, PICTURE, SPANS, maps, curves=False):
        np.testing.assert_allclose(found.drops, by_hand[found.span], atol=1e-4)
        checks = [found.check("word_to_block", head) for head in range(3)]
        assert [None if c is None else c.rho for c in checks] == [
            pytest.approx(1, abs=0.01),
            pytest.approx(-1, abs=0.01),
            None,
        ]
        assert found.effect == np.abs(found.drops).max()
        assert found.without == pytest.approx(log_odds(of, None, found.span), abs=1e-5)


def test_rank_correlation_is_scipys_ties_and_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = rng.integers(0, 9, 49).astype(float), rng.integers(0, 9, 49).astype(float)
        assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)


def test_the_area_is_that_of_curves_asked_point_by_point():
    of, span = predictor("mt-bert-crf"), SPANS[0]
    values = np.random.default_rng(1).normal(size=REGIONS)
    (found,) = faithfulness_of(of, TWEET, PICTURE, [span], lambda _: {("word_to_block", MEAN): values}, seed=4)

    def curve(order: np.ndarray) -> list[float]:
        scores, left = [], PICTURE.copy()
        for place, block in enumerate(order[:-1], start=1):
            left[block] = 0
            if place % STRIDE == 0:
                scores.append(log_odds(of, left, span))
        return scores[:6]

    random = np.mean([curve(order) for order in random_orders(4)], axis=0)
    check = found.check("word_to_block")
    assert check is not None
    assert check.area == pytest.approx(np.mean(random - curve(np.argsort(-values))), abs=1e-4)


def test_orders_are_drawn_by_the_seed_and_take_each_block_once():
    assert [order.tolist() for order in random_orders(1)] == [order.tolist() for order in random_orders(1)]
    assert all(sorted(order) == list(range(REGIONS)) for order in random_orders(1))
    assert len(random_orders(1)) == ORDERS
    assert random_orders([1, 0])[0].tolist() != random_orders([1, 7])[0].tolist()  # of each tweet its own
    assert order_of(np.array([1.0, 3.0, 2.0])).tolist() == [1, 2, 0]
    sizes = [int((left == 0).all(axis=1).sum()) for left in deleted(PICTURE, np.arange(REGIONS))]
    assert sizes == [7, 14, 21, 28, 35, 42]
    assert area([1.0, 1.0], [[1.0, 1.0]]) == 0


def test_maps_of_a_span_are_those_of_its_words():
    inspection = predictor().inspect_regions(TWEET, PICTURE)
    maps = span_maps(inspection, Span(2, 4, "ORG"))
    assert inspection.word_to_block is not None
    assert inspection.block_to_word is not None
    np.testing.assert_allclose(maps["word_to_block", 1], inspection.word_to_block[1, 2:4].mean(0), rtol=1e-5)
    np.testing.assert_allclose(maps["block_to_word", 0], inspection.block_to_word[0][:, 2:4].sum(1), rtol=1e-5)
    together = inspection.block_to_word.mean(0)[:, 2:4].sum(1)
    np.testing.assert_allclose(maps["block_to_word", MEAN], together, rtol=1e-5)
    assert len(maps) == 3 * (1 + tiny.HEADS)


# --- over a set --------------------------------------------------------------------------------------


def line(tweet: int, name: str, head: int, rho: float | None, effect: float = 1.0, of_area: float | None = None):
    return (tweet, 0, 1, "PER", name, head, rho, of_area, effect, 0.5)


def test_a_summary_is_of_each_map_and_head_over_its_spans():
    rows = [line(t, "word_to_block", 0, rho) for t, rho in ((0, 0.2), (0, 0.4), (1, 0.9), (2, None))]
    rows += [line(0, "word_to_block", MEAN, 0.5, of_area=0.25), line(1, "word_to_block", MEAN, -0.5, 0.01, 0.75)]
    mean, head = summarise(make_table(rows, SCHEMA))
    assert (mean.title, head.title) == ("word → block", "word → block, head 1")
    assert (head.spans, head.rho.value) == (3, pytest.approx(0.5))
    assert head.quartiles == pytest.approx((0.3, 0.4, 0.65))
    assert (mean.rho.value, mean.area.value) == (0, pytest.approx(0.5))
    # Two tweets drawn again: both the first, one of each, or both the second.
    assert (mean.rho.low, mean.rho.high) == (-0.5, 0.5)
    assert (head.rho.low, head.rho.high) == (pytest.approx(0.3), pytest.approx(0.9))
    (left, _) = summarise(make_table(rows, SCHEMA), least_effect=0.5)
    assert (left.spans, left.rho.value) == (1, 0.5)


@pytest.mark.parametrize(
    ("center", "spread", "says"),
    [(0.0, 0.3, "None does:"), (0.2, 0.1, "None does well"), (0.8, 0.1, "Word → block, head 1, best of 1")],
)
def test_the_verdict_may_be_that_no_map_explains_the_model(center, spread, says):
    rng = np.random.default_rng(0)
    rhos = center + spread * rng.choice([-1, 1], 60)
    rows = [line(t, "word_to_block", 0, rho) for t, rho in enumerate(rhos)]
    rows += [line(t, GRADIENTS, MEAN, 0.75) for t in range(60)] + [
        line(t, OTHER_OCCLUSION, MEAN, 0.9) for t in range(60)
    ]
    said = verdict(summarise(make_table(rows, SCHEMA)))
    assert said.startswith(says)
    assert "ρ = 0.75" in said
    assert "ρ = 0.90" in said


def test_a_map_with_a_larger_but_uncertain_mean_does_not_hide_one_that_is_sure():
    signs = np.resize([-1, 1], 20)
    rows = [line(t, "word_to_block", 0, 0.2 + 0.01 * sign) for t, sign in enumerate(signs)]
    rows += [line(t, "word_to_block", 1, 0.3 + 0.7 * sign) for t, sign in enumerate(signs)]
    sure, uncertain = summarise(make_table(rows, SCHEMA))
    assert sure.surely > 0 > uncertain.surely
    assert uncertain.rho.value > sure.rho.value
    assert verdict([sure, uncertain]).startswith("None does well: the best of 2 maps and heads, word → block, head 1,")


@pytest.mark.parametrize("tweets", [1, 9])
def test_of_few_tweets_there_is_no_verdict(tweets):
    rows = [line(t, "word_to_block", 0, 0.6 + 0.01 * t) for t in range(tweets)]
    found = summarise(make_table(rows, SCHEMA))
    assert verdict(found) == f"Too few tweets to judge by: {tweets}, wanted 10 and more."
    assert (found[0].surely > 0) == (tweets > 1)  # of one tweet nothing is sure


def test_without_attention_there_is_nothing_to_judge():
    assert verdict([]) == "No entity of the sampled tweets is left: there is nothing to judge."


@pytest.fixture
def found(tmp_path, monkeypatch) -> PredictionSet:
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    made = write_set(write_data(tmp_path / "data"), tmp_path / "predictions", ("bert-crf", "umt-bert-crf"))
    monkeypatch.setattr(keep_faithfulness, "predictor_of", lambda *_: predictor())
    return made


def test_a_stopped_run_goes_on_and_keeps_the_same(found):
    keep_faithfulness.keep_faithfulness(found, UMT)
    whole = read_kept(found, UMT, KIND)
    kept_file(found, UMT, KIND).unlink()

    class Stopped(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 1:
            raise Stopped

    with pytest.raises(Stopped):
        keep_faithfulness.keep_faithfulness(found, UMT, part=1, progress=stop)
    assert read_kept(found, UMT, KIND) is None
    keep_faithfulness.keep_faithfulness(found, UMT, part=1)
    again = read_kept(found, UMT, KIND)
    assert whole is not None
    assert again is not None
    assert again.equals(whole)
    assert about_kept(again) == {"tweets": "100", "seed": "0"}
    # "fixed", "broken" and "right" have a picture; UMT finds 2, 1 and 1 entities there
    assert len(set(zip(*(again[c].to_pylist() for c in ("tweet", "start")), strict=True))) == 4
    assert set(again["map"].to_pylist()) >= {GRADIENTS, OTHER_OCCLUSION, "word_to_block"}


def test_a_sample_is_drawn_by_its_seed_from_tweets_with_a_picture(found):
    all_three = keep_faithfulness.sample(found, list(range(7)), 9, 0)
    assert len(all_three) == 3
    assert keep_faithfulness.sample(found, list(range(7)), 2, 5) == keep_faithfulness.sample(
        found, list(range(7)), 2, 5
    )
    assert len({tuple(keep_faithfulness.sample(found, list(range(7)), 1, seed)) for seed in range(20)}) == 3


def test_the_command_prints_the_verdict_and_writes_the_figures(found, tmp_path, capsys):
    assert (
        main(["sets", "faithfulness", "tiny/test", "--run", UMT, "--tweets", "1", "--json", str(tmp_path / "f.json")])
        == 0
    )
    said = capsys.readouterr()
    assert "word → block" in said.out
    values = json.loads((tmp_path / "f.json").read_text())["runs"]
    assert list(values) == [UMT]
    assert values[UMT]["verdict"] in " ".join(said.err.split())
    assert values[UMT]["about"] == {"tweets": "1", "seed": "0"}


def test_a_text_tagger_has_no_map_to_judge(found):
    with pytest.raises(DataError, match="reads text only"):
        keep_faithfulness.keep_faithfulness(found, TEXT)
