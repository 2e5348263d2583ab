"""The service as it meets a request, without a network and without models: heads, tokens and bodies of HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI

from fuzz import seeds
from umt_core.engine import EngineStats
from umt_core.labels import LABELS
from umt_core.manifest import MANIFEST, read_manifest
from umt_core.registry import CheckpointInfo
from umt_core.schema import Example, Prediction, ScoredSpan, Span
from umt_core.service.app import create_app
from umt_core.service.guard import Rules
from umt_core.service.limits import HELD_BYTES, Budget, Rate
from umt_core.service.tokens import PREFIX, Tokens, token_hash
from umt_core.spans import spans_to_tags

SERVED = ("tiny/bert-crf", "tiny/umt-bert-crf")
TOKEN = PREFIX + "A" * 43


class Echo:
    """Stands for the engine: each word with a capital is an entity, of a type that its tagger and it agree on."""

    def load(self, names: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
        return {name: {} for name in names}, []

    def predict(self, name: str, examples: Sequence[Example], pictures: Sequence[object]) -> list[Prediction]:
        return [_prediction(name, example) for example in examples]

    def run(self, names: Sequence[str], work: object) -> dict[str, Any]:
        return {
            "checkpoint": names[0],
            "tags": [],
            "spans": [],
            "notices": [],
            "caveats": [],
            "attention": [],
            "gate": None,
            "esd_tags": [],
            "system": "echo",
            "weights_sha256": seeds.SUM,
            "provenance": {
                "words": [],
                "spans": [],
                "parts": {},
                "path_score": 0.0,
                "own_score": 0.0,
                "difference": 0.0,
            },
        }

    def stats(self) -> EngineStats:
        return EngineStats(0, 0, 0, 0, 0.0, 0, 0, SERVED)

    def close(self) -> None:
        pass


def _prediction(name: str, example: Example) -> Prediction:
    capitals = [i for i, token in enumerate(example.tokens) if token[:1].isupper()]
    spans = [Span(i, i + 1, LABELS[(len(name) * i) % len(LABELS)]) for i in capitals]
    tags = spans_to_tags(spans, len(example.tokens))
    return Prediction(example.id, example.tokens, tuple(ScoredSpan(span, 0.5) for span in spans), tuple(tags))


class _Raised(logging.Handler):
    """What the service logs of a fault, which whoever asked is not told."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.error = record.exc_info[1] if record.exc_info else AssertionError(record.getMessage())


class Server:
    """Two services that are ready: one that wants a token, one for this machine alone."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.raised = _Raised()
        log = logging.getLogger("umt_core.service")
        log.addHandler(self.raised)
        log.propagate = False
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / MANIFEST).write_bytes(seeds.manifests()[0])
            manifest = read_manifest(folder)
            (folder / "tokens").write_text(f"fuzz {token_hash(TOKEN)}\n")
            tokens = Tokens(folder / "tokens")
        tokens._look = lambda: None  # type: ignore[method-assign]  # the file is gone
        self.apps = {wanted: self._start(manifest, tokens if wanted else None) for wanted in (True, False)}

    def _start(self, manifest: Any, tokens: Tokens | None) -> FastAPI:
        rules = Rules(Rate(0, burst=1), Budget(HELD_BYTES, "bytes"), tokens, loopback=tokens is None)
        engine: Any = Echo()
        app = create_app(engine, SERVED, rules, find=lambda name: CheckpointInfo(name, Path(), manifest))
        self.loop.run_until_complete(app.router.lifespan_context(app).__aenter__())
        while self.ask(app, "GET", b"/health", [(b"host", b"localhost")], b"")[0] != 200:
            pass
        return app

    def ask(
        self, app: FastAPI, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes]:
        """Status and body of an answer; a body shorter than its head says is of one who leaves before its end."""
        path, _, query = target.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "method": method,
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        said = dict(headers).get(b"content-length", b"")
        size = int(said) if re.fullmatch(rb"\d{1,20}", said) else len(body)
        half = len(body) // 2
        coming = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:size], "more_body": size > len(body)},
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return coming.pop(0) if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        self.loop.run_until_complete(app(scope, receive, send))
        starts = [message["status"] for message in sent if message["type"] == "http.response.start"]
        if len(starts) > 1:
            raise AssertionError(f"wanted one answer, got {starts}")
        return (starts or [0])[0], b"".join(message.get("body", b"") for message in sent)


@cache
def server() -> Server:
    return Server()


def request(data: bytes) -> None:
    """A request as it comes over the wire, and that its answer is one that the service promises."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, _, target = first.partition(b" ")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    target = re.sub(rb"[^!-~]", b"", target.partition(b" ")[0])  # a server takes no other
    here = server()
    here.raised.error = None
    app = here.apps[b"authorization" in dict(headers)]
    status, answer = here.ask(app, method.decode("latin-1").upper() or "GET", target or b"/", headers, body)
    if here.raised.error is not None:
        raise here.raised.error
    if status in (0, 200):  # 0: who asked has left
        return
    said = json.loads(answer)
    if list(said) != ["error"] or len(said["error"].splitlines()) != 1:
        raise AssertionError(f"wanted an error of one line, got {answer[:200]!r}")
    if status >= 500:  # 503: what was held is not given back
        raise AssertionError(f"status {status}: {said['error']}")


def requests() -> list[bytes]:
    """Sound requests of each route, and some that are to be refused."""
    picture = base64.b64encode(seeds.pictures()[1]).decode()
    tweet = {"id": "7", "tokens": ["Ann", "in", "New", "Oslo"]}
    bodies = [
        ("/predict", {"tweets": [{"text": "@NBA: I'll be in New-York 🎉"}, tweet], "checkpoints": [SERVED[0]]}),
        ("/predict", {"tweets": [tweet | {"picture": picture}, {"text": "x", "picture": picture[:40]}]}),
        ("/compare", {"tweet": tweet, "gold": [{"start": 0, "end": 1, "label": "PER"}]}),
        ("/explain", {"tweet": tweet, "checkpoint": SERVED[1], "words": [2, 0]}),
        ("/predict", {"tweets": [{"text": "\ud800"}, {"tokens": [" ", ""]}]}),
        ("/predict", [[[[{"tweets": 1e999}]]]]),
    ]
    key = f"authorization: Bearer {TOKEN}\r\n"
    made = [_post(path, json.dumps(body), key * (i % 2)) for i, (path, body) in enumerate(bodies)]
    made.append(_post("/predict", json.dumps(bodies[0][1]), "authorization: Basic eDp5\r\ncontent-encoding: gzip\r\n"))
    made.append(_post("/predict", "[" * 2_000, "transfer-encoding: chunked\r\n"))
    made += [_get(path) for path in ("/checkpoints", "/health", "/metrics", "/openapi.json", "/%2e%2e/etc?x=%00")]
    return made


def _post(path: str, body: str, more: str) -> bytes:
    size = len(body.encode())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n{more}"
    )
    return f"{head}\r\n{body}".encode()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n\r\n".encode()
