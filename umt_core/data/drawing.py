"""A canvas for small illustrations: gradients, soft light, smooth edges. Pillow only.

The pictures of our sample tweets are drawn with it (``umt_core/data/scenes``). Colours are
Pillow's: ``#rrggbb``, or ``#rrggbbaa`` to lay a colour thinly over what is there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Self

import numpy as np
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFont

Point = tuple[float, float]
Scene = tuple[Callable[["Canvas", int, str], None], tuple[int, int]]  # draws variant and words; width, height

LANDSCAPE, WIDE, SQUARE, PORTRAIT = (640, 480), (720, 405), (520, 520), (432, 576)

SCALE = 2  # everything is drawn this much larger and shrunk at the end: that smooths the edges


class Canvas:
    """``width`` x ``height`` pixels, drawn from top left; all measures in these pixels.

    ``random`` is seeded, so that a scene's windows, stars and faces are the same each time.
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        self.random = random.Random(seed)
        self._set_image(Image.new("RGB", (width * SCALE, height * SCALE)))

    def _set_image(self, image: Image.Image) -> None:
        self._image = image
        self._pen = ImageDraw.Draw(image, "RGBA")  # RGBA: translucent colours blend

    # -- flat shapes --

    def polygon(self, points: Sequence[Point], fill: str) -> None:
        self._pen.polygon(_scaled(points), fill=fill)

    def box(self, x: float, y: float, width: float, height: float, fill: str, radius: float = 0) -> None:
        corners = _scaled([(x, y), (x + width, y + height)])
        self._pen.rounded_rectangle(corners, radius * SCALE, fill=fill)

    def disc(self, x: float, y: float, r: float, fill: str, ry: float | None = None) -> None:
        """A disc about (x, y); with ``ry`` an ellipse ``r`` wide and ``ry`` high (half axes)."""
        ry = r if ry is None else ry
        self._pen.ellipse(_scaled([(x - r, y - ry), (x + r, y + ry)]), fill=fill)

    def ring(self, x: float, y: float, r: float, colour: str, width: float, ry: float | None = None) -> None:
        ry = r if ry is None else ry
        corners = _scaled([(x - r, y - ry), (x + r, y + ry)])
        self._pen.ellipse(corners, outline=colour, width=round(width * SCALE))

    def arc(
        self, x: float, y: float, r: float, start: float, end: float, colour: str, width: float = 2,
        ry: float | None = None,
    ) -> None:  # fmt: skip
        """Part of a ring, from ``start`` to ``end`` degrees, clockwise from three o'clock."""
        ry = r if ry is None else ry
        corners = _scaled([(x - r, y - ry), (x + r, y + ry)])
        self._pen.arc(corners, start, end, fill=colour, width=round(width * SCALE))

    def pie(self, x: float, y: float, r: float, start: float, end: float, fill: str) -> None:
        self._pen.pieslice(_scaled([(x - r, y - r), (x + r, y + r)]), start, end, fill=fill)

    def line(self, points: Sequence[Point], colour: str, width: float = 2) -> None:
        """A line through the points, with round ends and joints."""
        self._pen.line(_scaled(points), fill=colour, width=max(1, round(width * SCALE)), joint="curve")
        if width >= 3 and len(colour) == 7:  # a thin colour would show twice where the ends overlap
            for x, y in (points[0], points[-1]):
                self.disc(x, y, width / 2 - 0.25, colour)

    def curve(self, points: Sequence[Point], colour: str, width: float = 2) -> None:
        self.line(smooth(points), colour, width)

    def blob(self, points: Sequence[Point], fill: str) -> None:
        """A closed shape with a soft outline through the points."""
        self.polygon(smooth(points, closed=True), fill)

    def text(
        self, x: float, y: float, words: str, size: float, fill: str, *, anchor: str = "mm", weight: float = 0
    ) -> None:
        """Words in Pillow's own font; ``weight`` thickens them, in hundredths of the size."""
        stroke = round(size * SCALE * weight / 100)
        self._pen.text(
            (x * SCALE, y * SCALE),
            words,
            fill=fill,
            font=_font(size * SCALE),
            anchor=anchor,
            stroke_width=stroke,
        )

    # -- light --

    def gradient(self, *colours: str, y: float = 0, height: float | None = None) -> None:
        """A band over the whole width, from the first colour at its top to the last."""
        size = (self._image.width, round((self.height - y if height is None else height) * SCALE))
        self._image.paste(_ramp(colours, size), (0, round(y * SCALE)))

    def shaded(self, shape: Mask, *colours: str, sideways: bool = False) -> None:
        """A shape filled with a gradient, from top to bottom (``sideways``: left to right)."""
        outline, corner = shape.drawn()
        if sideways:
            ramp = _ramp(colours, outline.size[::-1]).transpose(Image.Transpose.ROTATE_90)
        else:
            ramp = _ramp(colours, outline.size)
        self._image.paste(ramp, corner, outline)

    def ball(self, x: float, y: float, r: float, colour: str) -> None:
        """A sphere lit from the upper left."""
        side = max(2, round(2 * r * SCALE))
        dark, light = mix(colour, "#000000", 0.55), mix(colour, "#ffffff", 0.55)
        body = Image.new("RGB", (side, side), dark)
        reach = round(side * 1.5)
        corner = (round(side * 0.35) - reach // 2, round(side * 0.32) - reach // 2)
        falloff = _falloff().resize((reach, reach))
        body.paste(colour, corner, falloff.point(lambda v: min(255, v * 2)))
        body.paste(light, corner, falloff.point(lambda v: v * v // 400))
        outline = Image.new("L", (side, side))
        ImageDraw.Draw(outline).ellipse((0, 0, side - 1, side - 1), fill=255)
        self._image.paste(body, (round((x - r) * SCALE), round((y - r) * SCALE)), outline)

    def glow(self, x: float, y: float, r: float, colour: str, strength: float = 1.0) -> None:
        """Soft light about a point: full at the centre, gone at distance ``r``."""
        side = round(2 * r * SCALE)
        mask = _falloff().resize((side, side)).point(lambda v: round(v * strength))
        self._image.paste(colour, (round((x - r) * SCALE), round((y - r) * SCALE)), mask)

    def beam(self, source: Point, target: Point, width: float, colour: str, strength: float = 0.35) -> None:
        """A cone of light from a lamp to ``target``, where it is ``width`` wide and has faded."""
        (x, y), (tx, ty) = source, target
        length = math.hypot(tx - x, ty - y)
        nx, ny = -(ty - y) / length, (tx - x) / length
        steps = 14
        for i in range(steps):
            end = (i + 1) / steps
            half = width * end / 2
            a = (x + (tx - x) * end + nx * half, y + (ty - y) * end + ny * half)
            b = (x + (tx - x) * end - nx * half, y + (ty - y) * end - ny * half)
            self.polygon([source, a, b], colour + f"{round(255 * strength / steps * 1.6):02x}")

    # -- figures that several scenes use --

    def scattered(self, count: int, left: float, top: float, right: float, bottom: float) -> list[Point]:
        """Points anywhere in a rectangle."""
        return [(self.random.uniform(left, right), self.random.uniform(top, bottom)) for _ in range(count)]

    def confetti(self, count: int, colours: Sequence[str]) -> None:
        for x, y in self.scattered(count, 0, 0, self.width, self.height):
            side, lean = self.random.uniform(3, 7), self.random.uniform(-4, 4)
            corners = [(x, y), (x + side, y + lean), (x + side, y + lean + 4), (x, y + 4)]
            self.polygon(corners, self.random.choice(colours))

    def stars(self, count: int, bottom: float) -> None:
        for x, y in self.scattered(count, 0, 0, self.width, bottom):
            shine = self.random.choice(("50", "80", "b0", "ff"))
            self.disc(x, y, self.random.choice((0.6, 0.8, 1.2)), "#fff8e8" + shine)

    def ridge(self, y: float, height: float, colour: str, steps: int = 6) -> None:
        """Hills across the whole width, about ``height`` above and below ``y``."""
        xs = [self.width * i / steps for i in range(-1, steps + 2)]
        points = smooth([(x, y + self.random.uniform(-height, height)) for x in xs])
        self.polygon([*points, (self.width * 1.2, self.height), (-self.width * 0.2, self.height)], colour)

    def cloud(self, x: float, y: float, size: float, fill: str = "#ffffffd0") -> None:
        mask = Mask()  # one mask for all, so that the puffs don't show through each other
        for dx, dy, r in ((-0.9, 0.1, 0.45), (-0.35, -0.15, 0.6), (0.3, -0.05, 0.52), (0.85, 0.12, 0.4)):
            mask.disc(x + dx * size, y + dy * size, r * size)
        mask.box(x - size, y + 0.1 * size, 2 * size, 0.42 * size, radius=0.2 * size)
        outline, corner = mask.drawn()
        share = int(fill[7:] or "ff", 16) / 255
        self._image.paste(fill[:7], corner, outline.point(lambda v: round(v * share)))

    def crowd(self, y: float, size: float, colour: str, *, arms: float = 0.0) -> None:
        """A row of people from behind; ``arms``: the share that holds them up."""
        x = -size
        while x < self.width + size:
            top = y + self.random.uniform(-0.5, 0.5) * size
            self.disc(x, top, size * 0.42, colour, size * 0.5)
            self.box(x - size * 0.75, top + size * 0.45, size * 1.5, size * 4, colour, size * 0.6)
            if self.random.random() < arms:
                for side in (-1, 1):
                    hand = (x + side * size * self.random.uniform(0.4, 1.1), top - size * 1.3)
                    self.line([(x + side * size * 0.6, top + size * 0.8), hand], colour, size * 0.32)
                    self.disc(*hand, size * 0.22, colour)
            x += size * self.random.uniform(1.25, 1.7)

    def person(self, x: float, y: float, height: float, coat: str, skin: str, *, stride: float = 0.35) -> None:
        """Someone standing or walking, feet at (x, y); ``stride``: how far the feet are apart."""
        u = height / 10
        for side in (-1, 1):
            foot = (x + side * stride * 2 * u, y - 0.3 * u)
            self.line([(x + side * 0.45 * u, y - 4.6 * u), foot], mix(coat, "#101018", 0.55), 0.95 * u)
            elbow = (x + side * 1.75 * u, y - 5.6 * u)
            self.line([(x + side * 1.05 * u, y - 7.4 * u), elbow, (x + side * 1.6 * u, y - 4.2 * u)], coat, 0.7 * u)
        self.blob(
            [
                (x - 1.2 * u, y - 7.9 * u),
                (x + 1.2 * u, y - 7.9 * u),
                (x + 1.15 * u, y - 4 * u),
                (x - 1.15 * u, y - 4 * u),
            ],
            coat,
        )
        self.box(x - 0.35 * u, y - 8.6 * u, 0.7 * u, 1.1 * u, skin, 0.2 * u)
        self.disc(x, y - 9.1 * u, 0.78 * u, skin, 0.92 * u)
        self.pie(x, y - 9.25 * u, 0.86 * u, 180, 360, "#2b1d18")

    def tree(self, x: float, y: float, height: float, leaf: str) -> None:
        """A round tree whose foot stands at (x, y)."""
        self.box(x - height * 0.04, y - height * 0.4, height * 0.08, height * 0.4, "#5b4130")
        for dx, dy, r, shade in ((-0.16, 0.5, 0.22, 0.25), (0.17, 0.52, 0.22, 0.12), (0, 0.72, 0.27, 0.0)):
            tone = mix(leaf, "#0d2014", shade)
            self.disc(x + dx * height, y - dy * height, r * height, tone)
        self.disc(x - 0.06 * height, y - 0.79 * height, 0.14 * height, mix(leaf, "#ffffff", 0.15))

    def fir(self, x: float, y: float, height: float, colour: str) -> None:
        for i in range(3):
            top, half = y - height * (1 - 0.24 * i), height * (0.16 + 0.07 * i)
            self.polygon([(x, top), (x + half, top + height * 0.45), (x - half, top + height * 0.45)], colour)
        self.box(x - height * 0.03, y - height * 0.1, height * 0.06, height * 0.12, mix(colour, "#000000", 0.3))

    def windows(
        self, x: float, y: float, width: float, height: float, pitch: float, colours: Sequence[str],
        lit: float = 0.6,
    ) -> None:  # fmt: skip
        """Lit windows on a wall, ``pitch`` apart; ``lit``: the share with light on."""
        for row in range(int(height / pitch)):
            for column in range(int(width / pitch)):
                if self.random.random() < lit:
                    left, top = x + (column + 0.28) * pitch, y + (row + 0.25) * pitch
                    self.box(left, top, pitch * 0.44, pitch * 0.5, self.random.choice(colours))

    def mirrored(self, y: float, tint: str, strength: float) -> None:
        """Water below ``y``: what stands above it upside down, mixed with ``tint``."""
        line, depth = round(y * SCALE), round((self.height - y) * SCALE)
        above = self._image.crop((0, line - depth, self._image.width, line))
        water = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        water = Image.blend(water, Image.new("RGB", water.size, tint), strength)
        self._image.paste(water, (0, line))
        for _ in range(round(depth / 6)):
            ripple = y + (self.height - y) * self.random.random() ** 0.7
            x, length = self.random.uniform(-40, self.width), self.random.uniform(20, 110)
            self.line([(x, ripple), (x + length, ripple)], self.random.choice(("#ffffff16", "#00000018")), 1.2)

    def rotated(self, degrees: float, centre: Point, draw: Callable[[], None], margin: str) -> None:
        """What ``draw`` draws, turned about ``centre``; ``margin`` fills what the turn uncovers."""
        draw()
        x, y = centre
        turned = self._image.rotate(degrees, Image.Resampling.BILINEAR, center=(x * SCALE, y * SCALE), fillcolor=margin)
        self._set_image(turned)

    def finished(self) -> Image.Image:
        """The picture: shrunk, a little darker at its corners, with a fine grain."""
        picture = self._image.reduce(SCALE)
        corners = _vignette().resize(picture.size)
        picture = ImageChops.multiply(picture, Image.merge("RGB", (corners,) * 3))
        pixels = np.asarray(picture, dtype=np.int16) + _grain()[: picture.height, : picture.width, None]
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


class Mask:
    """Where a gradient goes: the same shapes as on the canvas, without colour.

    Each shape returns the mask, so that they can be strung together.
    """

    def __init__(self) -> None:
        self._shapes: list[tuple[str, list[Point], dict[str, float]]] = []

    def polygon(self, points: Sequence[Point]) -> Self:
        self._shapes.append(("polygon", _scaled(points), {}))
        return self

    def blob(self, points: Sequence[Point]) -> Self:
        return self.polygon(smooth(points, closed=True))

    def box(self, x: float, y: float, width: float, height: float, radius: float = 0) -> Self:
        corners = _scaled([(x, y), (x + width, y + height)])
        self._shapes.append(("rounded_rectangle", corners, {"radius": radius * SCALE}))
        return self

    def disc(self, x: float, y: float, r: float, ry: float | None = None) -> Self:
        ry = r if ry is None else ry
        self._shapes.append(("ellipse", _scaled([(x - r, y - ry), (x + r, y + ry)]), {}))
        return self

    def drawn(self) -> tuple[Image.Image, tuple[int, int]]:
        """The shapes in white on black, cut to what they cover, and its upper left corner."""
        points = [point for _, shape, _ in self._shapes for point in shape]
        left, top = (math.floor(min(axis)) for axis in zip(*points, strict=True))
        right, bottom = (math.ceil(max(axis)) for axis in zip(*points, strict=True))
        image = Image.new("L", (right - left + 1, bottom - top + 1))
        pen = ImageDraw.Draw(image)
        for kind, shape, options in self._shapes:
            getattr(pen, kind)([(x - left, y - top) for x, y in shape], fill=255, **options)
        return image, (left, top)


def mix(a: str, b: str, share: float) -> str:
    """The colour ``share`` of the way from ``a`` to ``b``.

    >>> mix("#000000", "#ff8000", 0.5)
    '#804000'
    """
    pairs = zip(ImageColor.getrgb(a)[:3], ImageColor.getrgb(b)[:3], strict=True)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)


def smooth(points: Sequence[Point], *, closed: bool = False, steps: int = 10) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    n = len(points)
    at = (lambda i: points[i % n]) if closed else (lambda i: points[min(max(i, 0), n - 1)])
    curve = []
    for i in range(n if closed else n - 1):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = at(i - 1), at(i), at(i + 1), at(i + 2)
        for k in range(steps):
            t = k / steps
            w = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            curve.append(
                ((w[0] * ax + w[1] * bx + w[2] * cx + w[3] * dx) / 2,
                 (w[0] * ay + w[1] * by + w[2] * cy + w[3] * dy) / 2)
            )  # fmt: skip
    return curve if closed else [*curve, points[-1]]


def turned(x: float, y: float, r: float, degrees: float) -> Point:
    """The point at distance ``r`` from (x, y), clockwise from three o'clock."""
    return x + r * math.cos(math.radians(degrees)), y + r * math.sin(math.radians(degrees))


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * SCALE, y * SCALE) for x, y in points]


def _ramp(colours: Sequence[str], size: tuple[int, int]) -> Image.Image:
    strip = np.array([ImageColor.getrgb(colour)[:3] for colour in colours], dtype=float)
    at = np.linspace(0, len(colours) - 1, max(size[1], 1))
    column = np.stack([np.interp(at, range(len(colours)), strip[:, i]) for i in range(3)], axis=-1)
    return Image.fromarray(column.round().astype(np.uint8)[:, None]).resize(size)


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _falloff() -> Image.Image:
    """255 at the centre of a square, 0 from its edge on, falling softly."""
    axis = np.linspace(-1, 1, 128)
    distance = np.hypot(axis[:, None], axis[None])
    return Image.fromarray((255 * np.clip(1 - distance, 0, 1) ** 1.8).astype(np.uint8))


@lru_cache(maxsize=1)
def _vignette() -> Image.Image:
    axis = np.linspace(-1, 1, 64)
    distance = np.hypot(axis[:, None], axis[None])
    return Image.fromarray((255 - 46 * np.clip(distance - 0.55, 0, 1) ** 1.5).astype(np.uint8))


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    return np.random.default_rng(7).normal(0, 2.2, (960, 960)).round().astype(np.int16)
