"""Attributions by value: products by hand, sums, Captum's own delta, each word and block left out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.core import tiny
from umt_core.checkpoint import Loaded
from umt_core.errors import ConfigError, DataError
from umt_core.explain import attributions as attr
from umt_core.explain import span_score
from umt_core.explain.span_score import SpanScore, ablations, attribute, piece
from umt_core.predict import Predictor
from umt_core.schema import REGIONS, Span
from umt_core.systems import SYSTEMS

TWEET = tiny.TWEETS[8]  # "with the New Yorkers at the NBA": a word of several subwords
SPAN = Span(2, 4, "ORG")
every_system = pytest.mark.parametrize("system", [*SYSTEMS, "subwords"])


def make(system: str = "umt-bert-crf", seed: int = 0, **settings: Any) -> Predictor:
    released: dict[str, Any] = {"tagging": "subword", "esd_mix": "mean"} if system == "subwords" else {}
    tagger = tiny.system("umt-bert-crf" if system == "subwords" else system, seed=seed, **released | settings)
    if tagger.word_shape is not None:
        tagger.word_shape.weight.data[0] = 0  # as training leaves it
    vision = tiny.TinyVision() if tagger.uses_image else None
    info: Any = SimpleNamespace(name=f"tiny/{system}")
    return Predictor(Loaded(info, tagger, tiny.tokenizer()), torch.device("cpu"), vision)


def regions(seed: int = 3) -> np.ndarray:
    (found,) = tiny.pictures(1, seed)
    assert found is not None
    return found


def test_what_a_word_is_spelled_like_counts_among_what_it_adds_where_it_joins_the_embeddings():
    predictor = make("bert-crf", word_spelling=True)
    score = SpanScore(predictor, TWEET, None, SPAN)
    assert not piece(score, "occlusion", 0).spelling_stays
    assert [a.feature for a in ablations(score)] == ["word shape", "spelling"]
    assert len({a.score for a in ablations(score)} | {score(*score.inputs).item()}) == 3


def log_odds(predictor: Predictor, of: np.ndarray | None, span: Span = SPAN) -> float:
    """By the posterior, in NumPy, that predictions have their probabilities from."""
    ((answer,),) = predictor.with_pictures([TWEET], [[of]], [[span]])
    (p,) = answer.probabilities
    return float(np.log(p) - np.log1p(-p))


@every_system
def test_the_score_is_the_log_odds_of_the_probability_that_is_shown(system):
    picture, compared = regions(), 0
    for predictor in (make(system, seed) for seed in range(3)):  # a tiny tagger may find nothing
        answers = predictor.with_pictures(tiny.TWEETS, [[picture]] * len(tiny.TWEETS))
        for tweet, (answer,) in zip(tiny.TWEETS, answers, strict=True):
            for scored in answer.prediction.spans:
                score = SpanScore(predictor, tweet, picture, scored.span)
                assert torch.sigmoid(score(*score.inputs)).item() == pytest.approx(scored.score, rel=1e-4, abs=1e-6)
                compared += 1
    assert compared


@every_system
def test_a_tweet_is_read_the_same_by_its_embeddings(system):
    predictor = make(system)
    batch, _ = predictor.read_tweet(TWEET, regions())
    tagger = predictor.loaded.tagger
    embedded = replace(batch, embedded=tagger.embed(batch))
    torch.testing.assert_close(tagger(embedded).emissions, tagger(batch).emissions)


class Linear(SpanScore):
    """A score that is a weighted sum of all numbers that are read."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        generator = torch.Generator().manual_seed(5)
        self.weights = [torch.randn(value.shape[1:], generator=generator) for value in self.inputs]

    def __call__(self, embedded: Tensor, regions: Tensor | None = None) -> Tensor:
        given = [embedded] if regions is None else [embedded, regions]
        return sum(((g * w).flatten(1).sum(1) for g, w in zip(given, self.weights, strict=False)), torch.zeros(1))

    def beside(self, regions: Tensor) -> Tensor:
        return self(self.embedded.expand(len(regions), -1, -1), regions)


@pytest.mark.parametrize("method", list(attr.METHODS))
def test_of_a_linear_score_each_part_is_weight_times_input(method):
    score = Linear(make(), TWEET, regions(), SPAN)
    found = span_score.piece(score, method, 0, attr.PIECE)
    if method == "occlusion":
        found = attr.add(found, span_score.piece(score, method, 1))
    product = (score.weights[0] * (score.embedded - score.empty)[0]).sum(-1)  # (subwords,)
    ends = [*score.encoded.starts[1:], len(product) - 1]
    by_word = [product[a:b].sum().item() for a, b in zip(score.encoded.starts, ends, strict=True)]
    np.testing.assert_allclose(found.words, by_word, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.blocks, (score.weights[1] * score.inputs[1][0]).sum(-1), rtol=1e-4, atol=1e-4)
    assert found.total == pytest.approx(found.difference, abs=1e-3)


@every_system
def test_integrated_gradients_add_up_to_the_difference_in_score(system):
    predictor = make(system)
    few, many = (attribute(predictor, TWEET, regions(), SPAN, steps=steps) for steps in (4, 200))
    assert many.delta == pytest.approx(many.words.sum() + (0 if many.blocks is None else many.blocks.sum())
                                       - (many.score - many.baseline))  # fmt: skip
    assert abs(many.delta) < 0.02 * abs(many.difference) + 0.01
    assert abs(many.delta) < abs(few.delta) or abs(few.delta) < 0.01
    assert few.doubtful == (abs(few.delta) > 0.05 * abs(few.difference))


