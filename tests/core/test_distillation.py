"""Distillation, pseudo-labels and more labelled tweets: what a tagger is taught, and by whom."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy

from tests.core import tiny
from tests.core.test_crf import LENGTHS, TAGS, N, enumerate_paths, make_crf, probabilities
from tests.core.tiny_data import Files, tweets, write_data
from umt_core.__main__ import main
from umt_core.config import MODES, settings_of
from umt_core.data.conll import write_conll
from umt_core.data.files import cache_dir
from umt_core.data.images import images_sum
from umt_core.data.jsonl import read_examples, write_jsonl
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.labels import WORD_TAGS
from umt_core.manifest import MANIFEST, file_sum, read_manifest
from umt_core.model.crf import FORBIDDEN
from umt_core.predict import Predictor
from umt_core.schema import Example
from umt_core.systems import Output
from umt_core.train import run as run_module
from umt_core.train.distillation import FILES, TeacherInput, disagreement, distillation_loss, teacher_marginals
from umt_core.train.loop import Epoch, Trainer
from umt_core.train.reading import letters, read_also, read_labelled, read_unlabelled
from umt_core.train.run import Job, run_job
from umt_core.train.watcher import Watcher

UNLABELLED = ("Ann and Bob play in Rome", "the Hawks win tonight", "Dune at Roxy Hall", "Lee meets Ray", "no film 🎉")


@dataclass(frozen=True)
class World:
    files: Files
    encoder: str
    teacher: str  # reads text, in a wider encoder of its own
    seeing_teacher: str  # reads pictures
    unlabelled: Path

    def job(self, output: Path, system: str = "bert-crf", teachers: tuple[str, ...] = (), **values: object) -> Job:
        of_job = {name: values.pop(name) for name in list(values) if name in Job.__dataclass_fields__}
        quick = {"text_encoder": self.encoder, "epochs": 3, "patience": 100, "batch_size": 4}
        sizes = {"heads": tiny.HEADS, "max_subwords": tiny.POSITIONS, "teacher_weight": 1.0 if teachers else 0.0}
        model, train = settings_of("small", **quick | sizes | values)
        f = self.files
        return Job(system, f.train, f.valid, output, model, train, "small", f.images, teachers=teachers, **of_job)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        for module in ("umt_core.predict", "umt_core.train.run"):
            patch.setattr(f"{module}.load_vision_encoder", lambda *_, **__: tiny.TinyVision())
        files = write_data(folder / "twitter0")
        other = tiny.save_encoder(folder / "other", seed=5)
        teachers = []
        for seed, name in enumerate(("bert-crf", "umt-bert-crf")):
            torch.manual_seed(seed)
            tagger = tiny.system(name, seed=seed, text_encoder=other, max_subwords=20)
            teachers.append(str(tiny.save_tagger(folder / f"teacher{seed}", tagger)))
        unlabelled = folder / "unlabelled" / "tweets.jsonl"
        unlabelled.parent.mkdir()
        rows = [{"id": f"u{i}", "text": text, "image": f"t{i}"} for i, text in enumerate(UNLABELLED)]
        unlabelled.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        yield World(files, tiny.save_encoder(folder / "encoder"), *teachers, unlabelled)
    torch.set_num_threads(threads)


# --- what is asked of the student ---------------------------------------------------------------


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Emissions and teachers' marginals in double precision, and the mask."""
    draw = torch.Generator().manual_seed(1)
    emissions = 2 * torch.randn(len(LENGTHS), N, len(TAGS), generator=draw, dtype=torch.double)
    taught = torch.randn(len(LENGTHS), N, len(TAGS), generator=draw, dtype=torch.double).softmax(-1)
    return emissions, torch.tensor([[i < length for i in range(N)] for length in LENGTHS]), taught


def test_log_marginals_sum_the_paths_that_pass_a_tag(batch):
    emissions, mask, _ = batch
    crf = make_crf()
    found = crf.log_marginals(emissions, mask).exp().detach().numpy()
    for row, of_tweet, length in zip(emissions, found, LENGTHS, strict=True):
        paths, scores = enumerate_paths(crf, row[:length])
        for i in range(length):
            expected = [probabilities(scores)[paths[:, i] == tag].sum() for tag in range(len(TAGS))]
            np.testing.assert_allclose(of_tweet[i], expected, atol=1e-6)


