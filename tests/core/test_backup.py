"""Backup and restore of all that people made, while it is in use; damaged and hostile backups."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.core.disks import make_disk
from tests.core.versioned import FAMILY, write_family
from umt_core.backup import CONTENTS, back_up, check_backup, restore
from umt_core.corrections.database import file_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store, default_url
from umt_core.data.files import locked
from umt_core.data.moving import move
from umt_core.data.own import MY_TWEETS, add_tweet, read_own
from umt_core.errors import BusyError, DataError, StoreError, UmtError
from umt_core.registry import served
from umt_core.schema import Example, Span
from umt_core.versions import promote

ROOT = Path(__file__).resolve().parents[2]
PER = (Span(0, 2, "PER"),)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    for name in ("UMT_STORE", "UMT_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def edit(tweet: str, author: str = "ann") -> Edit:
    return Edit(TweetKey("sample_data/tweets", tweet), "set", author, (), PER, revision=0)


@pytest.fixture
def work(home, tmp_path) -> None:
    """A store of three events, a promoted version, a data set with a picture, a job and a file of users."""
    with Store() as store:
        store.append_all([edit(str(i)) for i in range(3)])
    write_family("v1", "v2")
    promote(f"{FAMILY}@v2", "ann")
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    add_tweet(Example("1", ("rain", "over", "Oslo")), picture.getvalue())
    (home / "jobs" / "1").mkdir(parents=True)
    (home / "jobs" / "1" / "big").write_text("state of a run")
    (home / "users.json").write_text("ann")


def elsewhere(monkeypatch, tmp_path) -> Path:
    place = tmp_path / "elsewhere"
    monkeypatch.setenv("UMT_HOME", str(place))
    return place


def test_all_that_was_made_is_there_again(work, tmp_path, monkeypatch):
    with Store() as store:
        digest = store.digest()
    written = back_up(tmp_path / "b.tar")
    assert written == check_backup(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    assert restore(tmp_path / "b.tar").events == 3
    with Store() as store:
        assert (store.verify(), store.digest()) == (3, digest)
        store.append(edit("later"))  # it can be worked on
    assert served(FAMILY).version == "v2"
    (tweet,) = read_own(MY_TWEETS)
    assert tweet.tokens == ("rain", "over", "Oslo")
    assert len(list((place / "own" / MY_TWEETS / "images").iterdir())) == 1
    assert (place / "users.json").read_text() == "ann"
    assert not (place / "jobs").exists()
    assert not [path for path in place.iterdir() if path.name.startswith(".restoring")]


@pytest.mark.parametrize("linked", ["own", f"own/{MY_TWEETS}", "checkpoints", f"checkpoints/{FAMILY.split('/')[0]}"])
def test_work_behind_a_link_is_backed_up_and_one_that_is_away_is_refused(linked, work, home, tmp_path):
    whole, disk = back_up(tmp_path / "whole.tar").files.keys(), tmp_path / "disk"
    (home / linked).rename(disk)
    (home / linked).symlink_to(disk)
    (home / "own" / MY_TWEETS / "images" / "out").symlink_to(tmp_path)  # no set's own
    assert back_up(tmp_path / "b.tar").files.keys() == whole
    disk.rename(tmp_path / "away")
    with pytest.raises(UmtError, match=f"{linked}: wanted a link to work, got one to nothing: .*disk"):
        back_up(tmp_path / "c.tar")
    assert not (tmp_path / "c.tar").exists()
    (home / linked).unlink()
    (home / linked).symlink_to(home)
    with pytest.raises(UmtError, match=f"{linked}: .* got one to a folder that holds it"):
        back_up(tmp_path / "c.tar")


def test_nothing_that_is_there_is_written_over(work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    with Store() as store:
        store.append(edit("own"))
    with pytest.raises(StoreError, match="wanted an empty store to restore into, got one of 1 other events"):
        restore(tmp_path / "b.tar")
    assert not (place / "own").exists()
    with Store() as store:
        assert store.count() == 1
    with pytest.raises(DataError, match="wanted a new file"):
        back_up(tmp_path / "b.tar")


@pytest.mark.parametrize("name", ["users.json", "own/my-tweets/more", "checkpoints/more"])
def test_a_place_with_other_work_is_left_as_it_is(name, work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    (place / name).parent.mkdir(parents=True)
    (place / name).write_text("other")
    with pytest.raises(DataError, match=f"wanted a place without {name.split('/')[0]} to restore it, got one that has"):
        restore(tmp_path / "b.tar")
    assert not (place / "corrections.sqlite").exists()
    assert files_in(place) == {name: b"other"}


def files_in(place: Path) -> dict[str, bytes]:
    """What lies in a home, also behind links, but for stores and locks."""
    paths = [Path(folder) / name for folder, _, names in os.walk(place, followlinks=True) for name in names]
    found = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths if path.exists()}
    return {name: data for name, data in found.items() if ".lock" not in name and ".sqlite" not in name}


class Killed(BaseException):
    """What kill -9 is to a process."""


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), Killed()])
@pytest.mark.parametrize("step", range(4))  # three moves, then the store
def test_a_restore_that_is_cut_off_anywhere_is_given_again(work, tmp_path, monkeypatch, fault, step):
    back_up(tmp_path / "b.tar")
    place, calls = elsewhere(monkeypatch, tmp_path), []
    (place / "own").mkdir(parents=True)

    def failing(real):
        def call(*arguments: object) -> object:
            calls.append(1)
            if len(calls) > step:
                raise fault
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("umt_core.backup.move", failing(move))
        patch.setattr(Store, "copy_to", failing(Store.copy_to))
        if isinstance(fault, Killed):
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # the files that wait for their places stay too
        with pytest.raises((DataError, Killed), match=r"No space left|^$"):
            restore(tmp_path / "b.tar")
    assert len(calls) == step + 1
    restored(tmp_path, place)


def restored(tmp_path: Path, place: Path) -> None:
    """A restore gets to its end, and all is there; a second one finds it so, and changes nothing."""
    for _ in range(2):
        assert restore(tmp_path / "b.tar").events == 3
        with Store() as store:
            assert store.verify() == 3
        assert files_in(place) == {k: v for k, v in files_in(tmp_path / "home").items() if not k.startswith("jobs/")}
        assert not list(place.glob(".restoring*"))


LINKS = ["own", f"own/{MY_TWEETS}", "checkpoints", f"checkpoints/{FAMILY.split('/')[0]}"]


@pytest.mark.parametrize("linked", LINKS)
def test_links_of_the_new_home_to_another_disk_are_filled(linked, work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    place, disk = elsewhere(monkeypatch, tmp_path), make_disk(tmp_path / "disk", monkeypatch)
    (place / linked).parent.mkdir(parents=True)
    (place / linked).symlink_to(disk)
    restored(tmp_path, place)
    assert (place / linked).is_symlink()
    assert any(disk.iterdir())


@pytest.mark.parametrize("linked", LINKS)
def test_a_link_to_nothing_is_refused_before_anything_is_restored(linked, work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    (place / linked).parent.mkdir(parents=True)
    (place / linked).symlink_to(tmp_path / "away")
    with pytest.raises(DataError, match=f"{linked}: wanted a link to work, got one to nothing: .*away"):
        restore(tmp_path / "b.tar")
    assert files_in(place) == {}
    assert not (place / "corrections.sqlite").exists()


def test_what_an_earlier_try_has_left_is_swept(work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    (place / ".restoring-0a1b" / "home").mkdir(parents=True)
    restored(tmp_path, place)


def test_two_do_not_restore_into_one_place_at_once(work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    with locked(elsewhere(monkeypatch, tmp_path)), pytest.raises(BusyError):
        restore(tmp_path / "b.tar")


def test_a_store_moves_between_databases(store_url, work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    elsewhere(monkeypatch, tmp_path)
    restore(tmp_path / "b.tar", store_url)
    with Store(store_url) as store:
        assert store.verify() == 3
        store.append(edit("later"))
    assert back_up(tmp_path / "again.tar", store_url).events == 4


def test_while_others_write_no_acknowledged_event_before_it_is_missing(work, tmp_path, monkeypatch):
    acknowledged, stop = [], threading.Event()

    def annotate() -> None:
        with Store() as store:
            while not stop.is_set():
                acknowledged.append(store.append(edit(f"more-{len(acknowledged)}")).number)
                stop.wait(0.01)  # nobody leaves others no moment: SQLite's waiters take no turns

    writer = threading.Thread(target=annotate)
    writer.start()
    try:
        for number in range(5):
            before = max(acknowledged, default=3)
            contents = back_up(tmp_path / f"{number}.tar")
            assert contents.events >= before
    finally:
        stop.set()
        writer.join()
    elsewhere(monkeypatch, tmp_path)
    restore(tmp_path / "4.tar")
    with Store() as store:
        assert store.verify() == contents.events


def test_an_empty_home_is_a_backup_of_nothing(tmp_path, monkeypatch):
    assert back_up(tmp_path / "b.tar").files == {}
    elsewhere(monkeypatch, tmp_path)
    assert restore(tmp_path / "b.tar").events == 0


def test_damage_is_found_before_anything_is_restored(work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    sound = (tmp_path / "b.tar").read_bytes()
    place = elsewhere(monkeypatch, tmp_path)
    damaged = tmp_path / "damaged.tar"
    for size in (0, 100, 5000, len(sound) // 2, len(sound) - 12_000):
        damaged.write_bytes(sound[:size])
        with pytest.raises(DataError):
            restore(damaged)
    for at in range(600, len(sound) - 10_240, len(sound) // 40):
        changed = bytearray(sound)
        changed[at] ^= 1
        damaged.write_bytes(changed)
        try:
            assert check_backup(damaged) == check_backup(tmp_path / "b.tar")  # a byte that is only padding
        except DataError:
            continue
    assert not place.exists()


def hostile(path: Path, name: str, **fields: object) -> None:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        for field, value in fields.items():
            setattr(member, field, value)
        tar.addfile(member, io.BytesIO(b""))
        listed = json.dumps({"backup": 1, "created": "", "events": 0, "files": {}}).encode()
        contents = tarfile.TarInfo(CONTENTS)
        contents.size = len(listed)
        tar.addfile(contents, io.BytesIO(listed))


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "home/../../x", "home/.ssh/x", "home", "x", "home//x", "home/a\\..\\x", "home/./x"]
)
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path, home):
    hostile(tmp_path / "b.tar", name)
    with pytest.raises(DataError, match="wanted a backup's files"):
        restore(tmp_path / "b.tar")
    assert not home.exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_what_is_no_plain_file_is_refused(kind, tmp_path):
    hostile(tmp_path / "b.tar", "home/own/x", type=kind, linkname="/etc/passwd")
    with pytest.raises(DataError, match="wanted a backup's files"):
        restore(tmp_path / "b.tar")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"backup": 2}', '{"backup": 1, "files": 3}', "[" * 5000])
def test_a_backup_that_says_nothing_of_itself_is_refused(text, tmp_path):
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        member = tarfile.TarInfo(CONTENTS)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    with pytest.raises(UmtError, match="wanted a backup"):
        check_backup(tmp_path / "b.tar")


def test_the_commands_say_it_in_one_line(work, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "umt_core", "backup", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    made = run("create", "--output", str(tmp_path / "b.tar"))
    assert (made.returncode, made.stderr) == (0, "")
    assert "written, 3 events" in made.stdout
    assert "sound, 3 events" in run("verify", str(tmp_path / "b.tar")).stdout
    with Store() as store:
        store.append(edit("later"))
    again = run("restore", str(tmp_path / "b.tar"))
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
    assert len(again.stderr.splitlines()) == 1


def test_the_store_in_use_is_never_copied_as_a_file(work, tmp_path, monkeypatch, home):
    monkeypatch.setenv("UMT_STORE", file_url(home / "other.sqlite"))
    with Store(default_url()) as store:
        store.append(edit("1"))
        contents = back_up(tmp_path / "b.tar")
    assert contents.events == 1
    assert not [name for name in contents.files if "other.sqlite" in name]


@pytest.mark.parametrize("name", ["corrections.sqlite.old", "corrections.sqlite-notes"])
def test_files_whose_names_only_begin_like_a_stores_are_backed_up(name, work, home, tmp_path):
    with Store() as store:
        for end in ("-journal", "-wal", "-shm"):
            (home / f"corrections.sqlite{end}x").touch()
        (home / name).write_text("kept by hand")
        store.append(edit("later"))
        contents = back_up(tmp_path / "b.tar")
    assert f"home/{name}" in contents.files


def test_a_store_elsewhere_takes_nothing_of_its_name_out_of_the_backup(work, tmp_path):
    whole = back_up(tmp_path / "a.tar").files.keys()
    other = file_url(tmp_path / "o")  # as own begins, and as a file of the home may be called
    Store(other).close()
    assert back_up(tmp_path / "b.tar", other).files.keys() == whole - {"corrections.sqlite"}


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_store_that_is_not_where_its_url_says_is_refused(by, work, tmp_path, monkeypatch):
    wrong = file_url(tmp_path / "wrong.sqlite")
    if by == "environment":
        monkeypatch.setenv("UMT_STORE", wrong)
    with pytest.raises(StoreError, match=r"wrong\.sqlite: wanted a store of corrections to back up, got no such file"):
        back_up(tmp_path / "b.tar", wrong if by == "argument" else None)
    assert not (tmp_path / "b.tar").exists()
    assert not (tmp_path / "wrong.sqlite").exists()


def test_nor_is_one_in_its_usual_place_beside_the_one_that_is_backed_up(work, tmp_path, monkeypatch, home):
    other = file_url(home / "other.sqlite")
    with Store(other) as store:
        store.append(edit("1"))
    contents = back_up(tmp_path / "b.tar", other)
    assert contents.events == 1
    assert not [name for name in contents.files if name.startswith("home/") and ".sqlite" in name]
    elsewhere(monkeypatch, tmp_path)
    restore(tmp_path / "b.tar")
    with Store() as store:
        assert store.count() == 1
