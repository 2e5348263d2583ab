"""Things on a table, on a wall or on a screen."""

from __future__ import annotations

from umt_core.data.drawing import LANDSCAPE, PORTRAIT, SQUARE, WIDE, Canvas, Mask, Scene, mix, smooth, turned


def apple(c: Canvas, variant: int, words: str) -> None:
    """Apples: a crate of them, or one on its branch."""
    if variant % 2:
        c.gradient("#a9d6ea", "#eef6e4", height=250)
        for x in range(-20, 680, 90):
            c.tree(x, 270, 190 + c.random.uniform(-20, 20), "#4f8a4c")
            for _ in range(7):
                c.disc(x + c.random.uniform(-54, 54), 150 + c.random.uniform(-48, 50), 5, "#d62f3c")
        c.gradient("#8fbf62", "#588a3c", y=250)
        c.disc(320, 452, 240, "#00000030", 16)
        for row, y in enumerate((262, 286, 306)):
            for i in range(7 - row % 2):
                x = 140 + i * 60 + (row % 2) * 30
                _apple(
                    c, x, y + c.random.uniform(-5, 5), 36, c.random.choice(("#d62f3c", "#c8102e", "#e2573a", "#b9c93a"))
                )
        for i in range(3):
            c.shaded(Mask().box(96, 312 + i * 46, 448, 38, 3), "#d9a566", "#a87438")
            c.line([(100, 330 + i * 46), (540, 328 + i * 46)], "#00000018", 2)
        for x in (96, 510):
            c.shaded(Mask().box(x, 304, 34, 148, 3), "#b98348", "#8a5a2b")
            for i in range(3):
                c.disc(x + 17, 331 + i * 46, 3, "#4a3020")
        return
    c.gradient("#8ec9ea", "#d9efd0", "#b4d99a")
    for x, y, r in ((90, 90, 130), (560, 120, 150), (80, 420, 120), (600, 430, 120)):
        c.glow(x, y, r, "#6aa84f", 0.75)
    c.curve([(-20, 60), (160, 84), (340, 66), (660, 20)], "#6b4a30", 19)
    c.curve([(320, 70), (326, 110), (320, 148)], "#6b4a30", 7)
    for x, y, lean in ((120, 110, 30), (210, 60, -20), (430, 84, 25), (520, 20, -30), (380, 130, 10), (250, 128, -160)):
        tip = turned(x, y, 92, lean)
        side = turned(x, y, 50, lean - 34)
        other = turned(x, y, 50, lean + 34)
        c.blob([(x, y), side, tip, other], mix("#4f9a3f", "#2f6b38", c.random.random()))
        c.line([(x, y), tip], "#ffffff40", 2)
    _apple(c, 320, 290, 138, "#d62f3c")


def _apple(c: Canvas, x: float, y: float, r: float, colour: str) -> None:
    outline = [(x, y - r * 0.78), (x + r * 0.5, y - r * 0.98), (x + r * 0.98, y - r * 0.5), (x + r * 0.9, y + r * 0.4),
               (x + r * 0.42, y + r), (x, y + r * 0.9), (x - r * 0.42, y + r), (x - r * 0.9, y + r * 0.4),
               (x - r * 0.98, y - r * 0.5), (x - r * 0.5, y - r * 0.98)]  # fmt: skip
    c.shaded(Mask().blob(outline), mix(colour, "#ffd27a", 0.35), colour, mix(colour, "#3a0a10", 0.5))
    c.disc(x, y - r * 0.8, r * 0.3, mix(colour, "#3a0a10", 0.45) + "90", r * 0.1)
    c.disc(x - r * 0.45, y - r * 0.42, r * 0.2, "#ffffff58", r * 0.3)
    c.curve([(x, y - r * 0.76), (x + r * 0.04, y - r), (x + r * 0.14, y - r * 1.18)], "#5b3a20", r * 0.08)


def phone(c: Canvas, variant: int, words: str) -> None:
    """A smartphone: on a stage with its apps, or playing music."""
    music = variant % 2 == 0
    c.gradient(*(("#3b0764", "#be185d", "#fb923c") if music else ("#0b1020", "#1e3a8a", "#38bdf8")))
    c.glow(216, 280, 290, "#ffffff", 0.4)
    c.disc(216, 540, 150, "#00000040", 14)
    c.box(108, 46, 216, 486, "#05060a", 36)
    c.box(112, 50, 208, 478, "#2b303b", 33)
    c.box(118, 56, 196, 466, "#000000", 28)
    screen = ("#2a0a3a", "#8a1c5c", "#e4572e") if music else ("#1e1b4b", "#6d28d9", "#f472b6", "#fdba74")
    c.shaded(Mask().box(122, 60, 188, 458, 25), *screen)
    c.box(182, 68, 68, 17, "#000000", 9)
    c.text(150, 77, "9:41", 13, "#ffffff", weight=3)
    c.box(276, 72, 22, 10, "#ffffff", 3)
    if music:
        c.shaded(Mask().box(144, 110, 144, 144, 12), "#fde047", "#f97316", "#be123c")
        c.disc(216, 176, 42, "#3b0764")
        c.blob([(166, 254), (180, 222), (216, 210), (252, 222), (266, 254)], "#3b0764")
        c.text(216, 282, "TURN IT UP", 19, "#ffffff", weight=3)
        c.text(216, 306, "now playing", 13, "#ffffffb0")
        c.box(144, 332, 144, 4, "#ffffff50", 2)
        c.box(144, 332, 88, 4, "#ffffff", 2)
        c.disc(232, 334, 7, "#ffffff")
        for i in range(24):
            height = c.random.uniform(6, 46)
            c.box(146 + i * 6, 478 - height, 3.4, height, "#ffffffb0", 2)
        c.disc(216, 382, 27, "#ffffff")
        c.polygon([(208, 369), (208, 395), (231, 382)], "#8a1c5c")
        for f in (-1, 1):
            c.polygon([(216 + f * 52, 372), (216 + f * 52, 392), (216 + f * 68, 382)], "#ffffff")
        return
    tones = ("#f87171", "#60a5fa", "#34d399", "#fbbf24", "#a78bfa", "#f472b6", "#22d3ee", "#fb923c")
    for row in range(5):
        for column in range(4):
            x, y = 136 + column * 42, 108 + row * 58
            tone = tones[(row * 3 + column) % 8]
            c.shaded(Mask().box(x, y, 34, 34, 9), mix(tone, "#ffffff", 0.25), tone)
            kind = (row * 4 + column) % 4
            if kind == 0:
                c.disc(x + 17, y + 17, 8, "#ffffff")
            elif kind == 1:
                c.box(x + 9, y + 11, 16, 12, "#ffffff", 3)
            elif kind == 2:
                c.polygon([(x + 12, y + 9), (x + 12, y + 25), (x + 26, y + 17)], "#ffffff")
            else:
                c.ring(x + 17, y + 17, 9, "#ffffff", 3)
            c.box(x + 6, y + 39, 22, 3, "#ffffffa0", 1)
    c.box(130, 456, 172, 52, "#ffffff40", 18)
    for i in range(4):
        c.box(138 + i * 42, 465, 34, 34, tones[i * 2], 9)


