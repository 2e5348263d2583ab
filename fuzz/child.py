"""One target in a process of its own, under a limit of memory, which writes down how it goes as it goes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

HANG = 5.0  # seconds of computing for one input; a picture of the most pixels takes half of one
MEMORY = 2 << 30  # bytes that a process may take beyond what it has when it begins
ROOT = Path(__file__).resolve().parents[1]


class Hang(BaseException):
    """An input took too long. No ``Exception``: a decoder's net for faults must not catch it."""


class Watch:
    """Counts inputs, and keeps each kind of fault with the first input that shows it."""

    def __init__(self, target: Any, attempt: Any, place: Path) -> None:
        self.target, self.attempt, self.place = target, attempt, place
        self.inputs, self.faults = 0, {}  # type: tuple[int, dict[str, str]]
        self.began = self.written = time.monotonic()
        self.rss_before = 0
        signal.signal(signal.SIGPROF, _late)

    def __call__(self, data: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            self.attempt(self.target, data)
        except (Exception, Hang) as error:
            self._keep(error, data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.inputs += 1
        if self.inputs == 1_000:
            self.rss_before = rss()
        if self.inputs % 64 == 0 and time.monotonic() - self.written > 1:
            self.write()

    def _keep(self, error: BaseException, data: bytes) -> None:
        ours = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(ROOT))]
        ours = [f for f in ours if "/.venv/" not in f.filename and "/fuzz/" not in f.filename] or ours
        place = f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else "?"
        kind = f"{type(error).__name__} at {place}"
        if kind not in self.faults:
            file = self.place / f"fault-{hashlib.sha256(data).hexdigest()[:12]}"
            file.write_bytes(data)
            said = " ".join(str(error).split())[:200]
            self.faults[kind] = f"{said} [{file.name}]"
            self.write()

    def write(self) -> None:
        self.written = time.monotonic()
        state = {
            "inputs": self.inputs,
            "seconds": self.written - self.began,
            "faults": self.faults,
            "rss_growth": max(0, rss() - self.rss_before) if self.rss_before else 0,
        }
        part = self.place / "state.part"
        part.write_text(json.dumps(state))
        part.replace(self.place / "state.json")


def _late(number: int, frame: FrameType | None) -> None:
    raise Hang(f"more than {HANG:g} s of computing")


def rss() -> int:
    """Memory that this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def mutate(data: bytes, seeds: Sequence[bytes], chance: random.Random, longest: int) -> bytes:
    """An input with one to eight changes: bits, bytes, pieces taken out, doubled, or of another input."""
    made = bytearray(data)
    for _ in range(1 << chance.randrange(4)):
        start = chance.randrange(len(made) + 1)
        end = min(len(made), start + chance.randrange(1, 1 << chance.randrange(1, 8)))
        other = chance.choice(seeds)
        cut = chance.randrange(len(other) + 1)
        match chance.randrange(6):
            case 0 if start < len(made):
                made[start] ^= 1 << chance.randrange(8)
            case 1 if start < len(made):
                made[start] = chance.choice(b"\x00\xff\x7f\x80\n\r\t\"',;{}[]:=-0919aI/\\.<")
            case 2:
                del made[start:end]
            case 3:
                made[start:start] = made[start:end]
            case 4:
                made[start:end] = other[cut : cut + end - start]
            case _:
                made[start:start] = chance.randbytes(chance.randrange(1, 5))
    return bytes(made[:longest])


def by_mutation(watch: Watch, seeds: Sequence[bytes], longest: int, seconds: float, seed: int = 0) -> None:
    """Feeds changed seeds, and nothing learned from what they reach."""
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        watch(mutate(chance.choice(seeds), seeds, chance, longest))
    watch.write()


def main(name: str, place: Path, seconds: int, corpus: Path) -> None:
    """Runs a target for so long: guided by coverage where Atheris is installed."""
    try:
        import atheris
    except ImportError:
        atheris = None
    with atheris.instrument_imports(include=["umt_core", "app.state"]) if atheris else contextlib.nullcontext():
        from fuzz.targets import TARGETS, attempt

        target = TARGETS[name]
        seeds = list(target.seeds())
        with contextlib.suppress(Exception):
            target.run(seeds[0])  # imports what it needs
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    watch = Watch(target, attempt, place)
    for data in seeds:
        watch(data)
        (corpus / hashlib.sha256(data).hexdigest()).write_bytes(data)
    longest = max(target.longest, *map(len, seeds))
    if atheris is None or not target.guided:
        by_mutation(watch, seeds, longest, seconds, time.time_ns())
        return
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={longest}",
        "-timeout=60",
        "-rss_limit_mb=0",
        "-malloc_limit_mb=0",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={place}/", str(corpus)], watch)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
