"""Tags to spans and back, against seqeval."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from umt_core.errors import DataError
from umt_core.labels import LABELS, WORD_TAGS, is_allowed
from umt_core.schema import Span
from umt_core.spans import span_characters, spans_to_tags, tags_to_spans

tag_lists = st.lists(st.sampled_from(WORD_TAGS.tags), max_size=12)


@st.composite
def span_lists(draw):
    """Spans that neither overlap nor leave the tokens, and the number of tokens."""
    cuts = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    pairs = itertools.pairwise(cuts)
    spans = [Span(a, b, draw(st.sampled_from(LABELS))) for a, b in pairs if draw(st.booleans())]
    return tuple(spans), 12


@given(tag_lists)
def test_the_lenient_reading_is_seqevals_default(tags):
    assert tags_to_spans(tags) == tuple(Span(a, b + 1, label) for label, a, b in get_entities(tags))


@given(tag_lists)
def test_the_strict_reading_is_seqevals_strict_iob2(tags):
    theirs = [entity.to_tuple() for entity in Entities([tags], IOB2).entities[0]]
    assert tags_to_spans(tags, strict=True) == tuple(Span(a, b, label) for _, label, a, b in theirs)


@given(span_lists())
def test_spans_survive_the_way_through_tags(case):
    spans, length = case
    tags = spans_to_tags(spans, length)
    assert len(tags) == length
    assert tags_to_spans(tags) == tags_to_spans(tags, strict=True) == spans
    assert all(is_allowed(before, after) for before, after in zip([None, *tags], tags, strict=False))


@given(tag_lists)
def test_both_readings_agree_where_bio2_is_kept(tags):
    kept = all(is_allowed(before, after) for before, after in zip([None, *tags], tags, strict=False))
    assert (tags_to_spans(tags) == tags_to_spans(tags, strict=True)) == kept


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (1, 1), (2, 4), (2, 1)])
def test_spans_outside_the_tokens_are_refused(start, end):
    with pytest.raises(DataError, match="lies outside the tweet's 3 tokens"):
        spans_to_tags([Span(start, end, "PER")], 3)


def test_overlapping_spans_are_refused():
    with pytest.raises(DataError, match="overlaps"):
        spans_to_tags([Span(0, 2, "PER"), Span(1, 3, "LOC")], 3)


def test_characters_of_a_span_count_code_points():
    text, offsets = "🎉 New York!", ((0, 1), (2, 5), (6, 10), (10, 11))
    start, end = span_characters(Span(1, 3, "LOC"), offsets)
    assert text[start:end] == "New York"
