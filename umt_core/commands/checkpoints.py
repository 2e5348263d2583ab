"""``checkpoints``: list and show them, and choose which version of a tagger is served."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from umt_core.commands.console import TextTable, out, say
from umt_core.errors import CheckpointError

if TYPE_CHECKING:
    from umt_core.manifest import Manifest

app = typer.Typer(no_args_is_help=True, help="List and show checkpoints, and choose which version is served.")

Family = Annotated[str, typer.Argument(metavar="FAMILY", help="<dataset>/<system>")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="<dataset>/<system>@<version>")]
Author = Annotated[str, typer.Option(envvar="UMT_AUTHOR", help="Who does it; by default the user of this machine.")]


@app.command("list")
def list_() -> None:
    """The checkpoint that is served of each family, with its F1."""
    from umt_core.registry import checkpoints, checkpoints_folder, complaints

    table = TextTable(
        "checkpoint", "version", "text encoder", "pictures", "dev F1", "test F1", title=str(checkpoints_folder())
    )
    for info in checkpoints():
        m = info.manifest
        table.add_row(info.name, info.version, m.model.text_encoder, m.images, *_figures(m.scores))
    out.print(table)
    for line in [*complaints(), *_lacking(info.manifest for info in checkpoints())]:
        say(line)


def _lacking(manifests: Iterable[Manifest]) -> list[str]:
    """A line for each encoder that is not installed."""
    from umt_core.encoders.needs import lacking

    return list(dict.fromkeys(line for manifest in manifests if (line := lacking(manifest.model))))


@app.command()
def show(name: Annotated[str, typer.Argument(help="<dataset>/<system>, with @<version> for one of them.")]) -> None:
    """A checkpoint's manifest and what it needs to be read, as JSON."""
    from umt_core.registry import find_checkpoint

    print(find_checkpoint(name).manifest.to_json(), end="")


@app.command()
def versions(
    family: Annotated[str, typer.Argument(metavar="[FAMILY]", help="<dataset>/<system>; by default all.")] = "",
) -> None:
    """All versions: the original, and what was retrained from it."""
    from umt_core.registry import Damaged, check_family, complaints, families, served, survey

    table = TextTable("version", "served", "made", "parent", "corrections", "dev F1", "test F1")
    damaged = []
    for name in [check_family(family)] if family else families():
        try:
            now = served(name).version
        except CheckpointError:
            now = ""
        for found in survey(name):
            if isinstance(found, Damaged):
                damaged.append(found.why)
                continue
            m = found.manifest
            tweets = str((m.corrections or {}).get("tweets", ""))
            parent = (m.parent or {}).get("name", m.init or "")
            is_served = "served" if found.version == now else ""
            table.add_row(found.name, is_served, m.created, parent, tweets, *_figures(m.scores))
    out.print(table)
    for line in [*damaged, *complaints()]:
        say(line)


@app.command()
def promote(name: Version, author: Author = "") -> None:
    """Serve a version under its family's plain name from now on; a running app turns to it at the next request."""
    from umt_core.versions import promote

    _say_served(promote(name, author or _user()))


@app.command()
def rollback(family: Family, author: Author = "") -> None:
    """Serve again what was served before; again and again, down to the original."""
    from umt_core.versions import roll_back

    _say_served(roll_back(family, author or _user()))


@app.command()
def rename(
    name: Version, new: Annotated[str, typer.Argument(help="The version's new name.")], author: Author = ""
) -> None:
    """Give a retrained version another name."""
    from umt_core.versions import rename

    out.print(f"{name} is {rename(name, new, author or _user()).name} now", markup=False, highlight=False)


@app.command()
def remove(name: Version, author: Author = "") -> None:
    """Remove a retrained version for good. One that is served stays."""
    from umt_core.versions import remove

    remove(name, author or _user())
    out.print(f"{name} is removed", markup=False, highlight=False)


@app.command()
def log(
    family: Annotated[str, typer.Argument(metavar="[FAMILY]", help="<dataset>/<system>; by default all.")] = "",
) -> None:
    """Who promoted, rolled back, renamed and removed what."""
    from umt_core.promotions import records
    from umt_core.registry import check_family

    table = TextTable("time", "author", "action", "version", "before")
    for record in records():
        if record.family == check_family(family or record.family):
            table.add_row(record.time, record.author, record.action, f"{record.family}@{record.version}", record.before)
    out.print(table)


def _figures(scores: dict[str, Any]) -> list[str]:
    return [f"{100 * scores[split]['f1']:.2f}" if split in scores else "" for split in ("valid", "test")]


def _say_served(info: Any) -> None:
    out.print(f"{info.name} is its version {info.version} now", markup=False, highlight=False)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
