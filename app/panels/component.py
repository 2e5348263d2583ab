"""Registers a component from the ``.js`` and ``.css`` that lie beside the panels: no build step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st


def component(name: str, *parts: str) -> Any:
    """The component ``name``: ``<name>.js`` and ``<name>.css``, after what is shared, draw into one ``div.root``.

    ``parts`` are further scripts that come before its own.
    """
    folder = Path(__file__).parent

    def read(file: str) -> str:
        return (folder / file).read_text(encoding="utf-8")

    # Streamlit takes text without an inner line break for a path.
    return st.components.v2.component(
        f"mner_{name}",
        html='<div class="root">\n</div>',
        css=read("shared.css") + read(f"{name}.css"),
        js="".join(read(f"{script}.js") for script in ("shared", *parts, name)),
    )
