"""The maps between words and picture blocks, read from an ``Inspection``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from umt_core.errors import ConfigError
from umt_core.schema import REGIONS, Inspection

EVEN_SHARE = 1 / REGIONS  # what each block gets when a word prefers none
MOST_ENTROPY = math.log(REGIONS)  # nats, of that even row


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


MAPS = (
    AttentionMap(
        "word_to_block",
        "word → block",
        "Q",
        "The word looks at the picture's blocks. What it gathers is Q, the word-aware picture; "
        "the gate scales Q and nothing else (section 2.3.2).",
        rows_are_words=True,
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
        "The word looks at the blocks of P. What it gathers is A, the image-aware word; "
        "it reaches the tagger whatever the gate does (section 2.3.1, second layer).",
        rows_are_words=True,
    ),
    AttentionMap(
        "visual_attention",
        "text → block",
        "the visual context",
        "The text looks at the picture's blocks: the tweet as a whole in GVATT, so that all words have one map, each "
        "word in AdaCAN. What is gathered reaches the word through a gate.",
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
