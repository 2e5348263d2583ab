"""Makes prediction sets from data files, shares them without their tweets, and takes in shared ones. Free of torch."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

import umt_core
from umt_core.analysis.sets import (
    PRIVATE,
    ROWS,
    RUN,
    SET,
    TEXT_ROWS,
    PredictionSet,
    Progress,
    SetInfo,
    connect,
    copy,
    relation,
    sets_folder,
)
from umt_core.data.files import locked, utc_now, write_json
from umt_core.data.images import ImageIndex, images_sum, need_folder
from umt_core.data.jsonl import iter_examples
from umt_core.data.pictures import COPIES, picture_facts
from umt_core.encoders.catalog import told_name
from umt_core.errors import DataError, ImageError
from umt_core.manifest import file_sum
from umt_core.schema import Example, Span

T = TypeVar("T")

TWEET = ("tweet", pa.int32())
SPAN = [("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())]
GOLD = pa.schema([TWEET, *SPAN, ("orphan", pa.bool_()), ("seen", pa.string())])
FACTS = pa.schema(
    [
        TWEET,
        ("id", pa.string()),
        ("words", pa.int32()),
        ("entities", pa.int32()),  # gold; null: the tweet is not labelled
        ("image", pa.string()),  # state
        ("file", pa.string()),  # these two only until it is known which pictures are copied many times
        ("digest", pa.string()),
    ]
)
TEXTS = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),  # as published, or the tokens with spaces
        ("folded", pa.string()),  # the same in small letters, for searching
        ("raw", pa.bool_()),  # whether the text is as published
        ("tokens", pa.list_(pa.string())),
        ("picture", pa.string()),  # its name in the data
    ]
)


class Surfaces:
    """The surface forms of the train split's entities, without regard to capitals."""

    def __init__(self, labels: Mapping[str, Sequence[str]]) -> None:
        self.labels = labels

    @classmethod
    def of(cls, train: Path | None) -> Self:
        found: dict[str, set[str]] = {}
        for example in iter_examples(train) if train else ():
            for span in example.spans or ():
                found.setdefault(span.text(example.tokens).casefold(), set()).add(span.label)
        return cls({surface: sorted(labels) for surface, labels in found.items()})

    @classmethod
    def read(cls, folder: Path) -> Self:
        try:
            return cls(json.loads((folder / "surfaces.json").read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: wanted the set's private file surfaces.json, got: {error}") from error

    def category(self, span: Span, tokens: tuple[str, ...]) -> str | None:
        """Of ``SEEN``; ``None``: there is no train split.

        >>> train = Surfaces({"new york": ["LOC"]})
        >>> train.category(Span(0, 2, "ORG"), ("New", "York")), train.category(Span(0, 1, "LOC"), ("Oslo",))
        ('seen with another type', 'unseen')
        """
        if not self.labels:
            return None
        labels = self.labels.get(span.text(tokens).casefold())
        return "unseen" if labels is None else "seen" if span.label in labels else "seen with another type"


def build_set(
    data: Path | str,
    images: Path | str | None = None,
    *,
    train: Path | str | None = None,
    dataset: str = "",
    root: Path | None = None,
    progress: Progress | None = None,
) -> PredictionSet:
    """The set of a data file, made if it is not there yet, without any run.

    Tweets may be without labels: they are predicted, but no figure counts them.

    Args:
        images: folder or ``.tsv`` of the tweets' pictures; ``None``: no tweet has one.
        train: the split that surface forms are looked up in; by default the file of that name beside ``data``.
        dataset: by default the name of the data file's folder.

    Raises:
        DataError: a file cannot be read, or the place cannot be written.
    """
    data = Path(data).absolute()
    index = None if images is None else ImageIndex.open(images)
    train = _train_of(data, train)
    sums = [_sum(data), "" if index is None else images_sum(index), "" if train is None else _sum(train)]
    key = hashlib.sha256("\n".join(sums).encode()).hexdigest()[:12]
    home = (root or sets_folder()) / (dataset or data.parent.name)
    folder = home / f"{data.stem}-{key}"
    if (folder / SET).exists():
        return add_texts(PredictionSet.open(folder), data, images, train=train, progress=progress)
    with _new_folder(folder) as part:
        surfaces = Surfaces.of(train)
        counts = _write_facts(part, data, index, surfaces, progress)
        info = SetInfo(
            dataset=home.name,
            split=data.stem,
            key=key,
            data_sha256=sums[0],
            images_sha256=sums[1],
            train_sha256=sums[2],
            code=umt_core.__version__,
            created=utc_now(),
            **counts,
        )
        write_json(part / SET, info)
    return add_texts(PredictionSet.open(folder), data, images, train=train, progress=progress)


def _train_of(data: Path, train: Path | str | None) -> Path | None:
    if train:
        return Path(train).absolute()
    beside = data.with_name(f"train{data.suffix}")
    return beside if beside.exists() and beside != data else None


def add_texts(
    prediction_set: PredictionSet,
    data: Path | str,
    images: Path | str | None = None,
    *,
    train: Path | str | None = None,
    progress: Progress | None = None,
) -> PredictionSet:
    """Joins a set that came without its tweets to those in a data file, by id. Arguments as in ``build_set``.

    Raises:
        DataError: the file lacks tweets of the set, or has others of their ids; or as in ``build_set``.
    """
    folder, data = prediction_set.folder, Path(data).absolute()
    source = {"data": str(data), "images": str(Path(images).absolute()) if images else None}
    if all((folder / name).exists() for name in PRIVATE):
        write_json(folder / "source.json", source)  # the same files may have moved
        return prediction_set
    with locked(folder), connect(folder) as con:
        by_id = folder / ".texts.part"
        try:
            with pq.ParquetWriter(by_id, TEXTS) as file:
                for part, examples in enumerate(in_parts(iter_examples(data), ROWS)):
                    file.write_table(table([_text_row(example) for example in examples], TEXTS))
                    if progress:
                        progress("tweets", part * ROWS + len(examples), prediction_set.info.tweets)
            joined = (
                f"{prediction_set.table('tweets')} t JOIN {relation(by_id)} x ON t.id = x.id AND t.words = len(tokens)"
            )
            (count,) = con.execute(f"SELECT count(*) FROM {joined}").fetchone() or (0,)
            if count != prediction_set.info.tweets:
                raise DataError(
                    f"{data}: wanted the {prediction_set.info.tweets} tweets of {prediction_set.name},"
                    f" got {count} of them with the same id and number of words"
                )
            write_json(folder / "surfaces.json", Surfaces.of(_train_of(data, train)).labels)
            write_json(folder / "source.json", source)
            sql = f"SELECT tweet, x.* EXCLUDE (id) FROM {joined} ORDER BY tweet"
            copy(con, sql, folder / "texts.parquet", TEXT_ROWS)  # last: by it a set is known to have its tweets
        finally:
            by_id.unlink(missing_ok=True)
    return PredictionSet.open(folder)


def _sum(path: Path) -> str:
    try:
        return file_sum(path)
    except OSError as error:
        raise DataError(f"{path}: wanted a readable file, got: {error.strerror}") from error


def _write_facts(
    folder: Path, data: Path, index: ImageIndex | None, surfaces: Surfaces, progress: Progress | None
) -> dict[str, Any]:
    """Writes what may be shared of the tweets, some thousand at a time; gives the set's counts."""
    pictures, tweets, gold, unlabelled = _Pictures(index), 0, 0, 0
    with (
        pq.ParquetWriter(folder / "facts.parquet", FACTS) as facts_file,
        pq.ParquetWriter(folder / "gold.parquet", GOLD) as gold_file,
    ):
        for examples in in_parts(iter_examples(data), ROWS):
            facts: list[tuple[Any, ...]] = []
            spans: list[tuple[Any, ...]] = []
            for tweet, example in enumerate(examples, tweets):
                entities = None if example.spans is None else len(example.spans)
                unlabelled += entities is None
                facts.append((tweet, example.id, len(example.tokens), entities, *pictures.look(example.image)))
                spans += _gold_rows(tweet, example, surfaces)
            facts_file.write_table(table(facts, FACTS))
            gold_file.write_table(table(spans, GOLD))
            tweets, gold = tweets + len(examples), gold + len(spans)
            if progress:
                progress("tweets", tweets, 0)
    if not tweets:
        raise DataError(f"{data}: wanted at least one tweet, got none")
    with connect(folder) as con:
        # What is copied under many names can only be told when all have been seen.
        sql = f"""
            WITH facts AS (FROM {relation(folder / "facts.parquet")}), copied AS (SELECT digest FROM facts
                WHERE digest IS NOT NULL GROUP BY digest HAVING count(DISTINCT file) >= {COPIES})
            SELECT tweet, id, words, entities,
                CASE WHEN digest IN (FROM copied) THEN 'placeholder' ELSE image END AS image
            FROM facts ORDER BY tweet"""
        copy(con, sql, folder / "tweets.parquet")
        states = con.execute(f"SELECT image, count(*) FROM {relation(folder / 'tweets.parquet')} GROUP BY 1").fetchall()
    (folder / "facts.parquet").unlink()
    return {"tweets": tweets, "gold": gold, "images": dict(sorted(states)), "unlabelled": unlabelled}


def _gold_rows(tweet: int, example: Example, surfaces: Surfaces) -> list[tuple[Any, ...]]:
    tags = example.tags
    return [
        (
            tweet,
            span.start,
            span.end,
            span.label,
            tags is not None and tags[span.start].startswith("I"),
            surfaces.category(span, example.tokens),
        )
        for span in example.spans or ()
    ]


def _text_row(example: Example) -> tuple[Any, ...]:
    text = " ".join(example.tokens) if example.text is None else example.text
    return example.id, text, text.casefold(), example.text is not None, example.tokens, example.image


def table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table([pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)], schema)


def in_parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


class _Pictures:
    """States of pictures, each file looked at once as long as it is remembered."""

    def __init__(self, index: ImageIndex | None, remember: int = 20_000) -> None:
        self.index, self.remember = index, remember
        self.known: dict[Path, tuple[str, str | None]] = {}

    def look(self, name: str | None) -> tuple[str, str | None, str | None]:
        """State, file and the sum of its bytes."""
        path = None if self.index is None else self.index.path(name)
        if path is None:
            return "missing", None, None
        if path not in self.known:
            if len(self.known) >= self.remember:
                self.known.clear()
            self.known[path] = self._state(path)
        return self.known[path][0], str(path), self.known[path][1]

    def _state(self, path: Path) -> tuple[str, str | None]:
        try:
            facts = picture_facts(path)
        except ImageError:
            need_folder(path)
            return "unreadable", None
        return "placeholder" if facts.flat else "present", facts.digest


# --- sharing -------------------------------------------------------------------------------------


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place when that is done; what a kill left of it is thrown away."""
    with locked(folder.parent):
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            if not folder.exists():  # else another process was quicker
                part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def share_set(prediction_set: PredictionSet, folder: Path | str) -> Path:
    """Copies a set without its tweets: ids, labels, spans and figures, but no text and no path.

    Raises:
        DataError: there is something at ``folder`` already, or it cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise DataError(f"{folder}: wanted a new folder to share the set in, got one that exists")
    unwanted = shutil.ignore_patterns(*PRIVATE, ".*", "parts", "pairs*", "spill")
    try:
        shutil.copytree(prediction_set.folder, folder, ignore=unwanted)
        for path in folder.glob(f"*/{RUN}"):
            run = json.loads(path.read_text(encoding="utf-8"))
            write_json(path, run | {"text_encoder": told_name(run["text_encoder"])})
    except (OSError, shutil.Error, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder}: cannot share the set: {error}") from error
    return folder


def adopt_set(folder: Path | str, root: Path | None = None) -> PredictionSet:
    """Takes in a shared set, or its runs where the set is here already; ``add_texts`` then adds the tweets.

    Raises:
        DataError: the folder holds no set, or the place cannot be written.
    """
    theirs = PredictionSet.open(folder)
    ours = (root or sets_folder()) / theirs.info.dataset / f"{theirs.info.split}-{theirs.info.key}"
    if not ours.exists():
        with _new_folder(ours) as part:
            shutil.copytree(theirs.folder, part, dirs_exist_ok=True)
    for run in theirs.runs.values():
        if not (ours / run.folder_name).exists():
            with _new_folder(ours / run.folder_name) as part:
                shutil.copytree(theirs.folder / run.folder_name, part, dirs_exist_ok=True)
    return PredictionSet.open(ours)
