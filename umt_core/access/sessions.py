"""Who is signed in. The browser keeps a token; we keep only its hash."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from umt_core.access.users import User, Users, key_of

LASTS = 12 * 3600.0  # seconds from signing in
MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    password: str
    ends: float


class Sessions:
    """Of one process: when it ends, all are signed out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._sessions, self._lock = clock, OrderedDict[str, _Session](), threading.Lock()

    def begin(self, user: User) -> str:
        """The token of a new session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_sum(token)] = _Session(user.name, str(user.password), self._clock() + LASTS)
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return token

    def user(self, token: str, users: Users) -> User | None:
        """Whose session it is; ``None``: nobody's, or it is over, or that user is gone or has another password."""
        with self._lock:
            session = self._sessions.get(_sum(token))
            if session is not None and session.ends <= self._clock():
                del self._sessions[_sum(token)]
                session = None
        if session is None:
            return None
        user = users.get(key_of(session.name))
        return user if user is not None and str(user.password) == session.password else None

    def seconds_left(self, token: str) -> int:
        """0: it is over."""
        with self._lock:
            session = self._sessions.get(_sum(token))
        return 0 if session is None else max(0, int(session.ends - self._clock()))

    def end(self, token: str) -> None:
        with self._lock:
            self._sessions.pop(_sum(token), None)


def _sum(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
