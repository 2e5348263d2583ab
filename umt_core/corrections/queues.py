"""Queues: in which order a person looks at the tweets of a data set, each with the reason why. Free of torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from umt_core.analysis.browse import found_ids, resolve
from umt_core.analysis.query import Query
from umt_core.analysis.sets import RUN_COMMAND, PredictionSet, Row
from umt_core.corrections.events import TweetKey
from umt_core.corrections.label_errors import Suspect, cleanlab_scores, suspects
from umt_core.corrections.second_opinion import answers
from umt_core.corrections.store import Store
from umt_core.data.datasets import data_sets
from umt_core.errors import CheckpointError, DataError
from umt_core.labels import WORD_TAGS
from umt_core.manifest import Manifest
from umt_core.registry import CheckpointInfo, find_checkpoint, parent_of, same_weights
from umt_core.schema import Span

LIMIT = 5000  # items of a queue at most: whoever has done these asks again


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A kind of queue, and what it needs."""

    name: str
    title: str
    why: str
    runs: int = 0  # predictions of so many systems; 0: it does without
    marginals: bool = False  # and their marginals, see ``run_set.keep_marginals``


QUEUES: dict[str, QueueInfo] = {
    info.name: info
    for info in (
        QueueInfo("browser", "The filtered browser", "what the browser's filters find, in its order"),
        QueueInfo("disagreement", "Systems disagree", "one of them is wrong, and a person can tell which", runs=2),
        QueueInfo(
            "least-certain-word", "Least certain word", "a system learns most where it could not tell a tag", runs=1
        ),
        QueueInfo("least-certain-span", "Least certain entity", "found with little certainty, or nearly found", runs=1),
        QueueInfo(
            "label-errors", "Suspected label errors", "all systems agree against the labels, the surest first", runs=1
        ),
        QueueInfo(
            "label-errors-cleanlab",
            "Suspected label errors (cleanlab)",
            "a label that the systems together hold improbable, by cleanlab's token scores",
            runs=1,
            marginals=True,
        ),
        QueueInfo("random", "Random", "a fair sample, for an honest estimate of how many labels are wrong"),
        QueueInfo("uploads", "My uploads", "tweets that people brought, the newest first"),
        QueueInfo("second-opinion", "Second opinion", "tweets that another person has labelled, without their labels"),
    )
}


@dataclass(frozen=True, slots=True)
class Item:
    """A tweet in a queue."""

    tweet: str  # its id
    score: float | None  # what it is ranked by; None: by its place alone
    reason: str  # one line; may hold words of the tweet
    answered: bool = False  # somebody has set its labels, or skipped it


@dataclass(frozen=True, slots=True)
class Queue:
    """What a person is to look at, in this order; what is answered comes last."""

    name: str
    data: str
    items: tuple[Item, ...]
    total: int  # tweets in the queue, of which ``items`` may be the first
    answered: int  # of them
    notes: tuple[str, ...] = ()  # lines that a reader must know: what makes the queue less than it seems


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a queue is made of."""

    data: str
    found: PredictionSet | None
    ids: Sequence[str]
    store: Store | None
    query: Query | None
    author: str
    seed: int
    runs: tuple[str, ...]
    title: Callable[[str], str]

    @property
    def set(self) -> PredictionSet:
        if self.found is None:
            raise DataError(f"{self.data}: wanted predictions for this queue, got none; make some: {RUN_COMMAND}")
        return self.found


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Tweets in order, what they are ranked by, and how the reason for those at some places is told."""

    ids: Sequence[str]
    scores: Sequence[float | None]
    reasons: Callable[[Sequence[int]], Sequence[str]]


def plain_title(run: str) -> str:
    """A run's name without its data set.

    >>> plain_title("twitter2017/umt-bert-crf")
    'umt-bert-crf'
    """
    return run.rpartition("/")[2]


