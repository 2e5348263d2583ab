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
from umt_core.data.images import ImageIndex
from umt_core.errors import ConfigError, DataError
from umt_core.labels import WORD_TAGS
from umt_core.model.crf import FORBIDDEN, LinearChainCRF
from umt_core.predict import Predictor
from umt_core.registry import find_checkpoint
from umt_core.schema import Example
from umt_core.systems import Output

Told = Callable[[str, int, int], None]  # which teacher, tweets done, of how many
FILES = "{}.parquet"  # {} names teachers and tweets


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

    A word's mean is over the teachers that read so far; where none did it is zeros. What was computed once is kept
    in ``folder`` (by default in the cache), so that a run that goes on, or one of another seed, need not ask again.

    Raises:
        CheckpointError: a teacher is not there, or is damaged.
        ConfigError: a teacher reads pictures, and a lesson has none.
        DataError: the cache cannot be written.
    """
    file = (folder or cache_dir() / "taught") / FILES.format(_key(names, lessons))
    tweets = [example for lesson in lessons for example in lesson.examples]
    with suppress(DataError):
        kept = read_file(file)
        if len(kept) == len(tweets):
            return _by_lesson([kept[i].astype(np.float16) for i in range(len(kept))], lessons)
    sums = [np.zeros((len(tweet.tokens), len(WORD_TAGS)), np.float32) for tweet in tweets]
    readers = [np.zeros((len(tweet.tokens), 1), np.float32) for tweet in tweets]
    for name in names:
        said = _ask(name, lessons, device, told)
        for total, count, rows in zip(sums, readers, said, strict=True):
            total[: len(rows)] += rows
            count[: len(rows)] += 1
    means = [(total / np.maximum(count, 1)).astype(np.float16) for total, count in zip(sums, readers, strict=True)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_marginals(file, means)
    except OSError as error:
        raise DataError(f"{file}: wanted a place to write, got: {error.strerror}") from error
    return _by_lesson(means, lessons)


def _ask(name: str, lessons: Sequence[Lesson], device: str, told: Told | None) -> list[np.ndarray]:
    teacher = Predictor.load(name, device)
    said: list[np.ndarray] = []
    for lesson in lessons:
        if teacher.vision is not None and lesson.images is None:
            raise ConfigError(f"{name} reads pictures: wanted those of {lesson.name} to learn from it, got none")

        def progress(done: int, total: int, what: str = lesson.name) -> None:
            if told:
                told(f"{teacher.name} on {what}", done, total)

        said += teacher.marginals(lesson.examples, lesson.images, progress=progress)
    return said


def _by_lesson(rows: Sequence[np.ndarray], lessons: Sequence[Lesson]) -> list[list[np.ndarray]]:
    left = iter(rows)
    return [[next(left) for _ in lesson.examples] for lesson in lessons]


def _key(names: Sequence[str], lessons: Sequence[Lesson]) -> str:
    """A name for what these teachers say of these tweets and pictures."""
    lines = [teachers_of(names), [[[e.tokens, e.image] for e in lesson.examples] for lesson in lessons]]
    pictures = [str(lesson.images.root) if lesson.images else None for lesson in lessons]
    return hashlib.sha256(json.dumps([lines, pictures]).encode()).hexdigest()[:16]
