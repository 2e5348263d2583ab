"""What a system fixes and what it breaks, span by span (Yu et al., ACL 2020, section 3.5 and figures 3 and 4).

Everything rests on strict matches: a predicted span is right if a gold span has its
tokens and its type. What is not right has one of five classes, and only one:

- ``type``: the tokens of a gold span, another type
- ``boundary``: a gold span's type, other tokens that overlap it
- ``type and boundary``: overlaps a gold span, but has neither its tokens nor its type
- ``missed``: a gold span that no predicted span was matched with
- ``spurious``: a predicted span that no gold span was matched with

Each span is in one match at most. Of several that overlap, pairs are taken in this order:
largest overlap (tokens), then same type, then leftmost (gold span first, then predicted).
Right pairs are set aside before. So the gold spans are the right ones, the first three classes and
the missed; the predicted spans are the right ones, the first three and the spurious.

nervaluate's strict scheme goes through the predicted spans from left to right and gives each the
first free gold span that it overlaps, whatever the size of the overlap. It has one class
(incorrect) for our first three. Right spans are the same; incorrect, missed and spurious are the same unless
predicted and gold spans overlap in a chain (each with the next), where it may pair more of them.

The same rules stand here twice: on sequences of spans, and in SQL for sets of millions. A test
holds them together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from umt_core.schema import Span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GOLD_OUTCOMES = ("fixed", "broken", "both_right", "both_wrong")
SPURIOUS_OUTCOMES = ("spurious_removed", "spurious_added", "spurious_shared")  # of predicted spans that are not gold
OUTCOMES = GOLD_OUTCOMES + SPURIOUS_OUTCOMES
FOUND_OUTCOMES = ("fixed", "both_right", "spurious_added", "spurious_shared")  # each entity of the system once
ERRORS = ("type", "boundary", "type and boundary", "missed", "spurious")


@dataclass(frozen=True, slots=True)
class Match:
    """A gold span with the predicted span that stands for it, or one of them alone."""

    gold: Span | None
    predicted: Span | None
    error: str | None  # of ERRORS; None: right


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: a gold span, or a predicted span that is not gold.

    ``baseline`` and ``system`` are the matches that the span is in; ``None`` where a
    span that is not gold was not predicted.
    """

    span: Span
    outcome: str  # of OUTCOMES
    baseline: Match | None
    system: Match | None

    @property
    def is_gold(self) -> bool:
        return self.outcome in GOLD_OUTCOMES


def classify(gold: Iterable[Span], predicted: Iterable[Span]) -> tuple[Match, ...]:
    """Every gold and every predicted span of a tweet in one match each, from left to right.

    >>> found = classify([Span(0, 2, "PER"), Span(4, 5, "LOC")], [Span(1, 2, "PER"), Span(6, 7, "ORG")])
    >>> [match.error for match in found]
    ['boundary', 'missed', 'spurious']
    """
    gold, predicted = set(gold), set(predicted)
    matches = [Match(span, span, None) for span in gold & predicted]
    missed, spurious = gold - predicted, predicted - gold
    for theirs, ours in sorted(product(missed, spurious), key=_preference):
        if _overlap(theirs, ours) and theirs in missed and ours in spurious:
            missed.remove(theirs)
            spurious.remove(ours)
            matches.append(Match(theirs, ours, _error(theirs, ours)))
    matches += [Match(span, None, "missed") for span in missed]
    matches += [Match(None, span, "spurious") for span in spurious]
    return tuple(sorted(matches, key=lambda match: (match.gold or match.predicted, match.gold is None)))


def _overlap(a: Span, b: Span) -> int:
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _preference(pair: tuple[Span, Span]) -> tuple[int, bool, Span, Span]:
    gold, predicted = pair
    return -_overlap(gold, predicted), gold.label != predicted.label, gold, predicted


def _error(gold: Span, predicted: Span) -> str:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return "type"
    return "boundary" if gold.label == predicted.label else "type and boundary"


def ledger(gold: Iterable[Span], baseline: Iterable[Span], system: Iterable[Span]) -> tuple[Entry, ...]:
    """The lines of one tweet: its gold spans from left to right, then what else was predicted.

    >>> entries = ledger([Span(0, 1, "PER")], [Span(0, 1, "LOC")], [Span(0, 1, "PER")])
    >>> [(entry.outcome, entry.span.label) for entry in entries]
    [('fixed', 'PER'), ('spurious_removed', 'LOC')]
    """
    gold = set(gold)
    before, after = (classify(gold, predicted) for predicted in (baseline, system))
    before_of, after_of = ({m.gold: m for m in matches if m.gold} for matches in (before, after))
    entries = [
        Entry(span, _gold_outcome(before_of[span], after_of[span]), before_of[span], after_of[span])
        for span in sorted(gold)
    ]
    wrong_before, wrong_after = (
        {m.predicted: m for m in matches if m.predicted and m.error} for matches in (before, after)
    )
    for span in sorted(wrong_before.keys() | wrong_after.keys()):
        old, new = wrong_before.get(span), wrong_after.get(span)
        outcome = "spurious_shared" if old and new else "spurious_removed" if old else "spurious_added"
        entries.append(Entry(span, outcome, old, new))
    return tuple(entries)


def _gold_outcome(baseline: Match, system: Match) -> str:
    if baseline.error is None:
        return "both_right" if system.error is None else "broken"
    return "fixed" if system.error is None else "both_wrong"


