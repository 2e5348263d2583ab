"""Holds the models, the only place in the app that does, and caches what they said.

``UMT_BACKEND`` names a module that stands in for the registry and the predictor, for tests
of the pages without weights.
"""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st
from PIL import Image

from app import garbage
from app.state import Picture, Request
from umt_core.data.images import content_hash, open_image, read_image_bytes, webp_uri
from umt_core.data.samples import OPENING_SAMPLE, Sample, load_samples, sample_file, sample_picture, sample_thumbnail
from umt_core.data.tokenize import tokenize
from umt_core.engine import Engine
from umt_core.errors import DataError
from umt_core.model.chain import Scoring
from umt_core.registry import CheckpointInfo, complaints
from umt_core.schema import MOST_WORDS, Example, Inspection, OwnPath
from umt_core.upload import MOST_CHARACTERS

if TYPE_CHECKING:
    from umt_core.explain.report import Fit

T = TypeVar("T")

DEVICE = os.environ.get("UMT_DEVICE", "auto")
SHOWN_WIDTH = 720  # pixels of the longer side on the page
THUMBNAIL_WIDTH = 200

_ENGINES: dict[str, Engine] = {}  # by device; threads that belong to no session ask too


def backend(default: str) -> ModuleType:
    """A module that knows models, or what stands in for it."""
    return importlib.import_module(os.environ.get("UMT_BACKEND") or default)


class Lazy(StrEnum):
    """Functions that work with taggers, or what stands in for them: imported when called, since torch comes along."""

    RUN_SET = "umt_core.analysis.run_set.run_set"
    KEEP_BIAS = "umt_core.explain.keep_bias.keep_bias"
    KEEP_EMISSIONS = "umt_core.explain.keep_emissions.keep_emissions"
    KEEP_FAITHFULNESS = "umt_core.explain.keep_faithfulness.keep_faithfulness"
    KEEP_PATTERNS = "umt_core.explain.keep_patterns.keep_patterns"
    KEEP_RELEVANCE = "umt_core.explain.relevance.keep_relevance"
    SYSTEM_PARTS = "umt_core.explain.report.system_parts"
    WORKBENCH_ABLATIONS = "umt_core.explain.span_score.workbench_ablations"
    WORKBENCH_FAITHFULNESS = "umt_core.explain.keep_faithfulness.workbench_faithfulness"
    WORKBENCH_PIECE = "umt_core.explain.span_score.workbench_piece"

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        module, _, function = self.rpartition(".")
        return getattr(backend(module), function)(*arguments, **options)


# --- checkpoints and models ---------------------------------------------------------------------


def checkpoints() -> tuple[list[CheckpointInfo], list[str]]:
    """The served checkpoint of each family, and a line for each that ought to be there and cannot be served."""
    found: list[CheckpointInfo] = backend("umt_core.registry").checkpoints()
    return found, complaints()


def _engine(device: str) -> Engine:
    """The one that all sessions share."""
    return _ENGINES.get(device) or _ENGINES.setdefault(device, Engine(device, load=_load))


def _load(chosen: Sequence[CheckpointInfo], device: str) -> Any:
    loaded = backend("umt_core.predict").Workbench.load(chosen, device=device, leave_out=True)
    # Where transformers is imported for the first time its frames stay in a circle, and with them what was loaded:
    # spared, it would stay for good.
    gc.collect()
    garbage.spare()
    return loaded


