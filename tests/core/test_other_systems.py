"""The systems that the paper compares with, word by word in numpy, and what its ablations lack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.core import tiny
from umt_core.analysis.paper import PAPER_TABLE_2, PAPER_TABLE_3
from umt_core.features import Batch
from umt_core.model.crf import TagSoftmax
from umt_core.model.fusion import AdaptiveCoAttention, Attention, VisualAttention
from umt_core.model.lstm import BiLstm, CharacterCnn, CharacterLstm
from umt_core.schema import REGIONS
from umt_core.systems import SYSTEMS, Output, Tagger

D, WORDS, LENGTHS = 8, 6, (6, 3)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_block(module: nn.Module) -> tuple[nn.Module, dict[str, np.ndarray]]:
    tiny.randomise(module.eval(), seed=3)
    return module, {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def line(weights: dict[str, np.ndarray], name: str, *parts: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ np.concatenate(parts) + weights.get(f"{name}.bias", 0)


def look(
    weights: dict[str, np.ndarray], name: str, query: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What one query gathers of the keys, and its weights, key by key."""
    scores = [
        line(weights, f"{name}.score", np.tanh(line(weights, f"{name}.query", query) + line(weights, f"{name}.key", k)))
        for k in keys
    ]
    shares = softmax(np.array(scores)[:, 0])
    return shares @ keys, shares


@pytest.fixture
def words() -> Tensor:
    return drawn(2, WORDS, D, seed=4)


@pytest.fixture
def visual() -> Tensor:
    return drawn(2, REGIONS, D, seed=5)


@pytest.fixture
def mask() -> Tensor:
    return torch.tensor([[i < length for i in range(WORDS)] for length in LENGTHS])


# GVATT and AdaCAN


def test_gvatt_is_its_papers_equations(words, visual):
    block, w = random_block(VisualAttention(D))
    sentence = drawn(2, D, seed=6)
    fused = block(words, sentence, visual)
    for tweet in range(2):
        context, shares = look(w, "attention", sentence[tweet].double().numpy(), visual[tweet].double().numpy())
        for i, h in enumerate(words[tweet].double().numpy()):
            b_w, b_v = (sigmoid(line(w, gate, h, context)) for gate in ("word_gate", "visual_gate"))
            m = np.tanh(line(w, "mix", h, context))
            np.testing.assert_allclose(fused.hidden[tweet, i].detach(), b_w * h + b_v * m, atol=1e-5)
            np.testing.assert_allclose(fused.gate[tweet, i].detach(), b_v, atol=1e-5)
            np.testing.assert_allclose(fused.attention[tweet, i].detach(), shares, atol=1e-5)  # the same for each word


def test_adacan_is_its_papers_equations(words, visual, mask):
    block, w = random_block(AdaptiveCoAttention(D))
    fused = block(words, mask, visual)
    for tweet, length in enumerate(LENGTHS):
        read = words[tweet, :length].double().numpy()
        for i, h in enumerate(read):
            seen, shares = look(w, "to_blocks", h, visual[tweet].double().numpy())
            told, _ = look(w, "to_words", seen, read)
            v, t = np.tanh(line(w, "visual", seen)), np.tanh(line(w, "textual", told))
            g = sigmoid(line(w, "fusion_gate", v, t))
            m = g * v + (1 - g) * t
            s = sigmoid(line(w, "filtration_gate", h, m))
            out = line(w, "output", h, s * np.tanh(line(w, "kept", m)))
            np.testing.assert_allclose(fused.hidden[tweet, i].detach(), out, atol=1e-5)
            np.testing.assert_allclose(fused.gate[tweet, i].detach(), s, atol=1e-5)
            np.testing.assert_allclose(fused.attention[tweet, i].detach(), shares, atol=1e-5)


def test_side_by_side_as_adacan_writes_it_a_word_would_guide_no_attention(words, visual):
    """Why ``Attention`` adds inside the tanh: w' tanh([text ; block]) gives all words one and the same map."""
    attention, _ = random_block(Attention(D))
    _, ours = attention(words, visual)
    assert (ours[:, 0] - ours[:, 1]).abs().amax() > 1e-2
    text, blocks = attention.query(words)[:, :, None], attention.key(visual)[:, None]
    both = torch.cat([part.expand(2, WORDS, REGIONS, -1) for part in (text, blocks)], dim=-1)
    theirs = (torch.tanh(both) @ drawn(both.shape[-1], seed=7)).softmax(dim=-1)
    torch.testing.assert_close(theirs, theirs[:, :1].expand_as(theirs))


