"""The benchmarks' own arithmetic, and that what they compare with gives the same tags. Nothing is timed here."""

from __future__ import annotations

import json
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import plain, scale
from benchmarks.app_memory import weight_bytes
from benchmarks.made_tweets import write_tweets
from benchmarks.measure import Measure, by_turns, interleaved, write_results
from benchmarks.tiny_tagger import save_tiny_tagger
from benchmarks.training_cost import EncodedAnew, spread_by_length
from tests.core import tiny
from umt_core.config import TrainSettings
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_jsonl
from umt_core.encoders.packed import PackedLinear, pack_linears
from umt_core.encoders.vision import load_vision_encoder
from umt_core.predict import Predictor
from umt_core.schema import Example
from umt_core.systems import Tagger
from umt_core.systems.base import freeze_embeddings
from umt_core.tagging import TweetSet, make_tweet_set
from umt_core.train.loop import Trainer

RATE = 1e-3  # Adam's first step is about as large, whatever the gradient
PLAIN = TrainSettings(
    learning_rate=RATE,
    new_learning_rate=RATE,
    head_learning_rate=RATE,
    warmup=0.0,
    train_embeddings=False,
    precision="float32",
)


def test_an_aim_is_met_on_its_own_side():
    fast = Measure("a", 1.4, "times", 1.0, aim=1.5)
    speed = Measure("b", 5.1, "times", 1.0, aim=5.0, more_is_better=True)
    assert fast.met
    assert speed.met
    assert Measure("a", 1.5, "times", 1.0, aim=1.5).met is False
    assert Measure("b", 4.9, "times", 1.0, aim=5.0, more_is_better=True).met is False
    assert Measure("c", 3.0, "s", 2.0).met is None


def test_results_are_written_by_name(tmp_path):
    write_results(tmp_path / "results" / "latest.json", [Measure("a", 1.23456789, "times", 1.0, aim=1.5)])
    assert json.loads((tmp_path / "results" / "latest.json").read_text()) == {
        "a": {"value": 1.2346, "unit": "times", "baseline": 1.0, "aim": 1.5, "met": True}
    }


def test_both_sides_run_equally_often_and_by_turns():
    order = []
    ours, baseline = interleaved(lambda: order.append("o"), lambda: (order.append("b"), time.sleep(0.01)), 3)
    assert "".join(order) == "obboob"
    assert ours < 0.01 <= baseline


def test_ways_take_turns_backwards_in_every_second_round():
    order = []
    took = by_turns({"a": lambda: order.append("a"), "b": lambda: (order.append("b"), time.sleep(0.01))}, 2)
    assert "".join(order) == "abba"
    assert took["a"] < 0.01 <= took["b"]


@pytest.mark.parametrize("system", ["mt-bert-crf", "umt-bert-crf"])
def test_the_plain_loop_gives_our_tags(tmp_path, monkeypatch, system):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    encoder = tiny.save_encoder(tmp_path / "encoder")
    folder = tiny.save_tagger(tmp_path, tiny.system(system, text_encoder=encoder))
    examples, index = illustrated(tmp_path / "images", 30)  # more than one batch of 16
    predictor = Predictor.load(folder, "cpu", vision=tiny.TinyVision())
    tags = predictor.tags(examples, index)
    assert plain.plain_reader(predictor, index).tags(examples) == tags
    assert len({tag for row in tags for tag in row}) > 1, "a tagger that says one thing shows nothing"


def test_the_plain_loop_has_nothing_packed_or_folded():
    quick = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(96, 64, bias=False)), torch.nn.Linear(64, 2))
    pack_linears(quick)
    slow = plain.unpacked(quick)
    assert [type(module) for module in slow.modules()].count(torch.nn.Linear) == 2
    assert isinstance(quick[0][0], PackedLinear), "the other stays as it was"
    values = torch.randn(3, 96)
    with torch.inference_mode():
        torch.testing.assert_close(slow(values), quick(values), atol=1e-5, rtol=1e-5)
    ours = load_vision_encoder("efficientnet-lite0")
    published = plain.as_published(ours)
    pixels = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(published(pixels), ours(pixels), atol=1e-3, rtol=1e-3)
    norms = [sum(isinstance(m, torch.nn.BatchNorm2d) for m in encoder.modules()) for encoder in (ours, published)]
    assert norms[0] == 0 < norms[1]


