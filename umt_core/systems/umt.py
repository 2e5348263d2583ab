"""UMT-BERT-CRF: the Unified Multimodal Transformer (Yu et al., ACL 2020, section 2.4; Fig. 2a).

MT's equations; the conversion matrix is ``model.esd``, and its scores are added here (7), as is the loss of section
2.5. What differs in MT differs here, too. Where the paper and its released code differ (the matrix learned or fixed,
the two scores added or averaged), the settings ``conversion`` and ``esd_mix`` decide.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.features import Batch
from umt_core.model.crf import LinearChainCRF
from umt_core.model.esd import ConversionMatrix, EntitySpanDetection
from umt_core.systems.base import Output, init_added_weights
from umt_core.systems.mt import MultimodalTransformer


class UnifiedMultimodalTransformer(MultimodalTransformer):
    """The Multimodal Transformer, guided by entity spans that are detected from text alone.

    Reads as Fig. 2a, from the bottom up: C, then left ESD, right MT, joined at the top by the
    conversion matrix.
    """

    name = "umt-bert-crf"
    uses_esd = True
    converts: ClassVar[bool] = True  # whether ESD's scores are added to the main ones; not in one ablation of Table 3

    def __init__(self, settings: ModelSettings, encoder: TextEncoder, channels: int) -> None:
        super().__init__(settings, encoder, channels)
        self.esd = EntitySpanDetection(
            encoder.hidden_size, settings.heads, settings.dropout, len(self.esd_tag_set)
        )  # T and w_ESD
        init_added_weights(self.esd)
        self.conversion = (
            ConversionMatrix(self.initial_conversion(), settings.conversion == "learned") if self.converts else None
        )  # W^c
        self.esd_crf = LinearChainCRF(len(self.esd_tag_set), self._forbidden(self.esd_tag_set))

    def forward(self, batch: Batch) -> Output:
        encoded = self.encode(batch)  # C: (batch, subwords, hidden)

        esd_emissions = self.at_words(self.esd(encoded, batch.mask), batch)  # (batch, n, esd tags)

        scores, interaction = self.interact(encoded, batch)
        esd_emissions, batch = batch.for_each_picture(esd_emissions), batch.per_picture()
        main = self.at_words(scores, batch)  # eq. 6: (batch, n, tags)

        converted: Tensor | None = None
        if self.conversion is not None:
            converted = self.conversion(esd_emissions)  # (batch, n, tags)
            if self.settings.esd_mix == "mean":  # the released code halves both terms of eq. 7
                main, converted = main / 2, converted / 2
        output = Output(
            emissions=main if converted is None else main + converted,  # eq. 7
            mask=self.tag_mask(batch),
            main_emissions=main,
            esd_emissions=esd_emissions,
            converted_esd=converted,
            interaction=interaction,
        )
        if batch.tags is not None and batch.esd_tags is not None:
            main_loss = self.crf.loss(output.emissions, batch.tags, output.mask)
            esd_loss = self.esd_crf.loss(esd_emissions, batch.esd_tags, output.mask)
            total = main_loss + self.settings.esd_weight * esd_loss  # section 2.5
            output.losses = {"main": main_loss, "esd": esd_loss, "total": total}
        return output
