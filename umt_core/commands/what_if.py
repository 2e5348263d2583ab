"""``sets emissions`` and ``sets what-if``: a whole set decoded again with another share of ESD, or another matrix."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from umt_core.commands.console import (
    Device,
    check_place,
    comparison_table,
    out,
    progress_bar,
    reporter,
    say,
    write_json,
)
from umt_core.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from umt_core.analysis.sets import PredictionSet
    from umt_core.explain.emissions import Change, SetEmissions

SetName = Annotated[str, typer.Argument(metavar="SET", help="As `sets list` has it: <dataset>/<split>.")]


def emissions(
    name: SetName,
    run: Annotated[
        list[str] | None, typer.Option(help="<dataset>/<system>. Give several; by default all of the set's runs.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Keep what the taggers' layers say of each tweet before it is decoded, for `sets what-if`."""
    from umt_core.analysis.sets import find_set
    from umt_core.explain.emissions import KIND
    from umt_core.explain.keep_emissions import keep_emissions
    from umt_core.explain.kept import kept_file, read_kept

    found = find_set(name)
    runs = run or [of for of, info in found.runs.items() if not info.folds]
    with progress_bar() as bar:
        for of in runs:
            if read_kept(found, of, KIND) is None:
                try:
                    keep_emissions(found, of, device=device, progress=reporter(bar))
                except CheckpointError as error:
                    if run:
                        raise
                    say(f"{of}: left out; {error}")
                    continue
            out.print(f"{of}: {kept_file(found, of, KIND)}", markup=False, highlight=False)


def what_if(
    name: SetName,
    run: Annotated[
        str | None, typer.Option(help="<dataset>/<system>; by default the one whose span detector can be changed.")
    ] = None,
    esd_share: Annotated[
        float, typer.Option(help="Of what the span detector adds: 0 leaves it out, 1 is as trained, at most 2.")
    ] = 1.0,
    conversion: Annotated[
        str,
        typer.Option(help="The conversion matrix: trained, uniform, estimated from the train split, or a CSV file."),
    ] = "trained",
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write figures and tweets to.")] = None,
) -> None:
    """Decode a set again from its kept scores: what is fixed and broken of the run as trained. Needs no weights."""
    from umt_core.analysis.sets import find_set
    from umt_core.explain.emissions import Redecoding
    from umt_core.explain.what_if import WhatIf, conversion_of
    from umt_core.registry import dataset_of

    if json_out:
        check_place(json_out)
    found = find_set(name)
    chosen, kept = _changeable(found, run)
    what = WhatIf(esd_share, conversion_of(conversion, kept.scoring, dataset_of(found.run(chosen).checkpoint)))
    redecoding = Redecoding(found, chosen, kept)
    change = redecoding.change(what)
    if redecoding.differing:
        say(f"{redecoding.differing} tweets as trained are decoded otherwise than in the run: {chosen}")
    title = f"ESD share {esd_share:g}, conversion {conversion}"
    if change.row is not None:
        out.print(comparison_table(f"{found.name}: {chosen} against itself as trained", {title: change.row}))
    out.print(f"{len(change.tweets)} of {found.info.tweets} tweets have other entities", highlight=False)
    if json_out:
        write_json(
            json_out, {"run": chosen, "esd_share": esd_share, "conversion": conversion, **_values(found, change)}
        )


def _changeable(found: PredictionSet, run: str | None) -> tuple[str, SetEmissions]:
    """The run that is asked for, or the only one that can be changed, with its scores."""
    from umt_core.explain.emissions import set_emissions

    runs = [run] if run else list(found.runs)
    kept = {of: emissions for of in runs if (emissions := set_emissions(found, of)) is not None}
    able = [of for of, emissions in kept.items() if emissions.can_change or run]
    if len(able) != 1:
        got = f"several, say which by --run: {', '.join(able)}" if able else f"none: run `sets emissions {found.name}`"
        raise DataError(f"{found.name}: wanted one run with kept scores and a conversion matrix, got {got}")
    return able[0], kept[able[0]]


def _values(found: PredictionSet, change: Change) -> dict[str, Any]:
    """For JSON: the figures, and the entities of the tweets that have changed."""
    ids = found.column(f"SELECT id FROM {found.table('tweets')} ORDER BY tweet")
    tweets = [
        {
            "id": str(ids[of.tweet]),
            "before": [asdict(span) for span in of.before],
            "after": [asdict(span) for span in of.after],
            "outcomes": [{"outcome": entry.outcome, **asdict(entry.span)} for entry in of.entries],
        }
        for of in change.tweets
    ]
    return {"comparison": change.row, "tweets": tweets}
