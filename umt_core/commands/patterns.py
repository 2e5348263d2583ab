"""``sets patterns``: gate and attention of every word of a set, by type, outcome and part of the tweet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import (
    Device,
    TextTable,
    check_place,
    out,
    progress_bar,
    reporter,
    say,
    say_pictures,
    write_json,
)
from umt_core.commands.what_if import SetName

if TYPE_CHECKING:
    from umt_core.explain.aggregates import Box


def patterns(
    name: SetName,
    run: Annotated[
        list[str] | None, typer.Option(help="<dataset>/<system>. Give several; by default all that look at pictures.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Whose answers fixed and broken are held against; by default bert-crf's.")
    ] = None,
    device: Device = "auto",
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """How gate and attention are spread over a whole set. Computed once; a stopped run goes on where it was."""
    from umt_core.analysis.browse import resolve
    from umt_core.analysis.query import Query
    from umt_core.analysis.sets import find_set
    from umt_core.explain.aggregates import BLOCKS, BYS, FIGURES, KIND, boxes, figures_of, patterns_json
    from umt_core.explain.keep_patterns import keep_patterns
    from umt_core.explain.kept import looking_runs, read_kept

    if json_out:
        check_place(json_out)
    found = find_set(name)
    against = resolve(found, Query(baseline=baseline or "")).baseline
    values = {}
    for line in () if run else found.changed().values():
        say(f"left out: {line}")
    for of in run or looking_runs(found):
        if any(read_kept(found, of, kind) is None for kind in (KIND, BLOCKS)):
            with progress_bar() as bar:
                keep_patterns(found, of, device=device, progress=reporter(bar))
        values[of] = patterns_json(found, of, against)
        for figure in figures_of(found, of):
            for by in BYS:
                if by != "outcome" or against != of:
                    title = f"{found.name}: {of}, {FIGURES[figure].title.lower()} by {by}"
                    out.print(_table(title, boxes(found, of, figure, by, against)))
    say_pictures(found)
    if json_out:
        write_json(json_out, {"set": found.name, "runs": values})


def _table(title: str, rows: list[Box]) -> TextTable:
    table = TextTable("", "count", "tweets", "mean", "5 %", "25 %", "50 %", "75 %", "95 %", title=title)
    for row in rows:
        figures = (f"{value:.3f}" for value in (row.mean, *row.quantiles))
        table.add_row(row.group.replace("_", " "), str(row.count), str(row.tweets), *figures)
    return table
