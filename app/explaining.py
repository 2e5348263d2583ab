"""The tweet that is explained, with what the chosen taggers say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from app import services, sets, state, tables
from umt_core.analysis.browse import find as find_row
from umt_core.data.images import content_hash
from umt_core.errors import DataError
from umt_core.explain.foreign import sample_pictures, set_pictures
from umt_core.registry import CheckpointInfo
from umt_core.schema import Example, Inspection, Span


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One tweet before the taggers: what every section of the Explain page is given."""

    example: Example  # its words; ``spans`` are gold where known
    picture: Image.Image | None  # upright RGB
    image: str | None  # names the picture's content; None: the tweet has none
    chosen: tuple[CheckpointInfo, ...]  # as chosen, for ``services.ask``: some may not have been loaded
    inspections: Mapping[str, Inspection]  # what each that was loaded says of the tweet, by checkpoint name
    data: str = ""  # name of the data set that the tweet is of; "": a sample or the reader's own

    @property
    def gold(self) -> tuple[Span, ...] | None:
        return self.example.spans

    @property
    def tweet(self) -> str:
        """Its id in ``data``; "": it is of none."""
        return self.example.id if self.data else ""

    @property
    def weights(self) -> str:
        """Changes with the weights of the taggers, whatever they are called: for keys of answers."""
        return "".join(info.manifest.weights_sha256[:8] for info in self.chosen)

    @property
    def doc(self) -> str:
        """Changes with the tweet, its picture or the taggers: for keys of widgets and of answers, to drop late ones.

        So it does with the data set and the id: tweets of the same words are held against pictures of other tweets.
        """
        named = self.data, self.example.id
        content = "\0".join((*named, *self.example.tokens, self.image or "", *self.inspections))
        return content_hash(content.encode("utf-8", "replace"))[:16]


def find(data: str, tweet: str) -> state.Request:
    """A tweet of a prediction set, for a link; its data set's own taggers are chosen, where there are any.

    Raises:
        DataError: there is no such set, or no such tweet in it, or the set came without its tweets.
    """
    folders, _ = sets.folders()
    if data not in folders:
        raise DataError(f"The link asks for a tweet of {data!r}, of which there are no predictions here.")
    found = sets.opened(folders[data])
    request = sets.request_of(found, find_row(found, tweet, runs=[]))
    of_data = {i.name.partition("/")[0] for i in services.checkpoints()[0] if i.manifest.dataset == found.info.dataset}
    if of_data and state.chosen_checkpoints() not in of_data:
        state.choose_checkpoints(found.info.dataset if found.info.dataset in of_data else min(of_data))
    return request


def without_picture() -> str:
    """A line where the tweet is read without its picture because that is not here; looks for it again first."""
    request = state.request()
    if request.lost and request.given is not None:
        with suppress(DataError, KeyError):  # the set itself may have gone
            found = sets.opened(sets.folders()[0][request.data])
            request = sets.request_of(found, find_row(found, request.given.id, runs=[]))
            state.found_again(request)
    return f"{request.lost} The tweet is read as one without a picture." if request.lost else ""


def picture_note(case: Case) -> str | None:
    """A line about what the pictures of the tweet's data set are, where they are not the tweets' own."""
    folders, _ = sets.folders()
    note = sets.picture_note(sets.opened(folders[case.data])) if case.data in folders else None
    return note and f"{note}. Where the picture shown is one too, nothing here speaks of the one that was tweeted."


def other_pictures(case: Case, count: int, seed: int = 0) -> tuple[Callable[[], dict[str, Image.Image]], str]:
    """How other tweets' pictures are come by, and whose they are: the data set's, or else the sample tweets'."""
    if not case.data or case.data == sets.SAMPLES:
        return lambda: sample_pictures(case.example.id, count, seed), "of the sample tweets"
    title, folder = tables.data_set_title(case.data), sets.folders()[0].get(case.data)
    found = None if folder is None else sets.opened(folder)  # it may have been removed while the page was open
    if found is None or found.images() is None:
        return lambda: sample_pictures(None, count, seed), f"of the sample tweets, since those of {title} are not here"
    note = sets.picture_note(found)
    return lambda: set_pictures(found, case.example.id, count, seed), f"of {title}" + (f" ({note})" if note else "")
