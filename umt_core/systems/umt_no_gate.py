"""UMT without the visual gate (Yu et al., ACL 2020, section 3.4, Table 3): each word takes all of Q, B = Q."""

from __future__ import annotations

from umt_core.systems.umt import UnifiedMultimodalTransformer


class UmtWithoutGate(UnifiedMultimodalTransformer):
    """H = [A ; Q]."""

    name = "umt-bert-crf-no-gate"
    gated = False
