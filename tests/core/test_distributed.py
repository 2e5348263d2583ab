"""Predictions in parts: nothing lost, nothing twice, and what is wrong with a tweet costs that tweet alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import tiny
from umt_core import predict as predict_module
from umt_core.__main__ import main
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_jsonl
from umt_core.distributed import cluster, reading, tagging
from umt_core.distributed.checking import read_chunk
from umt_core.distributed.cluster import run_on_cluster
from umt_core.distributed.parts import (
    ATTEMPTS,
    count_attempt,
    part_path,
    predictions_jsonl,
    read_failures,
    read_predictions,
)
from umt_core.distributed.plan import find_chunks, make_plan
from umt_core.distributed.reading import identity, parse, raw_tweets
from umt_core.distributed.tagging import ChunkTagger, run_here
from umt_core.encoders import features
from umt_core.errors import DataError
from umt_core.predict import Predictor
from umt_core.schema import MOST_WORDS

NAME, SEEING = "tiny/bert-crf", "tiny/umt-bert-crf"
WORDS = [tweet.tokens for tweet in tiny.TWEETS]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints ``tiny/bert-crf`` and ``other/bert-crf``, of other weights."""
    folder = tmp_path_factory.mktemp("home")
    encoder = tiny.save_encoder(folder / "encoder")
    for seed, dataset in enumerate(("tiny", "other")):
        tagger = tiny.system("bert-crf", seed=seed, text_encoder=encoder, on=tiny.encoder())
        tiny.save_tagger(folder / "checkpoints", tagger, dataset=dataset)
    seeing = tiny.system("umt-bert-crf", text_encoder=encoder, on=tiny.encoder())
    tiny.save_tagger(folder / "checkpoints", seeing)
    return folder


@pytest.fixture(autouse=True)
def _places(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMT_CHECKPOINTS", str(home / "checkpoints"))
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))


def records(count: int) -> list[str]:
    return [json.dumps({"id": f"t{i}", "tokens": [*WORDS[i % len(WORDS)], f"#{i}"]}) for i in range(count)]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def predict(input: Path, output: Path, *options: str) -> int:
    return main(
        ["predict", "--checkpoint", NAME, "--device", "cpu", "--input", str(input), "--output", str(output), *options]
    )


def ids(output: Path) -> list[str]:
    return [example.id for example, _ in read_predictions(output)]


# --- chunks -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["tweet", "", "  ", "\u00a0", "{"]), max_size=30), st.integers(1, 7))
def test_chunks_of_any_size_hold_the_tweets_that_reading_at_once_finds(tmp_path_factory, kinds, size):
    lines = [json.dumps({"text": f"in Oz ‒ {i}"}) if kind == "tweet" else kind for i, kind in enumerate(kinds)]
    content = "\r\n".join(lines).encode()
    folder = tmp_path_factory.mktemp("chunks")
    (folder / "a.jsonl").write_bytes(content)
    whole = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
    if not whole:
        with pytest.raises(DataError, match="at least one tweet"):
            find_chunks(folder / "a.jsonl", size, folder)
        return
    _, chunks = find_chunks(folder / "a.jsonl", size, folder)
    found = []
    for chunk in chunks:
        raws = list(raw_tweets(BytesIO(content), ".jsonl", offset=chunk.offset, number=chunk.line))[: chunk.tweets]
        assert len(found) == chunk.first
        found += [(raw.line, raw.source.strip()) for raw in raws]
    assert found == whole


def test_conll_in_chunks_is_what_it_is_at_once(tmp_path):
    from umt_core.data.conll import read_conll

    lines = [
        "\ufeffIMGID:a",
        "in\tO",
        "Oz\tB-OTHER",
        "",
        "",
        "IMGID:b",
        "Wien\tB-LOC",
        "IMGID:c",
        "é\tO",
        " ",
        "IMGID:d",
        "x\tO",
    ]
    path = write(tmp_path / "a.txt", lines)
    named, chunks = find_chunks(path, 1, tmp_path)
    with path.open("rb") as file:
        found = [parse(next(raw_tweets(file, ".txt", offset=c.offset, number=c.line)), named=named) for c in chunks]
    assert found == read_conll(path)


