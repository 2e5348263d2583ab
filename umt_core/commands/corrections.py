"""``corrections``: what people did to labels, and its way in and out."""

from __future__ import annotations

import typer

from umt_core.commands import exchange, queues, store

corrections_app = typer.Typer(
    no_args_is_help=True, help="Corrected labels: what was done, undo and redo, to other tools and back."
)
corrections_app.command("export")(exchange.export_corrections)
corrections_app.command("import")(exchange.import_corrections)
corrections_app.command("queue")(queues.queue)
corrections_app.command("agreement")(queues.agreement)
corrections_app.command("list")(store.list_events)
corrections_app.command("history")(store.history)
corrections_app.command("undo")(store.undo)
corrections_app.command("redo")(store.redo)
corrections_app.command("verify")(store.verify)
corrections_app.command("backup")(store.backup)
