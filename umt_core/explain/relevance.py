"""Does the picture fit the tweet? A score that is learned without labels, from which pictures tweets come with.

The paper names it first among what is left to do (section 5). A tweet's relevance is the share of other pictures
that its own one beats at fitting its words, as two projections over frozen encoders see it (``contrastive``): the mean
of the text encoder's states, and the mean of the picture's 49 regions. Where picture and words have nothing to do with
each other it is 0.5 on average, and anything between 0 and 1 in a single tweet: it orders tweets, and proves
nothing of one. The pictures that a tweet's own is compared with are kept with the projections, as vectors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

import umt_core
from umt_core.analysis.run_set import set_examples, set_images
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import LEVEL, Interval
from umt_core.checkpoint import read_weights, save_weights
from umt_core.data.files import utc_now, write_json
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.errors import CheckpointError, DataError
from umt_core.explain.contrastive import Pairs, Projections, Watch, fit, own_beats_others, wins
from umt_core.explain.kept import write_kept
from umt_core.explain.relevance_info import FitSettings, RelevanceInfo, read_info, relevance_folder
from umt_core.explain.report import Fit
from umt_core.explain.router import KIND
from umt_core.explain.vectors import Encoders, Progress
from umt_core.manifest import MANIFEST, WEIGHTS, file_sum
from umt_core.schema import Example

OTHERS = 499  # pictures that a tweet's own is compared with, so that a score has three digits
HELD_OUT = 10  # one picture in so many is dev where no dev split is given
SAME = 0.9999  # cosine of two projected pictures from which on they are one and the same picture


@dataclass(frozen=True, slots=True)
class Source:
    """A file of tweets, labelled or not, and where their pictures are."""

    data: Path
    images: Path


# --- the score -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Relevance:
    """Trained projections with their encoders."""

    info: RelevanceInfo
    model: Projections
    others: Tensor  # (others, size): projected pictures of the dev split
    encoders: Encoders

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "auto", *, encoders: Encoders | None = None) -> Self:
        """The projections of a folder, by default of ``relevance_folder()``.

        Raises:
            CheckpointError: there are none, they are damaged, or were trained on other encoders.
            BackboneError: an encoder is missing.
        """
        folder = folder or relevance_folder()
        info = read_info(folder)
        weights = {name: value.float() for name, value in read_weights(folder, info.weights_sha256).items()}
        encoders = encoders or Encoders.load(info.text_encoder, info.vision_encoder, device)
        _check_encoders(folder, info, encoders)
        model = Projections(info.text_width, info.channels, info.fit["size"])
        try:
            others = weights.pop("others")
            model.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{folder}: wanted two projections, its weights are others") from error
        return cls(info, model.eval(), others, encoders)

    def score(self, example: Example, image: Image.Image) -> float:
        """The relevance of one tweet's picture, 0 to 1.

        Raises:
            DataError: the tweet has no word.
        """
        if not example.tokens:
            raise DataError("wanted a tweet with at least one word, got none")
        texts, picture = self.encoders.texts([example]), self.encoders.picture(image)[None]
        return float(self.scores(Pairs(texts, picture, torch.zeros(1, dtype=torch.int64)))[0])

    def fit(self, example: Example, image: Image.Image) -> Fit:
        """``score``, with what a reader must know of it; errors as there."""
        return Fit(self.score(example, image), len(self.others), self.info.beats, self.info.images)

    @torch.no_grad()
    def scores(self, pairs: Pairs) -> Tensor:
        """The relevance of each tweet's picture, (n,)."""
        texts, pictures = self.model.texts(pairs.texts), self.model.pictures(pairs.pictures)
        return wins((texts * pictures).sum(1), texts @ self.others.T, pictures @ self.others.T > SAME)


def _check_encoders(folder: Path, info: RelevanceInfo, encoders: Encoders) -> None:
    for name, here in encoders.sums.items():
        if (wanted := info.encoders.get(name)) != here:
            raise CheckpointError(
                f"{folder}: was trained on another {name} (SHA-256 {str(wanted)[:12]}, here {str(here)[:12]})"
            )


# --- training ------------------------------------------------------------------------------------


