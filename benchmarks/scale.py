"""Predictions in parts: what a tweet costs, whether that grows, what a second worker brings, what a worker holds.

About ten minutes: run by name alone (``python -m benchmarks scale``).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.made_tweets import write_tweets
from benchmarks.measure import Measure
from umt_core.distributed.cluster import Worked, run_on_cluster
from umt_core.distributed.plan import Plan, make_plan
from umt_core.distributed.tagging import ChunkTagger, run_here

TEXT, SEEING = "twitter2017/bert-crf", "twitter2017/umt-bert-crf"
FEW, MANY = 1_000, 10_000
WORKED = 4_000  # tweets of each run on Ray
PICTURES = 300
CHUNK = 250  # of the runs on Ray; two workers get eight each
TURNS = 3


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        yield from _cost(home)
        yield from _workers(home)


def _cost(home: Path) -> Iterator[Measure]:
    """Processor seconds of one thread: what else the machine does counts less than in seconds of a clock."""
    few, many = (write_tweets(home / f"{count}.jsonl", count) for count in (FEW, MANY))
    with_pictures = write_tweets(home / "seen.jsonl", PICTURES, home / "pictures")
    text, seeing = Costs(home, TEXT), Costs(home, SEEING, home / "pictures")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        text.milliseconds(few)  # the first run loads and warms
        of_few, of_many = text.milliseconds(few), text.milliseconds(many)
        of_few = (of_few + text.milliseconds(few)) / 2  # before and after the long run
        new = seeing.milliseconds(with_pictures, kept=home / "kept")
        kept = seeing.milliseconds(with_pictures, kept=home / "kept")
    finally:
        torch.set_num_threads(threads)
    yield Measure("scale_flat", of_many / of_few, f"times the cost a tweet ({MANY:,} to {FEW:,} tweets)", 1.0, 1.1)
    yield Measure("scale_text", of_many, f"core-ms a tweet ({TEXT})", of_few)
    yield Measure("scale_pictures_new", new, f"core-ms a tweet ({SEEING})", of_many)
    yield Measure("scale_pictures_kept", kept, f"core-ms a tweet ({SEEING})", of_many)


class Costs:
    """What making parts costs with one loaded tagger, planning included."""

    def __init__(self, home: Path, checkpoint: str, images: Path | None = None) -> None:
        self.home, self.checkpoint, self.images, self.runs = home, checkpoint, images, 0
        self.loaded: ChunkTagger | None = None

    def milliseconds(self, input: Path, kept: Path | None = None) -> float:
        """Processor time for each tweet; the tagger's loading is not counted."""
        self.runs += 1
        output = self.home / f"{Path(self.checkpoint).name}-{self.runs}.parquet"
        if self.loaded is None:
            first, _ = make_plan(input, self.home / f"{output.name}.load", [self.checkpoint], images=self.images)
            self.loaded = ChunkTagger(first, "cpu")
            self.loaded.load()
        began = time.process_time()
        plan, chunks = make_plan(input, output, [self.checkpoint], images=self.images)
        run_here(plan, chunks, ChunkTagger(plan, "cpu", kept, self.loaded.predictors, self.loaded.images))
        return 1000 * (time.process_time() - began) / sum(chunk.tweets for chunk in chunks)


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
        status = Path(f"/proc/{done.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        self.peak = max([self.peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))])
        if self.also:
            self.also(done)

    def speed(self, plan: Plan) -> float:
        """Tweets a second from the first chunk that was done to the last: Ray's start and the loading are not in it."""
        return plan.chunk * (len(self.times) - 1) / (self.times[-1] - self.times[0])
