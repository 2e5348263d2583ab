"""Tweets and pictures as vectors, by frozen encoders: what relevance is learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from umt_core.devices import pick_device
from umt_core.encoders.features import FeatureCache, FeatureStore
from umt_core.encoders.text import SubwordTokenizer, TextEncoder, load_text_encoder, load_tokenizer
from umt_core.encoders.vision import VisionEncoder, load_vision_encoder
from umt_core.explain.contrastive import Pairs
from umt_core.features import encode_examples, make_batch
from umt_core.schema import Example

Progress = Callable[[str, int, int], None]  # of what, done, of how many
MAX_SUBWORDS = 128


@dataclass(slots=True)
class Encoders:
    """The frozen encoders: tweets and pictures as vectors."""

    text: TextEncoder
    tokenizer: SubwordTokenizer
    vision: VisionEncoder
    device: torch.device
    cache: FeatureCache = field(default_factory=FeatureCache)

    @classmethod
    def load(cls, text: str, vision: str, device: str = "auto") -> Self:
        """Errors as ``load_text_encoder``, ``load_vision_encoder`` and ``pick_device``."""
        where = pick_device(device)
        return cls(
            load_text_encoder(text).to(where).eval(), load_tokenizer(text), load_vision_encoder(vision).to(where), where
        )

    @torch.inference_mode()
    def texts(self, examples: Sequence[Example], progress: Progress | None = None, batch_size: int = 64) -> Tensor:
        """Mean state of each tweet's subwords, [CLS] and [SEP] among them: (tweets, hidden), float32."""
        encoded = encode_examples(examples, self.tokenizer, min(MAX_SUBWORDS, self.text.max_length))
        vectors = torch.zeros(len(examples), self.text.hidden_size)
        order = torch.tensor(sorted(range(len(examples)), key=lambda i: len(encoded[i].subwords)), dtype=torch.int64)
        done = 0
        for indices in order.split(batch_size) if len(order) else ():
            batch = make_batch([encoded[i] for i in indices], pad_id=self.tokenizer.pad_id).to(self.device)
            states = self.text(batch.subwords, batch.mask.long())  # (batch, subwords, hidden)
            mask = batch.mask[..., None].to(states.dtype)
            vectors[indices] = ((states * mask).sum(1) / mask.sum(1)).float().cpu()
            done += len(indices)
            if progress:
                progress("tweets", done, len(examples))
        return vectors

    def picture(self, image: Image.Image) -> Tensor:
        """Mean region of a picture, (channels,), float32."""
        return torch.from_numpy(self.cache.get_or_compute(image, self.vision).astype(np.float32).mean(0))

    def pairs(
        self, examples: Sequence[Example], paths: Sequence[Path | None], progress: Progress | None = None
    ) -> tuple[Pairs, list[int]]:
        """The tweets whose picture can be read, and which of the examples they are.

        Args:
            paths: of each tweet's picture. Pairs of one call have the same number for the same picture; another call
                may number them anew, as the store of regions may have let some go.
        """

        def report(done: int, total: int) -> None:
            if progress:
                progress("pictures", done, total)

        regions = FeatureStore().features_for(paths, self.vision, progress=report)
        kept = [i for i, row in enumerate(regions.rows) if row is not None and examples[i].tokens]
        rows = torch.tensor([regions.rows[i] for i in kept], dtype=torch.int64)
        means = {row: torch.from_numpy(regions.array[row].astype(np.float32).mean(0)) for row in set(rows.tolist())}
        pictures = [means[row] for row in rows.tolist()]
        stacked = torch.stack(pictures) if pictures else torch.zeros(0, self.vision.channels)
        return Pairs(self.texts([examples[i] for i in kept], progress), stacked, rows), kept

    @property
    def sums(self) -> dict[str, str | None]:
        """SHA-256 of the weights, by encoder."""
        return {encoder.name: encoder.weights_sha256 for encoder in (self.text, self.vision)}
