"""What a prediction set is asked about on the Patterns page: one system, beside a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from app import outcomes
from umt_core.analysis.sets import PredictionSet, RunInfo


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What every section of the Patterns page is given."""

    found: PredictionSet
    baseline: str  # names of runs; outcomes (fixed, broken, …) are the system's against the baseline
    system: str

    @property
    def run(self) -> RunInfo:
        """The system's."""
        return self.found.run(self.system)

    @property
    def title(self) -> str:
        """The system's short name."""
        return outcomes.run_titles(self.found.runs)[self.system]

    @property
    def baseline_title(self) -> str:
        return outcomes.run_titles(self.found.runs)[self.baseline]

    @property
    def key(self) -> str:
        """Changes with the set and both runs' weights: for keys of widgets."""
        runs = (self.found.run(name).weights_sha256[:12] for name in (self.baseline, self.system))
        return "_".join((self.found.info.key, *runs))