def build_queue(
    name: str,
    found: PredictionSet | None,
    ids: Sequence[str],
    store: Store | None = None,
    *,
    data: str = "",
    query: Query | None = None,
    author: str = "",
    seed: int = 0,
    runs: Sequence[str] = (),
    answered: bool = True,
    limit: int = LIMIT,
    title: Callable[[str], str] = plain_title,
) -> Queue:
    """The queue of a name (of ``QUEUES``) over a data set.

    Args:
        found: its predictions; ``None``: there are none.
        ids: of all its tweets, in the order of the data file.
        store: where answers are; ``None``: nothing is answered.
        data: ``<data set>/<split>``; by default that of ``found``.
        query: of the browser; its system is the one whose certainty counts.
        author: for whom the queue is; "second-opinion" needs it.
        runs: whose predictions count; by default see ``default_runs``.
        answered: put what is answered last, instead of leaving it out.
        title: how a run is called in a reason.

    Raises:
        DataError: there is no such queue, or not what it needs: predictions of enough systems, marginals, an
            author, own tweets; or a file is damaged.
        StoreError: the store cannot be read.
    """
    if name not in QUEUES:
        raise DataError(f"wanted a queue of {', '.join(QUEUES)}, got {name!r}")
    info, data = QUEUES[name], data or (found.name if found else "")
    chosen = tuple(runs) or (default_runs(found, info.runs) if found else ())
    ask = _Ask(data, found, ids, store, query, author, seed, chosen, title)
    if info.runs and len(ask.runs) < info.runs:
        have = ", ".join(map(plain_title, ask.set.runs)) or "none"
        raise DataError(f"{data}: {info.title} wants predictions of {info.runs} or more systems, there are: {have}")
    ranking = _RANKINGS[name](ask)
    done = answered_ids(store, data) if store and name != "second-opinion" else set()
    places = [place for place, tweet in enumerate(ranking.ids) if tweet not in done]
    open_count = len(places)
    if answered:
        places += [place for place, tweet in enumerate(ranking.ids) if tweet in done]
    shown = places[:limit]
    items = tuple(
        Item(ranking.ids[place], ranking.scores[place], reason, ranking.ids[place] in done)
        for place, reason in zip(shown, ranking.reasons(shown), strict=True)
    )
    notes = tuple(_notes(ask)) if info.runs else ()
    return Queue(name, data, items, len(ranking.ids), len(ranking.ids) - open_count, notes)


def answered_ids(store: Store, data: str) -> set[str]:
    """The tweets whose labels somebody has set, or that somebody has skipped, as it stands now."""
    standing = store.current(data)
    return {key.tweet for key, labels in standing.items() if labels.spans is not None or labels.skipped}


# --- whose predictions ---------------------------------------------------------------------------


def default_runs(found: PredictionSet, least: int = 1) -> tuple[str, ...]:
    """Out-of-fold runs, if there are enough of them; else one run of each checkpoint, the newest; else all."""
    honest = tuple(name for name, run in found.runs.items() if run.folds)
    if len(honest) >= max(1, least):
        return honest
    newest = tuple(name for name, run in found.runs.items() if not run.folds and "@" not in name)
    return newest if len(newest) >= least else tuple(found.runs)


def trained_on(found: PredictionSet, run: str) -> str | None:
    """How a run's system knew the labels of these very tweets; ``None``: it did not, as far as its manifest tells.

    A system that was trained on labels repeats the wrong ones too, and is certain of all of them.
    """
    about = found.run(run)
    if about.folds:
        return None
    # By its weights: the family's name stands for what is served now, and a version may have another name since.
    made_by = same_weights(about.checkpoint.partition("@")[0], about.weights_sha256)
    if made_by is None:
        try:
            find_checkpoint(about.checkpoint)
        except CheckpointError:
            return "its checkpoint is not here, and what it was trained on cannot be told"
        return "its checkpoint has changed since, and what it was trained on cannot be told"
    for ancestor in _line_of(made_by):
        for split, how in (("train", "trained on"), ("valid", "its best epoch was chosen by")):
            if found.info.data_sha256 in _sums(ancestor.data.get(split)):
                return f"{how} these very tweets"
    return None


