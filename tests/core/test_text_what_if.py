"""Other wordings: no span is ever lost on the way, and each wording says what it says by itself."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from umt_core.errors import ConfigError, DataError
from umt_core.explain.text_edits import (
    CASES,
    DROPS,
    NAMES,
    Edit,
    change_case,
    drop,
    ready_edits,
    replace,
    rewrite,
    swap,
)
from umt_core.explain.text_what_if import text_what_if, text_what_if_json
from umt_core.schema import Example, Span
from umt_core.spans import tags_to_spans

WORDS = st.sampled_from(["Anna", "in", "the", "new", "New", "York", "@", "#", "@ann", "#nba", "https://t.co/x", "!"])
TOKENS = st.lists(WORDS, min_size=1, max_size=9).map(tuple)


@st.composite
def spans_of(draw, tokens):
    kinds = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    return tags_to_spans(draw(st.lists(kinds, min_size=len(tokens), max_size=len(tokens))))


@st.composite
def edits(draw):
    tokens = draw(TOKENS)
    kind = draw(st.sampled_from(["case", "drop", "swap", "rewrite"]))
    if kind == "case":
        return change_case(tokens, draw(st.sampled_from(list(CASES))))
    if kind == "drop":
        return drop(tokens, draw(st.sampled_from(list(DROPS))))
    if kind == "swap":
        start = draw(st.integers(0, len(tokens) - 1))
        end = draw(st.integers(start + 1, len(tokens)))
        return swap(tokens, Span(start, end, "PER"), draw(st.sampled_from(NAMES["LOC"])))
    return rewrite(tokens, draw(TOKENS))


@given(edits(), st.data())
def test_each_span_of_either_side_is_in_the_change_exactly_once(edit, data):
    before, after = data.draw(spans_of(edit.before)), data.draw(spans_of(edit.tokens))
    found = edit.change(before, after)
    assert sorted([*found.kept, *(a for a, _ in found.changed), *found.lost]) == sorted(before)
    kept = [edit.forward(span) for span in found.kept]
    assert sorted([*kept, *(b for _, b in found.changed), *found.gained]) == sorted(after)


@given(edits())
def test_words_lie_on_the_line_in_their_order_and_apart(edit):
    for edges, tokens in zip(edit.edges, (edit.before, edit.tokens), strict=True):
        assert len(edges) == len(tokens)
        assert all(left < right for left, right in edges)
        assert all(a[1] <= b[0] for a, b in pairwise(edges))


@given(edits(), st.data())
def test_what_is_carried_over_comes_back(edit, data):
    for span in data.draw(spans_of(edit.before)):
        if (there := edit.forward(span)) is not None:
            assert edit.back(there) == span
            assert there.label == span.label


@given(edits())
def test_words_outside_the_blocks_stay_and_stand_for_themselves(edit):
    changed = {i for start, end, _, _ in edit.blocks for i in range(start, end)}
    for i, word in enumerate(edit.before):
        if i not in changed:
            there = edit.forward(Span(i, i + 1, "PER"))
            assert there is not None
            assert edit.tokens[there.start : there.end] == (word,)


@given(TOKENS)
def test_the_same_words_are_no_edit(tokens):
    edit = rewrite(tokens, tokens)
    assert edit.changes_nothing
    assert edit.blocks == ()


# --- edits by hand ---------------------------------------------------------------------------------


def test_a_name_of_other_length_stands_for_the_one_before():
    tokens = ("see", "Lake", "Tahoe", "now", "Anna")
    edit = swap(tokens, Span(1, 3, "LOC"), "Tom van Dyk")
    assert edit.tokens == ("see", "Tom", "van", "Dyk", "now", "Anna")
    assert edit.forward(Span(1, 3, "LOC")) == Span(1, 4, "LOC")
    assert edit.forward(Span(4, 5, "PER")) == Span(5, 6, "PER")
    assert edit.forward(Span(1, 2, "LOC")) is None  # one of two words: half of three stands for none
    found = edit.change([Span(1, 3, "LOC"), Span(4, 5, "PER")], [Span(1, 4, "PER"), Span(5, 6, "PER")])
    assert found.kept == (Span(4, 5, "PER"),)
    assert found.changed == ((Span(1, 3, "LOC"), Span(1, 4, "PER")),)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("mentions", "RT : see # NBA #rain https://t.co/x ! @"),  # "@ 5pm" looks like one
        ("hashtags", "RT @ ann : see @bob https://t.co/x @ 5pm ! @"),
        ("URLs", "RT @ ann : see # NBA #rain @bob @ 5pm ! @"),
    ],
)
def test_what_is_dropped_is_dropped_with_its_sign(what, left):
    tokens = "RT @ ann : see # NBA #rain @bob https://t.co/x @ 5pm ! @".split()
    assert " ".join(drop(tokens, what).tokens) == left


def test_a_span_across_what_was_dropped_goes_on_over_the_gap():
    edit = drop(("Anna", "@bob", "Bell"), "mentions")
    assert edit.forward(Span(0, 3, "PER")) == Span(0, 2, "PER")
    assert edit.forward(Span(1, 2, "PER")) is None
    assert edit.change([Span(1, 2, "PER")], []).lost == (Span(1, 2, "PER"),)


def test_words_may_be_put_in():
    edit = rewrite(("in", "Paris"), ("in", "rainy", "Paris", "!"))
    assert edit.forward(Span(1, 2, "LOC")) == Span(2, 3, "LOC")
    assert edit.back(Span(1, 2, "LOC")) is None
    assert edit.change([Span(1, 2, "LOC")], [Span(1, 2, "LOC"), Span(2, 3, "LOC")]).gained == (Span(1, 2, "LOC"),)


def test_capitals_alone_are_a_change_of_their_word():
    edit = rewrite(("in", "Paris"), ("in", "paris"))
    assert edit.blocks == ((1, 2, 1, 2),)
    assert not edit.changes_nothing


def test_unknown_edits_are_named():
    with pytest.raises(ConfigError, match="got 'sPoNgE'"):
        change_case(("a",), "sPoNgE")
    with pytest.raises(ConfigError, match="got 'verbs'"):
        drop(("a",), "verbs")


def test_ready_edits_change_something_and_hold_names_of_each_type():
    tokens = ("@bob", "Anna", "in", "Paris")
    made = ready_edits(tokens, Span(1, 2, "PER"))
    assert all(edit.tokens and edit.tokens != tokens for edit in made)
    names = [edit.name for edit in made]
    assert "without mentions" in names
    assert "without URLs" not in names
    assert sum(name.endswith("(PER)") for name in names) == 2
    assert [sum(name.endswith(f"({label})") for name in names) for label in ("LOC", "ORG", "MISC")] == [1, 1, 1]
    assert [edit.name for edit in ready_edits(("@bob",))] == ["UPPER CASE"]  # without the mention nothing is left


# --- what a tagger says of them --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert-crf", "umt-bert-crf"])
def test_each_wording_says_what_it_says_by_itself(name):
    predictor = predictor_of(tiny.system(name))
    picture = tiny.photograph()
    (regions,) = predictor.picture_regions([picture])
    moved = False
    for tweet in tiny.TWEETS:
        whole = Span(0, len(tweet.tokens), "PER")
        wordings = [*ready_edits(tweet.tokens, whole), rewrite(tweet.tokens, (*tweet.tokens, "in", "Paris"))]
        found = text_what_if(predictor, tweet, wordings, regions)
        (alone,) = predictor.predict([tweet], [picture])
        assert found.original.tags == alone.tags
        for of in found.reworded:
            (alone,) = predictor.predict([Example("x", of.edit.tokens)], [picture])
            assert of.prediction.tags == alone.tags
            scores = {s.span: s.score for s in alone.spans}
            for scored, p in zip(found.spans, of.probabilities, strict=True):
                there = of.edit.forward(scored.span)
                assert (p is None) == (there is None)
                if there in scores:
                    assert p == pytest.approx(scores[there], abs=1e-5)
            moved = moved or of.change.any
    assert moved


def test_the_same_wording_gives_exactly_the_same():
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    for tweet in tiny.TWEETS:
        found = text_what_if(predictor, tweet, [rewrite(tweet.tokens, tweet.tokens)])
        assert found.reworded[0].prediction == found.original
        assert found.reworded[0].probabilities == tuple(s.score for s in found.spans)
        assert not found.reworded[0].change.any


def test_a_wording_without_words_is_an_error():
    predictor = predictor_of(tiny.system("bert-crf"))
    with pytest.raises(DataError, match="at least one word"):
        text_what_if(predictor, tiny.TWEETS[6], [Edit("nothing", tiny.TWEETS[6].tokens, (), ((0, 3, 0, 0),))])


def test_json_holds_what_the_values_are():
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    tweet = tiny.TWEETS[0]
    found = text_what_if(predictor, tweet, ready_edits(tweet.tokens))
    written = json.loads(json.dumps(text_what_if_json(found)))
    assert [of["name"] for of in written["wordings"]] == [of.edit.name for of in found.reworded]
    assert written["wordings"][0]["probabilities"] == list(found.reworded[0].probabilities)


def test_words_are_replaced_from_left_to_right():
    edit = replace("x", "abcd", [(0, 1, ["x", "y"]), (2, 4, [])])
    assert edit.tokens == ("x", "y", "b")
    assert edit.blocks == ((0, 1, 0, 2), (2, 4, 3, 3))
