"""Streets, bridges, monuments and what moves through them."""

from __future__ import annotations

from umt_core.data.drawing import LANDSCAPE, PORTRAIT, WIDE, Canvas, Mask, Scene, mix, turned


def skyline(c: Canvas, variant: int, words: str) -> None:
    """Towers at night and their lights in the water."""
    sky = (
        ("#0a1033", "#2c2f77", "#c65d8b", "#ffb27a"),
        ("#06121f", "#0f3b57", "#3b8ea5", "#f5d6a0"),
        ("#12082b", "#45206b", "#d94f70", "#ffc371"),
        ("#1a1033", "#5b2a5e", "#e07a4f", "#f9d48a"),
        ("#081026", "#1b2a5a", "#5c6fb1", "#d8c3dd"),
    )[(variant - 1) % 5]
    c.gradient(*sky, height=300)
    c.stars(60, 150)
    c.disc(520, 84, 26, "#fff6dc")
    c.glow(520, 84, 110, "#fff0c0", 0.5)
    for near, tone in ((0, mix(sky[1], sky[2], 0.4)), (1, mix(sky[0], "#000000", 0.25))):
        x = -20.0
        while x < c.width:
            width = c.random.uniform(30, 66)
            height = c.random.uniform(50, 130) * (0.9 + 0.5 * near) * (1.3 - abs(x - 320) / 520)
            top = 302 - height
            c.box(x, top, width, height + 4, tone)
            if c.random.random() < 0.3:
                c.polygon([(x, top), (x + width / 2, top - width * 0.7), (x + width, top)], tone)
                c.line([(x + width / 2, top - width * 0.6), (x + width / 2, top - width * 1.2)], tone, 2)
            elif c.random.random() < 0.3:
                c.box(x + width * 0.25, top - 14, width * 0.5, 16, tone)
                c.line([(x + width / 2, top - 12), (x + width / 2, top - 40)], tone, 2)
                c.disc(x + width / 2, top - 40, 1.8, "#ff5a4f")
            if near:
                c.windows(x + 3, top + 4, width - 6, height - 6, 9, ("#ffe2a0", "#ffc66b", "#cfe8ff"), 0.5)
            x += width + c.random.uniform(-4, 8) * (1 - near)
    c.mirrored(304, mix(sky[0], "#05060f", 0.4), 0.42)
    c.line([(0, 304), (640, 304)], "#05060faa", 3)
    for i in range(26):
        c.glow(12 + i * 25, 303, 9, "#ffd98a", 0.9)


