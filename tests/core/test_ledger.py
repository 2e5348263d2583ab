"""The ledger: what is fixed and broken, the classes of errors, and that its two forms say the same."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate.entities import Entity
from nervaluate.strategies import StrictEvaluation

from umt_core.analysis.ledger import ERRORS, OUTCOMES, classify, classify_in_sql, ledger, ledger_sql, tally
from umt_core.schema import Span

TYPES = ("PER", "LOC")


@st.composite
def spans(draw, length=9):
    """Spans of one tweet that do not overlap, as taggers and data sets give them."""
    borders = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    pairs = pairwise(borders)
    return [Span(a, b, draw(st.sampled_from(TYPES))) for a, b in pairs if draw(st.booleans())]


tweets = st.lists(st.tuples(spans(), spans(), spans()), min_size=1, max_size=8)


def test_each_way_of_being_wrong_has_its_class():
    gold = [Span(0, 1, "PER"), Span(2, 4, "LOC"), Span(5, 7, "PER"), Span(8, 9, "LOC")]
    predicted = [Span(0, 1, "LOC"), Span(2, 3, "LOC"), Span(6, 8, "LOC"), Span(10, 11, "PER")]
    assert [m.error for m in classify(gold, predicted)] == list(ERRORS)


@pytest.mark.parametrize(
    ("gold", "predicted", "pair"),
    [
        # the largest overlap, although the other has the right type
        ([Span(0, 5, "PER")], [Span(0, 2, "PER"), Span(2, 5, "LOC")], (Span(0, 5, "PER"), Span(2, 5, "LOC"))),
        # as large: the same type
        ([Span(0, 4, "PER")], [Span(0, 2, "LOC"), Span(2, 4, "PER")], (Span(0, 4, "PER"), Span(2, 4, "PER"))),
        # as large, of the same type: the leftmost
        ([Span(0, 4, "PER")], [Span(0, 2, "PER"), Span(2, 4, "PER")], (Span(0, 4, "PER"), Span(0, 2, "PER"))),
        ([Span(0, 2, "PER"), Span(2, 4, "PER")], [Span(1, 3, "PER")], (Span(0, 2, "PER"), Span(1, 3, "PER"))),
    ],
)
def test_of_several_that_overlap_the_stated_one_is_taken(gold, predicted, pair):
    matches = classify(gold, predicted)
    assert [(m.gold, m.predicted) for m in matches if m.gold and m.predicted] == [pair]
    assert len(matches) == 2  # and what is left over is missed or spurious


def test_outcomes_of_a_small_tweet():
    gold = [Span(i, i + 1, "PER") for i in range(4)]
    baseline = [gold[0], gold[1], Span(6, 7, "LOC"), Span(8, 9, "LOC")]
    system = [gold[0], gold[2], Span(8, 9, "LOC"), Span(10, 11, "LOC")]
    assert tally([gold], [baseline], [system]) == dict.fromkeys(OUTCOMES, 1)


@settings(max_examples=60, deadline=None)
@given(tweets)
def test_true_positives_differ_by_what_is_fixed_less_what_is_broken(rows):
    gold, baseline, system = zip(*rows, strict=True)
    counts = tally(gold, baseline, system)

    def right(predicted):
        return sum(len(set(p) & set(g)) for p, g in zip(predicted, gold, strict=True))

    assert right(system) - right(baseline) == counts["fixed"] - counts["broken"]
    assert sum(counts[o] for o in ("fixed", "broken", "both_right", "both_wrong")) == sum(map(len, gold))
    wrong = counts["spurious_added"] + counts["spurious_shared"]
    assert wrong == sum(map(len, system)) - right(system)


@settings(deadline=None)
@given(spans(), spans())
def test_every_span_is_in_one_match(gold, predicted):
    matches = classify(gold, predicted)
    assert Counter(m.gold for m in matches if m.gold) == Counter(gold)
    assert Counter(m.predicted for m in matches if m.predicted) == Counter(predicted)


def random_spans(rng, length=9):
    borders = sorted(rng.sample(range(length + 1), rng.randint(0, 6)))
    return [Span(a, b, rng.choice(TYPES)) for a, b in pairwise(borders) if rng.random() < 0.6]


def test_sql_says_what_python_says():
    rng = random.Random(0)
    rows = [[random_spans(rng) for _ in range(3)] for _ in range(1500)]
    con = duckdb.connect()
    for place, name in enumerate(("gold", "baseline", "system")):
        values = [(i, s.start, s.end, s.label) for i, row in enumerate(rows) for s in row[place]]
        frame = pd.DataFrame(values, columns=["tweet", "start", "end", "label"])  # noqa: F841  read by DuckDB
        con.execute(f"CREATE TABLE {name} AS FROM frame")
    for name in ("baseline", "system"):
        classify_in_sql(con, "gold", name)
        con.execute(f"CREATE TABLE {name}_matches AS FROM matches")
    columns = 'tweet, start, "end", label, outcome, gold_label, baseline_error, system_error'
    columns += ", baseline_label, system_label"
    found = con.execute(f"SELECT {columns} FROM ({ledger_sql('baseline_matches', 'system_matches')})").fetchall()
    wanted = [(i, *line(entry)) for i, row in enumerate(rows) for entry in ledger(*row)]
    assert Counter(found) == Counter(wanted)


def line(entry):
    span, sides = entry.span, (entry.baseline, entry.system)
    gold = next((match.gold for match in reversed(sides) if match), None)
    errors = [match and match.error for match in sides]
    labels = [match and match.predicted and match.predicted.label for match in sides]
    return span.start, span.end, span.label, entry.outcome, gold and gold.label, *errors, *labels


def strict_by_nervaluate(gold, predicted):
    """Counts of nervaluate's strict scheme; it takes the last token where we take one past it."""
    theirs, ours = ([Entity(s.label, s.start, s.end - 1) for s in sorted(side)] for side in (gold, predicted))
    result, _ = StrictEvaluation().evaluate(theirs, ours, list(TYPES))
    return {name: getattr(result, name) for name in ("correct", "incorrect", "missed", "spurious")}


def in_their_classes(matches):
    names = {None: "correct", "missed": "missed", "spurious": "spurious"}
    counts = Counter(names.get(m.error, "incorrect") for m in matches)
    return {name: counts[name] for name in ("correct", "incorrect", "missed", "spurious")}


@settings(deadline=None)
@given(spans(), spans())
def test_nervaluate_agrees_but_for_chains(gold, predicted):
    ours, theirs = in_their_classes(classify(gold, predicted)), strict_by_nervaluate(gold, predicted)
    assert ours["correct"] == theirs["correct"]
    more = theirs["incorrect"] - ours["incorrect"]  # pairs that left to right finds and largest first does not
    assert more >= 0
    assert (ours["missed"] - theirs["missed"], ours["spurious"] - theirs["spurious"]) == (more, more)


def test_a_chain_is_where_nervaluate_pairs_more():
    gold, predicted = [Span(0, 2, "PER"), Span(3, 8, "PER")], [Span(1, 6, "PER"), Span(7, 9, "PER")]
    assert [m.error for m in classify(gold, predicted)] == ["missed", "boundary", "spurious"]
    assert strict_by_nervaluate(gold, predicted)["incorrect"] == 2
