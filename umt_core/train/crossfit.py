"""Out-of-fold predictions: every tweet of a labelled file is tagged by a tagger that was trained without it.

A tagger repeats wrong labels that it was trained on. To find those of a train split, the split is cut
into folds; for each, a tagger is trained on the others and tags the tweets left out. What they say together
becomes one run of the file's prediction set.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import umt_core
from umt_core.analysis.building import Surfaces, build_set
from umt_core.analysis.marginals import FILE, write_marginals
from umt_core.analysis.runs import finish_run, write_part
from umt_core.analysis.sets import RUN, PredictionSet, Progress, RunInfo
from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.files import cache_dir, locked, utc_now, write_json
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples, write_jsonl
from umt_core.errors import ConfigError, DataError
from umt_core.manifest import MANIFEST, Manifest, read_manifest
from umt_core.predict import Predictor
from umt_core.schema import Example, Prediction, Summary
from umt_core.train.reading import letters
from umt_core.train.run import Job, run_job
from umt_core.train.watcher import Watcher

OUT_OF_FOLD = "out-of-fold"  # stands after the @ of such a run's name
VALID_SHARE = 0.1  # of the tweets a fold's tagger may see: its best epoch is chosen by these, not by those left out


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained, on which data, in how many folds."""

    data: Path
    system: str
    model: ModelSettings
    settings: TrainSettings  # its seed deals the tweets into folds too
    folds: int = 5
    images: Path | None = None
    dataset: str = ""  # "": the name of the data file's folder
    recipe: str = "paper"
    about_images: str = ""
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 2 <= self.folds <= 100:
            raise ConfigError(f"folds: wanted 2 to 100, got {self.folds}")


def crossfit(
    plan: Plan,
    watcher: Watcher | None = None,
    *,
    folder: Path | None = None,
    root: Path | None = None,
    progress: Progress | None = None,
) -> PredictionSet | None:
    """Trains the folds and adds the run ``<dataset>/<system>@out-of-fold`` to the prediction set of the data.

    A fold that is trained is not trained again, one that was stopped goes on after its last whole epoch.

    Args:
        folder: where the folds' taggers are kept; by default in the cache.
        root: of the prediction sets.

    Returns:
        the set; ``None`` if the watcher stopped the training.

    Raises:
        UmtError: as ``build_set`` and ``run_job``.
    """
    watcher = watcher or Watcher()
    found = build_set(plan.data, plan.images, dataset=plan.dataset, root=root, progress=progress)
    examples = read_examples(plan.data)
    if found.info.unlabelled:
        raise DataError(f"{plan.data}: wanted labelled tweets, got {found.info.unlabelled} without labels")
    parts = deal([letters(example.tokens) or example.id for example in examples], plan.folds, plan.settings.seed)
    folder = (folder or cache_dir() / "crossfit") / f"{plan.system}-{_digest(plan, found)}"
    with locked(folder):
        began = time.monotonic()
        manifests = []
        for number, part in enumerate(parts):
            watcher.note(f"{plan.system}: fold {number + 1} of {plan.folds}, {len(part)} tweets left out")
            manifest = _train_fold(plan, examples, part, folder / f"fold-{number}", watcher)
            if manifest is None:
                return None
            manifests.append(manifest)
        info = _run_info(plan, found, manifests)
        if info.folder_name not in {run.folder_name for run in found.runs.values()}:
            said = _predict(plan, examples, parts, folder, progress)
            _write_run(found, replace(info, seconds=round(time.monotonic() - began, 1)), said)
    return PredictionSet.open(found.folder)


def deal(texts: Sequence[str], folds: int, seed: int) -> list[list[int]]:
    """The places of texts dealt at random into folds of like size, each in order; equal texts into one fold.

    >>> [len(part) for part in deal("abcdefg", 3, seed=0)], sorted(sum(deal("abcdefg", 3, seed=0), []))
    ([3, 2, 2], [0, 1, 2, 3, 4, 5, 6])

    Raises:
        DataError: there are fewer than two different texts for each fold.
    """
    places: dict[str, list[int]] = {}
    for i in np.random.default_rng(seed).permutation(len(texts)).tolist():
        places.setdefault(texts[i], []).append(i)
    if len(places) < 2 * folds:
        raise DataError(f"wanted at least two different tweets for each of {folds} folds, got {len(places)}")
    groups = list(places.values())
    return [sorted(i for group in groups[fold::folds] for i in group) for fold in range(folds)]


