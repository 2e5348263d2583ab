"""What the kept predictions of the results say: what systems fix and break, and whether it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from umt_core.analysis.benchmark import UMT, systems_of
from umt_core.analysis.sets import SET, PredictionSet
from umt_core.analysis.significance import Counts, PairedTest, paired_test
from umt_core.labels import LABELS
from umt_core.schema import Span

BASELINE = "bert-crf"  # of figures 3 and 4
RIVALS = ("gvatt-bert-crf", "adacan-bert-crf")  # that UMT is held against, as the paper does


@dataclass(frozen=True, slots=True)
class Moved:
    """A bar of Figure 3 and one of Figure 4: gold entities, of a system against BERT-CRF."""

    system: str
    fixed: int | None  # BERT-CRF wrong, the system right; ``None``: one of the two is not run
    broken: int | None  # the other way about


@dataclass(frozen=True, slots=True)
class Against:
    """A system held against another."""

    system: str
    baseline: str
    fixed: int
    broken: int
    test: PairedTest


@dataclass(frozen=True, slots=True)
class Predictions:
    """The test set's gold spans, and the predicted ones of each system's first seed, tweet by tweet."""

    gold: list[set[Span]]
    systems: dict[str, list[set[Span]]]
    _tests: dict[tuple[str, str, str | None], PairedTest] = field(default_factory=dict)  # that were asked before

    @classmethod
    def read(cls, results: Path, dataset: str) -> Self | None:
        """Those that were kept under a name; ``None``: there are none (``DataError``: they are damaged)."""
        place = predictions_folder(results, dataset)
        if not (place / SET).exists():
            return None
        found = PredictionSet.open(place)
        runs = {run.system: _spans(found, found.table("spans", name)) for name, run in found.runs.items()}
        return cls(_spans(found, found.table("gold")), runs)

    def test(self, baseline: str, system: str, label: str | None = None) -> PairedTest:
        """The system against the baseline; of one type alone if ``label`` is given."""
        if (known := self._tests.get((baseline, system, label))) is not None:
            return known
        gold, before, after = (
            [{s for s in spans if label in (None, s.label)} for spans in tweets]
            for tweets in (self.gold, self.systems[baseline], self.systems[system])
        )
        fixed, broken = _moved(gold, before, after)
        test = self._tests[baseline, system, label] = paired_test(
            Counts.of(gold, before, after), fixed=fixed, broken=broken
        )
        return test

    def moved(self, baseline: str, system: str) -> tuple[int, int]:
        """Gold spans that the system finds and the baseline does not, and the other way about."""
        return _moved(self.gold, self.systems[baseline], self.systems[system])


def _moved(gold: Sequence[set[Span]], before: Sequence[set[Span]], after: Sequence[set[Span]]) -> tuple[int, int]:
    rows = list(zip(gold, before, after, strict=True))
    fixed = sum(len((true & found) - was) for true, was, found in rows)
    return fixed, sum(len((true & was) - found) for true, was, found in rows)


def predictions_folder(results: Path, dataset: str) -> Path:
    """Where the predictions of the rows of a name are, for ``adopt_set``."""
    return results / dataset / "predictions"


def _spans(found: PredictionSet, table: str) -> list[set[Span]]:
    tweets: list[set[Span]] = [set() for _ in range(found.info.tweets)]
    for row in found.query(f'SELECT tweet, start, "end", label FROM {table}'):
        tweets[row["tweet"]].add(Span(row["start"], row["end"], row["label"]))
    return tweets


def daggers(predictions: Predictions | None) -> list[str]:
    """Where UMT is better than GVATT and AdaCAN by more than chance, of the types and ``f1``."""
    if predictions is None or {UMT, *RIVALS} - predictions.systems.keys():
        return []
    return [figure for figure in (*LABELS, "f1") if _is_better(predictions, None if figure == "f1" else figure)]


def _is_better(predictions: Predictions, label: str | None) -> bool:
    tests = (predictions.test(rival, UMT, label) for rival in RIVALS)
    return all(test.significant and test.difference.value > 0 for test in tests)


def figures_3_and_4(dataset: str, predictions: Predictions | None) -> list[Moved]:
    """The bars of both figures, of all systems that the plan has under a name; the paper draws four of them."""
    rows = []
    for system in (name for name in systems_of(dataset) if name != BASELINE):
        if predictions is None or {system, BASELINE} - predictions.systems.keys():
            rows.append(Moved(system, None, None))
        else:
            rows.append(Moved(system, *predictions.moved(BASELINE, system)))
    return rows


def pairs(dataset: str, predictions: Predictions) -> list[tuple[str, str]]:
    """Baseline and system of all that is worth a test: each system against BERT-CRF, GVATT and AdaCAN, once."""
    there, baselines = predictions.systems.keys(), (BASELINE, *RIVALS)
    every = ((baseline, system) for system in systems_of(dataset) for baseline in baselines)
    later = {system: baselines[: baselines.index(system)] if system in baselines else baselines for _, system in every}
    return [(b, system) for system, before in later.items() for b in before if {b, system} <= there]


def against(predictions: Predictions, baseline: str, system: str) -> Against:
    """The tests of a pair: it takes a tenth of a second and more."""
    return Against(system, baseline, *predictions.moved(baseline, system), predictions.test(baseline, system))
