"""Checkpoints: saved and found again; whatever is missing, damaged or foreign is one line of CheckpointError."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core import tiny
from umt_core.checkpoint import (
    load_checkpoint,
    put_weights,
    read_weights,
    record_scores,
    save_checkpoint,
    save_weights,
)
from umt_core.errors import CheckpointError, UmtError
from umt_core.manifest import CARD, MANIFEST, WEIGHTS, file_sum, read_manifest
from umt_core.registry import checkpoints, find_checkpoint
from umt_core.systems.base import trained_names


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny/bert-crf`` and ``tiny/umt-bert-crf`` over one encoder."""
    root = tmp_path_factory.mktemp("checkpoints")
    encoder = tiny.save_encoder(root / "encoder")
    for name in ("bert-crf", "umt-bert-crf"):
        tiny.save_tagger(root, tiny.system(name, text_encoder=encoder))
    return root


@pytest.fixture
def root(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage."""
    shutil.copytree(saved / "tiny", tmp_path / "tiny")
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "tiny" / "umt-bert-crf"


def edit_manifest(folder: Path, **values: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | values), encoding="utf-8")


def edit_settings(folder: Path, group: str, **values: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    edit_manifest(folder, **{group: manifest[group] | values})


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Other weights, which the manifest names as its own."""
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    edit_manifest(folder, weights_sha256=file_sum(folder / WEIGHTS))


def take_weights_of_the_other_system(folder: Path) -> None:
    shutil.copy(folder.parent / "bert-crf" / WEIGHTS, folder / WEIGHTS)
    edit_manifest(folder, weights_sha256=file_sum(folder / WEIGHTS))


def change_a_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


def write_weights(folder: Path, content: bytes) -> None:
    """Foreign weights, which the manifest names as its own."""
    write(folder, WEIGHTS, content)
    edit_manifest(folder, weights_sha256=file_sum(folder / WEIGHTS))


def cut(folder: Path, name: str, length: int) -> None:
    write(folder, name, (folder / name).read_bytes()[:length])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "wanted weights.safetensors beside the manifest, found none"),
    "weights cut short": (lambda f: cut(f, WEIGHTS, 5000), r"\(5,000 bytes\): cut short or replaced"),
    "weights empty": (lambda f: write(f, WEIGHTS, b""), r"\(0 bytes\): cut short or replaced"),
    "weights with a changed byte": (change_a_byte, "cut short or replaced"),
    "weights that are text": (lambda f: write_weights(f, b"These are no weights."), "in safetensors form"),
    "weights with a huge header": (lambda f: write_weights(f, b"\xff" * 64), "in safetensors form"),
    "weights with no tensor": (lambda f: edit_weights(f, dict.clear), "lacks .* weights of umt-bert-crf"),
    "a weight missing": (lambda f: edit_weights(f, lambda w: w.pop("classifier.bias")), "lacks 1 .*classifier.bias"),
    "a weight too many": (
        lambda f: edit_weights(f, lambda w: w.update({"more": torch.zeros(1)})),
        "holds 1 weights unknown to umt-bert-crf, more among them",
    ),
    "a weight of another shape": (
        lambda f: edit_weights(f, lambda w: w.update({"classifier.bias": torch.zeros(13)})),
        r"classifier.bias: wanted shape \(9,\), got \(13,\)",
    ),
    "weights of another system": (take_weights_of_the_other_system, "lacks .* weights of umt-bert-crf"),
    "settings of another size": (lambda f: edit_settings(f, "model", visual_projections=2), "lacks 2 weights"),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "wanted a checkpoint, found no manifest.json"),
    "a manifest cut short": (lambda f: cut(f, MANIFEST, 40), "wanted a manifest in JSON"),
    "a manifest in bytes": (lambda f: write(f, MANIFEST, b"\xff\xfe\x00"), "wanted a manifest in JSON"),
    "a manifest that is a list": (lambda f: write(f, MANIFEST, b"[]"), "wanted a manifest of format 1, got 'list'"),
    "a manifest of another format": (lambda f: edit_manifest(f, format=2), "wanted a manifest of format 1, got 2"),
    "a manifest without its system": (
        lambda f: write(f, MANIFEST, b'{"format": 1, "model": {}, "train": {}}'),
        "not a manifest of ours",
    ),
    "a manifest with a foreign field": (lambda f: edit_manifest(f, colour="red"), "not a manifest of ours.*colour"),
    "an unknown setting": (lambda f: edit_settings(f, "model", depth=3), r"unknown setting \['depth'\]"),
    "a setting out of range": (lambda f: edit_settings(f, "train", epochs=0), "setting epochs: wanted 1 to 1000"),
    "a setting of another type": (lambda f: edit_settings(f, "model", heads="many"), "setting heads: wanted int"),
    "a system that is unknown": (lambda f: edit_manifest(f, system="gpt"), "unknown system 'gpt'"),
    "heads that do not divide": (lambda f: edit_settings(f, "model", heads=5), "setting heads: wanted a divisor"),
    "images without channels": (lambda f: edit_manifest(f, channels=None), "umt-bert-crf uses images"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_in_one_line(folder, damage):
    change, message = DAMAGE[damage]
    change(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_another_text_encoder_than_the_one_trained_on_is_refused(folder):
    name = read_manifest(folder).model.text_encoder
    edit_manifest(folder, encoders={name: "ab" * 32})
    with pytest.raises(CheckpointError, match=r"was trained on another .*SHA-256 abababababab\.\.\."):
        load_checkpoint(folder)


def test_an_unknown_name_lists_the_known(root):
    with pytest.raises(
        CheckpointError, match=r"no checkpoint 'tiny/mt' in .*; known: tiny/bert-crf, tiny/umt-bert-crf"
    ):
        load_checkpoint("tiny/mt")
    with pytest.raises(CheckpointError, match=r"no checkpoint '\.\./tiny/bert-crf'"):
        load_checkpoint("../tiny/bert-crf")


def test_checkpoints_are_found_by_name_and_by_folder(root, folder):
    assert [info.name for info in checkpoints()] == ["tiny/bert-crf", "tiny/umt-bert-crf"]
    assert find_checkpoint("tiny/umt-bert-crf").folder == find_checkpoint(folder).folder == folder
    assert find_checkpoint(folder).name == "tiny/umt-bert-crf"


def test_one_damaged_checkpoint_does_not_hide_the_others(root, folder):
    (folder / MANIFEST).write_text("{")
    assert [info.name for info in checkpoints()] == ["tiny/bert-crf"]
    (folder / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=f"wanted a checkpoint, found no {MANIFEST}"):
        find_checkpoint(f"tiny/{folder.name}")


@pytest.mark.parametrize("name", ["bert-crf", "umt-bert-crf"])
def test_what_is_loaded_is_what_was_saved_rounded(root, name):
    settings = read_manifest(root / "tiny" / name).model
    original = tiny.system(name, text_encoder=settings.text_encoder)
    loaded = load_checkpoint(f"tiny/{name}")
    assert loaded.tagger.settings == settings
    assert not loaded.tagger.training
    own, trained = dict(original.named_parameters()), set(trained_names(loaded.tagger))
    assert not any(key.startswith("encoder.model.embeddings") for key in trained)
    for key, value in loaded.tagger.named_parameters():
        assert value.dtype == torch.float32
        assert torch.equal(value, own[key].half().float() if key in trained else own[key]), key


def test_a_manifest_survives_the_way_through_json(folder):
    manifest = read_manifest(folder)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    assert read_manifest(folder) == manifest


@pytest.mark.parametrize("value", [7e4, -7e4, float("inf"), float("nan")])
def test_a_value_that_half_precision_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(CheckpointError, match="large holds a value that half precision cannot: nothing was written"):
        save_weights({"small": torch.ones(2), "large": torch.tensor([1.0, value])}, tmp_path / WEIGHTS)
    assert not list(tmp_path.iterdir())


def test_weights_are_written_whole_and_read_back(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    digest = save_weights({"turned": whole.T, "whole": whole}, tmp_path / "deep" / WEIGHTS)
    read = read_weights(tmp_path / "deep", digest)
    assert torch.equal(read["turned"], whole.T.half())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [WEIGHTS]


def test_weights_that_do_not_match_the_manifest_leave_no_checkpoint(folder):
    manifest = read_manifest(folder)
    with pytest.raises(CheckpointError, match="not those that the manifest names"):
        save_checkpoint(folder, {"other": torch.ones(1)}, manifest)
    assert not (folder / MANIFEST).exists()


def test_a_refused_weight_leaves_the_tagger_as_it_was():
    tagger = tiny.system("bert-crf")
    before = {name: p.detach().clone() for name, p in tagger.named_parameters()}
    with pytest.raises(CheckpointError, match="here: lacks"):
        put_weights(tagger, {"classifier.bias": torch.zeros(9)}, where="here")
    wrong = {name: torch.zeros_like(p) for name, p in before.items()} | {"word_shape.weight": torch.zeros(1, 1)}
    with pytest.raises(CheckpointError, match=r"here: word_shape.weight: wanted shape \(16, 12\), got \(1, 1\)"):
        put_weights(tagger, wrong, where="here")
    assert all(torch.equal(p, before[name]) for name, p in tagger.named_parameters())


def test_scores_can_be_noted_later(folder):
    by_type = {label: {"f1": 0.5} for label in ("PER", "LOC", "ORG", "MISC")}
    scores = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "spans": 7, "by_type": by_type}
    before = file_sum(folder / WEIGHTS)
    record_scores(find_checkpoint(folder), "test", scores)
    assert read_manifest(folder).scores == {"test": scores}
    assert "| test | 50.00 | 25.00 | 33.33 |" in (folder / CARD).read_text(encoding="utf-8")
    assert file_sum(folder / WEIGHTS) == before
    load_checkpoint(folder)


def test_all_these_errors_are_ours():
    assert issubclass(CheckpointError, UmtError)
