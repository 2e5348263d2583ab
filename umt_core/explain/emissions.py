"""A run's scores before they are added up, kept for a whole prediction set: all its tweets decoded again in a moment.

Free of torch: what is kept holds the tagger's transitions and W^c too, so that it needs no weights.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from umt_core.analysis.before_after import gold_by_tweet, move, pattern_of, spans_by_tweet
from umt_core.analysis.ledger import OUTCOMES, Entry, ledger
from umt_core.analysis.sets import PredictionSet, Row
from umt_core.analysis.significance import RESAMPLES, Counts, Pattern
from umt_core.analysis.tables import comparison
from umt_core.errors import DataError
from umt_core.explain.kept import about_kept, kept_file, read_kept, write_kept
from umt_core.explain.what_if import AS_TRAINED, WhatIf, emissions
from umt_core.labels import LABELS
from umt_core.model.chain import Scoring
from umt_core.schema import RawScores, Span
from umt_core.spans import tags_to_spans

KIND = "emissions"
SCHEMA = pa.schema(
    [
        ("tweet", pa.int32()),
        ("positions", pa.int32()),  # that carry tags: words that were read, or subwords
        ("main", pa.list_(pa.float32())),  # (positions, tags), row after row
        ("esd", pa.list_(pa.float32())),  # (positions, esd tags); null: the system has no span detector
        ("starts", pa.list_(pa.int32())),  # the position where each word's tag is read
    ]
)
BATCH = 512  # tweets that are decoded at once


def write_emissions(found: PredictionSet, run: str, scoring: Scoring, rows: Sequence[RawScores]) -> None:
    """Keeps a run's scores, one ``RawScores`` for each tweet (``DataError`` as ``write_kept``)."""
    columns = (
        pa.array(range(len(rows)), pa.int32()),
        pa.array([len(row.main) for row in rows], pa.int32()),
        pa.array([row.main.ravel() for row in rows], SCHEMA.field("main").type),
        pa.array([None if row.esd is None else row.esd.ravel() for row in rows], SCHEMA.field("esd").type),
        pa.array([row.starts for row in rows], SCHEMA.field("starts").type),
    )
    about = {"scoring": json.dumps(scoring.to_dict())}
    write_kept(found, run, KIND, pa.table(list(columns), SCHEMA), about)


@dataclass(frozen=True, eq=False)
class SetEmissions:
    """The scores of all tweets of a set, one after the other."""

    scoring: Scoring
    main: np.ndarray  # (positions of all tweets, tags), float32
    esd: np.ndarray | None  # (positions of all tweets, esd tags), float32
    ends: np.ndarray  # (tweets,): where each tweet's positions end
    starts: np.ndarray  # (words of all tweets,): the position of each, among all
    word_ends: np.ndarray  # (tweets,): where each tweet's words end

    @property
    def can_change(self) -> bool:
        """Whether ESD's scores are added to the main ones."""
        return self.esd is not None and self.scoring.conversion is not None

    def tags(self, what: WhatIf = AS_TRAINED) -> np.ndarray:
        """Indices of all words' tags under a change: (words of all tweets,)."""
        totals = emissions(self.scoring, self.main, self.esd, what)
        beginnings = np.concatenate([[0], self.ends[:-1]]).astype(np.int64)
        lengths = self.ends - beginnings
        found = np.zeros(len(totals), np.int64)
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        for first in range(0, len(order), BATCH):  # of like length, so that little is padded
            tweets = order[first : first + BATCH]
            places = np.arange(lengths[tweets].max())
            real = places < lengths[tweets, None]  # (batch, n)
            at = np.where(real, beginnings[tweets, None] + places, 0)
            found[at[real]] = self.scoring.chain.best_paths(totals[at], real)[real]
        words: np.ndarray = found[self.starts]
        return words

    def spans(self, tags: np.ndarray, tweet: int) -> tuple[Span, ...]:
        """The spans of one tweet. ``tags``: of all words."""
        names = [self.scoring.tags[i] for i in tags[self._words(tweet)]]
        return tags_to_spans([tag if tag[0] in "BI" else "O" for tag in names])

    def changed(self, before: np.ndarray, after: np.ndarray) -> list[int]:
        """The tweets in which a word has another tag."""
        words = np.flatnonzero(before != after)
        return np.unique(np.searchsorted(self.word_ends, words, side="right")).tolist()

    def __len__(self) -> int:
        return len(self.ends)

    def _words(self, tweet: int) -> slice:
        return slice(self.word_ends[tweet - 1] if tweet else 0, self.word_ends[tweet])


