"""What a session has on its desk: a queue, the place in it, and what its actions became."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from app import access, corrections, markup, sets, tables
from app.corrections import OWN_LABELS, Tweets, credit, found_by_systems, remember
from app.panels import correct_payload
from app.panels.correct_payload import Action, Message
from umt_core.access.users import Role
from umt_core.analysis.sets import PredictionSet
from umt_core.corrections.events import BLIND, COMMON, GOLD, BadEditError, ConflictError, Edit, Event, Labels, TweetKey
from umt_core.corrections.fold import Standing
from umt_core.corrections.second_opinion import ADJUDICATION, Case, cases
from umt_core.corrections.store import Store
from umt_core.errors import StoreError
from umt_core.schema import Example, Span

IN_FILE_ORDER = "file"  # the queue of all tweets
BEHIND, AHEAD = 2, 12  # tweets that the editor has beside the one in view
PICTURES_AHEAD = 3
FEW = 50  # tweets that are asked about one by one: of more, an import, all are read at once
Answer = dict[str, Any]


@dataclass(eq=False)
class Desk:
    """A queue of one split's tweets. Of one session, which changes it."""

    name: str  # of the queue, with all that it depends on
    queue: str  # its kind
    tweets: Tweets
    ids: list[str]
    author: str
    track: str = COMMON
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a tweet is in the queue
    notes: tuple[str, ...] = ()  # lines on the queue as a whole
    cases: Mapping[str, Case] = field(default_factory=dict)  # what people say of tweets that they read differently
    decided: set[str] = field(default_factory=set)  # of the cases
    noted: bool = False  # whether the store knows which file this is
    place: int = 0
    born: str = field(default_factory=lambda: secrets.token_hex(4))  # tells it from others of the same name
    jump: int = 0  # rises where the editor is to go to ``place``
    labels: dict[str, Labels] = field(default_factory=dict)  # of tweets with events
    standing: dict[str, Standing] = field(default_factory=dict)  # answers to each that nobody has undone
    seen: int = 0  # the last event that ``labels`` knows
    built: int = 0  # the last event that ``cases`` know
    found: PredictionSet | None = None  # whose predictions ``by_systems`` holds
    by_systems: dict[str, dict[str, tuple[Span, ...]]] = field(default_factory=dict)

    @property
    def tweet(self) -> str:
        return self.ids[self.place]

    @property
    def key(self) -> TweetKey:
        return TweetKey(self.tweets.name, self.tweet)

    def refresh(self, store: Store) -> None:
        """Takes in what was stored since, by anybody."""
        touched: set[TweetKey] = set()
        doubtful: set[str] = set()
        seen = self.seen
        for event in store.events(data=self.tweets.name, after=self.seen):
            seen = event.number
            if event.track == self.track and (self.track == COMMON or event.author == self.author):
                touched.add(event.key)
                self.standing.setdefault(event.key.tweet, Standing()).take(event)
            if event.key.tweet in self.cases and event.number > self.built:
                doubtful.add(event.key.tweet)
        self.labels |= self._labels(store, touched)
        self.decided = (self.decided - doubtful) | self._decided(store, doubtful)
        self.seen = seen  # only now: what could not be read is read again

    def _labels(self, store: Store, touched: Collection[TweetKey]) -> dict[str, Labels]:
        if len(touched) <= FEW:
            return {key.tweet: store.labels(key, track=self.track, author=self.author) for key in touched}
        every = store.current(self.tweets.name, track=self.track, author=self.author)
        return {key.tweet: every[key] for key in touched}

    def _decided(self, store: Store, doubtful: set[str]) -> set[str]:
        data, few = self.tweets.name, len(doubtful) <= FEW
        found = [case for one in doubtful for case in cases(store, data, one)] if few else cases(store, data)
        return {case.key.tweet for case in found if case.decision} & doubtful

    def by(self, identity: str) -> str:
        """Whose the labels are, not who undid others; "": nobody's."""
        standing = self.standing.get(identity)
        return standing.author if standing else ""

    def spans(self, identity: str) -> tuple[Span, ...]:
        """The labels as they stand."""
        spans = self.labels.get(identity, Labels()).spans
        return self.tweets.own_labels(identity) if spans is None else spans

    def adjudicate(self, store: Store) -> None:
        """Makes the queue of tweets that people read differently."""
        self.built = store.last()
        found = {case.key.tweet: case for case in cases(store, self.tweets.name)}
        self.cases = {identity: case for identity, case in found.items() if identity in self.tweets.examples}
        self.ids = list(self.cases)
        self.decided = {identity for identity, case in self.cases.items() if case.decision is not None}
        self.reasons = {
            identity: " and ".join(answer.author for answer in case.answers) + " differ"
            for identity, case in self.cases.items()
        }

    def done(self, identity: str) -> bool:
        if identity in self.cases:
            return identity in self.decided
        labels = self.labels.get(identity, Labels())
        return labels.spans is not None and not labels.skipped

    def skipped(self, identity: str) -> bool:
        return self.labels.get(identity, Labels()).skipped and identity not in self.decided

    def systems(self, found: PredictionSet) -> dict[str, dict[str, tuple[Span, ...]]]:
        """What the systems found, at least in the tweets that the editor has (``DataError`` if that cannot be read)."""
        if found is not self.found:
            self.found, self.by_systems = found, {}
        wanted = [self.ids[place] for place in window(self)]
        if missing := [identity for identity in wanted if identity not in self.by_systems]:
            self.by_systems |= found_by_systems(found, self.tweets, missing)
        return self.by_systems

    def visit(self, identity: str) -> None:
        """Goes to a tweet; one that is not in the queue is put in beside the one in view."""
        if identity not in self.ids:
            self.ids.insert(self.place + 1 if self.ids else 0, identity)
        self.place = self.ids.index(identity)
        self.jump += 1

    def follow(self, message: Message) -> None:
        """Takes over where the editor is: it goes on by itself."""
        if message.queue != self.name:
            return
        if message.tweet in self.ids:
            self.place = self.ids.index(message.tweet)
        elif not message.tweet and message.place < len(self.ids):  # so far ahead that it does not know the tweet
            self.place = message.place