def bridge(c: Canvas, variant: int, words: str) -> None:
    """A bridge over a river: hung from towers, an arch of steel, or old stone."""
    kind = ("arch", "stone", "hanging")[(variant - 1) % 3]
    sky = {
        "hanging": ("#5d7fa3", "#f2b48c", "#ffe3bd"),
        "arch": ("#3f8fd2", "#9fd3f2", "#e9f6fb"),
        "stone": ("#35527f", "#f08a6c", "#ffd59a"),
    }[kind]
    c.gradient(*sky, height=330)
    c.glow(470 if kind != "arch" else 120, 270, 210, "#fff3cf", 0.9)
    c.cloud(140, 96, 46, "#ffffffaa")
    c.cloud(500, 66, 60, "#ffffff88")
    c.ridge(300, 22, mix(sky[0], "#2f4858", 0.45))
    if kind == "hanging":
        red, deck = "#c8452f", 296
        for x in (170, 470):
            for dx in (-13, 9):
                c.box(x + dx, 92, 9, 262, red, 2)
            for y in (92, 150, 208, 262):
                c.box(x - 13, y, 31, 9, mix(red, "#000000", 0.15))
        spans = (((-60, 210), (170, 98), 0), ((170, 98), (470, 98), 1), ((470, 98), (700, 210), 0))
        for (x0, y0), (x1, y1), sag in spans:
            cable = []
            for i in range(31):
                t = i / 30
                drop = 4 * t * (1 - t) * (180 if sag else 36)
                cable.append((x0 + (x1 - x0) * t, y0 + (y1 - y0) * t + drop))
            for px, py in cable[1:]:
                c.line([(px, py), (px, deck)], red + "a0", 1.2)
            c.line(cable, red, 4)
        c.box(0, deck, 640, 9, mix(red, "#000000", 0.12))
        c.box(0, deck + 9, 640, 5, mix(red, "#000000", 0.4))
    elif kind == "arch":
        steel = "#4a5560"
        upper, lower = [], []
        for i in range(41):
            t = i / 40
            upper.append((60 + 520 * t, 292 - 4 * t * (1 - t) * 200))
            lower.append((60 + 520 * t, 322 - 4 * t * (1 - t) * 188))
        for a, b, d in zip(upper, lower, [*lower[1:], lower[-1]], strict=True):
            c.line([a, b], steel, 2)
            c.line([a, d], steel, 1.6)
        for px, py in lower[5:-5:2]:
            c.line([(px, py), (px, 270)], steel, 2)
        c.line(upper, mix(steel, "#ffffff", 0.1), 6)
        c.line(lower, steel, 6)
        c.box(0, 262, 640, 13, mix(steel, "#000000", 0.2))
        for x in (34, 566):
            c.shaded(Mask().box(x, 186, 40, 160), "#d9c7a8", "#9f8b6d")
            c.box(x - 5, 180, 50, 9, "#e8d9bd")
    else:
        stone = "#c9985f"
        for i, tone in enumerate(
            ("#e2a36b", "#d98b5f", "#efc27b", "#c97b52", "#e8b06e", "#d69a63", "#efcf8f", "#d0805a")
        ):
            x, top = 20 + i * 76, 168 + c.random.uniform(-18, 20)
            c.box(x, top, 78, 110, tone)
            c.polygon([(x - 4, top), (x + 39, top - 18), (x + 82, top)], "#9a4f36")
            c.windows(x + 6, top + 14, 70, 64, 22, ("#5a3b3a", "#ffe2a0"), 0.95)
        c.shaded(
            Mask().polygon([(0, 262), (320, 246), (640, 262), (640, 352), (0, 352)]),
            mix(stone, "#ffffff", 0.2),
            stone,
        )
        for x in (112, 320, 528):
            c.disc(x, 348, 82, mix(sky[1], "#6b4a5e", 0.45), 66)
            c.arc(x, 348, 86, 180, 360, mix(stone, "#000000", 0.25), 5, 70)
        c.line([(0, 262), (320, 246), (640, 262)], mix(stone, "#ffffff", 0.4), 5)
    c.mirrored(346, mix(sky[0], "#1d3557", 0.5), 0.45)


def eiffel(c: Canvas, variant: int, words: str) -> None:
    """The tower in Paris at the blue hour."""
    c.gradient("#0e1f4d", "#28509a", "#7f9fd0", "#f6c8a8", height=470)
    c.stars(40, 190)
    c.ridge(460, 10, "#1b2c55")
    for i in range(16):
        height = c.random.uniform(16, 44)
        c.box(i * 28 - 4, 474 - height, 29, height, "#16244a")
        c.windows(i * 28, 476 - height, 24, height - 4, 9, ("#ffd98a",), 0.4)
    c.glow(216, 330, 240, "#ffcf7a", 0.45)
    iron, light = "#7a5230", "#ffce7a"

    def half(y: float) -> float:
        """Half the tower's width at this height."""
        t = (y - 70) / 410
        return 3 + 20 * t + 98 * t**3.2

    for y in range(74, 478, 5):  # lattice
        a, b = half(y), half(y + 12)
        tone = mix(iron, light, 0.35 + 0.4 * c.random.random())
        c.line([(216 - a, y), (216 - b * 0.15, y + 12)], tone, 1.8)
        c.line([(216 + a, y), (216 + b * 0.15, y + 12)], tone, 1.8)
        c.line([(216 - a * 0.3, y), (216 - b, y + 12)], tone, 1.8)
        c.line([(216 + a * 0.3, y), (216 + b, y + 12)], tone, 1.8)
    for side in (-1, 1):
        c.line([(216 + side * half(y), y) for y in range(70, 484, 6)], mix(iron, light, 0.75), 4)
    c.pie(216, 486, 62, 180, 360, "#3c527f")
    c.polygon([(154, 484), (278, 484), (262, 420), (170, 420)], "#3c527f00")
    c.arc(216, 486, 64, 180, 360, light, 5)
    for y, extra in ((214, 7), (356, 11), (426, 4)):
        c.box(216 - half(y) - extra, y, 2 * (half(y) + extra), 9, mix(iron, light, 0.6), 2)
    c.line([(216, 70), (216, 38)], light, 2)
    c.glow(216, 44, 26, "#ffffff", 0.9)
    c.beam((216, 50), (420, 10), 40, "#ffffff", 0.4)
    c.gradient("#233d2c", "#0f1e18", y=484)
    for x in (20, 74, 128, 304, 358, 412):
        c.tree(x, 510, 74, "#2c5a38")
    c.polygon([(186, 484), (246, 484), (330, 576), (102, 576)], "#c9b48a")
    for side in (-1, 1):
        for i in range(4):
            c.glow(216 + side * (44 + i * 24), 496 + i * 22, 20, "#ffe3a0", 0.9)


