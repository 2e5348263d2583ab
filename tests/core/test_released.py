"""The released model's weights in our systems, against a second implementation of the released model.

``released_forward`` was written from the order of operations of the released code, with functions of torch
alone and none of our modules: additive masks of -10000, norms with 1e-12, the exact GELU, 13 and 7 tags on
all subwords, two visual projections, a fixed 7 x 13 conversion, and both emissions halved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import torchcrf
from torch import Tensor

from tests.core import tiny
from tests.core.test_blocks import SUBWORD_CONVERSION
from umt_core.checkpoint import put_weights
from umt_core.config import settings_of
from umt_core.errors import CheckpointError
from umt_core.systems import Tagger, build_system
from umt_core.systems.released import convert_released, read_released, released_settings

D, CHANNELS, HEADS, TAGS, ESD_TAGS = tiny.HIDDEN, tiny.CHANNELS, tiny.HEADS, 13, 7


# A state dict as the released code saves it


def linear_shapes(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def layer_shapes(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("query", "key", "value"):
        yield from linear_shapes(f"{name}.attention.self.{part}", D, D)
    yield from linear_shapes(f"{name}.attention.output.dense", D, D)
    yield from linear_shapes(f"{name}.intermediate.dense", 4 * D, D)
    yield from linear_shapes(f"{name}.output.dense", D, 4 * D)
    for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
        yield f"{name}.{norm}.weight", (D,)
        yield f"{name}.{norm}.bias", (D,)


def released_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "bert.embeddings.word_embeddings.weight", (len(tiny.VOCABULARY), D)
    yield "bert.embeddings.position_embeddings.weight", (tiny.POSITIONS, D)
    yield "bert.embeddings.token_type_embeddings.weight", (2, D)
    yield "bert.embeddings.LayerNorm.weight", (D,)
    yield "bert.embeddings.LayerNorm.bias", (D,)
    for i in range(tiny.LAYERS):
        yield from layer_shapes(f"bert.encoder.layer.{i}")
    yield from linear_shapes("bert.pooler.dense", D, D)
    yield from layer_shapes("self_attention.layer.0")
    yield from layer_shapes("self_attention_v2.layer.0")
    yield from linear_shapes("vismap2text", D, CHANNELS)
    yield from linear_shapes("vismap2text_v2", D, CHANNELS)
    for name in ("txt2img", "img2txt", "txt2txt"):
        yield from layer_shapes(f"{name}_attention.layer.0")
    yield from linear_shapes("gate", D, 2 * D)
    yield from linear_shapes("classifier", TAGS, 2 * D)
    yield from linear_shapes("aux_classifier", ESD_TAGS, D)
    for name, tags in (("crf", TAGS), ("aux_crf", ESD_TAGS)):
        yield f"{name}.start_transitions", (tags,)
        yield f"{name}.end_transitions", (tags,)
        yield f"{name}.transitions", (tags, tags)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(7)
    return {name: torch.randn(shape) * 0.4 + ("Norm.weight" in name) for name, shape in released_shapes()}


# The released forward pass


def part(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, (D,), w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-12)


def bert_layer(w: dict[str, Tensor], name: str, asking: Tensor, asked: Tensor, penalty: Tensor) -> Tensor:
    """One BERT layer; ``asked`` is ``asking`` itself, or the other modality. penalty: (batch, 1, 1, keys)."""

    def by_head(kind: str, x: Tensor) -> Tensor:
        return part(w, f"{name}.attention.self.{kind}", x).unflatten(-1, (HEADS, D // HEADS)).permute(0, 2, 1, 3)

    scores = by_head("query", asking) @ by_head("key", asked).mT / math.sqrt(D // HEADS) + penalty
    context = (F.softmax(scores, dim=-1) @ by_head("value", asked)).permute(0, 2, 1, 3).flatten(-2)
    middle = norm(w, f"{name}.attention.output.LayerNorm", part(w, f"{name}.attention.output.dense", context) + asking)
    wide = F.gelu(part(w, f"{name}.intermediate.dense", middle))
    return norm(w, f"{name}.output.LayerNorm", part(w, f"{name}.output.dense", wide) + middle)


def released_forward(w: dict[str, Tensor], ids: Tensor, mask: Tensor, feature_maps: Tensor) -> dict[str, Tensor]:
    """Every block's output by its released name; feature_maps: (batch, channels, 7, 7)."""
    penalty = (1 - mask.float())[:, None, None, :] * -10000.0
    tables = {name: w[f"bert.embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")}
    positions = torch.arange(ids.shape[1])
    text = tables["word"][ids] + tables["position"][positions] + tables["token_type"][0]
    text = norm(w, "bert.embeddings.LayerNorm", text)
    for i in range(tiny.LAYERS):
        text = bert_layer(w, f"bert.encoder.layer.{i}", text, text, penalty)
    out = {"bert": text}
    out["self_attention"] = bert_layer(w, "self_attention.layer.0", text, text, penalty)
    out["aux_classifier"] = part(w, "aux_classifier", out["self_attention"])
    main = out["self_attention_v2"] = bert_layer(w, "self_attention_v2.layer.0", text, text, penalty)
    blocks = feature_maps.reshape(-1, CHANNELS, 49).permute(0, 2, 1)  # (batch, 49, channels)
    out["vismap2text"], out["vismap2text_v2"] = part(w, "vismap2text", blocks), part(w, "vismap2text_v2", blocks)
    every_block = torch.zeros(1)
    seen = out["txt2img_attention"] = bert_layer(w, "txt2img_attention.layer.0", main, out["vismap2text"], every_block)
    asked = out["img2txt_attention"] = bert_layer(w, "img2txt_attention.layer.0", out["vismap2text_v2"], main, penalty)
    last = out["txt2txt_attention"] = bert_layer(w, "txt2txt_attention.layer.0", main, asked, every_block)
    out["gate"] = torch.sigmoid(part(w, "gate", torch.cat((last, seen), -1)))
    out["classifier"] = part(w, "classifier", torch.cat((last, out["gate"] * seen), -1))
    out["emissions"] = 0.5 * out["classifier"] + 0.5 * (out["aux_classifier"] @ torch.tensor(SUBWORD_CONVERSION))
    return out