# LSTMs and characters


def test_a_sequence_read_both_ways_is_two_lstms_read_alone(words, mask):
    block, _ = random_block(BiLstm(D, 10))
    states = block(words, mask)
    ends = block.ends(states, mask)
    halves = []
    for suffix in ("", "_reverse"):
        one = nn.LSTM(D, 5, batch_first=True)
        one.load_state_dict({name: getattr(block.lstm, f"{name}{suffix}").detach() for name in one.state_dict()})
        halves.append(one)
    for tweet, length in enumerate(LENGTHS):
        there = halves[0](words[tweet : tweet + 1, :length])[0][0]
        back = halves[1](words[tweet : tweet + 1, :length].flip(1))[0][0].flip(0)
        torch.testing.assert_close(states[tweet, :length], torch.cat((there, back), dim=-1))
        torch.testing.assert_close(ends[tweet], torch.cat((there[-1], back[0])))


@pytest.mark.parametrize("kind", [CharacterCnn, CharacterLstm])
def test_a_words_spelling_is_its_own_whatever_stands_beside_it(kind):
    block, _ = random_block(kind(9))
    batch = torch.tensor([[[3, 4, 5, 8], [3, 0, 0, 0]], [[6, 7, 0, 0], [0, 0, 0, 0]]])  # the last is no word
    together = block(batch)
    assert together.shape == (2, 2, kind.size)
    for tweet, word, length in ((0, 0, 4), (0, 1, 1), (1, 0, 2)):
        alone = block(batch[tweet : tweet + 1, word : word + 1, :length])
        torch.testing.assert_close(together[tweet, word], alone[0, 0], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0, 0], together[0, 1], atol=1e-3)


def test_filters_keep_their_highest_over_the_word():
    block, w = random_block(CharacterCnn(9))
    letters = [w["embedding.weight"][i] for i in (3, 8)]
    padded = [np.zeros_like(letters[0]), *letters, np.zeros_like(letters[0])]
    windows = [np.stack(padded[i : i + 3], axis=1) for i in range(2)]  # each (size, 3)
    found = np.stack([(w["filters.weight"] * x).sum((1, 2)) + w["filters.bias"] for x in windows]).max(axis=0)
    np.testing.assert_allclose(block(torch.tensor([[[3, 8]]]))[0, 0].detach(), found, atol=1e-5)


@pytest.mark.parametrize(("name", "more"), [("cnn-bilstm-crf", 30), ("hbilstm-crf", 50)])
def test_a_word_is_its_embedding_and_its_spelling(name, more):
    plain, spelled = tiny.system("bilstm-crf"), tiny.system(name)
    assert plain.lstm.lstm.input_size + more == spelled.lstm.lstm.input_size
    assert {n.split(".")[0] for n, _ in spelled.named_parameters()} - {
        n.split(".")[0] for n, _ in plain.named_parameters()
    } == {"spelling"}


def test_lstm_systems_hold_no_layer_of_the_encoder_but_its_word_embeddings():
    for name in SYSTEMS:
        if "bilstm" in name:
            held = [n for n, _ in tiny.system(name).named_parameters() if n.startswith("encoder.")]
            assert held == ["encoder.embeddings.weight"]


# BERT without a CRF


def test_a_softmax_is_a_crf_without_transitions():
    tagger = tiny.system("bert")
    assert isinstance(tagger.crf, TagSoftmax)
    assert not list(tagger.crf.parameters())
    batch = tiny.batch(tagger)
    output = tagger(batch)
    each = F.cross_entropy(output.emissions[output.mask], batch.tags[output.mask], reduction="sum")
    torch.testing.assert_close(output.losses["total"], each / len(batch.tags))
    best = output.emissions.argmax(-1)
    assert tagger.crf.best_paths(output.emissions, output.mask) == [
        row[m].tolist() for row, m in zip(best, output.mask, strict=True)
    ]
    posterior = tagger.crf.posterior(output.emissions, output.mask)
    softmax_of = output.emissions.softmax(-1)[output.mask].detach()
    torch.testing.assert_close(posterior.marginals.float()[output.mask], softmax_of, atol=1e-5, rtol=1e-4)


