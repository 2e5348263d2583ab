"""What the paper says of its systems, pair by pair, and whether our results bear it out. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from umt_core.analysis.benchmark import UMT, Results, Standing, row_sets, systems_of, table_2
from umt_core.analysis.benchmark_pairs import Predictions
from umt_core.analysis.paper import paper_figures
from umt_core.analysis.reproduction import data_of
from umt_core.analysis.significance import PairedTest

NOT_RUN = "not run"
HOLDS, TURNED, UNDECIDED = "holds", "the other way about", "not told from chance"
SIGNS = {HOLDS: "✓", TURNED: "✗", UNDECIDED: "○"}


@dataclass(frozen=True, slots=True)
class Claim:
    """One system is better than another by F1, says the paper (sections 3.3 and 3.4)."""

    about: str
    better: str
    worse: str


_BERT, _CRF = "BERT beats BiLSTMs", "a CRF on BERT helps"
_PICTURE, _MT, _ESD = "the picture helps", "MT beats GVATT and AdaCAN", "the span detector helps"
_PART = "every part of UMT helps"
CLAIMS = (
    Claim(_BERT, "bert", "hbilstm-crf"),
    Claim(_CRF, "bert-crf", "bert"),
    Claim(_PICTURE, "gvatt-hbilstm-crf", "hbilstm-crf"),
    Claim(_PICTURE, "adacan-cnn-bilstm-crf", "cnn-bilstm-crf"),
    Claim(_PICTURE, "gvatt-bert-crf", "bert-crf"),
    Claim(_PICTURE, "adacan-bert-crf", "bert-crf"),
    Claim(_PICTURE, "mt-bert-crf", "bert-crf"),
    Claim(_MT, "mt-bert-crf", "gvatt-bert-crf"),
    Claim(_MT, "mt-bert-crf", "adacan-bert-crf"),
    Claim(_ESD, UMT, "mt-bert-crf"),
    Claim(_PART, UMT, "umt-bert-crf-no-conversion"),
    Claim(_PART, UMT, "umt-bert-crf-no-image-aware"),
    Claim(_PART, UMT, "umt-bert-crf-no-gate"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim beside what came of it here."""

    claim: Claim
    paper: float  # the paper's F1 of the one minus that of the other, in points
    test: PairedTest | None  # of our first seeds; ``None``: one of the two is not run

    @property
    def ours(self) -> float | None:
        """As ``paper``."""
        return None if self.test is None else 100 * self.test.difference.value

    @property
    def verdict(self) -> str:
        """In words; a difference that chance may have made bears nothing out."""
        if self.test is None:
            return NOT_RUN
        if not self.test.significant:
            return UNDECIDED
        return HOLDS if self.test.difference.value > 0 else TURNED


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


def finding(dataset: str, claim: Claim, test: PairedTest | None) -> Finding:
    """A claim with the test of its pair, on the data set of a name."""
    better, worse = (paper_figures(data_of(dataset), "test", name)["f1"] for name in (claim.better, claim.worse))
    return Finding(claim, better - worse, test)


def findings(dataset: str, predictions: Predictions | None) -> list[Finding]:
    """All claims of a name, each with its test where both are run: that takes a tenth of a second and more."""
    found = []
    for claim in claims_of(dataset):
        kept = predictions is not None and {claim.better, claim.worse} <= predictions.systems.keys()
        test = predictions.test(claim.worse, claim.better) if predictions and kept else None
        found.append(finding(dataset, claim, test))
    return found


def best(results: Results) -> list[Best]:
    """UMT beside the paper, under each name that has it run."""
    rows: Sequence[Standing] = [row for name in row_sets() for row in table_2(results, name) if row.system == UMT]
    return [Best(row.dataset, row.ours["f1"].mean, row.paper["f1"]) for row in rows if row.ours]


def points(difference: float) -> str:
    """A difference in points, with its sign.

    >>> points(1.5), points(-0.001)
    ('+1.50', '+0.00')
    """
    return f"{round(difference, 2) + 0.0:+.2f}"