def test_a_line_without_end_is_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE", 100)
    lines = [b'{"text": "in Oz"}', b'{"text": "' + b"x" * 1000 + b'"}', b'{"id": "last", "text": "rain"}']
    raws = list(raw_tweets(BytesIO(b"\n".join(lines)), ".jsonl"))
    assert [len(raw.source) for raw in raws] == [17, 100, 30]
    assert [raw.offset for raw in raws] == [0, 18, 18 + 1013]
    with pytest.raises(DataError, match="less than 100 bytes"):
        parse(raws[1], named=False)
    assert (identity(raws[1]), identity(raws[2])) == (None, "last")


# --- what is written ----------------------------------------------------------------------------


def test_parts_say_what_the_jsonl_file_does(tmp_path):
    lines = [
        *records(7),
        json.dumps({"text": "Anna in  Paris", "spans": [{"start_char": 0, "end_char": 4, "label": "PER"}]}),
    ]
    source = write(tmp_path / "in.jsonl", lines)
    assert predict(source, tmp_path / "plain.jsonl") == 0
    assert predict(source, tmp_path / "out.parquet", "--chunk", "3", "--to-jsonl", str(tmp_path / "parts.jsonl")) == 0
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    said = [row["predictions"][NAME] for row in map(json.loads, (tmp_path / "parts.jsonl").open())]
    assert any(said), "untrained, yet never silent"
    assert [p.name for p in sorted((tmp_path / "out.parquet").glob("part-*"))] == [
        "part-000000000000.parquet", "part-000000000003.parquet", "part-000000000006.parquet",
    ]  # fmt: skip
    # Any reader of Parquet takes the folder for one table.
    sql = f"SELECT count(*), count(DISTINCT id), sum(len(\"{NAME}\".spans)) FROM '{tmp_path}/out.parquet/*.parquet'"
    assert duckdb.sql(sql).fetchall()[0] == (8, 8, sum(map(len, said)))


def test_what_is_wrong_with_a_tweet_costs_that_tweet_alone(tmp_path, capsys):
    lines = records(8)
    lines[1] = "{"
    lines[2] = json.dumps({"id": "long", "tokens": ["in"] * (MOST_WORDS + 1)})
    lines[5] = json.dumps({"id": "t0", "tokens": ["again"]})
    lines[6] = '{"id": "half", "text": "\\ud800"}'
    source = tmp_path / "in.jsonl"
    source.write_bytes("\n".join(lines).encode() + b'\n{"id": "latin", "text": "caf\xe9"}\n')
    assert predict(source, tmp_path / "out.parquet", "--chunk", "3") == 0
    assert "4 tweets written" in (said := capsys.readouterr().err)
    assert "5 tweets failed, see" in said
    assert ids(tmp_path / "out.parquet") == ["t0", "t3", "t4", "t7"]
    failed = {f.tweet: (f.line, f.id, f.reason) for f in read_failures(tmp_path / "out.parquet")}
    assert {tweet: found[:2] for tweet, found in failed.items()} == {
        1: (2, None), 2: (3, "long"), 5: (6, "t0"), 6: (7, "half"), 8: (9, "latin"),
    }  # fmt: skip
    for tweet, reason in {1: "JSON object", 2: "1,000 words", 5: "first in line 1", 6: "surrogate", 8: "0xe9"}.items():
        assert reason in failed[tweet][2]


def test_a_tweet_that_a_tagger_cannot_read_fails_alone_unless_all_do(tmp_path, monkeypatch):
    plan, chunks = make_plan(write(tmp_path / "in.jsonl", records(5)), tmp_path / "out.parquet", [NAME])
    sound = Predictor.predict

    def choking(self, examples, *rest, bad=("t3",), **options):
        if any(example.id in bad for example in examples):
            raise RuntimeError("too much")
        return sound(self, examples, *rest, **options)

    monkeypatch.setattr(Predictor, "predict", choking)
    run_here(plan, chunks, ChunkTagger(plan, "cpu"))
    assert ids(plan.output) == ["t0", "t1", "t2", "t4"]
    assert [(f.id, f.reason) for f in read_failures(plan.output)] == [("t3", "RuntimeError: too much")]

    part_path(plan.output, chunks[0]).unlink()
    every = tuple(f"t{i}" for i in range(5))
    monkeypatch.setattr(Predictor, "predict", lambda *a, **o: choking(*a, bad=every, **o))
    with pytest.raises(RuntimeError, match="too much"):
        run_here(plan, chunks, ChunkTagger(plan, "cpu"))
    assert not part_path(plan.output, chunks[0]).exists()


