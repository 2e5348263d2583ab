"""A store whose process is killed, whose disk is full, that is locked, or gone: nothing that it answered is lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.core.store_work import line
from umt_core.corrections import database
from umt_core.corrections.database import file_url, journal_mode
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.errors import StoreError
from umt_core.schema import Span

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = TweetKey("made/test", "1"), TweetKey("made/test", "2")
ANN = (Span(0, 2, "PER"),)
FIRST, SECOND = (Edit(key, "set", "ann", (), ANN, 0) for key in (ONE, TWO))


def start(work: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.core.store_work", work, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.splitlines(), err


def refused(call: Callable[[], object]) -> str:
    """The line with which a store refuses."""
    with pytest.raises(StoreError) as told:
        call()
    assert "\n" not in str(told.value)
    return str(told.value)


# --- kill -9 -------------------------------------------------------------------------------------

ROUNDS = [pytest.param(8, id="few"), pytest.param(120, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_writer_loses_nothing_that_it_was_answered(store_url, rounds):
    (told,), _ = finish(start("kill", store_url, rounds))
    counts = json.loads(told)
    assert counts["rounds"] == rounds
    assert 0 < counts["answered"] <= counts["kept"]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_process_killed_while_it_makes_a_store_leaves_one_that_opens(tmp_path, rounds):
    finish(start("kill_new", tmp_path, rounds))


@pytest.mark.slow
def test_a_killed_backup_leaves_no_half_one(store_url, tmp_path):
    with Store(store_url) as store:
        keys = [TweetKey("made/test", str(n)) for n in range(3000)]
        store.append_all([Edit(key, "set", "ann", (), ANN, 0) for key in keys])
    (folder := tmp_path / "backups").mkdir()
    finish(start("back_up", store_url, folder, 40))


# --- several at once -----------------------------------------------------------------------------


def test_processes_write_to_one_store_at_once(store_url):
    processes = [start("write", store_url, f"author {n}", 25) for n in range(3)]  # they make it at once, too
    told = [told for process in processes for told in finish(process)[0]]
    with Store(store_url) as store:
        assert {line(event) for event in store.events()} == set(told)
        assert store.verify() == len(told) > 0


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(tmp_path, monkeypatch):
    path = tmp_path / "corrections.sqlite"
    monkeypatch.setattr(database, "WAIT", 0.2)
    with Store(file_url(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "locked" in refused(lambda: store.append(FIRST))
        assert store.labels(ONE).revision == 0  # reading goes on
        other.execute("ROLLBACK")
        assert store.append(FIRST).number == 1


# --- a disk that is full, a store that cannot be written -------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can make a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def test_a_full_disk_refuses_an_edit_and_keeps_those_before_it(disk):
    url = file_url(disk / "corrections.sqlite")
    told, err = finish(start("fill", url, 0))
    assert "wanted to store an edit, got: " in err
    assert "full" in err
    with Store(url) as store:
        assert [line(event) for event in store.events()] == told
        assert store.verify() == len(told) > 50
        many = [Edit(TweetKey("made/test", f"new {n}"), "set", "ann", (), ANN, 0) for n in range(1000)]
        assert "full" in refused(lambda: store.append_all(many))
        assert "full" in refused(lambda: store.backup(disk / "backup.sqlite"))
        assert [path.name for path in disk.iterdir()] == ["corrections.sqlite"]
        remount(disk, "size=3m")
        assert store.append(FIRST).number == len(told) + 1
        assert store.verify() == len(told) + 1


def test_a_file_that_may_not_grow_refuses_an_edit_and_keeps_those_before_it(tmp_path):
    url = file_url(tmp_path / "corrections.sqlite")
    told, err = finish(start("fill", url, 200_000))
    assert "wanted to store an edit, got: " in err
    with Store(url) as store:
        assert [line(event) for event in store.events()] == told
        assert store.append(FIRST).number == store.verify() == len(told) + 1


def test_a_store_that_cannot_be_written_can_be_read(disk):
    url = file_url(disk / "corrections.sqlite")
    with Store(url) as store:
        store.append(FIRST)
        remount(disk, "ro")
        assert "readonly" in refused(lambda: store.append(SECOND)).replace("-", "")
    refused(lambda: Store(url))
    with Store(url, read_only=True) as store:
        assert store.labels(ONE).spans == ANN
        assert "opened for reading only" in refused(lambda: store.append(SECOND))
        assert store.verify() == 1
    refused(lambda: Store(file_url(disk / "another.sqlite")))
    refused(lambda: Store(file_url(disk / "folder" / "another.sqlite")))


def test_a_store_opened_for_reading_is_neither_made_nor_changed(store_url, tmp_path):
    refused(lambda: Store(store_url, read_only=True))
    assert not list(tmp_path.iterdir())
    with Store(store_url) as store, Store(store_url, read_only=True) as reader:
        store.append(FIRST)
        assert reader.labels(ONE) == store.labels(ONE)
        assert "opened for reading only" in refused(lambda: reader.undo("ann"))


# --- a store that is gone, replaced, or none -------------------------------------------------------


def test_a_missing_file_is_not_begun_anew(tmp_path):
    path = tmp_path / "corrections.sqlite"
    with Store(file_url(path)) as store:
        store.append(FIRST)
        path.rename(tmp_path / "elsewhere.sqlite")
        assert "got no such file" in refused(lambda: store.append(SECOND))
        assert not path.exists()
        (tmp_path / "elsewhere.sqlite").rename(path)
        assert store.append(SECOND).number == 2


def test_edits_go_into_the_file_that_has_the_name_now(tmp_path):
    path = tmp_path / "corrections.sqlite"
    with Store(file_url(path)) as store:
        store.backup(tmp_path / "backup.sqlite")
        store.append(FIRST)
        (tmp_path / "backup.sqlite").replace(path)  # a person takes the backup back while the app runs
        assert store.append(SECOND).number == 1
    with Store(file_url(path)) as store:
        assert [event.key for event in store.events()] == [TWO]


@pytest.mark.parametrize(
    "url",
    [
        "corrections.sqlite",
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://ann:secret@host/db",
        "postgresql://[secret::",
    ],
)
def test_what_is_no_address_of_a_store_is_refused(url, monkeypatch, tmp_path):
    monkeypatch.setenv("UMT_HOME", str(tmp_path))
    monkeypatch.setenv("UMT_STORE", url or "nonsense")
    assert "secret" not in refused(lambda: Store(url))


def test_a_server_that_does_not_answer_is_told_without_the_password():
    url = "postgresql://ann:secret@127.0.0.1:1/made"
    line = refused(lambda: Store(url))
    assert "secret" not in line
    assert line.startswith("postgresql://ann@127.0.0.1:1/made: wanted to open it, got: ")


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be taken for the first page of one\n" * 20)
    before = path.read_bytes()
    assert "not a database" in refused(lambda: Store(file_url(path)))
    assert path.read_bytes() == before
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE events (day TEXT)")
    assert "a database of something else" in refused(lambda: Store(file_url(other)))
    refused(lambda: Store(file_url(tmp_path)))


@pytest.mark.parametrize("how", ["a missing event", "a changed label", "a damaged page"])
def test_damage_is_found(tmp_path, how):
    path = tmp_path / "corrections.sqlite"
    with Store(file_url(path)) as store:
        store.append_all([Edit(TweetKey("made/test", str(n)), "set", "ann", (), ANN, 0) for n in range(400)])
        store.undo("ann")
        store.verify()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for name in ("UPDATE", "DELETE"):
                connection.execute(f"DROP TRIGGER events_no_{name}")
            if how == "a missing event":
                connection.execute("DELETE FROM events WHERE number = 7")
            elif how == "a changed label":
                connection.execute("UPDATE events SET after = '[]' WHERE number = 401")
        if how == "a damaged page":
            with path.open("r+b") as file:
                file.seek(8 * 4096)
                file.write(b"\xff" * 4096)
        refused(store.verify)


# --- PostgreSQL goes and comes back ----------------------------------------------------------------


def terminate(url: str) -> None:
    """Ends all of a store's connections, as a server that stops does."""
    parsed = make_url(url)
    engine = create_engine(parsed.set(drivername="postgresql+psycopg").update_query_dict({"application_name": "admin"}))
    with engine.connect() as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
        connection.execute(text(query), {"name": parsed.query["application_name"]})
    engine.dispose()


