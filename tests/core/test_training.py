"""Training: the same seed gives the same weights, whatever happens on the way; the best epoch is kept."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.held import FOURTH_EPOCH
from tests.core.tiny import CHANNELS, HEADS, POSITIONS, save_encoder
from tests.core.tiny_data import Files, write_data
from umt_core.__main__ import main
from umt_core.analysis.metrics import Score, Scores, score_spans
from umt_core.checkpoint import read_weights
from umt_core.config import settings_of
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.files import locked
from umt_core.data.images import ImageIndex, images_sum
from umt_core.data.jsonl import read_examples
from umt_core.devices import mixed_type
from umt_core.encoders.features import RegionFeatures
from umt_core.encoders.text import load_text_encoder, load_tokenizer
from umt_core.errors import BusyError, CheckpointError, ConfigError, DataError
from umt_core.features import Encoded
from umt_core.manifest import card, file_sum, read_manifest
from umt_core.predict import Predictor
from umt_core.schema import Span
from umt_core.spans import tags_to_spans
from umt_core.systems import build_system
from umt_core.tagging import TweetSet, make_tweet_set
from umt_core.train import loop
from umt_core.train.loop import Trainer, parameter_groups, shuffled_batches
from umt_core.train.run import Job, run_job
from umt_core.train.watcher import Watcher

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("bert-crf", "umt-bert-crf")
SIZES = {"heads": HEADS, "max_subwords": POSITIONS}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    encoder: str
    files: Files

    def job(self, output: Path, system: str = "bert-crf", init: str | None = None, **settings: object) -> Job:
        quick = {"text_encoder": self.encoder, "epochs": 4, "patience": 100, "batch_size": 4}
        model, train = settings_of("small", **quick | SIZES | settings)
        f = self.files
        return Job(system, f.train, f.valid, output, model, train, "small", f.images, f.test, init=init)

    def command(self, output: Path, system: str, epochs: int) -> list[str]:
        f = self.files
        return (
            f"train --system {system} --train {f.train} --valid {f.valid} --images {f.images} --output {output} "
            f"--text-encoder {self.encoder} --recipe small --epochs {epochs} --batch-size 2 --set patience=100 "
            f"--set heads={HEADS} --set max_subwords={POSITIONS}"
        ).split()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes we start: sums over threads round differently
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield World(save_encoder(folder / "encoder"), write_data(folder / "data"))
    torch.set_num_threads(threads)


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# --- whole runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_seed_gives_the_same_weights_and_another_gives_others(world, tmp_path, system):
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        run_job(world.job(tmp_path / name, system, seed=seed, epochs=2))
    assert weights_of(tmp_path / "first") == weights_of(tmp_path / "second")
    assert weights_of(tmp_path / "first") != weights_of(tmp_path / "other")


class StopsAfter(Watcher):
    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch(self, epoch: loop.Epoch) -> None:
        self.left -= 1

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_stopped_run_resumed_ends_with_the_weights_of_one_that_was_not_stopped(world, tmp_path, system):
    whole = run_job(world.job(tmp_path / "whole", system))
    broken = world.job(tmp_path / "broken", system)
    assert run_job(broken, StopsAfter(2)) is None
    assert not (broken.output / "manifest.json").exists()
    resumed = run_job(broken)
    assert weights_of(tmp_path / "whole") == weights_of(broken.output)
    timeless = [[row | {"seconds": 0} for row in m.history] for m in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert whole.scores == resumed.scores
    assert [row["event"] for row in log_of(broken.output) if row["event"] != "epoch"] == [
        "start", "stopped", "resume", "done",
    ]  # fmt: skip


def start(world: World, output: Path, system: str, epochs: int) -> subprocess.Popen[str]:
    """A training process that has finished two epochs, and waits in the fourth until it is ended."""
    command = [sys.executable, "-m", "tests.core.held", FOURTH_EPOCH, *world.command(output, system, epochs)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log, deadline = output / "log.jsonl", time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and '"epoch", "epoch": 2' in log.read_text(encoding="utf-8"):
            return process
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no second epoch: {process.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_after_kill_9_the_same_command_ends_with_the_weights_of_an_unbroken_run(world, tmp_path, system):
    process = start(world, tmp_path / "broken", system, epochs=10)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "broken" / "manifest.json").exists()
    assert main(world.command(tmp_path / "broken", system, epochs=10)) == 0
    assert main(world.command(tmp_path / "whole", system, epochs=10)) == 0
    assert log_of(tmp_path / "broken")[-1]["event"] == "done"
    assert any(row["event"] == "resume" for row in log_of(tmp_path / "broken"))
    assert weights_of(tmp_path / "broken") == weights_of(tmp_path / "whole")


@pytest.mark.slow
def test_ctrl_c_ends_with_one_line_and_the_same_command_goes_on(world, tmp_path):
    process = start(world, tmp_path / "broken", "bert-crf", epochs=10)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].splitlines()
    assert process.returncode == 130
    assert said[-1].startswith("stopped; the same command goes on")
    assert not [line for line in said if "Traceback" in line or "rror" in line]
    assert main(world.command(tmp_path / "broken", "bert-crf", epochs=10)) == 0
    assert main(world.command(tmp_path / "whole", "bert-crf", epochs=10)) == 0
    assert weights_of(tmp_path / "broken") == weights_of(tmp_path / "whole")


def test_a_run_is_not_resumed_with_other_settings_or_data(world, tmp_path):
    run_job(world.job(tmp_path, epochs=4), StopsAfter(1))
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(world.job(tmp_path, epochs=4, dropout=0.2))
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(world.job(tmp_path, "mt-bert-crf", epochs=4))
    assert run_job(world.job(tmp_path, epochs=1), fresh=True).epoch == 1


def test_a_run_is_not_resumed_on_other_pictures_if_it_reads_them(world, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(world.files.images, moved)
    next(moved.iterdir()).write_bytes(b"")
    for system in SYSTEMS:
        job = world.job(tmp_path / system, system)
        run_job(job, StopsAfter(1))
        on_others = replace(job, images=moved)
        if system == "bert-crf":
            assert run_job(on_others) is not None
        else:
            with pytest.raises(CheckpointError, match="other settings or data"):
                run_job(on_others)
            state = torch.load(job.output / "state.pt", weights_only=True)
            del state["job"]["pictures"]  # of a version that did not tell
            torch.save(state, job.output / "state.pt")
            assert run_job(job).data["train"]["images_sha256"] == images_sum(ImageIndex.open(world.files.images))


def test_a_fresh_run_that_cannot_begin_throws_nothing_away(world, tmp_path):
    done = run_job(world.job(tmp_path, epochs=1))
    for job, error in (
        (replace(world.job(tmp_path, "umt-bert-crf"), images=None), ConfigError),
        (replace(world.job(tmp_path), train=tmp_path / "none.txt"), DataError),
        (world.job(tmp_path, "no-such-system"), ConfigError),
        (world.job(tmp_path, init=str(tmp_path / "nowhere")), CheckpointError),
    ):
        with pytest.raises(error):
            run_job(job, fresh=True)
    assert read_manifest(tmp_path).weights_sha256 == done.weights_sha256 == file_sum(tmp_path / "weights.safetensors")


def test_two_processes_do_not_train_into_one_folder(world, tmp_path):
    with locked(tmp_path), pytest.raises(BusyError, match="another process is at work here"):
        run_job(world.job(tmp_path))
    assert run_job(world.job(tmp_path, epochs=1)) is not None


class StopsAtPictures(Watcher):
    asked = False

    def features(self, done: int, total: int) -> None:
        self.asked = True

    def should_stop(self) -> bool:
        return self.asked

    def step(self, *_: object) -> None:
        pytest.fail("it went on to train")


def test_a_run_can_be_stopped_before_it_trains(world, tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    assert run_job(world.job(tmp_path / "out", "umt-bert-crf"), StopsAtPictures()) is None


def test_an_unreadable_state_is_refused(world, tmp_path):
    run_job(world.job(tmp_path), StopsAfter(1))
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match="unreadable file: remove it"):
        run_job(world.job(tmp_path))
    state.unlink()
    assert run_job(world.job(tmp_path)) is not None


def test_a_finished_checkpoint_is_not_written_over(world, tmp_path):
    run_job(world.job(tmp_path, epochs=1))
    with pytest.raises(CheckpointError, match="holds a finished checkpoint"):
        run_job(world.job(tmp_path, epochs=1))
    assert not (tmp_path / "state.pt").exists()


def test_the_manifest_says_how_the_weights_came_about(world, tmp_path):
    job = world.job(tmp_path / "twitter0" / "umt", "umt-bert-crf", seed=7, epochs=2)
    run_job(job)
    manifest = read_manifest(job.output)
    assert manifest.name == "data/umt-bert-crf"  # the folder of the train file
    assert manifest.model == job.model.replace(word_shape=True)  # the tiny tokenizer is uncased
    assert manifest.train == job.settings
    assert manifest.train.seed == 7
    assert manifest.weights_sha256 == file_sum(job.output / "weights.safetensors")
    assert {name: row["sha256"] for name, row in manifest.data.items()} == {
        "train": file_sum(job.train), "valid": file_sum(job.valid), "test": file_sum(world.files.test),
    }  # fmt: skip
    assert [(row["tweets"], row["pictures"]) for row in manifest.data.values()] == [(12, 12), (4, 4), (4, 2)]
    assert manifest.encoders[world.encoder] == file_sum(Path(world.encoder) / "model.safetensors")
    assert len(manifest.history) == 2
    assert (job.output / "README.md").read_text(encoding="utf-8") == card(manifest)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_scores_kept_are_those_of_the_weights_as_they_are_read_again(world, tmp_path, system):
    run_job(world.job(tmp_path, system, epochs=8))
    examples = read_examples(world.files.test)
    tags = Predictor.load(tmp_path, "cpu").tags(examples, ImageIndex.open(world.files.images))
    scores = score_spans([e.spans for e in examples], [tags_to_spans(row) for row in tags])
    assert read_manifest(tmp_path).scores["test"] == scores.to_dict()


def test_every_line_of_the_log_is_json_and_epochs_have_their_figures(world, tmp_path):
    run_job(world.job(tmp_path, "umt-bert-crf", epochs=2))
    log = log_of(tmp_path)
    assert [row["event"] for row in log] == ["start", "epoch", "epoch", "done"]
    for number, row in enumerate(log[1:3], start=1):
        assert row["epoch"] == number
        assert row["loss_total"] == pytest.approx(row["loss_main"] + 0.5 * row["loss_esd"], abs=1e-3)
        assert {"dev_precision", "dev_recall", "dev_f1", "seconds", "time"} <= row.keys()


def test_training_starts_from_another_checkpoint_where_weights_fit(world, tmp_path):
    run_job(world.job(tmp_path / "text", epochs=2))
    still = {"learning_rate": 0.0, "new_learning_rate": 0.0, "head_learning_rate": 0.0, "average_decay": 0.0}
    notes: list[str] = []
    watcher = Watcher()
    watcher.note = notes.append  # type: ignore[method-assign]
    run_job(world.job(tmp_path / "umt", "umt-bert-crf", init=str(tmp_path / "text"), epochs=1, **still), watcher)
    before, after = read_weights(tmp_path / "text"), read_weights(tmp_path / "umt")
    fitting = [name for name in before if name in after and before[name].shape == after[name].shape]
    assert [name for name in before if name not in fitting] == ["classifier.weight"]  # that of UMT is twice as wide
    assert all(torch.equal(before[name], after[name]) for name in fitting)
    assert f"{len(fitting)} of its {len(before)} weights fit" in " ".join(notes)
    assert read_manifest(tmp_path / "umt").init == str(tmp_path / "text")


def test_what_another_checkpoint_has_trained_and_this_run_freezes_is_refused(world, tmp_path):
    run_job(world.job(tmp_path / "whole", epochs=1, train_embeddings=True, learning_rate=1e-2))
    job = world.job(tmp_path / "held", init=str(tmp_path / "whole"), epochs=1)
    assert not job.settings.train_embeddings
    with pytest.raises(CheckpointError, match=r"has trained encoder\.\S*embedding\S* and \d+ more"):
        run_job(job)
    adapted = world.job(tmp_path / "adapted", init=str(tmp_path / "whole"), epochs=1, adapter_rank=2)
    with pytest.raises(CheckpointError, match="that this run freezes as they were published"):
        run_job(adapted)
    on = world.job(tmp_path / "on", init=str(tmp_path / "whole"), epochs=1, train_embeddings=True)
    assert run_job(on) is not None


def test_an_encoder_without_weights_is_one_line(world, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    words = [*world.command(tmp_path / "out", "bert-crf", 1), "--init-encoder", str(tmp_path / "empty")]
    assert main(words) == 2
    assert "a fault of ours" not in capsys.readouterr().err
    assert main([*world.command(tmp_path / "out", "bert-crf", 1), "--set", "recipe=small"]) == 2
    assert "unknown setting ['recipe']" in capsys.readouterr().err


def test_runs_that_cannot_begin_say_why(world, tmp_path):
    job = world.job(tmp_path, "umt-bert-crf")
    with pytest.raises(ConfigError, match="wanted the pictures of the tweets"):
        run_job(Job(job.system, job.train, job.valid, job.output, job.model, job.settings))
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DataError, match=r"empty\.txt: wanted labelled tweets"):
        run_job(Job("bert-crf", tmp_path / "empty.txt", job.valid, job.output, job.model, job.settings))
    with pytest.raises(ConfigError, match="max_subwords"):
        run_job(world.job(tmp_path, max_subwords=400))  # the tiny encoder has 64 positions


# --- the loop -----------------------------------------------------------------------------------


def make_trainer(world: World, system: str = "bert-crf", *, pictures: bool = True, **settings: object) -> Trainer:
    model, train = settings_of("small", **{"text_encoder": world.encoder, "word_shape": True} | SIZES | settings)
    torch.manual_seed(train.seed)
    tagger = build_system(system, model, load_text_encoder(world.encoder), CHANNELS)
    tokenizer = load_tokenizer(world.encoder)

    def tweets(path: Path) -> TweetSet:
        examples = read_examples(path)
        regions = np.random.default_rng(0).normal(size=(len(examples), 49, CHANNELS)).astype(np.float16)
        rows = tuple(range(len(examples))) if pictures else (None,) * len(examples)
        return make_tweet_set(
            examples, tokenizer, tagger, features=RegionFeatures(regions, rows, {}), channels=CHANNELS
        )

    return Trainer(tagger, tweets(world.files.train), tweets(world.files.valid), train, CPU)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.trained.items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def script_dev_scores(patch: pytest.MonkeyPatch, correct: list[int]) -> None:
    """Lets dev F1 be what a test wants, epoch by epoch."""
    left = iter(correct)
    patch.setattr(loop, "evaluate", lambda *_: Scores(Score(next(left), 10, 10), {}, 4))


def test_the_best_epoch_is_kept_and_not_the_last(world, monkeypatch):
    script_dev_scores(monkeypatch, [3, 6, 5, 6])  # as good as the best is not better: the earlier one stays
    trainer = make_trainer(world, epochs=4, patience=10, average_decay=0.0)
    after = [(epoch.best, weights(trainer)) for epoch in trainer.epochs()]
    assert [best for best, _ in after] == [True, True, False, False]
    assert trainer.best_epoch == 2
    assert same(trainer.best, after[1][1])
    assert not same(trainer.best, after[3][1])


def test_training_stops_when_dev_has_not_risen_for_patience_epochs(world, monkeypatch):
    script_dev_scores(monkeypatch, [3, 6, 5, 4, 6, 9, 9])
    trainer = make_trainer(world, epochs=20, patience=3)
    assert [epoch.number for epoch in trainer.epochs()] == [1, 2, 3, 4, 5]
    assert trainer.finished


def test_the_running_average_is_what_is_kept_and_training_goes_on_from_the_weights_themselves(world):
    trainer = make_trainer(world, epochs=2, batch_size=4, average_decay=0.6)
    average, seen = weights(trainer), []
    for epoch in trainer.epochs(lambda *_: seen.append(weights(trainer))):
        assert same(weights(trainer), seen[-1]), epoch
    for step, now in enumerate(seen, start=1):
        decay = min(0.6, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * now[name] for name in now}
    assert len(seen) == 6
    for name, value in average.items():
        torch.testing.assert_close(trainer.average[name], value, atol=1e-6, rtol=0)
    if trainer.best_epoch == 2:
        assert same(trainer.best, trainer.average)
    with trainer.averaged():
        assert same(weights(trainer), trainer.average)
    assert same(weights(trainer), seen[-1])


def test_dropping_all_pictures_trains_as_if_there_were_none(world):
    after = {}
    for name, pictures, share in (("dropped", True, 1.0), ("none", False, 0.0), ("seen", True, 0.0)):
        trainer = make_trainer(world, "mt-bert-crf", pictures=pictures, image_dropout=share, epochs=1)
        list(trainer.epochs())
        after[name] = weights(trainer)
    assert same(after["dropped"], after["none"])
    assert not same(after["dropped"], after["seen"])


def test_image_dropout_withholds_about_that_share_of_pictures(world, monkeypatch):
    hidden: list[bool] = []
    batch = TweetSet.batch

    def listen(self, indices, *, targets=False, hide=None):
        hidden.extend(hide or [])
        return batch(self, indices, targets=targets, hide=hide)

    monkeypatch.setattr(TweetSet, "batch", listen)
    list(make_trainer(world, "mt-bert-crf", image_dropout=0.25, epochs=10, patience=10).epochs())
    assert len(hidden) == 120
    assert 18 <= sum(hidden) <= 42  # 30 expected, 2.5 standard deviations either way


def rates(trainer: Trainer) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay by parameter name."""
    names = {id(p): name for name, p in trainer.tagger.named_parameters()}
    groups = parameter_groups(trainer.tagger, trainer.settings)
    rows = [(names[id(p)], (group["lr"], group["weight_decay"])) for group in groups for p in group["params"]]
    assert len(rows) == len(dict(rows)), "a parameter is in two groups"
    return dict(rows)