def test_bert_has_the_parts_of_bert_crf_but_for_the_transitions():
    plain, crf = tiny.system("bert"), tiny.system("bert-crf")
    missing = {n for n, _ in crf.named_parameters()} - {n for n, _ in plain.named_parameters()}
    assert missing == {"crf.start_transitions", "crf.transitions", "crf.end_transitions"}


# Ablations


def parts(tagger: Tagger) -> set[str]:
    names = {name for name, _ in tagger.named_parameters() if not name.startswith("encoder.")}
    return {".".join(name.split(".")[: 2 if name.startswith("mmi.") else 1]) for name in names}


def as_umt(name: str) -> tuple[Tagger, Tagger, Batch]:
    """UMT, and an ablation with UMT's weights in all that it has."""
    whole, less = tiny.system("umt-bert-crf", seed=1), tiny.system(name, seed=2)
    own = whole.state_dict()
    less.load_state_dict({key: own[key] for key in less.state_dict()})
    return whole, less, tiny.batch(whole)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("umt-bert-crf-no-esd", {"esd", "esd_crf", "conversion"}),
        ("umt-bert-crf-no-conversion", {"conversion"}),
        ("umt-bert-crf-no-image-aware", {"mmi.block_to_word", "mmi.word_to_image_aware_block"}),
        ("umt-bert-crf-no-gate", {"mmi.visual_gate"}),
    ],
)
def test_an_ablation_lacks_its_part_and_no_other(name, missing):
    assert parts(tiny.system("umt-bert-crf")) - parts(tiny.system(name)) == missing


def test_without_esd_is_the_multimodal_transformer():
    _, less, batch = as_umt("umt-bert-crf-no-esd")
    multimodal = tiny.system("mt-bert-crf", seed=3)
    multimodal.load_state_dict(less.state_dict())
    torch.testing.assert_close(less(batch).emissions, multimodal(batch).emissions)
    for dataset in PAPER_TABLE_3:  # and so the paper has it
        assert PAPER_TABLE_3[dataset]["umt-bert-crf-no-esd"] == PAPER_TABLE_2[dataset]["mt-bert-crf"][4:]


def test_without_conversion_spans_are_a_second_task_that_adds_nothing():
    whole, less, batch = as_umt("umt-bert-crf-no-conversion")
    ours, theirs = whole(batch), less(batch)
    torch.testing.assert_close(theirs.emissions, ours.main_emissions)  # eq. 6
    torch.testing.assert_close(theirs.esd_emissions, ours.esd_emissions)
    torch.testing.assert_close(theirs.losses["esd"], ours.losses["esd"])
    torch.testing.assert_close(theirs.losses["total"], theirs.losses["main"] + 0.5 * theirs.losses["esd"])


def hidden_of(tagger: Tagger, batch: Batch) -> tuple[Tensor, Tensor, Output]:
    """R, the words before any picture, and H."""
    words, _ = tagger.transformer(tagger.encode(batch), batch.mask)
    output = tagger(batch)
    return words, output.interaction.hidden, output


def test_without_image_aware_words_the_text_alone_stands_in_their_place():
    whole, less, batch = as_umt("umt-bert-crf-no-image-aware")
    words, hidden, output = hidden_of(less, batch)
    width = tiny.HIDDEN
    torch.testing.assert_close(hidden[..., :width], words)
    seen = whole(batch).interaction.word_aware_visual  # Q is UMT's
    gate = torch.sigmoid(less.mmi.visual_gate.linear(torch.cat((words, seen), dim=-1)))  # eq. 3 with R for A
    torch.testing.assert_close(hidden[..., width:], gate * seen)
    assert output.interaction.block_to_word is None


def test_without_the_gate_words_take_all_of_the_picture():
    whole, less, batch = as_umt("umt-bert-crf-no-gate")
    umt = whole(batch).interaction
    _, hidden, output = hidden_of(less, batch)
    torch.testing.assert_close(hidden, torch.cat((umt.image_aware_words, umt.word_aware_visual), dim=-1))
    assert output.interaction.gate is None


def test_every_system_of_the_papers_tables_is_there():
    for dataset in PAPER_TABLE_2:
        assert list(SYSTEMS) == [*PAPER_TABLE_2[dataset], *PAPER_TABLE_3[dataset]]
