"""What would have changed the answer: the same tweet beside other pictures. Free of torch; a ``Predictor`` computes.

A *variant* is a picture in the place of the tweet's own. Nothing here says that a tagger understands a picture: a
change of answer says that the answer depends on it, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

from umt_core.analysis.ledger import classify
from umt_core.analysis.significance import LEVEL, Interval, interval_of
from umt_core.errors import ConfigError, DataError
from umt_core.schema import GRID, REGIONS, Answer, Example, ScoredSpan, Span

if TYPE_CHECKING:
    from umt_core.predict import Predictor
    from umt_core.tagging import Progress

BLUR = 0.05  # of the picture's shorter side: radius (standard deviation) of the blur
GREY = 127  # of 255, in all three colours
THUMBNAIL = 320  # pixels of the longer side, as variants are shown
RESAMPLES = 10_000  # of the foreign pictures, for an interval
OCCLUSIONS = {
    "zero": "the block's vector is set to zeros, which is what all 49 are where a tweet has no picture",
    "mean": "the block's vector is replaced by the mean of the picture's 49 vectors",
    "pixels": "the block's 32 × 32 pixels, of the 224 × 224 that the net reads, are painted in the picture's mean "
    "colour and the picture is encoded anew; the vectors of neighbouring blocks change with it",
}
KINDS = {
    "own": "its own picture",
    "none": "no picture (49 blocks of zeros)",
    "grey": "a plain grey picture",
    "blurred": "its own, blurred",
    "mean": "the mean of the foreign pictures, block by block",
    "foreign": "another tweet's picture",
    "given": "a picture of yours",
    "block": "its own with one block occluded",
}


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A picture in the place of the tweet's own."""

    kind: str  # of KINDS
    title: str  # for people
    picture: Image.Image | None = None  # what can be shown of it
    block: int | None = None  # that is occluded, 0 to 48 from the top left, row by row


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the spans of the factual answer, and what came new."""

    kept: tuple[Span, ...]
    changed: tuple[tuple[Span, Span], ...]  # before, after: another type, or other words that overlap
    lost: tuple[Span, ...]
    gained: tuple[Span, ...]

    @property
    def any(self) -> bool:
        return bool(self.changed or self.lost or self.gained)


@dataclass(frozen=True, slots=True)
class Reliance:
    """How far the answer about one span depends on which picture stands beside the tweet: over foreign pictures alone.

    ``change`` is the mean absolute change of the span's probability, with the percentile interval of the mean when
    the pictures are drawn again; ``gone`` the share of pictures beside which the span is not found any more, with
    Wilson's interval. Both are of these pictures and this tagger.
    """

    pictures: int  # K
    change: Interval
    gone: Interval


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """What one tagger says of a tweet beside each variant; the first is the tweet's own picture (or none)."""

    checkpoint: str
    system: str
    uses_image: bool
    variants: tuple[Variant, ...]
    answers: tuple[Answer, ...]  # probabilities are of ``spans``
    occlusion: str | None = None  # of OCCLUSIONS; None: no block was occluded

    @property
    def factual(self) -> Answer:
        return self.answers[0]

    @property
    def spans(self) -> tuple[ScoredSpan, ...]:
        """What is found beside the tweet's own picture."""
        return self.factual.prediction.spans

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(variants, spans): of each span of the factual answer."""
        return np.array([answer.probabilities for answer in self.answers]).reshape(len(self.answers), len(self.spans))

    @cached_property
    def shifts(self) -> np.ndarray:
        """(variants, spans): by how much each differs from the factual one; exactly 0 for the same picture."""
        shifts: np.ndarray = self.probabilities - self.probabilities[0]
        return shifts

    def change(self, variant: int) -> Change:
        """The spans beside a variant against the factual ones."""
        before, after = ([s.span for s in self.answers[i].prediction.spans] for i in (0, variant))
        return change(before, after)

    def of_kind(self, kind: str) -> list[int]:
        """Places of the variants of a kind."""
        return [i for i, variant in enumerate(self.variants) if variant.kind == kind]

    def drops(self, span: int) -> np.ndarray | None:
        """(49,): by how much a span's probability falls when a block is occluded; ``None``: no block was."""
        places = self.of_kind("block")
        if len(places) != REGIONS:
            return None
        drops: np.ndarray = -self.shifts[places, span]
        return drops

    def reliance(self, span: int, *, seed: int = 0) -> Reliance | None:
        """Visual reliance of a span; ``None``: there were no foreign pictures."""
        places = self.of_kind("foreign")
        if not places:
            return None
        wanted = self.spans[span].span
        gone = [wanted not in {s.span for s in self.answers[i].prediction.spans} for i in places]
        return Reliance(len(places), mean_interval(np.abs(self.shifts[places, span]), seed), share_interval(gone))


