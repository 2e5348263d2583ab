"""One training run on disk: reads data, trains, logs, can be stopped and resumed, leaves a checkpoint."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import umt_core
from umt_core.analysis.metrics import Score, Scores
from umt_core.checkpoint import put_weights, read_weights, save_manifest, save_weights
from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.devices import pick_device
from umt_core.encoders.features import FeatureStore, RegionFeatures
from umt_core.encoders.text import load_text_encoder, load_tokenizer
from umt_core.encoders.vision import load_vision_encoder
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.manifest import MANIFEST, WEIGHTS, Manifest, file_sum
from umt_core.registry import find_checkpoint
from umt_core.schema import Example
from umt_core.systems import Tagger, build_system, system_class
from umt_core.tagging import make_tweet_set
from umt_core.train.log import Log, read_events
from umt_core.train.loop import Epoch, Trainer, evaluate
from umt_core.train.watcher import Watcher

LOG, STATE = "log.jsonl", "state.pt"
CORRECTED = "corrected"  # folder of the training data where its labels come from a store


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, on what, and where it goes."""

    system: str
    train: Path
    valid: Path
    output: Path
    model: ModelSettings
    settings: TrainSettings
    recipe: str = "paper"
    images: Path | None = None
    test: Path | None = None  # scored once, when all is decided
    dataset: str = ""  # "": the name of the train file's folder
    about_images: str = ""  # what the pictures are, for the card
    init: str | None = None  # a checkpoint to start from
    parent: dict[str, str] | None = None  # "name" and "weights_sha256": what ``init`` must be for the run to begin
    corrections: dict[str, Any] | None = None  # what of a store of corrections is in the labels
    made_from: Mapping[str, Any] = field(default_factory=dict)  # by split: the data that its file was put together from
    log: Path | None = None  # JSON lines; None: in the output folder
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class _Split:
    name: str
    path: Path
    examples: Sequence[Example]
    features: RegionFeatures | None
    made_from: Any = None

    def describe(self) -> dict[str, Any]:
        rows = self.features.rows if self.features else ()
        made_from = {} if self.made_from is None else {"from": self.made_from}
        return {
            "file": self.path.name,
            "sha256": file_sum(self.path),
            "tweets": len(self.examples),
            "pictures": sum(row is not None for row in rows),
            **made_from,
        }


