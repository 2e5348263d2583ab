"""The memory of a training run, in a process of its own, and how its time and memory grow with the tweets.

``python -m benchmarks.training_memory SYSTEM FOLDER`` is such a process: it trains for one epoch on the folder's
``train.jsonl``, chooses by its ``valid.jsonl``, and prints its ``Cost`` as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import again, pictures, split
from benchmarks.measure import Measure, own_memory, peak_memory
from benchmarks.plain import BATCH_SIZE
from umt_core.config import settings_of
from umt_core.data.jsonl import write_jsonl
from umt_core.errors import UmtError
from umt_core.manifest import Manifest
from umt_core.train.run import Job, run_job
from umt_core.train.watcher import Watcher

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS = {"text": "bert-crf", "mt": "mt-bert-crf", "umt": "umt-bert-crf"}
RECIPE = "small"
FEW, MIDDLE, MANY = 250, 1000, 4000  # tweets: the first ones, again and again
DEV_TWEETS = 32
LONGEST = 1800.0  # seconds to wait for a run
FLOAT = 4  # bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run of one epoch took."""

    peak: int  # the most memory that it held, in KiB; maps of files count
    own: int | None  # what it held after the last step, in KiB, without maps of files
    step: float  # seconds of the cores that a step took, all but the first
    states: int  # bytes: weights, and of those that are trained the gradients and AdamW's two averages


def measure() -> Iterator[Measure]:
    runs = {name: _run(system, MIDDLE) for name, system in SYSTEMS.items()}
    few, middle, many = _run(SYSTEMS["umt"], FEW), runs["umt"], _run(SYSTEMS["umt"], MANY)
    unit = 1024**2 if sys.platform == "darwin" else 1024
    for name, run in runs.items():
        states = run.states / 1024**2
        yield Measure(f"train_{name}_memory", run.peak / unit, "MiB (weights, gradients, AdamW's)", states)
    # In time of the cores: processes that run one after the other may have other neighbours.
    each, fewer = (1000 * run.step / BATCH_SIZE for run in (many, few))
    yield Measure("train_growth", each, f"ms of the cores for each of {MANY:,} tweets (of {FEW})", fewer)
    if many.own and middle.own:
        slope = (many.own - middle.own) / (MANY - MIDDLE)
        yield Measure("train_memory_growth", slope, "KiB for each tweet more (of all)", many.own / MANY)


def _run(system: str, tweets: int) -> Cost:
    """Trains on so many tweets in a process of its own."""
    train, dev = split("train")[0][:FEW], split("valid")[0][:DEV_TWEETS]
    with tempfile.TemporaryDirectory() as folder:
        write_jsonl(Path(folder) / "train.jsonl", again(train, -(-tweets // len(train)))[:tweets])
        write_jsonl(Path(folder) / "valid.jsonl", dev)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.training_memory", system, folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    if done.returncode:
        raise UmtError(f"training {system} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


class _Clock(Watcher):
    """Looks at the process between two steps."""

    def __init__(self) -> None:
        self.times: list[float] = []  # of the cores, after each step
        self.own: int | None = None

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self.times.append(time.process_time())
        self.own = own_memory()

    def each(self) -> float:
        """Seconds of the cores that a step took, all but the first."""
        return (self.times[-1] - self.times[0]) / (len(self.times) - 1)


def trained(
    system: str, folder: Path, watcher: Watcher | None = None, *, devices: int = 1, **settings: Any
) -> Manifest:
    """A whole run on the CPU, over the folder's ``train.jsonl`` and ``valid.jsonl``.

    Args:
        settings: that differ from the recipe's.
    """
    model, train = settings_of(RECIPE, **settings)
    job = Job(
        system=system,
        train=folder / "train.jsonl",
        valid=folder / "valid.jsonl",
        output=folder / "run",
        model=model,
        settings=train,
        images=pictures(),
        device="cpu",
        devices=devices,
    )
    manifest = run_job(job, watcher)
    if manifest is None:
        raise UmtError(f"{folder}: wanted a whole run, got one that was stopped")
    return manifest


def train(system: str, folder: Path) -> Cost:
    """Trains for one epoch in this process."""
    clock = _Clock()
    manifest = trained(system, folder, clock, epochs=1, batch_size=BATCH_SIZE)
    states = FLOAT * (4 * manifest.parameters["trained"] + manifest.parameters["frozen"])
    return Cost(peak_memory(), clock.own, clock.each(), states)


if __name__ == "__main__":
    print(json.dumps(asdict(train(sys.argv[1], Path(sys.argv[2])))))
