"""Has a tagger read every tweet of a set beside other tweets' pictures, to be kept. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from umt_core.analysis.run_set import predictor_of, set_examples
from umt_core.analysis.sets import PredictionSet, Progress
from umt_core.encoders.features import RegionFeatures
from umt_core.explain.bias import FOREIGN, KIND, NONE, OWN, SCHEMA
from umt_core.explain.foreign import FOREIGN as PICTURES
from umt_core.explain.foreign import Pool
from umt_core.explain.parts import Done, keep_in_parts, wanted_images
from umt_core.predict import Predictor
from umt_core.schema import Answer, Example

Row = tuple[Any, ...]
PART = 100  # tweets that are kept at a time: what a stop or a kill costs at most


def keep_bias(
    found: PredictionSet,
    run: str,
    *,
    pictures: int = PICTURES,
    seed: int = 0,
    device: str = "auto",
    part: int = PART,
    progress: Progress | None = None,
) -> None:
    """Computes and keeps what a run says beside each tweet's own picture, none, and those of other tweets of the set.

    Only tweets with a picture that can be read are asked about. Work that was stopped or killed goes on after its last
    whole part.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``predictor_of``.
        DataError: the set is without its tweets or pictures, or has too few different ones.
    """
    predictor = predictor_of(found, run, device)
    examples = set_examples(found, 0, found.info.tweets)
    index = wanted_images(found)
    features = predictor.regions(examples, index, partial(progress, "regions of pictures") if progress else None)
    paths = [index.path(example.image) for example in examples]
    pool = Pool(list(paths) if predictor.vision is None else list(features.rows))
    asked = [i for i, example in enumerate(examples) if pool.identities[i] is not None and example.tokens]

    def rows_of(tweets: Sequence[int], _: Done) -> dict[str, list[Row]]:
        drawn = {i: pool.draw(i, pictures, seed) for i in tweets}
        return {KIND: _rows(predictor, examples, features, tweets, drawn)}

    keep_in_parts(
        found,
        run,
        {KIND: SCHEMA},
        asked,
        rows_of,
        part=part,
        settings=f"-{pictures}-{seed}",
        about={"pictures": str(pictures), "seed": str(seed), "pool": str(len(pool))},
        progress=progress,
    )


def _rows(
    predictor: Predictor,
    examples: list[Example],
    features: RegionFeatures,
    tweets: Sequence[int],
    drawn: dict[int, list[int]],
) -> list[Row]:
    given = [[features[i], None, *(features[j] for j in drawn[i])] for i in tweets]
    answers = predictor.with_pictures([examples[i] for i in tweets], given)
    rows: list[Row] = []
    for i, of_tweet in zip(tweets, answers, strict=True):
        kinds = [(OWN, i), (NONE, None), *((FOREIGN, j) for j in drawn[i])]
        rows += [_row(i, kind, of, answer) for (kind, of), answer in zip(kinds, of_tweet, strict=True)]
    return rows


def _row(tweet: int, kind: str, of: int | None, answer: Answer) -> Row:
    spans = [
        {"start": s.span.start, "end": s.span.end, "label": s.span.label, "score": s.score}
        for s in answer.prediction.spans
    ]
    return tweet, kind, of, spans, list(answer.probabilities)