# --- what was done -------------------------------------------------------------------------------


@dataclass(eq=False)
class Answers:
    """What became of a session's actions, by nonce."""

    of: dict[str, Answer] = field(default_factory=dict)
    revisions: dict[tuple[TweetKey, str], int] = field(default_factory=dict)  # by tweet and track: of our last event
    elsewhere: tuple[TweetKey, str] | None = None  # a tweet of another data set or track to go to
    born: str = field(default_factory=lambda: secrets.token_hex(4))  # tells the session from others

    def take(self, message: Message, store: Store | None, desk: Desk, *, again: bool) -> bool:
        """Does what is new in a message; whether something was. ``again``: also what could not be stored.

        What a person did to a tweet waits for what they did to it before: alone it would seem to meet another answer.
        """
        answers: dict[str, Answer] = {nonce: {"line": line} for nonce, line in message.refused.items()}
        # What was stored before its data set went away has its answer.
        answers |= {nonce: self.of.get(nonce, {"error": line, "away": True}) for nonce, line in message.away.items()}
        failed: dict[tuple[TweetKey, str, str], Answer] = {}
        new = False
        for action in message.actions:
            known, of = self.of.get(action.nonce), (action.key, action.track, action.author)
            if known is None or (again and "error" in known):
                known = failed.get(of) or self._do(action, store, desk)
                new = True
            answers[action.nonce] = known
            if "error" in known:
                failed[of] = known
        self.of = answers
        return new

    def _do(self, action: Action, store: Store | None, desk: Desk) -> Answer:
        if line := _refusal(action):
            return {"error": line}
        if store is None:
            return {"error": "the store of corrections cannot be written."}
        try:
            if action.kind in correct_payload.STEPS:
                return self._step(action, store, desk)
            if not desk.noted:
                remember(store, desk.tweets)
                desk.noted = True
            place = (action.key, action.track)
            event = store.append(
                Edit(
                    action.key,
                    action.kind,
                    action.author,
                    action.before,
                    action.after,
                    # Of keys that are pressed faster than they are stored each builds on the one before.
                    revision=max(action.revision, self.revisions.get(place, 0)),
                    base=action.base,
                    reason=action.text,
                    track=action.track,
                    nonce=action.nonce,
                )
            )
            self.revisions[place] = event.number
        except ConflictError as error:
            return {"conflict": _conflict(error, action, desk)}
        except BadEditError as error:  # an answer for good: else the editor would send it for ever
            return {"line": f"Not stored: {error}."}
        except StoreError as error:
            return {"error": str(error)}
        return {"event": event.number}

    def _step(self, action: Action, store: Store, desk: Desk) -> Answer:
        undo = action.kind == "undo"
        about = store.undoable(action.author) if undo else store.redoable(action.author)
        event = None
        if about is not None and about.number == action.number:
            take_back = store.undo if undo else store.redo
            event = take_back(action.author, keep=action.keep, expected=about.number)  # a window may come between
        if about is None or event is None:  # sent a second time, or another window was first
            done = "undone" if undo else "done again"
            return {"line": f"It is {done} already, or you have done something else since, in another window."}
        self.revisions[event.key, event.track] = event.number
        if event.track in (COMMON, desk.track):
            self.lead(event.key, event.track, desk)
        return {"event": event.number, "line": f"{'Undone' if undo else 'Done again'}: {told(about, desk.tweets)}."}

    def lead(self, key: TweetKey, track: str, desk: Desk) -> None:
        """Goes to a tweet, or notes that the page is to: another data set or track has another desk."""
        if (key.data, track) == (desk.tweets.name, desk.track) and key.tweet in desk.tweets.examples:
            desk.visit(key.tweet)
        else:
            self.elsewhere = key, track


