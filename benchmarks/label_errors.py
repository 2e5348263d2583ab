"""How many planted label errors are found in the first part of a queue: ours, cleanlab's, and by chance.

``python -m benchmarks.label_errors --data .../train.txt --images .../images.tsv --cache runs/label_errors`` plants
wrong labels in a copy of the data, trains taggers on folds of the copy, ranks, and writes
``results/label_errors.json``. The training takes about half an hour on two cores. It is kept in ``--cache``: the
same command goes on where it was stopped, and only ranks where all is trained.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from umt_core.analysis.building import build_set
from umt_core.analysis.sets import PredictionSet
from umt_core.config import settings_of
from umt_core.corrections.label_errors import Suspect, cleanlab_scores, suspects
from umt_core.data.files import write_text
from umt_core.data.jsonl import read_examples, write_jsonl
from umt_core.errors import UmtError
from umt_core.labels import LABELS
from umt_core.manifest import file_sum
from umt_core.schema import Example, Span
from umt_core.train.crossfit import Plan, crossfit
from umt_core.train.watcher import Watcher

RESULTS = Path(__file__).parent / "results" / "label_errors.json"
DOCS = Path(__file__).parents[1] / "docs" / "queues.md"
MARKS = "<!-- label_errors: written by the benchmark -->", "<!-- /label_errors -->"
KINDS = ("type swapped", "span shortened", "span dropped", "span invented")
DEPTHS = (0.05, 0.1, 0.2)  # of the queue
CHANCES = 200  # random orders that the figure of chance is the mean of

console = Console(stderr=True, soft_wrap=True)


# --- planting ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planted:
    """A wrong label: what was done, and the tokens ``[start, end)`` that it was done to."""

    tweet: int
    kind: str
    start: int
    end: int


def plant(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Planted]]:
    """A copy with as many wrong labels as ``share`` of its spans, a quarter of each kind; no span is changed twice.

    A shortened span has lost its first or last token; an invented one is a word or two that no label is on,
    without links, handles and signs, of a type drawn as the types are in the data.
    """
    rng = random.Random(seed)
    every = [(tweet, span) for tweet, example in enumerate(examples) for span in example.spans or ()]
    rng.shuffle(every)
    wanted = round(share * len(every))
    changed: dict[int, list[Span]] = {tweet: list(e.spans or ()) for tweet, e in enumerate(examples)}
    labels = [span.label for _, span in every]
    planted = []
    for i in range(wanted):
        kind = KINDS[i % len(KINDS)]
        if kind == "span invented":
            tweet, new = _invented(rng, examples, changed, rng.choice(labels))
            changed[tweet].append(new)
            planted.append(Planted(tweet, kind, new.start, new.end))
            continue
        place = next(at for at, (_, span) in enumerate(every) if kind != KINDS[1] or span.end - span.start > 1)
        tweet, span = every.pop(place)
        changed[tweet].remove(span)
        if kind == "type swapped":
            others = [label for label in LABELS if label != span.label]
            changed[tweet].append(replace(span, label=rng.choice(others)))
        elif kind == "span shortened":
            shorter = rng.choice(
                (Span(span.start + 1, span.end, span.label), Span(span.start, span.end - 1, span.label))
            )
            changed[tweet].append(shorter)
        planted.append(Planted(tweet, kind, span.start, span.end))
    made = [
        replace(e, spans=tuple(sorted(changed[tweet])), tags=None) if tuple(sorted(changed[tweet])) != e.spans else e
        for tweet, e in enumerate(examples)
    ]
    return made, planted


def _invented(
    rng: random.Random, examples: Sequence[Example], changed: dict[int, list[Span]], label: str
) -> tuple[int, Span]:
    """A word that has no label, and did not have one, with the next if that is such a one too, half of the time."""
    while True:
        tweet = rng.randrange(len(examples))
        tokens = examples[tweet].tokens
        taken = [*changed[tweet], *(examples[tweet].spans or ())]
        free = [
            token.isalpha() and token != "RT" and not any(s.start <= i < s.end for s in taken)
            for i, token in enumerate(tokens)
        ]
        starts = [i for i, fits in enumerate(free) if fits]
        if starts:
            start = rng.choice(starts)
            two = rng.random() < 0.5 and start + 1 < len(tokens) and free[start + 1]
            return tweet, Span(start, start + 1 + two, label)


# --- recall --------------------------------------------------------------------------------------


def recalls(order: Sequence[int], planted: Sequence[Planted]) -> dict[str, float]:
    """Share of the planted errors whose tweet is among the first of all tweets in this order, by depth."""
    place = {tweet: i for i, tweet in enumerate(order)}
    return {f"{depth:g}": _share(place[p.tweet] < depth * len(order) for p in planted) for depth in DEPTHS}


def span_recalls(found: Sequence[tuple[int, int, int]], planted: Sequence[Planted], spans: int) -> dict[str, float]:
    """The same of stretches of tokens (tweet, start, end): the depth is of as many as there are gold spans."""
    result = {}
    for depth in DEPTHS:
        seen: dict[int, list[tuple[int, int]]] = {}
        for tweet, start, end in found[: round(depth * spans)]:
            seen.setdefault(tweet, []).append((start, end))
        hit = (any(a < p.end and p.start < b for a, b in seen.get(p.tweet, [])) for p in planted)
        result[f"{depth:g}"] = _share(hit)
    return result


def _share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


def tweet_order(scores: Sequence[tuple[int, float]], tweets: int, seed: int) -> list[int]:
    """Tweets by (tweet, score), the highest first; those without a score after them, at random."""
    best: dict[int, float] = {}
    for tweet, score in scores:
        best[tweet] = max(score, best.get(tweet, -np.inf))
    ranked = sorted(best, key=lambda tweet: (-best[tweet], tweet))
    rest = [tweet for tweet in range(tweets) if tweet not in best]
    random.Random(seed).shuffle(rest)
    return ranked + rest


def cleanlab_stretches(found: PredictionSet, runs: Sequence[str]) -> tuple[list[tuple[int, int, int]], list[int]]:
    """cleanlab's words, the worst first, neighbours of one tweet as one stretch; and its order of tweets."""
    scores = cleanlab_scores(found, runs)
    words = [(score, tweet, i) for tweet, row in scores.words.items() for i, score in enumerate(row) if score < 0.5]
    stretches: list[tuple[int, int, int]] = []
    taken: set[tuple[int, int]] = set()
    for _, tweet, i in sorted(words):
        if not {(tweet, i - 1), (tweet, i + 1)} & taken:
            stretches.append((tweet, i, i + 1))
        taken.add((tweet, i))
    return stretches, np.argsort(scores.tweets, kind="stable").tolist()


