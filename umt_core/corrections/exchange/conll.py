"""CoNLL with ``IMGID:`` lines: a tweet that nobody touched is written back byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from umt_core.corrections.exchange.rows import Care, Known, Reading
from umt_core.data.conll import ID_PREFIX, TAG_SPELLINGS, conll_blocks, format_conll
from umt_core.data.files import iter_lines, write_pieces
from umt_core.errors import DataError
from umt_core.labels import LABEL_ALIASES, is_allowed
from umt_core.schema import Example, Span
from umt_core.spans import spans_to_tags, tags_to_spans


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The tweets of a file. Tags that are a known tweet's own, letter for letter, are in order as they are."""
    named = False
    for block in conll_blocks(iter_lines(path)):
        named = named or block.name is not None
        where = f"{path}:{block.number}"
        if named and block.name is None:
            yield Reading(where, None, (f"wanted {ID_PREFIX}<id> before a tweet's first token, got none",))
            continue
        try:
            tokens, tags = zip(*block.rows(None), strict=True)
        except DataError as error:
            number, _, line = str(error).partition(": ")
            yield Reading(f"{path}:{number}", None, (line,))
            continue
        care = Care(bio)
        same = known.get(block.identity)
        if same is not None and (same.tokens, same.tags) == (tokens, tags):
            own = Example(block.identity, tokens, block.name, same.spans, tags=tags)
            yield Reading(where, own, nameless=block.name is None)
            continue
        mended = care.tags(tags, tokens)
        kept = None if care.complaints else tags  # a repaired tweet has no spelling of its own
        example = Example(block.identity, tokens, block.name, tags_to_spans(mended), tags=kept)
        yield replace(care.reading(where, example), nameless=block.name is None)


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """One file; errors as ``format_conll``."""
    write_pieces(path, (format_conll([example]) for example in examples))


def write_corrected(path: Path, source: Path, labels: Mapping[str, Sequence[Span]]) -> None:
    """Writes ``source`` again with other labels for some tweets (errors as ``corrected_conll``)."""
    lines = list(iter_lines(source, whole=True))
    write_pieces(path, corrected_conll(lines, labels, source=str(source)))


def corrected_conll(
    lines: Sequence[str], labels: Mapping[str, Sequence[Span]], *, source: str = "<lines>"
) -> list[str]:
    """Lines (with their ends) of a file with other labels for some tweets, by id; all else keeps its bytes.

    Byte order mark, line ends, blank lines and the spelling of tags stay as they are. In a tweet whose labels
    change, the entities that stay keep their spelling, and a new one is spelled as the file spells (``OTHER``).

    >>> corrected_conll(["IMGID:7\\r\\n", "in\\tO\\r\\n", "Oz\\tI-LOC\\r\\n"], {"7": [Span(1, 2, "MISC")]})[2]
    'Oz\\tB-MISC\\r\\n'

    Raises:
        DataError: lines are not in the form, a tweet is not there, or new labels do not fit its tokens.
    """
    changed, found, names = list(lines), set(), _spellings(lines)
    for block in conll_blocks(lines):
        found.add(block.identity)
        if block.identity not in labels:
            continue
        try:
            _, old = zip(*block.rows(), strict=True)
            new = _respelled(old, tuple(sorted(labels[block.identity])), names)
        except DataError as error:
            raise DataError(f"{source}:{block.number}: tweet {block.identity!r}: {error}") from error
        first = block.number - 1 + (block.name is not None)  # of its tokens, counted from 0
        for i, (before, after) in enumerate(zip(old, new, strict=True), first):
            if before != after:
                body = lines[i].rstrip("\r\n")
                changed[i] = body.removesuffix(before) + after + lines[i][len(body) :]
    if missing := sorted(labels.keys() - found):
        raise DataError(f"{source}: wanted the tweets that were corrected, got none with the id {missing[0]!r}")
    return changed


def _respelled(old: Sequence[str], spans: tuple[Span, ...], names: Mapping[str, str]) -> Sequence[str]:
    """Tags for ``spans``, in the old spelling wherever that says the same."""
    before = tags_to_spans([TAG_SPELLINGS[tag] for tag in old])
    if before == spans:
        return old
    new = [_named(tag, names) for tag in spans_to_tags(spans, len(old))]
    for span in set(before) & set(spans):
        new[span.start : span.end] = old[span.start : span.end]
    for start in (span.start for span in spans if span.start):
        # An orphan I- that was kept, now after an entity of its type, would go on with it.
        if new[start][0] == "I" and is_allowed(TAG_SPELLINGS[new[start - 1]], TAG_SPELLINGS[new[start]]):
            new[start] = "B" + new[start][1:]
    return new


def _named(tag: str, names: Mapping[str, str]) -> str:
    return tag if tag == "O" else tag[:2] + names.get(tag[2:], tag[2:])


def _spellings(lines: Sequence[str]) -> dict[str, str]:
    """How a file spells the types that have two names: as where it names one first."""
    found: dict[str, str] = {}
    for line in lines:
        label = line.rstrip("\r\n").rpartition("\t")[2][2:]
        found.setdefault(LABEL_ALIASES.get(label, label), label)
    return {label: found[label] for label in LABEL_ALIASES.values() if label in found}