def _line_of(found: CheckpointInfo) -> Iterator[Manifest]:
    """A checkpoint's manifest, that of the one it was trained from, and so on."""
    seen: set[str] = set()
    before: CheckpointInfo | None = found
    while before is not None and before.manifest.weights_sha256 not in seen:
        manifest = before.manifest
        yield manifest
        seen.add(manifest.weights_sha256)
        try:
            if manifest.parent:
                before = parent_of(before)
            else:
                before = find_checkpoint(manifest.init) if manifest.init else None
        except CheckpointError:
            return


def _sums(value: Any) -> set[str]:
    """All checksums in what a manifest says of a split."""
    if isinstance(value, Mapping):
        own = {value["sha256"]} if isinstance(value.get("sha256"), str) else set()
        return own.union(*(_sums(inner) for inner in value.values()))
    return set().union(*(_sums(inner) for inner in value)) if isinstance(value, list) else set()


def _notes(ask: _Ask) -> Iterator[str]:
    known = {run: line for run in ask.runs if (line := trained_on(ask.set, run))}
    for run, line in known.items():
        yield f"{ask.title(run)}: {line}."
    if any("these very tweets" in line for line in known.values()):
        yield "What a system has learned by heart it does not doubt: out-of-fold predictions find more wrong labels."


# --- rankings ------------------------------------------------------------------------------------


def _browser(ask: _Ask) -> _Ranking:
    if ask.found is None or not ask.found.runs:
        return _Ranking(ask.ids, [None] * len(ask.ids), lambda places: ["in the order of the file"] * len(places))
    query = ask.query or Query()
    rows = found_ids(ask.found, query)
    filters = replace(query, data="", baseline="", system="", sort="tweet", descending=False, page=0).to_params()
    told = ", ".join(f"{name} {value}" for name, value in filters.items())
    by = "" if query.sort == "tweet" else f" by {query.sort.replace('_', ' ')}"
    line = f"found by {told}{by}" if told else f"all tweets{by}"
    scores = [float(key) if isinstance(key, int | float) else None for _, key in rows]
    return _Ranking([tweet for tweet, _ in rows], scores, lambda places: [line] * len(places))


def _disagreement(ask: _Ask) -> _Ranking:
    found, key = ask.set, 'tweet, start, "end", label'
    said = _said(found, ask.runs)
    # Each span that not all of them find counts with the certainty of those that do.
    sql = f"""
        SELECT tweet, t.id, sum(score)::DOUBLE AS score FROM
            (SELECT {key}, avg(score) AS score FROM ({said}) GROUP BY ALL HAVING count(*) < {len(ask.runs)})
        JOIN {found.table("tweets")} t USING (tweet) GROUP BY ALL ORDER BY score DESC, tweet"""
    rows = found.query(sql)

    def reasons(places: Sequence[int]) -> list[str]:
        tweets = [rows[place]["tweet"] for place in places]
        words = _Words(found, tweets)
        spans: dict[int, dict[Span, dict[str, float]]] = {tweet: {} for tweet in tweets}
        for row in found.query(f"SELECT * FROM ({said}) WHERE {_among(tweets)} ORDER BY tweet, start"):
            readers = spans[row["tweet"]].setdefault(_span(row), {})
            readers[row["run"]] = row["score"]
        return [_differing(ask, words, tweet, spans[tweet]) for tweet in tweets]

    return _Ranking([row["id"] for row in rows], [row["score"] for row in rows], reasons)


def _differing(ask: _Ask, words: _Words, tweet: int, spans: Mapping[Span, Mapping[str, float]]) -> str:
    """What each says where the surest of the spans is that not all of them find."""
    split = {span: said for span, said in spans.items() if len(said) < len(ask.runs)}
    surest = max(split, key=lambda span: max(split[span].values()))
    there = [span for span in spans if span.overlaps(surest)]
    readers: dict[tuple[Span, ...], list[str]] = {}
    for run in ask.runs:
        readers.setdefault(tuple(span for span in there if run in spans[span]), []).append(run)
    told = []
    for read, by in sorted(readers.items(), key=lambda row: surest not in row[0]):
        score = f" ({min(spans[span][run] for span in read for run in by):.2f})" if read else ""
        told.append(f"{_names(ask, by)} {_verb(by, 'say')} {words.all_of(tweet, read)}{score}")
    return ", ".join(told) + _more(len(set(split).difference(there)), "entity", "entities")


