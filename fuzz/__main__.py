"""Runs the targets one after another, each in a process of its own, and adds what they did to ``results.json``.

``python -m fuzz`` runs all, names after it those alone; ``--seconds`` is the time of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fuzz.targets import TARGETS
from umt_core.data.files import cache_dir, write_text
from umt_core.errors import DataError, UmtError

RESULTS = Path(__file__).parent / "results.json"
GRACE = 150  # seconds that a process may take to start and to end; one at work after that hangs
MOST_DEATHS = 5  # of a target's process, after which it is given up
COLUMNS = ("target", "inputs", "inputs/s", "edges", "faults", "hangs", "memory grew by")


def main(arguments: list[str]) -> int:
    """Exit code: 0, or 1 where a target showed a fault or hung."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="of each target (default: 60)")
    parser.add_argument("--keep", action="store_true", help="add the counts to the results file")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.targets) - TARGETS.keys()):
        parser.error(f"wanted targets of {', '.join(TARGETS)}, got {', '.join(unknown)}")
    table, clean = Table(*COLUMNS, title=f"{asked.seconds} s a target"), True
    for name in asked.targets or TARGETS:
        place = cache_dir() / "fuzz" / name
        try:
            found = run(name, place, asked.seconds)
        except UmtError as error:
            print(error, flush=True)
            clean = False
            continue
        if asked.keep:
            add(name, found)
        clean &= not (found["faults"] or found["hangs"])
        table.add_row(name, *_cells(found))
        for kind, said in found["faults"].items():
            print(f"{name}: {kind}: {said}", flush=True)
        print(f"{name}: {', '.join(map(' '.join, zip(_cells(found), COLUMNS[1:], strict=True)))}; {place}", flush=True)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0 if clean else 1


def _cells(found: dict[str, Any]) -> Iterable[str]:
    rate = found["inputs"] / max(found["seconds"], 1e-9)
    edges = "-" if found["edges"] is None else f"{found['edges']:,}"
    counts = (str(len(found["faults"])), str(found["hangs"]))
    return f"{found['inputs']:,}", f"{rate:,.0f}", edges, *counts, f"{found['rss_growth'] / 2**20:.0f} MiB"


def run(name: str, place: Path, seconds: int) -> dict[str, Any]:
    """What a target came to in so many seconds; a process that dies is started again for the rest of them."""
    corpus = place / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    total: dict[str, Any] = {"inputs": 0, "seconds": 0.0, "edges": None, "faults": {}, "hangs": 0, "rss_growth": 0}
    for _ in range(MOST_DEATHS):
        left = seconds - int(total["seconds"])
        if left <= 0:
            break
        (place / "state.json").unlink(missing_ok=True)
        began = time.monotonic()
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryDirectory(dir=memory) as scratch:
            command = [sys.executable, "-m", "fuzz.child", name, str(place), str(left), str(corpus)]
            try:
                environment = os.environ | {"TMPDIR": scratch}  # libFuzzer ends a process without its last words
                done = subprocess.run(command, stderr=said, stdout=said, timeout=left + GRACE, env=environment)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = 70
                if not (place / "state.json").exists():
                    raise DataError(f"{name}: wanted a process that begins, got none in {left + GRACE} s") from None
            said.seek(0)
            log = said.read()
        state = json.loads((place / "state.json").read_text()) if (place / "state.json").exists() else {}
        total["inputs"] += state.get("inputs", 0)
        total["seconds"] += state.get("seconds", time.monotonic() - began)
        total["faults"] |= {k: v for k, v in state.get("faults", {}).items() if not k.startswith("Hang")}
        total["hangs"] += sum(k.startswith("Hang") for k in state.get("faults", {})) + (code == 70)
        total["rss_growth"] = max(total["rss_growth"], state.get("rss_growth", 0))
        if edges := re.findall(r"cov: (\d+)", log):
            total["edges"] = max(total["edges"] or 0, int(edges[-1]))
        if code == 0:
            break
        if code != 70:
            total["faults"][f"the process ended with {code}"] = " ".join(log.split()[-40:])
    return total


def add(name: str, found: dict[str, Any]) -> None:
    """Adds counts to the results file: inputs and seconds of all runs, and what the last one showed."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    before = results.get(name, {"inputs": 0, "seconds": 0, "edges": None, "memory_growth_mib": 0})
    results[name] = {
        "inputs": before["inputs"] + found["inputs"],
        "seconds": before["seconds"] + round(found["seconds"]),
        "edges": max(filter(None, (before["edges"], found["edges"])), default=None),
        "faults": len(found["faults"]),
        "hangs": found["hangs"],
        "memory_growth_mib": max(before["memory_growth_mib"], round(found["rss_growth"] / 2**20)),
    }
    write_text(RESULTS, json.dumps({n: results[n] for n in TARGETS if n in results}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
