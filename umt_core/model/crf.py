"""Linear-chain CRF (Yu et al., ACL 2020, eqs. 4 and 5) with what pytorch-crf leaves out.

pytorch-crf gives the loss; here are marginals, the probability of a span, and a decoding
that takes all tweets of a batch at once. ``start_transitions`` and ``end_transitions`` are the
T of eq. 5 at i = 0 and i = n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torchcrf
from torch import Tensor

from umt_core.model.chain import Chain

NO_PATH = -1e6  # score of what is not summed over: finite, so that it has a gradient, which is 0
FORBIDDEN = -100.0  # score of a transition that is held out: e^-100 is nothing beside any other path


class LinearChainCRF(torchcrf.CRF):
    """P(y | emissions) over tag sequences; ``transitions[i, j]`` scores tag i before tag j.

    ``forbidden`` (tags + 1, tags), True where a tag may not follow another (last row: may not
    open a tweet), holds those transitions at ``FORBIDDEN`` through training too.
    """

    def __init__(self, tags: int, forbidden: Tensor | None = None) -> None:
        super().__init__(tags, batch_first=True)
        if forbidden is not None:
            for parameter, where in (
                (self.transitions, forbidden[:-1]),
                (self.start_transitions, forbidden[-1]),
            ):
                with torch.no_grad():
                    parameter[where] = FORBIDDEN
                parameter.register_hook(lambda grad, where=where: grad.masked_fill(where.to(grad.device), 0.0))

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Mean over the batch of -log P(tags | emissions) (section 2.5)."""
        # emissions: (batch, n, tags), tags: (batch, n), mask: (batch, n), True at real positions
        # In full precision: log-sums of half numbers lose the loss.
        return -self(emissions.float(), tags, mask=mask, reduction="mean")

    def posterior(self, emissions: Tensor, mask: Tensor) -> Posterior:
        """Forward and backward scores of each tweet, from which every marginal follows."""
        # emissions: (batch, n, tags), mask: (batch, n)
        scores, real = self._scores(emissions), mask.cpu().numpy()
        forward, backward = np.empty_like(scores.emissions), np.empty_like(scores.emissions)
        forward[:, 0] = scores.start + scores.emissions[:, 0]
        for i in range(1, forward.shape[1]):
            here = _logsumexp(forward[:, i - 1, :, None] + scores.transitions, axis=1) + scores.emissions[:, i]
            forward[:, i] = np.where(real[:, i, None], here, forward[:, i - 1])
        backward[:, -1] = scores.end
        for i in range(forward.shape[1] - 1, 0, -1):
            ahead = _logsumexp(scores.transitions + (scores.emissions[:, i] + backward[:, i])[:, None], axis=2)
            backward[:, i - 1] = np.where(real[:, i, None], ahead, backward[:, i])
        return Posterior(scores, forward, backward, mask)

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log P(tag at a position), to be learned by: as ``Posterior.marginals``, in tensors that know their gradient.

        (batch, n, tags); where masked it means nothing.
        """
        # emissions: (batch, n, tags), mask: (batch, n)
        scores = emissions.to(self.transitions.dtype)
        forward = [self.start_transitions + scores[:, 0]]  # each (batch, tags)
        for i in range(1, scores.shape[1]):
            here = torch.logsumexp(forward[-1][:, :, None] + self.transitions, dim=1) + scores[:, i]
            forward.append(torch.where(mask[:, i, None], here, forward[-1]))
        backward = [self.end_transitions.expand_as(forward[0])]
        for i in range(scores.shape[1] - 1, 0, -1):
            ahead = torch.logsumexp(self.transitions + (scores[:, i] + backward[-1])[:, None], dim=2)
            backward.append(torch.where(mask[:, i, None], ahead, backward[-1]))
        joint = torch.stack(forward, dim=1) + torch.stack(backward[::-1], dim=1)
        return joint.log_softmax(dim=-1)  # all tags of a position together have all paths

    def span_log_odds(self, emissions: Tensor, mask: Tensor, start: int, end: int, opening: int, inside: int) -> Tensor:
        """log P - log(1 - P) that exactly ``[start, end)`` is one entity, as ``Posterior.span_probability`` has P.

        (batch,), in float64 so that a sure entity keeps its 1 - P, and in tensors that know their gradient. The rows
        of the batch are one tweet, as it is and changed: all have the same span.
        """
        # emissions: (batch, n, tags), mask: (batch, n)
        length, tags = emissions.shape[1:]
        allowed = torch.ones(length, tags, dtype=torch.bool, device=emissions.device)
        allowed[start:end] = False
        allowed[start, [opening, inside]] = True
        allowed[start + 1 : end, inside] = True
        if end < length:
            allowed[end, inside] = False  # where the tweet has ended this is masked
        goes_on = torch.zeros(tags, tags, dtype=torch.bool, device=emissions.device)
        goes_on[[opening, inside], inside] = True  # an I- at ``start`` would be of the entity before
        log_p = self._log_sum(emissions, mask, allowed, goes_on, start) - self._log_sum(emissions, mask)
        return log_odds(log_p)

    def tag_log_odds(self, emissions: Tensor, mask: Tensor, position: int, tag: int) -> Tensor:
        """log P - log(1 - P) that a position has a tag, as ``Posterior.marginals`` have P; otherwise as above."""
        # emissions: (batch, n, tags), mask: (batch, n) -> (batch,)
        allowed = torch.ones(emissions.shape[1:], dtype=torch.bool, device=emissions.device)
        allowed[position] = False
        allowed[position, tag] = True
        return log_odds(self._log_sum(emissions, mask, allowed) - self._log_sum(emissions, mask))

    def _log_sum(
        self,
        emissions: Tensor,
        mask: Tensor,
        allowed: Tensor | None = None,
        barred: Tensor | None = None,
        at: int = 0,
    ) -> Tensor:
        """log of the sum over all paths, or over those of ``allowed`` tags without a ``barred`` step to ``at``."""
        # emissions: (batch, n, tags), mask: (batch, n), allowed: (n, tags), barred: (tags, tags) -> (batch,), float64
        scores = emissions.double()
        if allowed is not None:
            scores = scores.masked_fill(~allowed, NO_PATH)
        transitions = self.transitions.double()
        forward = self.start_transitions.double() + scores[:, 0]  # (batch, tags)
        for i in range(1, scores.shape[1]):
            steps = transitions.masked_fill(barred, NO_PATH) if barred is not None and i == at else transitions
            here = torch.logsumexp(forward[:, :, None] + steps, dim=1) + scores[:, i]
            forward = torch.where(mask[:, i, None], here, forward)
        return torch.logsumexp(forward + self.end_transitions.double(), dim=1)

    def best_paths(self, emissions: Tensor, mask: Tensor) -> list[list[int]]:
        """Most probable tags of each tweet (Viterbi), one list per tweet as long as its mask."""
        # emissions: (batch, n, tags), mask: (batch, n)
        real = mask.cpu().numpy()
        whole = self.chain.best_paths(self._scores(emissions).emissions, real).tolist()
        return [row[:n] for row, n in zip(whole, real.sum(axis=1).tolist(), strict=True)]

    def path_scores(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The score of eq. 5 of one path for each tweet, as pytorch-crf adds it up for the loss: (batch,)."""
        # emissions: (batch, n, tags), tags: (batch, n), mask: (batch, n)
        return self._compute_score(*(value.transpose(0, 1) for value in (emissions, tags, mask)))

    @property
    def chain(self) -> Chain:
        """The transitions as they are now."""
        parameters = (self.start_transitions, self.transitions, self.end_transitions)
        return Chain(*(_doubles(parameter) for parameter in parameters))

    def _scores(self, emissions: Tensor) -> _Scores:
        return _Scores(_doubles(emissions), *self.chain)


