"""What Python's garbage collector costs after each run of a page with three taggers loaded, as it is and unspared."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Measure
from benchmarks.start import run
from benchmarks.warm_inspect import NAMES

ROUNDS = f"""
import gc, time
from statistics import median
from app import figures, garbage, services, tables
from umt_core.predict import Workbench

taggers = Workbench.load({NAMES!r}, "cpu")

def round_():
    began = time.process_time()
    gc.collect(2)
    return 1000 * (time.process_time() - began)

unspared = median(round_() for _ in range(5))
garbage.spare()
print(median(round_() for _ in range(5)), unspared)
"""


def measure() -> Iterator[Measure]:
    ours, unspared = map(float, run("-c", ROUNDS).split())
    yield Measure("garbage_round", ours, "ms of the processor after each run of a page (nothing spared)", unspared)
