"""Runs the benchmarks, prints their table and writes ``results/latest.json``.

With names after it (``python -m benchmarks warm_inspect``) it runs those alone and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import (
    app_memory,
    browse,
    corrections,
    devices,
    engine,
    evaluate_split,
    garbage,
    inference_modes,
    occlusion,
    pages,
    redecode,
    scale,
    scale_workers,
    start,
    training_cost,
    training_memory,
    warm_inspect,
)
from benchmarks.measure import Measure, cores, table, write_results
from umt_core.errors import UmtError

RESULTS = Path(__file__).parent / "results" / "latest.json"
BENCHMARKS = {
    "warm_inspect": warm_inspect,
    "evaluate_split": evaluate_split,
    "training_cost": training_cost,
    "training_memory": training_memory,
    "start": start,
    "app_memory": app_memory,
    "garbage": garbage,
    "pages": pages,
    "browse": browse,
    "corrections": corrections,
    "engine": engine,
    "occlusion": occlusion,
    "redecode": redecode,
}
# Minutes each, and processes of their own or a compiler: only where they are asked for.
BY_NAME = {
    "scale": scale,
    "scale_workers": scale_workers,
    "devices": devices,
    "inference_modes": inference_modes,
}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual, others = ", ".join(BENCHMARKS), ", ".join(BY_NAME)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{usual} (by default all of these), {others}")
    return parser.parse_args(words)


def main(names: Sequence[str]) -> int:
    """Exit code: 0, 1 where an aim is missed, 2 where a benchmark could not run."""
    # A pipe has no width of its own.
    console, errors = Console(width=None if sys.stdout.isatty() else 120), Console(stderr=True)
    known = BENCHMARKS | BY_NAME
    if unknown := sorted(set(names) - known.keys()):
        errors.print(f"error: no benchmark {unknown}; there are {list(known)}", markup=False)
        return 2
    torch.set_num_threads(cores())
    measures: list[Measure] = []
    try:
        for name in names or BENCHMARKS:
            errors.print(f"{name} ...", highlight=False)
            measures += known[name].measure()
        if not names:
            write_results(RESULTS, measures)
    except UmtError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console.print(table(measures))
    return int(any(measure.met is False for measure in measures))


if __name__ == "__main__":
    sys.exit(main(arguments().names))
