"""What the paper says of one system beside another, and whether our results bear it out. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from umt_core.analysis.benchmark import UMT, Results, Standing, row_sets, systems_of, table_2
from umt_core.analysis.benchmark_pairs import Predictions, pairs
from umt_core.analysis.paper import paper_figures
from umt_core.analysis.reproduction import Row, data_of
from umt_core.analysis.significance import PairedTest

HOLDS, TURNED, UNDECIDED = "holds", "the other way about", "not told from chance"
UNCLAIMED = "the paper has less here, too"
NOT_RUN, NOT_KEPT = "not run", "not kept"
SIGNS = {HOLDS: "✓", TURNED: "✗", UNDECIDED: "○", UNCLAIMED: "–", NOT_RUN: "", NOT_KEPT: ""}


@dataclass(frozen=True, slots=True)
class Claim:
    """One system is better than another by F1 (sections 3.3 and 3.4; of MT over BERT-CRF Table 2 alone says so)."""

    about: str
    better: str
    worse: str


_BERT, _CRF, _PICTURE = "BERT beats BiLSTMs", "a CRF on BERT helps", "the picture helps"
_MT, _BEST, _PART = "MT beats those before it", "UMT is the best", "every part of UMT helps"
CLAIMS = (
    Claim(_BERT, "bert", "bilstm-crf"),
    Claim(_BERT, "bert", "cnn-bilstm-crf"),
    Claim(_BERT, "bert", "hbilstm-crf"),
    Claim(_CRF, "bert-crf", "bert"),
    Claim(_PICTURE, "gvatt-hbilstm-crf", "hbilstm-crf"),
    Claim(_PICTURE, "adacan-cnn-bilstm-crf", "cnn-bilstm-crf"),
    Claim(_PICTURE, "gvatt-bert-crf", "bert-crf"),
    Claim(_PICTURE, "adacan-bert-crf", "bert-crf"),
    Claim(_PICTURE, "mt-bert-crf", "bert-crf"),
    Claim(_MT, "mt-bert-crf", "gvatt-hbilstm-crf"),
    Claim(_MT, "mt-bert-crf", "adacan-cnn-bilstm-crf"),
    Claim(_MT, "mt-bert-crf", "gvatt-bert-crf"),
    Claim(_MT, "mt-bert-crf", "adacan-bert-crf"),
    Claim(_BEST, UMT, "bert-crf"),
    Claim(_BEST, UMT, "gvatt-bert-crf"),
    Claim(_BEST, UMT, "adacan-bert-crf"),
    Claim(_BEST, UMT, "mt-bert-crf"),  # and so the span detector helps, which MT lacks
    Claim(_PART, UMT, "umt-bert-crf-no-conversion"),
    Claim(_PART, UMT, "umt-bert-crf-no-image-aware"),
    Claim(_PART, UMT, "umt-bert-crf-no-gate"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim beside what came of it here; differences in points of F1."""

    claim: Claim
    paper: float
    test: PairedTest | None  # of our first seeds; ``None``: one is not run, or its predictions are not kept
    means: float | None = None  # of the means over seeds, where both systems have several
    missing: str = NOT_RUN

    @property
    def ours(self) -> float | None:
        """Of the first seeds."""
        return None if self.test is None else 100 * self.test.difference.value

    @property
    def verdict(self) -> str:
        """In words. What chance may have made, or the seeds taken together turn about, bears nothing out."""
        if self.test is None:
            return self.missing
        if self.paper <= 0:
            return UNCLAIMED
        value = self.test.difference.value
        if not self.test.significant or (self.means is not None and self.means * value <= 0):
            return UNDECIDED
        return HOLDS if value > 0 else TURNED


@dataclass(frozen=True, slots=True)
class Best:
    """UMT's F1, the mean of its seeds, beside the paper's, in percent."""

    dataset: str
    ours: float
    paper: float


def claims_of(dataset: str) -> list[Claim]:
    """Those of systems that the plan has under a name."""
    planned = set(systems_of(dataset))
    return [claim for claim in CLAIMS if {claim.better, claim.worse} <= planned]


def findings(results: Results, dataset: str, predictions: Predictions | None) -> list[Finding]:
    """All claims of a name, each with its test where both are run: that takes a tenth of a second and more."""
    return [_finding(results, dataset, claim, predictions) for claim in claims_of(dataset)]


def _finding(results: Results, dataset: str, claim: Claim, predictions: Predictions | None) -> Finding:
    pair = (claim.better, claim.worse)
    better, worse = (paper_figures(data_of(dataset), "test", name)["f1"] for name in pair)
    kept = predictions is not None and set(pair) <= predictions.systems.keys()
    run = all(Row(dataset, name, 0) in results.done for name in pair)
    seeds = [[100 * values["test"]["f1"] for values in results.of(dataset, name).values()] for name in pair]
    several = all(len(f1) > 1 for f1 in seeds)
    return Finding(
        claim,
        paper=better - worse,
        test=predictions.test(claim.worse, claim.better) if predictions and kept else None,
        means=sum(seeds[0]) / len(seeds[0]) - sum(seeds[1]) / len(seeds[1]) if several else None,
        missing=NOT_KEPT if run else NOT_RUN,
    )


def compared_pairs(dataset: str, predictions: Predictions) -> list[tuple[str, str]]:
    """Baseline and system of all that is worth a test: ``pairs``, and then those of the claims that these leave out."""
    found, there = pairs(dataset, predictions), predictions.systems.keys()
    claimed = [(c.worse, c.better) for c in claims_of(dataset) if {c.worse, c.better} <= there]
    return [*found, *(pair for pair in claimed if not {pair, pair[::-1]} & set(found))]


def best(results: Results) -> list[Best]:
    """UMT beside the paper, under each name that has it run."""
    rows: list[Standing] = [row for name in row_sets() for row in table_2(results, name) if row.system == UMT]
    return [Best(row.dataset, row.ours["f1"].mean, row.paper["f1"]) for row in rows if row.ours]


def widest(results: Results) -> float:
    """How far the seeds of one system lie apart at most, in points of F1; 0: none has several."""
    f1 = [row.ours["f1"].values for name in row_sets() for row in table_2(results, name) if row.ours]
    return max((max(values) - min(values) for values in f1), default=0.0)


def points(difference: float) -> str:
    """A difference in points, with its sign.

    >>> points(1.5), points(-0.001)
    ('+1.50', '+0.00')
    """
    return f"{round(difference, 2) + 0.0:+.2f}"
