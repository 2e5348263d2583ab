"""A home of its own with a tiny base checkpoint and data sets, for tests of jobs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.core import tiny, tiny_data
from umt_core.train import jobs
from umt_core.train.compose import Part
from umt_core.train.jobs import JobRequest

BASE = "twitter0/bert-crf"
WAIT = 600  # seconds; a machine that is busy with other work starts a process slowly


@dataclass(frozen=True)
class Home:
    root: Path

    @property
    def versions(self) -> Path:
        return self.root / "home" / "checkpoints"

    def request(self, base: str = BASE, **values: object) -> JobRequest:
        family = base.partition("/")[0]
        given = {"train": (Part(f"{family}/train"),), "valid": Part(f"{family}/valid"), "epochs": 3, "layers": 1}
        return JobRequest(base, **given | values)  # type: ignore[arg-type]


def make_home(root: Path, patch: pytest.MonkeyPatch, systems: tuple[str, ...] = ("bert-crf",)) -> Home:
    """Makes data and checkpoints under ``root``, and sets the environment so that people's work is there too."""
    _live_in(root, patch)
    patch.setenv("OMP_NUM_THREADS", "1")
    tiny_data.write_data(root / "data" / "twitter0")
    encoder = tiny.save_encoder(root / "encoder")
    for system in systems:
        tagger = tiny.system(system, text_encoder=encoder)
        tiny.save_tagger(root / "checkpoints", tagger, dataset="twitter0")
    return Home(root)


def make_template(factory: pytest.TempPathFactory) -> Path:
    """A home to copy from: made once for many tests, since that takes a library that loads slowly."""
    root = factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        make_home(root, patch)
    return root


def copy_home(template: Path, root: Path, patch: pytest.MonkeyPatch) -> Home:
    """A home like ``template`` under ``root``; nobody works on its queue but the test."""
    for name in ("checkpoints", "data"):
        shutil.copytree(template / name, root / name)
    _live_in(root, patch)
    patch.delenv("UMT_STORE", raising=False)
    patch.setattr(jobs, "ensure_runner", lambda: None)
    return Home(root)


def _live_in(root: Path, patch: pytest.MonkeyPatch) -> None:
    for name in ("home", "cache", "checkpoints", "data"):
        patch.setenv(f"UMT_{name.upper()}", str(root / name))


def wait_for(identity: str, wanted: Callable[[jobs.Status], object]) -> jobs.Status:
    """The job's status as soon as it is as wanted."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if wanted(found := jobs.status(identity)):
            return found
        time.sleep(0.02)
    pytest.fail(f"waited in vain: {found.state} {found.line} {found.events[-3:]} {jobs.log_text(identity)[-2000:]}")
