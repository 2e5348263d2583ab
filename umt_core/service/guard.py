"""What stands before the service: who asks, how often, and whether what comes may be read at all.

An ASGI application around another, so that a body is bounded while it is read and not after.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from umt_core.access.door import is_loopback
from umt_core.service.limits import AT_ONCE, BODY_BYTES, BODY_SECONDS, Budget, BusyError, Rate
from umt_core.service.metrics import Metrics
from umt_core.service.tokens import Tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = ("/health",)  # to anybody, as often as they like: what watches a server has no token
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")  # that are counted by name
SAFE_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
LINGER_SECONDS = 5  # for which the rest of a refused body is taken, and thrown away
LINGER_BYTES = 2 * BODY_BYTES  # of it at most
log = logging.getLogger("umt_core.service")


class Refused(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, line: str, **headers: str) -> None:
        super().__init__(line)
        self.status = status
        self.headers = headers


class LeftError(Exception):
    """Who asked has left before the body was here."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask, and how much."""

    rate: Rate
    held: Budget  # bytes of bodies
    tokens: Tokens | None = None  # None: anybody on this machine
    loopback: bool = True  # whether only names of this machine may be asked for


class Guard:
    """Passes on what may be asked, counts every answer, and turns what fails into one line."""

    def __init__(self, app: App, rules: Rules, metrics: Metrics, routes: frozenset[str]) -> None:
        self.app = app
        self.rules = rules
        self.metrics = metrics
        self.routes = routes
        self.in_work = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        begin, answer = time.perf_counter(), _Answer(send, body)
        try:
            await self._pass_on(scope, body.receive, answer)
        except Refused as refused:
            await answer.error(refused.status, str(refused), refused.headers)
        except LeftError:
            return
        except Exception as error:
            log.exception("%s %s: %s", scope["method"], scope["path"], type(error).__name__)
            await answer.error(500, "a fault of ours; the server's log says more", {})
        finally:
            route = scope["path"] if scope["path"] in self.routes else "other"
            method = scope["method"] if scope["method"] in METHODS else "other"
            if answer.status:
                self.metrics.note(route, method, answer.status, time.perf_counter() - begin)

    async def _pass_on(self, scope: MutableMapping[str, Any], receive: Receive, answer: _Answer) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if self.rules.loopback:
            _check_host(headers.get("host", ""))
        if scope["path"] in OPEN:
            await self.app(scope, receive, answer.send)
            return
        self._check_asker(scope, headers)
        if self.in_work >= AT_ONCE:
            raise Refused(503, f"{AT_ONCE} requests are in work; try again", retry_after="1")
        self.in_work += 1
        try:
            if scope["method"] != "POST":
                await self.app(scope, receive, answer.send)
                return
            _check_type(headers.get("content-type", ""))
            await self._read_and_pass_on(scope, headers, receive, answer)
        finally:
            self.in_work -= 1

    def _check_asker(self, scope: MutableMapping[str, Any], headers: MutableMapping[str, str]) -> None:
        asker, owner = f"address {(scope.get('client') or ('',))[0]}", None
        if self.rules.tokens is not None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer":
                owner = self.rules.tokens.owner(token.strip())
            if owner is not None:
                asker = f"token {owner}"
        if wait := self.rules.rate.wait(asker):
            raise Refused(429, f"too many requests; try again in {wait:.1f} s", retry_after=str(math.ceil(wait)))
        if self.rules.tokens is not None and owner is None:
            raise Refused(401, "wanted a token (Authorization: Bearer ...) that is known", www_authenticate="Bearer")

    async def _read_and_pass_on(
        self, scope: MutableMapping[str, Any], headers: MutableMapping[str, str], receive: Receive, answer: _Answer
    ) -> None:
        # Of an honest sender nothing is read that is too much; of another no more than is allowed.
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > BODY_BYTES:
            raise _too_large(f"{int(declared):,}")
        taken = 0
        try:
            parts: list[bytes] = []
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    more = True
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise LeftError
                        part, more = message.get("body", b""), message.get("more_body", False)
                        if taken + len(part) > BODY_BYTES:
                            raise _too_large("more")
                        self.rules.held.take(len(part))
                        taken += len(part)
                        parts.append(part)
            except TimeoutError as error:
                raise Refused(408, f"wanted the whole body within {BODY_SECONDS} s", connection="close") from error
            except BusyError as error:
                raise Refused(503, f"{error}; try again", retry_after="1", connection="close") from error
            await self.app(scope, _replay(b"".join(parts), receive), answer.send)
        finally:
            self.rules.held.give_back(taken)


class _Body:
    """A request's body as it comes, which knows whether all of it has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_whole = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_whole = not message.get("more_body", False)  # who has left sends no more either
        return message

    async def throw_away(self) -> None:
        thrown = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._is_whole and thrown <= LINGER_BYTES:
                    thrown += len((await self.receive()).get("body", b""))


class _Answer:
    """Sends an answer on, with the headers that all have, and remembers its status."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body
        self.status = 0  # nothing was sent

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *SAFE_HEADERS]
        await self._send(message)

    async def error(self, status: int, line: str, headers: MutableMapping[str, str]) -> None:
        if self.status:
            return  # half an answer is out; the connection breaks off
        body = error_body(line)
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": [*fixed, *given]})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        await self._body.throw_away()  # a connection closed upon what is still coming would take the answer with it
        await self.send({"type": "http.response.body", "body": b""})


def error_body(line: str) -> bytes:
    """``{"error": line}``, whatever the line holds."""
    return json.dumps({"error": " ".join(line.split())}).encode()


def _check_host(header: str) -> None:
    """A page of somebody's may have its own name lead to this machine and so ask in its reader's browser."""
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    if not is_loopback(name):
        raise Refused(400, f"wanted a Host that is this machine's, as localhost, got {header[:100]!r}")


def _check_type(header: str) -> None:
    # What a form on another site can send without asking has another type.
    if header.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, f"wanted a body of Content-Type application/json, got {header[:100]!r}")


def _too_large(got: str) -> Refused:
    return Refused(413, f"wanted a body of at most {BODY_BYTES:,} bytes, got {got}", connection="close")


def _replay(body: bytes, receive: Receive) -> Receive:
    """What was read, as if it came now; then what really comes."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed
