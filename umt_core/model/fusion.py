"""What was done with the picture before Transformers: GVATT (Lu et al., ACL 2018) and AdaCAN (Zhang et al., AAAI 2018).

AdaCAN scores a block by w' tanh(.) of the word and the block *side by side*. The word's part then adds the same to
every block's score, which the softmax takes away again: all words would look at the same blocks. Both papers say in
words that the text guides the attention, so ``Attention`` takes the sum inside the tanh, as additive attention does
(Bahdanau et al., 2015), for both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Fused(NamedTuple):
    """What a fusion gives, its inside included."""

    hidden: Tensor  # (batch, n, hidden), words that know the picture
    attention: Tensor  # (batch, n, 49), which blocks the visual context is gathered from
    gate: Tensor  # (batch, n, hidden), how much of what knows the picture is let through, each in (0, 1)


ATTENTION_SIZE = 100  # k, width of what is compared: a whole encoder's width for each pair would fill the memory


class Attention(nn.Module):
    """softmax_j w' tanh(W_q query_i + W_k key_j), and the keys' mean by it."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, ATTENTION_SIZE)
        self.key = nn.Linear(hidden_size, ATTENTION_SIZE, bias=False)
        self.score = nn.Linear(ATTENTION_SIZE, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        # queries: (batch, m, hidden), keys: (batch, n, hidden), key_mask: (batch, n)
        both = torch.tanh(self.query(queries)[:, :, None] + self.key(keys)[:, None])  # (batch, m, n, k)
        scores = self.score(both).squeeze(-1)  # (batch, m, n)
        if key_mask is not None:
            scores = scores.masked_fill(~key_mask[:, None], torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)  # rows sum to 1
        return weights @ keys, weights


class VisualAttention(nn.Module):
    """GVATT: the sentence looks at the picture, a gate lets each word take of it (Lu et al., 2018).

    c   = attention of the sentence over the blocks
    b_w = sigmoid(W_w h + U_w c),  b_v = sigmoid(W_v h + U_v c),  m = tanh(W_m h + U_m c)
    h'  = b_w * h + b_v * m
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.attention = Attention(hidden_size)
        self.word_gate = nn.Linear(2 * hidden_size, hidden_size)  # W_w, U_w
        self.visual_gate = nn.Linear(2 * hidden_size, hidden_size)  # W_v, U_v
        self.mix = nn.Linear(2 * hidden_size, hidden_size)  # W_m, U_m

    def forward(self, words: Tensor, sentence: Tensor, visual: Tensor) -> Fused:
        # words (h): (batch, n, hidden), sentence: (batch, hidden), visual: (batch, 49, hidden)
        context, weights = self.attention(sentence[:, None], visual)  # (batch, 1, hidden), (batch, 1, 49)
        n = words.shape[1]
        both = torch.cat((words, context.expand(-1, n, -1)), dim=-1)  # (batch, n, 2 * hidden)
        gate = torch.sigmoid(self.visual_gate(both))  # b_v
        mixed = torch.tanh(self.mix(both))  # m
        return Fused(torch.sigmoid(self.word_gate(both)) * words + gate * mixed, weights.expand(-1, n, -1), gate)


class AdaptiveCoAttention(nn.Module):
    """AdaCAN: each word looks at the picture, what it finds looks at the words (Zhang et al., 2018).

    v   = attention of the word h over the blocks,  t = attention of v over the words
    g   = sigmoid(W_g [tanh(W_v v) ; tanh(W_t t)]),  m = g tanh(W_v v) + (1 - g) tanh(W_t t)   gated fusion
    s   = sigmoid(W_s [h ; m]),  u = s * tanh(W_u m),  h' = W_o [h ; u]                        filtration gate

    g is one number for each word, as in the paper; s, which the paper leaves open, is one for each dimension.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.to_blocks = Attention(hidden_size)
        self.to_words = Attention(hidden_size)
        self.visual = nn.Linear(hidden_size, hidden_size)  # W_v
        self.textual = nn.Linear(hidden_size, hidden_size)  # W_t
        self.fusion_gate = nn.Linear(2 * hidden_size, 1)  # W_g
        self.filtration_gate = nn.Linear(2 * hidden_size, hidden_size)  # W_s
        self.kept = nn.Linear(hidden_size, hidden_size)  # W_u
        self.output = nn.Linear(2 * hidden_size, hidden_size)  # W_o

    def forward(self, words: Tensor, mask: Tensor, visual: Tensor) -> Fused:
        # words (h): (batch, n, hidden), mask: (batch, n), visual: (batch, 49, hidden)
        seen, weights = self.to_blocks(words, visual)  # v: (batch, n, hidden), (batch, n, 49)
        read, _ = self.to_words(seen, words, mask)  # t: (batch, n, hidden)
        seen, read = torch.tanh(self.visual(seen)), torch.tanh(self.textual(read))
        g = torch.sigmoid(self.fusion_gate(torch.cat((seen, read), dim=-1)))  # (batch, n, 1)
        mixed = g * seen + (1 - g) * read  # m
        gate = torch.sigmoid(self.filtration_gate(torch.cat((words, mixed), dim=-1)))  # s
        return Fused(self.output(torch.cat((words, gate * torch.tanh(self.kept(mixed))), dim=-1)), weights, gate)
