"""One tweet through three taggers with everything the page shows, against the forwards that cannot be avoided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import torch
from PIL import Image

from benchmarks.measure import Measure, by_turns
from benchmarks.plain import as_published, unpacked
from umt_core.analysis.paper import MAIN_SYSTEMS
from umt_core.data.samples import load_samples, sample_picture
from umt_core.encoders.features import FeatureCache
from umt_core.features import encode_example
from umt_core.predict import Predictor, Workbench
from umt_core.schema import Example

TWEETS, REPEATS = 30, 3
NAMES = tuple(f"twitter2017/{system}" for system in MAIN_SYSTEMS)


def measure() -> Iterator[Measure]:
    workbench = Workbench.load(NAMES, "cpu")
    plain = _plain(workbench)
    times = []
    for i, (example, picture) in enumerate(some_tweets(TWEETS)):
        ways = {
            "ours": _inspect(workbench, example, picture),
            "bare": _bare(plain, example, picture),
            "packed": _bare(workbench, example, picture),
        }
        if i == 0:  # the first calls fill caches that stay filled
            by_turns(ways, REPEATS)
        took = by_turns(ways, REPEATS)
        times.append([took[way] for way in ways])
    ours, bare, packed = (median(column) for column in zip(*times, strict=True))
    yield Measure("warm_inspect", ours / bare, "times the bare forwards", 1.0, aim=1.2)
    yield Measure("warm_inspect_time", 1000 * ours, "ms", 1000 * bare)
    yield Measure("warm_inspect_packed", ours / packed, "times the bare forwards of packed layers", 1.0)


def some_tweets(count: int) -> list[tuple[Example, Image.Image]]:
    """Samples that have a picture, from all parts of their file."""
    samples = [sample for sample in load_samples() if sample.picture is not None]
    chosen = samples[:: max(1, len(samples) // count)][:count]
    return [(sample.example, picture) for sample in chosen if (picture := sample_picture(sample)) is not None]


def _inspect(workbench: Workbench, example: Example, picture: Image.Image) -> Callable[[], object]:
    def inspect() -> object:
        cache = FeatureCache()  # an empty one: each time is the first time that the picture is seen
        for predictor in workbench.predictors.values():
            predictor.cache = cache
        return workbench.inspect(example, picture)

    return inspect


def _plain(workbench: Workbench) -> Workbench:
    """The same weights in layers as torch has them."""
    predictors = workbench.predictors.values()
    visions = {p.vision: as_published(p.vision) for p in predictors if p.vision is not None}

    def plain(predictor: Predictor) -> Predictor:
        loaded = replace(predictor.loaded, tagger=unpacked(predictor.loaded.tagger))
        return replace(predictor, loaded=loaded, vision=visions.get(predictor.vision))  # type: ignore[arg-type]

    return Workbench({p.name: plain(p) for p in predictors})


def _bare(workbench: Workbench, example: Example, picture: Image.Image) -> Callable[[], object]:
    """One forward of the vision encoder and one of each text encoder, on tensors that are ready."""
    predictors = list(workbench.predictors.values())
    vision = next(p.vision for p in predictors if p.vision is not None)
    pixels = vision.pixels(picture)[None]
    inputs = []
    for predictor in predictors:
        tagger = predictor.loaded.tagger
        encoded = encode_example(example, predictor.loaded.tokenizer, tagger.settings.max_subwords)
        subwords = torch.tensor([encoded.subwords])
        inputs.append((tagger.encoder, subwords, torch.ones_like(subwords)))

    @torch.inference_mode()
    def forwards() -> None:
        vision(pixels)
        for encoder, subwords, mask in inputs:
            encoder(subwords, mask)

    return forwards
