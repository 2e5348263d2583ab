"""Saves and loads taggers: what was trained, in half precision safetensors, beside a manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from umt_core.data.files import write_text
from umt_core.encoders.needs import lacking
from umt_core.encoders.text import SubwordTokenizer, TextEncoder, load_text_encoder, load_tokenizer
from umt_core.errors import BackboneError, CheckpointError, ConfigError
from umt_core.manifest import CARD, MANIFEST, WEIGHTS, Manifest, card, file_sum
from umt_core.registry import CheckpointInfo, find_checkpoint
from umt_core.systems import Tagger, build_system
from umt_core.systems.base import freeze_embeddings, trained_names


def save_weights(weights: Mapping[str, Tensor], path: Path) -> str:
    """Write weights in half precision, whole or not at all; gives the file's SHA-256.

    Raises:
        CheckpointError: a value does not fit half precision.
    """
    halves = {}
    for name, value in weights.items():
        half = value.detach().to("cpu", torch.float16).contiguous()
        if not torch.isfinite(half).all():
            raise CheckpointError(f"{path}: {name} holds a value that half precision cannot: nothing was written")
        halves[name] = half
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    safetensors.torch.save_file(halves, temporary, metadata={"format": "pt"})
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    return file_sum(path)


def save_checkpoint(folder: Path, weights: Mapping[str, Tensor], manifest: Manifest) -> None:
    """Write the weights, the manifest and the card. The manifest comes last: without it there is no checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    digest = save_weights(weights, folder / WEIGHTS)
    if digest != manifest.weights_sha256:
        raise CheckpointError(f"{folder}: the weights written are not those that the manifest names")
    save_manifest(folder, manifest)


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the card, then the manifest, beside weights that are there already."""
    write_text(folder / CARD, card(manifest))
    write_text(folder / MANIFEST, manifest.to_json())


def record_scores(info: CheckpointInfo, split: str, scores: dict[str, Any]) -> None:
    """Note the figures of a split in a checkpoint's manifest and card; its weights are not touched."""
    save_manifest(info.folder, replace(info.manifest, scores={**info.manifest.scores, split: scores}))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tagger in eval mode on its device, with what it needs to read a tweet."""

    info: CheckpointInfo
    tagger: Tagger
    tokenizer: SubwordTokenizer


def load_checkpoint(
    name: str | Path | CheckpointInfo, device: torch.device | str = "cpu", *, encoder: TextEncoder | None = None
) -> Loaded:
    """A tagger from a checkpoint's name or folder, in float32 and eval mode.

    Args:
        encoder: a fresh text encoder to put the trained weights into, instead of loading one.

    Raises:
        CheckpointError: a file is missing, cut short, changed, or belongs to another system.
        BackboneError: an encoder's published weights are missing or not those it was trained on.
    """
    info = find_checkpoint(name)
    manifest = info.manifest
    if encoder is None and (line := lacking(manifest.model, sees=manifest.channels is not None)):
        raise BackboneError(f"{info.name}: {line}")
    weights = read_weights(info.folder, manifest.weights_sha256)
    encoder = encoder or load_text_encoder(manifest.model.text_encoder)
    check_encoder(info, manifest.model.text_encoder, encoder.weights_sha256)
    try:
        tagger = build_system(manifest.system, manifest.model, encoder, manifest.channels)
    except ConfigError as error:
        raise CheckpointError(f"{info.folder}: its manifest describes no system of ours: {error}") from error
    if not manifest.train.train_embeddings:
        freeze_embeddings(tagger)
    put_weights(tagger, weights, where=str(info.folder / WEIGHTS))
    return Loaded(info, tagger.to(device).eval(), load_tokenizer(manifest.model.text_encoder))


def check_encoder(info: CheckpointInfo, name: str, sha256: str | None) -> None:
    """Checks that an encoder is the one that a checkpoint was trained on; nothing where either has no sum.

    Raises:
        CheckpointError: it is another.
    """
    trained_on = info.manifest.encoders.get(name)
    if trained_on and sha256 and trained_on != sha256:
        raise CheckpointError(
            f"{info.folder}: was trained on another {name} (SHA-256 {trained_on[:12]}...), "
            f"the one installed is {sha256[:12]}..."
        )


def read_weights(folder: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint, as they were written; ``sha256`` is their file's, ``None``: whatever is there.

    Raises:
        CheckpointError: the file is missing, damaged, or not the one the manifest names.
    """
    path = folder / WEIGHTS
    try:
        if sha256 is not None and (found := file_sum(path)) != sha256:
            raise CheckpointError(
                f"{path}: wanted the weights with SHA-256 {sha256[:12]}..., got {found[:12]}... "
                f"({path.stat().st_size:,} bytes): cut short or replaced"
            )
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: wanted {WEIGHTS} beside the manifest, found none") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: wanted weights in safetensors form, got {error}") from error


def put_weights(tagger: Tagger, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy trained weights into a tagger: exactly those it trains, in their shapes; all of them or none.

    Raises:
        CheckpointError: a name is missing or unknown, or a shape differs.
    """
    own = dict(tagger.named_parameters())
    wanted = set(trained_names(tagger))
    if missing := sorted(wanted - weights.keys()):
        raise CheckpointError(f"{where}: lacks {len(missing)} weights of {tagger.name}, {missing[0]} among them")
    if unknown := sorted(weights.keys() - wanted):
        raise CheckpointError(
            f"{where}: holds {len(unknown)} weights unknown to {tagger.name}, {unknown[0]} among them"
        )
    for name in sorted(wanted):
        if own[name].shape != weights[name].shape:
            raise CheckpointError(
                f"{where}: {name}: wanted shape {tuple(own[name].shape)}, got {tuple(weights[name].shape)}"
            )
    with torch.no_grad():
        for name in wanted:
            own[name].copy_(weights[name])
