"""What a retrained model fixes and breaks of its parent, on the labels as published and as people corrected them.

Both sides come from two runs of one prediction set. The corrected side takes the tweets whose labels were changed
out of the original side's counts and puts them back with their new labels, so that a set of millions costs no more
than the tweets that were corrected. Free of torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umt_core.analysis.ledger import OUTCOMES, Entry, classify, ledger
from umt_core.analysis.sets import PredictionSet, Row
from umt_core.analysis.significance import RESAMPLES, Counts, Pattern
from umt_core.analysis.tables import compare, comparison, tweet_counts
from umt_core.labels import LABELS
from umt_core.schema import Span


@dataclass(frozen=True, slots=True)
class ChangedTweet:
    """A tweet whose gold labels were corrected, and what both models say of it."""

    id: str
    before: tuple[Span, ...]  # gold as published
    after: tuple[Span, ...]  # gold as corrected
    entries: tuple[Entry, ...]  # the ledger on the corrected gold, the parent as baseline


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """The parent against the new model, twice. The rows are those of ``tables.compare``."""

    parent: str  # names of the runs
    new: str
    original: Row | None  # None: the set came without labels
    corrected: Row | None  # None: no label of the set was corrected
    labels: dict[str, int]  # how many gold labels the corrections "added", "removed" and "changed"
    tweets: tuple[ChangedTweet, ...]  # in the order of the data set
    complaints: tuple[str, ...] = ()  # corrections that do not fit the set

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the tweets."""
        row = dict(self.original or {})
        if self.corrected is not None:
            row["corrected"] = dict(self.corrected) | {"labels": self.labels, "corrected_tweets": len(self.tweets)}
        return row


