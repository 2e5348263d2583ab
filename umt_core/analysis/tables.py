"""What the pages and ``compare`` show of a prediction set, as plain rows. Figures are from 0 to 1. Free of torch.

Rows that count spans or tweets hold ``query``: the link parameters with which ``browse`` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from umt_core.analysis.ledger import ERRORS, GOLD_OUTCOMES, OUTCOMES
from umt_core.analysis.metrics import Score
from umt_core.analysis.paper import paper_differences, paper_figures
from umt_core.analysis.query import NONE, Query, Range
from umt_core.analysis.sets import PredictionSet, Row
from umt_core.analysis.significance import RESAMPLES, Counts, Pattern, intervals, paired_test
from umt_core.labels import LABELS
from umt_core.schema import SEEN, STATES

OVERALL = "all"
# Slices of a test set: the column that a tweet or span falls into one of by, and the ranges of numbers.
LENGTHS = ((1, 10), (11, 15), (16, 20), (21, 25), (26, None))
JUDGED: Range = (0.0, None)  # entities of a tweet: it has labels, as those that slices count
NUMBERS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, None))
SLICES = ("seen", "words", "entities", "image")


# --- scores --------------------------------------------------------------------------------------


def score_rows(
    prediction_set: PredictionSet,
    runs: Sequence[str] | None = None,
    *,
    strict: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Precision, recall and F1 of each run, overall (``type`` "all") and by type, as Table 2 has them.

    Each comes with the ends of its bootstrap interval (``f1_low``, ``f1_high``, ...), with the counts
    behind it, the number of spans that begin with an orphan I- (``gold_orphans``, ``predicted_orphans``),
    what the paper prints (``paper_f1``, ... ; ``None``: nothing) and why that does not compare
    (``paper_differences``, empty: it does).

    Args:
        strict: count no span, gold or predicted, that begins with an orphan I-.
    """
    rows = []
    for name in runs if runs is not None else prediction_set.runs:
        run = prediction_set.run(name)
        differences = paper_differences(
            run.text_encoder, run.images if run.uses_image else "", run.checkpoint, prediction_set.info.dataset
        )
        printed = paper_figures(prediction_set.info.dataset, prediction_set.info.split, run.system)
        orphans = _orphans(prediction_set, name)
        for label in (OVERALL, *LABELS):
            counts = tweet_counts(prediction_set, [name], label=label, strict=strict)
            correct, predicted, gold = counts.totals.tolist()
            row: Row = {"run": name, "system": run.system, "type": label}
            for figure, interval in intervals(counts, resamples=resamples, seed=seed).items():
                row |= {figure: interval.value, f"{figure}_low": interval.low, f"{figure}_high": interval.high}
                paper = (
                    printed.get(figure if label == OVERALL else label) if figure == "f1" or label == OVERALL else None
                )
                row[f"paper_{figure}"] = None if paper is None else paper / 100
            row |= {"correct": correct, "predicted": predicted, "gold": gold, **orphans[label]}
            rows.append(row | {"paper_differences": differences})
    return rows


def tweet_counts(
    prediction_set: PredictionSet, runs: Sequence[str], *, label: str = OVERALL, strict: bool = False
) -> Counts:
    """Right and predicted spans of each run and gold spans, tweet by tweet, for intervals and tests."""
    gold_is, ours_is = ("true", "true") if label == OVERALL else (f"gold_label = '{label}'", f"label = '{label}'")
    if strict:
        gold_is, ours_is = f"{gold_is} AND NOT gold_orphan", f"{ours_is} AND NOT orphan"
    relations = [f"{prediction_set.table('tweets')} t"]
    columns = []
    for i, name in enumerate(runs):
        relations.append(
            f"""LEFT JOIN (SELECT tweet, count(*) FILTER (error IS NULL AND {gold_is} AND {ours_is}) AS correct,
                count(start) FILTER ({ours_is}) AS predicted, count(gold_start) FILTER ({gold_is}) AS gold
                FROM {prediction_set.table("matches", name)} GROUP BY tweet) r{i} USING (tweet)"""
        )
        columns += [f"coalesce(r{i}.correct, 0)::INT", f"coalesce(r{i}.predicted, 0)::INT"]
    rows = prediction_set.query(
        f"""SELECT [{", ".join([*columns, "coalesce(r0.gold, 0)::INT"])}] AS pattern, count(*) AS tweets
        FROM {" ".join(relations)} WHERE t.entities IS NOT NULL GROUP BY pattern ORDER BY pattern"""
    )
    patterns: dict[Pattern, int] = {tuple(row["pattern"]): row["tweets"] for row in rows}
    return Counts(patterns)


