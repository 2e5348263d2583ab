"""A Hugging Face dataset: a folder that ``datasets.load_dataset(folder)`` reads, one Parquet file for the split.

Columns: ``id``, ``tokens``, ``ner_tags`` (class labels of BIO2; null: not labelled), ``image``, ``text`` (as typed;
null: the tweet came as tokens).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.corrections.exchange.folders import new_folder
from umt_core.corrections.exchange.rows import Care, Known, Reading, read_words, words_of
from umt_core.errors import DataError
from umt_core.labels import LABELS, WORD_TAGS
from umt_core.schema import Example
from umt_core.showing import printable
from umt_core.spans import spans_to_tags, tags_to_spans

_SPLITS = {"valid": "validation", "dev": "validation"}  # what the library calls them
_BATCH = 1000  # tweets in memory at a time
_TAG_COLUMNS = ("ner_tags", "tags", "labels")
_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {
    "id": _TEXT,
    "tokens": {"feature": _TEXT, "_type": "Sequence"},
    "ner_tags": {"feature": {"names": list(WORD_TAGS.tags), "_type": "ClassLabel"}, "_type": "Sequence"},
    "image": _TEXT,
    "text": _TEXT,
}
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("ner_tags", pa.list_(pa.int64())),
        ("image", pa.string()),
        ("text", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
_CARD = """---
configs:
- config_name: default
  data_files:
  - split: {split}
    path: data/{split}-*.parquet
task_categories:
- token-classification
task_ids:
- named-entity-recognition
---
# Named entities in tweets

Labelled tweets, written by the MNER workbench. Entity types: {labels}. `ner_tags` are BIO2 tags, null where a tweet is
not labelled; `image` names the tweet's picture, which is not part of this folder.
"""


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """A folder."""
    split = _SPLITS.get(split, split)
    with new_folder(path) as folder:
        (folder / "README.md").write_text(_CARD.format(split=split, labels=", ".join(LABELS)), encoding="utf-8")
        (folder / "data").mkdir()
        with pq.ParquetWriter(folder / "data" / f"{split}-00000-of-00001.parquet", _SCHEMA) as writer:
            tweets = iter(examples)
            while batch := list(islice(tweets, _BATCH)):
                writer.write_table(pa.Table.from_pylist([_record(e) for e in batch], schema=_SCHEMA))


def _record(example: Example) -> dict[str, Any]:
    tags = None
    if example.spans is not None:
        tags = [WORD_TAGS.id(tag) for tag in spans_to_tags(example.spans, len(example.tokens))]
    text = words_of(example).raw
    return {"id": example.id, "tokens": example.tokens, "ner_tags": tags, "image": example.image, "text": text}


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The rows of a Parquet file, or of all in a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*.parquet") if file.name[0] != ".")
    if not files:
        raise DataError(f"{path}: wanted a folder with Parquet files, got none")
    for file in files:
        yield from _read_file(file, bio)


def _read_file(path: Path, bio: str) -> Iterator[Reading]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            tags = next((name for name in _TAG_COLUMNS if name in columns), None)
            if "tokens" not in columns:
                raise DataError(
                    f"{path}: wanted a column tokens, got {printable(' '.join(', '.join(columns).split()))}"
                )
            names = _tag_names(file.schema_arrow, tags)
            wanted = [name for name in ("id", "tokens", "image", "text", tags) if name in columns]
            for batch in file.iter_batches(_BATCH, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield _reading(row, tags, names, number, f"{path}: row {number}", bio)
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise DataError(f"{path}: wanted a Parquet file, got: {' '.join(str(error).split())}") from error


def _tag_names(schema: Any, column: str | None) -> list[str]:
    """The names of the class labels of a column of tags; none if it holds text."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["feature"]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _reading(row: dict[str, Any], column: str | None, names: list[str], number: int, where: str, bio: str) -> Reading:
    try:
        return replace(_tweet(row, column, names, number, where, Care(bio)), nameless=row.get("id") is None)
    except DataError as error:
        return Reading(where, None, (str(error),))


def _tweet(row: dict[str, Any], column: str | None, names: list[str], number: int, where: str, care: Care) -> Reading:
    tokens, image = row["tokens"], row.get("image")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise DataError(f"wanted a list of text as tokens, got {str(tokens)[:60]!r}")
    text = row.get("text")
    words = read_words(" ".join(tokens) if text is None else str(text), tuple(tokens))
    name = f"line-{number}" if row.get("id") is None else str(row["id"])
    image = image if isinstance(image, str) else None  # the library's own pictures are no names
    tags = row.get(column) if column else None
    if tags is None:
        return care.reading(where, words.example(name, image, None))
    if not isinstance(tags, list):
        raise DataError(f"wanted a list of tags as {column}, got {str(tags)[:60]!r}")
    if len(tags) != len(tokens):
        raise DataError(f"wanted a tag for each of {len(tokens)} tokens, got {len(tags)}")
    spelled = care.tags([_named(tag, names) for tag in tags], tokens)
    return care.reading(where, words.example(name, image, tags_to_spans(spelled)))


def _named(tag: object, names: list[str]) -> str:
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or not 0 <= tag < len(names):
        raise DataError(f"wanted a tag's name, or a number among {len(names)} named ones, got {tag!r}")
    return names[tag]
