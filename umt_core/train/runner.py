"""The processes behind the jobs: ``python -m umt_core.train.runner`` works on the queue until it is empty.

Each job runs in a child (``… runner <id>``), which alone imports torch: whatever ends it, the runner sees it and
goes on with the next. The child holds the job's lock and the lock of work itself, so that a new runner waits for
it where its own runner was killed: never do two jobs run at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.files import locked, write_text
from umt_core.data.moving import discard, move, sync
from umt_core.errors import UmtError, class_and_line
from umt_core.manifest import MANIFEST, read_manifest
from umt_core.promotions import changing
from umt_core.registry import versions_folder
from umt_core.train import jobs
from umt_core.train.compose import PICTURES, TEST, TRAIN, UNLABELLED, VALID
from umt_core.train.log import Log
from umt_core.train.watcher import Watcher

PATIENCE = 2.0  # seconds in which a runner that is about to end lets go
EVERY = 1.0  # seconds between two lines that count pictures or tweets


def work_on_queue() -> None:
    """Runs the jobs that wait, oldest first, until none is left; at once if another runner is there."""
    root = jobs.jobs_folder()
    runner = jobs.hold(root / jobs.RUNNER_LOCK, seconds=PATIENCE)
    if runner is None:
        return
    with suppress(OSError):
        os.nice(10)  # readers of the app go first
    while True:
        work = jobs.hold(root / jobs.WORK_LOCK)
        with locked(root, wait=True):
            taken = _take()
            if taken is None:
                runner.close()  # inside the guard: who puts a job into the queue next finds no runner
                return
        assert work is not None  # it was waited for
        _run_child(*taken, work)


def _take() -> tuple[Path, TextIO] | None:
    """The next job, out of the queue, and its lock."""
    waiting = [job for job in jobs.jobs() if job.state == jobs.QUEUED]
    if not waiting:
        return None
    folder = jobs.jobs_folder() / waiting[0].id
    lock = jobs.hold(folder / jobs.LOCK)
    assert lock is not None
    for of_earlier_try in (jobs.STOP, jobs.OUTCOME):
        (folder / of_earlier_try).unlink(missing_ok=True)
    Log(folder / jobs.LOG).write(event="taken")  # what an earlier try ended with is not how this one will
    (folder / jobs.TICKET).unlink()
    return folder, lock


def _run_child(folder: Path, lock: TextIO, work: TextIO) -> None:
    command = [sys.executable, "-m", "umt_core.train.runner", folder.name]
    with lock, work, (folder / jobs.STDERR).open("ab") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(lock.fileno(), work.fileno()),
            env=jobs.runner_environment(),
        )
        jobs.name_holder(lock, process.pid)
    if code := process.wait():
        Log(folder / jobs.LOG).write(event="ended", code=code)


def run(folder: Path) -> None:
    """One job, from its folder to the registry; what comes of it is in the folder afterwards."""
    try:
        made = _published(folder) or _train(folder)
        if made is None:
            jobs.write_outcome(folder, jobs.CANCELLED)
        else:
            name, weights = made
            jobs.write_outcome(folder, jobs.DONE, checkpoint=name, weights_sha256=weights)
    except UmtError as error:
        jobs.write_outcome(folder, jobs.FAILED, line=str(error))
    except (OSError, MemoryError, RuntimeError) as error:  # a full disk; torch raises RuntimeError for both
        jobs.write_outcome(folder, jobs.FAILED, line=class_and_line(error))
        raise


def _train(folder: Path) -> tuple[str, str] | None:
    """Trains, or goes on; exact name and sum of the new version, ``None`` if somebody asked for an end."""
    values = jobs.read_request(folder)
    data, out = folder / jobs.DATA, folder / jobs.OUT
    if not (out / MANIFEST).exists():
        jobs.check_room(values["plan"].memory, values["plan"].disk)
        from umt_core.train.run import Job, run_job

        parent = values["parent"]
        job = Job(
            system=values["system"],
            train=data / f"{TRAIN}.jsonl",
            valid=data / f"{VALID}.jsonl",
            test=data / f"{TEST}.jsonl" if TEST in values["splits"] else None,
            output=out,
            model=ModelSettings.from_dict(values["model"]),
            settings=TrainSettings.from_dict(values["settings"]),
            recipe=values["recipe"],
            images=data / PICTURES,
            teachers=values["plan"].teachers,
            unlabelled=data / f"{UNLABELLED}.jsonl" if UNLABELLED in values["splits"] else None,
            unlabelled_images=data / PICTURES,
            dataset=values["dataset"],
            set_name=values.get("set_name", ""),  # a job of an earlier version has none
            about_images=values["images"],
            init=parent["name"],
            parent=parent,
            corrections=values["plan"].corrections,
            made_from=values["splits"],
            log=folder / jobs.LOG,
            device=values["request"].device,
            devices=values["request"].devices,
        )
        if run_job(job, _Listener(folder)) is None:
            return None
    return _publish(folder, values)


def _publish(folder: Path, values: dict[str, Any]) -> tuple[str, str]:
    """Moves the finished checkpoint to the versions of its family, in one step; its name and the sum of its weights."""
    weights = read_manifest(folder / jobs.OUT).weights_sha256
    wanted = values["request"].version or folder.name
    out, place = folder / jobs.OUT, versions_folder(values["family"])
    for left in out.iterdir():  # of a kill between the manifest and here; a state is large, and no part of a checkpoint
        if left.name.startswith(("state.pt", ".")) or left.suffix == ".tmp":
            left.unlink()
    with changing():
        number = 1
        while (place / (version := wanted if number == 1 else f"{wanted[:36]}-{number}")).exists():
            number += 1
        name = f"{values['family']}@{version}"
        write_text(folder / jobs.PUBLISHING, json.dumps({"name": name, "folder": str(place / version)}) + "\n")
        place.mkdir(parents=True, exist_ok=True)
        move(out, place / version)  # versions may lie on another disk
        sync(place)
    return name, weights


def _published(folder: Path) -> tuple[str, str] | None:
    """Name and sum of the version that left before a kill, if it did."""
    path, out = folder / jobs.PUBLISHING, folder / jobs.OUT
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    place = Path(values["folder"])
    if out.exists():
        own, served = out / MANIFEST, place / MANIFEST
        if not (own.exists() and served.exists() and own.read_bytes() == served.read_bytes()):
            return None
        discard(out)  # it was copied, to another disk
    return str(values["name"]), read_manifest(place).weights_sha256


class _Listener(Watcher):
    """Writes what is to be seen of a run into the job's log, and asks for its stop file."""

    def __init__(self, folder: Path) -> None:
        self.log, self.stop = Log(folder / jobs.LOG), folder / jobs.STOP
        self.said = 0.0

    def features(self, done: int, total: int) -> None:
        self._count(done, total, event="pictures")

    def teaching(self, what: str, done: int, total: int) -> None:
        self._count(done, total, event="teaching", what=what)

    def _count(self, done: int, total: int, **event: str) -> None:
        if done == total or time.monotonic() - self.said > EVERY:
            self.said = time.monotonic()
            self.log.write(**event, done=done, total=total)

    def note(self, text: str) -> None:
        self.log.write(event="note", text=text)

    def should_stop(self) -> bool:
        return self.stop.exists()


def main() -> None:
    if len(sys.argv) > 1:
        run(jobs.jobs_folder() / sys.argv[1])
    else:
        work_on_queue()


if __name__ == "__main__":
    main()