def test_rates_fall_from_layer_to_layer_and_each_part_has_its_own(world):
    own = {"learning_rate": 0.1, "new_learning_rate": 0.2, "head_learning_rate": 0.3, "weight_decay": 0.01}
    trainer = make_trainer(world, "umt-bert-crf", layer_decay=0.5, train_embeddings=True, **own)
    found = rates(trainer)
    assert found.keys() == dict(trainer.tagger.named_parameters()).keys()
    layer = "encoder.model.encoder.layer.{}.output.dense.{}"
    assert found[layer.format(1, "weight")] == (0.1, 0.01)
    assert found[layer.format(0, "weight")] == (0.05, 0.01)
    assert found[layer.format(0, "bias")] == (0.05, 0)
    assert found["encoder.model.embeddings.word_embeddings.weight"] == (0.025, 0.01)
    assert found["mmi.visual_gate.linear.weight"] == (0.2, 0.01)
    assert found["transformer.output_norm.weight"] == (0.2, 0)
    for head in ("classifier.weight", "esd.classifier.weight"):
        assert found[head] == (0.3, 0.01)
    for plain in ("crf.transitions", "esd_crf.transitions", "conversion.matrix", "word_shape.weight"):
        assert found[plain] == (0.3, 0)


def test_frozen_embeddings_are_not_trained_and_do_not_move(world):
    trainer = make_trainer(world, train_embeddings=False, epochs=1, learning_rate=0.01)
    before = trainer.tagger.encoder.model.embeddings.word_embeddings.weight.clone()
    assert not [name for name in rates(trainer) if "embeddings" in name]
    list(trainer.epochs())
    assert torch.equal(trainer.tagger.encoder.model.embeddings.word_embeddings.weight, before)
    assert not [name for name in trainer.best if "embeddings" in name]


