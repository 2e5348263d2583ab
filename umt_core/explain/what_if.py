"""What would have been decoded with another share of ESD, or another conversion matrix. Free of torch.

Both change eq. 7 alone: emissions = main + share * (ESD scores @ matrix), share 1 and W^c as trained. Everything else,
the CRF's transitions above all, stays as it was trained with them; a tagger trained otherwise would have other ones.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umt_core.data.datasets import data_sets
from umt_core.data.jsonl import read_examples
from umt_core.errors import ConfigError, DataError
from umt_core.labels import TagSet, conversion_matrix, esd_tag
from umt_core.model.chain import Scoring
from umt_core.schema import Example, RawScores
from umt_core.spans import spans_to_tags

MOST_SHARE = 2.0  # of ESD, that can be asked for


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """A change of eq. 7.

    Raises:
        ConfigError: the share is no number from 0 to ``MOST_SHARE``.
    """

    esd_share: float = 1.0  # of what ESD adds: 0 leaves it out, 1 is as trained
    conversion: np.ndarray | None = None  # (esd tags, tags); None: W^c as trained

    def __post_init__(self) -> None:
        if not 0 <= self.esd_share <= MOST_SHARE:
            raise ConfigError(f"setting esd_share: wanted 0 to {MOST_SHARE:g}, got {self.esd_share!r}")

    @property
    def is_as_trained(self) -> bool:
        return self.esd_share == 1 and self.conversion is None


AS_TRAINED = WhatIf()


def emissions(scoring: Scoring, main: np.ndarray, esd: np.ndarray | None, what: WhatIf = AS_TRAINED) -> np.ndarray:
    """Eq. 7 under a change, float64; of a system whose ESD scores are not added, the main ones.

    Raises:
        ConfigError: the system has nothing that could be changed, or a matrix of another shape.
    """
    # main: (..., tags), esd: (..., esd tags)
    if esd is None or scoring.conversion is None:
        if not what.is_as_trained:
            raise ConfigError("wanted a system that adds ESD's scores to the main ones, got one that does not")
        return main.astype(np.float64)
    if what.conversion is not None and what.conversion.shape != scoring.conversion.shape:
        got, wanted = (" x ".join(map(str, matrix.shape)) for matrix in (what.conversion, scoring.conversion))
        raise ConfigError(f"wanted a conversion matrix of {wanted}, got {got}")
    total: np.ndarray = main + what.esd_share * scoring.converted(esd, what.conversion)
    return total


def decode(scoring: Scoring, raw: RawScores, what: WhatIf = AS_TRAINED) -> list[str]:
    """The tags of one tweet's words under a change (errors as ``emissions``)."""
    if not len(raw.main):
        return []
    return word_tags(scoring.tags, scoring.chain.best_path(emissions(scoring, raw.main, raw.esd, what)), raw)


def word_tags(names: tuple[str, ...], path: np.ndarray, raw: RawScores) -> list[str]:
    """A path's tags where words are read; what is no tag of an entity is O, whatever the released tags call it."""
    read = [names[i] for i in path[raw.starts]]
    return [tag if tag[0] in "BI" else "O" for tag in read]


def uniform_conversion(scoring: Scoring) -> np.ndarray:
    """The paper's initial W^c: each ESD tag shared evenly among the tags that it can become."""
    return np.array(conversion_matrix(TagSet("", scoring.esd_tags), TagSet("", scoring.tags)))


def estimated_conversion(scoring: Scoring, examples: Iterable[Example]) -> np.ndarray:
    """W^c counted: how often each ESD tag becomes each tag in labelled tweets, rows summing to 1.

    A tag that no label has (padding, [CLS], ... of the released tags) keeps its uniform row.

    Raises:
        DataError: no tweet of them is labelled.
    """
    counts = np.zeros((len(scoring.esd_tags), len(scoring.tags)))
    labelled = False
    for example in examples:
        if example.spans is None:
            continue
        labelled = True
        for tag in spans_to_tags(example.spans, len(example.tokens)):
            counts[scoring.esd_tags.index(esd_tag(tag)), scoring.tags.index(tag)] += 1
    if not labelled:
        raise DataError("wanted labelled tweets to estimate the conversion matrix from, got none")
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(sums > 0, counts / np.maximum(sums, 1), uniform_conversion(scoring))


def train_split(dataset: str) -> Path:
    """The file that a matrix for a tagger of this data set is estimated from.

    Raises:
        DataError: it is not here.
    """
    found = next((of.splits["train"] for of in data_sets() if of.name == dataset and "train" in of.splits), None)
    if found is None:
        raise DataError(
            f"wanted the train split of {dataset}, it is not here: set UMT_DATA to the folder that holds it"
        )
    return found


def conversion_of(wanted: str, scoring: Scoring, dataset: str) -> np.ndarray | None:
    """The matrix that a word or a file names: trained (``None``), uniform, estimated, or a CSV file.

    Args:
        dataset: of the tagger, whose train split "estimated" counts.

    Raises:
        ConfigError: the system has no matrix, or the file is none.
        DataError: the train split is not here.
    """
    if wanted == "trained":
        return None
    if wanted == "uniform":
        return uniform_conversion(scoring)
    if wanted == "estimated":
        return estimated_conversion(scoring, read_examples(train_split(dataset)))
    try:
        return parse_conversion(Path(wanted).read_text(encoding="utf-8"), scoring, wanted)
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
        raise ConfigError(f"{wanted}: wanted trained, uniform, estimated or a CSV file, got none of them") from error


def parse_conversion(text: str, scoring: Scoring, name: str = "matrix") -> np.ndarray:
    """A matrix from CSV: a first row of tags, then a row for each ESD tag that begins with it, in any order.

    Raises:
        ConfigError: tags are missing or unknown, or a value is no finite number.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise ConfigError(f"{name}: wanted a matrix in CSV, got: {error}") from error
    columns = rows[0][1:] if rows else []
    named = {row[0]: row[1:] for row in rows[1:]}
    if sorted(columns) != sorted(scoring.tags) or sorted(named) != sorted(scoring.esd_tags):
        raise ConfigError(
            f"{name}: wanted the columns {', '.join(scoring.tags)} and the rows {', '.join(scoring.esd_tags)},"
            f" got {', '.join(columns) or 'none'} and {', '.join(named) or 'none'}"
        )
    try:
        values = np.array([[float(cell) for cell in named[esd]] for esd in scoring.esd_tags])
    except ValueError as error:
        raise ConfigError(f"{name}: wanted a number in each cell, got: {error}") from error
    if values.shape != (len(scoring.esd_tags), len(columns)) or not np.isfinite(values).all():
        raise ConfigError(f"{name}: wanted a finite number in each cell, got one that is none, or a row too short")
    return values[:, [columns.index(tag) for tag in scoring.tags]]


def conversion_csv(matrix: np.ndarray, scoring: Scoring) -> str:
    """What ``parse_conversion`` reads."""
    lines = [",".join(["", *scoring.tags])]
    lines += [",".join([esd, *map(repr, row)]) for esd, row in zip(scoring.esd_tags, matrix.tolist(), strict=True)]
    return "\n".join(lines) + "\n"