def _least_certain_word(ask: _Ask) -> _Ranking:
    return _least_certain(ask, "s.margin", "between the two likeliest tags of its least certain word")


def _least_certain_span(ask: _Ask) -> _Ranking:
    # A margin m between two tags gives the likelier one (1 + m) / 2: so a span that was nearly found counts as well.
    key = "least(coalesce(s.lowest_score, 1), (1 + s.margin) / 2)"
    return _least_certain(ask, key, "sure of its least certain entity, or that there is none")


def _least_certain(ask: _Ask, key: str, told: str) -> _Ranking:
    found = ask.set
    system = _system(ask)
    rows = found.query(
        f"""SELECT t.id, ({key})::DOUBLE AS score FROM {found.table("tweets")} t
        JOIN {found.table("tweets", system)} s USING (tweet) WHERE s.margin IS NOT NULL ORDER BY score, tweet"""
    )
    scores = [row["score"] for row in rows]

    def reasons(places: Sequence[int]) -> list[str]:
        return [f"{ask.title(system)}: {scores[place]:.2f} {told}" for place in places]

    return _Ranking([row["id"] for row in rows], scores, reasons)


def _system(ask: _Ask) -> str:
    """Whose certainty counts: the query's system, else as ``resolve`` chooses among the runs."""
    if ask.query and ask.query.system:
        return resolve(ask.set, ask.query).system
    return resolve(replace(ask.set, runs={run: ask.set.run(run) for run in ask.runs}), Query()).system


def _label_errors(ask: _Ask) -> _Ranking:
    found, ids = ask.set, _ids(ask.set)
    by_tweet: dict[int, list[Suspect]] = {}
    for suspect in suspects(found, ask.runs):
        by_tweet.setdefault(suspect.tweet, []).append(suspect)  # the surest of a tweet is its first
    tweets = list(by_tweet)

    def reasons(places: Sequence[int]) -> list[str]:
        words = _Words(found, [tweets[place] for place in places])
        return [_against_gold(ask, words, by_tweet[tweets[place]]) for place in places]

    return _Ranking([ids[tweet] for tweet in tweets], [by_tweet[tweet][0].score for tweet in tweets], reasons)


def _against_gold(ask: _Ask, words: _Words, found: Sequence[Suspect]) -> str:
    first = found[0]
    read, gold = (words.all_of(first.tweet, spans) for spans in (first.read, first.gold))
    line = f"{_names(ask, ask.runs)} {_verb(ask.runs, 'say')} {read} where gold says {gold} ({first.score:.2f})"
    return line + _more(len(found) - 1, "place", "places")


def _cleanlab(ask: _Ask) -> _Ranking:
    found, ids = ask.set, _ids(ask.set)
    scores = cleanlab_scores(found, ask.runs)
    tweets = sorted(scores.words, key=lambda tweet: (scores.tweets[tweet], tweet))

    def reasons(places: Sequence[int]) -> list[str]:
        words = _Words(found, [tweets[place] for place in places])
        lines = []
        for tweet in (tweets[place] for place in places):
            worst = int(scores.words[tweet].argmin())
            best, tag = WORD_TAGS.tags[scores.best[tweet][worst]], scores.tags[tweet][worst]
            likeliest = "it is the likeliest all the same" if best == tag else f"{best} is the likeliest"
            where = words.quoted(tweet, worst, worst + 1)
            lines.append(f"gold’s {tag} on {where} has a probability of {scores.tweets[tweet]:.2f}; {likeliest}")
        return lines

    return _Ranking([ids[tweet] for tweet in tweets], [float(scores.tweets[tweet]) for tweet in tweets], reasons)


