"""Files are taken from people who are in: Streamlit takes them from whoever has its page, signed in or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from app import access

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]+)/")


class Uploads:
    """ASGI middleware that refuses a file of a session that nobody is signed in at, before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _UPLOAD.search(scope["path"]) if scope["type"] == "http" and scope["method"] != "OPTIONS" else None
        if found is None or access.is_admitted(found[1]):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("wanted a signed-in session", status_code=403)(scope, receive, send)
