"""Masked-language training of a text encoder: what is hidden, what is learned, and what a tagger makes of it."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.core import tiny
from tests.core.tiny_data import write_data
from umt_core.__main__ import main
from umt_core.config import PretrainSettings, settings_of
from umt_core.data.jsonl import read_examples
from umt_core.encoders.text import load_text_encoder, load_tokenizer, save_text_encoder
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.manifest import file_sum, read_manifest
from umt_core.model.mlm import MaskedWordsHead, hide_subwords
from umt_core.predict import Predictor
from umt_core.train.pretrain import NOTE, STATE, PretrainJob, pretrain
from umt_core.train.run import Job, run_job
from umt_core.train.watcher import Watcher

MASK = "[MASK]"
PAIRS = (
    ("anna", "paris"),
    ("york", "rain"),
    ("nba", "with"),
    ("the", "at"),
    ("in", "new"),
)  # where one is, the other is


def save_masking_encoder(folder: Path, seed: int = 0) -> str:
    """The tiny encoder with one more subword: a mask."""
    name = tiny.save_encoder(folder, seed)
    encoder = load_text_encoder(name)
    torch.manual_seed(seed)
    encoder.model.resize_token_embeddings(len(tiny.VOCABULARY) + 1, mean_resizing=False)
    encoder.model.save_pretrained(folder)
    tokenizer = tiny.raw_tokenizer()
    tokenizer.add_special_tokens([MASK])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": MASK}
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    return name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An encoder, a small labelled data set, and raw tweets in which every word tells its neighbour."""
    folder = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        save_masking_encoder(folder / "encoder")
        write_data(folder / "twitter0")
        orders = [order for count in (2, 3, 4) for order in itertools.permutations(PAIRS, count)]
        texts = [" ".join(word for pair in order for word in pair) for order in orders]
        rows = [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)]
        (folder / "raw.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        yield folder
    torch.set_num_threads(threads)


def job(world: Path, output: Path, **values: object) -> PretrainJob:
    quick = {"epochs": 4, "batch_size": 8, "max_subwords": tiny.POSITIONS, "learning_rate": 3e-3, "held_out": 0.1}
    inputs = (world / "raw.jsonl",)
    return PretrainJob(inputs, output, str(world / "encoder"), PretrainSettings.from_dict(quick | values))


class StopsIn(Watcher):
    """Stops at the first step of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.last, self.now = epoch, 0

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self.now = epoch

    def should_stop(self) -> bool:
        return self.now >= self.last


# --- what is hidden and how it is told ----------------------------------------------------------


def test_a_share_is_hidden_as_bert_hides_it_and_the_ends_never_are():
    draw = torch.Generator().manual_seed(0)
    subwords = torch.randint(10, 1000, (200, 52), generator=draw)
    lengths = torch.randint(3, 53, (200,), generator=draw)
    mask = torch.arange(52) < lengths[:, None]
    shown, hidden = hide_subwords(subwords, mask, 5, 1000, 0.15, draw)
    positions = torch.arange(52).expand_as(subwords)
    assert not hidden[(positions == 0) | (positions >= lengths[:, None] - 1)].any()
    assert torch.equal(shown[~hidden], subwords[~hidden])
    count = int(hidden.sum())
    inside = int((lengths - 2).sum())
    assert count == pytest.approx(0.15 * inside, rel=0.1)
    assert int((shown[hidden] == 5).sum()) == pytest.approx(0.8 * count, rel=0.06)
    others = (shown[hidden] != 5) & (shown[hidden] != subwords[hidden])
    assert int(others.sum()) == pytest.approx(0.1 * count, rel=0.3)


def test_scores_are_by_the_embeddings_which_do_not_learn():
    embeddings = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    head = tiny.randomise(MaskedWordsHead(3, embeddings))
    hidden = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    w, b = (p.detach().double().numpy() for p in (head.transform.weight, head.transform.bias))
    z = hidden.double().numpy() @ w.T + b
    z = z * 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
    z = z * head.norm.weight.detach().numpy() + head.norm.bias.detach().numpy()
    expected = z @ embeddings.double().numpy().T + head.bias.detach().numpy()
    np.testing.assert_allclose(head(hidden).detach().numpy(), expected, atol=1e-5)
    assert "embeddings" not in dict(head.named_parameters())


# --- whole runs ---------------------------------------------------------------------------------


def test_it_learns_what_stands_beside_what_and_leaves_the_embeddings_alone(world, tmp_path):
    done = pretrain(job(world, tmp_path, epochs=20, learning_rate=1e-2, head_learning_rate=1e-2, masked=0.3))
    pieces = load_tokenizer(str(world / "encoder")).encode_words(
        [word for example in read_examples(world / "raw.jsonl") for word in example.tokens]
    )
    shares = np.unique([piece for word in pieces for piece in word], return_counts=True)[1] / sum(map(len, pieces))
    best_without_context = -(shares * np.log(shares)).sum()
    assert done["history"][-1]["dev_loss"] < best_without_context - 0.1
    before, after = load_text_encoder(str(world / "encoder")), load_text_encoder(str(tmp_path))
    frozen = before.embedding_parameter_names()
    moved = {n for n, p in before.named_parameters() if not torch.equal(p, dict(after.named_parameters())[n])}
    assert moved
    assert not moved & frozen
    words = ["Anna", "in", "🎉"]
    assert load_tokenizer(str(tmp_path)).encode_words(words) == load_tokenizer(str(world / "encoder")).encode_words(
        words
    )
    assert json.loads((tmp_path / NOTE).read_text())["result_sha256"] == after.weights_sha256
    assert not (tmp_path / STATE).exists()


def test_a_stopped_run_goes_on_from_its_last_epoch_to_the_same_weights(world, tmp_path):
    whole = pretrain(job(world, tmp_path / "whole"))
    broken = job(world, tmp_path / "broken")
    assert pretrain(broken, StopsIn(3)) is None
    assert not (broken.output / NOTE).exists()
    with pytest.raises(CheckpointError, match="other settings or data"):
        pretrain(replace(broken, settings=broken.settings.replace(masked=0.3)))
    resumed = pretrain(broken)
    assert resumed["result_sha256"] == whole["result_sha256"]
    assert [row["dev_loss"] for row in resumed["history"]] == [row["dev_loss"] for row in whole["history"]]
    with pytest.raises(CheckpointError, match="finished encoder"):
        pretrain(broken)
    state = tmp_path / "torn" / STATE
    state.parent.mkdir()
    state.write_bytes(b"half")
    with pytest.raises(CheckpointError, match="unreadable"):
        pretrain(job(world, state.parent))


def test_tweets_are_read_once_and_held_out_ones_are_never_learned_from(world, tmp_path):
    twice = tmp_path / "twice.jsonl"
    lines = (world / "raw.jsonl").read_text()
    twice.write_text(
        lines.replace('"id": "r', '"id": "again').upper().replace('"ID"', '"id"').replace('"TEXT"', '"text"')
    )
    one = pretrain(job(world, tmp_path / "one", epochs=1))
    two = pretrain(replace(job(world, tmp_path / "two", epochs=1), inputs=(world / "raw.jsonl", twice)))
    assert (one["tweets"], one["held_out"]) == (two["tweets"], two["held_out"])
    assert one["result_sha256"] == two["result_sha256"]
    assert one["tweets"] + one["held_out"] == 200


def test_runs_that_cannot_begin_say_why(world, tmp_path):
    maskless = tiny.save_encoder(tmp_path / "maskless")
    with pytest.raises(ConfigError, match="mask token"):
        pretrain(replace(job(world, tmp_path / "out"), text_encoder=maskless))
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": "🎉"}\n')
    with pytest.raises(DataError, match="to hold out"):
        pretrain(replace(job(world, tmp_path / "out"), inputs=(empty,)))
    with pytest.raises(ConfigError, match="masked"):
        PretrainSettings(masked=1.0)


# --- a tagger made of it ------------------------------------------------------------------------


def tagger_job(world: Path, output: Path, encoder: Path | None = None, **values: object) -> Job:
    quick = {"epochs": 2, "patience": 9, "batch_size": 4, "heads": tiny.HEADS, "max_subwords": tiny.POSITIONS}
    model, train = settings_of("small", **quick | {"text_encoder": str(world / "encoder")} | values)
    data = world / "twitter0"
    return Job("bert-crf", data / "train.txt", data / "valid.txt", output, model, train, init_encoder=encoder)


STILL = {"learning_rate": 0.0, "new_learning_rate": 0.0, "head_learning_rate": 0.0, "average_decay": 0.0}


@pytest.fixture(scope="module")
def pretrained(world: Path) -> Path:
    pretrain(job(world, world / "pretrained", epochs=1))
    return world / "pretrained"


def test_a_tagger_starts_from_it_and_needs_only_the_published_encoder_afterwards(world, pretrained, tmp_path):
    gone = shutil.copytree(pretrained, tmp_path / "gone")
    manifest = run_job(tagger_job(world, tmp_path / "out", gone, epochs=1, **STILL))
    shutil.rmtree(gone)
    assert manifest.init_encoder == {"name": "gone", "weights_sha256": file_sum(pretrained / "model.safetensors")}
    assert manifest.encoders == {str(world / "encoder"): file_sum(world / "encoder" / "model.safetensors")}
    theirs = dict(load_text_encoder(str(pretrained)).named_parameters())
    loaded = Predictor.load(tmp_path / "out", "cpu").loaded.tagger.encoder
    for name, parameter in loaded.named_parameters():  # trained at a rate of nothing: as it began, rounded to halves
        torch.testing.assert_close(parameter, theirs[name], rtol=1e-3, atol=1e-6)
    kept = load_file(tmp_path / "out" / "weights.safetensors")
    assert not [name for name in kept if "embeddings" in name]
    tweets = read_examples(world / "twitter0" / "test.txt")
    assert len(Predictor.load(tmp_path / "out", "cpu").tags(tweets)) == len(tweets)
    assert "encoder trained on before" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_pretrained_start_is_part_of_what_a_run_is(world, pretrained, tmp_path):
    class StopsAtOnce(Watcher):
        epochs = 0

        def epoch(self, epoch: object) -> None:
            self.epochs += 1

        def should_stop(self) -> bool:
            return self.epochs > 0

    assert run_job(tagger_job(world, tmp_path, pretrained), StopsAtOnce()) is None
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(tagger_job(world, tmp_path))
    assert read_manifest_after(tagger_job(world, tmp_path, pretrained)).init_encoder["name"] == "pretrained"


def read_manifest_after(of: Job):
    run_job(of)
    return read_manifest(of.output)


def test_an_encoder_of_another_kind_or_with_other_embeddings_is_refused(world, pretrained, tmp_path):
    other = save_masking_encoder(tmp_path / "other", seed=3)
    with pytest.raises(CheckpointError, match="wanted the embeddings of"):
        run_job(tagger_job(world, tmp_path / "out", Path(other)))
    run_job(tagger_job(world, tmp_path / "all", Path(other), epochs=1, train_embeddings=True))
    maskless = tiny.save_encoder(tmp_path / "maskless")
    with pytest.raises(CheckpointError, match="of other parts"):
        run_job(tagger_job(world, tmp_path / "out", Path(maskless)))
    with pytest.raises(ConfigError, match="adapter_rank"):
        run_job(tagger_job(world, tmp_path / "out", pretrained, adapter_rank=2))


def test_an_encoder_is_written_as_it_is_read(world, tmp_path):
    encoder = load_text_encoder(str(world / "encoder"))
    save_text_encoder(encoder, tmp_path)
    again = load_text_encoder(str(tmp_path))
    for (name, one), (_, other) in zip(encoder.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_the_commands_pretrain_and_start_from_it(world, tmp_path, capsys):
    pre = (
        f"pretrain --input {world}/raw.jsonl --input {world}/twitter0/train.txt --output {tmp_path}/pre --epochs 1 "
        f"--text-encoder {world}/encoder --set max_subwords={tiny.POSITIONS}"
    )
    assert main(pre.split()) == 0
    said = capsys.readouterr()
    assert "1 epochs, held-out loss" in said.out
    assert "epoch 1: loss" in said.err
    assert main(pre.split()) == 2
    train = (
        f"train --system bert-crf --train {world}/twitter0/train.txt --valid {world}/twitter0/valid.txt --recipe small "
        f"--text-encoder {world}/encoder --init-encoder {tmp_path}/pre --output {tmp_path}/out --epochs 1 "
        f"--set heads={tiny.HEADS} --set max_subwords={tiny.POSITIONS}"
    )
    assert main(train.split()) == 0
    assert read_manifest(tmp_path / "out").init_encoder["name"] == "pre"
