"""Backup and restore of all that people made, while it is in use; damaged and hostile backups."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.core.versioned import FAMILY, write_family
from umt_core.backup import CONTENTS, back_up, check_backup, restore
from umt_core.corrections.database import file_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store, default_url
from umt_core.data.own import MY_TWEETS, add_tweet, read_own
from umt_core.errors import DataError, StoreError, UmtError
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
    with pytest.raises(UmtError, match=f"{linked}: wanted a link to work to back up, got one to nothing: .*disk"):
        back_up(tmp_path / "c.tar")
    assert not (tmp_path / "c.tar").exists()
    (home / linked).unlink()
    (home / linked).symlink_to(home)
    with pytest.raises(UmtError, match=f"{linked}: .* got one to a folder that holds it"):
        back_up(tmp_path / "c.tar")


def test_nothing_that_is_there_is_written_over(work, tmp_path, monkeypatch):
    back_up(tmp_path / "b.tar")
    with pytest.raises(DataError, match="wanted a place without checkpoints"):
        restore(tmp_path / "b.tar")
    place = elsewhere(monkeypatch, tmp_path)
    with Store() as store:
        store.append(edit("own"))
    with pytest.raises(StoreError, match="wanted an empty store to copy into, got one of 1 events"):
        restore(tmp_path / "b.tar")
    assert not (place / "own").exists()
    with Store() as store:
        assert store.count() == 1
    with pytest.raises(DataError, match="wanted a new file"):
        back_up(tmp_path / "b.tar")


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