def run_job(job: Job, watcher: Watcher | None = None, *, fresh: bool = False) -> Manifest | None:
    """Train as the job says; a run that was stopped goes on where its last epoch ended.

    Args:
        fresh: throw away an unfinished or finished run in the output folder.

    Returns:
        the manifest of the checkpoint that was written; ``None`` if the watcher stopped the run.

    Raises:
        ConfigError: settings, system or encoders do not fit together.
        DataError: a data file cannot be read, or is empty.
        CheckpointError: the output folder cannot be made or holds another run, or ``init`` cannot be read.
    """
    watcher = watcher or Watcher()
    try:
        job.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{job.output}: wanted a folder to write to, got: {error.strerror}") from error
    _clear(job, fresh)
    began = time.perf_counter()
    device = pick_device(job.device)
    system = system_class(job.system)
    tokenizer = load_tokenizer(job.model.text_encoder)
    if job.model.word_shape is None:
        job = replace(job, model=job.model.replace(word_shape=not tokenizer.cased))

    splits, channels, vision_sum = _read(job, system.uses_image, device, watcher)
    torch.manual_seed(job.settings.seed)
    encoder = load_text_encoder(job.model.text_encoder)
    tagger = build_system(job.system, job.model, encoder, channels)
    if job.init:
        watcher.note(_start_from(tagger, job.init, job.parent))
    sets = {
        split.name: make_tweet_set(split.examples, tokenizer, tagger, features=split.features, channels=channels)
        for split in splits
    }
    trainer = Trainer(tagger, sets["train"], sets["valid"], job.settings, device)
    log = Log(job.log or job.output / LOG)
    history, spent = _resume(job, trainer, watcher)
    told = {event.get("epoch") for event in read_events(log.path) if event["event"] == "epoch"}
    for row in history:
        if row["epoch"] not in told:  # a kill came between an epoch's state and its line
            log.write(event="epoch", **row)
    log.write(event="start" if not history else "resume", epoch=trainer.epoch, system=job.system)

    if job.parent and not history:
        log.write(event="before", dev_f1=round(evaluate(tagger, sets["valid"], device).overall.f1, 5))

    def on_step(step: int, steps: int, loss: float) -> None:
        watcher.step(trainer.epoch + 1, step, steps, loss)
        if step % 20 == 0:
            log.write(event="step", epoch=trainer.epoch + 1, step=step, steps=steps, loss=round(loss, 4))
        if watcher.should_stop():
            raise _Stopped

    try:
        for epoch in trainer.epochs(on_step):
            history.append(_row(epoch))
            spent += epoch.seconds
            _save_state(job, trainer, history, spent)
            log.write(event="epoch", **history[-1])
            watcher.epoch(epoch)
    except _Stopped:
        log.write(event="stopped", epoch=trainer.epoch)
        return None

    # Scores are those of the weights as they are kept: rounded to half precision.
    digest = save_weights(trainer.finish(), job.output / WEIGHTS)
    put_weights(tagger, read_weights(job.output, digest), where=str(job.output))
    scores = {name: evaluate(tagger, sets[name], device).to_dict() for name in sets if name != "train"}
    manifest = Manifest(
        system=job.system,
        dataset=job.dataset or job.train.resolve().parent.name,
        model=job.model,
        train=job.settings,
        recipe=job.recipe,
        channels=channels if system.uses_image else None,
        weights_sha256=digest,
        parameters=_count(tagger),
        encoders={job.model.text_encoder: encoder.weights_sha256}
        | ({job.model.vision_encoder: vision_sum} if system.uses_image else {}),
        data={split.name: split.describe() for split in splits},
        images=(job.about_images or "as given by the user") if system.uses_image else "not used",
        scores=scores,
        history=history,
        epoch=trainer.best_epoch,
        seconds=round(spent, 1),
        code=umt_core.__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        init=job.init,
        parent=job.parent,
        corrections=job.corrections,
        precision=str(trainer.mixed or torch.float32).removeprefix("torch."),
    )
    save_manifest(job.output, manifest)
    (job.output / STATE).unlink(missing_ok=True)
    log.write(event="done", seconds=round(time.perf_counter() - began, 1), **{n: s["f1"] for n, s in scores.items()})
    return manifest


class _Stopped(Exception):
    """The watcher asked for an end."""


def _read(
    job: Job, uses_image: bool, device: torch.device, watcher: Watcher
) -> tuple[list[_Split], int | None, str | None]:
    """All splits, with regions where the system uses images; the vision encoder's channels and sum."""
    named = {"train": job.train, "valid": job.valid} | ({"test": job.test} if job.test else {})
    read = {name: read_examples(path) for name, path in named.items()}
    for name, examples in read.items():
        if not any(example.spans for example in examples):
            raise DataError(f"{named[name]}: wanted labelled tweets, got {len(examples)} without any span")
    if not uses_image:
        splits = [_Split(n, named[n], examples, None, job.made_from.get(n)) for n, examples in read.items()]
        return splits, None, None
    if job.images is None:
        raise ConfigError(f"{job.system} uses images: wanted --images, got none")
    index = ImageIndex.open(job.images)
    vision = load_vision_encoder(job.model.vision_encoder, transform=job.model.image_transform).to(device)
    store = FeatureStore()
    splits = []
    for name, examples in read.items():
        paths = [index.path(example.image) for example in examples]
        features = store.features_for(paths, vision, progress=watcher.features)
        for message in list(features.unreadable.values())[:5]:
            watcher.note(message)
        missing = sum(row is None for row in features.rows)
        watcher.note(f"{name}: {len(examples)} tweets, {len(examples) - missing} with a picture, {missing} without")
        splits.append(_Split(name, named[name], examples, features, job.made_from.get(name)))
    return splits, vision.channels, vision.weights_sha256


