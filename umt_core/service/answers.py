"""Questions in, answers out, by way of the engine; knows nothing of HTTP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from umt_core.analysis.agreement import difference_lines, differences
from umt_core.analysis.ledger import classify
from umt_core.data.images import FORMATS, open_image
from umt_core.data.tokenize import tokenize
from umt_core.engine import Engine
from umt_core.errors import DataError, ImageError
from umt_core.explain import attention
from umt_core.explain.provenance import provenance
from umt_core.explain.report import map_values, provenance_values
from umt_core.explain.report_html import ATTENTION
from umt_core.registry import CheckpointInfo
from umt_core.schema import MOST_WORDS, Example, Inspection, Prediction, Span
from umt_core.service.limits import HELD_PIXELS, REQUEST_PIXELS, Budget
from umt_core.service.models import CompareRequest, ExplainRequest, PredictRequest, Tweet
from umt_core.spans import spans_to_tags
from umt_core.upload import MOST_CHARACTERS

if TYPE_CHECKING:
    from umt_core.predict import Workbench

PARTS = (
    "Parts are the numbers that the tagger adds up, and no estimates. What a span needs is shown by leaving a part out "
    "and decoding again: a tagger trained without the part would have learned to do without it."
)


class UnknownCheckpointError(DataError):
    """A checkpoint that is not served."""


class Desk:
    """Answers what is asked of the checkpoints that are served, and of no others."""

    def __init__(self, engine: Engine, served: Sequence[str], find: Callable[[str], CheckpointInfo]) -> None:
        self.engine = engine
        self.served = tuple(served)
        self.find = find
        self.pixels = Budget(HELD_PIXELS, "pixels")

    def predict(self, asked: PredictRequest) -> dict[str, Any]:
        """Raises as ``reading`` and ``Engine.predict``."""
        names = self.chosen(asked.checkpoints)
        with self.reading(asked.tweets) as (examples, pictures):
            found = {name: self.engine.predict(name, examples, pictures) for name in names}
        return {
            "tweets": [
                {
                    "id": example.id,
                    "tokens": list(example.tokens),
                    "systems": [_reading(name, found[name][i], example) for name in names],
                }
                for i, example in enumerate(examples)
            ]
        }

    def compare(self, asked: CompareRequest) -> dict[str, Any]:
        """Raises as ``predict``, and ``DataError`` for gold spans that lie outside the tweet or overlap."""
        names = self.chosen(asked.checkpoints)
        with self.reading([asked.tweet]) as (examples, pictures):
            (example,) = examples
            gold = None if asked.gold is None else [Span(s.start, s.end, s.label) for s in asked.gold]
            if gold is not None:
                spans_to_tags(gold, len(example.tokens))  # refuses what is no set of spans of this tweet
            found = {name: self.engine.predict(name, examples, pictures)[0] for name in names}
        spans = {name: [scored.span for scored in prediction.spans] for name, prediction in found.items()}
        differing = differences(spans)
        lines = difference_lines(example.tokens, differing)
        return {
            "id": example.id,
            "tokens": list(example.tokens),
            "systems": [
                _reading(name, found[name], example) | {"against_gold": _matches(gold, spans[name], example)}
                for name in names
            ],
            "agreed": [_span(span, example) for span in sorted(set.intersection(*map(set, spans.values())))],
            "differing": [
                {
                    "start": found_here.start,
                    "end": found_here.end,
                    "text": words,
                    "kind": found_here.kind,
                    "readings": {name: [_span(span, example) for span in said] for name, said in found_here.readings},
                    "sentence": sentence,
                }
                for found_here, (words, sentence) in zip(differing, lines, strict=True)
            ],
        }

    def explain(self, asked: ExplainRequest) -> dict[str, Any]:
        """Raises as ``predict``, and ``DataError`` for a word that the tweet has not."""
        (name,) = self.chosen(None if asked.checkpoint is None else [asked.checkpoint])[:1]
        with self.reading([asked.tweet]) as (examples, pictures):
            (example,) = examples
            words = range(len(example.tokens)) if asked.words is None else list(dict.fromkeys(asked.words))
            if beyond := [word for word in words if word >= len(example.tokens)]:
                raise DataError(f"wanted words from 0 to {len(example.tokens) - 1}, got {beyond[0]}")

            def work(workbench: Workbench) -> dict[str, Any]:
                if failure := workbench.failures.get(name):
                    raise type(failure)(str(failure))  # as ``Engine.predict``
                predictor = workbench.predictors[name]
                inspection = predictor.inspect(example, pictures[0])
                parts = provenance(predictor.scoring, predictor.own_path(example, pictures[0]))
                return _inside(inspection, words) | {
                    "weights_sha256": predictor.loaded.info.manifest.weights_sha256,
                    "provenance": provenance_values(parts, example.tokens),
                    **_reading(name, inspection.prediction, example),
                }

            # One piece of work: a promotion in between cannot have two versions answer.
            said = self.engine.run([name], work)
        return {"id": example.id, "tokens": list(example.tokens), **said}

    def checkpoints(self) -> dict[str, Any]:
        """Raises ``CheckpointError`` where one of them cannot be read any more."""
        return {"checkpoints": [_served(self.find(name)) for name in self.served]}

    def chosen(self, names: Sequence[str] | None) -> list[str]:
        """Names of checkpoints, each once; ``UnknownCheckpointError`` if one is not served."""
        # A name may also be a folder's path to those that look for checkpoints: none but these get there.
        if unknown := [name for name in names or () if name not in self.served]:
            raise UnknownCheckpointError(f"wanted checkpoints of {', '.join(self.served)}; got {unknown[0]!r}")
        return list(dict.fromkeys(names or self.served))

    @contextmanager
    def reading(self, tweets: Sequence[Tweet]) -> Iterator[tuple[list[Example], list[Image.Image | None]]]:
        """Tweets and their pictures, whose memory is counted until all is answered.

        Raises:
            DataError: a tweet is too long or has no words, or the pictures together are too large.
            ImageError: a picture is none that we read.
            BusyError: others hold too many pictures now.
        """
        examples = [_example(tweet, f"tweet {i}") for i, tweet in enumerate(tweets, 1)]
        files = [_file(tweet, f"tweet {i}: picture") for i, tweet in enumerate(tweets, 1)]
        pixels = sum(map(_pixels, files))
        if pixels > REQUEST_PIXELS:
            raise DataError(f"wanted pictures of at most {REQUEST_PIXELS:,} pixels together, got {pixels:,}")
        with self.pixels.hold(pixels):
            pictures = [
                None if data is None else open_image(data, name=f"tweet {i}: picture")
                for i, data in enumerate(files, 1)
            ]
            yield examples, pictures


def _example(tweet: Tweet, where: str) -> Example:
    if bool(tweet.text) == bool(tweet.tokens):
        raise DataError(f"{where}: wanted either text or tokens, got {'both' if tweet.text else 'neither'}")
    words = tokenize(tweet.text) if tweet.text else None
    tokens = tuple(tweet.tokens) if words is None else words.tokens
    if not tokens:
        raise DataError(f"{where}: wanted at least one word, got none")
    if len(tokens) > MOST_WORDS or sum(map(len, tokens)) > MOST_CHARACTERS:
        most = f"at most {MOST_WORDS:,} words and {MOST_CHARACTERS:,} characters"
        raise DataError(f"{where}: wanted {most}, got {len(tokens):,} words and {sum(map(len, tokens)):,} characters")
    return Example(tweet.id, tokens, text=tweet.text or None, offsets=None if words is None else words.offsets)


def _file(tweet: Tweet, where: str) -> bytes | None:
    if tweet.picture is None:
        return None
    try:
        return base64.b64decode(tweet.picture, validate=True)
    except binascii.Error as error:
        raise ImageError(f"{where}: wanted base64, got: {str(error).lower()}") from error


def _pixels(data: bytes | None) -> int:
    """Of a picture's header; 0 where there is none, which opening it will say."""
    if data is None:
        return 0
    try:
        width, height = Image.open(BytesIO(data), formats=FORMATS).size
    except Exception:  # Pillow's decoders raise nearly anything on a damaged file
        return 0
    return int(width * height)


