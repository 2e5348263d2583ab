"""What a retraining reads: original, corrected and own tweets in proportion, and never what it is judged by."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.core import tiny_data
from umt_core.corrections.events import Edit, Labels, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.conll import write_conll
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples, write_jsonl
from umt_core.errors import ConfigError, DataError
from umt_core.manifest import file_sum
from umt_core.schema import Example, Span
from umt_core.train.compose import Mixture, Part, compose, correct_file, write_composition

TRAIN, VALID, TEST = (Part(f"set0/{name}") for name in ("train", "valid", "test"))
TWEETS = tiny_data.tweets()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    tiny_data.write_data(tmp_path / "data" / "set0")
    return tmp_path / "data"


def labels(**spans: tuple[Span, ...] | None) -> dict[TweetKey, Labels]:
    return {TweetKey("set0/train", tweet): Labels(found, 1) for tweet, found in spans.items()}


def ids(split) -> list[str]:
    return [tweet.key.tweet for tweet in split.tweets]


def test_corrected_tweets_come_in_with_their_new_labels_as_often_as_asked():
    new = (Span(0, 2, "MISC"),)
    found = compose(Mixture((TRAIN,), VALID, repeat=3), labels(t1=new, t4=TWEETS[4].spans, t5=None))
    train = found.splits["train"]
    assert ids(train).count("t1") == ids(train).count("t4") == 3
    assert len(train.tweets) == 12 + 2 * 2
    assert {t.example.spans for t in train.tweets if t.key.tweet == "t1"} == {new}
    assert all(t.example == TWEETS[int(t.key.tweet[1:])] for t in train.tweets if t.key.tweet != "t1")
    assert found.corrections() == {"tweets": 2, "changed": 1}  # t4 was looked at and found right
    assert found.counts() == {"train": 16, "valid": 4, "corrected": 2}


def test_a_share_takes_that_many_uncorrected_tweets_and_a_larger_one_the_same_and_more():
    fixed = labels(t3=TWEETS[3].spans, t7=())
    taken = []
    for share in (0.0, 0.2, 0.5, 1.0):
        tweets = set(ids(compose(Mixture((Part("set0/train", share),), VALID), fixed).splits["train"]))
        assert len(tweets) == 2 + round(share * 10)
        assert {"t3", "t7"} <= tweets
        taken.append(tweets)
    assert all(small <= large for small, large in pairwise(taken))
    other = compose(Mixture((Part("set0/train", 0.5),), VALID, seed=1), fixed)
    assert set(ids(other.splits["train"])) != taken[2]


def test_dev_labels_are_the_published_ones_unless_asked_and_test_labels_always():
    fixed = {TweetKey("set0/valid", "t12"): Labels((), 1), TweetKey("set0/test", "t16"): Labels((), 1)}
    for asked in (False, True):
        found = compose(Mixture((TRAIN,), VALID, TEST, correct_valid=asked), fixed)
        assert (found.splits["valid"].tweets[0].example.spans == ()) == asked
        assert found.splits["test"].tweets[0].example == TWEETS[16]


def test_without_a_dev_file_the_same_tenth_is_always_held_out(data):
    many = [Example(f"m{i}", (f"w{i}", "Oslo"), spans=(Span(1, 2, "LOC"),)) for i in range(300)]
    write_jsonl(data / "own.jsonl", many)
    held = []
    for part in (Part(str(data / "own.jsonl")), Part(str(data / "own.jsonl"), 0.6)):
        found = compose(Mixture((part, TRAIN)), {})
        held.append({t.key for t in found.splits["valid"].tweets})
        assert not held[-1] & {t.key for t in found.splits["train"].tweets}
    assert 15 < len(held[0]) < 50
    assert held[1] < held[0]  # a tweet is held out or not, whatever else is there


def test_one_tweet_to_hold_out_is_found_even_among_few(data):
    write_jsonl(data / "few.jsonl", TWEETS[:2])
    found = compose(Mixture((Part(str(data / "few.jsonl")),)), {})
    assert sorted(map(len, (found.splits["train"].tweets, found.splits["valid"].tweets))) == [1, 1]


def test_unlabelled_tweets_wait_until_somebody_labels_them(data):
    write_jsonl(data / "own.jsonl", [Example("a", ("in", "Oslo")), Example("b", ("rain",)), Example("c", ("sun",))])
    name = "data/own"  # by its folder and itself, as `corrections` has it
    fixed = {TweetKey(name, "a"): Labels((Span(1, 2, "LOC"),), 1), TweetKey(name, "b"): Labels(None, 1, skipped=True)}
    found = compose(Mixture((TRAIN, Part(str(data / "own.jsonl"))), VALID), fixed)
    assert [t.key.tweet for t in found.splits["train"].tweets if t.key.data == name] == ["a"]


def test_a_split_by_its_file_is_the_split_with_its_corrections_and_pictures(data):
    new, file = (Span(0, 2, "MISC"),), data / "set0" / "train.txt"
    by_name = compose(Mixture((TRAIN,), VALID), labels(t1=new))
    by_file = compose(Mixture((Part(str(file)),), Part(str(data / "set0" / "valid.txt"))), labels(t1=new))
    assert by_file == by_name
    assert by_file.corrections() == {"tweets": 1, "changed": 1}
    assert by_file.splits["train"].tweets[0].picture is not None
    with pytest.raises(ConfigError, match="each data set once, got set0/train again"):
        compose(Mixture((TRAIN, Part(str(file), 0.5)), VALID), {})
    # Another file that is named so has no pictures of the data set's.
    other = data / "other" / "set0" / "train.txt"
    other.parent.mkdir(parents=True)
    write_conll(other, TWEETS[:12])
    assert not any(t.picture for t in compose(Mixture((Part(str(other)),), VALID), {}).splits["train"].tweets)


def test_labels_of_a_tweet_that_was_skipped_since_are_not_trained_on(tmp_path, data):
    skipped = {TweetKey("set0/train", "t1"): Labels((Span(0, 1, "MISC"),), 2, skipped=True)}
    found = compose(Mixture((TRAIN,), VALID, repeat=3), skipped)
    assert found == compose(Mixture((TRAIN,), VALID, repeat=3), {})
    assert found.counts()["corrected"] == 0
    url = f"sqlite:///{tmp_path}/store.sqlite"
    with Store(url) as store:
        key = TweetKey("set0/train", "t1")
        first = store.append(Edit(key, "set", "ann", TWEETS[1].spans, (Span(0, 1, "MISC"),), 0))
        store.append(Edit(key, "skip", "ann", first.after, first.after, first.number))
    _, about = correct_file(data / "set0" / "train.txt", url, "set0/train", tmp_path / "out")
    assert (about["tweets"], about["changed"]) == (0, 0)


@pytest.mark.parametrize("held", ["valid", "test"])
def test_tweets_to_judge_by_are_refused_in_training_and_named(data, held):
    mixture = {"valid": Mixture((TRAIN, Part("set0/valid")), VALID), "test": Mixture((TRAIN, TEST), VALID, TEST)}
    first = {"valid": "set0/valid/t12", "test": "set0/test/t16"}[held]
    with pytest.raises(DataError, match=rf"other tweets than those of {held}, got {first}, .* and 1 more in both"):
        compose(mixture[held], {})
    # The same words under another name in an own set are the same tweet.
    write_jsonl(data / "own.jsonl", [Example("mine", TWEETS[16].tokens, spans=TWEETS[16].spans)])
    with pytest.raises(DataError, match="data/own/mine in both"):
        compose(Mixture((TRAIN, Part(str(data / "own.jsonl"))), VALID, TEST), {})


def test_words_that_two_published_splits_share_are_noted_and_left(data):
    shared = Example("t99", TWEETS[0].tokens, spans=TWEETS[0].spans)
    write_conll(data / "set0" / "test.txt", [*TWEETS[16:], shared])
    found = compose(Mixture((TRAIN,), VALID, TEST), {})
    assert found.notes == ("set0/train/t0: the same words stand in test, as published",)


def test_data_that_cannot_be_used_is_refused_in_a_line(data):
    (data / "none.jsonl").write_text("")
    for mixture, says in (
        (Mixture((), VALID), "wanted data to train on"),
        (Mixture((TRAIN, Part("set0/train", 0.5)), VALID), "each data set once, got set0/train again"),
        (Mixture((Part("set1/train"),), VALID), "known data sets: sample_data/tweets, set0/train"),
        (Mixture((TRAIN,), Part(str(data / "none.jsonl"))), "valid: wanted labelled tweets with entities, got 0"),
        (Mixture((Part("set0/train", 0.0),), VALID), "train: wanted labelled tweets with entities, got 0"),
    ):
        with pytest.raises((DataError, ConfigError), match=says):
            compose(mixture, {})
    with pytest.raises(ConfigError, match="share of 0 to 1"):
        Part("set0/train", 1.5)


def test_what_is_written_reads_back_with_its_pictures(tmp_path, data):
    write_jsonl(data / "own.jsonl", [Example("t1", ("in", "Rome"), image="t2", spans=(Span(1, 2, "LOC"),))])
    own = Part(str(data / "own.jsonl"), images=str(data / "set0" / "images"))
    composition = compose(Mixture((TRAIN, own), VALID, TEST, repeat=2), labels(t1=()))
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    paths = write_composition(composition, folder)
    assert list(paths) == ["train", "valid", "test"]
    index = ImageIndex.open(folder / "images.tsv")
    for name, split in composition.splits.items():
        read = read_examples(paths[name])
        assert [(e.tokens, e.spans) for e in read] == [(t.example.tokens, t.example.spans) for t in split.tweets]
        files = [index.path(e.image) for e in read]
        assert [f and f.resolve() for f in files] == [t.picture for t in split.tweets]
    names = [e.id for e in read_examples(paths["train"])]
    assert {"set0/train/t1#1", "set0/train/t1#2", "data/own/t1#1"} <= set(names)
    last = read_examples(paths["test"])[-1]  # of the last two tweets there is no picture
    assert index.path(last.image) is None


def test_the_origin_of_each_split_is_told():
    found = compose(Mixture((TRAIN,), VALID, repeat=2), labels(t1=()))
    (row,) = found.splits["train"].made_from
    assert row == {
        "data": "set0/train", "sha256": row["sha256"], "tweets": 12, "corrected": 1, "rows": 13,
    }  # fmt: skip


def test_a_file_is_written_with_the_labels_of_a_store_and_stays_for_a_run_that_goes_on(tmp_path, data):
    url, file = f"sqlite:///{tmp_path}/store.sqlite", data / "set0" / "train.txt"
    with Store(url) as store:
        key = TweetKey("set0/train", "t1")
        store.append(Edit(key, "set", "ann", TWEETS[1].spans, (Span(0, 1, "MISC"),), 0))
        path, about = correct_file(file, url, "set0/train", tmp_path / "out")
        assert [e.spans for e in read_examples(path)] == [
            (Span(0, 1, "MISC"),) if e.id == "t1" else e.spans for e in TWEETS[:12]
        ]
        assert (about["tweets"], about["changed"], about["events"]) == (1, 1, 1)
        assert (about["digest"], about["sha256"]) == (store.digest(), file_sum(file))
        before = path.read_bytes()
        store.append(Edit(key, "set", "ann", (Span(0, 1, "MISC"),), (), 1))
        assert correct_file(file, url, "set0/train", tmp_path / "out") == (path, about)
        assert path.read_bytes() == before
        _, later = correct_file(file, url, "set0/train", tmp_path / "other")
    assert later["digest"] != about["digest"]
    assert json.loads((tmp_path / "out" / "corrections.json").read_text()) == about
