"""Holds a run's maps against occlusion, over a sample of a set's tweets, to be kept. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from umt_core.analysis.before_after import spans_by_tweet
from umt_core.analysis.run_set import predictor_of, set_examples
from umt_core.analysis.sets import PredictionSet, Progress
from umt_core.errors import DataError
from umt_core.explain.faithfulness import (
    GRADIENTS,
    KIND,
    MEAN,
    SCHEMA,
    Maps,
    SpanFaithfulness,
    faithfulness_of,
    rows_of,
    span_maps,
)
from umt_core.explain.parts import Done, keep_in_parts, wanted_images
from umt_core.explain.span_score import SpanScore, block_gradients
from umt_core.predict import Predictor, Workbench
from umt_core.schema import Example, Inspection, Span

TWEETS = 100  # sampled, of those with a picture and an entity
PART = 5  # tweets that are kept at a time: what a stop or a kill costs at most
STEPS = 20  # of integrated gradients


def keep_faithfulness(
    found: PredictionSet,
    run: str,
    *,
    tweets: int = TWEETS,
    seed: int = 0,
    device: str = "auto",
    part: int = PART,
    progress: Progress | None = None,
) -> None:
    """Computes and keeps how each map of a run agrees with occlusion, for the entities of a sample of its tweets.

    Work that was stopped or killed goes on after its last whole part.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``predictor_of``.
        DataError: the set is without its tweets or pictures, or the system looks at none.
    """
    if not found.run(run).uses_image:
        raise DataError(f"{run}: wanted a system that looks at pictures, this one reads text only")
    predictor = predictor_of(found, run, device)
    index = wanted_images(found)
    spans = {tweet: sorted(of) for tweet, of in spans_by_tweet(found, found.table("spans", run)).items()}
    chosen = sample(found, list(spans), tweets, seed)

    def rows_of_part(of_part: Sequence[int], done: Done) -> dict[str, list[tuple[Any, ...]]]:
        rows: list[tuple[Any, ...]] = []
        for tweet in of_part:
            (example,) = set_examples(found, tweet, tweet + 1)
            regions = predictor.regions([example], index)[0]
            if regions is not None:
                rows += rows_of(tweet, tweet_faithfulness(predictor, example, regions, spans[tweet], [seed, tweet]))
            done(0)
        return {KIND: rows}

    keep_in_parts(
        found,
        run,
        {KIND: SCHEMA},
        chosen,
        rows_of_part,
        part=part,
        settings=f"-{tweets}-{seed}",
        about={"tweets": str(tweets), "seed": str(seed)},
        progress=progress,
    )


def tweet_faithfulness(
    predictor: Predictor, example: Example, regions: np.ndarray, spans: list[Span], seed: int | Sequence[int] = 0
) -> list[SpanFaithfulness]:
    """All maps of a tweet's entities against occlusion: attention by head, their means, and integrated gradients."""
    inspection = predictor.inspect_regions(example, regions)
    maps = partial(_maps, predictor, example, regions, inspection)
    return faithfulness_of(predictor, example, regions, spans, maps, seed=seed)


def _maps(predictor: Predictor, example: Example, regions: np.ndarray, inspection: Inspection, span: Span) -> Maps:
    gradients = block_gradients(SpanScore(predictor, example, regions, span), STEPS)
    return span_maps(inspection, span) | {(GRADIENTS, MEAN): gradients}


def sample(found: PredictionSet, candidates: list[int], count: int, seed: int) -> list[int]:
    """Some of these tweets that have a picture, drawn by a seed, in the order of the data."""
    with_picture = found.query(f"SELECT tweet FROM {found.table('tweets')} WHERE image = 'present' ORDER BY tweet")
    wanted = set(candidates)
    those = [row["tweet"] for row in with_picture if row["tweet"] in wanted]
    drawn = np.random.default_rng(seed).permutation(len(those))[:count]
    return sorted(those[i] for i in drawn)


def workbench_faithfulness(
    workbench: Workbench, checkpoint: str, example: Example, picture: Image.Image | None, span: Span
) -> SpanFaithfulness | None:
    """The attention maps of one of the workbench's taggers for a span; ``None``: there is no picture to look at."""
    predictor = workbench.predictors[checkpoint]
    (regions,) = predictor.picture_regions([picture])
    if regions is None:
        return None
    maps = partial(span_maps, predictor.inspect_regions(example, regions))
    return faithfulness_of(predictor, example, regions, [span], maps)[0]
