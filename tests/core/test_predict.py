"""Predictors and the workbench, from tiny checkpoints on disk to predictions and the inside of a model."""

from __future__ import annotations

import copy
import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.core import tiny
from umt_core import predict
from umt_core.data.images import ImageIndex
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.predict import NO_PICTURE, Predictor, Workbench
from umt_core.registry import checkpoints_folder, find_checkpoint
from umt_core.schema import REGIONS, Example, Inspection, Prediction
from umt_core.spans import tags_to_spans
from umt_core.systems import SYSTEMS

NAMES = tuple(f"tiny/{name}" for name in SYSTEMS)
WITH_IMAGES = tuple(f"tiny/{name}" for name, system in SYSTEMS.items() if system.uses_image)
SUBWORDS = "subwords"  # the dataset of a umt-bert-crf with the released code's tags
THREE = ("tiny/bert-crf", "tiny/mt-bert-crf", "tiny/umt-bert-crf")  # those that the app opens with
TWEETS = tiny.TWEETS
PICTURES = [None if i % 3 == 2 else tiny.photograph(i) for i in range(len(TWEETS))]
ALL = (*NAMES, f"{SUBWORDS}/umt-bert-crf")
every_checkpoint = pytest.mark.parametrize("name", ALL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    encoder = tiny.save_encoder(root / "encoder")
    for seed, name in enumerate(SYSTEMS):
        tiny.save_tagger(root, tiny.system(name, seed=seed, text_encoder=encoder, on=tiny.encoder()))
    released = tiny.system("umt-bert-crf", text_encoder=encoder, tagging="subword", esd_mix="mean")
    tiny.save_tagger(root, released, dataset=SUBWORDS)
    return root


@pytest.fixture(autouse=True)
def surroundings(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our checkpoints, a cache of the test's own, and a tiny vision encoder."""
    monkeypatch.setenv("UMT_CHECKPOINTS", str(root))
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())


@pytest.fixture(scope="module")
def loaded(root: Path) -> dict[str, Predictor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CHECKPOINTS", str(root))
        patch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
        return {name: Predictor.load(name, "cpu") for name in ALL}


@pytest.fixture
def predictor(loaded: dict[str, Predictor], name: str) -> Predictor:
    return loaded[name]


def same(one: Prediction, other: Prediction) -> None:
    assert [s.span for s in one.spans] == [s.span for s in other.spans]
    assert (one.id, one.tokens, one.tags, one.notices) == (other.id, other.tokens, other.tags, other.notices)
    np.testing.assert_allclose([s.score for s in one.spans], [s.score for s in other.spans], atol=1e-5)


# In 16 bits


@pytest.mark.parametrize("name", THREE)
def test_the_setting_asks_for_16_bits_where_the_processor_is_quick_at_them(root, name, monkeypatch):
    whole = Predictor.load(name, "cpu")
    monkeypatch.setenv("UMT_PRECISION", "auto")
    monkeypatch.setattr(predict, "mixed_type", lambda device: None)
    slow = Predictor.load(name, "cpu")
    monkeypatch.setattr(predict, "mixed_type", lambda device: torch.bfloat16)
    quick = Predictor.load(name, "cpu")
    exact, same, near = (p.marginals(TWEETS, PICTURES) for p in (whole, slow, quick))
    assert all(np.array_equal(a, b) for a, b in zip(exact, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(exact, near, strict=True))
    assert all(rows.dtype == np.float32 for rows in near)
    tags, predictions = quick.tags(TWEETS, PICTURES), quick.predict(TWEETS, PICTURES)
    assert tags == [list(prediction.tags) for prediction in predictions]
    assert [len(scores.main) for scores in quick.raw_scores(TWEETS, PICTURES)] == [len(rows) for rows in near]
    monkeypatch.setenv("UMT_PRECISION", "int8")
    with pytest.raises(ConfigError, match=r"UMT_PRECISION: wanted one of \['float32', 'auto'\], got 'int8'"):
        Predictor.load(name, "cpu")


@pytest.mark.parametrize("name", THREE)
def test_multiplying_in_16_bits_says_about_the_same_and_is_off_on_a_cpu(root, name, monkeypatch):
    whole = Predictor.load(name, "cpu")
    for one, other in zip(
        Predictor.load(name, "cpu", mixed=True).inspect_many(TWEETS, PICTURES),
        whole.inspect_many(TWEETS, PICTURES),
        strict=True,
    ):
        np.testing.assert_array_equal(one.emissions, other.emissions)
    monkeypatch.setattr(predict, "mixed_type", lambda device: torch.bfloat16)  # as if the processor were quick at it
    predict._multiply_in_16_bits(whole.loaded.tagger, torch.device("cpu"))
    for one, other in zip(
        whole.inspect_many(TWEETS, PICTURES), Predictor.load(name, "cpu").inspect_many(TWEETS, PICTURES), strict=True
    ):
        assert not np.array_equal(one.emissions, other.emissions)
        assert np.corrcoef(one.emissions.ravel(), other.emissions.ravel())[0, 1] > 0.95  # weights here are wild
        assert one.marginals.dtype == np.float32


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_predictor_that_nobody_holds_is_freed_without_the_collector(root, monkeypatch, precision):
    monkeypatch.setenv("UMT_PRECISION", precision)
    monkeypatch.setattr(predict, "mixed_type", lambda device: torch.bfloat16)
    gc.collect()
    gc.disable()  # as after ``gc.freeze``, which the app calls when taggers are loaded
    try:
        bench = Workbench.load(THREE, "cpu")
        bench.inspect(TWEETS[0], PICTURES[0])
        taggers = [weakref.ref(predictor.loaded.tagger) for predictor in bench.predictors.values()]
        del bench
        assert [tagger() for tagger in taggers] == [None] * len(THREE)
    finally:
        gc.enable()


# One tweet or many


@every_checkpoint
def test_a_batch_of_mixed_lengths_is_predicted_as_each_of_it(predictor):
    for tweet, picture, found in zip(TWEETS, PICTURES, predictor.predict(TWEETS, PICTURES), strict=True):
        same(found, predictor.predict([tweet], [picture])[0])
        assert (found.id, found.tokens) == (tweet.id, tweet.tokens)
    for batch_size in (1, 3):
        for a, b in zip(
            predictor.predict(TWEETS, PICTURES, batch_size=batch_size),
            predictor.predict(TWEETS, PICTURES),
            strict=True,
        ):
            same(a, b)


@every_checkpoint
def test_inspecting_says_what_predicting_says(predictor):
    for tweet, picture, found in zip(TWEETS, PICTURES, predictor.predict(TWEETS, PICTURES), strict=True):
        same(found, predictor.inspect(tweet, picture).prediction)


@every_checkpoint
def test_tags_alone_are_the_predictions(predictor):
    found = predictor.predict(TWEETS, PICTURES)
    assert predictor.tags(TWEETS, PICTURES) == [list(p.tags) for p in found]
    assert any(p.spans for p in found)  # or the tests above would show nothing


@every_checkpoint
def test_spans_are_those_of_the_tags_and_carry_probabilities(predictor):
    for found in predictor.predict(TWEETS, PICTURES):
        assert tuple(s.span for s in found.spans) == tags_to_spans(found.tags)
        assert all(0 < s.score <= 1 for s in found.spans)


def test_a_word_of_its_own_is_an_entity_as_often_as_its_tags_say(loaded):
    """In a tweet of one word an entity is its B- or, opening one all the same, its I-."""
    for name in NAMES:
        for word in ("anna", "nba", "rain", "paris", "new"):
            found = loaded[name].inspect(Example("t", (word,)))
            for scored in found.prediction.spans:
                either = [found.tags.index(f"{prefix}-{scored.span.label}") for prefix in "BI"]
                assert scored.score == pytest.approx(found.marginals[0, either].sum(), abs=1e-5)


def test_progress_is_told(loaded):
    told: list[tuple[int, int]] = []
    loaded[THREE[0]].predict(TWEETS, batch_size=4, progress=lambda *step: told.append(step))
    assert told == [(4, 10), (8, 10), (10, 10)]


# Pictures


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_a_tweet_without_picture_is_said_to_have_none(predictor):
    with_picture, without = predictor.predict(TWEETS[:2], [PICTURES[0], None])
    assert with_picture.notices == ()
    assert without.notices == (NO_PICTURE,)
    found = predictor.inspect(TWEETS[0])
    assert not found.has_image
    assert found.prediction.notices == (NO_PICTURE,)
    looked = found.visual_attention if found.word_to_block is None else found.word_to_block
    np.testing.assert_allclose(looked, 1 / REGIONS, atol=1e-6)


def test_the_text_only_system_neither_misses_pictures_nor_uses_them(loaded):
    predictor = loaded["tiny/bert-crf"]
    assert predictor.vision is None
    with_pictures, without = predictor.predict(TWEETS, PICTURES), predictor.predict(TWEETS)
    for a, b in zip(with_pictures, without, strict=True):
        same(a, b)
        assert a.notices == ()
    assert not predictor.inspect(TWEETS[0], PICTURES[0]).has_image


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_pictures_in_a_folder_are_those_in_memory(predictor, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    examples = [Example(t.id, t.tokens, image=t.id) for t in TWEETS]
    for example, picture in zip(examples, PICTURES, strict=True):
        if picture:
            picture.save(folder / f"{example.id}.png")
    found = predictor.predict(examples, ImageIndex.open(folder))
    for a, b in zip(found, predictor.predict(TWEETS, PICTURES), strict=True):
        same(a, b)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_an_unreadable_picture_is_told_and_the_tweet_still_read(predictor, tmp_path):
    (tmp_path / "a.jpg").write_text("This is a text.")
    example = Example("t", ("anna", "in", "paris"), image="a")
    (found,) = predictor.predict([example], ImageIndex.open(tmp_path))
    assert "a.jpg" in found.notices[0]
    assert found.notices[1] == NO_PICTURE
    assert found.tags == predictor.predict([example])[0].tags


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_as_many_pictures_as_tweets_are_wanted(predictor):
    with pytest.raises(DataError, match="wanted a picture or None for each of 10 tweets, got 1"):
        predictor.predict(TWEETS, [None])


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_one_picture_is_encoded_once(loaded, name, monkeypatch):
    predictor = copy.copy(loaded[name])
    predictor.cache = type(predictor.cache)()
    calls = []
    feature_maps = tiny.TinyVision.feature_maps
    monkeypatch.setattr(tiny.TinyVision, "feature_maps", lambda *a: calls.append(a) or feature_maps(*a))
    for tweet in TWEETS[:3]:
        predictor.inspect(tweet, PICTURES[0])
    assert len(calls) == 1


# Strange tweets


@every_checkpoint
def test_a_tweet_without_words(predictor):
    empty = Example("none", ())
    assert predictor.predict([empty]) == [Prediction("none", (), (), (), ("no words",))]
    found = predictor.predict([TWEETS[0], empty, TWEETS[1]])
    assert [len(p.tags) for p in found] == [4, 0, 1]
    assert predictor.tags([empty]) == [[]]
    assert [len(tags) for tags in predictor.tags([TWEETS[0], empty])] == [4, 0]
    assert predictor.predict([]) == predictor.tags([]) == []
    with pytest.raises(DataError, match="wanted a tweet with at least one word, got none"):
        predictor.inspect(empty)


@every_checkpoint
def test_ten_thousand_words_are_read_as_far_as_the_model_reads(predictor):
    long = Example("long", ("new", "york", "rain") * 3334)
    found = predictor.inspect(long, PICTURES[0])
    assert len(found.prediction.tags) == 10_002
    assert set(found.prediction.tags[62:]) == {"O"}
    assert found.prediction.notices == (
        "read the first 62 of 10002 words: this tagger reads 64 subwords, and says O for the rest",
    )
    assert len(found.emissions) == len(found.marginals) == 62
    same(found.prediction, predictor.predict([long], [PICTURES[0]])[0])


@every_checkpoint
@pytest.mark.parametrize(
    "tokens",
    [
        ("\u200b",),
        ("\u200b", "\ufe0f", "\u2060"),
        ("", "rain"),
        ("🎉", "👩‍👩‍👧"),
        ("مرحبا", "\u202eabc\u202c"),
        ("<script>", "alert(1)", "</script>"),
        ("\ud800", "in"),
        ("[SEP]", "[CLS]", "[PAD]"),
        ("a" * 1000, "rain"),
    ],
    ids=["zero-width", "joiners", "empty", "emoji", "right-to-left", "script", "surrogate", "special", "long"],
)
def test_every_word_of_a_strange_tweet_gets_one_tag(predictor, tokens):
    found = predictor.inspect(Example("t", tokens), PICTURES[0])
    assert found.prediction.tokens == tokens
    assert len(found.prediction.tags) == len(tokens)
    same(found.prediction, predictor.predict([Example("t", tokens)], [PICTURES[0]])[0])


# The inside


@every_checkpoint
def test_the_inside_is_told_word_by_word(predictor):
    tweet = Example("t", ("Babc", "in", "New", "York"))
    found = predictor.inspect(tweet, PICTURES[0])
    words, tags = 4, len(found.tags)
    assert found.system == predictor.system
    assert found.checkpoint == predictor.name
    assert found.emissions.shape == found.marginals.shape == (words, tags)
    assert all(value.dtype == np.float32 for value in arrays(found))
    np.testing.assert_allclose(found.marginals.sum(axis=1), 1, atol=1e-5)
    assert {name for name in INSIDE if getattr(found, name) is not None} == inside_of(predictor.system)
    over_blocks = {"word_to_block": tiny.HEADS, "word_to_image_aware_block": tiny.HEADS, "visual_attention": 1}
    for name, heads in over_blocks.items():
        if (attention := getattr(found, name)) is not None:
            assert attention.shape == (heads, words, REGIONS)
            np.testing.assert_allclose(attention.sum(axis=2), 1, atol=1e-5)
    if found.block_to_word is not None:
        assert found.block_to_word.shape == (tiny.HEADS, REGIONS, words)
        assert (found.block_to_word >= 0).all()
        assert (found.block_to_word.sum(axis=2).max(axis=1) > 0).all()
        assert (found.block_to_word.sum(axis=2) <= 1 + 1e-6).all()
    if found.gate is not None:
        assert found.gate.shape == (words, tiny.HIDDEN)
        assert ((found.gate >= 0) & (found.gate <= 1)).all()
    if found.converted_esd is not None:
        np.testing.assert_allclose(found.emissions, found.main_emissions + found.converted_esd, atol=1e-5)
        np.testing.assert_allclose(found.esd_marginals.sum(axis=1), 1, atol=1e-5)
        share = 0.5 if predictor.name.startswith(SUBWORDS) else 1
        np.testing.assert_allclose(found.converted_esd, share * found.esd_emissions @ found.conversion, atol=1e-5)
        assert len(found.esd_decoded) == words
        assert set(found.esd_decoded) <= {"B", "I", "O"}


INSIDE = (
    "word_to_block block_to_word word_to_image_aware_block visual_attention gate "
    "main_emissions esd_emissions converted_esd conversion"
).split()


def inside_of(system: str) -> set[str]:
    """What a system shows of itself, said here once more: by name, from the papers."""
    if system.startswith(("gvatt", "adacan")):
        return {"visual_attention", "gate"}
    if not system.startswith(("mt-", "umt-")):
        return set()
    shown = set(INSIDE) - {"visual_attention"}
    if system in ("mt-bert-crf", "umt-bert-crf-no-esd"):
        shown -= {"esd_emissions", "converted_esd", "conversion"}
    if system.endswith("no-conversion"):
        shown -= {"converted_esd", "conversion"}
    if system.endswith("no-image-aware"):
        shown -= {"block_to_word", "word_to_image_aware_block"}
    return shown - {"gate"} if system.endswith("no-gate") else shown


def arrays(found: Inspection) -> list[np.ndarray]:
    values = [getattr(found, name) for name in found.__slots__]
    return [value for value in values if isinstance(value, np.ndarray)]


def test_a_word_has_the_attention_of_all_its_subwords(loaded):
    """[CLS], b, ##a, ##b, in, [SEP]: what is left of a block's row is [CLS]'s and [SEP]'s."""
    predictor = loaded["tiny/umt-bert-crf"]
    tweet = Example("t", ("bab", "in"))
    found = predictor.inspect(tweet, PICTURES[0])
    tagger = predictor.loaded.tagger
    regions = predictor.cache.get_or_compute(PICTURES[0], predictor.vision).astype(np.float32)
    maps = tagger(tiny.batch(tagger, [tweet], [regions], targets=False)).interaction
    rows = maps.block_to_word[0].detach().numpy()
    np.testing.assert_allclose(found.block_to_word[:, :, 0], rows[:, :, 1:4].sum(axis=2), atol=1e-6)
    np.testing.assert_allclose(found.block_to_word[:, :, 1], rows[:, :, 4], atol=1e-6)
    np.testing.assert_allclose(found.gate, maps.gate[0, [1, 4]].detach(), atol=1e-6)


@every_checkpoint
def test_summaries_are_figures_of_the_inside(predictor):
    empty = Example("none", ())
    predictions, summaries = predictor.predict_and_summarise([*TWEETS, empty], [*PICTURES, None])
    assert summaries[-1] is None
    for tweet, picture, prediction, summary in zip(TWEETS, PICTURES, predictions, summaries, strict=False):
        found = predictor.inspect(tweet, picture)
        same(prediction, found.prediction)
        best = np.sort(found.marginals, axis=1)
        assert summary.margin == pytest.approx((best[:, -1] - best[:, -2]).min(), abs=1e-5)
        told = (summary.gate_mean, summary.gate_std, summary.gate_lowest, summary.gate_highest)
        if found.gate is None:
            assert told == (None,) * 4
        else:
            of_word = found.gate.mean(axis=1)
            figures = (found.gate.mean(), found.gate.std(), of_word.min(), of_word.max())
            assert told == pytest.approx(figures, abs=1e-5)
        assert (summary.entropy_block_to_word is None) == (found.block_to_word is None)
        for name in ("word_to_block", "word_to_image_aware_block"):
            rows = getattr(found, name)
            if rows is None and name == "word_to_block":
                rows = found.visual_attention
            if rows is None:
                assert getattr(summary, f"entropy_{name}") is None
                continue
            entropy = -(rows * np.log(np.where(rows > 0, rows, 1))).sum(axis=2).mean()
            assert getattr(summary, f"entropy_{name}") == pytest.approx(entropy, abs=1e-4)


# The workbench


def test_a_workbench_says_what_each_predictor_says(loaded):
    bench = Workbench.load(NAMES, "cpu")
    assert tuple(bench.predictors) == NAMES
    for tweet, picture in list(zip(TWEETS, PICTURES, strict=True))[:4]:
        for name, found in bench.inspect(tweet, picture).items():
            alone = loaded[name].inspect(tweet, picture)
            same(found.prediction, alone.prediction)
            for a, b in zip(arrays(found), arrays(alone), strict=True):
                # The workbench's threads have fewer cores each, so that sums are taken in another order.
                np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_workbench_keeps_what_is_the_same_once():
    bench = Workbench.load(THREE, "cpu")
    one, *others = (p.loaded.tagger.encoder.model for p in bench.predictors.values())
    for other in others:
        assert other.get_input_embeddings().weight.data_ptr() == one.get_input_embeddings().weight.data_ptr()
        assert (
            other.encoder.layer[0].output.dense.weight.data_ptr() != one.encoder.layer[0].output.dense.weight.data_ptr()
        )
    assert len({id(p.vision) for p in bench.predictors.values() if p.vision}) == 1
    assert len({id(p.cache) for p in bench.predictors.values()}) == 1


@pytest.mark.parametrize("cores", [1, 4])
def test_a_workbench_leaves_the_number_of_torchs_threads_alone(cores):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(cores)
        bench = Workbench.load(THREE, "cpu")
        with ThreadPoolExecutor(1) as late:
            assert late.submit(torch.get_num_threads).result() == torch.get_num_threads() == cores
        assert (bench.crew is None) == (cores == 1)
        if bench.crew is not None:
            assert bench.crew.submit(torch.get_num_threads).result() == 1  # four cores among three taggers
    finally:
        torch.set_num_threads(before)


def test_a_predictor_tells_what_it_is(loaded):
    info = loaded["tiny/umt-bert-crf"].info
    parameters = sum(p.numel() for p in tiny.system("umt-bert-crf").parameters())
    assert (info["system"], info["device"], info["parameters"]) == ("umt-bert-crf", "cpu", parameters)
    assert 4 * parameters <= info["memory_bytes"] < 4 * parameters + 2000
    assert loaded["tiny/bert-crf"].info["vision_encoder"] is None


def test_a_workbench_can_leave_out_what_does_not_load(tmp_path, monkeypatch):
    good, root = checkpoints_folder(), tmp_path / "checkpoints"
    shutil.copytree(good, root)
    monkeypatch.setenv("UMT_CHECKPOINTS", str(root))
    (root / "tiny" / "mt-bert-crf" / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="cut short or replaced"):
        Workbench.load(THREE, "cpu")
    bench = Workbench.load(THREE, "cpu", leave_out=True)
    assert tuple(bench.predictors) == ("tiny/bert-crf", "tiny/umt-bert-crf")
    assert "cut short or replaced" in str(bench.failures.pop("tiny/mt-bert-crf"))
    assert not bench.failures
    assert tuple(bench.inspect(TWEETS[0], PICTURES[0])) == tuple(bench.predictors)


def test_what_does_not_fit_the_memory_is_left_out_and_holds_none_of_it(monkeypatch):
    sound, begun = predict.load_checkpoint, []

    def too_large(info, *rest, **options):
        if info.name == THREE[1]:
            partly = nn.Linear(1, 1)
            begun.append(weakref.ref(partly))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")
        return sound(info, *rest, **options)

    monkeypatch.setattr(predict, "load_checkpoint", too_large)
    infos = [find_checkpoint(name) for name in THREE]
    with pytest.raises(CheckpointError, match=f"^{THREE[1]}: wanted memory on cpu to load it, got: .*2.00 GiB.$"):
        Workbench.load(infos, "cpu")
    bench = Workbench.load(infos, "cpu", leave_out=True)
    assert tuple(bench.predictors) == (THREE[0], THREE[2])
    assert list(bench.failures) == [THREE[1]]
    assert begun[1]() is None


def test_a_workbench_that_left_one_out_is_freed_without_the_collector(monkeypatch):
    sound = predict.load_checkpoint

    def damaged(name, *rest, **options):
        if name == THREE[1]:
            raise CheckpointError(f"{name}: damaged")
        return sound(name, *rest, **options)

    monkeypatch.setattr(predict, "load_checkpoint", damaged)
    gc.collect()
    gc.disable()
    try:
        bench = Workbench.load(THREE, "cpu", leave_out=True)
        assert list(bench.failures) == [THREE[1]]
        tagger = weakref.ref(bench.predictors[THREE[0]].loaded.tagger)
        del bench
        assert tagger() is None
    finally:
        gc.enable()