@pytest.mark.parametrize(("layers", "frozen"), [(0, {-1, 0, 1}), (1, {-1, 0}), (2, {-1}), (None, set())])
def test_layers_below_those_that_are_trained_stay_bit_for_bit_and_come_into_the_checkpoint(world, layers, frozen):
    trainer = make_trainer(world, "umt-bert-crf", train_layers=layers, train_embeddings=True, epochs=1)
    before = {name: p.detach().clone() for name, p in trainer.tagger.named_parameters()}
    list(trainer.epochs())
    kept = trainer.finish()
    assert kept.keys() == before.keys()  # a checkpoint that is read again finds all that it wants
    still = {name for name in before if torch.equal(before[name], kept[name])}
    for name in before:
        if name.startswith("encoder.") and name != "encoder.model.embeddings.token_type_embeddings.weight":
            assert (loop._layer(name) in frozen) == (name in still) or "key.bias" in name, name
    assert ("word_shape.weight" in still) == (layers is not None)
    assert not [name for name in still if name.startswith(("classifier.weight", "esd.classifier", "mmi.visual_gate"))]
    assert all(p.requires_grad for p in trainer.tagger.parameters())


def test_a_run_with_frozen_layers_is_resumed_to_the_same_weights_and_read_again(world, tmp_path):
    whole = run_job(world.job(tmp_path / "whole", train_layers=1))
    broken = world.job(tmp_path / "broken", train_layers=1)
    assert run_job(broken, StopsAfter(2)) is None
    run_job(broken)
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "broken")
    tags = Predictor.load(tmp_path / "whole", "cpu").tags(read_examples(world.files.test))
    scores = score_spans([e.spans for e in read_examples(world.files.test)], [tags_to_spans(row) for row in tags])
    assert whole.scores["test"] == scores.to_dict()


