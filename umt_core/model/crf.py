"""Linear-chain CRF (Yu et al., ACL 2020, eqs. 4 and 5) with what pytorch-crf leaves out.

pytorch-crf gives the loss; here are marginals, the probability of a span, and a decoding
that stays on tensors until the end. ``start_transitions`` and ``end_transitions`` are the
T of eq. 5 at i = 0 and i = n.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchcrf
from torch import Tensor

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

    @torch.no_grad()
    def posterior(self, emissions: Tensor, mask: Tensor) -> Posterior:
        """Forward and backward scores of each tweet, from which every marginal follows."""
        # emissions: (batch, n, tags), mask: (batch, n)
        length = emissions.shape[1]
        forward = [self.start_transitions + emissions[:, 0]]  # each (batch, tags)
        for i in range(1, length):
            scores = (forward[-1].unsqueeze(2) + self.transitions).logsumexp(dim=1) + emissions[:, i]
            forward.append(torch.where(mask[:, i].unsqueeze(1), scores, forward[-1]))
        backward = [self.end_transitions.expand_as(forward[0])]
        for i in range(length - 1, 0, -1):
            ahead = (self.transitions + (emissions[:, i] + backward[-1]).unsqueeze(1)).logsumexp(dim=2)
            backward.append(torch.where(mask[:, i].unsqueeze(1), ahead, backward[-1]))
        return Posterior(self, emissions, torch.stack(forward, 1), torch.stack(backward[::-1], 1), mask)

    @torch.no_grad()
    def best_paths(self, emissions: Tensor, mask: Tensor) -> list[list[int]]:
        """Most probable tags of each tweet (Viterbi), one list per tweet as long as its mask."""
        # emissions: (batch, n, tags), mask: (batch, n)
        batch, length, tags = emissions.shape
        score = self.start_transitions + emissions[:, 0]  # (batch, tags)
        pointers = []
        stay = torch.arange(tags, device=emissions.device).expand(batch, tags)
        for i in range(1, length):
            best, pointer = (score.unsqueeze(2) + self.transitions).max(dim=1)  # (batch, tags) both
            here = mask[:, i].unsqueeze(1)
            score = torch.where(here, best + emissions[:, i], score)
            pointers.append(torch.where(here, pointer, stay))
        last = (score + self.end_transitions).argmax(dim=1, keepdim=True)  # (batch, 1)
        path = [last]
        for pointer in reversed(pointers):
            last = pointer.gather(1, last)
            path.append(last)
        whole = torch.cat(path[::-1], dim=1).tolist()  # past a tweet's end its last tag repeats
        return [row[:n] for row, n in zip(whole, mask.sum(dim=1).tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class Posterior:
    """P(. | emissions) of a batch, by forward and backward scores.

    forward[b, i, t]: log-sum of the scores of all beginnings that end with tag t at i;
    backward[b, i, t]: log-sum of the scores of all that can follow tag t at i.
    """

    crf: LinearChainCRF
    emissions: Tensor  # (batch, n, tags)
    forward: Tensor  # (batch, n, tags)
    backward: Tensor  # (batch, n, tags)
    mask: Tensor  # (batch, n)

    @property
    def log_partition(self) -> Tensor:
        """log Z of each tweet: (batch,)."""
        return (self.forward[:, 0] + self.backward[:, 0]).logsumexp(dim=1)

    @property
    def marginals(self) -> Tensor:
        """P(tag at a position): (batch, n, tags), 0 where masked."""
        return (self.forward + self.backward).softmax(dim=2) * self.mask.unsqueeze(2)

    @torch.no_grad()
    def span_probability(self, row: int, start: int, end: int, opening: int, inside: int) -> float:
        """P(exactly the positions ``[start, end)`` of a tweet are one entity).

        ``opening`` and ``inside`` are the indices of its B- and I- tags. The entity opens with B-, or
        with an I- that continues nothing, goes on with I-, and no I- follows it.
        """
        crf, emissions = self.crf, self.emissions[row]
        length = int(self.mask[row].sum())
        tags = torch.tensor([opening, inside], device=emissions.device)  # that the entity's position may have
        if start == 0:
            scores = crf.start_transitions[tags]  # (2,)
        else:
            arriving = self.forward[row, start - 1].unsqueeze(1) + crf.transitions[:, tags]  # (tags, 2)
            arriving[tags, 1] = -torch.inf  # after these, an I- goes on with the entity before
            scores = arriving.logsumexp(0)
        scores = scores + emissions[start, tags]
        for i in range(start + 1, end):
            scores = (scores + crf.transitions[tags, inside]).logsumexp(0, keepdim=True) + emissions[i, inside]
            tags = tags[-1:]  # inside alone
        if end == length:
            scores = scores + crf.end_transitions[tags]
        else:
            leaving = crf.transitions[tags] + emissions[end] + self.backward[row, end]  # (1 or 2, tags)
            leaving[:, inside] = -torch.inf
            scores = scores + leaving.logsumexp(1)
        return min(1.0, float((scores.logsumexp(0) - self.log_partition[row]).exp()))
