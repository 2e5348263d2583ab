"""Agreement between people, by other libraries; who has answered what, after every kind of action; adjudication."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score

from tests.core.fabricated import like, random_spans
from umt_core.corrections.events import BLIND, COMMON, ConflictError, Edit, TweetKey
from umt_core.corrections.second_opinion import ADJUDICATION, Answer, agreements, answers, cases, cohen_kappa, decide
from umt_core.corrections.store import Store
from umt_core.schema import Span
from umt_core.spans import spans_to_tags

DATA = "made/tweets"
KEY = TweetKey(DATA, "t0")
PER, LOC, ORG = Span(0, 1, "PER"), Span(0, 1, "LOC"), Span(2, 4, "ORG")


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as opened:
        yield opened


def say(store: Store, author: str, *spans: Span, key: TweetKey = KEY, track: str = COMMON, action: str = "set"):
    now = store.labels(key, track=track, author=author)
    after = spans if action != "skip" else now.spans or ()
    return store.append(Edit(key, action, author, now.spans or (), after, now.revision, track=track))


def said(store: Store, key: TweetKey = KEY) -> dict[str, tuple[Span, ...]]:
    return {author: answer.spans for author, answer in answers(store, DATA).get(key, {}).items()}


# --- agreement -----------------------------------------------------------------------------------


def made_answers(seed: int, tweets: int = 40) -> tuple[dict, dict]:
    rng = random.Random(seed)
    given, lengths = {}, {}
    for i in range(tweets):
        key, length = TweetKey(DATA, f"t{i}"), rng.randint(1, 20)
        first = random_spans(rng, length)
        lengths[key] = length
        given[key] = {
            author: Answer(author, spans, 2 * i + place, "")
            for place, (author, spans) in enumerate((("ann", first), ("bob", like(rng, first, length))))
        }
    return given, lengths


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn_and_f1_that_of_seqeval(seed):
    from seqeval.metrics import f1_score

    given, lengths = made_answers(seed)
    (found,) = agreements(given, lengths)
    tags = [
        [spans_to_tags(by_author[author].spans, lengths[key]) for key, by_author in given.items()]
        for author in ("ann", "bob")
    ]
    flat = [[tag for row in side for tag in row] for side in tags]
    assert found.kappa == pytest.approx(cohen_kappa_score(*flat))
    assert found.spans.overall.f1 == pytest.approx(f1_score(*tags))
    assert found.spans.overall.f1 == pytest.approx(f1_score(*tags[::-1]))
    assert (found.first, found.second, found.tweets, found.tokens) == ("ann", "bob", 40, sum(lengths.values()))
    assert found.alike == sum(a == b for a, b in zip(*tags, strict=True))
    assert 0 < found.kappa < 1


def test_kappa_is_not_defined_where_both_use_one_tag_alone():
    assert cohen_kappa(["O", "O"], ["O", "O"]) is None
    assert cohen_kappa([], []) is None
    assert cohen_kappa(["O", "O"], ["B-PER", "O"]) == 0.0


def test_only_tweets_that_both_have_labelled_and_that_are_still_there_count():
    given, lengths = made_answers(0, tweets=4)
    keys = list(given)
    del given[keys[0]]["ann"]  # bob alone
    del lengths[keys[1]]  # gone from the data
    lengths[keys[2]] = 0  # another tweet under its id
    given[keys[2]]["ann"] = Answer("ann", (PER,), 9, "")
    (found,) = agreements(given, lengths)
    assert found.tweets == 1
    assert agreements({keys[0]: given[keys[0]]}, lengths) == []


# --- answers -------------------------------------------------------------------------------------


def test_everybody_s_last_word_counts_and_what_is_undone_does_not(store):
    say(store, "ann", PER)
    say(store, "ann", LOC)
    assert said(store) == {"ann": (LOC,)}
    store.undo("ann")
    assert said(store) == {"ann": (PER,)}
    store.redo("ann")
    assert said(store) == {"ann": (LOC,)}
    store.undo("ann")
    store.undo("ann")
    assert said(store) == {}


def test_a_blind_answer_stands_beside_the_common_one_and_a_skip_is_none(store):
    say(store, "ann", PER)
    say(store, "bob", LOC, track=BLIND)
    assert said(store) == {"ann": (PER,), "bob": (LOC,)}
    say(store, "bob", track=BLIND, action="skip")
    assert said(store) == {"ann": (PER,)}


@pytest.mark.parametrize("seed", range(2))
def test_answers_are_the_store_s_opinions_where_nobody_adjudicates(store, seed):
    rng = random.Random(seed)
    for _ in range(60):
        author, key = rng.choice(["ann", "bob"]), TweetKey(DATA, f"t{rng.randrange(4)}")
        match rng.randrange(6):
            case 0:
                store.undo(author, keep=True)
            case 1:
                store.redo(author, keep=True)
            case 2:
                say(store, author, key=key, action="skip")
            case 3:
                say(store, author, *random_spans(rng, 6), key=key, track=BLIND)
            case _:
                say(store, author, *random_spans(rng, 6), key=key)
    plain = {key: {a: answer.spans for a, answer in by.items()} for key, by in answers(store).items()}
    assert plain == store.opinions()
    assert plain


# --- adjudication --------------------------------------------------------------------------------


def test_a_case_shows_both_answers_and_where_they_differ(store):
    say(store, "ann", PER, ORG)
    say(store, "bob", LOC, ORG, track=BLIND)
    (case,) = cases(store, DATA)
    assert [(answer.author, answer.spans) for answer in case.answers] == [("ann", (PER, ORG)), ("bob", (LOC, ORG))]
    (difference,) = case.differences
    assert (difference.start, difference.end, difference.kind) == (0, 1, "type")
    assert case.decision is None


def test_who_agrees_makes_no_case(store):
    say(store, "ann", PER)
    say(store, "bob", PER, track=BLIND)
    assert cases(store) == []


def test_a_decision_is_nobody_s_answer_and_holds_until_somebody_answers_again(store):
    say(store, "ann", PER)
    say(store, "bob", LOC, track=BLIND)
    now = store.labels(KEY)
    event = decide(store, KEY, [LOC], author="bob", before=[PER], revision=now.revision, reason="a town")
    assert (event.base, store.labels(KEY).spans) == (ADJUDICATION, (LOC,))
    (case,) = cases(store)
    assert (case.decision.author, case.decision.spans) == ("bob", (LOC,))
    assert said(store) == {"ann": (PER,), "bob": (LOC,)}, "agreement stays that of independent answers"
    say(store, "ann", ORG)
    assert cases(store)[0].decision is None


def test_a_decision_that_is_undone_is_none(store):
    say(store, "ann", PER)
    say(store, "bob", LOC, track=BLIND)
    decide(store, KEY, [LOC], author="cid", before=[PER], revision=store.labels(KEY).revision)
    store.undo("cid")
    assert cases(store)[0].decision is None
    store.redo("cid")
    assert cases(store)[0].decision is not None


def test_who_skips_in_place_of_deciding_leaves_it_to_be_decided(store):
    say(store, "ann", PER)
    say(store, "bob", LOC, track=BLIND)
    now = store.labels(KEY)
    store.append(Edit(KEY, "skip", "cid", (PER,), (PER,), now.revision, base=ADJUDICATION))
    assert cases(store)[0].decision is None
    decide(store, KEY, [LOC], author="cid", before=[PER], revision=store.labels(KEY).revision)
    assert cases(store, DATA, KEY.tweet)[0].decision is not None
    assert cases(store, DATA, "t1") == []


def test_what_is_to_be_decided_comes_first(store):
    for i in range(3):
        key = TweetKey(DATA, f"t{i}")
        say(store, "ann", PER, key=key)
        say(store, "bob", LOC, key=key, track=BLIND)
    decide(store, KEY, [LOC], author="cid", before=[PER], revision=store.labels(KEY).revision)
    assert [case.key.tweet for case in cases(store)] == ["t1", "t2", "t0"]


def test_two_who_decide_at_once_are_told(store):
    say(store, "ann", PER)
    seen = store.labels(KEY).revision
    decide(store, KEY, [LOC], author="cid", before=[PER], revision=seen)
    with pytest.raises(ConflictError):
        decide(store, KEY, [PER], author="dan", before=[PER], revision=seen)
