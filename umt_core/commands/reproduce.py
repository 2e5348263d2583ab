"""``reproduce``: the paper's comparison, all systems on both data sets, and the document of it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.text import Text

from umt_core.commands.console import Device, TextTable, out, progress_bar, reporter, say
from umt_core.commands.training import Interrupts, Stopped, TrainingView, about, assignments
from umt_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from umt_core.analysis.reproduction import Row, Values
    from umt_core.train.reproduce import Setup

ROOT = Path(__file__).resolve().parents[2]
USUAL_ENCODER = "minilm"
WAIT = 2  # seconds between two looks at what other processes are at
DOCUMENT = ROOT / "docs" / "reproduction.md"


def reproduce(
    data: Annotated[
        Path | None, typer.Option(help="Folder with twitter2015/ and twitter2017/, as UMT_DATA, which is the default.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results; what is done in it is not run again. UMT_RESULTS, else the project's results/."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="dataset/system/seed, or the first of these; * is any. Give several.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what is done and how long the rest may take.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the tables of what is done, and run nothing.")] = False,
    time_: Annotated[
        bool, typer.Option("--time", help="Time the systems of rows that are done, by turns, into cost.json.")
    ] = False,
    text_encoder: Annotated[
        str, typer.Option(help="Of all rows but twitter2017-base and twitter2015-base, which only run beside minilm.")
    ] = USUAL_ENCODER,
    vision_encoder: Annotated[
        str, typer.Option(help="Of all rows: efficientnet-lite0 or resnet152")
    ] = "efficientnet-lite0",
    recipe: Annotated[str | None, typer.Option(help="Of all systems; by default each one's own.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of all systems: NAME=VALUE, e.g. --set epochs=3")
    ] = None,
    about_images: Annotated[str, typer.Option(help="What the pictures are, for tables and cards.")] = "",
    document: Annotated[
        Path | None,
        typer.Option(help="Where the tables go; by default docs/, or the output where that is another one."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Train and score the paper's eleven systems and four ablations; after Ctrl-C or a kill it goes on where it was."""
    from umt_core.analysis.reproduction import RESULTS, data_of, plan, read_rows, results_folder

    output = output or results_folder()
    if show:
        _show(output)
        return
    from umt_core.data.datasets import data_folder
    from umt_core.devices import quick_answers
    from umt_core.train.reproduce import Setup

    if quick_answers():
        raise ConfigError("UMT_PRECISION: wanted float32, which all predictions of the tables are in, got 'auto'")

    folder = data or data_folder()
    if folder is None:
        raise DataError("wanted --data FOLDER (or UMT_DATA) with twitter2015/ and twitter2017/, got neither")
    overrides = tuple(assignments(set_ or []).items())
    setup = Setup(folder, output, text_encoder, vision_encoder, recipe, about(about_images), device, overrides)
    rows = [row for row in plan(only or ()) if not row.on_base or text_encoder == USUAL_ENCODER]
    if only and not rows:
        raise ConfigError(
            f"--only {' '.join(only)}: wanted rows of --text-encoder {text_encoder}, got those on a larger one"
        )
    if list_:
        out.print(_listing(rows, setup, read_rows(output)))
        return
    for dataset in dict.fromkeys(data_of(row.dataset) for row in rows):
        setup.data_set(dataset)  # says what is missing before any work is done
    if time_:
        _time(rows, read_rows(output), setup)
    place = document or (DOCUMENT if output.resolve() == RESULTS else output / "reproduction.md")
    try:
        if not time_:
            _run(rows, setup)
    finally:
        _write_document(place, output)
        out.print(f"{place}: {len(read_rows(output))} of {len(plan())} rows", markup=False, highlight=False)


def _show(results: Path) -> None:
    from umt_core.analysis.benchmark import Results
    from umt_core.analysis.reproduction import plan
    from umt_core.analysis.reproduction_document import notices, sections

    say("comparing systems …")
    found = Results.read(results)
    out.print(f"{results}: {len(found.done)} of {len(plan())} rows are done", markup=False, highlight=False)
    _say_lines(notices(found))
    for section in sections(found):
        out.print(Text(section.title, style="bold"))
        _say_lines(section.before)
        table = TextTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for i, head in enumerate(section.heads):
            table.add_column(head, no_wrap=True, justify="right" if i else "left")
        for row in section.rows:
            table.add_row(*(cell.replace("`", "") for cell in row))
        if section.heads:
            out.print(table)
        _say_lines(section.after)


