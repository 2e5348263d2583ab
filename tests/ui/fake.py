"""A stand-in for the registry and the predictor: fabricated, deterministic inspections without weights.

The pages load it through ``UMT_BACKEND=tests.ui.fake``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.ui.tiny_set import write_run
from umt_core.analysis.sets import PredictionSet, Progress
from umt_core.config import ModelSettings
from umt_core.errors import UmtError
from umt_core.explain.attributions import Ablation, Attribution, pieces
from umt_core.explain.counterfactuals import counterfactuals, make_variants
from umt_core.explain.emissions import write_emissions
from umt_core.explain.faithfulness import MEAN, Check, SpanFaithfulness
from umt_core.explain.report import SystemParts
from umt_core.labels import WORD_ESD_TAGS, WORD_TAGS, TagSet, conversion_matrix, esd_tag, is_allowed
from umt_core.model.chain import Chain, Scoring
from umt_core.schema import (
    REGIONS,
    Answer,
    Example,
    Inspection,
    OwnPath,
    Prediction,
    RawScores,
    ScoredSpan,
    Span,
)
from umt_core.spans import tags_to_spans

HEADS, HIDDEN, LONGEST = 12, 24, 60
EYES = object()  # the vision encoder that all share
SYSTEMS = ("bert-crf", "mt-bert-crf", "umt-bert-crf")
IMAGES = "stand-in photographs of other scenes"


def checkpoints() -> list[Any]:
    return [
        SimpleNamespace(
            name=f"twitter2017/{system}",
            folder=Path("nowhere"),
            version="original",
            manifest=SimpleNamespace(
                model=ModelSettings(),
                system=system,
                dataset="twitter2017",
                weights_sha256=f"sum of {system}",
                images=IMAGES,
                channels=None if system == "bert-crf" else 1280,
            ),
        )
        for system in SYSTEMS
    ]


@dataclass
class Predictor:
    info: dict[str, object]
    name: str = ""

    @property
    def system(self) -> str:
        return self.name.split("/")[1]

    @property
    def vision(self) -> object | None:
        return None if self.system == "bert-crf" else EYES

    def picture_regions(self, pictures: Sequence[Any], *, progress: Any = None) -> list[np.ndarray | None]:
        """How bright a picture is; its upper left block is brighter."""
        return [None if p is None else _regions(np.asarray(p, np.float32).mean() / 255) for p in pictures]

    def occluded_regions(self, picture: Any, *, progress: Any = None) -> np.ndarray:
        (own,) = self.picture_regions([picture])
        assert own is not None
        return np.stack([own * (np.arange(REGIONS) != block)[:, None] for block in range(REGIONS)])

    def with_pictures(
        self,
        examples: Sequence[Example],
        pictures: Sequence[Sequence[np.ndarray | None]],
        asked: Sequence[Sequence[Span]] | None = None,
    ) -> list[list[Answer]]:
        """An entity is the more probable the brighter the picture; without one UMT loses its last."""
        found = []
        for i, (example, of_tweet) in enumerate(zip(examples, pictures, strict=True)):
            answers = [self._said(example, regions) for regions in of_tweet]
            spans = [s.span for s in answers[0].spans] if asked is None else asked[i]
            scores = [{s.span: s.score for s in said.spans} for said in answers]
            probabilities = [tuple(of.get(span, 0.125) for span in spans) for of in scores]
            found.append([Answer(said, p) for said, p in zip(answers, probabilities, strict=True)])
        return found

    def _said(self, example: Example, regions: np.ndarray | None) -> Prediction:
        tags = fake_tags(self.system, example.tokens)
        spans = tags_to_spans(tags)
        if regions is None and self.system == "umt-bert-crf":
            spans = spans[:-1]
        light = 0.0 if regions is None or self.vision is None else 0.3 * float(regions.mean())
        return Prediction(example.id, example.tokens, tuple(ScoredSpan(s, 0.5 + light) for s in spans), tuple(tags))

    @property
    def scoring(self) -> Scoring:
        """Nothing but what BIO2 forbids, and of UMT a matrix that favours no type."""
        tags = Scoring(WORD_TAGS.tags, _chain(WORD_TAGS))
        if not self.name.endswith("/umt-bert-crf"):
            return tags
        conversion = np.array(conversion_matrix(WORD_ESD_TAGS, WORD_TAGS))
        return Scoring(tags.tags, tags.chain, WORD_ESD_TAGS.tags, _chain(WORD_ESD_TAGS), conversion)

    def own_path(self, example: Example, image: Any) -> OwnPath:
        found, scoring = fabricate(self.name, example, image is not None), self.scoring
        main = found.emissions if found.main_emissions is None else found.main_emissions
        raw = RawScores(main, found.esd_emissions, np.arange(len(main)))
        path = scoring.chain.best_path(found.emissions.astype(float))
        score = found.emissions[np.arange(len(path)), path].sum() + scoring.chain.steps(path).sum()
        return OwnPath(raw, path, float(score))


def _chain(tags: TagSet) -> Chain:
    forbidden = [[not is_allowed(before, after) for after in tags.tags] for before in (*tags.tags, None)]
    *between, opening = (-100.0 * np.array(row) for row in forbidden)
    return Chain(opening, np.stack(between), np.zeros(len(tags)))


def keep_emissions(found: PredictionSet, run: str, *, device: str, progress: Progress) -> None:
    """Fabricated scores for a whole set."""
    predictor = Predictor({}, run)
    texts = found.table("texts")
    sql = f"SELECT id, tokens FROM {found.table('tweets')} t JOIN {texts} x USING (tweet) ORDER BY tweet"
    rows = []
    for row in found.query(sql):
        rows.append(predictor.own_path(Example(row["id"], tuple(row["tokens"])), None).raw)
        progress(run, len(rows), found.info.tweets)
    write_emissions(found, run, predictor.scoring, rows)


class Workbench:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.predictors = {name: Predictor(_info(name), name) for name in names}
        self.failures: dict[str, UmtError] = {}

    @classmethod
    def load(cls, chosen: Sequence[Any], device: str = "auto", *, leave_out: bool = False) -> Workbench:
        return cls(tuple(checkpoint.name for checkpoint in chosen))

    def only(self, names: Sequence[str]) -> Workbench:
        """As if these alone were there."""
        kept = Workbench(tuple(name for name in names if name in self.names))
        kept.failures = {name: error for name, error in self.failures.items() if name in names}
        return kept

    def inspect(self, example: Example, image: Any) -> dict[str, Inspection]:
        return {name: fabricate(name, example, image is not None) for name in self.names}

    def inspect_many(self, examples: Sequence[Example], images: Sequence[Any]) -> list[dict[str, Inspection]]:
        return [self.inspect(example, image) for example, image in zip(examples, images, strict=True)]


def _regions(light: float) -> np.ndarray:
    regions = np.full((REGIONS, 2), light, np.float32)
    regions[0] *= 4
    return regions


def _info(name: str) -> dict[str, object]:
    return {
        "device": "cpu",
        "parameters": 22_700_000,
        "memory_bytes": 90 * 2**20,
        "text_encoder": "minilm",
        "scores": {"test": {"f1": 0.8125}},
        "vision_encoder": None if name.endswith("/bert-crf") else "efficientnet-lite0",
    }


def fake_tags(system: str, tokens: tuple[str, ...]) -> list[str]:
    """Capitalised words are entities; the systems differ on every second one."""
    kinds = {"bert-crf": "PER", "mt-bert-crf": "LOC", "umt-bert-crf": "ORG"}
    tags, before = [], "O"
    for i, token in enumerate(tokens):
        if token[:1].isupper():
            kind = kinds[system] if i % 2 else "PER"
            tags.append(f"I-{kind}" if before[2:] == kind else f"B-{kind}")
        else:
            tags.append("O")
        before = tags[-1]
    return tags


def fabricate(name: str, example: Example, has_image: bool) -> Inspection:
    system = name.split("/")[1]
    tokens = example.tokens[:LONGEST]
    n = len(tokens)
    rng = np.random.default_rng(zlib.crc32(repr((name, tokens, has_image)).encode()))
    tags = fake_tags(system, tokens)
    main = rng.normal(size=(n, len(WORD_TAGS))).astype(np.float32)
    for i, tag in enumerate(tags):
        main[i, WORD_TAGS.id(tag)] += 5
    esd = rng.normal(size=(n, len(WORD_ESD_TAGS))).astype(np.float32)
    for i, tag in enumerate(tags):
        esd[i, WORD_ESD_TAGS.id(esd_tag(tag))] += 4
    conversion = np.array(conversion_matrix(WORD_ESD_TAGS, WORD_TAGS), dtype=np.float32)
    converted = esd @ conversion
    umt, looks = system == "umt-bert-crf", system != "bert-crf"
    notices = () if len(example.tokens) <= LONGEST else (f"read the first {LONGEST} words",)
    if looks and not has_image:
        notices += ("no picture: 49 blocks of zeros",)
    prediction = Prediction(
        example.id,
        example.tokens,
        tuple(ScoredSpan(span, 0.6 + 0.39 * float(rng.random())) for span in tags_to_spans(tags)),
        tuple(tags) + ("O",) * (len(example.tokens) - n),
        notices,
    )
    emissions = main + converted if umt else main

    def rows(*shape: int) -> np.ndarray | None:
        return _softmax(rng.normal(size=shape) * (2 if has_image else 0)) if looks else None

    block_to_word = _softmax(rng.normal(size=(HEADS, REGIONS, n + 2)))[:, :, 1:-1]
    return Inspection(
        system=system,
        checkpoint=name,
        prediction=prediction,
        tags=WORD_TAGS.tags,
        marginals=_softmax(emissions),
        emissions=emissions,
        has_image=has_image,
        word_to_block=rows(HEADS, n, REGIONS),
        block_to_word=block_to_word if looks else None,
        word_to_image_aware_block=rows(HEADS, n, REGIONS),
        gate=(1 / (1 + np.exp(-rng.normal(size=(n, HIDDEN))))).astype(np.float32) if looks else None,
        esd_tags=WORD_ESD_TAGS.tags if umt else (),
        esd_marginals=_softmax(esd) if umt else None,
        esd_emissions=esd if umt else None,
        esd_decoded=tuple(esd_tag(tag) for tag in tags) if umt else (),
        main_emissions=main if umt else None,
        converted_esd=converted if umt else None,
        conversion=conversion if umt else None,
    )


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: np.ndarray = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares


def workbench_piece(
    workbench: Workbench,
    checkpoint: str,
    example: Example,
    picture: Any,
    span: Span,
    method: str,
    number: int,
    steps: int,
) -> Attribution:
    """Each word adds its place in the tweet, each block its number less 20, over the pieces together."""
    count = pieces(method, steps)
    words = np.arange(1.0, len(example.tokens) + 1) / count
    looks = picture is not None and not checkpoint.endswith("/bert-crf")
    blocks = (np.arange(REGIONS) - 20.0) / count if looks else None
    total = words.sum() * count + (0.0 if blocks is None else blocks.sum() * count)
    off = 1.0 if steps < 50 else 0.0  # a doubtful sum
    score = 2.0
    return Attribution(
        method, checkpoint, checkpoint.split("/")[1], span, score, score - total + off * total, words, blocks, steps
    )


def workbench_ablations(
    workbench: Workbench, checkpoint: str, example: Example, picture: Any, span: Span
) -> tuple[float, tuple[Ablation, ...]]:
    return 2.0, (Ablation("word shape", "no word has a shape", -1.0), Ablation("picture", "49 blocks of zeros", 1.5))


def workbench_faithfulness(
    workbench: Workbench, checkpoint: str, example: Example, picture: Any, span: Span
) -> SpanFaithfulness | None:
    """The mean of word → block agrees with occlusion, its first head contradicts it."""
    checks = (
        Check("word_to_block", MEAN, 0.75, 0.125),
        Check("word_to_block", 0, -0.75),
        Check("word_to_block", 1, 0.1),
    )
    return SpanFaithfulness(span, 2.0, 1.0, np.linspace(0, 0.5, REGIONS), checks)


def run_set(
    prediction_set: PredictionSet, checkpoints: Sequence[str], *, device: str, part: int, progress: Progress
) -> PredictionSet:
    """Fabricated predictions for a whole set."""
    sql = f"SELECT id, tokens FROM {prediction_set.table('tweets')} JOIN {prediction_set.table('texts')} USING (tweet)"
    for name in checkpoints:
        found = {}
        for row in prediction_set.query(sql):
            tags = fake_tags(name.split("/")[1], tuple(row["tokens"]))
            found[row["id"]] = [ScoredSpan(span, 0.8) for span in tags_to_spans(tags)]
            progress(name, len(found), prediction_set.info.tweets)
        write_run(prediction_set, name.split("/")[1], found)
    return prediction_set


def system_parts(
    workbench: Workbench, name: str, example: Example, picture: Any, foreign: Any = None, method: str = ""
) -> SystemParts:
    """Of a case report: other pictures, and nothing that a fabricated tagger does not have."""
    predictor: Any = workbench.predictors[name]
    found = None
    if predictor.vision is not None:
        found = counterfactuals(predictor, example, make_variants(picture, foreign=foreign, blocks=True))
    attributed = tuple(
        workbench_piece(workbench, name, example, picture, s.span, method, 0, 1)
        for s in (fabricate(name, example, picture is not None).prediction.spans if method else ())
    )
    return SystemParts("0" * 64, IMAGES, "minilm", "efficientnet-lite0", None, found, attributed)
