"""``data add|list|remove``: people's own data sets."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from umt_core.commands.console import TextTable, check_place, out, progress_bar, say
from umt_core.errors import UmtError

own_app = typer.Typer()
SHOWN = 20  # rows of a report that are printed; a file has all


@own_app.command("add")
def data_add(
    name: Annotated[str, typer.Argument(help="Small letters, digits, - and _. A set that is there gets more tweets.")],
    input: Annotated[Path, typer.Option(help="Table of tweets: .csv, .tsv, .jsonl, CoNLL .txt or another form.")],
    images: Annotated[
        Path | None, typer.Option(help="Pictures: a ZIP archive, a folder, or a .tsv of id<TAB>path.")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="Of the table; by default what its name says.")] = None,
    bio: Annotated[str, typer.Option(help="Labels that are not in order: refuse the tweet, or repair it.")] = "refuse",
    report: Annotated[Path | None, typer.Option(help="CSV to write what became of each row to.")] = None,
) -> None:
    """Add tweets to a data set of your own; rows that are none are listed, the good ones stay."""
    from umt_core.data.archive import open_pictures
    from umt_core.data.files import write_text
    from umt_core.upload import OK, upload

    if report:
        check_place(report)
    with ExitStack() as stack:
        pictures = stack.enter_context(open_pictures(images)) if images else None
        bar = stack.enter_context(progress_bar())
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total or None)

        found = upload(name, input, pictures, form=form, bio=bio, progress=advance)
    told = [row for row in found.rows if row.outcome != OK]
    for row in told[:SHOWN]:
        say(f"{input.name}:{row.line}: {row.outcome}: {row.reason}")
    if len(told) > SHOWN:
        say(f"and {len(told) - SHOWN:,} more; --report FILE.csv has all")
    for line in found.notes[:SHOWN]:
        say(line)
    if report:
        write_text(report, found.to_csv())
    out.print(found.line, markup=False, highlight=False)


@own_app.command("list")
def data_list() -> None:
    """Data sets that are there: our samples, those of UMT_DATA, and your own."""
    from umt_core.data.datasets import data_complaint, data_sets
    from umt_core.data.stats import data_set_rows

    table = TextTable("data set", "tweets", "labelled", "entities", "with a picture", "where")
    complaints = [line for line in [data_complaint()] if line]
    for of in data_sets():
        try:
            for row in data_set_rows(of):
                columns = ("name", "tweets", "labelled", "entities", "pictures", "where")
                table.add_row(*(str(row[column]) for column in columns))
        except UmtError as error:  # the others are shown all the same
            complaints.append(str(error))
    out.print(table)
    for line in complaints:
        say(line)


@own_app.command("remove")
def data_remove(name: Annotated[str, typer.Argument(help="One of your own data sets.")]) -> None:
    """Take a data set of your own away, into the trash; corrections of its tweets stay in their store."""
    from umt_core.upload import remove_data_set

    out.print(f"{name}: moved to {remove_data_set(name)}", markup=False, highlight=False)
