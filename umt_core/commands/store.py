"""``corrections list``, ``history``, ``undo``, ``redo``, ``verify``, ``backup``: the store itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import TextTable, out, say
from umt_core.commands.exchange import StoreOption
from umt_core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from umt_core.corrections.events import Event
    from umt_core.corrections.store import Store
    from umt_core.schema import Span

AuthorOption = Annotated[str | None, typer.Option(help="Whose action; by default of who did the newest event.")]
KeepOption = Annotated[
    bool, typer.Option(help="Where another author has answered since, leave theirs and pass on to the action before.")
]

STORE_OR_DEFAULT = "URL of a store; `default`: the app's; by default none"  # of --corrections


def corrections_url(given: str | None) -> str | None:
    """The store that ``--corrections`` names; ``None``: none, or the app's, where nobody has corrected anything yet."""
    if given != "default":
        return given or None
    from umt_core.corrections.store import default_url, is_unbegun

    if is_unbegun(None):
        say("nobody has corrected a label yet: the data sets' own are used")
        return None
    return default_url()


def list_events(
    store: StoreOption = None,
    data: Annotated[str | None, typer.Option(help="Of this data set: <data set>/<split>.")] = None,
    author: Annotated[str | None, typer.Option(help="Of this author.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 20,
) -> None:
    """What was done, newest last."""
    from collections import deque

    if _said_unbegun(store):
        return
    with _opened(store) as opened:
        newest = deque(opened.events(data=data, author=author), maxlen=limit)
        out.print(_table(f"{opened.url}: {opened.count(data=data, author=author):,} events", newest))


def history(
    data: Annotated[str, typer.Argument(metavar="DATA", help="<data set>/<split>")],
    tweet: Annotated[str, typer.Argument(metavar="TWEET", help="Its id in there.")],
    store: StoreOption = None,
) -> None:
    """All that was done to a tweet, first to last; the newest event's labels stand."""
    from umt_core.corrections.events import TweetKey

    if _said_unbegun(store):
        return
    with _opened(store) as opened:
        out.print(_table(f"{tweet} in {data}", opened.history(TweetKey(data, tweet))))


def undo(store: StoreOption = None, author: AuthorOption = None, keep: KeepOption = False) -> None:
    """Take back an author's last action, whichever tweet it was on."""
    _take_back(store, author, keep, "undo")


def redo(store: StoreOption = None, author: AuthorOption = None, keep: KeepOption = False) -> None:
    """Do again what an author last took back."""
    _take_back(store, author, keep, "redo")


def verify(store: StoreOption = None) -> None:
    """Work through all events from the first on: whether one is missing, or does not follow from those before it."""
    if _said_unbegun(store):
        return
    with _opened(store) as opened:
        out.print(f"{opened.url}: {opened.verify():,} events, all sound", markup=False, highlight=False)


def backup(
    output: Annotated[Path, typer.Option(help="A new SQLite file, which is a store itself.")], store: StoreOption = None
) -> None:
    """Copy the store as it is now, while it is in use."""
    if line := _unbegun(store):
        raise StoreError(f"wanted a store to copy, got none: {line}")
    with _opened(store) as opened:
        opened.backup(output)
    out.print(f"{opened.url} copied to {output}", markup=False, highlight=False)


def _unbegun(url: str | None) -> str:
    """A line on the app's own store not being there yet; "": it is, or another one is asked for."""
    from umt_core.corrections.store import default_url, is_unbegun

    return (
        f"nobody has corrected a label yet ({default_url()} is made by the first correction)" if is_unbegun(url) else ""
    )


def _said_unbegun(url: str | None) -> bool:
    if line := _unbegun(url):
        say(line)
    return bool(line)


def _opened(url: str | None) -> Store:
    """A store to read, so that a mistyped address makes no new one."""
    from umt_core.corrections.store import Store

    return Store(url, read_only=True)


def _take_back(url: str | None, author: str | None, keep: bool, action: str) -> None:
    from umt_core.corrections.store import Store

    if line := _unbegun(url):
        raise StoreError(f"wanted something to {action}, got nothing: {line}")
    with _opened(url) as there:
        author = author or there.newest_author()
    if author is None:
        raise StoreError(f"{there.url}: wanted something to {action}, got a store without events")
    with Store(url) as opened:
        event = getattr(opened, action)(author, keep=keep)
    if event is None:
        raise StoreError(f"{there.url}: wanted something to {action}, got nothing of {author}")
    out.print(_table(f"{action} of event {event.of}", [event]))


def _table(title: str, events: Iterable[Event]) -> TextTable:
    table = TextTable("event", "time", "author", "data", "tweet", "action", "labels", "from", "reason", title=title)
    for e in events:
        action = f"{e.action} {e.of}" if e.of else e.action
        labels = f"{_labels(e.before)} → {_labels(e.after)}" if e.before != e.after else _labels(e.after)
        cells = (str(e.number), e.time, e.author, e.key.data, e.key.tweet, action, labels, e.base, e.reason)
        table.add_row(*cells)
    return table


def _labels(spans: Sequence[Span] | None) -> str:
    """Words as they are counted for people, from 1."""
    if spans is None:
        return "the data set's"
    return ", ".join(f"{s.label} {s.start + 1}–{s.end}" if s.end > s.start + 1 else f"{s.label} {s.end}" for s in spans)
