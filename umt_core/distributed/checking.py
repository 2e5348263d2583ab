"""A chunk read and checked, so that taggers get tweets alone. Free of torch: processes that read stay small."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from umt_core.distributed.parts import Failure
from umt_core.distributed.plan import Chunk, Plan
from umt_core.distributed.reading import identity, parse, raw_tweets, suffix_of
from umt_core.errors import DataError
from umt_core.schema import Example

Tweets = list[tuple[int, int, Example]]  # place among all, line, and the tweet


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk's tweets, and those of its lines that are none."""

    chunk: Chunk
    tweets: Tweets
    failures: tuple[Failure, ...]


def read_chunk(plan: Plan, chunk: Chunk) -> ReadChunk:
    """Reads and checks a chunk. What is wrong with a tweet costs that tweet alone.

    Raises:
        DataError: the input cannot be read, or is not what it was.
    """
    tweets: Tweets = []
    failures: list[Failure] = []
    again, found = dict(chunk.again), 0
    try:
        with plan.input.open("rb") as file:
            raws = raw_tweets(file, suffix_of(plan.input), offset=chunk.offset, number=chunk.line)
            for place, raw in enumerate(islice(raws, chunk.tweets), chunk.first):
                found += 1
                try:
                    example = parse(raw, named=plan.named)
                    if place in again:
                        raise DataError(f"wanted an id of its own, got one again (first in line {again[place]})")
                    tweets.append((place, raw.line, example))
                except DataError as error:
                    failures.append(Failure(place, raw.line, identity(raw), str(error)))
    except OSError as error:
        raise DataError(f"{plan.input}: wanted a readable file, got: {error.strerror}") from error
    if found != chunk.tweets:
        raise DataError(f"{plan.input}: wanted {chunk.tweets} tweets from line {chunk.line} on, got {found}")
    return ReadChunk(chunk, tweets, tuple(failures))
