"""What processes that train together tell each other: gradients, losses, and the tags of a part of dev.

Each process takes its share of the tweets of every batch. A loss is a mean over tweets, and shares may be unequal
(the last batch need not divide): each process's gradients count as its share of the batch, and their sum is what
one process would have computed over the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


class Team:
    """The processes of a run, of which this is number ``rank``; their group must have been joined.

    Every method that talks to the others is collective: all processes call it, in the same order, or the others block.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._buffer = torch.empty(0)

    def rows(self, tweets: int) -> tuple[slice, float]:
        """Which tweets of a batch are this process's, and what share of the batch they are.

        Where a batch has fewer tweets than there are processes, one without a tweet of its own takes the first, for
        nothing: so that all know the same loss terms and no gradient is missing.

        >>> [Team(rank, 2).rows(3) for rank in (0, 1)]
        [(slice(0, None, 2), 0.6666666666666666), (slice(1, None, 2), 0.3333333333333333)]
        >>> Team(1, 2).rows(1)
        (slice(0, 1, None), 0.0)
        """
        # Every n-th: tweets of a batch stand by length, and a half would have all the long ones.
        own = len(range(self.rank, tweets, self.size))
        return (slice(self.rank, None, self.size), own / tweets) if own else (slice(0, 1), 0.0)

    def part(self, rows: Sequence[T]) -> Sequence[T]:
        """Which of a sequence is this process's."""
        return rows[self.rank :: self.size]

    def add_up(
        self, parameters: Sequence[nn.Parameter], losses: Mapping[str, Tensor], share: float
    ) -> dict[str, Tensor]:
        """Puts the sum of all processes' gradients in place of each one's own; the losses of the whole batch.

        Gradients must be of the loss times the share. A parameter without a gradient in any process has none after.
        """
        # One buffer of gradients, which parameters have one, and losses: a single exchange a step.
        sizes = [p.numel() for p in parameters]
        wanted = sum(sizes) + len(sizes) + len(losses)
        if self._buffer.numel() != wanted:
            self._buffer = torch.empty(wanted, device=parameters[0].device)
        *parts, have, terms = self._buffer.split([*sizes, len(sizes), len(losses)])
        for p, part in zip(parameters, parts, strict=True):
            if p.grad is None:
                part.zero_()
            else:
                part.copy_(p.grad.reshape(-1))
        have.copy_(torch.tensor([float(p.grad is not None) for p in parameters]))
        terms.copy_(torch.stack([value.detach().float() for value in losses.values()]) * share)
        dist.all_reduce(self._buffer)
        for p, part, processes in zip(parameters, parts, have.tolist(), strict=True):
            if processes:
                p.grad = part.view_as(p).clone() if p.grad is None else p.grad.copy_(part.view_as(p))
        return dict(zip(losses, terms.clone(), strict=True))

    def gather(self, value: T) -> list[T]:
        """What each process has, by its number."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def take_first(self, tensors: Iterable[Tensor]) -> None:
        """Puts process 0's values into every process's tensors."""
        for tensor in tensors:
            dist.broadcast(tensor, src=0)
