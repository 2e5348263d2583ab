"""Another disk for tests: a folder that nothing can be renamed into or out of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def make_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a folder that is to ``os.rename`` and ``os.replace`` what another disk is."""
    folder.mkdir()

    def among_disks(real: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def rename(source: Path, target: Path) -> None:
            on = [Path(place).parent.resolve().is_relative_to(folder) for place in (source, target)]
            if on[0] != on[1]:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
            real(source, target)

        return rename

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, among_disks(getattr(os, name)))
    return folder
