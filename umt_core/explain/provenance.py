"""Where each tag and each span comes from: what the parts of eq. 7 and of the CRF add to it. Free of torch.

The score of a path (eq. 5) is a sum: of main emissions, of converted ESD emissions, and of transitions. The parts here
are those numbers and no estimates, and their sum is held against the score that the tagger's own CRF gives. What a
part *did* is another question, and answered by leaving it out and decoding again. That shows what the decision
needs of the tagger as it is; a tagger trained without the part would have learned to do without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from umt_core.analysis.ledger import classify
from umt_core.explain.what_if import emissions, word_tags
from umt_core.labels import esd_tag
from umt_core.model.chain import Chain, Scoring
from umt_core.schema import OwnPath, RawScores, Span
from umt_core.spans import tags_to_spans

MAIN, ESD, TRANSITIONS = "main", "ESD", "transitions"
SAME = "same"  # what becomes of a span without a part; else an error of the ledger, "missed" among them


@dataclass(frozen=True, slots=True)
class SpanNeeds:
    """A span, and what becomes of it without each part."""

    span: Span
    without: Mapping[str, str]  # part -> SAME, "boundary", "type", "type and boundary" or "missed"
    instead: Mapping[str, Span | None]  # part -> what stands there then

    @property
    def needed(self) -> tuple[str, ...]:
        """The parts without which it is not the same."""
        return tuple(part for part, error in self.without.items() if error != SAME)


@dataclass(frozen=True, slots=True, eq=False)
class Provenance:
    """One tweet's tags in parts. Arrays are float64, a row for each word that was read.

    ``arriving`` and ``leaving`` are the transitions between each tag of a word and the decoded tags beside it (at a
    tweet's ends the start's and the end's), so that the decoded tag has the largest ``total`` of its word.
    On subwords the neighbours are subwords.
    """

    tags: tuple[str, ...]
    main: np.ndarray  # (words, tags)
    converted: np.ndarray | None  # (words, tags): what ESD adds; None: it adds nothing
    arriving: np.ndarray  # (words, tags)
    leaving: np.ndarray  # (words, tags)
    chosen: np.ndarray  # (words,): which of the tags the CRF's best path has, under the tagger's own name for it
    decoded: tuple[str, ...]  # the same as B, I and O of the types: padding and [SEP] of the released tags are O
    main_alone: tuple[str, ...]  # decoded from the main emissions, with the CRF
    highest: tuple[str, ...]  # each word's largest emission, without the CRF
    esd_alone: tuple[str, ...]  # B, I and O of ESD with its own CRF; (): there is no ESD
    spans: tuple[SpanNeeds, ...]
    held_back: Mapping[str, tuple[Span, ...]]  # part -> spans that without it would be there, and stand for none here
    parts: Mapping[str, float]  # sums over the whole path, by part
    own_score: float  # of the same path, by the tagger itself

    @property
    def total(self) -> np.ndarray:
        """What the decoding compares for each tag of a word, its neighbours given: (words, tags)."""
        added = 0 if self.converted is None else self.converted
        total: np.ndarray = self.main + added + self.arriving + self.leaving
        return total

    @property
    def path_score(self) -> float:
        """The sum of the parts."""
        return sum(self.parts.values())

    @property
    def difference(self) -> float:
        """Of the parts' sum and the tagger's own score: a check, 0 but for rounding."""
        return abs(self.path_score - self.own_score)


def provenance(scoring: Scoring, own: OwnPath) -> Provenance:
    """The parts of what a tagger decoded for a tweet."""
    raw, starts = own.raw, own.raw.starts
    main = raw.main.astype(np.float64)
    total = emissions(scoring, raw.main, raw.esd)
    converted = None if scoring.conversion is None or raw.esd is None else scoring.converted(raw.esd)
    path = scoring.chain.best_path(total)
    decoded = word_tags(scoring.tags, path, raw)
    arriving, leaving = _beside(scoring.chain, path)
    without = {part: tags_to_spans(tags) for part, tags in _without(scoring, raw).items()}
    spans = tags_to_spans(decoded)
    places = np.arange(len(path))
    parts = {MAIN: float(main[places, path].sum())}
    if converted is not None:
        parts[ESD] = float(converted[places, path].sum())
    parts[TRANSITIONS] = float(scoring.chain.steps(path).sum())
    return Provenance(
        tags=scoring.tags,
        main=main[starts],
        converted=None if converted is None else converted[starts],
        arriving=arriving[starts],
        leaving=leaving[starts],
        chosen=path[starts],
        decoded=tuple(decoded),
        main_alone=tuple(word_tags(scoring.tags, scoring.chain.best_path(main), raw)),
        highest=tuple(word_tags(scoring.tags, total.argmax(axis=1), raw)),
        esd_alone=_esd_alone(scoring, raw),
        spans=tuple(_needs(span, spans, without) for span in spans),
        held_back={part: _new(spans, others) for part, others in without.items()},
        parts=parts,
        own_score=own.score,
    )


def _beside(chain: Chain, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every tag at every position, the transitions from and to the path's tags beside it: (n, tags) each."""
    arriving = np.concatenate([chain.start[None], chain.transitions[path[:-1]]])
    leaving = np.concatenate([chain.transitions[:, path[1:]].T, chain.end[None]])
    return arriving, leaving


def _without(scoring: Scoring, raw: RawScores) -> dict[str, list[str]]:
    """The words' tags without each part, all else as it is."""
    total, main = emissions(scoring, raw.main, raw.esd), raw.main.astype(np.float64)
    paths = {MAIN: scoring.chain.best_path(total - main)}
    if scoring.conversion is not None and raw.esd is not None:
        paths[ESD] = scoring.chain.best_path(main)
    paths[TRANSITIONS] = total.argmax(axis=1)
    return {part: word_tags(scoring.tags, path, raw) for part, path in paths.items()}


def _needs(span: Span, spans: tuple[Span, ...], without: Mapping[str, tuple[Span, ...]]) -> SpanNeeds:
    errors: dict[str, str] = {}
    instead: dict[str, Span | None] = {}
    for part, others in without.items():
        match = next(match for match in classify(spans, others) if match.gold == span)
        errors[part], instead[part] = match.error or SAME, match.predicted
    return SpanNeeds(span, errors, instead)


def _new(spans: tuple[Span, ...], others: tuple[Span, ...]) -> tuple[Span, ...]:
    """The other spans that stand for none of these."""
    found = (match.predicted for match in classify(spans, others) if match.gold is None)
    return tuple(span for span in found if span is not None)


def _esd_alone(scoring: Scoring, raw: RawScores) -> tuple[str, ...]:
    if scoring.esd_chain is None or raw.esd is None:
        return ()
    path = scoring.esd_chain.best_path(raw.esd.astype(np.float64))
    return tuple(word_tags(scoring.esd_tags, path, raw))


def deciders(found: Provenance, word: int) -> list[str]:
    """Who decided a word's tag, a line for each thing that one part changed or overruled.

    A word on which all agree has one line, which says so.
    """
    tag, main, highest = found.decoded[word], found.main_alone[word], found.highest[word]
    lines = []
    if main != tag:
        lines.append(f"ESD changed it: the main emissions alone give {main}")
    if highest != tag:
        lines.append(f"the CRF changed it: the largest emission is {highest}'s")
    if found.esd_alone and (said := found.esd_alone[word]) != esd_tag(tag):
        fate = "and is overruled" if found.converted is not None else "but its scores are not added here"
        lines.append(f"ESD alone says {said}, {fate}")
    return lines or ["all agree"]