def _span(span: Span, example: Example) -> dict[str, Any]:
    values: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
    if example.text is None or example.offsets is None:
        return values | {"text": span.text(example.tokens), "start_char": None, "end_char": None}
    start, end = example.offsets[span.start][0], example.offsets[span.end - 1][1]
    return values | {"text": example.text[start:end], "start_char": start, "end_char": end}


def _reading(name: str, prediction: Prediction, example: Example) -> dict[str, Any]:
    return {
        "checkpoint": name,
        "tags": list(prediction.tags),
        "spans": [_span(s.span, example) | {"probability": float(s.score)} for s in prediction.spans],
        "notices": list(prediction.notices),
    }


def _matches(gold: Sequence[Span] | None, found: Sequence[Span], example: Example) -> list[dict[str, Any]] | None:
    if gold is None:
        return None
    return [
        {
            "gold": None if match.gold is None else _span(match.gold, example),
            "found": None if match.predicted is None else _span(match.predicted, example),
            "error": match.error,
        }
        for match in classify(gold, found)
    ]


def _inside(inspection: Inspection, words: Sequence[int]) -> dict[str, Any]:
    maps = attention.maps_of(inspection)
    gate = inspection.gate
    caveats = (ATTENTION if maps else "", attention.gate_caveat(inspection), PARTS)
    return {
        "system": inspection.system,
        "caveats": [*filter(None, caveats)],
        "attention": [map_values(inspection, of, words) for of in maps],
        "gate": None
        if gate is None
        else [{"mean": float(row.mean()), "standard_deviation": float(row.std())} for row in gate],
        "esd_tags": list(inspection.esd_decoded),
    }


def _served(info: CheckpointInfo) -> dict[str, Any]:
    manifest = info.manifest
    return {
        "name": info.name,
        "version": info.version,
        "system": manifest.system,
        "dataset": manifest.dataset,
        "text_encoder": manifest.model.text_encoder,
        "vision_encoder": manifest.model.vision_encoder if manifest.channels else None,
        "images": manifest.images,
        "weights_sha256": manifest.weights_sha256,
        "created": manifest.created,
        "scores": manifest.scores,
    }
