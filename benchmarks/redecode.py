"""A set as large as TWITTER-2015's test split decoded again from kept scores, against predicting it anew."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Measure, seconds
from benchmarks.warm_inspect import NAMES
from umt_core.analysis.building import build_set
from umt_core.analysis.run_set import run_set
from umt_core.data.jsonl import write_jsonl
from umt_core.data.samples import load_samples
from umt_core.explain.emissions import Redecoding, set_emissions, write_emissions
from umt_core.explain.what_if import WhatIf
from umt_core.predict import Predictor

TWEETS = 3257
SHARES = (0.0, 0.25, 0.5, 0.75, 1.25, 1.5, 1.75)


def measure() -> Iterator[Measure]:
    name = NAMES[-1]  # UMT
    samples = [replace(sample.example, image=None) for sample in load_samples()]
    turns = [divmod(i, len(samples)) for i in range(TWEETS)]
    predictor = Predictor.load(name, "cpu")
    raw = predictor.raw_scores(samples)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "samples.jsonl"
        write_jsonl(data, [replace(samples[i], id=f"{samples[i].id}-{turn}") for turn, i in turns])
        found = build_set(data, root=Path(folder) / "sets")
        anew = seconds(lambda: run_set(found, [name], device="cpu"))
        found = type(found).open(found.folder)
        run = found.run_of(name)
        write_emissions(found, run, predictor.scoring, [raw[i] for _, i in turns])
        kept = set_emissions(found, run)
        assert kept is not None
        redecoding = Redecoding(found, run, kept)
        redecoding.change(WhatIf(2.0))  # the first one loads what the paired test needs
        decoding = median(seconds(partial(kept.tags, WhatIf(share))) for share in SHARES)
        ledger = median(seconds(partial(redecoding.change, WhatIf(share))) for share in SHARES)
    yield Measure("redecode", anew / ledger, "times predicting anew, ledger and test included", 1.0, 20, True)
    yield Measure("redecode_time", 1000 * ledger, "ms", 1000 * anew)
    yield Measure("redecode_decoding_alone", 1000 * decoding, "ms", 1000 * anew)
