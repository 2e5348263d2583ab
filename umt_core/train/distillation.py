"""Distillation: a tagger learns its teachers' marginals for each token, beside the gold labels or where there are none.

Hinton et al. (2015), on the marginals of a CRF (Wang et al., ACL 2020, "posterior distillation"): the cross-entropy
between the teachers' P(tag | token) and the student's own, which is its CRF's too. Marginals are of tokens, so that
teacher and student may split them into other subwords, and have other encoders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from umt_core.analysis.marginals import read_file, write_marginals
from umt_core.analysis.sets import Progress
from umt_core.data.files import cache_dir
from umt_core.data.images import ImageIndex, images_sum
from umt_core.devices import quick_answers
from umt_core.errors import ConfigError, DataError
from umt_core.labels import WORD_TAGS
from umt_core.model.crf import FORBIDDEN, LinearChainCRF
from umt_core.predict import Predictor
from umt_core.registry import find_checkpoint
from umt_core.schema import Example
from umt_core.systems import Output

FILES = "{}.parquet"  # {} names a teacher and its tweets


@dataclass(frozen=True, slots=True)
class TeacherInput:
    """Tweets that teachers are to tag, and where their pictures are."""

    name: str  # of the split, for messages
    examples: Sequence[Example]
    images: ImageIndex | None


def teachers_of(names: Sequence[str]) -> list[dict[str, str]]:
    """What a manifest says of teachers: the name and the sum of the weights of each (``CheckpointError``: no such)."""
    found = [find_checkpoint(name) for name in names]
    return [{"name": info.name, "weights_sha256": info.manifest.weights_sha256} for info in found]


def distillation_loss(crf: LinearChainCRF, output: Output, marginals: Tensor) -> Tensor:
    """Cross-entropy between the teachers' marginals and the tagger's own: summed over tokens, mean over tweets.

    So it is on the scale of the CRF's loss. A token without marginals (zeros) adds nothing. What the tagger's
    transitions forbid has a bounded price and no gradient: a teacher without such rules may find it probable.
    """
    # marginals: (batch, n, tags)
    with torch.autocast(marginals.device.type, enabled=False):
        own = crf.log_marginals(output.emissions, output.mask).clamp(min=FORBIDDEN / 2)
    return -(marginals * own * output.mask.unsqueeze(-1)).sum() / len(marginals)


def disagreement(crf: LinearChainCRF, one: Output, other: Output) -> Tensor:
    """KL of the marginals of two passes over a batch, mean of both ways: summed over tokens, mean over tweets."""
    with torch.autocast(one.mask.device.type, enabled=False):
        p, q = (crf.log_marginals(output.emissions, output.mask) for output in (one, other))
    apart = ((p.exp() - q.exp()) * (p - q)).sum(-1) / 2  # (batch, n)
    return (apart * one.mask).sum() / len(apart)


def teacher_marginals(
    names: Sequence[str],
    inputs: Sequence[TeacherInput],
    device: str,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> list[list[np.ndarray]]:
    """The teachers' mean P(tag) for the tokens of each tweet of each input, (tokens, tags) in half precision.

    A token's mean is over the teachers that read so far; where none did it is zeros. Each teacher's marginals for an
    input are kept in ``folder`` (by default in the cache), so that a run that goes on, or another one, need not
    compute them again.

    Raises:
        CheckpointError: a teacher is not there, or is damaged.
        ConfigError: a teacher reads pictures, and an input has none.
        DataError: the cache cannot be written.
    """
    folder = folder or cache_dir() / "taught"
    by_teacher = [_of_teacher(name, inputs, device, progress, folder) for name in names]
    means = []
    for i, given in enumerate(inputs):
        rows = zip(given.examples, *(of_inputs[i] for of_inputs in by_teacher), strict=True)
        means.append([_mean(len(example.tokens), each) for example, *each in rows])
    return means


def _mean(tokens: int, marginals: Sequence[np.ndarray]) -> np.ndarray:
    """Over the teachers that read so far, for one tweet: (tokens, tags)."""
    total, readers = np.zeros((tokens, len(WORD_TAGS)), np.float32), np.zeros((tokens, 1), np.float32)
    for rows in marginals:
        total[: len(rows)] += rows
        readers[: len(rows)] += 1
    return (total / np.maximum(readers, 1)).astype(np.float16)


def _of_teacher(
    name: str, inputs: Sequence[TeacherInput], device: str, progress: Progress | None, folder: Path
) -> list[Sequence[np.ndarray]]:
    """One teacher's marginals for each input: kept from before, or computed now."""
    teacher: Predictor | None = None
    found: list[Sequence[np.ndarray]] = []
    for given in inputs:
        file = folder / FILES.format(_key(name, given))
        with suppress(DataError):
            kept = read_file(file)
            if len(kept) == len(given.examples):
                found.append([kept[i] for i in range(len(kept))])
                continue
        teacher = teacher or Predictor.load(name, device)
        found.append(_compute(teacher, given, progress))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_marginals(file, found[-1])
        except OSError as error:
            raise DataError(f"{file}: wanted a place to write, got: {error.strerror}") from error
    return found


def _compute(teacher: Predictor, given: TeacherInput, progress: Progress | None) -> list[np.ndarray]:
    def advance(done: int, total: int) -> None:
        if progress:
            progress(f"{teacher.name} on {given.name}", done, total)

    marginals = teacher.marginals(given.examples, given.images, progress=advance)
    return [rows.astype(np.float16) for rows in marginals]  # as they are kept: a run that goes on reads the same


def _key(name: str, given: TeacherInput) -> str:
    """A name for this teacher's marginals of these tweets and pictures, in today's precision.

    Raises:
        ConfigError: it reads pictures, and the input has none.
    """
    manifest = find_checkpoint(name).manifest
    pictures = None
    if manifest.channels:
        if given.images is None:
            raise ConfigError(f"{name} reads pictures: wanted those of {given.name} to learn from it, got none")
        pictures = [[example.image for example in given.examples], images_sum(given.images)]
    lines = [manifest.weights_sha256, quick_answers(), [example.tokens for example in given.examples], pictures]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:16]
