"""The score of one span as a function of what a tagger reads, and Captum's attributions of it: see ``attributions``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from umt_core.errors import DataError
from umt_core.explain.attributions import STEPS, Ablation, Attribution, add, pieces
from umt_core.features import Batch, character_ids, word_of_subword
from umt_core.schema import REGIONS, Example, Span
from umt_core.spans import tags_to_spans
from umt_core.tagging import Progress, word_tags

if TYPE_CHECKING:
    from PIL import Image

    from umt_core.predict import Predictor, Workbench

ROWS = 25  # changed tweets that are scored at once


class SpanScore:
    """The score of one span in a tweet, as a function of what the tagger reads.

    Raises:
        DataError: the tweet has no word, or the tagger did not read as far as the span.
    """

    def __init__(self, predictor: Predictor, example: Example, regions: np.ndarray | None, span: Span) -> None:
        """``regions``: (49, channels) of the tweet's picture; ``None``: it has none."""
        self.predictor, self.span = predictor, span
        self.batch, self.encoded = predictor.read_tweet(example, regions)
        if not 0 <= span.start < span.end <= self.encoded.words:
            raise DataError(f"wanted words of the {self.encoded.words} that {predictor.name} read, got {span}")
        self.has_image = regions is not None and self.batch.regions is not None
        tagger = predictor.loaded.tagger
        self.tags = None
        with torch.no_grad():
            self.embedded = tagger.embed(self.batch)  # (1, subwords, embedding)
            self.word = word_of_subword(self.batch)  # (1, subwords)
            pad = torch.full_like(self.batch.subwords, predictor.loaded.tokenizer.pad_id)
            empty = tagger.encoder.embed(pad)
            self.empty = torch.where(self.word[..., None] >= 0, empty, self.embedded)
            if tagger.settings.tagging == "subword":
                self.tags = self._found_tags(tagger)

    def _found_tags(self, tagger: Any) -> list[str] | None:
        """The tweet's tags, if they have the span: it is asked about as it was found."""
        tags = word_tags(tagger.decode(tagger(self.batch))[0], self.encoded, "subword", self.encoded.words)
        return tags if self.span in tags_to_spans(tags) else None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What is attributed to: embedded subwords and, beside a picture, its blocks; a row each."""
        return (self.embedded, self.batch.regions) if self.has_image else (self.embedded,)  # type: ignore[return-value]

    @property
    def baselines(self) -> tuple[Tensor, ...]:
        regions = self.batch.regions
        return (self.empty, torch.zeros_like(regions)) if self.has_image and regions is not None else (self.empty,)

    def __call__(self, embedded: Tensor, regions: Tensor | None = None) -> Tensor:
        """Log-odds, (rows,). ``embedded``: (rows, subwords, embedding), ``regions``: (rows, 49, channels)."""
        rows = len(embedded)
        many: dict[str, Any] = {}
        for f in fields(self.batch):
            value = getattr(self.batch, f.name)
            many[f.name] = value if value is None else value.expand(rows, *value.shape[1:])
        given = regions if regions is not None else many["regions"]
        return self.of(Batch(**many | {"embedded": embedded, "regions": given}))

    def beside(self, regions: Tensor) -> Tensor:
        """Log-odds of the tweet beside each of several pictures, its text read once: (rows,).

        ``regions``: (rows, 49, channels).
        """
        pictures = torch.tensor([len(regions)], device=regions.device)
        return self.of(replace(self.batch, regions=regions, pictures=pictures))

    def of(self, batch: Batch, emissions: str = "emissions") -> Tensor:
        """Log-odds of a changed batch, (rows,), by this field of the tagger's output."""
        with _differentiable():
            output = self.predictor.loaded.tagger(batch)
        output.emissions = getattr(output, emissions)
        return self.predictor.span_log_odds(output, self.encoded, self.span, self.tags)

    def by_word(self, values: Tensor) -> np.ndarray:
        """Sums over each word's subwords: (subwords,) → (words,)."""
        sums = np.zeros(self.encoded.words)
        word = self.word[0].cpu().numpy()
        inside = word >= 0
        np.add.at(sums, word[inside], values.detach().double().cpu().numpy()[inside])
        return sums


@contextmanager
def _differentiable() -> Iterator[None]:
    """cuDNN's LSTM has gradients in training mode only; torch's own has them always."""
    with torch.backends.cudnn.flags(enabled=False):
        yield


def piece(score: SpanScore, method: str, number: int, steps: int = STEPS) -> Attribution:
    """The ``number``-th piece of an attribution, from 0; ``add`` puts them together.

    Of integrated gradients (Sundararajan et al., 2017) a piece is a part of the straight line from the baseline, with
    a Gauss-Legendre rule of its own; of leaving out it is the words, then the blocks.

    Raises:
        ConfigError: as ``pieces``.
    """
    count = pieces(method, steps)
    words, blocks = np.zeros(score.encoded.words), np.zeros(REGIONS) if score.has_image else None
    if method == "integrated_gradients":
        words, blocks = _gradients(score, number / count, (number + 1) / count, max(1, round(steps / count)))
    elif number == 0:
        words = _without_words(score)
    elif score.has_image:
        blocks = _without_blocks(score)
    with torch.no_grad():
        here, baseline = float(score(*score.inputs)), float(score(*score.baselines))
    predictor = score.predictor
    spelling_stays = type(predictor.loaded.tagger).uses_characters  # where it joins the embeddings it does not
    about = (method, predictor.name, predictor.system, score.span, here, baseline)
    return Attribution(*about, words, blocks, steps, spelling_stays)


