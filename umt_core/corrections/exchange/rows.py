"""What the readers of all forms share: a row and what is wrong with it, tags and spans put right, text laid out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from umt_core.data.conll import TAG_SPELLINGS
from umt_core.data.jsonl import Offsets, check_encodable, locate_tokens
from umt_core.data.tokenize import tokenize
from umt_core.errors import DataError
from umt_core.labels import LABEL_ALIASES, LABELS, is_allowed
from umt_core.schema import Example, Span

# What to do about labels that are not in order: an orphan I-, an I- after another type, an unknown label, an overlap,
# a span that ends inside a word.
KEEP, REFUSE, REPAIR = "keep", "refuse", "repair"
BIO: dict[str, str] = {
    KEEP: "an I- that continues nothing opens an entity, as everywhere here, and keeps its spelling; else as refuse",
    REFUSE: "the tweet is left out, and listed",
    REPAIR: "the tweet is put right, and what was done is listed",
}

# Names that other schemes and taggers have for the four types.
_SYNONYMS: dict[str, str] = {
    **LABEL_ALIASES,
    **dict.fromkeys(("PERSON", "PEOPLE", "HUMAN"), "PER"),
    **dict.fromkeys(("LOCATION", "GPE", "PLACE", "FAC", "GEO-LOC"), "LOC"),
    **dict.fromkeys(("ORGANIZATION", "ORGANISATION", "COMPANY", "GROUP"), "ORG"),
    **dict.fromkeys(("MISCELLANEOUS", "MIS"), "MISC"),
}
# BIOES and BILOU name the last token of an entity, and an entity of one token.
_PREFIXES = {"B": "B", "S": "B", "U": "B", "I": "I", "E": "I", "L": "I", "M": "I"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row of a file."""

    where: str  # tweets.csv:7
    line: str  # what was wanted and what came
    mended: bool = False  # the tweet is there all the same, put right; else it is left out

    def __str__(self) -> str:
        return f"{self.where}: {self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """A tweet of a file, and where in it."""

    where: str
    example: Example
    nameless: bool = False  # it came without an id: the reader has called it after its place


@dataclass(frozen=True, slots=True)
class Reading:
    """One row as a form's reader found it, in order or not."""

    where: str
    example: Example | None  # None: left out, for what ``complaints`` say
    complaints: tuple[str, ...] = ()
    nameless: bool = False  # as of a row


@dataclass(slots=True)
class Care:
    """How a tweet's labels are put in order, and what there was to complain of."""

    bio: str
    complaints: list[str] = field(default_factory=list)

    def reading(self, where: str, example: Example) -> Reading:
        """The row, left out if there were complaints and they are not to be repaired."""
        refused = bool(self.complaints) and self.bio != REPAIR
        return Reading(where, None if refused else example, tuple(self.complaints))

    def tags(self, tags: Sequence[str], tokens: Sequence[str]) -> list[str]:
        """Tags as ours spell them, in an order that BIO2 allows; those of an unknown label are O."""
        found: list[str] = []
        for i, tag in enumerate(tags):
            mended = TAG_SPELLINGS.get(tag) or self._spelled(tag, i, tokens)
            before = found[-1] if found else None
            if not is_allowed(before, mended) and self.bio != KEEP:
                after = "nothing" if before in (None, "O") else before
                self.complaints.append(f"token {i + 1} {_short(tokens[i])}: {tag} continues {after}; repair: B-")
                mended = f"B-{mended[2:]}"
            found.append(mended)
        return found

    def _spelled(self, tag: str, i: int, tokens: Sequence[str]) -> str:
        prefix, _, label = tag.partition("-")
        known = label_of(label)
        mended = f"{_PREFIXES[prefix]}-{known}" if known and prefix in _PREFIXES else "O"
        self.complaints.append(
            f"token {i + 1} {_short(tokens[i])}: wanted a tag of BIO2 with {', '.join(LABELS)}, got {_short(tag)};"
            f" repair: {mended}"
        )
        return mended

    def spans(self, spans: Iterable[tuple[int, int, str]], length: int) -> tuple[Span, ...]:
        """Spans of known labels, inside the tweet, that do not overlap (of two the longer, else the first, stays)."""
        known = []
        for start, end, spelled in spans:
            label = self._label(spelled)
            if label is None:
                continue
            if 0 <= start < end <= length:
                known.append(Span(start, end, label))
            else:
                self.complaints.append(
                    f"entity of tokens {start} to {end}: lies outside the tweet's {length}; repair: without it"
                )
        kept: list[Span] = []
        for span in sorted(set(known), key=lambda s: (s.start - s.end, s)):
            if other := next((k for k in kept if span.start < k.end and k.start < span.end), None):
                self.complaints.append(
                    f"entity {span.start}:{span.end} {span.label} overlaps {other.start}:{other.end} {other.label};"
                    " repair: without it"
                )
            else:
                kept.append(span)
        return tuple(sorted(kept))

    def _label(self, spelled: str) -> str | None:
        if spelled in LABELS or spelled in LABEL_ALIASES:
            return LABEL_ALIASES.get(spelled, spelled)
        mended = label_of(spelled)
        repair = f"as {mended}" if mended else "without it"
        self.complaints.append(f"wanted a label of {', '.join(LABELS)}, got {_short(spelled)}; repair: {repair}")
        return mended

    def placed(self, found: Iterable[tuple[int, int, str]], text: str, offsets: Offsets) -> list[tuple[int, int, str]]:
        """Spans of characters (code points) as spans of tokens, widened to whole words; white space is none."""
        placed = []
        for start, end, label in found:
            touched = [i for i, (a, b) in enumerate(offsets) if a < end and start < b]
            if not touched or not 0 <= start < end <= len(text):
                self.complaints.append(
                    f"wanted an entity on words, got characters {start} to {end}; repair: without it"
                )
                continue
            first, last = touched[0], touched[-1]
            whole = text[offsets[first][0] : offsets[last][1]]
            if text[start:end].strip() != whole.strip():
                said = f"wanted an entity of whole words, got {_short(text[start:end])} (characters {start} to {end})"
                self.complaints.append(f"{said}; repair: {_short(whole)}")
            placed.append((first, last + 1, label))
        return placed

    def agreed(self, start: int, end: int, text: str, said: object) -> tuple[int, int]:
        """Where an entity stands whose words the file says too: offsets in UTF-16 units are told by these words."""
        if not isinstance(said, str) or _bare(text[start:end]) == _bare(said):
            return start, end
        units = _code_points(text, start), _code_points(text, end)
        if None not in units and _bare(text[units[0] : units[1]]) == _bare(said):
            return units  # type: ignore[return-value]
        self.complaints.append(
            f"characters {start} to {end} are {_short(text[start:end])}, but the file says {_short(said)};"
            " repair: as the characters say"
        )
        return start, end


