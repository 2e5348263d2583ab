"""The picture under its 7 x 7 blocks, coloured by one word's row of a map. A click chooses a block."""

from __future__ import annotations

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
    _OVERLAY(
        key=state.Key.OVERLAY,
        data={
            "doc": doc,
            "image": None if picture is None else services.picture_uri(image, picture),
            "ratio": 1.5 if picture is None else round(picture.width / picture.height, 4),
            "title": attention_map.title,
            "weights": [round(float(weight), 6) for weight in row],
            "even": EVEN_SHARE if attention_map.rows_are_words else None,
            "chosen": chosen,
            "hint": "Click a block to see the words on the other side of it.",
        },
        on_block_change=lambda: state.take_choice(state.Key.OVERLAY, "block", state.Key.BLOCK, doc),
    )
