"""Mountains, water, sky and animals."""

from __future__ import annotations

from umt_core.data.drawing import LANDSCAPE, PORTRAIT, SQUARE, WIDE, Canvas, Mask, Point, Scene, mix, turned


def mountains(c: Canvas, variant: int, words: str) -> None:
    """Snow on peaks, firs before them; by turns with northern lights, a cabin, a skier, a tent."""
    night = variant % 4 == 1
    sky = (
        ("#0a1636", "#1d4a6b", "#3f8f8f"),
        ("#7fb2e0", "#dcecf7"),
        ("#3f8fd6", "#cfe9fa"),
        ("#6b5b95", "#f2a07b", "#ffe0a8"),
    )[(variant - 1) % 4]
    c.gradient(*sky, height=360)
    if night:
        c.stars(110, 230)
        for k, tone in enumerate(("#4dffb0", "#7dffd0", "#8f7dff")):  # northern lights
            for i in range(60):
                x = i * 11.0
                y = 120 + 36 * k + 34 * ((i * (k + 2) % 17) / 17 - 0.5) + (x - 320) ** 2 / 4200
                c.polygon([(x, y), (x + 12, y), (x + 16, y - 92), (x + 4, y - 92)], tone + "1c")
    else:
        c.glow(500, 120 if variant % 4 != 0 else 260, 230, "#fff6d8", 0.8)
        c.cloud(130, 80, 40, "#ffffffa0")
    rock = mix(sky[0], "#4b5a78", 0.55)
    for x, top, half in ((90, 190, 190), (560, 170, 210), (320, 84, 250)):
        c.polygon([(x - half, 372), (x, top), (x + half, 372)], rock)
        c.polygon(
            [(x, top), (x + half, 372), (x + half * 0.1, 372), (x - half * 0.12, top + 120)], mix(rock, "#101830", 0.3)
        )
        drop = (372 - top) * 0.42
        jag: list[Point] = [(x, top)]
        for i in range(9):  # where the snow ends
            t = i / 8
            jag.append(
                (x + half * 0.42 * (1 - 2 * t), top + drop * (1 if i in (0, 8) else 0.72 + 0.4 * ((i * 5) % 3) / 2))
            )
        c.polygon(jag, "#f4f9ff" if not night else "#b8d4e8")
        c.polygon([(x, top), jag[1], jag[2], jag[3], (x - half * 0.03, top + drop * 0.5)], "#8fa8c840")
    snow = "#eef5fb" if not night else "#9fc0d8"
    c.shaded(Mask().blob([(-60, 520), (-40, 352), (160, 330), (330, 352), (520, 326), (700, 360), (700, 520)]),
             snow, mix(snow, "#5f86b0", 0.35))  # fmt: skip
    for _ in range(34):
        x = c.random.choice((c.random.uniform(0, 210), c.random.uniform(440, 640)))
        y = c.random.uniform(348, 420)
        c.fir(x, y, c.random.uniform(38, 60) * (y / 360), mix("#1f4d3a", sky[0], 0.35 if night else 0.12))
    if variant % 4 == 2:
        c.polygon([(262, 392), (262, 352), (312, 318), (362, 352), (362, 392)], "#7a4a2b")
        c.polygon([(250, 356), (312, 308), (374, 356), (366, 360), (312, 320), (258, 360)], "#ffffff")
        c.box(282, 358, 22, 20, "#ffd98a", 2)
        c.box(322, 358, 20, 34, "#4a2c18", 2)
        c.glow(293, 368, 50, "#ffd98a", 0.6)
    if variant % 4 == 3:
        c.curve([(150, 480), (240, 440), (330, 452), (420, 410)], "#b9cde0", 3)
        c.person(352, 430, 84, "#e63946", "#c68a5e", stride=0.8)
        c.line([(316, 440), (400, 424)], "#1d3557", 4)
        c.line([(330, 384), (306, 432)], "#33415c", 2)
        c.line([(376, 384), (398, 424)], "#33415c", 2)
    if variant % 4 == 0:
        c.shaded(Mask().polygon([(238, 446), (316, 360), (402, 446)]), "#ffb347", "#e8731e")
        c.polygon([(296, 446), (316, 360), (342, 446)], "#5a2d0c")
        c.glow(318, 420, 70, "#ffd98a", 0.6)
    if not night:
        return
    for _ in range(90):
        c.disc(c.random.uniform(0, 640), c.random.uniform(200, 480), c.random.uniform(0.8, 2), "#ffffffc0")


