"""Finds tweets in a prediction set: filters that combine, any figure to sort by, a page at a time, and exports.

A row is a tweet. Filters on spans (outcome, types, errors, seen, score) must hold for one and the
same line of the ledger; those on tweets (words, entities, image, gate, text) for the tweet. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from umt_core.analysis.query import NONE, OPEN, PAGE, RIGHT, SORTS, Query, Range
from umt_core.analysis.sets import PredictionSet, Row
from umt_core.data.conll import format_conll
from umt_core.data.files import table_line, write_pieces
from umt_core.data.jsonl import format_record
from umt_core.errors import DataError
from umt_core.schema import Example, ScoredSpan, Span

FORMATS = ("csv", "jsonl", "conll")


@dataclass(frozen=True, slots=True)
class Page:
    """Tweets of a query, and how many there are in all.

    Each row has: tweet, id, words, entities (gold; ``None``: the tweet is not labelled), image (state), position
    (from 0, among all), score, lines (of the ledger that match, none without span filters), text, tokens and picture
    (``None`` without the private files), gold, predictions (by run, spans with score and error), figures (by run).
    """

    tweets: int
    gold_spans: int  # lines of the ledger that match: gold spans
    other_spans: int  # and predicted spans that are not gold
    rows: list[Row] = field(default_factory=list)


def resolve(prediction_set: PredictionSet, query: Query) -> Query:
    """The query with its runs named.

    The baseline is by default BERT-CRF, else the first run; the system UMT, else the last run; both of the data set's
    own checkpoints where they can be, and of one checkpoint set.

    Raises:
        DataError: the set has no run, or none of that name.
    """
    runs = prediction_set.runs
    if not runs:
        raise DataError(f"{prediction_set.name}: wanted predictions to look at, got none; run a checkpoint first")
    names = sorted(runs, key=lambda name: _checkpoint_set(name) != prediction_set.info.dataset)
    baseline = query.baseline or next((n for n in names if runs[n].system == "bert-crf"), names[0])
    others = [name for name in names if name != baseline] or names
    others = [name for name in others if _checkpoint_set(name) == _checkpoint_set(baseline)] or others
    system = query.system or next((n for n in others if runs[n].system == "umt-bert-crf"), others[-1])
    for name in (baseline, system):
        prediction_set.run(name)
    return replace(query, baseline=baseline, system=system)


def _checkpoint_set(run: str) -> str:
    return run.partition("/")[0]


def browse(prediction_set: PredictionSet, query: Query, *, runs: Sequence[str] | None = None, size: int = PAGE) -> Page:
    """One page of the tweets that a query finds; ``runs`` are those whose predictions are wanted (by default all).

    Raises:
        DataError: a run is not there, the regular expression is not one, or text is searched in
            a set without its tweets.
    """
    query = resolve(prediction_set, query)
    sql, parameters = _found(prediction_set, query)
    order = f"key {'DESC' if query.descending else 'ASC'} NULLS LAST, tweet"
    rows = prediction_set.query(
        f"""WITH found AS MATERIALIZED ({sql}), total AS (SELECT count(*) AS tweets, sum(gold_spans) AS gold_spans,
                sum(other_spans) AS other_spans FROM found),
            page AS (SELECT tweet, key FROM found ORDER BY {order} LIMIT {size} OFFSET {query.page * size})
        SELECT total.*, page.tweet FROM total LEFT JOIN page ON true ORDER BY {order}""",
        *parameters,
    )
    total = rows[0]
    tweets = [row["tweet"] for row in rows if row["tweet"] is not None]
    wanted = runs if runs is not None else list(prediction_set.runs)
    shown = _tweets(prediction_set, tweets, wanted, query)
    for place, row in enumerate(shown, query.page * size):
        row["position"] = place
    return Page(total["tweets"], int(total["gold_spans"] or 0), int(total["other_spans"] or 0), shown)


def find(
    prediction_set: PredictionSet, identity: str, query: Query = Query(), *, runs: Sequence[str] | None = None
) -> Row:
    """One tweet by its id, as a row of a page.

    ``position`` is its place among what the query finds (``None``: it is not among them);
    ``previous`` and ``next`` are the ids beside it.

    Raises:
        DataError: the set has no tweet of that id; or as in ``browse``.
    """
    query = resolve(prediction_set, query)
    known = prediction_set.query(f"SELECT tweet FROM {prediction_set.table('tweets')} WHERE id = ?", identity)
    if not known:
        raise DataError(f"{prediction_set.name}: wanted a tweet with the id {identity!r}, there is none")
    tweet = known[0]["tweet"]
    sql, parameters = _found(prediction_set, query)
    order = f"key {'DESC' if query.descending else 'ASC'} NULLS LAST, tweet"
    places = prediction_set.query(
        f"""WITH placed AS (SELECT tweet, row_number() OVER (ORDER BY {order}) - 1 AS place FROM ({sql})),
            here AS (SELECT place AS middle FROM placed WHERE tweet = {tweet})
        SELECT place - middle AS side, place, id FROM placed JOIN here ON place BETWEEN middle - 1 AND middle + 1
        JOIN {prediction_set.table("tweets")} t ON t.tweet = placed.tweet""",
        *parameters,
    )
    beside = {row["side"]: row for row in places}
    (row,) = _tweets(prediction_set, [tweet], runs if runs is not None else list(prediction_set.runs), query)
    row |= {"position": beside[0]["place"] if 0 in beside else None}
    return row | {name: beside.get(side, {}).get("id") for name, side in (("previous", -1), ("next", 1))}


def found_ids(prediction_set: PredictionSet, query: Query) -> list[tuple[str, Any]]:
    """The ids of all tweets that a query finds, in its order, and what they are sorted by; errors as ``browse``."""
    query = resolve(prediction_set, query)
    sql, parameters = _found(prediction_set, query)
    order = f"key {'DESC' if query.descending else 'ASC'} NULLS LAST, tweet"
    tweets = prediction_set.table("tweets")
    rows = prediction_set.query(
        f"SELECT t.id, f.key FROM ({sql}) f JOIN {tweets} t USING (tweet) ORDER BY {order}", *parameters
    )
    return [(row["id"], row["key"]) for row in rows]


# --- SQL of a query -------------------------------------------------------------------------------


def _found(prediction_set: PredictionSet, query: Query) -> tuple[str, list[Any]]:
    """A query for the tweets that are found: tweet, key (to sort by), gold_spans, other_spans."""
    parameters: list[Any] = []
    relations = [f"{prediction_set.table('tweets')} t"]
    conditions = _on_tweets(query, parameters)
    lines: list[Any] = []
    on_spans = _on_spans(query, lines)
    key = SORTS[query.sort]
    counts = "0 AS gold_spans, 0 AS other_spans"
    if on_spans or key.startswith("h."):
        # Where there are lines to sort by alone, a tweet without one is found all the same, as the last.
        join = "JOIN" if on_spans else "LEFT JOIN"
        relations.append(
            f"""{join} (SELECT tweet, count(*) FILTER ({_IS_GOLD}) AS gold_spans, count(*) FILTER (NOT {_IS_GOLD})
                AS other_spans, min(system_score) AS score FROM {prediction_set.pair(query.baseline, query.system)}
                WHERE {" AND ".join(on_spans) or "true"} GROUP BY tweet) h USING (tweet)"""
        )
    if on_spans:
        counts = "h.gold_spans, h.other_spans"
    if key.startswith("s.") or query.gate != OPEN:
        relations.append(f"JOIN {prediction_set.table('tweets', query.system)} s USING (tweet)")
    if key.startswith("b."):
        relations.append(f"JOIN {prediction_set.table('tweets', query.baseline)} b USING (tweet)")
    if on_text := _on_text(prediction_set, query, parameters):
        relations.append(f"JOIN {prediction_set.table('texts')} x USING (tweet)")
        # Tied to another table, so that only tweets that pass all else are searched: it is the dearest test.
        conditions.append(f"CASE WHEN t.words IS NOT NULL THEN {on_text} END")
    where = " AND ".join(conditions) or "true"
    sql = f"SELECT tweet, {key} AS key, {counts} FROM {' '.join(relations)} WHERE {where}"
    return sql, [*lines, *parameters]


_IS_GOLD = "(outcome IN ('fixed', 'broken', 'both_right', 'both_wrong'))"


def _on_spans(query: Query, parameters: list[Any]) -> list[str]:
    conditions = []
    for name, column, absent in (
        ("outcome", "outcome", ""),
        ("type", "label", ""),
        ("gold_type", "gold_label", NONE),
        ("predicted_type", "system_label", NONE),
        ("error", "system_error", RIGHT),
        ("baseline_error", "baseline_error", RIGHT),
        ("seen", "seen", ""),
    ):
        values = [value for value in getattr(query, name) if value != absent]
        either = [f"list_contains(?::VARCHAR[], {column})"] if values else []
        if values:
            parameters.append(values)
        if len(values) < len(getattr(query, name)):
            either.append(_ABSENT.get(column, f"{column} IS NULL"))
        if either:
            conditions.append(f"({' OR '.join(either)})")
    return conditions + _in_range("system_score", query.score, parameters, "FLOAT")


# Nothing predicted is no error, but it is not right either.
_ABSENT = {
    "system_error": "(system_error IS NULL AND system_label IS NOT NULL)",
    "baseline_error": "(baseline_error IS NULL AND baseline_label IS NOT NULL)",
}


def _on_tweets(query: Query, parameters: list[Any]) -> list[str]:
    conditions = []
    if query.image:
        conditions.append("list_contains(?::VARCHAR[], t.image)")
        parameters.append(list(query.image))
    conditions += _in_range("t.words", query.words, parameters)
    conditions += _in_range("t.entities", query.entities, parameters)
    return conditions + _in_range("s.gate_quantile", query.gate, parameters)


def _in_range(column: str, limits: Range, parameters: list[Any], kind: str = "DOUBLE") -> list[str]:
    # Ends are of the column's kind: 0.61 as a double lies below 0.61 as a float.
    signs = zip((">=", "<="), limits, strict=True)
    ends = [(f"{column} {sign} ?::{kind}", end) for sign, end in signs if end is not None]
    parameters += [end for _, end in ends]
    return [condition for condition, _ in ends]


def _on_text(prediction_set: PredictionSet, query: Query, parameters: list[Any]) -> str:
    conditions = []
    if query.text:
        conditions.append("contains(folded, ?)")
        parameters.append(query.text.casefold())
    if query.regex:
        try:
            prediction_set.query("SELECT regexp_matches('', ?)", query.regex)
        except DataError as error:
            reason = str(error.__cause__).splitlines()[0].removeprefix("Invalid Input Error: ")
            raise DataError(f"regex: wanted a regular expression, got {query.regex[:60]!r}: {reason}") from error
        conditions.append("regexp_matches(text, ?)")
        parameters.append(query.regex)
    if conditions and not prediction_set.has_texts:
        raise DataError(f"{prediction_set.name}: cannot search in its tweets, it came without them")
    return " AND ".join(conditions)


# --- rows ------------------------------------------------------------------------------------------


def _tweets(prediction_set: PredictionSet, tweets: Sequence[int], runs: Sequence[str], query: Query) -> list[Row]:
    """Rows of tweets in this order, without ``position``."""
    if not tweets:
        return []

    def ask(columns: str, table: str, *parameters: Any) -> dict[int, list[Row]]:
        # As a list in the text of the query DuckDB skips the row groups that hold none of them.
        chosen = f"tweet IN ({', '.join(map(str, tweets))})"
        found: dict[int, list[Row]] = {tweet: [] for tweet in tweets}
        for row in prediction_set.query(f"SELECT tweet, {columns} FROM {table} WHERE {chosen}", *parameters):
            found[row.pop("tweet")].append(row)
        return found

    facts = ask("id, words, entities, image", prediction_set.table("tweets"))
    texts = ask("text, raw, tokens, picture", prediction_set.table("texts")) if prediction_set.has_texts else {}
    gold = ask('start, "end", label, seen', prediction_set.table("gold"))
    lines: list[Any] = []
    on_spans = _on_spans(query, lines)
    pair = prediction_set.pair(query.baseline, query.system)
    condition = f"(SELECT * FROM {pair} WHERE {' AND '.join(on_spans)})"
    matching = ask("* EXCLUDE (tweet)", condition, *lines) if on_spans else {}
    spans, figures = {}, {}
    for run in runs:
        spans[run] = ask('start, "end", label, score, error, seen', prediction_set.said(run))
        figures[run] = ask("* EXCLUDE (tweet)", prediction_set.table("tweets", run))
    empty = {"text": None, "raw": False, "tokens": None, "picture": None}
    return [
        {
            "tweet": tweet,
            **facts[tweet][0],
            **(texts[tweet][0] if texts else empty),
            "gold": _in_order(gold[tweet]),
            "lines": _in_order(matching.get(tweet, [])),
            "predictions": {run: _in_order(spans[run][tweet]) for run in runs},
            "figures": {run: figures[run][tweet][0] for run in runs},
        }
        for tweet in tweets
    ]


def _in_order(spans: list[Row]) -> list[Row]:
    return sorted(spans, key=lambda span: (span["start"], span["end"]))


# --- export ----------------------------------------------------------------------------------------


def export(
    prediction_set: PredictionSet, query: Query, form: str, *, runs: Sequence[str] | None = None, size: int = 500
) -> Iterator[str]:
    """The text of all tweets that a query finds, piece by piece, in its order.

    ``jsonl`` is what ``predict`` writes, with gold; ``conll`` holds gold tags alone, of labelled tweets; ``csv`` has a
    line for each gold or predicted span. In CSV a field that a spreadsheet would take for a formula begins with an
    apostrophe.

    Raises:
        DataError: the form is none of ``FORMATS``, the set came without its tweets (CSV does without them), or as
            in ``browse``.
    """
    if form not in FORMATS:
        raise DataError(f"wanted an export as {', '.join(FORMATS)}, got {form!r}")
    if not prediction_set.has_texts and form != "csv":
        raise DataError(f"{prediction_set.name}: cannot export {form}, the set came without its tweets")
    return _pieces(prediction_set, resolve(prediction_set, query), form, runs, size)


def write_export(
    prediction_set: PredictionSet, query: Query, form: str, path: Path, *, runs: Sequence[str] | None = None
) -> None:
    """``export`` into a file, whole or not at all."""
    write_pieces(path, export(prediction_set, query, form, runs=runs))


def _pieces(
    prediction_set: PredictionSet, query: Query, form: str, runs: Sequence[str] | None, size: int
) -> Iterator[str]:
    chosen = list(prediction_set.runs) if runs is None else list(runs)
    if form == "csv":
        yield _csv([_CSV_COLUMNS])
    sql, parameters = _found(prediction_set, query)
    order = f"key {'DESC' if query.descending else 'ASC'} NULLS LAST, tweet"
    tweets = prediction_set.column(f"SELECT tweet FROM ({sql}) ORDER BY {order}", *parameters)
    for start in range(0, len(tweets), size):
        for row in _tweets(prediction_set, tweets[start : start + size].tolist(), chosen, query):
            yield _csv(_csv_rows(row)) if form == "csv" else _record(row, form)


_CSV_COLUMNS = ("id", "start", "end", "label", "by", "score", "error", "seen", "surface", "text")


def _csv_rows(row: Row) -> Iterator[Sequence[Any]]:
    found = [("gold", span) for span in row["gold"]]
    found += [(run, span) for run, spans in row["predictions"].items() for span in spans]
    for by, span in found:
        surface = None if row["tokens"] is None else " ".join(row["tokens"][span["start"] : span["end"]])
        error = span.get("error") if row["entities"] is not None else "not labelled"
        values = (span.get("score"), error, span.get("seen"))
        yield row["id"], span["start"], span["end"], span["label"], by, *values, surface, row["text"]


def _csv(rows: Any) -> str:
    return "".join(table_line(round(v, 6) if isinstance(v, float) else v for v in row) for row in rows)


def _record(row: Row, form: str) -> str:
    labelled = row["entities"] is not None
    gold = tuple(Span(span["start"], span["end"], span["label"]) for span in row["gold"]) if labelled else None
    text = row["text"] if row["raw"] else None
    example = Example(row["id"], tuple(row["tokens"]), image=row["picture"], spans=gold, text=text)
    if form == "conll":
        return format_conll([example]) if labelled else ""
    scored = {
        run: [ScoredSpan(Span(s["start"], s["end"], s["label"]), s["score"]) for s in spans]
        for run, spans in row["predictions"].items()
    }
    return format_record(example, scored) + "\n"
