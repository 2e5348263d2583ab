"""Concerts, theatre, festivals, fireworks: pictures of an evening out."""

from __future__ import annotations

from umt_core.data.drawing import LANDSCAPE, PORTRAIT, Canvas, Mask, Scene, mix, turned


def concert(c: Canvas, variant: int, words: str) -> None:
    """A band on a lit stage, seen over the heads of the crowd."""
    night, haze, warm, cool = (
        ("#0b0722", "#5b2a86", "#ffb35c", "#5cc8ff"),
        ("#140512", "#a3245b", "#ff5fa2", "#ffd166"),
        ("#04121c", "#0d6b78", "#61ffd0", "#ff8f5c"),
    )[(variant - 1) % 3]
    w = c.width
    c.gradient(night, mix(night, haze, 0.5), haze, mix(haze, warm, 0.55), height=330)
    c.gradient(mix(night, haze, 0.4), night, y=330)
    c.glow(w / 2, 300, 330, warm, 0.8)
    c.glow(w * 0.15, 260, 220, cool, 0.35)
    c.glow(w * 0.85, 260, 220, cool, 0.35)
    c.box(0, 24, w, 10, "#0a0a12")
    for i in range(0, w, 32):  # the truss that carries the lamps
        c.line([(i, 24), (i + 16, 10), (i + 32, 24)], "#0a0a12", 2)
    c.box(0, 7, w, 4, "#0a0a12")
    for i, colour in enumerate((cool, warm, "#ffffff", cool, warm, "#ffffff", cool)):
        x = w * (0.08 + 0.14 * i)
        c.beam((x, 38), (x + (w / 2 - x) * 0.55 + c.random.uniform(-60, 60), 330), 120, colour, 0.3)
        c.box(x - 9, 30, 18, 14, "#14141f", 4)
        c.disc(x, 44, 6, "#ffffff")
        c.glow(x, 44, 30, colour, 0.9)
    c.shaded(Mask().polygon([(40, 318), (w - 40, 318), (w, 372), (0, 372)]), "#2b1c33", "#100a18")
    for x, r in ((250, 15), (295, 19), (345, 19), (390, 15)):  # the drum kit
        c.disc(x, 304, r + 3, "#0d0a14")
        c.disc(x, 304, r, mix(warm, "#401020", 0.55))
    c.line([(272, 306), (262, 258)], "#0d0a14", 2)
    c.line([(368, 306), (380, 258)], "#0d0a14", 2)
    c.disc(262, 258, 20, "#d9a441", 4)
    c.disc(380, 258, 20, "#d9a441", 4)
    for x, tone in ((168, cool), (320, warm), (472, cool)):  # their light on the floor
        c.disc(x, 350, 70, tone + "30", 11)
    _player(c, 320, 348, 142, "#07050c", warm, guitar=False)
    _player(c, 168, 352, 140, "#07050c", cool, guitar=True)
    _player(c, 472, 352, 140, "#07050c", cool, guitar=True)
    c.box(30, 258, 54, 64, "#0d0a14", 4)
    c.box(w - 84, 258, 54, 64, "#0d0a14", 4)
    for x in (57, w - 57):
        c.disc(x, 275, 10, "#262230")
        c.disc(x, 302, 15, "#262230")
    c.crowd(384, 13, mix(night, haze, 0.35), arms=0.45)
    c.crowd(416, 19, mix(night, "#000000", 0.3), arms=0.5)
    c.crowd(455, 27, "#050308", arms=0.35)


