"""GVATT-BERT-CRF: Lu et al. (ACL 2018) on BERT, a variant of Yu et al. (ACL 2020, section 3.2).

As GVATT-HBiLSTM-CRF, but the words are BERT's subwords, and the tweet that looks at the picture is [CLS].
"""

from __future__ import annotations

from umt_core.systems.bert_crf import BertCrf
from umt_core.systems.gvatt_hbilstm_crf import Gvatt


class GvattBertCrf(Gvatt, BertCrf):
    """Visual attention over BERT-CRF."""

    name = "gvatt-bert-crf"
