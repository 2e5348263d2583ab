"""The training loop: tensors, numbers and callbacks; no paths, no printing.

Every epoch seeds its own order and dropout from the seed and its number, so that a run that was
stopped and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from umt_core.analysis.metrics import Scores, score_spans
from umt_core.config import TrainSettings
from umt_core.devices import mixed_type
from umt_core.errors import DataError
from umt_core.features import Batch, hide_words
from umt_core.spans import tags_to_spans
from umt_core.systems import Output, Tagger
from umt_core.systems.base import freeze_embeddings
from umt_core.tagging import TweetSet, tag_all
from umt_core.train.distillation import disagreement, distillation_loss
from umt_core.train.sharing import Team

OnStep = Callable[[int, int, float], None]  # step of the epoch, steps in it, loss


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch brought."""

    number: int  # from 1
    losses: dict[str, float]  # mean of each term over the epoch
    scores: Scores  # on dev
    seconds: float
    best: bool  # better than every epoch before


def evaluate(tagger: Tagger, tweets: TweetSet, device: torch.device, team: Team | None = None) -> Scores:
    """Scores of a tagger on labelled tweets, in eval mode; each process of a team tags a part of them."""
    was_training = tagger.training
    tagger.eval()
    tags = tag_all(tagger, tweets, device, of=team.part if team else None)
    if team:
        tags = [next(filter(None, rows), []) for rows in zip(*team.gather(tags), strict=True)]
    tagger.train(was_training)
    return score_spans([e.spans or () for e in tweets.examples], [tags_to_spans(row) for row in tags])


