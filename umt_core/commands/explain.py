"""``explain``: a case report for each tweet of a file."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import (
    Device,
    ImagesOption,
    image_index,
    out,
    progress_bar,
    reporter,
    say,
    write_json,
)
from umt_core.commands.store import STORE_OR_DEFAULT, corrections_url
from umt_core.errors import DataError, ImageError

if TYPE_CHECKING:
    from PIL import Image

    from umt_core.corrections.events import Event
    from umt_core.data.images import ImageIndex
    from umt_core.explain.relevance import Relevance
    from umt_core.explain.report import Correction
    from umt_core.schema import Example


def explain(
    checkpoint: Annotated[list[str], typer.Option(help="<dataset>/<system>, or a folder. Give several to compare.")],
    input: Annotated[Path, typer.Option(help="Tweets: .jsonl or CoNLL .txt; raw text is tokenised.")],
    output: Annotated[Path, typer.Option(help="Folder for the reports; one of the same name is written anew.")],
    images: ImagesOption = None,
    foreign: Annotated[int, typer.Option(help="Of the input's other tweets, so many pictures are tried.")] = 4,
    attribution: Annotated[
        str, typer.Option(help="integrated_gradients or occlusion: what each entity's score rests on. Takes longer.")
    ] = "",
    relevance: Annotated[
        Path | None, typer.Option(help="Folder that `relevance train` made: tells how well each picture fits.")
    ] = None,
    corrections: Annotated[str, typer.Option(help=f"{STORE_OR_DEFAULT}. Its events on a tweet are told.")] = "",
    corrections_data: Annotated[
        str, typer.Option(help="Name of --input in the store; by default <its folder>/<its stem>.")
    ] = "",
    authors: Annotated[bool, typer.Option(help="Name the people who made corrections.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Write the same values as <id>.json, too.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice of other tweets' pictures.")] = 0,
    device: Device = "auto",
) -> None:
    """Write one HTML file for each tweet: what taggers find in it, where that comes from, what would have changed it.

    A file opens without network, and holds no path, no address and no name that was not asked for.
    """
    from umt_core.data.files import write_text
    from umt_core.data.jsonl import read_examples
    from umt_core.explain.report import examine, report_values
    from umt_core.explain.report_html import report_html
    from umt_core.predict import Workbench
    from umt_core.registry import find_apart

    examples = [example for example in read_examples(input) if example.tokens]
    if not examples:
        raise DataError(f"{input}: wanted at least one tweet with words, got none")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{output}: wanted a folder to write to, got: {error.strerror}") from error
    index = image_index(images)
    history = _history(corrections, corrections_data or f"{input.resolve().parent.name}/{input.stem}", authors)
    names = file_names([example.id for example in examples])
    with progress_bar() as bar:
        report = reporter(bar)
        workbench, fits = Workbench.load(find_apart(checkpoint), device), _relevance(relevance, device)
        for i, example in enumerate(examples):
            report("tweets", i, len(examples))
            picture = _picture(index, example)
            case = examine(
                workbench,
                example,
                picture,
                foreign=_foreign(index, examples, example, foreign, seed),
                method=attribution,
                fit=None if fits is None or picture is None else fits.fit(example, picture),
                history=history.get(example.id, ()),
            )
            write_text(output / f"{names[i]}.html", report_html(case))
            if json_:
                write_json(output / f"{names[i]}.json", report_values(case))
        report("tweets", len(examples), len(examples))
    out.print(f"{output}: {len(examples)} reports", markup=False, highlight=False)


def file_names(ids: Sequence[str]) -> list[str]:
    """A name for each tweet's file: its id, where that is a name that every system takes, else a number of ours.

    >>> file_names(["17_06_1", "../etc", "A", "a"])
    ['17_06_1', 'tweet-2', 'A', 'a_4']
    """
    names: list[str] = []
    taken: set[str] = set()
    for number, of in enumerate(ids, 1):
        plain = of.isascii() and of.replace("_", "").replace("-", "").isalnum() and len(of) <= 80 and of[0] != "-"
        name = of if plain else f"tweet-{number}"
        while name.lower() in taken:
            name = f"{name}_{number}"
        names.append(name)
        taken.add(name.lower())
    return names


def _picture(index: ImageIndex | None, example: Example) -> Image.Image | None:
    from umt_core.data.images import open_image

    path = None if index is None else index.path(example.image)
    if path is None:
        return None
    try:
        return open_image(path)
    except ImageError as error:
        say(f"{example.id}: {error}; reported as a tweet without a picture")
        return None


def _foreign(
    index: ImageIndex | None, examples: Sequence[Example], example: Example, count: int, seed: int
) -> dict[str, Image.Image]:
    """Pictures of other tweets, by a title that says nothing of whose they are."""
    from umt_core.explain.foreign import different_pictures

    if index is None or count < 1:
        return {}
    own = index.path(example.image)
    paths = {path for other in examples if (path := index.path(other.image)) is not None and path != own}
    drawn = random.Random(f"{seed}:{example.id}").sample(sorted(paths), len(paths))
    found = different_pictures(
        enumerate(drawn), own, lambda error: say(f"left out among other tweets' pictures: {error}")
    )
    return {f"another tweet's picture {i}": picture for i, (_, picture) in enumerate(islice(found, count), 1)}


def _relevance(folder: Path | None, device: str) -> Relevance | None:
    from umt_core.explain.relevance import Relevance

    return None if folder is None else Relevance.load(folder, device)


def _history(url: str, data: str, authors: bool) -> Mapping[str, tuple[Correction, ...]]:
    """The events on each tweet of a data set, oldest first."""
    if not (named := corrections_url(url)):
        return {}
    from umt_core.corrections.store import Store
    from umt_core.corrections.told import told

    events: dict[str, list[Event]] = {}
    with Store(named, read_only=True) as store:
        for event in store.events(data=data):
            events.setdefault(event.key.tweet, []).append(event)
    return {tweet: told(of_tweet, authors=authors) for tweet, of_tweet in events.items()}