def _player(c: Canvas, x: float, y: float, height: float, body: str, rim: str, *, guitar: bool) -> None:
    """A musician whose feet stand at (x, y), lit from behind."""
    u = height / 10
    for colour, dx in ((rim, -1.6), (body, 0.0)):
        c.disc(x + dx, y - 9.2 * u, 0.75 * u, colour, 0.95 * u)
        c.blob(
            [(x - 1.4 * u + dx, y - 7.6 * u), (x + 1.4 * u + dx, y - 7.6 * u), (x + u + dx, y - 4.4 * u),
             (x - u + dx, y - 4.4 * u)],
            colour,
        )  # fmt: skip
        c.line([(x - 0.5 * u + dx, y - 4.8 * u), (x - 1.1 * u + dx, y)], colour, 0.95 * u)
        c.line([(x + 0.5 * u + dx, y - 4.8 * u), (x + 1.1 * u + dx, y)], colour, 0.95 * u)
    c.disc(x, y - 9.6 * u, 0.85 * u, body, 0.75 * u)  # hair
    if guitar:
        wood = mix(rim, "#30100a", 0.25)
        c.line([(x - 1.2 * u, y - 7.2 * u), (x - 2.1 * u, y - 5.7 * u), (x - 0.7 * u, y - 5.3 * u)], body, 0.7 * u)
        c.line([(x - 1.0 * u, y - 4.9 * u), (x + 4.2 * u, y - 7.3 * u)], "#c9a06a", 0.28 * u)
        c.line([(x + 4.0 * u, y - 7.2 * u), (x + 4.7 * u, y - 7.5 * u)], "#2a1a10", 0.5 * u)
        c.disc(x - 1.2 * u, y - 4.8 * u, 1.15 * u, wood, u)
        c.disc(x + 0.1 * u, y - 5.4 * u, 0.85 * u, wood, 0.75 * u)
        c.disc(x - 0.7 * u, y - 5.0 * u, 0.36 * u, body)
        c.line([(x - 1.7 * u, y - 4.5 * u), (x - 0.2 * u, y - 5.2 * u)], "#ffffff80", 0.1 * u)
        c.line([(x + 1.2 * u, y - 7.3 * u), (x + 2.2 * u, y - 5.8 * u), (x + 2.4 * u, y - 6.5 * u)], body, 0.65 * u)
    else:
        c.line([(x + 1.2 * u, y - 7.3 * u), (x + 2.0 * u, y - 8.6 * u), (x + 2.4 * u, y - 10.6 * u)], body, 0.65 * u)
        c.disc(x + 2.4 * u, y - 10.8 * u, 0.42 * u, body)
        c.line([(x - 1.2 * u, y - 7.3 * u), (x - 2.1 * u, y - 7.0 * u), (x - 1.3 * u, y - 8.3 * u)], body, 0.65 * u)
        c.line([(x - 1.3 * u, y), (x - 1.3 * u, y - 8.6 * u)], "#9a93a8", 0.14 * u)
        c.line([(x - 1.9 * u, y), (x - 0.7 * u, y)], "#9a93a8", 0.14 * u)
        c.ball(x - 1.1 * u, y - 8.9 * u, 0.36 * u, "#c9c4d6")


def singer(c: Canvas, variant: int, words: str) -> None:
    """A voice at a microphone, in the light of one lamp."""
    dark, light, hair = (
        ("#1a0f2e", "#ffcf5c", "short"),
        ("#071e2b", "#7fe0ff", "curls"),
        ("#2b0a18", "#ff9eb8", "long"),
    )[(variant - 1) % 3]
    c.gradient(dark, mix(dark, light, 0.22), dark)
    c.beam((470, -20), (150, 620), 520, light, 0.3)
    c.glow(230, 250, 300, light, 0.75)
    for _ in range(26):
        x, y = c.random.uniform(0, c.width), c.random.uniform(0, c.height * 0.8)
        c.disc(x, y, c.random.uniform(3, 13), light + "22")
    ink = mix(dark, "#000000", 0.65)
    for tone, dx in ((mix(light, "#ffffff", 0.4), 5), (ink, 0)):
        c.blob(
            [
                (20 + dx, 600),
                (50 + dx, 460),
                (150 + dx, 408),
                (250 + dx, 408),
                (352 + dx, 462),
                (390 + dx, 600),
            ],
            tone,
        )
        c.box(172 + dx, 350, 62, 76, tone, 20)
        if hair == "long":
            c.blob([(140 + dx, 230), (205 + dx, 182), (276 + dx, 240), (292 + dx, 440), (120 + dx, 440)], tone)
        if hair == "curls":
            for i in range(14):
                x, y = turned(200, 262, 74, 150 + i * 19)
                c.disc(x + dx, y, 30, tone)
        c.disc(202 + dx, 290, 66, tone, 86)
        if hair == "short":
            c.blob([(132 + dx, 270), (150 + dx, 205), (210 + dx, 188), (268 + dx, 214), (270 + dx, 262)], tone)
        c.line([(330 + dx, 470), (372 + dx, 420), (320 + dx, 372)], tone, 34)
    c.line([(318, 576), (300, 372)], "#0a0a0f", 7)
    c.line([(300, 372), (286, 344)], "#22222c", 16)
    c.ball(280, 330, 24, "#8d8d9b")
    for i in range(-2, 3):
        c.line([(262, 330 + i * 8), (298, 330 + i * 8)], "#2a2a3355", 1)
        c.line([(280 + i * 8, 312), (280 + i * 8, 348)], "#2a2a3355", 1)
    for i in range(4):
        c.disc(309 + i * 11, 368 + i * 6, 9, ink)


