"""CNN-BiLSTM-CRF (Ma and Hovy, 2016; Yu et al., ACL 2020, section 3.2, system 2).

BiLSTM-CRF, with filters over a word's characters beside its embedding. They see capitals, which the embeddings of an
uncased encoder do not. A word is [e ; max over places of filters over its characters], then as BiLSTM-CRF (the CRF's
eqs. 4 to 6 with h the LSTM's output). What differs besides is what differs there.
"""

from __future__ import annotations

from umt_core.model.lstm import CharacterCnn
from umt_core.systems.bilstm_crf import BiLstmCrf


class CnnBiLstmCrf(BiLstmCrf):
    """A word is [embedding ; CNN over its characters]."""

    name = "cnn-bilstm-crf"
    uses_characters = True
    spelled_by = CharacterCnn
