"""The data sets at hand, and what the doctor says of nearly equal tweets and of pictures that show nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from umt_core.data.conll import write_conll
from umt_core.data.datasets import data_complaint, data_sets, find_split
from umt_core.data.duplicates import FEWEST, LIKE, near_duplicates
from umt_core.data.images import ImageIndex
from umt_core.data.pictures import COPIES, look_alikes, picture_facts, placeholders
from umt_core.data.stats import doctor
from umt_core.errors import DataError, ImageError
from umt_core.schema import Example


def photograph(seed=0, size=(80, 60)):
    """Soft patches of light, as photographs have them when they are shrunk."""
    greys = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(greys).resize(size, Image.Resampling.BICUBIC)


# --- data sets -----------------------------------------------------------------------------------


def test_samples_are_always_offered(monkeypatch):
    monkeypatch.delenv("UMT_DATA", raising=False)
    assert [d.name for d in data_sets()] == ["sample_data"]
    assert data_sets()[0].splits["tweets"].is_file()
    assert data_complaint() is None


@pytest.mark.parametrize(
    "place", ["twitter2017/images.tsv", "twitter2017/images/", "images/twitter2017.tsv", "twitter2017_images/"]
)
def test_data_sets_in_the_folder_are_found_with_their_pictures(tmp_path, monkeypatch, place):
    for split in ("test", "train"):
        write_conll(tmp_path / "twitter2017" / f"{split}.txt", [Example("1", ("a",), spans=())])
    (tmp_path / "notes").mkdir()
    images = tmp_path / place
    images.parent.mkdir(exist_ok=True)
    images.mkdir() if place.endswith("/") else images.touch()
    monkeypatch.setenv("UMT_DATA", str(tmp_path))
    _, found = data_sets()
    assert (found.name, list(found.splits), found.images()) == ("twitter2017", ["train", "test"], images)
    assert data_complaint() is None


@pytest.mark.parametrize(("folder", "said"), [("gone", "got no such folder"), ("", "got no folder in it with train")])
def test_a_folder_that_holds_nothing_is_told_of(tmp_path, monkeypatch, folder, said):
    monkeypatch.setenv("UMT_DATA", str(tmp_path / folder))
    assert len(data_sets()) == 1
    assert said in data_complaint()


# --- nearly the same words -----------------------------------------------------------------------


def test_a_data_set_that_is_not_there_says_whether_its_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("UMT_DATA", raising=False)
    with pytest.raises(DataError, match=r"known data sets: sample_data/tweets; UMT_DATA is not set$"):
        find_split("twitter2017/test")
    monkeypatch.setenv("UMT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"known data sets: sample_data/tweets$"):
        find_split("twitter2017/test")


def test_near_duplicates_are_those_that_trying_all_pairs_finds():
    rng = random.Random(0)
    base = [[rng.choice("abcdefghijklmnopqrstuvwxyz") * 2 for _ in range(rng.randint(3, 12))] for _ in range(12)]
    tweets = []
    for i in range(160):
        words = list(rng.choice(base))
        for _ in range(rng.randint(0, 3)):
            words[rng.randrange(len(words))] = rng.choice(["new", "AA", "bb", "!"])
        tweets.append((f"t{i}", rng.choice(["train", "test"]), tuple(words)))
    wanted = set()
    for i, (name, file, words) in enumerate(tweets):
        for other, other_file, other_words in tweets[:i]:
            a, b = ({w.lower() for w in ws if w != "!"} for ws in (words, other_words))
            enough = min(len(a), len(b)) >= FEWEST and len(a & b) / len(a | b) >= LIKE
            if enough and file != other_file and words != other_words:
                wanted.add((other, name))
    found = {(a, b) for a, b, _ in near_duplicates(tweets)}
    assert found == wanted
    assert len(wanted) > 20


# --- pictures ------------------------------------------------------------------------------------


def test_a_picture_that_shows_nothing_or_stands_in_many_places_is_a_placeholder(tmp_path):
    photograph(1).save(tmp_path / "one.png")
    Image.new("RGB", (50, 50), (200, 30, 30)).save(tmp_path / "red.png")
    for i in range(COPIES):
        photograph(2).save(tmp_path / f"copy{i}.png")
    facts = {path: picture_facts(path) for path in tmp_path.iterdir()}
    assert {path.stem for path in placeholders(facts)} == {"red", *(f"copy{i}" for i in range(COPIES))}
    few = {path: fact for path, fact in facts.items() if path.stem != "copy0"}
    assert {path.stem for path in placeholders(few)} == {"red"}


def test_look_alikes_survive_scaling_and_compression_and_others_are_not_alike(tmp_path):
    for seed in range(20):
        photograph(seed).save(tmp_path / f"{seed}.png")
    photograph(3, (80, 60)).resize((160, 120)).save(tmp_path / "larger.jpg", quality=60)
    facts = {path: picture_facts(path) for path in sorted(tmp_path.iterdir())}
    assert {(a.name, b.name) for a, b in look_alikes(facts)} == {("3.png", "larger.jpg")}


def test_a_broken_picture_has_no_facts(tmp_path):
    (tmp_path / "x.jpg").write_text("no picture")
    with pytest.raises(ImageError):
        picture_facts(tmp_path / "x.jpg")


def test_the_doctor_counts_and_lists_them(tmp_path):
    photograph(1).save(tmp_path / "a.png")
    photograph(1).resize((40, 30)).save(tmp_path / "b.png")
    Image.new("RGB", (50, 50)).save(tmp_path / "c.png")
    words = tuple("Big night in Oslo with Ann and Bob".split())
    files = {
        "own/train": [Example("a", words, "a"), Example("c", ("other", "words"), "c")],
        "own/test": [Example("b", (*words, "!", "yes"), "b")],
    }
    rows = {row["check"]: row for row in doctor(files, ImageIndex.open(tmp_path))}
    assert rows["tweets nearly the same in another file"]["items"] == ["own/train:a ~ own/test:b (89% of the words)"]
    assert rows["pictures that look alike"]["items"] == ["a.png ~ b.png"]
    (blank,) = (row["items"] for check, row in rows.items() if check.startswith("pictures of one colour"))
    assert blank == ["c.png: 1 tweets"]