def festival(c: Canvas, variant: int, words: str) -> None:
    """Tents, flags and a big wheel at the end of a summer's day."""
    c.gradient("#2b3a78", "#b2578f", "#ff9e6b", "#ffd98c", height=330)
    c.glow(190, 318, 230, "#fff0b0", 0.9)
    c.ridge(318, 10, "#6b4a7c")
    for i in range(12):  # the wheel
        c.line([(500, 190), turned(500, 190, 112, i * 30)], "#4a2f63", 2)
    c.ring(500, 190, 112, "#4a2f63", 5)
    c.ring(500, 190, 96, "#4a2f63", 2)
    c.line([(444, 340), (500, 190), (556, 340)], "#4a2f63", 7)
    for i in range(12):
        x, y = turned(500, 190, 112, i * 30)
        c.box(x - 9, y, 18, 15, ("#ff5d73", "#ffd166", "#4ecdc4")[i % 3], 5)
        c.glow(x, y, 15, "#fff6c8", 0.8)
    c.gradient("#5c7a3f", "#31512f", y=336)
    for x, size, colour in (
        (90, 118, "#ff6b6b"),
        (255, 150, "#ffd166"),
        (408, 98, "#4ecdc4"),
        (590, 120, "#c77dff"),
    ):
        top, foot = 372 - size * 0.95, 372
        for i in range(6):  # stripes of the cloth
            left, right = x - size * 0.6 + size * 0.2 * i, x - size * 0.4 + size * 0.2 * i
            tone = colour if i % 2 else "#fff8ea"
            c.polygon([(x, top), (right, foot - size * 0.4), (left, foot - size * 0.4)], tone)
            c.box(left, foot - size * 0.41, size * 0.2, size * 0.42, mix(tone, "#402050", 0.14))
        c.polygon([(x - size * 0.14, foot + 1), (x, foot - size * 0.34), (x + size * 0.14, foot + 1)], "#3a2440")
        c.line([(x, top), (x, top - 26)], "#402a4f", 2)
        c.polygon([(x, top - 26), (x + 22, top - 20), (x, top - 13)], colour)
    for x0, x1, y in ((0, 330, 96), (300, 660, 74)):  # bunting
        last = (float(x0), float(y))
        for i in range(1, 13):
            t = i / 12
            here = (x0 + (x1 - x0) * t, y + 150 * t * (1 - t))
            c.line([last, here], "#402a4f", 1.5)
            c.polygon(
                [last, here, ((last[0] + here[0]) / 2, here[1] + 20)],
                ("#ff6b6b", "#ffd166", "#4ecdc4")[i % 3],
            )
            last = here
    c.crowd(392, 9, "#2c2440", arms=0.3)
    c.crowd(424, 14, "#221b35", arms=0.35)
    c.crowd(458, 22, "#150f24", arms=0.4)


