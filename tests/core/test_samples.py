"""The sample tweets: enough of them, rightly labelled, with pictures, and nobody else's."""

import re
import shutil
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import pytest

from sample_data.build import build
from umt_core.data import samples as module
from umt_core.data.conll import read_conll
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_jsonl
from umt_core.data.samples import (
    CREDITS,
    HARD_KINDS,
    KINDS,
    OPENING_SAMPLE,
    PHOTOGRAPHS,
    SAMPLES_FILE,
    Sample,
    load_samples,
    parse_samples,
    photograph_path,
    sample_images_folder,
    sample_picture,
    sample_thumbnail,
)
from umt_core.data.scenes import SCENES, draw
from umt_core.errors import DataError, ImageError
from umt_core.spans import spans_to_tags

FOLDER = SAMPLES_FILE.parent
SAMPLES = load_samples()


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """The cache in a folder of the test's own."""
    monkeypatch.setenv("UMT_CACHE", str(tmp_path))
    module._folder.cache_clear()
    yield tmp_path
    module._folder.cache_clear()


def named(identity: str) -> Sample:
    return next(sample for sample in SAMPLES if sample.example.id == identity)


def test_there_are_enough_and_a_third_of_them_is_hard():
    assert len(SAMPLES) >= 120
    assert sum(sample.hard for sample in SAMPLES) >= len(SAMPLES) / 3
    assert {kind for sample in SAMPLES for kind in sample.kind} == set(KINDS)


def test_each_sample_has_an_id_and_a_text_of_its_own():
    assert len({sample.example.id for sample in SAMPLES}) == len(SAMPLES)
    assert len({sample.example.text for sample in SAMPLES}) == len(SAMPLES)
    assert all(re.fullmatch(r"[a-z0-9-]+", sample.example.id) for sample in SAMPLES)  # they are file names


def test_spans_and_offsets_agree_with_what_the_author_marked():
    source = (FOLDER / "source.toml").read_text(encoding="utf-8")
    marked = [re.findall(r"\{([A-Z]+) ([^}]+)\}", line) for line in source.splitlines() if line.startswith("text = ")]
    assert len(marked) == len(SAMPLES)
    for sample, entities in zip(SAMPLES, marked, strict=True):
        example = sample.example
        assert example.text is not None
        assert example.offsets is not None
        assert example.spans is not None
        found = [
            (span.label, example.text[example.offsets[span.start][0] : example.offsets[span.end - 1][1]])
            for span in example.spans
        ]
        assert found == entities
        assert tuple(example.text[a:b] for a, b in example.offsets) == example.tokens
        spans_to_tags(example.spans, len(example.tokens))  # refuses overlaps


def test_kinds_say_what_is_there():
    for sample in SAMPLES:
        assert ("none" in sample.kind) == (sample.example.spans == ())
        assert ("no-picture" in sample.kind) == (sample.picture is None) == (sample.example.image is None)
        assert sample.note.endswith((".", "!"))


def test_a_rebuild_gives_the_committed_file():
    source = (FOLDER / "source.toml").read_text(encoding="utf-8")
    assert build(source) == SAMPLES_FILE.read_text(encoding="utf-8"), "run python -m sample_data.build"


def test_the_build_refuses_an_entity_that_is_part_of_a_token():
    with pytest.raises(DataError, match="half"):
        build('[[tweet]]\nid = "half"\ntext = "{LOC New}castle"\nkind = ["plain"]\nnote = "x."')


def test_the_commands_read_the_file_as_tweets():
    assert read_jsonl(SAMPLES_FILE) == [sample.example for sample in SAMPLES]


def test_the_opening_sample_shows_all_types_an_ambiguous_name_and_a_picture():
    opening = named(OPENING_SAMPLE)
    assert {span.label for span in opening.example.spans} == {"PER", "LOC", "ORG", "MISC"}
    assert "ambiguous" in opening.kind
    assert opening.picture is not None


def test_each_scene_draws_the_same_picture_each_time():
    for scene in SCENES:
        picture = draw(f"{scene}:1")
        assert picture.mode == "RGB"
        assert picture.size == SCENES[scene][1]
        assert len(picture.resize((32, 32)).getcolors(1024)) > 100  # not one flat colour
    assert draw("concert:1").tobytes() == draw("concert:1").tobytes()
    assert draw("concert:1").tobytes() != draw("concert:2").tobytes()


