"""The paper's comparison, run again: its rows, and what came of them. Free of torch.

    <results>/<dataset>/<system>/seed-<n>.json   a row: settings, sums, seconds, what ``evaluate`` says of dev and test
    <results>/<dataset>/data.json                the data set's counts, for Table 1
    <results>/<dataset>/predictions/             each system's first seed on test, for ``adopt_set``: spans, no tweets
    <results>/cost.json                          how long a tweet takes each system, all timed by turns
    <results>/work/                              checkpoints, and what is under way

``reproduction_document`` makes the document of all but the last.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from umt_core.analysis.paper import MAIN_SYSTEMS, PAPER_TABLE_2, PAPER_TABLE_3
from umt_core.errors import ConfigError, DataError
from umt_core.labels import LABELS

DATASETS = ("twitter2017", "twitter2015")
SYSTEMS = tuple(PAPER_TABLE_2["twitter2015"])
ABLATIONS = tuple(PAPER_TABLE_3["twitter2015"])
SEEDS = (0, 1, 2)
BASE = "-base"  # ends the name of rows on an encoder as large as the paper's
OF_THREE_SEEDS = MAIN_SYSTEMS

# What the tables want of a row's file.
NEEDED = (
    *("recipe", "model.text_encoder", "train", "channels", "pictures", "weights_sha256", "parameters.trained"),
    *("parameters.frozen", "data.train.tweets", "history", "seconds", "code", "device", "ms_per_tweet"),
    *(f"{split}.{figure}" for split in ("dev", "test") for figure in ("precision", "recall", "f1")),
    *(f"{split}.by_type.{label}.f1" for split in ("dev", "test") for label in LABELS),
)

COST = "cost.json"  # in the results: milliseconds a tweet of all systems, timed by turns
RESULTS = Path(__file__).resolve().parents[2] / "results"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One training."""

    dataset: str  # the rows' own name, see ``data_of``
    system: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.system}/seed-{self.seed}"

    @property
    def on_base(self) -> bool:
        """Whether it is of the paper's size."""
        return self.dataset.endswith(BASE)

    def file(self, results: Path) -> Path:
        return results / f"{self.name}.json"

    def work(self, results: Path) -> Path:
        """Where its checkpoint is made."""
        return results / "work" / self.name


def results_folder() -> Path:
    """``$UMT_RESULTS``, else ``results/`` of the project."""
    return Path(os.environ.get("UMT_RESULTS") or RESULTS)


def data_of(dataset: str) -> str:
    """The data set that rows of a name are of: rows on other encoders have names of their own.

    >>> data_of("twitter2017"), data_of("twitter2017-base")
    ('twitter2017', 'twitter2017')
    """
    return next((name for name in DATASETS if dataset.startswith(f"{name}-")), dataset)


def plan(only: Sequence[str] = ()) -> list[Row]:
    """All rows, or those of ``only``: the first seeds before the others, so that the tables soon are full.

    Args:
        only: ``dataset/system/seed``, from the left as far as wanted; a part may be a pattern (``*/umt-*``).

    Raises:
        ConfigError: no row is meant by one of them.
    """
    rows = [
        Row(dataset, system, seed)
        for seed in SEEDS
        for dataset in DATASETS
        for system in (*SYSTEMS, *ABLATIONS)
        if seed == SEEDS[0] or system in OF_THREE_SEEDS
    ]
    rows += [Row(dataset + BASE, system, SEEDS[0]) for dataset in DATASETS for system in OF_THREE_SEEDS]
    for pattern in only:
        if not any(_is_meant(row, pattern) for row in rows):
            raise ConfigError(f"--only: wanted dataset/system/seed, like {rows[0].name}, got {pattern!r}")
    return [row for row in rows if not only or any(_is_meant(row, pattern) for pattern in only)]


def _is_meant(row: Row, pattern: str) -> bool:
    parts = pattern.split("/")
    own = (row.dataset, row.system, f"seed-{row.seed}")
    matches = all(fnmatch(name, part) or name == f"seed-{part}" for name, part in zip(own, parts, strict=False))
    return matches and 1 <= len(parts) <= len(own)


def read_rows(results: Path) -> dict[Row, Values]:
    """What has come of the rows that are done.

    Raises:
        DataError: a file is damaged.
    """
    return {row: _checked(file) for row in plan() if (file := row.file(results)).exists()}


def read_cost(results: Path) -> Values:
    """What ``cost.json`` says; {}: nobody has timed the systems (``DataError``: it is damaged)."""
    file = results / COST
    if not file.exists():
        return {}
    values = read_values(file)
    each, about = values.get("ms_per_tweet"), (*(values.get(name) for name in ("threads", "tweets", "rounds")),)
    if not isinstance(each, dict) or not all(isinstance(ms, int | float) for ms in each.values()):
        raise DataError(f"{file}: wanted milliseconds by row in ms_per_tweet, got {type(each).__name__}")
    if not all(isinstance(count, int) for count in about) or not isinstance(values.get("device"), str):
        raise DataError(f"{file}: wanted device, threads, tweets and rounds, got {(values.get('device'), *about)}")
    return values


def _checked(file: Path) -> Values:
    values = read_values(file)
    for name in NEEDED:
        found: Any = values
        for part in name.split("."):
            found = found.get(part, NEEDED) if isinstance(found, dict) else NEEDED
        if found is NEEDED:
            raise DataError(f"{file}: wanted results with {name}, got none")
    return values


def read_values(file: Path) -> Values:
    """A file of results (``DataError``: it is damaged)."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: wanted results in JSON, got: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict):
        raise DataError(f"{file}: wanted an object with results, got {type(values).__name__}")
    return values


def expected_seconds(row: Row, done: Mapping[Row, Values]) -> float | None:
    """How long a row may take, from those that are done: of its own system if it can be; ``None``: none is done."""

    def per_tweet(rows: Iterable[Row]) -> list[float]:
        return [done[r]["seconds"] / done[r]["data"]["train"]["tweets"] for r in rows]

    data = data_of(row.dataset)
    tweets = next((v["data"]["train"]["tweets"] for r, v in done.items() if data_of(r.dataset) == data), None)
    alike = [r for r in done if r.on_base == row.on_base]
    rates = per_tweet(r for r in alike if r.system == row.system) or per_tweet(alike) or per_tweet(done)
    if not rates:
        return None
    return statistics.fmean(rates) * (tweets or next(iter(done.values()))["data"]["train"]["tweets"])
