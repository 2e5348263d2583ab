"""Other wordings of a tweet, and which of its entities is which in them. Free of torch, and of gold labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

import numpy as np

from umt_core.errors import ConfigError
from umt_core.explain.counterfactuals import Change, change
from umt_core.schema import Span

# Names of ours to put in the place of others: common and invented ones, of one word and of more.
NAMES: Mapping[str, tuple[str, ...]] = {
    "PER": ("Maria Keller", "Tom Osei", "Ingrid", "Ravi Chandran", "Jonas Halvorsen"),
    "LOC": ("Lisbon", "Lake Tahoe", "Nairobi", "West Harbour", "Ulm"),
    "ORG": ("Northwind Bank", "Ajax", "Helios Energy", "UNICEF", "Granite Records"),
    "MISC": ("Oktoberfest", "Harbour Lights", "Eurovision", "Galaxy S9", "Winter Games"),
}
CASES: Mapping[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "UPPER CASE": str.upper,
    "Title Case": lambda token: token[:1].upper() + token[1:].lower(),
}
_URL = re.compile(r"https?:|www\.|t\.co/|pic\.twitter\.com/", re.IGNORECASE)
OWN = "your wording"  # name of one that somebody wrote
DROPS = {"mentions": "@", "hashtags": "#", "URLs": ""}


@dataclass(frozen=True)
class Edit:
    """Another wording: its words, and which stand for which of the tweet.

    ``blocks`` are ``(start, end, new start, new end)``, from left to right: those words of the tweet became those
    of the wording. All words between blocks stayed as they were.
    """

    name: str  # for people
    before: tuple[str, ...]
    tokens: tuple[str, ...]
    blocks: tuple[tuple[int, int, int, int], ...]

    @property
    def changes_nothing(self) -> bool:
        return self.tokens == self.before

    @cached_property
    def edges(self) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Where each word of the tweet, and each of the wording, lies on a line that both share.

        The words of a block share its stretch of the line evenly, so that a name of three words and the one of two
        in its place begin and end together. Words that have no counterpart lie between those that have.
        """
        old: list[tuple[int, int]] = []
        new: list[tuple[int, int]] = []
        place = i = 0
        for start, end, new_start, new_end in (*self.blocks, (len(self.before),) * 2 + (len(self.tokens),) * 2):
            for _ in range(start - i):  # the same on both sides
                old.append((place, place + 1))
                new.append((place, place + 1))
                place += 1
            olds, news = end - start, new_end - new_start
            width = max(1, olds) * max(1, news)
            old += [(place + k * width // olds, place + (k + 1) * width // olds) for k in range(olds)]
            new += [(place + k * width // news, place + (k + 1) * width // news) for k in range(news)]
            place += width if olds or news else 0
            i = end
        return tuple(old), tuple(new)

    def forward(self, span: Span) -> Span | None:
        """The words of the wording that stand exactly for a span of the tweet; ``None``: there are none."""
        return _carry(span, *self.edges)

    def back(self, span: Span) -> Span | None:
        """The words of the tweet that a span of the wording stands exactly for; ``None``: there are none."""
        return _carry(span, *reversed(self.edges))

    def change(self, before: Sequence[Span], after: Sequence[Span]) -> Change:
        """What became of the tweet's spans in the wording; each of either side is in it once."""
        olds = {_on_line(span, self.edges[0]): span for span in before}
        news = {_on_line(span, self.edges[1]): span for span in after}
        found = change(list(olds), list(news))
        return Change(
            kept=tuple(olds[span] for span in found.kept),
            changed=tuple((olds[a], news[b]) for a, b in found.changed),
            lost=tuple(olds[span] for span in found.lost),
            gained=tuple(news[span] for span in found.gained),
        )


def _on_line(span: Span, edges: Sequence[tuple[int, int]]) -> Span:
    return Span(edges[span.start][0], edges[span.end - 1][1], span.label)


def _carry(span: Span, edges: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> Span | None:
    on_line = _on_line(span, edges)
    start = next((i for i, (left, _) in enumerate(others) if left == on_line.start), None)
    end = next((i for i, (_, right) in enumerate(others) if right == on_line.end), None)
    return None if start is None or end is None or end < start else Span(start, end + 1, span.label)


# --- edits -----------------------------------------------------------------------------------------


def replace(name: str, tokens: Sequence[str], pieces: Sequence[tuple[int, int, Sequence[str]]]) -> Edit:
    """Puts words into the place of others: ``(start, end, words)``, from left to right and apart from each other."""
    made: list[str] = []
    blocks = []
    last = 0
    for start, end, words in pieces:
        made += tokens[last:start]
        blocks.append((start, end, len(made), len(made) + len(words)))
        made += words
        last = end
    return Edit(name, tuple(tokens), (*made, *tokens[last:]), tuple(blocks))


def change_case(tokens: Sequence[str], how: str) -> Edit:
    """All words in another case, of ``CASES`` (``ConfigError``: there is none of this name).

    >>> change_case(("at", "the", "NBA"), "Title Case").tokens
    ('At', 'The', 'Nba')
    """
    if how not in CASES:
        raise ConfigError(f"wanted a case of {list(CASES)}, got {how!r}")
    changed = [CASES[how](token) for token in tokens]
    pieces = [(i, i + 1, [word]) for i, word in enumerate(changed) if word != tokens[i]]
    return replace(how, tokens, pieces)


def drop(tokens: Sequence[str], what: str) -> Edit:
    """Leaves out mentions, hashtags or URLs (``DROPS``), the sign and what it stands before.

    >>> drop(("RT", "@", "ann", ":", "see", "#NBA", "https://t.co/x"), "mentions").tokens
    ('RT', ':', 'see', '#NBA', 'https://t.co/x')

    Raises:
        ConfigError: it is none of them.
    """
    if what not in DROPS:
        raise ConfigError(f"wanted one of {list(DROPS)}, got {what!r}")
    gone = sorted(url_words(tokens)) if what == "URLs" else [i for i, _ in enumerate(tokens) if _is(what, tokens, i)]
    return replace(f"without {what}", tokens, [(i, i + 1, []) for i in gone])


def url_words(tokens: Sequence[str]) -> set[int]:
    """Which tokens are of a URL, which TWITTER-2015 has in pieces.

    >>> sorted(url_words(("see", "https", ":", "//t", ".", "co/x1", ".", "It", "https://t.co/x2")))
    [1, 2, 3, 4, 5, 8]
    """
    found = {i for i, token in enumerate(tokens) if _URL.match(token)}
    for i, (scheme, colon, host) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if scheme.lower() in ("http", "https") and colon == ":" and host.startswith("//"):
            last = i + 2
            # A dot goes on with the host; behind its slash a dot is the sentence's.
            while "/" not in tokens[last].removeprefix("//") and [*tokens[last + 1 : last + 2]] == ["."]:
                last = min(last + 2, len(tokens) - 1)
            found.update(range(i, last + 1))
    return found


def _is(what: str, tokens: Sequence[str], i: int) -> bool:
    sign = DROPS[what]
    # One word with its sign, as in TWITTER-2015, or the sign by itself and a word after it, as in TWITTER-2017.
    named = i > 0 and tokens[i - 1] == sign and tokens[i][:1].isalnum()
    return (
        (tokens[i].startswith(sign) and len(tokens[i]) > 1)
        or named
        or (tokens[i] == sign and i + 1 < len(tokens) and tokens[i + 1][:1].isalnum())
    )


def swap(tokens: Sequence[str], span: Span, name: str) -> Edit:
    """Another name in the place of a span.

    >>> edit = swap(("in", "New", "York", "!"), Span(1, 3, "LOC"), "Ulm")
    >>> edit.tokens, edit.forward(Span(1, 3, "LOC"))
    (('in', 'Ulm', '!'), Span(start=1, end=2, label='LOC'))
    """
    was = " ".join(tokens[span.start : span.end])
    return replace(f"{was} → {name}", tokens, [(span.start, span.end, name.split())])


def rewrite(before: Sequence[str], after: Sequence[str], name: str = OWN) -> Edit:
    """A wording that somebody wrote; which words stand for which is found by difflib, capitals or not."""
    old, new = ([word.casefold() for word in words] for words in (before, after))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    blocks = []
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what != "equal":
            blocks.append((i1, i2, j1, j2))
        else:  # but for their capitals
            blocks += [
                (i, i + 1, j, j + 1) for i, j in zip(range(i1, i2), range(j1, j2), strict=True) if before[i] != after[j]
            ]
    return Edit(name, tuple(before), tuple(after), tuple(blocks))


def ready_edits(tokens: Sequence[str], span: Span | None = None, *, seed: int = 0) -> list[Edit]:
    """Edits that can be made of any tweet: those that change something and leave a word.

    Of a span: two names of its own type and one of each other type, drawn by the seed, in its place.
    """
    made = [change_case(tokens, how) for how in CASES] + [drop(tokens, what) for what in DROPS]
    if span is not None:
        rng = np.random.default_rng(seed)
        for label, count in sorted(((label, 2 if label == span.label else 1) for label in NAMES), key=lambda r: -r[1]):
            for i in rng.permutation(len(NAMES[label]))[:count]:
                edit = swap(tokens, span, NAMES[label][i])
                made.append(Edit(f"{edit.name} ({label})", edit.before, edit.tokens, edit.blocks))
    return [edit for edit in made if edit.tokens and not edit.changes_nothing]
