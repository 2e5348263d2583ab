"""A data set of seven tweets and what three systems say of them, all by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from umt_core.analysis.building import Surfaces, build_set
from umt_core.analysis.runs import finish_run, write_part
from umt_core.analysis.sets import PredictionSet, RunInfo
from umt_core.data.files import utc_now
from umt_core.data.jsonl import write_jsonl
from umt_core.schema import Example, Prediction, ScoredSpan, Span, Summary
from umt_core.spans import spans_to_tags

HOSTILE = "<img/src=x/onerror=alert(1)>"
# id, words, gold, and what bert-crf, mt-bert-crf and umt-bert-crf find: "PER 0 1" is a span.
TWEETS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("fixed", "Paris sings in Berlin", "PER 0 1, LOC 3 4", "LOC 0 1, LOC 3 4", "PER 0 1, LOC 3 4", "PER 0 1, LOC 3 4"),
    ("fixed-too", "see Ajax play", "ORG 1 2", "", "", "ORG 1 2"),
    ("broken", "Kevin Durant is here", "PER 0 2", "PER 0 2", "PER 0 1", "PER 0 1"),
    ("wrong", "the Tate Modern at night", "ORG 1 3", "LOC 1 3", "LOC 1 3", "LOC 1 3"),
    ("added", f"nothing {HOSTILE} to see", "", "", "", "MISC 1 2"),
    ("removed", "Monday again", "", "PER 0 1", "", ""),
    ("right", "a long day for Oslo and all of its friends", "LOC 4 5", "LOC 4 5", "LOC 4 5", "LOC 4 5"),
)
SYSTEMS = ("bert-crf", "mt-bert-crf", "umt-bert-crf")


def spans(text: str) -> list[Span]:
    """Spans of ``PER 0 1, LOC 3 4``."""
    parts = [part.split() for part in text.split(",") if part]
    return [Span(int(start), int(end), label) for label, start, end in parts]


def write_data(folder: Path, name: str = "tiny") -> Path:
    """The data set of a name in a folder for ``UMT_DATA``; its test file. Three tweets have a picture."""
    home = folder / name
    (home / "images").mkdir(parents=True)
    for name in ("fixed", "broken", "right"):
        Image.effect_noise((60, 40), 80).convert("RGB").save(home / "images" / f"{name}.png")
    pictures = {"fixed", "broken", "right", "wrong"}
    examples = [
        Example(i, tuple(text.split(" ")), image=i if i in pictures else None, spans=tuple(spans(gold)))
        for i, text, gold, *_ in TWEETS
    ]
    write_jsonl(home / "test.jsonl", examples)
    write_jsonl(home / "train.jsonl", [Example("t", ("Oslo", "Paris"), spans=(Span(0, 1, "LOC"), Span(1, 2, "LOC")))])
    return home / "test.jsonl"


def served_set(folder: Path) -> dict[str, str]:
    """What a server is started with to show the tiny set, which is written below a folder, and no other work."""
    write_set(write_data(folder / "data"), folder / "predictions")
    places = {"UMT_DATA": "data", "UMT_PREDICTIONS": "predictions", "UMT_HOME": "home"}
    return {name: str(folder / place) for name, place in places.items()}


def write_set(data: Path, root: Path, systems: Sequence[str] = SYSTEMS) -> PredictionSet:
    """The prediction set of the data, with the runs of these systems."""
    made = build_set(data, data.parent / "images", root=root)
    for system in systems:
        column = 3 + SYSTEMS.index(system)
        write_run(made, system, {row[0]: [ScoredSpan(s, 0.9) for s in spans(row[column])] for row in TWEETS})
    return PredictionSet.open(made.folder)


def write_run(made: PredictionSet, system: str, found: Mapping[str, Sequence[ScoredSpan]]) -> None:
    """One system's run; the gate grows from tweet to tweet."""
    info = RunInfo(
        checkpoint=f"twitter2017/{system}",
        system=system,
        weights_sha256=f"sum of {system}",  # as tests.ui.fake has it
        data_sha256=made.info.data_sha256,
        uses_image=system != "bert-crf",
        text_encoder="minilm",
        images="stand-in photographs",
        code="0",
        created=utc_now(),
    )
    parts = made.folder / info.folder_name / "parts"
    parts.mkdir(parents=True)
    rows = made.query(
        f"SELECT id, tokens FROM {made.table('tweets')} t JOIN {made.table('texts')} x USING (tweet) ORDER BY tweet"
    )
    predictions, summaries = [], []
    for place, row in enumerate(rows):
        scored, tokens = tuple(found.get(row["id"], ())), tuple(row["tokens"])
        tags = tuple(spans_to_tags([s.span for s in scored], len(tokens)))
        predictions.append(Prediction(row["id"], tokens, scored, tags))
        looks = [0.1 + place / 10] * 7 if info.uses_image else []
        summaries.append(Summary(0.5 + place / 20, *looks))
    write_part(parts, 0, predictions, summaries, Surfaces.read(made.folder))
    finish_run(made, info)