class Trainer:
    """Trains a tagger, epoch by epoch, and keeps the best weights by dev F1.

    Of ``unlabelled`` tweets the teachers' marginals alone are learned, in batches of their own. In a ``team``
    each process does this with its share of every batch, and all have the same weights after every step.

    Raises:
        DataError: there is nothing to train on.
    """

    def __init__(
        self,
        tagger: Tagger,
        train: TweetSet,
        valid: TweetSet,
        settings: TrainSettings,
        device: torch.device,
        unlabelled: TweetSet | None = None,
        team: Team | None = None,
    ) -> None:
        if not len(train) or not len(valid):
            raise DataError(f"wanted tweets to train and to choose by, got {len(train)} and {len(valid)}")
        if not settings.train_embeddings:
            freeze_embeddings(tagger)
        self.frozen_layers = freeze_lower_layers(tagger, settings.train_layers)
        self.tagger, self.team = tagger.to(device), team
        self.train, self.valid, self.settings, self.device = train, valid, settings, device
        self.sources = (train,) if unlabelled is None else (train, unlabelled)
        self.steps_per_epoch = sum(math.ceil(len(source) / settings.batch_size) for source in self.sources)
        # Fused: one pass over each tensor. Unfused, the update took a quarter of a step on a CPU.
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(parameter_groups(tagger, settings), lr=settings.learning_rate, fused=fused)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        # Products in 16 bits; weights, their updates, norms and the CRF stay in float32.
        self.mixed = mixed_type(device) if settings.precision == "auto" else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.mixed is torch.float16)
        self.trained = {n: p for n, p in tagger.named_parameters() if p.requires_grad}
        self.average = {n: p.detach().clone() for n, p in self.trained.items()} if settings.average_decay else {}
        self.best: dict[str, Tensor] = {}
        self.best_scores: Scores | None = None
        self.best_epoch = 0
        self.epoch = 0  # epochs done
        self.step = 0

    @property
    def finished(self) -> bool:
        return self.epoch >= self.settings.epochs or self.epoch - self.best_epoch >= self.settings.patience

    def epochs(self, on_step: OnStep | None = None) -> Iterator[Epoch]:
        """Train until the last epoch, or until dev F1 has not risen for ``patience`` epochs."""
        while not self.finished:
            yield self._run_epoch(on_step)

    def finish(self) -> dict[str, Tensor]:
        """The weights to keep: the best of those trained, and those of the lower layers, which this unfreezes."""
        for parameter in self.frozen_layers.values():
            parameter.requires_grad_(True)
        return self.best | {n: p.detach().cpu().clone() for n, p in self.frozen_layers.items()}

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs, between two epochs."""
        return {
            "settings": self.settings.to_dict(),
            "model": {n: p.detach() for n, p in self.trained.items()},
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {"last_epoch": self.scheduler.last_epoch},
            "scaler": self.scaler.state_dict(),
            "average": self.average,
            "best": self.best,
            "progress": [self.epoch, self.step, self.best_epoch],
        }

    def load_state(self, state: dict[str, Any], best_scores: Scores | None) -> None:
        """Go on from ``state()``."""
        with torch.no_grad():
            for name, value in state["model"].items():
                self.trained[name].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.last_epoch = state["scheduler"]["last_epoch"]
        for group, base in zip(self.optimizer.param_groups, self.scheduler.base_lrs, strict=True):
            group["lr"] = base * self._rate(self.scheduler.last_epoch)
        self.scaler.load_state_dict(state["scaler"])
        self.average = {n: v.to(self.device) for n, v in state["average"].items()}
        self.best = state["best"]
        self.epoch, self.step, self.best_epoch = state["progress"]
        self.best_scores = best_scores

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the tagger holds the running average of its weights, if one is kept."""
        if not self.average:
            yield
            return
        kept = {n: p.detach().clone() for n, p in self.trained.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(kept)

    def _run_epoch(self, on_step: OnStep | None) -> Epoch:
        began = time.perf_counter()
        number = self.epoch + 1
        # Dropout differs between the processes of a team: other tweets, other units.
        torch.manual_seed(self.settings.seed * 100_003 + number + (self.team.rank << 50 if self.team else 0))
        if self.team:
            self.team.take_first(p.detach() for p in self.trained.values())
        order = np.random.default_rng([self.settings.seed, number])
        batches = self.batches(order)
        self.tagger.train()
        sums: dict[str, list[float]] = {}
        with cast_frozen_weights(self.tagger, self.mixed):
            for i, (source, indices) in enumerate(batches, start=1):
                losses = self.run_step(source, indices, order)
                for name, value in losses.items():
                    sums.setdefault(name, []).append(value)
                if on_step:
                    on_step(i, len(batches), losses["total"])
        with self.averaged():
            scores = evaluate(self.tagger, self.valid, self.device, self.team)
            best = self.best_scores is None or scores.overall.f1 > self.best_scores.overall.f1
            if best:
                self.best = {n: p.detach().cpu().clone() for n, p in self.trained.items()}
                self.best_scores, self.best_epoch = scores, number
        self.epoch = number
        means = {name: sum(values) / len(values) for name, values in sums.items()}
        return Epoch(number, means, scores, time.perf_counter() - began, best)

    def batches(self, rng: np.random.Generator) -> list[tuple[TweetSet, list[int]]]:
        """The steps of an epoch: batches of labelled tweets and of unlabelled ones, in random order."""
        batches = [
            (source, indices)
            for source in self.sources
            for indices in shuffled_batches(source, self.settings.batch_size, rng)
        ]
        return batches if len(self.sources) == 1 else [batches[i] for i in rng.permutation(len(batches))]

    def run_step(self, source: TweetSet, indices: list[int], rng: np.random.Generator) -> dict[str, float]:
        """One step over tweets of one of ``sources``: the value of each loss term. The tagger must be in train mode."""
        hide = (rng.random(len(indices)) < self.settings.image_dropout).tolist()
        batch = source.batch(indices, targets=source is self.train, hide=hide)
        if self.settings.word_dropout:
            hide_words(batch, self.settings.word_dropout, source.unk_id, rng)
        # Only now: what is drawn for a batch is drawn for the whole of it, as one process draws it.
        rows, share = self.team.rows(len(indices)) if self.team else (slice(None), 1.0)
        batch = (batch.rows(rows) if self.team else batch).to(self.device)
        with self._autocast():
            losses = self._losses(batch)
        self.scaler.scale(losses["total"] * share).backward()
        if self.team:
            losses = self.team.add_up(list(self.trained.values()), losses, share)
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.trained.values(), self.settings.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.average:
            # Young averages forget faster, or the untrained start would stay in them.
            decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.values()), list(self.trained.values()), 1 - decay)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        """All terms, "total" is of all; with ``consistency`` means of two passes (R-Drop, Liang et al., 2021)."""
        output = self.tagger(batch)
        losses = self._terms(output, batch)
        if not self.settings.consistency:
            return losses
        again = self.tagger(batch)
        losses = {name: (losses[name] + other) / 2 for name, other in self._terms(again, batch).items()}
        apart = disagreement(self.tagger.crf, output, again)
        return losses | {"consistency": apart, "total": losses["total"] + self.settings.consistency * apart}

    def _terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The tagger's own terms, if the batch has gold labels, and the distillation loss, if it has teachers."""
        if batch.teacher_marginals is None or not self.settings.teacher_weight:
            return output.losses
        distillation = distillation_loss(self.tagger.crf, output, batch.teacher_marginals)
        total = self.settings.teacher_weight * distillation
        if "total" in output.losses:
            total = total + output.losses["total"]
        return output.losses | {"taught": distillation, "total": total}

    def _rate(self, step: int) -> float:
        return linear_rate(step, self.steps_per_epoch * self.settings.epochs, self.settings.warmup)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=self.mixed) if self.mixed else nullcontext()

    def _put(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                self.trained[name].copy_(value)


def linear_rate(step: int, total: int, warmup: float) -> float:
    """Factor of the learning rate: a rise over the warm-up, then a straight fall to 0 at the last step."""
    warm = warmup * total
    if step < warm:
        return (step + 1) / (warm + 1)
    return max(0.0, (total - step) / max(1.0, total - warm))


@contextmanager
def cast_frozen_weights(tagger: Tagger, to: torch.dtype | None) -> Iterator[None]:
    """Inside, weights of linear layers that are not trained are kept in the type of their products, if one is given.

    Autocast would cast them to the same numbers at every step: with adapters on an encoder of the paper's size, a
    twentieth of it.
    """
    layers = [module for module in tagger.modules() if isinstance(module, nn.Linear)] if to else []
    frozen = {p: p.data for layer in layers for p in layer.parameters(recurse=False) if not p.requires_grad}
    for parameter, weights in frozen.items():
        parameter.data = weights.to(to)
    try:
        yield
    finally:
        for parameter, weights in frozen.items():
            parameter.data = weights


def shuffled_batches(tweets: TweetSet, batch_size: int, rng: np.random.Generator) -> list[list[int]]:
    """Batches in random order of tweets of like length: shuffled, sorted in pools of 50 batches, cut."""
    order = rng.permutation(len(tweets)).tolist()
    pool = 50 * batch_size
    batches = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda i: len(tweets.encoded[i].subwords))
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


