"""Predictions in parts: what a tweet costs, text alone and with its picture, and whether that grows.

Four minutes of one core: run by name alone (``python -m benchmarks scale``). Other sizes, text alone:

    python -m benchmarks.scale --tweets 10000 --tweets 100000
    python -m benchmarks.scale --tweets 10000 --tweets 1000000 --tagger tiny-random

The second has a tagger of random weights that costs next to nothing: what is measured is all the rest, which must not
grow either, and a real tagger's share does not hide it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.made_tweets import write_tweets
from benchmarks.measure import Measure, own_memory, table
from benchmarks.tiny_tagger import save_tiny_tagger
from umt_core.distributed.plan import make_plan
from umt_core.distributed.tagging import ChunkTagger, run_here
from umt_core.errors import UmtError

TEXT, SEEING = "twitter2017/bert-crf", "twitter2017/umt-bert-crf"
TINY = "tiny-random"
FEW, MANY = 1_000, 10_000
WARMING = 1_000  # tweets
PICTURES = 300


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder, one_thread():
        home = Path(folder)
        text = list(growth(home, TEXT, (FEW, MANY)))
        yield from text
        of_many = next(m.value for m in text if m.name == "scale_text")
        with_pictures = write_tweets(home / "seen.jsonl", PICTURES, home / "pictures")
        seeing = Costs(home, SEEING, home / "pictures")
        for name in ("scale_pictures_new", "scale_pictures_kept"):  # the second time their regions are there
            cost = seeing.milliseconds(with_pictures, kept=home / "kept")
            yield Measure(name, cost, f"core-ms a tweet ({SEEING})", of_many)


def growth(home: Path, checkpoint: str, sizes: Sequence[int]) -> Iterator[Measure]:
    """What a tweet costs among the fewest and among each larger number of them, and what the process then holds.

    Processor seconds of one thread: what else the machine does counts less than in seconds of a clock.
    """
    few, *more = sorted(sizes)
    inputs = {count: write_tweets(home / f"{count}.jsonl", count) for count in {WARMING, few, *more}}
    shown = Path(checkpoint).name if Path(checkpoint).is_dir() else checkpoint
    costs = Costs(home, checkpoint)
    costs.milliseconds(inputs[WARMING])  # the first run loads and warms
    first = costs.milliseconds(inputs[few])
    held = (own_memory() or 0) / 1024
    grown = {count: (costs.milliseconds(inputs[count]), (own_memory() or 0) / 1024) for count in more}
    of_few = (first + costs.milliseconds(inputs[few])) / 2  # before and after the long runs
    for count, (cost, holds) in grown.items():
        of = "" if len(grown) == 1 else f"_{count}"
        unit = f"times the cost a tweet ({count:,} to {few:,} tweets)"
        yield Measure(f"scale_flat{of}", cost / of_few, unit, 1.0, 1.1)
        yield Measure(f"scale_text{of}", cost, f"core-ms a tweet ({shown})", of_few)
        yield Measure(f"scale_memory{of}", holds, "MiB of its own after the run", held)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes in one thread inside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


def main(
    tweets: Annotated[list[int], typer.Option(min=1, help="How many; give several, the fewest are compared with.")],
    tagger: Annotated[str, typer.Option(help=f"A checkpoint that reads text only, or {TINY}.")] = TEXT,
) -> None:
    """Tags made tweets in one thread, and says whether one of many costs more than one of few."""
    if len(set(tweets)) < 2:
        raise typer.BadParameter("wanted two numbers of tweets at least", param_hint="--tweets")
    try:
        with tempfile.TemporaryDirectory() as folder, one_thread():
            checkpoint = save_tiny_tagger(Path(folder) / "tagger") if tagger == TINY else tagger
            measures = list(growth(Path(folder), checkpoint, tuple(set(tweets))))
    except UmtError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    Console(width=None if sys.stdout.isatty() else 120).print(table(measures))
    raise typer.Exit(int(any(measure.met is False for measure in measures)))


if __name__ == "__main__":
    typer.run(main)
