"""Training in several processes of this machine, one device each (``--devices``).

The process that was asked to train is number 0: it alone reads, writes, logs and can be stopped, as if it were the
only one. It starts the others, which get the tagger and the tweets from it, take their share of every batch, and end
with it, whatever ends it.
"""

from __future__ import annotations

import io
import mmap
import multiprocessing as mp
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from umt_core.config import TrainSettings
from umt_core.errors import ConfigError, JobError, UmtError, class_and_line
from umt_core.systems import Tagger
from umt_core.tagging import TweetSet
from umt_core.train.loop import Trainer
from umt_core.train.sharing import Team
from umt_core.train.state import go_on, read_state

GRACE = 10.0  # seconds in which a process that has lost another is to end by itself
GOES_ON = "started again, the run goes on from the last whole epoch"


@dataclass(frozen=True, slots=True)
class Work:
    """What a process needs to train as number 0 does."""

    tagger: Tagger  # on the CPU, before training
    train: TweetSet
    valid: TweetSet
    unlabelled: TweetSet | None
    settings: TrainSettings
    state: Path | None  # of a run that goes on


READY = "ready"


@dataclass(frozen=True, slots=True)
class Failed:
    """The last word of a process that could not go on."""

    line: str


@contextmanager
def train_together(work: Work, devices: Sequence[torch.device]) -> Iterator[Team | None]:
    """Inside, a process for each device but the first works with this one, which is number 0; ``None``: alone.

    Raises:
        ConfigError: there are more devices than tweets in a batch.
        JobError: a process could not begin, or has ended before its time.
    """
    if len(devices) == 1:
        yield None
        return
    if len(devices) > work.settings.batch_size:
        raise ConfigError(f"devices: wanted at most batch_size, {work.settings.batch_size}, got {len(devices)}")
    threads = torch.get_num_threads()
    each = max(1, threads // len(devices)) if devices[0].type == "cpu" else threads
    helpers = _Helpers(work, devices, each)
    torch.set_num_threads(each)
    try:
        helpers.join()
        yield Team(0, len(devices))
        helpers.end()
    except (RuntimeError, EOFError, ConnectionError) as error:  # what gloo and NCCL make of a process that is gone
        if line := helpers.lost(seconds=GRACE / 2):
            raise JobError(line) from error
        raise
    finally:
        helpers.kill()
        torch.set_num_threads(threads)


class _Helpers:
    """The other processes, as number 0 sees them."""

    def __init__(self, work: Work, devices: Sequence[torch.device], threads: int) -> None:
        self.size, self.device = len(devices), devices[0]
        context = mp.get_context("spawn")  # neither CUDA nor torch's threads live through a fork
        packed = _packed(work)
        self.processes: list[SpawnProcess] = []
        self.pipes: list[Connection] = []
        self.said: dict[int, Any] = {}  # the last that was heard of each
        self._asking = threading.Lock()  # of two threads that ask for an exit code one gets it, and the other nothing
        for rank, device in enumerate(devices[1:], start=1):
            pipe, other = context.Pipe()
            process = context.Process(target=_help, args=(other, rank, self.size, str(device), threads), daemon=True)
            process.start()
            other.close()
            self.processes.append(process)
            self.pipes.append(pipe)
        for pipe in self.pipes:
            with suppress(OSError):  # it has ended: ``join`` says so
                pipe.send_bytes(packed)
        self.over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def join(self) -> None:
        """Joins the group with the others, when all of them are ready for it."""
        for rank, pipe in enumerate(self.pipes, start=1):
            self.said[rank] = pipe.recv()
            if self.said[rank] != READY:
                raise RuntimeError("a process could not begin")
        store = dist.TCPStore("127.0.0.1", 0, self.size, is_master=True, wait_for_workers=False)
        for pipe in self.pipes:
            pipe.send(store.port)
        _join_group(store, 0, self.size, self.device)

    def end(self) -> None:
        """Waits for the others, which have nothing left to do."""
        self.over.set()
        for process in self.processes:
            process.join(GRACE)

    def kill(self) -> None:
        self.over.set()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(GRACE)
            if process.is_alive():
                process.kill()
                process.join()
        if dist.is_initialized():
            with suppress(RuntimeError):  # its other side is gone
                dist.destroy_process_group()

    def lost(self, seconds: float = 0.0) -> str | None:
        """Which process has ended before its time, in so many seconds at most, and what is known of it."""
        ended = wait([process.sentinel for process in self.processes], timeout=seconds)
        with self._asking:
            for process in self.processes:
                if process.sentinel in ended:
                    process.join(GRACE)  # its pipe is closed a moment before its exit code can be had
        for rank, (process, pipe) in enumerate(zip(self.processes, self.pipes, strict=True), start=1):
            if process.exitcode in (None, 0):
                continue
            with suppress(EOFError, OSError):
                while pipe.poll():
                    self.said[rank] = pipe.recv()
            if isinstance(self.said.get(rank), Failed):
                how = self.said[rank].line
            elif process.exitcode < 0:
                memory = ", perhaps for want of memory" if process.exitcode == -signal.SIGKILL else ""
                how = f"it was ended by signal {-process.exitcode}{memory}"
            else:
                how = f"it ended with {process.exitcode}"
            return f"process {rank} of {self.size} (counted from 0) is gone: {how}; {GOES_ON}"
        return None

    def _watch(self) -> None:
        """Ends this process where it goes on waiting for one that is gone, as NCCL may for half an hour."""
        while not self.over.wait(0.5):
            if (line := self.lost()) and not self.over.wait(GRACE):
                _end(line)


def _help(pipe: Connection, rank: int, size: int, device: str, threads: int) -> None:
    """All that a process but number 0 does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all: number 0 ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(rank, size), daemon=True).start()
    torch.set_num_threads(threads)
    try:
        work = pickle.loads(pipe.recv_bytes())
        on = torch.device(device)
        if on.type == "cuda":
            torch.cuda.set_device(on)
        pipe.send(READY)
        _join_group(dist.TCPStore("127.0.0.1", pipe.recv(), size, is_master=False), rank, size, on)
        trainer = Trainer(
            work.tagger, work.train, work.valid, work.settings, on, work.unlabelled, team=Team(rank, size)
        )
        if work.state:
            go_on(trainer, read_state(work.state, on))
        for _ in trainer.epochs():
            pass
        dist.destroy_process_group()
    except Exception as error:
        with suppress(OSError):
            pipe.send(Failed(str(error) if isinstance(error, UmtError) else class_and_line(error)))
        time.sleep(GRACE / 5)  # where number 0 is gone, that is what is to be said
        sys.exit(1)


def _join_group(store: dist.TCPStore, rank: int, size: int, device: torch.device) -> None:
    if any(name == "lo" for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the machine's own name may lead nowhere
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)


def _end_with_parent(rank: int, size: int) -> None:
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    _end(f"process 0 of {size} is gone, process {rank} ends; {GOES_ON}")


def _end(line: str) -> None:
    with suppress(OSError):
        os.write(2, f"error: {line}\n".encode())
    os._exit(2)


class _Packer(pickle.Pickler):
    """Packs tensors by value, and regions that are mapped from disk as the place where they are."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap):
            return np.memmap, (str(value.filename), value.dtype, "r", value.offset, value.shape)
        return NotImplemented


def _packed(work: Work) -> bytes:
    stream = io.BytesIO()
    _Packer(stream, pickle.HIGHEST_PROTOCOL).dump(work)
    return stream.getvalue()