def parcel(c: Canvas, variant: int, words: str) -> None:
    """A cardboard box far too large for what is in it, or boxes for a move."""
    c.gradient("#f4ebdd", "#dfceb5", height=330)
    c.gradient("#b58a5f", "#8f6843", y=330)
    for i in range(-6, 15):
        c.line([(320 + (i - 4) * 56, 330), (320 + (i - 4) * 120, 480)], "#0000001a", 1)
    c.box(0, 322, 640, 9, "#ffffff")
    boxes = (
        [(90, 150, 300, 250)]
        if variant % 2
        else [(60, 250, 210, 150), (250, 190, 190, 210), (86, 130, 160, 120), (430, 286, 160, 116)]
    )
    for x, y, w, h in boxes:
        c.disc(x + w * 0.6, y + h, w * 0.62, "#00000026", 13)
        front, side, top = ("#d2a06a", "#b07f4a"), "#9a6a3a", "#e2b983"
        d = w * 0.24
        c.shaded(Mask().box(x, y, w, h), *front)
        c.polygon([(x + w, y), (x + w + d, y - d * 0.55), (x + w + d, y + h - d * 0.55), (x + w, y + h)], side)
        c.polygon([(x, y), (x + d, y - d * 0.55), (x + w + d, y - d * 0.55), (x + w, y)], top)
        c.polygon(
            [(x + w * 0.44, y), (x + w * 0.44 + d, y - d * 0.55), (x + w * 0.56 + d, y - d * 0.55), (x + w * 0.56, y)],
            "#f0dcb0",
        )
        c.box(x + w * 0.44, y, w * 0.12, h * 0.26, "#f0dcb0")
        c.box(x + w * 0.08, y + h * 0.62, w * 0.34, h * 0.26, "#fbf7ee", 3)
        for i in range(9):
            c.box(x + w * (0.11 + 0.031 * i), y + h * 0.66, w * (0.008 + 0.012 * (i % 2)), h * 0.11, "#22252c")
        c.box(x + w * 0.11, y + h * 0.81, w * 0.2, h * 0.03, "#22252c80")
        for i in range(2):  # this side up
            ax, ay = x + w * (0.72 + 0.13 * i), y + h * 0.86
            c.line([(ax, ay), (ax, ay - h * 0.16)], "#5b3a20", w * 0.02)
            c.polygon([(ax - w * 0.04, ay - h * 0.13), (ax, ay - h * 0.22), (ax + w * 0.04, ay - h * 0.13)], "#5b3a20")
    if variant % 2:
        c.disc(540, 424, 62, "#00000026", 9)
        c.curve(
            [
                (500, 420),
                (484, 384),
                (530, 372),
                (572, 390),
                (560, 424),
                (514, 424),
                (506, 396),
                (540, 388),
                (556, 404),
            ],
            "#f8fafc",
            7,
        )
        c.box(556, 398, 34, 16, "#e5e7eb", 4)
        c.box(588, 401, 13, 10, "#9aa3ad", 2)
    else:
        c.box(500, 198, 42, 88, "#a3452f", 6)
        for i in range(7):
            tip = turned(521, 196, 86, 210 + i * 20)
            c.blob(
                [(521, 200), turned(521, 196, 46, 200 + i * 20), tip, turned(521, 196, 46, 220 + i * 20)],
                mix("#4f9a3f", "#2f6b38", i / 7),
            )


def poster(c: Canvas, variant: int, words: str) -> None:
    """A film poster with its title: eight designs."""
    designs = (_desert_road, _night_city, _river, _two_faces, _rider, _spiral, _three_men, _screening)
    designs[(variant - 1) % 8](c)
    ink = "#fff7e0"
    title = words or "UNTITLED"
    size = min(64.0, 560 / max(len(title) * 0.78, 1))
    c.text(218, 482, title, size, "#00000070", weight=4)
    c.text(216, 479, title, size, ink, weight=4)
    c.line([(120, 452 - size / 4), (312, 452 - size / 4)], ink, 2)
    c.text(216, 524, "a film for the late show", 17, ink)
    c.text(216, 550, "PICTURE HOUSE  /  SOUND AND LIGHT  /  FRIDAY", 10.5, ink + "c0")


