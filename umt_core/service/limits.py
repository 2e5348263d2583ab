"""How much may be asked, and how much of it held at once. Sizes of tweets and pictures are the app's own."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from umt_core.data.images import MAX_BYTES, MAX_PIXELS
from umt_core.errors import UmtError

BODY_BYTES = 32_000_000  # of a request: the largest picture in base64, and its words
BODY_SECONDS = 30  # in which a body must be here
HELD_BYTES = 8 * BODY_BYTES  # of all bodies that are being read or answered
TWEETS = 64  # of a request
CHECKPOINTS = 16  # of a request
LONGEST_NAME = 200  # characters of a checkpoint's name in a request
REQUEST_PIXELS = 2 * MAX_PIXELS  # of a request's pictures together
HELD_PIXELS = 4 * MAX_PIXELS  # of all pictures that are in memory: 480 MB
AT_ONCE = 64  # requests that are in work or wait for the models
PICTURE_CHARACTERS = 4 * math.ceil(MAX_BYTES / 3)  # of a picture in base64
REQUESTS_A_MINUTE = 600  # of each token or address, unless who starts the service says otherwise
ASKERS = 10_000  # tokens and addresses whose requests are counted


class BusyError(UmtError):
    """Others have asked for as much as can be held at once."""


class Budget:
    """So much of something may be held at once, by all together."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.what = what
        self._held = 0
        self._lock = threading.Lock()

    def take(self, amount: int) -> None:
        """Raises ``BusyError`` where there is no room; nothing is waited for."""
        with self._lock:
            if self._held + amount > self.most:
                raise BusyError(f"wanted room for {amount:,} {self.what}, others hold {self._held:,} of {self.most:,}")
            self._held += amount

    def give_back(self, amount: int) -> None:
        with self._lock:
            self._held -= amount

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        self.take(amount)
        try:
            yield
        finally:
            self.give_back(amount)


class Rate:
    """A bucket of requests for each asker, which fills up again at a steady rate.

    >>> clock = iter([0.0, 0.0, 0.0, 1.0]).__next__
    >>> rate = Rate(60, burst=2, clock=clock)
    >>> [rate.wait("a") for _ in range(4)]
    [0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, per_minute: float, *, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            per_minute: requests; 0: as many as one likes.
            burst: requests that may come at once.
        """
        self.per_second = per_minute / 60
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was so
        self._lock = threading.Lock()

    def wait(self, asker: str) -> float:
        """0 if one more request is welcome now, which counts; else the seconds until one is."""
        if not self.per_second:
            return 0.0
        with self._lock:
            now = self._clock()
            left, then = self._buckets.pop(asker, (float(self.burst), now))
            left = min(self.burst, left + (now - then) * self.per_second)
            allowed = left >= 1
            self._buckets[asker] = (left - 1 if allowed else left), now
            while len(self._buckets) > ASKERS:
                self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self.per_second
