"""Finds checkpoints by name. Free of torch.

A *family* is ``<dataset>/<system>``. Its *original* lies under the checkpoints folder, its retrained *versions* in
people's home: ``<home>/checkpoints/<dataset>/<system>/<version>/``. The family's plain name stands for the version
that is served, ``<family>@<version>`` for just that one, ``<family>@original`` for the one that was not retrained
here. What is served is looked up at each call, so that who asks next gets what was promoted last.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from umt_core.errors import CheckpointError
from umt_core.manifest import MANIFEST, WEIGHTS, Manifest, read_manifest
from umt_core.promotions import ORIGINAL, Record, log_complaints, pile, retrained_folder

_VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"
_FAMILY = re.compile(r"(?!\.)[^/\\@\0]+/(?!\.)[^/\\@\0]+")


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A checkpoint that is there: its name, its folder, what it says of itself."""

    name: str  # as it was asked for: a family's, or with its version after an @
    folder: Path
    manifest: Manifest
    version: str = ORIGINAL

    @property
    def family(self) -> str:
        return self.name.partition("@")[0]

    @property
    def exact(self) -> str:
        """The name that will always stand for these weights; the original's is the family's own."""
        return self.family if self.version == ORIGINAL else f"{self.family}@{self.version}"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A folder that ought to be a checkpoint and isn't."""

    name: str
    folder: Path
    why: str


def checkpoints_folder() -> Path:
    """Where the originals are: ``$UMT_CHECKPOINTS``, else ``checkpoints/`` in the repository."""
    return Path(os.environ.get("UMT_CHECKPOINTS") or _SHIPPED)


def versions_folder(family: str) -> Path:
    """Where a family's retrained versions are, a folder each.

    Raises:
        CheckpointError: the name is not ``<dataset>/<system>``.
    """
    return retrained_folder() / check_family(family)


def check_family(family: str) -> str:
    """The name, if it is one of a family (``CheckpointError``)."""
    if not _FAMILY.fullmatch(family):
        raise CheckpointError(f"wanted the name of a family, <dataset>/<system>, got {family!r}")
    return family


def check_version(version: str) -> str:
    """The name, if a retrained version may have it (``CheckpointError``)."""
    if not _VERSION.fullmatch(version) or version == ORIGINAL:
        raise CheckpointError(
            f"wanted a version's name of 1 to 40 letters a-z, digits, dots and hyphens, a letter or digit first, "
            f"and not {ORIGINAL!r}; got {version!r}"
        )
    return version


# --- what is served ------------------------------------------------------------------------------


def families() -> list[str]:
    """Names of all families, with an original or with versions: by checkpoint set, then by system."""
    of_originals, of_retrained = checkpoints_folder(), retrained_folder()
    originals = {path.parent.relative_to(of_originals) for path in of_originals.glob(f"*/*/{MANIFEST}")}
    retrained = {path.parents[1].relative_to(of_retrained) for path in of_retrained.glob(f"*/*/*/{MANIFEST}")}
    names = {path.as_posix() for path in originals | retrained}
    return sorted((name for name in names if _FAMILY.fullmatch(name)), key=lambda name: name.split("/"))


def checkpoints() -> list[CheckpointInfo]:
    """The served checkpoint of each family, by name. ``complaints`` says what is wrong with the others."""
    found = []
    for family in families():
        try:
            found.append(served(family))
        except CheckpointError:
            continue  # one damaged folder must not hide the others; loading it by name says what is wrong
    return found


def served(family: str) -> CheckpointInfo:
    """What a family's plain name stands for now: what was promoted last, or lies below if that cannot be read.

    Raises:
        CheckpointError: there is no version that can be read.
    """
    for record in reversed(pile(family)):
        try:
            return replace(promoted(family, record), name=family)
        except CheckpointError:
            continue  # ``complaints`` says it
    if not (checkpoints_folder() / family).is_dir():
        known = ", ".join(found.version for found in versions(family)) or "none"
        raise CheckpointError(f"{family}: has no original, and no version of it is promoted; there are: {known}")
    return _original(family)


def promoted(family: str, record: Record) -> CheckpointInfo:
    """The version that a promotion is about, by its name, or where that is another's now, by its weights.

    Raises:
        CheckpointError: it is not there any more, or damaged.
    """
    if record.version == ORIGINAL:
        return _original(family, name=f"{family}@{ORIGINAL}")
    why = "it is not there any more"
    try:
        found = _version(family, record.version)
        if found.manifest.weights_sha256 == record.weights_sha256:
            return _checked(found, record)
    except CheckpointError as error:
        why = str(error)
    for other in _retrained(family):
        if isinstance(other, CheckpointInfo) and other.manifest.weights_sha256 == record.weights_sha256:
            return _checked(other, record)
    raise CheckpointError(why)


def _checked(found: CheckpointInfo, record: Record) -> CheckpointInfo:
    # Its size, and not its sum, which would be taken of 40 MB at each look; the sum is checked when it is loaded.
    try:
        size = (found.folder / WEIGHTS).stat().st_size
    except OSError as error:
        raise CheckpointError(f"{found.folder / WEIGHTS}: wanted weights, got: {error.strerror}") from error
    if record.size and size != record.size:
        raise CheckpointError(f"{found.folder / WEIGHTS}: wanted {record.size:,} bytes, got {size:,}")
    return found


