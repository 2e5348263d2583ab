"""Reads gate and attention of every word of a set, to be kept. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umt_core.analysis.run_set import predictor_of, set_examples
from umt_core.analysis.sets import PredictionSet, Progress
from umt_core.errors import DataError
from umt_core.explain.aggregates import BLOCKS, BLOCKS_SCHEMA, KIND, SCHEMA, block_rows_of, rows_of
from umt_core.explain.parts import Done, keep_in_parts, wanted_images

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
    index = wanted_images(found)

    def rows_of_part(tweets: Sequence[int], done: Done) -> dict[str, list[tuple[Any, ...]]]:
        examples = set_examples(found, tweets[0], tweets[-1] + 1)
        features = predictor.regions(examples, index)
        words: list[tuple[Any, ...]] = []
        blocks: list[tuple[Any, ...]] = []
        for i, (tweet, example) in enumerate(zip(tweets, examples, strict=True)):
            if example.tokens and features[i] is not None:
                inspection = predictor.inspect_regions(example, features[i])
                words += rows_of(tweet, inspection)
                blocks += block_rows_of(tweet, inspection)
            done(i)
        return {KIND: words, BLOCKS: blocks}

    schemas, tweets = {KIND: SCHEMA, BLOCKS: BLOCKS_SCHEMA}, range(found.info.tweets)
    keep_in_parts(found, run, schemas, tweets, rows_of_part, part=part, progress=progress)
