"""Runs a tagger over many tweets: batches by length, nothing padded to the maximum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from umt_core.encoders.features import RegionFeatures
from umt_core.encoders.text import SubwordTokenizer
from umt_core.features import Batch, Encoded, encode_examples, make_batch
from umt_core.labels import WORD_TAGS
from umt_core.schema import Example
from umt_core.systems import Output, Tagger

Progress = Callable[[int, int], None]  # done, of how many
Part = Callable[[Sequence[list[int]]], Sequence[list[int]]]  # some of the batches


@dataclass(frozen=True, slots=True)
class TweetSet:
    """Tweets in numbers, with the regions of their pictures: what training and prediction run over."""

    examples: Sequence[Example]
    encoded: Sequence[Encoded]
    pad_id: int
    unk_id: int
    tagging: str
    features: RegionFeatures | None = None  # None: the system reads text only
    channels: int = 0
    characters: bool = False  # whether the system reads the words' characters
    own: int | None = None  # how many are of the tagger's own data set; those after them are of another; None: all
    teacher_marginals: Sequence[np.ndarray] | None = None  # of each tweet, (words, tags)

    def __len__(self) -> int:
        return len(self.examples)

    def regions(self, i: int) -> np.ndarray | None:
        """(49, channels) of a tweet's picture; ``None`` where it has none."""
        row = None if self.features is None else self.features.rows[i]
        return None if row is None or self.features is None else self.features.array[row]

    def batch(self, indices: Sequence[int], *, targets: bool = False, hide: Sequence[bool] | None = None) -> Batch:
        """A batch of the tweets at ``indices``; ``hide`` withholds the picture where true."""
        regions = None
        if self.channels:
            hidden = hide if hide is not None else [False] * len(indices)
            regions = [None if h else self.regions(i) for i, h in zip(indices, hidden, strict=True)]
        batch = make_batch(
            [self.encoded[i] for i in indices],
            pad_id=self.pad_id,
            regions=regions,
            channels=self.channels,
            targets=[self.examples[i] for i in indices] if targets else None,
            tagging=self.tagging,
            tokens=[self.examples[i].tokens for i in indices] if self.characters else None,
        )
        if self.own is not None:
            batch.other_set = torch.tensor(indices) >= self.own
        if self.teacher_marginals is not None:
            batch.teacher_marginals = _stack([self.teacher_marginals[i] for i in indices], batch.starts.shape[1])
        return batch

    def by_length(self, batch_size: int) -> list[list[int]]:
        """All indices in batches of tweets of like length; one without a word, which has nothing to tag, in none."""
        filled = [i for i in range(len(self)) if self.encoded[i].words]
        order = sorted(filled, key=lambda i: len(self.encoded[i].subwords))
        return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def _stack(rows: Sequence[np.ndarray], words: int) -> Tensor:
    """Marginals as (tweets, words, tags): rows beyond ``words`` are cut, rows that are missing are 0."""
    stacked = torch.zeros(len(rows), words, len(WORD_TAGS))
    for of, row in zip(stacked, rows, strict=True):
        read = torch.from_numpy(row[:words].astype(np.float32))
        of[: len(read)] = read
    return stacked


def make_tweet_set(
    examples: Sequence[Example],
    tokenizer: SubwordTokenizer,
    tagger: Tagger,
    *,
    features: RegionFeatures | None = None,
    channels: int | None = None,
) -> TweetSet:
    """Tweets as a tagger reads them. ``features`` and ``channels`` are for taggers that use images."""
    settings = tagger.settings
    return TweetSet(
        examples=examples,
        encoded=encode_examples(examples, tokenizer, settings.max_subwords),
        pad_id=tokenizer.pad_id,
        unk_id=tokenizer.unk_id,
        tagging=settings.tagging,
        features=features if tagger.uses_image else None,
        channels=(channels or 0) if tagger.uses_image else 0,
        characters=tagger.uses_characters,
    )


def word_tags(tags: Sequence[str], encoded: Encoded, tagging: str, length: int) -> list[str]:
    """One tag for each of the tweet's ``length`` words: O where the model did not read that far.

    Tags on subwords are read at each word's first; what is no BIO2 tag there is O.
    """
    if tagging == "subword":
        tags = [tags[start] for start in encoded.starts]
    read = [tag if tag[0] in "BI" else "O" for tag in tags]
    return read + ["O"] * (length - len(read))


def run(
    tagger: Tagger,
    tweets: TweetSet,
    device: torch.device,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
    of: Part | None = None,
) -> Iterator[tuple[list[int], Output]]:
    """Forward passes over all tweets, without gradients: indices of each batch, and its output.

    ``of`` takes some of the batches, where other processes take the others.
    """
    done = 0
    batches = tweets.by_length(batch_size)
    batches = list(of(batches)) if of else batches
    total = sum(map(len, batches))
    for indices in batches:
        with torch.inference_mode():
            yield indices, tagger(tweets.batch(indices).to(device))
        done += len(indices)
        if progress:
            progress(done, total)


def tag_all(
    tagger: Tagger,
    tweets: TweetSet,
    device: torch.device,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
    of: Part | None = None,
) -> list[list[str]]:
    """The tagger's tags, one for each word of each tweet; none where ``of``, as in ``run``, leaves a tweet out."""
    tags: list[list[str]] = [[] for _ in range(len(tweets))]
    for indices, output in run(tagger, tweets, device, batch_size=batch_size, progress=progress, of=of):
        for i, path in zip(indices, tagger.decode(output), strict=True):
            tags[i] = word_tags(path, tweets.encoded[i], tweets.tagging, len(tweets.examples[i].tokens))
    return tags
