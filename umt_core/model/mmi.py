"""Multimodal interaction module (Yu et al., ACL 2020, section 2.3 and Fig. 2b)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from umt_core.model.cmt import CrossModalLayer
from umt_core.model.gate import VisualGate


@dataclass(frozen=True, slots=True)
class Interaction:
    """What MMI gives, its inside included."""

    hidden: Tensor  # H = [A ; B], (batch, subwords, 2 * hidden)
    image_aware_words: Tensor  # A, (batch, subwords, hidden)
    word_aware_visual: Tensor  # Q, (batch, subwords, hidden)
    word_to_block: Tensor  # gives Q, (batch, heads, subwords, 49)
    gate: Tensor | None = None  # g, (batch, subwords, hidden)
    block_to_word: Tensor | None = None  # gives P, (batch, heads, 49, subwords)
    word_to_image_aware_block: Tensor | None = None  # gives A, (batch, heads, subwords, 49)


class MultimodalInteraction(nn.Module):
    """Image-aware word and word-aware visual representations of each subword.

    P = CMT(V, R), A = CMT(R, P)   section 2.3.1, the coupled layers
    Q = CMT(R, V), B = g * Q       section 2.3.2, with the gate of eq. 3

    Table 3 leaves parts out: not ``image_aware``, A is R, the words as the text alone has them; not
    ``gated``, B is Q.
    """

    def __init__(
        self, hidden_size: int, heads: int, dropout: float, *, image_aware: bool = True, gated: bool = True
    ) -> None:
        super().__init__()
        self.block_to_word = CrossModalLayer(hidden_size, heads, dropout) if image_aware else None  # P
        self.word_to_image_aware_block = CrossModalLayer(hidden_size, heads, dropout) if image_aware else None  # A
        self.word_to_block = CrossModalLayer(hidden_size, heads, dropout)  # Q
        self.visual_gate = VisualGate(hidden_size) if gated else None

    def forward(self, words: Tensor, visual: Tensor, asking_visual: Tensor, word_mask: Tensor) -> Interaction:
        # words (R): (batch, subwords, hidden), visual (V): (batch, 49, hidden), word_mask: (batch, subwords)
        # asking_visual: V again, or its second projection where the released code's is used
        image_aware, block_to_word, to_image_aware = words, None, None
        if self.block_to_word is not None and self.word_to_image_aware_block is not None:
            blocks, block_to_word = self.block_to_word(asking_visual, words, word_mask)  # P: (batch, 49, hidden)
            image_aware, to_image_aware = self.word_to_image_aware_block(words, blocks)  # A: (batch, subwords, hidden)
        word_aware, word_to_block = self.word_to_block(words, visual)  # Q: (batch, subwords, hidden)
        gated, gate = word_aware, None
        if self.visual_gate is not None:
            gated, gate = self.visual_gate(image_aware, word_aware)  # B, g: (batch, subwords, hidden)
        return Interaction(
            hidden=torch.cat((image_aware, gated), dim=-1),
            image_aware_words=image_aware,
            word_aware_visual=word_aware,
            gate=gate,
            word_to_block=word_to_block,
            block_to_word=block_to_word,
            word_to_image_aware_block=to_image_aware,
        )
