"""Files and folders that change place, to another disk too: folders of people's work may lie behind links."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def move(path: Path, target: Path) -> None:
    """Moves a file or folder, in one step for whoever looks at either place.

    To another disk it is copied, and gets its name there when all of it is on that disk; a kill leaves it whole in one
    place or in both. The caller keeps others from moving to ``target`` meanwhile.

    Raises:
        OSError: it cannot be moved; it is then still where it was.
    """
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, target)
        discard(path)


def discard(path: Path) -> None:
    """Removes a file or folder, in one step for whoever looks there (``OSError``: it cannot be, and is still there)."""
    gone = _hidden(path, "gone")
    _remove(gone)  # of a kill
    path.rename(gone)
    _remove(gone)


def sync(path: Path) -> None:
    """Has the disk hold what a file has, or what names a folder has (``OSError``: it cannot)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(path: Path, target: Path) -> None:
    part = _hidden(target, "moving")
    _remove(part)  # of a kill
    try:
        if path.is_symlink():
            part.symlink_to(path.parent.resolve() / path.readlink())
        elif path.is_dir():
            shutil.copytree(path, part, symlinks=True)
        else:
            shutil.copy2(path, part)
        for copied in (part, *part.rglob("*")):
            if not copied.is_symlink():
                sync(copied)
        part.rename(target)
        sync(target.parent)
    except shutil.Error as error:  # which lists all files of a folder that failed
        raise OSError(errno.EIO, error.args[0][0][2]) from error
    finally:
        _remove(part)


def _hidden(path: Path, ending: str) -> Path:
    """A name beside it that none of ours looks at."""
    return path.with_name(f".{path.name[:100]}.{ending}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
