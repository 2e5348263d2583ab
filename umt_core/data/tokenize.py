"""Raw tweet text to tokens, split the way the two data sets are.

The data sets were published as tokens, without raw text; their rules were read off the
files (docs/tokenisation.md shows how, and how well they agree):

- TWITTER-2017 splits at everything but letters: ``# NBA``, ``@ Ann_Lee``, ``I ' ll``,
  ``5 th``; numbers keep a decimal part and a comma (``21,``), a few emoticons stay whole.
  It holds no URL.
- TWITTER-2015 splits at white space, and at ``. , : ; ! ? " ' ( ) [ ] { } $ % + | ~ _ ^ =``
  ``#tag``, ``@name``, ``same-sex``, ``9/11`` and URLs stay whole.

In both we keep together what a reader sees as one: a URL, an emoji with all its parts
(TWITTER-2017 has each code point by itself), a letter and its accents. Characters without
width or glyph (zero-width space, marks of direction) belong to the token that they touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex  # type: ignore[import-untyped]  # Unicode properties and grapheme clusters, which re lacks

STYLES = ("twitter2017", "twitter2015")
DEFAULT_STYLE = "twitter2017"  # of the checkpoints that come with the project


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text and where each stands: ``text[start:end]``, in code points."""

    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]


_URL = r"(?:https?://|www\.|t\.co/|pic\.twitter\.com/)[!-~]*[\w/=#&+~-]"
_KEYCAP = r"[0-9#*]\ufe0f?\u20e3"
_EMOTICON = r"[:;]-?[()/](?!/)|[:;]-?[DOP](?!\w)"
_NUMBER = r"\d+(?:\.\d+|,\d*)?"
_WORD = r"[^\W\d][\w\p{M}\p{Cf}]*"
_ANY = r"(?!\s)\X"  # what a reader sees as one character: an emoji, a flag, a sign with its accents
_SPLIT = r""".,:;!?"'()\[\]{}$%+|~_^=`“”‘’"""


def _pattern(*alternatives: str) -> regex.Pattern[str]:
    # No width is no token of its own, unless nothing else is there.
    return regex.compile(rf"\p{{Cf}}*+(?:{'|'.join(alternatives)})\p{{Cf}}*|\p{{Cf}}+", regex.V1)


_PATTERNS: dict[str, regex.Pattern[str]] = {
    "twitter2017": _pattern(_URL, _KEYCAP, _EMOTICON, _NUMBER, _WORD, _ANY),
    "twitter2015": _pattern(r"https?:\S+", _URL, rf"[^\s{_SPLIT}]+", _ANY),
}


def tokenize(text: str, style: str = DEFAULT_STYLE) -> Tokens:
    """Tokens of a tweet: none is empty, and each character but white space is in exactly one.

    >>> tokenize("@NBA: I'll be in New-York 🎉").tokens
    ('@', 'NBA', ':', 'I', "'", 'll', 'be', 'in', 'New', '-', 'York', '🎉')
    >>> tokenize("@NBA: I'll be in New-York 🎉", "twitter2015").tokens
    ('@NBA', ':', 'I', "'", 'll', 'be', 'in', 'New-York', '🎉')

    Raises:
        KeyError: the style is none of ``STYLES``.
    """
    offsets = tuple(match.span() for match in _PATTERNS[style].finditer(text))
    return Tokens(tuple(text[start:end] for start, end in offsets), offsets)
