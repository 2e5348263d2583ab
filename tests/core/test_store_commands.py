"""The store by command line: listing, history, undo and redo, checking, copying."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from umt_core.__main__ import main
from umt_core.commands.store import corrections_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.schema import Span
from umt_core.train import jobs

ONE, TWO = TweetKey("made/test", "1"), TweetKey("made/test", "2")
PER, LOC = (Span(0, 2, "PER"),), (Span(0, 2, "PER"), Span(3, 4, "LOC"))


@pytest.fixture
def filled(store_url):
    with Store(store_url) as store:
        store.append(Edit(ONE, "set", "ann", (), PER, 0, reason="a [red]hat[/red]\n\x1b[31mhere"))
        store.append(Edit(TWO, "accept", "ben", PER, LOC, 0, base="made/umt-bert-crf"))
    return store_url


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = main(["corrections", *words])
    told = capsys.readouterr()
    return code, " ".join(told.out.split()), told.err


def test_list_tells_what_was_done_as_text_that_no_terminal_obeys(filled, capsys):
    code, out, _ = run(capsys, "list", "--store", filled)
    assert code == 0
    assert "2 events" in out
    assert "a [red]hat[/red] [31mhere" in out
    assert "PER 1–2 → PER 1–2, LOC 4" in out
    assert "\x1b" not in out
    code, out, _ = run(capsys, "list", "--store", filled, "--author", "ben", "--limit", "1")
    assert "1 events" in out
    assert "ann" not in out


def test_undo_and_redo_are_of_whoever_did_something_last_unless_told(filled, capsys):
    code, out, _ = run(capsys, "undo", "--store", filled)
    assert (code, "undo of event 2" in out) == (0, True)
    assert run(capsys, "undo", "--store", filled, "--author", "ann")[0] == 0
    code, out, err = run(capsys, "undo", "--store", filled, "--author", "ann")
    assert (code, out) == (2, "")
    assert err.strip().endswith("wanted something to undo, got nothing of ann")
    assert run(capsys, "redo", "--store", filled, "--author", "ben")[0] == 0
    with Store(filled) as store:
        assert store.labels(TWO).spans == LOC
        assert store.labels(ONE).spans is None


def test_a_conflict_is_told_and_can_be_passed_over(filled, capsys):
    with Store(filled) as store:
        store.append(Edit(ONE, "set", "ben", PER, LOC, 1))
    code, _, err = run(capsys, "undo", "--store", filled, "--author", "ann")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "ben has changed it since" in err
    assert run(capsys, "undo", "--store", filled, "--author", "ann", "--keep")[0] == 0
    with Store(filled) as store:
        assert store.labels(ONE).spans == LOC


def test_history_is_of_one_tweet(filled, capsys):
    code, out, _ = run(capsys, "history", "made/test", "2", "--store", filled)
    assert code == 0
    assert "ben" in out
    assert "ann" not in out


def test_verify_and_backup(filled, capsys, tmp_path):
    code, out, _ = run(capsys, "verify", "--store", filled)
    assert (code, "2 events, all sound" in out) == (0, True)
    copy = tmp_path / "copy.sqlite"
    assert run(capsys, "backup", "--store", filled, "--output", str(copy))[0] == 0
    assert "2 events" in run(capsys, "verify", "--store", f"sqlite:///{copy}")[1]
    code, _, err = run(capsys, "backup", "--store", filled, "--output", str(copy))
    assert (code, "wanted a new file" in err) == (2, True)


@pytest.mark.parametrize("command", ["list", "undo", "redo", "verify"])
def test_a_mistyped_address_makes_no_store(command, capsys, tmp_path):
    code, _, err = run(capsys, command, "--store", f"sqlite:///{tmp_path}/mistyped.sqlite")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "got no such file" in err
    assert not list(tmp_path.iterdir())


def test_undo_in_an_empty_store_says_so(store_url, capsys):
    Store(store_url).close()
    code, _, err = run(capsys, "undo", "--store", store_url)
    assert (code, "a store without events" in err) == (2, True)


# --- before anything is corrected ----------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """The URL of the app's own store, which is not there yet."""
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UMT_STORE", raising=False)
    return f"sqlite:///{tmp_path}/home/corrections.sqlite"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list"], 0),
        (["history", "made/test", "1"], 0),
        (["verify"], 0),
        (["undo"], 2),
        (["redo"], 2),
        (["backup", "--output", "copy.sqlite"], 2),
    ],
)
def test_a_store_that_nobody_has_begun_is_no_mistake(fresh, capsys, tmp_path, words, code):
    found, out, err = run(capsys, *words)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert f"nobody has corrected a label yet ({fresh} is made by the first correction)" in err
    assert not list(tmp_path.iterdir())


def test_default_is_the_apps_own_store_once_there_is_one(fresh, capsys):
    assert corrections_url("default") is None
    assert capsys.readouterr().err == "nobody has corrected a label yet: the data sets' own are used\n"
    Store(fresh).close()
    assert corrections_url("default") == fresh
    assert (corrections_url(""), corrections_url("sqlite:///x")) == (None, "sqlite:///x")
    assert capsys.readouterr().err == ""


def test_a_job_may_ask_for_corrections_before_there_are_any(fresh, capsys, monkeypatch):
    asked = []
    monkeypatch.setenv("UMT_AUTHOR", "Ann")
    monkeypatch.setattr(jobs, "plan", lambda request: SimpleNamespace(notes=()))
    monkeypatch.setattr(jobs, "submit", lambda request: asked.append(request) or "job-1")
    command = ["jobs", "submit", "--base", "made/bert-crf", "--train", "made/train", "--corrections", "default"]
    assert main(command) == 0
    Store(fresh).close()
    assert main(command) == 0
    assert [(request.store, request.author) for request in asked] == [(None, "Ann"), (fresh, "Ann")]
    assert "nobody has corrected a label yet" in capsys.readouterr().err