def test_there_are_many_scenes_and_each_is_used():
    used = {sample.picture.split(":")[0] for sample in SAMPLES if sample.picture}
    assert used - PHOTOGRAPHS.keys() == set(SCENES)
    assert len(SCENES) >= 24


@pytest.mark.parametrize("name", ["nowhere:1", "concert", "concert:x", ""])
def test_a_picture_with_a_wrong_name_is_refused(name):
    with pytest.raises(DataError, match="scene:variant"):
        draw(name)


def test_the_folder_of_pictures_serves_the_command_line(empty_cache, monkeypatch):
    few = [named(OPENING_SAMPLE), *(next(s for s in SAMPLES if kind in s.kind) for kind in KINDS)]
    monkeypatch.setattr(module, "load_samples", lambda: few)
    index = ImageIndex.open(sample_images_folder())
    for sample in few:
        path = index.path(sample.example.image)
        assert (path is None) == (sample.picture is None)
    opening = named(OPENING_SAMPLE)
    path = index.path(opening.example.image)
    assert path is not None
    path.write_bytes(photograph_path("skimage", "chelsea.png").read_bytes())
    assert sample_picture(opening).size == (451, 300)  # the app reads the very file that the command line reads


def test_a_cache_that_cannot_be_written_costs_no_picture(empty_cache):
    shutil.rmtree(empty_cache)
    empty_cache.write_text("a file where the cache should be")
    assert sample_picture(named(OPENING_SAMPLE)).size == (640, 480)
    with pytest.raises(DataError, match="place to write"):
        sample_images_folder()


def test_thumbnails_keep_their_proportions(empty_cache):
    assert sample_thumbnail(named(OPENING_SAMPLE), 160).size == (160, 120)
    without = next(sample for sample in SAMPLES if sample.picture is None)
    assert sample_thumbnail(without, 160) is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImageError, match="skimage"):
        photograph_path("skimage", "chelsea.png")


def test_a_sample_without_a_kind_is_refused_with_its_line():
    good = '{"tokens": ["a"], "kind": ["plain"], "note": "n."}'
    with pytest.raises(DataError, match="f:2: wanted a note and a kind"):
        parse_samples([good, '{"tokens": ["a"], "kind": ["odd"], "note": "n."}'], source="f")


def test_the_readme_counts_rightly_and_names_the_source_of_each_picture():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    counts = Counter(kind for sample in SAMPLES for kind in sample.kind)
    stated = {kind: int(number) for kind, number in re.findall(r"^\| `([\w-]+)` \|[^|]*\| (\d+) \|$", page, re.M)}
    assert stated == counts
    assert f"{len(SAMPLES)} tweets" in page
    assert f"{sum(s.hard for s in SAMPLES)} of them hard" in page
    assert all(f"| `{kind}` | {meaning} |" in page for kind, meaning in KINDS.items())
    photographs = {
        sample.picture for sample in SAMPLES if sample.picture and sample.picture.split(":")[0] in PHOTOGRAPHS
    }
    assert set(re.findall(r"`((?:skimage|sklearn):[\w.]+)`", page)) == photographs
    assert CREDITS.keys() == photographs
    assert all(f"| `{picture}` | {what} | {licence} |" in page for picture, (what, licence) in CREDITS.items())
    assert HARD_KINDS.keys() < KINDS.keys()


@pytest.mark.shared_data
def test_no_sample_is_a_tweet_of_the_data_sets(shared_data: Path):
    real = [
        {token.lower() for token in example.tokens}
        for data_set in ("twitter2015", "twitter2017")
        for split in ("train", "valid", "test")
        for example in read_conll(shared_data / data_set / f"{split}.txt")
    ]
    tweets_with = defaultdict(list)
    for number, words in enumerate(real):
        for word in words:
            tweets_with[word].append(number)
    for sample in SAMPLES:
        words = {token.lower() for token in sample.example.tokens}
        shared = Counter(chain.from_iterable(tweets_with[word] for word in words))
        nearest = max(count / (len(words) + len(real[number]) - count) for number, count in shared.items())
        assert nearest <= 0.6, sample.example.id  # Jaccard, of token sets
