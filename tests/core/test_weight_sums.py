"""A byte that was changed in weights is found before they are used, wherever they lie: one line says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core import tiny
from umt_core import predict
from umt_core.checkpoint import load_checkpoint, read_weights, save_weights
from umt_core.encoders import text, vision
from umt_core.encoders.catalog import MINILM, MPNET_BASE
from umt_core.encoders.files import file_sha256
from umt_core.errors import BackboneError, CheckpointError, UmtError
from umt_core.explain import relevance
from umt_core.manifest import MANIFEST, WEIGHTS, file_sum, read_manifest
from umt_core.predict import Predictor
from umt_core.systems.released import read_released
from umt_core.train import pretrain
from umt_core.train.state import read_state


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def flip(file: Path) -> None:
    """One bit of the last of the weights, which any reader would take."""
    with file.open("r+b") as stream:
        stream.seek(-5, 2)
        byte = stream.read(1)[0]
        stream.seek(-5, 2)
        stream.write(bytes([byte ^ 1]))


def refused(kind: type[UmtError], load: Callable[[], object], *named: str) -> None:
    with pytest.raises(kind) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in named), str(caught.value)


def test_a_package_of_a_text_encoder(tmp_path, monkeypatch):
    folder = tmp_path / MINILM.folder
    shutil.copytree(text._packaged(MINILM), folder)
    monkeypatch.setattr(text, "package_file", lambda *_, **__: folder)
    assert text.load_text_encoder("minilm").weights_sha256 == MINILM.sha256
    flip(folder / text.WEIGHTS)
    refused(BackboneError, lambda: text.load_text_encoder("minilm"), str(folder), MINILM.sha256)


def test_a_text_encoder_that_was_unpacked_from_pieces(cache):
    folder = cache / MPNET_BASE.name
    folder.mkdir(parents=True)
    (folder / text.WEIGHTS).write_bytes(b"as it was never published")
    refused(BackboneError, lambda: text.load_text_encoder("mpnet-base"), str(folder), MPNET_BASE.sha256)


def test_a_package_of_a_vision_encoder(tmp_path, monkeypatch):
    file = tmp_path / "weights.pth"
    shutil.copy(vision.published_weights("efficientnet-lite0"), file)
    monkeypatch.setattr(vision, "published_weights", lambda _: file)
    vision.load_vision_encoder("efficientnet-lite0")
    flip(file)
    refused(BackboneError, lambda: vision.load_vision_encoder("efficientnet-lite0"), str(file), "SHA-256")


def test_a_file_of_torchs_hub_is_the_one_that_its_name_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / vision.RESNET152_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"of another sum")
    refused(BackboneError, lambda: vision.load_vision_encoder("resnet152"), str(file), "SHA-256 394f9c45")


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tagger of text and picture, trained on an encoder in a folder."""
    encoder = tiny.save_encoder(tmp_path / "encoder")
    monkeypatch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    folder = tiny.save_tagger(tmp_path, tiny.system("umt-bert-crf", text_encoder=encoder))
    name_encoders(folder)
    return folder


def name_encoders(folder: Path) -> None:
    """As training does it: the sums of the encoders into the manifest."""
    manifest = read_manifest(folder)
    text_sum = text.load_text_encoder(manifest.model.text_encoder).weights_sha256
    sums = {manifest.model.text_encoder: text_sum, manifest.model.vision_encoder: tiny.TinyVision().weights_sha256}
    (folder / MANIFEST).write_text(replace(manifest, encoders=sums).to_json(), encoding="utf-8")


def test_a_checkpoint(checkpoint):
    Predictor.load(checkpoint, "cpu")
    flip(checkpoint / WEIGHTS)
    refused(CheckpointError, lambda: load_checkpoint(checkpoint), str(checkpoint / WEIGHTS), "SHA-256")


