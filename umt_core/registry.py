"""Finds checkpoints by name: ``<dataset>/<system>`` under the checkpoints folder. Free of torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from umt_core.data.files import home_dir
from umt_core.errors import CheckpointError
from umt_core.manifest import MANIFEST, Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A checkpoint that is there: its name, its folder, what it says of itself."""

    name: str
    folder: Path
    manifest: Manifest
    version: str = "original"

    @property
    def family(self) -> str:
        return self.name.partition("@")[0]


def versions_folder(family: str) -> Path:
    """Where a family's retrained versions are, a folder each."""
    return home_dir() / "checkpoints" / family


def checkpoints_folder() -> Path:
    """``$UMT_CHECKPOINTS``, else ``checkpoints/`` in the repository."""
    return Path(os.environ.get("UMT_CHECKPOINTS") or Path(__file__).resolve().parents[1] / "checkpoints")


def checkpoints(root: Path | None = None) -> list[CheckpointInfo]:
    """All checkpoints whose manifest can be read, by name."""
    root = root or checkpoints_folder()
    found = []
    for path in sorted(root.glob(f"*/*/{MANIFEST}")):
        try:
            manifest = read_manifest(path.parent)
        except CheckpointError:
            continue  # one damaged folder must not hide the others; loading it by name says what is wrong
        found.append(CheckpointInfo(path.parent.relative_to(root).as_posix(), path.parent, manifest))
    return found


def find_checkpoint(name: str | Path, root: Path | None = None) -> CheckpointInfo:
    """The checkpoint of a name, or in a folder.

    Raises:
        CheckpointError: there is none, or its manifest cannot be read.
    """
    root = root or checkpoints_folder()
    name = str(name).removesuffix("@original")
    parts = Path(name).parts
    inside = root / name
    if len(parts) == 2 and ".." not in parts and inside.is_dir():
        return CheckpointInfo(inside.relative_to(root).as_posix(), inside, read_manifest(inside))
    folder = Path(name)
    if folder.is_dir():
        manifest = read_manifest(folder)
        return CheckpointInfo(manifest.name, folder, manifest)
    known = ", ".join(info.name for info in checkpoints(root)) or "none"
    raise CheckpointError(f"no checkpoint {str(name)!r} in {root}, and no such folder; known: {known}")
