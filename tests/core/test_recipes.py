"""The benchmark of means: what each change trains, that nothing is trained twice, and what the table says."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import recipes
from benchmarks.recipes import BASELINE, CHANGES, FLOAT32, Inputs, Setup, main, read_results, summary, table
from tests.core import tiny
from tests.core.test_pretrain import save_masking_encoder
from tests.core.tiny_data import write_data
from umt_core.__main__ import main as umt
from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.datasets import data_sets_in
from umt_core.data.files import write_text
from umt_core.errors import ConfigError
from umt_core.manifest import read_manifest
from umt_core.train.run import Job

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = f"heads={tiny.HEADS} max_subwords={tiny.POSITIONS} epochs=2 patience=9 batch_size=4".split()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("UMT_RESULTS", str(folder / "nothing"))
        for name in ("twitter2015", "twitter2017"):
            write_data(folder / "data" / name)
        save_masking_encoder(folder / "encoder")
        lines = [json.dumps({"text": text}) + "\n" for text in ("Ann and Bob in Rome", "the Jets win", "no film")]
        write_text(folder / "raw.jsonl", "".join(lines))
        yield folder
    torch.set_num_threads(threads)


def words(world: Path, work: Path, *more: str) -> list[str]:
    data, encoder = world / "data" / "twitter2017", world / "encoder"
    where = f"--data {data} --output {work / 'runs'} --results {work / 'results'} --text-encoder {encoder}".split()
    return [*where, "--set", *SETTINGS, *more]


def test_every_change_makes_settings_that_are_settings_and_another_run_than_the_baseline(world, tmp_path):
    inputs = Inputs(
        ("t{seed}",), world / "raw.jsonl", None, world / "encoder", world / "data" / "twitter2015" / "train.txt"
    )
    (data,) = [of for of in data_sets_in(world / "data") if of.name == "twitter2017"]
    setup = Setup(data, "bert-crf", tmp_path, inputs)
    baseline = setup.job(BASELINE, 1)
    for name, change in CHANGES.items():
        job = setup.job(name, 1)
        assert (job.model, job.settings, job.teachers, job.also, job.init_encoder) != (
            baseline.model, baseline.settings, baseline.teachers, baseline.also, baseline.init_encoder,
        ), name  # fmt: skip
        assert job.settings.seed == 1
        assert bool(job.teachers) == bool(job.settings.teacher_weight) == ("teachers" in change.uses)
        assert job.test is None
    both = setup.job("distil-unlabelled+both-sets-marked+longer", 2)
    assert (both.teachers, both.unlabelled, both.model.other_set) == (("t2",), world / "raw.jsonl", True)
    assert both.settings.epochs == 2 * baseline.settings.epochs
    with pytest.raises(ConfigError, match="wanted --teacher, got none"):
        Setup(data, "bert-crf", tmp_path).job("distil", 0)
    with pytest.raises(ConfigError, match="unknown change"):
        setup.job("distil+luck", 0)


def test_a_change_is_held_against_a_baseline_and_nothing_is_trained_twice(world, tmp_path, capsys, monkeypatch):
    teacher = tiny.save_tagger(tmp_path, tiny.system("bert-crf", text_encoder=str(world / "encoder"), on=None))
    more = ["--teacher", str(teacher), "--unlabelled", str(world / "raw.jsonl")]
    command = words(world, tmp_path, "--change", "distil-unlabelled+both-sets", "--seeds", "0", "1", *more)
    assert main(command) == 0
    shown = capsys.readouterr().out.splitlines()
    runs = read_results(tmp_path / "results")["twitter2017", "bert-crf"]
    assert list(runs) == [BASELINE, "distil-unlabelled+both-sets"]
    for change, of_seed in runs.items():
        assert list(of_seed) == [0, 1]
        for seed, values in of_seed.items():
            manifest = read_manifest(tmp_path / "runs" / "twitter2017" / "bert-crf" / change / f"seed-{seed}")
            assert values["f1"] == manifest.scores["valid"]["f1"]
            assert len(values["epochs"]) == 2
            assert set(manifest.scores) == {"valid"}  # test is never read
            assert set(manifest.data) == {"train", "valid"} | ({"also", "unlabelled"} if change != BASELINE else set())
    assert shown[-1].startswith("| twitter2017, bert-crf | distil-unlabelled+both-sets | teachers' marginals")

    monkeypatch.setattr(recipes, "run_job", lambda *_: pytest.fail("trained again"))
    assert main(command) == 0
    kept = tmp_path / "results" / "twitter2017" / "bert-crf" / BASELINE / "seed-1.json"
    before = json.loads(kept.read_text())
    kept.unlink()
    assert main(command) == 0  # from the checkpoint
    assert json.loads(kept.read_text()) == before
    capsys.readouterr()
    assert main([*command, "--set", *SETTINGS, "dropout=0.5"]) == 2
    assert "is of other settings or data" in capsys.readouterr().err


def test_a_checkpoint_that_began_with_another_encoder_is_not_taken_for_the_one_asked_for(world, tmp_path, capsys):
    first, second = save_masking_encoder(tmp_path / "first"), save_masking_encoder(tmp_path / "second", seed=1)
    command = words(world, tmp_path, "--change", "pretrained", "--seeds", "0")
    assert main([*command, "--encoder", str(first)]) == 0
    (tmp_path / "results" / "twitter2017" / "bert-crf" / "pretrained" / "seed-0.json").unlink()
    assert main([*command, "--encoder", str(second)]) == 2
    assert "wanted a checkpoint of these settings and data, got another" in capsys.readouterr().err


def test_a_baseline_that_reproduce_has_trained_counts_if_it_is_the_same(world, tmp_path, capsys, monkeypatch):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    where = f"--data {world / 'data'} --output {tmp_path / 'rows'} --text-encoder {world / 'encoder'}".split()
    assert umt(["reproduce", *where, *settings, "--only", "twitter2017/bert-crf/1"]) == 0
    monkeypatch.setenv("UMT_RESULTS", str(tmp_path / "rows"))
    trained: list[Job] = []
    run_job = recipes.run_job
    monkeypatch.setattr(recipes, "run_job", lambda job, *a: trained.append(job) or run_job(job, *a))
    assert main(words(world, tmp_path, "--seeds", "0", "1")) == 0
    assert [job.settings.seed for job in trained] == [0]
    row = json.loads((tmp_path / "rows" / "twitter2017" / "bert-crf" / "seed-1.json").read_text())
    values = read_results(tmp_path / "results")["twitter2017", "bert-crf"][BASELINE][1]
    assert values["f1"] == row["dev"]["f1"]
    assert values["about"]["train"] == TrainSettings.from_dict(row["train"]).to_dict()
    assert ModelSettings.from_dict(row["model"]).replace(word_shape=None).to_dict() == values["about"]["model"]


def test_the_summary_pairs_seeds_and_the_table_says_it(tmp_path):
    baseline = {0: 0.80, 1: 0.82, 2: 0.81}
    change = {0: 0.81, 1: 0.81, 2: 0.84, 3: 0.99}

    def runs(scores: dict[int, float]) -> dict[int, dict]:
        return {
            seed: {"f1": f1, "seconds": 120, "seed": seed, "precision": "ab"[seed % 2]} for seed, f1 in scores.items()
        }

    found = summary(runs(change), runs(baseline))
    assert found["difference"] == pytest.approx((1 - 1 + 3) / 3)
    assert found["difference_spread"] == pytest.approx(statistics.stdev([1, -1, 3]))
    assert (found["better"], found["paired"], found["seeds"]) == (2, 3, 4)
    shown = table({("d", "s"): {BASELINE: runs(baseline), "longer": runs(change)}}).splitlines()
    assert shown[2] == "| d, s | baseline | the recipe as it stands | 3 | 81.00 ± 1.00 |  |  | 2 | a, b |"
    assert shown[3] == "| d, s | longer | twice the epochs | 4 | 86.25 ± 8.62 | +1.00 ± 2.00 | 2 of 3 | 2 | a, b |"
    alone = table({("d", "s"): {BASELINE: runs({0: 0.5})}}).splitlines()[2]
    assert "| 1 | 50.00 |  |  |" in alone


def test_a_run_in_float32_is_held_against_the_recipe_in_float32_where_that_was_run():
    def runs(precision: str, *scores: float) -> dict[int, dict]:
        return {seed: {"f1": f1, "seconds": 60, "precision": precision} for seed, f1 in enumerate(scores)}

    changes = {
        BASELINE: runs("bfloat16", 0.80, 0.80),
        FLOAT32: runs(FLOAT32, 0.70, 0.72),
        "longer": runs(FLOAT32, 0.75, 0.75),
        "warmup": runs("bfloat16", 0.81, 0.81),
        "consistency": runs(FLOAT32, 0.75, 0.75, 0.75),
        "pretrained": runs(FLOAT32, 0.75) | {1: runs("bfloat16", 0, 0.75)[1]},
    }
    rows = {line.split(" | ")[1]: line for line in table({("d", "s"): changes}).splitlines()[2:]}
    assert "| +4.00 ± 1.41 | 2 of 2 |" in rows["longer"]
    for mixed in ("consistency", "pretrained"):  # never some seeds against the one and some against the other
        assert "| -5.00 ± 0.00 | 0 of 2 |" in rows[mixed]
    assert "| +1.00 ± 0.00 | 2 of 2 |" in rows["warmup"]
    assert "| -9.00 ± 1.41 | 0 of 2 |" in rows[FLOAT32]


def test_a_result_is_of_its_pictures_and_its_teachers_precision(world, tmp_path, capsys, monkeypatch):
    teacher = tiny.save_tagger(tmp_path, tiny.system("bert-crf", text_encoder=str(world / "encoder"), on=None))
    more = ["--teacher", str(teacher), "--unlabelled", str(world / "raw.jsonl")]
    command = words(world, tmp_path, "--change", "distil-unlabelled", "--seeds", "0", *more)
    pictures = world / "data" / "twitter2017" / "images"
    assert main([*command, "--unlabelled-images", str(pictures)]) == 0
    (tmp_path / "empty").mkdir()
    assert main([*command, "--unlabelled-images", str(tmp_path / "empty")]) == 2
    assert "is of other settings or data" in capsys.readouterr().err
    monkeypatch.setenv("UMT_PRECISION", "auto")
    assert main([*command, "--unlabelled-images", str(pictures)]) == 2
    assert "is of other settings or data" in capsys.readouterr().err
    monkeypatch.delenv("UMT_PRECISION")
    kept = tmp_path / "results" / "twitter2017" / "bert-crf" / "distil-unlabelled" / "seed-0.json"
    values = json.loads(kept.read_text())
    del (
        values["about"]["unlabelled_pictures"],
        values["about"]["teachers_precision"],
        values["about"]["train"]["restyle"],
    )
    write_text(kept, json.dumps(values))  # as results were before these were noted
    assert main([*command, "--unlabelled-images", str(pictures)]) == 0


def test_what_is_missing_is_said_before_any_work(world, tmp_path, capsys):
    for more, message in (
        (["--change", "pretrained"], "wanted --encoder"),
        (["--change", "pretrained", "--encoder", str(tmp_path)], "wanted a folder with a text encoder's weights"),
        (["--change", "luck"], "unknown change"),
        (["--also", str(tmp_path), "--change", "both-sets"], "wanted a data set's folder"),
    ):
        assert main(words(world, tmp_path, *more)) == 2
        assert message in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--show", "--results", str(tmp_path / "none")]) == 0
    assert not (tmp_path / "runs").exists()


def test_the_document_has_the_table_of_the_results_that_are_committed():
    lines = []
    for line in table(read_results()).splitlines()[2:]:
        data, change, _, *figures = (cell.strip() for cell in line.strip("|").split("|"))
        name = "the recipe as it stands" if change == BASELINE else f"`{change}`"
        lines.append(" | ".join([f"| {data}", name, *figures]) + " |")
    document = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert "\n".join(lines) in document