def change(before: Sequence[Span], after: Sequence[Span]) -> Change:
    """What became of spans, as the ledger pairs them.

    >>> found = change([Span(0, 1, "PER"), Span(3, 4, "LOC")], [Span(0, 2, "PER")])
    >>> found.changed, found.lost
    (((Span(start=0, end=1, label='PER'), Span(start=0, end=2, label='PER')),), (Span(start=3, end=4, label='LOC'),))
    """
    matches = classify(before, after)
    return Change(
        kept=tuple(m.gold for m in matches if m.gold and m.error is None),
        changed=tuple((m.gold, m.predicted) for m in matches if m.gold and m.predicted and m.error),
        lost=tuple(m.gold for m in matches if m.gold and m.predicted is None),
        gained=tuple(m.predicted for m in matches if m.predicted and m.gold is None),
    )


def mean_interval(values: np.ndarray, seed: int = 0) -> Interval:
    """The mean of some values, and the percentile interval of the mean of as many drawn again."""
    drawn = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values))).mean(axis=1)
    return interval_of(float(values.mean()), drawn)


def share_interval(outcomes: Sequence[bool]) -> Interval:
    """The share of what is true, and Wilson's interval."""
    from scipy.stats import binomtest

    test = binomtest(sum(outcomes), len(outcomes))
    ends = test.proportion_ci(LEVEL, method="wilson")
    return Interval(sum(outcomes) / len(outcomes), float(ends.low), float(ends.high))


# --- variants ------------------------------------------------------------------------------------


def make_variants(
    picture: Image.Image | None,
    *,
    foreign: Mapping[str, Image.Image] | None = None,
    given: Image.Image | None = None,
    blocks: bool = False,
) -> tuple[Variant, ...]:
    """What a tweet's picture is exchanged for; the first is the picture itself.

    Without a picture there is nothing to blur or to occlude.

    Args:
        picture: upright RGB; ``None``: the tweet has none.
        foreign: pictures of other tweets, by a title.
        given: a picture of the reader's.
        blocks: whether each of the 49 blocks is occluded.
    """
    found = [Variant("own", "own picture" if picture else "as it is: no picture", picture)]
    if picture is not None:
        found.append(Variant("none", "no picture"))
        radius = BLUR * min(picture.size)
        title = f"blurred (radius {radius:.0f} px, {BLUR:.0%} of the shorter side)"
        found.append(Variant("blurred", title, picture.filter(ImageFilter.GaussianBlur(radius))))
    found.append(Variant("grey", "plain grey", Image.new("RGB", (224, 224), (GREY,) * 3)))
    if foreign:
        found.append(Variant("mean", f"mean of {len(foreign)} foreign pictures, block by block"))
        found += [Variant("foreign", title, other) for title, other in foreign.items()]
    if given is not None:
        found.append(Variant("given", "your picture", given))
    if blocks and picture is not None:
        found += [Variant("block", block_title(block), block=block) for block in range(REGIONS)]
    return tuple(found)


