"""How well our tokeniser agrees with the data sets, which were published without raw text.

The raw text is guessed: the published tokens are set together as people write
(``rejoin``), split again, and compared with the published ones by their places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import regex  # type: ignore[import-untyped]

from umt_core.data.tokenize import DEFAULT_STYLE, Tokens, tokenize
from umt_core.schema import Example

_CLOSERS = frozenset(".,!?:;)]}%…’”")  # written against the word before
_OPENERS = frozenset("([{$£€“‘#")  # written against the word after
_QUOTES = frozenset("\"'")  # by turns an opener and a closer
# of I'm, don't, ...
_ENDINGS = frozenset(["s", "t", "m", "re", "ve", "ll", "d", "S", "T", "M", "RE", "VE", "LL", "D"])
_ORDINALS = frozenset(["st", "nd", "rd", "th", "am", "pm", "k", "m"])  # 5th, 7pm, 10k


def rejoin(tokens: Sequence[str], style: str = DEFAULT_STYLE) -> tuple[str, Tokens]:
    """A text that people may have written where the data set has these tokens, and their places in it.

    TWITTER-2015 left ``same-sex``, ``9/11`` and ``@name`` whole: there a lone ``-``, ``/`` or ``@``
    had spaces around it. TWITTER-2017 splits them, and we set them together.

    >>> rejoin(["#", "NBA", ":", "I", "'", "ll", "go", "-", "5", "th", "!", "!"])[0]
    "#NBA: I'll go-5th!!"
    """
    text, offsets = "", []
    open_quotes: set[str] = set()
    tight = True  # the token before wants no space after it
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else ""
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if style == "twitter2015" and token in {"-", "/", "@", "#"}:
            left = right = False
        else:
            left, right = _sides(before, token, after, open_quotes)
        if text and not (tight or left):
            text += " "
        offsets.append((len(text), len(text) + len(token)))
        text += token
        tight = right
    return text, Tokens(tuple(tokens), tuple(offsets))


def _sides(before: str, token: str, after: str, open_quotes: set[str]) -> tuple[bool, bool]:
    """Whether a token is written against the one before it, and the one after."""
    digits = before[-1:].isdigit() and after[:1].isdigit()
    words = before[-1:].isalnum() and after[:1].isalnum()
    if token in {"'", "’"} and words and after in _ENDINGS:
        return True, True
    if token in _QUOTES:
        closes = token in open_quotes
        open_quotes.symmetric_difference_update({token})
        return closes, not closes
    if token == "_":
        return bool(before), after[:1].isalnum()
    if token == "@":
        return False, after[:1].isalnum() or after[:1] == "_"
    if before in {"http", "https"} and token == ":":
        return True, True
    if token.startswith("//") or (token == "." and before.startswith("//")):
        return True, token == "."  # https://t.co/... , split by the tokeniser of TWITTER-2015
    if token in {"-", "/"} and before != "":
        return words, words
    if token in {".", ":", ","} and digits:
        return True, True
    if token.lower() in _ORDINALS and before.isdigit():
        return True, False
    if regex.fullmatch(r"[\p{M}\p{Cf}\p{Emoji_Modifier}]+", token):
        return True, "\u200d" in token
    if regex.fullmatch(r"\p{RI}", token):
        return bool(regex.fullmatch(r"\p{RI}", before)), False
    if token in _CLOSERS:
        return True, False
    return False, token in _OPENERS


def agreement(examples: Iterable[Example], style: str) -> dict[str, Any]:
    """How the tokens of ``rejoin``-ed tweets split in this style agree with the published ones.

    Counts of tweets and tokens, and as shares from 0 to 1 the F1 of tokens (right: the same
    first and last character), the tweets split exactly alike, those that are so but for emoji
    and accents (which we keep whole), and the entities whose borders are borders of our tokens.
    ``differences`` counts the commonest ``(theirs, ours)``.
    """
    tweets = exact = nearly = theirs = ours = same = entities = kept = 0
    differences: Counter[tuple[str, str]] = Counter()
    for example in examples:
        text, published = rejoin(example.tokens, style)
        split = tokenize(text, style)
        tweets += 1
        exact += split.offsets == published.offsets
        theirs += len(published.offsets)
        ours += len(split.offsets)
        same += len(set(split.offsets) & set(published.offsets))
        starts, ends = {a for a, _ in split.offsets}, {b for _, b in split.offsets}
        for span in example.spans or ():
            entities += 1
            kept += published.offsets[span.start][0] in starts and published.offsets[span.end - 1][1] in ends
        found = list(_differences(text, published, split))
        nearly += all(_is_one_sign(mine) for _, mine in found)
        differences.update(found)
    return {
        "tweets": tweets,
        "tokens": theirs,
        "token_f1": 2 * same / (theirs + ours) if theirs else 0.0,
        "tweets_exact": exact / tweets if tweets else 0.0,
        "tweets_exact_but_emoji": nearly / tweets if tweets else 0.0,
        "entities": entities,
        "entities_on_borders": kept / entities if entities else 0.0,
        "differences": differences.most_common(10),
    }


def _differences(text: str, published: Tokens, split: Tokens) -> Iterator[tuple[str, str]]:
    """The stretches that are split differently: as they are published, and as we split them."""
    shared = {end for _, end in published.offsets} & {end for _, end in split.offsets}
    for start, end in pairwise(sorted({0, len(text)} | shared)):
        theirs, ours = (
            " ".join(text[a:b] for a, b in side.offsets if start <= a and b <= end) for side in (published, split)
        )
        if theirs != ours:
            yield theirs, ours


def _is_one_sign(token: str) -> bool:
    return bool(regex.fullmatch(r"\X\p{Cf}*", token))
