"""GVATT-HBiLSTM-CRF: visual attention and a gate (Lu et al., ACL 2018; Yu et al., ACL 2020, section 3.2).

The tweet as a whole looks at the picture's blocks and gathers one visual context; a gate lets each word take of it.
Equations, and how the attention differs from its paper's: ``model.fusion``. What differs besides:

- The tweet that looks is what HBiLSTM-CRF's own LSTM says at both ends; the paper has a second LSTM for that.
- Blocks come from the project's vision encoder through a linear layer, as V of section 2.2.
"""

from __future__ import annotations

from torch import Tensor

from umt_core.features import Batch
from umt_core.model.fusion import Fused, VisualAttention
from umt_core.systems.base import FusedTagger
from umt_core.systems.hbilstm_crf import HBiLstmCrf


class Gvatt(FusedTagger):
    """Visual attention over any text tagger."""

    fusion_block = VisualAttention

    def fuse(self, words: Tensor, visual: Tensor, batch: Batch) -> Fused:
        fused: Fused = self.fusion(words, self.sentence(words, batch), visual)
        return fused


class GvattHBiLstmCrf(Gvatt, HBiLstmCrf):
    """Visual attention over HBiLSTM-CRF."""

    name = "gvatt-hbilstm-crf"