@pytest.mark.parametrize("store_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_a_server_that_went_away_is_used_again_when_it_is_back(store_url, monkeypatch):
    with Store(store_url) as store:
        store.append(FIRST)
        terminate(store_url)  # between two edits: nobody notices
        assert store.undo("ann").number == 2
        # In the middle of one: it is refused, and can be sent again.
        true = database._Postgres.lock

        def lock(self, connection):
            true(self, connection)
            terminate(store_url)

        with monkeypatch.context() as patch:
            patch.setattr(database._Postgres, "lock", lock)
            assert "wanted to store an edit" in refused(lambda: store.append(SECOND))
        assert store.append(SECOND).number == 3
        assert store.verify() == 3


# --- what a database promises ----------------------------------------------------------------------


COPY = "data, tweet, track, action, author, time, skipped, base, reason, of"
CHANGES = {
    "sqlite": [
        "UPDATE events SET author = 'ben'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        f"INSERT OR REPLACE INTO events (number, nonce, {COPY}) SELECT number + 1, nonce, {COPY} FROM events",
    ],
    "postgresql": ["UPDATE events SET author = 'ben'", "DELETE FROM events", "TRUNCATE events"],
}


def test_events_cannot_be_changed_even_past_the_store(store_url):
    with Store(store_url) as store:
        event = store.append(FIRST)
        kind = make_url(store_url).drivername
        engine = create_engine(make_url(store_url).set(drivername={"postgresql": "postgresql+psycopg"}.get(kind, kind)))
        for statement in CHANGES[kind]:
            with pytest.raises(Exception, match="never changed or deleted"), engine.begin() as connection:
                connection.execute(text(statement))
        engine.dispose()
        assert list(store.events()) == [event]


def test_the_journal_is_one_that_this_sqlite_keeps_safely(tmp_path):
    """From SQLite's own notes on the write-ahead log: repaired in 3.51.3, and in 3.44.6 and 3.50.7."""
    unsafe = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 3), (3, 50, 6), (3, 51, 2)]
    safe = [(3, 44, 6), (3, 44, 7), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)]
    assert [journal_mode(version) for version in unsafe + safe] == ["delete"] * 6 + ["wal"] * 6
    path = tmp_path / "corrections.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with Store(file_url(path)), closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal_mode(sqlite3.sqlite_version_info),)


