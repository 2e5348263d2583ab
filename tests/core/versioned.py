"""Checkpoints for tests of versions: a manifest as ours are, and weights that are a few bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from umt_core.config import ModelSettings, TrainSettings
from umt_core.manifest import MANIFEST, WEIGHTS, Manifest
from umt_core.promotions import retrained_folder
from umt_core.registry import checkpoints_folder

FAMILY = "tiny/bert-crf"


def write_checkpoint(folder: Path, weights: str, **fields: Any) -> Path:
    """A checkpoint of these weights in a folder."""
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_text(weights)
    values: dict[str, Any] = {
        "system": "bert-crf",
        "dataset": "tiny",
        "model": ModelSettings(text_encoder="tiny"),
        "train": TrainSettings(),
        "recipe": "paper",
        "channels": None,
        "weights_sha256": hashlib.sha256(weights.encode()).hexdigest(),
        "parameters": {"trained": 1, "frozen": 1},
        "encoders": {},
        "data": {},
        "images": "none",
        "scores": {},
        "history": [],
        "epoch": 1,
        "seconds": 1.0,
        "code": "0",
        "created": "2026-01-01T00:00:00+00:00",
    }
    (folder / MANIFEST).write_text(Manifest(**(values | fields)).to_json())
    return folder


def write_family(*versions: str, family: str = FAMILY) -> None:
    """An original, and retrained versions whose weights are named as they are."""
    dataset, _, system = family.partition("/")
    original = checkpoints_folder() / family
    if not original.exists():
        write_checkpoint(original, "original", dataset=dataset, system=system)
    for day, version in enumerate(versions, 2):
        folder = retrained_folder() / family / version
        created = f"2026-01-{day:02}T00:00:00+00:00"
        write_checkpoint(folder, version, dataset=dataset, system=system, created=created)