@pytest.mark.parametrize("system", ["bert-crf", "umt-bert-crf"])
def test_a_step_of_the_plain_loop_moves_the_weights_as_ours_does(tmp_path, system):
    examples, index = illustrated(tmp_path, 12)
    settings = PLAIN.replace(batch_size=len(examples))
    ours, theirs = (tiny.system(system, dropout=0.0) for _ in range(2))
    ours.encoder.eval()  # which has a dropout of its own
    before = {name: value.clone() for name, value in ours.named_parameters()}
    source = tweets(ours, examples, index)
    trainer = Trainer(ours, source, source, settings, torch.device("cpu"))
    loss = trainer.run_step(source, list(range(len(examples))), np.random.default_rng(0))["total"]
    freeze_embeddings(theirs)
    reader = plain.PlainReader(theirs, tiny.tokenizer(), tiny.TinyVision() if ours.uses_image else None, index)
    assert plain.PlainTrainer(reader, settings).step(examples) == pytest.approx(loss, rel=1e-5)
    moved = 0
    for name, value in theirs.named_parameters():
        if name.endswith("key.bias"):  # softmax takes it out: its gradient is rounding, and Adam's step as large as any
            continue
        torch.testing.assert_close(value, ours.get_parameter(name), rtol=0, atol=RATE / 10)
        moved += not torch.equal(value, before[name])
    assert moved > len(trainer.trained) / 2


def test_padding_to_the_maximum_changes_no_loss(tmp_path):
    examples, index = illustrated(tmp_path, 12)
    tagger = tiny.system("umt-bert-crf")
    batch = tweets(tagger, examples, index).batch(range(len(examples)), targets=True)
    batches = [batch, plain.padded(batch, tiny.POSITIONS, tiny.tokenizer().pad_id)]
    assert batches[0].subwords.shape[1] < batches[1].subwords.shape[1] == tiny.POSITIONS
    losses = [tagger(batch).losses["total"] for batch in batches]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-6)


def test_a_piece_has_an_epochs_batches_from_short_to_long(tmp_path):
    examples, index = illustrated(tmp_path, 40)
    source = tweets(tiny.system("bert-crf"), examples, index)
    trainer = Trainer(tiny.system("bert-crf"), source, source, PLAIN.replace(batch_size=4), torch.device("cpu"))
    longest = [max(len(source.encoded[i].subwords) for i in batch) for batch in spread_by_length(trainer, 5)]
    every = [max(len(source.encoded[i].subwords) for i in b) for _, b in trainer.batches(np.random.default_rng(0))]
    assert longest == sorted(every)[1::2]


def test_weights_that_taggers_share_count_once():
    one, other = torch.nn.Linear(3, 5), torch.nn.Linear(3, 5)
    other.weight = one.weight
    one.register_buffer("seen", torch.zeros(7, dtype=torch.float16))
    assert weight_bytes([one, other]) == 4 * (3 * 5 + 5 + 5) + 2 * 7


def test_growth_is_measured_from_the_fewest_tweets_to_each_larger_number(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "WARMING", 2)
    asked: list[int] = []

    def cost(costs: scale.Costs, input: Path, kept: Path | None = None) -> float:
        asked.append(len(read_jsonl(input)))
        return {2: 99.0, 3: 1.0 + (len(asked) > 4), 7: 3.0, 11: 0.75}[asked[-1]]

    monkeypatch.setattr(scale.Costs, "milliseconds", cost)
    found = {m.name: m for m in scale.growth(tmp_path, "twitter2017/bert-crf", (11, 3, 7))}
    assert asked == [2, 3, 7, 11, 3], "the fewest before and after the others"
    assert {name: (m.value, m.met) for name, m in found.items() if "flat" in name} == {
        "scale_flat_7": (2.0, False),
        "scale_flat_11": (0.5, True),
    }


def test_the_tiny_tagger_goes_the_whole_way_and_splits_tweets_as_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    name = save_tiny_tagger(tmp_path / "tagger")
    tweets = write_tweets(tmp_path / "tweets.jsonl", 12)
    assert scale.Costs(tmp_path, name).milliseconds(tweets) > 0
    predictor = Predictor.load(name, "cpu")
    assert predictor.loaded.tokenizer.encode_words(["snowboarding"]) == [[4586, 21172]]  # as load_tokenizer's docstring
    assert sum(p.numel() for p in predictor.loaded.tagger.parameters()) < 1_000_000
    (part,) = tmp_path.glob("*.parquet/part-*.parquet")
    assert pq.read_table(part).num_rows == 12


def illustrated(folder: Path, count: int) -> tuple[list[Example], ImageIndex]:
    """Tweets, and their pictures; every third has none."""
    folder.mkdir(exist_ok=True)
    examples = [replace(tiny.TWEETS[i % len(tiny.TWEETS)], id=str(i), image=str(i)) for i in range(count)]
    for i in range(count):
        if i % 3:
            tiny.photograph(i).save(folder / f"{i}.png")
    return examples, ImageIndex.open(folder)


def tweets(tagger: Tagger, examples: list[Example], images: ImageIndex) -> TweetSet:
    read = make_tweet_set(examples, tiny.tokenizer(), tagger, channels=tiny.CHANNELS)
    return EncodedAnew(**{f.name: getattr(read, f.name) for f in fields(read)}, vision=tiny.TinyVision(), images=images)
