"""``backup``: people's work into one file, and out of it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import advance, out, progress_bar
from umt_core.commands.exchange import StoreOption

if TYPE_CHECKING:
    from umt_core.backup import Contents

app = typer.Typer(
    no_args_is_help=True, help="Corrections, own data sets, retrained checkpoints and users in one file, and back."
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup, .tar")]


@app.command()
def create(
    output: Annotated[Path, typer.Option(help="The file to write, .tar; it must be new.")], store: StoreOption = None
) -> None:
    """Write a backup, while the app is in use."""
    from umt_core.backup import back_up

    with progress_bar() as bar:
        contents = back_up(output, store, progress=advance(bar, bar.add_task("files")))
    _tell(f"{output}: written,", contents)


@app.command()
def verify(file: File) -> None:
    """Read a backup through, and hold each file against its sum."""
    from umt_core.backup import check_backup

    _tell(f"{file}: sound,", check_backup(file))


@app.command()
def restore(file: File, store: StoreOption = None) -> None:
    """Put a backup's work into UMT_HOME and the store, where there is none yet."""
    from umt_core.backup import restore as put_back
    from umt_core.data.files import home_dir

    _tell(f"{home_dir()}: restored,", put_back(file, store))


def _tell(what: str, contents: Contents) -> None:
    held = f"{contents.events:,} events, {len(contents.files):,} files, {contents.bytes / 2**20:,.1f} MiB"
    out.print(f"{what} {held}, of {contents.created}", markup=False, highlight=False)
