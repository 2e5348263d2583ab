"""What events add up to, worked out from the first to the last: the check on what the store says at each edit."""

from __future__ import annotations

from dataclasses import dataclass

from umt_core.corrections.events import BLIND, COMMON, Event, Labels, TweetKey
from umt_core.schema import Span

ANSWERS = ("set", "accept", "skip", "restore")  # what says something of a tweet's labels

Track = tuple[TweetKey, str, str]  # tweet, track, and in a track of one's own its author


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the store keeps it: with the answer it leaves, and its place on its author's two stacks.

    What can be undone is a stack of events: those that did something, and redos. What can be redone is
    a stack of undos. ``below`` is the event under this one on the stack it was put on; ``across`` is the
    top of the other. So the last event of an author tells both, however many there are.
    """

    event: Event
    skipped: bool
    below: int = 0  # 0: it is the only one
    across: int = 0  # 0: the other is empty

    @property
    def labels(self) -> Labels:
        return Labels(self.event.after, self.event.number, self.skipped, self.event.author)

    @property
    def track(self) -> Track:
        return track_of(self.event.key, self.event.track, self.event.author)

    @property
    def about(self) -> int:
        """The event that this one does, undoes, or does again."""
        return self.event.of if self.event.action in ("undo", "redo") else self.event.number


def track_of(key: TweetKey, track: str, author: str) -> Track:
    return key, track, author if track == BLIND else COMMON


def tops(last: Entry | None) -> tuple[int, int]:
    """Top of what an author can undo and of what they can redo, by their last event; 0: nothing."""
    if last is None:
        return 0, 0
    number = last.event.number
    return (last.across, number) if last.event.action == "undo" else (number, last.across)


class Standing:
    """The answers to a tweet in one track that are not undone.

    What is undone comes back by its own redo alone: the labels are those of the newest answer that stands, by the
    number it was first given under, and a skip leaves those below it.
    """

    def __init__(self) -> None:
        self._done: dict[int, tuple[Event, bool]] = {}  # all answers and whether each is a skip, by number
        self._numbers: set[int] = set()  # of those that stand

    @property
    def author(self) -> str:
        """Who gave the newest; "": none stands."""
        return self._done[max(self._numbers)][0].author if self._numbers else ""

    def take(self, event: Event, *, skipped: bool = False) -> None:
        """Goes one event on; ``skipped``: as its entry has it, which nobody needs to know for ``author``."""
        if event.action in ANSWERS:
            self._done[event.number] = event, skipped
            self._numbers.add(event.number)
        elif event.action in ("undo", "redo"):
            self._numbers = self._moved(event.action, event.of)

    def after(self, action: str, number: int) -> Labels:
        """The labels once an event is undone or done again; its number tells nothing."""
        standing = [self._done[n] for n in sorted(self._moved(action, number))]
        told = [event for event, _ in standing if event.action != "skip"]
        return Labels(told[-1].after if told else None, skipped=bool(standing) and standing[-1][1])

    def later_than(self, number: int, author: str) -> str | None:
        """Of the others who have answered after an event, whose answer came last."""
        later = [n for n in self._numbers if n > number and self._done[n][0].author != author]
        return self._done[max(later)][0].author if later else None

    def _moved(self, action: str, number: int) -> set[int]:
        if action == "undo" or number not in self._done:  # a comment is no answer
            return self._numbers - {number}
        return self._numbers | {number}


class Stacks:
    """What each author can undo and redo, from all their events in order."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[list[int], list[int]]] = {}

    def top(self, author: str, action: str) -> int:
        """The event that an undo or redo would be of; 0: there is none."""
        undo, redo = self._of.get(author, ((), ()))
        stack = undo if action == "undo" else redo
        return stack[-1] if stack else 0

    def push(self, number: int, author: str, action: str) -> tuple[int, int]:
        """Takes an event in; what lies below it, and across from it."""
        undo, redo = self._of.setdefault(author, ([], []))
        if action not in ("undo", "redo"):
            redo.clear()
        elif taken := undo if action == "undo" else redo:
            taken.pop()
        mine, other = (redo, undo) if action == "undo" else (undo, redo)
        below = mine[-1] if mine else 0
        mine.append(number)
        return below, other[-1] if other else 0


class Fold:
    """The labels after all events so far, and whether each event is what its kind of action makes."""

    def __init__(self) -> None:
        self.labels: dict[Track, Labels] = {}
        self._entries: list[Entry] = []
        self._before: list[Labels] = []  # the labels that each event met
        self._standing: dict[Track, Standing] = {}
        self._stacks = Stacks()

    def add(self, entry: Entry) -> str | None:
        """Goes one event on; what is wrong with it, if anything."""
        number, expected = entry.event.number, len(self._entries) + 1
        if number != expected:
            return f"event {expected} is missing"
        now = self.labels.get(entry.track, Labels())
        wrong = self._wrong_labels(entry, now) or self._wrong_stack(entry)
        self._entries.append(entry)
        self._before.append(now)
        self._standing.setdefault(entry.track, Standing()).take(entry.event, skipped=entry.skipped)
        self.labels[entry.track] = entry.labels
        return wrong and f"event {number} ({entry.event.action}) {wrong}"

    def _wrong_labels(self, entry: Entry, now: Labels) -> str | None:
        event = entry.event
        first = event.action in ("set", "accept") and now.spans is None  # then it tells the data set's own labels
        if event.before != now.spans and not first:
            return "does not begin from the labels before it"
        return None if (event.after, entry.skipped) in self._allowed(entry, now) else "leaves labels that it should not"

    def _allowed(self, entry: Entry, now: Labels) -> list[tuple[tuple[Span, ...] | None, bool]]:
        event, stays = entry.event, (now.spans, now.skipped)
        if event.action == "skip":
            return [(now.spans, True)]
        if event.action == "comment":
            return [stays]
        if event.action == "restore":
            then = self._entry(event.of)
            if then is None:
                return [(None, False)] if event.of == 0 else []
            return [(then.event.after, then.skipped)] if then.track == entry.track else []
        if event.action in ("undo", "redo"):
            stands = self._standing.get(entry.track, Standing()).after(event.action, event.of)
            # In older stores it put back what its event had met, or left what was there.
            met = self._before[top - 1] if (top := self._stacks.top(event.author, event.action)) else now
            return [(stands.spans, stands.skipped), (met.spans, met.skipped), stays]
        return [] if event.after is None else [(event.after, False)]

    def _wrong_stack(self, entry: Entry) -> str | None:
        event = entry.event
        if event.action in ("undo", "redo"):
            top = self._entry(self._stacks.top(event.author, event.action))
            if top is None or top.about != event.of or top.track != entry.track:
                return "is not about its author's last action"
        place = self._stacks.push(event.number, event.author, event.action)
        return None if place == (entry.below, entry.across) else "has a wrong place among its author's actions"

    def _entry(self, number: int) -> Entry | None:
        return self._entries[number - 1] if 0 < number <= len(self._entries) else None
