"""Goes on training a text encoder on raw tweets, before it is made a tagger of (Gururangan et al., ACL 2020).

The word, position and segment embeddings stay as published, so that a tagger made of the result needs the published
encoder's package alone: all else of the encoder is in its checkpoint. Can be broken off after any epoch.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import umt_core
from umt_core.config import PretrainSettings
from umt_core.data.files import locked, write_json
from umt_core.data.jsonl import read_examples
from umt_core.devices import mixed_type, pick_device
from umt_core.encoders.files import check_archive
from umt_core.encoders.text import (
    WEIGHTS,
    SubwordTokenizer,
    TextEncoder,
    load_text_encoder,
    load_tokenizer,
    save_text_encoder,
)
from umt_core.errors import CheckpointError, ConfigError, DataError
from umt_core.features import encode_examples
from umt_core.manifest import file_sum
from umt_core.model.mlm import MaskedWordsHead, hide_subwords
from umt_core.schema import Example
from umt_core.tagging import TweetSet
from umt_core.train.compose import draw
from umt_core.train.loop import linear_rate, shuffled_batches
from umt_core.train.reading import letters
from umt_core.train.watcher import Watcher

STATE, NOTE = "pretraining.pt", "pretraining.json"


@dataclass(frozen=True, slots=True)
class PretrainJob:
    """Which encoder is trained on, on which tweets, and where it goes."""

    inputs: tuple[Path, ...]
    output: Path
    text_encoder: str
    settings: PretrainSettings
    device: str = "auto"


def pretrain(job: PretrainJob, watcher: Watcher | None = None) -> dict[str, Any] | None:
    """Trains, and writes the encoder into the output folder in the hub's format; a stopped run goes on.

    Returns:
        what was done, as in the folder's ``pretraining.json``; ``None`` if the watcher stopped the run.

    Raises:
        DataError: a file cannot be read, or there are not two tweets.
        ConfigError: the encoder's tokenizer has no mask token.
        CheckpointError: the folder holds a finished encoder, or a run with other settings or data.
        BackboneError: the encoder is not there.
        BusyError: another process writes into the output folder.
    """
    with locked(job.output):
        return _run(job, watcher or Watcher())


def _run(job: PretrainJob, watcher: Watcher) -> dict[str, Any] | None:
    if (job.output / NOTE).exists():
        raise CheckpointError(f"{job.output}: holds a finished encoder: wanted another folder")
    device, tokenizer = pick_device(job.device), load_tokenizer(job.text_encoder)
    train, held = _read(job, tokenizer)
    watcher.note(f"{len(train)} tweets to learn from, {len(held)} held out")
    torch.manual_seed(job.settings.seed)
    encoder = load_text_encoder(job.text_encoder).to(device)
    reader = MaskedReader(encoder, tokenizer, job.settings, device, steps=_steps(len(train), job.settings))
    about = _about(job, encoder, len(train), len(held))
    history = _resume(job, reader, about)
    while len(history) < job.settings.epochs:
        began = time.perf_counter()
        number = len(history) + 1
        total, steps = 0.0, _steps(len(train), job.settings)
        for step, loss in enumerate(reader.train_epoch(train, number), start=1):
            total += loss
            watcher.step(number, step, steps, loss)
            if watcher.should_stop():
                return None
        row = {"epoch": number, "loss": round(total / steps, 4), "dev_loss": round(reader.loss(held), 4)}
        history.append(row | {"seconds": round(time.perf_counter() - began, 1)})
        _save_state(job, reader, about, history)
        watcher.note(f"epoch {number}: loss {row['loss']:.3f}, held out {row['dev_loss']:.3f}")
    return _finish(job, encoder, about | {"history": history})


class MaskedReader:
    """An encoder in training: all of it but its embeddings, and the head that reads it."""

    def __init__(
        self,
        encoder: TextEncoder,
        tokenizer: SubwordTokenizer,
        settings: PretrainSettings,
        device: torch.device,
        steps: int,
    ) -> None:
        """``steps``: of an epoch.

        Raises:
            ConfigError: the tokenizer has no mask token.
        """
        if tokenizer.mask_id is None:
            raise ConfigError(f"{encoder.name}: wanted a tokenizer with a mask token, got one without")
        self.encoder, self.settings, self.device = encoder, settings, device
        self.mask_id, self.total = tokenizer.mask_id, steps * settings.epochs
        frozen = encoder.embedding_parameter_names()
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(name not in frozen)
        embeddings = encoder.model.get_input_embeddings().get_parameter("weight")
        self.head = MaskedWordsHead(encoder.hidden_size, embeddings).to(device)
        named = (*encoder.named_parameters(), *((f"head.{n}", p) for n, p in self.head.named_parameters()))
        self.trained = {name: parameter for name, parameter in named if parameter.requires_grad}
        self.optimizer = torch.optim.AdamW(self._groups(), fused=device.type in ("cpu", "cuda"))
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        mixed = mixed_type(device) if settings.precision == "auto" else None
        self.mixed = None if mixed is torch.float16 else mixed  # float16 would want its losses scaled
        self.step = 0

    def train_epoch(self, tweets: TweetSet, number: int) -> Iterator[float]:
        """One pass in an order and with masks of its own; the loss of each step."""
        torch.manual_seed(self.settings.seed * 100_003 + number)
        order = np.random.default_rng([self.settings.seed, number])
        self.encoder.train()
        for indices in shuffled_batches(tweets, self.settings.batch_size, order):
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * linear_rate(self.step, self.total, self.settings.warmup)
            surprise, hidden = self._surprise(tweets, indices)
            loss = surprise / max(1, hidden)
            loss.backward()
            nn.utils.clip_grad_norm_(self.trained.values(), self.settings.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.step += 1
            yield float(loss.detach())

    @torch.inference_mode()
    def loss(self, tweets: TweetSet) -> float:
        """Mean -log P of a hidden subword, in nats; the same ones are hidden each time."""
        self.encoder.eval()
        draw = torch.Generator().manual_seed(self.settings.seed)
        found = [self._surprise(tweets, indices, draw) for indices in tweets.by_length(self.settings.batch_size)]
        return sum(float(surprise) for surprise, _ in found) / max(1, sum(hidden for _, hidden in found))

    def _surprise(
        self, tweets: TweetSet, indices: list[int], draw: torch.Generator | None = None
    ) -> tuple[Tensor, int]:
        """-log P of the subwords that are hidden of a batch, summed, and how many there are."""
        batch = tweets.batch(indices)
        vocabulary = len(self.head.bias)
        shown, hidden = hide_subwords(batch.subwords, batch.mask, self.mask_id, vocabulary, self.settings.masked, draw)
        wanted = batch.subwords[hidden].to(self.device)
        autocast = torch.autocast(self.device.type, dtype=self.mixed) if self.mixed else nullcontext()
        with autocast:
            states = self.encoder(shown.to(self.device), batch.mask.to(self.device))  # (batch, subwords, hidden size)
            scores = self.head(states[hidden.to(self.device)])
        return nn.functional.cross_entropy(scores.float(), wanted, reduction="sum"), len(wanted)

    def _groups(self) -> list[dict[str, Any]]:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.trained.items():
            rate = self.settings.head_learning_rate if name.startswith("head.") else self.settings.learning_rate
            groups.setdefault((rate, self.settings.weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
        return [{"params": of, "lr": rate, "weight_decay": decay} for (rate, decay), of in groups.items()]


def put_pretrained(encoder: TextEncoder, folder: Path, *, embeddings_too: bool) -> str:
    """Copies what ``pretrain`` wrote into the encoder that it began with; the sum of its weights.

    Args:
        embeddings_too: whether the tagger's own weights will hold the embeddings: else they must be the published ones.

    Raises:
        BackboneError: the folder holds no encoder.
        CheckpointError: it is another kind of encoder, has other embeddings, or its weights are not those written.
    """
    found = load_text_encoder(str(folder))
    if (folder / NOTE).exists() and (wanted := _read_note(folder / NOTE)) != found.weights_sha256:
        raise CheckpointError(f"{folder}: wanted weights with SHA-256 {wanted}, got {found.weights_sha256}")
    theirs, ours = dict(found.named_parameters()), dict(encoder.named_parameters())
    if {n: p.shape for n, p in theirs.items()} != {n: p.shape for n, p in ours.items()}:
        raise CheckpointError(f"{folder}: wanted an encoder that began as {encoder.name}, got one of other parts")
    if not embeddings_too:
        moved = [n for n in encoder.embedding_parameter_names() if not torch.equal(ours[n], theirs[n])]
        if moved:
            raise CheckpointError(
                f"{folder}: wanted the embeddings of {encoder.name}, got others: set train_embeddings=true to keep them"
            )
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(theirs[name])
    return found.weights_sha256 or ""


def _read(job: PretrainJob, tokenizer: SubwordTokenizer) -> tuple[TweetSet, TweetSet]:
    """The tweets, each once, to learn from and held out: a tweet is always one or the other."""
    tweets: dict[str, Example] = {}
    for path in job.inputs:
        for example in read_examples(path):
            tweets.setdefault(letters(example.tokens), example)
    tweets.pop("", None)
    held = {key for key in tweets if draw(key) < job.settings.held_out}
    if not tweets or not held or len(held) == len(tweets):
        raise DataError(f"{job.inputs[0]}: wanted tweets to learn from and to hold out, got {len(tweets)} of them")

    def tweet_set(examples: Sequence[Example]) -> TweetSet:
        encoded = encode_examples(examples, tokenizer, job.settings.max_subwords)
        return TweetSet(examples, encoded, tokenizer.pad_id, tokenizer.unk_id, "word")

    return (
        tweet_set([example for key, example in tweets.items() if key not in held]),
        tweet_set([example for key, example in tweets.items() if key in held]),
    )


def _steps(tweets: int, settings: PretrainSettings) -> int:
    return -(-tweets // settings.batch_size)


def _about(job: PretrainJob, encoder: TextEncoder, train: int, held: int) -> dict[str, Any]:
    return {
        "text_encoder": job.text_encoder,
        "weights_sha256": encoder.weights_sha256,
        "settings": job.settings.to_dict(),
        "data": [{"file": path.name, "sha256": file_sum(path)} for path in job.inputs],
        "tweets": train,
        "held_out": held,
    }


def _read_note(path: Path) -> str:
    """The sum of the weights that ``pretrain`` wrote."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["result_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: wanted the note of a pretraining with result_sha256") from error