def beach(c: Canvas, variant: int, words: str) -> None:
    """Sea, sand, a palm and the sun."""
    sky, sea, sun = (
        (("#2e9be6", "#bfeaff"), ("#0f8fb8", "#5fd3d0"), 96),
        (("#3d2a6b", "#e0567a", "#ffb36b", "#ffe39a"), ("#a8455f", "#3d2f63"), 262),
        (("#5ab0e8", "#ffe9c9"), ("#1a8aa8", "#8fe0d2"), 150),
    )[(variant - 1) % 3]
    c.gradient(*sky, height=290)
    c.glow(430, sun, 190, "#fff1b8", 0.95)
    c.disc(430, sun, 34, "#fff3c8")
    if variant % 3 != 2:
        c.cloud(170, 92, 52, "#ffffffc8")
        c.cloud(570, 130, 36, "#ffffffa8")
    c.ridge(286, 9, mix(sky[0], "#33506b", 0.4))
    c.gradient(*sea, y=286, height=110)
    for _ in range(46):
        y = 290 + 96 * c.random.random()
        x = 430 + c.random.gauss(0, 40 + (y - 290) * 1.2)
        c.line([(x - 14, y), (x + 14, y)], "#fff3c890", 1.6)
    c.blob([(-60, 520), (-60, 404), (120, 380), (330, 396), (520, 374), (700, 392), (700, 520)], "#ffffffcc")
    c.shaded(Mask().blob([(-60, 540), (-60, 414), (120, 390), (330, 407), (520, 385), (700, 402), (700, 540)]),
             "#f3d9a4", "#dcae6b")  # fmt: skip
    if variant % 3 == 2:
        c.person(180, 448, 104, "#2b1f3f", "#2b1f3f", stride=0.5)
        c.person(222, 452, 96, "#3a2a52", "#3a2a52", stride=0.5)
    else:
        c.line([(206, 440), (236, 326)], "#fff8ec", 4)
        for i in range(6):
            c.pie(230, 344, 66, 196 + i * 26, 222 + i * 26, ("#e63946", "#fff8ec")[i % 2])
        c.polygon([(228, 444), (316, 432), (330, 446), (240, 460)], "#2a9d8f")
        c.polygon([(234, 447), (320, 436), (323, 439), (237, 451)], "#fff8ec")
        c.ball(370, 436, 17, "#ffb703")
    trunk = [(574, 470), (566, 380), (548, 280), (520, 186)]
    c.curve(trunk, "#7d5a36", 15)
    c.curve([(x - 3, y) for x, y in trunk], "#a27a4d", 5)
    for angle, reach in ((150, 128), (185, 136), (215, 108), (258, 74), (300, 96), (335, 120), (8, 108), (120, 92)):
        tip = turned(520, 182, reach, angle)
        middle = turned(520, 168, reach * 0.6, angle)
        leaf = mix("#2f7d4a", "#12382b", 0.2 + 0.5 * (angle % 100 < 40))
        c.curve([(520, 182), (middle[0], middle[1] - 26), (tip[0], tip[1] + 18)], leaf, 5)
        for k in range(1, 9):
            t = k / 9
            x = 520 + (tip[0] - 520) * t
            y = 182 + (tip[1] + 18 - 182) * t - 34 * t * (1 - t) * 2.2
            c.line([(x, y), (x - 5, y + 25 * (1 - t) + 9)], leaf, 3)
            c.line([(x, y), (x + 7, y + 20 * (1 - t) + 7)], leaf, 3)
    for dx in (-9, 5):
        c.ball(520 + dx, 192, 9, "#8a5a2b")


