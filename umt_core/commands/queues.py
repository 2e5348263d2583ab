"""``corrections queue`` and ``corrections agreement``: what to look at next, and how far people agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from umt_core.commands.console import Device, TextTable, check_place, out, pairs, progress_bar, reporter, say
from umt_core.commands.exchange import DataOption, StoreOption
from umt_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from umt_core.analysis.sets import PredictionSet
    from umt_core.corrections.queues import Queue
    from umt_core.corrections.second_opinion import Agreement, Case
    from umt_core.corrections.store import Store

JsonlOption = Annotated[
    Path | None, typer.Option("--jsonl", help="File to write the tweets to, one JSON object a line.")
]

# Of ``corrections.queues.QUEUES``, which imports too much for a command's help.
NAMES = (
    "browser, disagreement, least-certain-word, least-certain-span, label-errors, label-errors-cleanlab, random, "
    "uploads or second-opinion"
)


def queue(
    name: Annotated[str, typer.Argument(metavar="QUEUE", help=NAMES)],
    data: DataOption,
    author: Annotated[str, typer.Option(help="For whom it is; second-opinion needs one.")] = "",
    store: StoreOption = None,
    run: Annotated[list[str] | None, typer.Option(help="Whose predictions count; as `sets list` has them.")] = None,
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="Of the browser: NAME=VALUE as in its links.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the queue random: draws its order.")] = 0,
    limit: Annotated[int, typer.Option(help="Tweets at most.", min=1)] = 25,
    answered: Annotated[bool, typer.Option(help="Those that are answered too, last.")] = False,
    jsonl: JsonlOption = None,
    device: Device = "auto",
) -> None:
    """The tweets that a person should look at first, and why."""
    from umt_core.analysis.query import Query
    from umt_core.corrections.queues import QUEUES, build_queue
    from umt_core.data.datasets import find_split
    from umt_core.data.jsonl import read_examples

    params = pairs(filter_ or [], "--filter")
    if unknown := sorted(params.keys() - Query.__dataclass_fields__.keys()):
        raise ConfigError(f"--filter: unknown filter {unknown}; known: {list(Query.__dataclass_fields__)}")
    if jsonl:
        check_place(jsonl)
    title, source = find_split(data)
    found = _predictions_of(title)
    if found and name in QUEUES and QUEUES[name].marginals:
        _keep_marginals(found, run or [], device)
    with ExitStack() as stack:
        built = build_queue(
            name,
            found,
            [example.id for example in read_examples(source)],
            _opened(stack, store),
            data=title,
            query=Query.from_params(params),
            author=author,
            seed=seed,
            runs=run or (),
            answered=answered,
            limit=limit,
        )
    for line in built.notes:
        say(line)
    if jsonl:
        _write_lines(jsonl, [asdict(item) for item in built.items])
    else:
        out.print(_queue_table(built))


def agreement(
    data: DataOption,
    store: StoreOption = None,
    undecided: Annotated[bool, typer.Option(help="List the tweets that are to be decided, too.")] = False,
    jsonl: Annotated[
        Path | None, typer.Option("--jsonl", help="File for these tweets, one JSON object a line.")
    ] = None,
) -> None:
    """How far the people who labelled the same tweets agree: Cohen's kappa on tokens, and F1 of spans."""
    from umt_core.corrections.events import TweetKey
    from umt_core.corrections.second_opinion import agreements, answers, cases
    from umt_core.data.datasets import find_split
    from umt_core.data.jsonl import read_examples

    if jsonl:
        check_place(jsonl)
    title, source = find_split(data)
    lengths = {TweetKey(title, example.id): len(example.tokens) for example in read_examples(source)}
    with ExitStack() as stack:
        opened = _opened(stack, store)
        found = agreements(answers(opened, title), lengths) if opened else []
        differing = cases(opened, title) if opened else []
    out.print(_agreement_table(title, found))
    open_cases = sum(case.decision is None for case in differing)
    out.print(f"{len(differing)} tweets on which people differ, {open_cases} of them undecided", highlight=False)
    if jsonl:
        _write_lines(jsonl, [_case_row(case) for case in differing])
    elif undecided:
        out.print(_case_table(differing))


def _predictions_of(name: str) -> PredictionSet | None:
    from umt_core.analysis.sets import find_set

    try:
        return find_set(name)
    except DataError:
        return None  # a queue that wants predictions says so


def _keep_marginals(found: PredictionSet, runs: Sequence[str], device: str) -> None:
    from umt_core.analysis.run_set import keep_marginals
    from umt_core.corrections.queues import default_runs

    with progress_bar() as bar:
        keep_marginals(found, runs or default_runs(found), device=device, progress=reporter(bar))


def _opened(stack: ExitStack, url: str | None) -> Store | None:
    """The store, only to read; ``None``: it is the app's own, and nobody has stored anything yet."""
    from umt_core.corrections.store import Store, is_unbegun

    return None if is_unbegun(url) else stack.enter_context(Store(url, read_only=True))


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    from umt_core.data.files import write_pieces

    write_pieces(path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    say(f"{len(rows)} tweets written to {path}")


def _queue_table(built: Queue) -> TextTable:
    left = built.total - built.answered
    table = TextTable("tweet", "score", "why", title=f"{built.name} of {built.data}: {left} of {built.total} to do")
    for item in built.items:
        score = "" if item.score is None else f"{item.score:.3f}"
        table.add_row(item.tweet, score, ("answered; " if item.answered else "") + item.reason)
    return table


def _agreement_table(title: str, found: Sequence[Agreement]) -> TextTable:
    columns = ("first", "second", "tweets", "alike", "tokens", "kappa", "F1 of spans")
    table = TextTable(*columns, title=f"agreement on {title}")
    for row in found:
        kappa = "not defined" if row.kappa is None else f"{row.kappa:.3f}"
        counts = (str(count) for count in (row.tweets, row.alike, row.tokens))
        table.add_row(row.first, row.second, *counts, kappa, f"{100 * row.spans.overall.f1:.2f}")
    return table


def _case_table(found: Sequence[Case]) -> TextTable:
    table = TextTable("tweet", "answers", title="undecided")
    for case in found:
        if case.decision is None:
            told = "; ".join(
                f"{a.author}: {', '.join(f'{s.label} {s.start}-{s.end}' for s in a.spans) or 'nothing'}"
                for a in case.answers
            )
            table.add_row(case.key.tweet, told)
    return table


def _case_row(case: Case) -> dict[str, Any]:
    answers = {answer.author: [asdict(span) for span in answer.spans] for answer in case.answers}
    decision = case.decision and {"author": case.decision.author, "spans": [asdict(s) for s in case.decision.spans]}
    return {"tweet": case.key.tweet, "answers": answers, "decision": decision}
