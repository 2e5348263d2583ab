"""AdaCAN-CNN-BiLSTM-CRF: adaptive co-attention (Zhang et al., AAAI 2018; Yu et al., ACL 2020, section 3.2).

Each word looks at the picture's blocks, what it finds looks at the words; a gate mixes what both bring, a second
one filters the mixture before it joins the word. Equations, and how the attention differs from its paper's:
``model.fusion``. What differs besides: blocks come from the project's vision encoder through a linear layer, as V
of section 2.2.
"""

from __future__ import annotations

from torch import Tensor

from umt_core.features import Batch
from umt_core.model.fusion import AdaptiveCoAttention, Fused
from umt_core.systems.base import FusedTagger
from umt_core.systems.cnn_bilstm_crf import CnnBiLstmCrf


class AdaCan(FusedTagger):
    """Adaptive co-attention over any text tagger."""

    fusion_block = AdaptiveCoAttention

    def fuse(self, words: Tensor, visual: Tensor, batch: Batch) -> Fused:
        fused: Fused = self.fusion(words, self.encoded_mask(batch), visual)
        return fused


class AdaCanCnnBiLstmCrf(AdaCan, CnnBiLstmCrf):
    """Adaptive co-attention over CNN-BiLSTM-CRF."""

    name = "adacan-cnn-bilstm-crf"
