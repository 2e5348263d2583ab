"""What is asked and what is answered, as JSON. Field descriptions are those of the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from umt_core.schema import MOST_WORDS
from umt_core.service.limits import CHECKPOINTS, LONGEST_NAME, PICTURE_CHARACTERS, TWEETS
from umt_core.upload import LONGEST_ID, MOST_CHARACTERS

Label = Literal["PER", "LOC", "ORG", "MISC"]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Word = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Names = Annotated[
    list[Name],
    Field(min_length=1, max_length=CHECKPOINTS, description="Of those that are served; by default all of them."),
]


class Asked(BaseModel):
    # Strict: "1" is no number here. What is not known is refused, so that a misspelt name is no silent default.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


ONE_OF: JsonDict = {"oneOf": [{"required": ["text"]}, {"required": ["tokens"]}]}


class Tweet(Asked):
    """A tweet as raw text, which is split into words, or as words; with its picture or without one."""

    model_config = ConfigDict(json_schema_extra=ONE_OF)

    id: Annotated[str, Field(pattern=r"\S", max_length=LONGEST_ID, description="Comes back with the answer.")] = "1"
    # Without a default that would be said in the document: neither may be null, and one must be there.
    text: Annotated[str, Field(default_factory=str, pattern=r"\S", max_length=MOST_CHARACTERS)]
    tokens: Annotated[list[Word], Field(default_factory=list, min_length=1, max_length=MOST_WORDS)]
    picture: Annotated[
        str | None,
        Field(
            pattern="^[A-Za-z0-9+/]+={0,2}$",
            max_length=PICTURE_CHARACTERS,
            description="A JPEG, PNG, WEBP or GIF in base64; of an animation the first frame is read.",
        ),
    ] = None


class GoldSpan(Asked):
    start: Annotated[int, Field(ge=0, lt=MOST_WORDS, description="First word, from 0.")]
    end: Annotated[int, Field(ge=1, le=MOST_WORDS, description="One past the last word.")]
    label: Label


class PredictRequest(Asked):
    tweets: Annotated[list[Tweet], Field(min_length=1, max_length=TWEETS)]
    checkpoints: Names | None = None


class CompareRequest(Asked):
    tweet: Tweet
    checkpoints: Names | None = None
    gold: Annotated[
        list[GoldSpan] | None, Field(max_length=MOST_WORDS, description="What is right, where that is known.")
    ] = None


class ExplainRequest(Asked):
    tweet: Tweet
    checkpoint: Name | None = Field(None, description="By default the first that is served.")
    words: Annotated[
        list[Annotated[int, Field(ge=0, lt=MOST_WORDS)]] | None,
        Field(min_length=1, max_length=MOST_WORDS, description="Whose rows of the maps are wanted; by default all."),
    ] = None


# --- answers -------------------------------------------------------------------------------------


class Error(BaseModel):
    error: str = Field(description="One line: what was wanted, and what came.")


class Span(BaseModel):
    """One entity: the words [start, end) and its type."""

    start: int
    end: int
    label: Label
    text: str
    start_char: int | None = Field(None, description="In the text, in code points; null where words were given.")
    end_char: int | None = None


class FoundSpan(Span):
    probability: float = Field(description="That exactly these words are one entity of this type, 0 to 1.")


class Reading(BaseModel):
    """What one tagger says of a tweet."""

    checkpoint: str
    tags: list[str] = Field(description="BIO2, one for each word.")
    spans: list[FoundSpan]
    notices: list[str] = Field(description="What a reader must know: no picture, words that were not read.")


class TweetReadings(BaseModel):
    id: str
    tokens: list[str]
    systems: list[Reading]


class PredictAnswer(BaseModel):
    tweets: list[TweetReadings]


class Match(BaseModel):
    """A gold span with the span that stands for it, or one of the two alone."""

    gold: Span | None
    found: Span | None
    error: Literal["type", "boundary", "type and boundary", "missed", "spurious"] | None


class Compared(Reading):
    against_gold: list[Match] | None = Field(description="Null where no gold spans were given.")


class Differing(BaseModel):
    """Words that the taggers do not read alike."""

    start: int
    end: int
    text: str
    kind: Literal["type", "extent", "type and extent", "found"]
    readings: dict[str, list[Span]] = Field(description="By checkpoint.")
    sentence: str


class CompareAnswer(BaseModel):
    id: str
    tokens: list[str]
    systems: list[Compared]
    agreed: list[Span] = Field(description="What all of them found.")
    differing: list[Differing]


class MapRow(BaseModel):
    word: int
    weights: list[float] = Field(description="49, of the picture's 7 x 7 blocks row by row.")
    sum: float
    entropy_bits: float | None = Field(description="At most log2 49 = 5.61; null where rows are not words.")


class Map(BaseModel):
    """One of the attention maps, the mean over its heads."""

    map: str
    title: str
    feeds: str = Field(description="What the map makes, in the paper's letters.")
    meaning: str
    rows_are_words: bool
    heads: int
    words: list[MapRow]


class Gate(BaseModel):
    mean: float
    standard_deviation: float


class Parts(BaseModel):
    """A tag's score at a word, in the numbers that the tagger adds up."""

    tag: str
    main: float
    esd: float = Field(description="What the span detector adds through the conversion matrix.")
    transitions: float
    sum: float


class WordParts(BaseModel):
    word: int
    tag: Parts
    second: Parts = Field(description="The tag that comes next.")
    deciders: list[str]


class SpanNeeds(Span):
    without: dict[str, str] = Field(description="What becomes of it without each part.")
    instead: dict[str, Span | None]


class Provenance(BaseModel):
    words: list[WordParts]
    spans: list[SpanNeeds]
    parts: dict[str, float] = Field(description="Sums over the whole path.")
    path_score: float
    own_score: float = Field(description="Of the same path, by the tagger itself.")
    difference: float = Field(description="Of these two: a check, 0 but for rounding.")


class ExplainAnswer(Reading):
    id: str
    tokens: list[str]
    system: str
    weights_sha256: str
    caveats: list[str] = Field(description="What must be known before this is read.")
    attention: list[Map]
    gate: list[Gate] | None = Field(description="One for each word that was read; null: there is none.")
    esd_tags: list[str] = Field(description="The span detector's own B, I and O; empty: there is none.")
    provenance: Provenance


class Served(BaseModel):
    """A checkpoint, as it is served now."""

    name: str
    version: str
    system: str
    dataset: str
    text_encoder: str
    vision_encoder: str | None = Field(description="Null: it reads text only.")
    images: str = Field(description="What the pictures were that it was trained with.")
    weights_sha256: str
    created: str
    scores: dict[str, Any]


class CheckpointsAnswer(BaseModel):
    checkpoints: list[Served]


class HealthAnswer(BaseModel):
    status: Literal["ready", "loading"]
    checkpoints: list[str]