def _desert_road(c: Canvas) -> None:
    c.gradient("#c2410c", "#fb923c", "#fde68a", height=360)
    c.disc(216, 250, 96, "#fef3c7")
    c.ridge(340, 10, "#9a3412")
    c.gradient("#7c2d12", "#2b0f08", y=352)
    c.polygon([(206, 352), (226, 352), (420, 576), (12, 576)], "#1c1917")
    c.polygon([(214, 352), (218, 352), (232, 450), (200, 450)], "#fde68a")
    c.person(216, 420, 96, "#431407", "#431407", stride=0.5)


def _night_city(c: Canvas) -> None:
    c.gradient("#020617", "#0f2a44", "#14532d", height=430)
    c.disc(216, 170, 92, "#d9f99d")
    c.glow(216, 170, 200, "#d9f99d", 0.5)
    for i in range(12):
        height = c.random.uniform(90, 240)
        c.box(i * 38 - 8, 430 - height, 36, height + 150, "#020617")
        c.windows(i * 38 - 6, 434 - height, 32, height - 40, 12, ("#fde047", "#86efac"), 0.25)
    c.polygon([(216, 300), (330, 576), (102, 576)], "#d9f99d26")
    c.person(216, 446, 120, "#000000", "#000000", stride=0.6)
    c.gradient("#020617", "#020617", y=444)


def _river(c: Canvas) -> None:
    c.gradient("#0c4a6e", "#38bdf8", "#fef08a", "#f97316", height=330)
    c.disc(300, 220, 58, "#fff7ed")
    c.ridge(320, 24, "#14532d")
    c.gradient("#f97316", "#7c2d12", y=336)
    c.polygon(
        smooth([(200, 336), (260, 400), (130, 470), (300, 576), (20, 576), (60, 470), (190, 400), (180, 336)]),
        "#38bdf8",
    )
    c.blob([(120, 400), (140, 300), (190, 268), (230, 300), (236, 400)], "#7e22ce")
    c.disc(186, 240, 32, "#5f3b28", 38)
    c.pie(186, 232, 40, 180, 360, "#facc15")
    c.gradient("#431407", "#1c0a04", y=430)


def _two_faces(c: Canvas) -> None:
    c.gradient("#dbeafe", "#93c5fd", "#1e3a8a")
    for x, f, tone in ((120, 1, "#be123c"), (312, -1, "#1e40af")):
        face = [
            (x - 70 * f, 430),
            (x - 60 * f, 300),
            (x - 66 * f, 180),
            (x - 10 * f, 110),
            (x + 50 * f, 140),
            (x + 58 * f, 200),
            (x + 82 * f, 246),
            (x + 62 * f, 262),
            (x + 66 * f, 290),
            (x + 50 * f, 330),
            (x + 12 * f, 340),
            (x + 20 * f, 430),
        ]
        c.shaded(Mask().blob(face), mix(tone, "#ffffff", 0.3), tone)
    for _ in range(90):
        c.disc(c.random.uniform(0, 432), c.random.uniform(0, 440), c.random.uniform(1, 3.4), "#ffffffd0")
    c.gradient("#1e3a8a", "#0b1a44", y=424)


def _rider(c: Canvas) -> None:
    c.gradient("#451a03", "#92400e", "#f59e0b", "#fde68a", height=400)
    c.disc(216, 330, 120, "#fff7d6")
    c.ridge(400, 8, "#1c0f06")
    ink = "#140a04"
    c.blob(
        [
            (120, 352),
            (160, 318),
            (250, 316),
            (286, 290),
            (306, 246),
            (338, 252),
            (352, 288),
            (318, 300),
            (304, 356),
            (240, 372),
            (150, 376),
        ],
        ink,
    )
    for x, lean in ((140, -12), (168, 10), (262, -10), (290, 14)):
        c.line([(x, 356), (x + lean, 404), (x + lean + 2, 436)], ink, 12)
    c.curve([(124, 346), (96, 372), (104, 412)], ink, 9)
    c.blob([(186, 324), (192, 236), (236, 232), (246, 324)], ink)
    c.disc(214, 214, 20, ink, 24)
    c.disc(214, 202, 48, ink, 8)
    c.box(192, 174, 44, 30, ink, 10)
    c.line([(236, 256), (290, 300)], ink, 11)
    c.gradient("#1c0f06", "#0a0502", y=430)


def _spiral(c: Canvas) -> None:
    c.gradient("#0f172a", "#312e81")
    tones = ("#f43f5e", "#f97316", "#facc15", "#4ade80", "#22d3ee", "#818cf8", "#e879f9")
    for i in range(150):
        t = i / 150
        x, y = turned(216, 220, 14 + 190 * t, i * 23)
        c.disc(x, y, 4 + 15 * t, tones[i % 7])
        c.disc(x - 2, y - 2, 1 + 5 * t, "#ffffff70")
    c.disc(216, 220, 44, "#f8fafc")
    c.disc(216, 220, 21, "#0f172a")
    c.disc(208, 212, 7, "#ffffff")
    c.gradient("#312e81", "#0f172a", y=426)


