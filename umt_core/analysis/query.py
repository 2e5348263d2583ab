"""What is asked of a prediction set: filters, an order, a page; and the parameters of a link that say so.

Apart from ``browse``, which answers: a page knows what is asked before a database is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from umt_core.analysis.ledger import ERRORS, OUTCOMES
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import SEEN, STATES

NONE = "none"  # stands for no type: nothing gold there, nothing predicted there
RIGHT = "right"  # stands for no error
Range = tuple[float | None, float | None]  # both ends included; None: open
OPEN: Range = (None, None)

# What a page may be sorted by, and where it comes from: t tweets, h the lines that match, s and b the runs' figures.
SORTS: dict[str, str] = {
    "tweet": "t.tweet",  # the order of the data file
    "id": "t.id",
    "words": "t.words",
    "entities": "t.entities",
    "score": "h.score",  # lowest of the system's scores in the lines that match
    "lowest_score": "s.lowest_score",  # of the system's spans in the tweet
    "baseline_lowest_score": "b.lowest_score",
    "margin": "s.margin",  # of the system's least certain word
    "baseline_margin": "b.margin",
    "gate_mean": "s.gate_mean",
    "gate_std": "s.gate_std",
    "gate_lowest": "s.gate_lowest",
    "gate_highest": "s.gate_highest",
    "entropy_word_to_block": "s.entropy_word_to_block",
    "entropy_block_to_word": "s.entropy_block_to_word",
    "entropy_word_to_image_aware_block": "s.entropy_word_to_image_aware_block",
}
CHOICES: dict[str, tuple[str, ...]] = {
    "outcome": OUTCOMES,
    "type": LABELS,
    "gold_type": (*LABELS, NONE),
    "predicted_type": (*LABELS, NONE),
    "error": (*ERRORS, RIGHT),
    "baseline_error": (*ERRORS, RIGHT),
    "seen": SEEN,
    "image": STATES,
}
PAGE = 25
LAST_PAGE = 1_000_000_000
LONGEST_SEARCH = 1_000  # characters of a text or regular expression


@dataclass(frozen=True, slots=True)
class Query:
    """What to show. An empty tuple, an open range and an empty text filter nothing.

    >>> Query(outcome=("fixed",), words=(10, None)).to_params()
    {'outcome': 'fixed', 'words': '10..'}
    """

    data: str = ""  # name of the set, for a link; the functions here are given the set itself
    baseline: str = ""  # names of runs; "": as ``resolve`` chooses
    system: str = ""
    outcome: tuple[str, ...] = ()
    type: tuple[str, ...] = ()  # of the line's own span: the gold one, or the predicted one that is not gold
    gold_type: tuple[str, ...] = ()  # of the gold span that the line's span is matched with
    predicted_type: tuple[str, ...] = ()  # by the system
    error: tuple[str, ...] = ()  # of the system
    baseline_error: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()  # of the span's surface form, in the train split
    score: Range = OPEN  # the system's, of the span
    image: tuple[str, ...] = ()  # states
    words: Range = OPEN
    entities: Range = OPEN
    gate: Range = OPEN  # quantile of the tweet's mean gate among all tweets, 0 to 1
    text: str = ""  # part of the tweet, capitals or not
    regex: str = ""  # RE2 over the tweet; (?i) for capitals or not
    sort: str = "tweet"
    descending: bool = False
    page: int = 0

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if unknown := [value for value in getattr(self, name) if value not in choices]:
                raise DataError(f"{name}: wanted of {', '.join(choices)}, got {', '.join(map(repr, unknown))}")
        if self.sort not in SORTS:
            raise DataError(f"sort: wanted one of {', '.join(SORTS)}, got {self.sort!r}")
        for name in ("text", "regex"):
            if (length := len(getattr(self, name))) > LONGEST_SEARCH:
                raise DataError(f"{name}: wanted at most {LONGEST_SEARCH:,} characters, got {length:,}")
        if not 0 <= self.page <= LAST_PAGE:
            raise DataError(f"page: wanted 0 to {LAST_PAGE:,}, got {str(self.page)[:20]}")

    def to_params(self) -> dict[str, str]:
        """Parameters of a link: those that are not as they are by default."""
        return {f.name: _written(value) for f in fields(self) if (value := getattr(self, f.name)) != f.default}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The query of a link; what is not of a query in it is passed over.

        Raises:
            DataError: a value is not of its kind.
        """
        return cls(**{f.name: _read(f.name, f.default, params[f.name]) for f in fields(cls) if f.name in params})


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple) and value and not isinstance(value[0], str):
        return "..".join("" if end is None else _number(end) for end in value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _number(value: float) -> str:
    whole = abs(value) < 1e15 and float(value).is_integer()
    return str(int(value)) if whole else repr(float(value))  # never rounded: a link finds what it was made of


def _read(name: str, default: Any, text: str) -> Any:
    try:
        if isinstance(default, bool):
            return bool(int(text))
        if isinstance(default, int):
            return int(text)
        if default == OPEN:
            low, high = (float(end) if end else None for end in text.split(".."))
            if any(end is not None and math.isnan(end) for end in (low, high)):
                raise ValueError(text)
            return low, high
    except ValueError as error:
        kind = "a range like 3..7" if default == OPEN else "a whole number"
        raise DataError(f"{name}: wanted {kind}, got {text[:60]!r}") from error
    if isinstance(default, tuple):
        return tuple(part for part in text.split(",") if part)
    return text
