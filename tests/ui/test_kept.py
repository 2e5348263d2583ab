"""What the app keeps in memory: splits of tweets by how many they are, and what the garbage collector is spared."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from app import corrections
from umt_core.data.jsonl import write_jsonl
from umt_core.schema import Example


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    read = corrections.read_examples
    monkeypatch.setattr(corrections, "_KEPT", corrections._Kept())
    monkeypatch.setattr(corrections, "read_examples", lambda path: names.append(path.stem) or read(path))
    return names


def split(folder: Path, name: str, tweets: int) -> corrections.Tweets:
    path = folder / f"{name}.jsonl"
    if not path.exists():
        write_jsonl(path, [Example(f"{name}-{i}", ("Oslo",), spans=()) for i in range(tweets)])
    return corrections._KEPT.get(name, path, None, ())


def test_ten_people_at_ten_splits_have_each_read_once(tmp_path, reads):
    for _ in range(3):
        for i in range(10):
            assert split(tmp_path, f"split{i}", 3).ids[0] == f"split{i}-0"
    assert reads == [f"split{i}" for i in range(10)]


def test_splits_that_were_asked_for_longest_ago_go_when_they_hold_too_many_tweets(tmp_path, reads, monkeypatch):
    monkeypatch.setattr(corrections, "MOST_KEPT", 7)
    first = weakref.ref(split(tmp_path, "first", 3))
    split(tmp_path, "second", 3)
    split(tmp_path, "first", 3)  # asked for again: the second has now been left alone for longer
    split(tmp_path, "third", 3)
    assert first() is not None
    split(tmp_path, "first", 3)
    split(tmp_path, "second", 3)
    split(tmp_path, "large", 9)  # more than fits: kept alone
    split(tmp_path, "large", 9)
    assert reads == ["first", "second", "third", "second", "large"]
    assert first() is None  # though the collector had been told to leave it alone


def test_the_collector_is_spared_what_is_there_once_for_all_modules_that_came():
    program = """
import gc, sys
from app import garbage
garbage.spare_imports()
one = gc.get_freeze_count()
assert one > 5_000, one
gc.unfreeze()
garbage.spare_imports()
assert gc.get_freeze_count() == 0  # no module came
import wsgiref.util
garbage.spare_imports()
assert gc.get_freeze_count() >= one
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_tagger_that_is_loaded_is_spared(monkeypatch):
    from app import services

    circles = []

    class Workbench:
        @staticmethod
        def load(chosen, **how):
            left = Workbench()
            left.itself = left
            circles.append(weakref.ref(left))
            return Workbench()

    monkeypatch.setattr(services, "backend", lambda name: sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "Workbench", Workbench, raising=False)
    gc.unfreeze()
    loaded = services._load([], "cpu")
    assert isinstance(loaded, Workbench)
    assert gc.get_freeze_count()
    assert circles.pop()() is None  # what loading left behind is not
    gc.unfreeze()
