"""Results of ``reproduce`` on the seven tweets of ``tiny_set``: made-up figures, and predictions without the tweets."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.core.fabricated_results import write_counts, write_row
from tests.ui.tiny_set import SYSTEMS, write_set
from umt_core.analysis.building import share_set
from umt_core.analysis.reproduction import SEEDS, Row

DATA = "twitter2017"


def write_results(folder: Path, data: Path, systems: Sequence[str] = SYSTEMS) -> Path:
    """The folder with three seeds of each of the systems, and the first one's predictions for ``data``."""
    for system in systems:
        for seed in SEEDS:
            row = Row(DATA, system, seed)
            write_row(folder, row, weights=f"sum of {system}" if seed == SEEDS[0] else "")  # as ``write_set`` has it
    write_counts(folder, DATA)
    with tempfile.TemporaryDirectory() as root:
        share_set(write_set(data, Path(root), systems), folder / DATA / "predictions")
    return folder
