"""Distillation: a tagger learns what others say of each word, beside the gold labels or where there are none.

Hinton et al. (2015), on the marginals of a CRF (Wang et al., ACL 2020, "posterior distillation"): the cross-entropy
between the teachers' P(tag | word) and the student's own, which is its CRF's too. Everything is said of words, so that
teacher and student may split them into other subwords, and have other encoders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from umt_core.analysis.marginals import read_file, write_marginals
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

Told = Callable[[str, int, int], None]  # which teacher, tweets done, of how many
FILES = "{}.parquet"  # {} names a teacher and its tweets


@dataclass(frozen=True, slots=True)
class Lesson:
    """Tweets that teachers are to tag, and the pictures they find them with."""

    name: str  # for a complaint
    examples: Sequence[Example]
    images: ImageIndex | None


def teachers_of(names: Sequence[str]) -> list[dict[str, str]]:
    """What a manifest says of teachers: the name and the sum of the weights of each (``CheckpointError``: no such)."""
    found = [find_checkpoint(name) for name in names]
    return [{"name": info.name, "weights_sha256": info.manifest.weights_sha256} for info in found]


def distillation_loss(crf: LinearChainCRF, output: Output, taught: Tensor) -> Tensor:
    """Cross-entropy between the teachers' marginals and the tagger's own: summed over words, mean over tweets.

    So it is on the scale of the CRF's loss. A word without marginals (zeros) adds nothing. What the tagger's
    transitions forbid has a bounded price and no gradient: a teacher without such rules may hold it for possible.
    """
    # taught: (batch, n, tags)
    with torch.autocast(taught.device.type, enabled=False):
        own = crf.log_marginals(output.emissions, output.mask).clamp(min=FORBIDDEN / 2)
    return -(taught * own * output.mask.unsqueeze(-1)).sum() / len(taught)


def disagreement(crf: LinearChainCRF, one: Output, other: Output) -> Tensor:
    """KL of the marginals of two passes over a batch, mean of both ways: summed over words, mean over tweets."""
    with torch.autocast(one.mask.device.type, enabled=False):
        p, q = (crf.log_marginals(output.emissions, output.mask) for output in (one, other))
    apart = ((p.exp() - q.exp()) * (p - q)).sum(-1) / 2  # (batch, n)
    return (apart * one.mask).sum() / len(apart)


def teach(
    names: Sequence[str],
    lessons: Sequence[Lesson],
    device: str,
    told: Told | None = None,
    folder: Path | None = None,
) -> list[list[np.ndarray]]:
    """The teachers' mean P(tag) for the words of each tweet of each lesson, (words, tags) in half precision.

    A word's mean is over the teachers that read so far; where none did it is zeros. What a teacher said of a lesson is
    kept in ``folder`` (by default in the cache), so that a run that goes on, or another one, need not ask again.

    Raises:
        CheckpointError: a teacher is not there, or is damaged.
        ConfigError: a teacher reads pictures, and a lesson has none.
        DataError: the cache cannot be written.
    """
    folder = folder or cache_dir() / "taught"
    means = []
    said = [_say(name, lessons, device, told, folder) for name in names]
    for i, lesson in enumerate(lessons):
        rows = zip(lesson.examples, *(of_teacher[i] for of_teacher in said), strict=True)
        means.append([_mean(len(example.tokens), each) for example, *each in rows])
    return means


def _mean(words: int, said: Sequence[np.ndarray]) -> np.ndarray:
    """Of one tweet's words, over the teachers that read so far."""
    total, readers = np.zeros((words, len(WORD_TAGS)), np.float32), np.zeros((words, 1), np.float32)
    for rows in said:
        total[: len(rows)] += rows
        readers[: len(rows)] += 1
    return (total / np.maximum(readers, 1)).astype(np.float16)


def _say(
    name: str, lessons: Sequence[Lesson], device: str, told: Told | None, folder: Path
) -> list[Sequence[np.ndarray]]:
    """What a teacher says of each lesson: kept from before, or asked now."""
    teacher: Predictor | None = None
    found: list[Sequence[np.ndarray]] = []
    for lesson in lessons:
        file = folder / FILES.format(_key(name, lesson))
        with suppress(DataError):
            kept = read_file(file)
            if len(kept) == len(lesson.examples):
                found.append([kept[i] for i in range(len(kept))])
                continue
        teacher = teacher or Predictor.load(name, device)
        found.append(_ask(teacher, lesson, told))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_marginals(file, found[-1])
        except OSError as error:
            raise DataError(f"{file}: wanted a place to write, got: {error.strerror}") from error
    return found


def _ask(teacher: Predictor, lesson: Lesson, told: Told | None) -> list[np.ndarray]:
    def progress(done: int, total: int) -> None:
        if told:
            told(f"{teacher.name} on {lesson.name}", done, total)

    said = teacher.marginals(lesson.examples, lesson.images, progress=progress)
    return [rows.astype(np.float16) for rows in said]  # as they are kept: a run that goes on hears the same


def _key(name: str, lesson: Lesson) -> str:
    """A name for what this teacher says of these tweets and pictures, in today's precision.

    Raises:
        ConfigError: it reads pictures, and the lesson has none.
    """
    manifest = find_checkpoint(name).manifest
    pictures = None
    if manifest.channels:
        if lesson.images is None:
            raise ConfigError(f"{name} reads pictures: wanted those of {lesson.name} to learn from it, got none")
        pictures = [[example.image for example in lesson.examples], images_sum(lesson.images)]
    lines = [manifest.weights_sha256, quick_answers(), [example.tokens for example in lesson.examples], pictures]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:16]
