"""An epoch of our training loop against one of a plain loop over the same weights, and what brings how much of it.

Whole epochs of a plain loop take too long: both train on pieces, by turns. An epoch is then its number of steps, each
as long as one of the piece's, and its dev set at the piece's speed. Our piece has batches from the shortest to the
longest, as the epoch has; batches of the plain loop all take as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from benchmarks.data import split
from benchmarks.measure import Measure, by_turns
from benchmarks.plain import BATCH_SIZE, PlainReader, PlainTrainer, as_published, padded, regions
from umt_core.config import settings_of
from umt_core.data.images import ImageIndex
from umt_core.encoders.features import FeatureStore
from umt_core.encoders.text import load_text_encoder, load_tokenizer
from umt_core.encoders.vision import VisionEncoder, load_vision_encoder
from umt_core.features import Batch
from umt_core.schema import Example
from umt_core.systems import build_system, system_class
from umt_core.tagging import TweetSet, make_tweet_set
from umt_core.train.loop import Trainer, evaluate

SYSTEMS = {"text": "bert-crf", "umt": "umt-bert-crf"}
RECIPE = "small"
TRAIN_TWEETS, DEV_TWEETS = 800, 160  # that pieces are taken from: batches by length are cut from so many at a time
STEPS, PLAIN_STEPS, REPEATS = 10, 3, 5  # batches in a piece of ours, and in one that is padded to the maximum
AIM = 5.0
CPU = torch.device("cpu")

Batches = list[list[int]]


def measure() -> Iterator[Measure]:
    for name, system in SYSTEMS.items():
        yield from _measure(name, Bench(system))


def _measure(name: str, bench: Bench) -> Iterator[Measure]:
    took = by_turns(bench.works(), REPEATS)
    step = {way: seconds / (PLAIN_STEPS if way in ("plain", "padded") else STEPS) for way, seconds in took.items()}
    ours = bench.epoch_steps * step["ours"] + bench.epoch_dev * took["dev"] / DEV_TWEETS
    plain = bench.epoch_steps * step["plain"] + bench.epoch_dev * took["plain dev"] / (PLAIN_STEPS * BATCH_SIZE)
    as_fast = "times as fast as"
    yield Measure(f"train_{name}", plain / ours, f"{as_fast} the plain loop", 1.0, aim=AIM, more_is_better=True)
    yield Measure(f"train_{name}_epoch", ours, "s an epoch", plain)
    # What a step of ours would lose if one thing were as the plain loop has it.
    how = bench.mixed or "no 16-bit products on this processor"
    yield Measure(f"train_{name}_16_bits", step["float32"] / step["ours"], f"{as_fast} in float32 ({how})", 1.0)
    yield Measure(f"train_{name}_by_length", step["padded"] / step["ours"], f"{as_fast} padded to the maximum", 1.0)
    if "encoded" in step:
        yield Measure(f"train_{name}_regions", step["encoded"] / step["ours"], f"{as_fast} encoding pictures anew", 1.0)


class Bench:
    """A tagger to train, and pieces of an epoch; all ways to train it move the same weights."""

    def __init__(self, system: str) -> None:
        (train, self.images), (dev, _) = split("train"), split("valid")
        self.epoch_steps, self.epoch_dev = math.ceil(len(train) / BATCH_SIZE), len(dev)
        self.train, self.dev = evenly(train, TRAIN_TWEETS), evenly(dev, DEV_TWEETS)
        model, self.settings = settings_of(RECIPE, word_shape=True, batch_size=BATCH_SIZE)
        self.vision = load_vision_encoder(model.vision_encoder) if system_class(system).uses_image else None
        self.tokenizer = load_tokenizer(model.text_encoder)
        torch.manual_seed(self.settings.seed)
        encoder = load_text_encoder(model.text_encoder)
        self.tagger = build_system(system, model, encoder, self.vision.channels if self.vision else None)
        self.tweets, self.valid = self._read(self.train), self._read(self.dev)
        self.ours = self._trainer(self.tweets)
        self.mixed = str(self.ours.mixed).removeprefix("torch.") if self.ours.mixed else ""

    def works(self) -> dict[str, Callable[[], object]]:
        """Ours, the plain loop's, and ours but for one thing."""
        vision = as_published(self.vision) if self.vision else None
        reader = PlainReader(self.tagger, self.tokenizer, vision, self.images)
        plain = PlainTrainer(reader, self.settings)
        float32 = self._trainer(self.tweets, precision="float32")
        to_maximum = self._trainer(Padded(**_values(self.tweets), longest=self.tagger.settings.max_subwords))
        by_length = spread_by_length(self.ours, STEPS)
        as_they_come = [list(range(i * BATCH_SIZE, (i + 1) * BATCH_SIZE)) for i in range(PLAIN_STEPS)]
        works: dict[str, Callable[[], object]] = {
            "ours": lambda: self._steps(self.ours, by_length),
            "plain": lambda: self._plain_steps(plain, as_they_come),
            "dev": lambda: evaluate(self.tagger, self.valid, CPU),
            "plain dev": lambda: self._plain_tags(reader),
            "float32": lambda: self._steps(float32, by_length),
            "padded": lambda: self._steps(to_maximum, as_they_come),
        }
        if self.vision:
            anew = self._trainer(EncodedAnew(**_values(self.tweets), vision=self.vision, images=self.images))
            works["encoded"] = lambda: self._steps(anew, by_length)
        return works

    def _read(self, examples: Sequence[Example]) -> TweetSet:
        if self.vision is None:
            return make_tweet_set(examples, self.tokenizer, self.tagger)
        features = FeatureStore().features_for([self.images.path(e.image) for e in examples], self.vision)
        return make_tweet_set(examples, self.tokenizer, self.tagger, features=features, channels=self.vision.channels)

    def _trainer(self, tweets: TweetSet, **changes: Any) -> Trainer:
        return Trainer(self.tagger, tweets, self.valid, self.settings.replace(**changes), CPU)

    def _steps(self, trainer: Trainer, batches: Batches) -> None:
        rng = np.random.default_rng(0)
        self.tagger.train()
        for indices in batches:
            trainer.run_step(trainer.train, indices, rng)

    def _plain_steps(self, plain: PlainTrainer, batches: Batches) -> None:
        self.tagger.train()
        for indices in batches:
            plain.step([self.train[i] for i in indices])

    def _plain_tags(self, reader: PlainReader) -> None:
        self.tagger.eval()
        reader.tags(self.dev[: PLAIN_STEPS * BATCH_SIZE])


