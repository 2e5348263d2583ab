"""The span editor: a tweet's words beside its picture, labelled by keys or mouse. It holds the tweets ahead, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app import markup, state
from app.panels.component import component
from umt_core.labels import LABEL_NAMES

_EDITOR = component("editor", "editor_outbox", "editor_view")
TYPE_KEYS = {label: (str(i), label[0].lower()) for i, label in enumerate(LABEL_NAMES, 1)}
KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("←", "→"), "to the word before, after"),
    (("Shift ←", "Shift →"), "select more words, or fewer"),
    (("Tab", "Shift Tab"), "next entity, the one before"),
    (("1", "P"), "person"),
    (("2", "L"), "location"),
    (("3", "O"), "organization"),
    (("4", "M"), "miscellaneous; a type's key on an entity changes its type"),
    (("Del", "0"), "remove the entity"),
    (("[", "]"), "its start one word earlier, its end one later"),
    (("{", "}"), "its start one word later, its end one earlier"),
    (("Shift Alt ←", "Shift Alt →"), "its end one word back, on"),
    (("A", "number"), "accept a system's labels; also Shift and its number"),
    (("Enter",), "done: on to the next tweet"),
    (("N", "↓"), "next tweet, without an answer"),
    (("B", "↑"), "previous tweet"),
    (("S",), "skip: undecided, on to the next"),
    (("U", "Ctrl Z"), "undo, across tweets"),
    (("Y", "Ctrl Shift Z"), "redo"),
    (("/",), "comment"),
    (("Esc",), "select nothing; leave what is open"),
    (("?",), "these keys"),
)


def show(data: Mapping[str, Any], on_desk: Callable[[], None], on_visit: Callable[[], None]) -> Any:
    """Draws the editor; what it says is in ``desk`` and ``visit`` of the result, unchecked."""
    types = [
        {"name": label, "title": title, "keys": list(TYPE_KEYS[label]), "colour": markup.TYPE_COLOURS[label]}
        for label, title in LABEL_NAMES.items()
    ]
    return _EDITOR(
        key=state.Key.EDITOR,
        data={**data, "types": types, "help": [[list(keys), what] for keys, what in KEYS]},
        default={"desk": None},
        on_desk_change=on_desk,
        on_visit_change=on_visit,
    )
