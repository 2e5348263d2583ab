"""Explain, Attention: the maps between words and blocks, whole."""

from __future__ import annotations

from app.explaining import Case
from app.panels import findings, word_detail


def show(case: Case) -> None:
    """The chosen word's row of a map over the picture."""
    word_detail.attention(findings.view(case))
