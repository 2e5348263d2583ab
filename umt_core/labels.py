"""Entity types, BIO2 tags, ESD tags, and the conversion matrix between them.

The paper tags words with nine BIO2 tags (section 2, task formulation) and, for entity
span detection, with B, I and O (section 2.4). The released code tags subwords with
thirteen and seven tags instead: the same, and one each for padding, continuation
subwords (X), [CLS] and [SEP]. Both sets are written out here; the order of the
second is that of the released code, so that its weights can be read.
"""

from __future__ import annotations

from dataclasses import dataclass

LABELS: tuple[str, ...] = ("PER", "LOC", "ORG", "MISC")
LABEL_NAMES: dict[str, str] = {
    "PER": "Person",
    "LOC": "Location",
    "ORG": "Organization",
    "MISC": "Miscellaneous",
}

# TWITTER-2015 writes OTHER where the paper and TWITTER-2017 write MISC.
LABEL_ALIASES: dict[str, str] = {"OTHER": "MISC"}


@dataclass(frozen=True, slots=True)
class TagSet:
    """The tags of one task, in the order of the model's outputs.

    >>> WORD_TAGS.id("B-PER"), WORD_TAGS.tags[0], len(WORD_TAGS)
    (1, 'O', 9)
    """

    name: str
    tags: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tags)

    def id(self, tag: str) -> int:
        """Index of a tag; ``ValueError`` if the set does not hold it."""
        return self.tags.index(tag)


WORD_TAGS = TagSet("word", ("O", *(f"{p}-{label}" for label in LABELS for p in "BI")))
WORD_ESD_TAGS = TagSet("word-esd", ("O", "B", "I"))

PAD, CONTINUATION, CLS, SEP = "[PAD]", "X", "[CLS]", "[SEP]"
SUBWORD_TAGS = TagSet(
    "subword",
    (PAD, "O", *(f"{p}-{lab}" for lab in ("MISC", "PER", "ORG", "LOC") for p in "BI"), CONTINUATION, CLS, SEP),
)
SUBWORD_ESD_TAGS = TagSet("subword-esd", (PAD, "O", "B", "I", CONTINUATION, CLS, SEP))


def esd_tag(tag: str) -> str:
    """The ESD tag of a tag: the same without its type (paper, footnote 2).

    >>> esd_tag("B-LOC"), esd_tag("O"), esd_tag("X")
    ('B', 'O', 'X')
    """
    return tag[0] if tag[:2] in ("B-", "I-") else tag


def conversion_matrix(esd_tags: TagSet, tags: TagSet) -> list[list[float]]:
    """W^c of section 2.4: row j holds 1/|C_j| at the tags that ESD tag j can become, else 0.

    >>> conversion_matrix(WORD_ESD_TAGS, WORD_TAGS)[1]
    [0.0, 0.25, 0.0, 0.25, 0.0, 0.25, 0.0, 0.25, 0.0]
    """
    rows = []
    for esd in esd_tags.tags:
        matches = [esd_tag(tag) == esd for tag in tags.tags]
        rows.append([match / sum(matches) for match in matches])
    return rows


def is_allowed(before: str | None, after: str) -> bool:
    """Whether BIO2 lets tag ``after`` follow ``before`` (``None``: the tweet's start).

    >>> is_allowed("B-PER", "I-PER"), is_allowed("B-PER", "I-LOC"), is_allowed(None, "I-LOC")
    (True, False, False)
    """
    if not after.startswith("I"):
        return True
    return before is not None and before[0] in "BI" and before[1:] == after[1:]