def compare(found: PredictionSet, runs: Sequence[str], planted: Sequence[Planted], seed: int) -> dict[str, Any]:
    """Recalls of all queues, by tweets and by spans, and for ours by kind of error."""
    tweets, gold = found.info.tweets, found.info.gold
    ours = suspects(found, runs)
    order = tweet_order([(s.tweet, s.score) for s in ours], tweets, seed)
    stretches, cleanlab_order = cleanlab_stretches(found, runs)
    chance = [recalls(random.Random(i).sample(range(tweets), tweets), planted) for i in range(CHANCES)]
    by_kind = {
        kind: {
            name: recalls(ranked, [p for p in planted if p.kind == kind])
            for name, ranked in (("label-errors", order), ("label-errors-cleanlab", cleanlab_order))
        }
        for kind in KINDS
    }
    return {
        "tweets": {
            "label-errors": recalls(order, planted),
            "label-errors-cleanlab": recalls(cleanlab_order, planted),
            "random": {depth: float(np.mean([row[depth] for row in chance])) for depth in chance[0]},
        },
        "spans": {
            "label-errors": span_recalls([_place(s) for s in ours], planted, gold),
            "label-errors-cleanlab": span_recalls(stretches, planted, gold),
        },
        "by_kind": by_kind,
        "suspects": len(ours),
    }


def _place(suspect: Suspect) -> tuple[int, int, int]:
    return suspect.tweet, suspect.start, suspect.end


# --- the whole -----------------------------------------------------------------------------------


class _Log(Watcher):
    def note(self, text: str) -> None:
        console.print(text, markup=False, highlight=False)

    def epoch(self, epoch: Any) -> None:
        self.note(f"  epoch {epoch.number}: dev F1 {100 * epoch.scores.overall.f1:.2f}, {epoch.seconds:.0f} s")


