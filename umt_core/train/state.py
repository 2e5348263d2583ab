"""The state that an unfinished run goes on from, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from umt_core.analysis.metrics import Score, Scores
from umt_core.encoders.files import check_archive
from umt_core.errors import CheckpointError
from umt_core.train.loop import Trainer


def save_state(path: Path, trainer: Trainer, more: dict[str, Any]) -> None:
    """A trainer's state, and what else belongs to it, in one step."""
    state = trainer.state() | more
    if trainer.best_scores:
        state["best_scores"] = {
            label: [s.correct, s.predicted, s.gold] for label, s in trainer.best_scores.by_type.items()
        }
    temporary = path.with_name(path.name + ".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """What ``save_state`` has written.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        check_archive(path)
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # truncated, damaged or foreign: torch raises many classes
        raise CheckpointError(f"{path}: wanted the state of a run, got an unreadable file: remove it") from error
    return state


def go_on(trainer: Trainer, state: dict[str, Any]) -> None:
    """Puts a state that was read into a trainer."""
    by_type = {label: Score(*row) for label, row in state.get("best_scores", {}).items()}
    overall = Score(*(sum(getattr(s, k) for s in by_type.values()) for k in ("correct", "predicted", "gold")))
    trainer.load_state(state, Scores(overall, by_type, len(trainer.valid)) if by_type else None)
