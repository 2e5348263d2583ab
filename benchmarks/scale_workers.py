"""Predictions in parts on Ray: what a second worker brings, and what a worker holds in memory.

Ten minutes: run by name alone (``python -m benchmarks scale_workers``).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.made_tweets import write_tweets
from benchmarks.measure import Measure, status
from benchmarks.scale import TEXT
from umt_core.distributed.cluster import Worked, run_on_cluster
from umt_core.distributed.plan import Plan, make_plan

WORKED = 4_000  # tweets of a run
CHUNK = 250  # two workers get eight each
TURNS = 3


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _workers(Path(folder))


def _workers(home: Path) -> Iterator[Measure]:
    input = write_tweets(home / "worked.jsonl", WORKED)
    speeds: dict[int, list[float]] = {1: [], 2: []}
    memory: list[float] = []
    for turn in range(TURNS):
        for workers in (1, 2) if turn % 2 == 0 else (2, 1):
            watch = Watch()
            plan, chunks = make_plan(input, home / f"ray-{workers}-{turn}.parquet", [TEXT], chunk=CHUNK)
            run_on_cluster(plan, chunks, workers=workers, device="cpu", finished=watch)
            speeds[workers].append(watch.speed(plan))
            memory.append(watch.peak / 2**10)
    one, two = (max(speeds[workers]) for workers in (1, 2))  # the best of them: others were at work beside it
    yield Measure("scale_second_worker", two / one, "times the speed of one worker", 1.0)
    yield Measure("scale_speed", two, "tweets/s with two workers (with one)", one)
    yield Measure(
        "scale_worker_memory", max(memory), f"MiB, worker that held most, of {2 * TURNS} runs (least)", min(memory)
    )


class Watch:
    """Notes when chunks are done, and the most memory that a worker of this machine held."""

    def __init__(self, also: Callable[[Worked], None] | None = None) -> None:
        self.times: list[float] = []
        self.peak = 0  # KiB
        self.also = also

    def __call__(self, done: Worked) -> None:
        self.times.append(time.perf_counter())
        self.peak = max(self.peak, status("VmHWM", done.pid) or 0)
        if self.also:
            self.also(done)

    def speed(self, plan: Plan) -> float:
        """Tweets a second from the first chunk that was done to the last: Ray's start and the loading are not in it."""
        return plan.chunk * (len(self.times) - 1) / (self.times[-1] - self.times[0])
