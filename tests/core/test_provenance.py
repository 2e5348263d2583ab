"""The parts of a decision, against all paths written out, and against what the taggers themselves say."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core import tiny
from umt_core.checkpoint import Loaded
from umt_core.errors import ConfigError, DataError
from umt_core.explain.provenance import ESD, MAIN, TRANSITIONS, deciders, provenance
from umt_core.explain.what_if import (
    WhatIf,
    decode,
    emissions,
    estimated_conversion,
    uniform_conversion,
)
from umt_core.labels import WORD_ESD_TAGS, WORD_TAGS, esd_tag
from umt_core.model.chain import Chain, Scoring
from umt_core.predict import Predictor
from umt_core.registry import CheckpointInfo
from umt_core.schema import Example, OwnPath, RawScores, Span
from umt_core.spans import tags_to_spans
from umt_core.systems import Tagger

FEW = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")  # small enough for all paths of four words


def predictor_of(tagger: Tagger) -> Predictor:
    """A predictor of a tagger that is in no file."""
    info = CheckpointInfo("tiny", Path("nowhere"), tiny.manifest(tagger, "0" * 64))
    vision = tiny.TinyVision() if tagger.uses_image else None
    return Predictor(Loaded(info, tagger, tiny.tokenizer()), torch.device("cpu"), vision)


def few(seed: int, words: int = 4, scale: float = 1.0) -> tuple[Scoring, RawScores]:
    """Random scores and transitions over five tags."""
    rng = np.random.default_rng(seed)

    def chain(tags: int) -> Chain:
        return Chain(rng.normal(size=tags), rng.normal(size=(tags, tags)), rng.normal(size=tags))

    conversion = uniform_conversion(Scoring(FEW, chain(5), WORD_ESD_TAGS.tags))
    scoring = Scoring(FEW, chain(5), WORD_ESD_TAGS.tags, chain(3), conversion)
    main, esd = (rng.normal(size=(words, n)).astype(np.float32) * scale for n in (5, 3))
    return scoring, RawScores(main, esd, np.arange(words))


def all_paths(scoring: Scoring, values: np.ndarray) -> dict[tuple[int, ...], float]:
    """The score of eq. 5 of every path, added up word by word."""
    chain, scores = scoring.chain, {}
    for path in itertools.product(range(values.shape[1]), repeat=len(values)):
        score = chain.start[path[0]] + chain.end[path[-1]]
        score += sum(chain.transitions[a, b] for a, b in itertools.pairwise(path))
        scores[path] = float(score + sum(values[i, tag] for i, tag in enumerate(path)))
    return scores


def best(scoring: Scoring, values: np.ndarray) -> list[str]:
    scores = all_paths(scoring, values)
    return [scoring.tags[i] for i in max(scores, key=scores.__getitem__)]


def own(scoring: Scoring, raw: RawScores) -> OwnPath:
    values = raw.main + raw.esd.astype(float) @ scoring.conversion
    scores = all_paths(scoring, values)
    path = max(scores, key=scores.__getitem__)
    return OwnPath(raw, np.array(path), scores[path])


@pytest.mark.parametrize("seed", range(8))
def test_what_is_decoded_is_the_best_of_all_paths_for_every_share(seed):
    scoring, raw = few(seed)
    for share in (0, 0.3, 1, 2):
        values = raw.main + share * (raw.esd @ scoring.conversion)
        assert decode(scoring, raw, WhatIf(share)) == best(scoring, values)


@pytest.mark.parametrize("seed", range(8))
def test_the_parts_add_up_to_the_score_of_the_best_path(seed):
    scoring, raw = few(seed)
    found = provenance(scoring, own(scoring, raw))
    values = raw.main + raw.esd @ scoring.conversion
    assert found.path_score == pytest.approx(max(all_paths(scoring, values).values()), abs=1e-6)
    assert found.difference < 1e-6
    assert set(found.parts) == {MAIN, ESD, TRANSITIONS}


@pytest.mark.parametrize("seed", range(8))
def test_a_tags_total_is_the_score_of_the_path_with_that_tag_in_place_of_the_decoded_one(seed):
    scoring, raw = few(seed)
    found = provenance(scoring, own(scoring, raw))
    scores = all_paths(scoring, raw.main + raw.esd @ scoring.conversion)
    path = [FEW.index(tag) for tag in found.decoded]
    for word, tag in itertools.product(range(4), range(5)):
        other = (*path[:word], tag, *path[word + 1 :])
        difference = found.total[word, tag] - found.total[word, path[word]]
        assert difference == pytest.approx(scores[other] - scores[tuple(path)], abs=1e-5)
    assert [FEW[i] for i in found.total.argmax(axis=1)] == list(found.decoded)


@pytest.mark.parametrize("seed", range(12))
def test_each_part_left_out_leaves_the_best_path_of_the_rest(seed):
    scoring, raw = few(seed)
    found = provenance(scoring, own(scoring, raw))
    converted = raw.esd @ scoring.conversion
    total = raw.main + converted
    without = {MAIN: best(scoring, converted), ESD: best(scoring, raw.main)}
    without[TRANSITIONS] = [FEW[i] for i in total.argmax(axis=1)]
    assert list(found.main_alone) == without[ESD]
    assert list(found.highest) == without[TRANSITIONS]
    for part, tags in without.items():
        others = set(tags_to_spans(tags))
        for needs in found.spans:
            assert (part not in needs.needed) == (needs.span in others)
        assert set(found.held_back[part]) <= others - {needs.span for needs in found.spans}


def skeleton(path: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(esd_tag(FEW[i]) for i in path)


@pytest.mark.parametrize("seed", range(6))
def test_with_a_uniform_matrix_esd_never_chooses_between_types_of_the_same_boundaries(seed):
    scoring, raw = few(seed, scale=3.0)
    types: dict[tuple[str, ...], set[tuple[int, ...]]] = {}
    for share in (0, 1, 2):
        scores = all_paths(scoring, emissions(scoring, raw.main, raw.esd, WhatIf(share)))
        best_of: dict[tuple[str, ...], tuple[int, ...]] = {}
        for path, score in scores.items():
            held = best_of.get(skeleton(path))
            if held is None or score > scores[held]:
                best_of[skeleton(path)] = path
        for bones, path in best_of.items():
            types.setdefault(bones, set()).add(path)
    assert all(len(paths) == 1 for paths in types.values())  # whatever the share, the same types


def test_with_a_uniform_matrix_esd_moves_boundaries():
    moved = 0
    for seed in range(12):
        scoring, raw = few(seed, scale=3.0)
        bones = {tuple(esd_tag(tag) for tag in decode(scoring, raw, WhatIf(share))) for share in (0, 2)}
        moved += len(bones) == 2
    assert moved


def test_another_matrix_can_favour_a_type():
    # One word, no transitions: PER leads by a little, and a matrix that gives all of B to LOC turns it.
    flat = Chain(np.zeros(5), np.zeros((5, 5)), np.zeros(5))
    scoring, _ = few(0)
    scoring = Scoring(FEW, flat, scoring.esd_tags, flat, scoring.conversion)
    raw = RawScores(np.array([[0, 1.1, 0, 1, 0]], np.float32), np.array([[0, 2, 0]], np.float32), np.arange(1))
    partial = uniform_conversion(scoring)
    partial[1] = np.array([0, 0, 0, 1, 0])
    assert decode(scoring, raw) == ["B-PER"]
    assert decode(scoring, raw, WhatIf(1, partial)) == ["B-LOC"]


def test_who_decided_is_said():
    flat = Chain(np.zeros(5), np.zeros((5, 5)), np.zeros(5))
    esd_chain = Chain(np.zeros(3), np.zeros((3, 3)), np.zeros(3))
    scoring = Scoring(FEW, flat, WORD_ESD_TAGS.tags, esd_chain, few(0)[0].conversion)
    main = np.array([[0, 1, 0, 0, 0], [0.4, 0, 0, 0, 0], [3, 0, 0, 0, 0]], np.float32)
    esd = np.array([[0, 5, 0], [0, 5, 0], [0, 1, 0]], np.float32)
    raw = RawScores(main, esd, np.arange(3))
    found = provenance(scoring, own(scoring, raw))
    assert deciders(found, 0) == ["all agree"]
    assert deciders(found, 1) == ["ESD changed it: the main emissions alone give O"]
    assert deciders(found, 2) == ["ESD alone says B, and is overruled"]


def test_an_esd_whose_scores_are_added_to_nothing_is_not_said_to_be_overruled():
    flat = Chain(np.zeros(5), np.zeros((5, 5)), np.zeros(5))
    scoring = Scoring(FEW, flat, WORD_ESD_TAGS.tags, Chain(np.zeros(3), np.zeros((3, 3)), np.zeros(3)))
    raw = RawScores(np.array([[3, 0, 0, 0, 0]], np.float32), np.array([[0, 1, 0]], np.float32), np.arange(1))
    found = provenance(scoring, OwnPath(raw, np.array([0]), 3.0))
    assert deciders(found, 0) == ["ESD alone says B, but its scores are not added here"]


def test_what_the_crf_changed_is_said():
    flat = few(0)[0]
    forbidding = Chain(np.array([0, 0, -100, 0, -100.0]), np.zeros((5, 5)), np.zeros(5))
    scoring = Scoring(FEW, forbidding, flat.esd_tags, flat.esd_chain, flat.conversion)
    raw = RawScores(np.array([[0, 0.5, 1, 0, 0]], np.float32), np.zeros((1, 3), np.float32), np.arange(1))
    found = provenance(scoring, own(scoring, raw))
    assert "the CRF changed it: the largest emission is I-PER's" in deciders(found, 0)
    assert found.spans[0].without[TRANSITIONS] == "same"  # an I- that continues nothing opens a span all the same


@pytest.mark.parametrize("mix", ["sum", "mean"])
@pytest.mark.parametrize("tagging", ["word", "subword"])
def test_a_taggers_own_score_and_tags_are_the_parts(mix, tagging):
    tagger = tiny.system("umt-bert-crf", esd_mix=mix, tagging=tagging)
    predictor = predictor_of(tagger)
    picture = tiny.photograph()
    for example in tiny.TWEETS:
        found = provenance(predictor.scoring, predictor.own_path(example, picture))
        assert found.difference < 1e-4
        assert list(found.decoded) == list(predictor.inspect(example, picture).prediction.tags)
        assert len(found.main) == len(example.tokens)


@pytest.mark.parametrize("name", ["bert", "bert-crf", "mt-bert-crf", "gvatt-bert-crf", "umt-bert-crf-no-conversion"])
def test_systems_have_the_parts_that_they_have(name):
    predictor = predictor_of(tiny.system(name))
    example = tiny.TWEETS[0]
    found = provenance(predictor.scoring, predictor.own_path(example, tiny.photograph()))
    assert set(found.parts) == {MAIN, TRANSITIONS}
    assert found.converted is None
    assert found.difference < 1e-4
    assert found.main_alone == found.decoded
    assert bool(found.esd_alone) == name.startswith("umt")
    with pytest.raises(ConfigError, match="wanted a system that adds ESD's scores"):
        decode(predictor.scoring, predictor.own_path(example).raw, WhatIf(0.5))


def test_raw_scores_of_many_are_those_of_each():
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    pictures = [tiny.photograph(i) if i % 2 else None for i in range(len(tiny.TWEETS))]
    examples = [*tiny.TWEETS, Example("empty", ())]
    many = predictor.raw_scores(examples, [*pictures, None])
    for example, picture, raw in zip(tiny.TWEETS, pictures, many, strict=False):
        alone = predictor.own_path(example, picture).raw
        np.testing.assert_allclose(raw.main, alone.main, atol=1e-5)
        np.testing.assert_allclose(raw.esd, alone.esd, atol=1e-5)
    assert many[-1].main.shape == (0, 9)
    assert decode(predictor.scoring, many[-1]) == []


def test_share_0_is_what_the_tagger_decodes_without_its_conversion():
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    scoring, example = predictor.scoring, tiny.TWEETS[0]
    raw = predictor.own_path(example, tiny.photograph()).raw
    with torch.no_grad():
        predictor.loaded.tagger.conversion.matrix.zero_()
    silent = predictor.inspect(example, tiny.photograph()).prediction.tags
    assert decode(scoring, raw, WhatIf(0)) == list(silent)


def test_the_estimated_matrix_counts_labels():
    scoring = Scoring(WORD_TAGS.tags, few(0)[0].chain, WORD_ESD_TAGS.tags)
    tweets = [
        Example("a", ("x",) * 4, spans=(Span(0, 2, "PER"), Span(3, 4, "LOC"))),
        Example("b", ("x",) * 3, spans=(Span(0, 3, "PER"),)),
        Example("c", ("x",), spans=None),
    ]
    matrix = estimated_conversion(scoring, tweets)
    expected = np.zeros((3, 9))
    expected[0, 0] = 1
    expected[1, [1, 3]] = 2 / 3, 1 / 3
    expected[2, 2] = 1
    np.testing.assert_allclose(matrix, expected)
    with pytest.raises(DataError, match="wanted labelled tweets"):
        estimated_conversion(scoring, [Example("c", ("x",))])


@pytest.mark.parametrize("share", [-0.1, 2.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match="esd_share"):
        WhatIf(share)


def test_a_matrix_of_another_shape_is_refused():
    scoring, raw = few(0)
    with pytest.raises(ConfigError, match="wanted a conversion matrix of 3 x 5, got 3 x 9"):
        decode(scoring, raw, WhatIf(1, np.zeros((3, 9))))


def test_what_a_tagger_decodes_with_survives_json():
    scoring, raw = few(3)
    again = Scoring.from_dict(scoring.to_dict())
    np.testing.assert_array_equal(again.chain.transitions, scoring.chain.transitions)
    assert decode(again, raw, WhatIf(0.7)) == decode(scoring, raw, WhatIf(0.7))
