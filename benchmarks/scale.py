"""Predictions in parts: what a tweet costs, text alone and with its picture, and whether that grows.

Four minutes of one core: run by name alone (``python -m benchmarks scale``).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.made_tweets import write_tweets
from benchmarks.measure import Measure
from umt_core.distributed.plan import make_plan
from umt_core.distributed.tagging import ChunkTagger, run_here

TEXT, SEEING = "twitter2017/bert-crf", "twitter2017/umt-bert-crf"
FEW, MANY = 1_000, 10_000
PICTURES = 300


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _cost(Path(folder))


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
