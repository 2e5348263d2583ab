"""``relevance``, ``sets relevance`` and ``sets router``: does the picture fit the tweet, and does it pay to know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import Device, TextTable, check_place, out, progress_bar, reporter, say, write_json
from umt_core.commands.training import Interrupts, Stopped
from umt_core.errors import ConfigError

if TYPE_CHECKING:
    from umt_core.analysis.significance import Interval, PairedTest
    from umt_core.explain.relevance import Source
    from umt_core.explain.router import Pair, Part, Routed

relevance_app = typer.Typer(no_args_is_help=True, help="Does the picture fit the tweet? Learned without labels.")

ModelOption = Annotated[
    Path | None, typer.Option("--model", help="Folder that `relevance train` made; by default the one in UMT_HOME.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")]


@relevance_app.command()
def train(
    data: Annotated[list[Path], typer.Option(help="Tweets, labelled or not: .jsonl or CoNLL .txt. Give several.")],
    images: Annotated[list[Path], typer.Option(help="Pictures of each --data, in the same order.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder for the result; by default the one in UMT_HOME, which the app takes.")
    ] = None,
    valid: Annotated[
        Path | None, typer.Option(help="Tweets to choose the epoch by; by default one picture in ten of --data.")
    ] = None,
    valid_images: Annotated[Path | None, typer.Option(help="Their pictures.")] = None,
    text_encoder: Annotated[
        str, typer.Option(help="minilm, mpnet-base, bert-base-cased, a hub id, a folder")
    ] = "minilm",
    vision_encoder: Annotated[str, typer.Option(help="efficientnet-lite0 or resnet152")] = "efficientnet-lite0",
    about_images: Annotated[str, typer.Option(help="What the pictures are, e.g. 'stand-in photographs'.")] = "",
    seed: Annotated[int, typer.Option(help="Draws the tweets held out, other tweets' pictures, and weights.")] = 0,
    device: Device = "auto",
) -> None:
    """Learn which picture belongs to which tweet, from tweets with pictures."""
    from umt_core.explain.relevance import train_relevance
    from umt_core.explain.relevance_info import FitSettings, relevance_folder

    sources = _sources(data, images)
    if (valid is None) != (valid_images is None):
        raise ConfigError("wanted --valid and --valid-images together, got one of them")
    dev = None if valid is None or valid_images is None else _sources([valid], [valid_images])[0]
    folder = output or relevance_folder()
    with progress_bar() as bar, Interrupts() as interrupted:
        report = reporter(bar)

        def watch(epoch: int, epochs: int, beats: float) -> bool:
            report("epochs", epoch, epochs)
            return interrupted()

        info = train_relevance(
            sources,
            folder,
            valid=dev,
            settings=FitSettings(seed=seed),
            text_encoder=text_encoder,
            vision_encoder=vision_encoder,
            about_images=about_images,
            device=device,
            progress=report,
            watch=watch,
        )
    if info is None:
        raise Stopped("stopped; nothing was written")
    tweets = sum(part["tweets"] for part in info.data)
    out.print(
        f"{folder}: of {tweets:,} tweets, epoch {info.epoch}; a dev tweet's own picture beats {100 * info.beats:.1f} %"
        " of the others (chance: 50 %)",
        markup=False,
        highlight=False,
    )


@relevance_app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="Tweets, labelled or not: .jsonl or CoNLL .txt.")],
    images: Annotated[Path, typer.Option(help="Their pictures.")],
    model: ModelOption = None,
    json_out: JsonOption = None,
    device: Device = "auto",
) -> None:
    """How often a tweet's own picture beats those of other tweets of the same file; chance is 50 %."""
    from umt_core.explain.relevance import Relevance, retrieval

    if json_out:
        check_place(json_out)
    relevance = Relevance.load(model, device)
    with progress_bar() as bar:
        found = retrieval(relevance, _sources([data], [images])[0], progress=reporter(bar))
    table = TextTable(
        "", "own picture beats another", title=f"{data}: {found.tweets:,} tweets, {found.pictures:,} pictures"
    )
    table.add_row("tweets with their own pictures", _interval(found.beats))
    table.add_row("each with another's (check)", f"{100 * found.shuffled:.1f}")
    table.add_row("chance", "50.0")
    out.print(table)
    if json_out:
        write_json(json_out, found.to_dict())


