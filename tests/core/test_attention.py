"""Reading the three attention maps."""

import math

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from umt_core.errors import ConfigError
from umt_core.explain import attention
from umt_core.schema import REGIONS, Inspection, Prediction
from umt_core.systems import SYSTEMS


def make_inspection(**arrays):
    nothing = np.zeros((2, 9), np.float32)
    return Inspection(
        "umt-bert-crf",
        "x/umt-bert-crf",
        Prediction("1", ("a", "b"), (), ("O", "O")),
        (),
        nothing,
        nothing,
        True,
        **arrays,
    )


def test_a_map_is_read_with_words_first_whatever_side_asks():
    word_to_block = np.arange(2 * 2 * REGIONS, dtype=np.float32).reshape(2, 2, REGIONS)
    block_to_word = np.arange(2 * REGIONS * 2, dtype=np.float32).reshape(2, REGIONS, 2)
    inspection = make_inspection(word_to_block=word_to_block, block_to_word=block_to_word)
    one_way = attention.weights(inspection, attention.get_map("word_to_block"), head=1)
    other_way = attention.weights(inspection, attention.get_map("block_to_word"), head=0)
    assert one_way[1, 3] == word_to_block[1, 1, 3]
    assert other_way[1, 3] == block_to_word[0, 3, 1]


def test_without_a_head_the_heads_are_averaged():
    maps = np.stack([np.full((2, REGIONS), 0.25), np.full((2, REGIONS), 0.75)]).astype(np.float32)
    inspection = make_inspection(word_to_image_aware_block=maps)
    assert (attention.weights(inspection, attention.get_map("word_to_image_aware_block")) == 0.5).all()


def test_a_map_or_head_that_is_not_there_is_named():
    inspection = make_inspection(word_to_block=np.zeros((2, 2, REGIONS), np.float32))
    with pytest.raises(ConfigError, match="head from 1 to 2, got 5"):
        attention.weights(inspection, attention.get_map("word_to_block"), head=4)
    with pytest.raises(ConfigError, match="block → word"):
        attention.weights(inspection, attention.get_map("block_to_word"))
    with pytest.raises(ConfigError, match="'sideways'"):
        attention.get_map("sideways")


def test_entropy_is_that_of_the_definition():
    row = np.array([0.5, 0.25, 0.25, 0.0])
    assert attention.entropy(row) == pytest.approx(1.5 * math.log(2))


def test_a_system_is_asked_only_for_the_maps_that_it_has():
    shown = make_inspection(visual_attention=np.full((1, 2, REGIONS), 1 / REGIONS, np.float32))
    assert [m.name for m in attention.maps_of(shown)] == ["visual_attention"]
    assert attention.heads(shown) == 1
    assert attention.maps_of(make_inspection()) == ()
    assert attention.heads(make_inspection()) == 0
    with pytest.raises(ConfigError, match="wanted a system with the map word → block"):
        attention.weights(shown, attention.get_map("word_to_block"))


LOOKING = [name for name, system in SYSTEMS.items() if system.uses_image]


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("picture", [tiny.photograph(), None], ids=["picture", "none"])
def test_rows_over_the_49_blocks_sum_to_one_in_every_head(name, picture):
    inspection = predictor_of(tiny.system(name)).inspect(tiny.TWEETS[8], picture)
    seen = 0
    for of in attention.maps_of(inspection):
        low, high = attention.row_sums(inspection, of)
        if of.rows_are_words:
            assert low == pytest.approx(1, abs=1e-5)
            assert high == pytest.approx(1, abs=1e-5)
            assert getattr(inspection, of.name).shape[-1] == REGIONS
            seen += 1
        else:
            assert 0 < low <= high < 1 + 1e-5  # [CLS] and [SEP] have the rest
    assert seen


def test_a_head_is_told_by_its_entropy_in_bits_and_its_strongest_block():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.full(REGIONS, 0.3), size=(3, 2)).astype(np.float32)
    inspection = make_inspection(word_to_block=maps)
    mean, *heads = attention.heads_of_word(inspection, attention.get_map("word_to_block"), 1)
    for i, head in enumerate(heads):
        assert head.bits == pytest.approx(scipy_entropy(maps[i, 1], base=2), abs=1e-5)
        assert (head.head, head.block, head.weight) == (i, maps[i, 1].argmax(), maps[i, 1].max())
    assert mean.bits == pytest.approx(scipy_entropy(maps[:, 1].mean(axis=0), base=2), abs=1e-5)
    assert mean.bits >= np.mean([head.bits for head in heads])
    assert mean.most_bits == pytest.approx(math.log2(49))


def test_of_block_to_word_entropy_is_over_the_words_of_each_block():
    rng = np.random.default_rng(0)
    maps = 0.8 * rng.dirichlet(np.ones(2), size=(2, REGIONS)).astype(np.float32)  # [CLS] and [SEP] have a fifth
    inspection = make_inspection(block_to_word=maps)
    rows = attention.heads_of_word(inspection, attention.get_map("block_to_word"), 0)
    assert rows[2].bits == pytest.approx(np.mean([scipy_entropy(block, base=2) for block in maps[1]]), abs=1e-5)
    assert rows[2].most_bits == 1
    assert rows[2].block == maps[1, :, 0].argmax()
    assert attention.row_sums(inspection, attention.get_map("block_to_word")) == pytest.approx((0.8, 0.8))
