"""Visual gate (Yu et al., ACL 2020, eq. 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VisualGate(nn.Module):
    """Lets each subword decide how much of its visual representation it takes (eq. 3).

    g = sigmoid(W_a' A + W_q' Q),  B = g * Q

    ``linear`` holds both matrices side by side: its first ``hidden`` input columns are W_a,
    the others W_q.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * hidden_size, hidden_size)

    def forward(self, words: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        # words (A), visual (Q): (batch, subwords, hidden)
        both = torch.cat((words, visual), dim=-1)  # (batch, subwords, 2 * hidden)
        gate = torch.sigmoid(self.linear(both))  # (batch, subwords, hidden), each in (0, 1)
        return gate * visual, gate
