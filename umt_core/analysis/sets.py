"""Prediction sets on disk: what several systems say of one data set, in Parquet, for DuckDB to ask.

    <root>/<dataset>/<split>-<key>/         the key is of the data, its pictures and its train split
      set.json                              what it is of
      tweets.parquet                        tweet, id, words, entities (null: not labelled), image
      gold.parquet                          tweet, start, end, label, orphan, seen
      texts.parquet surfaces.json source.json   private: tweets, train's entities, where the files are
      <system>-<weights>/                   one folder for each checkpoint that was run
        manifest.json                       which checkpoint, and whether the run is finished
        parts/                              of a run that is not: what it has done
        spans.parquet                       tweet, start, end, label, score, orphan, seen
        tweets.parquet                      tweet, spans, lowest_score, and the figures of ``Summary``
        matches.parquet                     the spans beside gold, see ``ledger.classify``
        marginals.parquet                   where asked for: see ``marginals``
      pairs-2/                              ledgers of two systems, made when first asked for

``tweet`` counts from 0 in the order of the data file. Without its private files a set still tells
ids and spans, and may be given to people who must get the tweets elsewhere. Everything is
written beside its place and renamed, so that a file is whole or not there. Free of torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.ledger import ledger_sql
from umt_core.analysis.paper import place_in_paper
from umt_core.data.files import cache_dir, part_of
from umt_core.data.images import ImageIndex
from umt_core.errors import CheckpointError, DataError
from umt_core.registry import find_checkpoint, same_weights

FORMAT = 1
SET, RUN = "set.json", "manifest.json"
PAIRS = "pairs-2"  # of before, ``pairs``, some lines have the gold label of the baseline's match
PRIVATE = ("texts.parquet", "surfaces.json", "source.json")
ROWS = 8192  # of a row group: small, so that a page of tweets is read without many neighbours
TEXT_ROWS = 2048  # the same where rows are long
MEMORY = "1GB"  # of DuckDB; what needs more goes to disk

RUN_COMMAND = "python -m umt_core sets run --checkpoint … --data …"  # makes a set, or adds a run to it

Progress = Callable[[str, int, int], None]  # of what, done, of how many (0: not known)
Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SetInfo:
    """The contents of ``set.json``."""

    dataset: str
    split: str
    key: str  # twelve digits of the sums below
    data_sha256: str
    images_sha256: str  # of the pictures' names and sizes; "": the set has no pictures
    train_sha256: str  # "": there was no train split, and no surface form is known
    tweets: int
    gold: int
    images: dict[str, int]  # tweets by the state of their picture
    code: str
    created: str
    format: int = FORMAT
    unlabelled: int = 0  # tweets without labels, which no figure counts (sets of before knew none)

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"

    @property
    def labelled(self) -> int:
        """Tweets that figures are taken of."""
        return self.tweets - self.unlabelled


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The contents of a system's ``manifest.json``."""

    checkpoint: str  # twitter2017/umt-bert-crf
    system: str  # umt-bert-crf
    weights_sha256: str
    data_sha256: str
    uses_image: bool
    text_encoder: str
    images: str  # what the pictures were that the system was trained with
    code: str
    created: str
    finished: bool = False
    spans: int = 0
    seconds: float = 0.0
    folds: int = 0  # above 0: each tweet was tagged by one of so many taggers, the one that was trained without it
    format: int = FORMAT

    @property
    def folder_name(self) -> str:
        return f"{self.system}-{self.weights_sha256[:12]}"


def sets_folder() -> Path:
    """``$UMT_PREDICTIONS``, else ``predictions/`` in the cache."""
    return Path(os.environ.get("UMT_PREDICTIONS") or cache_dir() / "predictions")


def set_folders(root: Path | None = None) -> list[Path]:
    """Folders that ought to hold a set; one whose name begins with a dot is still being filled, and will be renamed."""
    return sorted(path.parent for path in (root or sets_folder()).glob(f"[!.]*/[!.]*/{SET}"))


def prediction_sets(root: Path | None = None) -> tuple[list[PredictionSet], list[str]]:
    """All sets that can be opened, by name, and a line for each folder that ought to be one and isn't."""
    found, complaints = [], []
    for folder in set_folders(root):
        try:
            found.append(PredictionSet.open(folder))
        except DataError as error:
            complaints.append(str(error))
    return found, complaints


def find_set(name: str, root: Path | None = None) -> PredictionSet:
    """The set of a name: ``twitter2017/test``, or with its key ``twitter2017/test-b2f51336d82a``.

    Of several it is the newest that has predictions.

    Raises:
        DataError: there is none.
    """
    sets, _ = prediction_sets(root)
    found = [s for s in sets if name in (s.name, f"{s.name}-{s.info.key}")]
    if not found:
        known = ", ".join(dict.fromkeys(s.name for s in sets)) or "none"
        got = f"wanted a prediction set {name!r} in {root or sets_folder()}, got none; known: {known}"
        raise DataError(f"{got}; make one: {RUN_COMMAND}")
    return max(found, key=lambda s: (bool(s.runs), s.info.created))