def obelisk(c: Canvas, variant: int, words: str) -> None:
    """A white obelisk over a long pool, cherry trees on both sides."""
    c.gradient("#7fb4e6", "#f7c9b6", "#fff0d8", height=320)
    c.glow(110, 290, 230, "#fff2c4", 0.9)
    c.cloud(500, 90, 52, "#ffffffb0")
    c.ridge(312, 6, "#6f8f6a")
    for side in (-1, 1):
        for i in range(5):
            x = 320 + side * (110 + i * 52)
            c.tree(x, 326 + i * 3, 70 + i * 16, "#f2a7bd")
    c.shaded(Mask().polygon([(302, 322), (308, 84), (320, 58), (332, 84), (338, 322)]), "#fffdf6", "#e6dfd0")
    c.polygon([(320, 58), (332, 84), (338, 322), (322, 322)], "#00000018")
    c.polygon([(308, 84), (320, 58), (332, 84), (320, 88)], "#00000010")
    c.mirrored(326, "#6d93ad", 0.35)
    c.polygon([(0, 326), (250, 326), (120, 480), (0, 480)], "#7ba05b")
    c.polygon([(640, 326), (390, 326), (520, 480), (640, 480)], "#7ba05b")
    c.polygon([(236, 326), (250, 326), (120, 480), (78, 480)], "#d8c9a8")
    c.polygon([(404, 326), (390, 326), (520, 480), (562, 480)], "#d8c9a8")
    c.disc(108, 444, 26, "#00000028", 5)
    c.person(108, 446, 92, "#e4572e", "#8d5a3b", stride=0.9)
    for px, py in c.scattered(60, 0, 150, 640, 470):
        c.disc(px, py, 2, "#ffd3de", 1.3)


