"""From examples to the tensors that systems read: subwords, word shapes, targets, regions.

Shapes: a batch holds ``batch`` tweets, padded to its longest: ``subwords`` with [CLS] and
[SEP], ``words`` without. Nothing is padded to the maximum length.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from umt_core.labels import CLS, CONTINUATION, SEP, SUBWORD_TAGS, WORD_TAGS, esd_tag
from umt_core.schema import REGIONS, Example
from umt_core.spans import spans_to_tags

if TYPE_CHECKING:
    from umt_core.encoders.text import SubwordTokenizer

SHAPES: tuple[str, ...] = (
    "none",  # [CLS], [SEP], padding
    "lower",  # house
    "Capitalised",  # House
    "UPPER",  # NBA (two letters and more)
    "U",  # a single capital: A, J
    "mixed",  # iPhone, McDonald
    "Capitalised-digit",  # Covid19
    "UPPER-digit",  # F1
    "lower-digit",  # 4th
    "digits",  # 2017
    "hash",  # #
    "at",  # @
    "punctuation",
    "symbol",  # emoji and the like
    "caseless",  # letters of scripts without case
    "Capitalised-first",  # as Capitalised, at the start of the tweet
)
SHAPE_IDS = {name: i for i, name in enumerate(SHAPES)}


CHARACTERS = "".join(map(chr, range(33, 127)))  # printable ASCII
CHARACTER_IDS = {character: i for i, character in enumerate(CHARACTERS, start=2)}  # 0: none, 1: any other
CHARACTER_COUNT = len(CHARACTERS) + 2
MOST_CHARACTERS = 30  # of a word that are read; longer ones are addresses


def character_ids(token: str) -> list[int]:
    """A token's characters as numbers, capitals and all; accents are left off.

    >>> character_ids("Zoé") == character_ids("Zoe"), character_ids("🎉"), character_ids("")
    (True, [1], [1])
    """
    plain = (unicodedata.normalize("NFKD", character)[0] for character in token[:MOST_CHARACTERS])
    return [CHARACTER_IDS.get(character, 1) for character in plain] or [1]


def word_shape(token: str, *, first: bool = False) -> str:
    """The class of a token's written form, which an uncased encoder cannot see.

    >>> word_shape("NBA"), word_shape("Paris"), word_shape("Paris", first=True), word_shape("iPhone"), word_shape("#")
    ('UPPER', 'Capitalised', 'Capitalised-first', 'mixed', 'hash')
    """
    if token.startswith("#"):
        return "hash"
    if token.startswith("@"):
        return "at"
    letters = [c for c in token if c.isalpha()]
    digits = any(c.isdigit() for c in token)
    if not letters:
        if digits:
            return "digits"
        punctuation = any(unicodedata.category(c).startswith("P") for c in token)
        return "punctuation" if punctuation else "symbol"
    if all(c.isupper() for c in letters):
        return "UPPER-digit" if digits else "U" if len(letters) == 1 else "UPPER"
    if not any(c.isupper() for c in letters):
        if not any(c.islower() for c in letters):
            return "caseless"
        return "lower-digit" if digits else "lower"
    if letters[0].isupper() and not any(c.isupper() for c in letters[1:]):
        return "Capitalised-digit" if digits else "Capitalised-first" if first else "Capitalised"
    return "mixed"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One tweet in numbers, [CLS] and [SEP] included."""

    subwords: tuple[int, ...]
    shapes: tuple[int, ...]  # of the word each subword belongs to
    starts: tuple[int, ...]  # position of each read word's first subword
    words: int  # tokens that were read; a longer tweet is cut here


def encode_example(example: Example, tokenizer: SubwordTokenizer, max_subwords: int) -> Encoded:
    """Subwords of a tweet, word by word; words that do not fit whole are cut."""
    return encode_examples([example], tokenizer, max_subwords)[0]


