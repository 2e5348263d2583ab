"""Tweets without labels in a prediction set: they are predicted and shown, and no figure counts them."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace

import pytest

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, add_run, like, predictions_of, random_tweets, run_info
from umt_core.analysis import tables
from umt_core.analysis.browse import browse, export
from umt_core.analysis.building import build_set
from umt_core.analysis.query import Query
from umt_core.analysis.sets import SET, PredictionSet
from umt_core.data.jsonl import parse_jsonl, write_jsonl
from umt_core.errors import DataError
from umt_core.schema import Summary

TWEETS = random_tweets(90, seed=3)
BARE = {example.id for example in TWEETS[::3]}


def made(folder, examples):
    write_jsonl(folder / "own" / "tweets.jsonl", examples)
    found = build_set(folder / "own" / "tweets.jsonl", root=folder / "sets")
    for seed, name in enumerate((TEXT_ONLY, WITH_IMAGES)):
        spans = [said(name, example) for example in examples]
        predictions = [predictions_of([e], [s], seed)[0] for e, s in zip(examples, spans, strict=True)]
        found = add_run(found, run_info(found, name), predictions, [Summary(0.5) for _ in examples])
    return found


def said(name, example):
    """What a system says of a tweet, whichever others there are."""
    gold = next(tweet.spans for tweet in TWEETS if tweet.id == example.id)
    return like(random.Random(f"{name} {example.id}"), gold, len(example.tokens))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> PredictionSet:
    examples = [replace(example, spans=None) if example.id in BARE else example for example in TWEETS]
    return made(tmp_path_factory.mktemp("mixed"), examples)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> PredictionSet:
    return made(tmp_path_factory.mktemp("labelled"), [example for example in TWEETS if example.id not in BARE])


def test_every_figure_is_that_of_the_labelled_tweets_alone(mixed, labelled):
    assert (mixed.info.tweets, mixed.info.unlabelled, mixed.info.labelled) == (90, 30, 60)
    assert (labelled.info.tweets, labelled.info.unlabelled) == (60, 0)
    assert mixed.info.gold == labelled.info.gold
    for function, arguments in (
        (tables.score_rows, ()),
        (tables.pair_rows, ()),
        (tables.error_rows, ()),
        (tables.confusion_rows, (WITH_IMAGES,)),
        *((tables.slice_rows, (by,)) for by in ("words", "entities", "image")),
    ):
        more = {"resamples": 50} if function in (tables.score_rows, tables.pair_rows) else {}
        assert function(mixed, *arguments, **more) == function(labelled, *arguments, **more), function
    assert tables.score_rows(mixed, strict=True, resamples=9) == tables.score_rows(labelled, strict=True, resamples=9)


def test_what_was_predicted_is_shown_without_a_judgement(mixed):
    rows = {row["id"]: row for row in browse(mixed, Query(), size=200).rows}
    assert {identity for identity, row in rows.items() if row["entities"] is None} == BARE
    bare = [row for identity, row in rows.items() if identity in BARE]
    assert all(row["gold"] == [] for row in bare)
    shown = [span for row in bare for span in row["predictions"][TEXT_ONLY]]
    wanted = [span for example in TWEETS if example.id in BARE for span in said(TEXT_ONLY, example)]
    assert len(shown) == len(wanted) > 20
    assert {span["error"] for span in shown} == {None}


def test_filters_on_outcomes_and_errors_find_no_tweet_without_labels(mixed):
    for query in (Query(outcome=("spurious_added",)), Query(error=("spurious",)), Query(entities=(0, None))):
        found = browse(mixed, query, size=200).rows
        assert found
        assert not {row["id"] for row in found} & BARE


def test_exports_keep_what_is_labelled_and_what_is_not_apart(mixed):
    lines = "".join(export(mixed, Query(), "jsonl")).splitlines()
    assert {e.id for e in parse_jsonl(lines) if e.spans is None} == BARE
    text = "".join(export(mixed, Query(), "conll"))
    assert text.count("IMGID:") == 60
    rows = list(csv.DictReader(io.StringIO("".join(export(mixed, Query(), "csv")))))
    assert {row["error"] for row in rows if row["id"] in BARE} == {"not labelled"}
    assert not [row for row in rows if row["id"] not in BARE and row["error"] == "not labelled"]


def test_a_set_without_any_label_has_predictions_and_says_that_there_is_nothing_to_score(tmp_path):
    found = made(tmp_path, [replace(example, spans=None) for example in TWEETS[:5]])
    assert found.info.labelled == 0
    assert browse(found, Query()).tweets == 5
    with pytest.raises(DataError, match="wanted at least one labelled tweet"):
        tables.score_rows(found)


def test_a_set_of_before_counts_all_of_its_tweets_as_labelled(labelled):
    path = labelled.folder / SET
    values = json.loads(path.read_text())
    del values["unlabelled"]
    path.write_text(json.dumps(values))
    assert PredictionSet.open(labelled.folder).info.labelled == 60