def log_odds(log_p: Tensor) -> Tensor:
    """log p - log(1 - p) of log p; beyond what float64 tells from 1 or 0 it stays where that ends.

    >>> round(float(log_odds(torch.tensor(0.8).double().log())), 6)  # log 4
    1.386294
    """
    sure = torch.finfo(torch.float64).eps
    log_p = log_p.double().clamp(max=-sure)
    return log_p - torch.log(-torch.expm1(log_p))


class TagSoftmax(LinearChainCRF):
    """A softmax over the tags of each word by itself, as a CRF whose transitions are all 0 and are not learned.

    Its loss is then the words' cross-entropy, its best path each word's best tag, and its marginals the softmax:
    decoding, probabilities and views need no second way.
    """

    def __init__(self, tags: int) -> None:
        super().__init__(tags)
        for name, parameter in list(self.named_parameters()):
            delattr(self, name)
            self.register_buffer(name, torch.zeros_like(parameter), persistent=False)


class _Scores(NamedTuple):
    """The terms of eq. 5 in float64."""

    emissions: np.ndarray  # (batch, n, tags)
    start: np.ndarray  # (tags,)
    transitions: np.ndarray  # (tags, tags)
    end: np.ndarray  # (tags,)


def _doubles(tensor: Tensor) -> np.ndarray:
    values: np.ndarray = tensor.detach().cpu().double().numpy()
    return values


