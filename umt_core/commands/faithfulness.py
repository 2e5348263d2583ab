"""``sets faithfulness``: whether any map of a run says what the tagger does, over a sample of a set."""

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
    from umt_core.explain.faithfulness import MapFaithfulness


def faithfulness(
    name: SetName,
    run: Annotated[
        list[str] | None, typer.Option(help="<dataset>/<system>. Give several; by default all that look at pictures.")
    ] = None,
    tweets: Annotated[int, typer.Option(help="Sampled, of those with a picture and an entity.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="They are drawn by.", min=0)] = 0,
    device: Device = "auto",
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """Hold each attention map, and integrated gradients, against occlusion. A stopped run goes on where it was."""
    from umt_core.analysis.sets import find_set
    from umt_core.explain.faithfulness import KIND, MATTERS, faithfulness_json, summarise, verdict
    from umt_core.explain.keep_faithfulness import keep_faithfulness
    from umt_core.explain.kept import about_kept, looking_runs, read_kept

    if json_out:
        check_place(json_out)
    found = find_set(name)
    values = {}
    for line in () if run else found.changed().values():
        say(f"left out: {line}")
    for of in run or looking_runs(found):
        kept = read_kept(found, of, KIND)
        if kept is None or about_kept(kept) != {"tweets": str(tweets), "seed": str(seed)}:
            with progress_bar() as bar:
                keep_faithfulness(found, of, tweets=tweets, seed=seed, device=device, progress=reporter(bar))
            kept = read_kept(found, of, KIND)
        if kept is None:  # just written: somebody has exchanged the run meanwhile
            continue
        values[of] = faithfulness_json(kept, about_kept(kept))
        summary = summarise(kept)
        out.print(_table(f"{found.name}: {of}, seed {seed}", summary))
        say(f"{of}: {verdict(summary)}")
        say(f"{of}, where a block moves the score by {MATTERS} and more: {verdict(summarise(kept, MATTERS))}")
    say_pictures(found)
    if json_out:
        write_json(json_out, {"set": found.name, "runs": values})


def _table(title: str, rows: list[MapFaithfulness]) -> TextTable:
    table = TextTable("map", "spans", "rho (95 %)", "quartiles", "area below random", title=title)
    for row in rows:
        quartiles = " ".join(f"{value:+.2f}" for value in row.quartiles)
        area = "" if row.area is None else f"{row.area.value:+.3f} ({row.area.low:+.3f} to {row.area.high:+.3f})"
        rho = f"{row.rho.value:+.2f} ({row.rho.low:+.2f} to {row.rho.high:+.2f})"
        table.add_row(row.title, str(row.spans), rho, quartiles, area)
    return table
