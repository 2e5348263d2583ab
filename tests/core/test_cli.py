"""The command line: what each command writes, and that bad input ends with 2 and one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.main import get_command

from tests.core.tiny import HEADS, POSITIONS, save_encoder
from tests.core.tiny_data import Files, tweets, write_data
from umt_core.__main__ import app, main
from umt_core.commands.predict_lines import KINDS, Told, predicted_lines
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.encoders import features
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.manifest import read_manifest
from umt_core.predict import Predictor
from umt_core.registry import checkpoints, checkpoints_folder
from umt_core.schema import Example, Prediction

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("bert-crf", "umt-bert-crf")


@dataclass(frozen=True)
class World:
    folder: Path
    encoder: str
    files: Files

    def train_command(self, output: Path, system: str = "bert-crf") -> list[str]:
        f = self.files
        return (
            f"train --system {system} --train {f.train} --valid {f.valid} --test {f.test} --images {f.images} "
            f"--output {output} --text-encoder {self.encoder} --epochs 2 --batch-size 4 --learning-rate 0.001 "
            f"--set heads={HEADS} --set max_subwords={POSITIONS}"
        ).split()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two checkpoints, ``tiny/bert-crf`` and ``tiny/umt-bert-crf``, trained by the command."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("UMT_CHECKPOINTS", str(folder / "checkpoints"))
        made = World(folder, save_encoder(folder / "encoder"), write_data(folder / "tiny"))
        for system in SYSTEMS:
            assert main(made.train_command(folder / "checkpoints" / "tiny" / system, system)) == 0
        yield made


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- what the commands do -----------------------------------------------------------------------


def test_train_says_how_each_epoch_went_and_leaves_a_checkpoint(world, tmp_path, capsys):
    assert main(world.train_command(tmp_path / "out")) == 0
    said = capsys.readouterr()
    assert said.err.count("epoch 1: dev F1") == said.err.count("epoch 2: dev F1") == 1
    assert "valid F1" in said.out
    assert "test F1" in said.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.json", "weights.safetensors", "README.md", "log.jsonl", ".lock",
    }  # fmt: skip


def test_predict_tags_raw_text_by_several_checkpoints(world, tmp_path):
    texts = ["Ann sings in Oslo 🎉", "no game tonight", "the Hawks in Rome!"]
    records = [{"id": str(i), "text": text, "image": f"t{i}"} for i, text in enumerate(texts)]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    names = [f"tiny/{system}" for system in SYSTEMS]
    both = [word for name in names for word in ("--checkpoint", name)]
    output = tmp_path / "new" / "out.jsonl"
    assert (
        main(["predict", *both, "--input", str(source), "--images", str(world.files.images), "--output", str(output)])
        == 0
    )
    written = lines(output)
    examples = read_examples(source)
    for name in names:
        predicted = Predictor.load(name, "cpu").predict(examples, ImageIndex.open(world.files.images))
        for row, prediction in zip(written, predicted, strict=True):
            assert row["text"] == texts[int(row["id"])]
            assert row["tokens"] == list(prediction.tokens)
            for got, want in zip(row["predictions"][name], prediction.spans, strict=True):
                assert (got["start"], got["end"], got["label"]) == (want.span.start, want.span.end, want.span.label)
                assert got["score"] == pytest.approx(want.score, abs=1e-6)
                covered = row["text"][got["start_char"] : got["end_char"]]
                assert covered.replace(" ", "") == "".join(row["tokens"][got["start"] : got["end"]])
    assert any(row["predictions"][name] for row in written for name in names), "untrained, yet never silent"


@dataclass
class Silent:
    """Finds nothing, and notes how many tweets it was asked about at once, and how many had been read by then."""

    read: list[Example]
    asked: list[tuple[int, int]]

    def predict(self, examples: list[Example], images: object, *, progress: object) -> list[Prediction]:
        assert images is None
        self.asked.append((len(examples), len(self.read)))
        return [Prediction(e.id, e.tokens, (), (), (f"notice of {e.id}", "the same")) for e in examples]


def test_predict_reads_no_further_ahead_than_a_chunk_and_keeps_the_order():
    read: list[Example] = []

    def endless() -> Iterator[Example]:
        while True:
            read.append(Example(str(len(read)), ("a", "word")))
            yield read[-1]

    tagger, done = Silent(read, []), []
    told = Told(lambda name, tweets: done.append((name, tweets)))
    made = predicted_lines(endless(), {"x": tagger, "y": tagger}, None, told, chunk=10)
    for i in range(3500):
        assert json.loads(next(made))["id"] == str(i)
        assert len(read) == 10 * (i // 10 + 1)
    assert tagger.asked[:4] == [(10, 10), (10, 10), (10, 20), (10, 20)]
    assert done[:3] == [("x", 10), ("y", 10), ("x", 20)]
    assert told.notices["the same"] == 2 * 3500
    assert len(told.notices) == KINDS, "what is said at the end does not grow with the input"


def test_predict_writes_what_it_would_of_all_tweets_at_once(world, tmp_path, monkeypatch):
    monkeypatch.setitem(predicted_lines.__kwdefaults__, "chunk", 3)
    source = world.files.train
    assert main(a_predict(world, tmp_path, checkpoint="tiny/bert-crf", input=source)) == 0
    examples = read_examples(source)
    wanted = Predictor.load("tiny/bert-crf", "cpu").predict(examples)
    for row, example, prediction in zip(lines(tmp_path / "out.jsonl"), examples, wanted, strict=True):
        assert row["id"] == example.id
        found = row["predictions"]["tiny/bert-crf"]
        assert [(s["start"], s["end"], s["label"]) for s in found] == [
            (s.span.start, s.span.end, s.span.label) for s in prediction.spans
        ]
        assert [s["score"] for s in found] == pytest.approx([s.score for s in prediction.spans], abs=1e-5)


def test_a_predict_that_does_not_end_leaves_what_was_there_before(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(predicted_lines.__kwdefaults__, "chunk", 2)
    output = tmp_path / "out.jsonl"
    output.write_text("of an earlier run\n")
    asked, predict = [], Predictor.predict

    def once(predictor: Predictor, examples: list[Example], *given: object, **options: object) -> list[Prediction]:
        asked.append(len(examples))
        if len(asked) == 2:
            raise DataError("in the middle")
        return predict(predictor, examples, *given, **options)

    monkeypatch.setattr(Predictor, "predict", once)
    assert main(a_predict(world, tmp_path)) == 2
    assert asked == [2, 2]
    assert capsys.readouterr().err == "error: in the middle\n"
    assert output.read_text() == "of an earlier run\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"], "no part of a file is left"


def test_a_line_that_cannot_be_read_is_told_before_any_tagger_works(world, tmp_path, monkeypatch, capsys):
    good = "".join(json.dumps({"id": str(i), "text": "in Oslo"}) + "\n" for i in range(5))
    monkeypatch.setattr(Predictor, "load", lambda *_: pytest.fail("the taggers are not wanted yet"))
    assert main(a_predict(world, tmp_path, input=written(tmp_path, "a.jsonl", good + "{\n"))) == 2
    assert "a.jsonl:6: wanted a JSON object" in capsys.readouterr().err


def test_what_is_no_file_is_read_once(world, tmp_path):
    pipe = tmp_path / "tweets.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(json.dumps({"id": "7", "text": "in Oslo"}) + "\n",))
    writer.start()
    assert main(a_predict(world, tmp_path, input=pipe)) == 0
    writer.join()
    assert [row["id"] for row in lines(tmp_path / "out.jsonl")] == ["7"]


def test_a_list_of_pictures_does_what_a_folder_does(world, tmp_path):
    listed = world.folder / "pictures.tsv"
    listed.write_text("".join(f"{p.stem}\ttiny/images/{p.name}\n" for p in world.files.images.iterdir()))
    for name, images in (("folder", world.files.images), ("list", listed)):
        command = f"predict --checkpoint tiny/umt-bert-crf --input {world.files.test} --images {images}"
        assert main([*command.split(), "--output", str(tmp_path / f"{name}.jsonl")]) == 0
    assert (tmp_path / "folder.jsonl").read_bytes() == (tmp_path / "list.jsonl").read_bytes()
    rows = lines(tmp_path / "list.jsonl")
    assert [row["id"] for row in rows] == ["t16", "t17", "t18", "t19"]
    assert all(list(row["predictions"]) == ["tiny/umt-bert-crf"] for row in rows)


def test_evaluate_writes_the_figures_that_training_noted(world, tmp_path, capsys):
    command = f"evaluate --checkpoint tiny/umt-bert-crf --data {world.files.test} --images {world.files.images}"
    assert main([*command.split(), "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores.pop("without_picture") == 2
    assert scores == read_manifest(world.folder / "checkpoints/tiny/umt-bert-crf").scores["test"]
    assert scores.keys() == {"precision", "recall", "f1", "by_type", "tweets", "spans"}
    assert scores["by_type"].keys() == set(LABELS)
    assert all(row.keys() == {"precision", "recall", "f1", "support"} for row in scores["by_type"].values())
    assert scores["tweets"] == 4
    assert scores["spans"] == sum(len(example.spans) for example in tweets()[16:]) == 6
    assert f"{100 * scores['f1']:.2f}" in capsys.readouterr().out


def test_evaluate_says_which_tweets_it_read_without_a_picture(world, tmp_path, capsys):
    def evaluate(*options: str, system: str = "umt-bert-crf") -> tuple[dict, list[str]]:
        command = ["evaluate", "--checkpoint", f"tiny/{system}", "--data", str(world.files.test), *options]
        assert main([*command, "--json", str(tmp_path / "scores.json")]) == 0
        return json.loads((tmp_path / "scores.json").read_text()), capsys.readouterr().err.splitlines()

    images = Path(shutil.copytree(world.files.images, tmp_path / "images"))
    (images / "t16.png").write_text("this is text")
    scores, said = evaluate("--images", str(images))
    assert (scores["without_picture"], scores["tweets"]) == (3, 4)
    (line,) = said
    assert line.startswith(f"3 of 4 tweets read without a picture: 2 have none in {images}, 1 cannot be read, ")
    assert line.endswith("the first: t16.png: wanted a JPEG, PNG, WEBP or GIF picture, got text")
    scores, said = evaluate()
    assert scores["without_picture"] == 4
    assert said == ["4 of 4 tweets read without a picture: no --images"]
    scores, said = evaluate(system="bert-crf")
    assert "without_picture" not in scores
    assert said == []


def test_a_strict_count_leaves_out_spans_that_begin_with_an_orphan(world, tmp_path):
    data = tmp_path / "orphan.txt"
    data.write_text("IMGID:1\nAnn\tI-PER\nin\tO\nOslo\tB-LOC\n")
    counts = []
    for flag in ([], ["--strict"]):
        output = tmp_path / "scores.json"
        command = ["evaluate", "--checkpoint", "tiny/bert-crf", "--data", str(data), "--json", str(output), *flag]
        assert main(command) == 0
        counts.append(json.loads(output.read_text())["spans"])
    assert counts == [2, 1]


def test_checkpoints_are_listed_and_shown(world, capsys):
    assert main(["checkpoints", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"tiny/{system}" in listed for system in SYSTEMS)
    assert main(["checkpoints", "show", "tiny/bert-crf"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["system"] == "bert-crf"
    assert shown["scores"].keys() == {"valid", "test"}
    assert shown["needs"]["memory"] == 4 * sum(shown["parameters"].values())
    assert shown["needs"]["by_hand"] == ["encoder: from the Hugging Face hub or a folder"]


def test_data_is_counted_and_examined(world, tmp_path, capsys):
    images = ["--images", str(world.files.images)]
    assert main(["data", "stats", str(world.folder / "tiny"), *images, "--json", str(tmp_path / "stats.json")]) == 0
    rows = {row["file"]: row for row in json.loads((tmp_path / "stats.json").read_text())["statistics"]}
    assert {name: (row["tweets"], row["with_picture"]) for name, row in rows.items()} == {
        "tiny/train": (12, 12), "tiny/valid": (4, 4), "tiny/test": (4, 2),
    }  # fmt: skip
    assert rows["tiny/train"]["PER"] == sum(s.label == "PER" for e in tweets()[:12] for s in e.spans)
    assert "tiny/train" in capsys.readouterr().out

    assert main(["data", "doctor", str(world.files.test), *images, "--json", str(tmp_path / "doctor.json")]) == 0
    found = {row["check"]: row["count"] for row in json.loads((tmp_path / "doctor.json").read_text())}
    assert found["tweets without a picture"] == 2
    assert "tweets without a picture" in capsys.readouterr().out


def test_help_needs_no_torch_and_is_there_for_each_command():
    program = (
        "import sys, umt_core.__main__ as cli; "
        "codes = [cli.main([*c.split(), '--help']) for c in sys.argv[1:]]; "
        "sys.exit(any(codes) or 'torch' in sys.modules)"
    )
    commands = ["", "predict", "evaluate", "train", "checkpoints list", "checkpoints show", "data stats", "data doctor"]
    done = subprocess.run([sys.executable, "-c", program, *commands], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(commands)


def test_every_argument_and_option_says_what_it_is():
    def silent(command: Any, name: str) -> list[str]:
        inner = getattr(command, "commands", {}).items()
        found = [f"{name} {p.name}" for p in command.params if p.name != "help" and not getattr(p, "help", None)]
        return [line for word, sub in inner for line in silent(sub, f"{name} {word}")] + ([] if inner else found)

    assert silent(get_command(app), "") == []


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "umt_core", "data", "stats", "nowhere.txt"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_command_without_arguments_shows_its_help_and_nothing_else(capsys):
    for command in ([], ["checkpoints"], ["data"]):
        assert main(command) == 2
        said = capsys.readouterr()
        assert "Usage:" in said.out
        assert said.err == ""


def test_an_interrupt_ends_with_130_and_one_line(world, tmp_path, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict", interrupt)
    command = f"predict --checkpoint tiny/bert-crf --input {world.files.test} --output {tmp_path / 'out.jsonl'}"
    assert main(command.split()) == 130
    assert capsys.readouterr().err.splitlines() == ["stopped"]
    assert not (tmp_path / "out.jsonl").exists()


# --- bad input ----------------------------------------------------------------------------------


def a_predict(world: World, tmp_path: Path, **other: object) -> list[str]:
    given = {"checkpoint": "tiny/bert-crf", "input": world.files.test, "output": tmp_path / "out.jsonl"}
    return ["predict", *(word for name, value in (given | other).items() for word in (f"--{name}", str(value)))]


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def copied(world: World, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world.folder / "checkpoints/tiny/bert-crf", tmp_path / "copy"))


def truncated_weights(world: World, tmp_path: Path) -> Path:
    weights = copied(world, tmp_path) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return weights.parent


def without(world: World, tmp_path: Path, name: str) -> Path:
    folder = copied(world, tmp_path)
    (folder / name).unlink()
    return folder


def unfinished(world: World, tmp_path: Path) -> Path:
    written(tmp_path, "state.pt", "no state")
    return tmp_path


Command = Callable[[World, Path], list[str]]
GOOD = "IMGID:1\nAnn\tB-PER\n"
BAD: dict[str, tuple[Command, str]] = {
    "missing file": (lambda w, t: a_predict(w, t, input=t / "none.jsonl"), "none.jsonl: wanted a readable file"),
    "a folder": (lambda w, t: ["data", "stats", str(w.files.images)], "wanted a folder with files"),
    "wrong suffix": (lambda w, t: a_predict(w, t, input=written(t, "a.csv", "")), "a.csv: wanted a file .txt"),
    "wrong columns": (
        lambda w, t: a_predict(w, t, input=written(t, "a.txt", GOOD + "in O\n")), "a.txt:3: wanted two columns",
    ),
    "unknown tag": (
        lambda w, t: a_predict(w, t, input=written(t, "a.txt", GOOD + "in\tB-GPE\n")), "a.txt:3: wanted a tag of",
    ),
    "no JSON": (lambda w, t: a_predict(w, t, input=written(t, "a.jsonl", "{\n")), "a.jsonl:1: wanted a JSON object"),
    "blank text": (lambda w, t: a_predict(w, t, input=written(t, "a.jsonl", '{"text": " "}')), 'wanted text as "text"'),
    "empty file": (lambda w, t: a_predict(w, t, input=written(t, "a.txt", "")), "a.txt: wanted at least one tweet"),
    "not UTF-8": (lambda w, t: a_predict(w, t, input=latin1(t)), "a.txt:2: wanted UTF-8"),
    "unknown checkpoint": (lambda w, t: a_predict(w, t, checkpoint="tiny/nosuch"), "no checkpoint 'tiny/nosuch'"),
    "unknown checkpoint shown": (lambda w, t: ["checkpoints", "show", "nosuch"], "known: tiny/bert-crf, tiny/umt-"),
    "truncated weights": (lambda w, t: a_predict(w, t, checkpoint=truncated_weights(w, t)), "cut short or replaced"),
    "no weights": (
        lambda w, t: a_predict(w, t, checkpoint=without(w, t, "weights.safetensors")), "wanted weights.safetensors",
    ),
    "no manifest": (
        lambda w, t: a_predict(w, t, checkpoint=without(w, t, "manifest.json")), "found no manifest.json",
    ),
    "unknown device": (lambda w, t: a_predict(w, t, device="tpu"), "unknown device 'tpu'"),
    "output below a file": (
        lambda w, t: a_predict(w, t, output=written(t, "file", "") / "out.jsonl"), "wanted a place to write",
    ),
    "no pictures there": (lambda w, t: a_predict(w, t, images=t / "none"), "none: wanted a folder of pictures"),
    "a list of pictures with one column": (
        lambda w, t: a_predict(w, t, images=written(t, "a.tsv", "1 1.jpg\n")), "a.tsv:1: wanted two columns",
    ),
    "no labels": (
        lambda w, t: ["evaluate", "--checkpoint", "tiny/bert-crf", "--data",
                      str(written(t, "a.jsonl", '{"tokens": ["a"]}'))], "wanted labelled tweets",
    ),
    "nothing to evaluate": (
        lambda w, t: ["evaluate", "--checkpoint", "tiny/bert-crf", "--data", str(written(t, "a.jsonl", "\n"))],
        "a.jsonl: wanted at least one tweet",
    ),
    "figures below a file": (
        lambda w, t: ["evaluate", "--checkpoint", "tiny/bert-crf", "--data", str(w.files.test), "--json",
                      str(written(t, "file", "") / "x.json")], "wanted a place to write",
    ),
    "missing option": (lambda w, t: ["predict", "--checkpoint", "tiny/bert-crf"], "Missing option '--input'"),
    "unknown option": (lambda w, t: ["predict", "--nosuch"], "No such option: --nosuch"),
    "unknown command": (lambda w, t: ["nosuch"], "No such command 'nosuch'"),
    "unknown system": (lambda w, t: [*w.train_command(t), "--system", "crf-bert"], "unknown system 'crf-bert'"),
    "unknown setting": (lambda w, t: [*w.train_command(t), "--set", "nosuch=1"], "unknown setting ['nosuch']"),
    "unknown setting, and the tagger's": (lambda w, t: [*w.train_command(t), "--set", "nosuch=1"], "'esd_weight'"),
    "unknown setting, and training's": (lambda w, t: [*w.train_command(t), "--set", "nosuch=1"], "'warmup'"),
    "no setting": (lambda w, t: [*w.train_command(t), "--set", "dropout"], "--set: wanted NAME=VALUE, got 'dropout'"),
    "wrong kind of value": (lambda w, t: [*w.train_command(t), "--set", "dropout=lots"], "dropout: wanted float"),
    "value out of range": (lambda w, t: [*w.train_command(t), "--set", "dropout=2"], "dropout: wanted 0 to 0.9"),
    "a number that is none": (lambda w, t: [*w.train_command(t), "--epochs", "many"], "Invalid value for '--epochs'"),
    "unknown recipe": (lambda w, t: [*w.train_command(t), "--recipe", "secret"], "unknown recipe 'secret'"),
    "unknown text encoder": (lambda w, t: [*w.train_command(t), "--text-encoder", str(t / "none")], "none"),
    "unknown vision encoder": (
        lambda w, t: [*w.train_command(t, "umt-bert-crf"), "--vision-encoder", "alexnet"],
        "unknown vision encoder 'alexnet'",
    ),
    "training output below a file": (
        lambda w, t: w.train_command(written(t, "file", "") / "out"), "file/out: wanted a folder to write to",
    ),
    "output onto a folder": (lambda w, t: a_predict(w, t, output=t), "wanted a place to write, got a folder"),
    "training on nothing": (
        lambda w, t: [*w.train_command(t), "--train", str(written(t, "a.txt", ""))], "a.txt: wanted labelled tweets",
    ),
    "a finished checkpoint": (
        lambda w, t: w.train_command(w.folder / "checkpoints/tiny/bert-crf"), "holds a finished checkpoint",
    ),
    "a foreign state": (lambda w, t: w.train_command(unfinished(w, t)), "wanted the state of a run"),
    "unknown start": (lambda w, t: [*w.train_command(t), "--init", "tiny/nosuch"], "no checkpoint 'tiny/nosuch'"),
}  # fmt: skip


def latin1(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes("IMGID:1\nJosé\tB-PER\n".encode("latin-1"))
    return path


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_with_2_and_one_line(world, tmp_path, capsys, name):
    command, expected = BAD[name]
    code = main(command(world, tmp_path))
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1, said.err
    assert expected in said.err
    assert "fault of ours" not in said.err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_an_error(world, tmp_path, capsys):
    assert main(a_predict(world, tmp_path, device="cuda")) == 2
    assert capsys.readouterr().err == (
        "error: device 'cuda' was asked for, and this machine has none (torch sees no GPU; its driver must be 580 or "
        "newer, see README)\n"
    )


def test_a_fault_of_ours_is_one_line_too(world, tmp_path, monkeypatch, capsys):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(Predictor, "predict", fail)
    monkeypatch.delenv("UMT_DEBUG", raising=False)
    assert main(a_predict(world, tmp_path)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setenv("UMT_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(a_predict(world, tmp_path))


def test_a_picture_that_cannot_be_read_is_noticed_and_prediction_goes_on(world, tmp_path, capsys):
    images = Path(shutil.copytree(world.files.images, tmp_path / "images"))
    (images / "t16.png").unlink()
    (images / "t16.jpg").write_text("this is text")
    picture = images / "t17.png"
    picture.write_bytes(picture.read_bytes()[:60])
    assert main(a_predict(world, tmp_path, checkpoint="tiny/umt-bert-crf", images=images)) == 0
    said = capsys.readouterr().err
    assert "t16.jpg: wanted a JPEG, PNG, WEBP or GIF picture, got text" in said
    assert "t17.png: wanted a whole picture, got a damaged one" in said
    assert [row["id"] for row in lines(tmp_path / "out.jsonl")] == ["t16", "t17", "t18", "t19"]


@pytest.mark.parametrize("moment", ["before any is looked for", "while they are read"])
@pytest.mark.parametrize("command", ["predict", "evaluate", "sets run"])
def test_a_command_whose_pictures_go_away_says_so_and_writes_nothing(
    world, tmp_path, monkeypatch, capsys, command, moment
):
    images, out = Path(shutil.copytree(world.files.images, tmp_path / "images")), tmp_path / "out.jsonl"
    for name in ("UMT_CACHE", "UMT_PREDICTIONS"):  # what was read of these pictures before would be taken
        monkeypatch.setenv(name, str(tmp_path / name))
    of = ["--checkpoint", "tiny/umt-bert-crf", "--images", str(images)]
    of += ["--input", str(world.files.test), "--output", str(out)] if command == "predict" else []
    of += ["--data", str(world.files.test)] if command != "predict" else []
    of += ["--json", str(out)] if command == "evaluate" else []

    def leaves(call: Callable) -> Callable:
        """Takes the folder away once this was called."""

        def called(*arguments: object) -> object:
            found = call(*arguments)
            if images.exists():
                images.rename(tmp_path / "elsewhere")
            return found

        return called

    with monkeypatch.context() as patch:
        if moment == "while they are read":
            patch.setattr(features, "open_image", leaves(features.open_image))
        else:
            patch.setattr(ImageIndex, "open", staticmethod(leaves(ImageIndex.open)))
        assert main([*command.split(), *of]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert said == [f"error: {images}: wanted the folder of pictures, it is not there any more"]
    assert not out.exists()
    assert list(tmp_path.glob("UMT_PREDICTIONS/**/spans.parquet")) == []

    (tmp_path / "elsewhere").rename(images)
    assert main([*command.split(), *of]) == 0


# --- the checkpoints that come with the project -------------------------------------------------


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("system", ["bert-crf", "mt-bert-crf", "umt-bert-crf"])
def test_the_published_scores_come_out_again(shared_data, tmp_path, system, monkeypatch):
    for name in ("UMT_CHECKPOINTS", "UMT_CACHE"):  # set by ``world`` for the rest of this module
        monkeypatch.delenv(name, raising=False)
    if f"twitter2017/{system}" not in {info.name for info in checkpoints()}:
        pytest.skip(f"no checkpoint twitter2017/{system}")
    noted = read_manifest(checkpoints_folder() / "twitter2017" / system).scores["test"]
    images, data = shared_data / "images/twitter2017.tsv", shared_data / "twitter2017/test.txt"
    output = tmp_path / "scores.json"
    command = f"evaluate --checkpoint twitter2017/{system} --data {data} --images {images} --json {output}"
    assert main(command.split()) == 0
    scores = json.loads(output.read_text())
    assert scores["f1"] == pytest.approx(noted["f1"], abs=0.001)
    for label in LABELS:
        assert scores["by_type"][label]["f1"] == pytest.approx(noted["by_type"][label]["f1"], abs=0.001)
