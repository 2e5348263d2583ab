"""Tweets that are split anew as another data set has them: words, URLs, and what becomes of the labels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from umt_core.data.jsonl import write_jsonl
from umt_core.data.restyle import restyle
from umt_core.data.tokenize import STYLES
from umt_core.schema import Example, Span
from umt_core.train.reading import Split, read_also, read_unlabelled


def labelled(*tokens: str, **spans: str) -> Example:
    """``LABEL="start-end"``."""
    found = [Span(*map(int, where.split("-")), label) for label, where in spans.items()]
    return Example("t", tokens, "t", tuple(found))


OF_2015 = labelled("RT", "@Ann", ":", "New-York", "'", "s", "#NBA", "http://t.co/ab", PER="1-2", LOC="3-4", ORG="6-7")
OF_2017 = labelled("RT", "@", "Ann", ":", "New", "-", "York", "'", "s", "#", "NBA", PER="2-3", LOC="4-7", ORG="10-11")


def test_a_tweet_of_2015_is_split_as_2017_has_it_without_its_link():
    assert restyle(OF_2015, "twitter2017") == OF_2017


def test_a_tweet_of_2017_is_split_as_2015_has_it():
    assert restyle(OF_2017, "twitter2015").tokens == OF_2015.tokens[:-1]
    assert restyle(OF_2017, "twitter2015").spans == OF_2015.spans


@pytest.mark.parametrize("style", STYLES)
def test_a_tweet_that_is_so_already_stays_as_it_is(style):
    for example in ({"twitter2015": OF_2015, "twitter2017": OF_2017}[style], labelled("Oslo", "wins", "!", LOC="0-1")):
        assert restyle(example, style) is example


def test_tweets_without_labels_stay_without():
    assert restyle(Example("t", ("see", "@Ann")), "twitter2017") == Example("t", ("see", "@", "Ann"))


def test_labels_that_no_word_is_left_of_are_gone():
    found = restyle(labelled("see", "http://t.co/ab", "#", MISC="1-2", LOC="2-3"), "twitter2017")
    assert (found.tokens, found.spans) == (("see", "#"), ())
    assert restyle(labelled("https://t.co/ab"), "twitter2017").tokens == ()


def test_of_two_labels_that_fall_into_one_word_the_first_stays():
    found = restyle(labelled("@", "Ann", "in", "New", "-", "York", PER="3-4", LOC="5-6"), "twitter2015")
    assert (found.tokens, found.spans) == (("@Ann", "in", "New-York"), (Span(2, 3, "PER"),))


def test_tweets_that_join_a_data_set_are_split_as_it_is_and_those_that_only_links_told_apart_from_valid_stay_out(
    tmp_path,
):
    valid = Split("valid", tmp_path / "valid.txt", [labelled("See", "@", "Ann")])
    also, unlabelled = tmp_path / "also.jsonl", tmp_path / "unlabelled.jsonl"
    texts = (labelled("https://t.co/ab"), labelled("See", "@Ann", "https://t.co/ab"))
    tweets = [OF_2015, *(replace(tweet, id=f"t{i}") for i, tweet in enumerate(texts))]
    write_jsonl(also, tweets)
    write_jsonl(unlabelled, [replace(tweet, spans=None) for tweet in tweets])
    found = [
        read(path, None, "twitter2017", [valid]) for read, path in ((read_also, also), (read_unlabelled, unlabelled))
    ]
    assert [split.examples for split in found] == [[OF_2017], [replace(OF_2017, spans=None)]]
    assert [split.dropped for split in found] == [1, 1]
    kept = read_also(also, None, "twitter2017", [valid], as_published=True)
    assert (list(kept.examples), kept.dropped) == (tweets, 0)


def test_a_data_set_of_another_name_changes_no_tweet(tmp_path):
    tweets = [OF_2015, replace(OF_2017, id="t2")]
    write_jsonl(tmp_path / "also.jsonl", tweets)
    assert list(read_also(tmp_path / "also.jsonl", None, "own-set", []).examples) == tweets
