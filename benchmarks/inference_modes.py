"""Ways to compute the same predictions on a CPU: how quick each is, and what it changes of the answers.

Taggers, with the regions of pictures computed before, and the vision encoder by itself. All is compared with torch's
own layers in float32; ``packed`` is how predictions are computed. Times are of the processor, all threads together:
they hardly change where a neighbour takes a core. Not among those that run when none is named: compiling takes minutes.
``python -m benchmarks.inference_modes text bfloat16 int8`` prints the lines of one tagger and of some ways alone,
``… vision`` those of the vision encoder.
"""

from __future__ import annotations

import argparse
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.data import split
from benchmarks.measure import Measure, by_turns, cores, process_seconds
from benchmarks.plain import as_published, unpacked
from benchmarks.runtimes import ForeignText, ForeignVision, runtimes
from benchmarks.training_cost import evenly
from benchmarks.warm_inspect import some_tweets
from umt_core.analysis.metrics import score_spans
from umt_core.devices import mixed_type
from umt_core.encoders.features import FeatureStore
from umt_core.encoders.vision import VisionEncoder, load_vision_encoder
from umt_core.predict import Predictor
from umt_core.spans import tags_to_spans
from umt_core.systems import Tagger
from umt_core.tagging import TweetSet, make_tweet_set, run, word_tags

