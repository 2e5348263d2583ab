"""The log of a training run: a JSON object a line, to be read while it grows. Free of torch."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class Log:
    """Appends events; a line that a kill left half-written ends before the next one begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("ab+") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                stream.write(b"" if stream.read(1) == b"\n" else b"\n")

    def write(self, **values: Any) -> None:
        line = json.dumps({"time": round(time.time(), 2), **values}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def read_events(path: Path) -> tuple[dict[str, Any], ...]:
    """The events of a log, oldest first, each with its ``time`` and ``event``; a torn line is none."""
    events = []
    with suppress(FileNotFoundError):
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and {"time", "event"} <= event.keys():
                    events.append(event)
    return tuple(events)
