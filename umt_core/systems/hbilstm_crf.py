"""HBiLSTM-CRF (Lample et al., 2016; Yu et al., ACL 2020, section 3.2, system 3).

BiLSTM-CRF, with a second, lower LSTM over a word's characters in the place of CNN-BiLSTM-CRF's filters.
A word is [e ; last state from the left ; last state from the right], then as BiLSTM-CRF (the CRF's eqs. 4 to 6 with h
the upper LSTM's output). What differs besides is what differs there.
"""

from __future__ import annotations

from umt_core.model.lstm import CharacterLstm
from umt_core.systems.bilstm_crf import BiLstmCrf


class HBiLstmCrf(BiLstmCrf):
    """A word is [embedding ; LSTM over its characters]."""

    name = "hbilstm-crf"
    uses_characters = True
    spelled_by = CharacterLstm