def test_the_gradient_is_that_of_marginals_which_autograd_takes_from_the_partition(batch):
    """P(tag at a position) is d log Z / d emission: the same loss by another way, differentiated twice."""
    emissions, mask, taught = batch
    crf = make_crf().double()
    ours = emissions.clone().requires_grad_()
    loss = distillation_loss(crf, Output(ours, mask), taught)
    theirs = emissions.clone().requires_grad_()
    partition = type(crf).__base__._compute_normalizer(crf, theirs.transpose(0, 1), mask.transpose(0, 1))
    (marginals,) = torch.autograd.grad(partition.sum(), theirs, create_graph=True)
    by_hand = -sum(
        (taught[b, i] * marginals[b, i].log()).sum() for b, length in enumerate(LENGTHS) for i in range(length)
    ) / len(LENGTHS)
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-9)
    wanted = torch.autograd.grad(by_hand, [theirs, *crf.parameters()])
    found = torch.autograd.grad(loss, [ours, *crf.parameters()])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_learning_from_marginals_alone_comes_to_have_them(batch):
    emissions, mask, _ = batch
    crf, teacher = make_crf(seed=3).double(), make_crf(seed=4).double()
    taught = teacher.log_marginals(emissions, mask).exp().detach()
    own = emissions.clone().requires_grad_()
    optimizer = torch.optim.Adam([own, *crf.parameters()], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        distillation_loss(crf, Output(own, mask), taught).backward()
        optimizer.step()
    found = crf.log_marginals(own, mask).exp()
    torch.testing.assert_close(found[mask], taught[mask], atol=0.02, rtol=0)


def test_what_the_rules_forbid_has_a_price_and_no_gradient(batch):
    emissions, mask, taught = batch
    rules = torch.zeros(len(TAGS) + 1, len(TAGS), dtype=torch.bool)
    rules[:, 2] = True  # I-PER may follow nothing, not even B-PER
    crf = make_crf(forbidden=rules).double()
    taught = torch.zeros_like(taught)
    taught[..., 2] = 1.0
    own = emissions.clone().requires_grad_()
    loss = distillation_loss(crf, Output(own, mask), taught)
    loss.backward()
    assert loss.item() == pytest.approx(-FORBIDDEN / 2 * sum(LENGTHS) / len(LENGTHS))
    assert own.grad.abs().max() == 0


def test_words_that_teachers_do_not_read_add_nothing(batch):
    emissions, mask, taught = batch
    crf = make_crf()
    cut = taught.clone()
    cut[:, 2:] = 0
    short = mask.clone()
    short[:, 2:] = False
    own = crf.log_marginals(emissions, mask)[:, :2]
    by_hand = -(taught[:, :2] * own * mask[:, :2, None]).sum() / len(LENGTHS)
    assert distillation_loss(crf, Output(emissions, mask), cut).item() == pytest.approx(by_hand.item(), rel=1e-6)


# --- what teachers say --------------------------------------------------------------------------


def test_several_teachers_say_their_mean_for_each_word_that_they_read(world, tmp_path):
    long = Example("long", tuple("abcdefghij klmnop in Paris with Anna at the NBA".split()))  # more than 20 subwords
    examples = [*tweets()[:4], long, Example("empty", ())]
    found = teacher_marginals(
        [world.teacher, world.teacher], [TeacherInput("train", examples, None)], "cpu", folder=tmp_path
    )[0]
    said = Predictor.load(world.teacher, "cpu").marginals(examples)
    assert 0 < len(said[4]) < len(long.tokens)
    for row, theirs, example in zip(found, said, examples, strict=True):
        assert row.shape == (len(example.tokens), len(WORD_TAGS))
        np.testing.assert_allclose(row[: len(theirs)], theirs, atol=1e-3)
        assert not row[len(theirs) :].any()

    pictures = run_module.ImageIndex.open(world.files.images)
    both = teacher_marginals(
        [world.teacher, world.seeing_teacher], [TeacherInput("train", examples[:4], pictures)], "cpu", folder=tmp_path
    )[0]
    sights = Predictor.load(world.seeing_teacher, "cpu").marginals(examples[:4], pictures)
    for row, one, other in zip(both, said, sights, strict=False):
        np.testing.assert_allclose(row[: len(one)], (one + other) / 2, atol=1e-3)


def test_teachers_are_asked_once_and_what_they_said_is_kept_for_the_same_tweets_alone(world, tmp_path, monkeypatch):
    inputs = [TeacherInput("train", tweets()[:3], None), TeacherInput("unlabelled", tweets()[3:5], None)]
    first = teacher_marginals([world.teacher], inputs, "cpu", folder=tmp_path)
    asked: list[str] = []
    load = Predictor.load
    monkeypatch.setattr(Predictor, "load", lambda name, *a, **k: asked.append(name) or load(name, *a, **k))
    again = teacher_marginals([world.teacher], inputs, "cpu", folder=tmp_path)
    assert not asked
    assert [[row.tolist() for row in rows] for rows in first] == [[row.tolist() for row in rows] for rows in again]
    teacher_marginals([world.teacher], inputs[:1], "cpu", folder=tmp_path)
    assert not asked  # each input is kept by itself
    longer = [*inputs, TeacherInput("also", tweets()[5:7], None)]
    assert teacher_marginals([world.teacher], longer, "cpu", folder=tmp_path)[0][0].tolist() == first[0][0].tolist()
    assert asked == [world.teacher]
    monkeypatch.setenv("UMT_PRECISION", "auto")  # other products, other answers
    teacher_marginals([world.teacher], inputs, "cpu", folder=tmp_path)
    assert len(asked) == 2
    monkeypatch.delenv("UMT_PRECISION")
    for file in tmp_path.glob(FILES.format("*")):
        file.write_bytes(file.read_bytes()[:50])
    teacher_marginals([world.teacher], inputs, "cpu", folder=tmp_path)  # a damaged file is made again
    assert len(asked) == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="wanted a place to write"):
        teacher_marginals([world.teacher], inputs, "cpu", folder=tmp_path / "file" / "folder")