def desert(c: Canvas, variant: int, words: str) -> None:
    """Cactus, red rock and a hard sun."""
    c.gradient("#f28f5b", "#f9c784", "#fde8b8", height=330)
    c.glow(320, 130, 300, "#fff6c8", 1)
    c.disc(320, 130, 52, "#fffbe3")
    for x, width, top, tone in ((70, 150, 226, "#b5533c"), (520, 190, 200, "#c1613f"), (300, 120, 262, "#cf7a50")):
        mesa = [(x - width * 0.62, 340), (x - width * 0.46, top), (x + width * 0.44, top), (x + width * 0.6, 340)]
        c.shaded(Mask().polygon(mesa), mix(tone, "#ffffff", 0.15), tone, mix(tone, "#5a2016", 0.35))
        for k in range(3):
            y = top + 18 + k * 26
            c.line([(x - width * 0.5, y), (x + width * 0.5, y + 3)], "#00000018", 4)
    c.shaded(Mask().box(0, 326, 640, 160), "#e8a76a", "#b56b3a")
    c.polygon([(300, 330), (322, 330), (470, 480), (210, 480)], "#5d5660")
    for i in range(5):
        top, low = 340 + i * i * 8, 345 + i * i * 8 + i * 5
        c.polygon([(312 + i * 5, top), (315 + i * 5, top), (318 + i * 6, low), (312 + i * 5, low)], "#ffd166")
    for x, y, size in ((132, 440, 200), (520, 420, 150), (590, 372, 70), (40, 368, 60)):
        green = mix("#4f8a4c", "#e8a76a", 0.35 if size < 90 else 0.0)
        thick = size * 0.15
        for dx, bend, tip in ((-0.24, 0.42, 0.66), (0.25, 0.34, 0.74)):
            elbow = [(x, y - size * bend), (x + dx * size, y - size * bend), (x + dx * size, y - size * tip)]
            c.line(elbow, mix(green, "#000000", 0.12), thick * 0.72)
            c.disc(*elbow[1], thick * 0.36, mix(green, "#000000", 0.12))
        c.line([(x, y), (x, y - size * 0.94)], green, thick)
        for rib in (-0.25, 0.1, 0.35):
            c.line([(x + rib * thick, y), (x + rib * thick, y - size * 0.93)], "#ffffff30", 1.4)
    for px, py in c.scattered(40, 0, 350, 640, 476):
        c.disc(px, py, c.random.uniform(1, 4), "#8f4f2a70", 1.6)


def rockcity(c: Canvas, variant: int, words: str) -> None:
    """A temple front cut into a cliff, seen from a gorge."""
    c.gradient("#7ec4ee", "#ffe3c0")
    stone = "#d98c68"
    c.shaded(Mask().box(0, 40, 432, 540), "#eeb08a", stone, "#b0604a")
    c.polygon([(0, 0), (432, 0), (432, 30), (300, 64), (180, 38), (0, 80)], "#9bd2f0")
    shadow, light = mix(stone, "#5a2018", 0.5), mix(stone, "#fff3e0", 0.45)
    c.box(96, 168, 240, 350, mix(stone, "#fff3e0", 0.2))
    for x in range(104, 330, 45):  # lower columns
        c.shaded(Mask().box(x, 352, 22, 150), light, mix(stone, "#7a3020", 0.3), sideways=True)
        c.box(x - 4, 344, 30, 9, light, 2)
        c.box(x - 3, 500, 28, 7, light, 2)
    c.box(194, 372, 44, 132, "#3a1712", 3)
    c.box(126, 372, 20, 130, shadow)
    c.box(284, 372, 20, 130, shadow)
    c.box(88, 322, 256, 22, light)
    c.polygon([(150, 322), (216, 288), (282, 322)], mix(stone, "#fff3e0", 0.6))
    c.polygon([(172, 318), (216, 296), (260, 318)], stone)
    for x in (104, 146, 268, 308):  # upper columns
        c.shaded(Mask().box(x, 206, 18, 112), light, mix(stone, "#7a3020", 0.35), sideways=True)
    c.box(126, 214, 18, 104, shadow)
    c.box(290, 214, 18, 104, shadow)
    for x in (88, 258):
        c.polygon([(x, 206), (x + 4, 182), (x + 82, 182), (x + 86, 206)], light)
    c.shaded(Mask().disc(216, 262, 42, 60), light, stone, sideways=True)
    c.box(174, 262, 84, 60, stone)
    for x in (180, 208, 236):
        c.shaded(Mask().box(x, 226, 15, 92), light, mix(stone, "#7a3020", 0.35), sideways=True)
    c.polygon([(168, 226), (216, 162), (264, 226)], light)
    c.disc(216, 160, 13, light, 17)
    for side in (0, 1):  # the gorge
        edge = [(0, 0), (92, 0), (66, 120), (84, 250), (44, 380), (58, 576), (0, 576)]
        points = edge if not side else [(432 - x, y + 12) for x, y in edge]
        c.shaded(Mask().polygon(points), "#7a3b30", "#4a1f1c")
        for k in range(9):
            y = 30 + k * 62
            x = 0 if not side else 360
            c.curve([(x, y), (x + 36, y + 14), (x + 72, y + 4)], "#c9775a44", 3)
    c.shaded(Mask().polygon([(40, 516), (392, 516), (432, 576), (0, 576)]), "#e8b78f", "#b98560")
    c.person(158, 560, 54, "#2a9d8f", "#8d5a3b", stride=0.5)
    c.person(182, 562, 50, "#264653", "#c68a5e", stride=0.5)
    c.blob([(262, 540), (280, 524), (300, 512), (314, 524), (336, 528), (340, 546), (268, 548)], "#8a5a38")
    c.line([(334, 532), (348, 512), (358, 508)], "#8a5a38", 7)
    for x in (274, 286, 322, 334):
        c.line([(x, 544), (x - 1, 566)], "#6f4529", 4)