def _random(ask: _Ask) -> _Ranking:
    ids = list(ask.ids)
    random.Random(ask.seed).shuffle(ids)
    return _Ranking(ids, [None] * len(ids), lambda places: ["drawn at random"] * len(places))


def _uploads(ask: _Ask) -> _Ranking:
    own = [data_set.name for data_set in data_sets() if data_set.own]
    if ask.data.partition("/")[0] not in own:
        raise DataError(f"{ask.data}: wanted a data set that was uploaded, got another; there are: {own or 'none'}")
    ids = list(reversed(ask.ids))
    return _Ranking(ids, [None] * len(ids), lambda places: ["uploaded, the newest first"] * len(places))


def _second_opinion(ask: _Ask) -> _Ranking:
    if not ask.author or ask.store is None:
        raise DataError("a second opinion is somebody's: wanted an author and a store, got none")
    given = answers(ask.store, ask.data)
    others = {
        tweet: count
        for tweet in ask.ids
        if (by := given.get(TweetKey(ask.data, tweet), {})) and ask.author not in by and (count := len(by))
    }
    ids = sorted(others, key=lambda tweet: others[tweet])  # one answer first: two make a comparison

    def reasons(places: Sequence[int]) -> list[str]:
        counts = [others[ids[place]] for place in places]
        return [
            f"{n} other {'person has' if n == 1 else 'people have'} labelled it; you see what they say when you have"
            for n in counts
        ]

    return _Ranking(ids, [float(others[tweet]) for tweet in ids], reasons)


_RANKINGS: dict[str, Callable[[_Ask], _Ranking]] = {
    "browser": _browser,
    "disagreement": _disagreement,
    "least-certain-word": _least_certain_word,
    "least-certain-span": _least_certain_span,
    "label-errors": _label_errors,
    "label-errors-cleanlab": _cleanlab,
    "random": _random,
    "uploads": _uploads,
    "second-opinion": _second_opinion,
}


# --- rows and words ------------------------------------------------------------------------------


def _said(found: PredictionSet, runs: Sequence[str]) -> str:
    """The spans of runs, a column ``run`` beside them."""
    parts = []
    for run in runs:
        name = run.replace("'", "''")
        parts.append(f"""SELECT '{name}' AS run, tweet, start, "end", label, score FROM {found.table("spans", run)}""")
    return " UNION ALL ".join(parts)


def _among(tweets: Sequence[int]) -> str:
    return f"tweet IN ({', '.join(map(str, tweets)) or 'NULL'})"


def _ids(found: PredictionSet) -> list[str]:
    return [row["id"] for row in found.query(f"SELECT id FROM {found.table('tweets')} ORDER BY tweet")]


def _span(row: Row) -> Span:
    return Span(row["start"], row["end"], row["label"])


class _Words:
    """The words of tweets, or their places where a set came without its tweets."""

    def __init__(self, found: PredictionSet, tweets: Sequence[int]) -> None:
        self.tokens: dict[int, list[str]] = {}
        if found.has_texts:
            rows = found.query(f"SELECT tweet, tokens FROM {found.table('texts')} WHERE {_among(tweets)}")
            self.tokens = {row["tweet"]: row["tokens"] for row in rows}

    def quoted(self, tweet: int, start: int, end: int) -> str:
        if tweet in self.tokens:
            return f"“{' '.join(self.tokens[tweet][start:end])}”"
        return f"word {start + 1}" if end - start == 1 else f"words {start + 1} to {end}"

    def all_of(self, tweet: int, spans: Sequence[Span]) -> str:
        parts = [f"{span.label} {self.quoted(tweet, span.start, span.end)}" for span in spans]
        return " and ".join(parts) or "nothing"


def _names(ask: _Ask, runs: Sequence[str]) -> str:
    titles = list(dict.fromkeys(ask.title(run) for run in runs))
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _verb(subjects: Mapping[str, Any] | Sequence[str], verb: str) -> str:
    return verb if len(subjects) > 1 else f"{verb}s"


def _more(count: int, one: str, many: str) -> str:
    return "" if count < 1 else f"; {count} more {one if count == 1 else many}"