def before_after(
    found: PredictionSet,
    parent: str,
    new: str,
    corrected: Mapping[str, Sequence[Span]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> BeforeAfter:
    """The ledger of a new run against its parent's, on the set's gold and on the corrected.

    Args:
        parent, new: runs of the set.
        corrected: labels by tweet id, of the tweets that somebody has set; others keep the set's.

    Raises:
        DataError: the set has no such run, a file of it cannot be read, or no tweet of it has any labels.
    """
    tweets, complaints = _changed(found, parent, new, corrected)
    original = None
    if found.info.labelled or not tweets:
        original = compare(found, parent, [new], resamples=resamples, seed=seed)[new]
    labels: Counter[str] = Counter(added=0, removed=0, changed=0)
    for tweet in tweets:
        labels.update(_label_changes(tweet.shown.before, tweet.shown.after))
    if not tweets:
        return BeforeAfter(parent, new, original, None, dict(labels), (), complaints)
    by_type: dict[str, Counter[str]] = {
        label: Counter(original["by_type"][label] if original else {}) for label in LABELS
    }
    patterns = _patterns(tweet_counts(found, [parent, new])) if original else Counter()
    for tweet in tweets:
        if tweet.old is not None:
            move(by_type, patterns, tweet.old, -1)
        move(by_type, patterns, tweet.new, +1)
    # In the order of the patterns, which decides what is drawn: the same counts give the same interval.
    counts = Counts({pattern: n for pattern, n in sorted(patterns.items()) if n})
    outcomes = {label: {outcome: by_type[label][outcome] for outcome in OUTCOMES} for label in LABELS}
    row = comparison(parent, outcomes, counts, resamples=resamples, seed=seed)
    return BeforeAfter(parent, new, original, row, dict(labels), tuple(t.shown for t in tweets), complaints)


@dataclass(frozen=True, slots=True)
class _Tweet:
    shown: ChangedTweet
    old: tuple[tuple[Entry, ...], Pattern] | None  # ledger and counts on the published gold; None: it has none
    new: tuple[tuple[Entry, ...], Pattern]  # and on the corrected


def _changed(
    found: PredictionSet, parent: str, new: str, corrected: Mapping[str, Sequence[Span]]
) -> tuple[list[_Tweet], tuple[str, ...]]:
    """The tweets whose gold is another now, and a line for the corrections that do not fit."""
    if not corrected:
        return [], ()
    rows = found.query(
        f"SELECT tweet, id, words, entities FROM {found.table('tweets')} WHERE id IN (SELECT unnest(?)) ORDER BY tweet",
        list(corrected),
    )
    numbers = [row["tweet"] for row in rows]
    gold, parents, news = (
        spans_by_tweet(found, table, numbers)
        for table in (found.table("gold"), found.table("spans", parent), found.table("spans", new))
    )
    tweets, beyond = [], []
    for row in rows:
        number, after = row["tweet"], tuple(sorted(set(corrected[row["id"]])))
        before = tuple(sorted(gold.get(number, ())))
        if any(span.end > row["words"] for span in after):
            beyond.append(row["id"])
        elif after != before or row["entities"] is None:
            models = (parents.get(number, set()), news.get(number, set()))
            old, new_side = ((ledger(labels, *models), pattern_of(labels, *models)) for labels in (before, after))
            shown = ChangedTweet(row["id"], before, after, new_side[0])
            tweets.append(_Tweet(shown, None if row["entities"] is None else old, new_side))
    unknown = sorted(corrected.keys() - {row["id"] for row in rows})
    complaints = [
        f"{found.name}: {len(ids):,} corrected tweets {why}, {ids[0]} among them; they are left out"
        for ids, why in ((unknown, "are not in it"), (beyond, "have labels beyond their last word"))
        if ids
    ]
    return tweets, tuple(complaints)


def spans_by_tweet(found: PredictionSet, table: str, numbers: Sequence[int] | None = None) -> dict[int, set[Span]]:
    """The spans of a relation by tweet: of these tweets, or of all that have any."""
    by_tweet: dict[int, set[Span]] = {}
    for row in span_rows(found, table, numbers):
        by_tweet.setdefault(row["tweet"], set()).add(Span(row["start"], row["end"], row["label"]))
    return by_tweet


def span_rows(found: PredictionSet, table: str, numbers: Sequence[int] | None, *more: str) -> list[Row]:
    """The spans of a relation in order, with ``more`` of its columns: of these tweets, or of all that have any."""
    columns = ", ".join(("tweet", "start", '"end"', "label", *more))
    chosen = "" if numbers is None else "WHERE tweet IN (SELECT unnest(?))"
    sql = f"SELECT {columns} FROM {table} {chosen} ORDER BY tweet, start"
    return found.query(sql, *([] if numbers is None else [list(numbers)]))


def gold_by_tweet(found: PredictionSet) -> dict[int, set[Span]]:
    """The gold spans of each labelled tweet."""
    spans = spans_by_tweet(found, found.table("gold"))
    labelled = found.column(f"SELECT tweet FROM {found.judged} ORDER BY tweet").tolist()
    return {tweet: spans.get(tweet, set()) for tweet in labelled}


def pattern_of(gold: Iterable[Span], *systems: set[Span]) -> Pattern:
    """What ``Counts`` counts a tweet by."""
    theirs = set(gold)
    return (*(n for ours in systems for n in (len(ours & theirs), len(ours))), len(theirs))


def _patterns(counts: Counts) -> Counter[Pattern]:
    rows = zip(counts.patterns.tolist(), counts.tweets.tolist(), strict=True)
    return Counter({tuple(pattern): n for pattern, n in rows})


def move(
    by_type: Mapping[str, Counter[str]],
    patterns: Counter[Pattern],
    side: tuple[Sequence[Entry], Pattern],
    step: int,
) -> None:
    """Adds a tweet's ledger and counts to the sums (``step`` 1), or takes them out (-1)."""
    entries, pattern = side
    for entry in entries:
        by_type[entry.span.label][entry.outcome] += step
    patterns[pattern] += step


def _label_changes(before: Iterable[Span], after: Iterable[Span]) -> Counter[str]:
    """Labels that are there only now, only before, or instead of one that they overlap."""
    names = {"missed": "removed", "spurious": "added"}
    errors = [match.error for match in classify(before, after) if match.error]
    return Counter(names.get(error, "changed") for error in errors)
