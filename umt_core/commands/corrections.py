"""``corrections``: what people did to labels, and its way in and out."""

from __future__ import annotations

import typer

from umt_core.commands import exchange, queues

corrections_app = typer.Typer(
    no_args_is_help=True, help="Corrected labels: write them for other tools, read them back."
)
corrections_app.command("export")(exchange.export_corrections)
corrections_app.command("import")(exchange.import_corrections)
corrections_app.command("queue")(queues.queue)
corrections_app.command("agreement")(queues.agreement)
