"""A tweet without each of its picture's 49 blocks, through three taggers: one batch each, against single passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.measure import Measure, interleaved
from benchmarks.warm_inspect import NAMES, some_tweets
from umt_core.explain.counterfactuals import counterfactuals, make_variants, without_blocks
from umt_core.predict import Predictor, Workbench
from umt_core.schema import Example

TWEETS, REPEATS = 5, 2


def measure() -> Iterator[Measure]:
    workbench = Workbench.load(NAMES, "cpu")
    times = []
    for i, (example, picture) in enumerate(some_tweets(TWEETS)):
        work = _batch(workbench, example, picture), _singly(workbench, example, picture)
        if i == 0:  # the first calls fill caches that stay filled, among them the picture's regions
            interleaved(*work, 1)
        times.append(interleaved(*work, REPEATS))
    ours, singly = (median(column) for column in zip(*times, strict=True))
    yield Measure("occlusion", ours / singly, "of 49 single passes", 1.0, aim=0.5)
    yield Measure("occlusion_time", 1000 * ours, "ms", 1000 * singly)


def _batch(workbench: Workbench, example: Example, picture: Image.Image) -> Callable[[], object]:
    variants = make_variants(picture, blocks=True)
    blocks = [variants[0], *(variant for variant in variants if variant.kind == "block")]
    return lambda: [counterfactuals(predictor, example, blocks) for predictor in workbench.predictors.values()]


def _singly(workbench: Workbench, example: Example, picture: Image.Image) -> Callable[[], object]:
    """Each block as a tweet of its own: every tagger reads text and picture 49 times, and once as they are."""
    given: list[tuple[Predictor, list[np.ndarray | None]]] = []
    for predictor in workbench.predictors.values():
        (own,) = predictor.picture_regions([picture])
        given.append((predictor, [own, *([own] * 49 if own is None else without_blocks(own))]))
    return lambda: [p.with_pictures([example], [[one]]) for p, regions in given for one in regions]
