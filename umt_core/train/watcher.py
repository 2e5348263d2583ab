"""What a caller hears of a training run. Free of torch, so that a command or a page can be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from umt_core.train.loop import Epoch


class Watcher:
    """Hears nothing and never stops; subclasses take what they want."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """After each step: of which epoch (from 1), of how many in it, its loss."""

    def epoch(self, epoch: Epoch) -> None:
        """After each epoch, when its state is safe on disk."""

    def features(self, done: int, total: int) -> None:
        """While the regions of pictures are computed."""

    def teaching(self, what: str, done: int, total: int) -> None:
        """While teachers tag the tweets that are to be learned from: which teacher and tweets."""

    def note(self, text: str) -> None:
        """One line that a reader should see."""

    def should_stop(self) -> bool:
        """Asked after each step; true ends the run, to be resumed."""
        return False
