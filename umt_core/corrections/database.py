"""Where events are kept: an SQLite file, or a PostgreSQL database. Transactions, tables, and their versions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from umt_core.corrections.fold import Stacks
from umt_core.errors import StoreError

WAIT = 30  # seconds that an operation waits for those of others to end


def file_url(path: Path) -> str:
    """The URL of a store in a file.

    >>> file_url(Path("/corrections.sqlite"))
    'sqlite:////corrections.sqlite'
    """
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


class Database:
    """A database that holds a store's tables, brought to the newest version.

    Each operation has a connection of its own, so threads and processes may use one store at once.

    Raises:
        StoreError: it cannot be opened, holds something else, or is from a newer program; also by everything below.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.read_only = read_only
        parsed = parsed_url(url)
        if parsed.drivername == "sqlite":
            self._backend: _Sqlite | _Postgres = _Sqlite(parsed.database or "", read_only)
        elif parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
            self._backend = _Postgres(parsed.set(drivername="postgresql+psycopg"))
        else:
            raise StoreError(f"wanted a store's URL, sqlite:///FILE or postgresql://…, got {parsed.drivername}://…")
        self.url = self._backend.url
        self._is_open = False
        self._turn = Lock()  # threads stand in a queue here; before the database they would ask again and again
        self._open()
        self._is_open = True

    def _open(self) -> None:
        if self.read_only:
            with self.reading("open it") as connection:
                if (version := self._version(connection)) < VERSION:
                    got = f"version {version}; open it for writing once" if version else "an empty database"
                    raise StoreError(f"{self.url}: wanted a store of version {VERSION}, got {got}")
            return
        self._backend.make_place()
        with self.reading("open it") as connection:
            self._version(connection)  # before anything is changed in what may be somebody else's
        self._backend.choose_journal()
        with self.writing("open it") as connection:  # what cannot be written is told now, not at the first edit
            version = self._version(connection)
            for migrate in MIGRATIONS[version:]:
                migrate(connection)
            if version < VERSION:
                connection.execute(text("UPDATE store SET version = :version"), {"version": VERSION})
        self._backend.make_no_more()

    def _version(self, connection: Connection) -> int:
        """0: there is nothing in it yet."""
        tables = inspect(connection).get_table_names()
        if not tables:
            return 0
        if not {"store", "events"} <= set(tables):
            raise StoreError(f"{self.url}: wanted a store of corrections, got a database of something else")
        version = connection.execute(text("SELECT max(version) FROM store")).scalar()
        if not isinstance(version, int) or version < 1:
            raise StoreError(f"{self.url}: wanted a store's version, got {version!r}")
        if version > VERSION:
            raise StoreError(
                f"{self.url}: wanted a store of version {VERSION} or older, got version {version}, "
                "which a newer version of this program has written"
            )
        return version

    @contextmanager
    def reading(self, what: str) -> Iterator[Connection]:
        """A transaction that sees one state of the store."""
        with self._transaction(what, self._backend.reading) as connection:
            yield connection

    @contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """A transaction that nobody else writes beside; when it has ended, what it wrote is on the disk."""
        if self.read_only:
            raise StoreError(f"{self.url}: wanted to {what}, but the store was opened for reading only")
        with self._turn, self._transaction(what, self._backend.writing) as connection:
            self._backend.lock(connection)
            self._refuse_newer(connection, what)
            yield connection

    def _refuse_newer(self, connection: Connection, what: str) -> None:
        """One that went on writing after a newer program had changed the tables would leave out what they hold now."""
        version = connection.execute(text("SELECT max(version) FROM store")).scalar() if self._is_open else VERSION
        if version != VERSION:
            raise StoreError(
                f"{self.url}: wanted to {what} in a store of version {VERSION}, it has version {version} now: "
                "another version of this program has opened it; start this one anew"
            )

    @contextmanager
    def _transaction(self, what: str, options: dict[str, Any]) -> Iterator[Connection]:
        try:
            with self._backend.engine.connect() as connection:
                connection.execution_options(**options)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise _failed(self.url, what, error) from error

    def integrity(self) -> str | None:
        """What is wrong with the database's own structure, as far as it can tell."""
        with self.reading("check it") as connection:
            return self._backend.integrity(connection)

    def close(self) -> None:
        self._backend.engine.dispose()


