"""One target in a process of its own, under a limit of memory, which writes down how it goes as it goes."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import hashlib
import json
import mmap
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

HANG = 5.0  # seconds of computing for one input; a picture of the most pixels takes half of one
MEMORY = 2 << 30  # bytes that a process may take beyond what it has when it begins
LONGEST = 4 << 20  # bytes of an input that are kept while it is read
ROOT = Path(__file__).resolve().parents[1]


class Hang(BaseException):
    """An input took too long. No ``Exception``: a decoder's net for faults must not catch it."""


class Last:
    """The number of inputs begun and the last of them, in a file that outlives the process however it ends."""

    _HEAD = struct.Struct("<QQ")  # inputs begun, bytes of the last

    def __init__(self, place: Path) -> None:
        path = place / "last"
        path.write_bytes(bytes(self._HEAD.size))
        with path.open("r+b") as file:
            file.truncate(self._HEAD.size + LONGEST)
            self._map = mmap.mmap(file.fileno(), 0)

    def keep(self, number: int, data: bytes) -> None:
        data = data[:LONGEST]
        self._map[16 : 16 + len(data)] = data
        self._HEAD.pack_into(self._map, 0, number, len(data))

    @classmethod
    def read(cls, place: Path) -> tuple[int, bytes]:
        """Of a process that may be at work or dead; (0, b"") before its first input."""
        try:
            with (place / "last").open("rb") as file:
                number, size = cls._HEAD.unpack(file.read(cls._HEAD.size))
                return number, file.read(size)
        except (OSError, struct.error):
            return 0, b""


class Watch:
    """Counts inputs, and keeps each kind of fault with the first input that shows it."""

    def __init__(self, target: Any, attempt: Any, place: Path, seconds: float = 60) -> None:
        """
        Args:
            seconds: of the run; memory is measured at each tenth of it.
        """
        self.target, self.attempt, self.place, self.seconds = target, attempt, place, seconds
        self.inputs, self.faults = 0, {}  # type: tuple[int, dict[str, str]]
        self.last = Last(place)
        self.began = self.written = time.monotonic()
        self.rss: list[int] = []
        self._at_work, self._ticks = False, 0
        signal.signal(signal.SIGPROF, self._tick)
        # One timer that goes on costs an input nothing; setting it anew for each took two calls of the system.
        signal.setitimer(signal.ITIMER_PROF, HANG / 2, HANG / 2)

    def __call__(self, data: bytes) -> None:
        self.inputs += 1
        self.last.keep(self.inputs, data)
        self._ticks = 0
        try:
            self._at_work = True
            self.attempt(self.target, data)
            self._at_work = False
        except (Exception, Hang) as error:
            self._at_work = False
            self._keep(error, data)
        if time.monotonic() - self.written > 1:
            self.write()

    def _tick(self, number: int, frame: FrameType | None) -> None:
        self._ticks += 1
        if self._at_work and self._ticks > 2:  # the first tick may come as soon as the input does
            raise Hang(f"more than {HANG:g} s of computing")

    def _keep(self, error: BaseException, data: bytes) -> None:
        ours = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(ROOT))]
        ours = [f for f in ours if "/.venv/" not in f.filename and "/fuzz/" not in f.filename] or ours
        place = f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else "?"
        kind = f"{type(error).__name__} at {place}"
        if kind not in self.faults:
            file = keep_input(self.place, data)
            said = " ".join(str(error).split())[:200]
            self.faults[kind] = f"{said} [{file.name}]"
            self.write()

    def close(self) -> None:
        """Writes the last state. A timer that went on would kill the process once Python has let go of its signals."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.write()

    def write(self) -> None:
        self.written = time.monotonic()
        if self.written - self.began >= self.seconds * (len(self.rss) + 1) / 10:
            self.rss.append(settled_rss())
        state = {"seconds": self.written - self.began, "faults": self.faults, "rss": self.rss}
        part = self.place / "state.part"
        part.write_text(json.dumps(state))
        part.replace(self.place / "state.json")


def keep_input(place: Path, data: bytes) -> Path:
    """The file that an input was put in, so that it can be tried again."""
    file = place / f"fault-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    return file


def settled_rss() -> int:
    """Memory that this process has, in bytes, once what is free but kept to be used again was handed back.

    glibc keeps up to 64 MiB at its heap's end after a picture of 32 MiB was freed; that is no leak.
    """
    gc.collect()
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def mutate(data: bytes, seeds: Sequence[bytes], chance: random.Random, longest: int) -> bytes:
    """An input with one to eight changes: bits, bytes, pieces taken out, doubled, or of another input."""
    made, draw = bytearray(data), chance.random  # ``randrange`` takes five times as long
    for _ in range(1 << int(4 * draw())):
        start = int((len(made) + 1) * draw())
        kind = int(6 * draw())
        if kind < 2:
            if start == len(made):
                continue
            made[start] = made[start] ^ 1 << int(8 * draw()) if kind else _TELLING[int(len(_TELLING) * draw())]
            continue
        length = 1 + int(((1 << 1 + int(7 * draw())) - 1) * draw())
        end = min(len(made), start + length)
        if kind == 2:
            del made[start:end]
        elif kind == 3:
            made[start:start] = made[start:end]
        elif kind == 4:
            other = seeds[int(len(seeds) * draw())]
            cut = int((len(other) + 1) * draw())
            made[start:end] = other[cut : cut + end - start]
        else:
            made[start:start] = chance.randbytes(1 + int(4 * draw()))
    return bytes(made[:longest])


_TELLING = b"\x00\xff\x7f\x80\n\r\t\"',;{}[]:=-0919aI/\\.<"  # bytes that mean something to some reader


def by_mutation(watch: Watch, seeds: Sequence[bytes], longest: int, seconds: float, seed: int = 0) -> None:
    """Feeds changed seeds, and nothing learned from what they reach."""
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        watch(mutate(seeds[int(len(seeds) * chance.random())], seeds, chance, longest))
    watch.close()


def main(name: str, place: Path, seconds: int, corpus: Path) -> None:
    """Runs a target for so long: guided by coverage where Atheris is installed."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # says where a process stands still
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
    watch = Watch(target, attempt, place, seconds)
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
        "-timeout=3600",  # what hangs is seen from without, where a busy machine is told from it
        "-handle_usr1=0",
        "-rss_limit_mb=0",
        "-malloc_limit_mb=0",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={place}/", str(corpus)], watch)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
