"""Retraining jobs: asked for by a page or a command, run one after the other by a process of their own.

A job is a folder, and all that is known of it is read from its files, so that a page, a browser or the app may
end at any time:

    jobs/<id>/request.json   what is to be done, written before anybody can see the folder
              data/          the tweets to train on, put together when the job was asked for
              ticket         it waits for its turn
              lock           held as long as its process lives: the system lets go of it, whatever ends the process
              stop           somebody asked for an end
              log.jsonl      a line an event; stderr.log: what else the process said
              out/           the checkpoint, and the state to go on from
              publishing     the name under which out/ leaves for the registry
              outcome.json   done, failed or cancelled; without it, lock and ticket a job was interrupted

Whoever changes what stands for a state (ticket, stop, outcome) holds the guard, ``jobs/.lock``. Free of torch.
"""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from umt_core.config import MODES, TrainSettings
from umt_core.data.files import home_dir, locked, utc_now, write_json, write_text
from umt_core.encoders.needs import lacking
from umt_core.errors import ConfigError, DataError, JobError, UmtError
from umt_core.manifest import Manifest
from umt_core.registry import CheckpointInfo, check_version, find_checkpoint, versions_folder
from umt_core.train.compose import (
    TRAIN,
    UNLABELLED,
    VALID,
    Composition,
    Mixture,
    Part,
    compose,
    current_labels,
    write_composition,
)
from umt_core.train.log import read_events

FORMAT = 1  # of request.json
REQUEST, TICKET, LOCK, STOP, LOG = "request.json", "ticket", "lock", "stop", "log.jsonl"
STDERR, DATA, OUT, PUBLISHING, OUTCOME = "stderr.log", "data", "out", "publishing", "outcome.json"
RUNNER_LOCK, WORK_LOCK, RUNNER_LOG = ".runner.lock", ".work.lock", ".runner.log"

QUEUED, RUNNING, STOPPING, INTERRUPTED = "queued", "running", "stopping", "interrupted"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
OPEN_STATES = (QUEUED, RUNNING, STOPPING)

STALE = 24 * 3600  # seconds after which what a killed submit left is removed
TAIL = 200  # lines of the log that a status holds
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")

# Bytes for each trained weight: itself, its gradient, Adam's two moments, the running average, the best epoch's.
BYTES_PER_WEIGHT = 6 * 4
BASE_MEMORY = 700 * 2**20  # bytes of a process that has loaded torch, transformers and a few hundred pictures' regions
NODES = Path("/dev")  # where Linux shows devices: a GPU of NVIDIA's is nvidia0, nvidia1, ...
SPARE_DISK = 200 * 2**20  # bytes that are to stay free
QUICK_SHARE = 0.75  # of a full epoch's time (measured: 0.57 for BERT-CRF, 0.77 for UMT), where no job says better


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is to be trained, from what, on what."""

    base: str  # a checkpoint: <dataset>/<system>, or a version of it after an @
    train: tuple[Part, ...]
    valid: Part | None = None  # None: a tenth of the training tweets is held out
    test: Part | None = None  # scored once, at the end
    mode: str = "quick"
    store: str | None = None  # URL of the corrections to use; None: labels as the data sets have them
    teachers: tuple[str, ...] = ()  # checkpoints whose marginals are learned beside the labels
    unlabelled: tuple[Part, ...] = ()  # tweets of which the teachers' marginals alone are learned
    repeat: int = 1  # how often a corrected tweet stands among those to train on
    correct_valid: bool = False
    epochs: int | None = None  # None, here and below: as the mode has it
    patience: int | None = None  # epochs without a better dev F1 before it ends
    layers: int | None = None  # of the encoder that move, from the top
    rates: float | None = None  # factor of the base's learning rates
    seed: int = 0
    version: str = ""  # name of the new version; "": the job's id
    author: str = ""
    device: str = "auto"
    devices: int = 1  # processes that share each batch

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode: wanted one of {list(MODES)}, got {self.mode!r}")
        if not 1 <= self.repeat <= 100:
            raise ConfigError(f"repeat: wanted 1 to 100, got {self.repeat}")
        if self.devices < 1:
            raise ConfigError(f"devices: wanted at least 1, got {self.devices}")
        if self.unlabelled and not self.teachers:
            raise ConfigError(f"{self.unlabelled[0].data}: wanted a teacher to learn from unlabelled tweets, got none")
        if self.version:
            check_version(self.version)

    def mixture(self) -> Mixture:
        return Mixture(self.train, self.valid, self.test, self.repeat, self.correct_valid, self.seed, self.unlabelled)

    def settings(self, base: TrainSettings) -> TrainSettings:
        """Those of the run, given those of the base (``ConfigError`` if one is out of range)."""
        weight = (base.teacher_weight or 1.0) if self.teachers else None
        return MODES[self.mode].settings(
            base, self.rates, epochs=self.epochs, patience=self.patience, train_layers=self.layers, seed=self.seed,
            teacher_weight=weight,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> JobRequest:
        parts = {name: Part(**values[name]) if values.get(name) else None for name in ("valid", "test")}
        train, unlabelled = (
            tuple(Part(**part) for part in of) for of in (values["train"], values.get("unlabelled", ()))
        )
        several = {"train": train, "unlabelled": unlabelled, "teachers": tuple(values.get("teachers", ()))}
        return cls(**{**values, **parts, **several})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request comes to, before anything is done."""

    base: str  # exact name of the checkpoint that training starts from
    counts: dict[str, int]  # as ``Composition.counts``
    corrections: dict[str, Any] | None
    epochs: int
    seconds: float | None  # of training, at most, by what an epoch took before; None: nothing is known
    memory: int  # bytes
    disk: int  # bytes
    notes: tuple[str, ...]
    teachers: tuple[str, ...] = ()  # exact names
    read_before: bool = False  # the base has learned from the tweets that the epoch is chosen by


