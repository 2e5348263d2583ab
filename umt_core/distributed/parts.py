"""The files of a run: a Parquet part for each chunk, and the tweets that failed. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.data.files import write_pieces, write_stream
from umt_core.data.jsonl import format_record, locate_tokens
from umt_core.distributed.plan import FAILED, Chunk, read_manifest
from umt_core.errors import DataError
from umt_core.schema import Example, Prediction, ScoredSpan, Span

_PLACE = [("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())]
_GOLD = pa.list_(pa.struct(_PLACE))
_SAID = pa.struct(
    [("spans", pa.list_(pa.struct([*_PLACE, ("score", pa.float64())]))), ("notices", pa.list_(pa.string()))]
)
ATTEMPTS = 5  # workers that may die of a chunk
_FAILURES = b"failed"  # key of a part's metadata: how many tweets of its chunk failed


@dataclass(frozen=True, slots=True)
class Failure:
    """A tweet that is in no part, and why."""

    tweet: int  # place among all, from 0
    line: int
    id: str | None  # None: it cannot be told
    reason: str

    def to_json(self) -> str:
        fields = {"tweet": self.tweet, "line": self.line, "id": self.id, "reason": " ".join(self.reason.splitlines())}
        return json.dumps(fields) + "\n"  # ASCII: an id may hold half a surrogate pair


@dataclass(frozen=True, slots=True)
class Counts:
    """What the parts of a folder come to."""

    parts: int = 0
    written: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.parts + other.parts, self.written + other.written, self.failed + other.failed)


def part_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns of a part; ``columns`` are the checkpoints' names, see docs/scale.md."""
    return pa.schema(
        [
            ("tweet", pa.int64()),
            ("id", pa.string()),
            ("tokens", pa.list_(pa.string())),
            ("text", pa.string()),
            ("image", pa.string()),
            ("gold", _GOLD),
            *((column, _SAID) for column in columns),
        ]
    )


def part_path(output: Path, chunk: Chunk) -> Path:
    return output / f"{chunk.name}.parquet"


def failed_path(output: Path, chunk: Chunk) -> Path:
    return output / FAILED / f"{chunk.name}.jsonl"


def write_part(
    output: Path,
    chunk: Chunk,
    tweets: Sequence[tuple[int, Example]],
    predictions: Mapping[str, Sequence[Prediction]],
    failures: Sequence[Failure],
) -> None:
    """Writes what a chunk came to. Its part is written last and in one step: where it is, the chunk is done.

    Args:
        tweets: those that did not fail, with their places.
        predictions: of each checkpoint, one for each of ``tweets``.

    Raises:
        DataError: the place cannot be written.
    """
    failed = failed_path(output, chunk)
    if failures:
        write_pieces(failed, (failure.to_json() for failure in sorted(failures, key=lambda f: f.tweet)))
    else:
        failed.unlink(missing_ok=True)  # of an attempt in which more failed
    schema = part_schema(list(predictions)).with_metadata({_FAILURES: str(len(failures)).encode()})
    rows = [_row(i, *tweet, predictions) for i, tweet in enumerate(tweets)]
    with write_stream(part_path(output, chunk)) as file:
        pq.write_table(pa.Table.from_pylist(rows, schema), file, compression="zstd")


def attempts_path(output: Path, chunk: Chunk) -> Path:
    return output / f".{chunk.name}.attempts"


def count_attempt(output: Path, chunk: Chunk) -> None:
    """Notes that a worker begins a chunk, so that a tweet which kills its worker cannot kill for ever.

    Raises:
        DataError: ``ATTEMPTS`` workers have died of the chunk, or the place cannot be written.
    """
    path = attempts_path(output, chunk)
    try:
        with path.open("ab") as file:
            file.write(b".")
            attempts = file.tell()
    except OSError as error:
        raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    if attempts > ATTEMPTS:
        raise DataError(
            f"wanted a worker that lives to write {chunk.name}, got {ATTEMPTS} that died;"
            f" its tweets begin in line {chunk.line} of the input"
        )


def clear_unfinished(output: Path) -> None:
    """Removes what a kill left half written, and the count of attempts; for when nobody writes there."""
    for folder, pattern in ((output, ".*.part"), (output / FAILED, ".*.part"), (output, ".*.attempts")):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def count_parts(output: Path, chunks: Sequence[Chunk]) -> Counts:
    """What the chunks that are done come to, by the ends of their files alone."""
    counts = Counts()
    for chunk in chunks:
        if (path := part_path(output, chunk)).exists():
            counts += _count(path)
    return counts


def read_predictions(output: Path | str) -> Iterator[tuple[Example, dict[str, tuple[ScoredSpan, ...]]]]:
    """Tweets of a folder in the input's order, and what each checkpoint says of them; a part in memory at a time.

    Raises:
        DataError: it is no such folder, or a part is damaged.
    """
    output = Path(output)
    columns = list(read_manifest(output)["checkpoints"])
    for path in sorted(output.glob("part-*.parquet")):
        try:
            rows = pq.read_table(path, schema=part_schema(columns)).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: wanted a part of predictions, got: {str(error).splitlines()[0]}") from error
        for row in rows:
            yield _example(row), {column: _scored(row[column]["spans"]) for column in columns}


def predictions_jsonl(output: Path | str) -> Iterator[str]:
    """Lines of the JSONL file that ``predict`` writes without parts."""
    return (format_record(example, said) + "\n" for example, said in read_predictions(output))


def read_failures(output: Path | str) -> Iterator[Failure]:
    """The tweets that failed, in the input's order."""
    for path in sorted((Path(output) / FAILED).glob("part-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Failure(**json.loads(line))


def _count(path: Path) -> Counts:
    try:
        metadata = pq.read_metadata(path)
        return Counts(1, metadata.num_rows, int((metadata.metadata or {})[_FAILURES]))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path}: wanted a whole part, got a damaged one; remove it and run again") from error


def _row(i: int, tweet: int, example: Example, predictions: Mapping[str, Sequence[Prediction]]) -> dict[str, Any]:
    gold = None if example.spans is None else [_place(span) for span in example.spans]
    said = {
        column: {
            "spans": [_place(scored.span) | {"score": scored.score} for scored in of[i].spans],
            "notices": of[i].notices,
        }
        for column, of in predictions.items()
    }
    fields = {"tweet": tweet, "id": example.id, "tokens": example.tokens, "text": example.text, "image": example.image}
    return fields | {"gold": gold} | said


def _place(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label}


def _example(row: Mapping[str, Any]) -> Example:
    tokens, text, gold = tuple(row["tokens"]), row["text"], row["gold"]
    return Example(
        row["id"],
        tokens,
        image=row["image"],
        spans=None if gold is None else tuple(Span(**span) for span in gold),
        text=text,
        offsets=None if text is None else locate_tokens(tokens, text),
    )


def _scored(spans: Sequence[Mapping[str, Any]]) -> tuple[ScoredSpan, ...]:
    return tuple(ScoredSpan(Span(s["start"], s["end"], s["label"]), s["score"]) for s in spans)
