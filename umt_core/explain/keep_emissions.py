"""Has a tagger compute its scores for a whole prediction set, to be kept. Needs torch."""

from __future__ import annotations

from umt_core.analysis.run_set import predictor_of, set_examples, set_images
from umt_core.analysis.sets import PredictionSet, Progress
from umt_core.explain.emissions import write_emissions


def keep_emissions(found: PredictionSet, run: str, *, device: str = "auto", progress: Progress | None = None) -> None:
    """Computes and keeps the scores of all tweets, for ``emissions.set_emissions``.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``predictor_of``.
        DataError: the set is without its tweets, or its pictures have gone.
    """

    def report(done: int, total: int) -> None:
        if progress:
            progress(run, done, total)

    predictor = predictor_of(found, run, device)
    examples = set_examples(found, 0, found.info.tweets)
    rows = predictor.raw_scores(examples, set_images(found), progress=report)
    write_emissions(found, run, predictor.scoring, rows)
