"""Changes versions of taggers: promote, roll back, rename, remove. One process at a time. Free of torch.

A kill at any moment leaves whole versions and a whole log: a folder gets and loses its place by one renaming,
and what is served changes with one line of the log.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from umt_core.data.files import utc_now
from umt_core.data.moving import move, sync
from umt_core.errors import CheckpointError
from umt_core.manifest import WEIGHTS, file_sum
from umt_core.promotions import (
    ORIGINAL,
    PROMOTE,
    REMOVE,
    RENAME,
    ROLL_BACK,
    Record,
    append,
    changing,
    pile,
    retrained_folder,
)
from umt_core.registry import (
    CheckpointInfo,
    check_family,
    check_version,
    find_checkpoint,
    promoted,
    served,
    versions_folder,
)

TRASH = ".trash"  # in the folder of retrained checkpoints: what is being removed
AUTHOR = 80  # letters of an author's name, at most


def promote(name: str, author: str, *, expected: str | None = None) -> CheckpointInfo:
    """Serves a version of its family from now on.

    Args:
        name: ``<family>@<version>``.
        expected: the version that the author believes to be served; if it is another one, nothing is done.

    Raises:
        CheckpointError: the version is not there, damaged, of another system, or served already.
    """
    author = _author(author)
    with changing():
        family, version = _split(name)
        found, before = find_checkpoint(name), _served(family)
        _expect(family, before, expected)
        if found.manifest.system != family.partition("/")[2]:
            raise CheckpointError(f"{name}: wanted a {family.partition('/')[2]}, got a {found.manifest.system}")
        if found.version == before and _is_promised(family, found.version):
            raise CheckpointError(f"{name}: is served already")
        weights = found.folder / WEIGHTS
        if not weights.is_file() or file_sum(weights) != found.manifest.weights_sha256:
            raise CheckpointError(f"{weights}: wanted the weights that its manifest names, got none or others")
        size = weights.stat().st_size
        append(_record(author, family, PROMOTE, version, found.manifest.weights_sha256, size, before))
        return served(family)


def roll_back(family: str, author: str, *, expected: str | None = None) -> CheckpointInfo:
    """Serves again what was served before; again and again, down to the original.

    Raises:
        CheckpointError: nothing was served before.
    """
    author = _author(author)
    with changing():
        before = _served(check_family(family))
        _expect(family, before, expected)
        target = _below(family, before)
        if target is None:
            raise CheckpointError(f"{family}: {before or 'nothing'} is served, and nothing was before it")
        manifest = target.manifest
        size = (target.folder / WEIGHTS).stat().st_size if target.version != ORIGINAL else 0
        append(_record(author, family, ROLL_BACK, target.version, manifest.weights_sha256, size, before))
        return served(family)


def before_served(family: str) -> CheckpointInfo | None:
    """What a roll-back would serve; ``None``: there is nothing to go back to."""
    return _below(family, _served(family))


def rename(name: str, new: str, author: str) -> CheckpointInfo:
    """Gives a retrained version another name; a served one stays so.

    Raises:
        CheckpointError: there is no such version, or one of the new name.
    """
    author = _author(author)
    with changing():
        family, version = _split(name)
        if version == ORIGINAL:
            raise CheckpointError(f"{name}: the original keeps its name")
        found = find_checkpoint(name)
        _move(found.folder, versions_folder(family) / check_version(new))
        append(_record(author, family, RENAME, new, found.manifest.weights_sha256, before=version))
        return find_checkpoint(f"{family}@{new}")


def remove(name: str, author: str) -> None:
    """Removes a retrained version for good, a damaged one too.

    Raises:
        CheckpointError: it is the original, or served, or not there.
    """
    author = _author(author)
    with changing():
        family, version = _split(name)
        if version == ORIGINAL:
            raise CheckpointError(f"{name}: the original cannot be removed")
        if version == _served(family):
            raise CheckpointError(f"{name}: is served; promote another version or roll back first")
        folder, trash = versions_folder(family) / check_version(version), retrained_folder() / TRASH
        if not folder.is_dir():
            find_checkpoint(name)  # says what there is
        shutil.rmtree(trash, ignore_errors=True)  # of a kill
        _move(folder, trash / secrets.token_hex(8))
        append(_record(author, family, REMOVE, version, ""))
        shutil.rmtree(trash, ignore_errors=True)


def _move(folder: Path, place: Path) -> None:
    if place.exists():
        raise CheckpointError(f"{place.parent.name}: wanted a new name, got {place.name!r}, which is taken")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        move(folder, place)
        sync(place.parent)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be moved to {place}: {error.strerror}") from error


def _split(name: str) -> tuple[str, str]:
    family, at, version = name.partition("@")
    if not at:
        raise CheckpointError(f"wanted a version, <dataset>/<system>@<version>, got {name!r}")
    return check_family(family), version


def _served(family: str) -> str:
    """The version that is served; "": none."""
    try:
        return served(family).version
    except CheckpointError:
        return ""


def _expect(family: str, now: str, expected: str | None) -> None:
    if expected is not None and expected != now:
        raise CheckpointError(
            f"{family}: {now or 'nothing'} is served now, and not {expected} as on your page; look again"
        )


def _is_promised(family: str, version: str) -> bool:
    """Whether the log says that this version is to be served, and not only that one above cannot be."""
    found = pile(family)
    return (found[-1].version if found else ORIGINAL) == version


def _below(family: str, now: str) -> CheckpointInfo | None:
    """The version that lies below the served one."""
    passed = False
    for record in [*reversed(pile(family)), Record("", "", family, PROMOTE, ORIGINAL, "")]:
        try:
            found = promoted(family, record)
        except CheckpointError:
            continue
        if passed and found.version != now:
            return found
        passed = passed or found.version == now
    return None


def _author(author: str) -> str:
    if not (name := " ".join(author.split())[:AUTHOR]):
        raise CheckpointError("wanted the name of who does this, got none")
    return name


def _record(
    author: str, family: str, action: str, version: str, weights_sha256: str, size: int = 0, before: str = ""
) -> Record:
    now = utc_now()
    return Record(now, author, family, action, version, weights_sha256, size, before)
