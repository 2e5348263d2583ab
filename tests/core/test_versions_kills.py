"""Versions under kills and in company: processes that end at every step, and several that promote at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest

from tests.core.versioned import FAMILY, write_family
from umt_core import promotions
from umt_core import versions as versions_module
from umt_core.data import files
from umt_core.errors import CheckpointError
from umt_core.manifest import WEIGHTS
from umt_core.promotions import records, retrained_folder
from umt_core.registry import Damaged, complaints, find_checkpoint, survey, versions
from umt_core.versions import TRASH, promote, remove, rename, roll_back

WRITERS = (str(versions_module.__file__), str(promotions.__file__), str(files.__file__))
PROCESSES = multiprocessing.get_context("fork")  # a process that is there at once, and without torch's threads


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    write_family("v1", "v2", "v3")
    promote(f"{FAMILY}@v1", "Ann")
    promote(f"{FAMILY}@v2", "Ann")
    return tmp_path / "home"


def weights() -> str:
    return (find_checkpoint(FAMILY).folder / WEIGHTS).read_text()


def dies_after(lines: int, act: Callable[[], object]) -> bool:
    """Runs it in a process that is killed after so many lines of what writes; whether it was."""

    def work() -> None:
        left = lines

        def trace(frame, event, _):
            nonlocal left
            if frame.f_code.co_filename not in WRITERS:
                return None
            left -= event == "line"
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        act()

    process = PROCESSES.Process(target=work)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


# What is done, and what may be served after it was killed.
ACTS = {
    "promote": (lambda: promote(f"{FAMILY}@v3", "Bob"), {"v2", "v3"}),
    "roll back": (lambda: roll_back(FAMILY, "Bob"), {"v2", "v1"}),
    "rename": (lambda: rename(f"{FAMILY}@v2", "better", "Bob"), {"v2"}),
    "remove": (lambda: remove(f"{FAMILY}@v1", "Bob"), {"v2"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ACTS))
def test_a_kill_after_any_line_leaves_whole_versions_and_a_whole_log(home, tmp_path, name):
    act, may_be_served = ACTS[name]
    shutil.copytree(home, tmp_path / "as-it-was")
    kills = 0
    while dies_after(kills, act):
        kills += 1
        assert weights() in may_be_served
        assert complaints() == []
        assert not [one for one in survey(FAMILY) if isinstance(one, Damaged)]
        kept = {(info.folder / WEIGHTS).read_text() for info in versions(FAMILY)}
        assert kept >= {"original", "v2", "v3"}
        promote(f"{FAMILY}@original", "Ann")  # and all goes on
        remove(f"{FAMILY}@v3", "Ann")
        assert (weights(), complaints()) == ("original", [])
        assert not (retrained_folder() / TRASH).exists()
        shutil.rmtree(home)
        shutil.copytree(tmp_path / "as-it-was", home)
    assert kills > 50


def test_what_was_acknowledged_is_served_after_a_kill_at_any_moment(home):
    rng, turns = random.Random(0), ("v1", "v2", "v3")
    for turn in range(100):
        heard, said = PROCESSES.Pipe(duplex=False)
        first = turns.index(find_checkpoint(FAMILY).version) + 1

        def work(said=said, first=first) -> None:
            for number in count(first):
                promote(f"{FAMILY}@{turns[number % 3]}", "Bob")
                said.send(number)

        process = PROCESSES.Process(target=work)
        process.start()
        if turn % 2:  # by itself a busy machine might never come as far as the first word
            heard.poll(60)
        time.sleep(rng.random() / 40)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said.close()
        last = first - 1
        with suppress(EOFError):
            while True:
                last = heard.recv()
        # Or the one after it, if the kill came between the log and the word.
        assert find_checkpoint(FAMILY).version in (turns[last % 3], turns[(last + 1) % 3])
        assert complaints() == []
    chain = records()
    assert [r.before for r in chain[1:]] == [r.version for r in chain[:-1]]
    assert len(chain) > 20


def test_processes_that_promote_at_once_take_turns(home):
    def work(name: str, mine: tuple[str, str]) -> None:
        for turn in range(25):
            version = mine[turn % 2]
            if find_checkpoint(FAMILY).version != version:
                with suppress(CheckpointError):  # somebody else has just done it
                    promote(f"{FAMILY}@{version}", name)

    before = len(records())
    processes = [
        PROCESSES.Process(target=work, args=(name, mine))
        for name, mine in (("Ann", ("v1", "v2")), ("Bob", ("v3", "v1")), ("Cem", ("v2", "v3")))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    chain = records()
    assert len(chain) > before + 20
    assert [r.before for r in chain] == ["original", *(r.version for r in chain[:-1])]
    assert find_checkpoint(FAMILY).version == chain[-1].version
    assert complaints() == []