def train(c: Canvas, variant: int, words: str) -> None:
    """A train on its way through the country."""
    body, sky = (
        ("#c8102e", ("#8fbfe0", "#e8f3f7")),
        ("#f4f6f8", ("#f2a65a", "#fbe3c0")),
        ("#1d6a4f", ("#b9cfd8", "#f1f4ee")),
    )[(variant - 1) % 3]
    c.gradient(*sky, height=240)
    c.ridge(220, 26, mix(sky[0], "#4d7a63", 0.5))
    c.ridge(250, 12, "#6f9b5c")
    c.gradient("#83ad62", "#55803f", y=268)
    if variant % 3 == 2:  # a mountain with snow on it behind the fast train
        c.polygon([(90, 262), (290, 66), (490, 262)], "#6d7fa3")
        c.polygon([(226, 128), (290, 66), (354, 128), (322, 146), (296, 128), (268, 150)], "#ffffff")
        c.gradient("#83ad62", "#55803f", y=258)
    for x in range(14, 720, 120):  # masts of the overhead line
        c.line([(x, 306), (x, 128)], "#4c565f", 4)
        c.line([(x, 134), (x + 34, 134)], "#4c565f", 3)
    c.line([(0, 142), (720, 142)], "#39424a", 1.4)
    nose = [(40, 300), (46, 262), (104, 206), (168, 184), (760, 184), (760, 300)]
    c.shaded(Mask().polygon(nose), mix(body, "#ffffff", 0.25), body, mix(body, "#000000", 0.25))
    c.polygon([(76, 234), (112, 202), (160, 190), (160, 234)], "#1b2a38")
    c.polygon([(92, 226), (118, 204), (140, 198), (116, 230)], "#7f9fb566")
    stripe = "#ffcf33" if body != "#f4f6f8" else "#1f5fbf"
    c.polygon([(44, 272), (760, 262), (760, 274), (42, 284)], stripe)
    for x in range(190, 720, 66):
        c.box(x, 206, 46, 34, "#1b2a38", 7)
        c.polygon([(x + 6, 238), (x + 22, 208), (x + 34, 208), (x + 18, 238)], "#7f9fb544")
    for x in (392, 656):
        c.box(x, 200, 3, 98, "#00000030")
    c.disc(58, 268, 7, "#fff6c9", 5)
    c.glow(52, 268, 46, "#fff0a8", 0.8)
    for x in (110, 158, 340, 430, 610, 690):
        c.disc(x, 304, 14, "#23262b")
        c.disc(x, 304, 6, "#8f969e")
    c.box(0, 316, 720, 5, "#8f969e")
    for x in range(-10, 720, 26):
        c.box(x, 321, 14, 8, "#5a4634", 1)
    c.gradient("#8d8578", "#6b6459", y=329, height=16)
    for px, py in c.scattered(70, 0, 352, 720, 400):
        c.line([(px, py), (px + c.random.uniform(-4, 4), py - 10)], "#3f6a30", 2)
        if c.random.random() < 0.4:
            c.disc(px, py - 10, 3, c.random.choice(("#ffd166", "#ffffff", "#e4572e")))


def tram(c: Canvas, variant: int, words: str) -> None:
    """A yellow tram on a steep street."""
    c.gradient("#5aaee0", "#d8f0fa", height=260)
    c.gradient("#8fb7c9", "#8f8b86", y=260)
    tones = ("#f6c6b0", "#f9e2ae", "#a8d5e2", "#f2a0a1", "#e8e4d8")
    for side in (0, 1):
        for i in range(4):
            x = i * 62 - 30 if not side else 640 - 92 - i * 62 + 62
            lean = 34 * i
            c.box(x, 46 + lean, 64, 420, tones[(i + 2 * side) % 5])
            c.polygon([(x - 4, 46 + lean), (x + 32, 24 + lean), (x + 68, 46 + lean)], "#b5533c")
            for row in range(4):
                for column in range(2):
                    wx, wy = x + 10 + column * 26, 64 + lean + row * 62
                    c.box(wx, wy, 18, 34, "#ffffff", 2)
                    c.box(wx + 2, wy + 2, 14, 30, "#46637a", 1)
                    c.box(wx - 2, wy + 36, 22, 5, "#3a3a40", 1)
    c.polygon([(210, 300), (430, 300), (640, 480), (0, 480)], "#8f8b86")
    for i in range(9):
        y = 306 + 2.2 * i * i + 4 * i
        c.line([(205 - i * 23, y), (435 + i * 23, y)], "#00000020", 2)
    c.line([(286, 330), (200, 480)], "#d9dde0", 4)
    c.line([(354, 330), (440, 480)], "#d9dde0", 4)
    for wire in (-90, 0, 90):
        c.line([(320, 92), (320 + wire * 5, -10)], "#2f2f33", 1.2)
    c.line([(320, 150), (306, 96), (334, 96), (320, 150)], "#2f2f33", 2.5)
    c.shaded(Mask().box(230, 150, 180, 232, 22), "#ffd54a", "#f2b705")
    c.box(222, 142, 196, 18, "#f7f3e8", 8)
    c.box(230, 280, 180, 30, "#f7f3e8")
    for x in (244, 294, 346):
        c.box(x, 176, 46 if x == 294 else 40, 84, "#22384a", 6)
        c.polygon([(x + 6, 252), (x + 22, 182), (x + 32, 182), (x + 16, 252)], "#8fb3c955")
    c.box(284, 158, 72, 15, "#1a1a1e", 4)
    c.text(320, 166, "28", 13, "#ffd166", weight=3)
    c.disc(320, 332, 17, "#fff8da")
    c.glow(320, 332, 40, "#fff2b0", 0.8)
    c.box(226, 366, 188, 22, "#3a3a40", 8)
    c.disc(320, 402, 120, "#00000030", 9)


