"""Slows down who guesses passwords, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from umt_core.access.users import LONGEST_NAME, key_of

PAIR_FREE = 5  # failures before the first wait, of a name from an address
ADDRESS_FREE = 30  # of an address
NAME_FREE = 50  # of a name from anywhere
FREE = {"pair": PAIR_FREE, "address": ADDRESS_FREE, "name": NAME_FREE}
FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0  # seconds; each failure more doubles it
FORGOTTEN = 3600.0  # seconds without a failure
MOST = 10_000  # names and addresses that are remembered; the least recent go first


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0


class Throttle:
    """Counts failures for a name from an address, for an address, and for a name from anywhere.

    >>> throttle = Throttle(clock=lambda: 0.0)
    >>> [throttle.admit("Ann", "192.0.2.1") for _ in range(6)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 30.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._counts, self._lock = clock, OrderedDict[tuple[str, str, str], _Count](), threading.Lock()

    def admit(self, name: str, address: str) -> float:
        """Seconds until a password may be tried; 0: now, and that counts as a failure until ``right`` is called.

        Counted before it is checked, or many tries at once would all come through.
        ``address`` "": not known, or one that many share; it is then not counted by itself.
        """
        with self._lock:
            now, keys = self._clock(), self._keys(name, address)
            wait = max((self._counts[key].until - now for key in keys if key in self._counts), default=0.0)
            if wait > 0:
                return wait
            for key in keys:
                count = self._counts.setdefault(key, _Count())
                if now - count.last > FORGOTTEN:
                    count.failures = 0
                count.failures, count.last = count.failures + 1, now
                if (beyond := count.failures - FREE[key[0]]) >= 0:
                    count.until = now + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(beyond, 10))
                self._counts.move_to_end(key)
            while len(self._counts) > MOST:
                self._counts.popitem(last=False)
            return 0.0

    def right(self, name: str, address: str) -> None:
        """The try that was admitted was no failure."""
        with self._lock:
            for key in self._keys(name, address):
                if (count := self._counts.get(key)) is None:
                    continue
                if key[0] == "pair":
                    del self._counts[key]
                else:
                    count.failures, count.until = count.failures - 1, 0.0

    @property
    def remembered(self) -> int:
        return len(self._counts)

    def _keys(self, name: str, address: str) -> list[tuple[str, str, str]]:
        name = key_of(name)[:LONGEST_NAME]
        keys = [("pair", name, address), ("name", name, "")]
        return [*keys, ("address", "", address)] if address else keys
