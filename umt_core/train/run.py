"""One training run on disk: reads data, trains, logs, can be stopped and resumed, leaves a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import umt_core
from umt_core.checkpoint import put_weights, read_weights, save_manifest, save_weights
from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.files import locked, utc_now
from umt_core.data.images import ImageIndex, images_sum
from umt_core.data.jsonl import read_examples
from umt_core.devices import PRECISIONS, pick_devices, quick_answers
from umt_core.encoders.needs import lacking
from umt_core.encoders.text import SubwordTokenizer, TextEncoder, load_text_encoder, load_tokenizer, weights_sum
from umt_core.encoders.vision import VisionEncoder, load_vision_encoder
from umt_core.errors import BackboneError, CheckpointError, ConfigError
from umt_core.manifest import AS_GIVEN, MANIFEST, WEIGHTS, Manifest, file_sum
from umt_core.registry import find_checkpoint, same_weights
from umt_core.systems import Tagger, build_system, system_class
from umt_core.systems.base import embedding_names
from umt_core.tagging import TweetSet, make_tweet_set
from umt_core.train.compose import TEST, TRAIN, UNLABELLED, VALID, correct_file
from umt_core.train.distillation import TeacherInput, teacher_marginals, teachers_of
from umt_core.train.log import Log, read_events
from umt_core.train.loop import Epoch, Trainer, evaluate
from umt_core.train.pretrain import put_pretrained
from umt_core.train.processes import Work, train_together
from umt_core.train.reading import ALSO, Split, find_regions, read_also, read_labelled, read_unlabelled, regions_of
from umt_core.train.sharing import Team
from umt_core.train.state import go_on, read_state, save_state
from umt_core.train.watcher import Watcher

LOG, STATE = "log.jsonl", "state.pt"
# Of a run's identity: the sums of pictures' names and sizes, and of the files whose tweets are left out elsewhere.
PICTURES, ALSO_PICTURES, UNLABELLED_PICTURES, EXCLUDED = "pictures", "also_pictures", "unlabelled_pictures", "held"
TEACHERS_PRECISION = "teachers_precision"  # what ``UMT_PRECISION`` said
LATER = (PICTURES, ALSO_PICTURES, UNLABELLED_PICTURES, EXCLUDED, TEACHERS_PRECISION)  # that older runs did not note
CORRECTED = "corrected"  # folder of the training data where its labels come from a store
NEW_CORRECTED = ".corrected"  # the same until the run is sure to begin


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
    set_name: str = ""  # of checkpoints, where it is not the data set's
    about_images: str = ""  # what the pictures are, for the card
    init: str | None = None  # a checkpoint to start from
    init_encoder: Path | None = None  # a text encoder that ``pretrain`` wrote, to start from in place of the published
    teachers: tuple[str, ...] = ()  # checkpoints whose marginals are learned beside the labels
    unlabelled: Path | None = None  # tweets of which the teachers' marginals alone are learned
    unlabelled_images: Path | None = None
    also: Path | None = None  # more labelled tweets to train on, of another data set
    also_images: Path | None = None
    exclude: tuple[Path, ...] = ()  # tweets to leave out of ``also`` and ``unlabelled``, beside those of valid and test
    parent: dict[str, str] | None = None  # "name" and "weights_sha256": what ``init`` must be for the run to begin
    corrections: dict[str, Any] | None = None  # what of a store of corrections is in the labels
    store: str = ""  # URL of a store: ``train`` takes the labels that it has
    store_data: str = ""  # name of ``train`` in there; "": <its folder>/<its stem>
    made_from: Mapping[str, Any] = field(default_factory=dict)  # by split: the data that its file was put together from
    log: Path | None = None  # JSON lines; None: in the output folder
    device: str = "auto"
    devices: int = 1  # so many processes train, one device each; on a CPU they share its cores


def run_job(job: Job, watcher: Watcher | None = None, *, fresh: bool = False) -> Manifest | None:
    """Train as the job says; a run that was stopped goes on where its last epoch ended.

    Args:
        fresh: throw away an unfinished or finished run in the output folder, once all that the new one needs is there.

    Returns:
        the manifest of the checkpoint that was written; ``None`` if the watcher stopped the run.

    Raises:
        ConfigError: settings, system or encoders do not fit together.
        DataError: a data file cannot be read, or is empty.
        CheckpointError: the output folder cannot be made or holds another run, or ``init`` cannot be read.
        BusyError: another process trains into the output folder.
        JobError: one of several processes has ended before its time.
    """
    try:
        job.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{job.output}: wanted a folder to write to, got: {error.strerror}") from error
    with locked(job.output):
        try:
            return _run(job, watcher or Watcher(), fresh)
        except _Stopped:
            return None
        finally:
            shutil.rmtree(job.output / NEW_CORRECTED, ignore_errors=True)


def _run(job: Job, watcher: Watcher, fresh: bool) -> Manifest:
    devices = pick_devices(job.device, job.devices)
    _check_ready(job, fresh)
    began = time.perf_counter()
    tokenizer = load_tokenizer(job.model.text_encoder)
    if job.model.word_shape is None:
        job = replace(job, model=job.model.replace(word_shape=not tokenizer.cased))
    _check_teachers(job)
    teachers = teachers_of(job.teachers)
    job = _correct(job, watcher, fresh)
    splits, regions, vision = _read(job, devices[0], watcher)
    marginals = _teacher_marginals(job, splits, watcher)
    tagger, init_encoder = _build(job, vision, watcher)
    sets = _make_sets(job, splits, regions, tokenizer, tagger, marginals)
    origins = _Origins({name: split.describe() for name, split in splits.items()}, teachers, init_encoder)
    if fresh:
        _remove_run(job)
    state = job.output / STATE
    work = Work(tagger, sets[TRAIN], sets[VALID], sets.get(UNLABELLED), job.settings, state if state.exists() else None)
    with train_together(work, devices) as team:
        trained = _train(job, work, devices[0], team, watcher)
    # Scores are those of the weights as they are kept: rounded to half precision.
    digest = save_weights(trained.trainer.finish(), job.output / WEIGHTS)
    put_weights(tagger, read_weights(job.output, digest), where=str(job.output))
    scores = {name: evaluate(tagger, sets[name], devices[0]).to_dict() for name in (VALID, TEST) if name in sets}
    manifest = _manifest(job, origins, tagger, vision, trained, digest, scores)
    save_manifest(job.output, manifest)
    state.unlink(missing_ok=True)
    f1 = {name: of["f1"] for name, of in scores.items()}
    Log(_log_file(job)).write(event="done", seconds=round(time.perf_counter() - began, 1), **f1)
    return manifest


@dataclass(frozen=True, slots=True)
class _Origins:
    """What a manifest says a run came from, noted before it begins: files and names may change while it trains."""

    data: dict[str, dict[str, Any]]  # by split
    teachers: list[dict[str, str]]
    init_encoder: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class _Trained:
    """A run whose last epoch is done, with the epochs that it was resumed after."""

    trainer: Trainer
    history: list[dict[str, float]]  # a row an epoch
    seconds: float


def _check_ready(job: Job, fresh: bool) -> None:
    """Raises where the output folder is taken (``CheckpointError``) or an encoder is not here (``BackboneError``)."""
    if (job.output / MANIFEST).exists() and not fresh:
        raise CheckpointError(f"{job.output}: holds a finished checkpoint: remove it, or train into another folder")
    if line := lacking(job.model, sees=system_class(job.system).uses_image):
        raise BackboneError(line)


def _build(job: Job, vision: VisionEncoder | None, watcher: Watcher) -> tuple[Tagger, dict[str, str] | None]:
    """The tagger as it starts to train, and what a manifest says of the pretrained encoder in it."""
    # Seeded after teachers and pictures were read, which draws more or fewer numbers as the cache has them, and before
    # the encoder is built: what its package lacks, adapters and the added layers draw their first weights from here on.
    torch.manual_seed(job.settings.seed)
    encoder = load_text_encoder(job.model.text_encoder)
    init_encoder = _start_encoder(job, encoder)
    tagger = build_system(job.system, job.model, encoder, vision.channels if vision else None)
    if job.init:
        watcher.note(_start_from(tagger, job.init, job.parent, embeddings_too=job.settings.train_embeddings))
    return tagger, init_encoder


def _remove_run(job: Job) -> None:
    for path in (job.output / STATE, job.output / MANIFEST, job.output / WEIGHTS, _log_file(job)):
        path.unlink(missing_ok=True)


def _log_file(job: Job) -> Path:
    return job.log or job.output / LOG


def _manifest(
    job: Job,
    origins: _Origins,
    tagger: Tagger,
    vision: VisionEncoder | None,
    trained: _Trained,
    digest: str,
    scores: dict[str, dict[str, Any]],
) -> Manifest:
    encoders = {job.model.text_encoder: tagger.encoder.weights_sha256}
    encoders |= {job.model.vision_encoder: vision.weights_sha256} if vision else {}
    return Manifest(
        system=job.system,
        dataset=_dataset(job),
        model=job.model,
        train=job.settings,
        recipe=job.recipe,
        channels=vision.channels if vision else None,
        weights_sha256=digest,
        parameters=_count(tagger),
        encoders=encoders,
        data=origins.data,
        images=(job.about_images or AS_GIVEN) if vision else "not used",
        scores=scores,
        history=trained.history,
        epoch=trained.trainer.best_epoch,
        seconds=round(trained.seconds, 1),
        code=umt_core.__version__,
        created=utc_now(),
        init=job.init,
        parent=job.parent,
        set_name=job.set_name,
        corrections=job.corrections,
        init_encoder=origins.init_encoder,
        teachers=origins.teachers,
        devices=job.devices,
        precision=str(trained.trainer.mixed or torch.float32).removeprefix("torch."),
    )


def _train(job: Job, work: Work, device: torch.device, team: Team | None, watcher: Watcher) -> _Trained:
    """All epochs that are left (``_Stopped``: the watcher asked for an end before the last)."""
    trainer = Trainer(work.tagger, work.train, work.valid, job.settings, device, work.unlabelled, team)
    log = Log(_log_file(job))
    identity = identity_of(job)
    history, spent = _resume(job, identity, trainer, watcher)
    if (new := job.output / NEW_CORRECTED).exists():
        shutil.rmtree(job.output / CORRECTED, ignore_errors=True)
        new.rename(job.output / CORRECTED)
    told = {event.get("epoch") for event in read_events(log.path) if event["event"] == "epoch"}
    for row in history:
        if row["epoch"] not in told:  # a kill came between an epoch's state and its line
            log.write(event="epoch", **row)
    log.write(event="start" if not history else "resume", epoch=trainer.epoch, system=job.system)

    if job.parent and not history:
        log.write(event="before", dev_f1=round(evaluate(work.tagger, work.valid, device).overall.f1, 5))

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
            more = {"job": identity, "history": history, "spent": spent}
            save_state(job.output / STATE, trainer, more)
            log.write(event="epoch", **history[-1])
            watcher.epoch(epoch)
    except _Stopped:
        log.write(event="stopped", epoch=trainer.epoch)
        raise
    return _Trained(trainer, history, spent)


class _Stopped(Exception):
    """The watcher asked for an end."""


def _correct(job: Job, watcher: Watcher, fresh: bool) -> Job:
    """The job with the labels of its store, as it has them in the output folder or as they will come there."""
    if not job.store:
        return job
    data, new = job.store_data or f"{_dataset(job)}/{job.train.stem}", job.output / NEW_CORRECTED
    shutil.rmtree(new, ignore_errors=True)  # of a kill
    train, about = correct_file(job.train, job.store, data, new, kept=new if fresh else job.output / CORRECTED)
    watcher.note(f"corrected labels of {data}: {about['tweets']} tweets, {about['changed']} of them changed")
    return replace(job, train=train, corrections=about, dataset=_dataset(job))


def _or_stop(tell: Callable[..., None], watcher: Watcher) -> Callable[..., None]:
    """Tells of progress before there are steps, and ends the run there where the watcher asks for it."""

    def told(*args: Any) -> None:
        tell(*args)
        if watcher.should_stop():
            raise _Stopped

    return told


def _read(
    job: Job, device: torch.device, watcher: Watcher
) -> tuple[dict[str, Split], np.ndarray | None, VisionEncoder | None]:
    """All splits, and where the system uses images the regions of their pictures and what made them."""
    uses_image = system_class(job.system).uses_image
    if uses_image and job.images is None:
        raise ConfigError(f"{job.system} uses images: wanted the pictures of the tweets, got none")
    looked_at = uses_image or bool(job.teachers)

    def index(images: Path | None) -> ImageIndex | None:
        return ImageIndex.open(images) if images and looked_at else None

    ours = index(job.images)
    named = {TRAIN: job.train, VALID: job.valid} | ({TEST: job.test} if job.test else {})
    splits = [read_labelled(name, path, ours, job.made_from.get(name)) for name, path in named.items()]
    if out := splits[0].unlabelled:
        watcher.note(f"{TRAIN}: {out} tweets without labels are left out")
    exclude, more = [*splits[1:], *(Split(path.stem, path, read_examples(path)) for path in job.exclude)], []
    style, as_published = _dataset(job), not job.settings.restyle
    if job.also:
        more.append(read_also(job.also, index(job.also_images), style, exclude, as_published=as_published))
    if job.unlabelled:
        found = read_unlabelled(job.unlabelled, index(job.unlabelled_images), style, exclude, as_published=as_published)
        more.append(replace(found, made_from=job.made_from.get(UNLABELLED)))
    where = " or ".join(split.name for split in exclude)
    for split in more:
        watcher.note(f"{split.name}: {len(split.examples)} tweets, {split.dropped} left out: they are in {where}")
    splits += more
    if not uses_image:
        return {split.name: split for split in splits}, None, None
    vision = load_vision_encoder(job.model.vision_encoder, transform=job.model.image_transform).to(device)
    splits, regions, complaints = find_regions(splits, vision, _or_stop(watcher.features, watcher))
    for message in complaints[:5]:
        watcher.note(message)
    for split in splits:
        missing = sum(row is None for row in split.rows)
        have = len(split.rows) - missing
        watcher.note(f"{split.name}: {len(split.rows)} tweets, {have} with a picture, {missing} without")
    return {split.name: split for split in splits}, regions, vision


def _check_teachers(job: Job) -> None:
    """Raises ``ConfigError`` where teachers, their weight, unlabelled tweets and tagging do not go together."""
    if bool(job.teachers) != bool(job.settings.teacher_weight):
        raise ConfigError(
            f"setting teacher_weight: wanted {'more than 0' if job.teachers else '0'} with "
            f"{len(job.teachers)} teachers, got {job.settings.teacher_weight}"
        )
    if job.unlabelled and not job.teachers:
        raise ConfigError(f"{job.unlabelled}: wanted a teacher to learn from unlabelled tweets, got none")
    if job.teachers and job.model.tagging != "word":
        raise ConfigError(f"setting tagging: wanted 'word' to learn teachers' marginals, got {job.model.tagging!r}")


def _dataset(job: Job) -> str:
    return job.dataset or job.train.resolve().parent.name


def _make_sets(
    job: Job,
    splits: Mapping[str, Split],
    regions: np.ndarray | None,
    tokenizer: SubwordTokenizer,
    tagger: Tagger,
    marginals: Mapping[str, Sequence[np.ndarray]],
) -> dict[str, TweetSet]:
    """The splits as the tagger reads them; more labelled tweets stand at the end of those to train on."""
    parts = {name: [split] for name, split in splits.items() if name != ALSO}
    if ALSO in splits:
        parts[TRAIN].append(splits[ALSO])
    channels = None if regions is None else regions.shape[-1]
    sets = {
        name: make_tweet_set(
            [example for split in of for example in split.examples],
            tokenizer,
            tagger,
            features=regions_of(of, regions),
            channels=channels,
        )
        for name, of in parts.items()
    }
    sets[TRAIN] = replace(sets[TRAIN], own=len(splits[TRAIN].examples) if ALSO in splits else None)
    return sets | {name: replace(sets[name], teacher_marginals=rows) for name, rows in marginals.items()}


def _teacher_marginals(job: Job, splits: Mapping[str, Split], watcher: Watcher) -> dict[str, list[np.ndarray]]:
    """The teachers' marginals for the tweets to train on and the unlabelled ones, (tokens, tags) for each tweet."""
    if not job.teachers:
        return {}
    names = [name for name in (TRAIN, ALSO, UNLABELLED) if name in splits]
    inputs = [TeacherInput(name, splits[name].examples, splits[name].images) for name in names]
    computed = teacher_marginals(job.teachers, inputs, job.device, _or_stop(watcher.teaching, watcher))
    found = dict(zip(names, computed, strict=True))
    found[TRAIN] += found.pop(ALSO, [])
    return found


