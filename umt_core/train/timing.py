"""How long a tweet takes each row's tagger: all of them by turns in one process, so that the figures compare.

A row's own time, taken when it was trained, is of whatever else the machine had to do then. What a tagger has learned
does not matter for how long it takes: it is made anew from its row's settings, untrained.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from umt_core import __version__
from umt_core.analysis.reproduction import COST, Row, data_of
from umt_core.config import ModelSettings
from umt_core.data.files import write_text
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.devices import pick_device
from umt_core.encoders.features import FeatureStore, RegionFeatures
from umt_core.encoders.packed import pack_linears
from umt_core.encoders.text import SubwordTokenizer, load_text_encoder, load_tokenizer
from umt_core.encoders.vision import load_vision_encoder
from umt_core.errors import DataError
from umt_core.schema import Example
from umt_core.systems import Tagger, build_system
from umt_core.tagging import make_tweet_set, tag_all
from umt_core.train.reproduce import Setup

TWEETS = 64  # of the test split, the first ones
ROUNDS = 4  # in each every tagger reads all of them; the quickest counts, as other work can but slow one down

Told = Callable[[str, int, int], None]


def time_rows(rows: Iterable[Row], done: Mapping[Row, Mapping[str, Any]], setup: Setup, told: Told) -> dict[str, Any]:
    """Times the first seeds of the rows that are done, and writes ``cost.json``; other rows in it stay.

    Returns:
        its contents: ``ms_per_tweet`` by ``<dataset>/<system>``, in batches, the regions of pictures computed before.

    Raises:
        DataError: no such row is done, or the data set is not there.
        BackboneError: an encoder is not installed.
    """
    systems = list(dict.fromkeys(Row(row.dataset, row.system, 0) for row in rows))
    if not (systems := [row for row in systems if row in done]):
        raise DataError(f"{setup.results}: wanted rows that are done, to time their taggers, got none")
    found: dict[str, float] = {}
    for data in dict.fromkeys(data_of(row.dataset) for row in systems):
        found |= _of_data(data, [row for row in systems if data_of(row.dataset) == data], done, setup, told)
    file = setup.results / COST
    before = json.loads(file.read_text(encoding="utf-8"))["ms_per_tweet"] if file.exists() else {}
    values = {
        "device": str(pick_device(setup.device)),
        "threads": torch.get_num_threads(),
        "tweets": TWEETS,
        "rounds": ROUNDS,
        "code": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ms_per_tweet": before | found,
    }
    write_text(file, json.dumps(values, indent=2) + "\n")
    return values


def _of_data(
    data: str, rows: Sequence[Row], done: Mapping[Row, Mapping[str, Any]], setup: Setup, told: Told
) -> dict[str, float]:
    files = setup.data_set(data)
    examples = read_examples(files.splits["test"])[:TWEETS]
    device = pick_device(setup.device)
    timed = []
    for number, row in enumerate(rows):
        told(f"{data}: taggers", number, len(rows))
        settings = ModelSettings.from_dict(done[row]["model"])
        tagger = _untrained(row.system, settings, done[row]["channels"], device)
        features = None
        if tagger.uses_image:
            features = _features(files.images(), examples, settings, device)
        timed.append(_Timed(tagger, load_tokenizer(settings.text_encoder), features, done[row]["channels"], examples))
    seconds: list[list[float]] = [[] for _ in rows]
    for round_ in range(ROUNDS + 1):
        for i, one in enumerate(timed):
            told(f"{data}: tweets", round_ * len(rows) + i, (ROUNDS + 1) * len(rows))
            took = one.read(device)
            if round_:  # the first is to warm up
                seconds[i].append(took)
    each = [round(1000 * min(of) / len(examples), 2) for of in seconds]
    return {f"{row.dataset}/{row.system}": of for row, of in zip(rows, each, strict=True)}


def _untrained(system: str, settings: ModelSettings, channels: int | None, device: torch.device) -> Tagger:
    tagger = build_system(system, settings, load_text_encoder(settings.text_encoder), channels).to(device).eval()
    if device.type == "cpu":
        pack_linears(tagger)
    return tagger


def _features(
    images: Any, examples: Sequence[Example], settings: ModelSettings, device: torch.device
) -> RegionFeatures:
    if images is None:
        raise DataError("wanted pictures for the systems that read them, got none")
    vision = load_vision_encoder(settings.vision_encoder, transform=settings.image_transform).to(device)
    index = ImageIndex.open(images)
    return FeatureStore().features_for([index.path(example.image) for example in examples], vision)


class _Timed:
    """A tagger, and what it is to read."""

    def __init__(
        self,
        tagger: Tagger,
        tokenizer: SubwordTokenizer,
        features: RegionFeatures | None,
        channels: int | None,
        examples: Sequence[Example],
    ) -> None:
        self.tagger, self.tokenizer, self.features, self.channels = tagger, tokenizer, features, channels
        self.examples = examples

    def read(self, device: torch.device) -> float:
        """Seconds from words to tags."""
        began = time.perf_counter()
        tweets = make_tweet_set(
            self.examples, self.tokenizer, self.tagger, features=self.features, channels=self.channels
        )
        tag_all(self.tagger, tweets, device)
        return time.perf_counter() - began
