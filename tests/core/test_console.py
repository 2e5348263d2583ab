"""How commands speak: tables and lines are text, whatever people wrote into it."""

from __future__ import annotations

import io

from rich.console import Console

from umt_core.commands.console import TextTable, rows_table


def test_a_table_shows_what_people_wrote_as_it_is():
    """Brackets are no markup: an odd one ended a whole list, and words in them were left out. No terminal obeys it."""
    table = TextTable("job [/x]", "line", title="/home/[draft]")
    table.add_row("[/]", "RuntimeError: [/pytorch/third_party] connection closed")
    table.add_row("[bold]b[/bold]", "\x1b[31mred\nand more")
    table.add_row("👨‍👩‍👧", "")
    shown = io.StringIO()
    Console(file=shown, width=160, force_terminal=True, color_system=None).print(table)
    for text in ("job [/x]", "/home/[draft]", "[/pytorch/third_party]", "[bold]b[/bold]", "[31mred and more"):
        assert text in shown.getvalue()
    assert "\x1b[31m" not in shown.getvalue()
    assert "👨\u200d👩\u200d👧" in shown.getvalue()
    assert [column.header.plain for column in rows_table("x", [{"[/x]": 1}]).columns] == ["[/x]"]