def _logsumexp(values: np.ndarray, axis: int) -> np.ndarray:
    largest = values.max(axis=axis, keepdims=True)
    sums: np.ndarray = np.log(np.exp(values - largest).sum(axis=axis)) + largest.squeeze(axis)
    return sums


@dataclass(frozen=True, slots=True)
class Posterior:
    """P(. | emissions) of a batch, by forward and backward scores.

    forward[b, i, t]: log-sum of the scores of all beginnings that end with tag t at i;
    backward[b, i, t]: log-sum of the scores of all that can follow tag t at i.
    """

    scores: _Scores
    forward: np.ndarray  # (batch, n, tags), float64
    backward: np.ndarray  # (batch, n, tags), float64
    mask: Tensor  # (batch, n)

    @property
    def log_partition(self) -> Tensor:
        """log Z of each tweet: (batch,), float32."""
        return self._tensor(_logsumexp(self.forward[:, 0] + self.backward[:, 0], axis=1))

    @property
    def marginals(self) -> Tensor:
        """P(tag at a position): (batch, n, tags), float32, 0 where masked."""
        joint = self.forward + self.backward
        return self._tensor(np.exp(joint - _logsumexp(joint, axis=2)[..., None])) * self.mask.unsqueeze(2)

    def tag_probability(self, row: int, position: int, tag: int) -> float:
        """P(tag at a position) of a tweet, in float64: near 1 a step of float32 is one of 19 nats of log-odds."""
        joint = self.forward[row, position] + self.backward[row, position]
        return float(np.exp(joint[tag] - _logsumexp(joint, axis=0)))

    def span_probability(self, row: int, start: int, end: int, opening: int, inside: int) -> float:
        """P(exactly the positions ``[start, end)`` of a tweet are one entity).

        ``opening`` and ``inside`` are the indices of its B- and I- tags. The entity opens with B-, or
        with an I- that continues nothing, goes on with I-, and no I- follows it.
        """
        emissions, transitions = self.scores.emissions[row], self.scores.transitions
        tags = [opening, inside]  # that the entity's position may have
        if start == 0:
            scores = self.scores.start[tags]  # (2,)
        else:
            arriving = self.forward[row, start - 1, :, None] + transitions[:, tags]  # (tags, 2)
            arriving[tags, 1] = -np.inf  # after these, an I- goes on with the entity before
            scores = _logsumexp(arriving, axis=0)
        scores = scores + emissions[start, tags]
        for i in range(start + 1, end):
            scores = _logsumexp(scores + transitions[tags, inside], axis=0)[None] + emissions[i, inside]
            tags = tags[-1:]  # inside alone
        if end == int(self.mask[row].sum()):
            scores = scores + self.scores.end[tags]
        else:
            leaving = transitions[tags] + emissions[end] + self.backward[row, end]  # (1 or 2, tags)
            leaving[:, inside] = -np.inf
            scores = scores + _logsumexp(leaving, axis=1)
        partition = _logsumexp(self.forward[row, 0] + self.backward[row, 0], axis=0)
        return min(1.0, float(np.exp(_logsumexp(scores, axis=0) - partition)))

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().to(self.mask.device)
