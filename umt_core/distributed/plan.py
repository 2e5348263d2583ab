"""What is to be done: the input's chunks, and what a folder of predictions says it was made of. Free of torch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

import umt_core
from umt_core.data.files import write_json, write_text
from umt_core.distributed.reading import identity, raw_tweets, suffix_of
from umt_core.errors import DataError
from umt_core.manifest import file_sum
from umt_core.registry import CheckpointInfo, families, find_apart

FORMAT = 1  # of the manifest; a reader refuses what it does not know
CHUNK = 1_000  # tweets: what a kill costs a worker
# Readers of Parquet folders leave out what begins with an underscore.
MANIFEST, PLAN, FAILED, IDS = "_manifest.json", "_plan.json", "_failed", "_ids"
_BATCH = 50_000  # ids that are held at a time
_IDS = pa.schema([("id", pa.string()), ("tweet", pa.int64()), ("line", pa.int64())])


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tweets that stand one after the other in the input, and are done or not done together."""

    first: int  # place of the first tweet among all, from 0
    tweets: int
    line: int  # number of the line where the first begins
    offset: int  # of that line, in bytes
    again: tuple[tuple[int, int], ...] = ()  # tweets whose id came before, and the line where it did

    @property
    def name(self) -> str:
        """Of its files: their order by name is the input's.

        >>> Chunk(3000, 1000, 3001, 412_000).name
        'part-000000003000'
        """
        return f"part-{self.first:012d}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker needs to know of the run; small enough to be sent to each."""

    input: Path
    output: Path
    input_sha256: str
    input_bytes: int
    named: bool  # see ``parse``
    chunk: int  # tweets of a chunk, the last one has fewer
    checkpoints: tuple[tuple[str, str, str], ...]  # its name, what it is loaded by, SHA-256 of the weights
    images: Path | None
    strict_images: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the checkpoints, as the output has them."""
        return tuple(column for column, _, _ in self.checkpoints)

    def to_manifest(self) -> dict[str, Any]:
        """What a run that goes on must have in common with the one that began."""
        return {
            "format": FORMAT,
            "checkpoints": {column: weights for column, _, weights in self.checkpoints},
            "input": {"sha256": self.input_sha256, "bytes": self.input_bytes},
            "chunk": self.chunk,
            "images": None if self.images is None else str(self.images),
            "strict_images": self.strict_images,
            "code": umt_core.__version__,
        }


def make_plan(
    input: Path,
    output: Path,
    checkpoints: Sequence[str],
    *,
    images: Path | None = None,
    strict_images: bool = False,
    chunk: int = CHUNK,
) -> tuple[Plan, list[Chunk]]:
    """The plan of a run and its chunks; those of a run that goes on are read from its folder.

    Reads the input twice, a line at a time: for its sum, and for where chunks begin and which ids come twice.

    Raises:
        CheckpointError: there is no such checkpoint, or two have one name.
        DataError: the input cannot be read, holds no tweet or is of another suffix, or the folder holds what other
            weights, another input or other settings have made.
    """
    if chunk < 1:
        raise DataError(f"wanted chunks of at least one tweet, got {chunk}")
    suffix_of(input)
    found = list(zip(find_apart(checkpoints), checkpoints, strict=True))
    try:
        sha256, size = file_sum(input), input.stat().st_size
    except OSError as error:
        raise DataError(f"{input}: wanted a readable file, got: {error.strerror}") from error
    plan = Plan(
        input=input.resolve(),
        output=output.resolve(),
        input_sha256=sha256,
        input_bytes=size,
        named=False,
        chunk=chunk,
        checkpoints=tuple((info.name, _anywhere(info, name), info.manifest.weights_sha256) for info, name in found),
        images=None if images is None else images.resolve(),
        strict_images=strict_images,
    )
    begun = output / MANIFEST
    if begun.exists():
        check_same(output, plan)
        return _read_plan(plan)
    if output.exists() and any(not path.name.startswith((".", "_")) for path in output.iterdir()):
        raise DataError(f"{output}: wanted a new folder or one of an earlier run, got one with other files in it")
    named, chunks = find_chunks(plan.input, chunk, output)
    plan = dataclasses.replace(plan, named=named)
    write_text(output / PLAN, json.dumps({"named": named, "chunks": [dataclasses.astuple(chunk) for chunk in chunks]}))
    write_json(begun, plan.to_manifest())  # last: now it has begun
    return plan, chunks


def _anywhere(info: CheckpointInfo, name: str) -> str:
    """What a checkpoint is found by from any working directory: its folder where that was given, else its name."""
    by_name = info.name == str(name) and info.family in families()
    return str(name) if by_name else str(info.folder.resolve())


def check_same(output: Path, plan: Plan) -> None:
    """Refuses to go on in a folder with what would not fit the parts that are there (``DataError``)."""
    begun = read_manifest(output)
    for key, wanted in plan.to_manifest().items():
        if begun.get(key) != wanted:
            raise DataError(
                f"{output}: was begun with {key} {_short(begun.get(key))}, got {_short(wanted)};"
                " give the same again, or another folder"
            )


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of a folder of predictions (``DataError``: there is none, or it is of another format)."""
    path = output / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{output}: wanted a folder of predictions, got no readable {MANIFEST}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(f"{path}: wanted a manifest of format {FORMAT}, got another")
    return values