def _three_men(c: Canvas) -> None:
    c.gradient("#7f1d1d", "#dc2626", "#fbbf24", height=420)
    c.glow(216, 330, 260, "#fef3c7", 0.8)
    c.ridge(400, 6, "#451a03")
    for x, height in ((92, 210), (216, 250), (340, 214)):
        c.person(x, 438, height, "#1c0a04", "#1c0a04", stride=0.8)
        top = 438 - height
        c.disc(x, top + height * 0.02, height * 0.17, "#1c0a04", height * 0.03)
        c.box(x - height * 0.075, top - height * 0.07, height * 0.15, height * 0.1, "#1c0a04", 6)
    c.gradient("#451a03", "#1c0a04", y=434)


def _screening(c: Canvas) -> None:
    c.gradient("#1e1b4b", "#3b0764", "#701a75")
    c.beam((216, 40), (216, 420), 420, "#fef9c3", 0.7)
    c.polygon([(100, 240), (140, 420), (292, 420), (332, 240)], "#f8fafc")
    for i in range(4):
        a, b = 100 + i * 58, 140 + i * 38
        c.polygon([(a, 240), (a + 29, 240), (b + 19, 420), (b, 420)], "#dc2626")
    for _ in range(46):
        x, y = c.random.uniform(96, 336), c.random.uniform(170, 250)
        c.disc(x, y, c.random.uniform(13, 20), c.random.choice(("#fef3c7", "#fde68a", "#fffbeb")))
    c.gradient("#3b0764", "#1e1b4b", y=430)


def meme(c: Canvas, variant: int, words: str) -> None:
    """A cartoon with capital letters above and below; ``|`` parts the two lines."""
    top, _, bottom = words.partition("|")
    c.gradient("#fde68a", "#fca5a5")
    for i in range(12):
        c.polygon([(260, 260), turned(260, 260, 520, i * 30), turned(260, 260, 520, i * 30 + 15)], "#ffffff38")
    c.box(110, 180, 300, 190, "#e5e7eb", 18)
    c.box(110, 180, 300, 60, "#cbd2da", 18)
    c.polygon([(160, 180), (170, 110), (350, 110), (360, 180)], "#ffffff")
    c.box(150, 176, 220, 12, "#4b5563", 4)
    c.box(150, 330, 220, 16, "#4b5563", 6)
    c.polygon([(170, 340), (350, 340), (366, 404), (154, 404)], "#ffffff")
    for i in range(4):
        c.line([(190, 356 + i * 11), (330 - 24 * (i % 2), 356 + i * 11)], "#9aa3ad", 3)
    for x in (214, 306):
        c.disc(x, 272, 25, "#ffffff")
        c.disc(x + 6, 278, 11, "#111827")
        c.line([(x - 27, 240 if x < 260 else 252), (x + 27, 252 if x < 260 else 240)], "#111827", 7)
    c.arc(260, 338, 42, 215, 325, "#111827", 6)
    c.disc(386, 210, 8, "#ef4444")
    for y, line in ((58, top), (462, bottom)):
        size = min(50.0, 470 / max(len(line) * 0.72, 1))
        c.text(260, y, line, size, "#111111", weight=14)
        c.text(260, y, line, size, "#ffffff", weight=4)


def newspaper(c: Canvas, variant: int, words: str) -> None:
    """A newspaper on a table: front page, or the crossword."""
    c.gradient("#8a5f3c", "#5f3f27")
    for i in range(9):
        c.line([(0, 30 + i * 58), (640, 40 + i * 56)], "#00000022", 3)

    def page() -> None:
        c.box(96, 36, 452, 470, "#00000040", 3)
        c.shaded(Mask().box(86, 26, 452, 470, 2), "#fbf8f0", "#ece5d3")
        c.text(312, 66, words or "THE PAPER", 46, "#15161a", weight=3)
        c.line([(106, 96), (518, 96)], "#15161a", 3)
        c.text(312, 108, "MORNING EDITION      WEATHER: FAIR      NO. 4,117", 11, "#3a3d45")
        c.line([(106, 120), (518, 120)], "#15161a", 1.5)
        if variant % 2:
            c.text(312, 150, "SMALL TOWN WINS BIG", 32, "#15161a", weight=3)
            c.shaded(Mask().box(106, 176, 262, 170), "#8fb3c9", "#dce6e0", "#6f8f5f")
            c.polygon([(106, 346), (106, 292), (180, 246), (244, 296), (300, 262), (368, 306), (368, 346)], "#4f6f55")
            for i in range(11):
                c.person(122 + i * 23, 346, 46, ("#2f3d52", "#8f3a3a", "#5b5f66")[i % 3], "#c9a27a", stride=0.3)
            c.text(237, 362, "A crowd of hundreds came to see it.", 12, "#3a3d45")
            columns = [(384, 176, 134, 300), (106, 376, 124, 110), (244, 376, 124, 110)]
        else:
            for row in range(11):
                for column in range(11):
                    black = (row * 3 + column * 5) % 7 == 0 or (row == 5 and column in (0, 10))
                    c.box(112 + column * 27, 136 + row * 27, 26, 26, "#15161a" if black else "#ffffff")
                    if not black and (row * 7 + column * 3) % 5 == 0:
                        c.text(117 + column * 27, 141 + row * 27, str((row * 11 + column) % 60 + 1), 8, "#15161a")
            for i, letter in enumerate("TUESDAY"):
                c.text(125 + (i + 2) * 27, 149 + 4 * 27, letter, 19, "#1d4ed8", weight=2)
            columns = [(424, 136, 96, 350)]
        for x, y, w, h in columns:
            for i in range(int(h / 9)):
                width = w * (0.55 if i % 8 == 7 else c.random.uniform(0.92, 1))
                c.box(x, y + i * 9, width, 4, "#6b6f78b0")

    c.rotated(4 if variant % 2 else -3, (320, 260), page, "#6b482d")
    c.disc(560, 110, 66, "#00000040")
    c.disc(554, 104, 64, "#f4f1ea")
    c.disc(554, 104, 53, "#3b2316")
    c.disc(554, 104, 44, "#6b4226")
    c.line([(470, 420), (556, 300)], "#f2b705", 11)
    c.line([(556, 300), (566, 286)], "#e9d2b0", 7)


