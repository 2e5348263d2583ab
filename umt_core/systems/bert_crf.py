"""BERT-CRF: the text-only baseline (Yu et al., ACL 2020, section 3.2, system 5; eqs. 4 to 6 with h = c).

What differs, by settings of ``config.py``: the CRF may be held from transitions that BIO2 forbids, and the words of an
uncased encoder get their shape.
"""

from __future__ import annotations

from umt_core.systems.base import TextTagger


class BertCrf(TextTagger):
    """Contextual word representations (section 2.2), a linear layer, a CRF (eqs. 4 to 6 with h = c)."""

    name = "bert-crf"
