"""Prediction sets of made-up tweets and made-up predictions, for tests that need no tagger."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image

from umt_core.analysis.building import Surfaces, build_set
from umt_core.analysis.runs import finish_run, write_part
from umt_core.analysis.sets import PredictionSet, RunInfo
from umt_core.data.conll import write_conll
from umt_core.labels import LABELS
from umt_core.schema import Example, Prediction, ScoredSpan, Span, Summary
from umt_core.spans import spans_to_tags

WORDS = "Ann Bob Oslo Rome Hawks Jets Dune film plays in at with tonight 🎉 # @ the a=b -x".split()
TEXT_ONLY, WITH_IMAGES = "made/bert-crf", "made/umt-bert-crf"


def random_spans(rng: random.Random, length: int) -> tuple[Span, ...]:
    """Spans that do not overlap, as taggers give them."""
    borders = sorted(rng.sample(range(length + 1), min(length + 1, rng.randint(0, 6))))
    return tuple(Span(a, b, rng.choice(LABELS)) for a, b in pairwise(borders) if rng.random() < 0.6)


def like(rng: random.Random, gold: Sequence[Span], length: int) -> tuple[Span, ...]:
    """What a tagger may say that is often right."""
    if rng.random() < 0.2:
        return random_spans(rng, length)
    kept = [span for span in gold if rng.random() < 0.8]
    return tuple(Span(s.start, s.end, rng.choice(LABELS)) if rng.random() < 0.2 else s for s in kept)


def random_tweets(count: int, seed: int = 0) -> list[Example]:
    rng = random.Random(seed)
    rows = [tuple(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(count)]
    return [Example(f"t{i}", tokens, f"t{i}", random_spans(rng, len(tokens))) for i, tokens in enumerate(rows)]


def run_info(prediction_set: PredictionSet, name: str, *, weights: str = "", created: str = "2026") -> RunInfo:
    system = name.split("/")[1]
    return RunInfo(
        checkpoint=name,
        system=system,
        weights_sha256=weights or (system + "0" * 64)[:64],
        data_sha256=prediction_set.info.data_sha256,
        uses_image=system != "bert-crf",
        text_encoder="minilm",
        images="stand-in photographs",
        code="test",
        created=created,
    )


def add_run(
    prediction_set: PredictionSet, info: RunInfo, predictions: Sequence[Prediction], summaries: Sequence[Summary]
) -> PredictionSet:
    """The set with one more finished run, written in two parts."""
    parts = prediction_set.folder / info.folder_name / "parts"
    parts.mkdir(parents=True)
    middle, surfaces = len(predictions) // 2, Surfaces.read(prediction_set.folder)
    for start, end in ((0, middle), (middle, len(predictions))):
        write_part(parts, start, predictions[start:end], summaries[start:end], surfaces)
    finish_run(prediction_set, info)
    return PredictionSet.open(prediction_set.folder)


def predictions_of(examples: Sequence[Example], spans: Sequence[Sequence[Span]], seed: int = 0) -> list[Prediction]:
    rng = random.Random(seed)
    return [
        Prediction(
            example.id,
            example.tokens,
            tuple(ScoredSpan(span, round(rng.random(), 3)) for span in found),
            tuple(spans_to_tags(found, len(example.tokens))),
        )
        for example, found in zip(examples, spans, strict=True)
    ]


@dataclass(frozen=True)
class Made:
    """A set on disk, and what was put into it."""

    set: PredictionSet
    examples: list[Example]
    train: list[Example]
    predictions: dict[str, list[Prediction]]
    summaries: dict[str, list[Summary]]
    data: Path
    images: Path


def make(folder: Path, count: int = 120, seed: int = 0) -> Made:
    """A set of random tweets with two runs, the second of which sums up a gate."""
    rng = random.Random(seed)
    examples, train = random_tweets(count, seed), random_tweets(20, seed + 1)
    data = folder / "made" / "test.txt"
    write_conll(data, examples)
    write_conll(data.with_name("train.txt"), train)
    images = folder / "made" / "images"
    images.mkdir()
    for i in range(0, count, 3):  # every third has a picture, of stripes of its own
        picture = Image.new("RGB", (16, 8), (255, 255, 255))
        picture.paste((i % 256, 0, 0), (0, 0, 1 + i % 15, 8))
        picture.save(images / f"t{i}.png")
    made = build_set(data, images, root=folder / "sets")
    predictions, summaries = {}, {}
    for seed, name in enumerate((TEXT_ONLY, WITH_IMAGES)):
        spans = [like(rng, example.spans or (), len(example.tokens)) for example in examples]
        predictions[name] = predictions_of(examples, spans, seed)
        gate = name == WITH_IMAGES
        summaries[name] = [Summary(rng.random(), *([rng.random() for _ in range(7)] if gate else [])) for _ in examples]
        made = add_run(made, run_info(made, name), predictions[name], summaries[name])
    return Made(made, examples, train, predictions, summaries, data, images)
