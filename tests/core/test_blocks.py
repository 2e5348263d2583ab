"""Equations 1 to 7 of Yu et al. (ACL 2020) in plain numpy, against the blocks and the whole of UMT.

Vectors are columns, as in the paper: words R are (d, n), blocks V are (d, 49). The paper leaves biases out
(footnote 1); the weights have them.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.core import tiny
from umt_core.errors import ConfigError
from umt_core.labels import SUBWORD_ESD_TAGS, SUBWORD_TAGS, WORD_ESD_TAGS, WORD_TAGS, conversion_matrix
from umt_core.model.cmt import CrossModalLayer, MultiHeadAttention, TransformerLayer
from umt_core.model.esd import ConversionMatrix, EntitySpanDetection
from umt_core.model.gate import VisualGate
from umt_core.model.mmi import MultimodalInteraction
from umt_core.model.visual import VisualProjection
from umt_core.schema import REGIONS

D, M, WORDS = 12, 3, 6  # width, heads, subwords of the longest tweet
LENGTHS = (6, 4)  # subwords of the two tweets of a batch

Weights = dict[str, np.ndarray]
erf = np.vectorize(math.erf)


# The paper in numpy


def linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"][:, None]


def softmax_rows(scores: np.ndarray) -> np.ndarray:
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def layer_norm(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    normed = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-12)
    return weights[f"{name}.weight"][:, None] * normed + weights[f"{name}.bias"][:, None]


def attention_heads(weights: Weights, queries: np.ndarray, keys: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """softmax rows of each head, and MH-CA(queries, keys)."""
    q, k, v = (linear(weights, f"attention.{n}", x) for n, x in (("query", queries), ("key", keys), ("value", keys)))
    rows, contexts = [], []
    for head in range(M):
        part = slice(head * D // M, (head + 1) * D // M)
        rows.append(softmax_rows(q[part].T @ k[part] / np.sqrt(D / M)))
        contexts.append(rows[-1] @ v[part].T)  # CA_i: (queries, d/m)
    return rows, linear(weights, "attention.output", np.hstack(contexts).T)


def cmt(weights: Weights, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    attended = layer_norm(weights, "attention_norm", queries + attention_heads(weights, queries, keys)[1])  # eq. 1
    inner = linear(weights, "feed_forward.0", attended)
    inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))  # GELU, BERT's
    return layer_norm(weights, "output_norm", attended + linear(weights, "feed_forward.2", inner))  # eq. 2


def interaction(weights: Weights, words: np.ndarray, visual: np.ndarray) -> dict[str, np.ndarray]:
    """P, A, Q, g, B and H of section 2.3."""
    blocks = cmt(part_of(weights, "block_to_word"), visual, words)
    image_aware = cmt(part_of(weights, "word_to_image_aware_block"), words, blocks)
    word_aware = cmt(part_of(weights, "word_to_block"), words, visual)
    both = weights["visual_gate.linear.weight"]
    w_a, w_q, bias = both[:, :D], both[:, D:], weights["visual_gate.linear.bias"][:, None]
    gate = 1 / (1 + np.exp(-(w_a @ image_aware + w_q @ word_aware + bias)))  # eq. 3
    gated = gate * word_aware
    return {"A": image_aware, "Q": word_aware, "g": gate, "B": gated, "H": np.vstack([image_aware, gated])}


def part_of(weights: Weights, name: str) -> Weights:
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def negative_log_likelihood(crf: Weights, emissions: np.ndarray, gold: list[int]) -> float:
    """-log P of eqs. 4 and 5 by enumeration; emissions (n, tags)."""

    def score(path: tuple[int, ...]) -> float:
        between = sum(crf["transitions"][a, b] for a, b in itertools.pairwise(path))
        ends = crf["start_transitions"][path[0]] + crf["end_transitions"][path[-1]]
        return float(between + ends + sum(emissions[i, tag] for i, tag in enumerate(path)))

    n, tags = emissions.shape
    scores = np.array([score(path) for path in itertools.product(range(tags), repeat=n)])
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - score(tuple(gold)))


# What is compared


def weights_of(module: nn.Module) -> Weights:
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def random_block(module: nn.Module) -> nn.Module:
    return tiny.randomise(module.eval(), seed=3)


@pytest.fixture
def words() -> torch.Tensor:
    return torch.randn(2, WORDS, D, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def visual() -> torch.Tensor:
    return torch.randn(2, REGIONS, D, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.tensor([[i < length for i in range(WORDS)] for length in LENGTHS])


def columns(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy().T


def assert_same(found: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(columns(found), expected, atol=1e-5)


def test_visual_blocks_are_projected_into_the_words_space():
    projection = random_block(VisualProjection(5, D))
    regions = torch.randn(1, REGIONS, 5)
    visual, asking = projection(regions)
    assert_same(visual[0], linear(weights_of(projection), "keys", columns(regions[0])))
    assert asking is visual


def test_the_second_projection_is_for_the_blocks_that_ask():
    projection = random_block(VisualProjection(5, D, projections=2))
    regions = torch.randn(1, REGIONS, 5)
    assert_same(projection(regions)[1][0], linear(weights_of(projection), "queries", columns(regions[0])))


def test_cross_modal_attention_is_the_papers(words, visual, mask):
    layer = random_block(CrossModalLayer(D, M, 0.1))
    output, weights = layer.attention(visual, words, mask)
    for i, length in enumerate(LENGTHS):
        rows, expected = attention_heads(weights_of(layer), columns(visual[i]), columns(words[i, :length]))
        assert_same(output[i], expected)
        np.testing.assert_allclose(weights[i, :, :, :length].detach(), np.stack(rows), atol=1e-5)


def test_a_cross_modal_layer_is_equations_1_and_2(words, visual, mask):
    layer = random_block(CrossModalLayer(D, M, 0.1))
    output, _ = layer(visual, words, mask)
    for i, length in enumerate(LENGTHS):
        assert_same(output[i], cmt(weights_of(layer), columns(visual[i]), columns(words[i, :length])))


def test_a_transformer_layer_is_a_cross_modal_layer_of_words_to_themselves(words, mask):
    layer = random_block(TransformerLayer(D, M, 0.1))
    output, _ = layer(words, mask)
    for i, length in enumerate(LENGTHS):
        own = columns(words[i, :length])
        assert_same(output[i, :length], cmt(weights_of(layer), own, own))


def test_the_gate_is_equation_3(words):
    gate = random_block(VisualGate(D))
    visual = words.flip(1)
    gated, found = gate(words, visual)
    weights = weights_of(gate)
    w_a, w_q = np.split(weights["linear.weight"], 2, axis=1)
    open_by = w_a @ columns(words[0]) + w_q @ columns(visual[0]) + weights["linear.bias"][:, None]
    assert_same(found[0], 1 / (1 + np.exp(-open_by)))
    assert_same(gated[0], columns(visual[0]) / (1 + np.exp(-open_by)))


def test_multimodal_interaction_is_section_2_3(words, visual, mask):
    block = random_block(MultimodalInteraction(D, M, 0.1))
    found = block(words, visual, visual, mask)
    for i, length in enumerate(LENGTHS):
        expected = interaction(weights_of(block), columns(words[i, :length]), columns(visual[i]))
        assert_same(found.image_aware_words[i, :length], expected["A"])
        assert_same(found.word_aware_visual[i, :length], expected["Q"])
        assert_same(found.gate[i, :length], expected["g"])
        assert_same(found.hidden[i, :length], expected["H"])


def test_the_second_projection_reaches_only_the_blocks_that_ask(words, visual, mask):
    block = random_block(MultimodalInteraction(D, M, 0.1))
    found, other = block(words, visual, visual, mask), block(words, visual, visual + 1, mask)
    assert torch.equal(found.word_aware_visual, other.word_aware_visual)
    assert not torch.allclose(found.image_aware_words, other.image_aware_words, atol=1e-3)


def test_attention_maps_are_softmax_rows_over_real_keys(words, visual, mask):
    found = random_block(MultimodalInteraction(D, M, 0.1))(words, visual, visual, mask)
    assert found.word_to_block.shape == (2, M, WORDS, REGIONS)
    assert found.block_to_word.shape == (2, M, REGIONS, WORDS)
    assert found.word_to_image_aware_block.shape == (2, M, WORDS, REGIONS)
    for attention in (found.word_to_block, found.block_to_word, found.word_to_image_aware_block):
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:3]))
    assert found.block_to_word[1, :, :, LENGTHS[1] :].eq(0).all()
    assert found.block_to_word[1, :, :, : LENGTHS[1]].gt(0).all()


def test_attention_over_a_missing_picture_is_even(words, mask):
    nothing = random_block(VisualProjection(5, D))(torch.zeros(2, REGIONS, 5))[0]
    found = random_block(MultimodalInteraction(D, M, 0.1))(words, nothing, nothing, mask)
    even = torch.full((2, M, WORDS, REGIONS), 1 / REGIONS)
    torch.testing.assert_close(found.word_to_block, even)
    torch.testing.assert_close(found.word_to_image_aware_block, even)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ConfigError, match="wanted a divisor of the encoder's width 12, got 5"):
        MultiHeadAttention(12, 5, 0.0)


def test_span_detection_reads_its_own_transformer_layer(words, mask):
    block = random_block(EntitySpanDetection(D, M, 0.1, tags=3))
    found, weights = block(words, mask), weights_of(block)
    for i, length in enumerate(LENGTHS):
        own = columns(words[i, :length])
        expected = linear(weights, "classifier", cmt(part_of(weights, "transformer"), own, own))
        assert_same(found[i, :length], expected)


# The conversion matrix, written out

QUARTER = 0.25
WORD_CONVERSION = [
    # O, B-PER, I-PER, B-LOC, I-LOC, B-ORG, I-ORG, B-MISC, I-MISC
    [1, 0, 0, 0, 0, 0, 0, 0, 0],  # O
    [0, QUARTER, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0],  # B
    [0, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0, QUARTER],  # I
]
SUBWORD_CONVERSION = [
    # [PAD], O, B-MISC, I-MISC, B-PER, I-PER, B-ORG, I-ORG, B-LOC, I-LOC, X, [CLS], [SEP]
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # [PAD]
    [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # O
    [0, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0, 0, 0, 0],  # B
    [0, 0, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0, QUARTER, 0, 0, 0],  # I
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],  # X
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],  # [CLS]
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],  # [SEP]
]


def test_the_conversion_matrix_is_the_papers_on_words_and_the_released_codes_on_subwords():
    assert WORD_TAGS.tags == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC")
    assert conversion_matrix(WORD_ESD_TAGS, WORD_TAGS) == WORD_CONVERSION
    assert [tag[2:] for tag in SUBWORD_TAGS.tags[2:10:2]] == ["MISC", "PER", "ORG", "LOC"]
    assert conversion_matrix(SUBWORD_ESD_TAGS, SUBWORD_TAGS) == SUBWORD_CONVERSION


@pytest.mark.parametrize("learned", [True, False])
def test_the_conversion_starts_from_its_matrix_and_is_learned_or_not(learned):
    conversion = ConversionMatrix(WORD_CONVERSION, learned)
    assert conversion.matrix.tolist() == WORD_CONVERSION
    assert [name for name, _ in conversion.named_parameters()] == (["matrix"] if learned else [])
    assert "matrix" in conversion.state_dict()


def test_a_uniform_conversion_moves_boundaries_and_favours_no_type():
    scores = ConversionMatrix(WORD_CONVERSION, learned=False)(torch.tensor([[[-1.0, 2.0, 3.0]]]))
    assert scores.tolist() == [[[-1.0, 0.5, 0.75, 0.5, 0.75, 0.5, 0.75, 0.5, 0.75]]]


# All of it


@pytest.mark.parametrize(("mix", "share"), [("sum", 1.0), ("mean", 0.5)])
def test_umt_is_the_paper_from_the_encoders_output_to_the_loss(mix, share):
    """Eqs. 1 to 7 and section 2.5 on one tweet of three words, by numpy alone."""
    tagger = tiny.system("umt-bert-crf", esd_mix=mix, esd_weight=0.3)
    batch = tiny.batch(tagger, tiny.TWEETS[4:5])  # New York Rain
    with torch.no_grad():
        output = tagger(batch)
        encoded = columns(tagger.encode(batch)[0])
    weights = weights_of(tagger)

    own = part_of(weights, "transformer")
    words = cmt(own, encoded, encoded)  # R
    visual = linear(weights, "visual_projection.keys", columns(batch.regions[0]))  # V
    hidden = interaction(part_of(weights, "mmi"), words, visual)["H"]
    main = linear(weights, "classifier", hidden)  # eq. 6: (tags, subwords)
    esd = part_of(weights, "esd")
    spans = linear(esd, "classifier", cmt(part_of(esd, "transformer"), encoded, encoded))  # w_ESD . t
    conversion = np.array(WORD_CONVERSION)  # W^c
    final = np.zeros_like(main)
    for i, y in itertools.product(range(main.shape[1]), range(main.shape[0])):
        through = sum(spans[z, i] * conversion[z, y] for z in range(3))
        final[y, i] = share * main[y, i] + share * through  # eq. 7

    at_words = [1, 2, 3]  # each word is one subword, after [CLS]
    assert batch.starts.tolist() == [at_words]
    assert_same(output.emissions[0], final[:, at_words])
    assert_same(output.esd_emissions[0], spans[:, at_words])
    main_loss = negative_log_likelihood(part_of(weights, "crf"), final[:, at_words].T, [7, 8, 8])  # B-MISC, I-, I-
    esd_loss = negative_log_likelihood(part_of(weights, "esd_crf"), spans[:, at_words].T, [1, 2, 2])
    assert output.losses["main"].item() == pytest.approx(main_loss, abs=1e-4)
    assert output.losses["esd"].item() == pytest.approx(esd_loss, abs=1e-4)
    assert output.losses["total"].item() == pytest.approx(main_loss + 0.3 * esd_loss, abs=1e-4)
