"""How many labels each queue saves: learning curves from few labelled tweets, against labelling at random.

    python -m benchmarks.learning --data FOLDER --work FOLDER

``FOLDER`` holds train.txt, valid.txt and test.txt. A run of ``STEPS`` rounds labels 500 tweets of train, then 250 more
each time: those that come first in a queue, by the model trained so far. Each round goes on from the weights of
the one before, as retraining in the app does; dev chooses the epoch. What is done is kept under ``--work``, and
running it again goes on from there. It takes an hour or two on two cores, so it is no part of ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.measure import cores
from umt_core.analysis.metrics import score_spans
from umt_core.checkpoint import put_weights, save_weights
from umt_core.config import settings_of
from umt_core.data.files import write_text
from umt_core.data.jsonl import read_examples
from umt_core.encoders.text import SubwordTokenizer, load_text_encoder, load_tokenizer
from umt_core.errors import UmtError
from umt_core.labels import WORD_TAGS
from umt_core.predict import summarise
from umt_core.schema import Example
from umt_core.spans import tags_to_spans
from umt_core.systems import Tagger, build_system
from umt_core.systems.base import freeze_embeddings
from umt_core.tagging import make_tweet_set, run, tag_all
from umt_core.train.loop import Trainer

RESULTS = Path(__file__).parent / "results" / "learning.json"
SYSTEM, RECIPE = "bert-crf", "small"
START, STEP, STEPS = 500, 250, 5  # tweets labelled at first, in each round; rounds, the first among them
SEEDS = (0, 1, 2)
FIRST_EPOCHS, EPOCHS = 8, 3
AIM = 0.6  # of random's labels that the best queue may need for the same test F1
DEVICE = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Certainty:
    """How certain a model is of a tweet; the least certain are labelled next."""

    word: float  # least difference between the best and second tag's probability
    span: float  # as ``corrections.queues`` ranks by: of the least certain entity, found or nearly found


Queue = Callable[[Sequence[Certainty], np.random.Generator], list[int]]


def least_certain_word(tweets: Sequence[Certainty], rng: np.random.Generator) -> list[int]:
    return sorted(range(len(tweets)), key=lambda i: tweets[i].word)


def least_certain_span(tweets: Sequence[Certainty], rng: np.random.Generator) -> list[int]:
    return sorted(range(len(tweets)), key=lambda i: tweets[i].span)


def at_random(tweets: Sequence[Certainty], rng: np.random.Generator) -> list[int]:
    order: list[int] = rng.permutation(len(tweets)).tolist()
    return order


QUEUES: dict[str, Queue] = {
    "random": at_random,
    "least-certain-word": least_certain_word,
    "least-certain-span": least_certain_span,
}


class Learner:
    """A tagger, the splits, and how it is trained."""

    def __init__(self, data: Path, seed: int) -> None:
        self.train, self.valid, self.test = (read_examples(data / f"{name}.txt") for name in ("train", "valid", "test"))
        self.seed = seed
        self.model, self.settings = settings_of(RECIPE, seed=seed, word_shape=True)
        self.tokenizer: SubwordTokenizer = load_tokenizer(self.model.text_encoder)
        self.tagger = self._new()

    def _new(self) -> Tagger:
        torch.manual_seed(self.seed)
        tagger = build_system(SYSTEM, self.model, load_text_encoder(self.model.text_encoder), None)
        freeze_embeddings(tagger)
        return tagger

    def fit(self, labelled: Sequence[int], epochs: int) -> None:
        """Trains on from the weights there are."""
        train, valid = (
            make_tweet_set(part, self.tokenizer, self.tagger)
            for part in ([self.train[i] for i in labelled], self.valid)
        )
        trainer = Trainer(self.tagger, train, valid, replace(self.settings, epochs=epochs, patience=epochs), DEVICE)
        for _ in trainer.epochs():
            pass
        put_weights(self.tagger, trainer.best, where="benchmark")

    def test_f1(self) -> float:
        self.tagger.eval()
        tags = tag_all(self.tagger, make_tweet_set(self.test, self.tokenizer, self.tagger), DEVICE)
        return score_spans([e.spans or () for e in self.test], [tags_to_spans(row) for row in tags]).overall.f1

    def certainty(self, examples: Sequence[Example]) -> list[Certainty]:
        self.tagger.eval()
        found = [Certainty(1.0, 1.0)] * len(examples)
        tweets = make_tweet_set(examples, self.tokenizer, self.tagger)
        for indices, output in run(self.tagger, tweets, DEVICE):
            posterior = self.tagger.crf.posterior(output.emissions, output.mask)
            summaries = summarise([tweets.encoded[i] for i in indices], output, posterior, tweets.tagging)
            for row, (i, tags, summary) in enumerate(zip(indices, self.tagger.decode(output), summaries, strict=True)):
                scores = [
                    posterior.span_probability(
                        row, s.start, s.end, WORD_TAGS.id(f"B-{s.label}"), WORD_TAGS.id(f"I-{s.label}")
                    )
                    for s in tags_to_spans(tags)
                ]
                found[i] = Certainty(summary.margin, min([*scores, (1 + summary.margin) / 2]))
        return found


def start(data: Path, work: Path, seed: int) -> tuple[Learner, list[int], float]:
    """The learner of a seed after its first round, which all queues share; the tweets it was trained on; test F1."""
    learner = Learner(data, seed)
    labelled = np.random.default_rng(seed).permutation(len(learner.train))[:START].tolist()
    weights, note = work / f"start-{seed}.safetensors", work / f"start-{seed}.json"
    if note.exists():
        put_weights(learner.tagger, load_file(weights), where=str(weights))
        return learner, labelled, json.loads(note.read_text())["f1"]
    learner.fit(labelled, FIRST_EPOCHS)
    f1 = learner.test_f1()
    save_weights({n: p.detach() for n, p in learner.tagger.named_parameters() if p.requires_grad}, weights)
    write_text(note, json.dumps({"f1": f1}))
    return learner, labelled, f1


def curve(data: Path, work: Path, seed: int, queue: str) -> list[dict[str, float]]:
    """Labels and test F1 after each round; kept under ``work``."""
    path = work / f"{queue}-{seed}.json"
    if path.exists():
        kept: list[dict[str, float]] = json.loads(path.read_text())
        return kept
    learner, labelled, f1 = start(data, work, seed)
    rows = [{"labels": START, "f1": f1}]
    rng = np.random.default_rng([seed, 1])
    for _ in range(STEPS - 1):
        known = set(labelled)
        rest = [i for i in range(len(learner.train)) if i not in known]
        order = QUEUES[queue](learner.certainty([learner.train[i] for i in rest]), rng)
        labelled += [rest[i] for i in order[:STEP]]
        learner.fit(labelled, EPOCHS)
        rows.append({"labels": len(labelled), "f1": learner.test_f1()})
        print(f"seed {seed} {queue}: {rows[-1]}", file=sys.stderr, flush=True)
    write_text(path, json.dumps(rows))
    return rows


def labels_for(rows: Sequence[dict[str, float]], f1: float) -> float | None:
    """Labels at which a curve first reaches an F1, on straight lines between rounds; ``None``: it never does.

    >>> labels_for([{"labels": 500, "f1": 0.70}, {"labels": 750, "f1": 0.80}], 0.75)
    625.0
    """
    before = None
    for row in rows:
        if row["f1"] >= f1:
            if before is None:
                return float(row["labels"])
            share = (f1 - before["f1"]) / (row["f1"] - before["f1"])
            return round(before["labels"] + share * (row["labels"] - before["labels"]), 1)
        before = row
    return None


def summary(curves: dict[str, list[list[dict[str, float]]]]) -> dict[str, Any]:
    """Mean curves over seeds, and each queue's share of random's labels for the F1 that random ends with."""
    means = {name: _over_seeds(runs) for name, runs in curves.items()}
    target = means["random"][-1]["f1"]
    needed = labels_for(means["random"], target)
    labels = {name: labels_for(rows, target) for name, rows in means.items() if name != "random"}
    shares = {name: round(n / needed, 3) if n and needed else None for name, n in labels.items()}
    best = min((share for share in shares.values() if share is not None), default=None)
    return {
        "curves": {name: [{k: round(v, 4) for k, v in row.items()} for row in rows] for name, rows in means.items()},
        "target_f1": round(target, 4),
        "random_labels": needed,
        "labels": labels,
        "share": shares,
        "aim": AIM,
        "met": best is not None and best <= AIM,
    }


def _over_seeds(runs: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    rows = []
    for row in zip(*runs, strict=True):
        scores = [r["f1"] for r in row]
        rows.append(
            {"labels": row[0]["labels"], "f1": mean(scores), "deviation": stdev(scores) if len(scores) > 1 else 0.0}
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of train.txt, valid.txt, test.txt")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is done so far")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    given = parser.parse_args()
    torch.set_num_threads(cores())
    try:
        curves: dict[str, list[list[dict[str, float]]]] = {name: [] for name in QUEUES}
        for seed in given.seeds:
            for name in QUEUES:
                curves[name].append(curve(given.data, given.work, seed, name))
        found = {"system": SYSTEM, "recipe": RECIPE, "seeds": given.seeds, **summary(curves)}
        write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    except UmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
