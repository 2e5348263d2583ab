"""Results as ``reproduce`` writes them, made up: figures that can be told by hand, and no training."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from umt_core.analysis.reproduction import Row, data_of
from umt_core.labels import LABELS

LOOKS = ("gvatt", "adacan", "mt-", "umt-")  # beginnings of the names of systems that read pictures
STAND_INS = "stand-in photographs"


def f1_of(row: Row, split: str = "test") -> float:
    """Between 70 and 90 percent, another for each row."""
    return 70 + zlib.crc32(f"{row.name}/{split}".encode()) % 2000 / 100


def scores(f1: float) -> dict[str, Any]:
    """A split's scores with this F1, in percent; a type's is lower by its place among ``LABELS``, times ten."""
    by_type = {
        label: {"precision": 0.5, "recall": 0.5, "f1": (f1 - 10 * i) / 100, "support": 1}
        for i, label in enumerate(LABELS)
    }
    overall = {"precision": (f1 + 1) / 100, "recall": (f1 - 1) / 100, "f1": f1 / 100}
    return overall | {"by_type": by_type, "tweets": 7, "spans": 6}


def values(row: Row, *, weights: str = "", pictures: str = STAND_INS, encoder: str = "minilm") -> dict[str, Any]:
    """The contents of a row's file, as far as anything reads them."""
    looks = row.system.startswith(LOOKS)
    return {
        "dataset": row.dataset,
        "system": row.system,
        "seed": row.seed,
        "dev": scores(f1_of(row, "dev")),
        "test": scores(f1_of(row)),
        "pictures": pictures if looks else "not used",
        "model": {"text_encoder": encoder, "vision_encoder": "efficientnet-lite0"},
        "train": {"epochs": 2},
        "recipe": "small",
        "channels": 1280 if looks else None,
        "weights_sha256": weights or f"sum of {row.name}",
        "parameters": {"trained": 10_000_000 + (5_000_000 if looks else 0), "frozen": 12_000_000},
        "data": {"train": {"tweets": 3}},
        "history": [{"epoch": 1}, {"epoch": 2}],
        "epoch": 2,
        "seconds": 600.0,
        "code": "0.1.0",
        "created": "2026",
        "device": "cpu",
        "ms_per_tweet": 12.5 if looks else 6.25,
    }


def write_row(results: Path, row: Row, **more: Any) -> None:
    """Writes a row as done; ``more`` as in ``values``."""
    file = row.file(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values(row, **more)), encoding="utf-8")


def write_counts(results: Path, dataset: str) -> None:
    """Table 1's counts: ours are the paper's but for one entity."""
    rows = [
        {"split": f"{data_of(dataset)}/test", "count": name, "ours": 100 + (name == "total"), "paper": 100}
        for name in (*LABELS, "total", "tweets")
    ]
    (results / dataset).mkdir(parents=True, exist_ok=True)
    (results / dataset / "data.json").write_text(json.dumps({"table_1": rows}), encoding="utf-8")