@dataclass(frozen=True, slots=True)
class Padded(TweetSet):
    """Tweets whose batches are padded to ``longest``."""

    longest: int = 0

    def batch(self, indices: Sequence[int], *, targets: bool = False, hide: Sequence[bool] | None = None) -> Batch:
        return padded(TweetSet.batch(self, indices, targets=targets, hide=hide), self.longest, self.pad_id)


@dataclass(frozen=True, slots=True)
class EncodedAnew(TweetSet):
    """Tweets whose pictures are opened and encoded whenever they are asked for."""

    vision: VisionEncoder | None = None
    images: ImageIndex | None = None

    def regions(self, i: int) -> np.ndarray | None:
        if self.vision is None or self.images is None:
            return None
        found: np.ndarray = regions(self.vision, self.examples[i], self.images).numpy()
        return found


def evenly(examples: Sequence[Example], count: int) -> list[Example]:
    """At most so many of the examples, from all over."""
    return list(examples[:: max(1, len(examples) // count)][:count])


def spread_by_length(trainer: Trainer, count: int) -> Batches:
    """Batches as the trainer makes them in an epoch: so many, from the shortest to the longest at even distances."""
    encoded = trainer.train.encoded
    batches = [indices for _, indices in trainer.batches(np.random.default_rng(0))]
    batches.sort(key=lambda indices: max(len(encoded[i].subwords) for i in indices))
    return [batches[(2 * i + 1) * len(batches) // (2 * count)] for i in range(count)]


def _values(tweets: TweetSet) -> dict[str, Any]:
    return {field.name: getattr(tweets, field.name) for field in fields(tweets)}
