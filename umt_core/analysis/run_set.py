"""Runs checkpoints over a prediction set's tweets, part by part, so that a kill costs one part. Needs torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import umt_core
from umt_core.analysis.building import Surfaces
from umt_core.analysis.marginals import marginals_path, write_marginals
from umt_core.analysis.runs import finish_run, part_path, write_part
from umt_core.analysis.sets import PRIVATE, RUN, PredictionSet, Progress, RunInfo, is_whole
from umt_core.data.files import locked, utc_now, write_json
from umt_core.data.images import ImageIndex
from umt_core.errors import CheckpointError, DataError
from umt_core.predict import Predictor
from umt_core.registry import CheckpointInfo, find_checkpoint, same_weights
from umt_core.schema import Example

PART = 500  # tweets; five to fifteen seconds of work on two cores, which is what a kill costs


def run_set(
    prediction_set: PredictionSet,
    checkpoints: Sequence[str | Path],
    *,
    device: str = "auto",
    part: int = PART,
    progress: Progress | None = None,
) -> PredictionSet:
    """Predictions of checkpoints on the set's tweets, added to it; what is there already is not made again.

    A run that was stopped or killed goes on after its last whole part of ``part`` tweets.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``Predictor.load``.
        DataError: the set is without its tweets, or its pictures have gone.
    """
    if missing := [name for name in PRIVATE if not (prediction_set.folder / name).exists()]:
        raise DataError(f"{prediction_set.folder}: wanted a set with its tweets, found no {missing[0]}; build it first")
    for name in dict.fromkeys(checkpoints):
        _run(prediction_set, name, device, part, progress)
    return PredictionSet.open(prediction_set.folder)


def _run(prediction_set: PredictionSet, name: str | Path, device: str, part: int, progress: Progress | None) -> None:
    found = find_checkpoint(name)
    manifest = found.manifest
    info = RunInfo(
        checkpoint=found.exact,
        system=manifest.system,
        weights_sha256=manifest.weights_sha256,
        data_sha256=prediction_set.info.data_sha256,
        uses_image=manifest.channels is not None,
        text_encoder=manifest.model.text_encoder,
        images=manifest.images,
        code=umt_core.__version__,
        created=utc_now(),
    )
    if any(run.folder_name == info.folder_name for run in prediction_set.runs.values()):
        return
    folder = prediction_set.folder / info.folder_name
    with locked(folder):
        began = time.monotonic()
        write_json(folder / RUN, info)
        _write_parts(prediction_set, found, folder / "parts", device, part, progress)
        finish_run(prediction_set, replace(info, seconds=round(time.monotonic() - began, 1)))


def keep_marginals(
    prediction_set: PredictionSet, runs: Sequence[str], *, device: str = "auto", progress: Progress | None = None
) -> None:
    """Computes the marginals of runs that keep none yet, for label errors by cleanlab's scores.

    Raises:
        CheckpointError: the checkpoint of a run is not here any more, or has changed.
        DataError: the set is without its tweets, or its pictures have gone.
    """
    for name in runs:
        path = marginals_path(prediction_set, name)
        if path.exists():
            continue

        def report(done: int, total: int, name: str = name) -> None:
            if progress:
                progress(name, done, total)

        examples = set_examples(prediction_set, 0, prediction_set.info.tweets)
        predictor = predictor_of(prediction_set, name, device)
        write_marginals(path, predictor.marginals(examples, set_images(prediction_set), progress=report))


def predictor_of(prediction_set: PredictionSet, name: str, device: str = "auto") -> Predictor:
    """The tagger that made a run's predictions.

    Raises:
        CheckpointError: it is not here any more, or has changed.
        BackboneError, ConfigError: as ``Predictor.load``.
        DataError: the set has no such run.
    """
    run = prediction_set.run(name)
    # By its weights: another version may be served under the name by now.
    found = None if run.folds else same_weights(run.checkpoint.partition("@")[0], run.weights_sha256)
    if found is None:
        raise CheckpointError(
            f"{name}: wanted the checkpoint of these predictions, it has changed or is gone; run it again"
        )
    return Predictor.load(found, device)


def _write_parts(
    prediction_set: PredictionSet,
    checkpoint: CheckpointInfo,
    folder: Path,
    device: str,
    size: int,
    progress: Progress | None,
) -> None:
    folder.mkdir(exist_ok=True)
    surfaces = Surfaces.read(prediction_set.folder)
    images = set_images(prediction_set)
    predictor: Predictor | None = None
    total = prediction_set.info.tweets
    parts = {start: part_path(folder, start, min(start + size, total)) for start in range(0, total, size)}
    for foreign in set(folder.glob("*.parquet")) - set(parts.values()):
        foreign.unlink()  # of a run with parts of another size
    for start, path in parts.items():
        if not is_whole(path):
            predictor = predictor or Predictor.load(checkpoint, device)
            examples = set_examples(prediction_set, start, start + size)

            def report(done: int, _: int, start: int = start) -> None:
                if progress:
                    progress(checkpoint.name, start + done, total)

            predictions, summaries = predictor.predict_and_summarise(examples, images, progress=report)
            write_part(folder, start, predictions, summaries, surfaces)
        if progress:
            progress(checkpoint.name, min(start + size, total), total)


def set_images(prediction_set: PredictionSet) -> ImageIndex | None:
    """Where the pictures are that the set was built with (``DataError``: they have gone)."""
    if not prediction_set.info.images_sha256:
        return None
    if (index := prediction_set.images()) is None:
        raise DataError(f"{prediction_set.folder}: wanted the pictures that the set was built with, they have gone")
    return index


def set_examples(prediction_set: PredictionSet, start: int, end: int) -> list[Example]:
    """The tweets ``[start, end)`` of a set, without their labels."""
    sql = f"""SELECT id, tokens, picture FROM {prediction_set.table("texts")} x JOIN {prediction_set.table("tweets")} t
        USING (tweet) WHERE tweet >= ? AND tweet < ? ORDER BY tweet"""
    rows = prediction_set.query(sql, start, end)
    return [Example(row["id"], tuple(row["tokens"]), image=row["picture"]) for row in rows]