def cake(c: Canvas, variant: int, words: str) -> None:
    """A birthday cake with candles."""
    icing, sponge, ground = (
        ("#f9a8d4", "#fde68a", ("#fdf2f8", "#fbcfe8")),
        ("#7dd3fc", "#7c4a2b", ("#fef9c3", "#fde68a")),
    )[(variant - 1) % 2]
    c.gradient(*ground, height=380)
    for i in range(9):
        x, y = 30 + i * 74, 40 + (i % 3) * 26
        tone = ("#f87171", "#60a5fa", "#facc15", "#4ade80", "#c084fc")[i % 5]
        c.curve([(x, y + 34), (x + 7, y + 80), (x - 5, y + 130)], "#00000030", 1.4)
        c.shaded(Mask().disc(x, y, 27, 34), mix(tone, "#ffffff", 0.45), tone)
    c.gradient("#c98f5a", "#9a6a3e", y=380)
    c.disc(320, 420, 232, "#00000030", 26)
    c.disc(320, 408, 226, "#ffffff", 32)
    c.disc(320, 404, 204, "#e5e7eb", 26)
    for x, y, w, h in ((150, 292, 340, 110), (210, 206, 220, 96)):
        c.shaded(
            Mask().box(x, y, w, h, 12),
            mix(sponge, "#ffffff", 0.25),
            sponge,
            mix(sponge, "#000000", 0.18),
            sideways=True,
        )
        c.box(x, y + h * 0.52, w, h * 0.14, "#ffffff")
        c.shaded(Mask().disc(x + w / 2, y + 4, w / 2, 20), mix(icing, "#ffffff", 0.4), icing)
        c.box(x, y + 2, w, 22, icing)
        for i in range(int(w / 26)):
            drop = 18 + 18 * ((i * 7) % 3) / 2
            c.box(x + i * 26, y + 10, 24, drop + 12, icing, 12)
        c.disc(x + w / 2, y + 2, w / 2, mix(icing, "#ffffff", 0.3), 15)
    sprinkles = ("#f87171", "#60a5fa", "#facc15", "#4ade80")
    for px, py in c.scattered(70, 160, 316, 480, 384):
        c.line([(px, py), (px + c.random.uniform(-5, 5), py + 5)], c.random.choice(sprinkles), 2.4)
    for i in range(9):
        x, top = 240 + i * 20, 206 - 9 * (1 - ((i - 4) / 4.6) ** 2)
        c.box(x - 3.5, top - 46, 7, 48, ("#60a5fa", "#f87171", "#4ade80")[i % 3], 2)
        c.glow(x, top - 58, 36, "#fff3b0", 0.8)
        c.blob([(x, top - 72), (x + 6, top - 56), (x, top - 48), (x - 6, top - 56)], "#f59e0b")
        c.blob([(x, top - 64), (x + 3, top - 55), (x, top - 50), (x - 3, top - 55)], "#fef9c3")


def cup(c: Canvas, variant: int, words: str) -> None:
    """A mug by the window, with steam."""
    mug, wall = (
        ("#c2410c", ("#fef3c7", "#fcd9a0")), ("#be123c", ("#ffe4e6", "#fbb6c0")),
        ("#1d4ed8", ("#dbeafe", "#a9c9f5")), ("#15803d", ("#dcfce7", "#a9d8b8")),
    )[(variant - 1) % 4]  # fmt: skip
    c.gradient(*wall, height=350)
    c.box(360, 30, 236, 250, "#ffffff")
    c.shaded(Mask().box(372, 42, 212, 226), "#8ecae6", "#fdf0d5")
    c.disc(530, 96, 26, "#fff3c4")
    c.polygon([(372, 268), (372, 210), (440, 170), (510, 214), (584, 190), (584, 268)], "#7fae8a")
    c.box(474, 42, 9, 226, "#ffffff")
    c.box(372, 150, 212, 9, "#ffffff")
    c.gradient("#b98552", "#7f5632", y=350)
    for y in (378, 412, 450):
        c.line([(0, y), (640, y + 3)], "#00000018", 2)
    c.disc(270, 424, 176, "#00000035", 22)
    c.disc(262, 414, 158, mix(mug, "#ffffff", 0.75), 22)
    c.disc(262, 409, 112, mix(mug, "#ffffff", 0.55), 13)
    c.ring(386, 300, 52, mix(mug, "#000000", 0.12), 21, 60)
    body = [(152, 212), (372, 212), (366, 330), (340, 404), (184, 404), (158, 330)]
    c.shaded(
        Mask().polygon(smooth(body, closed=True, steps=6)),
        mix(mug, "#ffffff", 0.35),
        mug,
        mix(mug, "#000000", 0.35),
        sideways=True,
    )
    c.disc(262, 212, 112, mix(mug, "#ffffff", 0.5), 26)
    c.disc(262, 213, 101, mix(mug, "#000000", 0.4), 21)
    c.disc(262, 218, 94, "#6b3f1d", 17)
    c.disc(244, 216, 54, "#a9713e", 9)
    c.blob(
        [(262, 356), (222, 312), (230, 284), (252, 284), (262, 298), (272, 284), (294, 284), (302, 312)], "#ffffffd8"
    )
    for x, sway in ((216, 14), (262, -16), (308, 14)):
        c.curve([(x, 190), (x + sway, 150), (x - sway, 104), (x + sway * 0.6, 58)], "#ffffff70", 9)
    c.blob([(92, 440), (132, 420), (180, 436), (170, 458), (110, 462)], "#d9a05b")
    c.arc(134, 446, 27, 190, 350, "#8a5a2b", 4, 15)


