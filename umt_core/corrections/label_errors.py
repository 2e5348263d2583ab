"""Labels of a data set that are probably wrong, by what several runs say of it. Free of torch.

Two ways, which `benchmarks/label_errors.py` compares: stretches of tokens where all runs read the same and
gold reads another thing, the surest first; and cleanlab's scores of the label of each token. Both are blind
to a wrong label that a tagger was trained on and has learned by heart: see ``train.crossfit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umt_core.analysis.agreement import Difference, differences
from umt_core.analysis.before_after import span_rows, spans_by_tweet
from umt_core.analysis.marginals import Marginals, read_marginals
from umt_core.analysis.sets import PredictionSet
from umt_core.errors import DataError
from umt_core.labels import WORD_TAGS
from umt_core.schema import ScoredSpan, Span
from umt_core.spans import spans_to_tags

GOLD = ""  # the reader of that name in a ``Difference``: no run is called so


@dataclass(frozen=True, slots=True)
class Suspect:
    """Tokens ``[start, end)`` of a tweet that all runs read alike, and otherwise than gold."""

    tweet: int
    start: int
    end: int
    gold: tuple[Span, ...]
    read: tuple[Span, ...]  # empty: they all find nothing there
    score: float  # 0 to 1: mean of how sure the runs are of what they read


def suspects(found: PredictionSet, runs: Sequence[str]) -> list[Suspect]:
    """All stretches where these runs agree against gold, the surest first.

    A run is as sure as of the least probable span that it finds there. Where it finds none, it is
    as sure as of the least certain word, in the stretch where its marginals are kept, else in the tweet. Where these
    show that a run was cut off before the stretch ends, it says nothing of it, and the stretch is left out.

    Raises:
        DataError: no run is given, the set has none of that name, or a file of it is damaged.
    """
    if not runs:
        raise DataError(f"{found.name}: wanted the predictions of at least one system, got none")
    tweets = _candidates(found, runs)
    gold = spans_by_tweet(found, found.table("gold"), tweets)
    said = {run: run_spans(found, run, tweets) for run in runs}
    margins = {run: _margins(found, run) for run in runs}
    marginals = {run: read_marginals(found, run) for run in runs}
    result = []
    for tweet in tweets:
        readings = {GOLD: sorted(gold.get(tweet, ())), **{run: [s.span for s in said[run][tweet]] for run in runs}}
        for difference in differences(readings):
            inside = dict(difference.readings)
            of_gold = inside.pop(GOLD)
            if len(set(inside.values())) > 1 or of_gold in inside.values():
                continue
            if any(kept is not None and len(kept[tweet]) < difference.end for kept in marginals.values()):
                continue
            sure = [
                _sureness(difference, said[run][tweet], marginals[run], tweet, float(margins[run][tweet]))
                for run in runs
            ]
            read = next(iter(inside.values()))
            result.append(Suspect(tweet, difference.start, difference.end, of_gold, read, float(np.mean(sure))))
    return sorted(result, key=lambda suspect: (-suspect.score, suspect.tweet, suspect.start))


def _candidates(found: PredictionSet, runs: Sequence[str]) -> list[int]:
    """Tweets with a span that all runs find and gold has not, or that gold has and none finds."""
    said = " UNION ALL ".join(f'SELECT tweet, start, "end", label FROM {found.table("spans", run)}' for run in runs)
    key = 'tweet, start, "end", label'
    sql = f"""
        WITH said AS (SELECT {key}, count(*) AS n FROM ({said}) GROUP BY ALL),
            gold AS (SELECT {key} FROM {found.table("gold")})
        SELECT tweet FROM said ANTI JOIN gold USING ({key}) WHERE n = {len(runs)} AND tweet IN {found.judged}
        UNION SELECT tweet FROM gold ANTI JOIN said USING ({key}) ORDER BY tweet"""
    return [row["tweet"] for row in found.query(sql)]


def run_spans(found: PredictionSet, run: str, tweets: Sequence[int]) -> dict[int, list[ScoredSpan]]:
    """The spans that a run finds in each of these tweets."""
    spans: dict[int, list[ScoredSpan]] = {tweet: [] for tweet in tweets}
    for row in span_rows(found, found.table("spans", run), tweets, "score"):
        spans[row["tweet"]].append(ScoredSpan(Span(row["start"], row["end"], row["label"]), row["score"]))
    return spans


def _margins(found: PredictionSet, run: str) -> np.ndarray:
    """How sure a run is of the least certain word of each tweet; 0 of a tweet without words."""
    return found.column(f"SELECT coalesce(margin, 0)::FLOAT FROM {found.table('tweets', run)} ORDER BY tweet")


def _sureness(
    difference: Difference, said: Sequence[ScoredSpan], marginals: Marginals | None, tweet: int, margin: float
) -> float:
    there = [s.score for s in said if difference.start <= s.span.start < difference.end]
    if there:
        return min(there)
    if marginals is None:
        return margin
    outside = marginals[tweet][difference.start : difference.end, 0]
    return float(outside.min())


# --- cleanlab ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenScores:
    """cleanlab's label quality of each labelled tweet and of each of its words, 0 (surely wrong) to 1."""

    tweets: np.ndarray  # (tweets,); 1 where there is nothing to judge
    words: Mapping[int, np.ndarray]  # by tweet: of the words that all runs have read
    best: Mapping[int, np.ndarray]  # by tweet: index in ``WORD_TAGS`` of each word's most probable tag
    tags: Mapping[int, list[str]]  # by tweet: the gold tags of these words


