"""Taggers that are asked for longer than a reader should wait: in a thread of its own, with progress and a stop."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import streamlit as st

from app.work import Work

Report = Callable[[str, int, int], None]  # of what, done, of how many; it ends the work where that was asked for
KEPT = 32  # answers, those of last
QUICK = 0.7  # seconds within which an answer needs no progress bar


class Asking(Work):
    """One question, and its answer when there is one."""

    STOPPED = "Stopped. What was computed is kept for a while: going on takes the rest of the time."

    def __init__(self, steps: Callable[[Report], Any]) -> None:
        super().__init__()
        self.steps = steps
        self.answer: Any = None
        self.over = threading.Event()

    @property
    def line(self) -> str:
        """How far it is."""
        return f"{self.what}: {self.done} of {self.total}" if self.total else f"{self.what} …"

    def work(self) -> None:
        self.answer = self.steps(self.report)

    def run(self) -> None:
        try:
            super().run()
        finally:
            del self.steps  # they hold pictures, and an answer is kept for long
            self.over.set()


@st.cache_resource(show_spinner=False)
def _asked() -> OrderedDict[str, Asking]:
    return OrderedDict()


def job(key: str) -> Asking | None:
    """The question of a key, being answered or answered."""
    return _asked().get(key)


def start(key: str, steps: Callable[[Report], Any]) -> Asking:
    """Asks a question; ``steps`` calls what it is given between its pieces, each of which is short.

    It has no session: models are reached through ``services.asker`` or what is built on it and needs none either, as
    ``services.explained``.
    """
    asked = _asked()
    asked[key] = started = Asking(steps)
    while len(asked) > KEPT:
        asked.popitem(last=False)
    threading.Thread(target=started.run, name="asking", daemon=True).start()
    return started