@dataclass(frozen=True, eq=False)
class PredictionSet:
    """An open set. Threads may share it."""

    folder: Path
    info: SetInfo
    runs: Mapping[str, RunInfo]  # finished and sound, by name; see ``open``
    complaints: tuple[str, ...] = ()  # a line for each run that is not sound

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """The set in a folder, with all of its finished runs.

        Runs are in the order of the paper's tables, one checkpoint set after the other. A run is known by its
        checkpoint's name. Of several with one name (the checkpoint has
        been trained again) the newest has it, and the others have their weights' sum after an @.

        Raises:
            DataError: the folder holds no set, or a file of the set itself is missing or damaged.
        """
        folder = Path(folder)
        info = _read_info(folder / SET, SetInfo)
        for name in ("tweets.parquet", "gold.parquet"):
            _check_parquet(folder / name)
        found, complaints = [], []
        for path in sorted(folder.glob(f"[!.]*/{RUN}")):
            try:
                found.append(_read_run(path, info))
            except DataError as error:
                complaints.append(str(error))
        runs: dict[str, RunInfo] = {}
        for run in sorted(found, key=lambda run: run.created, reverse=True):
            if run.finished:
                taken = run.checkpoint in runs
                runs[f"{run.checkpoint}@{run.weights_sha256[:12]}" if taken else run.checkpoint] = run
        in_order = sorted(runs.items(), key=lambda row: (row[0].split("/")[:-1], place_in_paper(row[1].system), row[0]))
        return cls(folder, info, dict(in_order), tuple(complaints))

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def has_texts(self) -> bool:
        return (self.folder / "texts.parquet").exists()

    def run(self, name: str) -> RunInfo:
        """A finished run (``DataError`` if the set has none of this name)."""
        if name not in self.runs:
            known = ", ".join(self.runs) or "none"
            raise DataError(f"{self.name}: wanted predictions of {name!r}, got none; there are: {known}")
        return self.runs[name]

    def run_of(self, checkpoint: str | Path) -> str:
        """The name of the run of a checkpoint as it is now.

        Raises:
            CheckpointError: there is no such checkpoint.
            DataError: the set has no predictions of it.
        """
        found = find_checkpoint(checkpoint)
        for name, run in self.runs.items():
            if run.weights_sha256 == found.manifest.weights_sha256:
                return name
        raise DataError(f"{self.name}: wanted predictions of {found.name} as it is now, got none; run it first")

    def changed(self) -> dict[str, str]:
        """Runs that are not of what their checkpoint's family serves now, with a line that says so.

        An out-of-fold run is of no checkpoint that could change.
        """
        kept = ((name, run) for name, run in self.runs.items() if not run.folds)
        return {name: line for name, run in kept if (line := _is_older(name, run))}

    def images(self) -> ImageIndex | None:
        """Where the pictures are, if the set was built here and they still are."""
        try:
            source = json.loads((self.folder / "source.json").read_text(encoding="utf-8"))
            return ImageIndex.open(source["images"]) if source["images"] else None
        except (OSError, ValueError, KeyError, DataError):
            return None

    # --- asking ---

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return connect(self.folder)

    def table(self, name: str, run: str | None = None) -> str:
        """A Parquet file of the set, or of one of its runs, as a relation for SQL."""
        return relation((self.folder / self.run(run).folder_name if run else self.folder) / f"{name}.parquet")

    @contextmanager
    def _ask(self, sql: str, parameters: Sequence[Any]) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._connection.cursor()  # one for each question: threads may ask at once
        try:
            yield cursor.execute(sql, parameters)
        except duckdb.Error as error:
            raise DataError(f"{self.folder}: cannot ask the set: {str(error).splitlines()[0]}") from error
        finally:
            cursor.close()

    def query(self, sql: str, *parameters: Any) -> list[Row]:
        """The rows that DuckDB gives, as dictionaries (``DataError`` if it cannot read a file)."""
        with self._ask(sql, parameters) as answer:
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def column(self, sql: str, *parameters: Any) -> np.ndarray:
        """The first column of what DuckDB gives, as an array (``DataError`` as in ``query``)."""
        with self._ask(sql, parameters) as answer:
            return next(iter(answer.fetchnumpy().values()))

    def said(self, run: str) -> str:
        """A run's spans with what is known of each, as a relation; the ``error`` in a tweet without labels is null."""
        columns = 'tweet, start, "end", label, score, error, seen'
        matched = f"SELECT {columns} FROM {self.table('matches', run)} WHERE start IS NOT NULL"
        if not self.info.unlabelled:
            return f"({matched})"
        others = columns.replace("error", "NULL AS error")
        return f"({matched} UNION ALL SELECT {others} FROM {self.table('spans', run)} WHERE tweet NOT IN {self.judged})"

    @property
    def judged(self) -> str:
        """The labelled tweets, as SQL."""
        return f"(SELECT tweet FROM {self.table('tweets')} WHERE entities IS NOT NULL)"

    def pair(self, baseline: str, system: str) -> str:
        """The ledger of two runs as a relation, made and kept when it is first asked for.

        Its columns are those of ``ledger_sql``, the scores of both, and ``seen``; in the order of tweets.
        """
        names = [self.run(name).folder_name for name in (baseline, system)]
        path = self.folder / PAIRS / f"{names[0]}--{names[1]}.parquet"
        if not is_whole(path):
            scores = "b.score AS baseline_score, s.score AS system_score"
            sql = ledger_sql(
                self.table("matches", baseline),
                self.table("matches", system),
                of_gold=f"{scores}, b.gold_seen AS seen",
                of_others=f"{scores}, coalesce(s.seen, b.seen) AS seen",
            )
            path.parent.mkdir(exist_ok=True)
            copy(self._connection.cursor(), f"{sql} ORDER BY tweet, start", path)
        return relation(path)


