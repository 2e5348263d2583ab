"""Runs the service until it is told to end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from umt_core.access.door import is_loopback
from umt_core.engine import SETS, Engine
from umt_core.errors import CheckpointError, ConfigError
from umt_core.registry import checkpoints, checkpoints_folder, find_checkpoint
from umt_core.service.app import create_app
from umt_core.service.guard import Rules
from umt_core.service.limits import HELD_BYTES, Budget, Rate
from umt_core.service.tokens import Tokens

CONNECTIONS = 800  # at once; most systems let a process have 1,024 files
HEADER_BYTES = 65_536  # of a request's first line and headers
IDLE_SECONDS = 10  # of a connection on which nothing is asked
LAST_SECONDS = 60  # for requests in work when it is told to end
BURST_SECONDS = 6  # of a steady rate, that may be asked at once


def serve(
    host: str,
    port: int,
    names: Sequence[str],
    device: str,
    token_file: Path | None,
    per_minute: float,
    say: Callable[[str], None],
) -> None:
    """Answers over HTTP until SIGTERM or Ctrl-C; what is in work then is answered first.

    Args:
        names: of checkpoints; none: all that are there, without those that cannot be loaded.
        per_minute: requests of each token or address; 0: no bound.
        say: shows a line to who started it.

    Raises:
        ConfigError: there is no such device or address, or others may reach it and no token is wanted of them.
        CheckpointError: there is none, or one that was named cannot be loaded.
        DataError: the file of tokens is not one.
    """
    tokens = None if token_file is None else Tokens(token_file)
    if tokens is None and not is_loopback(host):
        raise ConfigError(f"wanted --token-file for {host!r}, which others can reach, got none; see docs/serving.md")
    served = [_named(name) for name in names] or [info.name for info in checkpoints()]
    if not served:
        raise CheckpointError("wanted at least one checkpoint to serve, found none")
    burst = max(1, round(per_minute * BURST_SECONDS / 60))
    rules = Rules(Rate(per_minute, burst=burst), Budget(HELD_BYTES, "bytes"), tokens, loopback=tokens is None)
    # Each that is promoted is loaded as a set of its own, beside the one of all that the service began with.
    engine, broken = Engine(device, sets=max(SETS, len(served) + 1)), []
    listening = _listen(host, port)

    def loaded(lines: Sequence[str]) -> None:
        if failed := [line for line in lines if names] or ([] if engine.stats().loaded else list(lines)):
            broken.append(failed[0])
            server.should_exit = True
            return
        for line in lines:
            say(f"not served: {line}")
        say(f"ready: {', '.join(engine.stats().loaded)}")

    app = create_app(engine, served, rules, loaded=loaded)
    server = uvicorn.Server(config_of(app))
    # uvicorn ends in good order and then raises the signal anew, which by default would kill what has ended well.
    signal.signal(signal.SIGTERM, lambda *_: None)
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{listening.getsockname()[1]}: loading {len(served)} checkpoints")
    server.run([listening])
    if broken:
        raise CheckpointError(broken[0])


def _named(name: str) -> str:
    """The name that requests give; a folder that no name leads to could not be looked up for each of them."""
    info = find_checkpoint(name)
    with suppress(CheckpointError):
        if find_checkpoint(info.name).folder.resolve() == info.folder.resolve():
            return info.name
    raise CheckpointError(
        f"{name}: wanted a checkpoint that requests can name, got a folder: "
        f"put it at {checkpoints_folder()}/<set>/<system>"
    )


def config_of(app: FastAPI) -> uvicorn.Config:
    """How the service speaks HTTP, and the bounds of that which uvicorn keeps."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        http="h11",  # another, if installed, would have bounds of its own
        h11_max_incomplete_event_size=HEADER_BYTES,
        proxy_headers=False,  # who asks is who connects; what a header says of it anybody can write
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=LAST_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{host}:{port}: wanted an address to listen at, got: {reason}") from error
    return listening
