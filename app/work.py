"""What goes on in a thread of its own while the pages stay usable: how far it is, and how it is stopped."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from umt_core.errors import UmtError

# Beside the thread that answers readers: a set takes minutes, and nobody is to wait for it.
_BUILDER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="building")


class _Stopped(Exception):
    pass


class Work:
    """What goes on in a thread of its own, and how far it is. Sessions only read it."""

    STOPPED = "Stopped."  # what there is to say when it was

    def __init__(self) -> None:
        self.what, self.done, self.total = "waiting", 0, 0
        self.error: str | None = None
        self.running, self.stopping = True, False

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    def stop(self) -> None:
        self.stopping = True

    def work(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        try:
            _give_way()
            self.work()
        except _Stopped:
            self.error = self.STOPPED
        except UmtError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error} (a fault of ours)"
        finally:
            self.running = False

    def report(self, what: str, done: int, total: int) -> None:
        """Notes how far it is; ends the work if somebody has asked for that."""
        if self.stopping:
            raise _Stopped
        self.what, self.done, self.total = what, done, total


def _give_way() -> None:
    """Lets readers' work go first, where the system can do that for a thread."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def submit(work: Work) -> None:
    """Has work done after what was submitted before."""
    _BUILDER.submit(work.run)