def _orphans(prediction_set: PredictionSet, run: str) -> dict[str, Row]:
    rows = prediction_set.query(
        f"""SELECT label, count(*) FILTER (gold) AS gold_orphans, count(*) FILTER (NOT gold) AS predicted_orphans FROM (
            SELECT label, true AS gold FROM {prediction_set.table("gold")} WHERE orphan UNION ALL
            SELECT label, false FROM {prediction_set.table("matches", run)} WHERE orphan) GROUP BY label"""
    )
    found = {label: {"gold_orphans": 0, "predicted_orphans": 0} for label in (*LABELS, OVERALL)}
    for row in rows:
        for name in ("gold_orphans", "predicted_orphans"):
            found[row["label"]][name] = row[name]
            found[OVERALL][name] += row[name]
    return found


# --- what is fixed and broken --------------------------------------------------------------------


def ledger_rows(
    prediction_set: PredictionSet, baseline: str, systems: Sequence[str], *, by_type: bool = False
) -> list[Row]:
    """Counts of the ledger's outcomes for each system: figures 3 (fixed) and 4 (broken), and the rest.

    Each row: system, outcome, type ("all", or each of the types), count, share (of the gold spans of
    the type; for spans that are not gold ``None``), gold, query.
    """
    types = LABELS if by_type else (OVERALL,)
    column = "label" if by_type else f"'{OVERALL}'"
    rows = []
    for system in systems:
        pair = prediction_set.pair(baseline, system)
        sql = f"SELECT {column} AS type, outcome, count(*) AS n FROM {pair} GROUP BY ALL"
        counts = {(row["type"], row["outcome"]): row["n"] for row in prediction_set.query(sql)}
        for label in types:
            gold = sum(counts.get((label, outcome), 0) for outcome in GOLD_OUTCOMES)
            for outcome in OUTCOMES:
                count = counts.get((label, outcome), 0)
                share = (count / gold if gold else 0.0) if outcome in GOLD_OUTCOMES else None
                only = () if label == OVERALL else (label,)
                query = Query(baseline=baseline, system=system, outcome=(outcome,), type=only)
                rows.append(
                    {
                        "baseline": baseline,
                        "system": system,
                        "outcome": outcome,
                        "type": label,
                        "count": count,
                        "share": share,
                        "gold": gold,
                        "query": query.to_params(),
                    }
                )
    return rows


def pair_rows(
    prediction_set: PredictionSet,
    runs: Sequence[str] | None = None,
    *,
    baseline: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Row]:
    """What ``compare`` says of each system beside a baseline; of none: of every pair of runs, the first as baseline."""
    names = list(prediction_set.runs) if runs is None else list(runs)
    pairs = combinations(names, 2) if baseline is None else ((baseline, name) for name in names if name != baseline)
    return [
        {"baseline": a, "system": b, **compare(prediction_set, a, [b], resamples=resamples, seed=seed)[b]}
        for a, b in pairs
    ]


def compare(
    prediction_set: PredictionSet,
    baseline: str,
    systems: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Row]:
    """By system, what it fixes and breaks of the baseline, and whether that is more than chance.

    Each holds the ledger's outcomes, ``by_type`` the same, the scores of both, and ``paired_test``
    (see ``PairedTest``).
    """
    result = {}
    for system in systems:
        by_type: dict[str, Row] = {label: {} for label in LABELS}
        for row in ledger_rows(prediction_set, baseline, [system], by_type=True):
            by_type[row["type"]][row["outcome"]] = row["count"]
        counts = tweet_counts(prediction_set, [baseline, system])
        result[system] = comparison(baseline, by_type, counts, resamples=resamples, seed=seed)
    return result


