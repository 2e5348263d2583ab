"""Sound inputs to begin from, all made here."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from umt_core.corrections.exchange import FORMS, write_tweets
from umt_core.corrections.exchange.patch import write_patch
from umt_core.schema import Example, Span

TEXTS = (
    "@NBA: I'll be in New-York 🎉 9/11 21, 5.5 same-sex",
    "RT @Ann_Lee: https://t.co/aB3 www.x.y/z?a=1 pic.twitter.com/q :-) ;P #Oslo",
    "e\u0301\u200b\u202e 👩‍👩‍👧‍👦 🇳🇴 1️⃣ ﷽ \ufeff\u2028x\x85y",
    "=HYPERLINK(1) <b onx=1>&amp;\0\t\r\n",
)
EXAMPLES = (
    Example("7", ("in", "Oz", "with", "Ann", "Lee"), image="7", spans=(Span(1, 2, "LOC"), Span(3, 5, "PER"))),
    Example("8", ("=1+1", "🎉", "Oslo"), spans=()),
    Example("9", ("not", "labelled")),
    Example("10", ("Ajax", "!"), spans=(Span(0, 1, "ORG"),), text="Ajax!", offsets=((0, 4), (4, 5))),
)
TABLES = (
    b"text\nin Oz\n",
    b'tweet_id;full_text;picture;bio\n1;in Oz;a.png;O B-LOC\n2;"x\n',
    b'id,text,spans\n1,in Oz,"[{""start_char"": 3, ""end_char"": 5, ""label"": ""GPE""}]"\n',
    b'id\ttokens\tstart\tend\ttype\n1\t["in", "Oz"]\t1\t2\tperson\n1\t["in", "Oz"]\t0\t2\tORG\n',
    b"\xef\xbb\xbfTEXT|label|start_char|end_char\n\tin Oz|O||\r\n'=1|PER|0|2\r\n",
)
LINKS = (
    "sample=s1&word=2&map=cmt&head=3&system=UMT&set=twitter2017&block=4",
    "data=own/tweets&tweet=7&part=attribution&span=0-2-PER&steps=64&seed=1.5&esd_share=.5",
    "data=a/test&baseline=x&system=y&outcome=fixed,broken&words=3..7&score=..0.5&gate=0.75..&page=3&descending=1",
    "regex=(a%2B)%2B%24&text=%00&sort=gate_mean&type=PER&seen=unseen&image=missing&page=99999999999999999999",
    "words=inf..&entities=-1..nan&page=1e3&descending=%F0%9F%8E%89&data=../../etc/passwd",
)
PATTERNS = (
    "(?i)\\b(abba|cd\\w+) ",
    "(a+)+$",
    "(a|aa)+$",
    "[[:alpha:]]{1,1000}",
    "((((a{9}){9}){9}){9})",
    "\\pL+",
    "(?<x",
    "^",
)
SUM = "0" * 64


def file_of(form: str) -> bytes:
    """Four tweets in a form of ``FORMS``, in one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tweets{'.zip' if form == 'brat' else FORMS[form].suffixes[0]}"
        if form == "hf":
            path = path.with_suffix("")
        write_tweets(path, [e for e in EXAMPLES if form != "conll" or e.spans is not None], form)
        return (next(path.rglob("*.parquet")) if path.is_dir() else path).read_bytes()


def patch() -> bytes:
    """Two changes, for a file of the sum that ``targets`` asks for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.patch"
        pairs = [(EXAMPLES[0], EXAMPLES[0].__class__("7", EXAMPLES[0].tokens, spans=())), (EXAMPLES[2], EXAMPLES[1])]
        write_patch(path, "tiny/test", SUM, pairs)
        return path.read_bytes()


@cache
def pictures() -> tuple[bytes, ...]:
    """Small pictures in the formats that we read and in some that we do not, whole, cut short, and bombs."""
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8))
    grey, exif = colours.convert("L"), Image.Exif()
    exif[0x0112] = 6
    made = [
        *(_saved(colours, form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX")),
        *(_saved(picture, "PNG") for picture in (grey, colours.convert("RGBA"), colours.convert("P"), _deep(grey))),
        _saved(grey, "GIF", save_all=True, append_images=[grey.rotate(90), colours.convert("L")], transparency=0),
        _saved(colours.convert("RGBA"), "WEBP", lossless=True),
        _saved(colours, "WEBP", save_all=True, append_images=[colours.rotate(90)]),
        _saved(colours.convert("CMYK"), "JPEG", progressive=True, exif=exif),
    ]
    return (*made, *(data[: len(data) * 2 // 3] for data in made[:4]), bomb(60_000, 60_000), bomb(6_000, 6_000))


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _deep(grey: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)


def bomb(width: int, height: int) -> bytes:
    """A PNG of one colour: a small file of very many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj()
    packed = b"".join(rows.compress(bytes(width // 8 + 1)) for _ in range(min(height, 1_000))) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def archives() -> tuple[bytes, ...]:
    """ZIP archives: in each way to pack, with hostile names, with a bomb."""
    picture = pictures()[1]
    made = [_zip({"7.png": picture, "a/8.gif": pictures()[3]}, way) for way in (0, 8, 12, 14)]
    names = (
        "../x.png",
        "/etc/x.png",
        "C:\\x.png",
        "a\\..\\..\\x.png",
        "con.png",
        "n\0.png",
        ".png",
        "é.png",
        "e\u0301.png",
    )
    made.append(_zip(dict.fromkeys(names, picture), 8))
    made.append(_zip({"bomb.png": bytes(3_000_000)}, 8))
    return (*made, made[1][:-30], made[1] + b"PK\5\6" + bytes(18))


def _zip(files: dict[str, bytes], way: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", way) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, way)
    return stream.getvalue()


def manifests() -> tuple[bytes, ...]:
    """The manifests of the checkpoints that come with the project, and what is nearly one."""
    found = sorted((Path(__file__).resolve().parents[1] / "checkpoints").glob("*/*/manifest.json"))
    whole = [path.read_bytes() for path in found]
    small = json.loads(whole[0]) | {"history": [], "notes": [], "teachers": []}
    return (*whole, json.dumps(small).encode(), b'{"format": 1}', b"[1]")


def weights() -> tuple[bytes, ...]:
    """Small files in safetensors form, written by hand: the form is a length, a header in JSON, and the values."""
    header = {"a": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]}, "__metadata__": {"format": "pt"}}
    made = [struct.pack("<Q", len(text := json.dumps(header).encode())) + text + bytes(8)]
    huge = {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 2**62]}}
    made.append(struct.pack("<Q", len(text := json.dumps(huge).encode())) + text)
    for kind in ("F4", "F8_E5M2", "F8_E8M0", "BF16", "BOOL", "U16", "U64", "C64", "I8"):
        text = json.dumps({"a": {"dtype": kind, "shape": [2], "data_offsets": [0, 2]}}).encode()
        made.append(struct.pack("<Q", len(text)) + text + bytes(2))
    return (*made, struct.pack("<Q", 2**60) + b"{", b"")