@dataclass(frozen=True, slots=True)
class Status:
    """What the files of a job say."""

    id: str
    request: JobRequest
    plan: Plan
    state: str
    created: str  # UTC, ISO 8601
    events: tuple[dict[str, Any], ...]  # the log, oldest first
    line: str = ""  # why it failed or was interrupted
    checkpoint: str | None = None  # exact name of the version that came out
    weights_sha256: str = ""  # of it: by them it is known whatever its name is now; "": of an older version

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row an epoch, in order; of an epoch that was run again after a kill the last."""
        rows = {event["epoch"]: event for event in self.events if event["event"] == "epoch"}
        return [rows[epoch] for epoch in sorted(rows)]

    @property
    def before(self) -> float | None:
        """Dev F1 of the base, on the labels that the epochs are judged by; ``None``: not known yet."""
        return next((event["dev_f1"] for event in self.events if event["event"] == "before"), None)

    @property
    def losses(self) -> list[tuple[float, float]]:
        """Loss by epochs done, as the log has it between epochs."""
        steps = (event for event in self.events if event["event"] == "step")
        return [(event["epoch"] - 1 + event["step"] / event["steps"], event["loss"]) for event in steps]

    @property
    def position(self) -> tuple[int, int, int] | None:
        """Epoch, step of it and steps in it, as last heard; ``None``: training has not begun."""
        last = next((event for event in reversed(self.events) if event["event"] in ("step", "epoch")), None)
        if last is None:
            return None
        if last["event"] == "epoch":
            return last["epoch"], 0, 0
        return last["epoch"], last["step"], last["steps"]

    @property
    def fraction(self) -> float:
        """Of all epochs, 0 to 1."""
        if self.state == DONE:
            return 1.0
        epoch, step, steps = self.position or (0, 0, 0)
        return min(1.0, (epoch - 1 + step / steps if steps else epoch) / self.plan.epochs)

    @property
    def seconds_left(self) -> float | None:
        """Until the last epoch ends, if none is left out; ``None``: nothing is known yet."""
        if self.state not in (RUNNING, STOPPING) or not self.fraction:
            return None
        if rows := self.history:
            each = sum(row["seconds"] for row in rows) / len(rows)
        else:
            began, now = (self.events[i]["time"] for i in (self._start, -1))
            each = (now - began) / (self.fraction * self.plan.epochs)
        since = max(0.0, time.time() - self.events[-1]["time"])
        return max(0.0, (1 - self.fraction) * self.plan.epochs * each - since)

    @property
    def _start(self) -> int:
        """Where in the log the process that is running began to train."""
        starts = [i for i, event in enumerate(self.events) if event["event"] in ("start", "resume")]
        return starts[-1] if starts else 0


# --- asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Prepared:
    info: CheckpointInfo
    settings: TrainSettings
    composition: Composition
    plan: Plan


def plan(request: JobRequest) -> Plan:
    """What a request comes to.

    Raises:
        UmtError: it cannot be done, and why: the checkpoint, the data, the store, disk or memory.
    """
    return _prepare(request).plan


def submit(request: JobRequest) -> str:
    """Puts a job at the end of the queue and sees that somebody works on it; its id.

    Its data is put together now: labels that are corrected later are for a later job.

    Raises:
        UmtError: as ``plan``.
        JobError: its folder cannot be written.
    """
    prepared = _prepare(request)
    root = jobs_folder()
    _clean(root)
    identity = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = root / f".new-{identity}"
    try:
        (folder / DATA).mkdir(parents=True)
        write_composition(prepared.composition, folder / DATA)
        (folder / TICKET).touch()
        with locked(root, wait=True):  # with the time that it is given: that orders the queue
            _write_request(folder, request, prepared)
            folder.rename(root / identity)
    except (OSError, DataError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        got = error.strerror if isinstance(error, OSError) else error
        raise JobError(f"{root}: wanted a place for the job, got: {got}") from error
    ensure_runner()
    return identity


def _prepare(request: JobRequest) -> _Prepared:
    info, *teachers = (_base(name) for name in (request.base, *request.teachers))
    for each in (info, *teachers):
        if line := lacking(each.manifest.model):
            raise JobError(f"{each.family}: {line}")
    if teachers and info.manifest.model.tagging != "word":
        raise JobError(f"{info.family}: wanted a tagger of words to learn teachers' marginals, got one of subwords")
    settings = request.settings(info.manifest.train)
    if request.version and (versions_folder(info.family) / request.version).exists():
        raise JobError(f"{info.family}: wanted a new version name, got {request.version!r}, which is taken")
    labels, corrections = current_labels(request.store) if request.store else ({}, None)
    composition = compose(request.mixture(), labels)
    if corrections is not None:
        corrections |= composition.corrections()
    notes = composition.notes
    trained_on = [_read_before(each.manifest, composition) for each in (info, *teachers)]
    for each, of in zip((info, *teachers), trained_on, strict=True):
        if of:
            line = f"{each.name} has been trained on {', '.join(of)}: its scores on these tweets, and those of taggers "
            notes += (f"{line}that learn from it, are too good; choose the epoch on other tweets.",)
    counts = composition.counts()
    memory, disk = room(info.manifest)
    check_devices(request, settings.batch_size)
    memory *= request.devices  # each process has its own
    memory += max((4 * sum(_weights(teacher.manifest)) for teacher in teachers), default=0)  # one after the other
    seconds = _epoch_seconds(info.manifest, request.mode, _read_tweets(counts))
    found = Plan(
        base=info.name,
        counts=counts,
        corrections=corrections,
        epochs=settings.epochs,
        seconds=None if seconds is None else seconds * settings.epochs,
        memory=memory,
        disk=disk,
        notes=notes,
        teachers=tuple(teacher.name for teacher in teachers),
        read_before=bool(trained_on[0]),
    )
    check_room(memory, disk)
    return _Prepared(info, settings, composition, found)


def _read_before(base: Manifest, composition: Composition) -> list[str]:
    """Of the data to choose the epoch by those whose tweets a checkpoint was trained on, with labels or by teachers."""
    files = [base.data.get(name, {}) for name in (TRAIN, UNLABELLED)]
    known = {of.get("sha256") for file in files for of in (file, *file.get("from", ()))}
    return [of["data"] for of in composition.splits[VALID].made_from if of["sha256"] in known]


def _base(name: str) -> CheckpointInfo:
    """The checkpoint of a name as it is now, under the name that it will keep (``CheckpointError``, ``JobError``)."""
    found = find_checkpoint(name)
    exact = find_checkpoint(f"{found.family}@{found.version}")
    if exact.manifest.weights_sha256 != found.manifest.weights_sha256:
        raise JobError(f"{name}: wanted a checkpoint that has a name here, got a folder: {exact.name} is another one")
    return exact


def room(base: Manifest) -> tuple[int, int]:
    """Bytes of memory and of disk that a run from a checkpoint needs at most."""
    trained, frozen = _weights(base)
    state = trained * (BYTES_PER_WEIGHT - 4)  # all but the gradients
    return BASE_MEMORY + 4 * frozen + BYTES_PER_WEIGHT * trained, 2 * state + 4 * trained


def _weights(of: Manifest) -> tuple[int, int]:
    """How many of a checkpoint's weights are trained, and how many are as published."""
    return of.parameters["trained"], of.parameters["frozen"]


