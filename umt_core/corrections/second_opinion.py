"""Two people on one tweet: what each says, how far they agree, and deciding between them. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from umt_core.analysis.agreement import Difference, differences
from umt_core.analysis.metrics import Scores, score_spans
from umt_core.corrections.events import Edit, Event, TweetKey
from umt_core.corrections.fold import ANSWERS
from umt_core.corrections.store import Store
from umt_core.schema import Span
from umt_core.spans import spans_to_tags

ADJUDICATION = "adjudication"  # base of an edit that decides between answers; it is nobody's own answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says of a tweet, by themselves."""

    author: str
    spans: tuple[Span, ...]
    number: int  # of the event
    time: str


@dataclass(frozen=True, slots=True)
class Case:
    """A tweet that not all who labelled it read alike."""

    key: TweetKey
    answers: tuple[Answer, ...]  # in the order of their authors' names
    differences: tuple[Difference, ...]  # stretches of tokens, and what each author says there
    decision: Answer | None = None  # of the last adjudication, whoever made it; None: it is still to be decided


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two people agree on the tweets that both have labelled."""

    first: str
    second: str
    tweets: int
    alike: int  # tweets with the same spans
    tokens: int
    kappa: float | None  # Cohen's, over the BIO2 tags of all tokens; None: both use one tag alone
    spans: Scores  # of the second's spans against the first's; its F1 is the same either way


# --- answers -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Standing:
    """What has been done to a tweet and is not undone."""

    own: dict[str, dict[int, Event]] = field(default_factory=dict)  # by author
    decisions: dict[int, Event] = field(default_factory=dict)


def answers(store: Store, data: str | None = None) -> dict[TweetKey, dict[str, Answer]]:
    """The last answer of each author that they have not undone, of both tracks, and without adjudications.

    Who skipped last has given none.
    """
    found = {key: _own_answers(standing) for key, standing in _standing(store.events(data=data)).items()}
    return {key: by_author for key, by_author in found.items() if by_author}


def cases(store: Store, data: str | None = None, tweet: str | None = None) -> list[Case]:
    """Tweets on which people differ, those to be decided first.

    A new answer opens a decided one again, and so does who skips it in place of a decision.
    """
    found = []
    for key, standing in _standing(store.events(data=data, tweet=tweet)).items():
        given = _own_answers(standing)
        if differ := differences({author: answer.spans for author, answer in given.items()}):
            newest = max(answer.number for answer in given.values())
            decided = standing.decisions[max(standing.decisions)] if standing.decisions else None
            stands = decided is not None and decided.action != "skip" and decided.number > newest
            found.append(Case(key, tuple(given.values()), differ, _answer(decided) if decided and stands else None))
    return sorted(found, key=lambda case: (case.decision is not None, case.key))


def decide(
    store: Store,
    key: TweetKey,
    spans: Sequence[Span],
    *,
    author: str,
    before: Sequence[Span],
    revision: int,
    reason: str = "",
) -> Event:
    """Sets a tweet's labels for everybody, as what was decided between the answers.

    Args:
        before, revision: what stood, and its revision, when the author looked.

    Raises:
        ConflictError: the tweet has moved on since.
        StoreError: the store cannot be written, or the spans are none of this tweet's.
    """
    edit = Edit(key, "set", author, tuple(before), tuple(sorted(spans)), revision, base=ADJUDICATION, reason=reason)
    return store.append(edit)


def _standing(events: Iterable[Event]) -> dict[TweetKey, _Standing]:
    standing: dict[TweetKey, _Standing] = {}
    done: dict[int, Event] = {}
    for event in events:
        here = standing.setdefault(event.key, _Standing())
        acted = done.setdefault(event.number, event) if event.action in ANSWERS else done.get(event.of)
        if acted is None or event.action == "comment":
            continue
        adjudicated = acted.base == ADJUDICATION
        stack = here.decisions if adjudicated else here.own.setdefault(acted.author, {})
        if event.action == "undo":
            stack.pop(acted.number, None)
        else:
            stack[acted.number] = acted
    return standing


def _own_answers(standing: _Standing) -> dict[str, Answer]:
    last = {author: events[max(events)] for author, events in sorted(standing.own.items()) if events}
    return {
        author: _answer(event) for author, event in last.items() if event.action != "skip" and event.after is not None
    }


def _answer(event: Event) -> Answer:
    return Answer(event.author, event.after or (), event.number, event.time)


# --- agreement -----------------------------------------------------------------------------------


def agreements(given: Mapping[TweetKey, Mapping[str, Answer]], lengths: Mapping[TweetKey, int]) -> list[Agreement]:
    """For each two people who share a tweet, how far they agree.

    Args:
        given: of ``answers``.
        lengths: tokens of the tweets as they are now; an answer that does not fit them does not count.
    """
    authors = sorted({author for by_author in given.values() for author in by_author})
    found = []
    for first, second in combinations(authors, 2):
        both = (key for key, by_author in given.items() if first in by_author and second in by_author)
        if shared := [key for key in both if _fits(given[key], lengths.get(key, -1))]:
            pairs = [(given[key][first].spans, given[key][second].spans) for key in shared]
            found.append(_agreement(first, second, pairs, [lengths[key] for key in shared]))
    return found


def _fits(by_author: Mapping[str, Answer], length: int) -> bool:
    """Whether all spans lie within a tweet of so many tokens."""
    return length >= 0 and all(span.end <= length for answer in by_author.values() for span in answer.spans)


def _agreement(
    first: str, second: str, pairs: Sequence[tuple[tuple[Span, ...], tuple[Span, ...]]], lengths: Sequence[int]
) -> Agreement:
    tags: tuple[list[str], list[str]] = ([], [])
    for pair, length in zip(pairs, lengths, strict=True):
        for side, spans in zip(tags, pair, strict=True):
            side += spans_to_tags(spans, length)
    return Agreement(
        first,
        second,
        tweets=len(pairs),
        alike=sum(set(a) == set(b) for a, b in pairs),
        tokens=sum(lengths),
        kappa=cohen_kappa(*tags),
        spans=score_spans([a for a, _ in pairs], [b for _, b in pairs]),
    )


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Agreement beyond chance: (observed - expected) / (1 - expected).

    ``None`` where it is not defined: there is nothing to compare, or both use one and the same tag throughout.

    >>> cohen_kappa(["O", "O", "B-LOC", "O"], ["O", "B-LOC", "B-LOC", "O"])
    0.5
    """
    if len({*first, *second}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score  # takes seconds, and pages without two people's answers do without

    return float(cohen_kappa_score(first, second))
