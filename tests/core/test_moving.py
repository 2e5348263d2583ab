"""Files and folders that move between disks: there whole or not at all, whatever comes between."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.core.disks import make_disk
from umt_core.data import moving
from umt_core.data.moving import move


@pytest.fixture
def disk(tmp_path, monkeypatch) -> Path:
    return make_disk(tmp_path / "disk", monkeypatch)


def make_folder(place: Path) -> dict[str, bytes]:
    (place / "inner").mkdir(parents=True)
    (place / "inner" / "a").write_bytes(b"a" * 5000)
    (place / "b").write_bytes(b"b")
    return contents(place)


def contents(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("where", ["disk", "."])
def test_what_is_moved_is_there_as_it_was_and_nowhere_else(tmp_path, disk, where):
    whole = make_folder(tmp_path / "folder")
    (tmp_path / "file").write_bytes(b"file")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("folder", "file", "link"):
        move(tmp_path / name, tmp_path / where / f"new {name}")
    assert contents(tmp_path / where / "new folder") == whole
    assert (tmp_path / where / "new file").read_bytes() == b"file"
    assert (tmp_path / where / "new file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / (tmp_path / where / "new link").readlink()) == tmp_path / "elsewhere"
    assert sorted(path.name for path in (tmp_path / where).iterdir() if path != disk) == [
        "new file", "new folder", "new link",
    ]  # fmt: skip
    assert where == "." or list(tmp_path.iterdir()) == [disk]


def test_a_disk_that_is_full_leaves_all_where_it_was(tmp_path, disk, monkeypatch):
    whole = make_folder(tmp_path / "folder")

    def full(source: str, target: str, **_: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match="No space left") as caught:
            move(tmp_path / "folder", disk / "folder")
    assert str(caught.value).count("No space left") == 1
    assert contents(tmp_path / "folder") == whole
    assert list(disk.iterdir()) == []


class Killed(BaseException):
    """What kill -9 is to a process."""


@pytest.mark.parametrize("step", range(20))
def test_a_kill_at_any_step_leaves_it_whole_and_the_next_try_moves_it(tmp_path, disk, monkeypatch, step):
    whole = make_folder(tmp_path / "folder")
    steps = []

    def dying(real):
        def call(*arguments, **options):
            steps.append(1)
            if len(steps) > step:
                raise Killed  # at each step from now on: neither is anything put right on the way out
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for where, name in ((moving, "sync"), (moving, "_remove"), (Path, "rename"), (shutil, "copytree")):
            patch.setattr(where, name, dying(getattr(where, name)))
        try:
            move(tmp_path / "folder", disk / "folder")
        except Killed:
            there = [place for place in (tmp_path / "folder", disk / "folder") if place.exists()]
            assert there
            assert all(contents(place) == whole for place in there)
    if not (disk / "folder").exists():
        move(tmp_path / "folder", disk / "folder")
        assert [path.name for path in disk.iterdir()] == ["folder"]
    assert contents(disk / "folder") == whole


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second disk is known")
def test_a_folder_moves_to_a_disk_of_its_own(tmp_path):
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("it is the same one")
    place = Path("/dev/shm") / f"umt-{os.getpid()}"
    whole = make_folder(tmp_path / "folder")
    try:
        move(tmp_path / "folder", place)
        assert contents(place) == whole
        move(place, tmp_path / "back")
        assert contents(tmp_path / "back") == whole
        assert not place.exists()
    finally:
        shutil.rmtree(place, ignore_errors=True)
