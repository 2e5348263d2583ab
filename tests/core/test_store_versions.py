"""A store of every version so far is brought up to date; one of a later version is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from umt_core.corrections import database
from umt_core.corrections.database import VERSION
from umt_core.corrections.events import Edit, Labels, TweetKey
from umt_core.corrections.store import Store
from umt_core.errors import StoreError
from umt_core.schema import Span

# Version 1 as it was, in its own words, and what two people did with it.
TABLES = """
CREATE TABLE store (version INTEGER NOT NULL);
INSERT INTO store VALUES (1);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, data TEXT NOT NULL, tweet TEXT NOT NULL, track TEXT NOT NULL,
    action TEXT NOT NULL, author TEXT NOT NULL, time TEXT NOT NULL, before TEXT, after TEXT,
    skipped INTEGER NOT NULL, base TEXT NOT NULL, reason TEXT NOT NULL, nonce TEXT NOT NULL UNIQUE,
    of INTEGER NOT NULL);
CREATE INDEX events_of_tweet ON events (data, tweet, track, number);
CREATE INDEX events_of_author ON events (author, number);
"""
TRIGGERS = {
    "sqlite": """
CREATE TRIGGER events_no_UPDATE BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END
;;
CREATE TRIGGER events_no_DELETE BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END
;;
CREATE TRIGGER events_no_REPLACE BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE number >= NEW.number OR nonce = NEW.nonce)
BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END
""",
    "postgresql": """
CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'events are never changed or deleted'; END $$
;;
CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()
""",
}
PER, LOC = '[[0,2,"PER"]]', '[[3,4,"LOC"]]'
ROWS = [  # tweet, action, author, before, after, skipped, of
    ("1", "set", "ann", "[]", PER, 0, 0),
    ("2", "set", "ben", "[]", LOC, 0, 0),
    ("2", "skip", "ann", LOC, LOC, 1, 0),
    ("1", "set", "ann", PER, LOC, 0, 0),
    ("1", "undo", "ann", LOC, PER, 0, 4),
    ("2", "undo", "ann", LOC, LOC, 0, 3),
    ("2", "redo", "ann", LOC, LOC, 1, 3),
]
LINKS = [(0, 0), (0, 0), (1, 0), (3, 0), (0, 3), (5, 1), (1, 5)]  # below and across, by hand

ONE, TWO = TweetKey("made/test", "1"), TweetKey("made/test", "2")


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    parsed = make_url(url)
    engine = create_engine(parsed if parsed.drivername == "sqlite" else parsed.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def first_version(store_url: str) -> str:
    with connected(store_url) as connection:
        for statement in [*TABLES.split(";\n"), *TRIGGERS[connection.dialect.name].split(";;")]:
            if statement.strip():
                connection.exec_driver_sql(statement)
        for number, (tweet, action, author, before, after, skipped, of) in enumerate(ROWS, 1):
            connection.execute(
                text(
                    "INSERT INTO events VALUES (:number, 'made/test', :tweet, '', :action, :author,"
                    " '2026-11-24T08:00:00.000Z', :before, :after, :skipped, 'gold', 'because', :nonce, :of)"
                ),
                {"number": number, "tweet": tweet, "action": action, "author": author, "before": before}
                | {"after": after, "skipped": skipped, "nonce": f"n{number}", "of": of},
            )
    return store_url


def version(url: str) -> int:
    with connected(url) as connection:
        return connection.execute(text("SELECT version FROM store")).scalar_one()


def test_a_store_of_the_first_version_is_brought_up_to_date(first_version):
    with Store(first_version) as store:
        assert version(first_version) == VERSION
        assert store.verify() == len(ROWS)
        assert [(e.key.tweet, e.action, e.author, e.of) for e in store.events()] == [(*r[:3], r[6]) for r in ROWS]
        assert store.labels(ONE) == Labels((Span(0, 2, "PER"),), 5, False, "ann")
        assert store.labels(TWO) == Labels((Span(3, 4, "LOC"),), 7, True, "ann")
        assert [store.undo("ann").of, store.undo("ann").of, store.undo("ann")] == [3, 1, None]
        assert [store.redo("ann").of for _ in range(3)] == [1, 3, 4]
        assert store.verify() == len(ROWS) + 5
    with connected(first_version) as connection:
        links = connection.execute(text("SELECT below, across FROM events ORDER BY number")).all()
        assert [tuple(row) for row in links[: len(LINKS)]] == LINKS
    with pytest.raises(Exception, match="never changed"), connected(first_version) as connection:
        connection.execute(text("DELETE FROM events"))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # which alone keeps the words of its tables
def test_a_new_store_has_the_tables_of_one_brought_up_to_date(first_version, tmp_path):
    query = text("SELECT name, sql FROM sqlite_master ORDER BY name")
    new = f"sqlite:///{tmp_path}/new.sqlite"
    Store(new).close()
    Store(first_version).close()
    with connected(new) as connection, connected(first_version) as old:
        words = [[(row.name, "".join((row.sql or "").split())) for row in c.execute(query)] for c in (connection, old)]
    assert words[0] == words[1]


def test_a_change_that_fails_half_way_leaves_the_store_as_it_was(first_version, monkeypatch):
    def fails(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (done INTEGER)"))
        connection.execute(text("SELECT nothing FROM nowhere"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, fails))
        patch.setattr(database, "VERSION", VERSION + 1)
        with pytest.raises(StoreError, match="wanted to open it"):
            Store(first_version)
        assert version(first_version) == 1
    with Store(first_version) as store:
        assert store.verify() == len(ROWS)


def test_an_older_store_is_not_changed_by_one_who_only_reads(first_version):
    with pytest.raises(StoreError, match="got version 1; open it for writing once"):
        Store(first_version, read_only=True)
    assert version(first_version) == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_later_version_is_refused_and_left_alone(store_url, read_only):
    with Store(store_url) as store:
        store.append(Edit(ONE, "set", "ann", (), (), 0))
    with connected(store_url) as connection:
        connection.execute(text("UPDATE store SET version = 99"))
    with pytest.raises(StoreError, match=r"got version 99, which a newer version of this program has written"):
        Store(store_url, read_only=read_only)
    assert version(store_url) == 99
    with connected(store_url) as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 1


def test_an_app_that_goes_on_after_a_newer_one_has_opened_the_store_writes_nothing_half(store_url):
    with Store(store_url) as store:
        store.append(Edit(ONE, "set", "ann", (), (), 0))
        with connected(store_url) as connection:  # the newer one's change, as far as this one can see it
            connection.execute(text(f"UPDATE store SET version = {VERSION + 1}"))
        with pytest.raises(StoreError, match=f"it has version {VERSION + 1} now: another version of this program"):
            store.append(Edit(TWO, "set", "ann", (), (), 0))
        with pytest.raises(StoreError, match="start this one anew"):
            store.undo("ann")
        assert store.count() == 1


@pytest.mark.parametrize("wrong", ["DELETE FROM store", "UPDATE store SET version = 0"])
def test_a_store_without_a_version_is_refused(store_url, wrong):
    Store(store_url).close()
    with connected(store_url) as connection:
        connection.execute(text(wrong))
    with pytest.raises(StoreError, match="wanted a store's version"):
        Store(store_url)
