"""What the benchmark plants, and how it counts what is found."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks.label_errors import (
    DOCS,
    KINDS,
    MARKS,
    RESULTS,
    Planted,
    markdown,
    plant,
    put_into_docs,
    recalls,
    span_recalls,
    tweet_order,
)
from tests.core.fabricated import random_tweets
from umt_core.schema import Span
from umt_core.spans import spans_to_tags

TWEETS = random_tweets(200, seed=4)
SPANS = sum(len(e.spans) for e in TWEETS)


def test_as_many_errors_are_planted_as_were_asked_for_a_quarter_of_each_kind():
    made, planted = plant(TWEETS, 0.1, seed=1)
    kinds = Counter(p.kind for p in planted)
    assert len(planted) == round(0.1 * SPANS)
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert set(kinds) == set(KINDS)
    assert [e.id for e in made] == [e.id for e in TWEETS]
    assert [e.tokens for e in made] == [e.tokens for e in TWEETS]
    for example in made:
        spans_to_tags(example.spans, len(example.tokens))  # none overlaps, none lies outside


def test_an_error_is_what_it_is_called_and_nothing_else_is_changed():
    made, planted = plant(TWEETS, 0.05, seed=2)
    for tweet, (before, after) in enumerate(zip(TWEETS, made, strict=True)):
        here = [p for p in planted if p.tweet == tweet]
        gone, new = set(before.spans) - set(after.spans), set(after.spans) - set(before.spans)
        for p in here:
            inside = [{s for s in spans if p.start <= s.start and s.end <= p.end} for spans in (gone, new)]
            old, now = (next(iter(spans), None) for spans in inside)
            match p.kind:
                case "type swapped":
                    assert (old.start, old.end) == (now.start, now.end) == (p.start, p.end)
                    assert old.label != now.label
                case "span shortened":
                    assert (old.end - old.start) - (now.end - now.start) == 1
                    assert old.label == now.label
                case "span dropped":
                    assert (old, now) == (Span(p.start, p.end, old.label), None)
                case "span invented":
                    assert (old, now) == (None, Span(p.start, p.end, now.label))
        assert len(gone | new) == sum(1 + (p.kind in KINDS[:2]) for p in here)


def test_the_same_seed_plants_the_same():
    assert plant(TWEETS, 0.05, seed=3) == plant(TWEETS, 0.05, seed=3) != plant(TWEETS, 0.05, seed=4)


def test_recall_counts_errors_in_the_first_tweets():
    planted = [Planted(0, "", 0, 1), Planted(0, "", 3, 4), Planted(7, "", 0, 1), Planted(30, "", 0, 1)]
    order = [7, *range(7), *range(8, 40)]
    assert recalls(order, planted) == {"0.05": 0.75, "0.1": 0.75, "0.2": 0.75}
    assert recalls(list(range(40)), planted) == {"0.05": 0.5, "0.1": 0.5, "0.2": 0.75}
    assert recalls(list(range(40))[::-1], planted)["0.2"] == 0.0


def test_recall_by_spans_wants_the_right_place_in_the_tweet():
    planted = [Planted(0, "", 2, 4), Planted(1, "", 0, 1)]
    found = [(0, 0, 2), (1, 0, 3), (0, 3, 5)]
    assert span_recalls(found, planted, spans=10) == {"0.05": 0.0, "0.1": 0.0, "0.2": 0.5}
    assert span_recalls(found, planted, spans=20) == {"0.05": 0.0, "0.1": 0.5, "0.2": 1.0}


def test_tweets_that_are_not_suspected_follow_those_that_are():
    order = tweet_order([(3, 0.2), (1, 0.9), (3, 0.95)], tweets=6, seed=0)
    assert order[:2] == [3, 1]
    assert sorted(order) == list(range(6))
    assert order[2:] != tweet_order([(3, 0.2), (1, 0.9), (3, 0.95)], tweets=6, seed=5)[2:]


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_few_errors_are_planted_too(share):
    assert len(plant(TWEETS, share, seed=0)[1]) == round(share * SPANS)


def test_the_page_tells_the_results_as_they_were_written():
    text = DOCS.read_text(encoding="utf-8")
    if not RESULTS.exists():
        assert text.split(MARKS[0])[1].split(MARKS[1])[0].strip() == "", "figures without a run"
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert markdown(results) in text
    assert put_into_docs(text, results) == text
