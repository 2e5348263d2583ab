"""MT-BERT-CRF: the Multimodal Transformer (Yu et al., ACL 2020, section 2.3; right part of Fig. 2a).

Equations: cross-modal layers are ``model.cmt`` (1, 2), the visual gate ``model.gate`` (3), the CRF ``model.crf``
(4, 5); the scores that go into it are made here (6). What differs, by settings of ``config.py`` of which the recipe
``paper`` leaves the first two as the paper has them:

- A CRF may be held from transitions that BIO2 forbids.
- A part of the pictures may be withheld in training. The paper's tweets all have one: without, all blocks are zeros.
- An uncased encoder's words get their shape.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.features import Batch
from umt_core.model.cmt import TransformerLayer
from umt_core.model.mmi import Interaction, MultimodalInteraction
from umt_core.model.visual import VisualProjection
from umt_core.systems.base import Output, Tagger, init_added_weights


class MultimodalTransformer(Tagger):
    """Words see the image and the image sees words; a gate weighs the second; a CRF tags.

    ``image_aware`` and ``gated`` are for the ablations of Table 3.
    """

    name = "mt-bert-crf"
    uses_image = True
    image_aware: ClassVar[bool] = True
    gated: ClassVar[bool] = True

    def __init__(self, settings: ModelSettings, encoder: TextEncoder, channels: int) -> None:
        super().__init__(settings, encoder)
        hidden, heads, dropout = encoder.hidden_size, settings.heads, settings.dropout
        self.visual_projection = VisualProjection(channels, hidden, settings.visual_projections)  # W_u
        self.transformer = TransformerLayer(hidden, heads, dropout)  # gives R
        self.mmi = MultimodalInteraction(  # gives H
            hidden, heads, dropout, image_aware=self.image_aware, gated=self.gated
        )
        self.classifier = nn.Linear(2 * hidden, len(self.tag_set))  # w_MNER
        for part in (self.visual_projection, self.transformer, self.mmi, self.classifier):
            init_added_weights(part)

    def interact(self, encoded: Tensor, batch: Batch) -> tuple[Tensor, Interaction]:
        """Main emissions (eq. 6) on subwords, and the inside of MMI."""
        # encoded (C): (batch, subwords, hidden)
        words, _ = self.transformer(encoded, batch.mask)  # R: (batch, subwords, hidden)
        visual, asking_visual = self.visual_projection(self.regions(batch))  # V: (batch, 49, hidden)
        words, mask = batch.for_each_picture(words), batch.for_each_picture(batch.mask)
        interaction = self.mmi(words, visual, asking_visual, mask)  # H: (batch, subwords, 2 * hidden)
        return self.classifier(interaction.hidden), interaction

    def forward(self, batch: Batch) -> Output:
        scores, interaction = self.interact(self.encode(batch), batch)
        batch = batch.per_picture()
        emissions = self.at_words(scores, batch)  # (batch, n, tags)
        output = Output(emissions, self.tag_mask(batch), main_emissions=emissions, interaction=interaction)
        return self.finish(output, batch)
