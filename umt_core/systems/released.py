"""Reads the weights that the authors' released code trains (its class MTCCMBertForMMTokenClassificationCRF).

Only names differ: the released model is ``UnifiedMultimodalTransformer`` under ``released_settings()``.
docs/released_weights.md lists the names block by block. The conversion matrix is no weight there: it is the
same constant as ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from umt_core.config import ModelSettings, settings_of
from umt_core.encoders.files import check_archive
from umt_core.errors import CheckpointError

# The released name of each part, and ours.
_CROSS_MODAL_LAYERS = {
    "self_attention.layer.0": "esd.transformer",  # gives T
    "self_attention_v2.layer.0": "transformer",  # gives R
    "txt2img_attention.layer.0": "mmi.word_to_block",  # gives Q
    "img2txt_attention.layer.0": "mmi.block_to_word",  # gives P
    "txt2txt_attention.layer.0": "mmi.word_to_image_aware_block",  # gives A
}
_OF_A_LAYER = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "feed_forward.0",
    "output.dense": "feed_forward.2",
    "output.LayerNorm": "output_norm",
}
_LINEAR = {
    "vismap2text": "visual_projection.keys",
    "vismap2text_v2": "visual_projection.queries",
    "gate": "mmi.visual_gate.linear",
    "classifier": "classifier",
    "aux_classifier": "esd.classifier",
}
_CRFS = {"crf": "crf", "aux_crf": "esd_crf"}
_EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_BERT, _OUR_BERT, _POOLER = "bert.", "encoder.model.", "bert.pooler."
_BERT_LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.")


def released_settings() -> ModelSettings:
    """What the released model is made of, its encoders included."""
    return settings_of("released", text_encoder="bert-base-cased", vision_encoder="resnet152")[0]


def convert_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a released model under our names; BERT's pooler, which nothing reads, is left out.

    BERT's depth is taken from the names. Norms may have the names of BERT's first release, gamma and beta.

    Raises:
        CheckpointError: a weight is unknown or missing.
    """
    given = {_todays_name(name): value for name, value in state.items() if not name.startswith(_POOLER)}
    names = _names(depth=len({match[1] for match in map(_BERT_LAYER.match, given) if match}))
    if unknown := sorted(given.keys() - names.keys()):
        raise CheckpointError(f"released weights: {len(unknown)} unknown, {unknown[0]} among them: not of released UMT")
    if missing := sorted(names.keys() - given.keys()):
        raise CheckpointError(f"released weights: {len(missing)} missing, {missing[0]} among them")
    return {ours: given[released] for released, ours in names.items()}


def read_released(path: Path) -> dict[str, Tensor]:
    """The ``pytorch_model.bin`` that the released code writes, under our names; no pickled code is run.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    try:
        check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: wanted released weights, found no file") from error
    except Exception as error:  # truncated, damaged, foreign, or code in it: torch raises many classes
        raise CheckpointError(f"{path}: wanted released weights, got a file that torch cannot read safely") from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise CheckpointError(f"{path}: wanted released weights, tensors by name, got something else")
    try:
        return convert_released(state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _names(depth: int) -> dict[str, str]:
    """Every released name of a model whose BERT has ``depth`` layers, and ours."""
    bert_layers = [f"encoder.layer.{i}.{part}" for i in range(depth) for part in _OF_A_LAYER]
    modules = {_BERT + name: _OUR_BERT + name for name in ("embeddings.LayerNorm", *bert_layers)} | _LINEAR
    for theirs, ours in _CROSS_MODAL_LAYERS.items():
        modules |= {f"{theirs}.{part}": f"{ours}.{our_part}" for part, our_part in _OF_A_LAYER.items()}
    names = {f"{_BERT}embeddings.{table}.weight": f"{_OUR_BERT}embeddings.{table}.weight" for table in _EMBEDDINGS}
    for theirs, ours in modules.items():
        names |= {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}
    for theirs, ours in _CRFS.items():
        kinds = ("start_transitions", "end_transitions", "transitions")
        names |= {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in kinds}
    return names


def _todays_name(name: str) -> str:
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
