"""A run's predictions on disk: parts as they are made, and the finished files of them. Free of torch."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.building import SPAN, TWEET, Surfaces, table
from umt_core.analysis.ledger import classify_in_sql
from umt_core.analysis.sets import RUN, PredictionSet, RunInfo, connect, copy, relation
from umt_core.data.files import write_json
from umt_core.schema import Prediction, Summary

FIGURES = tuple(f.name for f in fields(Summary))
SCORED = pa.list_(pa.struct([*SPAN, ("score", pa.float32()), ("orphan", pa.bool_()), ("seen", pa.string())]))
PARTS = pa.schema([TWEET, ("spans", SCORED), *((name, pa.float32()) for name in FIGURES)])


def part_path(folder: Path, start: int, end: int) -> Path:
    """Where the part with the tweets ``[start, end)`` belongs; its name says which, should parts change their size."""
    return folder / f"{start:09d}-{end:09d}.parquet"


def write_part(
    folder: Path,
    start: int,
    predictions: Sequence[Prediction],
    summaries: Sequence[Summary | None],
    surfaces: Surfaces,
) -> None:
    """Writes what was said of the tweets from ``start`` on, in one step."""
    rows = [
        (tweet, _spans(prediction, surfaces), *(getattr(summary, name, None) for name in FIGURES))
        for tweet, (prediction, summary) in enumerate(zip(predictions, summaries, strict=True), start)
    ]
    write_rows(part_path(folder, start, start + len(predictions)), rows, PARTS)


def write_rows(path: Path, rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> None:
    """Writes a part, whole or not at all."""
    temporary = path.with_suffix(".part")
    pq.write_table(table(rows, schema), temporary)
    temporary.replace(path)


def _spans(prediction: Prediction, surfaces: Surfaces) -> list[dict[str, Any]]:
    return [
        {
            "start": scored.span.start,
            "end": scored.span.end,
            "label": scored.span.label,
            "score": scored.score,
            "orphan": prediction.tags[scored.span.start].startswith("I"),
            "seen": surfaces.category(scored.span, prediction.tokens),
        }
        for scored in prediction.spans
    ]


def finish_run(prediction_set: PredictionSet, info: RunInfo) -> None:
    """Joins a run's parts, lays the spans beside gold, says that it is finished and removes the parts.

    Raises:
        DataError: a part is damaged, or the place cannot be written.
    """
    folder = prediction_set.folder / info.folder_name
    parts = relation(folder / "parts" / "*.parquet")
    with connect(folder) as con:
        spans = f"FROM (SELECT tweet, unnest(spans, recursive := true) FROM {parts}) ORDER BY tweet, start"
        copy(con, spans, folder / "spans.parquet")
        figures = f"""
            SELECT tweet, len(spans)::INTEGER AS spans,
                list_min(list_transform(spans, lambda s: s.score)) AS lowest_score, {", ".join(FIGURES)},
                CASE WHEN gate_mean IS NOT NULL THEN
                    percent_rank() OVER (PARTITION BY gate_mean IS NULL ORDER BY gate_mean) END AS gate_quantile
            FROM {parts} ORDER BY tweet"""
        copy(con, figures, folder / "tweets.parquet")
        write_matches(con, prediction_set, folder)
        (count,) = con.execute(f"SELECT count(*) FROM {relation(folder / 'spans.parquet')}").fetchone() or (0,)
    write_json(folder / RUN, replace(info, finished=True, spans=count))
    shutil.rmtree(folder / "parts", ignore_errors=True)


def write_matches(con: duckdb.DuckDBPyConnection, prediction_set: PredictionSet, folder: Path) -> None:
    """Lays a run's spans beside gold: ``matches.parquet``, the matches of ``ledger.classify``, of labelled tweets.

    Further columns are the predicted span's ``score``, and ``orphan`` and ``seen`` of both spans.
    """
    gold, spans = prediction_set.table("gold"), relation(folder / "spans.parquet")
    some = f"(FROM {spans} WHERE tweet IN {prediction_set.judged})" if prediction_set.info.unlabelled else spans
    classify_in_sql(con, gold, some)
    sql = f"""
        SELECT m.*, p.score, p.orphan, p.seen, g.orphan AS gold_orphan, g.seen AS gold_seen FROM matches m
        LEFT JOIN {spans} p ON (m.tweet, m.start, m."end", m.label) = (p.tweet, p.start, p."end", p.label)
        LEFT JOIN {gold} g ON (m.tweet, gold_start, gold_end, gold_label) = (g.tweet, g.start, g."end", g.label)
        ORDER BY m.tweet, coalesce(gold_start, m.start)"""
    copy(con, sql, folder / "matches.parquet")