def find_chunks(input: Path, size: int, scratch: Path) -> tuple[bool, list[Chunk]]:
    """Chunks of ``size`` tweets, and whether a tweet has an ``IMGID:`` line; ids wait on disk, in ``scratch``.

    Raises:
        DataError: the input cannot be read or holds no tweet.
    """
    ids = scratch / IDS
    shutil.rmtree(ids, ignore_errors=True)
    ids.mkdir(parents=True)
    starts: list[tuple[int, int]] = []  # line and offset
    named, tweets = False, 0

    def identities() -> Iterator[tuple[str | None, int, int]]:
        nonlocal named, tweets
        with input.open("rb") as file:
            for raw in raw_tweets(file, suffix_of(input)):
                if tweets % size == 0:
                    starts.append((raw.line, raw.offset))
                named = named or (not isinstance(raw.source, str) and raw.source.name is not None)
                yield identity(raw), tweets, raw.line
                tweets += 1

    try:
        again = _repeated(identities(), ids)
    except OSError as error:
        raise DataError(f"{input}: wanted a readable file, got: {error.strerror}") from error
    finally:
        shutil.rmtree(ids, ignore_errors=True)
    if not tweets:
        raise DataError(f"{input}: wanted at least one tweet, got none")
    return named, _chunks(starts, tweets, size, again)


def _chunks(starts: list[tuple[int, int]], tweets: int, size: int, again: list[tuple[int, int]]) -> list[Chunk]:
    by_chunk: dict[int, list[tuple[int, int]]] = {}
    for tweet, line in again:
        by_chunk.setdefault(tweet // size, []).append((tweet, line))
    return [
        Chunk(i * size, min(size, tweets - i * size), line, offset, tuple(by_chunk.get(i, ())))
        for i, (line, offset) in enumerate(starts)
    ]


def _repeated(rows: Iterable[tuple[str | None, int, int]], folder: Path) -> list[tuple[int, int]]:
    """Tweets whose id came before, and the line where it came first."""
    with duckdb.connect(folder / "ids.duckdb") as con:
        con.execute(f"SET memory_limit = '512MB'; SET threads = 2; SET temp_directory = '{_quoted(folder / 'spill')}'")
        con.execute("CREATE TABLE ids (id VARCHAR, tweet BIGINT, line BIGINT)")
        waiting: list[tuple[str | None, int, int]] = []

        def keep() -> None:
            if waiting:
                columns = zip(*waiting, strict=True)
                batch = pa.table([pa.array(c, f.type) for c, f in zip(columns, _IDS, strict=True)], _IDS)
                con.register("batch", batch)
                con.execute("INSERT INTO ids FROM batch")
                con.unregister("batch")
                waiting.clear()

        for row in rows:
            waiting.append((_storable(row[0]), *row[1:]))
            if len(waiting) == _BATCH:
                keep()
        keep()
        return con.execute(
            """SELECT ids.tweet, first.line FROM ids JOIN (
                SELECT id, min(tweet) AS tweet, arg_min(line, tweet) AS line FROM ids
                WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) first USING (id)
            WHERE ids.tweet > first.tweet ORDER BY ids.tweet"""
        ).fetchall()


def _storable(identity: str | None) -> str | None:
    # An id with half a surrogate pair is refused by ``parse``: it needs no second reason.
    return None if identity is None or any("\ud800" <= c <= "\udfff" for c in identity) else identity


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _read_plan(plan: Plan) -> tuple[Plan, list[Chunk]]:
    path = plan.output / PLAN
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        chunks = [
            Chunk(first, tweets, line, offset, tuple((tweet, before) for tweet, before in again))
            for first, tweets, line, offset, again in kept["chunks"]
        ]
        return dataclasses.replace(plan, named=kept["named"]), chunks
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: wanted the chunks of a run that was begun, got a damaged file; begin anew in another folder"
        ) from error


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:197] + "..."