def plane(c: Canvas, variant: int, words: str) -> None:
    """An airliner above the clouds."""
    sky, tail = (
        (("#1f5fa8", "#7fc0ea", "#ffe0b8"), "#e63946"),
        (("#274690", "#8fb8de", "#f7e1d7"), "#0a3d91"),
        (("#3a2d6b", "#d9718c", "#ffd29a"), "#0b8a6f"),
    )[(variant - 1) % 3]
    c.gradient(*sky)
    c.glow(120, 330, 220, "#fff3d0", 0.9)
    for x, y, size in ((90, 360, 70), (300, 392, 90), (560, 372, 84), (690, 330, 60), (600, 82, 40), (90, 96, 34)):
        c.cloud(x, y, size, "#ffffffd8")
    white = "#fbfcfe"
    c.polygon([(560, 176), (640, 84), (676, 82), (640, 178)], tail)
    c.polygon([(566, 196), (652, 168), (690, 172), (628, 206)], mix(white, "#90a0b0", 0.35))
    c.polygon([(380, 176), (470, 96), (500, 98), (452, 178)], mix(white, "#7f8fa3", 0.45))
    hull = [(64, 208), (92, 182), (160, 164), (520, 160), (640, 172), (652, 184), (560, 222), (160, 240), (92, 230)]
    c.shaded(Mask().blob(hull), white, white, "#c3ccd6", "#8e9baa")
    c.line([(90, 214), (560, 200)], tail, 5)
    for x in range(150, 560, 20):
        c.box(x, 184 - (x - 150) * 0.008, 9, 12, "#33475b", 4)
    c.polygon([(84, 190), (112, 178), (118, 190), (90, 198)], "#25384a")
    c.shaded(Mask().polygon([(300, 218), (400, 214), (560, 318), (520, 322)]), "#d5dce4", "#98a5b3")
    c.box(388, 246, 66, 28, "#dfe5ea", 14)
    c.disc(392, 260, 8, "#26323e", 13)
    c.cloud(430, 408, 66, "#ffffffee")
    c.cloud(170, 404, 52, "#ffffffee")


def car(c: Canvas, variant: int, words: str) -> None:
    """A car by the road."""
    body, sky = (
        ("#e63946", ("#8ecae6", "#e8f6fb")),
        ("#1b263b", ("#f2a65a", "#fbe0c3")),
        ("#2a9d8f", ("#a0c4ff", "#fdf0d5")),
    )[(variant - 1) % 3]
    c.gradient(*sky, height=250)
    c.ridge(230, 20, mix(sky[0], "#55805a", 0.55))
    c.gradient("#7fa85c", "#5b8544", y=250, height=50)
    for x in (60, 170, 560, 668):
        c.tree(x, 272, 108 + c.random.uniform(-16, 16), "#4f8a4c")
    c.gradient("#5d6068", "#42454c", y=296)
    for x in range(-30, 720, 110):
        c.box(x, 372, 62, 7, "#f2ead2", 2)
    c.disc(350, 342, 262, "#00000038", 13)
    long = 40 if variant % 3 == 2 else 0
    roof = [(212 - long, 250), (268 - long, 176), (300, 160), (420, 160), (460, 174), (520 + long, 250)]
    c.shaded(Mask().blob(roof), mix(body, "#ffffff", 0.3), body)
    glass = [(236 - long, 246), (280 - long, 186), (306, 174), (354, 174), (354, 246)]
    c.polygon(glass, "#22333f")
    c.polygon([(366, 174), (418, 174), (448, 184), (496 + long, 246), (366, 246)], "#22333f")
    c.polygon([(270 - long, 240), (306, 182), (326, 182), (292 - long, 240)], "#9fc3d455")
    hull = [
        (96 - long, 300),
        (104 - long, 262),
        (214 - long, 240),
        (520 + long, 240),
        (606 + long, 256),
        (618 + long, 300),
        (600 + long, 326),
        (116 - long, 326),
    ]
    c.shaded(Mask().blob(hull), mix(body, "#ffffff", 0.35), body, mix(body, "#000000", 0.35))
    c.line([(130 - long, 278), (590 + long, 278)], "#ffffff40", 2)
    c.line([(360, 246), (360, 318)], "#00000040", 2)
    for x in (300, 384):
        c.box(x, 262, 24, 5, mix(body, "#000000", 0.4), 2)
    c.disc(112 - long, 280, 11, "#fff3c4", 9)
    c.glow(108 - long, 280, 40, "#fff3c4", 0.7)
    c.box(598 + long, 270, 16, 18, "#ff4d4d", 5)
    for x in (196 - long, 514 + long):
        c.disc(x, 322, 44, "#17191d")
        c.disc(x, 322, 25, "#c3c9d0")
        for i in range(5):
            c.line([(x, 322), turned(x, 322, 22, i * 72 + 18)], "#6d7680", 4)
        c.disc(x, 322, 6, "#3d444c")