def encode_examples(examples: Sequence[Example], tokenizer: SubwordTokenizer, max_subwords: int) -> list[Encoded]:
    """``encode_example`` of many."""
    encoded = []
    for example in examples:
        # A word takes at least one subword, so that no more words than this can be read.
        pieces = tokenizer.encode_words(example.tokens[: max_subwords - 2])
        ids, shapes = [tokenizer.cls_id], [0]
        starts: list[int] = []
        for i, (token, word) in enumerate(zip(example.tokens, pieces, strict=False)):
            room = max_subwords - 1 - len(ids)
            # The first word is read in part rather than not at all.
            if len(word) > room and starts:
                break
            starts.append(len(ids))
            ids.extend(word[:room])
            shapes.extend([SHAPE_IDS[word_shape(token, first=i == 0)]] * len(word[:room]))
        ids.append(tokenizer.sep_id)
        shapes.append(0)
        encoded.append(Encoded(tuple(ids), tuple(shapes), tuple(starts), len(starts)))
    return encoded


@dataclass(slots=True)
class Batch:
    """What a system reads."""

    subwords: Tensor  # (batch, subwords) int64
    mask: Tensor  # (batch, subwords) bool, True at real subwords
    shapes: Tensor  # (batch, subwords) int64, index into SHAPES
    starts: Tensor  # (batch, words) int64, position of each word's first subword
    word_mask: Tensor  # (batch, words) bool
    regions: Tensor | None = None  # (batch or pictures, 49, channels) float32; zeros where a tweet has no picture
    tags: Tensor | None = None  # (batch, words or subwords) int64, targets
    esd_tags: Tensor | None = None  # the same for ESD
    characters: Tensor | None = None  # (batch, words, characters) int64, see ``character_ids``; 0: there is none
    other_set: Tensor | None = None  # (batch,) bool, True at tweets of another data set than the tagger's own
    teacher_marginals: Tensor | None = None  # (batch, words, tags) float32, P(tag); zeros: not read by a teacher
    embedded: Tensor | None = None  # (batch, subwords, embedding), read in place of ``subwords`` and ``shapes``
    pictures: Tensor | None = None  # (batch,) int64: so many of ``regions``, in turn, are each tweet's; None: one each

    def for_each_picture(self, values: Tensor) -> Tensor:
        """What was read of the tweets' text alone, once for each of their pictures: (batch, …) → (pictures, …)."""
        return values if self.pictures is None else values.repeat_interleave(self.pictures, dim=0)

    def per_picture(self) -> Batch:
        """The batch with a row for each picture: what a system goes on with where text and pictures have met."""
        if self.pictures is None:
            return self
        rows: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            rows[f.name] = value if value is None or f.name == "regions" else self.for_each_picture(value)
        return Batch(**rows | {"pictures": None})

    def rows(self, which: slice) -> Batch:
        """Some tweets of a batch whose tweets have a picture each; its widths stay."""
        taken: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            taken[f.name] = None if value is None else value[which]
        return Batch(**taken)

    def to(self, device: torch.device) -> Batch:
        moved: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            moved[f.name] = None if value is None else value.to(device, non_blocking=True)
        return Batch(**moved)


def hide_words(batch: Batch, share: float, unk_id: int, rng: np.random.Generator) -> None:
    """Replace a share of the words, whole, by the unknown subword and character; their shapes stay."""
    hidden = torch.from_numpy(rng.random(batch.starts.shape) < share) & batch.word_mask  # (batch, words)
    word = word_of_subword(batch)
    batch.subwords[(word >= 0) & hidden.gather(1, word.clamp(min=0))] = unk_id
    if batch.characters is not None:
        batch.characters[hidden] = torch.tensor(_row(character_ids(""), batch.characters.shape[2], 0))


def word_of_subword(batch: Batch) -> Tensor:
    """The word that each subword belongs to, (batch, subwords); -1 at [CLS], [SEP] and padding."""
    positions = torch.arange(batch.subwords.shape[1], device=batch.mask.device)
    positions = positions.expand_as(batch.subwords).contiguous()
    beyond = batch.starts.masked_fill(~batch.word_mask, batch.subwords.shape[1])
    word = torch.searchsorted(beyond, positions, right=True) - 1  # -1 at [CLS]
    inside = batch.mask & (positions < batch.mask.sum(1, keepdim=True) - 1)  # the last is [SEP]
    return word.masked_fill(~inside, -1)


