"""Takes a table of tweets and pictures into an own data set: the good rows, and a report of all. Free of torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from umt_core.analysis.sets import sets_folder
from umt_core.corrections.events import LONGEST_NAME, is_name
from umt_core.corrections.exchange import Problem, Row, located_rows
from umt_core.corrections.exchange.rows import REFUSE
from umt_core.data.archive import Pictures
from umt_core.data.datasets import data_sets
from umt_core.data.files import table_line
from umt_core.data.own import add_tweets, check_name, content_id, remove_own, stage_picture, staging
from umt_core.errors import DataError, ImageError
from umt_core.schema import MOST_WORDS, Example

MOST_BYTES = 100_000_000  # of a table: 100,000 tweets take some 30 million
MOST_ROWS = 100_000  # of a table, which is in memory as a whole
MOST_CHARACTERS = 10_000  # of a tweet's words; why there is a bound, ``MOST_WORDS`` says
LONGEST_ID = LONGEST_NAME  # characters; an id stands in links and tables, and in the store of corrections

OK, WARNING, REFUSED = "ok", "warning", "refused"
COLUMNS = ("line", "id", "outcome", "reason")

Progress = Callable[[str, int, int], None]  # what, done, of how many (0: not known); may raise, and nothing is added


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row."""

    line: str  # where it stands in the table
    id: str  # "": it came without one, and was refused
    outcome: str  # ok: added; warning: added, but; refused
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all rows of an upload, in their order."""

    name: str  # of the data set
    rows: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()  # on the upload as a whole

    def count(self, *outcomes: str) -> int:
        return sum(row.outcome in outcomes for row in self.rows)

    @property
    def line(self) -> str:
        """The counts, in a line."""
        added, warned, refused = self.count(OK, WARNING), self.count(WARNING), self.count(REFUSED)
        said = f"{self.name}: {added:,} of {len(self.rows):,} tweets added"
        said += f", {warned:,} of them with a warning" if warned else ""
        return said + (f"; {refused:,} refused" if refused else "")

    def to_csv(self) -> str:
        """The rows as a table for people; what a spreadsheet would run as a formula is made harmless."""
        rows = [COLUMNS, *((row.line, row.id, row.outcome, row.reason) for row in self.rows)]
        return "".join(map(table_line, rows))


@dataclass(slots=True)
class _Row:
    """A row on its way."""

    line: str
    example: Example | None
    id: str = ""
    reasons: list[str] = field(default_factory=list)
    nameless: bool = False  # it came without an id

    def refuse(self, reason: str) -> None:
        self.example = None
        self.reasons.append(reason)

    def outcome(self) -> Outcome:
        said = REFUSED if self.example is None else WARNING if self.reasons else OK
        return Outcome(self.line, self.id, said, "; ".join(self.reasons))


def upload(
    name: str,
    table: Path,
    pictures: Pictures | None = None,
    *,
    form: str | None = None,
    bio: str = REFUSE,
    progress: Progress | None = None,
) -> Report:
    """Adds the tweets of a table to an own data set, which is made if it is not there.

    A tweet's picture is the one that it names, else the one called as its id is. A row is refused where it is no
    tweet, has labels that are not in order (``bio`` may have them repaired), an id that another has, or is too
    long; a picture that is missing or cannot be read is left out with a warning. Until all rows have been looked
    at nothing is added: an error, a kill, or ``progress`` raising leaves the data set as it was.

    Raises:
        DataError: the name is not one, the table cannot be read at all or is too large, or the place cannot be written.
    """
    check_name(name)
    report = progress or (lambda what, done, total: None)
    rows = list(_read(table, form, bio, report))
    given = _Given(pictures)
    with staging() as stage:
        first: dict[str, str] = {}
        for i, row in enumerate(rows):
            report("checking tweets and pictures", i, len(rows))
            if row.example is not None:
                _check(row, row.example)
            if row.example is not None:
                row.example = given.with_picture(stage, row, row.example)
                _identify(row, row.example, first)
        report("adding", len(rows), len(rows))
        added = add_tweets(name, [row.example for row in rows if row.example is not None], stage)
    for row in rows:
        if row.example is not None and row.id in added.known:
            row.refuse(
                "the data set has this tweet already"
                if row.nameless
                else f"wanted an id of its own, got {row.id!r}, which a tweet of the data set has"
            )
        elif row.example is not None and row.id in added.same:
            row.reasons.append(f"it has the same words and picture as {added.same[row.id]!r}")
    notes = given.notes if pictures is None else [*given.notes, *pictures.passed_over]
    return Report(name, tuple(row.outcome() for row in rows), tuple(notes))


def _read(table: Path, form: str | None, bio: str, report: Progress) -> Iterator[_Row]:
    """The rows of a table; what is wrong with one stands in it."""
    try:
        size = table.stat().st_size
    except OSError as error:
        raise DataError(f"{table}: wanted a readable file, got: {error.strerror}") from error
    if size > MOST_BYTES:
        raise DataError(f"{table.name}: wanted a table of at most {MOST_BYTES:,} bytes, got {size:,}")
    mended: list[str] = []
    number = 0
    for found in located_rows(table, form, bio=bio):
        reason = found.line.replace(f"{table}:", "line ") if isinstance(found, Problem) else ""
        if isinstance(found, Problem) and found.mended:
            mended.append(reason)
            continue
        number += 1
        if number > MOST_ROWS:
            raise DataError(f"{table.name}: wanted a table of at most {MOST_ROWS:,} tweets, got more; part it")
        if number % 500 == 0:
            report("reading the table", number, 0)
        line = found.where.removeprefix(str(table)).lstrip(":/")
        yield _Row(line, None, reasons=[reason]) if isinstance(found, Problem) else _row(line, found, mended)
        mended = []


def _row(line: str, found: Row, mended: Iterable[str]) -> _Row:
    name = "" if found.nameless else found.example.id
    return _Row(line, found.example, name, list(mended), found.nameless)


def _check(row: _Row, example: Example) -> None:
    """Refuses what is too long, and ids that could not be shown."""
    if len(example.id) > LONGEST_ID:
        row.id = f"{example.id[:40]}…"
        row.refuse(f"wanted an id of at most {LONGEST_ID} characters, got {len(example.id):,}")
    elif not is_name(example.id):
        row.refuse(f"wanted an id without control characters, invisible signs and odd spaces, got {example.id!r}")
    elif example.id != example.id.strip():
        row.refuse("wanted an id without white space around it")
    elif len(example.tokens) > MOST_WORDS or sum(map(len, example.tokens)) > MOST_CHARACTERS:
        row.refuse(
            f"wanted a tweet of at most {MOST_WORDS:,} words and {MOST_CHARACTERS:,} characters,"
            f" got {len(example.tokens):,} words; is a quotation mark left open?"
        )


def _identify(row: _Row, example: Example, first: dict[str, str]) -> None:
    """Names a tweet that came without an id after what it holds, and refuses one that came before."""
    if row.nameless:
        row.id = content_id(example)
        row.example = replace(example, id=row.id)
        if (line := first.setdefault(row.id, row.line)) != row.line:
            row.refuse(f"it has the same words and picture as line {line}, and no id of its own")


class _Given:
    """The pictures that came with an upload, each looked at once."""

    def __init__(self, pictures: Pictures | None) -> None:
        self.pictures = pictures
        self.notes: list[str] = []
        self._known: dict[str, str | None] = {}
        self._wrong: dict[str, str] = {}

    def with_picture(self, stage: Path, row: _Row, example: Example) -> Example:
        """The tweet with the picture that is kept for it, or without one and with the reason in its row."""
        if self.pictures is None:
            if example.image is not None and not self.notes:
                self.notes.append("No pictures were given: all tweets are kept without one.")
            return replace(example, image=None)
        name = example.image or (None if row.nameless else example.id)
        if name is None:
            return example
        image = self._kept(self.pictures, stage, name)
        if image is None and (name in self._wrong or example.image is not None):
            row.reasons.append(f"kept without a picture: {self._wrong.get(name) or f'none is called {name[:60]!r}'}")
        return replace(example, image=image)

    def _kept(self, pictures: Pictures, stage: Path, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = None
            try:
                data = pictures.read(name)
                self._known[name] = None if data is None else stage_picture(stage, data, name=name[:60])
            except ImageError as error:
                self._wrong[name] = str(error)
        return self._known[name]


def remove_data_set(name: str) -> Path:
    """Takes an own data set away, into the trash, and with it what taggers said of it, which can be made again.

    Gives its new place. Corrections of its tweets stay in their store.

    Raises:
        DataError: there is no such set, or it cannot be moved.
    """
    trash = remove_own(name)
    if not any(found.name == name for found in data_sets()):
        shutil.rmtree(sets_folder() / name, ignore_errors=True)
    return trash