def theatre(c: Canvas, variant: int, words: str) -> None:
    """A stage with curtains, seen from the stalls."""
    cloth, light = (
        ("#a3142c", "#ffe7b0"),
        ("#1f3f8f", "#e6f0ff"),
        ("#8a5a12", "#fff1c9"),
        ("#0d6b4f", "#f0ffe0"),
    )[(variant - 1) % 4]
    c.gradient(mix(cloth, "#000000", 0.75), mix(cloth, "#000000", 0.55))
    c.shaded(Mask().box(110, 70, 420, 270), mix(light, "#203040", 0.75), mix(light, "#806040", 0.35))
    c.beam((90, -10), (330, 335), 190, light, 0.55)
    c.beam((560, -10), (310, 335), 190, light, 0.55)
    c.shaded(Mask().polygon([(90, 318), (550, 318), (620, 372), (20, 372)]), "#c98f4e", "#7a4c22")
    for i in range(1, 12):
        c.line([(90 + i * 40, 318), (20 + i * 51, 372)], "#00000030", 1)
    c.disc(320, 342, 120, "#fff6d866", 15)
    if variant % 4 == 3:  # a grand piano and a cello
        c.blob([(250, 262), (300, 240), (372, 250), (380, 276), (330, 282), (250, 282)], "#100d12")
        c.box(248, 278, 134, 12, "#1a161d", 3)
        c.box(252, 288, 60, 4, "#f8f4ea")
        for x in (262, 368):
            c.line([(x, 290), (x, 338)], "#100d12", 5)
        c.disc(424, 318, 15, "#8c4a1c", 20)
        c.disc(424, 290, 11, "#8c4a1c", 14)
        c.line([(424, 330), (424, 236)], "#3a1d0b", 4)
    elif variant % 4 == 0:  # a film's screen
        c.box(190, 96, 260, 190, "#0d0d14", 4)
        c.shaded(Mask().box(198, 104, 244, 174), "#f4a261", "#e76f51", "#264653")
        c.disc(320, 196, 34, "#ffe8b0")
        c.polygon([(198, 278), (270, 222), (330, 278)], "#1d3540")
        c.polygon([(290, 278), (380, 208), (442, 262), (442, 278)], "#16262e")
    else:
        for x, tone in ((262, "#3d2c52"), (372, "#6b2f3a")):
            c.person(x, 348, 132, tone, "#c68a5e", stride=0.6)
    for side in (0, 1):  # curtains
        for i in range(6):
            x = i * 24 if not side else c.width - 24 - i * 24
            tone = mix(cloth, "#000000", 0.1 + 0.42 * (i % 2))
            c.shaded(
                Mask().box(x, 30, 24, 322),
                mix(tone, "#ffffff", 0.12),
                mix(tone, "#000000", 0.35),
                sideways=True,
            )
    for i in range(9):
        c.disc(35 + i * 71, 62, 42, mix(cloth, "#000000", 0.18), 30)
        c.arc(35 + i * 71, 62, 42, 10, 170, "#e8c25a", 4, 30)
    c.box(0, 0, c.width, 62, mix(cloth, "#000000", 0.3))
    c.box(0, 56, c.width, 8, "#e8c25a")
    for row, y in enumerate((384, 420, 458)):
        size = 20 + 5 * row
        for i in range(-1, 17):
            left = i * size * 2.2 + (row % 2) * size
            c.disc(left + size * 0.95, y - size * 0.3, size * 0.42, "#0d090d", size * 0.52)
            c.box(left, y, size * 1.9, 70, mix(cloth, "#000000", 0.5 + 0.1 * row), size * 0.5)
            c.arc(left + size * 0.95, y + size, size * 0.95, 200, 340, "#ffffff18", 1.5)


def fireworks(c: Canvas, variant: int, words: str) -> None:
    """Fireworks over a town and its river."""
    dusk = ("#1b1f4b", "#2b1038", "#07252e")[(variant - 1) % 3]
    c.gradient("#050716", dusk, mix(dusk, "#ff9a6b", 0.3), height=330)
    c.stars(70, 200)
    bursts = (
        (170, 120, 95, "#ffd166"),
        (430, 95, 115, "#ff5d8f"),
        (310, 205, 78, "#5ce1ff"),
        (556, 195, 66, "#b8ff7a"),
    )
    for x, y, size, colour in bursts:
        r = size * c.random.uniform(0.85, 1.1)
        c.glow(x, y, r * 1.5, colour, 0.35)
        c.line([(x, y), (x - 6, 330)], colour + "2a", 2)
        for i in range(30):
            angle, reach = i * 12 + c.random.uniform(-4, 4), r * c.random.uniform(0.72, 1)
            for k in range(9):
                t = (k + 1) / 9
                px, py = turned(x, y, reach * t, angle)
                c.disc(px, py + r * 0.22 * t * t, 0.8 + 1.5 * t, mix(colour, "#ffffff", 0.65 - 0.6 * t))
        c.glow(x, y, r * 0.35, "#ffffff", 0.9)
    left = -10.0
    while left < c.width:
        width, height = c.random.uniform(26, 62), c.random.uniform(24, 96)
        c.box(left, 336 - height, width, height + 4, "#0a0c18")
        c.windows(left, 338 - height, width, height - 6, 10, ("#ffd98a", "#ffb85c"), 0.35)
        left += width
    c.mirrored(338, "#060814", 0.45)