def _refusal(action: Action) -> str:
    """Why who is signed in may not store an action; "": they may. The browser keeps what is not stored."""
    if line := access.why_not(Role.ANNOTATE):
        return f"{line}."
    name = access.author()
    if name and action.author != name:
        return f"{action.author} did that in this browser, and {name} is signed in: it is stored once they are again."
    return ""


def _conflict(error: ConflictError, action: Action, desk: Desk) -> Answer:
    theirs = error.theirs
    author = theirs.author or "somebody"
    who = "You, in another window," if author == action.author else author
    if action.kind in correct_payload.STEPS:
        return {"line": f"{who} changed that tweet after you, so your step there was left as it is."}
    of = desk.tweets if action.key.data == desk.tweets.name else corrections.tweets(sets.sources()[action.key.data])
    spans = of.own_labels(action.key.tweet) if theirs.spans is None else theirs.spans
    return {
        "line": f"{who} changed this tweet while you did.",
        "of": tables.data_set_title(action.key.data),
        "author": author,
        "spans": span_lists(spans),
        "revision": theirs.revision,
    }


def labels_line(desk: Desk, identity: str, spans: tuple[Span, ...]) -> str:
    """Labels in words."""
    example = desk.tweets.examples[identity]
    return ", ".join(f"{span.label} “{surface(example, span)}”" for span in spans) or "no entity"