def load(chosen: Sequence[CheckpointInfo]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Loads the taggers of these checkpoints, once.

    What each says of itself (device, parameters, memory, encoders) by checkpoint name, and a line for
    each that could not be loaded; the others go on without it.

    Raises:
        ConfigError: there is no such device.
    """
    return _engine(DEVICE).load(chosen)


def load_again(chosen: Sequence[CheckpointInfo]) -> None:
    """Forgets what could not be loaded: the reader has mended it."""
    _engine(DEVICE).forget(chosen)


def _key(chosen: Sequence[CheckpointInfo]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Names, sums and device: what decides which weights are loaded."""
    return tuple(c.name for c in chosen), tuple(c.manifest.weights_sha256 for c in chosen), DEVICE


def inspect(chosen: Sequence[CheckpointInfo], example: Example, picture: Image.Image | None) -> dict[str, Inspection]:
    """What each tagger says of a tweet, by checkpoint name; the same question is computed once."""
    return _engine(DEVICE).inspect(chosen, example, picture)


@st.cache_resource(max_entries=64, show_spinner=False)
def _own_paths(
    names: tuple[str, ...],
    sums: tuple[str, ...],
    device: str,
    name: str,
    tokens: tuple[str, ...],
    image: str | None,
    _chosen: Sequence[CheckpointInfo],
    _example: Example,
    _picture: Image.Image | None,
) -> tuple[Scoring, OwnPath]:
    def work(workbench: Any) -> tuple[Scoring, OwnPath]:
        predictor = workbench.predictors[name]
        return predictor.scoring, predictor.own_path(_example, _picture)

    return ask(_chosen, work)


def own_path(
    chosen: Sequence[CheckpointInfo], name: str, example: Example, picture: Image.Image | None
) -> tuple[Scoring, OwnPath]:
    """What one of the taggers decodes with, and its raw scores of a tweet; computed once."""
    return _own_paths(
        *_key(chosen), name, example.tokens, example.image, _chosen=chosen, _example=example, _picture=picture
    )


def ask(chosen: Sequence[CheckpointInfo], work: Callable[[Any], T]) -> T:
    """What ``work`` makes of the ``Workbench`` of these checkpoints, in the thread that runs every model.

    Nothing of it is kept. Whoever waits meanwhile waits for all of ``work``: long work is asked for piece by piece.
    """
    return asker(chosen)(work)


def asker(chosen: Sequence[CheckpointInfo]) -> Callable[[Callable[[Any], T]], T]:
    """``ask`` of these checkpoints, for a thread that belongs to no session."""
    return _engine(DEVICE).runner(chosen)


@st.cache_resource(max_entries=200, show_spinner=False)
def _explained(
    names: tuple[str, ...],
    sums: tuple[str, ...],
    device: str,
    tokens: tuple[str, ...],
    image: str | None,
    function: Lazy,
    checkpoint: str,
    arguments: tuple[Any, ...],
    _chosen: Sequence[CheckpointInfo],
    _example: Example,
    _picture: Image.Image | None,
) -> Any:
    def work(workbench: Any) -> Any:
        return function(workbench, checkpoint, _example, _picture, *arguments)

    return ask(_chosen, work)


def explained(
    chosen: Sequence[CheckpointInfo],
    function: Lazy,
    checkpoint: str,
    example: Example,
    picture: Image.Image | None,
    *arguments: Any,
) -> Any:
    """What a ``workbench_`` function says of a tweet; the same question is computed once.

    Errors as the function's.
    """
    return _explained(
        *_key(chosen),
        example.tokens,
        example.image,
        function,
        checkpoint,
        arguments,
        _chosen=chosen,
        _example=example,
        _picture=picture,
    )


@st.cache_resource(max_entries=1, show_spinner=False)
def _relevance(weights: str, device: str) -> Any:
    return _engine(device).run_alone(lambda: backend("umt_core.explain.relevance").Relevance.load(None, device))


def fit(weights: str, example: Example, picture: Image.Image) -> Fit:
    """How well a tweet's picture fits its words, by the projections of these weights.

    Raises:
        CheckpointError, BackboneError: they, or their encoders, cannot be loaded.
    """
    relevance = _relevance(weights, DEVICE)
    found: Fit = _engine(DEVICE).run_alone(lambda: relevance.fit(example, picture))
    return found


# --- tweets and pictures ------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def samples() -> dict[str, Sample]:
    return {sample.example.id: sample for sample in load_samples()}


def opening_sample() -> str:
    return OPENING_SAMPLE


def example(request: Request) -> Example:
    """The tweet to analyse; its ``image`` names the picture's content, or is ``None``.

    Raises:
        DataError: the reader's text is longer than a tweet may be.
    """
    if request.sample is not None:
        return samples()[request.sample].example
    if request.given is not None:
        return replace(request.given, image=picture_name(request))
    words = tokenize(request.text[: MOST_CHARACTERS + 1])
    if (got := len(request.text)) > MOST_CHARACTERS or len(words.tokens) > MOST_WORDS:
        most = f"at most {MOST_WORDS:,} words and {MOST_CHARACTERS:,} characters"
        what = f"{got:,} characters" if got > MOST_CHARACTERS else f"{len(words.tokens):,} words"
        raise DataError(f"wanted a tweet of {most}, got {what}")
    return Example(
        "typed",
        tuple(words.tokens),
        image=picture_name(request),
        text=request.text,
        offsets=tuple(words.offsets),
    )


def picture_name(request: Request) -> str | None:
    """What the picture's content is known by; ``None``: the tweet has none."""
    if request.own_picture is not None:
        return content_hash(request.own_picture.data)
    return request.picture_of if request.picture_of and samples()[request.picture_of].picture else None


def picture(request: Request) -> Image.Image | None:
    """The picture of the tweet, upright RGB.

    Raises:
        ImageError: the reader's file is no picture that we read.
    """
    if request.own_picture is not None:
        return _opened(content_hash(request.own_picture.data), request.own_picture)
    return None if request.picture_of is None else _sample_picture(request.picture_of)


def picture_bytes(request: Request) -> bytes | None:
    """The picture of the tweet as its file holds it; ``None``: it has none (errors as ``picture``)."""
    if request.own_picture is not None:
        return request.own_picture.data
    sample = samples().get(request.picture_of or "")
    path = None if sample is None else sample_file(sample)
    return None if path is None else read_image_bytes(path, name=path.name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(digest: str, _picture: Picture) -> Image.Image:
    return open_image(_picture.data, name=_picture.name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _sample_picture(sample: str) -> Image.Image | None:
    return sample_picture(samples()[sample])


@st.cache_data(max_entries=16, show_spinner=False)
def picture_uri(image: str, _picture: Image.Image) -> str:
    """A picture as a data URI, in its own proportions. ``image`` names its content."""
    small = _picture.copy()
    small.thumbnail((SHOWN_WIDTH, SHOWN_WIDTH))
    return webp_uri(small, quality=82)


@st.cache_data(max_entries=400, show_spinner=False)
def thumbnail_uri(sample: str) -> str | None:
    """A sample's picture, small, as a data URI; drawn when it is first asked for."""
    thumbnail = sample_thumbnail(samples()[sample], THUMBNAIL_WIDTH)
    return None if thumbnail is None else webp_uri(thumbnail, quality=60)


@st.cache_data(max_entries=400, show_spinner=False)
def file_thumbnail_uri(path: Path, changed: int) -> str:
    """A picture file, small, as a data URI (``ImageError`` if it cannot be read)."""
    small = open_image(path)
    small.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_WIDTH), reducing_gap=2)
    return webp_uri(small, quality=60)


@st.cache_data(max_entries=64, show_spinner=False)
def file_picture_uri(path: Path, changed: int) -> str:
    """A picture file as the page shows it, as a data URI (``ImageError`` if it cannot be read)."""
    shown = open_image(path)
    shown.thumbnail((SHOWN_WIDTH, SHOWN_WIDTH), reducing_gap=2)
    return webp_uri(shown, quality=82)


def sample_text(sample: Sample) -> str:
    return sample.example.text or " ".join(sample.example.tokens)
