"""What a benchmark gives, and how two ways of doing a thing are timed side by side."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from umt_core.data.files import write_text


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure, and the figure of the baseline in the same unit, taken in the same minutes."""

    name: str
    value: float
    unit: str
    baseline: float
    aim: float | None = None  # None: watched, without an aim
    more_is_better: bool = False

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        return self.value > self.aim if self.more_is_better else self.value < self.aim

    def to_dict(self) -> dict[str, Any]:
        """The fields of ``latest.json``."""
        fields = asdict(self)
        return {key: fields[key] for key in ("value", "unit", "baseline", "aim")} | {"met": self.met}


def write_results(path: Path, measures: Sequence[Measure]) -> None:
    """``{name: {"value", "unit", "baseline", "aim", "met"}}``; ``DataError`` if it cannot be written."""
    results = {measure.name: _rounded(measure.to_dict()) for measure in measures}
    write_text(path, json.dumps(results, indent=2) + "\n")


def table(measures: Sequence[Measure]) -> Table:
    """Measures as people read them."""
    shown = Table("measure", "value", "baseline", "unit", "aim", "met", title=f"on the CPU, {cores()} cores")
    for m in measures:
        aim = "" if m.aim is None else f"{'over' if m.more_is_better else 'under'} {m.aim:g}"
        met = {True: "yes", False: "no", None: ""}[m.met]
        shown.add_row(m.name, f"{m.value:.2f}", f"{m.baseline:.2f}", m.unit, aim, met)
    return shown


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(ours: Callable[[], object], baseline: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds of both, run by turns, so that a busy moment falls on one as on the other."""
    times: tuple[list[float], list[float]] = [], []
    for i in range(2 * repeats):
        which = (i + i // 2) % 2  # ours, baseline, baseline, ours, ...: neither is always the one after the other
        times[which].append(seconds((ours, baseline)[which]))
    return median(times[0]), median(times[1])


def process_seconds(work: Callable[[], object]) -> float:
    """Seconds of the processor, of all threads together: what a neighbour takes is not in them."""
    began = time.process_time()
    work()
    return time.process_time() - began


def by_turns(
    works: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[Callable[[], object]], float] = seconds,
) -> dict[str, float]:
    """Median seconds of each, run one after the other, in every second round backwards."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for i in range(repeats):
        for name in list(works)[:: 1 if i % 2 == 0 else -1]:
            times[name].append(clock(works[name]))
    return {name: median(values) for name, values in times.items()}


def peak_memory() -> int:
    """The most memory that this process has held, in KiB (on a Mac in bytes)."""
    # First, as ru_maxrss of a child begins with what its parent held.
    return status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def own_memory(pid: int | None = None) -> int | None:
    """What a process, by default this one, holds now without maps of files, in KiB; ``None``: nobody tells."""
    return status("RssAnon", pid)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def status(name: str, pid: int | None = None) -> int | None:
    """A figure of a process, by default this one, by Linux's name for it, in KiB."""
    file = Path(f"/proc/{pid or 'self'}/status")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in fields.items()}
