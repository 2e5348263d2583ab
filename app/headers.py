"""Headers of every answer: what a page may load, run and be shown in."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_MEDIA = "/media/"  # files that people sent and pictures made of them, for the page to show or to save


def own_scripts(page: bytes) -> list[str]:
    """What a policy calls the scripts that stand in a page: no other text between tags is run.

    >>> own_scripts(b"<script>\\n</script><script src=a.js></script>")
    ["'sha256-AbpHGcgLb+kRsJGnwFEktk7uzpZOCcBY74+YBdrKVGs='"]
    """
    sums = (hashlib.sha256(text).digest() for text in _INLINE.findall(page))
    return [f"'sha256-{base64.b64encode(one).decode()}'" for one in sums]


@cache
def policy() -> str:
    """The ``Content-Security-Policy`` of pages."""
    shell = Path(streamlit.__file__).parent / "static" / "index.html"
    directives = {
        "default-src": ["'none'"],
        # Streamlit hands our components' scripts to the browser as blob:, an address that only a script can make.
        # The reader of its messages multiplies in WebAssembly; eval stays refused.
        "script-src": ["'self'", "blob:", "'wasm-unsafe-eval'", *own_scripts(shell.read_bytes())],
        # Its pages and ours are drawn with style attributes, for which there is no sum.
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],  # one of KaTeX's, in Streamlit's style sheet
        "connect-src": ["'self'"],  # its WebSocket too
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(" ".join((name, *sources)) for name, sources in directives.items())


@cache
def headers(media: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """Of a page; ``media``: of a file that somebody may have sent, which runs nothing where it is opened by itself."""
    found = {
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox" if media else policy(),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",  # "no-referrer" would take the origin from uploads, which Streamlit checks
        "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    return tuple((name.encode(), value.encode()) for name, value in found.items())


class Headers:
    """ASGI middleware that gives every answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = headers(scope["path"].startswith(_MEDIA))
                names = {name for name, _ in ours}
                theirs = [(name, value) for name, value in message["headers"] if name.lower() not in names]
                message = {**message, "headers": [*theirs, *ours]}
            await send(message)

        await self.app(scope, receive, answer)