def _failed(url: str, what: str, error: Exception) -> StoreError:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return StoreError(f"{url}: wanted to {what}, got: {lines[0] if lines else type(error).__name__}")


# --- SQLite --------------------------------------------------------------------------------------


def journal_mode(version: tuple[int, ...]) -> str:
    """How an SQLite of this version is to keep its journal.

    With the write-ahead log, versions before 3.51.3 (and 3.50.7 and 3.44.6, which carry the repair)
    can lose a commit when two connections write and checkpoint at once. The rollback journal cannot.

    >>> journal_mode((3, 40, 1)), journal_mode((3, 44, 6)), journal_mode((3, 51, 3))
    ('delete', 'wal', 'wal')
    """
    repaired = any(version[:2] == since[:2] and version >= since for since in ((3, 44, 6), (3, 50, 7)))
    return "wal" if repaired or version >= (3, 51, 3) else "delete"


class _Sqlite:
    reading: ClassVar[dict[str, Any]] = {"begin": "BEGIN"}
    writing: ClassVar[dict[str, Any]] = {
        "begin": "BEGIN IMMEDIATE"
    }  # plain BEGIN fails when two read first and then write

    def __init__(self, name: str, read_only: bool) -> None:
        if not name or name == ":memory:":
            raise StoreError("wanted a store's URL with a file, sqlite:///FILE, got one in memory")
        self.path = Path(name).absolute()
        self.url = file_url(self.path)
        self.access = "ro" if read_only else "rwc"
        # No pool: a connection that outlives its operation would go on writing into a file that was replaced.
        self.engine = create_engine("sqlite://", creator=self.connect, poolclass=NullPool)
        event.listen(self.engine, "begin", _begin)

    def connect(self) -> sqlite3.Connection:
        if self.access != "rwc" and not self.path.exists():
            raise StoreError(f"{self.url}: wanted a store of corrections, got no such file")
        address = f"file:{quote(str(self.path))}?mode={self.access}"
        connection = sqlite3.connect(address, uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False)
        # FULL, and where a journal is deleted at commit its folder is synchronised too.
        connection.execute("PRAGMA synchronous = EXTRA")
        return connection

    def make_place(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.url}: wanted a folder for it, got: {error.strerror}") from error
        for place in [self.path.parent, self.path]:  # SQLite itself would say so at the first edit only
            if place.exists() and not os.access(place, os.W_OK):
                raise StoreError(f"{self.url}: wanted to open it for writing, but {place} is read-only")

    def choose_journal(self) -> None:
        try:
            with closing(self.connect()) as connection:
                now = connection.execute("PRAGMA journal_mode").fetchone()[0]
                wanted = journal_mode(sqlite3.sqlite_version_info)
                if now != wanted:
                    connection.execute(f"PRAGMA journal_mode = {wanted}")
        except sqlite3.Error as error:
            raise _failed(self.url, "open it", error) from error

    def make_no_more(self) -> None:
        self.access = "rw"  # from now on a missing file is a fault, not a reason to begin an empty one

    def lock(self, connection: Connection) -> None:
        """BEGIN IMMEDIATE has done it."""

    def integrity(self, connection: Connection) -> str | None:
        answer = str(connection.execute(text("PRAGMA integrity_check(1)")).scalar())
        return None if answer == "ok" else answer.splitlines()[-1]


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["begin"])


# --- PostgreSQL ----------------------------------------------------------------------------------


