"""The store against a plain model of it in Python: whatever several authors do, in whatever order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umt_core.corrections.events import BLIND, COMMON, ConflictError, Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.schema import Span

AUTHORS, TWEETS = ("ann", "ben", "cleo"), ("1", "2")
CHOICES = ((), (Span(0, 1, "PER"),), (Span(0, 2, "LOC"), Span(3, 4, "ORG")))
NOTHING = (None, False)  # spans, skipped


@dataclass
class Action:
    """Something an author did, and the labels it left."""

    number: int
    track: tuple[str, str, str]
    kind: str
    author: str
    spans: tuple[Span, ...] | None
    after: tuple


@dataclass
class Model:
    """Labels by track, and for each author a list of actions that stand and a list of those taken back."""

    labels: dict = field(default_factory=dict)
    numbers: dict = field(default_factory=dict)  # of the last event of a track
    done: dict = field(default_factory=lambda: {author: [] for author in AUTHORS})
    undone: dict = field(default_factory=lambda: {author: [] for author in AUTHORS})

    def act(self, number, author, kind, track, spans):
        before = self.labels.get(track, NOTHING)
        after = {"skip": (before[0], True), "comment": before}.get(kind, (spans, False))
        action = Action(number, track, kind, author, spans, after)
        self.done[author].append(action)
        self.undone[author].clear()
        self._put(track, after, number)

    def _put(self, track, labels, number):
        self.labels[track], self.numbers[track] = labels, number

    def in_the_way(self, action):
        """Whether another author has answered since, and that stands: to move the answer would change no labels."""
        return action.kind != "comment" and any(
            a.author != action.author and a.number > action.number for a in self._standing(action.track)
        )

    def move(self, number, author, source, target):
        """Takes the last action of one list back, or does it again, and puts it on the other."""
        action = source[author].pop()
        target[author].append(action)
        standing = self._standing(action.track)
        told = [a for a in standing if a.kind != "skip"]
        spans, skipped = (told[-1].after[0] if told else None), bool(standing) and standing[-1].after[1]
        self._put(action.track, self.labels[action.track] if action.kind == "comment" else (spans, skipped), number)

    def _standing(self, track):
        answers = [a for actions in self.done.values() for a in actions if a.track == track and a.kind != "comment"]
        return sorted(answers, key=lambda a: a.number)

    def opinions(self):
        found: dict = {}
        for author in AUTHORS:
            for action in sorted(self.done[author], key=lambda a: a.number):
                if action.kind != "comment":
                    given = None if action.kind == "skip" else action.spans
                    found.setdefault(TweetKey(*action.track[:2]), {})[author] = given
        spans = {key: {a: s for a, s in by.items() if s is not None} for key, by in found.items()}
        return {key: by for key, by in spans.items() if by}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "accept", "skip", "comment", "undo", "undo", "redo", "restore", "stale"]),
        st.sampled_from(AUTHORS),
        st.sampled_from(TWEETS),
        st.sampled_from(CHOICES),
        st.sampled_from([COMMON, COMMON, COMMON, BLIND]),
        st.integers(0, 10),
    ),
    max_size=40,
)


@pytest.mark.parametrize("examples", [pytest.param(15, id="few"), pytest.param(150, id="many", marks=pytest.mark.slow)])
def test_the_store_says_what_the_model_says(store, store_url, examples):
    fresh = itertools.count()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(STEPS)
    def play(steps):
        run = f"{next(fresh)}/test"  # tweets and authors of its own, in the one store
        model = Model()
        for step in steps:
            _take(store, model, run, *step)
            _compare(store, model, run)
        with Store(store_url) as opened_again:
            _compare(opened_again, model, run)
        assert store.current(run) == {
            TweetKey(data, tweet): store.labels(TweetKey(data, tweet))
            for data, tweet, author in model.labels
            if not author
        }
        plain = {key: {_plain(a): s for a, s in by.items()} for key, by in store.opinions(run).items()}
        assert plain == model.opinions()

    play()
    assert store.verify() == store.count()


def _named(author, run):
    return f"{author} of {run}"


def _plain(name):
    return name.split(" of ")[0]


def _take(store, model, run, kind, author, tweet, spans, track, chance):
    """One step in both; that they refuse it for the same reasons is part of what is compared."""
    key, name = TweetKey(run, tweet), _named(author, run)
    where = (run, tweet, author if track == BLIND else "")
    if kind in ("undo", "redo"):
        source, target = (model.done, model.undone) if kind == "undo" else (model.undone, model.done)
        move, keep = getattr(store, kind), chance > 7
        if not source[author]:
            assert move(name) is None
        elif model.in_the_way(source[author][-1]) and not keep:
            with pytest.raises(ConflictError):
                move(name)
        else:
            event = move(name, keep=keep)
            assert event.of == source[author][-1].number
            model.move(event.number, author, source, target)
        return
    now, revision = model.labels.get(where, NOTHING), model.numbers.get(where, 0)
    if kind == "restore":
        revision = model.numbers.get((run, tweet, ""), 0)
        versions = [event.number for event in store.history(key)]
        event = store.restore(key, ([0, *versions])[chance % (len(versions) + 1)], name, revision=revision)
        skipped = store.labels(key).skipped
        model.act(event.number, author, kind, (run, tweet, ""), event.after)
        model.done[author][-1].after = model.labels[run, tweet, ""] = (event.after, skipped)
        return
    before = now[0] if now[0] is not None else ()
    action = "set" if kind == "stale" else kind
    edit = Edit(key, action, name, before, spans, revision - (kind == "stale"), track=track, reason="why")
    if kind == "stale":
        with pytest.raises(ConflictError):
            store.append(edit)
        return
    model.act(store.append(edit).number, author, kind, where, spans)


def _compare(store, model, run):
    for (data, tweet, author), labels in model.labels.items():
        track = BLIND if author else COMMON
        found = store.labels(TweetKey(data, tweet), track=track, author=_named(author, run) if author else "")
        assert (found.spans, found.skipped) == labels
        assert found.revision == model.numbers[data, tweet, author]
    for author in AUTHORS:
        for ask, actions in ((store.undoable, model.done), (store.redoable, model.undone)):
            event = ask(_named(author, run))
            assert (event.number if event else None) == (actions[author][-1].number if actions[author] else None)
