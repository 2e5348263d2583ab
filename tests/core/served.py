"""A service over tiny checkpoints, for the tests of what it answers and of its document."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.core import tiny
from umt_core import predict
from umt_core.engine import Engine
from umt_core.service.app import create_app
from umt_core.service.guard import Rules
from umt_core.service.limits import HELD_BYTES, Budget, Rate
from umt_core.service.tokens import Tokens

TEXT, UMT = "tiny/bert-crf", "tiny/umt-bert-crf"


def rules(*, per_minute: float = 0, burst: int = 1, tokens: Tokens | None = None, loopback: bool = False) -> Rules:
    return Rules(Rate(per_minute, burst=burst), Budget(HELD_BYTES, "bytes"), tokens, loopback)


@contextmanager
def tiny_checkpoints(folder: Path) -> Iterator[None]:
    """``TEXT`` and ``UMT`` are the checkpoints that there are."""
    encoder = tiny.save_encoder(folder / "encoder")
    for name in (TEXT, UMT):
        system = name.split("/")[1]
        tiny.save_tagger(folder, tiny.system(system, text_encoder=encoder, on=tiny.encoder()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CHECKPOINTS", str(folder))
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
        yield


def make_app(given: Rules | None = None, served: Sequence[str] = (TEXT, UMT), **options: Any) -> FastAPI:
    return create_app(options.pop("engine", None) or Engine("cpu"), served, given or rules(), **options)


@contextmanager
def asking(app: FastAPI, **options: Any) -> Iterator[TestClient]:
    """A client of a service that is ready."""
    with TestClient(app, raise_server_exceptions=False, **options) as client:
        wait_until_ready(lambda: client.get("/health").status_code == 200)
        yield client


def wait_until_ready(ready: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "not ready"
        time.sleep(0.05)
