"""Labelled tweets in the forms of other tools: written, and read back. Free of torch.

Each form is one module with ``read(path, bio, known)`` and ``write(path, examples, split)``. A form's own library is
imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from umt_core.corrections.events import Labels
from umt_core.corrections.exchange.rows import BIO, KEEP, REFUSE, Known, Problem, Row
from umt_core.errors import DataError
from umt_core.schema import Example
from umt_core.spans import spans_to_tags

__all__ = ["BIO", "FORMS", "Form", "Problem", "Row", "corrected", "form_of", "located_rows", "read_rows"]
__all__ += ["read_tweets", "write_tweets"]


@dataclass(frozen=True, slots=True)
class Form:
    """A form that labelled tweets are written and read in."""

    name: str
    title: str  # as its users call it
    module: str  # in this package
    suffixes: tuple[str, ...]  # of files that are taken to be of this form; the first is given to a new one
    folder: bool = False  # it is a folder of files


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("conll", "CoNLL with IMGID", "conll", (".txt", ".conll")),
        Form("jsonl", "JSON lines", "jsonl", (".jsonl",)),
        Form("csv", "CSV", "table", (".csv", ".tsv")),
        Form("hf", "Hugging Face dataset", "huggingface", (".parquet",), folder=True),
        Form("spacy", "spaCy DocBin", "docbin", (".spacy",)),
        Form("label-studio", "Label Studio", "label_studio", (".json",)),
        Form("brat", "brat standoff", "brat", (".zip",), folder=True),
    )
}

_IN_FOLDERS = {".parquet": "hf", ".ann": "brat"}


def read_rows(
    path: str | Path, form: str | None = None, *, bio: str = REFUSE, known: Known | None = None
) -> Iterator[Example | Problem]:
    """The tweets of a file one by one, and a problem for each row that is not one: the good rows stay.

    ``bio`` says what to do about labels that are not in order (``BIO`` tells them apart). A problem that was
    mended comes before its tweet. ``known`` are tweets that are here already: a text without tokens is split as
    the known tweet of its id and text is. A tweet is unlabelled (``spans`` is ``None``) where the file says so.

    Raises:
        DataError: the file cannot be read or is not of the form at all; the form is unknown or cannot be told.
    """
    for row in located_rows(path, form, bio=bio, known=known):
        yield row.example if isinstance(row, Row) else row


def located_rows(
    path: str | Path, form: str | None = None, *, bio: str = REFUSE, known: Known | None = None
) -> Iterator[Row | Problem]:
    """``read_rows``, with where in the file each tweet stands."""
    path = Path(path)
    module = _module(form or form_of(path))
    if bio not in BIO:
        raise DataError(f"wanted one of {', '.join(BIO)} for labels that are not in order, got {bio!r}")
    first_seen: dict[str, str] = {}
    for row in module.read(path, bio, known or {}):
        if row.example is not None and (first := first_seen.setdefault(row.example.id, row.where)) != row.where:
            again = f"wanted an id of its own for each tweet, got {row.example.id!r} again (first in {first})"
            yield Problem(row.where, again)
            continue
        for line in row.complaints:
            yield Problem(row.where, line, mended=row.example is not None)
        if row.example is not None:
            yield Row(row.where, row.example, row.nameless)


def read_tweets(path: str | Path, form: str | None = None) -> list[Example]:
    """All tweets of a file; an ``I-`` that continues nothing opens an entity.

    Raises:
        DataError: as ``read_rows``, or any row is not a tweet; the message names the row.
    """
    tweets = []
    for row in read_rows(path, form, bio=KEEP):
        if isinstance(row, Problem):
            raise DataError(str(row))
        tweets.append(row)
    return tweets


def write_tweets(
    path: str | Path, examples: Iterable[Example], form: str | None = None, *, split: str = "train"
) -> None:
    """Writes tweets in a form, whole or not at all; ``split`` is the name that some forms keep files under.

    Raises:
        DataError: the form is unknown or cannot be told, a tweet is one that it cannot hold, or the place
            cannot be written.
    """
    path = Path(path)
    try:
        _module(form or form_of(path)).write(path, examples, split)
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: wanted text, got half a surrogate pair (character {error.start})") from error


def form_of(path: str | Path) -> str:
    """The form that a file or folder is most likely in (``DataError``: none)."""
    path = Path(path)
    if path.is_dir():
        ends = {file.suffix for file in path.rglob("*")}
        if found := next((name for end, name in _IN_FOLDERS.items() if end in ends), None):
            return found
    for form in FORMS.values():
        if path.suffix.lower() in form.suffixes:
            return form.name
    raise DataError(f"{path}: wanted a form ({', '.join(FORMS)}); its name does not tell which")


def _module(form: str) -> Any:
    if form not in FORMS:
        raise DataError(f"wanted a form of {', '.join(FORMS)}, got {form!r}")
    return import_module(f"{__name__}.{FORMS[form].module}")


def corrected(examples: Iterable[Example], labels: Mapping[str, Labels]) -> list[Example]:
    """Tweets with the labels that people gave them, by id; one of which nobody set any, or which was skipped since,
    keeps its own.

    ``tags`` are dropped where labels change: they spell the old ones.

    >>> from umt_core.schema import Span
    >>> corrected([Example("7", ("in", "Oz"), spans=())], {"7": Labels((Span(1, 2, "LOC"),))})[0].spans
    (Span(start=1, end=2, label='LOC'),)

    Raises:
        DataError: labels do not fit a tweet's tokens: they were given to another data set of this name.
    """
    return [_corrected(example, labels.get(example.id)) for example in examples]


def _corrected(example: Example, labels: Labels | None) -> Example:
    if labels is None or labels.spans is None or labels.skipped:
        return example
    spans = tuple(sorted(labels.spans))
    if example.spans is not None and spans == tuple(sorted(example.spans)):
        return example
    try:
        spans_to_tags(spans, len(example.tokens))
    except DataError as error:
        raise DataError(f"tweet {example.id!r}: {error}; were the corrections made on another data set?") from error
    return replace(example, spans=spans, tags=None)