def _save_state(job: PretrainJob, reader: MaskedReader, about: dict[str, Any], history: list[dict[str, Any]]) -> None:
    job.output.mkdir(parents=True, exist_ok=True)
    weights = {name: parameter.detach() for name, parameter in reader.trained.items()}
    state = {"about": about, "history": history, "weights": weights, "optimizer": reader.optimizer.state_dict()}
    temporary = job.output / f"{STATE}.tmp"
    torch.save(state, temporary)
    temporary.replace(job.output / STATE)


def _resume(job: PretrainJob, reader: MaskedReader, about: dict[str, Any]) -> list[dict[str, Any]]:
    path = job.output / STATE
    if not path.exists():
        return []
    try:
        check_archive(path)
        state = torch.load(path, map_location=reader.device, weights_only=True)
    except Exception as error:  # truncated or foreign: torch raises many classes
        raise CheckpointError(f"{path}: wanted the state of a run, got an unreadable file: remove it") from error
    if state.get("about") != about:
        raise CheckpointError(f"{path}: is of a run with other settings or data: use them, or another folder")
    with torch.no_grad():
        for name, parameter in reader.trained.items():
            parameter.copy_(state["weights"][name])
    reader.optimizer.load_state_dict(state["optimizer"])
    history: list[dict[str, Any]] = state["history"]
    reader.step = len(history) * _steps(about["tweets"], job.settings)
    return history


def _finish(job: PretrainJob, encoder: TextEncoder, about: dict[str, Any]) -> dict[str, Any]:
    """Writes the encoder; the note comes last, without it there is none."""
    part = job.output / ".part"
    shutil.rmtree(part, ignore_errors=True)
    save_text_encoder(encoder, part)
    for file in part.iterdir():
        file.replace(job.output / file.name)
    part.rmdir()
    about |= {"result_sha256": file_sum(job.output / WEIGHTS), "code": umt_core.__version__}
    write_json(job.output / NOTE, about)
    (job.output / STATE).unlink(missing_ok=True)
    return about
