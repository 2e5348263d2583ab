"""Masked-language modelling (Devlin et al., NAACL 2019): what was hidden of a sentence is told from the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REPLACED, RANDOM = 0.8, 0.1  # of the hidden subwords: shown as [MASK], as any other; the rest stand as they are


class MaskedWordsHead(nn.Module):
    """Scores of all subwords for a hidden one, by the encoder's own input embeddings, which are not trained.

    scores = LayerNorm(GELU(W h)) E^T + b
    """

    def __init__(self, hidden_size: int, embeddings: Tensor) -> None:
        super().__init__()
        vocabulary, width = embeddings.shape
        self.transform = nn.Linear(hidden_size, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.register_buffer("embeddings", embeddings.detach(), persistent=False)
        nn.init.normal_(self.transform.weight, std=0.02)
        nn.init.zeros_(self.transform.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        # hidden: (hidden subwords, hidden size) -> (hidden subwords, vocabulary)
        return nn.functional.linear(
            self.norm(nn.functional.gelu(self.transform(hidden))), self.get_buffer("embeddings"), self.bias
        )


def hide_subwords(
    subwords: Tensor, mask: Tensor, mask_id: int, vocabulary: int, share: float, draw: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A batch with a share of its subwords hidden, and where: both (batch, subwords). [CLS] and [SEP] never are."""
    # subwords: (batch, subwords) int64, mask: (batch, subwords) bool, True at real subwords
    positions = torch.arange(subwords.shape[1])
    inside = mask & (positions > 0) & (positions < mask.sum(1, keepdim=True) - 1)  # the last is [SEP]
    hidden = inside & (torch.rand(subwords.shape, generator=draw) < share)
    fate = torch.rand(subwords.shape, generator=draw)
    others = torch.randint(vocabulary, subwords.shape, generator=draw)
    shown = torch.where(hidden & (fate < REPLACED), mask_id, subwords)
    shown = torch.where(hidden & (fate >= REPLACED) & (fate < REPLACED + RANDOM), others, shown)
    return shown, hidden