def devices_there(device: str = "auto") -> tuple[int, str]:
    """How many devices this machine has for a job, and what they are; whether torch can use a GPU is not asked."""
    gpus = sum(path.name.removeprefix("nvidia").isdigit() for path in NODES.glob("nvidia*"))
    return (gpus, "GPUs") if gpus and device != "cpu" else (os.cpu_count() or 1, "CPU cores")


def check_devices(request: JobRequest, batch_size: int) -> None:
    """Whether so many processes can share a batch.

    Raises:
        ConfigError: there are fewer devices here, or fewer tweets in a batch.
    """
    there, what = devices_there(request.device)
    if request.devices > there:
        raise ConfigError(f"devices: wanted 1 to {there}, the {what} of this machine, got {request.devices}")
    if request.devices > batch_size:
        raise ConfigError(f"devices: wanted at most batch_size, {batch_size}, got {request.devices}")


def check_room(memory: int, disk: int) -> None:
    """Whether there are so many bytes of each.

    Raises:
        JobError: there are not.
    """
    free = shutil.disk_usage(_existing(home_dir())).free
    if free < disk + SPARE_DISK:
        wanted = f"{(disk + SPARE_DISK) / 2**20:,.0f} MiB of free disk"
        raise JobError(f"{home_dir()}: wanted {wanted} for the run, got {free / 2**20:,.0f}")
    available = _available_memory()
    if available is not None and available < memory:
        raise JobError(f"wanted {memory / 2**20:,.0f} MiB of free memory for the run, got {available / 2**20:,.0f}")


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _available_memory() -> int | None:
    """Bytes that a new process can have; ``None``: this system does not say."""
    found = []
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with suppress(OSError, ValueError):  # a container's limit
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / f"memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        found.append(int(limit) - int(used))
    return min(found, default=None)


