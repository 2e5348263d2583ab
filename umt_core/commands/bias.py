"""``sets bias``: how often another tweet's picture changes what a tagger says, over a whole prediction set."""

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
from umt_core.errors import CheckpointError

if TYPE_CHECKING:
    from umt_core.analysis.significance import Interval
    from umt_core.explain.bias import Bias, Rate


def bias(
    name: SetName,
    run: Annotated[list[str] | None, typer.Option(help="<dataset>/<system>. Give several; by default all.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Whose answers fixed and broken are held against; by default bert-crf's.")
    ] = None,
    pictures: Annotated[int, typer.Option(help="Of other tweets, beside each tweet.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="They are drawn by.", min=0)] = 0,
    device: Device = "auto",
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """How often a foreign picture changes the answer, by type and by outcome. A stopped run goes on where it was."""
    from umt_core.analysis.before_after import gold_by_tweet, spans_by_tweet
    from umt_core.analysis.browse import resolve
    from umt_core.analysis.query import Query
    from umt_core.analysis.sets import find_set
    from umt_core.explain.bias import bias_json, read_bias
    from umt_core.explain.keep_bias import keep_bias

    if json_out:
        check_place(json_out)
    found = find_set(name)
    runs = run or [of for of, info in found.runs.items() if not info.folds]
    against = resolve(found, Query(baseline=baseline or "")).baseline
    gold = gold_by_tweet(found)
    before = spans_by_tweet(found, found.table("spans", against))
    values = {}
    for of in runs:
        kept = read_bias(found, of)
        if kept is None or (kept.pictures, kept.seed) != (pictures, seed):
            try:
                with progress_bar() as bar:
                    keep_bias(found, of, pictures=pictures, seed=seed, device=device, progress=reporter(bar))
            except CheckpointError as error:
                if run:
                    raise
                say(f"{of}: left out; {error}")  # its tagger has been retrained or removed; the others can be asked
                continue
            kept = read_bias(found, of)
        if kept is None:  # just written: somebody has exchanged the run meanwhile
            continue
        values[of] = bias_json(kept, gold, before)
        out.print(_table(f"{found.name}: {of}, {kept.pictures} foreign pictures a tweet", kept))
        if against != of:
            out.print(_outcomes(f"{of} against {against}", kept.by_outcome(gold, before)))
    say_pictures(found)
    if json_out:
        write_json(json_out, {"set": found.name, "baseline": against, "runs": values})


def _table(title: str, kept: Bias) -> TextTable:
    table = TextTable(
        "entities found", "count", "gone: foreign", "gone: no picture", "change of probability", title=title
    )
    for rate in kept.by_type():
        shift = "" if rate.shift is None else _percent(rate.shift)
        table.add_row(rate.group, str(rate.count), _percent(rate.foreign), _percent(rate.none), shift)
    changes = kept.changes
    table.add_row("tweets (any change)", str(changes.count), _percent(changes.foreign), _percent(changes.none), "")
    return table


def _outcomes(title: str, rates: list[Rate]) -> TextTable:
    from umt_core.explain.bias import FLIPS

    table = TextTable("outcome", "count", "what a foreign picture does", "how often", "no picture", title=title)
    for rate in rates:
        means = FLIPS[rate.group].removesuffix(" beside a foreign picture")
        table.add_row(rate.group, str(rate.count), means, _percent(rate.foreign), _percent(rate.none))
    return table


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.2f} % ({100 * share.low:.2f} to {100 * share.high:.2f})"