def main(
    data: Annotated[Path, typer.Option(help="Labelled tweets to plant errors in.")],
    images: Annotated[Path | None, typer.Option(help="Folder of pictures, or a .tsv of id<TAB>path.")] = None,
    cache: Annotated[Path, typer.Option(help="Where the taggers and what they say are kept.")] = Path(
        "runs/label_errors"
    ),
    system: Annotated[list[str] | None, typer.Option(help="Give several; by default bert-crf and mt-bert-crf.")] = None,
    folds: int = 2,
    epochs: int = 5,
    share: Annotated[float, typer.Option(help="Errors planted, of all spans.")] = 0.05,
    seed: int = 0,
    output: Annotated[Path, typer.Option(help="JSON to write.")] = RESULTS,
) -> None:
    """Plants label errors, trains on folds, and reports how many are found early in each queue."""
    systems = system or ["bert-crf", "mt-bert-crf"]
    examples = read_examples(data)
    made, planted = plant(examples, share, seed)
    folder = cache / f"{data.resolve().parent.name}-planted"
    copy = folder / f"{data.stem}.jsonl"
    write_jsonl(copy, made)
    write_text(folder / "planted.json", json.dumps([asdict(p) for p in planted]) + "\n")
    console.print(f"{len(planted)} errors planted in {len(examples)} tweets", highlight=False)
    model, settings = settings_of("small", text_encoder="minilm", epochs=epochs, seed=seed)
    for name in systems:
        plan = Plan(copy, name, model, settings, folds, images, recipe="small")
        crossfit(plan, _Log(), folder=cache / "crossfit", root=cache / "predictions")
    found = build_set(copy, images, root=cache / "predictions")
    runs = [name for name, run in found.runs.items() if run.folds == folds and run.system in systems]
    results = rounded(
        {
            "data": {"file": f"{data.resolve().parent.name}/{data.name}", "sha256": file_sum(data)},
            "planted": {"share": share, "seed": seed, **{kind: sum(p.kind == kind for p in planted) for kind in KINDS}},
            "crossfit": {"systems": systems, "folds": folds, "epochs": epochs, "runs": runs},
            **compare(found, runs, planted, seed),
        }
    )
    write_text(output, json.dumps(results, indent=2) + "\n")
    if output == RESULTS:
        write_text(DOCS, put_into_docs(DOCS.read_text(encoding="utf-8"), results))
    for unit in ("tweets", "spans"):
        Console(width=100).print(_table(unit, results[unit]))


def rounded(value: Any) -> Any:
    """Figures to four places, all through."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def markdown(results: dict[str, Any]) -> str:
    """The results as the page `docs/queues.md` has them."""
    planted, made = results["planted"], results["crossfit"]
    head = " | ".join(f"first {100 * depth:g} %" for depth in DEPTHS)
    count = sum(planted[kind] for kind in KINDS)
    about = f"{count} errors in {results['data']['file']}, seed {planted['seed']}; {' and '.join(made['systems'])}"
    lines = [f"{about}, {made['folds']} folds, {made['epochs']} epochs:", "", f"| found | {head} |"]
    lines.append(f"|---|{'---|' * len(DEPTHS)}")
    rows = [(f"`{queue}`, by {unit}", row) for unit in ("tweets", "spans") for queue, row in results[unit].items()]
    rows += [(f"`{queue}`, {kind}", row) for kind, by in results["by_kind"].items() for queue, row in by.items()]
    for name, row in rows:
        lines.append(f"| {name} | {' | '.join(_percent(row))} |")
    return "\n".join(lines)


def put_into_docs(text: str, results: dict[str, Any]) -> str:
    """The page with these results between its marks."""
    before, rest = text.split(MARKS[0])
    return f"{before}{MARKS[0]}\n\n{markdown(results)}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}"


def _table(unit: str, rows: dict[str, dict[str, float]]) -> Table:
    table = Table("queue", *(f"first {100 * depth:g} %" for depth in DEPTHS), title=f"planted errors found, by {unit}")
    for name, row in rows.items():
        table.add_row(name, *_percent(row))
    return table


def _percent(row: dict[str, float]) -> list[str]:
    return [f"{100 * row[f'{depth:g}']:.1f} %" for depth in DEPTHS]


if __name__ == "__main__":
    try:
        typer.run(main)
    except UmtError as error:
        console.print(f"error: {error}", markup=False, highlight=False)
        sys.exit(2)