def _epoch_seconds(base: Manifest, mode: str, tweets: int) -> float | None:
    """What an epoch over so many tweets will take, by the newest job of this machine of its kind, else by the base."""
    for job in reversed(jobs()):
        seconds = [row["seconds"] for row in job.history]
        same = (job.request.mode, job.plan.base.partition("@")[0]) == (mode, base.name)
        if same and seconds and _read_tweets(job.plan.counts):
            return sum(seconds) / len(seconds) / _read_tweets(job.plan.counts) * tweets
    read = _read_tweets({name: of.get("tweets", 0) for name, of in base.data.items()})
    if not read or not base.history:
        return None
    return base.seconds / len(base.history) / read * tweets * (QUICK_SHARE if mode == "quick" else 1)


def _read_tweets(counts: Mapping[str, int]) -> int:
    """Tweets that an epoch reads, given those of each split."""
    return counts.get(TRAIN, 0) + counts.get(UNLABELLED, 0)


def _write_request(folder: Path, request: JobRequest, prepared: _Prepared) -> None:
    manifest = prepared.info.manifest
    stored = dataclasses.asdict(request)
    if prepared.plan.corrections:
        stored["store"] = prepared.plan.corrections["store"]  # without its password
    values = {
        "format": FORMAT,
        "created": utc_now("microseconds"),
        "request": stored,
        "plan": dataclasses.asdict(prepared.plan),
        "system": manifest.system,
        "dataset": manifest.dataset,
        "set_name": manifest.set_name,
        "family": prepared.info.family,
        "recipe": manifest.recipe,
        "images": manifest.images,
        "model": manifest.model.to_dict(),
        "settings": prepared.settings.to_dict(),
        "parent": {"name": prepared.info.name, "weights_sha256": manifest.weights_sha256},
        "splits": {name: list(split.made_from) for name, split in prepared.composition.splits.items()},
    }
    write_json(folder / REQUEST, values)