def tally(
    gold: Sequence[Iterable[Span]], baseline: Sequence[Iterable[Span]], system: Sequence[Iterable[Span]]
) -> dict[str, int]:
    """How many lines of each outcome the ledger of several tweets has.

    True positives of the system minus those of the baseline are always ``fixed - broken``.
    """
    counts = Counter(entry.outcome for tweet in zip(gold, baseline, system, strict=True) for entry in ledger(*tweet))
    return {outcome: counts[outcome] for outcome in OUTCOMES}


# --- the same in SQL -----------------------------------------------------------------------------
# A span is a row (tweet, start, "end", label); `end` is a word of SQL's own.


def classify_in_sql(con: DuckDBPyConnection, gold: str, predicted: str) -> None:
    """``classify`` over two relations of spans; leaves a table ``matches``.

    Its columns: tweet, gold_start, gold_end, gold_label, start, end, label, error. Greedy pairing is
    order by order what ``classify`` does: a pair that both of its spans prefer to all others
    that are still free is taken, until none is left.
    """
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE missed AS FROM (SELECT tweet, start, "end", label FROM {gold})
            ANTI JOIN {predicted} USING (tweet, start, "end", label);
        CREATE OR REPLACE TEMP TABLE spurious AS FROM (SELECT tweet, start, "end", label FROM {predicted})
            ANTI JOIN {gold} USING (tweet, start, "end", label);
        CREATE OR REPLACE TEMP TABLE pairs AS
            SELECT g.tweet, g.start AS gold_start, g."end" AS gold_end, g.label AS gold_label,
                p.start, p."end", p.label,
                row_number() OVER (PARTITION BY g.tweet ORDER BY
                    least(g."end", p."end") - greatest(g.start, p.start) DESC, g.label <> p.label,
                    g.start, g."end", g.label, p.start, p."end", p.label) AS preference
            FROM missed g JOIN spurious p ON g.tweet = p.tweet AND g.start < p."end" AND p.start < g."end";
        CREATE OR REPLACE TEMP TABLE matches AS
            SELECT tweet, start AS gold_start, "end" AS gold_end, label AS gold_label, start, "end", label,
                NULL::VARCHAR AS error
            FROM (SELECT tweet, start, "end", label FROM {gold}) SEMI JOIN {predicted}
                USING (tweet, start, "end", label);
    """)
    while con.execute("SELECT 1 FROM pairs LIMIT 1").fetchone():
        con.execute("""
            CREATE OR REPLACE TEMP TABLE taken AS SELECT * EXCLUDE (of_gold, of_predicted) FROM (
                SELECT *, min(preference) OVER (PARTITION BY tweet, gold_start, gold_end, gold_label) AS of_gold,
                    min(preference) OVER (PARTITION BY tweet, start, "end", label) AS of_predicted FROM pairs)
                WHERE preference = of_gold AND preference = of_predicted;
            INSERT INTO matches SELECT * EXCLUDE (preference), CASE
                WHEN gold_start = start AND gold_end = "end" THEN 'type'
                WHEN gold_label = label THEN 'boundary' ELSE 'type and boundary' END FROM taken;
            CREATE OR REPLACE TEMP TABLE pairs AS FROM pairs
                ANTI JOIN taken USING (tweet, gold_start, gold_end, gold_label)
                ANTI JOIN taken AS t USING (tweet, start, "end", label);
        """)
    con.execute("""
        INSERT INTO matches SELECT tweet, start, "end", label, NULL, NULL, NULL, 'missed' FROM missed
            ANTI JOIN matches m ON missed.tweet = m.tweet AND missed.start = m.gold_start
                AND missed."end" = m.gold_end AND missed.label = m.gold_label;
        INSERT INTO matches SELECT tweet, NULL, NULL, NULL, start, "end", label, 'spurious' FROM spurious
            ANTI JOIN matches USING (tweet, start, "end", label);
        DROP TABLE missed; DROP TABLE spurious; DROP TABLE pairs; DROP TABLE IF EXISTS taken;
    """)


def ledger_sql(baseline: str, system: str, *, of_gold: str = "NULL AS more", of_others: str = "NULL AS more") -> str:
    """A query for ``ledger``, over two relations as ``classify_in_sql`` leaves them.

    Its columns: tweet, start, end, label, outcome, gold_label (of the gold span in the match, the system's if it has
    one; null: none) and, for baseline and system, ``…_error`` (null: right, or nothing predicted) and ``…_label``
    (what was predicted there, null: nothing). ``of_gold`` and ``of_others`` are further columns of
    ``b`` and ``s``, the baseline's match and the system's, for gold spans and for others.
    """
    both = "b.error AS baseline_error, s.error AS system_error, b.label AS baseline_label, s.label AS system_label"
    return f"""
        SELECT b.tweet, b.gold_start AS start, b.gold_end AS "end", b.gold_label AS label,
            CASE WHEN b.error IS NULL THEN CASE WHEN s.error IS NULL THEN 'both_right' ELSE 'broken' END
                ELSE CASE WHEN s.error IS NULL THEN 'fixed' ELSE 'both_wrong' END END AS outcome,
            b.gold_label, {both}, {of_gold}
        FROM {baseline} b JOIN {system} s USING (tweet, gold_start, gold_end, gold_label)
        UNION ALL BY NAME
        SELECT tweet, start, "end", label,
            CASE WHEN s.error IS NULL THEN 'spurious_removed' WHEN b.error IS NULL THEN 'spurious_added'
                ELSE 'spurious_shared' END AS outcome,
            CASE WHEN s.error IS NULL THEN b.gold_label ELSE s.gold_label END AS gold_label, {both}, {of_others}
        FROM (FROM {baseline} WHERE start IS NOT NULL AND error IS NOT NULL) b
        FULL JOIN (FROM {system} WHERE start IS NOT NULL AND error IS NOT NULL) s USING (tweet, start, "end", label)
    """