def _start_from(tagger: Tagger, init: str, parent: Mapping[str, str] | None) -> str:
    """Copy the weights of another checkpoint where name and shape are the same; says how many."""
    info = find_checkpoint(init)
    if parent and info.manifest.weights_sha256 != parent["weights_sha256"]:
        raise CheckpointError(
            f"{init}: wanted the weights with SHA-256 {parent['weights_sha256'][:12]}..., "
            f"got {info.manifest.weights_sha256[:12]}...: it is another checkpoint by now"
        )
    weights = read_weights(info.folder, info.manifest.weights_sha256)
    own = dict(tagger.named_parameters())
    fitting = [n for n, value in weights.items() if n in own and own[n].shape == value.shape]
    if not fitting:
        raise CheckpointError(f"{info.folder}: holds no weight that fits {tagger.name}: wanted a related system")
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(weights[name])
    return f"started from {info.name}: {len(fitting)} of its {len(weights)} weights fit"


def _clear(job: Job, fresh: bool) -> None:
    if fresh:
        for path in (*(job.output / name for name in (STATE, MANIFEST, WEIGHTS)), job.log or job.output / LOG):
            path.unlink(missing_ok=True)
    elif (job.output / MANIFEST).exists():
        raise CheckpointError(f"{job.output}: holds a finished checkpoint: wanted another folder, or --fresh")


def _save_state(job: Job, trainer: Trainer, history: list[dict[str, float]], spent: float) -> None:
    state = trainer.state() | {"job": _identity(job), "history": history, "spent": spent}
    if trainer.best_scores:
        state["best_scores"] = {
            label: [s.correct, s.predicted, s.gold] for label, s in trainer.best_scores.by_type.items()
        }
    temporary = job.output / (STATE + ".tmp")
    torch.save(state, temporary)
    temporary.replace(job.output / STATE)


def _resume(job: Job, trainer: Trainer, watcher: Watcher) -> tuple[list[dict[str, float]], float]:
    """Go on from the state in the output folder, if there is one: its history and seconds."""
    path = job.output / STATE
    if not path.exists():
        return [], 0.0
    try:
        state = torch.load(path, map_location=trainer.device, weights_only=True)
    except Exception as error:  # truncated or foreign: torch raises many classes
        raise CheckpointError(f"{path}: wanted the state of a run, got an unreadable file: use --fresh") from error
    if _completed(state.get("job")) != _identity(job):
        raise CheckpointError(f"{path}: is of a run with other settings or data: use them, or --fresh")
    by_type = {label: Score(*row) for label, row in state.get("best_scores", {}).items()}
    overall = Score(*(sum(getattr(s, k) for s in by_type.values()) for k in ("correct", "predicted", "gold")))
    trainer.load_state(state, Scores(overall, by_type, len(trainer.valid)) if by_type else None)
    watcher.note(f"resumed after epoch {trainer.epoch}")
    return list(state["history"]), float(state["spent"])


def _identity(job: Job) -> dict[str, Any]:
    """What must be the same for a run to be resumed."""
    return {
        "system": job.system,
        "model": job.model.to_dict(),
        "settings": job.settings.to_dict(),
        "train": file_sum(job.train),
        "valid": file_sum(job.valid),
        "init": job.init or "",
    }


def _completed(identity: Any) -> Any:
    """A kept identity with the settings that came after it, as they are by default: it ran so."""
    if not isinstance(identity, dict):
        return identity
    try:
        model, settings = ModelSettings.from_dict(identity["model"]), TrainSettings.from_dict(identity["settings"])
    except (ConfigError, KeyError, TypeError):
        return identity
    return identity | {"model": model.to_dict(), "settings": settings.to_dict()}


def _row(epoch: Epoch) -> dict[str, float]:
    overall = epoch.scores.overall
    return {
        "epoch": epoch.number,
        **{f"loss_{name}": round(value, 4) for name, value in epoch.losses.items()},
        "dev_precision": round(overall.precision, 5),
        "dev_recall": round(overall.recall, 5),
        "dev_f1": round(overall.f1, 5),
        "seconds": round(epoch.seconds, 1),
    }


def _count(tagger: Tagger) -> dict[str, int]:
    trained = sum(p.numel() for p in tagger.parameters() if p.requires_grad)
    return {"trained": trained, "frozen": sum(p.numel() for p in tagger.parameters()) - trained}