def complaints() -> list[str]:
    """A line for each original that cannot be read, each promoted version that cannot be served, and the log's."""
    lines = [broken.why for broken in _broken_originals()]
    for family in families():
        try:
            now = served(family).version
        except CheckpointError:
            continue  # no original, and nothing promoted: its versions wait
        for record in reversed(pile(family)):
            try:
                promoted(family, record)
                break
            except CheckpointError as error:
                lines.append(f"{family}@{record.version} was promoted and cannot be served, {now} is: {error}")
    return [*lines, *log_complaints()]


# --- by name -------------------------------------------------------------------------------------


def dataset_of(name: str) -> str:
    """The data set that a checkpoint was trained on; of one that is gone, what its name begins with."""
    try:
        return find_checkpoint(name).manifest.dataset
    except CheckpointError:
        return name.partition("/")[0]


def find_checkpoint(name: str | Path | CheckpointInfo) -> CheckpointInfo:
    """The checkpoint of a name, or in a folder; one that was found already is given back.

    Raises:
        CheckpointError: there is none, or its manifest cannot be read.
    """
    if isinstance(name, CheckpointInfo):
        return name
    family, at, version = str(name).partition("@")
    places = [root / family for root in (checkpoints_folder(), retrained_folder())]
    if _FAMILY.fullmatch(family) and any(map(_is_folder, places)):
        if not at:
            return served(family)
        return _original(family, name=str(name)) if version == ORIGINAL else _version(family, version)
    folder = Path(name)
    if _is_folder(folder):
        manifest = read_manifest(folder)
        if folder.resolve().parent == versions_folder(manifest.name).resolve():
            return _version(manifest.name, folder.resolve().name)
        return CheckpointInfo(manifest.name, folder, manifest)
    known = ", ".join(info.name for info in checkpoints()) or "none"
    raise CheckpointError(
        f"no checkpoint {str(name)[:200]!r} in {checkpoints_folder()}, and no such folder; known: {known}"
    )


def find_apart(names: Sequence[str]) -> list[CheckpointInfo]:
    """The checkpoints of names and folders, whose answers will stand beside each other under their own names.

    Raises:
        CheckpointError: there is no such one, or two have one name: a folder's is in its manifest, and says what it
            was trained on, not where it is.
    """
    found = [find_checkpoint(name) for name in names]
    places: dict[str, str] = {}
    for name, info in zip(names, found, strict=True):
        if info.name in places:
            raise CheckpointError(
                f"wanted checkpoints of different names, got {info.name} twice: {places[info.name]} and {name}"
            )
        places[info.name] = str(name)
    return found


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  Path.is_dir raises on names that no folder can have


def versions(family: str) -> list[CheckpointInfo]:
    """All versions of a family that can be read, named ``<family>@<version>``: the original, then by age."""
    return [found for found in survey(family) if isinstance(found, CheckpointInfo)]


def survey(family: str) -> list[CheckpointInfo | Damaged]:
    """``versions``, with those that cannot be read in their places."""
    found: list[CheckpointInfo | Damaged] = []
    if (checkpoints_folder() / check_family(family)).is_dir():
        name = f"{family}@{ORIGINAL}"
        try:
            found.append(_original(family, name=name))
        except CheckpointError as error:
            found.append(_damaged(name, checkpoints_folder() / family, error))
    return found + sorted(_retrained(family), key=lambda v: v.manifest.created if isinstance(v, CheckpointInfo) else "")


def same_weights(family: str, weights_sha256: str) -> CheckpointInfo | None:
    """The version of a family that has these weights."""
    if not _FAMILY.fullmatch(family):
        return None
    return next((found for found in versions(family) if found.manifest.weights_sha256 == weights_sha256), None)


def parent_of(info: CheckpointInfo) -> CheckpointInfo | None:
    """The version that a retrained one came from, by its weights; ``None``: it is not here, or there was none."""
    parent = info.manifest.parent or {}
    return same_weights(parent.get("name", "").partition("@")[0], parent.get("weights_sha256", ""))


def _original(family: str, *, name: str = "") -> CheckpointInfo:
    folder = checkpoints_folder() / family
    return CheckpointInfo(name or family, folder, read_manifest(folder))


def _version(family: str, version: str) -> CheckpointInfo:
    folder = versions_folder(family) / check_version(version)
    if not folder.is_dir():
        known = ", ".join(found.version for found in versions(family)) or "none"
        raise CheckpointError(f"{family}: wanted its version {version!r}, got none; there are: {known}")
    manifest = read_manifest(folder)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder}: wanted {WEIGHTS} beside the manifest, found none")
    return CheckpointInfo(f"{family}@{version}", folder, manifest, version)


def _retrained(family: str) -> Iterator[CheckpointInfo | Damaged]:
    for folder in sorted(versions_folder(family).glob("*/")):
        if _VERSION.fullmatch(folder.name):  # others are at work there, or it is none of ours
            try:
                yield _version(family, folder.name)
            except CheckpointError as error:
                yield _damaged(f"{family}@{folder.name}", folder, error)


def _broken_originals() -> Iterator[Damaged]:
    root = checkpoints_folder()
    for folder in sorted(root.glob("*/*/")):
        if any(folder.iterdir()):
            try:
                read_manifest(folder)
            except CheckpointError as error:
                yield _damaged(folder.relative_to(root).as_posix(), folder, error)


def _damaged(name: str, folder: Path, error: CheckpointError) -> Damaged:
    return Damaged(name, folder, str(error).replace(str(folder), name))