def word_means(values: Tensor, batch: Batch) -> Tensor:
    """The mean over each word's subwords: (batch, subwords, d) -> (batch, words, d)."""
    words = torch.arange(batch.starts.shape[1], device=values.device)
    belongs = (word_of_subword(batch)[:, None] == words[:, None]).to(values.dtype)  # (batch, words, subwords)
    return belongs @ values / belongs.sum(-1, keepdim=True).clamp(min=1)


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([_row(row, width, value) for row in rows], dtype=torch.int64)


def _row(values: Sequence[int], width: int, value: int) -> list[int]:
    return [*values, *[value] * (width - len(values))]


def _mask(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]


def make_batch(
    encoded: Sequence[Encoded],
    *,
    pad_id: int,
    regions: Sequence[np.ndarray | None] | None = None,
    channels: int = 0,
    targets: Sequence[Example] | None = None,
    tagging: str = "word",
    tokens: Sequence[Sequence[str]] | None = None,
) -> Batch:
    """Pad tweets to the longest among them.

    Args:
        regions: per tweet (49, channels), or ``None`` for a tweet without picture; ``None`` for text-only systems.
        channels: of the vision encoder; needed where all pictures are missing.
        targets: the labelled examples, where losses are wanted.
        tagging: ``"word"`` or ``"subword"``, as in ``ModelSettings``.
        tokens: the tweets' tokens, for systems that read their characters.
    """
    batch = Batch(
        subwords=_pad([e.subwords for e in encoded], pad_id),
        mask=_mask([len(e.subwords) for e in encoded]),
        shapes=_pad([e.shapes for e in encoded], 0),
        starts=_pad([e.starts for e in encoded], 0),
        word_mask=_mask([e.words for e in encoded]),
    )
    if regions is not None:
        batch.regions = stack_regions(regions, channels)
    if targets is not None:
        tags, esd = zip(
            *(_target_ids(e, example, tagging) for e, example in zip(encoded, targets, strict=True)),
            strict=True,
        )
        batch.tags, batch.esd_tags = _pad(tags, 0), _pad(esd, 0)
    if tokens is not None:
        batch.characters = _characters(encoded, tokens)
    return batch


def stack_regions(regions: Sequence[np.ndarray | None], channels: int) -> Tensor:
    """Regions of several pictures, each (49, channels), as (pictures, 49, channels), float32; zeros for no picture."""
    stacked = np.zeros((len(regions), REGIONS, channels), np.float32)
    for row, of_picture in zip(stacked, regions, strict=True):
        if of_picture is not None:
            row[:] = of_picture
    return torch.from_numpy(stacked)


def _characters(encoded: Sequence[Encoded], tokens: Sequence[Sequence[str]]) -> Tensor:
    rows = [[character_ids(token) for token in of[: e.words]] for e, of in zip(encoded, tokens, strict=True)]
    width = max((len(ids) for row in rows for ids in row), default=1)
    words = max(e.words for e in encoded)
    return torch.tensor(
        [[_row(ids, width, 0) for ids in [*row, *[[]] * (words - len(row))]] for row in rows], dtype=torch.int64
    ).view(len(rows), words, width)


_WORD_IDS = {tag: i for i, tag in enumerate(WORD_TAGS.tags)}
_WORD_ESD_IDS = {"O": 0, "B": 1, "I": 2}
_SUBWORD_IDS = {tag: i for i, tag in enumerate(SUBWORD_TAGS.tags)}
_SUBWORD_ESD_IDS = {"O": 1, "B": 2, "I": 3, CONTINUATION: 4, CLS: 5, SEP: 6}


def _target_ids(encoded: Encoded, example: Example, tagging: str) -> tuple[list[int], list[int]]:
    # From spans, not from the file's spelling: an orphan I- becomes the B- it is read as.
    tags = spans_to_tags(example.spans or (), len(example.tokens))[: encoded.words]
    if tagging == "word":
        return [_WORD_IDS[t] for t in tags], [_WORD_ESD_IDS[esd_tag(t)] for t in tags]
    row = [CONTINUATION] * len(encoded.subwords)
    row[0], row[-1] = CLS, SEP
    for start, tag in zip(encoded.starts, tags, strict=True):
        row[start] = tag
    return [_SUBWORD_IDS[t] for t in row], [_SUBWORD_ESD_IDS[esd_tag(t)] for t in row]
