"""Cross-modal Transformer layer (Yu et al., ACL 2020, section 2.3.1, eqs. 1 and 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from umt_core.errors import ConfigError

LAYER_NORM_EPS = 1e-12  # BERT's


class MultiHeadAttention(nn.Module):
    """MH-CA of section 2.3.1: queries of one modality, keys and values of the other.

    CA_i(X, Y) = softmax([W_q X]' [W_k Y] / sqrt(d/m)) [W_v Y]',  MH-CA = W' [CA_1, ..., CA_m]
    """

    def __init__(self, hidden_size: int, heads: int, dropout: float) -> None:
        super().__init__()
        if hidden_size % heads:
            raise ConfigError(f"setting heads: wanted a divisor of the encoder's width {hidden_size}, got {heads}")
        self.heads = heads
        self.query = nn.Linear(hidden_size, hidden_size)  # W_q of all heads
        self.key = nn.Linear(hidden_size, hidden_size)  # W_k
        self.value = nn.Linear(hidden_size, hidden_size)  # W_v
        self.output = nn.Linear(hidden_size, hidden_size)  # W'
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        # queries: (batch, m, hidden), keys: (batch, n, hidden), key_mask: (batch, n), True where there is a key
        q, k, v = (self._split(x) for x in (self.query(queries), self.key(keys), self.value(keys)))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (batch, heads, m, n)
        if key_mask is not None:
            scores = scores.masked_fill(~key_mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)  # (batch, heads, m, n), rows sum to 1
        context = self.dropout(weights) @ v  # (batch, heads, m, hidden / heads)
        return self.output(context.transpose(1, 2).flatten(2)), weights

    def _split(self, x: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        return x.view(batch, length, self.heads, hidden // self.heads).transpose(1, 2)


class CrossModalLayer(nn.Module):
    """CMT layer: attention from ``queries`` to ``keys``, then a feed-forward network.

    P~ = LN(V + MH-CA(V, R))   (eq. 1)
    P  = LN(P~ + FFN(P~))      (eq. 2)
    """

    def __init__(self, hidden_size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(hidden_size, heads, dropout)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=LAYER_NORM_EPS)
        self.feed_forward = nn.Sequential(
            nn.Linear(hidden_size, 4 * hidden_size), nn.GELU(), nn.Linear(4 * hidden_size, hidden_size)
        )
        self.output_norm = nn.LayerNorm(hidden_size, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        # queries: (batch, m, hidden), keys: (batch, n, hidden), key_mask: (batch, n)
        attended, weights = self.attention(queries, keys, key_mask)
        hidden = self.attention_norm(queries + self.dropout(attended))  # eq. 1, (batch, m, hidden)
        hidden = self.output_norm(hidden + self.dropout(self.feed_forward(hidden)))  # eq. 2
        return hidden, weights  # weights: (batch, heads, m, n)


class TransformerLayer(CrossModalLayer):
    """A standard Transformer layer: a CMT layer whose words attend to themselves (sections 2.3, 2.4)."""

    def forward(self, words: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        # words: (batch, subwords, hidden), mask: (batch, subwords)
        return super().forward(words, words, mask)
