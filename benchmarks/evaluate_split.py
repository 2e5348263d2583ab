"""Tagging a test set, against a plain loop over the same weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Measure, interleaved
from benchmarks.plain import BATCH_SIZE, plain_tags
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.data.samples import SAMPLES_FILE, sample_images_folder
from umt_core.errors import UmtError
from umt_core.predict import Predictor
from umt_core.schema import Example

CHECKPOINT = "twitter2017/umt-bert-crf"
PLAIN_BATCHES, REPEATS = 6, 3
SAMPLE_COPIES = 5  # about as many tweets as the real test set


def measure() -> Iterator[Measure]:
    examples, images = _split()
    step = len(examples) // PLAIN_BATCHES  # short and long tweets alike, from all over the set
    part = [e for i in range(PLAIN_BATCHES) for e in examples[i * step : i * step + BATCH_SIZE]]
    predictor = Predictor.load(CHECKPOINT, "cpu")
    if predictor.tags(part, images) != plain_tags(predictor, part, images):
        raise UmtError("the plain loop and ours were wanted to give the same tags, and do not")
    predictor.tags(examples, images)  # now the pictures' regions are on disk
    ours, plain = interleaved(
        lambda: predictor.tags(examples, images), lambda: plain_tags(predictor, part, images), REPEATS
    )
    speed, plain_speed = len(examples) / ours, len(part) / plain
    yield Measure(
        "evaluate_split", speed / plain_speed, "times the plain loop's speed", 1.0, aim=5.0, more_is_better=True
    )
    yield Measure("evaluate_split_speed", speed, "tweets/s", plain_speed, more_is_better=True)


def _split() -> tuple[list[Example], ImageIndex]:
    """TWITTER-2017's test set where it lies beside the repository; else our samples, several times over."""
    root = Path(__file__).resolve().parents[1]
    shared = Path(os.environ.get("UMT_SHARED_DATA", root.parent / "shared" / "data"))
    if (test := shared / "twitter2017" / "test.txt").is_file():
        return read_examples(test), ImageIndex.open(shared / "images" / "twitter2017.tsv")
    samples = read_examples(SAMPLES_FILE)
    copies = [replace(example, id=f"{example.id}-{i}") for i in range(SAMPLE_COPIES) for example in samples]
    return copies, ImageIndex.open(sample_images_folder())
