"""The loop that a first version of a tagger has, over the same weights: what our evaluation is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchcrf
from torch import Tensor

from umt_core.data.images import ImageIndex, open_image
from umt_core.features import Batch, Encoded, encode_examples
from umt_core.predict import Predictor
from umt_core.schema import REGIONS, Example

BATCH_SIZE = 16  # tweets (paper, section 3.1)


def plain_tags(predictor: Predictor, examples: Sequence[Example], images: ImageIndex) -> list[list[str]]:
    """Tags of tweets in the order they come, each padded to the maximum, each picture encoded anew."""
    tagger, tokenizer = predictor.loaded.tagger, predictor.loaded.tokenizer
    longest = tagger.settings.max_subwords
    tags: list[list[str]] = []
    for start in range(0, len(examples), BATCH_SIZE):
        chunk = examples[start : start + BATCH_SIZE]
        encoded = encode_examples(chunk, tokenizer, longest)
        batch = _padded(encoded, longest, tokenizer.pad_id)
        batch.regions = torch.stack([_regions(predictor, example, images) for example in chunk])
        with torch.inference_mode():
            output = tagger(batch)
            paths = torchcrf.CRF.decode(tagger.crf, output.emissions, output.mask)
        for example, path in zip(chunk, paths, strict=True):
            names = [tagger.tag_set.tags[i] for i in path]
            tags.append(names + ["O"] * (len(example.tokens) - len(names)))
    return tags


def _padded(encoded: Sequence[Encoded], length: int, pad_id: int) -> Batch:
    def rows(values: Sequence[Sequence[int]], padding: int) -> Tensor:
        return torch.tensor([[*row, *[padding] * (length - len(row))] for row in values])

    subwords = rows([e.subwords for e in encoded], pad_id)
    words = torch.tensor([e.words for e in encoded])
    return Batch(
        subwords=subwords,
        mask=torch.arange(length) < torch.tensor([len(e.subwords) for e in encoded])[:, None],
        shapes=rows([e.shapes for e in encoded], 0),
        starts=rows([e.starts for e in encoded], 0),
        word_mask=torch.arange(length) < words[:, None],
    )


def _regions(predictor: Predictor, example: Example, images: ImageIndex) -> Tensor:
    """(49, channels) of the tweet's picture, zeros where it has none."""
    vision, path = predictor.vision, images.path(example.image)
    if vision is None:
        raise ValueError("wanted a tagger that uses images")
    if path is None:
        return torch.zeros(REGIONS, vision.channels)
    # In half precision and back, as taggers see them in training and ever after.
    return vision(vision.pixels(open_image(path))[None])[0].half().float()