def cleanlab_scores(found: PredictionSet, runs: Sequence[str]) -> TokenScores:
    """Scores of every gold tag by the mean of the runs' marginals: self-confidence, and of a tweet its lowest word's.

    Raises:
        DataError: a run keeps no marginals (``run_set.keep_marginals`` makes them), or as in ``suspects``.
    """
    from cleanlab.token_classification.rank import get_label_quality_scores

    probabilities = mean_marginals(found, runs)
    gold = spans_by_tweet(found, found.table("gold"))
    lengths = found.column(f"SELECT words FROM {found.table('tweets')} ORDER BY tweet").tolist()
    judged = {row["tweet"] for row in found.query(f"FROM {found.judged}")}
    filled = [tweet for tweet, rows in enumerate(probabilities) if len(rows) and tweet in judged]
    tags = {t: spans_to_tags(gold.get(t, ()), lengths[t])[: len(probabilities[t])] for t in filled}
    scores, words = get_label_quality_scores(
        [[WORD_TAGS.id(tag) for tag in tags[tweet]] for tweet in filled], [probabilities[tweet] for tweet in filled]
    )
    whole = np.ones(found.info.tweets)
    whole[filled] = scores
    by_word = {tweet: np.asarray(row, float) for tweet, row in zip(filled, words, strict=True)}
    return TokenScores(whole, by_word, {tweet: probabilities[tweet].argmax(1) for tweet in filled}, tags)


def mean_marginals(found: PredictionSet, runs: Sequence[str]) -> list[np.ndarray]:
    """The mean of the runs' marginals of each tweet, (words, tags); errors as ``cleanlab_scores``."""
    kept = []
    for run in runs:
        if (marginals := read_marginals(found, run)) is None:
            raise DataError(f"{found.name}: wanted the marginals of {run}, it keeps none; compute them first")
        kept.append(marginals)
    if not kept:
        raise DataError(f"{found.name}: wanted the predictions of at least one system, got none")
    means = []
    for tweet in range(found.info.tweets):
        rows = [marginals[tweet] for marginals in kept]
        words = min(map(len, rows))
        mean = np.mean([row[:words] for row in rows], axis=0)
        means.append(mean / mean.sum(1, keepdims=True))
    return means
