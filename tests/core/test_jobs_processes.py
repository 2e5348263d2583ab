"""Jobs with their real processes: who may die when, and what is left then."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.core.tiny_jobs import BASE, WAIT, Home, make_home, wait_for
from umt_core.errors import CheckpointError
from umt_core.manifest import file_sum
from umt_core.registry import find_checkpoint, versions, versions_folder
from umt_core.train import jobs
from umt_core.train.jobs import OPEN_STATES, RUNNER_LOCK

ROOT = Path(__file__).resolve().parents[2]
KILLS = 30


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = make_home(tmp_path, monkeypatch)
    yield home
    end_all()


def end_all() -> None:
    """Ends what a failed test left running, and waits: its files are removed next."""
    if jobs.jobs_folder().is_dir():
        for path in (jobs.jobs_folder() / RUNNER_LOCK, *jobs.jobs_folder().glob("*/lock")):
            with suppress(OSError, ValueError):
                if jobs.is_held(path):
                    os.kill(int(path.read_text()), signal.SIGKILL)
            wait_until(lambda path=path: not jobs.is_held(path))


def wait_until(true: object) -> None:
    until = time.monotonic() + WAIT
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def ended(job: jobs.Status) -> bool:
    return job.state not in OPEN_STATES


def folder_of(identity: str) -> Path:
    return jobs.jobs_folder() / identity


def weights(version: str) -> str:
    return file_sum(versions_folder(BASE) / version / "weights.safetensors")


def kill(lock: Path, number: int = signal.SIGKILL) -> bool:
    """Sends a signal to who holds a lock; false: nobody does."""
    if not jobs.is_held(lock):
        return False
    with suppress(ValueError, ProcessLookupError):  # not yet written, or over at this moment
        os.kill(int(lock.read_text()), number)
        return True
    return False


def whole(home: Home, **values: object) -> str:
    """The sum of the weights of a run that nothing disturbed."""
    job = wait_for(jobs.submit(home.request(version="whole", **values)), ended)
    assert job.state == "done", job.line
    return weights("whole")


def check_served() -> None:
    """Every version that can be seen is whole, and the family's name still stands for one."""
    find_checkpoint(BASE)
    for found in versions(BASE):
        assert file_sum(found.folder / "weights.safetensors") == found.manifest.weights_sha256
    for folder in versions_folder(BASE).glob("*"):
        assert (folder / "manifest.json").exists()


SUBMIT = """
import sys
from umt_core.train.compose import Part
from umt_core.train.jobs import JobRequest, submit
parts = (Part("twitter0/train"),), Part("twitter0/valid")
for _ in range(int(sys.argv[1])):
    print(submit(JobRequest({base!r}, *parts, epochs={epochs}, patience=1000, layers=1)))
"""


def submitter(count: int, epochs: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUBMIT.format(base=BASE, epochs=epochs), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_a_job_ends_although_who_asked_for_it_is_killed(home):
    asker = submitter(1, epochs=200)
    identity = asker.stdout.readline().strip()
    wait_for(identity, lambda job: job.position)
    os.killpg(asker.pid, signal.SIGKILL)  # with all that it started in its session, as a closed terminal does
    asker.communicate()
    jobs.cancel(identity)
    job = wait_for(identity, ended)
    assert (job.state, job.line) == ("cancelled", "")
    assert [event["event"] for event in job.events][-1] == "stopped"
    wait_until(lambda: not jobs.is_held(jobs.jobs_folder() / RUNNER_LOCK))


@pytest.mark.slow
def test_two_apps_that_submit_at_once_share_one_runner_and_one_queue(home):
    askers = [submitter(3) for _ in range(2)]
    of_each = [asker.communicate()[0].split() for asker in askers]
    identities = [identity for of in of_each for identity in of]
    assert len(set(identities)) == 6
    found = [wait_for(identity, ended) for identity in identities]
    assert [job.state for job in found] == ["done"] * 6
    spans = sorted((job.events[0]["time"], job.events[-1]["time"]) for job in found)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))  # never two at a time
    assert len({weights(job.id) for job in found}) == 1
    began = {job.id: job.events[0]["time"] for job in found}
    for of in of_each:  # of two that ask at once either may come first
        assert of == sorted(of, key=began.__getitem__)


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_no_epoch_and_serves_nothing_half(home):
    """Thirty kills of a job's process, its runner or both, at random moments; after each the job goes on."""
    values = {"epochs": 100, "patience": 1000, "layers": 2}
    wanted = whole(home, **values)
    dice = random.Random(int(os.environ.get("UMT_SEED", "0")))
    killed = 0
    while killed < KILLS:
        identity, epochs = jobs.submit(home.request(**values)), 0
        while (job := jobs.status(identity)).state != "done":
            if job.state == "interrupted":
                jobs.resume(identity)
            jobs.ensure_runner()  # it may have been killed before it took the job
            wait_for(identity, lambda job: job.state != "queued")
            if killed < KILLS:
                # Some while it starts and reads, the others while it trains or leaves.
                if dice.random() < 0.6:
                    wait_for(identity, lambda job, before=epochs: len(job.history) > before or ended(job))
                    time.sleep(dice.uniform(0, 0.5))
                else:
                    time.sleep(dice.uniform(0, 4))
                runner = dice.random() < 0.3 and kill(jobs.jobs_folder() / RUNNER_LOCK)
                killed += kill(folder_of(identity) / "lock") or runner
            wait_for(identity, lambda job: job.state not in ("running", "stopping"))
            job = jobs.status(identity)
            assert job.state in ("interrupted", "queued", "done"), job.line
            assert len(job.history) >= epochs, "an epoch that was told of is lost"
            epochs = len(job.history)
            check_served()
        assert weights(identity) == wanted
        assert [row["epoch"] for row in job.history] == list(range(1, 101))


