"""An epoch of training in two processes against one in a single process, on this machine's CPU; and two runs at once.

Not among those that run when none is named: the processes take minutes to begin on a small machine.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import torch

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
    apart: list[float] = []
    for i in range(ROUNDS):
        for count in PROCESSES[:: 1 if i % 2 == 0 else -1]:
            seconds[count] += _epochs(count)
        apart += _epochs_of_two_runs()
    one, two = (median(seconds[count]) for count in PROCESSES)
    yield Measure("devices_epoch", two, f"s an epoch of {TRAIN_TWEETS} tweets in two processes (in one)", one)
    yield Measure("devices_speed", one / two, "times as fast as one process", 1.0, more_is_better=True)
    rows = "times the tweets, two runs at once with a core each (one run with both)"
    yield Measure("devices_rows", 2 * one / median(apart), rows, 1.0, more_is_better=True)


def _epochs_of_two_runs() -> list[float]:
    """Seconds of the epochs of two runs that have a core each, as ``reproduce`` started twice would."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return [second for epochs in pool.map(_epochs, (1, 1)) for second in epochs]


def _epochs(processes: int) -> list[float]:
    """Seconds of each epoch but the first of a run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jsonl(folder / "train.jsonl", evenly(split("train")[0], TRAIN_TWEETS))
        write_jsonl(folder / "valid.jsonl", evenly(split("valid")[0], DEV_TWEETS))
        manifest = trained(SYSTEM, folder, devices=processes, epochs=EPOCHS, patience=EPOCHS, batch_size=BATCH_SIZE)
    return [row["seconds"] for row in manifest.history[1:]]