def test_a_manifest_that_names_no_sum(checkpoint):
    manifest = replace(read_manifest(checkpoint), weights_sha256="")
    (checkpoint / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    refused(CheckpointError, lambda: load_checkpoint(checkpoint), str(checkpoint / WEIGHTS))
    refused(CheckpointError, lambda: read_weights(checkpoint, ""), str(checkpoint / WEIGHTS))


def in_one_file(folder: Path) -> list[Path]:
    return [folder / text.WEIGHTS]


def in_an_older_file(folder: Path) -> list[Path]:
    file = folder / "pytorch_model.bin"
    torch.save(load_file(folder / text.WEIGHTS), file)
    (folder / text.WEIGHTS).unlink()
    return [file]


def in_parts(folder: Path) -> list[Path]:
    weights = load_file(folder / text.WEIGHTS)
    (folder / text.WEIGHTS).unlink()
    files = [folder / f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    names = sorted(weights)
    for file, of in zip(files, (names[:3], names[3:]), strict=True):
        save_file({name: weights[name] for name in of}, file, {"format": "pt"})
    places = {name: files[0 if name in names[:3] else 1].name for name in names}
    index = {"metadata": {"total_size": sum(w.numel() * 4 for w in weights.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return files


@pytest.mark.parametrize("way", [in_one_file, in_an_older_file, in_parts])
def test_a_text_encoder_in_a_folder_is_the_one_trained_on(checkpoint, way):
    folder = Path(read_manifest(checkpoint).model.text_encoder)
    files = way(folder)
    name_encoders(checkpoint)
    Predictor.load(checkpoint, "cpu")
    for file in files:
        kept = file.read_bytes()
        weights = torch.load(file) if file.suffix == ".bin" else load_file(file)
        name = next(name for name in weights if weights[name].is_floating_point())
        weights[name].view(-1)[0] += 1  # a sound file, and not the one trained on
        torch.save(weights, file) if file.suffix == ".bin" else save_file(weights, file, {"format": "pt"})
        refused(CheckpointError, lambda: load_checkpoint(checkpoint), "was trained on another", str(folder))
        file.write_bytes(kept)
    load_checkpoint(checkpoint)


def test_a_vision_encoder_is_the_one_trained_on(checkpoint):
    other = tiny.TinyVision()
    other.weights_sha256 = "1" * 64
    refused(CheckpointError, lambda: Predictor.load(checkpoint, "cpu", vision=other), "another efficientnet-lite0")


def read_pretraining(file: Path) -> object:
    job = SimpleNamespace(output=file.rename(file.with_name(pretrain.STATE)).parent)
    return pretrain._resume(job, SimpleNamespace(device="cpu"), {})


@pytest.mark.parametrize("read", [lambda file: read_state(file, torch.device("cpu")), read_released, read_pretraining])
def test_what_torch_saves_is_checked_against_its_own_sums(tmp_path, read):
    """The state of a run or a pretraining, which has no sum elsewhere, and weights of the released code."""
    file = tmp_path / "saved"
    torch.save({"about": {}, "history": [], "weights": {"a": torch.rand(1000)}}, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # within the numbers
    file.write_bytes(content)
    torch.load(file, weights_only=True)  # which finds nothing
    refused(CheckpointError, lambda: read(file), str(tmp_path), "wanted")


def test_an_encoder_that_was_pretrained(tmp_path):
    folder = Path(tiny.save_encoder(tmp_path / "pretrained"))
    note = folder / pretrain.NOTE
    begun_with = text.load_text_encoder(str(folder))
    note.write_text(json.dumps({"result_sha256": file_sum(folder / text.WEIGHTS)}), encoding="utf-8")
    pretrain.put_pretrained(begun_with, folder, embeddings_too=True)
    flip(folder / text.WEIGHTS)
    refused(
        CheckpointError,
        lambda: pretrain.put_pretrained(begun_with, folder, embeddings_too=True),
        str(folder),
        "SHA-256",
    )
    note.write_text("{}", encoding="utf-8")
    refused(CheckpointError, lambda: pretrain.put_pretrained(begun_with, folder, embeddings_too=True), str(note))


def test_relevance(tmp_path, monkeypatch):
    """Its own reader is that of checkpoints, and a manifest without a sum is no way around it."""
    info = SimpleNamespace(weights_sha256="")
    monkeypatch.setattr(relevance, "read_info", lambda _: info)
    digest = save_weights({"a": torch.rand(3)}, tmp_path / WEIGHTS)
    for wanted in ("", "0" * 64):
        info.weights_sha256 = wanted
        refused(CheckpointError, lambda: relevance.Relevance.load(tmp_path), str(tmp_path / WEIGHTS), digest[:12])


def test_sums_agree(checkpoint):
    """The two functions that take sums, of encoders with a memory and of checkpoints without."""
    assert (
        file_sha256(checkpoint / WEIGHTS) == file_sum(checkpoint / WEIGHTS) == read_manifest(checkpoint).weights_sha256
    )
