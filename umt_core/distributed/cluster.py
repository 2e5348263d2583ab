"""Works off a plan's chunks with Ray Data: tasks read and check them, actors that hold the taggers write their parts.

Ray is imported when a run begins. Workers must see the input, the pictures and the output under the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umt_core.distributed.plan import Chunk, Plan
from umt_core.errors import ConfigError, DataError, UmtError

OBJECT_STORE = 300_000_000  # bytes, of a cluster that is started here; a chunk's tweets are some hundred thousand
BLOCKS = 2_000  # at most: Ray keeps count of each
READ_CPUS = 0.25  # of a task that reads: it waits more than it computes
CONNECT = 10  # seconds
WORKERS_READ_FOR = 16  # a chunk is read and checked in a hundredth of the time that it is tagged in


@dataclass(frozen=True, slots=True)
class Worked:
    """A chunk is done, and by which process."""

    first: int
    pid: int
    host: str


def run_on_cluster(
    plan: Plan,
    chunks: Sequence[Chunk],
    *,
    address: str | None = None,
    workers: int = 2,
    device: str = "auto",
    features: Path | None = None,
    finished: Callable[[Worked], None] | None = None,
) -> None:
    """Works off chunks on a Ray cluster; a chunk whose worker died is done again by another.

    Args:
        address: of a cluster that runs; ``None``: one is started on this machine and ended with the run.
        workers: processes that hold the taggers, each computing in one thread.
        device: ``cuda`` asks for a GPU for each worker; ``auto`` is the processor, as no GPU was asked for.
        features: as ``ChunkTagger``.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
        UmtError: what a worker raised, see ``run_here``.
    """
    if not chunks:
        return
    if workers < 1:
        raise ConfigError(f"wanted at least one worker, got {workers}")
    with _cluster(address, workers):
        import ray
        from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy

        context = DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it is said once, by what is raised
        context.print_on_execution_start = False
        context.raise_original_map_exception = True
        readers = 1 + workers // WORKERS_READ_FOR
        rows = [{"chunk": pickle.dumps(chunk)} for chunk in chunks]
        work = (
            ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS))
            .map_batches(
                _read,  # type: ignore[arg-type]  # Ray's types know no further arguments
                fn_args=(plan,),
                batch_size=1,
                num_cpus=READ_CPUS,
                compute=TaskPoolStrategy(readers),
            )
            .map_batches(  # an actor that dies is started again, and given again what it was at
                _Worker,
                fn_constructor_args=(plan, "cpu" if device == "auto" else device, features),
                batch_size=1,
                compute=ActorPoolStrategy(size=min(workers, len(chunks))),
                num_cpus=1,
                num_gpus=1 if device == "cuda" else 0,
            )
        )
        with _plain_errors(plan):
            for row in work.iter_rows():
                if finished:
                    finished(Worked(int(row["first"]), int(row["pid"]), str(row["host"])))


def _read(batch: dict[str, Any], plan: Plan) -> dict[str, list[bytes]]:
    from umt_core.distributed.checking import read_chunk

    return {"read": [pickle.dumps(read_chunk(plan, pickle.loads(chunk))) for chunk in batch["chunk"]]}


class _Worker:
    """An actor: loads the taggers once, and makes parts of the chunks that it is given."""

    def __init__(self, plan: Plan, device: str, features: Path | None) -> None:
        import torch

        from umt_core.distributed.tagging import ChunkTagger

        torch.set_num_threads(1)
        self.tagger = ChunkTagger(plan, device, features)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        firsts = []
        for read in map(pickle.loads, batch["read"]):
            self.tagger.finish(read)
            firsts.append(read.chunk.first)
        return {"first": firsts, "pid": [os.getpid()] * len(firsts), "host": [os.uname().nodename] * len(firsts)}


@contextmanager
def _cluster(address: str | None, workers: int) -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what a user must know is raised
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "wanted Ray for --engine ray, it is not installed; "
            "in the program's folder: python -m pip install -e '.[ray]'"
        ) from error
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # One more than the workers take, so that there is always one to read.
        settings |= {"address": "local", "num_cpus": workers + 1, "include_dashboard": False}
        settings |= {"object_store_memory": OBJECT_STORE}
    else:
        _check_reachable(address)
        settings["address"] = address
    try:
        with _silent_stderr():
            ray.init(**settings)
    except Exception as error:  # Ray raises it bare where its own processes take too long to start
        where = address or "this machine"
        raise ConfigError(
            f"{where}: wanted a Ray cluster, got: {(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Ray's own process writes past Python's stderr that its level is set, and what it raises in the next moment."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_reachable(address: str) -> None:
    """Asks first, as Ray itself would try for minutes (``ConfigError``: nothing answers there)."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # auto: Ray knows of it
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"{address}: wanted the HOST:PORT of a Ray cluster, got: {error}") from error


@contextmanager
def _plain_errors(plan: Plan) -> Iterator[None]:
    """What a worker raised, without Ray's wrapping and its traceback."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        cause = getattr(error, "cause", None)  # what the worker raised
        if isinstance(cause, UmtError):
            raise type(cause)(str(cause)) from error
        reason = str(cause or error).strip().splitlines()
        raise DataError(
            f"{plan.output}: the run stopped ({type(cause or error).__name__}: {reason[0] if reason else ''});"
            " the same command goes on"
        ) from error