def train_relevance(
    sources: Sequence[Source],
    output: Path,
    *,
    valid: Source | None = None,
    settings: FitSettings | None = None,
    text_encoder: str = "minilm",
    vision_encoder: str = "efficientnet-lite0",
    about_images: str = "",
    encoders: Encoders | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> RelevanceInfo | None:
    """Learns projections from tweets with pictures and keeps them in a folder; ``None``: ``watch`` stopped it.

    Args:
        valid: decides which epoch is kept; by default one picture in ten of the sources, with all of its tweets.

    Raises:
        DataError: there are too few tweets with a picture.
        BackboneError, ConfigError: as the encoders'.
    """
    settings = settings or FitSettings()
    encoders = encoders or Encoders.load(text_encoder, vision_encoder, device)
    train, about = _read(sources, encoders, progress)
    if valid is None:
        train, dev, about_dev = *_hold_out(train, settings.seed), {"file": "", "sha256": "", "tweets": 0}
    else:
        dev, (about_dev,) = _read([valid], encoders, progress)
    for name, pairs in (("train", train), ("dev", dev)):
        if len(pairs.picture.unique()) < 2:
            raise DataError(f"wanted tweets with at least two different pictures for {name}, got {len(pairs)} tweets")
    fitted = fit(train, dev, settings, watch)
    if fitted.stopped:
        return None
    others = _others(fitted.model, dev, settings.seed)
    weights = fitted.model.state_dict() | {"others": others}
    info = RelevanceInfo(
        fit=dataclasses.asdict(settings),
        text_encoder=encoders.text.name,
        vision_encoder=encoders.vision.name,
        text_width=train.texts.shape[1],
        channels=train.pictures.shape[1],
        encoders=encoders.sums,
        weights_sha256=save_weights(weights, output / WEIGHTS),
        data=about,
        valid=about_dev | {"tweets": len(dev)},
        images=about_images,
        beats=max(fitted.history),
        history=list(fitted.history),
        epoch=fitted.epoch,
        others=len(others),
        code=umt_core.__version__,
        created=utc_now(),
    )
    write_json(output / MANIFEST, info)
    return info


def _read(
    sources: Sequence[Source], encoders: Encoders, progress: Progress | None
) -> tuple[Pairs, list[dict[str, Any]]]:
    """The pairs of all sources in one, and what the folder says of each source."""
    read = [(read_examples(source.data), ImageIndex.open(source.images)) for source in sources]
    paths = [images.path(example.image) for examples, images in read for example in examples]
    pairs, kept = encoders.pairs([example for examples, _ in read for example in examples], paths, progress)
    ends = np.searchsorted(kept, np.cumsum([len(examples) for examples, _ in read]))
    about = [
        {"file": source.data.name, "sha256": file_sum(source.data), "tweets": int(count)}
        for source, count in zip(sources, np.diff(ends, prepend=0), strict=True)
    ]
    return pairs, about


def _hold_out(pairs: Pairs, seed: int) -> tuple[Pairs, Pairs]:
    pictures = pairs.picture.unique()
    drawn = pictures[torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))]
    held = torch.isin(pairs.picture, drawn[: max(2, len(drawn) // HELD_OUT)])
    return pairs.at((~held).nonzero()[:, 0]), pairs.at(held.nonzero()[:, 0])


@torch.no_grad()
def _others(model: Projections, dev: Pairs, seed: int) -> Tensor:
    """Pictures to compare with, each once: of dev, since those of train lie as training has put them."""
    first = [int((dev.picture == picture).nonzero()[0]) for picture in dev.picture.unique()]
    drawn = torch.randperm(len(first), generator=torch.Generator().manual_seed(seed))[:OTHERS].tolist()
    return model.pictures(dev.pictures[[first[i] for i in drawn]])


# --- whole files and sets --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often a tweet's own picture beats another tweet's, among those of one file."""

    tweets: int  # with a picture
    pictures: int  # different ones
    beats: Interval  # mean over tweets, with its interval over them; chance is 0.5
    shuffled: float  # the same where each tweet is given another's picture: a check, 0.5 but for chance

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def retrieval(relevance: Relevance, source: Source, *, seed: int = 0, progress: Progress | None = None) -> Retrieval:
    """How well projections know the pictures of tweets that they have not seen.

    Raises:
        DataError: the file has fewer than two pictures.
    """
    pairs, _ = _read([source], relevance.encoders, progress)
    pictures = len(pairs.picture.unique())
    if pictures < 2:
        raise DataError(f"{source.data}: wanted tweets with at least two different pictures, got {pictures}")
    found = own_beats_others(relevance.model, pairs).numpy()
    rng = np.random.default_rng(seed)
    means = [found[rng.integers(0, len(found), len(found))].mean() for _ in range(2_000)]
    low, high = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    drawn = torch.from_numpy(rng.permutation(len(pairs)))
    others = Pairs(pairs.texts, pairs.pictures[drawn], pairs.picture[drawn])
    return Retrieval(
        tweets=len(pairs),
        pictures=pictures,
        beats=Interval(float(found.mean()), float(low), float(high)),
        shuffled=float(own_beats_others(relevance.model, others).mean()),
    )


def keep_relevance(
    found: PredictionSet,
    run: str | None = None,
    *,
    model: Path | None = None,
    relevance: Relevance | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Scores the tweets of a prediction set and keeps the scores beside it, see ``kept``.

    Columns: tweet, relevance (null: no picture that can be read). ``run`` is always ``None``: it is of the set.

    Raises:
        CheckpointError, BackboneError, ConfigError: as ``Relevance.load``.
        DataError: the set is without its tweets or pictures.
    """
    images = set_images(found)
    if images is None:
        raise DataError(f"{found.name}: wanted a set with pictures, it was built without")
    examples = set_examples(found, 0, found.info.tweets)
    relevance = relevance or Relevance.load(model, device)
    paths = [images.path(example.image) for example in examples]
    pairs, kept = relevance.encoders.pairs(examples, paths, progress)
    scores: list[float | None] = [None] * len(examples)
    for i, score in zip(kept, relevance.scores(pairs).tolist(), strict=True):
        scores[i] = score
    table = pa.table({"tweet": pa.array(range(len(scores)), pa.int32()), "relevance": pa.array(scores, pa.float32())})
    about = {
        "model": relevance.info.weights_sha256,
        "others": str(len(relevance.others)),
        "dev": f"{relevance.info.beats:.4f}",
        "images": relevance.info.images,
    }
    return write_kept(found, run, KIND, table, about)
