"""Relevance: the loss and the score by hand, and toy pictures that fit their words and others that do not."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.core import tiny
from umt_core.analysis.building import build_set
from umt_core.data.jsonl import write_jsonl
from umt_core.errors import CheckpointError, DataError
from umt_core.explain import contrastive
from umt_core.explain.contrastive import Pairs, Projections, fit, own_beats_others, wins
from umt_core.explain.kept import about_kept
from umt_core.explain.relevance import Relevance, Source, keep_relevance, retrieval, train_relevance
from umt_core.explain.relevance_info import FitSettings, read_info
from umt_core.explain.router import read_relevance
from umt_core.explain.vectors import Encoders
from umt_core.manifest import MANIFEST, WEIGHTS
from umt_core.schema import Example

COLOURS = {"paris": (230, 30, 30), "rain": (30, 30, 230), "nba": (30, 200, 30), "anna": (220, 220, 40)}
SETTINGS = FitSettings(size=8, dropout=0.0, learning_rate=0.02, batch_size=16, epochs=30)


def encoders() -> Encoders:
    return Encoders(tiny.encoder(), tiny.tokenizer(), tiny.TinyVision(), torch.device("cpu"))


def colour(word: str, rng: random.Random) -> Image.Image:
    """A picture of the word's colour, and of no other picture's shade."""
    return Image.new("RGB", (24, 24), tuple(value + rng.randint(-20, 20) for value in COLOURS[word]))


def write_source(folder: Path, count: int, seed: int = 0) -> Source:
    """Tweets about one of four things, each with a picture of that thing's colour."""
    rng, examples = random.Random(seed), []
    (folder / "pictures").mkdir(parents=True)
    for i in range(count):
        word = rng.choice(list(COLOURS))
        tokens = [rng.choice(("in", "at", "the", "with")), word]
        colour(word, rng).save(folder / "pictures" / f"t{i}.png")
        examples.append(Example(f"t{i}", tuple(tokens), f"t{i}", spans=()))
    write_jsonl(folder / "tweets.jsonl", examples)
    return Source(folder / "tweets.jsonl", folder / "pictures")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Projections trained on toy pictures, and the source that they have not seen."""
    root = tmp_path_factory.mktemp("relevance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(root / "cache"))
        train, dev = write_source(root / "train", 120), write_source(root / "dev", 60, seed=1)
        train_relevance([train], root / "model", valid=dev, settings=SETTINGS, encoders=encoders(), about_images="toys")
        yield Relevance.load(root / "model", encoders=encoders()), dev, root


def random_pairs(n: int, pictures: int, seed: int = 0) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randint(pictures, (n,), generator=generator)
    vectors = torch.randn(pictures, 5, generator=generator)
    return Pairs(torch.randn(n, 4, generator=generator), vectors[picture], picture)


def test_the_loss_is_infonce_in_both_directions_without_a_pictures_second_tweet():
    torch.manual_seed(0)
    model, pairs = Projections(4, 5, 3).eval(), random_pairs(6, pictures=4)
    texts, pictures = (
        side.detach().double().numpy() for side in (model.texts(pairs.texts), model.pictures(pairs.pictures))
    )
    scale, terms = np.exp(model.log_scale.item()), []
    for i in range(6):
        rivals = [j for j in range(6) if j == i or pairs.picture[j] != pairs.picture[i]]
        own = scale * texts[i] @ pictures[i]
        terms.append(np.log(sum(np.exp(scale * texts[i] @ pictures[j]) for j in rivals)) - own)
        terms.append(np.log(sum(np.exp(scale * texts[j] @ pictures[i]) for j in rivals)) - own)
    assert len(set(pairs.picture.tolist())) < 6  # else nothing is left out
    assert model.loss(pairs).item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_wins_are_counted_as_by_hand():
    own = torch.tensor([0.5, 0.1])
    others = torch.tensor([[0.4, 0.5, 0.9, 0.5], [0.0, 0.2, 0.3, 0.4]])
    same = torch.tensor([[False, False, False, True], [False, False, False, False]])
    assert wins(own, others, same).tolist() == pytest.approx([(1 + 0.5 + 0) / 3, 1 / 4])


@pytest.mark.parametrize("block", [512, 4])
def test_a_tweets_own_picture_is_compared_with_all_different_ones(block, monkeypatch):
    monkeypatch.setattr(contrastive, "BLOCK", block)
    torch.manual_seed(0)
    model, pairs = Projections(4, 5, 3).eval(), random_pairs(9, pictures=5)
    texts, pictures = model.texts(pairs.texts), model.pictures(pairs.pictures)
    for i, found in enumerate(own_beats_others(model, pairs)):
        rivals = [j for j in range(9) if pairs.picture[j] != pairs.picture[i]]
        beaten = [float(texts[i] @ pictures[i] > texts[i] @ pictures[j]) for j in rivals]
        assert found.item() == pytest.approx(np.mean(beaten))


def test_the_same_seed_gives_the_same_weights_and_the_best_epoch_is_kept():
    train, dev = random_pairs(40, pictures=30), random_pairs(20, pictures=15, seed=1)
    settings = FitSettings(size=3, batch_size=8, epochs=6, patience=6)
    once, again = fit(train, dev, settings), fit(train, dev, settings)
    assert once.history == again.history
    for one, other in zip(once.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert float(own_beats_others(once.model, dev).mean()) == pytest.approx(max(once.history))
    assert once.history[once.epoch - 1] == max(once.history)


def test_training_can_be_stopped():
    train = random_pairs(20, pictures=15)
    assert fit(train, train, FitSettings(epochs=9), lambda epoch, epochs, beats: epoch == 2).stopped


def test_pictures_that_fit_their_words_beat_pictures_that_do_not(trained):
    relevance, _, _ = trained
    rng = random.Random(7)
    for word in COLOURS:
        tweet = Example("new", ("the", word))
        fitting = relevance.score(tweet, colour(word, rng))
        others = [relevance.score(tweet, colour(other, rng)) for other in COLOURS if other != word]
        # A quarter of the pictures that it is compared with show the same thing, and may fit as well.
        assert fitting > 0.7, word
        assert fitting > max(others), (word, others)
        assert sum(others) / len(others) < 0.5, (word, others)


def test_unseen_tweets_are_matched_and_shuffled_ones_are_not(trained):
    relevance, dev, _ = trained
    found = retrieval(relevance, dev)
    assert found.tweets == 60
    # A quarter of the others show the same thing: beating half of those and all the rest is the most to be had.
    assert found.beats.value > 0.8
    assert found.beats.low < found.beats.value < found.beats.high
    assert abs(found.shuffled - 0.5) < 0.15


def test_what_is_kept_is_what_was_trained(trained):
    relevance, _, root = trained
    info = read_info(root / "model")
    assert sorted(path.name for path in (root / "model").iterdir()) == [MANIFEST, WEIGHTS]
    assert info.images == "toys"
    assert info.data[0]["tweets"] == 120
    assert info.valid["tweets"] == 60
    assert info.beats == max(info.history)
    assert len(relevance.others) == info.others == 60


def test_a_set_keeps_a_score_for_each_tweet_with_a_picture(trained):
    relevance, dev, root = trained
    examples = [Example("t0", ("paris",), "t0", spans=()), Example("x", ("rain",), None, spans=())]
    write_jsonl(root / "two" / "test.jsonl", examples)
    found = build_set(root / "two" / "test.jsonl", dev.images, root=root / "sets")
    keep_relevance(found, relevance=relevance)
    table = read_relevance(found)
    assert table is not None
    with Image.open(dev.images / "t0.png") as picture:
        expected = relevance.score(examples[0], picture.convert("RGB"))
    assert table["tweet"].to_pylist() == [0, 1]
    assert table["relevance"].to_pylist() == [pytest.approx(expected, abs=0.02), None]
    assert about_kept(table)["model"] == relevance.info.weights_sha256
    assert about_kept(table)["images"] == "toys"


def test_a_tweets_own_picture_among_the_others_is_no_rival(trained):
    relevance, _, _ = trained
    pairs = Pairs(torch.randn(1, tiny.HIDDEN), torch.randn(1, tiny.CHANNELS), torch.zeros(1, dtype=torch.int64))
    own = relevance.model.pictures(pairs.pictures)
    alone = dataclasses.replace(relevance, others=relevance.others)
    with_own = dataclasses.replace(relevance, others=torch.cat([relevance.others, own.half().float()]))
    assert alone.scores(pairs).item() == pytest.approx(with_own.scores(pairs).item())


def test_without_a_dev_split_whole_pictures_are_held_out(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    source = write_source(tmp_path / "data", 40)
    info = train_relevance([source], tmp_path / "model", settings=SETTINGS, encoders=encoders())
    assert info is not None
    assert info.valid["tweets"] == 4


def test_what_cannot_be_used_is_named(trained, tmp_path):
    relevance, _, root = trained
    with pytest.raises(CheckpointError, match="found no manifest"):
        Relevance.load(tmp_path, encoders=encoders())
    with pytest.raises(DataError, match="at least one word"):
        relevance.score(Example("empty", ()), Image.new("RGB", (8, 8)))
    manifest = json.loads((root / "model" / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | {"encoders": {"tiny": "f" * 64}}))
    (tmp_path / WEIGHTS).write_bytes((root / "model" / WEIGHTS).read_bytes())
    with pytest.raises(CheckpointError, match="trained on another"):
        Relevance.load(tmp_path, encoders=encoders())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    (tmp_path / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="cut short or replaced"):
        Relevance.load(tmp_path, encoders=encoders())


def test_one_picture_alone_is_too_few(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    source = write_source(tmp_path / "data", 1)
    with pytest.raises(DataError, match="at least two different pictures"):
        train_relevance([source], tmp_path / "model", settings=SETTINGS, encoders=encoders())