@pytest.mark.slow
def test_the_job_of_a_killed_runner_goes_on_and_the_next_one_waits_for_it(home):
    first, second = (jobs.submit(home.request(epochs=300, patience=1000)) for _ in range(2))
    wait_for(first, lambda job: job.history)
    assert kill(jobs.jobs_folder() / RUNNER_LOCK)
    wait_until(lambda: not jobs.is_held(jobs.jobs_folder() / RUNNER_LOCK))
    assert jobs.status(first).state == "running"
    jobs.ensure_runner()  # what a page does that is opened
    one, two = (wait_for(identity, ended) for identity in (first, second))
    assert (one.state, two.state) == ("done", "done")
    assert one.events[-1]["time"] <= two.events[0]["time"]


@pytest.mark.slow
def test_a_killed_job_says_how_it_ended_and_the_next_one_begins(home):
    first, second = (jobs.submit(home.request(epochs=300, patience=1000)) for _ in range(2))
    wait_for(first, lambda job: job.history)
    assert kill(folder_of(first) / "lock")
    job = wait_for(first, ended)
    assert job.state == "interrupted"
    wait_for(second, lambda job: job.state != "queued")
    assert "signal 9" in jobs.status(first).line
    jobs.cancel(second)
    wait_for(second, ended)


@pytest.mark.slow
def test_a_full_disk_stops_a_job_with_a_line_and_it_goes_on_when_there_is_room(home, tmp_path, monkeypatch):
    wanted = whole(home, epochs=300, patience=1000)
    small = tmp_path / "small"
    small.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300m", "small", str(small)], capture_output=True
        ).returncode
    ):
        pytest.skip("wanted to mount a small disk, and may not")
    try:
        monkeypatch.setenv("UMT_HOME", str(small))
        identity = jobs.submit(home.request(epochs=300, patience=1000))
        wait_for(identity, lambda job: job.history)
        with suppress(OSError), (small / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"\0" * 2**20):
                pass
        job = wait_for(identity, ended)
        assert job.state in ("failed", "interrupted")
        assert "space" in job.line.lower() or "code 1" in job.line or "write" in job.line, job.line
        assert not versions_folder(BASE).exists()
        (small / "filler").unlink()
        jobs.resume(identity)
        assert wait_for(identity, ended).state == "done"
        assert weights(identity) == wanted
        end_all()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.slow
def test_a_job_whose_base_is_gone_fails_with_a_line(home):
    identity = jobs.submit(home.request())
    jobs.cancel(identity)
    wait_for(identity, ended)
    shutil.rmtree(home.root / "checkpoints")
    with suppress(CheckpointError):
        jobs.resume(identity)
    job = wait_for(identity, ended)
    assert job.state == "failed"
    assert "no checkpoint" in job.line


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes that train together want two cores")
def test_a_job_of_two_processes_is_cancelled_and_goes_on(home):
    identity = jobs.submit(home.request(devices=2, device="cpu", epochs=1000, patience=1000))
    wait_for(identity, lambda job: job.history)
    jobs.cancel(identity)
    assert wait_for(identity, ended).state == "cancelled"
    done = len(jobs.status(identity).history)
    jobs.resume(identity)
    went_on = wait_for(identity, lambda job: len(job.history) > done)
    assert [row["epoch"] for row in went_on.history[: done + 1]] == list(range(1, done + 2))
    jobs.cancel(identity)
    assert wait_for(identity, ended).state == "cancelled"