HEADS = ("classifier.", "crf.", "esd.classifier.", "esd_crf.", "conversion.", "word_shape.", "other_set")
AT_THE_BOTTOM = ("word_shape.", "word_spelling.", "other_set")  # what is added to the embeddings


def freeze_lower_layers(tagger: Tagger, trained: int | None) -> dict[str, nn.Parameter]:
    """Freezes everything below the encoder's top layers, ``trained`` of them; returns the parameters it froze.

    Backpropagation then ends at these layers, which is what makes a step quick: what is added to the embeddings
    (word shapes, spelling, the other set's mark), and so enters at the bottom, is frozen too.
    """
    if trained is None:
        return {}
    free = {name: parameter for name, parameter in tagger.named_parameters() if parameter.requires_grad}
    lowest = 1 + max((_layer(n) for n in free if n.startswith("encoder.")), default=-1) - trained
    below = {n for n in free if n.startswith("encoder.") and _layer(n) < lowest}
    frozen = {n: p for n, p in free.items() if n in below or (lowest >= 0 and n.startswith(AT_THE_BOTTOM))}
    for parameter in frozen.values():
        parameter.requires_grad_(False)
    return frozen


def parameter_groups(tagger: Tagger, settings: TrainSettings) -> list[dict[str, Any]]:
    """Parameters by learning rate and weight decay.

    The encoder's top layer has the encoder's rate, each layer below ``layer_decay`` times that
    of the one above.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    layers = 1 + max((_layer(n) for n, _ in tagger.encoder.named_parameters()), default=0)
    for name, parameter in tagger.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("encoder."):
            rate = settings.learning_rate * settings.layer_decay ** (layers - 1 - _layer(name))
        elif name.startswith(HEADS):
            rate = settings.head_learning_rate
        else:
            rate = settings.new_learning_rate
        plain = parameter.ndim < 2 or "crf" in name or name.startswith(("conversion.", "word_shape."))
        decay = 0.0 if plain else settings.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]


def _layer(name: str) -> int:
    """Layer of an encoder's parameter, from 0; embeddings count as below the first: -1."""
    parts = name.split(".")
    if "layer" in parts and parts[parts.index("layer") + 1].isdigit():
        return int(parts[parts.index("layer") + 1])
    return -1
