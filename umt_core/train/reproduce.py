"""One row of the reproduction: trains, predicts the test split, writes what came of it. Can be broken off anywhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from umt_core.analysis.benchmark_pairs import predictions_folder
from umt_core.analysis.building import build_set, share_set
from umt_core.analysis.reproduction import SEEDS, Row, data_of, read_values
from umt_core.analysis.run_set import run_set
from umt_core.analysis.sets import RUN, SET, PredictionSet, RunInfo
from umt_core.config import ModelSettings, TrainSettings, default_recipe, settings_of
from umt_core.data.datasets import IMAGES, SPLITS, DataSet, data_sets_in
from umt_core.data.files import locked, write_json
from umt_core.data.images import ImageIndex, images_sum
from umt_core.data.jsonl import read_examples
from umt_core.data.stats import read_files, table1_rows
from umt_core.errors import BusyError, CheckpointError, DataError
from umt_core.manifest import MANIFEST, Manifest, file_sum, read_manifest
from umt_core.predict import Predictor
from umt_core.systems import system_class
from umt_core.train.run import STATE, Job, run_job
from umt_core.train.watcher import Watcher

TWINS = {"umt-bert-crf-no-esd": "mt-bert-crf"}  # one model by two names: the same seed gives the same weights
BASE_ENCODER = "mpnet-base"  # of the rows at the paper's size, whatever the others are on
TIMED = 300  # tweets that are predicted again to see how long one takes


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all rows."""

    data: Path  # folder of data sets, as ``UMT_DATA``
    results: Path
    text_encoder: str = "minilm"
    vision_encoder: str = "efficientnet-lite0"
    recipe: str | None = None  # None: each system's own
    about_images: str = ""  # what the pictures are
    device: str = "auto"
    overrides: tuple[tuple[str, Any], ...] = ()  # settings in place of the recipe's
    sums: dict[Path, str] = field(default_factory=dict, compare=False)  # of pictures, as this setup first saw them

    def pictures_sum(self, images: Path) -> str:
        """Asked for each row of a list, and thousands of files are looked at."""
        if images not in self.sums:
            self.sums[images] = _pictures_sum(images)
        return self.sums[images]

    def data_set(self, name: str) -> DataSet:
        """A data set with its three splits (``DataError``: it is not there)."""
        found = {of.name: of for of in data_sets_in(self.data)}
        if name not in found or set(SPLITS) - found[name].splits.keys():
            wanted = ", ".join(f"{name}/{split}.txt" for split in SPLITS)
            raise DataError(
                f"{self.data}: wanted {wanted}, got {sorted(found[name].splits) if name in found else 'none'}"
            )
        return found[name]

    def job(self, row: Row) -> Job:
        """What ``run_job`` trains for a row.

        Raises:
            DataError: the data set is not there.
            ConfigError: a setting is unknown or out of range.
        """
        files = self.data_set(data_of(row.dataset))
        recipe, model, train = self.settings(row)
        return Job(
            system=row.system,
            train=files.splits["train"],
            valid=files.splits["valid"],
            test=files.splits["test"],
            output=row.work(self.results),
            model=model,
            settings=train,
            recipe=recipe,
            images=files.images(),
            dataset=data_of(row.dataset),
            set_name=row.dataset if row.on_base else "",
            about_images=self.about_images,
            device=self.device,
        )

    def settings(self, row: Row) -> tuple[str, ModelSettings, TrainSettings]:
        """The recipe's name and the settings that a row is trained with."""
        text_encoder = BASE_ENCODER if row.on_base else self.text_encoder
        recipe = self.recipe or default_recipe(row.system, text_encoder)
        model, train = settings_of(
            recipe,
            **{"text_encoder": text_encoder, "vision_encoder": self.vision_encoder, "seed": row.seed}
            | dict(self.overrides),
        )
        return recipe, model, train


def without_pictures(row: Row, setup: Setup) -> str | None:
    """A line where a row reads pictures and its data set has none (``DataError``: the data set is not there)."""
    data = data_of(row.dataset)
    if not system_class(row.system).uses_image or setup.data_set(data).images() is not None:
        return None
    return f"wanted pictures in {setup.data} as {', '.join(place.format(data) for place in IMAGES)}, got none"


def state_of(row: Row, setup: Setup, done: Mapping[str, Any] | None) -> str:
    """``done``, ``done otherwise`` (with settings or data that are not today's), ``under way`` or ``not run``."""
    work = row.work(setup.results)
    if done is None:
        return "under way" if (work / STATE).exists() or (work / MANIFEST).exists() else "not run"
    settings = ModelSettings.from_dict(done["model"]), TrainSettings.from_dict(done["train"])
    told = not done["channels"] or setup.about_images in ("", done["pictures"])
    same = told and is_of(setup.job(row), *settings, done["data"], setup.pictures_sum)
    return "done" if same else "done otherwise"


