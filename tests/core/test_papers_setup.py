"""The paper's own set-up by the command of docs/systems.md: BERT and ResNet from their caches, here tiny ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torchvision.models import resnet

from tests.core.tiny import HIDDEN, SPECIAL, VOCABULARY, randomise
from tests.core.tiny_data import write_data
from umt_core.__main__ import main
from umt_core.analysis.reproduction import Row, read_rows
from umt_core.manifest import file_sum, read_manifest
from umt_core.systems import SYSTEMS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "systems.md"


def put_bert(hub: Path) -> None:
    """A cased BERT of two layers where the hub's client keeps ``bert-base-cased``."""
    from transformers import BertConfig, BertModel

    letters = [letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = (*VOCABULARY, *letters)
    kept = hub / "models--bert-base-cased"
    folder = kept / "snapshots" / "0123456789abcdef"
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=512,
    )
    randomise(BertModel(config), std=0.3).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    # As on the hub, where no file of this model says what its special tokens are.
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "model_max_length": 512}')
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(folder.name)


def put_resnet(home: Path, patch: pytest.MonkeyPatch) -> None:
    """A ResNet of four narrow blocks, whose 7 x 7 blocks have 2048 channels too, where torch keeps its weights."""

    def narrow(weights: None = None) -> resnet.ResNet:
        return resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], width_per_group=2)

    patch.setattr("torchvision.models.resnet152", narrow)
    torch.manual_seed(0)
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(narrow().state_dict(), folder / "made.pth")
    name = f"resnet152-{file_sum(folder / 'made.pth')[:8]}.pth"  # whose sum is checked against its name
    (folder / "made.pth").rename(folder / name)
    patch.setattr("umt_core.encoders.vision.RESNET152_FILE", name)


def documented() -> list[str]:
    lines = [line.strip() for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    (command,) = [line for line in lines if "reproduce" in line and "--text-encoder bert-base-cased" in line]
    assert command.startswith("python -m umt_core ")
    return shlex.split(command)[3:]


@pytest.mark.slow
def test_the_documented_command_trains_every_system_on_the_paper_s_encoders(tmp_path, monkeypatch):
    for name in ("twitter2015", "twitter2017"):
        write_data(tmp_path / "data" / name)
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    put_bert(tmp_path / "hub")
    put_resnet(tmp_path / "torch", monkeypatch)
    places = {"FOLDER": str(tmp_path / "data"), "runs/paper": str(tmp_path / "out")}
    words = [places.get(word, word) for word in documented()]
    assert main([*words, "--only", "twitter2017/umt-bert-crf/0"]) == 0

    row = Row("twitter2017", "umt-bert-crf", 0)
    values = read_rows(tmp_path / "out")[row]
    model, train = values["model"], values["train"]
    assert (model["text_encoder"], model["vision_encoder"], values["channels"]) == (
        "bert-base-cased",
        "resnet152",
        2048,
    )
    assert values["recipe"] == "paper"
    # Section 3.1: 12 heads, rate 5e-5, dropout 0.1, 128 words at most, batches of 16, lambda 0.5.
    assert (model["heads"], model["dropout"], model["max_subwords"], model["esd_weight"]) == (12, 0.1, 128, 0.5)
    assert (train["learning_rate"], train["batch_size"], train["train_embeddings"]) == (5e-5, 16, True)
    assert model["word_shape"] is False  # a cased encoder sees capitals
    assert values["data"]["train"] | {"tweets": 12, "pictures": 12} == values["data"]["train"]
    assert read_manifest(row.work(tmp_path / "out")).name == "twitter2017/umt-bert-crf"
    assert "| ours, 1 seed |" in (tmp_path / "out" / "reproduction.md").read_text(encoding="utf-8")

    places["runs/paper"] = str(tmp_path / "all")
    words = [places.get(word, word) for word in documented()]
    assert main([*words, "--set", "epochs=1", "--only", "twitter2017/*/0"]) == 0
    rows = read_rows(tmp_path / "all")
    assert {row.system for row in rows} == set(SYSTEMS)
    assert {values["model"]["text_encoder"] for values in rows.values()} == {"bert-base-cased"}
