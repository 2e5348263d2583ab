"""A BERT-CRF of random weights that is too small to cost anything: what is left is what all else costs a tweet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.warm_inspect import NAMES
from umt_core.checkpoint import save_checkpoint, save_weights
from umt_core.encoders.text import TextEncoder, save_text_encoder
from umt_core.manifest import WEIGHTS
from umt_core.registry import find_checkpoint
from umt_core.systems import build_system
from umt_core.systems.base import freeze_embeddings, trained_names

HIDDEN, HEADS, LAYERS = 16, 2, 1
VOCABULARY = 30_522  # MiniLM's, whose tokenizer it has


def save_tiny_tagger(folder: Path) -> str:
    """Writes it with its encoder; gives the checkpoint's name. It splits tweets as the shipped BERT-CRF does."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    shipped = find_checkpoint(NAMES[0]).manifest
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=512,
    )
    encoder = TextEncoder(shipped.model.text_encoder, BertModel(config, add_pooling_layer=False))
    save_text_encoder(encoder, folder / "encoder")
    model = shipped.model.replace(text_encoder=str(folder / "encoder"), heads=HEADS)
    tagger = build_system("bert-crf", model, encoder, None)
    freeze_embeddings(tagger)
    names = set(trained_names(tagger))
    weights = {name: value for name, value in tagger.named_parameters() if name in names}
    output = folder / "tiny-random-bert-crf"
    manifest = replace(
        shipped,
        model=model,
        encoders={},
        weights_sha256=save_weights(weights, output / WEIGHTS),
        notes=["random weights, of no use but to measure what all but the tagger costs"],
    )
    save_checkpoint(output, weights, manifest)
    return str(output)