def test_a_teacher_that_sees_is_asked_again_when_the_pictures_are_others(world, tmp_path):
    folder = tmp_path / "pictures"
    shutil.copytree(world.files.images, folder)
    given = TeacherInput("train", tweets()[:3], run_module.ImageIndex.open(folder))

    def say(teacher: str) -> list[list[float]]:
        return [row.tolist() for row in teacher_marginals([teacher], [given], "cpu", folder=tmp_path / "kept")[0]]

    before = {teacher: say(teacher) for teacher in (world.teacher, world.seeing_teacher)}
    kept = set((tmp_path / "kept").iterdir())
    for file in folder.iterdir():
        Image.new("RGB", (64, 64), (250, 5, 5)).save(file)
    assert say(world.teacher) == before[world.teacher]
    assert set((tmp_path / "kept").iterdir()) == kept  # who reads text alone need not be asked
    assert say(world.seeing_teacher) != before[world.seeing_teacher]


# --- whole runs ---------------------------------------------------------------------------------


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


class Heard(Watcher):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class StopsAfter(Watcher):
    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch(self, epoch: Epoch) -> None:
        self.left -= 1

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.mark.parametrize("system", ["bert-crf", "bert", "umt-bert-crf", "bilstm-crf"])
def test_a_taught_run_learns_from_labels_and_teachers_and_says_so(world, tmp_path, system):
    teachers = (world.teacher, world.seeing_teacher)
    manifest = run_job(world.job(tmp_path, system, teachers, teacher_weight=20.0, epochs=6))
    for row in manifest.history:
        gold = row["loss_main"] + 0.5 * row.get("loss_esd", 0.0)
        assert row["loss_total"] == pytest.approx(gold + 20 * row["loss_taught"], abs=5e-3)
    assert manifest.history[-1]["loss_taught"] < manifest.history[0]["loss_taught"]
    assert [row["weights_sha256"] for row in manifest.teachers] == [
        read_manifest(Path(teacher)).weights_sha256 for teacher in teachers
    ]
    assert f"learned from: {manifest.teachers[0]['name']}" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("system", ["bert-crf", "umt-bert-crf"])
def test_unlabelled_tweets_bring_steps_of_their_own_and_no_gold(world, tmp_path, monkeypatch, system):
    seen: list[tuple[bool, int]] = []
    losses = Trainer._losses

    def listen(self, batch):
        seen.append((batch.tags is not None, len(batch.subwords)))
        assert batch.teacher_marginals is not None
        return losses(self, batch)

    monkeypatch.setattr(Trainer, "_losses", listen)
    job = world.job(
        tmp_path, system, (world.teacher,), epochs=2,
        unlabelled=world.unlabelled, unlabelled_images=world.files.images,
    )  # fmt: skip
    manifest = run_job(job)
    assert sum(count for labelled, count in seen if labelled) == 2 * 12
    assert sum(count for labelled, count in seen if not labelled) == 2 * len(UNLABELLED)
    assert [labelled for labelled, _ in seen] != sorted((labelled for labelled, _ in seen), reverse=True)  # mixed
    assert manifest.data["unlabelled"]["sha256"] == file_sum(world.unlabelled)
    assert manifest.data["unlabelled"]["tweets"] == len(UNLABELLED)
    assert set(manifest.scores) == {"valid"}


