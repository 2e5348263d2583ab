"""The case report of a tweet: all that is said of it, as values, from which its HTML and its JSON are made.

Free of torch; ``examine`` asks a ``Workbench``. What is in a report is in ``report_values``: the page and the data
hold the same. Nothing else gets in: no path, no address of a store, no name of a person unless it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import umt_core
from umt_core.analysis.agreement import difference_lines, differences
from umt_core.encoders.catalog import told_name
from umt_core.explain import attention
from umt_core.explain.attributions import Attribution, attribution_json
from umt_core.explain.counterfactuals import (
    Counterfactuals,
    counterfactuals,
    counterfactuals_json,
    make_variants,
    regions_of,
    thumbnails,
)
from umt_core.explain.provenance import Provenance, deciders, provenance
from umt_core.schema import Example, Inspection, Span

if TYPE_CHECKING:
    from umt_core.predict import Workbench

FORMAT = 1
MOST_WORDS = 8  # whose maps are drawn: the first of each entity, from the left
BITS = math.log(2)
AT_MOST = "Of {} tags are on subwords: there it is at most the figure, the least marginal of the entity's words."


@dataclass(frozen=True, slots=True)
class Correction:
    """One event of a tweet's history."""

    time: str  # UTC, ISO 8601
    action: str
    before: tuple[Span, ...] | None  # None: no labels had been set
    after: tuple[Span, ...] | None
    reason: str = ""
    author: str = ""  # "": not to be told


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the picture fits the words, see ``relevance``."""

    score: float  # share of the others that it beats, 0 to 1
    others: int
    beats: float  # the same on dev, mean: how good a score is
    images: str  # what the pictures were that it was learned from


@dataclass(frozen=True, slots=True, eq=False)
class SystemParts:
    """What is said of one tagger beside its inspection; ``None`` and () were not asked for, or it has no such thing."""

    weights_sha256: str
    images: str  # what the pictures were that it was trained with
    text_encoder: str
    vision_encoder: str | None  # None: it reads text only
    provenance: Provenance | None = None
    counterfactuals: Counterfactuals | None = None
    attributions: tuple[Attribution, ...] = ()
    image_transform: str = "resize"  # as in ``ModelSettings``, like what follows
    tagging: str = "word"


@dataclass(frozen=True, eq=False)
class CaseReport:
    """One tweet and what is said of it, by checkpoint name."""

    example: Example
    picture: Image.Image | None  # upright RGB
    inspections: Mapping[str, Inspection]
    parts: Mapping[str, SystemParts]  # of all that have an inspection
    fit: Fit | None = None  # None: nobody asked, or there is no picture
    history: tuple[Correction, ...] = ()


def examine(
    workbench: Workbench,
    example: Example,
    picture: Image.Image | None,
    *,
    foreign: Mapping[str, Image.Image] | None = None,
    method: str = "",
    fit: Fit | None = None,
    history: Sequence[Correction] = (),
) -> CaseReport:
    """Asks all taggers of a workbench about a tweet.

    Args:
        foreign: other tweets' pictures by a title, for the counterfactuals.
        method: of ``attributions.METHODS``, for the score of each entity; "": no attribution, which takes longest.

    Raises:
        DataError: the tweet has no word.
        ConfigError: there is no such method.
    """
    inspections = workbench.inspect(example, picture)
    parts = {name: system_parts(workbench, name, example, picture, foreign, method) for name in inspections}
    return CaseReport(example, picture, inspections, parts, fit, tuple(history))


def system_parts(
    workbench: Workbench,
    name: str,
    example: Example,
    picture: Image.Image | None,
    foreign: Mapping[str, Image.Image] | None = None,
    method: str = "",
) -> SystemParts:
    """What a report says of one tagger beside its inspection; arguments and errors as in ``examine``."""
    predictor = workbench.predictors[name]
    manifest = predictor.loaded.info.manifest
    found = None
    if predictor.vision is not None:
        made = make_variants(picture, foreign=foreign, blocks=True)
        found = counterfactuals(predictor, example, thumbnails(made), regions=regions_of(predictor, made))
    attributed: tuple[Attribution, ...] = ()
    if method:
        from umt_core.explain.span_score import attribute  # needs torch

        (regions,) = predictor.picture_regions([picture])
        spans = [s.span for s in predictor.inspect(example, picture).prediction.spans[:MOST_WORDS]]
        attributed = tuple(attribute(predictor, example, regions, span, method) for span in spans)
    return SystemParts(
        manifest.weights_sha256,
        manifest.images,
        told_name(manifest.model.text_encoder),
        manifest.model.vision_encoder if predictor.vision is not None else None,
        provenance(predictor.scoring, predictor.own_path(example, picture)),
        found,
        attributed,
        manifest.model.image_transform,
        manifest.model.tagging,
    )


# --- as data -------------------------------------------------------------------------------------


def report_values(case: CaseReport) -> dict[str, Any]:
    """All that a report says, as JSON; figures are those of the models, rounded to six digits."""
    tokens = case.example.tokens
    words = chosen_words(case)
    titles = _titles(case.inspections)
    found = {titles[name]: [s.span for s in i.prediction.spans] for name, i in case.inspections.items()}
    differing = differences(found)
    gold = case.example.spans
    return {
        "format": FORMAT,
        "code": umt_core.__version__,
        "tweet": {
            "id": case.example.id,
            "tokens": list(tokens),
            "gold": None if gold is None else [span_values(span, tokens) for span in gold],
            "picture": None if case.picture is None else {"width": case.picture.width, "height": case.picture.height},
        },
        "systems": [{"title": title, **_system(case, name, words)} for name, title in titles.items()],
        "differences": [{"words": words, "readings": line} for words, line in difference_lines(tokens, differing)],
        "relevance": None
        if case.fit is None
        else {
            "score": _round(case.fit.score),
            "others": case.fit.others,
            "mean_on_dev": _round(case.fit.beats),
            "learned_from": case.fit.images,
        },
        "history": [_event(event, tokens) for event in case.history],
    }


def _titles(inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """A short name for each checkpoint: its system's, where no other is of the same."""
    systems = [inspection.system for inspection in inspections.values()]
    return {name: i.system if systems.count(i.system) == 1 else name for name, i in inspections.items()}


