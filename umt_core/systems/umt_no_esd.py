"""UMT without the ESD module (Yu et al., ACL 2020, section 3.4, Table 3).

Without span detection there is nothing to convert and nothing to add: what is left is the Multimodal Transformer, and
the paper prints the same figures for both (Tables 2 and 3).
"""

from __future__ import annotations

from umt_core.systems.mt import MultimodalTransformer


class UmtWithoutEsd(MultimodalTransformer):
    """MT-BERT-CRF under the ablation's name."""

    name = "umt-bert-crf-no-esd"