def test_a_store_with_a_write_ahead_log_works_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "journal_mode", lambda version: "wal")
    url = file_url(tmp_path / "corrections.sqlite")
    with Store(url) as store, Store(url, read_only=True) as reader:
        store.append(FIRST)
        assert reader.labels(ONE) == store.labels(ONE)
        store.backup(tmp_path / "backup.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.sqlite", "corrections.sqlite"]


def test_a_clock_that_goes_back_changes_no_order(store_url, monkeypatch):
    times = iter([f"20{year}-01-01T00:00:00.000Z" for year in (26, 25, 24, 70, 23, 22)])
    monkeypatch.setattr("umt_core.corrections.log.now", lambda: next(times))
    spans = [(Span(0, 1, label),) for label in ("PER", "LOC", "ORG")]
    key = TweetKey("tiny/test", "1")
    with Store(store_url) as store:
        before, revision = (), 0
        for after in spans:
            revision = store.append(Edit(key, "set", "ann", before, after, revision)).number
            before = after
        assert store.labels(key).spans == spans[-1]
        assert [store.undo("ann").after, store.undo("ann").after] == [spans[1], spans[0]]
        assert store.redo("ann").after == spans[1]
        assert [event.number for event in store.history(key)] == [1, 2, 3, 4, 5, 6]
        assert store.verify() == 6