def test_a_stopped_taught_run_resumed_ends_with_the_weights_of_one_that_was_not_stopped(world, tmp_path):
    values = {"teachers": (world.teacher,), "unlabelled": world.unlabelled}
    run_job(world.job(tmp_path / "whole", **values))
    broken = world.job(tmp_path / "broken", **values)
    assert run_job(broken, StopsAfter(1)) is None
    taught = cache_dir() / "taught"
    kept = {file: file.stat().st_mtime_ns for file in taught.iterdir()}
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(replace(broken, unlabelled=None))
    run_job(broken)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept  # nobody was asked again
    assert weights_of(tmp_path / "whole") == weights_of(broken.output)


def test_a_run_begun_before_a_setting_existed_goes_on(world, tmp_path):
    run_job(world.job(tmp_path / "whole"))
    broken = world.job(tmp_path / "broken")
    assert run_job(broken, StopsAfter(1)) is None
    state = torch.load(broken.output / "state.pt", weights_only=True)
    del state["job"]["settings"]["teacher_weight"]
    torch.save(state, broken.output / "state.pt")
    run_job(broken)
    assert weights_of(tmp_path / "whole") == weights_of(broken.output)


def test_teaching_that_cannot_be_says_why(world, tmp_path):
    with pytest.raises(ConfigError, match="wanted a teacher"):
        run_job(world.job(tmp_path, unlabelled=world.unlabelled))
    with pytest.raises(ConfigError, match="teacher_weight"):
        run_job(world.job(tmp_path, teachers=(world.teacher,), teacher_weight=0.0))
    with pytest.raises(ConfigError, match="wanted 'word' to learn teachers' marginals"):
        run_job(world.job(tmp_path, teachers=(world.teacher,), tagging="subword"))
    with pytest.raises(ConfigError, match="reads pictures: wanted those of unlabelled"):
        run_job(world.job(tmp_path, teachers=(world.seeing_teacher,), unlabelled=world.unlabelled))
    with pytest.raises(ConfigError, match="wanted those of unlabelled, got none"):
        run_job(world.job(tmp_path, "umt-bert-crf", (world.teacher,), unlabelled=world.unlabelled))
    with pytest.raises(CheckpointError):
        run_job(world.job(tmp_path, teachers=(str(tmp_path / "nobody"),)))


def test_the_command_teaches_with_weight_one_unless_told(world, tmp_path):
    f = world.files
    command = (
        f"train --system bert-crf --train {f.train} --valid {f.valid} --text-encoder {world.encoder} --recipe small "
        f"--epochs 1 --set heads={tiny.HEADS} --set max_subwords={tiny.POSITIONS} --teacher {world.teacher} "
        f"--teacher {world.teacher} --unlabelled {world.unlabelled}"
    ).split()
    assert main([*command, "--output", str(tmp_path / "one")]) == 0
    assert main([*command, "--output", str(tmp_path / "two"), "--set", "teacher_weight=0.3"]) == 0
    one, two = (read_manifest(tmp_path / name) for name in ("one", "two"))
    assert (one.train.teacher_weight, two.train.teacher_weight) == (1.0, 0.3)
    assert len(one.teachers) == 2
    old = json.loads((tmp_path / "one" / MANIFEST).read_text())
    del old["teachers"]
    (tmp_path / "one" / MANIFEST).write_text(json.dumps(old))
    assert read_manifest(tmp_path / "one").teachers == []  # of a checkpoint made before there were any


# --- more labelled tweets -----------------------------------------------------------------------


def other_set(folder: Path) -> Path:
    """Three tweets of another data set, one of which stands in our valid in other spelling."""
    valid = tweets()[12]
    spelled = replace(valid, id="x0", tokens=tuple(token.upper() for token in valid.tokens), tags=None)
    rows = [spelled, *(replace(e, id=f"x{e.id}", tags=None, tokens=(*e.tokens, "!!", "?")) for e in tweets()[:2])]
    rows[1] = replace(rows[1], tokens=("so", *rows[1].tokens), spans=())
    rows[2] = replace(rows[2], tokens=("and", *rows[2].tokens), spans=())
    path = folder / "other" / "train.txt"
    write_conll(path, rows)
    return path


