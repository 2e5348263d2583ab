"""People's own data sets: added to in one step, by several at once, through kills; found by the rest of the app."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.core.disks import make_disk
from umt_core.data.datasets import data_complaint, data_sets, own_folder
from umt_core.data.images import ImageIndex, content_hash
from umt_core.data.jsonl import read_jsonl, write_jsonl
from umt_core.data.own import (
    MY_TWEETS,
    add_tweet,
    add_tweets,
    check_name,
    content_id,
    read_own,
    remove_own,
    stage_picture,
    staging,
)
from umt_core.errors import DataError, ImageError
from umt_core.schema import Example, Span

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UMT_DATA", raising=False)
    return tmp_path / "home"


@pytest.fixture
def picture(tmp_path) -> bytes:
    path = tmp_path / "noise.png"
    Image.effect_noise((20, 10), 80).save(path)
    return path.read_bytes()


def tweet(identity: str, text: str = "rain over Oslo") -> Example:
    return Example(identity, tuple(text.split()))


def left() -> list[str]:
    """What lies in the folder of own data sets beside the sets."""
    return [path.name for path in own_folder().iterdir() if path.name.startswith(".adding")]


# --- adding --------------------------------------------------------------------------------------


def test_a_tweet_is_added_once_and_a_second_time_is_found(picture):
    identity, new = add_tweet(Example("typed", ("rain", "over", "Oslo"), text="rain over Oslo"), picture)
    assert new
    assert add_tweet(Example("other id", ("rain", "over", "Oslo")), picture) == (identity, False)
    assert add_tweet(tweet("typed"), None)[0] != identity
    first, second = read_own(MY_TWEETS)
    assert (first.id, first.text, first.spans, second.image) == (identity, "rain over Oslo", None, None)
    (found,) = [data_set for data_set in data_sets() if data_set.own]
    assert (found.name, list(found.splits)) == (MY_TWEETS, ["tweets"])
    path = ImageIndex.open(found.images()).path(first.image)
    assert path.read_bytes() == picture
    assert path.name == f"{content_hash(picture)}.png"
    assert left() == []


def test_gold_labels_of_a_tweet_that_is_added_are_left_behind():
    add_tweet(Example("1", ("Oslo",), spans=(Span(0, 1, "LOC"),), tags=("B-LOC",)), None)
    assert read_own(MY_TWEETS)[0].spans is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_pictures_of_all_forms_are_found_again(tmp_path, form):
    Image.effect_noise((20, 10), 80).save(tmp_path / "x", form)
    add_tweet(tweet("1"), (tmp_path / "x").read_bytes())
    found = data_sets()[-1]
    assert ImageIndex.open(found.images()).path(read_own(MY_TWEETS)[0].image).suffix in (f".{form.lower()}", ".jpg")


def test_what_is_no_picture_adds_nothing():
    with pytest.raises(ImageError):
        add_tweet(tweet("1"), b"no picture")
    assert read_own(MY_TWEETS) == []
    assert left() == []


def test_ids_that_are_there_are_not_added_again_and_the_same_tweet_is_told_of():
    with staging() as stage:
        assert add_tweets("trip", [tweet("1"), tweet("2", "sun")], stage).ids == ("1", "2")
        again = add_tweets("trip", [tweet("2", "other"), tweet("3", "sun"), tweet("4"), tweet("5", "new")], stage)
    assert (again.ids, again.known, again.same) == (("3", "4", "5"), {"2"}, {"3": "2", "4": "1"})
    assert [example.id for example in read_own("trip")] == ["1", "2", "3", "4", "5"]


def test_ids_never_become_names_of_files(picture):
    ids = ["../../evil", "/etc/passwd", "a/b", "C:\\x", "..", ".", "x" * 200, "\u202e", "n\u0000"]
    with staging() as stage:
        image = stage_picture(stage, picture, name="p")
        add_tweets("trip", [Example(i, ("a",), image=image) for i in ids], stage)
    files = {path.relative_to(own_folder()).as_posix() for path in own_folder().rglob("*") if path.is_file()}
    assert files - {".lock"} == {"trip/tweets.jsonl", "trip/images.tsv", f"trip/images/{image}.png"}
    assert [example.id for example in read_own("trip")] == ids


def test_the_same_words_with_another_picture_are_another_tweet():
    ids = {content_id(Example("", tokens, image=image)) for tokens in (("a b",), ("a", "b")) for image in (None, "x")}
    assert len(ids) == 4


def test_a_damaged_file_is_told_of_and_left_as_it_is():
    add_tweet(tweet("1"), None)
    path = own_folder() / MY_TWEETS / "tweets.jsonl"
    path.write_text(path.read_text() + '{"id": "2", "tok')
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"tweets\.jsonl:2: wanted a JSON object"):
        add_tweet(tweet("3", "more words"), None)
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told_of_in_one_line(home):
    home.mkdir(mode=0o500)
    with pytest.raises(DataError, match="wanted a place to write"):
        add_tweet(tweet("1"), None)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "-x", "A", "x" * 41, "a b", "ä", "sample_data", "a\n"])
def test_names_that_are_no_folder_or_are_taken_are_refused(name):
    with pytest.raises(DataError, match="wanted a name"):
        check_name(name)


def test_a_published_data_set_keeps_its_name(tmp_path, monkeypatch):
    with staging() as stage:
        add_tweets("tiny", [tweet("1")], stage)
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    write_jsonl(tmp_path / "data" / "tiny" / "test.jsonl", [tweet("1")])
    assert [(d.name, d.own) for d in data_sets()] == [("sample_data", False), ("tiny", False)]
    assert "your own tiny" in data_complaint()
    with pytest.raises(DataError, match="which another data set has"), staging() as stage:
        add_tweets("tiny", [tweet("2")], stage)


# --- removing ------------------------------------------------------------------------------------


def test_a_removed_set_is_in_the_trash_and_its_name_is_free(home):
    add_tweet(tweet("1"), None)
    trash = remove_own(MY_TWEETS)
    assert trash.parent == home / "trash"
    assert [example.tokens for example in read_jsonl(trash / "tweets.jsonl")] == [("rain", "over", "Oslo")]
    assert [d.name for d in data_sets()] == ["sample_data"]
    add_tweet(tweet("1", "again"), None)
    assert len(read_own(MY_TWEETS)) == 1


def test_an_id_in_a_removed_set_is_of_no_other_tweet_in_one_of_its_name(home):
    with staging() as stage:
        add_tweets("trip", [tweet("1"), tweet("2")], stage)
        remove_own("trip")
        with pytest.raises(DataError, match=r"2 tweets \('1'\) have the id of another tweet in the trip"):
            add_tweets("trip", [tweet("1", "again"), tweet("2", "again"), tweet("3")], stage)
        assert [d.name for d in data_sets()] == ["sample_data"]
        add_tweets("other", [tweet("1", "again")], stage)
        add_tweets("trip", [tweet("2"), tweet("3")], stage)
    assert [example.id for example in read_own("trip")] == ["2", "3"]


@pytest.mark.parametrize("name", ["gone", "..", "sample_data", "../home"])
def test_only_own_sets_can_be_removed(name):
    with pytest.raises(DataError, match="wanted one of your own data sets"):
        remove_own(name)


# --- on another disk -----------------------------------------------------------------------------


@pytest.mark.parametrize("linked", ["own", "own/trip", "own/trip/images"])
def test_a_set_that_lies_on_another_disk_takes_pictures_and_can_be_removed(
    linked, home, tmp_path, monkeypatch, picture
):
    disk = make_disk(tmp_path / "disk", monkeypatch)
    (home / linked).parent.mkdir(parents=True)
    (home / linked).symlink_to(disk)
    with staging() as stage:
        image = stage_picture(stage, picture, name="p")
        (own_folder() / "trip" / "images").mkdir(parents=True, exist_ok=True)
        (own_folder() / "trip" / "images" / ".half.moving").touch()  # of a kill
        add_tweets("trip", [Example("1", ("a",), image=image)], stage)
    assert ImageIndex.open(data_sets()[-1].images()).path(image).read_bytes() == picture
    assert len((own_folder() / "trip" / "images.tsv").read_text().splitlines()) == 1
    trash = remove_own("trip")
    assert [example.id for example in read_jsonl(trash / "tweets.jsonl")] == ["1"]
    assert (trash / "images" / f"{image}.png").read_bytes() == picture
    assert not (own_folder() / "trip").exists()


# --- several processes, and kills ----------------------------------------------------------------

_ADDER = """
import sys
from umt_core.data.own import add_tweet
from umt_core.schema import Example
picture = open(sys.argv[2], "rb").read()
for i in range(int(sys.argv[3])):
    print(add_tweet(Example("", (sys.argv[1], str(i)), text=f"{sys.argv[1]} {i}"), picture)[0], flush=True)
"""


def adder(name: str, picture: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _ADDER, name, str(picture), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_that_add_at_once_lose_nothing(tmp_path, picture):
    (tmp_path / "p.png").write_bytes(picture)
    processes = [adder(name, tmp_path / "p.png", 20) for name in ("a", "b", "c")]
    said = [line for process in processes for line in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said) == sorted(example.id for example in read_own(MY_TWEETS))
    assert len(set(said)) == 60
    assert left() == []


def test_what_was_said_to_be_added_is_there_after_kills(tmp_path, picture):
    (tmp_path / "p.png").write_bytes(picture)
    rng, said = random.Random(0), set()
    for attempt in range(12):
        process = adder(f"k{attempt}", tmp_path / "p.png", 10_000)
        said.add(process.stdout.readline().strip())
        time.sleep(rng.random() / 10)
        process.send_signal(signal.SIGKILL)
        said |= {line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")}
    said = {line.strip() for line in said}
    found = read_own(MY_TWEETS)  # whole, or this raises
    assert said <= {example.id for example in found}
    index = ImageIndex.open(data_sets()[-1].images())
    assert all(index.path(example.image) for example in found)
    add_tweet(tweet("after"), picture)
    assert left() == []
