"""Predictor: a trained tagger that reads tweets and pictures. Workbench: several of them, side by side."""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from umt_core.checkpoint import Loaded, check_encoder, load_checkpoint
from umt_core.data.images import ImageIndex
from umt_core.devices import mixed_type, pick_device, quick_answers
from umt_core.encoders.features import FeatureCache, FeatureStore, RegionFeatures, encode_occluded
from umt_core.encoders.packed import pack_linears
from umt_core.encoders.text import TextEncoder, load_text_encoder
from umt_core.encoders.vision import VisionEncoder, load_vision_encoder
from umt_core.errors import CheckpointError, DataError, UmtError, first_line, is_out_of_memory
from umt_core.features import Batch, Encoded, stack_regions
from umt_core.labels import WORD_TAGS, TagSet
from umt_core.manifest import Manifest
from umt_core.model.chain import Scoring
from umt_core.model.crf import Posterior
from umt_core.registry import CheckpointInfo, find_checkpoint
from umt_core.schema import (
    GRID,
    Answer,
    Example,
    Inspection,
    OwnPath,
    Prediction,
    RawScores,
    ScoredSpan,
    Span,
    Summary,
)
from umt_core.spans import spans_to_tags, tags_to_spans
from umt_core.systems import Output, Tagger
from umt_core.tagging import Progress, TweetSet, make_tweet_set, run, tag_all, word_tags

T = TypeVar("T")
V = TypeVar("V")

Images = ImageIndex | RegionFeatures | Sequence[Image.Image | None] | None

NO_PICTURE = (
    "no picture: the tagger gets 49 blocks of zeros, so that its attention over blocks is even and tells nothing"
)