def thermometer(c: Canvas, variant: int, words: str) -> None:
    """A thermometer far up, in a hard sun."""
    c.gradient("#f97316", "#fbbf24", "#fef3c7")
    c.disc(332, 112, 62, "#fffbeb")
    c.glow(332, 112, 230, "#fffbeb", 0.9)
    for i in range(16):
        c.line([turned(332, 112, 82, i * 22.5), turned(332, 112, 104 + 12 * (i % 2), i * 22.5)], "#fffbeb", 6)
    c.ridge(500, 14, "#c2610c")
    c.ridge(540, 8, "#92400e")
    c.box(128, 60, 92, 400, "#00000022", 46)
    c.disc(176, 476, 74, "#00000022")
    c.box(120, 52, 92, 400, "#ffffff", 46)
    c.disc(166, 466, 72, "#ffffff")
    c.box(136, 68, 60, 380, "#e5e9ee", 30)
    c.disc(166, 466, 56, "#e5e9ee")
    c.box(152, 116, 28, 350, "#dc2626", 14)
    c.ball(166, 466, 50, "#dc2626")
    c.box(156, 124, 6, 300, "#ffffff60", 3)
    for i in range(26):
        long = i % 5 == 0
        c.line([(220, 96 + i * 12.5), (238 + 14 * long, 96 + i * 12.5)], "#7c2d12", 4 if long else 2.4)
    for i, degrees in enumerate((45, 40, 35, 30, 25, 20)):
        c.text(282, 96 + i * 62.5, str(degrees), 25, "#7c2d12", weight=3)


def vinyl(c: Canvas, variant: int, words: str) -> None:
    """A record and its sleeve on a player."""
    label, sleeve = (
        ("#7c3aed", ("#c4b5fd", "#4c1d95", "#f0abfc")), ("#b45309", ("#fde68a", "#b45309", "#7c2d12")),
        ("#0f766e", ("#99f6e4", "#0f766e", "#fde047")), ("#be123c", ("#fecaca", "#be123c", "#1e1b4b")),
        ("#1d4ed8", ("#bfdbfe", "#e11d48", "#facc15")),
    )[(variant - 1) % 5]  # fmt: skip
    c.gradient("#e9dcc6", "#cbb08a")
    for y in range(0, 480, 62):
        c.line([(0, y + 20), (640, y + 26)], "#00000012", 3)
    c.box(28, 72, 292, 292, "#00000030", 4)
    c.shaded(Mask().box(20, 62, 292, 292, 3), *sleeve[:2])
    for i in range(5):
        c.ring(166, 208, 116 - i * 23, mix(sleeve[2], sleeve[0], i / 5), 11)
    c.disc(166, 208, 18, sleeve[2])
    c.box(278, 108, 350, 346, "#00000038", 16)
    c.shaded(Mask().box(268, 96, 350, 346, 14), "#7a4a2b", "#4a2c18")
    c.box(280, 108, 326, 322, "#2b2320", 10)
    c.disc(428, 268, 148, "#3a3f47")
    c.disc(428, 268, 142, "#0e0f12")
    for i in range(18):
        c.ring(428, 268, 136 - i * 4.6, "#2a2d33" if i % 3 else "#3d4149", 1)
    for start in (205, 25):
        c.pie(428, 268, 140, start, start + 28, "#ffffff14")
        c.pie(428, 268, 140, start + 8, start + 20, "#ffffff12")
    c.disc(428, 268, 48, label)
    c.ring(428, 268, 38, mix(label, "#ffffff", 0.5), 2)
    c.text(428, 250, "SIDE", 12, "#ffffff", weight=3)
    c.text(428, 288, "TWO" if variant % 2 else "ONE", 12, "#ffffff", weight=3)
    c.disc(428, 268, 5, "#d8dce2")
    c.disc(578, 136, 25, "#5a6068")
    c.disc(578, 136, 15, "#c3c9d0")
    c.line([(578, 136), (570, 290), (520, 344)], "#d8dce2", 7)
    c.polygon([(526, 334), (534, 348), (504, 366), (496, 352)], "#f4f5f7")
    c.disc(586, 404, 11, "#e11d48")
    c.disc(552, 408, 8, "#c3c9d0")


