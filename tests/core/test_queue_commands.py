"""``corrections queue``, ``corrections agreement`` and ``sets crossfit`` as they are typed."""

from __future__ import annotations

import json

import pytest

from tests.core.fabricated import TEXT_ONLY, make
from tests.core.tiny import save_encoder
from tests.core.tiny_data import write_data
from umt_core.__main__ import main
from umt_core.analysis.sets import find_set
from umt_core.commands.queues import NAMES
from umt_core.corrections.events import BLIND, Edit, TweetKey
from umt_core.corrections.queues import QUEUES
from umt_core.corrections.second_opinion import decide
from umt_core.corrections.store import Store
from umt_core.schema import Span

DATA = "made/test"


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_DATA", str(tmp_path))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "sets"))
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UMT_STORE", raising=False)
    return make(tmp_path, count=30)


def say(store, author, tweet, *spans, track=""):
    key = TweetKey(DATA, tweet)
    now = store.labels(key, track=track, author=author)
    store.append(Edit(key, "set", author, now.spans or (), spans, now.revision, track=track))


def test_a_queue_is_a_table_with_reasons(made, capsys):
    assert main(["corrections", "queue", "disagreement", "--data", DATA, "--limit", "3"]) == 0
    shown = capsys.readouterr()
    assert "disagreement of made/test" in shown.out
    assert shown.out.count("│ t") == 3
    assert "bert-crf says" in shown.out
    assert "cannot be told" in shown.err, "whether they were trained on it"


def test_a_queue_is_lines_of_json_too(made, tmp_path, capsys):
    out = tmp_path / "queue.jsonl"
    with Store() as store:
        say(store, "ann", "t3")
    command = ["corrections", "queue", "random", "--data", DATA, "--seed", "4", "--jsonl", str(out), "--limit", "99"]
    assert main(command) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(row["tweet"] for row in rows) == sorted({e.id for e in made.examples} - {"t3"})
    assert main([*command, "--answered"]) == 0
    last = json.loads(out.read_text().splitlines()[-1])
    assert (last["tweet"], last["answered"]) == ("t3", True)


def test_the_browser_s_filters_hold(made, capsys):
    narrow = ["corrections", "queue", "browser", "--data", DATA, "--filter", f"system={TEXT_ONLY}"]
    assert main([*narrow, "--filter", "error=missed"]) == 0
    assert "found by error missed" in capsys.readouterr().out
    assert main([*narrow, "--filter", "colour=red"]) == 2
    assert "unknown filter ['colour']" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("best", DATA, "wanted a queue of browser"),
        ("label-errors", "sample_data/tweets", "got none; make some: python -m umt_core sets run --checkpoint"),
        ("second-opinion", DATA, "wanted an author"),
        ("random", "nowhere/test", "nowhere/test"),
    ],
)
def test_what_a_queue_lacks_is_one_line(made, capsys, name, data, said):
    assert main(["corrections", "queue", name, "--data", data]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_the_help_names_every_queue():
    assert NAMES.replace(" or ", ", ").split(", ") == list(QUEUES)


def test_agreement_is_told_and_cases_are_listed(made, tmp_path, capsys):
    per, loc = Span(0, 1, "PER"), Span(0, 1, "LOC")
    with Store() as store:
        for tweet in ("t1", "t2", "t3"):
            say(store, "ann", tweet, per)
        say(store, "bob", "t1", per, track=BLIND)
        say(store, "bob", "t2", loc, track=BLIND)
        say(store, "bob", "t3", loc, track=BLIND)
        revision = store.labels(TweetKey(DATA, "t3")).revision
        decide(store, TweetKey(DATA, "t3"), [loc], author="cid", before=[per], revision=revision)
    assert main(["corrections", "agreement", "--data", DATA, "--undecided"]) == 0
    shown = capsys.readouterr().out
    assert "33.33" in shown  # F1: one of three spans
    assert "2 tweets on which people differ, 1 of them undecided" in shown
    assert "ann: PER 0-1; bob: LOC 0-1" in shown
    out = tmp_path / "cases.jsonl"
    assert main(["corrections", "agreement", "--data", DATA, "--jsonl", str(out)]) == 0
    rows = {row["tweet"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert rows.keys() == {"t2", "t3"}
    assert rows["t2"]["decision"] is None
    assert rows["t3"]["decision"]["author"] == "cid"


def test_nobody_has_labelled_yet(made, capsys):
    assert main(["corrections", "agreement", "--data", DATA]) == 0
    assert "0 tweets on which people differ" in capsys.readouterr().out
    assert not (made.data.parents[1] / "home").exists(), "asking leaves nothing behind"


def test_out_of_fold_predictions_by_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "sets"))
    files, encoder = write_data(tmp_path / "data"), save_encoder(tmp_path / "encoder")
    command = f"sets crossfit --system bert-crf --data {files.train} --folds 2 --epochs 1 --recipe small"
    tiny = f"--text-encoder {encoder} --set heads=3 --set max_subwords=64 --device cpu"
    assert main(f"{command} {tiny}".split()) == 0
    assert list(find_set("data/train").runs) == ["data/bert-crf@out-of-fold"]
    assert "data/bert-crf@out-of-fold" in capsys.readouterr().out
    assert main(f"{command} {tiny} --folds 1".split()) == 2
    assert "folds: wanted 2 to 100, got 1" in capsys.readouterr().err
