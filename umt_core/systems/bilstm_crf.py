"""BiLSTM-CRF (Huang et al., 2015; Yu et al., ACL 2020, section 3.2, system 1).

A word's embedding, an LSTM from either side, a linear layer, a CRF. What differs:

- The paper starts from pretrained word embeddings. No file of them is installed with us, so that a word is the mean
  of the text encoder's own subword embeddings, those that stand before its first layer and know no context. They
  are trained or left as published by the setting ``train_embeddings``, as in every system.
- Both directions together are as wide as these embeddings.
- An uncased encoder's embeddings get the word's shape, as in every system (``word_shape``).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from umt_core.config import ModelSettings
from umt_core.encoders.text import SubwordEmbeddings, TextEncoder
from umt_core.errors import ConfigError
from umt_core.features import CHARACTER_COUNT, Batch, word_means
from umt_core.model.lstm import BiLstm, CharacterCnn, CharacterLstm
from umt_core.systems.base import TextTagger


class BiLstmCrf(TextTagger):
    """Reads words, where the BERT systems read subwords: ``encode`` is (batch, words, hidden).

    ``spelled_by`` reads each word's characters beside its embedding.

    Raises:
        ConfigError: tags on subwords were asked for.
    """

    name = "bilstm-crf"
    spelled_by: ClassVar[type[CharacterCnn | CharacterLstm] | None] = None

    def __init__(self, settings: ModelSettings, encoder: TextEncoder) -> None:
        if settings.tagging != "word":
            raise ConfigError(f"setting tagging: {self.name} reads words, wanted 'word', got {settings.tagging!r}")
        embeddings = SubwordEmbeddings(encoder)
        super().__init__(settings, embeddings)
        width = embeddings.hidden_size
        self.spelling = self.spelled_by(CHARACTER_COUNT) if self.spelled_by else None
        self.lstm = BiLstm(width + (self.spelling.size if self.spelling else 0), width)

    def encode(self, batch: Batch) -> Tensor:
        words = word_means(super().encode(batch), batch)  # (batch, words, embedding)
        if self.spelling is not None:
            words = torch.cat((words, self.dropout(self.spelling(self.characters(batch)))), dim=-1)
        return self.dropout(self.lstm(words, batch.word_mask))  # (batch, words, hidden)

    def encoded_mask(self, batch: Batch) -> Tensor:
        return batch.word_mask

    def sentence(self, encoded: Tensor, batch: Batch) -> Tensor:
        return self.lstm.ends(encoded, batch.word_mask)

    def at_words(self, scores: Tensor, batch: Batch) -> Tensor:
        return scores