def rainforest(c: Canvas, variant: int, words: str) -> None:
    """A wide brown river between walls of trees, a boat and parrots."""
    c.gradient("#bfe3d8", "#f4f6d8", height=240)
    c.glow(330, 150, 220, "#fffbe0", 0.9)
    c.ridge(180, 18, "#8fb8a8")
    c.ridge(208, 14, "#6a9f86")
    c.gradient("#b99a5b", "#7d6136", y=236)
    c.polygon([(300, 236), (362, 236), (470, 480), (150, 480)], "#d8bd7c66")
    for side in (0, 1):
        for depth in range(5):
            tone = mix("#0f3d2a", "#5f9a6a", 0.75 - 0.17 * depth)
            for _ in range(11):
                t = c.random.random()
                reach = 40 + depth * 44
                x = (290 - reach - t * 210) if not side else (372 + reach + t * 210)
                y = 226 + depth * 44 + c.random.uniform(-26, 12)
                c.disc(
                    x,
                    y,
                    c.random.uniform(30, 54),
                    mix(tone, "#d8f0a0", 0.12 * c.random.random()),
                    c.random.uniform(26, 46),
                )
    for x0, lean in ((36, 20), (98, -12), (596, -22), (540, 10)):
        c.curve([(x0, 480), (x0 + lean, 330), (x0 + lean * 2, 90)], "#3a2a1c", 15)
        for i in range(9):
            a = turned(x0 + lean * 2, 96, 84, 180 + i * 22)
            c.curve([(x0 + lean * 2, 92), turned(x0 + lean * 2, 72, 48, 182 + i * 22), (a[0], a[1] + 20)], "#1f6b3f", 9)
    c.curve([(0, 20), (110, 76), (230, 40)], "#2f5a35", 4)
    c.curve([(640, 10), (520, 84), (420, 30)], "#2f5a35", 4)
    c.disc(322, 402, 96, "#00000026", 9)
    c.shaded(Mask().polygon([(226, 378), (420, 378), (396, 404), (254, 404)]), "#a3452f", "#6b2a1c")
    c.line([(226, 378), (420, 378)], "#f2dfb3", 4)
    for x, coat in ((290, "#f2b705"), (344, "#2a6f97")):
        c.disc(x, 338, 11, "#8d5a3b", 13)
        c.pie(x, 336, 17, 180, 360, "#f2e2b8")
        c.blob([(x - 16, 352), (x + 16, 352), (x + 15, 380), (x - 15, 380)], coat)
    c.line([(360, 356), (412, 414)], "#4a3020", 4)
    for x, y, tone in ((400, 92, "#e63946"), (452, 128, "#1d70b8"), (250, 112, "#f2b705")):
        c.curve([(x - 30, y - 16), (x - 12, y - 2), (x, y + 4), (x + 14, y - 6), (x + 30, y - 22)], tone, 6)
        c.line([(x, y + 4), (x - 12, y + 24)], tone, 5)
        c.disc(x + 4, y, 5, mix(tone, "#ffffff", 0.2))