def _start_encoder(job: Job, encoder: TextEncoder) -> dict[str, str] | None:
    """Puts the pretrained encoder in the published one's place; what a manifest says of it."""
    if job.init_encoder is None:
        return None
    if job.model.adapter_rank:
        raise ConfigError(
            f"setting adapter_rank: wanted 0 to start from {job.init_encoder}, which a checkpoint of adapters does "
            f"not hold, got {job.model.adapter_rank}"
        )
    digest = put_pretrained(encoder, job.init_encoder, embeddings_too=job.settings.train_embeddings)
    return {"name": job.init_encoder.name, "weights_sha256": digest}


def _start_from(tagger: Tagger, init: str, parent: Mapping[str, str] | None, *, embeddings_too: bool) -> str:
    """Copy the weights of another checkpoint where name and shape are the same; says how many.

    A parent is known by its weights: it may have got another name while the job waited.

    Raises:
        CheckpointError: it is another by now, nothing of it fits, or it has trained what this run freezes as published:
            that is not in our checkpoint, and who loads it would have another tagger than was scored.
    """
    renamed = same_weights(init.partition("@")[0], parent["weights_sha256"]) if parent else None
    info = renamed or find_checkpoint(init)
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
    frozen = set() if embeddings_too else embedding_names(tagger)
    frozen |= {name for name, parameter in own.items() if not parameter.requires_grad}
    if moved := [n for n in fitting if n in frozen and not torch.equal(own[n].half().cpu(), weights[n].half().cpu())]:
        raise CheckpointError(
            f"{info.folder}: has trained {moved[0]} and {len(moved) - 1} more that this run freezes as they were "
            "published; train them too, with the settings train_embeddings=true and adapter_rank=0"
        )
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(weights[name])
    return f"started from {info.name}: {len(fitting)} of its {len(weights)} weights fit"


