"""spaCy's DocBin: one document a tweet, its entities as ``doc.ents``; needs spaCy, which is an extra.

``doc.user_data`` holds ``id`` and ``image``, and ``text`` where the tweet was typed. A tweet that is not labelled has
no entity annotation at all, as spaCy tells it from one without entities.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from umt_core.corrections.exchange.rows import Care, Known, Reading, read_words, words_of
from umt_core.data.files import write_pieces
from umt_core.errors import DataError
from umt_core.schema import Example
from umt_core.showing import printable

MOST_UNPACKED = 500_000_000  # bytes: 200,000 tweets of 20 words have 400 million


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """One file."""
    spacy = _spacy()
    vocab = spacy.blank("xx").vocab
    docs = spacy.tokens.DocBin(store_user_data=True, docs=(_doc(spacy, vocab, example) for example in examples))
    write_pieces(path, [docs.to_bytes()])


def _doc(spacy: Any, vocab: Any, example: Example) -> Any:
    words = words_of(example)
    following = [start for start, _ in words.offsets[1:]] + [0]
    spaces = [after == end + 1 for (_, end), after in zip(words.offsets, following, strict=True)]
    doc = spacy.tokens.Doc(vocab, words=list(words.tokens), spaces=spaces)
    doc.user_data.update({"id": example.id, "image": example.image})
    if words.raw is not None:
        doc.user_data["text"] = words.raw
    if example.spans is not None:
        spans = [spacy.tokens.Span(doc, s.start, s.end, label=s.label) for s in example.spans]
        doc.set_ents(spans, default="outside")
    return doc


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The documents of a file, each under its place in it."""
    spacy = _spacy()
    vocab = spacy.vocab.Vocab()  # a language's own takes 0.05 s to make, and what it knows of words is not asked
    try:
        packed = path.read_bytes()
        _check_unpacked(packed, path)
        docs = list(spacy.tokens.DocBin().from_bytes(packed).get_docs(vocab))
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: wanted a readable file, got: {error.strerror}") from error
    except Exception as error:  # zlib, msgpack and spaCy each have their own
        raise DataError(f"{path}: wanted spaCy's DocBin, got: {_line(error)}") from error
    for number, doc in enumerate(docs, 1):
        where = f"{path}: document {number}"
        try:
            yield replace(_tweet(doc, number, where, Care(bio)), nameless=not doc.user_data.get("id"))
        except DataError as error:
            yield Reading(where, None, (str(error),))


def _check_unpacked(packed: bytes, path: Path) -> None:
    """spaCy unpacks all at once, and zeros pack a thousandfold."""
    unpacker, size, rest = zlib.decompressobj(), 0, packed
    while rest and not unpacker.eof:
        size += len(unpacker.decompress(rest, 1 << 20))
        rest = unpacker.unconsumed_tail
        if size > MOST_UNPACKED:
            raise DataError(f"{path}: wanted a DocBin that unpacks to at most {MOST_UNPACKED:,} bytes, got more")


def _tweet(doc: Any, number: int, where: str, care: Care) -> Reading:
    try:
        # Documents of others may hold anything under these names.
        identity, image, text = (doc.user_data.get(name) for name in ("id", "image", "text"))
        name, image = str(identity or f"line-{number}"), None if image is None else str(image)
        text, tokens = str(text or doc.text), tuple(token.text for token in doc)
        entities = [(span.start, span.end, span.label_) for span in doc.ents]
        labelled = doc.has_annotation("ENT_IOB")
    except Exception as error:  # spaCy asks what a document says of itself only when it is asked for
        raise DataError(f"wanted a document of spaCy's, got: {_line(error)}") from error
    words = read_words(text, tokens)
    return care.reading(
        where, words.example(name, image, care.spans(entities, len(words.tokens)) if labelled else None)
    )


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(' '.join(str(error).split()))}"


def _spacy() -> Any:
    try:
        import spacy
        import spacy.tokens
        import spacy.vocab
    except ImportError as error:
        raise DataError(
            "DocBin: wanted spaCy, which is not installed; this installs it: python -m pip install spacy"
        ) from error
    return spacy