def _clean(root: Path) -> None:
    """Removes what a kill left of a submit or a removal a day ago."""
    for folder in [*root.glob(".new-*"), *root.glob(".trash-*")]:
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > STALE:
                shutil.rmtree(folder, ignore_errors=True)


# --- looking --------------------------------------------------------------------------------------


def jobs_folder() -> Path:
    return home_dir() / "jobs"


def jobs() -> list[Status]:
    """All jobs whose request can be read, oldest first."""
    found = []
    for folder in _folders():
        with suppress(JobError):  # one damaged folder must not hide the others; ``complaints`` names it
            found.append(_status(folder))
    return sorted(found, key=lambda job: (job.created, job.id))


def complaints() -> list[str]:
    """A line for each folder that ought to be a job and isn't."""
    lines = []
    for folder in _folders():
        try:
            _status(folder)
        except JobError as error:
            lines.append(str(error))
    return lines


def status(identity: str) -> Status:
    """What a job's files say now.

    Raises:
        JobError: there is no such job, or its request cannot be read.
    """
    return _status(_folder(identity))


def log_text(identity: str) -> str:
    """What the job's process printed that is in no event: warnings, and the end of a crash."""
    with suppress(OSError):
        return (_folder(identity) / STDERR).read_text(encoding="utf-8", errors="replace")
    return ""


def read_request(folder: Path) -> dict[str, Any]:
    """The contents of ``request.json``, its request and plan as values of ours.

    Raises:
        JobError: it is missing, damaged, or of another version.
    """
    path = folder / REQUEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}, wanted {FORMAT}")
        values["request"] = JobRequest.from_dict(values["request"])
        several = {name: tuple(values["plan"].get(name, ())) for name in ("notes", "teachers")}
        values["plan"] = Plan(**values["plan"] | several)
        return dict(values)
    except (OSError, ValueError, TypeError, KeyError, UmtError) as error:
        raise JobError(f"{path}: wanted a job's request, got: {error!r}") from error


def _folders() -> list[Path]:
    with suppress(OSError):
        return [folder for folder in sorted(jobs_folder().iterdir()) if _ID.fullmatch(folder.name)]
    return []


def _folder(identity: str) -> Path:
    folder = jobs_folder() / identity
    if not _ID.fullmatch(identity) or not folder.is_dir():
        raise JobError(f"no job {identity!r} in {jobs_folder()}")
    return folder


def _status(folder: Path) -> Status:
    values = read_request(folder)
    state, outcome = _state(folder)
    events = read_events(folder / LOG)
    line = outcome.get("line", "")
    if state == INTERRUPTED:
        line = _how_it_ended(folder, events)
    return Status(
        id=folder.name,
        request=values["request"],
        plan=values["plan"],
        state=state,
        created=values["created"],
        events=events,
        line=line,
        checkpoint=outcome.get("checkpoint"),
        weights_sha256=outcome.get("weights_sha256", ""),
    )


def _state(folder: Path) -> tuple[str, dict[str, Any]]:
    for _ in range(2):
        if is_held(folder / LOCK):
            return (STOPPING if (folder / STOP).exists() else RUNNING), {}
        if (folder / TICKET).exists():
            return QUEUED, {}
        if outcome := _outcome(folder):
            return outcome["state"], outcome
        # It may have been taken from the queue while we looked: look once more before saying that it was interrupted.
    return INTERRUPTED, {}