def _gradients(score: SpanScore, start: float, end: float, points: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Integrated gradients over a part of the line, from a share of it to another: of words, of blocks."""
    from captum.attr import IntegratedGradients  # seconds, and only who attributes needs it

    low, high = (
        tuple(empty + share * (full - empty) for empty, full in zip(score.baselines, score.inputs, strict=True))
        for share in (start, end)
    )
    values = IntegratedGradients(score).attribute(high, baselines=low, n_steps=points, internal_batch_size=ROWS)
    of_blocks = values[1][0].sum(-1).double().detach().cpu().numpy() if score.has_image else None
    return score.by_word(values[0][0].sum(-1)), of_blocks


def block_gradients(score: SpanScore, steps: int = 20) -> np.ndarray:
    """Integrated gradients over the blocks alone, (49,): from no picture to this one, beside the whole text.

    The text is read as it is all the way, and only once, so that this is much quicker than ``attribute``.
    """
    from captum.attr import IntegratedGradients

    values = IntegratedGradients(score.beside).attribute(
        score.inputs[1], baselines=0, n_steps=steps, internal_batch_size=ROWS
    )
    found: np.ndarray = values[0].sum(-1).double().detach().cpu().numpy()
    return found


def _without_words(score: SpanScore) -> np.ndarray:
    """By how much the score falls without each word, one at a time, as the baseline is without all."""
    from captum.attr import FeatureAblation

    words = score.word.clamp(min=0)[..., None].expand_as(score.embedded)  # [CLS] and [SEP] are as in the baseline
    with torch.no_grad():
        values = FeatureAblation(score).attribute(
            score.embedded, baselines=score.empty, feature_mask=words, perturbations_per_eval=ROWS
        )
    drops: np.ndarray = values[0, list(score.encoded.starts), 0].double().cpu().numpy()  # a word's numbers all have it
    return drops


def _without_blocks(score: SpanScore) -> np.ndarray:
    """By how much the score falls without each block, one at a time."""
    from captum.attr import FeatureAblation

    regions = score.inputs[1]
    blocks = torch.arange(REGIONS, device=regions.device)[None, :, None].expand_as(regions)
    with torch.no_grad():
        values = FeatureAblation(score.beside).attribute(
            regions, baselines=0, feature_mask=blocks, perturbations_per_eval=ROWS
        )
    drops: np.ndarray = values[0, :, 0].double().cpu().numpy()
    return drops


def ablations(score: SpanScore) -> tuple[Ablation, ...]:
    """The span's score without each of what the tagger draws on, as far as this one does."""
    tagger = score.predictor.loaded.tagger
    found = []

    def ablate(feature: str, meaning: str, batch: Batch, emissions: str = "emissions") -> None:
        with torch.no_grad():
            found.append(Ablation(feature, meaning, float(score.of(batch, emissions))))

    batch = score.batch
    if tagger.word_shape is not None:
        ablate("word shape", "no word has a shape", replace(batch, shapes=torch.zeros_like(batch.shapes)))
    if batch.characters is not None:
        unknown = torch.zeros_like(batch.characters)
        unknown[..., 0] = character_ids("")[0]
        ablate("spelling", "each word is one unknown character", replace(batch, characters=unknown))
    if score.has_image and batch.regions is not None:
        ablate("picture", "49 blocks of zeros", replace(batch, regions=torch.zeros_like(batch.regions)))
    if getattr(tagger, "conversion", None) is not None:
        ablate("span detector (ESD)", "the main emissions alone are decoded", batch, "main_emissions")
    return tuple(found)


def attribute(
    predictor: Predictor,
    example: Example,
    regions: np.ndarray | None,
    span: Span,
    method: str = "integrated_gradients",
    *,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> Attribution:
    """One tweet's attribution for a span by a method of ``METHODS``.

    Raises:
        ConfigError: there is no such method, or fewer than one step.
        DataError: the tweet has no word, or the tagger did not read as far as the span.
    """
    count = pieces(method, steps)
    score = SpanScore(predictor, example, regions, span)
    found = piece(score, method, 0, steps)
    for number in range(1, count + 1):
        if progress:
            progress(number, count)
        if number < count:
            found = add(found, piece(score, method, number, steps))
    return found


# --- of a workbench, for the app -----------------------------------------------------------------


def workbench_piece(
    workbench: Workbench,
    checkpoint: str,
    example: Example,
    picture: Image.Image | None,
    span: Span,
    method: str,
    number: int,
    steps: int,
) -> Attribution:
    """``piece`` by one of the workbench's taggers."""
    return piece(_score(workbench, checkpoint, example, picture, span), method, number, steps)


def workbench_ablations(
    workbench: Workbench, checkpoint: str, example: Example, picture: Image.Image | None, span: Span
) -> tuple[float, tuple[Ablation, ...]]:
    """The span's score, and ``ablations``."""
    score = _score(workbench, checkpoint, example, picture, span)
    with torch.no_grad():
        return float(score(*score.inputs)), ablations(score)


def _score(
    workbench: Workbench, checkpoint: str, example: Example, picture: Image.Image | None, span: Span
) -> SpanScore:
    predictor = workbench.predictors[checkpoint]
    return SpanScore(predictor, example, predictor.picture_regions([picture])[0], span)