def rain(c: Canvas, variant: int, words: str) -> None:
    """A wet street at dusk, lamps and umbrellas."""
    c.gradient("#2c3e58", "#5d7187", "#c79f84", height=310)
    for side in (0, 1):
        for i in range(5):
            x, top = (i * 50 - 10, 30 + i * 34) if not side else (600 - i * 50, 20 + i * 36)
            tone = mix("#6b4a3f", "#8d99a6", 0.14 * i)
            c.box(x, top, 52, 320 - top, tone)
            c.box(x, top, 52, 6, mix(tone, "#000000", 0.25))
            c.windows(x + 3, top + 16, 48, 210 - top * 0.6, 17, ("#ffd98a", "#ffc66b", "#33414f"), 0.9)
    c.mirrored(312, "#2b3a4c", 0.5)
    for x, y in ((214, 316), (430, 318), (120, 350), (540, 352)):
        c.line([(x, y), (x, y - 150)], "#1a222c", 4)
        c.disc(x, y - 154, 8, "#fff2c4", 10)
        c.glow(x, y - 154, 66, "#ffd98a", 0.85)
        c.glow(x, y + 70, 40, "#ffd98a", 0.35)
    for x, y, height, coat, cloth in (
        (330, 420, 150, "#24303d", "#e63946"),
        (228, 392, 112, "#3b2f4a", "#ffd166"),
        (424, 396, 116, "#1f3b3a", "#4ea8de"),
    ):
        c.disc(x, y + 6, height * 0.26, cloth + "44", 8)
        c.person(x, y, height, coat, "#c68a5e", stride=0.5)
        c.line([(x + height * 0.12, y - height * 0.5), (x + height * 0.12, y - height * 1.12)], "#15181d", 2.5)
        r, cx, cy = height * 0.42, x + height * 0.06, y - height * 0.9
        c.pie(cx, cy, r, 180, 360, cloth)
        for k in (-0.66, 0, 0.66):
            c.arc(cx, cy, abs(r * k) + 0.5, 180, 360, mix(cloth, "#000000", 0.25), 1.4, r)
        for k in range(4):
            c.disc(cx - r + r / 4 + k * r / 2, cy, r / 4, mix(cloth, "#000000", 0.18), r / 14)
    for px, py in c.scattered(200, -20, -20, 640, 470):
        length = c.random.uniform(8, 24)
        c.line([(px, py), (px - length * 0.2, py + length)], "#ffffff38", 1)