def _outcome(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        values = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
        if isinstance(values, dict) and values.get("state") in (DONE, FAILED, CANCELLED):
            return values
    return {}


def _how_it_ended(folder: Path, events: tuple[dict[str, Any], ...]) -> str:
    taken = max((i for i, event in enumerate(events) if event["event"] == "taken"), default=0)
    ended = next((event for event in events[taken:] if event["event"] == "ended"), None)
    said = log_text(folder.name).strip().splitlines()
    if ended is None:
        return "its process was ended from outside, or the machine was"
    if ended["code"] < 0:
        memory = ", perhaps for want of memory" if ended["code"] == -9 else ""
        return f"its process was ended by signal {-ended['code']}{memory}"
    return f"its process ended with code {ended['code']}: {said[-1] if said else 'it said nothing'}"


# --- acting ---------------------------------------------------------------------------------------


@contextmanager
def _changing() -> Iterator[None]:
    """Nobody else changes what stands for a state meanwhile (``JobError``: the files cannot be written)."""
    try:
        with locked(jobs_folder(), wait=True):
            yield
    except DataError as error:
        raise JobError(str(error)) from error
    except OSError as error:
        raise JobError(f"{jobs_folder()}: wanted to write, got: {error.strerror}") from error


def cancel(identity: str) -> None:
    """Takes a job out of the queue, or asks its process to stop; what is done is kept, to be resumed.

    Raises:
        JobError: there is no such job, or it has ended.
    """
    folder = _folder(identity)
    with _changing():
        state, _ = _state(folder)
        if state == QUEUED:
            write_outcome(folder, CANCELLED)
            (folder / TICKET).unlink()
        elif state in (RUNNING, STOPPING):
            (folder / STOP).touch()
        else:
            raise JobError(f"{identity}: wanted a job that waits or runs, got one that is {state}")


def resume(identity: str) -> None:
    """Puts a job that was interrupted, cancelled or has failed into the queue again; it goes on from its last epoch.

    Raises:
        JobError: there is no such job, or it is not one of these.
    """
    folder = _folder(identity)
    with _changing():
        state, _ = _state(folder)
        if state in OPEN_STATES or state == DONE:
            raise JobError(f"{identity}: wanted a job that can go on, got one that is {state}")
        (folder / TICKET).touch()
        (folder / OUTCOME).unlink(missing_ok=True)
    ensure_runner()


def remove(identity: str) -> None:
    """Removes a job with its data and its log; the checkpoint that came out of it stays.

    Raises:
        JobError: there is no such job, or it is running.
    """
    folder = _folder(identity)
    trash = folder.with_name(f".trash-{identity}-{secrets.token_hex(4)}")
    with _changing():
        state, _ = _state(folder)
        if state in (RUNNING, STOPPING):
            raise JobError(f"{identity}: wanted a job that does not run, got one that is {state}: cancel it first")
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def write_outcome(
    folder: Path, state: str, *, line: str = "", checkpoint: str | None = None, weights_sha256: str = ""
) -> None:
    values = {"state": state, "line": line, "checkpoint": checkpoint, "weights_sha256": weights_sha256}
    write_text(folder / OUTCOME, json.dumps(values, ensure_ascii=False) + "\n")


# --- the runner -----------------------------------------------------------------------------------


def ensure_runner() -> None:
    """Starts the process that works on the queue, unless one is there; it outlives whoever called."""
    root = jobs_folder()
    if is_held(root / RUNNER_LOCK) or not any((folder / TICKET).exists() for folder in _folders()):
        return
    with (root / RUNNER_LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "umt_core.train.runner"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=runner_environment(),
        )
    # Somebody must hear when it ends, or it would stay in the system's list for as long as we live.
    threading.Thread(target=process.wait, name="runner", daemon=True).start()


def runner_environment() -> dict[str, str]:
    """One core is left to the app, and threads that wait do not spin: a reader's request goes first."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    return {"OMP_NUM_THREADS": threads} | os.environ | {"PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}


def is_held(path: Path) -> bool:
    """Whether a living process holds a lock."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def name_holder(lock: TextIO, process: int) -> None:
    """Writes into a lock which process holds it: for people, and true only as long as it is held."""
    lock.truncate(0)
    lock.write(f"{process}\n")
    lock.flush()


def hold(path: Path, *, seconds: float | None = None) -> TextIO | None:
    """Takes a lock, for as long as the file is open here or in a process that it was passed to.

    Args:
        seconds: to wait at most, as one who asks ``is_held`` holds it for a moment; ``None``: for ever.

    Returns:
        ``None``: another process kept it.
    """
    lock = path.open("a")  # what it says is of the holder until we are
    until = time.monotonic() + (seconds or 0)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if seconds is None else fcntl.LOCK_NB))
            name_holder(lock, os.getpid())
            return lock
        except BlockingIOError:
            if time.monotonic() > until:
                lock.close()
                return None
            time.sleep(0.01)
