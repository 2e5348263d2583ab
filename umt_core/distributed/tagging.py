"""One chunk through the taggers: its pictures' regions, its predictions, its part. Needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from umt_core.data.images import ImageIndex
from umt_core.distributed.checking import ReadChunk, Tweets, read_chunk
from umt_core.distributed.parts import Failure, attempts_path, count_attempt, part_path, write_part
from umt_core.distributed.plan import Chunk, Plan
from umt_core.encoders.features import FeatureStore, RegionFeatures
from umt_core.errors import CheckpointError, DataError, FolderError, ImageError, UmtError
from umt_core.predict import Predictor
from umt_core.schema import Example, Prediction


@dataclass(slots=True)
class ChunkTagger:
    """Holds a run's taggers, loaded when the first chunk comes, and makes parts of chunks."""

    plan: Plan
    device: str = "auto"
    features: Path | None = None  # where pictures' regions are kept, a folder a chunk; None: they are not kept
    predictors: list[Predictor] = field(default_factory=list)
    images: ImageIndex | None = None

    def load(self) -> None:
        """Loads what is not loaded yet (``CheckpointError``: weights here are not those that the run began with)."""
        if self.predictors:
            return
        loaded = []
        for column, name, weights in self.plan.checkpoints:
            predictor = Predictor.load(name, self.device)
            if (got := predictor.loaded.info.manifest.weights_sha256) != weights:
                raise CheckpointError(f"{column}: wanted weights {weights[:12]}... as the run began, got {got[:12]}...")
            loaded.append(predictor)
        self.images = None if self.plan.images is None else ImageIndex.open(self.plan.images)
        self.predictors = loaded

    def finish(self, read: ReadChunk) -> None:
        """Tags a chunk and writes its part, if it is not there already.

        A tweet that a tagger cannot read fails alone; where none can be read, the fault is no tweet's.

        Raises:
            CheckpointError, BackboneError, ConfigError: as ``Predictor.load``.
            FolderError: the pictures' folder is not there any more.
            DataError: the part, or the pictures' regions before it, cannot be written.
        """
        chunk, failures = read.chunk, list(read.failures)
        if part_path(self.plan.output, chunk).exists():  # of a worker that was killed after writing it
            return
        count_attempt(self.plan.output, chunk)
        self.load()
        try:
            with self._store(chunk) as store:
                tweets, lost = self._with_readable_pictures(read.tweets, store)
                failures += lost
                try:
                    predictions = self._predict([example for _, _, example in tweets], store)
                except Exception as error:
                    if not _may_be_a_tweets(error):
                        raise
                    tweets, lost = self._by_themselves(tweets, store)
                    failures += lost
                    predictions = self._predict([example for _, _, example in tweets], store)
        except OSError as error:
            place = self.features or tempfile.gettempdir()
            raise DataError(f"{place}: wanted room for regions of pictures, got: {error.strerror or error}") from error
        write_part(self.plan.output, chunk, [(place, e) for place, _, e in tweets], predictions, failures)
        attempts_path(self.plan.output, chunk).unlink(missing_ok=True)

    def _store(self, chunk: Chunk) -> AbstractContextManager[Path | str]:
        # One folder for all would make workers wait for each other, and its index is read as a whole.
        if self.features is not None:
            return nullcontext(self.features / self.plan.input_sha256[:12] / f"{chunk.name}-{chunk.tweets}")
        return tempfile.TemporaryDirectory(prefix="regions-")

    def _with_readable_pictures(self, tweets: Tweets, folder: Path | str) -> tuple[Tweets, list[Failure]]:
        if not self.plan.strict_images:
            return tweets, []
        reasons: dict[int, str] = {}
        examples = [example for _, _, example in tweets]
        for predictor in self.predictors:
            reasons |= self._regions(predictor, examples, folder).unreadable
        lost = [Failure(*tweets[i][:2], tweets[i][2].id, reason) for i, reason in reasons.items()]
        return [tweet for i, tweet in enumerate(tweets) if i not in reasons], lost

    def _regions(self, predictor: Predictor, examples: Sequence[Example], folder: Path | str) -> RegionFeatures:
        if predictor.vision is None or self.images is None:
            return predictor.regions(examples, None)
        paths = [self.images.path(example.image) for example in examples]
        return FeatureStore(Path(folder)).features_for(paths, predictor.vision)

    def _predict(self, examples: Sequence[Example], folder: Path | str) -> dict[str, list[Prediction]]:
        found = {}
        for column, predictor in zip(self.plan.columns, self.predictors, strict=True):
            found[column] = predictor.predict(examples, self._regions(predictor, examples, folder))
        return found

    def _by_themselves(self, tweets: Tweets, folder: Path | str) -> tuple[Tweets, list[Failure]]:
        """The tweets that can be read alone, and the others; raises what the last one did where there are no others."""
        kept: Tweets = []
        lost: list[Failure] = []
        last: Exception | None = None
        for place, line, example in tweets:
            try:
                self._predict([example], folder)
                kept.append((place, line, example))
            except Exception as error:
                if not _may_be_a_tweets(error):
                    raise
                last = error
                lost.append(Failure(place, line, example.id, f"{type(error).__name__}: {error}"))
        if last is not None and not kept:
            raise last
        return kept, lost


def _may_be_a_tweets(error: Exception) -> bool:
    """Whether one tweet may be at fault, and not a folder that went away, a full disk, a setting or an encoder."""
    if isinstance(error, UmtError):
        return isinstance(error, DataError | ImageError) and not isinstance(error, FolderError)
    return not isinstance(error, OSError)


Finished = Callable[[Chunk], None]


def run_here(plan: Plan, chunks: Sequence[Chunk], tagger: ChunkTagger, finished: Finished | None = None) -> None:
    """Works off chunks in this process, one after the other; errors as ``read_chunk`` and ``ChunkTagger.finish``."""
    for chunk in chunks:
        tagger.finish(read_chunk(plan, chunk))
        if finished:
            finished(chunk)
