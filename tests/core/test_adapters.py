"""Adapters: what they add, that they alone are trained and kept, and that runs and checkpoints work as without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.core import tiny
from tests.core.tiny import HEADS, HIDDEN, LAYERS, POSITIONS
from tests.core.tiny_data import Files, write_data
from umt_core.checkpoint import load_checkpoint
from umt_core.config import settings_of
from umt_core.data.jsonl import read_examples
from umt_core.encoders.text import TextEncoder, load_text_encoder
from umt_core.errors import BackboneError, CheckpointError, ConfigError
from umt_core.predict import Predictor, Workbench
from umt_core.systems.base import trained_names
from umt_core.train import loop, run
from umt_core.train.run import STATE, Job, run_job
from umt_core.train.watcher import Watcher

RANK = 2
IDS = torch.tensor([[2, 7, 9, 3], [2, 12, 3, 0]])
MASK = (IDS > 0).long()


def mpnet() -> TextEncoder:
    from transformers import MPNetConfig, MPNetModel

    config = MPNetConfig(
        vocab_size=40,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=POSITIONS,
    )
    return TextEncoder("tiny-mpnet", tiny.randomise(MPNetModel(config, add_pooling_layer=False), std=0.3)).eval()


ENCODERS = {"bert": tiny.encoder, "mpnet": mpnet}


@pytest.fixture(params=ENCODERS)
def pair(request: pytest.FixtureRequest) -> tuple[TextEncoder, TextEncoder]:
    """The same encoder without and with adapters."""
    plain, adapted = ENCODERS[request.param](), ENCODERS[request.param]()
    adapted.add_adapters(RANK)
    return plain, adapted


def test_an_adapter_adds_twice_b_a_to_its_layer(pair):
    plain, adapted = pair
    assert torch.equal(adapted(IDS, MASK), plain(IDS, MASK))  # B is zero
    for name, weight in adapted.named_parameters():
        if "lora" in name:
            torch.nn.init.normal_(weight, std=0.2)
    own = dict(adapted.named_parameters())
    with torch.no_grad():
        changed = 0
        for name, weight in plain.named_parameters():  # by hand: W + 2 B A in the place of W
            layer = name.removesuffix(".weight")
            if f"{layer}.lora_A.default.weight" in own:
                changed += 1
                weight += 2 * own[f"{layer}.lora_B.default.weight"] @ own[f"{layer}.lora_A.default.weight"]
    assert changed == 6 * LAYERS  # q, k, v, o, and both layers of the feed-forward
    torch.testing.assert_close(adapted(IDS, MASK), plain(IDS, MASK), rtol=1e-4, atol=1e-5)


def test_only_adapters_get_gradients(pair):
    _, adapted = pair
    adapted(IDS, MASK).square().sum().backward()
    with_gradient = [name for name, weight in adapted.named_parameters() if weight.grad is not None]
    assert len(with_gradient) == 2 * 6 * LAYERS
    assert all("lora_" in name for name in with_gradient)
    # By hand: rank * (in + out), of four layers of HIDDEN x HIDDEN and two of HIDDEN x 4 HIDDEN.
    size = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert size == LAYERS * RANK * (4 * 2 * HIDDEN + 2 * 5 * HIDDEN)


def test_without_the_library_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(BackboneError, match=r"adapters of rank 2 want the package peft: .* -m pip install peft=="):
        tiny.system("bert-crf", adapter_rank=RANK)


@pytest.mark.parametrize("rank", [-1, 257])
def test_a_rank_out_of_range_is_refused(rank):
    with pytest.raises(ConfigError, match="adapter_rank: wanted 0 to 256"):
        tiny.settings(adapter_rank=rank)


def test_a_tagger_on_the_embeddings_alone_has_no_adapters():
    ours, plain = (tiny.system("bilstm-crf", adapter_rank=rank, dropout=0.1) for rank in (RANK, 0))
    assert trained_names(ours) == trained_names(plain)


# --- whole runs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    encoder: str
    files: Files

    def job(self, output: Path, system: str = "bert-crf", recipe: str = "base", **settings: object) -> Job:
        given = {
            "text_encoder": self.encoder,
            "heads": HEADS,
            "max_subwords": POSITIONS,
            "epochs": 3,
            "patience": 100,
            "batch_size": 4,
            "learning_rate": 0.01,
            **({"adapter_rank": RANK} if recipe == "base" else {}),
        }
        model, train = settings_of(recipe, **given | settings)
        f = self.files
        return Job(system, f.train, f.valid, output, model, train, recipe, f.images, f.test)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over threads round differently
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        yield World(tiny.save_encoder(folder / "encoder"), write_data(folder / "data"))
    torch.set_num_threads(threads)


class StopsAfterTwoEpochs(Watcher):
    epochs = 0

    def epoch(self, epoch: loop.Epoch) -> None:
        self.epochs += 1

    def should_stop(self) -> bool:
        return self.epochs >= 2


def kept(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def test_a_checkpoint_holds_adapters_and_what_was_added_and_is_read_again(world, tmp_path):
    manifest = run_job(world.job(tmp_path, "umt-bert-crf"))
    names = kept(tmp_path).keys()
    assert {n for n in names if n.startswith("encoder.")} == {n for n in names if "lora_" in n}
    assert len([n for n in names if "lora_" in n]) == 2 * 6 * LAYERS
    assert {"word_shape.weight", "crf.transitions", "mmi.visual_gate.linear.weight"} <= names
    assert manifest.parameters["trained"] == sum(w.numel() for w in kept(tmp_path).values())
    assert manifest.model.adapter_rank == RANK

    loaded = load_checkpoint(tmp_path)
    assert set(trained_names(loaded.tagger)) == names
    published = dict(load_text_encoder(world.encoder).named_parameters())
    ours = {n.replace(".base_layer", ""): w for n, w in loaded.tagger.encoder.named_parameters() if "lora_" not in n}
    assert ours.keys() == published.keys()
    assert all(torch.equal(ours[name], published[name]) for name in published)
    examples = read_examples(world.files.test)
    found = Predictor.load(tmp_path, "cpu").predict(examples)
    assert [p.spans for p in found] == [p.spans for p in Predictor.load(tmp_path, "cpu").predict(examples)]


@pytest.mark.parametrize("settings", [{}, {"train_layers": 1}, {"average_decay": 0.0}], ids=str)
def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not_stopped(world, tmp_path, settings):
    run_job(world.job(tmp_path / "whole", **settings))
    broken = world.job(tmp_path / "broken", **settings)
    assert run_job(broken, StopsAfterTwoEpochs()) is None
    run_job(broken)
    whole, resumed = kept(tmp_path / "whole"), kept(tmp_path / "broken")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_held_layers_keep_their_adapters_as_they_began(world, tmp_path):
    run_job(world.job(tmp_path, train_layers=1))
    up = {name: weight for name, weight in kept(tmp_path).items() if "lora_B" in name}
    assert len(up) == 6 * LAYERS
    for name, weight in up.items():
        assert (".layer.1." in name) == bool(weight.any()), name  # B begins at zero


def test_adapters_are_trained_in_sixteen_bits_and_kept_in_float32(world, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "mixed_type", lambda _: torch.bfloat16)
    mixed = run_job(world.job(tmp_path / "mixed"))
    whole = run_job(world.job(tmp_path / "whole", precision="float32"))
    assert (mixed.precision, whole.precision) == ("bfloat16", "float32")
    for ours, theirs in zip(mixed.history, whole.history, strict=True):
        assert ours["loss_total"] == pytest.approx(theirs["loss_total"], rel=0.05)
    assert mixed.history[-1]["loss_total"] != whole.history[-1]["loss_total"]


def test_adapters_have_the_encoder_s_rate_layer_by_layer(world):
    from umt_core.systems import build_system

    model, train = settings_of(
        "base", text_encoder="t", heads=HEADS, max_subwords=POSITIONS, layer_decay=0.5, learning_rate=0.1
    )
    tagger = build_system("bert-crf", model, tiny.encoder())
    names = {id(weight): name for name, weight in tagger.named_parameters()}
    rates = {names[id(w)]: group["lr"] for group in loop.parameter_groups(tagger, train) for w in group["params"]}
    for name, rate in rates.items():
        if name.startswith("encoder."):
            assert rate == {"0": 0.05, "1": 0.1}[name.split(".layer.")[1][0]], name
    assert rates["classifier.weight"] == train.head_learning_rate


# --- beside others --------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_taggers_share_what_none_of_them_trains_and_answer_as_alone(world, tmp_path, order):
    jobs = (
        world.job(tmp_path / "adapted", "bert-crf"),
        world.job(tmp_path / "full", "bert-crf", "base-full"),
        world.job(tmp_path / "all", "bert-crf", "base-full", train_embeddings=True),
    )
    for job, dataset in zip(jobs, "abc", strict=True):
        run_job(Job(**{name: getattr(job, name) for name in Job.__slots__} | {"dataset": dataset}))
    examples = read_examples(world.files.test)
    bench = Workbench.load([jobs[i].output for i in order], "cpu")
    together = {name: p.marginals(examples) for name, p in bench.predictors.items()}
    for job, dataset in zip(jobs, "abc", strict=True):
        alone = Predictor.load(job.output, "cpu").marginals(examples)
        for one, other in zip(alone, together[f"{dataset}/bert-crf"], strict=True):
            assert (one == other).all()
    words = [p.loaded.tagger.encoder.model.get_input_embeddings().weight for p in bench.predictors.values()]
    shared = {w.data_ptr() for w in words}
    assert len(shared) == 2  # who trained them has their own


def test_taggers_with_adapters_share_the_whole_encoder(world, tmp_path):
    for system in ("bert-crf", "umt-bert-crf"):
        run_job(world.job(tmp_path / system, system))
    bench = Workbench.load([tmp_path / "bert-crf", tmp_path / "umt-bert-crf"], "cpu")
    one, other = (dict(p.loaded.tagger.encoder.named_parameters()) for p in bench.predictors.values())
    assert {name for name in one if one[name] is other[name]} == {name for name in one if "lora_" not in name}


# --- a run that began before there was such a setting ------------------------------------------------


def test_a_state_that_knows_fewer_settings_goes_on_where_they_are_as_by_default(world, tmp_path):
    job = world.job(tmp_path, adapter_rank=0)
    assert run_job(job, StopsAfterTwoEpochs()) is None
    state = torch.load(tmp_path / STATE, weights_only=True)
    del state["job"]["model"]["adapter_rank"]
    torch.save(state, tmp_path / STATE)
    assert run_job(job) is not None


def test_a_state_of_other_settings_is_refused(world, tmp_path):
    assert run_job(world.job(tmp_path), StopsAfterTwoEpochs()) is None
    with pytest.raises(CheckpointError, match="of a run with other settings"):
        run_job(world.job(tmp_path, adapter_rank=RANK + 1))
    assert run.completed(None, {}) is None