def _bare(text: str) -> str:
    return "".join(text.split())  # tools change white space on the way


def _code_points(text: str, units: int) -> int | None:
    """How many code points the first UTF-16 units of a text are; ``None``: it ends within one, or before."""
    count = 0
    for i, character in enumerate(text):
        if count >= units:
            return i if count == units else None
        count += 1 + (ord(character) > 0xFFFF)
    return len(text) if count == units else None


def label_of(name: str) -> str | None:
    """The type that another scheme's name stands for; ``None``: we know of none.

    >>> label_of("Person"), label_of("gpe"), label_of("PRODUCT")
    ('PER', 'LOC', None)
    """
    name = name.strip().upper()
    return name if name in LABELS else _SYNONYMS.get(name)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


@dataclass(frozen=True, slots=True)
class Words:
    """A text and its tokens; ``raw`` is the text unless it says no more than the tokens do."""

    text: str
    tokens: tuple[str, ...]
    offsets: Offsets

    @property
    def raw(self) -> str | None:
        return None if self.text == " ".join(self.tokens) else self.text

    def example(self, name: str, image: str | None, spans: tuple[Span, ...] | None) -> Example:
        """The tweet (``DataError``: it holds half a surrogate pair, which JSON can say and no file can keep)."""
        raw = self.raw
        for text, what in ((name, "id"), (image or "", "image"), (self.text, "text"), ("".join(self.tokens), "tokens")):
            check_encodable(text, what)
        return Example(name, self.tokens, image, spans, text=raw, offsets=None if raw is None else self.offsets)


def words_of(example: Example) -> Words:
    """A tweet's text for a form that counts characters: as it was typed, else its tokens with spaces between.

    >>> words_of(Example("7", ("in", "Oz"))).offsets
    ((0, 2), (3, 5))
    """
    if example.text is not None and example.offsets is not None:
        return Words(example.text, example.tokens, example.offsets)
    return joined(example.tokens)


def joined(tokens: tuple[str, ...]) -> Words:
    """Tokens with spaces between."""
    offsets, start = [], 0
    for token in tokens:
        offsets.append((start, start + len(token)))
        start += len(token) + 1
    return Words(" ".join(tokens), tokens, tuple(offsets))


def read_words(text: str, tokens: tuple[str, ...] | None, known: Example | None = None) -> Words:
    """A text with its tokens: those that the file holds, else those of the known tweet of this text, else as we split.

    Raises:
        DataError: there is nothing in the text, or ``tokens`` are not its own.
    """
    if not text.strip() and not tokens:
        raise DataError("wanted a tweet's text, got nothing but white space")
    if tokens is None and known is not None and (words := words_of(known)).text == text:
        return words
    if tokens is None:
        found = tokenize(text)
        return Words(text, found.tokens, found.offsets)
    if not all(tokens) or not tokens:
        raise DataError("wanted tokens that are not empty, got an empty one")
    words = joined(tokens)
    return words if words.text == text else Words(text, tokens, locate_tokens(tokens, text))


Known = Mapping[str, Example]  # tweets that are here already, by id
