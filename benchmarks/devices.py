"""An epoch of training in two processes against one in a single process, on this machine's CPU.

Not among those that run when none is named: the processes take minutes to begin on a small machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.data import split
from benchmarks.measure import Measure
from benchmarks.training_cost import evenly
from benchmarks.training_memory import trained
from umt_core.data.jsonl import write_jsonl

SYSTEM, BATCH_SIZE = "bert-crf", 16
TRAIN_TWEETS, DEV_TWEETS, EPOCHS, ROUNDS = 320, 80, 3, 2
PROCESSES = (1, 2)


def measure() -> Iterator[Measure]:
    seconds: dict[int, list[float]] = {count: [] for count in PROCESSES}
    for i in range(ROUNDS):
        for count in PROCESSES[:: 1 if i % 2 == 0 else -1]:
            seconds[count] += _epochs(count)
    one, two = (median(seconds[count]) for count in PROCESSES)
    yield Measure("devices_epoch", two, f"s an epoch of {TRAIN_TWEETS} tweets in two processes (in one)", one)
    yield Measure("devices_speed", one / two, "times as fast as one process", 1.0, more_is_better=True)


def _epochs(processes: int) -> list[float]:
    """Seconds of each epoch but the first of a run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jsonl(folder / "train.jsonl", evenly(split("train")[0], TRAIN_TWEETS))
        write_jsonl(folder / "valid.jsonl", evenly(split("valid")[0], DEV_TWEETS))
        manifest = trained(SYSTEM, folder, devices=processes, epochs=EPOCHS, patience=EPOCHS, batch_size=BATCH_SIZE)
    return [row["seconds"] for row in manifest.history[1:]]
