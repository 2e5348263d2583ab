"""How probable a run holds every tag of every word: kept beside its spans, for scores of labels. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.sets import ROWS, PredictionSet
from umt_core.data.files import part_of
from umt_core.errors import DataError
from umt_core.labels import WORD_TAGS

FILE = "marginals.parquet"
SCHEMA = pa.schema([("tweet", pa.int32()), ("words", pa.int32()), ("p", pa.list_(pa.float16()))])


@dataclass(frozen=True, slots=True)
class Marginals:
    """P(tag | tweet, image) of the words of all tweets of a set, by one run.

    ``self[tweet]`` is (words, tags of ``WORD_TAGS``); of a tweet that is longer than the tagger
    reads it holds the words that were read.
    """

    values: np.ndarray  # (words of all tweets, tags), float16
    ends: np.ndarray  # (tweets,): where each tweet's words end

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, tweet: int) -> np.ndarray:
        return self.values[self.ends[tweet - 1] if tweet else 0 : self.ends[tweet]].astype(np.float32)

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> Self:
        """From one array (words, tags) for each tweet."""
        values = np.concatenate([np.zeros((0, len(WORD_TAGS))), *rows]).astype(np.float16)
        return cls(values, np.cumsum([len(row) for row in rows], dtype=np.int64))


def marginals_path(found: PredictionSet, run: str) -> Path:
    return found.folder / found.run(run).folder_name / FILE


def write_marginals(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Writes one array (words, tags) for each tweet, in one step."""
    columns = (
        pa.array(range(len(rows)), pa.int32()),
        pa.array([len(row) for row in rows], pa.int32()),
        pa.array([row.astype(np.float16).ravel() for row in rows], SCHEMA.field("p").type),
    )
    temporary = part_of(path)
    try:
        pq.write_table(pa.table(list(columns), SCHEMA), temporary, row_group_size=ROWS)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_marginals(found: PredictionSet, run: str) -> Marginals | None:
    """What a run keeps of them; ``None``: nothing (``run_set.keep_marginals`` makes them).

    Raises:
        DataError: the file is damaged, or is of other tweets.
    """
    path = marginals_path(found, run)
    if not path.exists():
        return None
    kept = read_file(path)
    if len(kept) != found.info.tweets:
        raise DataError(f"{path}: wanted marginals of {found.info.tweets} tweets, got {len(kept)}; remove it")
    return kept


def read_file(path: Path) -> Marginals:
    """What ``write_marginals`` wrote (``DataError``: it is damaged)."""
    try:
        table = pq.read_table(path)
        words = table["words"].to_numpy()
        values = table["p"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        values = values.astype(np.float16).reshape(-1, len(WORD_TAGS))
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: wanted a run's marginals, got a damaged file; remove it") from error
    if words.sum() != len(values):
        raise DataError(f"{path}: wanted marginals of {words.sum()} words, got {len(values)}; remove it")
    return Marginals(values, np.cumsum(words, dtype=np.int64))