def planet(c: Canvas, variant: int, words: str) -> None:
    """A planet: low over a harbour before sunrise, or large and red with a rocket."""
    if variant % 2 == 1:
        c.gradient("#060b24", "#1d2a5e", "#6b4f8f", "#f29a6b", "#ffd59a", height=350)
        c.stars(90, 200)
        c.disc(396, 238, 3.4, "#ffffff")
        c.glow(396, 238, 34, "#fff3d8", 0.95)
        c.line([(396, 220), (396, 256)], "#ffffff90", 1)
        c.line([(378, 238), (414, 238)], "#ffffff90", 1)
        c.arc(120, 90, 26, 60, 240, "#fff6dc", 5)
        c.ridge(344, 10, "#231c40")
        for x, mast in ((90, 90), (170, 120), (470, 104), (560, 84), (610, 112)):
            c.line([(x, 356), (x, 356 - mast)], "#151029", 3)
            c.line([(x, 356 - mast), (x + 30, 352)], "#151029", 1)
            c.polygon([(x - 30, 350), (x + 34, 350), (x + 24, 366), (x - 22, 366)], "#151029")
        c.mirrored(364, "#1a1740", 0.4)
        return
    c.gradient("#05060f", "#0d1030", "#1a1038")
    c.stars(200, 480)
    c.glow(250, 270, 260, "#ff7a4f", 0.4)
    c.ball(250, 270, 150, "#c1502e")
    for _ in range(26):  # craters
        px, py = turned(250, 270, 128 * c.random.random() ** 0.5, c.random.uniform(0, 360))
        r = c.random.uniform(4, 17)
        c.disc(px, py, r, "#7a2a1830", r * 0.8)
        c.arc(px, py, r, 20, 200, "#ffb08a30", 2, r * 0.8)
    c.disc(250, 133, 36, "#fff1e680", 9)
    c.ball(520, 120, 22, "#9a9aa8")
    x, y = 470, 300
    c.polygon([(x - 26, y + 70), (x - 74, y + 128), (x - 8, y + 98)], "#ffcf5c")
    c.glow(x - 46, y + 104, 54, "#ff8f3c", 0.9)
    c.blob(
        [(x - 30, y + 84), (x - 26, y + 20), (x + 34, y - 58), (x + 82, y - 84), (x + 66, y - 34), (x + 8, y + 52)],
        "#f4f6fb",
    )
    c.polygon([(x - 26, y + 30), (x - 62, y + 52), (x - 34, y + 78)], "#e63946")
    c.polygon([(x + 4, y + 56), (x - 10, y + 98), (x - 34, y + 80)], "#e63946")
    c.blob([(x + 50, y - 66), (x + 84, y - 88), (x + 70, y - 44)], "#e63946")
    c.disc(x + 24, y - 16, 14, "#1d3557")
    c.disc(x + 24, y - 16, 9, "#8fd3f5")


def balloons(c: Canvas, variant: int, words: str) -> None:
    """Hot-air balloons over a valley of stone chimneys at sunrise."""
    c.gradient("#6a8fd0", "#f0a6a0", "#ffd9a0", "#fff0cf", height=400)
    c.glow(120, 320, 250, "#fff6cf", 1)
    c.ridge(330, 16, "#c99a9a")
    c.ridge(362, 20, "#b97f72")
    for x in range(10, 650, 46):
        height = c.random.uniform(46, 120)
        tone = mix("#d9a06e", "#8f5f52", c.random.random() * 0.5)
        waist = 440 - height * 0.6
        chimney = [(x - 24, 440), (x - 13, waist), (x, 434 - height), (x + 13, waist), (x + 24, 440)]
        c.shaded(Mask().blob(chimney), mix(tone, "#ffe9c4", 0.5), tone, sideways=True)
        c.polygon([(x - 13, 446 - height), (x, 420 - height), (x + 13, 446 - height)], mix(tone, "#4a2f2f", 0.5))
    c.ridge(444, 12, "#9a6a55")
    c.ridge(466, 6, "#7d5546")
    sets = (
        ("#e63946", "#ffd166"),
        ("#1d70b8", "#ffffff"),
        ("#2a9d8f", "#f4a261"),
        ("#8a3ffc", "#ffc6ff"),
        ("#f2740b", "#fff3d0"),
        ("#c1121f", "#669bbc"),
    )
    places = (
        (330, 150, 84),
        (140, 120, 52),
        (520, 110, 60),
        (230, 270, 34),
        (450, 262, 40),
        (590, 236, 24),
        (60, 236, 22),
    )
    for i, (x, y, r) in enumerate(places):
        a, b = sets[i % 6]
        for k in range(7):  # panels, widest first
            half = r * (1 - k / 7)
            tone = a if k % 2 == 0 else b
            c.disc(x, y, half, tone, r)
            c.polygon(
                [
                    (x - half * 0.92, y + r * 0.38),
                    (x + half * 0.92, y + r * 0.38),
                    (x + half * 0.2, y + r * 1.3),
                    (x - half * 0.2, y + r * 1.3),
                ],
                tone,
            )
        c.disc(x - r * 0.34, y - r * 0.38, r * 0.34, "#ffffff2c", r * 0.4)
        c.line([(x - r * 0.17, y + r * 1.3), (x - r * 0.12, y + r * 1.52)], "#4a3020", 1.2)
        c.line([(x + r * 0.17, y + r * 1.3), (x + r * 0.12, y + r * 1.52)], "#4a3020", 1.2)
        c.box(x - r * 0.15, y + r * 1.5, r * 0.3, r * 0.22, "#7a4a2b", 2)
        c.glow(x, y + r * 1.34, r * 0.24, "#ffe39a", 0.9)