def test_a_picture_that_cannot_be_read_is_a_notice_or_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(predict_module, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "b.png").write_text("no picture")
    tiny.photograph().save(tmp_path / "pictures" / "a.png")
    lines = [json.dumps({"id": i, "tokens": ["in", "Paris"], "image": i}) for i in "ab"]
    source = write(tmp_path / "in.jsonl", lines)
    for strict, want in ((False, ["a", "b"]), (True, ["a"])):
        output = tmp_path / f"{strict}.parquet"
        plan, chunks = make_plan(source, output, [SEEING], images=tmp_path / "pictures", strict_images=strict)
        run_here(plan, chunks, ChunkTagger(plan, "cpu"))
        assert ids(output) == want
        assert ["b.png" in f.reason for f in read_failures(output)] == [True] * strict
        notices = [row[SEEING]["notices"] for row in pq.read_table(part_path(output, chunks[0])).to_pylist()]
        assert [any("b.png" in notice for notice in of) for of in notices] == [False, True][: len(want)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("what", ["folder", "disk"])
def test_a_folder_that_goes_away_or_a_full_disk_is_no_tweets_fault(tmp_path, monkeypatch, capsys, what, strict):
    monkeypatch.setattr(predict_module, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    pictures, output = tmp_path / "pictures", tmp_path / "out.parquet"
    pictures.mkdir()
    tiny.photograph().save(pictures / "a.png")
    lines = [json.dumps({"id": i, "tokens": ["in", "Paris"], "image": i}) for i in "ab"]
    source = write(tmp_path / "in.jsonl", [*lines, json.dumps({"id": "none", "tokens": ["Oz"]})])
    command = [str(source), str(output), "--images", str(pictures), "--checkpoint", SEEING]
    command += ["--strict-images"] if strict else []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sound = tagging.ChunkTagger.load
    with monkeypatch.context() as patch:
        if what == "disk":
            patch.setattr(features, "_write", full)
        else:
            patch.setattr(ChunkTagger, "load", lambda self: (sound(self), pictures.rename(tmp_path / "elsewhere")))
        assert predict(*command) == 2
    told = "wanted the folder of pictures" if what == "folder" else "got: No space left on device"
    assert told in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    assert "fault of ours" not in said
    assert not list(output.glob("part-*"))
    assert not list(read_failures(output))

    if what == "folder":
        (tmp_path / "elsewhere").rename(pictures)
    assert predict(*command) == 0
    assert ids(output) == ["a", "b", "none"]


def test_a_picture_that_leads_elsewhere_costs_its_tweet_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(predict_module, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    (tmp_path / "pictures").mkdir()
    tiny.photograph().save(tmp_path / "secret.png")
    (tmp_path / "pictures" / "b.png").symlink_to(tmp_path / "secret.png")
    lines = [json.dumps({"id": i, "tokens": ["in", "Paris"], "image": i}) for i in "ab"]
    output = tmp_path / "out.parquet"
    plan, chunks = make_plan(write(tmp_path / "in.jsonl", lines), output, [SEEING], images=tmp_path / "pictures")
    run_here(plan, chunks, ChunkTagger(plan, "cpu"))
    assert ids(output) == ["a"]
    assert ["a link out of it" in f.reason for f in read_failures(output)] == [True]


def test_regions_of_pictures_are_kept_where_asked_and_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(predict_module, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    (tmp_path / "pictures").mkdir()
    for i in range(4):
        tiny.photograph(i).save(tmp_path / "pictures" / f"{i}.png")
    source = write(
        tmp_path / "in.jsonl", [json.dumps({"id": str(i), "text": "Anna in Paris", "image": str(i)}) for i in range(5)]
    )
    said = []
    for name, kept in (("a", None), ("b", tmp_path / "kept"), ("c", tmp_path / "kept")):
        plan, chunks = make_plan(source, tmp_path / f"{name}.parquet", [SEEING], images=tmp_path / "pictures", chunk=2)
        with monkeypatch.context() as patch:
            if name == "c":  # what is kept is not computed again
                patch.setattr(features, "encode_images", None)
            run_here(plan, chunks, ChunkTagger(plan, "cpu", kept))
        said.append(list(read_predictions(plan.output)))
    assert said[0] == said[1] == said[2]
    direct = Predictor.load(SEEING, "cpu").predict([e for e, _ in said[0]], ImageIndex.open(tmp_path / "pictures"))
    for (_, ours), theirs in zip(said[0], direct, strict=True):
        assert [s.span for s in ours[SEEING]] == [s.span for s in theirs.spans]
        assert [s.score for s in ours[SEEING]] == pytest.approx([s.score for s in theirs.spans], abs=1e-5)


# --- going on, and refusing to ------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_after_its_last_part(tmp_path, monkeypatch, capsys):
    source, output = write(tmp_path / "in.jsonl", records(10)), tmp_path / "out.parquet"
    sound, begun = tagging.read_chunk, []

    def stopping(plan, chunk):
        begun.append(chunk.first)
        if chunk.first == 6 and begun.count(6) == 1:
            raise KeyboardInterrupt
        return sound(plan, chunk)

    monkeypatch.setattr(tagging, "read_chunk", stopping)
    assert predict(source, output, "--chunk", "3") == 130
    (output / ".left.part").write_text("half a part")
    assert predict(source, output, "--chunk", "3") == 0
    assert begun == [0, 3, 6, 6, 9]
    assert "2 of 4 parts are there already" in capsys.readouterr().err
    assert ids(output) == [f"t{i}" for i in range(10)]
    assert not list(output.glob(".*.part"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--chunk", "4"], "was begun with chunk 3, got 4"),
        (["--strict-images"], "was begun with strict_images false, got true"),
        (["--checkpoint", "other/bert-crf"], 'was begun with checkpoints {"tiny/bert-crf"'),
        ("another input", "was begun with input"),
    ],
)
def test_a_run_of_something_else_is_refused_in_one_line(tmp_path, capsys, change, told):
    source, output = write(tmp_path / "in.jsonl", records(4)), tmp_path / "out.parquet"
    assert predict(source, output, "--chunk", "3") == 0
    capsys.readouterr()
    if change == "another input":
        write(source, records(5))
        change = []
    assert predict(source, output, *(["--chunk", "3"] if "--chunk" not in change else []), *change) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert ids(output) == ["t0", "t1", "t2", "t3"]


def test_a_folder_of_a_checkpoint_is_found_from_any_working_directory(home, tmp_path, monkeypatch):
    source, output = write(tmp_path / "in.jsonl", records(2)), tmp_path / "out.parquet"
    monkeypatch.chdir(home)
    plan, chunks = make_plan(source, output, [f"checkpoints/{NAME}"])
    monkeypatch.chdir(tmp_path)  # as a worker of Ray has another
    run_here(plan, chunks, ChunkTagger(plan, "cpu"))
    assert ids(output) == ["t0", "t1"]
    for name in (NAME, str(home / "checkpoints" / NAME)):  # the same run, however its checkpoint is given
        again, _ = make_plan(source, output, [name])
        assert again.checkpoints[0][1] == name
    monkeypatch.chdir(home / "checkpoints")
    assert make_plan(source, output, [NAME])[0].checkpoints[0][1] == NAME


def test_the_input_may_not_change_under_a_run(tmp_path):
    source = write(tmp_path / "in.jsonl", records(6))
    plan, chunks = make_plan(source, tmp_path / "out.parquet", [NAME], chunk=3)
    write(source, records(4))
    with pytest.raises(DataError, match="wanted 3 tweets from line 4 on, got 1"):
        read_chunk(plan, chunks[1])


def test_weights_of_a_worker_must_be_those_of_the_run(tmp_path):
    plan, chunks = make_plan(write(tmp_path / "in.jsonl", records(2)), tmp_path / "out.parquet", [NAME])
    other = replace(plan, checkpoints=((NAME, NAME, "0" * 64),))
    with pytest.raises(Exception, match="wanted weights 000000000000"):
        run_here(other, chunks, ChunkTagger(other, "cpu"))


def test_a_tweet_that_kills_its_workers_does_not_do_so_for_ever(tmp_path):
    plan, chunks = make_plan(write(tmp_path / "in.jsonl", records(2)), tmp_path / "out.parquet", [NAME])
    for _ in range(ATTEMPTS):
        count_attempt(plan.output, chunks[0])
    with pytest.raises(DataError, match="tweets begin in line 1"):
        run_here(plan, chunks, ChunkTagger(plan, "cpu"))
    assert predict(plan.input, plan.output) == 0, "a new run gives it another try"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("out.jsonl", "--engine", "ray"), "wanted a folder that ends in .parquet"),
        (("out.jsonl", "--to-jsonl", "x.jsonl"), "wanted a folder that ends in .parquet"),
        (("out.parquet", "--engine", "spark"), "wanted local or ray, got 'spark'"),
        (("out.parquet", "--chunk", "0"), "wanted chunks of at least one tweet, got 0"),
        (("out.parquet", "--engine", "ray", "--address", "127.0.0.1:1"), "wanted the HOST:PORT of a Ray cluster"),
        (("out.parquet", "--engine", "ray", "--address", "nowhere:x"), "wanted the HOST:PORT of a Ray cluster"),
        (("out.parquet", "--engine", "ray", "--workers", "0"), "wanted at least one worker, got 0"),
        (("full.parquet",), "got one with other files in it"),
        (("file.parquet",), "wanted a folder of Parquet parts, got a file"),
    ],
)
def test_bad_options_end_with_one_line(tmp_path, capsys, options, told):
    (tmp_path / "full.parquet").mkdir()
    (tmp_path / "full.parquet" / "photo.jpg").write_text("")
    (tmp_path / "file.parquet").write_text("")
    source = write(tmp_path / "in.jsonl", records(2))
    assert predict(source, tmp_path / options[0], *options[1:]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_without_ray_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    source = write(tmp_path / "in.jsonl", records(2))
    assert predict(source, tmp_path / "out.parquet", "--engine", "ray") == 2
    assert "python -m pip install -e '.[ray]'" in capsys.readouterr().err
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_and_doubles_no_tweet(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")  # what others take of the memory ends no worker
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else its processes wait for all others of the machine
    lines = records(300)
    lines[250] = "{"
    source = write(tmp_path / "in.jsonl", lines)
    plan, chunks = make_plan(source, tmp_path / "out.parquet", [NAME], chunk=10)
    killed: list[int] = []

    def kill_one(done: cluster.Worked) -> None:
        if not killed:
            assert done.host == socket.gethostname()
            assert done.pid != os.getpid()
            killed.append(done.pid)
            os.kill(done.pid, signal.SIGKILL)

    run_on_cluster(plan, chunks, workers=2, device="cpu", finished=kill_one)
    assert killed
    assert set(Counter(ids(plan.output)).items()) == {(f"t{i}", 1) for i in range(300) if i != 250}
    assert [f.line for f in read_failures(plan.output)] == [251]
    sound = [line for line in lines if line != "{"]
    assert predict(write(tmp_path / "sound.jsonl", sound), tmp_path / "here.jsonl") == 0
    here = read_jsonl(tmp_path / "here.jsonl")
    there = read_jsonl(write(tmp_path / "there.jsonl", [line.rstrip("\n") for line in predictions_jsonl(plan.output)]))
    assert here == there
    for ours, theirs in zip(predictions_jsonl(plan.output), (tmp_path / "here.jsonl").open(), strict=True):
        ours, theirs = (json.loads(line)["predictions"][NAME] for line in (ours, theirs))
        assert [{**span, "score": None} for span in ours] == [{**span, "score": None} for span in theirs]
        assert [s["score"] for s in ours] == pytest.approx([s["score"] for s in theirs], abs=1e-5)
