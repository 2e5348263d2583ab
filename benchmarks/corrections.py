"""The store of corrections with a hundred thousand events, against the same with a thousand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import Measure, interleaved
from umt_core.corrections.database import file_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.schema import Span

FEW, MANY = 1_000, 100_000
AUTHORS = ("ann", "ben", "cleo")
PER_TWEET = 5  # events on each tweet, as if it were looked at again and again
REPEATS = 9
DATA = "made/train"


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        urls = {size: file_url(Path(folder) / f"{size}.sqlite") for size in (FEW, MANY)}
        for size, url in urls.items():
            fill(url, size)
        for name, work in WORK.items():
            with Store(urls[FEW]) as few, Store(urls[MANY]) as many:
                value, baseline = interleaved(partial(work, many), partial(work, few), REPEATS)
            yield Measure(f"store_{name}", 1000 * value, "ms (of 1,000 events)", 1000 * baseline, aim=AIMS.get(name))
        sizes = {events: Path(folder, f"{events}.sqlite").stat().st_size / events for events in urls}
        yield Measure("store_size", sizes[MANY], "bytes an event (of 1,000)", sizes[FEW])


def fill(url: str, events: int) -> None:
    """So many events of three authors, each tweet changed by one after the other."""
    with Store(url) as store:
        for round_ in range(PER_TWEET):
            current = store.current()
            edits = []
            for tweet in range(events // PER_TWEET):
                key = TweetKey(DATA, f"{tweet:06d}")
                now = current.get(key)
                after = (Span(round_, round_ + 2, "PER"), Span(round_ + 4, round_ + 5, "LOC"))
                author = AUTHORS[(tweet + round_) % len(AUTHORS)]
                before, revision = (now.spans or (), now.revision) if now else ((), 0)
                edits.append(Edit(key, "set", author, before, after, revision))
            store.append_all(edits)


def _open(store: Store) -> None:
    Store(store.url).close()


def _edit(store: Store) -> None:
    """As the page does it: read what stands, then store."""
    key = TweetKey(DATA, "000100")
    now = store.labels(key)
    store.append(Edit(key, "set", "ann", now.spans or (), (Span(0, 1, "ORG"),), now.revision))


def _undo(store: Store) -> None:
    store.undo("ann")  # of what `_edit` did


WORK: dict[str, Callable[[Store], object]] = {
    "open": _open,
    "edit": _edit,
    "undo": _undo,
    "history": lambda store: store.history(TweetKey(DATA, "000100")),
    "current": Store.current,
    "opinions": Store.opinions,
    "verify": Store.verify,
}
# In ms; what a person waits for at each step. What grows with the number of tweets is only watched, but for an export.
AIMS = {"open": 100.0, "edit": 100.0, "undo": 100.0, "current": 3000.0}
