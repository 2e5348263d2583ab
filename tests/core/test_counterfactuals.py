"""Other pictures beside a tweet: against each of them asked singly, and exactly nothing where nothing changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.core import tiny
from umt_core.encoders.features import encode_images
from umt_core.errors import ConfigError, DataError
from umt_core.explain.counterfactuals import (
    change,
    counterfactuals,
    counterfactuals_json,
    make_variants,
    mean_interval,
    regions_of,
    share_interval,
    without_blocks,
)
from umt_core.predict import Predictor
from umt_core.schema import REGIONS, Answer, Span
from umt_core.systems import SYSTEMS

SUBWORDS = "subwords of umt-bert-crf"  # with the released code's tags
LOOKING = tuple(name for name, system in SYSTEMS.items() if system.uses_image)
PICTURE = tiny.photograph(1)
FOREIGN = {f"of tweet {seed}": tiny.photograph(seed) for seed in (2, 3, 4)}
looking_systems = pytest.mark.parametrize("name", [*LOOKING, SUBWORDS])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    root: Path = tmp_path_factory.mktemp("checkpoints")
    encoder = tiny.save_encoder(root / "encoder")
    folders = {
        name: tiny.save_tagger(root, tiny.system(name, seed=seed, text_encoder=encoder, on=tiny.encoder()))
        for seed, name in enumerate(SYSTEMS)
    }
    released = tiny.system("umt-bert-crf", text_encoder=encoder, tagging="subword", esd_mix="mean")
    folders[SUBWORDS] = tiny.save_tagger(root, released, dataset="subwords")
    vision = tiny.TinyVision()
    return {name: Predictor.load(folder, "cpu", vision=vision) for name, folder in folders.items()}


@pytest.fixture
def predictor(loaded: dict[str, Predictor], name: str) -> Predictor:
    return loaded[name]


def probabilities(answer: Answer) -> list[float]:
    return [scored.score for scored in answer.prediction.spans]


# --- many pictures beside one text -----------------------------------------------------------------


@looking_systems
def test_many_pictures_in_one_batch_say_what_each_says_singly(predictor):
    pictures = [PICTURE, None, *FOREIGN.values()]
    regions = [predictor.picture_regions(pictures)] * len(tiny.TWEETS)
    for batch_size in (1, 7, 1000):
        found = predictor.with_pictures(tiny.TWEETS, regions, batch_size=batch_size)
        for column, picture in enumerate(pictures):
            singly = predictor.predict(tiny.TWEETS, [picture] * len(tiny.TWEETS), batch_size=1)
            for answers, alone in zip(found, singly, strict=True):
                ours = answers[column].prediction
                assert (ours.tags, ours.notices) == (alone.tags, alone.notices)
                np.testing.assert_allclose([s.score for s in ours.spans], [s.score for s in alone.spans], atol=1e-5)


@looking_systems
def test_tweets_of_one_batch_may_have_different_numbers_of_pictures(predictor):
    regions = predictor.picture_regions(list(FOREIGN.values()))
    given = [regions[: 1 + i % 3] for i in range(len(tiny.TWEETS))]
    found = predictor.with_pictures(tiny.TWEETS, given)
    assert [len(answers) for answers in found] == [len(of) for of in given]
    for tweet, answers, of in zip(tiny.TWEETS, found, given, strict=True):
        for answer, alone in zip(answers, (predictor.with_pictures([tweet], [[r]])[0][0] for r in of), strict=True):
            assert answer.prediction.tags == alone.prediction.tags
            np.testing.assert_allclose(probabilities(answer), probabilities(alone), atol=1e-5)


@looking_systems
def test_a_span_that_is_asked_about_has_the_probability_that_it_has_where_it_is_found(predictor, name):
    for tweet in tiny.TWEETS:
        ((first, second),) = predictor.with_pictures([tweet], [predictor.picture_regions([PICTURE, None])])
        assert first.probabilities == pytest.approx(probabilities(first))
        elsewhere = {s.span: s.score for s in second.prediction.spans}
        for scored, probability in zip(first.prediction.spans, second.probabilities, strict=True):
            if scored.span in elsewhere and name != SUBWORDS:  # there it depends on how the span opens
                assert probability == pytest.approx(elsewhere[scored.span])


def test_spans_to_ask_about_can_be_given(loaded):
    asked = [[Span(0, 1, label) for label in ("PER", "LOC", "ORG", "MISC")]]
    ((answer,),) = loaded["umt-bert-crf"].with_pictures(tiny.TWEETS[:1], [[None]], asked)
    assert len(answer.probabilities) == 4
    assert 0 < sum(answer.probabilities) < 1
    ((cut,),) = loaded["umt-bert-crf"].with_pictures(tiny.TWEETS[:1], [[None]], [[Span(90, 91, "PER")]])
    assert cut.probabilities == (0.0,)


def test_what_cannot_be_asked_is_named(loaded):
    for examples, pictures in ((tiny.TWEETS[:1], []), (tiny.TWEETS[:1], [[]])):
        with pytest.raises(DataError, match="at least one picture, or None"):
            loaded["umt-bert-crf"].with_pictures(examples, pictures)


# --- exactly nothing -------------------------------------------------------------------------------


def test_a_system_that_reads_text_alone_changes_by_exactly_nothing(loaded):
    variants = make_variants(PICTURE, foreign=FOREIGN, given=tiny.photograph(9), blocks=True)
    for name in sorted(SYSTEMS.keys() - set(LOOKING)):
        for tweet in tiny.TWEETS:
            found = counterfactuals(loaded[name], tweet, variants)
            assert not found.uses_image
            assert (found.shifts == 0).all()
            assert {answer.prediction for answer in found.answers} == {found.factual.prediction}
            assert not any(found.change(i).any for i in range(len(variants)))


@looking_systems
def test_the_same_picture_changes_exactly_nothing_wherever_it_stands_in_a_batch(predictor):
    foreign = {"one": tiny.photograph(2), "the same as its own": tiny.photograph(1), "two": tiny.photograph(3)}
    variants = make_variants(PICTURE, foreign=foreign, given=tiny.photograph(1), blocks=True)
    same = [i for i, v in enumerate(variants) if v.title in ("the same as its own", "your picture")]
    assert len(same) == 2
    changed = False
    for tweet in tiny.TWEETS:
        found = counterfactuals(predictor, tweet, variants)
        assert (found.shifts[same] == 0).all()
        assert all(found.answers[i] == found.factual for i in same)
        changed = changed or bool((found.shifts != 0).any())
    assert changed  # by the other pictures: the system does look


# --- variants ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("occlusion", ["zero", "mean", "pixels"])
def test_each_occluded_block_is_as_if_asked_singly(predictor, occlusion):
    own = predictor.picture_regions([PICTURE])[0]
    variants = make_variants(PICTURE, blocks=True)
    tweet = tiny.TWEETS[8]
    found = counterfactuals(predictor, tweet, variants, occlusion=occlusion)
    blocks = found.of_kind("block")
    assert len(blocks) == REGIONS
    for block in (0, 8, 48):
        regions = own.copy()
        if occlusion == "pixels":
            square = np.array(PICTURE.resize((224, 224), Image.Resampling.BICUBIC), dtype=np.float32)
            row, column = divmod(block, 7)
            square[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = square.mean((0, 1))
            regions = _encode(predictor.vision, square)
        else:
            regions[block] = 0 if occlusion == "zero" else own.astype(np.float32).mean(0)
        ((alone,),) = predictor.with_pictures([tweet], [[regions]], [[s.span for s in found.spans]])
        assert found.answers[blocks[block]].prediction.tags == alone.prediction.tags
        tolerance = 2e-3 if occlusion == "pixels" else 1e-5  # regions are rounded to float16
        np.testing.assert_allclose(found.probabilities[blocks[block]], alone.probabilities, atol=tolerance)


def _encode(vision, square: np.ndarray) -> np.ndarray:
    import torch

    pixels = (torch.from_numpy(square).permute(2, 0, 1) - 127) / 128
    return vision(pixels[None])[0].numpy().astype(np.float16)


def test_a_drop_is_the_factual_probability_less_the_one_without_the_block(loaded):
    for tweet in tiny.TWEETS:
        found = counterfactuals(loaded["umt-bert-crf"], tweet, make_variants(PICTURE, blocks=True))
        if not found.spans:
            continue
        without = [dict(zip(found.spans, found.answers[i].probabilities, strict=True)) for i in found.of_kind("block")]
        expected = [found.spans[0].score - of[found.spans[0]] for of in without]
        np.testing.assert_allclose(found.drops(0), expected, atol=1e-9)
        return
    pytest.fail("no tweet has a span")


def test_variants_are_the_pictures_that_they_are_called(loaded):
    predictor = loaded["umt-bert-crf"]
    variants = make_variants(PICTURE, foreign=FOREIGN, blocks=True)
    regions = dict(zip((v.title for v in variants), regions_of(predictor, variants), strict=True))
    of = encode_images(predictor.vision, [PICTURE, *FOREIGN.values()]).astype(np.float16)
    np.testing.assert_array_equal(regions["own picture"], of[0])
    assert regions["no picture"] is None
    np.testing.assert_array_equal(regions["of tweet 3"], of[2])
    np.testing.assert_allclose(regions["mean of 3 foreign pictures, block by block"], of[1:].mean(0), atol=2e-2)
    blurred = PICTURE.filter(ImageFilter.GaussianBlur(2))  # 5 % of 40 pixels
    title = "blurred (radius 2 px, 5% of the shorter side)"
    np.testing.assert_array_equal(regions[title], predictor.picture_regions([blurred])[0])
    assert len({row.tobytes() for row in regions["plain grey"]}) == 1


def test_a_block_is_taken_out_of_its_place_and_no_other():
    regions = np.arange(REGIONS * 2, dtype=np.float16).reshape(REGIONS, 2)
    occluded = without_blocks(regions)
    for block in range(REGIONS):
        assert (occluded[block, block] == 0).all()
        rest = np.delete(occluded[block], block, axis=0)
        np.testing.assert_array_equal(rest, np.delete(regions, block, axis=0))
    np.testing.assert_allclose(without_blocks(regions, "mean")[5, 5], [48, 49])


def test_a_tweet_without_picture_has_nothing_to_blur_or_occlude(loaded):
    variants = make_variants(None, foreign=FOREIGN, blocks=True)
    assert [v.kind for v in variants] == ["own", "grey", "mean", "foreign", "foreign", "foreign"]
    found = counterfactuals(loaded["umt-bert-crf"], tiny.TWEETS[0], variants)
    assert found.occlusion is None
    assert found.answers[0].prediction.notices


def test_an_unknown_occlusion_is_named(loaded):
    with pytest.raises(ConfigError, match="got 'hidden'"):
        regions_of(loaded["umt-bert-crf"], make_variants(PICTURE), occlusion="hidden")


# --- what is read off ------------------------------------------------------------------------------


def test_every_span_before_and_after_is_in_the_change_once():
    before = [Span(0, 2, "PER"), Span(3, 4, "LOC"), Span(5, 6, "ORG"), Span(7, 8, "MISC")]
    after = [Span(0, 2, "PER"), Span(3, 4, "ORG"), Span(5, 7, "ORG"), Span(9, 10, "PER")]
    found = change(before, after)
    assert found.kept == (Span(0, 2, "PER"),)
    assert found.changed == ((Span(3, 4, "LOC"), Span(3, 4, "ORG")), (Span(5, 6, "ORG"), Span(5, 7, "ORG")))
    assert (found.lost, found.gained) == ((Span(7, 8, "MISC"),), (Span(9, 10, "PER"),))
    assert not change(before, before).any


def test_reliance_is_over_the_foreign_pictures_alone(loaded):
    for tweet in tiny.TWEETS:
        found = counterfactuals(loaded["mt-bert-crf"], tweet, make_variants(PICTURE, foreign=FOREIGN, blocks=True))
        if not found.spans:
            continue
        reliance = found.reliance(0)
        foreign = [a for a, v in zip(found.answers, found.variants, strict=True) if v.kind == "foreign"]
        changes = [abs(a.probabilities[0] - found.spans[0].score) for a in foreign]
        gone = [found.spans[0].span not in [s.span for s in a.prediction.spans] for a in foreign]
        assert reliance.pictures == 3
        assert reliance.change.value == pytest.approx(sum(changes) / 3, abs=1e-9)
        assert reliance.gone.value == sum(gone) / 3
        assert reliance.change.low <= reliance.change.value <= reliance.change.high
        return
    pytest.fail("no tweet has a span")


def test_the_interval_of_a_mean_is_that_of_all_samples():
    values = np.array([0.0, 0.1, 0.9])
    means = sorted(np.mean([values[a], values[b], values[c]]) for a in range(3) for b in range(3) for c in range(3))
    interval = mean_interval(values)
    assert interval.value == pytest.approx(values.mean())
    # 27 samples, each as likely: 2.5 % lie within the lowest, as do those above the highest.
    assert interval.low == pytest.approx(means[0])
    assert interval.high == pytest.approx(means[-1])


def test_the_interval_of_a_share_is_wilsons():
    z, n, p = 1.959964, 10, 0.3
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    interval = share_interval([True] * 3 + [False] * 7)
    assert interval.value == pytest.approx(p)
    assert interval.low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-5)
    assert interval.high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-5)


def test_json_holds_what_the_values_are(loaded):
    variants = make_variants(PICTURE, foreign=FOREIGN, blocks=True)
    for tweet in tiny.TWEETS:
        found = counterfactuals(loaded["umt-bert-crf"], tweet, variants)
        if not found.spans:
            continue
        written = counterfactuals_json(found)
        assert written["spans"][0]["text"] == found.spans[0].span.text(tweet.tokens)
        assert written["spans"][0]["drop_by_block"] == pytest.approx(found.drops(0), abs=1e-6)
        assert [v["title"] for v in written["variants"]] == [v.title for v in variants if v.kind != "block"]
        assert written["variants"][1]["probabilities"] == list(found.answers[1].probabilities)
        assert "no picture" in written["occlusion"]
        return
    pytest.fail("no tweet has a span")
