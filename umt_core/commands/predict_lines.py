"""``predict`` into JSONL: tweets are read, tagged and written some at a time, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from umt_core.commands.console import check_place, image_index, progress_bar, say
from umt_core.data.files import write_pieces
from umt_core.data.jsonl import format_record, iter_examples
from umt_core.errors import DataError
from umt_core.registry import find_apart
from umt_core.schema import Example, Prediction

if TYPE_CHECKING:
    from umt_core.data.images import ImageIndex

CHUNK = 1000  # tweets in memory at once: enough of each length for batches that are hardly padded
SAID = 10  # notices that are said at the end, of as many kinds as are counted
KINDS = 1000

Progress = Callable[[str, int], None]  # name of a checkpoint, tweets it has done


class Reads(Protocol):
    """What is wanted of a ``Predictor``."""

    def predict(
        self, examples: Sequence[Example], images: ImageIndex | None, *, progress: Callable[[int, int], None]
    ) -> list[Prediction]: ...


def predict_lines(checkpoints: Sequence[str], input: Path, output: Path, images: Path | None, device: str) -> None:
    """Tags a file's tweets and writes them in its order; the output is there when all of it is.

    The input is read once before any work is done, so that a line that cannot be read costs no tagger's time.

    Raises:
        UmtError: as ``iter_examples``, ``find_apart`` and ``Predictor.load``, there is no tweet, or no place to write.
    """
    total = sum(1 for _ in iter_examples(input)) if input.is_file() else None  # what is no file is read only once
    examples = iter_examples(input)
    first = next(examples, None)
    if first is None:
        raise DataError(f"{input}: wanted at least one tweet, got none")
    check_place(output)
    found, index = find_apart(checkpoints), image_index(images)
    from umt_core.predict import Predictor

    with progress_bar() as bar:
        predictors = {info.name: Predictor.load(info, device) for info in found}
        tasks = {name: bar.add_task(name, total=total) for name in predictors}
        told = Told(lambda name, done: bar.update(tasks[name], completed=done))
        write_pieces(output, predicted_lines(chain([first], examples), predictors, index, told))
    for notice, count in told.notices.most_common(SAID):
        say(f"{count} x {notice}")
    say(f"{told.tweets} tweets written to {output}")


class Told:
    """What there is to say of a run: how far it is, and what predictors noticed."""

    def __init__(self, progress: Progress) -> None:
        self.tweets = 0  # whose lines are made
        self.notices: Counter[str] = Counter()
        self.progress = progress

    def notice(self, predictions: Iterable[Prediction]) -> None:
        for notice in (notice for prediction in predictions for notice in prediction.notices):
            if notice in self.notices or len(self.notices) < KINDS:  # a picture's has its path: there may be many
                self.notices[notice] += 1


def predicted_lines(
    examples: Iterator[Example],
    predictors: Mapping[str, Reads],
    images: ImageIndex | None,
    told: Told,
    *,
    chunk: int = CHUNK,
) -> Iterator[str]:
    """A line for each tweet, in order. At most ``chunk`` tweets are read before the first of their lines is given.

    Raises:
        DataError: as the reader of the tweets, or as ``format_record``.
    """
    while some := list(islice(examples, chunk)):
        found: dict[str, list[Prediction]] = {}
        for name, predictor in predictors.items():

            def advance(done: int, _: int, name: str = name) -> None:
                told.progress(name, told.tweets + done)

            found[name] = predictor.predict(some, images, progress=advance)
            told.notice(found[name])
            advance(len(some), len(some))
        for i, example in enumerate(some):
            yield format_record(example, {name: rows[i].spans for name, rows in found.items()}) + "\n"
        told.tweets += len(some)
