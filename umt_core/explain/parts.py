"""Computes what is kept of many tweets a part at a time: a stop or a kill costs the part that was under way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.run_set import set_images
from umt_core.analysis.runs import part_path, write_rows
from umt_core.analysis.sets import PredictionSet, Progress, is_whole
from umt_core.data.images import ImageIndex
from umt_core.errors import DataError
from umt_core.explain.kept import kept_file, write_kept

Done = Callable[[int], None]  # of a part's tweets, so many are done; it ends the work where that was asked for
Rows = Callable[[Sequence[int], Done], Mapping[str, Sequence[tuple[Any, ...]]]]  # by kind, of some tweets


def wanted_images(found: PredictionSet) -> ImageIndex:
    """Where a set's pictures are (``DataError``: it has none, or they have gone)."""
    if (index := set_images(found)) is None:
        raise DataError(f"{found.name}: wanted a set with pictures, no tweet of it has one")
    return index


def keep_in_parts(
    found: PredictionSet,
    run: str,
    schemas: Mapping[str, pa.Schema],
    tweets: Sequence[int],
    rows_of: Rows,
    *,
    part: int,
    settings: str = "",
    about: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Keeps what ``rows_of`` computes of a run's tweets; what was stopped or killed goes on after its last whole part.

    Args:
        schemas: by kind, what is to be kept.
        part: tweets that are computed at a time.
        settings: that the parts are of; those of others are not taken for these.
        about: goes with what is kept, see ``write_kept``.

    Raises:
        DataError: as ``write_kept``.
    """
    folders = {kind: kept_file(found, run, kind).parent / "parts" / f"{kind}{settings}" for kind in schemas}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    files = []
    for start in range(0, len(tweets), part):
        those = tweets[start : start + part]
        files.append(paths := {kind: part_path(of, start, start + len(those)) for kind, of in folders.items()})
        done = partial(_tell, progress, run, start, len(tweets))
        if not all(is_whole(path) for path in paths.values()):
            rows = rows_of(those, done)
            for kind, path in paths.items():
                write_rows(path, rows[kind], schemas[kind])
        done(len(those))
    for kind, schema in schemas.items():
        tables = [pq.read_table(paths[kind]) for paths in files]
        write_kept(found, run, kind, pa.concat_tables(tables) if tables else schema.empty_table(), about)
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


def _tell(progress: Progress | None, run: str, before: int, total: int, done: int) -> None:
    if progress:
        progress(run, before + done, total)