def ducks(c: Canvas, variant: int, words: str) -> None:
    """A drake and three ducks on a crossing."""
    c.gradient("#a9d6ea", "#e9f4ee", height=190)
    for i in range(9):
        c.tree(i * 84 - 10, 196, 108 + c.random.uniform(-24, 24), mix("#5f9a55", "#2f6b48", c.random.random()))
    c.box(0, 186, 720, 26, "#c9c4ba")
    c.gradient("#6d7078", "#4c4f57", y=208)
    for i in range(8):
        c.polygon([(44 + i * 88, 226), (84 + i * 88, 226), (72 + i * 96, 405), (8 + i * 96, 405)], "#f2efe6")
    for i, x in enumerate((164, 306, 440, 566)):
        drake = i == 0
        size = 1.1 if drake else 0.92
        y = 318.0
        body, head = ("#a8a29a", "#0b6b4a") if drake else ("#9a6b43", "#8a5c38")
        c.disc(x, y + 44 * size, 56 * size, "#00000030", 8)
        for dx in (-12, 12):
            c.line([(x + dx, y + 26 * size), (x + dx + (4 if i % 2 else -4), y + 46 * size)], "#f28c28", 5)
        c.blob(
            [
                (x - 62 * size, y - 18 * size),
                (x - 34 * size, y - 12 * size),
                (x + 26 * size, y - 22 * size),
                (x + 50 * size, y + 4 * size),
                (x + 26 * size, y + 34 * size),
                (x - 30 * size, y + 34 * size),
            ],
            body,
        )
        c.blob(
            [
                (x - 44 * size, y - 4 * size),
                (x + 4 * size, y - 14 * size),
                (x + 20 * size, y + 10 * size),
                (x - 20 * size, y + 22 * size),
            ],
            mix(body, "#3a2a1c", 0.35),
        )
        c.line([(x + 36 * size, y - 2 * size), (x + 42 * size, y - 42 * size)], head, 21 * size)
        c.disc(x + 44 * size, y - 54 * size, 21 * size, head, 19 * size)
        if drake:
            c.line([(x + 30 * size, y - 16 * size), (x + 50 * size, y - 17 * size)], "#ffffff", 6)
            c.disc(x + 38 * size, y - 62 * size, 8, "#2fae7a60")
        c.blob(
            [
                (x + 60 * size, y - 60 * size),
                (x + 86 * size, y - 52 * size),
                (x + 84 * size, y - 46 * size),
                (x + 60 * size, y - 46 * size),
            ],
            "#f2b01e" if drake else "#d98a3a",
        )
        c.disc(x + 50 * size, y - 59 * size, 3.4, "#101010")
        c.disc(x + 51 * size, y - 60 * size, 1.2, "#ffffff")


