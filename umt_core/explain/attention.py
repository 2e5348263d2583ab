"""The maps between words and picture blocks, read from an ``Inspection``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from umt_core.errors import ConfigError
from umt_core.schema import REGIONS, Inspection

EVEN_SHARE = 1 / REGIONS  # what each block gets when a word prefers none
MOST_ENTROPY = math.log(REGIONS)  # nats, of that even row
MOST_BITS = math.log2(REGIONS)  # the same in bits, about 5.61
# What a tagger did with the picture that maps are drawn over, by its setting ``image_transform``.
READ_AS = {
    "resize": "saw it resized to 224 × 224",
    "released": "read a window of 224 × 224 of it, perhaps mirrored, so that maps say how much, but not where",
}


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """One of the paper's three maps, or the one of the systems it is compared with, and what it is good for.

    >>> [attention_map.feeds for attention_map in MAPS]
    ['Q', 'P', 'A', 'the visual context']
    """

    name: str  # the field of Inspection
    title: str
    feeds: str  # what the map makes, in the paper's letters
    meaning: str
    rows_are_words: bool  # whether a row of it, which sums to 1, belongs to a word or to a block
    gated: str = ""  # what the gate does with what it makes
    ungated: str = ""  # and where there is none, as in an ablation of Table 3

    def means(self, inspection: Inspection) -> str:
        """What the map is good for in a system that has it."""
        return " ".join(filter(None, (self.meaning, self.ungated if inspection.gate is None else self.gated)))


MAPS = (
    AttentionMap(
        "word_to_block",
        "word → block",
        "Q",
        "The word looks at the picture's blocks. What it gathers is Q, the word-aware picture (section 2.3.2).",
        rows_are_words=True,
        gated="The gate scales Q and nothing else.",
        ungated="This system has no gate: the word takes all of Q.",
    ),
    AttentionMap(
        "block_to_word",
        "block → word",
        "P",
        "Each block looks at the words. What it gathers is P, one text-aware vector for each block "
        "(section 2.3.1, first layer).",
        rows_are_words=False,
    ),
    AttentionMap(
        "word_to_image_aware_block",
        "word → text-aware block",
        "A",
        "The word looks at the blocks of P. What it gathers is A, the image-aware word (section 2.3.1, second layer).",
        rows_are_words=True,
        gated="A reaches the tagger whatever the gate does.",
        ungated="A reaches the tagger beside Q.",
    ),
    AttentionMap(
        "visual_attention",
        "text → block",
        "the visual context",
        "The text looks at the picture's blocks: the tweet as a whole in GVATT, so that all words have one map, each "
        "word in AdaCAN. What is gathered is mixed with the word, and a gate lets the mixture through.",
        rows_are_words=True,
    ),
)


def get_map(name: str) -> AttentionMap:
    """The map of this name; ``ConfigError`` if there is none."""
    for attention_map in MAPS:
        if attention_map.name == name:
            return attention_map
    raise ConfigError(f"wanted one of the maps {[m.name for m in MAPS]}, got {name!r}")


def maps_of(inspection: Inspection) -> tuple[AttentionMap, ...]:
    """The maps that the system has: none where it does not look at pictures."""
    return tuple(m for m in MAPS if getattr(inspection, m.name) is not None)


def heads(inspection: Inspection) -> int:
    """How many heads the maps have; 0 for a system that does not look at pictures."""
    return next((len(getattr(inspection, m.name)) for m in maps_of(inspection)), 0)


_GATE_OF_Q = (
    "A gate of 0 does not take the picture away: it only closes Q (word → block). "
    "The picture still reaches the word through A (word → text-aware block)."
)
_GATES = {
    "gvatt": "A gate of 0 does not take the picture away: it closes what is mixed of word and picture (m). "
    "The picture still has a say in how much of the word itself is kept.",
    "adacan": "It lets through what this tagger has gathered from the picture and, beside it, from the other words.",
}


def gate_caveat(inspection: Inspection) -> str:
    """What the gate of a system does and does not close; "": it has none."""
    if inspection.gate is None:
        return ""
    if inspection.word_to_image_aware_block is not None:
        return _GATE_OF_Q
    family = inspection.system.partition("-")[0]
    return _GATES.get(family, "It lets through what this tagger has gathered from the picture.")


def weights(inspection: Inspection, attention_map: AttentionMap, head: int | None = None) -> np.ndarray:
    """The map as (words, 49), of one head or (``None``) their mean.

    For block → word an entry is the share of the *block's* attention that the word gets.

    Raises:
        ConfigError: the system has no such map, or not as many heads.
    """
    array = getattr(inspection, attention_map.name)
    if array is None:
        raise ConfigError(f"wanted a system with the map {attention_map.title}, got {inspection.system}")
    if head is not None and not 0 <= head < len(array):
        raise ConfigError(f"wanted a head from 1 to {len(array)}, got {head + 1}")
    chosen: np.ndarray = array.mean(axis=0) if head is None else array[head]
    return chosen if attention_map.rows_are_words else chosen.T


def entropy(row: np.ndarray) -> float:
    """Entropy of a row in nats: 0 on one block alone, ``MOST_ENTROPY`` when spread evenly.

    >>> entropy(np.array([1.0, 0.0])), round(entropy(np.full(REGIONS, EVEN_SHARE)) / MOST_ENTROPY, 6)
    (0.0, 1.0)
    """
    positive = row[row > 0].astype(float)
    return float(abs((positive * np.log(positive)).sum()))


@dataclass(frozen=True, slots=True)
class Head:
    """What one head does with a word.

    Of a map whose rows are words: the entropy of the word's row over 49 blocks. Of block → word: the mean entropy over
    the 49 blocks of what each gives to the words, made to sum to 1 (a part of it goes to [CLS] and [SEP]).
    """

    head: int | None  # from 0; None: the mean over the heads, whose entropy is not the mean of theirs
    bits: float
    most_bits: float  # of an even row
    block: int  # that the word has most to do with, 0 to 48
    weight: float  # at that block
    row: np.ndarray  # (49,): the word's weight at each block


def heads_of_word(inspection: Inspection, attention_map: AttentionMap, word: int) -> list[Head]:
    """The mean and every head of a map at one word; errors as ``weights``."""
    rows = []
    for head in (None, *range(heads(inspection))):
        of_head = weights(inspection, attention_map, head)  # (words, 49)
        row = of_head[word]
        if attention_map.rows_are_words:
            bits, most = entropy(row) / math.log(2), MOST_BITS
        else:
            shares = of_head / np.maximum(of_head.sum(axis=0), 1e-12)
            bits, most = float(np.mean([entropy(s) for s in shares.T])) / math.log(2), math.log2(len(of_head))
        block = int(row.argmax())
        rows.append(Head(head, bits, most, block, float(row[block]), row))
    return rows


def row_sums(inspection: Inspection, attention_map: AttentionMap) -> tuple[float, float]:
    """The least and the most that a row of a map adds up to, over all heads and rows: a check.

    Over 49 blocks that is 1. A block's row is over the words alone here, and lacks what [CLS] and [SEP] have of it.
    """
    weights(inspection, attention_map)  # says if there is none
    sums = getattr(inspection, attention_map.name).astype(float).sum(axis=-1)
    return float(sums.min()), float(sums.max())
