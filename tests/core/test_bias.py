"""Visual bias over a set: against each tweet asked singly, exactly zero where nothing can change, figures by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from tests.ui.tiny_set import write_data, write_set
from umt_core.__main__ import main
from umt_core.analysis.run_set import set_examples
from umt_core.analysis.sets import PredictionSet
from umt_core.data.images import open_image
from umt_core.errors import DataError
from umt_core.explain import bias, foreign, keep_bias
from umt_core.explain.bias import Bias, Read, TweetBias, bias_json, read_bias
from umt_core.explain.foreign import Pool, sample_pictures, set_pictures
from umt_core.explain.kept import kept_file, read_kept
from umt_core.schema import ScoredSpan, Span

UMT, TEXT = "twitter2017/umt-bert-crf", "twitter2017/bert-crf"


@pytest.fixture
def found(tmp_path, monkeypatch) -> PredictionSet:
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    made = write_set(write_data(tmp_path / "data"), tmp_path / "predictions", ("bert-crf", "umt-bert-crf"))
    predictors = {name: predictor_of(tiny.system(name.split("/")[1])) for name in (UMT, TEXT)}
    monkeypatch.setattr(keep_bias, "predictor_of", lambda _, run, device: predictors[run])
    return made


@pytest.fixture
def predictor(found) -> Callable[[str], object]:
    return lambda run: keep_bias.predictor_of(found, run, "cpu")


def kept(found: PredictionSet, run: str = UMT, **options: int) -> Bias:
    keep_bias.keep_bias(found, run, **{"pictures": 2} | options)
    bias = read_bias(found, run)
    assert bias is not None
    return bias


# --- what is kept ----------------------------------------------------------------------------------


def test_each_tweet_says_beside_each_picture_what_it_says_singly(found, predictor):
    bias = kept(found)
    examples, index = set_examples(found, 0, found.info.tweets), found.images()
    ids = [example.id for example in examples]
    assert [ids[t.tweet] for t in bias.tweets] == ["fixed", "broken", "right"]  # those that have a picture
    assert (bias.pictures, bias.seed, bias.pool) == (2, 0, 3)

    def picture(of: int):
        return open_image(index.path(examples[of].image))

    for t in bias.tweets:
        assert {read.of for read in t.foreign} == {other.tweet for other in bias.tweets} - {t.tweet}
        for of, spans in [(t.tweet, t.spans), (None, t.none.spans), *((r.of, r.spans) for r in t.foreign)]:
            shown = None if of is None else picture(of)
            (alone,) = predictor(UMT).predict([examples[t.tweet]], [shown])
            assert spans == {s.span for s in alone.spans}
        (alone,) = predictor(UMT).predict([examples[t.tweet]], [picture(t.tweet)])
        np.testing.assert_allclose(t.probabilities, [s.score for s in alone.spans], atol=1e-5)


def test_a_system_that_reads_text_alone_has_a_bias_of_exactly_zero(found):
    bias = kept(found, TEXT)
    rates = [bias.changes, *bias.by_type()]
    assert bias.changes.count == 3
    assert {v for rate in rates for v in (rate.foreign.value, rate.foreign.high, rate.none.value)} == {0.0}
    assert {rate.shift.value for rate in bias.by_type()} == {0.0}
    gold = {t.tweet: [Span(0, 1, "PER")] for t in bias.tweets}
    assert bias.scores(gold).own_less_foreign.high == 0.0


def test_the_seed_draws_the_pictures(found):
    first, again = kept(found, pictures=1), kept(found, pictures=1)
    assert [t.foreign[0].of for t in first.tweets] == [t.foreign[0].of for t in again.tweets]
    draws = {tuple(t.foreign[0].of for t in kept(found, pictures=1, seed=seed).tweets) for seed in range(6)}
    assert len(draws) > 1


def test_work_that_was_stopped_goes_on_where_it_was(found, predictor, monkeypatch):
    def stop(what: str, done: int, total: int) -> None:
        if what == "regions of pictures":
            return
        assert (what, total) == (UMT, 3)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_bias.keep_bias(found, UMT, pictures=2, part=1, progress=stop)
    assert read_kept(found, UMT, "pictures") is None
    asked = []
    ours = type(predictor(UMT)).with_pictures
    monkeypatch.setattr(
        type(predictor(UMT)),
        "with_pictures",
        lambda self, examples, *a: (asked.extend(examples), ours(self, examples, *a))[1],
    )
    keep_bias.keep_bias(found, UMT, pictures=2, part=1)
    assert [example.id for example in asked] == ["right"]
    assert len(read_bias(found, UMT).tweets) == 3
    assert [p.name for p in kept_file(found, UMT, "pictures").parent.rglob("*.parquet")] == ["pictures.parquet"]


def test_more_pictures_than_there_are_is_an_error(found):
    with pytest.raises(DataError, match="wanted 3 other pictures, there are 2"):
        keep_bias.keep_bias(found, UMT, pictures=3)


def test_what_nobody_computed_is_none_and_what_is_damaged_is_named(found):
    assert read_bias(found, UMT) is None
    kept(found)
    table = read_kept(found, UMT, "pictures")
    with pytest.raises(DataError, match=r"pictures\.parquet: wanted a run's pictures"):
        read_bias(found, UMT, table.slice(1))


# --- figures, by hand ------------------------------------------------------------------------------

A, B, C = Span(0, 1, "PER"), Span(2, 3, "LOC"), Span(2, 3, "ORG")


def tweet(number: int, own: dict[Span, float], none: dict[Span, float], *foreign: dict[Span, float]) -> TweetBias:
    def read(said: dict[Span, float]) -> Read:
        return Read(9, frozenset(s for s, p in said.items() if p >= 0.5), tuple(said.get(s, 0.0) for s in own))

    return TweetBias(number, tuple(ScoredSpan(s, p) for s, p in own.items()), tuple(own.values()), read(none),
                     tuple(map(read, foreign)))  # fmt: skip


BIAS = Bias(
    (
        tweet(0, {A: 0.9, B: 0.6}, {A: 0.9, B: 0.2, C: 0.7}, {A: 0.8, B: 0.4}, {A: 0.9, B: 0.6}),
        tweet(1, {A: 0.7}, {A: 0.7}, {A: 0.6}, {A: 0.3}),
        tweet(2, {}, {}, {}, {C: 0.9}),
    ),
    pictures=2,
    seed=0,
    pool=9,
)
GOLD = {0: [A, C], 1: [A], 2: [C]}


def test_changes_are_counted_over_tweets_and_pictures():
    assert BIAS.changes.count == 3
    assert BIAS.changes.foreign.value == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    assert BIAS.changes.none.value == pytest.approx(1 / 3)


def test_rates_by_type_are_over_the_spans_beside_the_own_picture():
    rates = {rate.group: rate for rate in BIAS.by_type()}
    assert {name: rate.count for name, rate in rates.items()} == {"all": 3, "PER": 2, "LOC": 1, "ORG": 0, "MISC": 0}
    assert rates["PER"].foreign.value == pytest.approx(1 / 4)  # of two spans beside two pictures
    assert rates["LOC"].foreign.value == pytest.approx(1 / 2)
    assert rates["LOC"].none.value == 1
    assert rates["PER"].shift.value == pytest.approx((0.1 + 0 + 0.1 + 0.4) / 4)
    assert rates["all"].foreign.value == pytest.approx(2 / 6)


def test_outcomes_are_turned_round_one_by_one():
    baseline = {0: [A], 1: [Span(0, 1, "ORG")], 2: [C]}
    rates = {rate.group: rate for rate in BIAS.by_outcome(GOLD, baseline)}
    counts = {name: rate.count for name, rate in rates.items()}
    # A in 0: both right. C in 0: both wrong, and B spurious. A in 1: fixed. C in 2: broken.
    assert counts == {"fixed": 1, "broken": 1, "both_right": 1, "both_wrong": 1, "spurious_added": 1}
    assert rates["both_right"].foreign.value == 0
    assert rates["both_wrong"].none.value == 1  # C is found where there is no picture
    assert rates["both_wrong"].foreign.value == 0
    assert rates["fixed"].foreign.value == 0.5
    assert rates["broken"].foreign.value == 0.5
    assert rates["spurious_added"].foreign.value == 0.5


def test_f1_is_that_of_each_picture():
    scores = BIAS.scores(GOLD)

    def f1(right: int, said: int) -> float:
        return 2 * right / (4 + said)

    assert scores.own.value == pytest.approx(f1(2, 3))
    assert scores.none.value == pytest.approx(f1(3, 3))
    assert scores.foreign.value == pytest.approx((f1(2, 2) + f1(2, 3)) / 2)
    assert scores.own_less_none.value == pytest.approx(f1(2, 3) - f1(3, 3))
    assert scores.own.low <= scores.own.value <= scores.own.high


def test_an_interval_is_that_of_all_ways_to_draw_the_tweets():
    # Of the three tweets beside foreign pictures each changes beside one of two: nothing that draws could move.
    assert (BIAS.changes.foreign.low, BIAS.changes.foreign.high) == (0.5, 0.5)
    # Without picture one of three changes: k of three draws hit it with binomial probability.
    assert (BIAS.changes.none.low, BIAS.changes.none.high) == (0.0, 1.0)


def test_json_holds_the_same_figures():
    values = json.loads(json.dumps(bias_json(BIAS, GOLD, {})))
    assert values["changes"]["foreign"]["value"] == BIAS.changes.foreign.value
    assert values["f1"]["own"]["value"] == BIAS.scores(GOLD).own.value
    assert {rate["group"] for rate in values["by_outcome"]} >= {"fixed", "broken"}
    for without in ({}, {9: {Span(0, 1, "PER")}}):  # no tweet is labelled, and none that has a picture
        assert bias_json(BIAS, without, {})["f1"] is None


def test_many_tweets_are_drawn_a_resample_at_a_time_to_the_same_figures(monkeypatch):
    before = BIAS.changes, BIAS.scores(GOLD)
    monkeypatch.setattr(bias, "KEPT_DRAWS", 0)
    again = replace(BIAS)  # which has computed nothing yet
    assert (again.changes, again.scores(GOLD)) == before


# --- the draw --------------------------------------------------------------------------------------


def test_a_draw_has_other_pictures_each_once():
    pool = Pool(["a", "b", "a", None, "c", "b", "d"])
    assert len(pool) == 4
    for i in range(7):
        drawn = pool.draw(i, 3, seed=5)
        names = [pool.identities[j] for j in drawn]
        assert len(set(names)) == 3
        assert pool.identities[i] not in names
        assert pool.draw(i, 2, seed=5) == drawn[:2]


def test_pictures_of_a_set_are_of_other_tweets(found):
    pictures = set_pictures(found, "fixed")
    assert sorted(pictures) == ["picture of tweet broken", "picture of tweet right"]
    assert list(set_pictures(found, "fixed", 1)) == list(pictures)[:1]
    with pytest.raises(DataError, match="wanted the tweet 'none'"):
        set_pictures(found, "none")


def test_large_pictures_of_a_set_are_made_smaller_and_the_others_stay(found, monkeypatch):
    whole = {title: picture.size for title, picture in set_pictures(found, "fixed").items()}
    monkeypatch.setattr(foreign, "LONGEST_SIDE", max(map(max, whole.values())) - 1)
    for title, picture in set_pictures(found, "fixed").items():
        assert max(picture.size) == min(max(whole[title]), foreign.LONGEST_SIDE)


def test_pictures_of_samples_leave_out_the_samples_own():
    from umt_core.data.samples import OPENING_SAMPLE, load_samples, sample_picture

    own = next(sample for sample in load_samples() if sample.example.id == OPENING_SAMPLE)
    drawn = sample_pictures(OPENING_SAMPLE, 3)
    assert len(drawn) == 3
    assert all(picture.tobytes() != sample_picture(own).tobytes() for picture in drawn.values())
    assert list(drawn) == list(sample_pictures(OPENING_SAMPLE, 3))


# --- the command -----------------------------------------------------------------------------------


def test_the_command_computes_once_and_writes_the_figures(found, tmp_path, capsys, monkeypatch):
    out = tmp_path / "bias.json"
    arguments = ["sets", "bias", "tiny/test", "--run", UMT, "--pictures", "2", "--json", str(out)]
    assert main(arguments) == 0
    written = json.loads(out.read_text())
    assert written["baseline"] == TEXT
    assert written["runs"][UMT]["tweets"] == 3
    said = capsys.readouterr()
    assert "2 foreign pictures a tweet" in said.out
    assert "stand-in" in said.err
    monkeypatch.setattr(keep_bias, "keep_bias", lambda *_, **__: pytest.fail("it is kept already"))
    assert main(arguments) == 0
    assert json.loads(out.read_text()) == written
