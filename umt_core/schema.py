"""The values that travel between the parts: frozen, comparable, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GRID = 7  # the image is split into GRID x GRID blocks (paper, section 2.2)
REGIONS = GRID * GRID
SEEN = ("seen", "seen with another type", "unseen")  # of an entity's surface form in the train split
# Of a tweet's picture. "placeholder": it is there, but stands for one that is not.
STATES = ("present", "missing", "unreadable", "placeholder")
PICTURED = ("present", "placeholder")  # of these: with a picture that a tagger reads
# Words of a tweet that comes from outside: the longest posts have about so many, a quotation mark left open in a table
# gives more. Taggers read 128 subwords; this bounds what one tweet costs.
MOST_WORDS = 1_000


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One entity mention: the tokens ``[start, end)`` of a tweet, and its type.

    >>> Span(1, 3, "LOC").text(("in", "New", "Orleans"))
    'New Orleans'
    """

    start: int  # first token, inclusive
    end: int  # one past the last token
    label: str  # entity type without prefix: PER, LOC, ORG or MISC

    def text(self, tokens: tuple[str, ...]) -> str:
        return " ".join(tokens[self.start : self.end])

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A predicted span and the probability its tagger gives it."""

    span: Span
    score: float  # CRF marginal: that exactly these tokens are one entity of this type, 0 to 1


@dataclass(frozen=True, slots=True)
class Example:
    """One tweet: its tokens, its picture's name, and its gold spans where known.

    ``text`` and ``offsets`` (code points, one pair a token) are there when the tweet was
    typed in or read as raw text, and ``tags`` when a file spelled them (so that it can be
    written back as it was).
    """

    id: str
    tokens: tuple[str, ...]
    image: str | None = None  # id or path; None: the tweet has no picture
    spans: tuple[Span, ...] | None = None  # None: not labelled (an empty tuple: labelled, no entity)
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one tagger says of one tweet."""

    id: str
    tokens: tuple[str, ...]
    spans: tuple[ScoredSpan, ...]
    tags: tuple[str, ...]  # one per token
    notices: tuple[str, ...] = ()  # one line each: what a reader must know (no image, truncated, ...)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tagger says of a tweet beside one picture, and how probable it holds certain spans there."""

    prediction: Prediction
    probabilities: tuple[float, ...]  # of the spans that were asked about, in their order; see ``ScoredSpan.score``


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A prediction and the inside of the model that made it, per word of the tweet.

    Arrays are float32. ``words`` counts the tokens the model read; a longer tweet is cut
    there and ``prediction.notices`` says so. A map that a system does not have is ``None``.
    The attention maps are the softmax rows of the CMT layers in eval mode, read at
    each word's first subword:

    - ``word_to_block`` (heads, words, 49): R queries V, gives Q (section 2.3.2); rows sum to 1 over blocks
    - ``block_to_word`` (heads, 49, words): V queries R, gives P (section 2.3.1); rows are normalised
      over all subwords, [CLS] and [SEP] among them; a word's value sums its subwords, so that
      the words' share of a row is at most 1
    - ``word_to_image_aware_block`` (heads, words, 49): R queries P, gives A; rows sum to 1 over blocks
    - ``visual_attention`` (1, words, 49): of GVATT, whose rows are all the sentence's, and of AdaCAN, whose rows are
      each word's; gives the visual context

    The gate is eq. 3's, which scales Q; of GVATT the one that lets each word take of the visual context, of AdaCAN
    the filtration gate.
    """

    system: str  # umt-bert-crf, ...
    checkpoint: str  # twitter2017/umt-bert-crf, ...
    prediction: Prediction
    tags: tuple[str, ...]  # names of the tag axis below
    marginals: np.ndarray  # (words, tags): P(tag | tweet, image) under the CRF
    emissions: np.ndarray  # (words, tags): what the CRF decodes
    has_image: bool
    word_to_block: np.ndarray | None = None
    block_to_word: np.ndarray | None = None
    word_to_image_aware_block: np.ndarray | None = None
    visual_attention: np.ndarray | None = None
    gate: np.ndarray | None = None  # (words, hidden), each in (0, 1)
    esd_tags: tuple[str, ...] = ()
    esd_marginals: np.ndarray | None = None  # (words, esd tags)
    esd_emissions: np.ndarray | None = None  # (words, esd tags)
    esd_decoded: tuple[str, ...] = ()  # the ESD tagger's own best sequence: B, I, O per word
    main_emissions: np.ndarray | None = None  # (words, tags): before ESD is added
    converted_esd: np.ndarray | None = None  # (words, tags): what ESD adds through the conversion matrix
    conversion: np.ndarray | None = None  # W^c, (esd tags, tags), as the model has it now
    seconds: float = 0.0  # this system's share of the run


@dataclass(frozen=True, slots=True)
class Summary:
    """The inside of a model for one tweet, in figures that a million tweets can be sorted by.

    The gate's are over its dimensions and the tweet's words; an entropy is in nats, the mean
    over heads and over words (of block → word: over blocks). Of GVATT and AdaCAN the entropy of
    word → block is that of their visual attention. ``None``: the system has no such part.
    """

    margin: float  # of the least certain word: its best tag's probability less its second's
    gate_mean: float | None = None
    gate_std: float | None = None
    gate_lowest: float | None = None  # mean of the word that takes least of the picture
    gate_highest: float | None = None
    entropy_word_to_block: float | None = None  # at most log 49, as are all rows over blocks
    entropy_block_to_word: float | None = None  # at most the log of the subwords
    entropy_word_to_image_aware_block: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RawScores:
    """What a tagger's layers say of one tweet before anything is added up or decoded, float32.

    ``n`` counts the positions that carry tags: the words that were read, or subwords where tags are on subwords.
    """

    main: np.ndarray  # (n, tags): of eq. 6, halved where ``esd_mix`` is "mean"; of a text tagger all that there is
    esd: np.ndarray | None  # (n, esd tags): the span detector's, not converted; None: there is none
    starts: np.ndarray  # (words,): the position where each word's tag is read


@dataclass(frozen=True, slots=True, eq=False)
class OwnPath:
    """One tweet's scores, the path that its tagger decodes, and that path's score as the tagger's CRF adds it up."""

    raw: RawScores
    path: np.ndarray  # (n,), indices of tags
    score: float  # eq. 5, by pytorch-crf in float32
