"""How commands speak: tables on stdout, lines and progress bars on stderr, files in one step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from umt_core.data.files import write_json as write_json  # commands have it from here
from umt_core.errors import ConfigError, DataError
from umt_core.showing import printable

if TYPE_CHECKING:
    from umt_core.analysis.sets import PredictionSet
    from umt_core.data.images import ImageIndex

# A pipe has no width of its own, and a table cut at 80 columns says nothing.
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Folder of <id>.jpg|.jpeg|.png|.webp, or a .tsv of id<TAB>path.")
]


class TextTable(Table):
    """A table of text as it is: what people wrote is no markup, and a terminal obeys nothing of it."""

    def __init__(self, *heads: str, title: str | None = None, **options: Any) -> None:
        super().__init__(title=None if title is None else as_it_is(title), **options)
        for head in heads:
            self.add_column(head)

    def add_column(self, header: Any = "", *footer: Any, **options: Any) -> None:
        super().add_column(as_it_is(header), *footer, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*map(as_it_is, cells), **options)


def as_it_is(text: str) -> Text:
    return Text(printable(" ".join(text.splitlines())))


def say(text: str) -> None:
    """One line on stderr, whatever the text holds and however wide the terminal is."""
    err.print(" ".join(text.splitlines()), markup=False, highlight=False, soft_wrap=True)


def say_pictures(found: PredictionSet) -> None:
    """What the pictures were that a set's taggers were trained with, if one of them looks at any."""
    if note := next((run.images for run in found.runs.values() if run.uses_image), ""):
        say(f"pictures in training: {note}")


def progress_bar() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Into a file or a pipe it would write an empty line.
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def advance(bar: Progress, task: Any) -> Callable[[int, int], None]:
    return lambda done, total: bar.update(task, completed=done, total=total)


def reporter(bar: Progress) -> Callable[[str, int, int], None]:
    """For work that tells of what it is at, how much is done, and of how much (0: it cannot tell)."""
    tasks: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what)
        bar.update(tasks[what], completed=done, total=total or None)

    return report


def rows_table(title: str, rows: Sequence[dict[str, Any]]) -> TextTable:
    table = TextTable(title=title)
    for name in rows[0]:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()))
    return table


def comparison_table(title: str, compared: Mapping[str, dict[str, Any]]) -> TextTable:
    """The figures of ``compare``, a column for each system; F1 in percent."""
    from umt_core.analysis.ledger import OUTCOMES
    from umt_core.analysis.paper import percent

    table = TextTable("", *compared, title=title)
    rows = [(row, row["paired_test"]) for row in compared.values()]
    for outcome in OUTCOMES:
        table.add_row(outcome.replace("_", " "), *(str(row[outcome]) for row, _ in rows))
    table.add_row("F1", *(f"{100 * row['f1']:.2f}" for row, _ in rows))
    differences = [{end: 100 * figure for end, figure in test["difference"].items()} for _, test in rows]
    table.add_row("difference (95 %)", *("{value:+.2f} ({low:+.2f} to {high:+.2f})".format(**d) for d in differences))
    table.add_row("p, randomisation", *(f"{test['p_randomisation']:.4f}" for _, test in rows))
    table.add_row("p, paired bootstrap", *(f"{test['p_bootstrap']:.4f}" for _, test in rows))
    table.add_row("p, McNemar", *(f"{test['p_mcnemar']:.4f}" for _, test in rows))
    table.add_row("significant from", *(percent(test["significant_from"]) for _, test in rows))
    table.add_row("found in 80 of 100 from", *(percent(test["smallest_difference"]) for _, test in rows))
    return table


def check_place(path: Path) -> None:
    """Whether a file can be written there, asked before long work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: wanted a place to write, got: {error.strerror}") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise DataError(f"{path}: wanted a place to write, got a folder{'' if path.is_dir() else ' that is closed'}")


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option}: wanted NAME=VALUE, got {text!r}")
        values[name] = value
    return values


def image_index(images: Path | None) -> ImageIndex | None:
    from umt_core.data.images import ImageIndex

    return None if images is None else ImageIndex.open(images)
