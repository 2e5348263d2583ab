"""Twenty threads that ask one engine at once, against the same questions one after the other; and what stays in memory.

``UMT_BENCH_REQUESTS`` sets how many requests the memory is watched over (2,000; a thousand of them fill the caches).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles

import numpy as np
from PIL import Image

from benchmarks.measure import Measure, own_memory, seconds
from benchmarks.warm_inspect import NAMES, some_tweets
from umt_core.encoders.features import FeatureCache
from umt_core.engine import Engine
from umt_core.predict import Workbench
from umt_core.schema import Example

THREADS, EACH, ROUNDS = 20, 3, 3  # callers at once, questions of each, times that all are asked
FILLING = 1000  # requests until what is remembered is full
REQUESTS = int(os.environ.get("UMT_BENCH_REQUESTS", "2000"))

Question = tuple[Example, Image.Image]


def measure() -> Iterator[Measure]:
    engine = Engine("cpu", remembered=0)  # every time is the first time
    questions = some_tweets(THREADS * EACH)
    engine.load(NAMES)
    ways = {"ours": THREADS, "baseline": 1}
    took: dict[str, list[float]] = {way: [] for way in ways}
    waited: dict[str, list[float]] = {way: [] for way in ways}
    batches = dict.fromkeys(ways, 0)
    ask(engine, questions[:THREADS], THREADS)  # the first calls are slower
    for round_ in range(ROUNDS):
        for way in list(ways)[:: 1 if round_ % 2 == 0 else -1]:
            engine.run(NAMES, forget_pictures)
            found: list[float] = []
            before = engine.stats().batches
            took[way].append(seconds(lambda way=way, found=found: found.extend(ask(engine, questions, ways[way]))))  # type: ignore[misc]
            waited[way] += found
            batches[way] += engine.stats().batches - before
    engine.close()
    together, alone = (len(questions) / median(took[way]) for way in ways)
    yield Measure("engine_throughput", together / alone, "times as many tweets/s", 1.0, aim=2, more_is_better=True)
    yield Measure("engine_speed", together, "tweets/s (three taggers, a new picture each)", alone)
    yield Measure("engine_batch", ROUNDS * len(questions) / batches["ours"], "tweets a batch", 1.0)
    yield Measure(
        "engine_wait", 1000 * median(waited["ours"]), "ms, 20 at once (one alone)", 1000 * median(waited["baseline"])
    )
    late = (1000 * quantiles(waited[way], n=20)[-1] for way in ways)
    yield Measure("engine_wait_95th", next(late), "ms, 20 at once (one alone)", next(late))
    yield from memory()


def ask(engine: Engine, questions: Sequence[Question], threads: int) -> list[float]:
    """Asks all questions, each thread its share one after the other; seconds that each waited."""

    def share(mine: Sequence[Question]) -> list[float]:
        return [seconds(lambda q=q: engine.inspect(NAMES, *q)) for q in mine]  # type: ignore[misc]

    shares = [questions[i::threads] for i in range(threads)]
    with ThreadPoolExecutor(threads) as callers:
        return [time for times in callers.map(share, shares) for time in times]


def forget_pictures(workbench: Workbench) -> None:
    cache = FeatureCache()
    for predictor in workbench.predictors.values():
        predictor.cache = cache


def memory() -> Iterator[Measure]:
    """What the process holds when the caches are full, and after more requests; each of another tweet and picture."""
    engine = Engine("cpu")
    engine.load(NAMES[-1:])
    tweets = [example for example, _ in some_tweets(THREADS)]

    def one(number: int) -> None:
        tokens = tweets[number % THREADS].tokens
        tweet = Example(f"{number}", (*tokens, f"#{number}"))
        engine.inspect(NAMES[-1:], tweet, _noise(number))

    with ThreadPoolExecutor(THREADS) as callers:
        list(callers.map(one, range(FILLING)))
        full = own_memory()
        list(callers.map(one, range(FILLING, REQUESTS)))
        after = own_memory()
    engine.close()
    if full and after:
        yield Measure(
            "engine_memory_growth", after / full, f"times the memory after 1,000, after {REQUESTS:,}", 1.0, aim=1.05
        )
        yield Measure("engine_memory", after / 1024, "MiB", full / 1024)


def _noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8))