def robot(c: Canvas, variant: int, words: str) -> None:
    """A small robot: at home, on a stage, or on a lawn."""
    place = (variant - 1) % 3
    if place == 0:
        c.gradient("#ede9fe", "#c4b5fd", height=370)
        c.gradient("#8b6f9e", "#6b5480", y=370)
    elif place == 1:
        c.gradient("#0b1020", "#312e81", "#7c3aed", height=380)
        for x in (60, 260, 460):
            c.beam((x, -10), (260, 420), 240, "#a5f3fc", 0.3)
        c.gradient("#1e1b4b", "#0b1020", y=380)
    else:
        c.gradient("#7cc4ee", "#dff3fa", height=330)
        c.cloud(110, 80, 42)
        c.tree(440, 346, 180, "#4f8a4c")
        c.gradient("#8fcf62", "#4f8f38", y=330)
        for px, py in c.scattered(120, 0, 346, 520, 516):
            c.line([(px, py), (px + c.random.uniform(-3, 3), py - 9)], "#3f7a2c", 2)
    tone = ("#f97316", "#22d3ee", "#facc15")[place]
    c.disc(260, 462, 140, "#00000035", 18)
    c.line([(260, 110), (260, 66)], "#8a93a0", 7)
    c.ball(260, 58, 17, tone)
    c.glow(260, 58, 46, tone, 0.6)
    for f in (-1, 1):
        c.box(260 + f * 122 - 15, 170, 30, 62, "#6b7480", 12)
        c.line([(260 + f * 96, 334), (260 + f * 148, 366 if f < 0 or place == 2 else 292)], "#8a93a0", 19)
        c.disc(260 + f * 150, 370 if f < 0 or place == 2 else 288, 22, tone)
        c.box(260 + f * 48 - 24, 426, 48, 34, "#6b7480", 12)
    c.shaded(Mask().box(148, 106, 224, 182, 48), "#ffffff", "#e5e9f0", "#aab3c0")
    c.box(172, 138, 176, 116, "#101828", 34)
    for x in (222, 298):
        c.disc(x, 190, 23, "#67e8f9")
        c.glow(x, 190, 46, "#67e8f9", 0.6)
        c.disc(x - 6, 183, 8, "#ffffff")
    c.arc(260, 216, 27, 20, 160, "#67e8f9", 5)
    c.shaded(Mask().box(172, 298, 176, 136, 36), "#ffffff", "#dfe4ec", "#9aa4b2")
    c.box(204, 326, 112, 62, tone, 16)
    for i in range(3):
        c.disc(232 + i * 28, 357, 8, "#ffffff")
    if place == 2:
        c.box(150, 440, 220, 30, "#2b3038", 10)
        for x in (176, 344):
            c.disc(x, 472, 25, "#1a1d23")
            c.disc(x, 472, 10, "#8a93a0")


def pizza(c: Canvas, variant: int, words: str) -> None:
    """A pizza in front of the game, or tacos on a bright table."""
    if variant % 2:
        c.gradient("#3b2a22", "#1f1612")
        c.box(150, 14, 340, 150, "#0b0c10", 8)
        c.shaded(Mask().box(160, 24, 320, 130), "#1e3a8a", "#c98f4e")
        c.polygon([(230, 154), (270, 96), (370, 96), (410, 154)], "#f97316b0")
        c.ball(330, 76, 17, "#e8752a")
        c.glow(320, 90, 260, "#8fb8ff", 0.25)
        c.disc(326, 372, 220, "#00000060", 96)
        c.disc(320, 352, 214, "#d9a05b", 104)
        c.disc(320, 348, 196, "#e8b86a", 92)
        c.disc(320, 346, 184, "#d6452c", 85)
        c.disc(320, 345, 174, "#fbd36b", 79)
        for i in range(15):
            x, y = turned(0, 0, c.random.uniform(0.25, 0.86), i * 57)
            c.disc(320 + x * 170, 345 + y * 77, 21, "#b5271f", 12)
            c.disc(318 + x * 170, 343 + y * 77, 16, "#d63a2c", 8)
        for _ in range(34):
            x, y = turned(0, 0, c.random.random() ** 0.5 * 0.92, c.random.uniform(0, 360))
            c.disc(320 + x * 170, 345 + y * 77, 7, c.random.choice(("#3f8a3a", "#5a2f1c", "#fff3c4")), 3.4)
        for i in range(4):
            a, b = turned(0, 0, 1, i * 45 + 10), turned(0, 0, 1, i * 45 + 190)
            c.line([(320 + a[0] * 208, 348 + a[1] * 99), (320 + b[0] * 208, 348 + b[1] * 99)], "#8a4a2060", 3)
        return
    c.gradient("#0f766e", "#0b4f4a")
    for i in range(14):
        tone = ("#f43f5e", "#facc15", "#22c55e", "#f97316", "#ffffff")[i % 5]
        c.polygon([(i * 48 - 10, 0), (i * 48 + 36, 0), (i * 48 + 13, 46)], tone)
    c.disc(326, 322, 280, "#00000045", 128)
    c.disc(320, 308, 276, "#e5573a", 126)
    c.disc(320, 304, 252, "#f4a261", 112)
    for i in range(3):
        x, y = 186 + i * 134, 310 - 14 * (i == 1)
        c.disc(x, y + 50, 74, "#00000030", 14)
        for k in range(15):
            px = x - 56 + k * 8
            py = y - 62 * (1 - ((k - 7) / 8.2) ** 2) ** 0.5
            c.disc(px, py, 13, ("#4ade80", "#dc2626", "#7c4a2b", "#fef3c7")[(k + i) % 4], 11)
        c.pie(x, y + 40, 74, 180, 360, "#f2c56b")
        c.pie(x, y + 42, 62, 180, 360, "#e0a94a")
        for _ in range(9):
            c.disc(x + c.random.uniform(-44, 44), y + 34 - c.random.uniform(0, 34), 3.6, "#b9772a80", 2.6)
    c.disc(552, 430, 62, "#ffffff", 34)
    c.disc(552, 426, 50, "#4f9a3a", 25)
    c.disc(86, 434, 54, "#ffffff", 30)
    for i in range(4):
        c.pie(68 + i * 14, 436, 26, 190, 310, "#a3d94a")


