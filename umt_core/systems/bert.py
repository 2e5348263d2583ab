"""BERT: each word's tag by itself (Devlin et al., 2019; Yu et al., ACL 2020, section 3.2, system 4).

A softmax over the tags of each word in place of the CRF. Here that is a CRF whose transitions are all 0 and stay
so: the loss is the cross-entropy, the best path has each word's best tag, and its marginals are the softmax.
There is no transition to hold, so that ``constrain_bio`` does nothing: an I- may stand where BIO2 forbids it.
"""

from __future__ import annotations

from umt_core.model.crf import LinearChainCRF, TagSoftmax
from umt_core.systems.base import TextTagger


class Bert(TextTagger):
    """BERT-CRF without what a CRF has learned of tags that follow each other."""

    name = "bert"

    def make_crf(self) -> LinearChainCRF:
        return TagSoftmax(len(self.tag_set))
