"""Tagging a test set, against a plain loop over the same weights."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.data import split
from benchmarks.measure import Measure, interleaved
from benchmarks.plain import BATCH_SIZE, plain_reader
from umt_core.errors import UmtError
from umt_core.predict import Predictor

CHECKPOINT = "twitter2017/umt-bert-crf"
PLAIN_BATCHES, REPEATS = 6, 3


def measure() -> Iterator[Measure]:
    examples, images = split("test")
    step = len(examples) // PLAIN_BATCHES  # short and long tweets alike, from all over the set
    part = [e for i in range(PLAIN_BATCHES) for e in examples[i * step : i * step + BATCH_SIZE]]
    predictor = Predictor.load(CHECKPOINT, "cpu")
    plain = plain_reader(predictor, images)
    if predictor.tags(part, images) != plain.tags(part):
        raise UmtError("the plain loop and ours were wanted to give the same tags, and do not")
    predictor.tags(examples, images)  # now the pictures' regions are on disk
    ours, theirs = interleaved(lambda: predictor.tags(examples, images), lambda: plain.tags(part), REPEATS)
    speed, plain_speed = len(examples) / ours, len(part) / theirs
    yield Measure(
        "evaluate_split", speed / plain_speed, "times the plain loop's speed", 1.0, aim=10.0, more_is_better=True
    )
    yield Measure("evaluate_split_speed", speed, "tweets/s", plain_speed, more_is_better=True)