CHECKPOINTS = {"text": "twitter2017/bert-crf", "umt": "twitter2017/umt-bert-crf"}
VISION = "vision"
TWEETS, REPEATS, ALONE = 300, 2, 30
PICTURES, BATCHES, VISION_REPEATS = 20, (1, 4, 20), 7
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a tagger says of tweets."""

    tags: list[list[str]]
    marginals: list[np.ndarray]  # of each tweet (words, tags)


def measure() -> Iterator[Measure]:
    for name, checkpoint in CHECKPOINTS.items():
        yield from _measure(name, checkpoint)
    yield from _measure_vision()


def _measure_vision(only: Sequence[str] = ()) -> Iterator[Measure]:
    ours = load_vision_encoder("efficientnet-lite0")
    pixels = torch.stack([ours.pixels(picture) for _, picture in some_tweets(PICTURES)])
    ways = {way: how for way, how in _vision_ways(ours).items() if not only or way in ("float32", *only)}
    with torch.inference_mode():
        regions = {way: encode(pixels) for way, encode in ways.items()}
        for size in BATCHES:
            works = {way: partial(_encode, encode, pixels, size) for way, encode in ways.items()}
            took = by_turns(works, VISION_REPEATS, process_seconds)
            for way in ways:
                if way != "float32":
                    as_fast = f"times as fast, batches of {size}"
                    yield Measure(
                        f"vision_{way}_{size}", took["float32"] / took[way], as_fast, 1.0, more_is_better=True
                    )
    for way, found in regions.items():
        if way != "float32":
            apart = float((found - regions["float32"]).abs().max())
            yield Measure(f"vision_{way}_regions", apart, "largest difference of a region's number, of 0 to 6", 0.0)


def _vision_ways(ours: VisionEncoder) -> dict[str, Callable[[Tensor], Tensor]]:
    published = as_published(ours)
    ways: dict[str, Callable[[Tensor], Tensor]] = {"float32": published, "packed": ours}
    half = deepcopy(ours).bfloat16()
    ways["bfloat16"] = lambda pixels: half(pixels.bfloat16()).float()
    for runtime in runtimes():
        if not runtime.endswith("int8"):  # dynamic quantisation is of linear layers
            ways[runtime] = ForeignVision(published, runtime)
    return ways


def _encode(encode: Callable[[Tensor], Tensor], pixels: Tensor, size: int) -> None:
    for start in range(0, len(pixels), size):
        encode(pixels[start : start + size])


def _measure(name: str, checkpoint: str, only: Sequence[str] = ()) -> Iterator[Measure]:
    predictor = Predictor.load(checkpoint, "cpu")
    tweets = _read(predictor)
    ways = _ways(predictor.loaded.tagger, only)
    answers = {way: _answers(tagger, tweets, inside) for way, (tagger, inside) in ways.items()}  # warms each up, too
    works = {way: _work(tagger, tweets, inside) for way, (tagger, inside) in ways.items()}
    took = by_turns(works, REPEATS, process_seconds)
    few = _read(predictor, ALONE)
    alone = by_turns(
        {way: _work(tagger, few, inside, 1) for way, (tagger, inside) in ways.items()}, VISION_REPEATS, process_seconds
    )
    base = answers["float32"]
    f1 = {way: _f1(tweets, said.tags) for way, said in answers.items()}
    for way, said in answers.items():
        if way == "float32":
            continue
        prefix = f"{name}_{way}"
        pairs = [a == b for x, y in zip(said.tags, base.tags, strict=True) for a, b in zip(x, y, strict=True)]
        apart = max(
            (float(np.abs(x - y).max()) for x, y in zip(said.marginals, base.marginals, strict=True) if x.size),
            default=0.0,
        )
        as_fast = "times as fast as torch's own layers, float32, sdpa"
        yield Measure(prefix, took["float32"] / took[way], as_fast, 1.0, more_is_better=True)
        yield Measure(f"{prefix}_alone", alone["float32"] / alone[way], "the same, one tweet at a time", 1.0)
        yield Measure(f"{prefix}_tags", 100 * sum(pairs) / len(pairs), "% of tags the same", 100.0, more_is_better=True)
        yield Measure(f"{prefix}_probability", apart, "largest difference of a P(tag)", 0.0)
        yield Measure(f"{prefix}_f1", f1[way], "F1", f1["float32"], more_is_better=True)


def _ways(
    packed: Tagger, only: Sequence[str] = ()
) -> dict[str, tuple[Tagger, Callable[[], AbstractContextManager[Any]]]]:
    """By name a tagger, and what its forward passes run inside of. Ways that this machine lacks are left out."""
    tagger = unpacked(packed)
    ways: dict[str, tuple[Tagger, Callable[[], AbstractContextManager[Any]]]] = {
        "float32": (tagger, nullcontext),
        "packed": (packed, nullcontext),
    }
    eager = deepcopy(tagger)
    eager.encoder.model.set_attn_implementation("eager")
    ways["eager"] = (eager, nullcontext)
    if mixed_type(CPU) is torch.bfloat16:
        ways["bfloat16"] = (tagger, lambda: torch.autocast("cpu", torch.bfloat16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will be another package's one day
        ways["int8"] = (torch.ao.quantization.quantize_dynamic(deepcopy(tagger), {nn.Linear}, torch.qint8), nullcontext)
    if shutil.which("g++") or shutil.which("clang++"):
        compiled = deepcopy(tagger)
        compiled.encoder = torch.compile(compiled.encoder, dynamic=True)  # type: ignore[assignment]
        ways["compiled"] = (compiled, nullcontext)
    for runtime in runtimes():
        if not only or runtime in only:
            foreign = deepcopy(packed)  # what is not the text encoder stays as we compute it
            foreign.encoder = ForeignText(tagger.encoder, runtime)  # type: ignore[assignment]
            ways[runtime] = (foreign, nullcontext)
    return {way: how for way, how in ways.items() if not only or way in ("float32", *only)}


def _read(predictor: Predictor, count: int = TWEETS) -> TweetSet:
    examples, images = split("valid")
    examples = evenly(examples, count)
    if predictor.vision is None:
        return make_tweet_set(examples, predictor.loaded.tokenizer, predictor.loaded.tagger)
    features = FeatureStore().features_for([images.path(e.image) for e in examples], predictor.vision)
    channels = predictor.vision.channels
    return make_tweet_set(
        examples, predictor.loaded.tokenizer, predictor.loaded.tagger, features=features, channels=channels
    )


def _work(
    tagger: Tagger, tweets: TweetSet, inside: Callable[[], AbstractContextManager[Any]], batch_size: int = 64
) -> Callable[[], object]:
    def work() -> None:
        with inside():
            for _, output in run(tagger, tweets, CPU, batch_size=batch_size):
                tagger.crf.best_paths(output.emissions.float(), output.mask)

    return work


def _answers(tagger: Tagger, tweets: TweetSet, inside: Callable[[], AbstractContextManager[Any]]) -> Answers:
    tags: list[list[str]] = [[] for _ in tweets.examples]
    marginals = [np.zeros((0, len(tagger.tag_set)), np.float32) for _ in tweets.examples]
    with inside():
        found = list(run(tagger, tweets, CPU))
    for indices, output in found:
        output.emissions = output.emissions.float()
        with torch.inference_mode():
            probabilities: Tensor = tagger.crf.log_marginals(output.emissions, output.mask).exp()
        for i, path, rows in zip(indices, tagger.decode(output), probabilities, strict=True):
            tags[i] = word_tags(path, tweets.encoded[i], tweets.tagging, len(tweets.examples[i].tokens))
            marginals[i] = rows[: tweets.encoded[i].words].numpy()
    return Answers(tags, marginals)


def _f1(tweets: TweetSet, tags: Sequence[list[str]]) -> float:
    gold = [example.spans or () for example in tweets.examples]
    return 100 * score_spans(gold, [tags_to_spans(row) for row in tags]).overall.f1


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference_modes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=[*CHECKPOINTS, VISION], help="a tagger, or the vision encoder")
    parser.add_argument("ways", nargs="*", metavar="WAY", help="packed, eager, bfloat16, int8, ...; by default all")
    return parser.parse_args(words)


if __name__ == "__main__":
    given = arguments()
    torch.set_num_threads(cores())
    measures = (
        _measure_vision(given.ways)
        if given.what == VISION
        else _measure(given.what, CHECKPOINTS[given.what], given.ways)
    )
    for found in measures:
        print(f"{found.name:<36}{found.value:9.4f} {found.baseline:9.4f}  {found.unit}", flush=True)