def test_tweets_are_the_same_whatever_their_case_signs_and_splits():
    assert letters(["@ann", ",", "I'll", "GO"]) == letters(["@", "Ann", "I", "'", "ll", "go", "…"])
    assert letters(["go", "on"]) != letters(["go", "in"])
    assert letters(["Straße"]) == letters(["STRASSE"])


def test_also_leaves_out_what_stands_in_valid_and_adds_the_rest_to_train(world, tmp_path):
    path = other_set(tmp_path)
    found = read_also(path, None, "", [read_labelled("valid", world.files.valid, None)])
    assert (len(found.examples), found.dropped) == (2, 1)
    manifest = run_job(world.job(tmp_path / "out", "umt-bert-crf", epochs=1, also=path, also_images=world.files.images))
    pictures = images_sum(run_module.ImageIndex.open(world.files.images))
    assert manifest.data["also"] == {
        "file": "train.txt", "sha256": file_sum(path), "tweets": 2, "pictures": 0, "dropped": 1,
        "images_sha256": pictures,
    }  # fmt: skip
    assert manifest.data["train"]["tweets"] == 12


def test_unlabelled_leaves_out_what_stands_in_valid(world, tmp_path):
    exclude = [read_labelled("valid", world.files.valid, None)]
    path = tmp_path / "tweets.jsonl"
    texts = [" ".join(tweets()[12].tokens).upper(), *UNLABELLED]
    path.write_text("".join(json.dumps({"id": f"u{i}", "text": t}) + "\n" for i, t in enumerate(texts)))
    found = read_unlabelled(path, None, "twitter2017", exclude)
    assert (next(e.id for e in found.examples), len(found.examples), found.dropped) == ("u1", len(UNLABELLED), 1)
    assert found.describe()["dropped"] == 1


def test_tweets_of_a_split_that_is_held_out_are_left_out_and_it_is_not_scored(world, tmp_path):
    rows = read_examples(world.files.test)
    path = tmp_path / "tweets.jsonl"
    texts = [" ".join(rows[0].tokens), *UNLABELLED]
    path.write_text("".join(json.dumps({"id": f"u{i}", "text": t}) + "\n" for i, t in enumerate(texts)))
    job = world.job(tmp_path / "out", teachers=(world.teacher,), unlabelled=path, exclude=(world.files.test,), epochs=1)
    manifest = run_job(job)
    assert manifest.data["unlabelled"]["dropped"] == 1
    assert set(manifest.scores) == {"valid"}


def test_a_run_is_not_resumed_with_other_tweets_held_out(world, tmp_path):
    job = world.job(tmp_path / "out", teachers=(world.teacher,), unlabelled=world.unlabelled)
    run_job(job, StopsAfter(1))
    with pytest.raises(CheckpointError, match="other settings or data"):
        run_job(replace(job, exclude=(world.files.test,)))
    assert run_job(job) is not None


def test_a_taught_tagger_can_be_trained_on_without_its_teachers(world, tmp_path):
    taught = world.job(tmp_path / "taught", teachers=(world.teacher,), teacher_weight=0.5, epochs=1)
    run_job(taught)
    settings = MODES["quick"].settings(taught.settings, epochs=1, patience=1)
    assert settings.teacher_weight == 0
    on = replace(world.job(tmp_path / "on"), settings=settings, init=str(tmp_path / "taught"))
    assert run_job(on).teachers == []


def test_tweets_without_labels_are_not_taken_for_tweets_without_entities(world, tmp_path):
    examples = read_examples(world.files.train)
    some = [replace(example, spans=None) if i % 3 else example for i, example in enumerate(examples)]
    path, alone = tmp_path / "twitter0" / "some.jsonl", tmp_path / "twitter0" / "alone.jsonl"
    path.parent.mkdir()
    write_jsonl(path, some)
    write_jsonl(alone, [example for example in some if example.spans is not None])
    said = Heard()
    manifest = run_job(replace(world.job(tmp_path / "some", epochs=1), train=path), said)
    run_job(replace(world.job(tmp_path / "alone", epochs=1), train=alone))
    left = sum(example.spans is None for example in some)
    assert f"train: {left} tweets without labels are left out" in said.notes
    assert manifest.data["train"]["tweets"] == len(some) - left
    assert weights_of(tmp_path / "some") == weights_of(tmp_path / "alone")
    with pytest.raises(DataError, match=f"wanted labels for all tweets of valid, {left} have none"):
        run_job(replace(world.job(tmp_path / "valid"), valid=path))