def _pictures_sum(images: Path) -> str:
    return images_sum(ImageIndex.open(images))


def is_of(
    job: Job,
    model: ModelSettings,
    train: TrainSettings,
    data: Mapping[str, Any],
    pictures_sum: Callable[[Path], str] = _pictures_sum,
) -> bool:
    """Whether what was trained is what the job is to train."""
    left_open = model.replace(word_shape=job.model.word_shape)  # where it is, the tokenizer decides
    model = left_open if job.model.word_shape is None else model
    files = {"train": job.train, "valid": job.valid, "test": job.test, "also": job.also, "unlabelled": job.unlabelled}
    sums = {split: file_sum(path) for split, path in files.items() if path}
    found = {split: of["sha256"] for split, of in data.items() if split in sums or split != "test"}
    return (model, train) == (job.model, job.settings) and found == sums and _saw(job, data, pictures_sum)


def _saw(job: Job, data: Mapping[str, Any], pictures_sum: Callable[[Path], str]) -> bool:
    """Whether what was trained read the job's pictures, as far as it is told: versions before this one did not tell."""
    seen = data["train"].get("images_sha256")
    return seen is None or (job.images is not None and seen == pictures_sum(job.images))


@contextmanager
def at_work(row: Row, setup: Setup) -> Iterator[bool]:
    """Keeps a row from other processes; whether it was free. The system lets go of it when this process ends.

    Raises:
        DataError: the results cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(_lock(row, setup)))
        except BusyError:
            yield False
        else:
            yield True


def busy(row: Row, setup: Setup) -> bool:
    """Whether another process is at a row, or at the one that it is the same as."""
    for of in {row, _twin(row) or row}:
        if of.file(setup.results).exists():
            continue
        with at_work(of, setup) as free:
            if not free:
                return True
    return False


def _lock(row: Row, setup: Setup) -> Path:
    return setup.results / "work" / "locks" / row.name


def _twin(row: Row) -> Row | None:
    return replace(row, system=TWINS[row.system]) if row.system in TWINS else None


def run_row(row: Row, setup: Setup, watcher: Watcher | None = None) -> dict[str, Any] | None:
    """What came of a row, written into the results; ``None`` if the watcher stopped it. It goes on where it was.

    Raises:
        CheckpointError: the work folder holds a checkpoint of other settings or data.
        DataError: predictions that were kept before are of other tweets or pictures.
        UmtError: as ``run_job`` and ``run_set``.
    """
    job = setup.job(row)
    if values := _of_twin(row, setup):
        return values
    if row.seed == SEEDS[0]:
        _check_kept(row, job, setup)
    manifest = _finished(job) or run_job(job, watcher)
    if manifest is None:
        return None
    if row.seed == SEEDS[0]:
        _keep_predictions(row, job, manifest, setup)
    device, milliseconds = _time(job, setup.device)
    values = _values(row, manifest) | {"device": device, "ms_per_tweet": milliseconds}
    write_json(row.file(setup.results), values)
    return values


def _finished(job: Job) -> Manifest | None:
    """The checkpoint that an earlier call has trained, if it came that far."""
    if not (job.output / MANIFEST).exists():
        return None
    manifest = read_manifest(job.output)
    if not is_of(job, manifest.model, manifest.train, manifest.data):
        raise CheckpointError(f"{job.output}: wanted a checkpoint of these settings and data, got another; remove it")
    return manifest


def _of_twin(row: Row, setup: Setup) -> dict[str, Any] | None:
    """What came of the same model under its other name, if that is done: taken over, not trained again."""
    twin = _twin(row)
    if twin is None or not (file := twin.file(setup.results)).exists():
        return None
    values = read_values(file)
    if state_of(twin, setup, values) != "done":
        return None
    if row.seed == SEEDS[0]:
        with locked(setup.results / "work" / "predictions", wait=True):
            shared = PredictionSet.open(predictions_folder(setup.results, row.dataset))
            wanted = (twin.system, values["weights_sha256"])
            run = next((run for run in shared.runs.values() if (run.system, run.weights_sha256) == wanted), None)
            if run is None:
                return None
            _copy_run(shared, run, replace(run, system=row.system, checkpoint=f"{row.dataset}/{row.system}"))
    values["system"] = row.system
    write_json(row.file(setup.results), values)
    return values


def write_counts(dataset: str, setup: Setup) -> None:
    """The counts of the data set that rows of a name are of, for Table 1."""
    dataset = data_of(dataset)
    splits = setup.data_set(dataset).splits
    files = {f"{dataset}/{split}": read_files(splits[split]).popitem()[1] for split in SPLITS}
    sums = {split: file_sum(splits[split]) for split in SPLITS}
    write_json(setup.results / dataset / "data.json", {"sha256": sums, "table_1": table1_rows(files)})


def _values(row: Row, manifest: Manifest) -> dict[str, Any]:
    kept = ("recipe", "precision", "channels", "weights_sha256", "parameters", "encoders", "data", "history", "epoch")
    return {
        "dataset": row.dataset,
        "system": row.system,
        "seed": row.seed,
        "dev": manifest.scores["valid"],
        "test": manifest.scores["test"],
        "pictures": manifest.images,
        "model": manifest.model.to_dict(),
        "train": manifest.train.to_dict(),
        **{name: getattr(manifest, name) for name in (*kept, "seconds", "code", "created")},
    }


@contextmanager
def _tested(row: Row, job: Job, setup: Setup) -> Iterator[tuple[PredictionSet, Path]]:
    """The set of the test split, and where its runs are kept without its tweets; other processes wait."""
    assert job.test is not None
    work = setup.results / "work" / "predictions"
    with locked(work, wait=True):
        found = build_set(job.test, job.images, train=job.train, dataset=data_of(row.dataset), root=work)
        yield found, predictions_folder(setup.results, row.dataset)


def _check_kept(row: Row, job: Job, setup: Setup) -> None:
    """Before hours of training: whether the predictions will stand beside those that are kept (``DataError``)."""
    with _tested(row, job, setup) as (found, shared):
        if (shared / SET).exists() and PredictionSet.open(shared).info.key != found.info.key:
            raise DataError(
                f"{shared}: wanted predictions for these tweets and pictures, got those for others: "
                "choose another folder for the results, or move this one away"
            )


def _keep_predictions(row: Row, job: Job, manifest: Manifest, setup: Setup) -> None:
    """The test split's predictions, without its tweets."""
    with _tested(row, job, setup) as (found, shared):
        found = run_set(found, [job.output], device=setup.device)
        wanted = (manifest.system, manifest.weights_sha256)
        (run,) = (run for run in found.runs.values() if (run.system, run.weights_sha256) == wanted)
        _share_run(found, run, shared)


