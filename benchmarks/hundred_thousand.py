"""Many tweets through two workers of Ray, one of which is killed half-way: what comes out, and how long it takes.

    python -m benchmarks.hundred_thousand --tweets 100000

Ends with 0 where every tweet came out once, with 1 otherwise.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from benchmarks.made_tweets import write_tweets
from benchmarks.scale import TEXT
from benchmarks.scale_workers import Watch
from umt_core.distributed.cluster import Worked, run_on_cluster
from umt_core.distributed.parts import read_failures
from umt_core.distributed.plan import make_plan


def main(
    tweets: Annotated[int, typer.Option(help="To make and tag.")] = 100_000,
    workers: Annotated[int, typer.Option(help="Processes with a tagger, one thread each.")] = 2,
    checkpoint: Annotated[str, typer.Option(help="A tagger that reads text only.")] = TEXT,
    chunk: Annotated[int, typer.Option(help="Tweets of a part.")] = 1_000,
) -> None:
    """Tags made tweets on Ray, kills a worker half-way, and counts what came out."""
    with tempfile.TemporaryDirectory() as folder:
        input = write_tweets(Path(folder) / "made.jsonl", tweets)
        began = time.perf_counter()
        plan, chunks = make_plan(input, Path(folder) / "out.parquet", [checkpoint], chunk=chunk)
        planned = time.perf_counter() - began
        done: list[int] = []
        killed: list[int] = []

        def kill_half_way(worked: Worked) -> None:
            done.append(worked.first)
            if not killed and len(done) >= len(chunks) // 2:
                killed.append(worked.pid)
                os.kill(worked.pid, signal.SIGKILL)

        watch = Watch(kill_half_way)
        run_on_cluster(plan, chunks, workers=workers, device="cpu", finished=watch)
        seconds = time.perf_counter() - began
        parts = f"'{plan.output}/*.parquet'"
        counts = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM {parts}")
        assert counts is not None
        rows, distinct = counts.fetchall()[0]
        failed = sum(1 for _ in read_failures(plan.output))
        lost = tweets - distinct - failed
    figures = {"tweets in": tweets, "out": rows, "doubled": rows - distinct, "lost": lost, "failed": failed}
    figures |= {"workers killed": len(killed), "chunks done": len(done), "of": len(chunks)}
    for name, value in figures.items():
        print(f"{name}: {value:,}")
    print(
        f"seconds: {seconds:.0f}, {planned:.1f} of them planning; most memory of a worker: {watch.peak / 2**10:.0f} MiB"
    )
    print(f"tweets/s: {tweets / seconds:.0f} with Ray's start, {watch.speed(plan):.0f} without")
    sys.exit(int(rows != distinct or lost != 0))


if __name__ == "__main__":
    typer.run(main)