def thumbnails(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """The variants with pictures as small as they are shown: what is to be kept once they are encoded."""
    return tuple(v if v.picture is None else replace(v, picture=_thumbnail(v.picture)) for v in variants)


def _thumbnail(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2)
    return small


def block_title(block: int) -> str:
    """
    >>> block_title(8)
    'without block in row 2, column 2'
    """
    return f"without block in row {block // GRID + 1}, column {block % GRID + 1}"


def regions_of(
    predictor: Predictor, variants: Sequence[Variant], *, occlusion: str = "zero", progress: Progress | None = None
) -> list[np.ndarray | None]:
    """Regions (49, channels) of each variant, as the predictor's vision encoder gives them; ``None``: no picture.

    Raises:
        ConfigError: there is no such way to occlude a block.
    """
    if occlusion not in OCCLUSIONS:
        raise ConfigError(f"wanted an occlusion of {list(OCCLUSIONS)}, got {occlusion!r}")
    pictures = [v.picture for v in variants]
    found: list[np.ndarray | None] = list(predictor.picture_regions(pictures, progress=progress))
    own = found[0]
    foreign = [r for r, v in zip(found, variants, strict=True) if v.kind == "foreign" and r is not None]
    occluded: np.ndarray | None = None
    for i, variant in enumerate(variants):
        if variant.kind == "mean" and foreign:
            found[i] = np.asarray(np.mean(foreign, axis=0, dtype=np.float32), np.float16)
        elif variant.block is not None and own is not None:
            if occluded is None:
                occluded = _occluded(predictor, own, variants[0].picture, occlusion)
            found[i] = occluded[variant.block]
    return found


def _occluded(predictor: Predictor, own: np.ndarray, picture: Image.Image | None, occlusion: str) -> np.ndarray:
    """(49, 49, channels): the picture's regions without each of its blocks."""
    if occlusion == "pixels":
        if picture is None:
            raise DataError("wanted a picture to paint over, got its regions alone")
        return predictor.occluded_regions(picture)
    return without_blocks(own, occlusion)


def without_blocks(regions: np.ndarray, occlusion: str = "zero") -> np.ndarray:
    """Regions (49, channels) without each block in turn, on the level of its vector: (49, 49, channels)."""
    fill = regions.mean(axis=0, dtype=np.float32).astype(regions.dtype) if occlusion == "mean" else 0
    occluded = np.repeat(regions[None], REGIONS, axis=0)
    occluded[np.arange(REGIONS), np.arange(REGIONS)] = fill
    return occluded


# --- asking --------------------------------------------------------------------------------------


def counterfactuals(
    predictor: Predictor,
    example: Example,
    variants: Sequence[Variant],
    *,
    occlusion: str = "zero",
    regions: Sequence[np.ndarray | None] | None = None,
) -> Counterfactuals:
    """What a tagger says of a tweet beside each variant, in one batch over the distinct pictures.

    A system that reads text alone is asked once: all its answers are the same answer. So is any system for a
    variant whose regions are those of the own picture.

    Args:
        regions: as ``regions_of`` gave them, where several predictors share a vision encoder, or where the variants
            are kept as ``thumbnails``.

    Raises:
        DataError: the tweet has no word.
        ConfigError: there is no such way to occlude a block.
    """
    looks = predictor.vision is not None
    if regions is None:
        regions = regions_of(predictor, variants, occlusion=occlusion) if looks else [None] * len(variants)
    (answers,) = predictor.with_pictures([example], [regions])
    return Counterfactuals(
        predictor.name,
        predictor.system,
        looks,
        tuple(variants),
        tuple(answers),
        occlusion if any(v.kind == "block" for v in variants) else None,
    )


# --- as data -------------------------------------------------------------------------------------


def counterfactuals_json(found: Counterfactuals) -> dict[str, Any]:
    """The values as JSON: spans with their words, what changed, probabilities, drops by block, visual reliance."""
    tokens = found.factual.prediction.tokens
    blocks = [found.drops(i) for i in range(len(found.spans))]
    reliance = [found.reliance(i) for i in range(len(found.spans))]
    return {
        "checkpoint": found.checkpoint,
        "system": found.system,
        "uses_image": found.uses_image,
        "occlusion": None if found.occlusion is None else OCCLUSIONS[found.occlusion],
        "spans": [
            {
                **_span(scored.span, tokens),
                "probability": scored.score,
                "drop_by_block": None if drops is None else [round(float(drop), 6) for drop in drops],
                "visual_reliance": None if of_span is None else reliance_json(of_span),
            }
            for scored, drops, of_span in zip(found.spans, blocks, reliance, strict=True)
        ],
        "variants": [_variant(found, i, tokens) for i, v in enumerate(found.variants) if v.kind != "block"],
    }


def reliance_json(reliance: Reliance) -> dict[str, Any]:
    return {
        "pictures": reliance.pictures,
        "mean_absolute_change": reliance.change.to_dict(),
        "gone": reliance.gone.to_dict(),
    }


def _variant(found: Counterfactuals, i: int, tokens: tuple[str, ...]) -> dict[str, Any]:
    changed = found.change(i)
    return {
        "kind": found.variants[i].kind,
        "title": found.variants[i].title,
        "spans": [{**_span(s.span, tokens), "score": s.score} for s in found.answers[i].prediction.spans],
        "probabilities": list(found.answers[i].probabilities),
        "lost": [_span(span, tokens) for span in changed.lost],
        "gained": [_span(span, tokens) for span in changed.gained],
        "changed": [{"from": _span(a, tokens), "to": _span(b, tokens)} for a, b in changed.changed],
    }


def _span(span: Span, tokens: tuple[str, ...]) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "text": span.text(tokens)}