def crf_of(w: dict[str, Tensor], name: str, tags: int) -> torchcrf.CRF:
    crf = torchcrf.CRF(tags, batch_first=True)
    crf.load_state_dict({kind: w[f"{name}.{kind}"] for kind in crf.state_dict()})
    return crf


# Ours under the same weights


def ours(state: dict[str, Tensor]) -> Tagger:
    model = released_settings().replace(
        text_encoder="tiny", vision_encoder="tiny", heads=HEADS, max_subwords=tiny.POSITIONS
    )
    tagger = build_system("umt-bert-crf", model, tiny.encoder(seed=9), CHANNELS)
    put_weights(tagger, convert_released(state), where="released")
    return tagger.eval()


OURS = {
    "bert": "encoder",
    "self_attention": "esd.transformer",
    "aux_classifier": "esd.classifier",
    "self_attention_v2": "transformer",
    "vismap2text": "visual_projection.keys",
    "vismap2text_v2": "visual_projection.queries",
    "txt2img_attention": "mmi.word_to_block",
    "img2txt_attention": "mmi.block_to_word",
    "txt2txt_attention": "mmi.word_to_image_aware_block",
    "classifier": "classifier",
}


def test_every_block_gives_what_the_released_one_gives(state):
    tagger = ours(state)
    batch = tiny.batch(tagger)
    feature_maps = batch.regions.transpose(1, 2).reshape(-1, CHANNELS, 7, 7)
    expected = released_forward(state, batch.subwords, batch.mask, feature_maps)
    found: dict[str, Tensor] = {}
    for theirs, name in OURS.items():
        tagger.get_submodule(name).register_forward_hook(
            lambda _, __, output, theirs=theirs: found.update(
                {theirs: output[0] if isinstance(output, tuple) else output}
            )
        )
    with torch.no_grad():
        output = tagger(batch)
    found |= {"gate": output.interaction.gate, "emissions": output.emissions}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        per_subword = value.shape[1] == batch.mask.shape[1]
        real = batch.mask if per_subword else slice(None)
        torch.testing.assert_close(value[real], expected[name][real], atol=1e-5, rtol=0, msg=name)
    torch.testing.assert_close(output.esd_emissions[batch.mask], expected["aux_classifier"][batch.mask])