def test_train_takes_corrected_labels_from_a_store(world, tmp_path, capsys):
    url, file = f"sqlite:///{tmp_path}/store.sqlite", world.files.train
    first = read_examples(file)[0]
    with Store(url) as store:
        store.append(Edit(TweetKey("data/train", first.id), "set", "ann", first.spans, (), 0))
        digest = store.digest()
    command = world.command(tmp_path / "out", "bert-crf", epochs=1)
    assert main([*command, "--corrections", url]) == 0
    assert "corrected labels of data/train: 1 tweets, 1 of them changed" in capsys.readouterr().err
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.corrections["digest"], manifest.corrections["changed"]) == (digest, 1)
    assert manifest.name == "data/bert-crf"
    trained = read_examples(tmp_path / "out" / "corrected" / "train.jsonl")
    assert [e.spans for e in trained] == [() if e.id == first.id else e.spans for e in read_examples(file)]
    assert (
        main([*world.command(tmp_path / "other", "bert-crf", 1), "--corrections", f"sqlite:///{tmp_path}/no.db"]) == 2
    )


def test_a_run_that_cannot_begin_leaves_the_corrected_labels_of_the_one_before(world, tmp_path, capsys):
    out, first = tmp_path / "out", read_examples(world.files.train)[0]
    key, (url, other) = TweetKey("data/train", first.id), (f"sqlite:///{tmp_path}/{n}.sqlite" for n in ("one", "other"))
    command = [*world.command(out, "bert-crf", epochs=1), "--corrections", url]
    with Store(url) as store, Store(other) as another:
        event = store.append(Edit(key, "set", "ann", first.spans, (), 0))
        assert main(command) == 0
        store.append(Edit(key, "set", "ann", (), first.spans, event.number))
        another.append(Edit(replace(key, tweet="t1"), "set", "ann", (), (), 0))
    before = {path: path.read_bytes() for path in (out / "corrected").iterdir()}
    with locked(out):
        assert main([*command, "--fresh"]) == 2
    assert main([*command, "--fresh", "--init", str(tmp_path / "nowhere")]) == 2
    assert main([*command[:-1], other]) == 2
    assert {path: path.read_bytes() for path in (out / "corrected").iterdir()} == before
    assert main([*command, "--fresh"]) == 0
    assert read_examples(out / "corrected" / "train.jsonl")[0].spans == first.spans
    assert read_manifest(out).data["train"]["file"] == "train.jsonl"
    assert not (out / ".corrected").exists()