def _digest(plan: Plan, found: PredictionSet) -> str:
    """Twelve digits of all that decides what the folds' taggers become."""
    dealt = 2  # so: equal texts in one fold
    values = [found.info.key, found.info.data_sha256, plan.folds, dealt, plan.model.to_dict(), plan.settings.to_dict()]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]


def _train_fold(
    plan: Plan, examples: Sequence[Example], left_out: Sequence[int], folder: Path, watcher: Watcher
) -> Manifest | None:
    output = folder / "checkpoint"
    if (output / MANIFEST).exists():
        return read_manifest(output)
    rest = np.setdiff1d(np.arange(len(examples)), left_out)
    shuffled = np.random.default_rng([plan.settings.seed, left_out[0]]).permutation(rest).tolist()
    labelled = next((i for i, tweet in enumerate(shuffled) if examples[tweet].spans), 0)
    count = max(labelled + 1, round(VALID_SHARE * len(rest)))  # one without an entity chooses nothing
    files = {"valid": sorted(shuffled[:count]), "train": sorted(shuffled[count:])}
    for name, tweets in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        write_jsonl(folder / f"{name}.jsonl", [examples[tweet] for tweet in tweets])
    job = Job(
        system=plan.system,
        train=folder / "train.jsonl",
        valid=folder / "valid.jsonl",
        output=output,
        model=plan.model,
        settings=plan.settings,
        recipe=plan.recipe,
        images=plan.images,
        dataset=plan.dataset or plan.data.resolve().parent.name,
        about_images=plan.about_images,
        device=plan.device,
    )
    return run_job(job, watcher)


def _run_info(plan: Plan, found: PredictionSet, manifests: Sequence[Manifest]) -> RunInfo:
    first = manifests[0]
    return RunInfo(
        checkpoint=f"{found.info.dataset}/{plan.system}@{OUT_OF_FOLD}",
        system=plan.system,
        weights_sha256=hashlib.sha256("\n".join(m.weights_sha256 for m in manifests).encode()).hexdigest(),
        data_sha256=found.info.data_sha256,
        uses_image=first.channels is not None,
        text_encoder=first.model.text_encoder,
        images=first.images,
        code=umt_core.__version__,
        created=utc_now(),
        folds=plan.folds,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said of each tweet, in the order of the data."""

    predictions: list[Prediction]
    summaries: list[Summary | None]
    marginals: list[np.ndarray]


def _predict(
    plan: Plan, examples: Sequence[Example], parts: Sequence[Sequence[int]], folder: Path, progress: Progress | None
) -> _Said:
    index = None if plan.images is None else ImageIndex.open(plan.images)
    rows: dict[int, tuple[Prediction, Summary | None, np.ndarray]] = {}
    for number, part in enumerate(parts):
        predictor = Predictor.load(folder / f"fold-{number}" / "checkpoint", plan.device)
        left_out = [replace(examples[tweet], spans=None, tags=None) for tweet in part]
        predictions, summaries = predictor.predict_and_summarise(left_out, index)
        marginals = predictor.marginals(left_out, index)
        rows.update(zip(part, zip(predictions, summaries, marginals, strict=True), strict=True))
        if progress:
            progress(f"{plan.system}: tweets left out", len(rows), len(examples))
    predictions, summaries, marginals = zip(*(rows[tweet] for tweet in range(len(examples))), strict=True)
    return _Said(list(predictions), list(summaries), list(marginals))


def _write_run(found: PredictionSet, info: RunInfo, said: _Said) -> None:
    folder = found.folder / info.folder_name
    with locked(folder):
        write_json(folder / RUN, info)
        parts = folder / "parts"
        parts.mkdir(exist_ok=True)
        for foreign in parts.glob("*.parquet"):
            foreign.unlink()  # of a process that was killed here
        write_part(parts, 0, said.predictions, said.summaries, Surfaces.read(found.folder))
        write_marginals(folder / FILE, said.marginals)
        finish_run(found, info)
