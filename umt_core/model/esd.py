"""Entity span detection and the conversion matrix (Yu et al., ACL 2020, section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from umt_core.model.cmt import TransformerLayer


class EntitySpanDetection(nn.Module):
    """Scores of B, I and O from the text alone: a Transformer layer (T) and w_ESD."""

    def __init__(self, hidden_size: int, heads: int, dropout: float, tags: int) -> None:
        super().__init__()
        self.transformer = TransformerLayer(hidden_size, heads, dropout)
        self.classifier = nn.Linear(hidden_size, tags)  # w_ESD

    def forward(self, encoded: Tensor, mask: Tensor) -> Tensor:
        # encoded (C): (batch, subwords, hidden), mask: (batch, subwords)
        hidden, _ = self.transformer(encoded, mask)  # T: (batch, subwords, hidden)
        return self.classifier(hidden)  # (batch, subwords, esd tags)


class ConversionMatrix(nn.Module):
    """W^c: carries ESD scores over to the full tag set.

    ``matrix`` starts as given; it is a parameter where it is learned, else a constant.
    """

    matrix: Tensor

    def __init__(self, initial: list[list[float]], learned: bool) -> None:
        super().__init__()
        values = torch.tensor(initial)  # (esd tags, tags)
        if learned:
            self.matrix = nn.Parameter(values)
        else:
            self.register_buffer("matrix", values)

    def forward(self, esd_emissions: Tensor) -> Tensor:
        # esd_emissions: (batch, n, esd tags) -> (batch, n, tags), the second term of eq. 7 summed over z
        return esd_emissions @ self.matrix