def test_training_on_more_is_training_on_one_file_of_both(world, tmp_path):
    path = other_set(tmp_path)
    apart = read_also(path, None, "", [read_labelled("valid", world.files.valid, None)]).examples
    joined = tmp_path / "twitter0" / "train.txt"
    write_conll(joined, [*read_examples(world.files.train), *apart])
    run_job(world.job(tmp_path / "both", also=path))
    run_job(replace(world.job(tmp_path / "one"), train=joined))
    run_job(world.job(tmp_path / "alone"))
    assert weights_of(tmp_path / "both") == weights_of(tmp_path / "one")
    assert weights_of(tmp_path / "both") != weights_of(tmp_path / "alone")


def test_also_wants_labels_and_pictures_where_the_system_reads_them(world, tmp_path):
    with pytest.raises(ConfigError, match="wanted those of also"):
        run_job(world.job(tmp_path, "umt-bert-crf", also=other_set(tmp_path)))
    with pytest.raises(DataError, match="without any span"):
        run_job(world.job(tmp_path, also=world.unlabelled))


# --- marks and second passes --------------------------------------------------------------------


@pytest.mark.parametrize("system", ["bert-crf", "umt-bert-crf", "bilstm-crf"])
def test_tweets_of_the_other_set_are_marked_in_training_and_our_own_never(world, tmp_path, system):
    tagger = tiny.system(system, other_set=True)
    batch = tiny.batch(tagger)
    plain = tagger(batch).emissions
    batch.other_set = torch.arange(len(tiny.TWEETS)) >= 5
    assert torch.equal(tagger(batch).emissions, plain)  # the vector starts at zero
    with torch.no_grad():
        tagger.other_set += 1.0
    marked = tagger(batch).emissions
    same = [torch.equal(a[m], b[m]) for a, b, m in zip(marked, plain, tagger(batch).mask, strict=True)]
    assert same == [True] * 5 + [False] * 5
    batch.other_set = None
    assert torch.equal(tagger(batch).emissions, plain)


def test_the_mark_is_learned_from_the_other_set_kept_and_read_again(world, tmp_path, monkeypatch):
    seen: list[list[bool]] = []
    losses = Trainer._losses

    def listen(self, batch):
        seen.append([] if batch.other_set is None else batch.other_set.tolist())
        return losses(self, batch)

    monkeypatch.setattr(Trainer, "_losses", listen)
    job = world.job(tmp_path / "out", epochs=2, other_set=True, also=other_set(tmp_path), average_decay=0.0)
    run_job(job)
    assert [sum(map(len, seen)), sum(map(sum, seen))] == [2 * 14, 2 * 2]
    loaded = Predictor.load(job.output, "cpu")
    assert loaded.loaded.tagger.other_set.abs().max() > 0
    seen.clear()
    run_job(world.job(tmp_path / "without", epochs=1, other_set=True, average_decay=0.0, head_learning_rate=0.1))
    assert not Predictor.load(tmp_path / "without", "cpu").loaded.tagger.other_set.any()
    assert not any(seen)  # nobody was marked


def test_disagreement_is_the_mean_of_both_kullback_leiblers(batch):
    emissions, mask, other = batch
    crf = make_crf().double()
    found = disagreement(crf, Output(emissions, mask), Output(other, mask)).item()
    p, q = (crf.posterior(values, mask).marginals.double()[mask] for values in (emissions, other))
    by_scipy = entropy(p.numpy(), q.numpy(), axis=-1).sum() + entropy(q.numpy(), p.numpy(), axis=-1).sum()
    assert found == pytest.approx(by_scipy / 2 / len(LENGTHS), rel=1e-4)
    assert disagreement(crf, Output(emissions, mask), Output(emissions, mask)).item() == 0


def test_two_passes_are_drawn_together(world, tmp_path):
    manifest = run_job(world.job(tmp_path / "near", consistency=20.0, dropout=0.3, epochs=6))
    for row in manifest.history:
        assert row["loss_total"] == pytest.approx(row["loss_main"] + 20 * row["loss_consistency"], abs=5e-3)
    loose = run_job(world.job(tmp_path / "loose", consistency=1e-6, dropout=0.3, epochs=6))
    assert manifest.history[-1]["loss_consistency"] < loose.history[-1]["loss_consistency"]
    taught = run_job(world.job(tmp_path / "taught", "bert-crf", (world.teacher,), consistency=1.0, epochs=1))
    row = taught.history[0]
    assert row["loss_total"] == pytest.approx(row["loss_main"] + row["loss_taught"] + row["loss_consistency"], abs=5e-3)