def _is_older(name: str, run: RunInfo) -> str | None:
    """What a reader must know of a run whose weights are not the served ones; ``None``: they are."""
    family, at, version = run.checkpoint.partition("@")
    try:
        now = find_checkpoint(family)
    except CheckpointError:
        return f"{name}: its checkpoint is not here; these are its predictions of {run.created[:10]}"
    if now.manifest.weights_sha256 == run.weights_sha256:
        return None
    own = same_weights(family, run.weights_sha256)
    if own is not None and at:  # the name says already that it is one of several
        return None if own.version == version else f"{name}: this version is called {own.version} now"
    if own is not None:
        return f"{name}: these are predictions of version {own.version}; {family} is its version {now.version} now"
    if at:
        return f"{name}: this version is not here any more; these are its predictions of {run.created[:10]}"
    return (
        f"{name}: these are predictions of {run.created[:10]} by other weights ({run.weights_sha256[:12]}) than the"
        f" checkpoint of that name has ({now.manifest.weights_sha256[:12]}); run it for its own"
    )


# --- files ---------------------------------------------------------------------------------------


def relation(path: Path) -> str:
    """A Parquet file as SQL reads it."""
    return "read_parquet('" + str(path).replace("'", "''") + "')"


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, as much of it as ``MEMORY``; what needs more goes to disk beside the set."""
    con = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / "spill")})
    con.execute("SET parquet_metadata_cache = true; SET enable_progress_bar = false")
    return con


def copy(con: duckdb.DuckDBPyConnection, sql: str, path: Path, rows: int = ROWS) -> None:
    """Writes what a query gives to a Parquet file, whole or not at all.

    Raises:
        DataError: a file that it reads is damaged, or the place cannot be written.
    """
    temporary = part_of(path)
    target = str(temporary).replace("'", "''")
    try:
        con.execute(f"COPY ({sql}) TO '{target}' (FORMAT parquet, ROW_GROUP_SIZE {rows})")
        temporary.replace(path)
    except (duckdb.Error, OSError) as error:
        raise DataError(f"{path}: cannot make the file: {str(error).splitlines()[0]}") from error
    finally:
        temporary.unlink(missing_ok=True)


# A set may come from elsewhere: what it says of itself is checked, and its names never lead out of its folder.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "dict[str, int]": dict,
}
_NAMES = ("dataset", "split", "key", "system")


def _read_info(path: Path, kind: type[T]) -> T:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        info = kind(**values)
        for f in dataclasses.fields(info):  # type: ignore[arg-type]
            value = getattr(info, f.name)
            if not isinstance(value, _KINDS[str(f.type)]):
                raise ValueError(f"{f.name} is {value!r}")
            if f.name in _NAMES and (Path(str(value)).name != value or str(value)[:1] in ("", ".")):
                raise ValueError(f"{f.name} is {value!r}, which is no name of a folder")
        return info
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path.parent}: wanted a prediction set, found no {path.name}") from error
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: wanted what a prediction set says of itself, got: {error}") from error


def _read_run(path: Path, info: SetInfo) -> RunInfo:
    run = _read_info(path, RunInfo)
    if path.parent.name != run.folder_name:
        raise DataError(f"{path.parent}: wanted a folder named {run.folder_name}, after the run in it")
    if run.data_sha256 != info.data_sha256:
        raise DataError(
            f"{path.parent}: wanted predictions for {info.name} (data SHA-256 {info.data_sha256[:12]}...),"
            f" got those for other data ({run.data_sha256[:12]}...)"
        )
    for name in ("spans", "tweets", "matches") if run.finished else ():
        _check_parquet(path.parent / f"{name}.parquet")
    return run


def is_whole(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _check_parquet(path: Path) -> None:
    if not is_whole(path):
        got = "a damaged one" if path.exists() else "none"
        raise DataError(f"{path}: wanted a whole Parquet file, got {got}; remove {path.parent} and run it again")
