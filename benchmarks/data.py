"""The tweets that benchmarks run over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.data.samples import SAMPLES_FILE, sample_images_folder
from umt_core.schema import Example

SAMPLE_COPIES = 5  # about as many tweets as the real test set


def split(name: str) -> tuple[list[Example], ImageIndex]:
    """A split of TWITTER-2017 where it lies beside the repository; else our samples, several times over."""
    if (file := _shared() / "twitter2017" / f"{name}.txt").is_file():
        return read_examples(file), ImageIndex.open(pictures())
    return again(read_examples(SAMPLES_FILE), SAMPLE_COPIES), ImageIndex.open(pictures())


def pictures() -> Path:
    """Those of ``split``: a list or a folder."""
    listed = _shared() / "images" / "twitter2017.tsv"
    return listed if listed.is_file() else sample_images_folder()


def again(examples: Sequence[Example], times: int) -> list[Example]:
    """All tweets so many times over, each with an id of its own."""
    return [replace(example, id=f"{example.id}-{i}") for i in range(times) for example in examples]


def _shared() -> Path:
    root = Path(__file__).resolve().parents[1]
    return Path(os.environ.get("UMT_SHARED_DATA", root.parent / "shared" / "data"))
