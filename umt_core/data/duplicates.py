"""Tweets of different files that are nearly the same: they make a test set easier than it looks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

LIKE = 0.8  # of all words that either of two tweets has, the share that both have (Jaccard)
FEWEST = 4  # words; of less, nearly everything is like something


def near_duplicates(tweets: Iterable[tuple[str, str, Sequence[str]]]) -> Iterator[tuple[str, str, float]]:
    """Pairs of tweets from different files that share ``LIKE`` of their words, but are not word for word the same.

    Words are taken without regard to capitals, order and number; signs are left out.

    Args:
        tweets: name, file and tokens of each.

    Returns:
        the two names and the share, each pair once.

    >>> a = ("train:1", "train", "Big night in Oslo with Ann".split())
    >>> b = ("test:7", "test", "big night in Oslo with Ann tonight".split())
    >>> [(x, y, round(share, 2)) for x, y, share in near_duplicates([a, b])]
    [('train:1', 'test:7', 0.86)]
    """
    rows = [(name, file, tuple(tokens), _words(tokens)) for name, file, tokens in tweets]
    frequency = Counter(word for *_, words in rows for word in words)
    # A pair that shares enough of its words shares one of the rarest few of each (prefix filtering).
    holders: dict[str, list[int]] = defaultdict(list)
    for i, (name, file, tokens, words) in enumerate(rows):
        if len(words) < FEWEST:
            continue
        by_rarity = sorted(words, key=lambda word: (frequency[word], word))
        prefix = by_rarity[: len(words) - math.ceil(LIKE * len(words)) + 1]
        for j in sorted({j for word in prefix for j in holders[word]}):
            other, other_file, other_tokens, other_words = rows[j]
            if other_file != file and other_tokens != tokens:
                share = len(words & other_words) / len(words | other_words)
                if share >= LIKE:
                    yield other, name, share
        for word in prefix:
            holders[word].append(i)


def _words(tokens: Sequence[str]) -> frozenset[str]:
    return frozenset(token.casefold() for token in tokens if any(character.isalnum() for character in token))