def birds(c: Canvas, variant: int, words: str) -> None:
    """Birds about a feeder in a garden."""
    c.gradient("#9fd3e8", "#e6f4e0")
    for x, y, r in ((60, 120, 120), (580, 90, 140), (320, 40, 90), (620, 330, 120), (10, 360, 110)):
        c.glow(x, y, r, "#6aa84f", 0.7)
    c.curve([(-10, 150), (200, 128), (420, 150), (650, 110)], "#6b4a30", 13)
    for px, py in c.scattered(26, 0, 112, 640, 160):
        c.disc(px, py, 17, mix("#5c9a48", "#a4cf6a", c.random.random()), 8)
    c.line([(320, 146), (320, 196)], "#3a3a40", 2)
    c.polygon([(236, 236), (320, 188), (404, 236)], "#a3452f")
    c.box(262, 236, 116, 94, "#e9f2f4c0")
    c.shaded(Mask().box(262, 270, 116, 60), "#e0b35c", "#b9863a")
    c.box(240, 328, 160, 13, "#8a5a34", 4)
    flock = (
        (206, 300, "#2f3d52", "#f4f1e8", 1),
        (436, 306, "#3f6fb0", "#f2d24a", -1),
        (130, 108, "#8a5a34", "#e9d2b0", 1),
        (520, 96, "#c8452f", "#f4e4d0", -1),
        (440, 442, "#707a86", "#b9c2cc", -1),
    )
    for x, y, back, belly, facing in flock:
        fat = 1.7 if y > 400 else 1.0
        s, f = fat, facing
        c.line([(x - 6, y + 20 * s), (x - 6, y + 34 * s)], "#5a4030", 2.5)
        c.line([(x + 6, y + 20 * s), (x + 6, y + 34 * s)], "#5a4030", 2.5)
        c.line([(x - f * 22 * s, y + 4 * s), (x - f * 56 * s, y + 22 * s)], back, 10 * s)
        c.disc(x, y, 30 * s, back, 25 * s)
        c.disc(x + f * 9 * s, y + 7 * s, 20 * s, belly, 17 * s)
        c.disc(x + f * 25 * s, y - 20 * s, 15 * s, back)
        c.polygon([(x + f * 38 * s, y - 24 * s), (x + f * 53 * s, y - 18 * s), (x + f * 38 * s, y - 14 * s)], "#f2a33a")
        c.disc(x + f * 29 * s, y - 23 * s, 2.8 * s, "#101010")
        c.blob(
            [(x - f * 22 * s, y - 6 * s), (x + f * 8 * s, y - 12 * s), (x - f * 8 * s, y + 13 * s)],
            mix(back, "#000000", 0.3),
        )
    c.gradient("#86b85c", "#5a8c3c", y=476, height=4)


def dog(c: Canvas, variant: int, words: str) -> None:
    """A dog: on the heath, or in the laundry basket."""
    fur, ear = ("#d99a4e", "#a8672a") if variant % 2 else ("#e8dcc8", "#8a6a4a")
    if variant % 2:
        c.gradient("#84c5ea", "#e6f5f8", height=300)
        c.cloud(110, 80, 40)
        c.cloud(420, 62, 50)
        c.ridge(280, 16, "#7aa05f")
        c.gradient("#8fbf62", "#588a3c", y=300)
        c.tree(440, 316, 150, "#4f8a4c")
    else:
        c.gradient("#e7d3c0", "#cdb39a", height=380)
        c.gradient("#a77f57", "#815c3a", y=380)
        c.box(40, 60, 120, 150, "#ffffff", 4)
        c.shaded(Mask().box(48, 68, 104, 134), "#9fd3e8", "#e6f4e0")
    c.disc(260, 470, 160, "#00000030", 18)
    c.blob([(150, 480), (160, 370), (200, 318), (320, 318), (360, 370), (370, 480)], fur)
    c.blob([(206, 470), (214, 380), (260, 346), (306, 380), (314, 470)], mix(fur, "#ffffff", 0.4))
    for x in (214, 306):
        c.line([(x, 400), (x, 468)], mix(fur, "#ffffff", 0.1), 40)
        c.disc(x, 474, 28, mix(fur, "#ffffff", 0.3), 17)
    c.blob([(152, 196), (122, 250), (134, 330), (172, 316), (188, 220)], ear)
    c.blob([(368, 196), (398, 250), (386, 330), (348, 316), (332, 220)], ear)
    c.disc(260, 238, 104, fur, 100)
    c.blob([(236, 150), (284, 150), (278, 240), (242, 240)], mix(fur, "#ffffff", 0.4))
    c.disc(260, 284, 58, mix(fur, "#ffffff", 0.5), 46)
    c.blob([(240, 312), (280, 312), (276, 356), (260, 368), (244, 356)], "#e8637a")
    c.line([(260, 316), (260, 350)], "#b83f58", 2)
    c.arc(238, 298, 24, 10, 150, "#3a2418", 4)
    c.arc(282, 298, 24, 30, 170, "#3a2418", 4)
    c.disc(260, 264, 25, "#1c1412", 17)
    c.disc(252, 258, 7, "#ffffff60", 4)
    for x in (218, 302):
        c.disc(x, 222, 16, "#23150d")
        c.disc(x - 4, 217, 5, "#ffffff")
        c.arc(x, 214, 26, 215, 325, ear, 5)
    if variant % 2:
        c.box(196, 344, 128, 18, "#e63946", 9)
        c.ball(260, 368, 15, "#f2b705")
        return
    c.shaded(Mask().polygon([(92, 400), (428, 400), (398, 520), (122, 520)]), "#f2e6d0", "#c9a878")
    for i in range(9):
        c.line([(104 + i * 39, 404), (124 + i * 34, 520)], "#00000022", 4)
    for y in (430, 462, 494):
        c.line([(98, y), (422, y)], "#00000022", 4)
    c.box(82, 390, 356, 22, "#e0c497", 11)
    c.blob([(120, 396), (160, 360), (206, 380), (212, 400)], "#7fb7d9")
    c.blob([(330, 400), (360, 356), (408, 376), (414, 400)], "#f2a0a1")