def campus(c: Canvas, variant: int, words: str) -> None:
    """A university: columns, steps, and hats in the air or trees round the lawn."""
    c.gradient("#4f9bd9", "#d9effa", height=330)
    c.cloud(120, 76, 44)
    c.cloud(520, 60, 54)
    c.gradient("#8fbf68", "#4f8038", y=330)
    leaf = "#3c6e47" if variant % 2 else "#c9772b"
    for x in (40, 118, 530, 606):
        c.tree(x, 344, 172 + c.random.uniform(-20, 20), leaf)
    stone = "#efe3cd"
    c.shaded(Mask().box(150, 178, 340, 150), mix(stone, "#000000", 0.22), mix(stone, "#000000", 0.1))
    c.polygon([(136, 178), (320, 96), (504, 178)], stone)
    c.polygon([(174, 170), (320, 108), (466, 170)], mix(stone, "#000000", 0.12))
    c.disc(320, 148, 15, "#b98b4a")
    c.disc(320, 148, 10, stone)
    c.box(136, 176, 368, 16, stone)
    c.box(292, 238, 56, 92, "#5b3a22", 3)
    for x in range(162, 480, 58):
        c.shaded(Mask().box(x, 198, 22, 132), "#fffaf0", "#c9b998", sideways=True)
        c.box(x - 5, 190, 32, 9, stone, 2)
        c.box(x - 5, 326, 32, 8, stone, 2)
    for i in range(5):
        c.box(140 - i * 12, 332 + i * 8, 360 + i * 24, 9, mix(stone, "#000000", 0.05 * (i % 2) + 0.05))
    c.polygon([(262, 372), (378, 372), (470, 480), (170, 480)], "#dccdae")
    if variant % 2 == 0:
        for x, skin in ((214, "#c68a5e"), (288, "#8d5a3b"), (356, "#f0c9a4"), (430, "#5f3b28")):
            c.person(x, 470, 118, "#1d2230", skin, stride=0.25)
        for x, y in ((196, 250), (270, 206), (352, 232), (440, 214)):
            c.polygon([(x - 26, y), (x, y - 11), (x + 26, y), (x, y + 11)], "#141824")
            c.box(x - 13, y + 4, 26, 10, "#141824", 4)
            c.line([(x, y), (x + 22, y + 4), (x + 24, y + 18)], "#f2b705", 2)
    else:
        c.person(300, 462, 92, "#e4572e", "#8d5a3b", stride=0.7)
        c.person(352, 448, 82, "#2f4858", "#f0c9a4", stride=0.6)


def temple(c: Canvas, variant: int, words: str) -> None:
    """A Greek temple on its hill, in the morning."""
    c.gradient("#3f8fd6", "#aadcf5", "#ffe9c7", height=400)
    c.glow(520, 250, 220, "#fff2c0", 0.9)
    c.blob([(-60, 520), (40, 330), (200, 278), (450, 282), (600, 350), (700, 520)], "#b58d5c")
    c.blob([(-60, 540), (60, 372), (250, 322), (470, 330), (640, 420), (700, 540)], "#9a7446")
    marble = "#f6e7cc"
    for i in range(3):
        c.box(146 - i * 8, 268 + i * 8, 348 + i * 16, 9, mix(marble, "#000000", 0.06 * i))
    c.box(160, 146, 320, 122, mix(marble, "#7a5a3a", 0.5))
    for i in range(8):
        x = 158 + i * 43
        c.shaded(
            Mask().polygon([(x + 3, 156), (x + 22, 156), (x + 25, 268), (x, 268)]),
            "#fff9ea",
            "#c7ad82",
            sideways=True,
        )
        c.box(x - 2, 148, 29, 9, marble, 2)
    c.box(146, 122, 348, 26, marble)
    for x in range(154, 490, 22):
        c.box(x, 127, 9, 16, mix(marble, "#000000", 0.14))
    c.polygon([(138, 122), (320, 62), (502, 122)], marble)
    c.polygon([(180, 116), (320, 72), (460, 116)], mix(marble, "#000000", 0.14))
    for x, y, size in ((40, 440, 110), (110, 470, 84), (560, 452, 104), (626, 474, 90), (480, 476, 60)):
        c.disc(x, y - size * 0.5, size * 0.5, "#5b7a45", size * 0.42)
        c.disc(x - size * 0.12, y - size * 0.6, size * 0.3, "#7d9a5c", size * 0.24)


SCENES: dict[str, Scene] = {
    "bridge": (bridge, LANDSCAPE),
    "campus": (campus, LANDSCAPE),
    "car": (car, WIDE),
    "eiffel": (eiffel, PORTRAIT),
    "obelisk": (obelisk, LANDSCAPE),
    "plane": (plane, WIDE),
    "rain": (rain, LANDSCAPE),
    "skyline": (skyline, LANDSCAPE),
    "temple": (temple, LANDSCAPE),
    "train": (train, WIDE),
    "tram": (tram, LANDSCAPE),
}
