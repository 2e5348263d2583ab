"""BERT-CRF: the text-only baseline (Yu et al., ACL 2020, section 3.2, system 5)."""

from __future__ import annotations

from torch import nn

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.features import Batch
from umt_core.systems.base import Output, Tagger, init_added_weights


class BertCrf(Tagger):
    """Contextual word representations (section 2.2), a linear layer, a CRF (eqs. 4 to 6 with h = c)."""

    name = "bert-crf"

    def __init__(self, settings: ModelSettings, encoder: TextEncoder) -> None:
        super().__init__(settings, encoder)
        self.classifier = nn.Linear(encoder.hidden_size, len(self.tag_set))
        init_added_weights(self.classifier)

    def forward(self, batch: Batch) -> Output:
        encoded = self.encode(batch)  # C: (batch, subwords, hidden)
        emissions = self.at_words(self.classifier(encoded), batch)  # (batch, n, tags)
        return self.finish(Output(emissions, self.tag_mask(batch)), batch)
