"""Has a tagger read every tweet of a set beside other tweets' pictures, to be kept. Needs torch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from umt_core.analysis.building import table
from umt_core.analysis.run_set import predictor_of, set_examples, set_images
from umt_core.analysis.runs import part_path
from umt_core.analysis.sets import PredictionSet, Progress, is_whole
from umt_core.encoders.features import RegionFeatures
from umt_core.errors import DataError
from umt_core.explain.bias import FOREIGN, KIND, NONE, OWN, SCHEMA
from umt_core.explain.foreign import FOREIGN as PICTURES
from umt_core.explain.foreign import Pool
from umt_core.explain.kept import kept_file, write_kept
from umt_core.predict import Predictor
from umt_core.schema import Answer, Example

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
    if (index := set_images(found)) is None:
        raise DataError(f"{found.name}: wanted a set with pictures, no tweet of it has one")
    features = predictor.regions(examples, index)
    paths = [index.path(example.image) for example in examples]
    pool = Pool(list(paths) if predictor.vision is None else list(features.rows))
    asked = [i for i, example in enumerate(examples) if pool.identities[i] is not None and example.tokens]
    folder = kept_file(found, run, KIND).parent / "parts" / f"{KIND}-{pictures}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for start in range(0, len(asked), part):
        tweets = asked[start : start + part]
        files.append(path := part_path(folder, start, start + len(tweets)))
        if not is_whole(path):
            _write_part(path, predictor, examples, features, tweets, {i: pool.draw(i, pictures, seed) for i in tweets})
        if progress:
            progress(run, start + len(tweets), len(asked))
    kept = pa.concat_tables([pq.read_table(path) for path in files]) if files else SCHEMA.empty_table()
    write_kept(found, run, KIND, kept, {"pictures": str(pictures), "seed": str(seed), "pool": str(len(pool))})
    shutil.rmtree(folder, ignore_errors=True)


def _write_part(
    path: Path,
    predictor: Predictor,
    examples: list[Example],
    features: RegionFeatures,
    tweets: list[int],
    drawn: dict[int, list[int]],
) -> None:
    given = [[features[i], None, *(features[j] for j in drawn[i])] for i in tweets]
    answers = predictor.with_pictures([examples[i] for i in tweets], given)
    rows = []
    for i, of_tweet in zip(tweets, answers, strict=True):
        kinds = [(OWN, i), (NONE, None), *((FOREIGN, j) for j in drawn[i])]
        rows += [_row(i, kind, of, answer) for (kind, of), answer in zip(kinds, of_tweet, strict=True)]
    temporary = path.with_suffix(".part")
    pq.write_table(table(rows, SCHEMA), temporary)
    temporary.replace(path)


def _row(tweet: int, kind: str, of: int | None, answer: Answer) -> tuple[object, ...]:
    spans = [
        {"start": s.span.start, "end": s.span.end, "label": s.span.label, "score": s.score}
        for s in answer.prediction.spans
    ]
    return tweet, kind, of, spans, list(answer.probabilities)
