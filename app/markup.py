"""Values as escaped HTML and text. Tweets are hostile: nothing passes unescaped."""

from __future__ import annotations

import base64
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from umt_core.schema import GRID
from umt_core.showing import TYPE_COLOURS as TYPE_COLOURS
from umt_core.showing import escape as escape
from umt_core.showing import right_to_left as right_to_left
from umt_core.showing import shown_words as shown_words
from umt_core.showing import visible as visible

HEAT = ((20, 12, 40), (130, 20, 60), (225, 90, 10), (255, 225, 90))  # the overlay's ramp, see overlay.js
_MARKDOWN = frozenset("\\`*_{}[]()<>#+-!|~:$/&^=@")


def plain(text: str) -> str:
    """Text for a place that reads Markdown, so that it is shown as it is.

    >>> print(plain("*x* [y](z)"))
    \\*x\\* \\[y\\]\\(z\\)
    """
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in text.replace("\n", " "))


def command(*words: str) -> str:
    """The line that does the same in a shell, whatever stands in its words.

    >>> print(command("checkpoints", "promote", "it's/here").partition(" ")[2])
    -m umt_core checkpoints promote 'it'"'"'s/here'
    """
    return shlex.join([python(), "-m", "umt_core", *words])


def python() -> str:
    """The Python that runs, as it can be typed where the app was started: not everywhere is one called ``python``."""
    runs, here = Path(sys.executable or "python"), Path.cwd()
    return str(runs.relative_to(here) if runs.is_relative_to(here) else runs)


def legend(names: Mapping[str, str]) -> str:
    """The entity types with their colours, as one line."""
    items = "".join(
        f'<span style="display:inline-flex;align-items:center;gap:.35rem">'
        f'<span aria-hidden="true" style="width:.7rem;height:.7rem;border-radius:.2rem;'
        f'background:{TYPE_COLOURS[label]}"></span><b>{escape(label)}</b>&nbsp;{escape(name)}</span>'
        for label, name in names.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.85rem">{items}</div>'


def facts(title: str, rows: Mapping[str, str]) -> str:
    """A small heading and its facts, for the sidebar."""
    lines = "".join(
        f'<div style="display:flex;justify-content:space-between;gap:1rem">'
        f'<span style="opacity:.7">{escape(name)}</span>'
        f'<span style="text-align:right">{escape(value)}</span></div>'
        for name, value in rows.items()
    )
    return f'<div style="font-size:.82rem;line-height:1.55"><b>{escape(title)}</b>{lines}</div>'


def signed_blocks(picture: str | None, ratio: float, values: Sequence[float]) -> str:
    """A picture (a data URI of ours) under its blocks, each with its value and sign; striped where it is negative."""
    most = max((abs(value) for value in values), default=0.0) or 1.0
    cells = "".join(_signed_cell(value, abs(value) / most) for value in values)
    image = f'<img src="{escape(picture)}" alt="" style="width:100%;height:100%;display:block">' if picture else ""
    return (
        f'<div role="img" aria-label="49 blocks with what each adds; the table beside has the numbers" '
        f'style="position:relative;width:100%;max-width:34rem;aspect-ratio:{ratio:.4f};background:#555">{image}'
        f'<div style="position:absolute;inset:0;display:grid;grid-template:repeat({GRID},1fr)/repeat({GRID},1fr)">'
        f"{cells}</div></div>"
    )


def _signed_cell(value: float, strength: float) -> str:
    colour = f"rgba(0,114,178,{0.85 * strength:.3f})" if value >= 0 else f"rgba(213,94,0,{0.85 * strength:.3f})"
    stripes = f"repeating-linear-gradient(45deg,{colour} 0 4px,transparent 4px 7px)"
    ground = colour if value >= 0 else stripes
    text = f"{value:+.2f}".replace("-", "\u2212") if strength >= 0.1 else ""
    return (
        f'<span style="background:{ground};color:#fff;text-shadow:0 0 3px #000,0 0 3px #000;font-size:.72rem;'
        f"display:flex;align-items:center;justify-content:center;outline:1px solid rgba(255,255,255,.25);"
        f'outline-offset:-1px">{text}</span>'
    )


def small_maps(maps: Iterable[tuple[str, np.ndarray]], ratio: float) -> str:
    """Maps over 7 x 7 blocks as small pictures beside each other, each from 0 to its own largest value.

    Args:
        maps: a title and (49,) values of each.
        ratio: width by height of the picture that they are over.
    """
    drawn = "".join(
        f'<figure style="margin:0;text-align:center"><img src="{_map_uri(values)}" alt="{escape(title)}: map over 49 '
        f'blocks; the table has its figures" style="width:4.6rem;height:{4.6 / ratio:.2f}rem;max-height:9rem;'
        f'image-rendering:pixelated;border-radius:.2rem"><figcaption style="font-size:.75rem;line-height:1.25">'
        f"{escape(title)}</figcaption></figure>"
        for title, values in maps
    )
    return (
        f'<div style="display:grid;grid-template-columns:repeat(auto-fill,minmax(6.4rem,1fr));gap:.6rem">{drawn}</div>'
    )


def _map_uri(values: np.ndarray) -> str:
    """A picture of 7 x 7 pixels, from dark to light as the values rise: it reads without hue too."""
    shares = np.clip(values.astype(float) / max(float(values.max()), 1e-12), 0, 1)
    stops = np.array(HEAT)
    channels = [np.interp(shares, np.linspace(0, 1, len(stops)), stops[:, c]) for c in range(3)]
    pixels = np.stack(channels, axis=-1).round().astype(np.uint8).reshape(GRID, GRID, 3)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
