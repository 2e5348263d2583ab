"""Gate and attention over a whole set, word by word: how they are spread, by what a word is part of. Free of torch.

One row of what is kept is a word that the tagger read. Groups are of words (part of the tweet) or of entities, whose
value is the mean of their words'. A spread tells more than its mean: a gate of 0.5 on average may be 0.5 everywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from umt_core.analysis.building import TWEET
from umt_core.analysis.ledger import FOUND_OUTCOMES, OUTCOMES
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet, relation
from umt_core.errors import ConfigError
from umt_core.explain.attention import MOST_ENTROPY, maps_of
from umt_core.explain.kept import kept_file
from umt_core.explain.text_edits import url_words
from umt_core.labels import LABELS
from umt_core.schema import PICTURED, REGIONS, Inspection

KIND, BLOCKS = "patterns", "pattern_blocks"
BLOCK_MAPS = ("word_to_block", "word_to_image_aware_block", "visual_attention", "block_to_word")
PARTS = ("word", "mention", "hashtag", "URL", "emoji", "punctuation")
NO_ENTITY = "no entity"
BYS = ("type", "outcome", "part")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a word has."""

    title: str
    meaning: str
    unit: str


FIGURES = {
    "gate": Figure(
        "Gate",
        "The visual gate, the mean over its dimensions: how much of Q (UMT, MT), or of what other systems make with "
        "the picture, the word lets through.",
        "gate, 0 to 1",
    ),
    "entropy_word_to_block": Figure(
        "Evenness of word → block",
        "Entropy of the word's row, as a share of an even row's (1: the word prefers no block); mean over the heads.",
        "entropy, of an even row's",
    ),
    "entropy_word_to_image_aware_block": Figure(
        "Evenness of word → text-aware block",
        "Entropy of the word's row, as a share of an even row's (1: the word prefers no block); mean over the heads.",
        "entropy, of an even row's",
    ),
    "entropy_visual_attention": Figure(
        "Evenness of text → block",
        "Entropy of the word's row, as a share of an even row's (1: the word prefers no block).",
        "entropy, of an even row's",
    ),
    "received": Figure(
        "Attention received from blocks",
        "The share of the blocks' attention (block → word) that the word gets, the mean over 49 blocks and the heads.",
        "share of the blocks' attention",
    ),
}
SCHEMA = pa.schema([TWEET, ("word", pa.int32()), ("part", pa.string()), *((name, pa.float32()) for name in FIGURES)])
BLOCKS_SCHEMA = pa.schema([TWEET, ("map", pa.string()), ("block", pa.int16()), ("mass", pa.float32())])


@dataclass(frozen=True, slots=True)
class Box:
    """How a figure is spread in one group."""

    group: str
    count: int  # entities, or words
    tweets: int
    mean: float
    quantiles: tuple[float, float, float, float, float]  # of QUANTILES


@dataclass(frozen=True, slots=True)
class Extreme:
    """One entity or word at an end of a group, to be looked at."""

    id: str  # of its tweet
    value: float


# --- what is kept ----------------------------------------------------------------------------------


def parts_of(tokens: Sequence[str]) -> list[str]:
    """What each token is in a tweet, of PARTS. The data sets part # and @ from their word: both then are of the whole.

    >>> parts_of(["@anna", "#", "nba", "https://t.co/x", "🎉", "...", "Anna's", "#", ""])
    ['mention', 'hashtag', 'hashtag', 'URL', 'emoji', 'punctuation', 'word', 'punctuation', 'punctuation']
    """
    urls = url_words(tokens)
    parts = ["URL" if i in urls else _part(token) for i, token in enumerate(tokens)]
    for i, (sign, following) in enumerate(zip(tokens, parts[1:], strict=False)):
        if sign in _SIGNS and following == "word":
            parts[i] = parts[i + 1] = _SIGNS[sign]
    return parts


_SIGNS = {"@": "mention", "#": "hashtag"}


def _part(token: str) -> str:
    if any(c.isalnum() for c in token):
        return _SIGNS.get(token[0], "word")
    return "emoji" if any(unicodedata.category(c) == "So" for c in token) else "punctuation"


def rows_of(tweet: int, inspection: Inspection) -> list[tuple[Any, ...]]:
    """Rows of SCHEMA, one for each word that was read."""
    words = len(inspection.marginals)
    columns: list[list[float | None]] = []
    for name in FIGURES:
        values = _values(inspection, name)
        columns.append([None] * words if values is None else [float(v) for v in values])
    parts = parts_of(inspection.prediction.tokens[:words])
    return [(tweet, i, part, *row) for i, (part, *row) in enumerate(zip(parts, *columns, strict=True))]


