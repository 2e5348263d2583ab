"""Out-of-fold predictions by tiny taggers: each tweet by the one that has not seen it, and going on after a stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from tests.core.tiny import HEADS, POSITIONS, save_encoder
from tests.core.tiny_data import write_data
from umt_core.analysis.before_after import spans_by_tweet
from umt_core.analysis.marginals import marginals_path, read_marginals
from umt_core.analysis.run_set import keep_marginals, run_set
from umt_core.analysis.sets import PredictionSet
from umt_core.config import settings_of
from umt_core.corrections.label_errors import cleanlab_scores, run_spans
from umt_core.data.jsonl import read_examples
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.labels import WORD_TAGS
from umt_core.manifest import read_manifest
from umt_core.predict import Predictor
from umt_core.train import crossfit as module
from umt_core.train.crossfit import Plan, crossfit, deal
from umt_core.train.watcher import Watcher

RUN = "data/bert-crf@out-of-fold"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    files = write_data(tmp_path / "data")
    quick = {"epochs": 2, "batch_size": 4, "heads": HEADS, "max_subwords": POSITIONS}
    model, settings = settings_of("small", text_encoder=save_encoder(tmp_path / "encoder"), **quick)
    return Plan(files.train, "bert-crf", model, settings, folds=3, recipe="small")


class StopsAfter(Watcher):
    """Stops at the first step of a fold, counted from 1."""

    def __init__(self, fold: int = 99) -> None:
        self.fold, self.begun = fold, 0
        self.trained: set[int] = set()

    def note(self, text: str) -> None:
        self.begun += "left out" in text

    def step(self, *_: object) -> None:
        self.trained.add(self.begun)

    def should_stop(self) -> bool:
        return self.begun >= self.fold


def test_every_tweet_is_tagged_by_the_tagger_that_has_not_seen_it(plan, tmp_path):
    found = crossfit(plan)
    run = found.run(RUN)
    assert (run.folds, run.system, run.finished) == (3, "bert-crf", True)
    examples = read_examples(plan.data)
    said, kept = run_spans(found, RUN, range(len(examples))), read_marginals(found, RUN)
    (home,) = (tmp_path / "cache" / "crossfit").iterdir()
    for fold, part in enumerate(deal([e.id for e in examples], 3, plan.settings.seed)):
        folder = home / f"fold-{fold}"
        seen = {e.id for name in ("train", "valid") for e in read_examples(folder / f"{name}.jsonl")}
        assert seen == {e.id for e in examples} - {examples[i].id for i in part}
        predictor = Predictor.load(folder / "checkpoint", "cpu")
        for i in part:
            (prediction,) = predictor.predict([examples[i]])
            assert [s.span for s in said[i]] == [s.span for s in prediction.spans]
            inside = predictor.inspect(examples[i])
            assert inside.tags == WORD_TAGS.tags
            np.testing.assert_allclose(kept[i], inside.marginals, atol=2e-3)
    scores = cleanlab_scores(found, [RUN])
    assert scores.tweets.shape == (len(examples),)
    assert spans_by_tweet(found, found.table("gold"), [0]) == {0: set(examples[0].spans)}


def test_tweets_of_the_same_words_are_left_out_together():
    texts = [*"abcdefghijkl", *"aab"]
    parts = deal(texts, 3, seed=1)
    assert sorted(chain.from_iterable(parts)) == list(range(15))
    assert not any({texts[i] for i in one} & {texts[i] for i in other} for one, other in combinations(parts, 2))


def test_what_was_stopped_goes_on_with_the_folds_that_are_left(plan):
    stopped = StopsAfter(2)
    assert crossfit(plan, stopped) is None
    again = StopsAfter()
    found = crossfit(plan, again)
    assert again.trained == {2, 3}, "the first fold is trained already"
    third = StopsAfter()
    assert list(crossfit(plan, third).runs) == list(found.runs) == [RUN]
    assert third.trained == set()


def test_other_settings_make_another_run(plan):
    crossfit(plan)
    found = crossfit(replace(plan, folds=2))
    assert sorted(run.folds for run in found.runs.values()) == [2, 3]


def test_a_process_that_was_killed_while_it_wrote_leaves_nothing_wrong(plan, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "finish_run", dies)
        with pytest.raises(KeyboardInterrupt):
            crossfit(plan)
    found = crossfit(plan)
    assert [found.run(RUN).finished, found.complaints] == [True, ()]


@pytest.mark.parametrize("folds", [1, 101])
def test_folds_are_between_two_and_a_hundred(plan, folds):
    with pytest.raises(ConfigError, match="wanted 2 to 100"):
        replace(plan, folds=folds)


def test_too_few_tweets_are_one_line(plan):
    with pytest.raises(DataError, match="wanted at least two different tweets for each of 7 folds, got 12"):
        crossfit(replace(plan, folds=7))


def test_a_finished_run_takes_its_marginals_from_its_checkpoint_and_from_no_other(plan, tmp_path):
    found = crossfit(plan)
    (home,) = (tmp_path / "cache" / "crossfit").iterdir()
    target = tmp_path / "checkpoints" / "data" / "bert-crf"
    target.parent.mkdir(parents=True)
    (home / "fold-0" / "checkpoint").rename(target)
    found = run_set(found, ["data/bert-crf"])
    said = []
    keep_marginals(found, ["data/bert-crf"], progress=lambda *state: said.append(state))
    kept = read_marginals(found, "data/bert-crf")
    examples = read_examples(plan.data)
    for marginals, row in zip(kept, Predictor.load("data/bert-crf", "cpu").marginals(examples), strict=True):
        np.testing.assert_allclose(marginals, row, atol=2e-3)
        np.testing.assert_allclose(row.sum(1), 1, atol=1e-5)
    assert said[-1] == ("data/bert-crf", 12, 12)
    assert read_manifest(target).weights_sha256 == found.run("data/bert-crf").weights_sha256
    before = marginals_path(found, "data/bert-crf")
    before.unlink()
    (home / "fold-1" / "checkpoint" / "manifest.json").replace(target / "manifest.json")
    with pytest.raises(CheckpointError, match="it has changed or is gone; run it again"):
        keep_marginals(PredictionSet.open(found.folder), ["data/bert-crf"])
    marginals_path(found, RUN).unlink()
    with pytest.raises(CheckpointError, match="wanted the checkpoint of these predictions"):
        keep_marginals(found, [RUN])


@pytest.mark.slow
def test_kills_cost_no_fold_and_change_nothing(plan, tmp_path):
    options = {"--system": "bert-crf", "--data": plan.data, "--folds": 3, "--epochs": 2, "--recipe": "small"}
    options |= {"--text-encoder": plan.model.text_encoder, "--device": "cpu"}
    settings = {"heads": HEADS, "max_subwords": POSITIONS, "batch_size": 4}
    command = [sys.executable, "-m", "umt_core", "sets", "crossfit", *(str(x) for row in options.items() for x in row)]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]

    def start(cache: str) -> subprocess.Popen[bytes]:
        surroundings = {**os.environ, "UMT_CACHE": str(tmp_path / cache)}
        return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=surroundings, stderr=subprocess.PIPE)

    for moment in (
        "fold-0/checkpoint/state.pt",
        "fold-1/checkpoint/log.jsonl",
        "fold-2/checkpoint/weights.safetensors",
    ):
        process = start("killed")
        while process.poll() is None and not list(tmp_path.glob(f"killed/crossfit/*/{moment}")):
            time.sleep(0.001)
        process.kill()
        process.communicate()
    sets = {}
    for cache in ("killed", "whole"):
        process = start(cache)
        said = process.communicate()[1]
        assert process.returncode == 0, said
        (folder,) = (tmp_path / cache / "predictions" / "data").glob("train-*")
        sets[cache] = PredictionSet.open(folder)
    # A run is named after the weights of all its folds: they are the same to the last bit.
    names = [[run.folder_name for run in found.runs.values()] for found in sets.values()]
    assert names[0] == names[1]
    assert sets["killed"].complaints == ()
    for i in range(12):
        kept = [read_marginals(found, RUN)[i] for found in sets.values()]
        np.testing.assert_array_equal(*kept)
