"""The picture under its 7 x 7 blocks, coloured by one word's row of a map. A click chooses a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from app import services, state
from app.panels.component import component
from umt_core.explain.attention import EVEN_SHARE, AttentionMap

_OVERLAY = component("overlay")


def show(
    doc: str,
    image: str,
    picture: Image.Image | None,
    attention_map: AttentionMap,
    row: np.ndarray,
    chosen: int | None,
) -> None:
    """Draws the picture (``image`` names its content) and ``row`` (49) over it.

    The chosen block arrives in ``state`` before the next run.
    """
    even = EVEN_SHARE if attention_map.rows_are_words else None
    hint = "Click a block to see the words on the other side of it."
    _draw(doc, image, picture, attention_map.title, row, chosen, hint, {"even": even})


def show_signed(
    doc: str,
    image: str,
    picture: Image.Image | None,
    title: str,
    values: np.ndarray,
    chosen: int | None,
    *,
    floor: float,
    hint: str,
) -> None:
    """Draws values (49) that speak for something (above 0) or against it; the rest as in ``show``.

    ``floor`` is the least that the fullest colour stands for: what is next to nothing is not to look like much.
    """
    _draw(doc, image, picture, title, values, chosen, hint, {"even": None, "signed": True, "floor": floor})


def _draw(
    doc: str,
    image: str,
    picture: Image.Image | None,
    title: str,
    values: np.ndarray,
    chosen: int | None,
    hint: str,
    how: Mapping[str, Any],
) -> None:
    _OVERLAY(
        key=state.Key.OVERLAY,
        data={
            "doc": doc,
            "image": None if picture is None else services.picture_uri(image, picture),
            "ratio": 1.5 if picture is None else round(picture.width / picture.height, 4),
            "title": title,
            "weights": [round(float(value), 6) for value in values],
            "chosen": chosen,
            "hint": hint,
            **how,
        },
        on_block_change=lambda: state.take_choice(state.Key.OVERLAY, "block", state.Key.BLOCK, doc),
    )