@dataclass(slots=True)
class Predictor:
    """A checkpoint on a device. It keeps no tweet; threads may share it one call at a time."""

    loaded: Loaded
    device: torch.device
    vision: VisionEncoder | None  # None: the system reads text only
    cache: FeatureCache = field(default_factory=FeatureCache)

    @classmethod
    def load(
        cls,
        name: str | Path | CheckpointInfo,
        device: str = "auto",
        *,
        encoder: TextEncoder | None = None,
        vision: VisionEncoder | None = None,
        mixed: bool = False,
    ) -> Self:
        """A predictor of a checkpoint's name (``twitter2017/umt-bert-crf``) or folder, or of one that was found.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            encoder, vision: encoders that are loaded already.
            mixed: on CUDA multiply in 16 bits; elsewhere it changes nothing. ``UMT_PRECISION=auto`` asks for it
                on every processor that is quicker so.

        Raises:
            CheckpointError: there is no such checkpoint, or it is damaged.
            BackboneError: an encoder it needs is missing or damaged.
            ConfigError: there is no such device, or ``UMT_PRECISION`` is not known.
        """
        where, quick = pick_device(device), quick_answers()
        loaded = load_checkpoint(name, where, encoder=encoder)
        if quick or (mixed and where.type == "cuda"):
            _multiply_in_16_bits(loaded.tagger, where)
        if where.type == "cpu":
            pack_linears(loaded.tagger)
        settings = loaded.tagger.settings
        if loaded.tagger.uses_image and vision is None:
            vision = load_vision_encoder(settings.vision_encoder, transform=settings.image_transform).to(where)
        if loaded.tagger.uses_image and vision is not None:
            check_encoder(loaded.info, settings.vision_encoder, vision.weights_sha256)
        return cls(loaded, where, vision if loaded.tagger.uses_image else None)

    @property
    def name(self) -> str:
        """Of the checkpoint."""
        return self.loaded.info.name

    @property
    def system(self) -> str:
        return self.loaded.tagger.name

    @property
    def info(self) -> dict[str, Any]:
        """What a reader wants to know of a loaded model; sizes in bytes."""
        tagger, manifest = self.loaded.tagger, self.loaded.info.manifest
        tensors = [*tagger.parameters(), *tagger.buffers()]
        return {
            "name": self.name,
            "system": self.system,
            "device": str(self.device),
            "parameters": sum(p.numel() for p in tagger.parameters()),
            "memory_bytes": sum(t.numel() * t.element_size() for t in tensors),
            "text_encoder": tagger.settings.text_encoder,
            "vision_encoder": tagger.settings.vision_encoder if self.vision else None,
            "images": manifest.images,
            "dataset": manifest.dataset,
            "scores": manifest.scores,
        }

    def regions(self, examples: Sequence[Example], images: Images, progress: Progress | None = None) -> RegionFeatures:
        """Regions of the tweets' pictures: of an ``ImageIndex`` kept on disk, of pictures in memory kept there."""
        if self.vision is None or images is None:
            return RegionFeatures.none(len(examples))
        if isinstance(images, RegionFeatures):  # computed already
            return images
        if isinstance(images, ImageIndex):
            paths = [images.path(example.image) for example in examples]
            return FeatureStore().features_for(paths, self.vision, progress=progress)
        if len(images) != len(examples):
            raise DataError(f"wanted a picture or None for each of {len(examples)} tweets, got {len(images)}")
        found = self.cache.get_or_compute_all(images, self.vision)
        rows = iter(range(len(found)))
        array = np.stack([f for f in found if f is not None]) if any(f is not None for f in found) else np.zeros(0)
        return RegionFeatures(array, tuple(None if f is None else next(rows) for f in found), {})

    def picture_regions(
        self, pictures: Sequence[Image.Image | None], *, progress: Progress | None = None
    ) -> list[np.ndarray | None]:
        """Regions (49, channels) of pictures in memory, float16, remembered; ``None`` for ``None``, or of text only."""
        found: list[np.ndarray | None] = []
        for picture in pictures:
            if self.vision is None or picture is None:
                found.append(None)
            else:
                found.append(self.cache.get_or_compute(picture, self.vision))
            if progress:
                progress(len(found), len(pictures))
        return found

    def occluded_regions(self, picture: Image.Image, *, progress: Progress | None = None) -> np.ndarray:
        """Regions of a picture with each of its blocks painted over, see ``encode_occluded``.

        Raises:
            DataError: the system reads text only.
        """
        if self.vision is None:
            raise DataError(f"{self.name}: wanted a system that looks at pictures, this one reads text only")
        return encode_occluded(self.vision, picture, batch_size=GRID, progress=progress)

    def predict(
        self,
        examples: Sequence[Example],
        images: Images = None,
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Entities of each tweet, with their probabilities.

        Args:
            images: where the tweets' pictures are (an ``ImageIndex``), or one picture or ``None``
                for each tweet, or ``None``: no tweet has a picture. Regions that this predictor's
                vision encoder has made of the tweets' pictures (``RegionFeatures``) are taken as they are.

        Raises:
            DataError: as many pictures as tweets were wanted.
        """
        return self._predict(examples, images, batch_size, progress, summaries=False)[0]

    def predict_and_summarise(
        self,
        examples: Sequence[Example],
        images: Images = None,
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> tuple[list[Prediction], list[Summary | None]]:
        """``predict``, and the inside of the model in a few figures for each tweet (``None``: it has no words)."""
        return self._predict(examples, images, batch_size, progress, summaries=True)

    def _predict(
        self,
        examples: Sequence[Example],
        images: Images,
        batch_size: int,
        progress: Progress | None,
        *,
        summaries: bool,
    ) -> tuple[list[Prediction], list[Summary | None]]:
        features = self.regions(examples, images)
        found: dict[int, Prediction] = {}
        summed: dict[int, Summary] = {}
        tweets = self._tweet_set(examples, features)
        for indices, output in run(self.loaded.tagger, tweets, self.device, batch_size=batch_size, progress=progress):
            posterior = self.loaded.tagger.crf.posterior(output.emissions, output.mask)
            for row, (i, tags) in enumerate(zip(indices, self.loaded.tagger.decode(output), strict=True)):
                encoded = tweets.encoded[i]
                words = word_tags(tags, encoded, tweets.tagging, len(examples[i].tokens))
                notices = self._notices(examples[i], encoded, features.rows[i] is not None, features.unreadable.get(i))
                found[i] = self._prediction(examples[i], words, encoded, posterior, row, notices)
            if summaries:
                of_batch = summarise([tweets.encoded[i] for i in indices], output, posterior, tweets.tagging)
                summed.update(zip(indices, of_batch, strict=True))
        predictions = [found.get(i) or Prediction(e.id, (), (), (), ("no words",)) for i, e in enumerate(examples)]
        return predictions, [summed.get(i) for i in range(len(examples))]

    def tags(
        self, examples: Sequence[Example], images: Images = None, *, progress: Progress | None = None
    ) -> list[list[str]]:
        """Tags alone, for scoring: faster than ``predict``, and the same answer."""
        tweets = self._tweet_set(examples, self.regions(examples, images))
        return tag_all(self.loaded.tagger, tweets, self.device, progress=progress)

    def marginals(
        self, examples: Sequence[Example], images: Images = None, *, progress: Progress | None = None
    ) -> list[np.ndarray]:
        """P(tag) of the words of each tweet that are read: (words, tags of ``WORD_TAGS``), float32."""
        tweets = self._tweet_set(examples, self.regions(examples, images))
        crf, tags = self.loaded.tagger.crf, self.loaded.tagger.tag_set
        columns = [tags.id(tag) for tag in WORD_TAGS.tags[1:]]
        found = [np.zeros((0, len(WORD_TAGS)), np.float32)] * len(examples)
        for indices, output in run(self.loaded.tagger, tweets, self.device, progress=progress):
            of_batch = _array(crf.posterior(output.emissions, output.mask).marginals)
            for i, values in zip(indices, of_batch, strict=True):
                encoded = tweets.encoded[i]
                at = list(encoded.starts) if tweets.tagging == "subword" else list(range(encoded.words))
                entity = values[at][:, columns]  # (words, 8)
                # What is no tag of an entity is O, whatever the released tags call it.
                outside = np.clip(1 - entity.sum(1, keepdims=True), 0, 1)
                found[i] = np.concatenate([outside, entity], axis=1)
        return found

    @property
    def scoring(self) -> Scoring:
        """What turns ``raw_scores`` into tags."""
        tagger: Any = self.loaded.tagger
        if not tagger.uses_esd:
            return Scoring(tagger.tag_set.tags, tagger.crf.chain)
        return Scoring(
            tagger.tag_set.tags,
            tagger.crf.chain,
            tagger.esd_tag_set.tags,
            tagger.esd_crf.chain,
            None if tagger.conversion is None else _array(tagger.conversion.matrix).astype(np.float64),
            0.5 if tagger.settings.esd_mix == "mean" else 1.0,
        )

    def raw_scores(
        self, examples: Sequence[Example], images: Images = None, *, progress: Progress | None = None
    ) -> list[RawScores]:
        """The scores of each tweet before anything is added up or decoded, see ``RawScores``."""
        tweets = self._tweet_set(examples, self.regions(examples, images))
        tagger = self.loaded.tagger
        esd = np.zeros((0, len(tagger.esd_tag_set)), np.float32) if tagger.uses_esd else None
        empty = RawScores(np.zeros((0, len(tagger.tag_set)), np.float32), esd, np.zeros(0, np.int64))
        found = [empty] * len(examples)  # of a tweet without a word
        for indices, output in run(tagger, tweets, self.device, progress=progress):
            for row, i in enumerate(indices):
                found[i] = _raw(output, row, tweets.encoded[i], tweets.tagging)
        return found

    def own_path(self, example: Example, image: Image.Image | None = None) -> OwnPath:
        """One tweet's raw scores, with what the tagger itself makes of them.

        Raises:
            DataError: the tweet has no word.
        """
        _need_words([example])
        tweets = self._tweet_set([example], self.regions([example], [image]))
        crf = self.loaded.tagger.crf
        with torch.inference_mode():
            output = self.loaded.tagger(tweets.batch([0]).to(self.device))
            path = crf.best_paths(output.emissions, output.mask)
            score = crf.path_scores(output.emissions, torch.tensor(path, device=self.device), output.mask)
        return OwnPath(_raw(output, 0, tweets.encoded[0], tweets.tagging), np.array(path[0]), float(score[0]))

    def with_pictures(
        self,
        examples: Sequence[Example],
        pictures: Sequence[Sequence[np.ndarray | None]],
        asked: Sequence[Sequence[Span]] | None = None,
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[list[Answer]]:
        """What the tagger says of each tweet beside each of several pictures. The text is read once for all of them.

        Pictures of a tweet that are the same, number by number, are one row of a batch, and a system that reads
        text only has one row for all of them: what does not depend on the picture is equal bit by bit.

        Args:
            pictures: for each tweet regions (49, channels), ``None`` for no picture.
            asked: for each tweet the spans whose probabilities are wanted; by default those that are found beside
                its first picture.
            batch_size: rows of a batch; the pictures of one tweet are never parted.

        Raises:
            DataError: a tweet without a word or without any picture, or as many lists as tweets were wanted.
        """
        if len(pictures) != len(examples) or not all(pictures) or not all(e.tokens for e in examples):
            raise DataError("wanted at least one picture, or None, for each of the tweets, and a word in each tweet")
        rows = [_distinct(of if self.vision else [None] * len(of)) for of in pictures]
        tweets = self._tweet_set(examples, RegionFeatures.none(len(examples)))
        answers: dict[int, list[Answer]] = {}
        for indices in _filled(tweets.by_length(1), rows, batch_size):
            batch = tweets.batch(indices)
            if self.vision is not None:
                batch.pictures = torch.tensor([len(rows[i][0]) for i in indices])
                of_batch = [regions for i in indices for regions in rows[i][0]]
                batch.regions = stack_regions(of_batch, self.vision.channels)
            with torch.inference_mode():
                output = self.loaded.tagger(batch.to(self.device))
            posterior = self.loaded.tagger.crf.posterior(output.emissions, output.mask)
            decoded, first = self.loaded.tagger.decode(output), 0
            for i in indices:
                distinct, place = rows[i]
                wanted = None if asked is None else asked[i]
                span = range(first, first + len(distinct))
                of_tweet = self._answers(examples[i], tweets.encoded[i], distinct, posterior, decoded, span, wanted)
                answers[i] = [of_tweet[row] for row in place]
                first += len(distinct)
            if progress:
                progress(len(answers), len(examples))
        return [answers[i] for i in range(len(examples))]

    def _answers(
        self,
        example: Example,
        encoded: Encoded,
        regions: Sequence[np.ndarray | None],
        posterior: Posterior,
        decoded: Sequence[Sequence[str]],
        rows: range,
        asked: Sequence[Span] | None,
    ) -> list[Answer]:
        """The answers in the rows of a batch that are one tweet's."""
        tagging, predictions = self.loaded.tagger.settings.tagging, []
        for row, of_row in zip(rows, regions, strict=True):
            words = word_tags(decoded[row], encoded, tagging, len(example.tokens))
            notices = self._notices(example, encoded, of_row is not None, None)
            predictions.append(self._prediction(example, words, encoded, posterior, row, notices))
        # A span that was found is asked about as it was found: on subwords it may open with an I-.
        found = predictions[0]
        spans = [scored.span for scored in found.spans] if asked is None else asked
        tags = [found.tags if asked is None else spans_to_tags([span], span.end) for span in spans]
        return [
            Answer(
                prediction,
                tuple(
                    # 0 where the tagger did not read that far
                    self._probability(span, of_span, encoded, posterior, row) if span.end <= encoded.words else 0.0
                    for span, of_span in zip(spans, tags, strict=True)
                ),
            )
            for row, prediction in zip(rows, predictions, strict=True)
        ]

    def read_tweet(self, example: Example, regions: np.ndarray | None) -> tuple[Batch, Encoded]:
        """One tweet as the tagger reads it, a batch of one on its device. ``regions``: (49, channels), ``None``: none.

        Raises:
            DataError: the tweet has no word.
        """
        _need_words([example])
        tweets = self._tweet_set([example], RegionFeatures.none(1))
        batch = tweets.batch([0])
        if self.vision is not None:
            batch.regions = stack_regions([regions], self.vision.channels)
        return batch.to(self.device), tweets.encoded[0]

    def span_log_odds(self, output: Output, encoded: Encoded, span: Span, tags: Sequence[str] | None = None) -> Tensor:
        """log P - log(1 - P) of the probability that a span's score is, with its gradient: (rows,), float64.

        ``output`` is of rows that are one tweet, as it is and changed. ``tags``: the tweet's tags where the span was
        found, for taggers on subwords.
        """
        crf, ids = self.loaded.tagger.crf, self.loaded.tagger.tag_set
        if self.loaded.tagger.settings.tagging == "word":
            opening, inside = ids.id(f"B-{span.label}"), ids.id(f"I-{span.label}")
            return crf.span_log_odds(output.emissions, output.mask, span.start, span.end, opening, inside)
        of_span = spans_to_tags([span], span.end) if tags is None else tags
        words = [
            crf.tag_log_odds(output.emissions, output.mask, encoded.starts[i], ids.id(of_span[i]))
            for i in range(span.start, span.end)
        ]
        return torch.stack(words).amin(0)

    def inspect(self, example: Example, image: Image.Image | None = None) -> Inspection:
        """One tweet's prediction and the inside of the model, see ``Inspection``.

        Raises:
            DataError: the tweet has no word.
        """
        return self.inspect_many([example], [image])[0]

    def inspect_many(self, examples: Sequence[Example], images: Images = None) -> list[Inspection]:
        """``inspect`` of several tweets in one batch, padded to the longest: what each would get alone.

        Raises:
            DataError: a tweet has no word, or as many pictures as tweets were wanted.
        """
        return self._inspect(examples, self.regions(examples, images))

    def inspect_regions(self, example: Example, regions: np.ndarray | None) -> Inspection:
        """``inspect``, where the picture's regions (49, channels) are known already; ``None``: no picture."""
        known = RegionFeatures.none(1) if regions is None else RegionFeatures(regions[None], (0,), {})
        return self._inspect([example], known)[0]

    def _inspect(self, examples: Sequence[Example], regions: RegionFeatures) -> list[Inspection]:
        """``inspect_many``, where the pictures' regions are computed already."""
        _need_words(examples)
        if not examples:
            return []
        began = time.perf_counter()
        tagger = self.loaded.tagger
        tweets = self._tweet_set(examples, regions)
        with torch.inference_mode():
            output = tagger(tweets.batch(range(len(examples))).to(self.device))
        posterior = tagger.crf.posterior(output.emissions, output.mask)
        marginals, emissions, decoded = _array(posterior.marginals), _array(output.emissions), tagger.decode(output)
        parts = self._parts(output)
        found = []
        for row, (example, encoded) in enumerate(zip(examples, tweets.encoded, strict=True)):
            has_image = regions.rows[row] is not None
            words = word_tags(decoded[row], encoded, tweets.tagging, len(example.tokens))
            notices = self._notices(example, encoded, has_image, None)
            reader = _Reader(encoded, tweets.tagging, row)
            inspection = Inspection(
                system=self.system,
                checkpoint=self.name,
                prediction=self._prediction(example, words, encoded, posterior, row, notices),
                tags=tagger.tag_set.tags,
                marginals=reader.words(marginals),
                emissions=reader.words(emissions),
                has_image=has_image,
                **self._inside(parts, reader),
            )
            found.append(inspection)
        seconds = (time.perf_counter() - began) / len(examples)
        return [replace(inspection, seconds=seconds) for inspection in found]

    def _tweet_set(self, examples: Sequence[Example], regions: RegionFeatures) -> TweetSet:
        channels = self.vision.channels if self.vision else None
        return make_tweet_set(examples, self.loaded.tokenizer, self.loaded.tagger, features=regions, channels=channels)

    def _parts(self, output: Output) -> _Parts:
        """What systems show of themselves, of a whole batch: brought over from the device once."""
        esd: _EsdParts | None = None
        if output.esd_emissions is not None:
            tagger: Any = self.loaded.tagger
            esd = _EsdParts(
                _array(tagger.esd_crf.posterior(output.esd_emissions, output.mask).marginals),
                _array(output.esd_emissions),
                tagger.esd_crf.best_paths(output.esd_emissions, output.mask),
                _if_there(output.converted_esd, _array),
                None if output.converted_esd is None else _array(tagger.conversion.matrix),
            )
        mmi, fused = output.interaction, output.fused
        return _Parts(
            word_to_block=None if mmi is None else _array(mmi.word_to_block),
            block_to_word=None if mmi is None else _if_there(mmi.block_to_word, _array),
            word_to_image_aware_block=None if mmi is None else _if_there(mmi.word_to_image_aware_block, _array),
            gate=None if mmi is None else _if_there(mmi.gate, _array),
            fused_attention=None if fused is None else _array(fused.attention),
            fused_gate=None if fused is None else _array(fused.gate),
            main_emissions=_if_there(output.main_emissions, _array),
            esd=esd,
        )

    def _inside(self, parts: _Parts, reader: _Reader) -> dict[str, Any]:
        """One tweet's share of the parts, as fields of ``Inspection``."""
        inside: dict[str, Any] = {
            "word_to_block": _if_there(parts.word_to_block, reader.from_words),
            "block_to_word": _if_there(parts.block_to_word, reader.to_words),
            "word_to_image_aware_block": _if_there(parts.word_to_image_aware_block, reader.from_words),
            "gate": _if_there(parts.gate, reader.first_subwords),
            "main_emissions": _if_there(parts.main_emissions, reader.words),
        }
        if parts.fused_attention is not None and parts.fused_gate is not None:
            inside |= {
                "visual_attention": reader.words(parts.fused_attention)[None],
                "gate": reader.words(parts.fused_gate),
            }
        if (esd := parts.esd) is not None:
            tags: TagSet = self.loaded.tagger.esd_tag_set
            names = [tags.tags[i] for i in esd.paths[reader.row]]
            inside |= {
                "esd_tags": tags.tags,
                "esd_marginals": reader.words(esd.marginals),
                "esd_emissions": reader.words(esd.emissions),
                "esd_decoded": tuple(word_tags(names, reader.encoded, reader.tagging, reader.encoded.words)),
                "converted_esd": _if_there(esd.converted, reader.words),
                "conversion": esd.conversion,
            }
        return inside

    def _prediction(
        self,
        example: Example,
        tags: Sequence[str],
        encoded: Encoded,
        posterior: Posterior,
        row: int,
        notices: tuple[str, ...],
    ) -> Prediction:
        spans = tuple(
            ScoredSpan(span, self._probability(span, tags, encoded, posterior, row)) for span in tags_to_spans(tags)
        )
        return Prediction(example.id, example.tokens, spans, tuple(tags), notices)

    def _probability(self, span: Span, tags: Sequence[str], encoded: Encoded, posterior: Posterior, row: int) -> float:
        ids = self.loaded.tagger.tag_set
        if self.loaded.tagger.settings.tagging == "word":
            opening, inside = ids.id(f"B-{span.label}"), ids.id(f"I-{span.label}")
            return posterior.span_probability(row, span.start, span.end, opening, inside)
        # On subwords an entity is broken up by X tags; its least certain word bounds it from above.
        return min(
            posterior.tag_probability(row, encoded.starts[i], ids.id(tags[i])) for i in range(span.start, span.end)
        )

    def _notices(self, example: Example, encoded: Encoded, has_image: bool, unreadable: str | None) -> tuple[str, ...]:
        notices = []
        if encoded.words < len(example.tokens):
            notices.append(
                f"read the first {encoded.words} of {len(example.tokens)} words: this tagger reads "
                f"{self.loaded.tagger.settings.max_subwords} subwords, and says O for the rest"
            )
        if unreadable:
            notices.append(unreadable)
        if self.vision is not None and not has_image:
            notices.append(NO_PICTURE)
        return tuple(notices)


@dataclass(slots=True)
class Workbench:
    """Several predictors over one tweet; they share the vision encoder and the frozen embeddings."""

    predictors: dict[str, Predictor]
    crew: ThreadPoolExecutor | None = None  # None: the taggers run one after the other
    failures: dict[str, UmtError] = field(default_factory=dict)  # of the checkpoints that were left out, by name

    @classmethod
    def load(
        cls,
        names: Sequence[str | Path | CheckpointInfo],
        device: str = "auto",
        *,
        leave_out: bool = False,
        mixed: bool = False,
    ) -> Self:
        """Predictors of several checkpoints.

        Args:
            leave_out: note a checkpoint that cannot be loaded in ``failures``, and load the others. One that does
                not fit the memory is a ``CheckpointError`` as well.
            mixed: as ``Predictor.load``.

        Raises:
            UmtError: as ``Predictor.load``; with ``leave_out`` only where there is no such device.
        """
        pick_device(device)  # no such device: no checkpoint's fault
        predictors: dict[str, Predictor] = {}
        failures: dict[str, UmtError] = {}
        texts: dict[str, TextEncoder] = {}
        visions: dict[tuple[str, str], VisionEncoder] = {}
        cache = FeatureCache()

        def add(name: str | Path | CheckpointInfo) -> None:
            manifest = find_checkpoint(name).manifest
            settings = manifest.model
            if settings.text_encoder not in texts:
                texts[settings.text_encoder] = load_text_encoder(settings.text_encoder)
            encoder = _twin(texts[settings.text_encoder], manifest)
            vision = visions.get((settings.vision_encoder, settings.image_transform)) if manifest.channels else None
            predictor = Predictor.load(name, device, encoder=encoder, vision=vision, mixed=mixed)
            predictor.cache = cache
            if predictor.vision:
                visions[settings.vision_encoder, settings.image_transform] = predictor.vision
            predictors[predictor.name] = predictor

        for name in names:
            known = name.name if isinstance(name, CheckpointInfo) else str(name)
            try:
                add(name)
            except UmtError as error:
                if not leave_out:
                    raise
                # Anew: one that was raised holds frames, and they hold what was loaded, in a circle with what is here.
                failures[known] = type(error)(str(error))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                line = f"{known}: wanted memory on {device} to load it, got: {first_line(error)}"
                if not leave_out:
                    raise CheckpointError(line) from error
                failures[known] = CheckpointError(line)
        on_cpu = all(predictor.device.type == "cpu" for predictor in predictors.values())
        return cls(predictors, _make_crew(len(predictors)) if on_cpu else None, failures)

    def inspect(self, example: Example, image: Image.Image | None = None) -> Mapping[str, Inspection]:
        """What each tagger says of a tweet, by checkpoint name."""
        return self.inspect_many([example], [image])[0]

    def inspect_many(
        self, examples: Sequence[Example], images: Sequence[Image.Image | None]
    ) -> list[dict[str, Inspection]]:
        """``inspect`` of several tweets, each tagger's and each vision encoder's in one batch.

        Raises:
            DataError: a tweet has no word, or as many pictures as tweets were wanted.
        """
        regions: dict[VisionEncoder | None, RegionFeatures] = {}  # one reading of the pictures for each encoder
        answers: dict[str, Callable[[], list[Inspection]]] = {}
        # Who reads text alone begins first and need not wait for the pictures.
        for name, predictor in sorted(self.predictors.items(), key=lambda row: row[1].vision is not None):
            if predictor.vision not in regions:
                regions[predictor.vision] = predictor.regions(examples, images)
            ask = partial(predictor._inspect, examples, regions[predictor.vision])
            answers[name] = self.crew.submit(ask).result if self.crew else ask
        by_name = {name: answers[name]() for name in self.predictors}
        return [{name: by_name[name][i] for name in self.predictors} for i in range(len(examples))]

    def only(self, names: Sequence[str]) -> Workbench:
        """A workbench of some of these predictors, which are shared with it, not copied."""
        failures = {name: error for name, error in self.failures.items() if name in names}
        return Workbench(
            {name: self.predictors[name] for name in names if name in self.predictors}, self.crew, failures
        )


def _need_words(examples: Sequence[Example]) -> None:
    if not all(example.tokens for example in examples):
        raise DataError("wanted a tweet with at least one word, got none")


def _multiply_in_16_bits(tagger: Tagger, device: torch.device) -> None:
    # The vision encoder stays as it is: its regions are kept on disk, where training reads them.
    kind = mixed_type(device)
    if kind is not None:
        # The method itself would hold its tagger, which holds what is made here: only the collector frees a circle.
        method = weakref.WeakMethod(tagger.forward)

        def forward(batch: Batch) -> Output:
            plain = method()
            assert plain is not None  # who calls holds the tagger
            return plain(batch)

        tagger.forward = torch.autocast(device.type, kind)(forward)  # type: ignore[method-assign]


def _twin(published: TextEncoder, manifest: Manifest) -> TextEncoder:
    """A copy of an encoder for a checkpoint to put its weights into; what it does not change is not copied."""
    kept: list[Tensor] = []
    if manifest.model.adapter_rank:
        kept = list(published.parameters())
    elif not manifest.train.train_embeddings:
        kept = [published.model.get_input_embeddings().get_parameter("weight")]
    twin = copy.deepcopy(published, {id(weight): weight for weight in kept})
    shared = {id(weight) for weight in kept}
    for weight in twin.parameters():
        if id(weight) not in shared:
            weight.requires_grad_(True)  # the published one is held still where another checkpoint shares it
    return twin


def _make_crew(taggers: int) -> ThreadPoolExecutor | None:
    """Threads with torch's cores shared out among them: small forwards gain less from many cores than from company."""
    cores = torch.get_num_threads()
    workers = min(taggers, cores)
    if workers < 2:
        return None
    crew = ThreadPoolExecutor(workers, "tagger", initializer=_take_cores, initargs=(cores // workers,))
    everyone = threading.Barrier(workers + 1)  # the executor starts a thread only while none is idle
    for _ in range(workers):
        crew.submit(everyone.wait)
    everyone.wait()
    torch.set_num_threads(cores)  # a thread's setting also holds for all that come later
    return crew


def _take_cores(count: int) -> None:
    """Have this thread's forwards use so many cores."""
    torch.set_num_threads(count)
    torch.get_num_threads()  # a thread's first question sets it up by what holds for all: ask before that changes


def _distinct(pictures: Sequence[np.ndarray | None]) -> tuple[list[np.ndarray | None], list[int]]:
    """The pictures that differ, and for each picture which of them it is."""
    rows: dict[bytes | None, int] = {}
    kept: list[np.ndarray | None] = []
    place = []
    for picture in pictures:
        content = None if picture is None else picture.tobytes()
        if content not in rows:
            rows[content] = len(kept)
            kept.append(picture)
        place.append(rows[content])
    return kept, place


def _filled(
    order: Sequence[Sequence[int]], rows: Sequence[tuple[Sequence[Any], Any]], size: int
) -> Iterator[list[int]]:
    """Tweets, in their order, in batches of about ``size`` rows."""
    batch: list[int] = []
    for (i,) in order:
        batch.append(i)
        if sum(len(rows[j][0]) for j in batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


@torch.inference_mode()
def summarise(encoded: Sequence[Encoded], output: Output, posterior: Posterior, tagging: str) -> list[Summary]:
    """Figures of a batch's tweets, which must be those of the output, in its order."""
    counts = torch.tensor([tweet.words for tweet in encoded], device=output.mask.device)
    words = torch.arange(int(counts.max()), device=counts.device) < counts[:, None]  # (batch, words)
    padded = [[*tweet.starts, *[0] * (words.shape[1] - tweet.words)] for tweet in encoded]
    starts = torch.tensor(padded, device=counts.device)

    def at_words(values: Tensor) -> Tensor:
        # (batch, subwords, d) -> (batch, words, d)
        return values.gather(1, starts[..., None].expand(-1, -1, values.shape[-1]))

    def mean(values: Tensor) -> Tensor:
        # (batch, words) -> (batch,)
        return (values * words).sum(1) / counts

    marginals = posterior.marginals if tagging == "word" else at_words(posterior.marginals)
    best = marginals.topk(2, dim=-1).values
    margins = (best[..., 0] - best[..., 1]).masked_fill(~words, torch.inf)
    columns = {"margin": margins.amin(1)}
    gate: Tensor | None = None  # (batch, words, hidden)
    if (fused := output.fused) is not None:
        attention, gate = (value if tagging == "word" else at_words(value) for value in (fused.attention, fused.gate))
        columns["entropy_word_to_block"] = mean(_entropies(attention[:, None]))
    if (mmi := output.interaction) is not None:
        gate = _if_there(mmi.gate, at_words)
        for name in ("word_to_block", "word_to_image_aware_block"):
            if (attention := getattr(mmi, name)) is not None:
                columns[f"entropy_{name}"] = mean(at_words(_entropies(attention)[..., None])[..., 0])
        if mmi.block_to_word is not None:
            columns["entropy_block_to_word"] = _entropies(mmi.block_to_word).mean(1)
    if gate is not None:
        of_word, square = gate.float().mean(-1), gate.float().square().mean(-1)  # (batch, words)
        columns |= {
            "gate_mean": mean(of_word),
            "gate_std": (mean(square) - mean(of_word).square()).clamp(min=0).sqrt(),
            "gate_lowest": of_word.masked_fill(~words, torch.inf).amin(1),
            "gate_highest": of_word.masked_fill(~words, -torch.inf).amax(1),
        }
    rows = zip(*(column.float().tolist() for column in columns.values()), strict=True)
    return [Summary(**dict(zip(columns, row, strict=True))) for row in rows]


def _entropies(attention: Tensor) -> Tensor:
    # (batch, heads, query, key) -> (batch, query), nats
    return torch.special.entr(attention.float()).sum(-1).mean(1)


@dataclass(frozen=True, slots=True)
class _EsdParts:
    """Of a batch's span detector; ``n`` as in ``Output``."""

    marginals: np.ndarray  # (batch, n, esd tags)
    emissions: np.ndarray  # (batch, n, esd tags)
    paths: list[list[int]]
    converted: np.ndarray | None  # (batch, n, tags)
    conversion: np.ndarray | None  # (esd tags, tags)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a batch's ``Output`` shows, as arrays; ``None``: the system has no such part."""

    word_to_block: np.ndarray | None  # (batch, heads, subwords, 49)
    block_to_word: np.ndarray | None  # (batch, heads, 49, subwords)
    word_to_image_aware_block: np.ndarray | None  # (batch, heads, subwords, 49)
    gate: np.ndarray | None  # (batch, subwords, hidden)
    fused_attention: np.ndarray | None  # (batch, n, 49)
    fused_gate: np.ndarray | None  # (batch, n, hidden)
    main_emissions: np.ndarray | None  # (batch, n, tags)
    esd: _EsdParts | None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one tweet's values word by word out of a batch's, whatever its tags are on.

    What it gives is copied: a view would hold the whole batch for as long as the tweet's answer is remembered.
    """

    encoded: Encoded
    tagging: str
    row: int

    def words(self, scores: np.ndarray) -> np.ndarray:
        # (batch, n, tags) -> (words, tags)
        if self.tagging == "subword":
            return self.first_subwords(scores)
        return scores[self.row, : self.encoded.words].copy()

    def first_subwords(self, values: np.ndarray) -> np.ndarray:
        # (batch, subwords, d) -> (words, d)
        found: np.ndarray = values[self.row, list(self.encoded.starts)]
        return found

    def from_words(self, attention: np.ndarray) -> np.ndarray:
        # (batch, heads, subwords, 49) -> (heads, words, 49)
        found: np.ndarray = attention[self.row][:, list(self.encoded.starts)]
        return found

    def to_words(self, attention: np.ndarray) -> np.ndarray:
        # (batch, heads, 49, subwords) -> (heads, 49, words): a word has what its subwords have together
        inside = attention[self.row][:, :, : len(self.encoded.subwords) - 1]  # the last is [SEP]
        return np.add.reduceat(inside, self.encoded.starts, axis=-1)


def _raw(output: Output, row: int, encoded: Encoded, tagging: str) -> RawScores:
    """The scores of one tweet of a batch."""
    n = int(output.mask[row].sum())
    main = output.emissions if output.main_emissions is None else output.main_emissions
    return RawScores(
        _array(main[row, :n]),
        _if_there(output.esd_emissions, lambda esd: _array(esd[row, :n])),
        np.array(encoded.starts) if tagging == "subword" else np.arange(encoded.words),
    )


def _if_there(value: V | None, read: Callable[[V], T]) -> T | None:
    """What is read of a part that a system may not have."""
    return None if value is None else read(value)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
