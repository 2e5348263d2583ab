"""``serve``: the taggers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from umt_core.commands.console import Device, out, say
from umt_core.service.limits import REQUESTS_A_MINUTE

TokenFile = Annotated[
    Path | None, typer.Option(help="Whose tokens may ask; without it, anybody on this machine.", show_default=False)
]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; one that others reach wants --token-file.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")] = 8800,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="<dataset>/<system>. Give several; by default all that are there.")
    ] = None,
    token_file: TokenFile = None,
    new_token: Annotated[
        str, typer.Option(metavar="NAME", help="Make a token of this name, show it once, and serve nothing.")
    ] = "",
    rate: Annotated[float, typer.Option(min=0, help="Requests a minute of each token or address; 0: no bound.")] = (
        REQUESTS_A_MINUTE
    ),
    device: Device = "auto",
) -> None:
    """Answer over HTTP: predict, compare, explain (docs/serving.md). SIGTERM and Ctrl-C end it in good order."""
    if new_token:
        from umt_core.service.tokens import default_file
        from umt_core.service.tokens import new_token as make_token

        path = token_file or default_file()
        out.print(make_token(path, new_token), markup=False, highlight=False)
        say(f"its hash is in {path}; the token itself is shown this once")
        return
    from umt_core.service.server import serve as run

    run(host, port, checkpoint or [], device, token_file, rate, say)
