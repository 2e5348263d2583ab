"""Two small projections that bring a tweet's words and its own picture together, and other tweets' pictures apart.

Vectors in, vectors out: knows no tweet, file or page. The loss is InfoNCE in both directions over a batch (as CLIP's):
of all pictures of the batch find the text's own, of all texts the picture's own. Several tweets may have the same
picture; such a one is then neither a wrong answer in training nor a rival when pictures are compared.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from umt_core.explain.relevance_info import FitSettings

Watch = Callable[[int, int, float], bool]  # epoch, of how many, figure on dev; True: stop
MOST_SCALE = 100.0  # of cosines before the softmax, as in CLIP
FIRST_SCALE = 1 / 0.07
BLOCK = 512  # tweets that are held against all pictures at a time


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Tweets with a picture, as vectors."""

    texts: Tensor  # (n, text width)
    pictures: Tensor  # (n, channels)
    picture: Tensor  # (n,) int64: the same number, the same picture

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, indices: Tensor) -> Pairs:
        return Pairs(self.texts[indices], self.pictures[indices], self.picture[indices])


class Projections(nn.Module):
    """Text and picture vectors as directions in one space: their product is a cosine."""

    def __init__(self, text_width: int, channels: int, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        # Each vector by itself to mean 0 and variance 1: the encoders' scales are as they happen to be.
        self.text_norm = nn.LayerNorm(text_width, elementwise_affine=False)
        self.picture_norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.text = nn.Linear(text_width, size)
        self.picture = nn.Linear(channels, size)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))
        self.dropout = nn.Dropout(dropout)

    def texts(self, vectors: Tensor) -> Tensor:
        # (n, text width) -> (n, size), of length 1
        return F.normalize(self.text(self.dropout(self.text_norm(vectors))), dim=-1)

    def pictures(self, vectors: Tensor) -> Tensor:
        # (n, channels) -> (n, size), of length 1
        return F.normalize(self.picture(self.dropout(self.picture_norm(vectors))), dim=-1)

    def loss(self, pairs: Pairs) -> Tensor:
        """InfoNCE in both directions."""
        scale = self.log_scale.exp().clamp(max=MOST_SCALE)
        cosines = scale * self.texts(pairs.texts) @ self.pictures(pairs.pictures).T  # (n, n)
        own = torch.arange(len(pairs))
        same = pairs.picture[:, None] == pairs.picture[None]
        cosines = cosines.masked_fill(same & (own[:, None] != own), -torch.inf)
        return (F.cross_entropy(cosines, own) + F.cross_entropy(cosines.T, own)) / 2


def wins(own: Tensor, others: Tensor, same: Tensor) -> Tensor:
    """The share of the other pictures that each tweet's own one beats, (n,); a tie is half a win.

    Args:
        own: (n,) cosine of a tweet's words and its picture.
        others: (n, m) of its words and each other picture.
        same: (n, m) where the other is the tweet's own picture again, which does not count.
    """
    beaten = (own[:, None] > others).float() + 0.5 * (own[:, None] == others).float()
    return beaten.masked_fill(same, 0).sum(1) / (~same).sum(1)


@torch.no_grad()
def own_beats_others(model: Projections, pairs: Pairs) -> Tensor:
    """``wins`` of each tweet over the pictures of all the others, (n,); 0.5 on average if the model knows nothing."""
    model.eval()
    texts, pictures, found = model.texts(pairs.texts), model.pictures(pairs.pictures), []
    for rows in torch.arange(len(pairs)).split(BLOCK):  # all pairs of a hundred thousand tweets would be 40 GB
        cosines = texts[rows] @ pictures.T
        own = cosines[torch.arange(len(rows)), rows]
        found.append(wins(own, cosines, pairs.picture[rows, None] == pairs.picture[None]))
    return torch.cat(found)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Projections as they were after their best epoch."""

    model: Projections
    history: tuple[float, ...]  # mean of ``own_beats_others`` on dev, by epoch
    epoch: int  # the best, from 1
    stopped: bool


def fit(train: Pairs, valid: Pairs, settings: FitSettings, watch: Watch | None = None) -> Fitted:
    """Trains projections; dev decides which epoch is kept. The same seed gives the same weights."""
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Projections(train.texts.shape[1], train.pictures.shape[1], settings.size, settings.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        history: list[float] = []
        best, weights, stopped = 0, copy.deepcopy(model.state_dict()), False
        for epoch in range(1, settings.epochs + 1):
            model.train()
            for indices in torch.randperm(len(train), generator=generator).split(settings.batch_size):
                if len(indices) > 1:  # one alone has nothing to be told from
                    loss = model.loss(train.at(indices))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            history.append(float(own_beats_others(model, valid).mean()))
            if history[-1] > max(history[:-1], default=0.0):
                best, weights = epoch, copy.deepcopy(model.state_dict())
            stopped = watch is not None and watch(epoch, settings.epochs, history[-1])
            if stopped or epoch - best >= settings.patience:
                break
    model.load_state_dict(weights)
    return Fitted(model.eval(), tuple(history), best, stopped)