def test_pieces_of_the_line_give_what_captum_gives_for_the_whole():
    from captum.attr import IntegratedGradients

    score = SpanScore(make("mt-bert-crf"), TWEET, regions(), SPAN)
    found = attribute(score.predictor, TWEET, regions(), SPAN, steps=400)
    values, delta = IntegratedGradients(score).attribute(
        score.inputs, baselines=score.baselines, n_steps=400, internal_batch_size=50, return_convergence_delta=True
    )
    np.testing.assert_allclose(found.words, score.by_word(values[0][0].sum(-1)), atol=0.02)
    np.testing.assert_allclose(found.blocks, values[1][0].sum(-1).detach(), atol=0.02)
    assert found.delta == pytest.approx(delta.item(), abs=0.02)


@every_system
def test_leaving_out_a_block_costs_what_the_tweet_beside_the_other_48_says(system):
    predictor, picture = make(system), regions()
    found = attribute(predictor, TWEET, picture, SPAN, "occlusion")
    if not predictor.loaded.tagger.uses_image:
        assert found.blocks is None
        return
    assert found.blocks is not None
    for block in (0, 17, REGIONS - 1):
        without = picture.copy()
        without[block] = 0
        drop = log_odds(predictor, picture) - log_odds(predictor, without)
        assert found.blocks[block] == pytest.approx(drop, abs=1e-3)


def test_leaving_out_a_word_costs_what_padding_in_its_place_does():
    predictor, picture = make(), regions()
    found = attribute(predictor, TWEET, picture, SPAN, "occlusion")
    score = SpanScore(predictor, TWEET, picture, SPAN)
    for word in range(len(TWEET.tokens)):
        batch, encoded = predictor.read_tweet(TWEET, picture)
        ends = [*encoded.starts[1:], len(encoded.subwords) - 1]
        batch.subwords[0, encoded.starts[word] : ends[word]] = predictor.loaded.tokenizer.pad_id
        batch.shapes[0, encoded.starts[word] : ends[word]] = 0
        with torch.no_grad():
            assert found.words[word] == pytest.approx(found.score - score.of(batch).item(), abs=1e-4)


def test_without_a_picture_blocks_get_nothing():
    found = attribute(make(), TWEET, None, SPAN)
    assert found.blocks is None
    assert found.total == pytest.approx(found.words.sum())


def test_ablations_are_the_score_of_a_tagger_without_that_part():
    predictor, picture = make(), regions()
    tagger: Any = predictor.loaded.tagger
    score = SpanScore(predictor, TWEET, picture, SPAN)
    found = {ablation.feature: ablation.score for ablation in span_score.ablations(score)}
    assert found["picture"] == pytest.approx(log_odds(predictor, None), abs=1e-4)
    tagger.word_shape.weight.data.zero_()
    assert found["word shape"] == pytest.approx(log_odds(predictor, picture), abs=1e-4)
    predictor = make()
    bare: Any = predictor.loaded.tagger
    bare.conversion.matrix.data.zero_()  # nothing of ESD is added
    assert found["span detector (ESD)"] == pytest.approx(log_odds(predictor, picture), abs=1e-4)
    assert len(found) == 3


@pytest.mark.parametrize("system", ["cnn-bilstm-crf", "bert-crf"])
def test_only_what_a_tagger_draws_on_is_taken_away(system):
    found = [ablation.feature for ablation in span_score.ablations(SpanScore(make(system), TWEET, None, SPAN))]
    assert found == (["word shape", "spelling"] if system == "cnn-bilstm-crf" else ["word shape"])


@pytest.mark.parametrize(("system", "stays"), [("cnn-bilstm-crf", True), ("bert-crf", False)])
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_words_that_are_read_by_their_characters_keep_these_and_it_is_told(system, stays, method):
    found = attribute(make(system), TWEET, None, SPAN, method, steps=10)
    assert found.spelling_stays is stays
    assert attr.attribution_json(found, TWEET.tokens)["spelling_stays"] is stays


def test_what_cannot_be_attributed_is_said():
    predictor = make()
    with pytest.raises(DataError, match="wanted words of the 7"):
        attribute(predictor, TWEET, None, Span(6, 8, "ORG"))
    with pytest.raises(ConfigError, match="method"):
        attribute(predictor, TWEET, None, SPAN, "gradient")
    with pytest.raises(ConfigError, match="steps"):
        attribute(predictor, TWEET, None, SPAN, steps=0)


def test_progress_reports_each_piece():
    said: list[tuple[int, int]] = []
    attribute(make("bert-crf"), TWEET, None, SPAN, steps=30, progress=lambda *args: said.append(args))
    assert said == [(1, 3), (2, 3), (3, 3)]


def test_the_values_as_json_name_words_and_add_up():
    found = attribute(make(), TWEET, regions(), SPAN, steps=10)
    values = attr.attribution_json(found, TWEET.tokens)
    assert [word for word, _ in values["words"]] == list(TWEET.tokens)
    assert values["span"]["text"] == "New Yorkers"
    total = sum(v for _, v in values["words"]) + sum(values["blocks"])
    assert total - (values["score"] - values["baseline_score"]) == pytest.approx(values["delta"], abs=1e-4)