def comparison(
    baseline: str,
    by_type: Mapping[str, Mapping[str, int]],
    counts: Counts,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Row:
    """What ``compare`` says of a system.

    Args:
        by_type: how many lines of each outcome the ledger has, by type.
        counts: of the baseline and the system.
    """
    outcomes = {outcome: sum(of_type[outcome] for of_type in by_type.values()) for outcome in OUTCOMES}
    test = paired_test(counts, fixed=outcomes["fixed"], broken=outcomes["broken"], resamples=resamples, seed=seed)
    figures = [_score(counts, side) for side in (0, 1)]
    return {
        **outcomes,
        "by_type": {label: dict(of_type) for label, of_type in by_type.items()},
        **{name: figures[1][name] for name in ("precision", "recall", "f1")},
        "baseline": {"name": baseline, **{name: figures[0][name] for name in ("precision", "recall", "f1")}},
        "paired_test": test.to_dict(),
        "tweets": int(counts.tweets.sum()),
        "spans": int(counts.totals[-1]),
    }


def _score(counts: Counts, side: int) -> dict[str, Any]:
    totals = counts.totals.tolist()
    return Score(totals[2 * side], totals[2 * side + 1], totals[-1]).to_dict()


# --- errors --------------------------------------------------------------------------------------


def error_rows(prediction_set: PredictionSet, runs: Sequence[str] | None = None) -> list[Row]:
    """How many errors of each class each run makes: run, error, count, query."""
    rows = []
    for name in runs if runs is not None else prediction_set.runs:
        sql = f"SELECT error, count(*) AS n FROM {prediction_set.table('matches', name)} GROUP BY error"
        counts = {row["error"]: row["n"] for row in prediction_set.query(sql)}
        for error in ERRORS:
            query = Query(system=name, error=(error,)).to_params()
            rows.append({"run": name, "error": error, "count": counts.get(error, 0), "query": query})
    return rows


def confusion_rows(prediction_set: PredictionSet, run: str) -> list[Row]:
    """Gold type against predicted type of spans that were matched, with "none" for what stands alone.

    Each row: gold, predicted, count, right (of them with the same tokens too), query. Where types agree,
    what is not right has other tokens.
    """
    sql = f"""SELECT coalesce(gold_label, '{NONE}') AS gold, coalesce(label, '{NONE}') AS predicted, count(*) AS count,
        count(*) FILTER (error IS NULL) AS "right" FROM {prediction_set.table("matches", run)} GROUP BY ALL"""
    found = {(row["gold"], row["predicted"]): row for row in prediction_set.query(sql)}
    rows = []
    for gold in (*LABELS, NONE):
        for predicted in (*LABELS, NONE):
            if (gold, predicted) != (NONE, NONE):
                row = found.get((gold, predicted), {"gold": gold, "predicted": predicted, "count": 0, "right": 0})
                query = Query(system=run, gold_type=(gold,), predicted_type=(predicted,))
                rows.append(row | {"query": query.to_params()})
    return rows


# --- slices --------------------------------------------------------------------------------------


def slice_rows(prediction_set: PredictionSet, by: str, runs: Sequence[str] | None = None) -> list[Row]:
    """Scores in each part of the test set: run, slice, tweets, precision, recall, f1, support, query.

    Args:
        by: of ``SLICES``. A span falls into "seen" parts by its own surface form, gold or predicted; into
            the others with its tweet.
    """
    slices = list(_slices(prediction_set, by))
    if not slices:
        return []
    in_gold, in_ours = ("gold_seen", "seen") if by == "seen" else (by, by)
    counts = [
        f"""count(gold_start) FILTER (error IS NULL AND {test.format(in_gold)}) AS correct{i},
        count(start) FILTER ({test.format(in_ours)}) AS predicted{i},
        count(gold_start) FILTER ({test.format(in_gold)}) AS gold{i}"""
        for i, (_, test, _) in enumerate(slices)
    ]
    table, each = ("gold", "DISTINCT tweet") if by == "seen" else ("tweets", "*")
    tests = ", ".join(f"count({each}) FILTER ({test.format(by)})" for _, test, _ in slices)
    labelled = f"{prediction_set.table(table)} WHERE tweet IN {prediction_set.judged}"
    (sizes,) = prediction_set.query(f"SELECT [{tests}] AS tweets FROM {labelled}")
    rows = []
    for name in runs if runs is not None else prediction_set.runs:
        relations = f"{prediction_set.table('tweets')} t JOIN {prediction_set.table('matches', name)} m USING (tweet)"
        (found,) = prediction_set.query(f"SELECT {', '.join(counts)} FROM {relations}")
        for i, ((value, _, query), tweets) in enumerate(zip(slices, sizes["tweets"], strict=True)):
            score = Score(*(found[f"{count}{i}"] for count in ("correct", "predicted", "gold"))).to_dict()
            link = replace(query, system=name).to_params()
            rows.append({"run": name, "by": by, "slice": value, "tweets": tweets, **score, "query": link})
    return rows


def _slices(prediction_set: PredictionSet, by: str) -> Iterator[tuple[str, str, Query]]:
    """Name of each part, the test of its column (``{0}``) in SQL, and what to browse."""
    if by == "seen":
        found = prediction_set.query(f"SELECT DISTINCT seen FROM {prediction_set.table('gold')}")
        # Ours, as far as they occur: what a set from elsewhere holds must not get into a query's text.
        for value in (value for value in SEEN if {"seen": value} in found):
            ours = tuple(outcome for outcome in OUTCOMES if outcome != "spurious_removed")
            yield value, f"{{0}} = '{value}'", Query(seen=(value,), outcome=ours)
    elif by == "image":
        for value in (value for value in STATES if value in prediction_set.info.images):
            yield value, f"{{0}} = '{value}'", Query(image=(value,), entities=JUDGED)
    else:
        for low, high in LENGTHS if by == "words" else NUMBERS:
            value = f"{low}+" if high is None else f"{low}" if low == high else f"{low}–{high}"
            test = f"{{0}} >= {low}" + ("" if high is None else f" AND {{0}} <= {high}")
            limits = (float(low), None if high is None else float(high))
            yield value, test, Query(words=limits, entities=JUDGED) if by == "words" else Query(entities=limits)
