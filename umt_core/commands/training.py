"""What commands that train share: settings from options, progress, and an end at Ctrl-C with nothing half."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from umt_core.commands.console import pairs, reporter, say
from umt_core.errors import ConfigError
from umt_core.train.watcher import Watcher

if TYPE_CHECKING:
    from umt_core.train.loop import Epoch


class Stopped(Exception):
    """Ctrl-C, and what there is to say of it."""


class Interrupts:
    """Inside, Ctrl-C and SIGTERM ask for an end instead of breaking off; a second Ctrl-C breaks off."""

    def __enter__(self) -> Callable[[], bool]:
        self.asked = False
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return lambda: self.asked

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


class TrainingView(Watcher):
    """Shows a run's progress."""

    def __init__(self, bar: Progress, epochs: int, interrupted: Callable[[], bool]) -> None:
        self.bar, self.epochs = bar, epochs
        self.interrupted = interrupted
        self.steps_task: Any = None
        self.features_task: Any = None
        self._teaching = reporter(bar)

    def teaching(self, what: str, done: int, total: int) -> None:
        self._teaching(what, done, total)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        if self.steps_task is None:
            self.steps_task = self.bar.add_task("training")
        self.bar.update(
            self.steps_task,
            description=f"epoch {epoch} of at most {self.epochs}, loss {loss:.2f}",
            completed=step,
            total=steps,
        )

    def epoch(self, epoch: Epoch) -> None:
        star = " (best so far)" if epoch.best else ""
        line = f"epoch {epoch.number}: dev F1 {100 * epoch.scores.overall.f1:.2f}{star}, {epoch.seconds:.0f} s"
        say(line)

    def should_stop(self) -> bool:
        return self.interrupted()

    def note(self, text: str) -> None:
        say(text)

    def features(self, done: int, total: int) -> None:
        if self.features_task is None:
            self.features_task = self.bar.add_task("regions of pictures")
        self.bar.update(self.features_task, completed=done, total=total)


def about(images: str) -> str:
    """What ``--about-images`` says (``ConfigError``: it is what a page's command has in its place)."""
    from umt_core.analysis.benchmark import YOUR_PICTURES

    if images == YOUR_PICTURES:
        raise ConfigError(f"--about-images: wanted what the pictures are, got {images!r}, which is to be filled in")
    return images


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """``NAME=VALUE`` texts as settings; values are JSON where they can be, else text."""
    values: dict[str, Any] = {}
    for name, value in pairs(texts, "--set").items():
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
