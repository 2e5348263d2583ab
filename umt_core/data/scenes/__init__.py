"""The scenes that our own sample pictures are drawn from: one small function each.

A picture is named ``scene:variant`` or ``scene:variant:words``: the variant chooses among a
scene's palettes and seeds its details, the words stand in the picture where it has a place for
them (a poster's title, the number on a jersey).
"""

from __future__ import annotations

from PIL import Image

from umt_core.data.drawing import Canvas
from umt_core.data.scenes import city, nature, sport, stage, things
from umt_core.errors import DataError

SCENES = {**city.SCENES, **nature.SCENES, **sport.SCENES, **stage.SCENES, **things.SCENES}


def draw(name: str) -> Image.Image:
    """The picture of this name, RGB; the same each time.

    Raises:
        DataError: the name is not ``scene:variant[:words]`` with a scene that exists.
    """
    scene, _, rest = name.partition(":")
    variant, _, words = rest.partition(":")
    if scene not in SCENES or not variant.isdecimal():
        raise DataError(
            f"wanted a picture named scene:variant[:words] with scene one of {sorted(SCENES)}, got {name!r}"
        )
    function, (width, height) = SCENES[scene]
    canvas = Canvas(width, height, seed=int(variant))
    function(canvas, int(variant), words)
    return canvas.finished()
