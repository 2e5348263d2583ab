"""Runs the targets one after another, each in a process of its own, and adds what they did to ``results.json``.

``python -m fuzz`` runs all, names after it those alone; ``--seconds`` is the time of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fuzz.child import Last, keep_input
from fuzz.targets import TARGETS
from umt_core.data.files import cache_dir, write_text

RESULTS = Path(__file__).parent / "results.json"
STILL = 60  # seconds in which a process begins no input and is not seen to compute, after which it hangs
LONG, START = 30, 300  # seconds of computing for one input, and before the first, after which it hangs
MOST_DEATHS = 5  # of a target's process, after which it is given up
COLUMNS = ("target", "inputs", "inputs/s", "edges", "faults", "hangs", "memory grew by")


def main(arguments: list[str]) -> int:
    """Exit code: 0, or 1 where a target showed a fault or hung."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="of each target (default: 60)")
    parser.add_argument("--keep", action="store_true", help="add the counts to the results file")
    parser.add_argument("--table", action="store_true", help="print the results file for docs/security.md, and end")
    asked = parser.parse_args(arguments)
    if asked.table:
        print("\n".join(results_table(json.loads(RESULTS.read_text(encoding="utf-8")))))
        return 0
    if unknown := sorted(set(asked.targets) - TARGETS.keys()):
        parser.error(f"wanted targets of {', '.join(TARGETS)}, got {', '.join(unknown)}")
    table, clean = Table(*COLUMNS, title=f"{asked.seconds} s a target"), True
    for name in asked.targets or TARGETS:
        place = cache_dir() / "fuzz" / name
        found = run(name, place, asked.seconds)
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
        (place / "last").unlink(missing_ok=True)
        began = time.monotonic()
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryDirectory(dir=memory) as scratch:
            command = [sys.executable, "-m", "fuzz.child", name, str(place), str(left), str(corpus)]
            environment = os.environ | {"TMPDIR": scratch}  # libFuzzer ends a process without its last words
            with subprocess.Popen(command, stderr=said, stdout=said, env=environment) as process:
                hung = watch(process, place)
            said.seek(0)
            log = said.read()
        state = json.loads((place / "state.json").read_text()) if (place / "state.json").exists() else {}
        inputs, last = Last.read(place)
        total["inputs"] += inputs
        total["seconds"] += state.get("seconds", time.monotonic() - began)
        faults = state.get("faults", {})
        total["faults"] |= {k: v for k, v in faults.items() if not k.startswith("Hang")}
        total["hangs"] += sum(k.startswith("Hang") for k in faults) + bool(hung)
        if len(rss := state.get("rss", ())) > 1:
            total["rss_growth"] = max(total["rss_growth"], rss[-1] - rss[0])
        if edges := re.findall(r"cov: (\d+)", log):
            total["edges"] = max(total["edges"] or 0, int(edges[-1]))
        if process.returncode == 0:
            break
        kept = f"[{keep_input(place, last).name}]" if inputs else "before its first input"
        if hung:
            print(f"{name}: {hung} {kept}\n{log[-4_000:]}", flush=True)
        else:
            total["faults"][f"the process ended with {process.returncode}"] = f"{' '.join(log.split()[-40:])} {kept}"
    return total


def watch(process: subprocess.Popen[bytes], place: Path) -> str:
    """Waits for a process to end, and ends one that hangs; says how it hung, or "".

    What counts is what it computes, and that it waits for something else than a processor. By the time alone a sound
    one that others leave little to looks like one that hangs.
    """
    number, begun_at, since = -1, 0.0, time.monotonic()
    while True:
        now, spent = time.monotonic(), computed(process.pid)
        begun, _ = Last.read(place)
        if begun != number:
            number, begun_at, since = begun, spent, now
        elif is_runnable(process.pid):
            since = now
        hung = ""
        if now - since > STILL:
            hung = f"stood still for {STILL} s at input {number:,}"
        elif spent - begun_at > (LONG if number else START):
            hung = f"computed for {spent - begun_at:.0f} s at input {number:,}"
        if hung:
            process.send_signal(signal.SIGUSR1)  # its tracebacks
            time.sleep(1)
            process.kill()
            process.wait()
            return hung
        try:
            process.wait(1)
            return ""
        except subprocess.TimeoutExpired:
            continue


def computed(pid: int) -> float:
    """Seconds of computing of a process in all its threads; 0: it is gone."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def is_runnable(pid: int) -> bool:
    """Whether any thread of a process computes, or would if it had a processor or its file."""
    return any(_stat(path)[:1] in (["R"], ["D"]) for path in Path(f"/proc/{pid}/task").glob("*/stat"))


def _stat(path: Path) -> list[str]:
    """State, and what follows it; nothing of what is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def add(name: str, found: dict[str, Any]) -> None:
    """Adds counts to the results file: inputs, seconds and hangs of all runs, and the faults of the last."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    before = results.get(name, {"inputs": 0, "seconds": 0, "edges": None, "hangs": 0, "memory_growth_mib": 0})
    results[name] = {
        "inputs": before["inputs"] + found["inputs"],
        "seconds": before["seconds"] + round(found["seconds"]),
        "edges": max(filter(None, (before["edges"], found["edges"])), default=None),
        "faults": len(found["faults"]),
        "hangs": before["hangs"] + found["hangs"],
        "memory_growth_mib": max(before["memory_growth_mib"], round(found["rss_growth"] / 2**20)),
    }
    write_text(RESULTS, json.dumps({n: results[n] for n in TARGETS if n in results}, indent=2) + "\n")


def results_table(results: dict[str, dict[str, Any]]) -> list[str]:
    """The lines of Markdown that docs/security.md shows of the results."""
    lines = [
        "| target | inputs | seconds | edges | faults open | hangs | memory grew, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, of in results.items():
        edges = "-" if of["edges"] is None else f"{of['edges']:,}"
        counts = (f"{of['inputs']:,}", f"{of['seconds']:,}", edges, of["faults"], of["hangs"], of["memory_growth_mib"])
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    inputs, seconds = (sum(of[key] for of in results.values()) for key in ("inputs", "seconds"))
    return [*lines, f"| all | {inputs:,} | {seconds:,} | | | | |"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