def sets_relevance(
    name: Annotated[str, typer.Argument(metavar="SET", help="As `sets list` has it: <dataset>/<split>.")],
    model: ModelOption = None,
    device: Device = "auto",
) -> None:
    """Score how well the picture of each tweet of a prediction set fits it, and keep that beside the set."""
    from umt_core.analysis.sets import find_set
    from umt_core.explain.relevance import keep_relevance
    from umt_core.explain.router import read_relevance

    found = find_set(name)
    with progress_bar() as bar:
        path = keep_relevance(found, model=model, device=device, progress=reporter(bar))
    kept = read_relevance(found)
    scored = 0 if kept is None else kept.num_rows - kept["relevance"].null_count
    out.print(f"{found.name}: {scored:,} of {found.info.tweets:,} tweets, in {path}", markup=False, highlight=False)


def sets_router(
    test: Annotated[str, typer.Argument(metavar="SET", help="What figures are of: <dataset>/<split>.")],
    dev: Annotated[str, typer.Option(help="Set that chooses the threshold, with the same runs.")],
    baseline: Annotated[str, typer.Option(help="Run to fall back to; by default BERT-CRF's.")] = "",
    system: Annotated[str, typer.Option(help="Run that looks at pictures; by default UMT's.")] = "",
    json_out: JsonOption = None,
) -> None:
    """Fall back to a text-only system where the picture does not fit: what that gains, and what an oracle would."""
    from umt_core.analysis.browse import resolve
    from umt_core.analysis.query import Query
    from umt_core.analysis.sets import find_set
    from umt_core.explain.router import by_relevance, read_pair, route, trend

    if json_out:
        check_place(json_out)
    judged, choosing = find_set(test), find_set(dev)
    query = resolve(judged, Query(baseline=baseline, system=system))
    pairs = [read_pair(found, query.baseline, query.system) for found in (choosing, judged)]
    routed, parts, found = route(*pairs), by_relevance(pairs[1]), trend(pairs[1])
    out.print(_parts_table(judged.name, pairs[1], parts))
    say(
        f"relevance and fixed less broken: Spearman {found.correlation:+.3f}, p {found.p:.3f}, {found.tweets:,} tweets"
        " with a picture and an entity"
    )
    out.print(_router_table(judged.name, routed))
    if json_out:
        values = {"router": routed.to_dict(), "by_relevance": [part.to_dict() for part in parts]}
        write_json(json_out, values | {"trend": found.to_dict()})


def _sources(data: Sequence[Path], images: Sequence[Path]) -> list[Source]:
    from umt_core.explain.relevance import Source

    if len(data) != len(images):
        raise ConfigError(f"wanted --images for each --data, got {len(images)} for {len(data)}")
    return [Source(*both) for both in zip(data, images, strict=True)]


def _parts_table(name: str, pair: Pair, parts: Sequence[Part]) -> TextTable:
    title = f"{name}: {pair.system} against {pair.baseline} by relevance"
    table = TextTable(
        "relevance", "tweets", "fixed", "broken", "baseline F1", "system F1", "difference", "p", title=title
    )
    for part in parts:
        where = "no picture" if part.low is None else f"{part.low:.2f} to {part.high:.2f}"
        figures = (f"{100 * part.baseline:.2f}", f"{100 * part.system:.2f}", _interval(part.test.difference, "+.2f"))
        lines = (str(part.tweets), str(part.outcomes["fixed"]), str(part.outcomes["broken"]))
        table.add_row(where, *lines, *figures, f"{part.test.p_randomisation:.3f}")
    return table


def _router_table(name: str, routed: Routed) -> TextTable:
    table = TextTable("", "dev F1", "test F1", title=f"{name}: a router whose threshold dev has chosen")
    names = {"baseline": routed.baseline, "system": routed.system, "router": "router", "oracle": "oracle router"}
    for key, shown in names.items():
        table.add_row(shown, f"{100 * routed.dev[key]:.2f}", _interval(routed.test[key], ".2f"))
    table.add_row("routers by other tweets' relevance", "", _interval(routed.shuffled, ".2f"))
    table.caption = (
        f"{_rule(routed)} ({100 * routed.to_system['test']:.1f} % of test tweets)\n"
        f"router - system {_test(routed.against_system)}; router - baseline {_test(routed.against_baseline)}\n"
        f"a router by other tweets' relevance is as good with p {routed.p_shuffled:.3f}"
    )
    return table


def _rule(routed: Routed) -> str:
    if not 0 <= routed.threshold <= 1:
        return f"the router takes the {'system' if routed.threshold < 0 else 'baseline'}'s answer always"
    return f"the router takes the system's answer from relevance {routed.threshold:.3f} on"


def _test(test: PairedTest) -> str:
    return f"{_interval(test.difference, '+.2f')}, p {test.p_randomisation:.3f}"


def _interval(value: Interval, form: str = ".1f") -> str:
    """In percent."""
    return f"{100 * value.value:{form}} ({100 * value.low:{form}} to {100 * value.high:{form}})"
