"""What trained projections say of themselves, see ``relevance``. Free of torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umt_core.data.files import home_dir
from umt_core.errors import CheckpointError
from umt_core.manifest import MANIFEST

FORMAT = 1


def relevance_folder() -> Path:
    """Where the projections are that commands and pages take: ``relevance/`` in the home folder."""
    return home_dir() / "relevance"


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How the projections are trained."""

    size: int = 128  # of what both sides are projected to
    dropout: float = 0.5  # of the vectors that go in: there are few tweets for so many numbers
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_size: int = 256  # tweets; the others of a batch are what a tweet's picture is told from
    epochs: int = 40  # at most
    patience: int = 6  # epochs without a better figure on dev
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RelevanceInfo:
    """The contents of ``manifest.json``."""

    fit: dict[str, Any]  # FitSettings
    text_encoder: str
    vision_encoder: str
    text_width: int
    channels: int
    encoders: dict[str, str | None]  # name -> SHA-256 of its weights
    weights_sha256: str
    data: list[dict[str, Any]]  # "file", "sha256", "tweets" with a picture, of each that was learned from
    valid: dict[str, Any]  # the same of dev
    images: str  # what the pictures were, in words
    beats: float  # share of other dev pictures that a dev tweet's own one beats, mean over tweets; chance is 0.5
    history: list[float]  # the same by epoch
    epoch: int  # the epoch that was kept
    others: int  # pictures that are kept to compare with
    code: str
    created: str
    format: int = FORMAT


def read_info(folder: Path) -> RelevanceInfo:
    """What projections say of themselves (``CheckpointError``: there are none, or not of ours). Loads no weights."""
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}")
        info = RelevanceInfo(**values)
        FitSettings(**info.fit)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: wanted what `relevance train` makes, found no {MANIFEST}") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: not a manifest of ours: {error}") from error
    return info