def set_emissions(found: PredictionSet, run: str, kept: pa.Table | None = None) -> SetEmissions | None:
    """A run's kept scores; ``None``: nobody has computed them (``keep_emissions`` does).

    Args:
        kept: what ``read_kept`` gave, if it is at hand.

    Raises:
        DataError: the set has no such run, or what is kept is damaged or of other tweets.
    """
    table = read_kept(found, run, KIND) if kept is None else kept
    if table is None:
        return None
    try:
        made = _of_table(table)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{kept_file(found, run, KIND)}: wanted a run's {KIND}, got: {error}; remove it") from error
    if len(made) != found.info.tweets:
        raise DataError(
            f"{found.name}: wanted {KIND} of {found.info.tweets} tweets, got {len(made)}; compute them again"
        )
    return made


def _of_table(table: pa.Table) -> SetEmissions:
    scoring = Scoring.from_dict(json.loads(about_kept(table)["scoring"]))
    positions = table["positions"].to_numpy().astype(np.int64)
    ends = np.cumsum(positions)
    words = table["starts"].combine_chunks().value_lengths().to_numpy().astype(np.int64)
    starts = _flat(table, "starts") + np.repeat(ends - positions, words)
    has_esd = table["esd"].null_count == 0 and len(scoring.esd_tags)
    return SetEmissions(
        scoring,
        _flat(table, "main").reshape(ends[-1] if len(ends) else 0, len(scoring.tags)),
        _flat(table, "esd").reshape(-1, len(scoring.esd_tags)) if has_esd else None,
        ends,
        starts,
        np.cumsum(words),
    )


def _flat(table: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


# --- what a change fixes and breaks ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChangedTweet:
    """A tweet of which something else is decoded."""

    tweet: int
    before: tuple[Span, ...]  # as trained
    after: tuple[Span, ...]
    entries: tuple[Entry, ...]  # the ledger, as trained as the baseline; (): the tweet is not labelled


@dataclass(frozen=True, slots=True)
class Change:
    """A whole set decoded again."""

    row: Row | None  # as ``tables.compare`` has it, the run as trained as the baseline; None: no tweet is labelled
    tweets: tuple[ChangedTweet, ...]


class Redecoding:
    """A run's tweets as trained, ready to be held against a change of eq. 7."""

    def __init__(self, found: PredictionSet, run: str, kept: SetEmissions) -> None:
        self.run, self.kept = run, kept
        self.before = kept.tags()
        self.gold = gold_by_tweet(found)
        said = spans_by_tweet(found, found.table("spans", run))
        self._spans = [kept.spans(self.before, tweet) for tweet in range(len(kept))]
        # A check: what is decoded from the kept scores is what the run found when it ran.
        self.differing = sum(set(spans) != said.get(tweet, set()) for tweet, spans in enumerate(self._spans))

    @cached_property
    def _as_trained(self) -> tuple[dict[str, Counter[str]], Counter[Pattern]]:
        """The ledger of the labelled tweets against themselves, by type, and their counts."""
        by_type: dict[str, Counter[str]] = {label: Counter(dict.fromkeys(OUTCOMES, 0)) for label in LABELS}
        patterns: Counter[Pattern] = Counter()
        for tweet in self.gold:
            move(by_type, patterns, self._side(tweet, self._spans[tweet]), +1)
        return by_type, patterns

    def change(self, what: WhatIf, *, resamples: int = RESAMPLES, seed: int = 0) -> Change:
        """What a change fixes and breaks of the run as trained, and whether that is more than chance."""
        after = self.kept.tags(what)
        by_type, patterns = (
            {key: value.copy() for key, value in self._as_trained[0].items()},
            self._as_trained[1].copy(),
        )
        tweets = []
        for tweet in self.kept.changed(self.before, after):
            spans = self.kept.spans(after, tweet)
            if set(spans) == set(self._spans[tweet]):  # other tags for the same spans: an I- that opens one
                continue
            entries: tuple[Entry, ...] = ()
            if tweet in self.gold:
                move(by_type, patterns, self._side(tweet, self._spans[tweet]), -1)
                side = self._side(tweet, spans)
                move(by_type, patterns, side, +1)
                entries = tuple(side[0])
            tweets.append(ChangedTweet(tweet, self._spans[tweet], spans, entries))
        if not self.gold:
            return Change(None, tuple(tweets))
        counts = Counts({pattern: n for pattern, n in sorted(patterns.items()) if n})
        row = comparison(f"{self.run} as trained", by_type, counts, resamples=resamples, seed=seed)
        return Change(row, tuple(tweets))

    def _side(self, tweet: int, after: Sequence[Span]) -> tuple[Sequence[Entry], Pattern]:
        gold, before = self.gold[tweet], self._spans[tweet]
        return ledger(gold, before, after), pattern_of(gold, set(before), set(after))