def test_a_run_is_not_resumed_on_the_labels_of_another_store_and_keeps_its_own(world, tmp_path):
    key, (url, other) = TweetKey("data/train", "t1"), (f"sqlite:///{tmp_path}/{n}.sqlite" for n in ("one", "other"))
    with Store(url) as store, Store(other) as another:
        store.append(Edit(key, "set", "ann", (), (), 0))
        another.append(Edit(key, "set", "ann", (), (Span(0, 1, "MISC"),), 0))
    job = replace(world.job(tmp_path / "out", epochs=2), store=url)
    run_job(job, StopsAfter(1))
    before = (tmp_path / "out" / "corrected" / "train.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(replace(job, store=other))
    assert (tmp_path / "out" / "corrected" / "train.jsonl").read_bytes() == before
    assert run_job(job).epoch in (1, 2)


def test_the_learning_rate_rises_over_the_warmup_and_falls_to_nothing(world):
    trainer = make_trainer(world, epochs=4, batch_size=4, warmup=0.25, patience=10, head_learning_rate=1.0)
    head = max(range(len(trainer.optimizer.param_groups)), key=lambda i: trainer.optimizer.param_groups[i]["lr"])
    factors = [trainer.optimizer.param_groups[head]["lr"]]
    list(trainer.epochs(lambda *_: factors.append(trainer.optimizer.param_groups[head]["lr"])))
    # 12 tweets in threes of 4, four times: 12 steps, the first 3 of them warm-up.
    assert factors == pytest.approx([1 / 4, 2 / 4, 3 / 4, *(rest / 9 for rest in range(9, -1, -1))])


@pytest.mark.parametrize(("tweets", "batch_size"), [(1, 4), (12, 4), (13, 4), (1000, 16), (7, 16)])
def test_batches_hold_each_tweet_once_and_tweets_of_like_length(tweets, batch_size):
    lengths = np.random.default_rng(0).integers(3, 60, tweets).tolist()
    encoded = [Encoded((0,) * n, (0,) * n, (1,), 1) for n in lengths]
    tweet_set = TweetSet([None] * tweets, encoded, pad_id=0, unk_id=0, tagging="word")  # type: ignore[list-item]
    shuffled = shuffled_batches(tweet_set, batch_size, np.random.default_rng(1))
    for batches in (shuffled, tweet_set.by_length(batch_size)):
        assert sorted(i for batch in batches for i in batch) == list(range(tweets))
        assert max(len(batch) for batch in batches) <= batch_size
        padding = sum(max(lengths[i] for i in batch) - lengths[j] for batch in batches for j in batch)
        assert padding <= 0.1 * sum(lengths) or tweets < 1000
    assert tweets < 1000 or shuffled != shuffled_batches(tweet_set, batch_size, np.random.default_rng(2))


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_sixteen_bits_keep_weights_in_float32_and_near_those_of_float32(world, tmp_path, monkeypatch, device):
    if device == "cpu":  # whether or not this processor is faster so
        monkeypatch.setattr(loop, "mixed_type", lambda _: torch.bfloat16)
    whole, mixed = (
        run_job(replace(world.job(tmp_path / precision, "umt-bert-crf", precision=precision), device=device))
        for precision in ("float32", "auto")
    )
    assert (whole.precision, mixed.precision) == ("float32", "bfloat16")
    for ours, theirs in zip(mixed.history, whole.history, strict=True):
        assert ours["loss_total"] == pytest.approx(theirs["loss_total"], rel=0.05)
    assert mixed.history[-1]["loss_total"] != whole.history[-1]["loss_total"]


def test_frozen_weights_are_cast_once_and_no_weight_comes_out_other(world, monkeypatch):
    monkeypatch.setattr(loop, "mixed_type", lambda _: torch.bfloat16)
    cast, anew = (make_trainer(world, "umt-bert-crf", train_layers=1, epochs=1) for _ in range(2))
    below = cast.tagger.encoder.model.encoder.layer[0].output.dense.weight
    before, types = below.detach().clone(), set()
    list(cast.epochs(lambda *_: types.add(below.dtype)))
    assert types == {torch.bfloat16}
    assert below.dtype == torch.float32
    assert torch.equal(below, before)
    monkeypatch.setattr(loop, "cast_frozen_weights", lambda *_: nullcontext())
    list(anew.epochs())
    for name, weights in anew.finish().items():
        assert torch.equal(weights, cast.finish()[name]), name


def test_frozen_weights_are_whole_again_after_a_run_is_stopped(world, monkeypatch):
    monkeypatch.setattr(loop, "mixed_type", lambda _: torch.bfloat16)
    trainer = make_trainer(world, "bert-crf", train_layers=1)
    with pytest.raises(KeyboardInterrupt):
        next(trainer.epochs(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)))
    assert {p.dtype for p in trainer.tagger.parameters()} == {torch.float32}


def test_a_processor_without_bfloat16_trains_in_float32(monkeypatch):
    cpu = torch.device("cpu")
    for able, wanted in (({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({}, None)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert mixed_type(cpu) is wanted