def test_the_released_loss_and_decoding_follow(state):
    tagger = ours(state)
    batch = tiny.batch(tagger)
    feature_maps = batch.regions.transpose(1, 2).reshape(-1, CHANNELS, 7, 7)
    expected = released_forward(state, batch.subwords, batch.mask, feature_maps)
    crf, aux_crf = crf_of(state, "crf", TAGS), crf_of(state, "aux_crf", ESD_TAGS)
    with torch.no_grad():
        main = -crf(expected["emissions"], batch.tags, mask=batch.mask, reduction="mean")
        aux = -aux_crf(expected["aux_classifier"], batch.esd_tags, mask=batch.mask, reduction="mean")
        output = tagger(batch)
    torch.testing.assert_close(output.losses["total"], main + 0.5 * aux, atol=1e-4, rtol=0)
    ids = crf.decode(expected["emissions"], mask=batch.mask)
    assert tagger.decode(output) == [[tagger.tag_set.tags[i] for i in path] for path in ids]


def test_released_settings_are_the_recipes():
    model = released_settings()
    assert model == settings_of("released", text_encoder="bert-base-cased", vision_encoder="resnet152")[0]
    choices = (model.tagging, model.esd_mix, model.visual_projections, model.conversion, model.image_transform)
    assert choices == ("subword", "mean", 2, "fixed", "released")
    assert not model.word_shape


def test_first_berts_names_of_norms_are_read(state):
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in state.items()
    }
    assert any("gamma" in name for name in old)
    new, converted = convert_released(state), convert_released(old)
    assert new.keys() == converted.keys()
    assert all(torch.equal(new[name], converted[name]) for name in new)


def test_every_weight_but_the_poolers_is_carried_over(state):
    tagger = ours(state)
    own = dict(tagger.named_parameters())
    assert len(own) == len(state) - 2
    pairs = convert_released(state).items()
    assert all(torch.equal(own[name], value) for name, value in pairs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("gate.bias"), "1 missing, gate.bias among them"),
        (lambda s: s.pop("bert.encoder.layer.0.output.dense.bias"), "missing, bert.encoder.layer.0.output.dense.bias"),
        (lambda s: s.update({"txt2img_attention.layer.1.output.dense.bias": torch.zeros(1)}), "1 unknown, txt2img"),
        (lambda s: s.update({"bert.encoder.layer.9.output.dense.bias": torch.zeros(1)}), "unknown, bert.encoder.la"),
        (lambda s: s.clear(), "missing"),
    ],
)
def test_unknown_and_missing_names_are_refused(state, change, message):
    change(state)
    with pytest.raises(CheckpointError, match=message) as caught:
        convert_released(state)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_width_is_refused(state):
    state["gate.bias"] = torch.zeros(D + 1)
    with pytest.raises(CheckpointError, match=r"mmi.visual_gate.linear.bias: wanted shape \(12,\), got \(13,\)"):
        ours(state)


def test_a_file_is_read_without_running_code(state, tmp_path: Path):
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file, _use_new_zipfile_serialization=False)  # as torch wrote it in 2020
    assert read_released(file).keys() == convert_released(state).keys()


class Harmful:
    """Would write a file when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_files_that_are_no_released_weights_are_refused(state, tmp_path: Path):
    mark = tmp_path / "ran"
    torch.save({"weights": Harmful(mark)}, tmp_path / "harmful.bin")
    torch.save({"epoch": 3}, tmp_path / "other.bin")
    torch.save({3: torch.zeros(1)}, tmp_path / "number.bin")
    torch.save([1, 2], tmp_path / "list.bin")
    torch.save({"gate.weight": torch.zeros(1)}, tmp_path / "half.bin")
    (tmp_path / "text.bin").write_text("not weights")
    torch.save(state, tmp_path / "whole.bin")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "whole.bin").read_bytes()[:5000])
    for name in ("harmful", "other", "number", "list", "half", "text", "cut", "missing"):
        with pytest.raises(CheckpointError, match=f"{name}.bin") as caught:
            read_released(tmp_path / f"{name}.bin")
        assert "\n" not in str(caught.value)
    assert not mark.exists()
