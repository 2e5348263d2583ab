"""AdaCAN-BERT-CRF: Zhang et al. (AAAI 2018) on BERT, a variant of Yu et al. (ACL 2020, section 3.2).

As AdaCAN-CNN-BiLSTM-CRF, but the words are BERT's subwords.
"""

from __future__ import annotations

from umt_core.systems.adacan_cnn_bilstm_crf import AdaCan
from umt_core.systems.bert_crf import BertCrf


class AdaCanBertCrf(AdaCan, BertCrf):
    """Adaptive co-attention over BERT-CRF."""

    name = "adacan-bert-crf"
