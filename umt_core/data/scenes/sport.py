"""Grounds, games and what is won in them."""

from __future__ import annotations

from umt_core.data.drawing import LANDSCAPE, SQUARE, WIDE, Canvas, Mask, Scene, mix, turned


def stadium(c: Canvas, variant: int, words: str) -> None:
    """A football ground under floodlights, one colour in the stands."""
    club = ("#1d4ed8", "#facc15", "#dc2626", "#e11d48", "#b91c1c")[(variant - 1) % 5]
    c.gradient("#0a1230", "#24386e", "#7488b8", height=220)
    c.stars(40, 110)
    stand = "#232a3d"
    c.polygon([(0, 92), (640, 92), (640, 300), (0, 300)], stand)
    c.polygon([(0, 70), (640, 70), (640, 98), (0, 98)], "#e5e9f0")
    c.polygon([(0, 92), (640, 92), (640, 104), (0, 104)], "#98a2b5")
    for row in range(16):
        y, size = 110 + row * 9.5, 3.1 + row * 0.1
        x = c.random.uniform(0, 6)
        while x < 640:
            tone = club if c.random.random() < 0.72 else c.random.choice(("#f4f1ea", "#2b2f3a", "#c9a27a", "#8fa3c7"))
            c.disc(x, y, size, mix(tone, "#0a1230", 0.28 * c.random.random()), size * 1.2)
            x += size * 2.4
    for x in (160, 320, 480):
        c.polygon([(x - 9, 106), (x + 9, 106), (x + 12, 262), (x - 12, 262)], "#5b6478")
    for x, wave in ((100, 1), (410, -1)):
        c.line([(x, 262), (x + 8 * wave, 176)], "#d6dae3", 2)
        c.blob(
            [(x + 8 * wave, 176), (x + 36, 184), (x + 70, 172), (x + 68, 214), (x + 36, 222), (x + 6 * wave, 214)],
            mix(club, "#ffffff", 0.35),
        )
    c.box(0, 262, 640, 17, "#101626")
    for i in range(7):
        c.box(8 + i * 92, 265, 80, 11, (club, "#f4f1ea", "#22a06b")[i % 3], 2)
    for i in range(10):  # mown stripes, wider towards us
        a, b = 320 + (i - 5) * 74, 320 + (i - 4) * 74
        left, right = 320 + (i - 5) * 186, 320 + (i - 4) * 186
        c.polygon([(a, 279), (b, 279), (right, 480), (left, 480)], "#3f9a45" if i % 2 else "#358a3e")
    chalk = "#f4fff0d0"
    c.line([(0, 300), (640, 300)], chalk, 2)
    c.ring(320, 376, 104, chalk, 2.5, 32)
    c.line([(320, 300), (320, 480)], chalk, 2.5)
    for x, y, tone in (
        (210, 400, club),
        (404, 372, "#f4f1ea"),
        (480, 430, club),
        (120, 352, "#f4f1ea"),
        (560, 350, club),
    ):
        c.disc(x, y + 2, 19, "#00000030", 4)
        c.person(x, y, 50 + (y - 340) * 0.32, tone, "#8d5a3b", stride=0.9)
    c.disc(330, 425, 11, "#00000030", 3)
    c.ball(330, 414, 10, "#f2f2f2")
    for x in (60, 580):
        c.line([(x, 120), (x, 34)], "#aab3c5", 4)
        c.box(x - 34, 14, 68, 30, "#3a4256", 3)
        for k in range(8):
            px, py = x - 25 + (k % 4) * 17, 22 + (k // 4) * 14
            c.disc(px, py, 5, "#ffffff")
        c.glow(x, 28, 130, "#eaf2ff", 0.8)
        c.beam((x, 30), (320 + (x - 320) * 0.2, 420), 330, "#eaf2ff", 0.18)


def pitch(c: Canvas, variant: int, words: str) -> None:
    """A training ground on a grey morning, one tired runner."""
    c.gradient("#9fb3c2", "#dfe5e4", height=220)
    for i in range(12):
        c.tree(i * 60 - 8, 226, 90 + c.random.uniform(-24, 24), "#6a8a6a")
    c.gradient("#6fa04f", "#4c7a35", y=218)
    chalk = "#f4fff0c0"
    c.polygon([(0, 420), (640, 300), (640, 310), (0, 434)], chalk)
    c.line([(120, 250), (120, 190), (250, 190), (250, 250)], "#ffffff", 5)
    for i in range(10):
        c.line([(124 + i * 14, 192), (124 + i * 14, 248)], "#ffffff50", 1)
        c.line([(122, 196 + i * 6), (248, 196 + i * 6)], "#ffffff50", 1)
    for i in range(6):
        x, y = 90 + i * 84, 452 - i * 22
        c.disc(x, y + 3, 16, "#00000030", 4)
        c.polygon([(x - 13, y), (x, y - 28), (x + 13, y)], "#ff7a1a")
        c.polygon([(x - 8, y - 10), (x + 8, y - 10), (x + 5, y - 17), (x - 5, y - 17)], "#ffffff")
    c.disc(330, 396, 40, "#00000030", 6)
    c.person(330, 396, 142, "#2563eb", "#c68a5e", stride=1.5)
    c.disc(520, 330, 24, "#00000030", 5)
    c.person(520, 330, 106, "#111827", "#8d5a3b", stride=0.3)
    c.box(494, 274, 18, 24, "#f8f4e3", 2)
    for dx, dy in ((-40, -120), (-52, -100), (38, -126)):
        c.disc(330 + dx, 396 + dy, 3, "#9fd3f5", 5)


def basketball(c: Canvas, variant: int, words: str) -> None:
    """An indoor court: the ball on its way to the hoop."""
    crowd, key = (
        ("#5b2a86", "#f97316"), ("#0b5fae", "#111827"), ("#14532d", "#facc15"),
        ("#1d4ed8", "#facc15"), ("#1d4ed8", "#f97316"), ("#1e3a8a", "#facc15"),
    )[(variant - 1) % 6]  # fmt: skip
    c.gradient("#0d0f1a", "#1c2033", height=300)
    for row in range(15):
        y, size = 70 + row * 14, 4.2 + row * 0.2
        x = c.random.uniform(0, 9)
        while x < 640:
            tone = crowd if c.random.random() < 0.5 else c.random.choice(("#d9b08c", "#7a5a48", "#3a3f55", "#e5e7eb"))
            c.disc(x, y, size, mix(tone, "#0d0f1a", 0.45 + 0.3 * c.random.random()), size * 1.2)
            x += size * 2.3
    for x in (90, 240, 400, 550):
        c.disc(x, 14, 15, "#ffffff", 7)
        c.glow(x, 14, 90, "#fff6dc", 0.8)
    c.box(0, 284, 640, 26, "#111420")
    c.text(320, 297, "HOME  /  COURT  /  HOME  /  COURT  /  HOME", 15, mix(key, "#ffffff", 0.25), weight=2)
    c.gradient("#d99a55", "#b87433", y=310)
    for i in range(-9, 18):
        c.line([(320 + (i - 4) * 46, 310), (320 + (i - 4) * 110, 480)], "#6b3a1428", 1)
    c.polygon([(220, 326), (430, 326), (520, 480), (130, 480)], key + "d0")
    c.line([(220, 326), (430, 326), (520, 480), (130, 480), (220, 326)], "#ffffffd0", 3)
    c.arc(325, 404, 240, 180, 360, "#ffffffd0", 3, 60)
    mirrored = variant % 2 == 0
    x0 = 420 if not mirrored else 220
    far = 120 if not mirrored else -120
    c.line([(x0 + far, 330), (x0 + far, 120), (x0 + far * 0.3, 96)], "#2b3042", 13)
    c.box(x0 - 82, 28, 164, 108, "#eef6ff58", 4)
    for a, b in (((-82, 28), (82, 28)), ((82, 28), (82, 136)), ((82, 136), (-82, 136)), ((-82, 136), (-82, 28))):
        c.line([(x0 + a[0], a[1]), (x0 + b[0], b[1])], "#ffffff", 4)
    c.line([(x0 - 28, 122), (x0 - 28, 74), (x0 + 28, 74), (x0 + 28, 122), (x0 - 28, 122)], "#ff5a36", 4)
    c.ring(x0, 142, 38, "#ff5a36", 5, 10)
    for i in range(9):
        x = x0 - 36 + i * 9
        c.line([(x, 146), (x0 + (x - x0) * 0.55, 202)], "#ffffffc0", 1.4)
        c.line([(x, 146), (x0 + (x - x0) * 0.55 + (9 if i % 2 else -9), 174)], "#ffffff90", 1.2)
    bx, by = x0 - far * (0.75 + 0.1 * (variant % 3)), 112 + 14 * (variant % 4)
    for i in range(6):
        t = i / 6
        c.disc(bx - far * (1 - t) * 0.9, by + 140 * (1 - t) ** 2, 5 + 5 * t, "#ff9a4a" + f"{round(20 + 50 * t):02x}")
    c.ball(bx, by, 33, "#e8752a")
    c.arc(bx, by, 33, 0, 360, "#3a1a08", 2.5)
    c.line([(bx - 33, by), (bx + 33, by)], "#3a1a08", 2)
    c.line([(bx, by - 33), (bx, by + 33)], "#3a1a08", 2)
    c.arc(bx - 36, by, 28, 305, 55, "#3a1a08", 2)
    c.arc(bx + 36, by, 28, 125, 235, "#3a1a08", 2)
    px = x0 - far * 2.0
    c.disc(px, 446, 48, "#00000040", 8)
    for x, y, tone, number in ((px, 448, mix(crowd, "#ffffff", 0.12), "8"), (px + far * 0.9, 424, "#f4f1ea", "")):
        c.person(x, y, 196 if number else 172, tone, "#7a4a2f", stride=1.1)
        c.line([(x + 14, y - 150), (x + (far / 120) * 30, y - 214)], "#7a4a2f", 13)
        if number:
            c.text(x, y - 118, number, 30, "#ffffff", weight=4)


def hockey(c: Canvas, variant: int, words: str) -> None:
    """Ice, boards and two players after the puck."""
    c.gradient("#141a2c", "#26304a", height=190)
    for row in range(8):
        x = c.random.uniform(0, 9)
        while x < 640:
            tone = "#c8102e" if c.random.random() < 0.6 else c.random.choice(("#e5e7eb", "#8fa3c7", "#d9b08c"))
            c.disc(x, 40 + row * 16, 5.4, mix(tone, "#141a2c", 0.3 + 0.4 * c.random.random()), 6.4)
            x += 13
    c.box(0, 160, 640, 60, "#bcd7e822")
    c.box(0, 204, 640, 42, "#f4f7fa")
    c.box(0, 240, 640, 9, "#facc15")
    for x, words_here in ((120, "GO TEAM"), (330, "ICE COLD"), (540, "GO TEAM")):
        c.text(x, 223, words_here, 19, "#1e3a8a", weight=3)
    c.gradient("#e3f1f8", "#b6d4e6", y=249)
    c.polygon([(300, 249), (322, 249), (346, 480), (288, 480)], "#c8102ec0")
    c.ring(316, 372, 190, "#1d4ed890", 4, 52)
    for _ in range(40):
        x, y = c.random.uniform(0, 640), c.random.uniform(256, 470)
        c.line([(x, y), (x + c.random.uniform(-60, 60), y + c.random.uniform(-6, 6))], "#ffffff90", 1.4)
    for x, tone, trim, f in ((220, "#c8102e", "#ffffff", 1), (440, "#1e3a8a", "#facc15", -1)):
        y = 424
        c.disc(x, y + 6, 66, "#00000028", 8)
        c.line([(x - 16, y - 84), (x - f * 46, y - 8)], "#101522", 26)
        c.line([(x + 14, y - 84), (x + f * 34, y - 6)], "#101522", 26)
        for foot in (-f * 48, f * 36):
            c.box(x + foot - 20, y - 10, 42, 12, "#20242e", 4)
            c.line([(x + foot - 24, y + 6), (x + foot + 26, y + 6)], "#aab3c0", 4)
        c.blob([(x - 42, y - 178), (x + 42, y - 178), (x + 46, y - 80), (x - 46, y - 80)], tone)
        c.box(x - 45, y - 110, 90, 13, trim)
        c.line([(x - 30, y - 162), (x + f * 16, y - 104), (x + f * 56, y - 92)], tone, 26)
        c.disc(x + f * 60, y - 92, 14, "#20242e")
        c.line([(x + f * 30, y - 124), (x + f * 96, y - 4), (x + f * 122, y)], "#6b4a2b", 6)
        c.disc(x + f * 8, y - 204, 27, tone, 29)
        c.box(x + (2 if f > 0 else -34), y - 206, 32, 24, "#c9d6e2a0", 8)
        c.text(x - f * 8, y - 138, "19" if f > 0 else "44", 30, trim, weight=5)
    c.disc(332, 430, 14, "#0d0f14", 6)
    c.disc(332, 427, 14, "#23262e", 6)


def baseball(c: Canvas, variant: int, words: str) -> None:
    """A ballpark by day: diamond, wall, and a ball coming at us."""
    c.gradient("#3f94dd", "#cfeaf8", height=180)
    c.cloud(110, 60, 38)
    c.cloud(560, 46, 46)
    c.polygon([(0, 104), (640, 104), (640, 220), (0, 220)], "#3b465c")
    for row in range(8):
        x = c.random.uniform(0, 8)
        while x < 640:
            tone = c.random.choice(("#c8102e", "#1e3a8a", "#f4f1ea", "#d9b08c", "#facc15"))
            c.disc(x, 114 + row * 11, 4.2, mix(tone, "#3b465c", 0.35), 5)
            x += 10.5
    c.box(0, 198, 640, 40, "#14613f" if variant % 2 else "#1e3a8a")
    for x, sign in ((90, "314"), (320, "401"), (550, "328")):
        c.text(x, 218, sign, 21, "#ffe066", weight=4)
    c.gradient("#5fa845", "#3f8530", y=238)
    c.polygon([(320, 254), (700, 400), (320, 560), (-60, 400)], "#c98d55")
    c.polygon([(320, 276), (560, 380), (320, 492), (80, 380)], "#57a040")
    c.line([(320, 480), (-40, 330)], "#ffffffc0", 3)
    c.line([(320, 480), (680, 330)], "#ffffffc0", 3)
    for x, y in ((320, 270), (588, 380), (52, 380)):
        c.polygon([(x - 14, y), (x, y - 6), (x + 14, y), (x, y + 6)], "#ffffff")
    c.disc(320, 364, 56, "#c98d55", 18)
    c.disc(302, 366, 22, "#00000030", 5)
    c.person(302, 366, 100, "#f4f1ea", "#8d5a3b", stride=0.9)
    c.pie(302, 276, 12, 180, 360, "#c8102e")
    c.line([(312, 296), (350, 262)], "#8d5a3b", 8)
    c.disc(266, 322, 13, "#8a4a20")
    for i in range(5):
        c.disc(372 + i * 13, 258 - i * 6, 3 + i * 1.6, f"#ffffff{30 + i * 22:02x}")
    c.ball(476, 214, 44, "#f7f3ea")
    c.arc(428, 206, 46, 322, 52, "#c8102e", 3)
    c.arc(524, 222, 46, 142, 232, "#c8102e", 3)
    for i in range(6):
        for centre, base in (((428, 206), -28), ((524, 222), 152)):
            px, py = turned(*centre, 46, base + i * 13)
            c.line([(px - 5, py - 3), (px + 5, py + 3)], "#c8102e", 2)


def tennis(c: Canvas, variant: int, words: str) -> None:
    """A blue court, a racket and a ball."""
    c.gradient("#0d5c8c", "#1579b5")
    c.polygon([(60, 0), (580, 0), (720, 480), (-80, 480)], "#2a93d1")
    for a, b in (((90, 0), (-20, 480)), ((550, 0), (660, 480)), ((0, 196), (640, 196)), ((320, 196), (320, 480))):
        c.line([a, b], "#ffffff", 6)
    c.box(0, 40, 640, 96, "#0a2c44b0")
    for i in range(54):
        c.line([(i * 12, 46), (i * 12, 136)], "#ffffff28", 1)
    for i in range(8):
        c.line([(0, 48 + i * 12), (640, 48 + i * 12)], "#ffffff28", 1)
    c.box(0, 36, 640, 13, "#ffffff")
    c.box(310, 40, 20, 98, "#ffffff")

    def racket() -> None:
        c.disc(262, 324, 106, "#00000020", 128)
        c.box(226, 424, 44, 150, "#1b1f2a", 9)
        c.polygon([(196, 392), (226, 440), (270, 440), (300, 392)], "#e63946")
        c.disc(248, 306, 104, "#e63946", 126)
        c.disc(248, 306, 88, "#2a93d1", 110)
        for i in range(-7, 8):
            reach = (1 - (i / 8) ** 2) ** 0.5
            c.line([(248 + i * 11, 306 - 110 * reach), (248 + i * 11, 306 + 110 * reach)], "#f4f7fac0", 1.5)
            c.line([(248 - 88 * reach, 306 + i * 13.5), (248 + 88 * reach, 306 + i * 13.5)], "#f4f7fac0", 1.5)

    racket()
    c.disc(462, 366, 50, "#00000030", 13)
    c.ball(456, 306, 47, "#cfe53a")
    c.arc(410, 300, 46, 312, 52, "#ffffff", 4)
    c.arc(502, 312, 46, 132, 232, "#ffffff", 4)


def racecar(c: Canvas, variant: int, words: str) -> None:
    """A single-seater on the straight, the flag beside it."""
    c.gradient("#5aa9e6", "#d9eef9", height=190)
    c.box(0, 96, 720, 110, "#4a5266")
    for row in range(9):
        for i in range(72):
            tone = c.random.choice(("#e63946", "#f4f1ea", "#1d70b8", "#facc15", "#2b2f3a"))
            c.disc(5 + i * 10, 106 + row * 10, 3.6, mix(tone, "#4a5266", 0.3))
    c.box(0, 76, 720, 24, "#eef1f5")
    c.box(0, 196, 720, 26, "#d7dce3")
    for i in range(10):
        c.box(i * 80, 200, 70, 18, ("#e63946", "#1d70b8", "#facc15", "#14613f")[i % 4], 2)
    c.gradient("#63666e", "#404349", y=222)
    for i in range(24):
        c.box(i * 32, 226, 16, 9, "#e63946" if i % 2 else "#ffffff")
    for _ in range(26):
        y = c.random.uniform(250, 400)
        x = c.random.uniform(-60, 720)
        c.line([(x, y), (x + c.random.uniform(60, 200), y)], "#ffffff1c", 2)
    c.disc(370, 352, 300, "#00000048", 14)
    red = "#e4572e"
    c.polygon([(600, 262), (664, 250), (672, 312), (606, 318)], "#1b1f2a")
    c.box(594, 244, 84, 16, red, 3)
    hull = [
        (84, 330), (180, 300), (300, 274), (390, 236), (470, 236), (560, 276), (640, 286), (640, 336), (84, 342),
    ]  # fmt: skip
    c.shaded(Mask().blob(hull), mix(red, "#ffffff", 0.35), red, mix(red, "#000000", 0.35))
    c.polygon([(40, 336), (150, 322), (150, 346), (40, 350)], "#1b1f2a")
    c.box(34, 318, 12, 34, red, 3)
    c.disc(366, 254, 27, "#f4f1ea")
    c.box(342, 246, 34, 15, "#1b2a38", 7)
    c.blob([(326, 280), (352, 262), (396, 262), (416, 284)], "#14171f")
    c.text(500, 296, "11", 44, "#ffffff", weight=5)
    for x, r in ((190, 50), (566, 58)):
        c.disc(x, 338, r, "#14161b")
        c.ring(x, 338, r - 7, "#facc15", 3)
        c.disc(x, 338, r * 0.52, "#9aa3ad")
        for i in range(6):
            c.line([(x, 338), turned(x, 338, r * 0.48, i * 60)], "#4a525c", 4)
    for i in range(5):
        for k in range(4):
            c.box(30 + i * 17, 34 + k * 15 + (i % 2) * 2, 17, 15, "#111111" if (i + k) % 2 else "#ffffff")
    c.line([(30, 30), (30, 190)], "#c9ced6", 5)


def cyclist(c: Canvas, variant: int, words: str) -> None:
    """A rider on a mountain road."""
    c.gradient("#4a9be0", "#d8eefa", height=250)
    c.cloud(120, 70, 40)
    for x, top, half in ((120, 110, 200), (420, 60, 260), (660, 130, 160)):
        c.polygon([(x - half, 300), (x, top), (x + half, 300)], mix("#6f86a8", "#ffffff", 0.1))
        c.polygon([(x, top), (x + half, 300), (x + 20, 300)], "#4f668a80")
        c.polygon([(x - 44, top + 48), (x, top), (x + 44, top + 48), (x + 12, top + 40), (x - 12, top + 54)], "#ffffff")
    c.ridge(280, 14, "#7fae5f")
    c.curve([(640, 250), (380, 262), (300, 282), (470, 300), (760, 318)], "#8d9099", 11)
    c.gradient("#86b55c", "#5d8f3f", y=300)
    for _ in range(22):
        c.fir(c.random.uniform(0, 720), c.random.uniform(280, 310), c.random.uniform(30, 54), "#2f6b48")
    c.polygon([(0, 356), (720, 316), (720, 405), (0, 405)], "#6d7078")
    c.line([(0, 360), (720, 320)], "#ffffff", 4)
    for x, size in ((120, 24), (470, 22)):
        c.text(x, 392 - x * 0.03, "ALLEZ", size, "#ffffffa0", weight=3)
    c.crowd(296, 8, "#3a3f55", arms=0.4)
    c.gradient("#86b55c", "#7aa852", y=330, height=0.5)
    c.disc(350, 376, 150, "#00000030", 8)
    for x in (258, 440):
        c.ring(x, 326, 50, "#15181d", 6)
        c.disc(x, 326, 5, "#15181d")
        for i in range(10):
            c.line([(x, 326), turned(x, 326, 46, i * 36)], "#15181d60", 1)
    frame = "#e63946"
    c.line([(258, 326), (318, 246), (412, 246), (344, 326), (258, 326)], frame, 6)
    c.line([(318, 246), (344, 326)], frame, 6)
    c.line([(406, 232), (440, 326)], frame, 6)
    c.line([(312, 234), (318, 248)], "#15181d", 5)
    c.box(294, 228, 40, 8, "#15181d", 4)
    c.curve([(404, 232), (432, 226), (446, 240), (434, 256)], "#15181d", 5)
    yellow, skin = "#facc15", "#c68a5e"
    c.line([(322, 222), (376, 270), (352, 340)], skin, 17)
    c.line([(322, 222), (366, 258)], "#15181d", 21)
    c.box(338, 338, 36, 12, "#ffffff", 5)
    c.blob([(304, 226), (330, 176), (392, 152), (410, 172), (372, 204), (338, 236)], yellow)
    c.line([(392, 168), (412, 204), (436, 228)], skin, 12)
    c.disc(420, 142, 21, skin, 23)
    c.blob([(392, 138), (404, 114), (430, 112), (448, 130), (440, 138)], "#ffffff")
    c.line([(424, 142), (442, 146)], "#15181d", 7)


def crest(c: Canvas, variant: int, words: str) -> None:
    """A football club's crest: a shield of our own with its letters."""
    main, second = (("#c8102e", "#ffffff"), ("#14613f", "#facc15"))[(variant - 1) % 2]
    c.gradient(mix(main, "#ffffff", 0.82), mix(main, "#ffffff", 0.55))
    c.glow(260, 240, 300, "#ffffff", 0.9)

    def shield(grow: float) -> list[tuple[float, float]]:
        w, h = 166 + grow, 200 + grow
        return [(260 - w, 250 - h), (260 + w, 250 - h), (260 + w, 270), (260 + w * 0.72, 270 + h * 0.55),
                (260, 270 + h), (260 - w * 0.72, 270 + h * 0.55), (260 - w, 270)]  # fmt: skip

    c.polygon([(x + 6, y + 12) for x, y in shield(16)], "#00000028")
    c.polygon(shield(16), "#d4a72c")
    c.polygon(shield(8), "#20222b")
    c.shaded(Mask().polygon(shield(0)), mix(main, "#ffffff", 0.15), main, mix(main, "#000000", 0.35))
    for x in (150, 216, 282, 348):
        low = 470 - abs(x + 16 - 260) * 0.9
        c.polygon([(x, 130), (x + 33, 130), (x + 33, low - 8), (x, low)], second + "e0")
    c.box(94, 50, 332, 84, "#20222b")
    c.text(260, 92, " ".join(words or "FC"), 52, "#ffffff", weight=4)
    c.disc(260, 284, 84, "#d4a72c")
    c.ball(260, 284, 77, "#f4f4f2")
    for i in range(5):
        px, py = turned(260, 284, 64, i * 72 - 90)
        c.polygon([turned(px, py, 22, i * 72 + 90 + k * 72) for k in range(5)], "#20222b")
        c.line([(260, 284), (px, py)], "#20222b", 4)
    c.polygon([turned(260, 284, 27, k * 72 - 90) for k in range(5)], "#20222b")
    for x in (200, 260, 320):
        c.polygon([turned(x, 400 - 8 * (x == 260), 17 if k % 2 == 0 else 7, k * 36 - 90) for k in range(10)], "#d4a72c")


def jersey(c: Canvas, variant: int, words: str) -> None:
    """A shirt on a hanger, with a number."""
    main, trim = (("#c8102e", "#111111"), ("#dc2626", "#ffffff"))[(variant - 1) % 2]
    c.gradient("#efe6da", "#cdbfae")
    for y in range(0, 520, 74):
        c.line([(0, y), (520, y)], "#00000012", 3)
    c.arc(260, 50, 17, 150, 400, "#8a8f98", 5)
    c.line([(264, 66), (262, 88), (150, 128)], "#8a5a34", 8)
    c.line([(262, 88), (374, 128)], "#8a5a34", 8)
    body = [(176, 104), (220, 112), (260, 128), (300, 112), (344, 104), (410, 128), (392, 240), (366, 232), (372, 476),
            (148, 476), (154, 232), (128, 240), (110, 128)]  # fmt: skip
    c.polygon([(x + 8, y + 12) for x, y in body], "#00000026")
    c.shaded(Mask().polygon(body), mix(main, "#ffffff", 0.1), main, mix(main, "#000000", 0.28))
    c.line([(176, 104), (220, 128), (260, 140), (300, 128), (344, 104)], trim, 11)
    c.line([(110, 130), (128, 238), (154, 231)], trim, 8)
    c.line([(410, 130), (392, 238), (366, 231)], trim, 8)
    c.line([(148, 470), (372, 470)], trim, 11)
    for a, b in (((200, 250), (188, 460)), ((326, 260), (338, 456)), ((160, 300), (170, 440))):
        c.curve([a, ((a[0] + b[0]) / 2 + 8, (a[1] + b[1]) / 2), b], "#00000020", 5)
    c.text(262, 306, words or "10", 170, trim, weight=8)
    c.text(260, 302, words or "10", 170, "#ffffff", weight=4)


def sneaker(c: Canvas, variant: int, words: str) -> None:
    """A running shoe, alone on a coloured ground."""
    ground, upper, accent = (
        ("#f97316", "#f8fafc", "#c8102e"), ("#0ea5e9", "#111827", "#facc15"), ("#a3e635", "#f8fafc", "#7c3aed"),
        ("#f472b6", "#f8fafc", "#0ea5e9"), ("#facc15", "#1d4ed8", "#f8fafc"),
    )[(variant - 1) % 5]  # fmt: skip
    c.gradient(mix(ground, "#ffffff", 0.35), ground, mix(ground, "#000000", 0.25))
    c.disc(320, 210, 190, mix(ground, "#ffffff", 0.25))
    c.disc(330, 392, 236, "#00000038", 22)
    sole = [(88, 346), (120, 356), (330, 360), (560, 344), (584, 366), (560, 394), (330, 400), (110, 394), (84, 376)]
    c.shaded(Mask().blob(sole), "#ffffff", "#d9dee5", "#aab3bf")
    for i in range(24):
        c.line([(116 + i * 19, 396), (121 + i * 19, 386)], "#8a94a2", 2)
    body = [(96, 348), (92, 300), (104, 236), (128, 196), (176, 206), (236, 214), (262, 180), (296, 176), (330, 216),
            (430, 274), (530, 296), (576, 330), (566, 350), (330, 364), (130, 360)]  # fmt: skip
    c.shaded(Mask().blob(body), mix(upper, "#ffffff", 0.2), upper, mix(upper, "#000000", 0.22))
    c.blob([(98, 344), (94, 296), (108, 250), (150, 262), (178, 306), (176, 352)], accent)
    c.blob([(482, 300), (548, 306), (574, 334), (560, 350), (470, 354), (456, 322)], accent)
    c.blob([(120, 204), (176, 212), (238, 220), (262, 190), (250, 252), (170, 250)], mix(upper, "#000000", 0.35))
    c.blob([(250, 200), (270, 168), (306, 164), (322, 200), (290, 226)], mix(accent, "#ffffff", 0.15))
    c.blob([(196, 340), (246, 286), (330, 268), (410, 300), (330, 308), (256, 336)], mix(accent, "#ffffff", 0.25))
    for i in range(6):
        x, y = 292 + i * 25, 216 + i * 14
        c.line([(x - 16, y + 22), (x + 22, y - 2)], "#ffffff", 6)
        c.disc(x - 16, y + 22, 4, "#2b2f3a")
    c.curve([(104, 240), (140, 330), (190, 352)], "#00000030", 2)


def trophy(c: Canvas, variant: int, words: str) -> None:
    """A golden cup with ribbons, confetti falling."""
    c.gradient("#1e1b4b", "#4c1d95", "#be185d")
    c.glow(260, 220, 300, "#ffe9a0", 0.75)
    for i in range(12):
        c.polygon([(260, 220), turned(260, 220, 460, i * 30), turned(260, 220, 460, i * 30 + 11)], "#ffffff12")
    gold = ("#fff3b0", "#f2b705", "#a86a08")
    for side in (-1, 1):
        c.arc(260 + side * 108, 178, 52, 90 if side < 0 else -90, 270 if side < 0 else 90, "#d99a0a", 17, 62)
        c.arc(260 + side * 108, 178, 52, 90 if side < 0 else -90, 270 if side < 0 else 90, "#ffe27a", 5, 62)
    c.shaded(
        Mask().blob([(148, 96), (372, 96), (358, 220), (300, 290), (260, 300), (220, 290), (162, 220)]),
        *gold,
        sideways=True,
    )
    c.disc(260, 98, 112, "#a86a08", 17)
    c.disc(260, 98, 98, "#5c3a05", 12)
    c.blob([(184, 124), (206, 118), (214, 220), (200, 230)], "#ffffff90")
    c.shaded(Mask().box(242, 292, 36, 70, 6), *gold, sideways=True)
    c.shaded(Mask().disc(260, 324, 32, 14), *gold, sideways=True)
    c.shaded(Mask().polygon([(208, 384), (224, 354), (296, 354), (312, 384)]), *gold, sideways=True)
    c.shaded(Mask().box(176, 382, 168, 66, 6), "#3a2a1c", "#1c130c")
    c.box(206, 398, 108, 34, "#f2b705", 4)
    c.text(260, 415, words or "WINNERS", 18, "#3a2a1c", weight=4)
    c.polygon([turned(260, 196, 46 if k % 2 == 0 else 19, k * 36 - 90) for k in range(10)], "#fff8dc")
    c.curve([(154, 150), (120, 240), (150, 320), (110, 400)], "#e63946", 9)
    c.curve([(366, 150), (404, 250), (370, 330), (412, 400)], "#ffffff", 9)
    c.confetti(120, ("#facc15", "#38bdf8", "#f472b6", "#4ade80", "#ffffff"))


def chess(c: Canvas, variant: int, words: str) -> None:
    """A chessboard from its edge: king, knight and pawns."""
    if variant % 2:
        c.gradient("#5b4636", "#8d6e4f", height=250)
        for x in range(0, 640, 80):
            c.box(x + 6, 20, 66, 200, "#3f2f24", 3)
            for k in range(7):
                c.box(
                    x + 10 + k * 9,
                    30 + (k * 7) % 18,
                    7,
                    184 - (k * 7) % 18,
                    ("#a3452f", "#2a6f97", "#d9b26a", "#4f7a4a")[(k + x) % 4],
                )
    else:
        c.gradient("#8fcbe8", "#e3f3e6", height=250)
        for x in range(-10, 660, 70):
            c.tree(x, 250, 170 + c.random.uniform(-40, 40), mix("#5f9a55", "#2f6b48", c.random.random()))
    c.glow(320, 200, 300, "#fff3d0", 0.45)
    c.gradient("#4a3426", "#33241a", y=244)
    for row in range(6):
        top, low = 244 + 6.4 * row**2 + row * 8, 244 + 6.4 * (row + 1) ** 2 + (row + 1) * 8
        for i in range(8):
            a, b = 0.62 + row * 0.19, 0.62 + (row + 1) * 0.19
            quad = [
                (320 + (i - 4) * 72 * a, top),
                (320 + (i - 3) * 72 * a, top),
                (320 + (i - 3) * 72 * b, low),
                (320 + (i - 4) * 72 * b, low),
            ]
            c.polygon(quad, "#f0dcb8" if (i + row) % 2 else "#7a4a2b")

    def piece(x: float, y: float, u: float, colour: str, kind: str) -> None:
        light, dark = mix(colour, "#ffffff", 0.45), mix(colour, "#000000", 0.45)
        tones = (light, colour, dark)
        c.disc(x + u, y + u * 0.3, u * 3.2, "#00000038", u * 0.9)
        c.shaded(Mask().disc(x, y, u * 2.4, u * 0.8), *tones, sideways=True)
        c.shaded(
            Mask().polygon(
                [(x - u * 1.9, y), (x - u * 0.8, y - u * 4.2), (x + u * 0.8, y - u * 4.2), (x + u * 1.9, y)]
            ),
            *tones,
            sideways=True,
        )
        if kind == "pawn":
            c.shaded(Mask().disc(x, y - u * 4.2, u * 1.2, u * 0.4), *tones, sideways=True)
            c.ball(x, y - u * 5.2, u * 1.25, colour)
        elif kind == "king":
            c.shaded(
                Mask().polygon(
                    [
                        (x - u * 0.8, y - u * 4),
                        (x - u * 1.6, y - u * 8),
                        (x + u * 1.6, y - u * 8),
                        (x + u * 0.8, y - u * 4),
                    ]
                ),
                *tones,
                sideways=True,
            )
            c.shaded(Mask().disc(x, y - u * 8, u * 1.6, u * 0.5), *tones, sideways=True)
            c.box(x - u * 0.25, y - u * 10.2, u * 0.5, u * 2.2, colour)
            c.box(x - u * 0.8, y - u * 9.6, u * 1.6, u * 0.5, colour)
        else:
            head = [
                (x - u * 1.3, y - u * 3.6),
                (x - u * 1.5, y - u * 6.2),
                (x - u * 0.2, y - u * 8.6),
                (x + u * 1.1, y - u * 7.8),
                (x + u * 2.6, y - u * 6.2),
                (x + u * 2.2, y - u * 5.4),
                (x + u * 0.8, y - u * 5.9),
                (x + u * 1.2, y - u * 3.6),
            ]
            c.shaded(Mask().blob(head), *tones, sideways=True)
            c.disc(x + u * 0.9, y - u * 6.9, u * 0.22, dark)

    white, black = "#e6d2a8", "#3b2a26"
    for x, y, u, colour, kind in (
        (168, 290, 10, black, "pawn"), (470, 296, 10, black, "king"), (300, 330, 12, white, "pawn"),
        (540, 372, 14, black, "knight"), (116, 404, 16, white, "king"), (392, 432, 17, white, "knight"),
    ):  # fmt: skip
        piece(x, y, u, colour, kind)


SCENES: dict[str, Scene] = {
    "baseball": (baseball, LANDSCAPE),
    "basketball": (basketball, LANDSCAPE),
    "chess": (chess, LANDSCAPE),
    "crest": (crest, SQUARE),
    "cyclist": (cyclist, WIDE),
    "hockey": (hockey, LANDSCAPE),
    "jersey": (jersey, SQUARE),
    "pitch": (pitch, LANDSCAPE),
    "racecar": (racecar, WIDE),
    "sneaker": (sneaker, LANDSCAPE),
    "stadium": (stadium, LANDSCAPE),
    "tennis": (tennis, LANDSCAPE),
    "trophy": (trophy, SQUARE),
}
