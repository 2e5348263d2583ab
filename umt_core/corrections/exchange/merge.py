"""What a file of labels changes in the store: a merge of three, so that nobody's work is undone by an older file.

The three are the labels that both began from (the data set's own, or those after an event), what stands in the store
now, and what the file says. The store says nothing of a tweet that is skipped, as in an export: nobody has decided on
it, so that its own labels in a file are nobody's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from umt_core.corrections.events import COMMON, Edit, Event, Labels, TweetKey
from umt_core.corrections.exchange.patch import Change, Triples
from umt_core.corrections.exchange.rows import REFUSE, Care, Problem, Row
from umt_core.corrections.fold import Standing
from umt_core.errors import DataError
from umt_core.schema import Example, Span

Spans = tuple[Span, ...] | None  # None: not labelled


@dataclass(frozen=True, slots=True)
class Conflict:
    """A tweet that was changed in the file and in the store, and not to the same."""

    where: str
    tweet: str
    base: Spans
    store: Spans
    file: Spans

    def __str__(self) -> str:
        said = f"the file says {_said(self.file)}, the store {_said(self.store)}, both began from {_said(self.base)}"
        return f"{self.where}: tweet {self.tweet!r} was changed on both sides: {said}"


def _said(spans: Spans) -> str:
    if not spans:
        return "nothing" if spans is None else "no entity"
    return ", ".join(f"{s.start}:{s.end} {s.label}" for s in spans)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file says of a tweet of the data set."""

    where: str
    tweet: str
    spans: Spans


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will do, and what it leaves."""

    edits: tuple[Edit, ...]
    conflicts: tuple[Conflict, ...]
    problems: tuple[Problem, ...]
    same: int  # tweets that say what the store says
    older: int  # tweets that the file has as they were before somebody changed them in the store; they stay


def plan_import(
    rows: Iterable[Row | Change | Problem],
    data: str,
    examples: Mapping[str, Example],
    now: Mapping[TweetKey, Labels],
    *,
    author: str,
    reason: str,
    base: Mapping[TweetKey, Labels] | None = None,
    overwrite: bool = False,
) -> Plan:
    """What to store of the rows of a file (of a patch: its changes) about the tweets of a data set.

    Args:
        examples: the data set's tweets, by id.
        now: the labels in the store.
        base: those in the store when the file was written; by default none were.
        overwrite: take the file's labels where both sides changed a tweet.
    """
    edits: list[Edit] = []
    conflicts: list[Conflict] = []
    problems: list[Problem] = []
    same = older = 0
    for claim in (_claim(row, examples) for row in rows):
        if isinstance(claim, Problem):
            problems.append(claim)
            continue
        if claim.spans is None:
            continue  # the file does not label it
        key = TweetKey(data, claim.tweet)
        own = _sorted(examples[claim.tweet].spans)
        store, began = _said_by(now, key, own), _said_by(base or {}, key, own)
        stands = now.get(key, Labels())
        last = own if stands.spans is None else _sorted(stands.spans)  # before a skip, if it was skipped
        if claim.spans == store:
            same += 1
        elif claim.spans in (began, last):
            older += 1
        elif store == began or overwrite:
            edits.append(Edit(key, "set", author, last or (), claim.spans, stands.revision, reason=reason))
        else:
            conflicts.append(Conflict(claim.where, claim.tweet, began, store, claim.spans))
    return Plan(tuple(edits), tuple(conflicts), tuple(problems), same, older)


def _said_by(labels: Mapping[TweetKey, Labels], key: TweetKey, own: Spans) -> Spans:
    """A tweet's labels in a store, else its own."""
    found = labels.get(key, Labels())
    return own if found.spans is None or found.skipped else _sorted(found.spans)


def _sorted(spans: Spans) -> Spans:
    return None if spans is None else tuple(sorted(spans))


def _claim(row: Row | Change | Problem, examples: Mapping[str, Example]) -> Claim | Problem:
    if isinstance(row, Problem):
        return row
    name, where = row.tweet if isinstance(row, Change) else row.example.id, row.where
    known = examples.get(name)
    if known is None:
        return Problem(where, f"wanted a tweet of the data set, got {name!r}, which is not in it")
    if isinstance(row, Row):
        if row.example.tokens != known.tokens:
            return Problem(where, f"wanted the tokens that the data set has, got {_difference(row.example, known)}")
        return Claim(where, name, _sorted(row.example.spans))
    try:
        before, after = (_checked(spans, len(known.tokens)) for spans in (row.before, row.after))
    except DataError as error:
        return Problem(where, str(error))
    if before != _sorted(known.spans):
        return Problem(where, f"wanted what the data set says of {name!r} as before, got other entities")
    return Claim(where, name, after)


def _difference(row: Example, known: Example) -> str:
    """Where tokens begin to differ."""
    if len(row.tokens) != len(known.tokens):
        return f"{len(row.tokens)} in place of {len(known.tokens)}"
    at = next(i for i, (a, b) in enumerate(zip(row.tokens, known.tokens, strict=True)) if a != b)
    return f"{row.tokens[at][:40]!r} in place of {known.tokens[at][:40]!r}"


def _checked(spans: Triples | None, length: int) -> Spans:
    """Spans of a patch held against the tweet's tokens (``DataError``: what is wrong with them)."""
    if spans is None:
        return None
    care = Care(REFUSE)
    found = care.spans(spans, length)
    if care.complaints:
        raise DataError(care.complaints[0])
    return found


def labels_at(events: Iterable[Event], number: int) -> dict[TweetKey, Labels]:
    """The labels that stood after an event, by all events from the first on."""
    found: dict[TweetKey, Labels] = {}
    standing: dict[TweetKey, Standing] = {}
    skips: dict[int, bool] = {}  # by an event's number, whether its tweet is skipped after it
    for event in _until(events, number):
        if event.track == COMMON:
            answers = standing.setdefault(event.key, Standing())
            before = found.get(event.key, Labels()).skipped
            skips[event.number] = _is_skipped(event, before, answers, skips)
            answers.take(event, skipped=skips[event.number])
            found[event.key] = Labels(event.after, event.number, skips[event.number], event.author)
    return found


def _is_skipped(event: Event, before: bool, answers: Standing, skips: Mapping[int, bool]) -> bool:
    """Whether a tweet is skipped after an event, which does not say so itself."""
    if event.action in ("undo", "redo"):
        return answers.after(event.action, event.of).skipped
    if event.action == "restore":
        return skips.get(event.of, False)
    return event.action == "skip" or (event.action == "comment" and before)


def _until(events: Iterable[Event], number: int) -> Iterator[Event]:
    for event in events:
        if event.number > number:
            return
        yield event
