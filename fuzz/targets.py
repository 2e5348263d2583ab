"""What is fuzzed: one function of bytes for each kind of input. An error of ours is the right answer to a bad one."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fuzz import seeds
from umt_core.corrections.exchange import BIO, FORMS, Row, located_rows
from umt_core.corrections.exchange.patch import read_patch
from umt_core.data.archive import zip_pictures
from umt_core.data.conll import parse_conll
from umt_core.data.images import open_image
from umt_core.data.jsonl import format_record, parse_jsonl
from umt_core.data.tokenize import STYLES, tokenize
from umt_core.errors import ImageError, UmtError
from umt_core.manifest import MANIFEST, WEIGHTS, card, needs_line
from umt_core.registry import find_checkpoint


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of input."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    longest: int = 4_096  # bytes of an input
    guided: bool = True  # by coverage, which is known of code in Python; of decoders in C nothing is


@cache
def folder() -> Path:
    """A place for files, which goes when the process ends in order."""
    made = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _file(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def tokens(data: bytes) -> None:
    text = _text(data)
    for style in STYLES:
        found = tokenize(text, style)
        kept = "".join(text[start:end] for start, end in found.offsets)
        if "".join(found.tokens) != kept or "".join(kept.split()) != "".join(text.split()):
            raise AssertionError(f"characters were lost in {style}")


def images(data: bytes) -> None:
    open_image(data)


def conll(data: bytes) -> None:
    for example in parse_conll(_text(data).split("\n")):
        format_record(example)


def jsonl(data: bytes) -> None:
    for example in parse_jsonl(_text(data).split("\n")):
        format_record(example)


def exchange(form: str, data: bytes) -> None:
    """The tweets of a file, under one of the ways with labels that are not in order; all can be kept."""
    bio = list(BIO)[len(data) % len(BIO)]
    for row in located_rows(
        _file(f"tweets{'.zip' if form == 'brat' else FORMS[form].suffixes[0]}", data), form, bio=bio
    ):
        if isinstance(row, Row):
            format_record(row.example)
        else:
            str(row)


def docbin(data: bytes) -> None:
    """A DocBin as it is in a file, or unpacked: zlib's sum refuses nearly all changes to what is packed."""
    exchange("spacy", data if data.startswith(b"x") else zlib.compress(data, 0))


def patch(data: bytes) -> None:
    from umt_core.corrections.exchange.merge import plan_import

    rows = read_patch(_file("a.patch", data), "tiny/test", seeds.SUM)
    plan_import(rows, "tiny/test", {e.id: e for e in seeds.EXAMPLES}, {}, author="a", reason="")


def upload(data: bytes) -> None:
    """A table and an archive, parted by a line of dashes, as an own data set."""
    from umt_core.upload import remove_data_set
    from umt_core.upload import upload as add

    os.environ["UMT_HOME"] = os.environ["UMT_CACHE"] = os.environ["UMT_PREDICTIONS"] = str(folder())
    table, _, archive = data.partition(_PART)
    try:
        pictures = zip_pictures(io.BytesIO(archive)) if archive else None
        report = add("fuzzed", _file("tweets.csv", table), pictures, form="csv", bio=list(BIO)[len(data) % len(BIO)])
        report.to_csv()
    finally:
        if (folder() / "own" / "fuzzed").exists():
            shutil.rmtree(remove_data_set("fuzzed"))


_PART = b"\n-----\n"


def zips(data: bytes) -> None:
    pictures = zip_pictures(io.BytesIO(data))
    for name in [name for names in pictures._by_path.values() for name in names][:50]:
        try:
            pictures.read(name)
        except ImageError:
            continue


def manifest(data: bytes) -> None:
    """A checkpoint's manifest, and what the pages and commands say of it."""
    (folder() / "checkpoint").mkdir(exist_ok=True)
    _file(f"checkpoint/{MANIFEST}", data)
    found = find_checkpoint(folder() / "checkpoint").manifest
    card(found), needs_line(found), found.to_json()


def weights(data: bytes) -> None:
    from umt_core.checkpoint import read_weights

    read_weights(_file(WEIGHTS, data).parent)


def links(data: bytes) -> None:
    """The parameters of an address, as the pages take them."""
    from app.state import parse_link, parse_query

    params = dict(parse_qsl(_text(data), keep_blank_values=True))
    parse_link(params, ["s1"])
    query, _ = parse_query(params)
    if parse_query(query.to_params())[0].to_params() != query.to_params():  # numbers are written to six figures
        raise AssertionError(f"a link that we write says something else: {query}")


def search(data: bytes) -> None:
    """What a link asks for among two hundred tweets, and a regular expression in its last line."""
    from app.state import parse_query
    from umt_core.analysis.browse import browse

    link, _, pattern = _text(data).partition("\n")
    params = dict(parse_qsl(link, keep_blank_values=True)) | {"regex": pattern, "baseline": "", "system": ""}
    browse(_set(), parse_query(params)[0])


@cache
def _set() -> Any:
    from benchmarks.browse import make_set

    atexit.register(_set.cache_clear)  # before the interpreter goes, which DuckDB would complain of
    return make_set(folder() / "set", 200)


def http(data: bytes) -> None:
    from fuzz.service import request

    request(data)


def _docbins() -> list[bytes]:
    packed = seeds.file_of("spacy")
    return [packed, zlib.decompress(packed)]


def _requests() -> list[bytes]:
    from fuzz.service import requests

    return requests()


def _encoded(texts: Sequence[str]) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


def _forms(name: str, *, guided: bool = True) -> Target:
    return Target(partial(exchange, name), lambda: [seeds.file_of(name)], 16_384, guided)


def _uploads() -> list[bytes]:
    return [table + _PART + zipped for table in seeds.TABLES for zipped in seeds.archives()[:2]]


def _searches() -> list[bytes]:
    links = ("", "text=ba&page=1", "outcome=fixed&words=3..&sort=gate_mean", "page=99999999999999999999", "score=..inf")
    return [f"{link}\n{pattern}".encode() for link in links for pattern in seeds.PATTERNS]


TARGETS: dict[str, Target] = {
    "tokens": Target(tokens, _encoded(seeds.TEXTS), 1_024, guided=False),
    "links": Target(links, _encoded(seeds.LINKS), 1_024),
    "conll": Target(conll, lambda: [seeds.file_of("conll"), b"a\tO\nb\tB-PER\n\nc\tI-ORG\n"]),
    "jsonl": Target(jsonl, lambda: [seeds.file_of("jsonl"), *seeds.file_of("jsonl").splitlines()]),
    "table": Target(partial(exchange, "csv"), lambda: [seeds.file_of("csv"), *seeds.TABLES]),
    "label-studio": _forms("label-studio"),
    "brat": _forms("brat"),
    "parquet": _forms("hf", guided=False),
    "docbin": Target(docbin, _docbins, 16_384, guided=False),
    "patch": Target(patch, lambda: [seeds.patch()]),
    "zip": Target(zips, seeds.archives, 16_384),
    "images": Target(images, seeds.pictures, 16_384, guided=False),
    "upload": Target(upload, _uploads, 16_384),
    "manifest": Target(manifest, seeds.manifests, 16_384),
    "weights": Target(weights, seeds.weights, guided=False),
    "search": Target(search, _searches, 1_024, guided=False),
    "http": Target(http, _requests, 16_384),
}  # fmt: skip


def attempt(target: Target, data: bytes) -> None:
    """Runs a target on an input; what comes through is a fault."""
    try:
        target.run(data)
    except UmtError as error:
        if len(str(error).splitlines()) > 1:
            raise AssertionError(f"wanted an error of one line, got {error}") from error