def chosen_words(case: CaseReport) -> list[int]:
    """The words whose maps are in the report: the first of each entity, of gold or found; of the tweet, if none is."""
    spans = {s.span for i in case.inspections.values() for s in i.prediction.spans} | set(case.example.spans or ())
    read = max((len(i.marginals) for i in case.inspections.values()), default=0)
    starts = sorted({span.start for span in spans if span.start < read})
    return (starts or list(range(min(1, read))))[:MOST_WORDS]


def span_values(span: Span, tokens: tuple[str, ...]) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "text": span.text(tokens)}


def _system(case: CaseReport, name: str, words: Sequence[int]) -> dict[str, Any]:
    inspection, tokens = case.inspections[name], case.example.tokens
    parts = case.parts[name]
    converted = parts.provenance is not None and parts.provenance.converted is not None
    return {
        "checkpoint": name,
        "system": inspection.system,
        "weights_sha256": parts.weights_sha256,
        "images": parts.images,
        "text_encoder": parts.text_encoder,
        "vision_encoder": parts.vision_encoder,
        "image_transform": None if parts.vision_encoder is None else parts.image_transform,
        "tagging": parts.tagging,
        "notices": list(inspection.prediction.notices),
        "tags": list(inspection.prediction.tags),
        "spans": [span_values(s.span, tokens) | {"probability": _round(s.score)} for s in inspection.prediction.spans],
        "esd_tags": list(inspection.esd_decoded),
        "attention": [map_values(inspection, of, words) for of in attention.maps_of(inspection)],
        "gate": None
        if inspection.gate is None
        else [{"mean": _round(row.mean()), "standard_deviation": _round(row.std())} for row in inspection.gate],
        "gate_caveat": attention.gate_caveat(inspection),
        "uses_esd": converted,
        "provenance": None if parts.provenance is None else provenance_values(parts.provenance, tokens),
        "counterfactuals": None if parts.counterfactuals is None else counterfactuals_json(parts.counterfactuals),
        "attributions": [attribution_json(found, tokens) for found in parts.attributions],
    }


def map_values(inspection: Inspection, of: attention.AttentionMap, words: Sequence[int]) -> dict[str, Any]:
    weights = attention.weights(inspection, of)  # (words, 49), mean over heads
    rows = [
        {
            "word": word,
            "weights": [_round(value) for value in weights[word]],
            "sum": _round(weights[word].sum()),
            "entropy_bits": _round(attention.entropy(weights[word]) / BITS) if of.rows_are_words else None,
        }
        for word in words
        if word < len(weights)
    ]
    return {
        "map": of.name,
        "title": of.title,
        "feeds": of.feeds,
        "meaning": of.means(inspection),
        "rows_are_words": of.rows_are_words,
        "heads": len(getattr(inspection, of.name)),
        "words": rows,
    }


def provenance_values(found: Provenance, tokens: tuple[str, ...]) -> dict[str, Any]:
    """Each word's decoded tag in parts, beside the tag that comes second; what each span needs; the check."""
    total = found.total
    rows = []
    for word, chosen in enumerate(found.chosen.tolist()):
        ordered = np.argsort(-total[word], kind="stable")
        second = next(int(i) for i in ordered if i != chosen)
        rows.append(
            {
                "word": word,
                "tag": _parts(found, word, chosen),
                "second": _parts(found, word, second),
                "deciders": deciders(found, word),
            }
        )
    return {
        "words": rows,
        "spans": [
            span_values(needs.span, tokens)
            | {
                "without": dict(needs.without),
                "instead": {
                    part: None if span is None else span_values(span, tokens) for part, span in needs.instead.items()
                },
            }
            for needs in found.spans
        ],
        "parts": {part: _round(value) for part, value in found.parts.items()},
        "path_score": _round(found.path_score),
        "own_score": _round(found.own_score),
        "difference": found.difference,
    }


def _parts(found: Provenance, word: int, tag: int) -> dict[str, Any]:
    converted = 0.0 if found.converted is None else found.converted[word, tag]
    return {
        "tag": found.tags[tag],
        "main": _round(found.main[word, tag]),
        "esd": _round(converted),
        "transitions": _round(found.arriving[word, tag] + found.leaving[word, tag]),
        "sum": _round(found.total[word, tag]),
    }


def _event(event: Correction, tokens: tuple[str, ...]) -> dict[str, Any]:
    def labels(spans: tuple[Span, ...] | None) -> list[dict[str, Any]] | None:
        return None if spans is None else [span_values(span, tokens) for span in spans]

    values: dict[str, Any] = {"time": event.time, "action": event.action, "reason": event.reason}
    values |= {"before": labels(event.before), "after": labels(event.after)}
    return values | ({"author": event.author} if event.author else {})


def _round(value: Any) -> float:
    return round(float(value), 6)
