"""Tiny random models over a handful of hand-made tweets, for every test that needs a tagger.

Nothing here is trained and nothing comes from a package: the text encoder is a BERT of two layers and
twelve dimensions, its tokenizer knows single letters and a few words, a picture has five channels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn

from umt_core.checkpoint import save_checkpoint, save_weights
from umt_core.config import ModelSettings, TrainSettings
from umt_core.encoders.catalog import VisionBackbone
from umt_core.encoders.text import SubwordTokenizer, TextEncoder
from umt_core.encoders.vision import VisionEncoder
from umt_core.features import Batch, encode_examples, make_batch
from umt_core.manifest import WEIGHTS, Manifest
from umt_core.schema import REGIONS, Example, Span
from umt_core.systems import Tagger, build_system
from umt_core.systems.base import freeze_embeddings, trained_names

HIDDEN, HEADS, LAYERS, CHANNELS, POSITIONS = 12, 3, 2, 5, 64
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("in", "at", "the", "with", "new", "york", "paris", "anna", "nba", "rain")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789#@.,!é"
VOCABULARY = (*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS))

TWEETS: tuple[Example, ...] = tuple(
    Example(str(i), tuple(text.split()), spans=spans)
    for i, (text, spans) in enumerate(
        [
            ("Anna in New York", (Span(0, 1, "PER"), Span(2, 4, "LOC"))),
            ("rain", ()),
            ("the NBA at Paris", (Span(1, 2, "ORG"), Span(3, 4, "LOC"))),
            ("Paris with Anna Bell", (Span(0, 1, "PER"), Span(2, 4, "PER"))),
            ("New York Rain", (Span(0, 3, "MISC"),)),
            ("at the rain", ()),
            ("#nba @anna !", (Span(0, 1, "ORG"), Span(1, 2, "PER"))),
            ("Orleans in Paris", (Span(0, 1, "MISC"), Span(2, 3, "LOC"))),
            ("with the New Yorkers at the NBA", (Span(2, 4, "ORG"), Span(6, 7, "ORG"))),
            ("Anna Anna", (Span(0, 1, "PER"), Span(1, 2, "PER"))),
        ]
    )
)


def raw_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer(raw_tokenizer(), {"cls_token": 2, "sep_token": 3, "pad_token": 0, "unk_token": 1})


def bert(seed: int = 0) -> Any:
    """A random BERT whose weights are wide enough for differences to show."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=POSITIONS,
    )
    return randomise(BertModel(config, add_pooling_layer=False), seed, std=0.3)


def encoder(seed: int = 0) -> TextEncoder:
    return TextEncoder("tiny", bert(seed)).eval()


def save_encoder(folder: Path, seed: int = 0) -> str:
    """The tiny encoder and its tokenizer in the hub's format; gives the folder's name for settings."""
    bert(seed).save_pretrained(folder)
    raw_tokenizer().save(str(folder / "tokenizer.json"))
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    return str(folder)


def randomise(module: nn.Module, seed: int = 0, std: float = 0.5) -> Any:
    """Every parameter drawn anew, norms and biases too; norms around 1, what is held at -100 left there."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            drawn = torch.randn(parameter.shape, generator=generator) * std
            norm = "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(torch.where(parameter == -100, parameter, drawn + float(norm)))
    return module


def settings(**overrides: Any) -> ModelSettings:
    given = {"text_encoder": "tiny", "heads": HEADS, "max_subwords": POSITIONS, "word_shape": True, **overrides}
    return ModelSettings(**given)


def system(name: str, *, seed: int = 0, on: TextEncoder | None = None, **overrides: Any) -> Tagger:
    """A tagger of random weights, in eval mode."""
    tagger = build_system(name, settings(**overrides), on or encoder(seed), CHANNELS)
    for part, module in tagger.named_children():
        if part not in ("encoder", "conversion"):
            randomise(module, seed + 1)
    return tagger.eval()


def pictures(count: int, seed: int = 0) -> list[np.ndarray | None]:
    """Regions of ``count`` pictures."""
    drawn = np.random.default_rng(seed).normal(size=(count, REGIONS, CHANNELS)).astype(np.float32)
    return list(drawn)


def batch(
    tagger: Tagger,
    examples: Sequence[Example] = TWEETS,
    regions: Sequence[np.ndarray | None] | None = None,
    *,
    targets: bool = True,
) -> Batch:
    """What the tagger reads of tweets; without ``regions`` every tweet has a picture of its own."""
    reader = tokenizer()
    return make_batch(
        encode_examples(examples, reader, tagger.settings.max_subwords),
        pad_id=reader.pad_id,
        regions=(regions or pictures(len(examples))) if tagger.uses_image else None,
        channels=CHANNELS,
        targets=examples if targets else None,
        tagging=tagger.settings.tagging,
        tokens=[example.tokens for example in examples] if tagger.uses_characters else None,
    )


class TinyVision(VisionEncoder):
    """A picture's colours, averaged over each of the 7 x 7 blocks and mixed into five channels."""

    backbone = VisionBackbone("tiny", CHANNELS, "averages", None, "")
    mean = (127.0, 127.0, 127.0)
    scale = (128.0, 128.0, 128.0)

    def __init__(self, **_: Any) -> None:
        nn.Module.__init__(self)
        self.name, self.channels, self.weights_sha256 = "tiny", CHANNELS, "0" * 64
        self.transform, self.seed = "resize", 0
        self.mix = randomise(nn.Conv2d(3, CHANNELS, 32, stride=32))

    def feature_maps(self, pixels: Tensor) -> Tensor:
        return self.mix(pixels)


def photograph(seed: int = 0) -> Image.Image:
    """Noise in colour."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def manifest(tagger: Tagger, digest: str, *, train_embeddings: bool = False, dataset: str = "tiny") -> Manifest:
    return Manifest(
        system=tagger.name,
        dataset=dataset,
        model=tagger.settings,
        train=TrainSettings(train_embeddings=train_embeddings),
        recipe="paper",
        channels=CHANNELS if tagger.uses_image else None,
        weights_sha256=digest,
        parameters={"trained": 1, "frozen": 1},
        encoders={},
        data={},
        images="none",
        scores={},
        history=[],
        epoch=1,
        seconds=1.0,
        code="0",
        created="2026-01-01T00:00:00+00:00",
    )


def save_tagger(root: Path, tagger: Tagger, *, train_embeddings: bool = False, dataset: str = "tiny") -> Path:
    """The tagger as the checkpoint ``<dataset>/<system>`` under ``root``; gives its folder."""
    if not train_embeddings:
        freeze_embeddings(tagger)
    own = dict(tagger.named_parameters())
    weights = {name: own[name].detach() for name in trained_names(tagger)}
    folder = root / dataset / tagger.name
    digest = save_weights(weights, folder / WEIGHTS)
    save_checkpoint(folder, weights, manifest(tagger, digest, train_embeddings=train_embeddings, dataset=dataset))
    return folder