def parade(c: Canvas, variant: int, words: str) -> None:
    """A street with drummers, a dancer's plumes and confetti."""
    c.gradient("#58c4f0", "#c9efff", height=300)
    for i, tone in enumerate(("#f4a259", "#e76f51", "#f6d365", "#7fb7be", "#d3869b", "#f2b880")):
        x, top = i * 110 - 8, 70 + c.random.uniform(-26, 26)
        c.shaded(Mask().box(x, top, 112, 300), mix(tone, "#ffffff", 0.15), tone)
        c.box(x, top - 6, 112, 9, mix(tone, "#000000", 0.25))
        for row in range(4):
            for column in range(3):
                c.box(x + 14 + column * 32, top + 22 + row * 52, 20, 32, "#fff8ec", 2)
                c.box(x + 16 + column * 32, top + 24 + row * 52, 16, 28, "#3f5c78", 1)
    c.gradient("#8c8794", "#5d5966", y=336)
    c.crowd(318, 9, "#3f3450", arms=0.4)
    plumes = ("#ff2d78", "#ffb400", "#00c2a8", "#8a3ffc", "#ff6b35")
    for x, k in ((140, 0), (320, 1), (500, 2)):  # dancers
        for i in range(11):
            end = turned(x, 330, 92, 195 + i * 15)
            c.curve([(x, 345), turned(x, 335, 50, 190 + i * 15.5), end], plumes[(i + k) % 5], 13)
            c.disc(*end, 9, mix(plumes[(i + k) % 5], "#ffffff", 0.35))
        skin = ("#8d5a3b", "#c68a5e", "#5f3b28")[k]
        c.line([(x - 14, 352), (x - 46, 330)], skin, 10)
        c.line([(x + 14, 352), (x + 46, 326)], skin, 10)
        c.blob([(x - 19, 346), (x + 19, 346), (x + 14, 400), (x - 14, 400)], plumes[k])
        c.line([(x - 8, 398), (x - 12, 462)], skin, 12)
        c.line([(x + 8, 398), (x + 20, 460)], skin, 12)
        c.disc(x, 318, 17, skin, 20)
        c.pie(x, 314, 19, 180, 360, plumes[(k + 3) % 5])
    c.confetti(150, plumes)


def gallery(c: Canvas, variant: int, words: str) -> None:
    """Two visitors before paintings on a white wall."""
    c.gradient("#f6f3ee", "#e3ddd4", height=352)
    c.gradient("#b88d5f", "#8a623c", y=352)
    for i in range(-8, 17):
        c.line([(320 + (i - 4) * 46, 352), (320 + (i - 4) * 120, 480)], "#00000020", 1)
    c.box(0, 346, c.width, 8, "#fffaf2")
    for x in (128, 330, 532):
        c.beam((x, -30), (x, 330), 230, "#fff3c4", 0.5)
    frames = ((54, 92, 150, 190, "#264653", "#2a9d8f", "#e9c46a"), (240, 70, 184, 214, "#9d0208", "#e85d04", "#ffba08"),
              (462, 92, 142, 190, "#3c096c", "#c77dff", "#ffd6ff"))  # fmt: skip
    for x, y, w, h, a, b, d in frames:
        c.box(x + 5, y + 8, w, h, "#00000030")
        c.box(x, y, w, h, "#2b2119")
        c.shaded(Mask().box(x + 9, y + 9, w - 18, h - 18), b, d)
        for _ in range(5):
            px, py = x + c.random.uniform(34, w - 34), y + c.random.uniform(34, h - 34)
            c.disc(px, py, c.random.uniform(9, 24), c.random.choice((a, d, "#fffaf0")))
        c.box(x + 9, y + h - 52, w - 18, 43, a)
        c.box(x + w / 2 - 14, y + h + 14, 28, 16, "#ffffff")
    c.disc(222, 440, 46, "#00000030", 6)
    c.disc(292, 446, 42, "#00000030", 6)
    c.person(222, 442, 178, "#2f4858", "#c68a5e", stride=0.3)
    c.person(292, 448, 162, "#9c3848", "#8d5a3b", stride=0.3)


SCENES: dict[str, Scene] = {
    "concert": (concert, LANDSCAPE),
    "festival": (festival, LANDSCAPE),
    "fireworks": (fireworks, LANDSCAPE),
    "gallery": (gallery, LANDSCAPE),
    "parade": (parade, LANDSCAPE),
    "singer": (singer, PORTRAIT),
    "theatre": (theatre, LANDSCAPE),
}