def block_rows_of(tweet: int, inspection: Inspection) -> list[tuple[Any, ...]]:
    """Rows of BLOCKS_SCHEMA: each block's share of a map, the mean over words and heads.

    Of block → word, whose rows are blocks, it is the share of the block's attention that words get and not [CLS] and
    [SEP].
    """
    found = []
    for attention_map in maps_of(inspection):
        array = getattr(inspection, attention_map.name).mean(axis=0, dtype=np.float64)
        mass = array.mean(axis=0) if attention_map.rows_are_words else array.sum(axis=1)
        found += [(tweet, attention_map.name, block, float(mass[block])) for block in range(REGIONS)]
    return found


def _values(inspection: Inspection, name: str) -> np.ndarray | None:
    """One figure of each word: (words,); ``None``: the system has no such part."""
    if name == "gate":
        return None if inspection.gate is None else inspection.gate.mean(axis=1)
    if name == "received":
        to_words = inspection.block_to_word
        return None if to_words is None else to_words.mean(axis=(0, 1))
    attention = getattr(inspection, name.removeprefix("entropy_"))
    if attention is None:
        return None
    safe = np.where(attention > 0, attention, 1).astype(np.float64)
    entropies: np.ndarray = -(attention * np.log(safe)).sum(axis=-1).mean(axis=0) / MOST_ENTROPY
    return entropies


# --- asking --------------------------------------------------------------------------------------


def figures_of(found: PredictionSet, run: str) -> list[str]:
    """The figures that a run's system has."""
    counts = ", ".join(f"count({name}) AS {name}" for name in FIGURES)
    (row,) = found.query(f"SELECT {counts} FROM {_kept(found, run)}")
    return [name for name in FIGURES if row[name]]


def boxes(found: PredictionSet, run: str, figure: str, by: str, baseline: str | None = None) -> list[Box]:
    """How a figure is spread in each group that has any, in the groups' order.

    ``by``: ``type`` (of the entities that the run found, and of words in none), ``outcome`` (of the ledger's lines
    against the baseline), ``part`` (of words).

    Raises:
        ConfigError: there is no such figure or grouping, or no baseline where one is needed.
        DataError: the set has no such run.
    """
    quantiles = ", ".join(str(q) for q in QUANTILES)
    rows = found.query(
        f"""SELECT name, count(*) AS count, count(DISTINCT tweet) AS tweets, avg(value) AS mean,
            quantile_cont(value, [{quantiles}]) AS quantiles FROM ({_grouped(found, run, figure, by, baseline)})
            WHERE value IS NOT NULL GROUP BY name"""
    )
    by_name = {
        row["name"]: Box(row["name"], row["count"], row["tweets"], row["mean"], tuple(row["quantiles"])) for row in rows
    }
    return [by_name[name] for name in groups(by) if name in by_name]


def extremes(
    found: PredictionSet,
    run: str,
    figure: str,
    by: str,
    group: str,
    baseline: str | None = None,
    highest: bool = True,
    count: int = 10,
) -> list[Extreme]:
    """The tweets at an end of a group, each with its furthest value; errors as ``boxes``."""
    best, order = ("max", "DESC") if highest else ("min", "ASC")
    rows = found.query(
        f"""SELECT t.id, {best}(value) AS value FROM ({_grouped(found, run, figure, by, baseline)}) g
            JOIN {found.table("tweets")} t USING (tweet) WHERE name = ? AND value IS NOT NULL
            GROUP BY t.id, t.tweet ORDER BY value {order}, t.tweet LIMIT {count}""",
        group,
    )
    return [Extreme(row["id"], row["value"]) for row in rows]


def groups(by: str) -> tuple[str, ...]:
    """The groups of a grouping, in order (``ConfigError``: there is no such grouping)."""
    known = {"type": (*LABELS, NO_ENTITY), "outcome": OUTCOMES, "part": PARTS}
    if by not in known:
        raise ConfigError(f"by: wanted one of {', '.join(known)}, got {by!r}")
    return known[by]


