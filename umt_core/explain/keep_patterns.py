"""Reads gate and attention of every word of a set, to be kept. Needs torch."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.building import table
from umt_core.analysis.run_set import predictor_of, set_examples, set_images
from umt_core.analysis.runs import part_path
from umt_core.analysis.sets import PredictionSet, Progress, is_whole
from umt_core.errors import DataError
from umt_core.explain.aggregates import BLOCKS, BLOCKS_SCHEMA, KIND, SCHEMA, block_rows_of, rows_of
from umt_core.explain.kept import kept_file, write_kept

PART = 100  # tweets that are kept at a time: what a stop or a kill costs at most


def keep_patterns(
    found: PredictionSet, run: str, *, device: str = "auto", part: int = PART, progress: Progress | None = None
) -> None:
    """Computes and keeps gate, entropies and shares of each word, and the maps' shares of each block.

    Tweets without a picture are left out: their maps are even and say nothing. Work that was stopped or killed goes
    on after its last whole part.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``predictor_of``.
        DataError: the set is without its tweets or pictures, or the system looks at none.
    """
    if not found.run(run).uses_image:
        raise DataError(f"{run}: wanted a system that looks at pictures, this one reads text only")
    predictor = predictor_of(found, run, device)
    if (index := set_images(found)) is None:
        raise DataError(f"{found.name}: wanted a set with pictures, no tweet of it has one")
    folders = {kind: kept_file(found, run, kind).parent / "parts" / kind for kind in (KIND, BLOCKS)}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    total = found.info.tweets
    starts = range(0, total, part)
    for start in starts:
        words, blocks = (part_path(folder, start, start + part) for folder in folders.values())
        if not (is_whole(words) and is_whole(blocks)):
            examples = set_examples(found, start, start + part)
            features = predictor.regions(examples, index)
            of_words, of_blocks = [], []
            for i, example in enumerate(examples):
                if example.tokens and features[i] is not None:
                    inspection = predictor.inspect_regions(example, features[i])
                    of_words += rows_of(start + i, inspection)
                    of_blocks += block_rows_of(start + i, inspection)
                if progress:
                    progress(run, start + i, total)
            for path, rows, schema in ((words, of_words, SCHEMA), (blocks, of_blocks, BLOCKS_SCHEMA)):
                temporary = path.with_suffix(".part")
                pq.write_table(table(rows, schema), temporary)
                temporary.replace(path)
        if progress:
            progress(run, min(start + part, total), total)
    for kind, folder in folders.items():
        parts = [pq.read_table(part_path(folder, start, start + part)) for start in starts]
        write_kept(found, run, kind, pa.concat_tables(parts))
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