def lighthouse(c: Canvas, variant: int, words: str) -> None:
    """A lighthouse over a rough sea."""
    c.gradient("#101b3d", "#3a4a80", "#c9788a", "#f9c89a", height=420)
    c.stars(60, 160)
    for target in ((-40, 60), (480, 40)):
        c.beam((216, 150), target, 150, "#fff2b8", 0.6)
    c.gradient("#1f4a6b", "#0d2238", y=398)
    for row in range(7):
        y = 404 + row * 25
        for i in range(7):
            x = i * 74 + (row % 2) * 37 - 30
            c.curve([(x, y + 8), (x + 20, y - 4), (x + 40, y + 6), (x + 62, y - 2)], "#ffffff40", 2.5)
    c.blob([(60, 470), (96, 404), (160, 376), (270, 370), (340, 408), (392, 470)], "#3b2f3a")
    c.blob([(96, 470), (150, 410), (220, 398), (300, 420), (340, 470)], "#54434d")
    body = [(176, 384), (192, 186), (240, 186), (256, 384)]
    c.shaded(Mask().polygon(body), "#ffffff", "#c9c4d0", sideways=True)
    for y in (212, 276, 340):
        a, b = 16 * (384 - y) / 198, 16 * (384 - y - 32) / 198
        c.polygon([(176 + a, y), (256 - a, y), (256 - b, y + 32), (176 + b, y + 32)], "#d62f3c")
    for y in (250, 312):
        c.box(210, y, 12, 18, "#ffd98a", 3)
    c.box(182, 176, 68, 12, "#2a2433", 3)
    c.box(194, 132, 44, 46, "#ffe9a0", 3)
    c.line([(208, 132), (208, 178)], "#2a2433", 2)
    c.line([(224, 132), (224, 178)], "#2a2433", 2)
    c.polygon([(186, 134), (216, 98), (246, 134)], "#d62f3c")
    c.glow(216, 154, 74, "#fff6cf", 1)
    c.box(274, 344, 52, 34, "#efe6da")
    c.polygon([(268, 346), (300, 320), (332, 346)], "#8f3a3a")
    c.box(290, 354, 14, 14, "#ffd98a", 2)


SCENES: dict[str, Scene] = {
    "balloons": (balloons, LANDSCAPE),
    "beach": (beach, LANDSCAPE),
    "birds": (birds, LANDSCAPE),
    "desert": (desert, LANDSCAPE),
    "dog": (dog, SQUARE),
    "ducks": (ducks, WIDE),
    "lighthouse": (lighthouse, PORTRAIT),
    "mountains": (mountains, LANDSCAPE),
    "planet": (planet, LANDSCAPE),
    "rainforest": (rainforest, LANDSCAPE),
    "rockcity": (rockcity, PORTRAIT),
}
