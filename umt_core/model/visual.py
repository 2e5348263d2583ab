"""Visual block representations in the space of the words (Yu et al., ACL 2020, section 2.2)."""

from __future__ import annotations

from torch import Tensor, nn


class VisualProjection(nn.Module):
    """V = W_u' U. The released code has a second W_u for the blocks that ask the words.

    A tweet without picture comes as 49 blocks of zeros, so that every block is the bias:
    attention over blocks is then uniform, and says nothing of any picture.
    """

    def __init__(self, channels: int, hidden_size: int, projections: int = 1) -> None:
        super().__init__()
        self.keys = nn.Linear(channels, hidden_size)  # W_u; blocks as words see them
        self.queries = nn.Linear(channels, hidden_size) if projections == 2 else None

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        # regions (U): (batch, 49, channels)
        visual = self.keys(regions)  # V: (batch, 49, hidden)
        return visual, visual if self.queries is None else self.queries(regions)
