"""UMT without the conversion matrix (Yu et al., ACL 2020, section 3.4, Table 3).

Span detection stays as a second task on the same encoder, with its loss weighed by lambda (section 2.5), but its
scores are not added to the main ones: emissions are those of eq. 6, not of eq. 7.
"""

from __future__ import annotations

from umt_core.systems.umt import UnifiedMultimodalTransformer


class UmtWithoutConversion(UnifiedMultimodalTransformer):
    """Two taggers that share an encoder and nothing else."""

    name = "umt-bert-crf-no-conversion"
    converts = False
