"""Builds tweets.jsonl from source.toml: ``python -m sample_data.build`` in the repository's root."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from umt_core.data.files import write_text
from umt_core.data.jsonl import format_record
from umt_core.data.tokenize import tokenize
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Example, Span

HERE = Path(__file__).resolve().parent
MARKED = re.compile(rf"\{{({'|'.join(LABELS)}) ([^{{}}]+)\}}")


def build(source: str) -> str:
    """The lines of ``tweets.jsonl`` for the text of ``source.toml``.

    Raises:
        DataError: an entity does not start and end with a token.
    """
    return "".join(line(tweet) + "\n" for tweet in tomllib.loads(source)["tweet"])


def line(tweet: dict[str, Any]) -> str:
    text, marked = unmarked(tweet["text"])
    found = tokenize(text)
    starts = [start for start, _ in found.offsets]
    ends = [end for _, end in found.offsets]
    spans = []
    for start, end, label in marked:
        if start not in starts or end not in ends:
            raise DataError(f"{tweet['id']}: wanted {text[start:end]!r} to be whole tokens, got {found.tokens}")
        spans.append(Span(starts.index(start), ends.index(end) + 1, label))
    picture = tweet.get("picture")
    example = Example(tweet["id"], found.tokens, tweet["id"] if picture else None, tuple(spans), text, found.offsets)
    record = json.loads(format_record(example))
    record |= {"kind": tweet["kind"] + ["no-picture"] * (not picture), "note": tweet["note"], "picture": picture}
    return json.dumps(record, ensure_ascii=False)


def unmarked(text: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The tweet without its braces, and each entity's characters and label.

    >>> unmarked("in {LOC Oz}!")
    ('in Oz!', [(3, 5, 'LOC')])
    """
    plain, marked, end = "", [], 0
    for match in MARKED.finditer(text):
        plain += text[end : match.start()]
        marked.append((len(plain), len(plain) + len(match[2]), match[1]))
        plain += match[2]
        end = match.end()
    return plain + text[end:], marked


if __name__ == "__main__":
    write_text(HERE / "tweets.jsonl", build((HERE / "source.toml").read_text(encoding="utf-8")))
