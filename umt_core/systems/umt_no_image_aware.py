"""UMT without image-aware word representations (Yu et al., ACL 2020, section 3.4, Table 3).

The coupled CMT layers of section 2.3.1 are left out. The paper does not say what takes the place of A; here it is R,
the words before any picture, both in H = [R ; B] and in the gate (eq. 3). The picture's only way to a word is then
Q through the gate, as in GVATT and AdaCAN.
"""

from __future__ import annotations

from umt_core.systems.umt import UnifiedMultimodalTransformer


class UmtWithoutImageAwareWords(UnifiedMultimodalTransformer):
    """H = [R ; B]."""

    name = "umt-bert-crf-no-image-aware"
    image_aware = False
