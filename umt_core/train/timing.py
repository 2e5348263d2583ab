"""How long a tweet takes each row's tagger: all of them by turns in one process, so that the figures compare.

A row's own time, taken when it was trained, is of whatever else the machine had to do then. What a tagger has learned
does not matter for how long it takes: it is made anew from its row's settings, untrained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from umt_core import __version__
from umt_core.analysis.reproduction import COST, Row, data_of
from umt_core.analysis.sets import Progress
from umt_core.config import ModelSettings
from umt_core.data.files import utc_now, write_json
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
from umt_core.train.reproduce import Setup, without_pictures

TWEETS = 64  # of the test split, the first ones
ROUNDS = 4  # in each every tagger reads all of them; the quickest counts, as other work can but slow one down

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A tagger, and what it is to read."""

    tagger: Tagger
    tokenizer: SubwordTokenizer
    features: RegionFeatures | None  # None: it reads text only
    channels: int | None
    examples: Sequence[Example]
    device: torch.device

    def read(self) -> float:
        """Seconds from words to tags."""
        began = time.perf_counter()
        tweets = make_tweet_set(
            self.examples, self.tokenizer, self.tagger, features=self.features, channels=self.channels
        )
        tag_all(self.tagger, tweets, self.device)
        return time.perf_counter() - began


def time_rows(rows: Iterable[Row], done: Mapping[Row, Values], setup: Setup, progress: Progress) -> dict[str, Any]:
    """Times the first seeds of the rows that are done, and writes ``cost.json``, in the place of an earlier one.

    Returns:
        its contents: ``ms_per_tweet`` by ``<dataset>/<system>``, in batches, the regions of pictures computed before.

    Raises:
        DataError: no such row is done, or the data set or its pictures are not there.
        BackboneError: an encoder is not installed.
    """
    firsts = dict.fromkeys(Row(row.dataset, row.system, 0) for row in rows)
    if not (firsts := {row: done[row] for row in firsts if row in done}):
        raise DataError(f"{setup.results}: wanted rows that are done, to time their taggers, got none")
    found: dict[str, float] = {}
    tweets = 0
    for data in dict.fromkeys(data_of(row.dataset) for row in firsts):
        readers = _readers(data, firsts, setup, progress)
        for name, seconds in _by_turns(readers, lambda *a, of=data: progress(f"{of}: tweets", *a)).items():
            tweets = len(readers[name].examples)
            found[name] = round(1000 * seconds / tweets, 2)
    values = {
        "device": str(pick_device(setup.device)),
        "threads": torch.get_num_threads(),
        "tweets": tweets,
        "rounds": ROUNDS,
        "code": __version__,
        "created": utc_now(),
        "ms_per_tweet": found,
    }
    write_json(setup.results / COST, values)
    return values


def _by_turns(readers: Mapping[str, Reader], progress: Callable[[int, int], None]) -> dict[str, float]:
    """Seconds that each took in its quickest round."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for round_ in range(ROUNDS + 1):
        for i, (name, reader) in enumerate(readers.items()):
            progress(round_ * len(readers) + i, (ROUNDS + 1) * len(readers))
            took = reader.read()
            if round_:  # the first is to warm up
                seconds[name].append(took)
    return {name: min(of) for name, of in seconds.items()}


def _readers(data: str, firsts: Mapping[Row, Values], setup: Setup, progress: Progress) -> dict[str, Reader]:
    files, device = setup.data_set(data), pick_device(setup.device)
    examples = read_examples(files.splits["test"])[:TWEETS]
    regions: dict[tuple[str, str], RegionFeatures] = {}  # by the vision encoder and what it is shown of a picture
    found = {}
    ours = [row for row in firsts if data_of(row.dataset) == data]
    for number, row in enumerate(ours):
        progress(f"{data}: taggers", number, len(ours))
        settings, channels = ModelSettings.from_dict(firsts[row]["model"]), firsts[row]["channels"]
        features = None
        if channels is not None:
            if (images := files.images()) is None:
                raise DataError(without_pictures(row, setup))
            seen = settings.vision_encoder, settings.image_transform
            features = regions[seen] = regions.get(seen) or _regions(images, examples, settings, device)
        tagger = build_system(row.system, settings, load_text_encoder(settings.text_encoder), channels)
        tagger = tagger.to(device).eval()
        if device.type == "cpu":
            pack_linears(tagger)
        tokenizer = load_tokenizer(settings.text_encoder)
        found[f"{row.dataset}/{row.system}"] = Reader(tagger, tokenizer, features, channels, examples, device)
    return found


def _regions(
    images: Path, examples: Sequence[Example], settings: ModelSettings, device: torch.device
) -> RegionFeatures:
    vision = load_vision_encoder(settings.vision_encoder, transform=settings.image_transform).to(device)
    index = ImageIndex.open(images)
    return FeatureStore().features_for([index.path(example.image) for example in examples], vision)
