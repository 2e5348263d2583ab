"""What is computed once for all tweets of a prediction set, kept beside the run that it is about. Free of torch.

    <set>/<system>-<weights>/explained/<kind>.parquet
    <set>/explained/<kind>.parquet                      what is of the tweets and of no run

``kind`` says what: ``emissions``, ``faithfulness``, … Each file names the set, the run's weights and the kind that it
is of, so that one of a checkpoint that has been trained again is not taken for this one's. It goes with the set when
the set is shared: no text belongs into it, tweets are numbers as in all files of a set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.sets import ROWS, PredictionSet
from umt_core.data.files import part_of
from umt_core.errors import DataError

FOLDER = "explained"
PREFIX = "umt."


def kept_file(found: PredictionSet, run: str | None, kind: str) -> Path:
    """Where the results of a kind are, or would be (``DataError``: the set has no such run).

    Here and below a ``run`` that is ``None`` stands for the set itself.
    """
    folder = found.folder if run is None else found.folder / found.run(run).folder_name
    return folder / FOLDER / f"{kind}.parquet"


def read_kept(found: PredictionSet, run: str | None, kind: str) -> pa.Table | None:
    """The results of a kind; ``None``: nobody has computed them yet, or they are of other weights or data.

    ``about_kept`` gives what ``write_kept`` was told about them.

    Raises:
        DataError: the set has no such run, or the file is damaged.
    """
    path = kept_file(found, run, kind)
    try:
        if not path.exists() or not _is_of(pq.read_schema(path), _marks(found, run, kind)):
            return None
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: wanted a run's {kind}, got a damaged file; remove it and compute it again") from error


def write_kept(
    found: PredictionSet, run: str | None, kind: str, table: pa.Table, about: Mapping[str, str] | None = None
) -> Path:
    """Keeps a table of results, whole or not at all; ``about`` goes with it: seeds, counts, settings.

    Raises:
        DataError: the set has no such run, or its folder cannot be written.
    """
    path = kept_file(found, run, kind)
    marks = _marks(found, run, kind) | {f"{PREFIX}about.{name}": value for name, value in (about or {}).items()}
    temporary = part_of(path)
    try:
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table.replace_schema_metadata(marks), temporary, row_group_size=ROWS)
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot keep the run's {kind}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def about_kept(table: pa.Table) -> dict[str, str]:
    """What was said of the results when they were kept."""
    start = f"{PREFIX}about."
    marks = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return {key.removeprefix(start): value for key, value in marks.items() if key.startswith(start)}


def looking_runs(found: PredictionSet) -> list[str]:
    """The runs of systems that look at pictures, of checkpoints that are as they were when they ran."""
    gone = found.changed()
    return [name for name, run in found.runs.items() if run.uses_image and not run.folds and name not in gone]


def _marks(found: PredictionSet, run: str | None, kind: str) -> dict[str, str]:
    """What a file must say of itself to be this run's."""
    return {
        f"{PREFIX}kind": kind,
        f"{PREFIX}set": found.info.key,
        f"{PREFIX}weights": "" if run is None else found.run(run).weights_sha256,
        f"{PREFIX}data": found.info.data_sha256,
    }


def _is_of(schema: pa.Schema, marks: Mapping[str, str]) -> bool:
    said = schema.metadata or {}
    return all(said.get(name.encode()) == value.encode() for name, value in marks.items())
