"""The loop that a first version of a tagger has: what our evaluation and training are compared with.

Over the same weights; but tweets come in any order, each is padded to the maximum, each picture is opened and encoded
anew, by the vision encoder as it was published, decoding is pytorch-crf's, products are in float32 and torch's own, and
AdamW goes through the weights one operation at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
import torchcrf
from torch import Tensor, nn

from umt_core.config import TrainSettings
from umt_core.data.images import ImageIndex, open_image
from umt_core.encoders.packed import PackedLinear
from umt_core.encoders.text import SubwordTokenizer
from umt_core.encoders.vision import EfficientNetLite0, VisionEncoder, efficientnet_lite0, published_weights
from umt_core.features import Batch, encode_examples, make_batch
from umt_core.predict import Predictor
from umt_core.schema import REGIONS, Example
from umt_core.systems import Tagger
from umt_core.train.loop import parameter_groups

M = TypeVar("M", bound=nn.Module)

BATCH_SIZE = 16  # tweets (paper, section 3.1)


@dataclass(frozen=True, slots=True)
class PlainReader:
    """What a plain loop makes a tagger's batches with."""

    tagger: Tagger
    tokenizer: SubwordTokenizer
    vision: VisionEncoder | None  # None: the tagger reads text only
    images: ImageIndex

    def batch(self, examples: Sequence[Example], *, targets: bool = False) -> Batch:
        """The tweets, each padded to the maximum, each picture encoded anew."""
        longest, pad_id = self.tagger.settings.max_subwords, self.tokenizer.pad_id
        encoded = encode_examples(examples, self.tokenizer, longest)
        tagging = self.tagger.settings.tagging
        batch = make_batch(encoded, pad_id=pad_id, targets=examples if targets else None, tagging=tagging)
        batch = padded(batch, longest, pad_id)
        if self.vision is not None:
            batch.regions = torch.stack([regions(self.vision, example, self.images) for example in examples])
        return batch

    def tags(self, examples: Sequence[Example]) -> list[list[str]]:
        """Tags of tweets in the order they come."""
        tags: list[list[str]] = []
        for start in range(0, len(examples), BATCH_SIZE):
            chunk = examples[start : start + BATCH_SIZE]
            with torch.inference_mode():
                output = self.tagger(self.batch(chunk))
                paths = torchcrf.CRF.decode(self.tagger.crf, output.emissions, output.mask)
            for example, path in zip(chunk, paths, strict=True):
                names = [self.tagger.tag_set.tags[i] for i in path]
                tags.append(names + ["O"] * (len(example.tokens) - len(names)))
        return tags


class PlainTrainer:
    """Trains the same parameters as our loop, at the same rates, without the running average of the weights."""

    def __init__(self, reader: PlainReader, settings: TrainSettings) -> None:
        self.reader, self.settings = reader, settings
        self.optimizer = torch.optim.AdamW(parameter_groups(reader.tagger, settings), lr=settings.learning_rate)

    def step(self, examples: Sequence[Example]) -> float:
        """One step; gives its loss."""
        tagger = self.reader.tagger
        loss = tagger(self.reader.batch(examples, targets=True)).losses["total"]
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in tagger.parameters() if p.requires_grad], self.settings.clip_norm)
        self.optimizer.step()
        return float(loss.detach())


def plain_reader(predictor: Predictor, images: ImageIndex) -> PlainReader:
    """What a plain loop reads tweets with by the weights of a predictor, which stays as it is."""
    if predictor.vision is None:
        raise ValueError("wanted a tagger that uses images")
    loaded = predictor.loaded
    return PlainReader(unpacked(loaded.tagger), loaded.tokenizer, as_published(predictor.vision), images)


def unpacked(module: M) -> M:
    """A copy of a module whose linear layers are torch's own."""
    if isinstance(module, PackedLinear):
        raise ValueError("wanted a module that has linear layers, got one of them")
    plain = copy.deepcopy(module)
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, PackedLinear):
                linear = nn.Linear(child.in_features, child.out_features, device="meta")
                linear.weight, linear.bias, linear.training = child.weight, child.bias, child.training
                setattr(parent, name, linear)
    return plain


def as_published(vision: VisionEncoder) -> VisionEncoder:
    """A vision encoder with nothing folded into its convolutions."""
    if not isinstance(vision, EfficientNetLite0):
        return vision
    published = PublishedEfficientNet(published_weights(vision.name), transform=vision.transform, seed=vision.seed)
    return published.requires_grad_(False).to(memory_format=torch.channels_last)


class PublishedEfficientNet(EfficientNetLite0):
    """As its package has it: convolution, batch norm and ReLU6 one after the other."""

    def __init__(self, file: Path, *, transform: str = "resize", seed: int = 0) -> None:
        super().__init__(file, transform=transform, seed=seed)
        self.net = efficientnet_lite0(file)

    def feature_maps(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.net.extract_features(pixels)
        return found


def padded(batch: Batch, length: int, pad_id: int) -> Batch:
    """A batch with subwords, words and their tags padded to ``length``."""

    def rows() -> Iterator[tuple[str, Any]]:
        for field in fields(batch):
            value = getattr(batch, field.name)
            if value is not None and field.name != "regions":
                filling = pad_id if field.name == "subwords" else 0
                value = nn.functional.pad(value, (0, length - value.shape[1]), value=filling)
            yield field.name, value

    return Batch(**dict(rows()))


def regions(vision: VisionEncoder, example: Example, images: ImageIndex) -> Tensor:
    """(49, channels) of the tweet's picture, opened and encoded anew; zeros where it has none."""
    path = images.path(example.image)
    if path is None:
        return torch.zeros(REGIONS, vision.channels)
    # In half precision and back, as taggers see them in training and ever after.
    return vision(vision.pixels(open_image(path))[None])[0].half().float()