def books(c: Canvas, variant: int, words: str) -> None:
    """Bookshelves, and a reader before them."""
    c.gradient("#5b3d28", "#3a2618")
    for shelf in range(4):
        top = 12 + shelf * 104
        c.box(0, top + 88, 640, 15, "#8a5f3c")
        c.box(0, top + 100, 640, 4, "#00000060")
        x = -4.0
        while x < 640:
            width, height = c.random.uniform(13, 27), c.random.uniform(58, 86)
            tone = c.random.choice(
                ("#b5432f", "#2a6f97", "#d9a441", "#4f7a4a", "#7a4a78", "#e8dcc0", "#1f3b4d", "#c97b52")
            )
            y = top + 88 - height
            c.shaded(
                Mask().box(x, y, width - 1.5, height, 1),
                mix(tone, "#ffffff", 0.18),
                tone,
                mix(tone, "#000000", 0.3),
                sideways=True,
            )
            c.box(x + 2, y + 9, width - 5, 3, "#fff3d0a0")
            c.box(x + 2, y + height - 15, width - 5, 5, "#fff3d070")
            x += width
    c.gradient("#9a6a44", "#6b4529", y=424)
    lamp = 520 if variant % 2 else 130
    c.line([(lamp, 452), (lamp, 286)], "#22252c", 6)
    c.polygon([(lamp - 44, 290), (lamp - 24, 236), (lamp + 24, 236), (lamp + 44, 290)], "#f2c14e")
    c.glow(lamp, 290, 190, "#ffe9a8", 0.7)
    c.disc(lamp, 456, 42, "#22252c", 8)
    x = 320
    c.disc(x, 470, 130, "#00000050", 14)
    c.box(x - 96, 300, 192, 170, "#2f5d62", 40)
    c.blob([(x - 62, 480), (x - 66, 350), (x - 34, 306), (x + 34, 306), (x + 66, 350), (x + 62, 480)], "#c8553d")
    c.disc(x, 262, 38, "#c68a5e", 46)
    c.blob(
        [(x - 42, 290), (x - 46, 236), (x, 204), (x + 46, 236), (x + 42, 290), (x + 32, 250), (x - 32, 250)], "#2b1d18"
    )
    for f in (-1, 1):
        c.line([(x + f * 56, 350), (x + f * 74, 408), (x + f * 34, 420)], "#b34a34", 24)
        c.polygon([(x, 440), (x + f * 84, 420), (x + f * 84, 366), (x, 384)], "#fbf6e8" if f > 0 else "#efe7d2")
        for i in range(4):
            c.line([(x + f * 12, 396 + i * 10), (x + f * 74, 381 + i * 10)], "#9a927f", 2)


def laptop(c: Canvas, variant: int, words: str) -> None:
    """A laptop with a sorted inbox."""
    c.gradient("#dbe7f3", "#a9bfd6", height=350)
    c.gradient("#d9c3a3", "#b3966d", y=350)
    c.disc(360, 392, 250, "#00000030", 14)
    c.box(150, 40, 420, 280, "#2b303b", 16)
    c.box(162, 52, 396, 256, "#f8fafc", 4)
    c.box(162, 52, 396, 26, "#4f46e5", 4)
    for i, tone in enumerate(("#f87171", "#facc15", "#4ade80")):
        c.disc(178 + i * 16, 65, 5, tone)
    c.box(162, 78, 96, 230, "#e0e7ff")
    for i in range(7):
        c.box(174, 92 + i * 28, 14, 14, ("#6366f1", "#f472b6", "#34d399", "#fbbf24")[i % 4], 4)
        c.box(194, 96 + i * 28, c.random.uniform(34, 54), 6, "#94a3b8", 3)
    for i in range(7):
        y = 86 + i * 31
        c.box(266, y, 284, 26, "#ffffff" if i % 2 else "#f1f5f9", 4)
        c.disc(280, y + 13, 9, ("#f472b6", "#60a5fa", "#34d399", "#fbbf24", "#a78bfa")[i % 5])
        c.box(296, y + 6, c.random.uniform(60, 100), 5, "#475569", 2)
        c.box(296, y + 15, c.random.uniform(110, 170), 4, "#cbd5e1", 2)
        c.box(502, y + 8, 38, 11, ("#bbf7d0", "#fde68a", "#fecaca")[i % 3], 5)
    c.shaded(Mask().polygon([(120, 330), (600, 330), (640, 372), (80, 372)]), "#e5e9ef", "#b6bec9")
    c.polygon([(80, 372), (640, 372), (632, 382), (88, 382)], "#8a94a2")
    for row in range(3):
        for i in range(14):
            c.box(168 + i * 28 - row * 3, 336 + row * 9, 23 + row * 0.4, 7, "#4b5563", 2)
    c.polygon([(310, 364), (410, 364), (414, 371), (306, 371)], "#cbd3dd")
    c.box(40, 280, 62, 78, "#e4572e", 10)
    c.ring(40, 318, 19, "#e4572e", 7)
    c.disc(71, 282, 31, "#f4a261", 8)
    c.disc(71, 283, 25, "#4a2c18", 6)


SCENES: dict[str, Scene] = {
    "apple": (apple, LANDSCAPE),
    "books": (books, LANDSCAPE),
    "cake": (cake, LANDSCAPE),
    "cup": (cup, LANDSCAPE),
    "laptop": (laptop, WIDE),
    "meme": (meme, SQUARE),
    "newspaper": (newspaper, LANDSCAPE),
    "parcel": (parcel, LANDSCAPE),
    "phone": (phone, PORTRAIT),
    "pizza": (pizza, LANDSCAPE),
    "poster": (poster, PORTRAIT),
    "robot": (robot, SQUARE),
    "thermometer": (thermometer, PORTRAIT),
    "vinyl": (vinyl, LANDSCAPE),
}