def _resume(
    job: Job, identity: dict[str, Any], trainer: Trainer, watcher: Watcher
) -> tuple[list[dict[str, float]], float]:
    """Go on from the state in the output folder, if there is one: its history and seconds."""
    path = job.output / STATE
    if not path.exists():
        return [], 0.0
    state = read_state(path, trainer.device)
    if completed(state.get("job"), identity) != identity:
        raise CheckpointError(f"{path}: is of a run with other settings or data: use those, or remove it to begin anew")
    go_on(trainer, state)
    watcher.note(f"resumed after epoch {trainer.epoch}")
    return list(state["history"]), float(state["spent"])


def identity_of(job: Job) -> dict[str, Any]:
    """What must be the same for a run to be resumed.

    Raises:
        BackboneError: the encoder to start from has no weights.
        DataError, CheckpointError: a file or a teacher is not there.
    """
    more: dict[str, Any] = {
        name: file_sum(path) for name, path in ((ALSO, job.also), (UNLABELLED, job.unlabelled)) if path
    }
    if encoder := encoder_sum(job):
        more["init_encoder"] = encoder
    if job.teachers:
        more["teachers"] = [row["weights_sha256"] for row in teachers_of(job.teachers)]
        more[TEACHERS_PRECISION] = PRECISIONS[quick_answers()]
    if job.also or job.unlabelled:
        more[EXCLUDED] = [file_sum(path) for path in (job.test, *job.exclude) if path]
    if job.teachers or system_class(job.system).uses_image:
        pictures = {PICTURES: job.images}
        pictures |= {ALSO_PICTURES: job.also_images} if job.also else {}
        pictures |= {UNLABELLED_PICTURES: job.unlabelled_images} if job.unlabelled else {}
        more |= {name: images_sum(ImageIndex.open(images)) for name, images in pictures.items() if images}
    return {
        "system": job.system,
        "model": job.model.to_dict(),
        "settings": job.settings.to_dict(),
        "train": file_sum(job.train),
        "valid": file_sum(job.valid),
        "init": job.init or "",
        **more,
    }


def encoder_sum(job: Job) -> str | None:
    """SHA-256 of the weights that the text encoder starts from; ``None``: the published ones."""
    if job.init_encoder is None:
        return None
    if (found := weights_sum(job.init_encoder)) is None:
        raise BackboneError(f"{job.init_encoder}: wanted a folder with a text encoder's weights, found none in it")
    return found


def completed(identity: Any, wanted: dict[str, Any], settings_name: str = "settings") -> Any:
    """A kept identity with what came after it: settings as they are by default, since it ran so, the rest as wanted."""
    if not isinstance(identity, dict):
        return identity
    identity = {name: wanted[name] for name in LATER if name in wanted} | identity
    try:
        model, settings = ModelSettings.from_dict(identity["model"]), TrainSettings.from_dict(identity[settings_name])
    except (ConfigError, KeyError, TypeError):
        return identity
    return identity | {"model": model.to_dict(), settings_name: settings.to_dict()}


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
