"""``corrections export`` and ``corrections import``: labels in the forms of other tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import check_place, out, say
from umt_core.errors import DataError

if TYPE_CHECKING:
    from umt_core.corrections.events import Labels, TweetKey
    from umt_core.corrections.exchange.merge import Plan
    from umt_core.corrections.exchange.patch import Change
    from umt_core.corrections.exchange.rows import Problem, Row
    from umt_core.schema import Example

PATCH = "patch"
CONLL_SUFFIXES = (".txt", ".conll")
_LISTED = 50  # problems and conflicts of an import that are shown; the rest is counted
_FORMS = "conll, jsonl, csv, hf (a folder), spacy, label-studio, brat (a folder or .zip) or patch"

StoreOption = Annotated[str | None, typer.Option(help="URL of the store; by default $UMT_STORE, else the app's own.")]
DataOption = Annotated[str, typer.Option(help="The data set: <data set>/<split>, or its file.")]


def export_corrections(
    data: DataOption,
    output: Annotated[Path, typer.Option(help="File or folder to write.")],
    form: Annotated[str, typer.Option("--format", help=_FORMS)],
    store: StoreOption = None,
    template: Annotated[
        Path | None, typer.Option(help="CoNLL file to write again, where the data set itself is kept in another form.")
    ] = None,
) -> None:
    """Write a data set with its corrected labels. As CoNLL, tweets that nobody touched keep their bytes."""
    from umt_core.corrections.exchange import FORMS, corrected
    from umt_core.corrections.store import Store, is_unbegun
    from umt_core.data.datasets import find_split
    from umt_core.data.jsonl import read_examples

    name, source = find_split(data)
    if form not in (*FORMS, PATCH):
        raise DataError(f"--format: wanted {', '.join([*FORMS, PATCH])}, got {form!r}")
    if template is not None and form != "conll":
        raise DataError(f"--template: wanted --format conll with it, got {form}")
    if output.exists() and any(output.samefile(file) for file in (source, template) if file):
        raise DataError(f"{output}: wanted a place beside the data set, got the data set itself")
    if template is None and source.suffix.lower() in CONLL_SUFFIXES:
        template = source
    if form == PATCH or not FORMS[form].folder:
        check_place(output)
    examples = read_examples(source)
    last = 0
    labels: dict[str, Labels] = {}
    if not is_unbegun(store):
        with Store(store, read_only=True) as opened:
            # First the number: what is stored meanwhile is then in the file, and counts as new on the way back.
            last = opened.last()
            labels = _of_tweets(opened.current(name), examples)
    after = corrected(examples, labels)
    if form == "conll" and template is not None:
        _write_again(output, template, after)
    else:
        _write(output, form, name, source, examples, after)
    changed = sum(a.spans != b.spans for a, b in zip(examples, after, strict=True))
    done = f"{len(examples)} tweets of {name}, {changed} of them with other labels than the data set's own,"
    out.print(f"{done} written to {output} after event {last}", markup=False, highlight=False)


def _of_tweets(current: Mapping[TweetKey, Labels], examples: list[Example]) -> dict[str, Labels]:
    """Labels by tweet id, of those that are there."""
    here = {example.id for example in examples}
    if gone := sorted(key.tweet for key in current if key.tweet not in here):
        say(f"{len(gone)} corrected tweets are not in the data set any more and are left out, as {gone[0]!r}")
    return {key.tweet: labels for key, labels in current.items() if key.tweet in here}


def _write_again(output: Path, template: Path, after: list[Example]) -> None:
    """Writes a CoNLL file with the labels of these tweets, its bytes where it has them already."""
    from umt_core.corrections.exchange.conll import write_corrected
    from umt_core.data.conll import read_conll

    labels = {example.id: example.spans for example in after}
    there = {example.id: example.spans for example in read_conll(template)}
    if missing := next((name for name in labels if name not in there), None):
        raise DataError(f"{template}: wanted the tweets of the data set, got none with the id {missing!r}")
    changed = {name: spans for name, spans in labels.items() if spans is not None and spans != there[name]}
    write_corrected(output, template, changed)


def _write(output: Path, form: str, name: str, source: Path, before: list[Example], after: list[Example]) -> None:
    from umt_core.corrections.exchange import write_tweets
    from umt_core.corrections.exchange.patch import write_patch
    from umt_core.manifest import file_sum

    if form == PATCH:
        write_patch(output, name, file_sum(source), zip(before, after, strict=True))
    else:
        write_tweets(output, after, form, split=name.rpartition("/")[2])


def import_corrections(
    data: DataOption,
    input: Annotated[Path, typer.Option(help="File or folder to read.")],
    form: Annotated[str, typer.Option("--format", help=_FORMS)],
    store: StoreOption = None,
    author: Annotated[str, typer.Option(help="Who the labels are of.")] = "import",
    bio: Annotated[
        str,
        typer.Option(help="Tweets with tags out of order, unknown labels or half words: refuse or repair."),
    ] = "refuse",
    base: Annotated[
        int | None, typer.Option(help="The event that the export said it was written after; else the data set's own.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Where both sides changed a tweet, take the file's labels.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be stored, and store nothing.")] = False,
) -> None:
    """Store the labels of a file that differ from those that stand: all in one step, or none.

    A tweet that was changed in the file and in the store since is a conflict: it is listed and left as it stands.
    """
    from umt_core.corrections.exchange.merge import labels_at, plan_import
    from umt_core.corrections.store import Store
    from umt_core.data.datasets import find_split
    from umt_core.data.jsonl import read_examples
    from umt_core.manifest import file_sum

    if bio not in ("refuse", "repair"):
        raise DataError(f"--bio: wanted refuse or repair, got {bio!r}")
    name, source = find_split(data)
    examples = {example.id: example for example in read_examples(source)}
    with Store(store, read_only=dry_run) as opened:
        plan = plan_import(
            _rows(input, form, bio, name, source, examples),
            name,
            examples,
            opened.current(name),
            author=author,
            reason=f"import of {input.name}",
            base=None if base is None else labels_at(opened.events(data=name), base),
            overwrite=overwrite,
        )
        if not dry_run and plan.edits:
            opened.append_all(plan.edits)
            opened.remember_data(name, file_sum(source))
    _report(plan, dry_run)


def _rows(
    path: Path, form: str, bio: str, name: str, source: Path, examples: Mapping[str, Example]
) -> Iterator[Row | Change | Problem]:
    from umt_core.corrections.exchange import FORMS, located_rows
    from umt_core.corrections.exchange.patch import read_patch
    from umt_core.manifest import file_sum

    if form == PATCH:
        return read_patch(path, name, file_sum(source))
    if form not in FORMS:
        raise DataError(f"--format: wanted {', '.join([*FORMS, PATCH])}, got {form!r}")
    return located_rows(path, form, bio=bio, known=examples)


def _report(plan: Plan, dry_run: bool) -> None:
    _list([f"{problem}{' (repaired)' if problem.mended else ''}" for problem in plan.problems])
    _list(map(str, plan.conflicts))
    left = sum(not problem.mended for problem in plan.problems)
    stored = "would be stored" if dry_run else "stored"
    told = f"{len(plan.edits)} tweets {stored}, {plan.same} say what stands, {plan.older} are older than what stands"
    out.print(f"{told}, {len(plan.conflicts)} conflicts, {left} left out", markup=False, highlight=False)


def _list(lines: Iterable[str]) -> None:
    lines = list(lines)
    for line in lines[:_LISTED]:
        say(line)
    if len(lines) > _LISTED:
        say(f"… and {len(lines) - _LISTED} more like these")