def told(event: Event, tweets: Tweets) -> str:
    """An event in words, short."""
    if event.action in ("skip", "comment"):
        return event.action
    if event.action == "accept":
        return f"accepted {base_title(event.base)}"
    before, after = set(event.before or ()), set(event.after or ())
    example = tweets.examples.get(event.key.tweet) if event.key.data == tweets.name else None

    def words(spans: set[Span]) -> str:
        return ", ".join(
            f"{span.label} “{surface(example, span)}”" if example else span.label for span in sorted(spans)
        )

    if event.base == ADJUDICATION:
        return f"decided: {words(after) or 'no entity'}"
    if event.before is None or before == after:
        return "labels confirmed"
    if not before - after:
        return f"+ {words(after - before)}"
    if not after - before:
        return f"− {words(before - after)}"
    return f"{words(before - after)} → {words(after - before)}"


def surface(example: Example, span: Span) -> str:
    return markup.shown_words(example.tokens[span.start : span.end])


def base_title(base: str) -> str:
    return OWN_LABELS if base == GOLD else tables.checkpoint_title(base)


# --- what the editor draws -----------------------------------------------------------------------


def span_lists(spans: Sequence[Span]) -> list[list[Any]]:
    return [[span.start, span.end, span.label] for span in spans]


def window(desk: Desk) -> range:
    """Places of the tweets that the editor has."""
    return range(max(0, desk.place - BEHIND), min(len(desk.ids), desk.place + AHEAD + 1))


def pictured(desk: Desk) -> list[str]:
    """The tweets whose pictures the editor is to have, the one in view first."""
    last = min(len(desk.ids), desk.place + PICTURES_AHEAD + 1)
    return desk.ids[desk.place : last] + desk.ids[max(0, desk.place - 1) : desk.place]


def item(desk: Desk, place: int, systems: Mapping[str, tuple[Span, ...]], titles: Mapping[str, str]) -> dict[str, Any]:
    """One tweet as the editor draws it. ``systems``: what each found in it."""
    identity = desk.ids[place]
    example = desk.tweets.examples[identity]
    labels, words = desk.labels.get(identity, Labels()), [markup.visible(token) for token in example.tokens]
    rows = [(run, titles.get(run, run), spans) for run, spans in systems.items()]
    if desk.track != BLIND and (own := example.spans) is not None:
        rows.insert(0, (GOLD, "Data set", own))
    base = GOLD
    if (case := desk.cases.get(identity)) is not None:
        base = ADJUDICATION
        rows = [(base, answer.author, answer.spans) for answer in case.answers]
    first = 0 if rows and rows[0][0] == GOLD else 1
    skipped, by = desk.skipped(identity), desk.by(identity)
    answered = desk.done(identity) or skipped
    return {
        "place": place,
        "id": identity,
        "words": words,
        "tight": _tight(example),
        "rtl": markup.right_to_left(words),
        "spans": span_lists(desk.spans(identity)),
        "revision": labels.revision,
        "answered": "" if not answered else "mine" if by and by == desk.author else "other",
        "by": by or "somebody",
        "base": base,
        "skipped": skipped,
        "reason": desk.reasons.get(identity, ""),
        "picture": "",
        "credit": credit(desk.tweets.name, identity),
        "systems": [
            {"name": run, "title": title, "key": str(i) if i < 10 else "", "spans": span_lists(spans)}
            for i, (run, title, spans) in enumerate(rows, first)
        ],
    }


def _tight(example: Example) -> list[int]:
    """The words after which the tweet's text has no space."""
    offsets = example.offsets or ()
    return [i for i, (here, after) in enumerate(pairwise(offsets)) if here[1] == after[0]]


# --- how far it is -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    total: int
    done: Mapping[str, int]  # by author
    skipped: int

    @property
    def all_done(self) -> int:
        return sum(self.done.values())


def progress(desk: Desk) -> Progress:
    """How many of the queue's tweets are done, and by whom."""
    done: dict[str, int] = {}
    for identity in desk.ids:
        if desk.done(identity):
            author = desk.by(identity)
            done[author] = done.get(author, 0) + 1
    order = sorted(done.items(), key=lambda pair: (-pair[1], pair[0]))
    return Progress(len(desk.ids), dict(order), sum(map(desk.skipped, desk.ids)))
