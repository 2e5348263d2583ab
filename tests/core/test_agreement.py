"""Where readings of one tweet differ."""

from umt_core.analysis.agreement import differences
from umt_core.schema import Span


def test_readers_of_one_mind_differ_nowhere():
    spans = [Span(0, 2, "PER"), Span(3, 4, "LOC")]
    assert differences({"a": spans, "b": list(reversed(spans))}) == ()


def test_each_kind_of_difference_has_its_name():
    readings = {
        "a": [Span(0, 1, "PER"), Span(2, 4, "LOC"), Span(5, 6, "ORG"), Span(7, 9, "PER")],
        "b": [Span(0, 1, "LOC"), Span(2, 3, "LOC"), Span(7, 8, "ORG")],
    }
    found = [(d.start, d.end, d.kind) for d in differences(readings)]
    assert found == [(0, 1, "type"), (2, 4, "extent"), (5, 6, "found"), (7, 9, "type and extent")]


def test_spans_that_overlap_through_a_third_are_one_difference():
    readings = {"a": [Span(0, 2, "PER"), Span(2, 4, "PER")], "b": [Span(1, 3, "PER")]}
    (difference,) = differences(readings)
    assert (difference.start, difference.end) == (0, 4)
    assert difference.readings == (("a", tuple(readings["a"])), ("b", tuple(readings["b"])))


def test_neighbours_that_do_not_overlap_are_kept_apart():
    readings = {"a": [Span(0, 1, "PER"), Span(1, 2, "LOC")], "b": [Span(0, 1, "PER")]}
    assert [(d.start, d.end, d.kind) for d in differences(readings)] == [(1, 2, "found")]
