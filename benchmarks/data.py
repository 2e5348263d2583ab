"""The tweets that benchmarks run over."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.data.samples import SAMPLES_FILE, sample_images_folder
from umt_core.schema import Example

SAMPLE_COPIES = 5  # about as many tweets as the real test set


def split(name: str) -> tuple[list[Example], ImageIndex]:
    """A split of TWITTER-2017 where it lies beside the repository; else our samples, several times over."""
    root = Path(__file__).resolve().parents[1]
    shared = Path(os.environ.get("UMT_SHARED_DATA", root.parent / "shared" / "data"))
    if (file := shared / "twitter2017" / f"{name}.txt").is_file():
        return read_examples(file), ImageIndex.open(shared / "images" / "twitter2017.tsv")
    return copies(read_examples(SAMPLES_FILE), SAMPLE_COPIES), ImageIndex.open(sample_images_folder())


def copies(examples: list[Example], count: int) -> list[Example]:
    """All tweets, ``count`` times over, each with an id of its own."""
    return [replace(example, id=f"{example.id}-{i}") for i in range(count) for example in examples]