def tweets_behind(by: str, group: str) -> Query:
    """The Errors page's filters for the tweets that have such an entity or word; all tweets where none says it."""
    if by == "outcome":
        return Query(outcome=(group,), image=PICTURED)
    if by == "type":
        # A wrong entity that stands for a gold one is two lines of the ledger: these outcomes have it once.
        return Query() if group == NO_ENTITY else Query(predicted_type=(group,), outcome=FOUND_OUTCOMES, image=PICTURED)
    return Query(regex=_REGEXES[group], image=PICTURED) if group in _REGEXES else Query()


_REGEXES = {
    "mention": r"(^|\s)@\s?[\p{L}\p{N}_]",
    "hashtag": r"(^|\s)#\s?[\p{L}\p{N}_]",
    "URL": r"(?i)https?://|www\.",
    "emoji": r"\p{So}",
}


def _grouped(found: PredictionSet, run: str, figure: str, by: str, baseline: str | None) -> str:
    """SQL for tweet, name (of the group) and value: a row for each entity or word."""
    if figure not in FIGURES:
        raise ConfigError(f"figure: wanted one of {', '.join(FIGURES)}, got {figure!r}")
    groups(by)
    words = _kept(found, run)
    if by == "part":
        return f"SELECT tweet, part AS name, {figure} AS value FROM {words}"
    if by == "outcome":
        if baseline is None:
            raise ConfigError("by outcome: wanted a baseline, got none")
        spans = f'(SELECT tweet, start, "end", outcome AS name FROM {found.pair(baseline, run)})'
        return _of_spans(words, spans, figure)
    spans = f'(SELECT tweet, start, "end", label AS name FROM {found.table("spans", run)})'
    outside = f"""SELECT w.tweet, '{NO_ENTITY}' AS name, w.{figure} AS value FROM {words} w ANTI JOIN {spans} s
        ON w.tweet = s.tweet AND w.word >= s.start AND w.word < s."end" """
    return f"{_of_spans(words, spans, figure)} UNION ALL {outside}"


def _of_spans(words: str, spans: str, figure: str) -> str:
    return f"""SELECT s.tweet, s.name, avg(w.{figure}) AS value FROM {spans} s JOIN {words} w
        ON w.tweet = s.tweet AND w.word >= s.start AND w.word < s."end" GROUP BY s.tweet, s.start, s."end", s.name"""


def _kept(found: PredictionSet, run: str, kind: str = KIND) -> str:
    return relation(kept_file(found, run, kind))


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """A map's share of each block, over the tweets with a picture."""

    map: str
    tweets: int
    mean: np.ndarray  # (49,)
    low: np.ndarray  # (49,), quarter of the tweets have less
    high: np.ndarray  # (49,), quarter have more


def positions(found: PredictionSet, run: str) -> list[Position]:
    """Where in the picture each map lies, over all tweets."""
    rows = found.query(
        f"""SELECT map, block, count(*) AS tweets, avg(mass) AS mean, quantile_cont(mass, [0.25, 0.75]) AS quartiles
            FROM {_kept(found, run, BLOCKS)} GROUP BY map, block ORDER BY map, block"""
    )
    by_map = {name: [row for row in rows if row["map"] == name] for name in BLOCK_MAPS}
    return [
        Position(
            name,
            of[0]["tweets"],
            np.array([row["mean"] for row in of]),
            np.array([row["quartiles"][0] for row in of]),
            np.array([row["quartiles"][1] for row in of]),
        )
        for name, of in by_map.items()
        if of
    ]


def block_extremes(found: PredictionSet, run: str, map_name: str, block: int, count: int = 10) -> list[Extreme]:
    """The tweets whose map has most at a block."""
    rows = found.query(
        f"""SELECT t.id, mass AS value FROM {_kept(found, run, BLOCKS)} b JOIN {found.table("tweets")} t USING (tweet)
            WHERE map = ? AND block = ? ORDER BY mass DESC, t.tweet LIMIT {count}""",
        map_name,
        block,
    )
    return [Extreme(row["id"], row["value"]) for row in rows]


def patterns_json(found: PredictionSet, run: str, baseline: str | None) -> dict[str, Any]:
    """All figures as JSON."""
    bys: Sequence[str] = BYS if baseline else [by for by in BYS if by != "outcome"]
    return {
        "baseline": baseline,
        "quantiles": QUANTILES,
        "figures": {
            figure: {by: [asdict(box) for box in boxes(found, run, figure, by, baseline)] for by in bys}
            for figure in figures_of(found, run)
        },
        "positions": {
            of.map: {"tweets": of.tweets, "mean": of.mean.tolist(), "quartiles": [of.low.tolist(), of.high.tolist()]}
            for of in positions(found, run)
        },
    }