class _Postgres:
    reading: ClassVar[dict[str, Any]] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    writing: ClassVar[dict[str, Any]] = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}

    def __init__(self, url: URL) -> None:
        self.url = _without_password(url)
        try:
            # Asked before each use whether it is still there: the server may have been away.
            self.engine: Engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
        except ModuleNotFoundError as error:
            raise StoreError(
                f"{self.url}: wanted psycopg, which PostgreSQL needs; "
                "in the program's folder: python -m pip install -e '.[postgres]'"
            ) from error

    def make_place(self) -> None:
        """A missing database is never made."""

    def choose_journal(self) -> None:
        """The server has its own."""

    def make_no_more(self) -> None:
        """It was never made here."""

    def lock(self, connection: Connection) -> None:
        """One writer at a time: numbers then rise in the order of commits, and a reader who goes on
        after the last number it saw misses none."""
        connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('corrections of ' || current_schema()))"))

    def integrity(self, connection: Connection) -> str | None:
        return None


def parsed_url(url: str) -> URL:
    """A store's URL in its parts (``StoreError``: it is none)."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # The text is not shown: it may hold a password.
        raise StoreError("wanted a store's URL, sqlite:///FILE or postgresql://…, got none") from None


def _without_password(url: URL) -> str:
    query = {name: value for name, value in url.query.items() if "pass" not in name}
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    return shown.render_as_string(hide_password=False)


# --- versions ------------------------------------------------------------------------------------
# What is written here stays as it is: a store of any version goes through those that it lacks, in one transaction.


def _first(connection: Connection) -> None:
    """Events, which only ever grow."""
    for statement in (
        "CREATE TABLE store (version INTEGER NOT NULL)",
        "INSERT INTO store VALUES (1)",
        # skipped: what the last answer is after the event. of: the event that an undo, redo or restore is about.
        """CREATE TABLE events (
            number INTEGER PRIMARY KEY, data TEXT NOT NULL, tweet TEXT NOT NULL, track TEXT NOT NULL,
            action TEXT NOT NULL, author TEXT NOT NULL, time TEXT NOT NULL, before TEXT, after TEXT,
            skipped INTEGER NOT NULL, base TEXT NOT NULL, reason TEXT NOT NULL, nonce TEXT NOT NULL UNIQUE,
            of INTEGER NOT NULL)""",
        "CREATE INDEX events_of_tweet ON events (data, tweet, track, number)",
        "CREATE INDEX events_of_author ON events (author, number)",
    ):
        connection.exec_driver_sql(statement)
    _forbid_changes(connection)


def _links(connection: Connection) -> None:
    """Each event tells what lies below it on its author's stack (of undo, or redo), and what is on top of the other."""
    _allow_changes(connection)
    for column in ("below", "across"):
        connection.execute(text(f"ALTER TABLE events ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0"))
    stacks, found = Stacks(), []
    for number, author, action in connection.execute(text("SELECT number, author, action FROM events ORDER BY number")):
        below, across = stacks.push(number, author, action)
        found.append({"number": number, "below": below, "across": across})
    if found:
        update = "UPDATE events SET below = :below, across = :across WHERE number = :number"
        connection.execute(text(update), found)
    _forbid_changes(connection)


def _data_sums(connection: Connection) -> None:
    """Which files of a data set the corrections were made on."""
    connection.execute(
        text(
            "CREATE TABLE data_sums (data TEXT NOT NULL, sha256 TEXT NOT NULL, time TEXT NOT NULL,"
            " PRIMARY KEY (data, sha256))"
        )
    )


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _links, _data_sums)
VERSION = len(MIGRATIONS)

_REFUSED = "events are never changed or deleted"


def _forbid_changes(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        statements = [
            f"CREATE TRIGGER events_no_{verb} BEFORE {verb} ON events BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
        # INSERT OR REPLACE would delete without asking the trigger above.
        statements.append(f"""CREATE TRIGGER events_no_REPLACE BEFORE INSERT ON events
            WHEN EXISTS (SELECT 1 FROM events WHERE number >= NEW.number OR nonce = NEW.nonce)
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END""")
    else:
        statements = [
            f"""CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$""",
            """CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
                FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()""",
        ]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _allow_changes(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for name in ("UPDATE", "DELETE", "REPLACE"):
            connection.execute(text(f"DROP TRIGGER events_no_{name}"))
    else:
        connection.execute(text("DROP TRIGGER events_no_change ON events"))
        connection.execute(text("DROP FUNCTION events_refuse()"))
