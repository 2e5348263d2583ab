"""How commands speak: tables and lines are text, whatever people wrote into it."""

from __future__ import annotations

import io

from rich.console import Console

from umt_core.commands.console import TextTable


def test_a_table_shows_what_people_wrote_as_it_is():
    """Brackets are no markup: an odd one ended a whole list, and words in them were left out. No terminal obeys it."""
    table = TextTable("job [/x]", "line", title="/home/[draft]")
    table.add_row("[/]", "RuntimeError: [/pytorch/third_party] connection closed")
    table.add_row("[bold]b[/bold]", "\x1b[31mred")
    shown = io.StringIO()
    Console(file=shown, width=160, force_terminal=True, color_system=None).print(table)
    for text in ("job [/x]", "/home/[draft]", "[/pytorch/third_party] connection", "[bold]b[/bold]", "\ufffd[31mred"):
        assert text in shown.getvalue()