def _share_run(found: PredictionSet, run: RunInfo, shared: Path) -> None:
    """Adds a run to the set that goes with the results, in the place of an earlier one of its system."""
    part = shared.with_name(".predictions.part")
    shutil.rmtree(part, ignore_errors=True)
    whole = share_set(found, part)
    if (shared / SET).exists():
        (whole / run.folder_name).replace(whole / ".run")
        ours = shared / run.folder_name
        shutil.rmtree(ours, ignore_errors=True)
        (whole / ".run").replace(ours)
        shutil.rmtree(part)
    else:  # the first one
        for other in found.runs.values():
            if other.folder_name != run.folder_name:
                shutil.rmtree(whole / other.folder_name)
        shutil.rmtree(shared, ignore_errors=True)
        whole.replace(shared)
    _drop_earlier(shared, run)


def _drop_earlier(shared: Path, run: RunInfo) -> None:
    for other in PredictionSet.open(shared).runs.values():
        if other.system == run.system and other.folder_name != run.folder_name:
            shutil.rmtree(shared / other.folder_name)


def _copy_run(shared: PredictionSet, run: RunInfo, copy: RunInfo) -> None:
    """A run of a set under another name."""
    part = shared.folder / f".{copy.folder_name}"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(shared.folder / run.folder_name, part)
    write_json(part / RUN, copy)
    shutil.rmtree(shared.folder / copy.folder_name, ignore_errors=True)
    part.replace(shared.folder / copy.folder_name)
    _drop_earlier(shared.folder, copy)


def _time(job: Job, device: str) -> tuple[str, float]:
    """The device, and milliseconds that predicting a tweet takes there, the regions of its picture computed before."""
    assert job.test is not None
    examples: Sequence[Any] = read_examples(job.test)[:TIMED]
    predictor = Predictor.load(job.output, device)
    index = ImageIndex.open(job.images) if job.images and predictor.vision else None
    predictor.tags(examples, index)
    began = time.perf_counter()
    predictor.tags(examples, index)
    return str(predictor.device), round(1000 * (time.perf_counter() - began) / len(examples), 2)