def _time(rows: Sequence[Row], done: Mapping[Row, Values], setup: Setup) -> None:
    from umt_core.train.timing import time_rows

    with progress_bar() as bar:
        values = time_rows(rows, done, setup, reporter(bar))
    table = TextTable("system", "ms a tweet", title=f"{values['device']}, {values['threads']} threads")
    for name, milliseconds in values["ms_per_tweet"].items():
        table.add_row(name, f"{milliseconds:.2f}")
    out.print(table)


def _say_lines(lines: Sequence[str]) -> None:
    """Lines of the document, without its Markdown."""
    for line in lines:
        out.print(f"{line.replace('**', '')}\n", markup=False, highlight=False)


def _run(rows: Sequence[Row], setup: Setup) -> None:
    """All rows that are not done. Those that another process is at come last, when it has done them or has ended."""
    from umt_core.analysis.reproduction import read_rows
    from umt_core.encoders.needs import lacking
    from umt_core.train.reproduce import at_work, busy, state_of, without_pictures, write_counts

    done = read_rows(setup.results)
    left: list[Row] = []
    for row in rows:
        if row in done:
            if state_of(row, setup, done[row]) != "done":
                say(f"{row.name}: done with other settings or data; left as it is")
        # An extra that all else goes without is no reason to end either.
        elif line := without_pictures(row, setup) or (row.on_base and lacking(setup.settings(row)[1])):
            say(f"{row.name}: left out; {line}")
        else:
            left.append(row)
    with Interrupts() as interrupted:
        while left:
            if interrupted():
                raise Stopped("stopped; the same command goes on from here")
            free = next((row for row in left if not busy(row, setup)), None)
            if free is None:
                say(f"waiting for {len(left)} rows that other processes are at, {left[0].name} first")
                while not interrupted() and all(busy(row, setup) for row in left):
                    time.sleep(WAIT)
                continue
            with at_work(free, setup) as ours:
                if not ours:
                    continue
                left.remove(free)
                if free.file(setup.results).exists():
                    continue
                say(f"{free.name}, {1 + rows.index(free)} of {len(rows)}")
                write_counts(free.dataset, setup)
                _run_row(free, setup, interrupted)


def _run_row(row: Row, setup: Setup, interrupted: Callable[[], bool]) -> None:
    from umt_core.train.reproduce import run_row

    with progress_bar() as bar:
        values = run_row(row, setup, TrainingView(bar, setup.job(row).settings.epochs, interrupted))
    if values is None:
        raise Stopped("stopped; the same command goes on from the last whole epoch")
    figures = f"dev F1 {100 * values['dev']['f1']:.2f}, test F1 {100 * values['test']['f1']:.2f}"
    out.print(f"{row.name}: {figures}", markup=False, highlight=False)


def _write_document(place: Path, results: Path) -> None:
    from umt_core.analysis.benchmark import Results, made_by
    from umt_core.analysis.reproduction_document import document
    from umt_core.data.files import write_text

    write_text(place, document(results, shlex.join(made_by(Results.read(results)))))


def _listing(rows: Sequence[Row], setup: Setup, done: Mapping[Row, Values]) -> TextTable:
    from umt_core.analysis.reproduction import expected_seconds
    from umt_core.train.reproduce import state_of

    table = TextTable("row", "state", "dev F1", "test F1", "minutes", title=str(setup.results))
    left = 0.0
    for row in rows:
        values = done.get(row)
        state = state_of(row, setup, values)
        if values:
            figures = [f"{100 * values[split]['f1']:.2f}" for split in ("dev", "test")]
            table.add_row(row.name, state, *figures, f"{values['seconds'] / 60:.0f}")
        else:
            seconds = expected_seconds(row, done)
            left += seconds or 0.0
            table.add_row(row.name, state, "", "", "" if seconds is None else f"about {seconds / 60:.0f}")
    table.caption = f"about {left / 3600:.1f} hours left, as long as the rows that are done took" if left else None
    return table
