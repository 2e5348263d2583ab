"""Who may do what: users and their file, passwords, guessing, sessions, and when the app asks who comes."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from umt_core.__main__ import main
from umt_core.access import door as doors
from umt_core.access import sessions, throttle
from umt_core.access.door import Door, door
from umt_core.access.passwords import Hash, check_password, hash_password
from umt_core.access.sessions import Sessions
from umt_core.access.throttle import FIRST_WAIT, FREE, LONGEST_WAIT, Throttle
from umt_core.access.users import Role, User, add_user, change_user, parse_users, read_users, remove_user, with_email
from umt_core.errors import AccessError

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
WEAK = Hash.parse(f"scrypt$1$8$1$c2FsdA==${'A' * 43}=")  # of no password, and soon read


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_USERS", str(tmp_path / "users.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("UMT_LOGIN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "users.json"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- passwords -----------------------------------------------------------------------------------


def test_a_password_fits_its_own_hash_alone():
    known = hash_password(PASSWORD)
    assert check_password(PASSWORD, known)
    assert not check_password(PASSWORD + " ", known)
    assert not check_password("", known)
    assert not check_password(PASSWORD, None)
    assert check_password("Zu\u0308rich am See", hash_password("Z\u00fcrich am See"))


def test_a_hash_is_scrypts_and_has_a_salt_of_its_own():
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first.salt != second.salt
    again = hashlib.scrypt(PASSWORD.encode(), salt=first.salt, n=2**15, r=8, p=1, dklen=32, maxmem=2**26)
    assert (first.key, first.cost, first.block, first.parallel) == (again, 15, 8, 1)


def test_nobody_costs_what_somebody_costs(monkeypatch):
    """By what is computed, not by the clock."""
    from umt_core.access import passwords

    known = hash_password(PASSWORD)
    check_password("", None)  # makes the stand-in
    work: list[tuple[int, int, int]] = []
    computed = passwords._scrypt
    monkeypatch.setattr(
        passwords, "_scrypt", lambda text, of: work.append((of.cost, of.block, of.parallel)) or computed(text, of)
    )
    check_password("wrong", known)
    check_password("wrong", None)
    assert len(work) == 2
    assert work[0] == work[1]


@pytest.mark.parametrize("password", ["", "short", "x" * 201, "Annabel Lee"])
def test_a_password_that_is_none_is_refused(password):
    with pytest.raises(AccessError, match="wanted a password"):
        hash_password(password, "annabel lee")


@pytest.mark.parametrize("text", ["", "md5$1$2$3$c2FsdA==$a2V5", "scrypt$40$8$1$c2FsdA==$a2V5", "scrypt$15$8$1$?$a2V5"])
def test_a_hash_that_is_none_is_refused(text):
    with pytest.raises(AccessError):
        Hash.parse(text)


# --- users ---------------------------------------------------------------------------------------


def test_a_role_may_what_those_before_it_may():
    assert [[one.may(needed) for needed in Role] for one in Role] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


def test_users_are_kept_one_a_line_in_a_file_of_ones_own(file):
    add_user(User("Bob", Role.TRAIN, "bob@example.org"))
    add_user(User("Ann Smith", Role.VIEW, password=WEAK))
    assert file.stat().st_mode & 0o777 == 0o600
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line.rstrip(","))["name"] for line in lines[1:-1]] == ["Ann Smith", "Bob"]
    assert change_user("ANN smith", role=Role.ANNOTATE) == read_users()["ann smith"]
    assert read_users()["ann smith"] == User("Ann Smith", Role.ANNOTATE, password=WEAK)
    assert with_email(read_users(), "Bob@Example.org") == User("Bob", Role.TRAIN, "bob@example.org")
    assert with_email(read_users(), "") is None
    remove_user("bob")
    assert list(read_users()) == ["ann smith"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(WEAK) not in repr(read_users())


@pytest.mark.parametrize(
    "user",
    [
        User("ann", Role.VIEW, password=WEAK),  # there is one
        User("", Role.VIEW, password=WEAK),
        User(" Bob", Role.VIEW, password=WEAK),
        User("Bob\n", Role.VIEW, password=WEAK),
        User("B" * 81, Role.VIEW, password=WEAK),
        User("Bob", Role.VIEW),  # could not sign in
        User("Bob", Role.VIEW, "not an address"),
        User("Bob", Role.VIEW, "ANN@example.org"),  # Ann's
    ],
)
def test_a_user_that_cannot_be_is_refused_and_nothing_is_written(user, file):
    add_user(User("Ann", Role.VIEW, "ann@example.org", WEAK))
    before = file.read_bytes()
    with pytest.raises(AccessError):
        add_user(user)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 2, "users": []}',
        '{"version": 1, "users": [{"name": "Ann", "role": "king", "email": "a@b"}]}',
        '{"version": 1, "users": [{"name": "Ann", "role": "view", "email": 1}]}',
        '{"version": 1, "users": [{"name": "Ann", "role": "view", "password": "plain"}]}',
        '{"version": 1, "users": [{"name": "Ann", "role": "view"}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_lets_nobody_in(text, file):
    with pytest.raises(AccessError):
        parse_users(text)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(AccessError, match=file.name):
        door("127.0.0.1")


# --- guessing ------------------------------------------------------------------------------------


def test_who_guesses_waits_longer_each_time():
    clock = Clock()
    guesses = Throttle(clock)
    assert [guesses.admit("Ann", "192.0.2.1") for _ in range(FREE["pair"])] == [0.0] * FREE["pair"]
    waits = []
    for _ in range(8):
        waits.append(guesses.admit("ANN", "192.0.2.1"))
        clock.now += waits[-1]
        assert guesses.admit("ann", "192.0.2.1") == 0.0
    assert waits == [min(LONGEST_WAIT, FIRST_WAIT * 2**i) for i in range(8)]


def test_a_wait_is_that_names_and_that_addresss():
    guesses = Throttle(Clock())
    for _ in range(FREE["pair"] + 1):
        guesses.admit("Ann", "192.0.2.1")
    assert guesses.admit("Ann", "192.0.2.1") > 0
    assert guesses.admit("Ann", "192.0.2.2") == 0
    assert guesses.admit("Bob", "192.0.2.1") == 0


def test_many_names_from_one_address_and_one_name_from_many_are_slowed_down():
    guesses = Throttle(Clock())
    assert not any(guesses.admit(f"user {i}", "192.0.2.1") for i in range(FREE["address"]))
    assert guesses.admit("another", "192.0.2.1") > 0
    assert not any(guesses.admit("Ann", f"198.51.100.{i}") for i in range(FREE["name"]))
    assert guesses.admit("Ann", "203.0.113.1") > 0


def test_a_right_password_is_no_failure_and_time_heals():
    clock = Clock()
    guesses = Throttle(clock)
    for _ in range(10 * FREE["name"]):
        assert guesses.admit("Ann", "192.0.2.1") == 0
        guesses.right("Ann", "192.0.2.1")
    for _ in range(FREE["pair"] + 1):
        guesses.admit("Ann", "192.0.2.1")
    clock.now += throttle.FORGOTTEN + 1
    assert [guesses.admit("Ann", "192.0.2.1") for _ in range(FREE["pair"])] == [0.0] * FREE["pair"]


def test_what_is_remembered_of_guesses_is_bounded(monkeypatch):
    monkeypatch.setattr(throttle, "MOST", 50)
    guesses = Throttle(Clock())
    for i in range(500):
        guesses.admit("x" * 10_000 + str(i), f"2001:db8::{i:x}")
        assert guesses.remembered <= 50


# --- sessions ------------------------------------------------------------------------------------


def test_a_session_ends_by_itself_by_signing_out_and_with_its_user():
    clock = Clock()
    ann, users = User("Ann", Role.VIEW, password=WEAK), {"ann": User("Ann", Role.TRAIN, password=WEAK)}
    open_ = Sessions(clock)
    first, second = open_.begin(ann), open_.begin(ann)
    assert open_.user(first, users) == users["ann"]  # as the file has it now
    assert open_.user("", users) is None
    assert open_.user(first + "x", users) is None
    open_.end(first)
    assert open_.user(first, users) is None
    assert open_.user(second, {}) is None
    assert open_.user(second, {"ann": User("Ann", Role.VIEW, password=hash_password(PASSWORD))}) is None
    assert open_.user(second, users) is not None
    clock.now += sessions.LASTS
    assert open_.user(second, users) is None
    assert open_.seconds_left(second) == 0


# --- the door ------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_the_app_is_open_on_this_machine(address):
    assert door(address) == Door(login=False)


@pytest.mark.parametrize(
    "address", [None, "", "0.0.0.0", "::", "192.168.1.4", "example.org", "unix:///run/app", "localhost.example.org"]
)
def test_the_app_does_not_start_elsewhere_without_users(address):
    with pytest.raises(AccessError, match="wanted users who may sign in"):
        door(address)


def test_users_are_asked_for_everywhere_and_the_file_need_not_hold_any(monkeypatch, file):
    add_user(User("Ann", Role.VIEW, password=WEAK))
    assert door("127.0.0.1") == door("0.0.0.0") == Door(login=True, passwords=True, provider=False)
    remove_user("Ann")
    with pytest.raises(AccessError, match="wanted users"):
        door("127.0.0.1")
    file.unlink()
    monkeypatch.setenv("UMT_LOGIN", "always")
    with pytest.raises(AccessError, match="wanted users"):
        door("127.0.0.1")
    monkeypatch.setenv("UMT_LOGIN", "never")
    with pytest.raises(AccessError, match="UMT_LOGIN"):
        door("127.0.0.1")


def test_users_who_could_sign_in_at_a_provider_alone_need_one():
    add_user(User("Ann", Role.PROMOTE, email="ann@example.org"))
    with pytest.raises(AccessError, match=r"got 1 in .* without a password, and no \[auth\] in secrets.toml; add one"):
        door("0.0.0.0")


def test_a_provider_is_a_way_in(tmp_path, monkeypatch):
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text("[auth]\nclient_id = 'x'\n", encoding="utf-8")
    monkeypatch.setattr(doors.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AccessError, match="Authlib"):
        door("127.0.0.1")
    monkeypatch.setattr(doors.importlib.util, "find_spec", lambda name: name)
    assert door("0.0.0.0") == door("127.0.0.1") == Door(login=True, passwords=False, provider=True)
    secrets.write_text("[auth\n", encoding="utf-8")
    with pytest.raises(AccessError, match="wanted TOML"):
        door("127.0.0.1")


# --- commands ------------------------------------------------------------------------------------


def test_a_user_is_added_by_command_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert main(["users", "add", "Ann", "--role", "annotate", "--password-stdin"]) == 0
    assert check_password(PASSWORD, read_users()["ann"].password)
    assert main(["users", "add", "Bob", "--role", "annotate"]) == 2
    assert "--password-stdin" in capsys.readouterr().err
    assert list(read_users()) == ["ann"]


@pytest.mark.parametrize("left", [KeyboardInterrupt, EOFError])
def test_who_leaves_where_the_password_is_asked_for_is_told_that_it_stopped(monkeypatch, capsys, left):
    def leave(*_: object) -> str:
        raise left

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(inspect.getmodule(typer.prompt), "hidden_prompt_func", leave)
    assert main(["users", "add", "Ann", "--role", "annotate"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"
    assert not read_users()


def test_users_are_changed_by_command(capsys):
    add_user(User("Ann", Role.VIEW, password=WEAK))
    assert main(["users", "add", "Bob", "--role", "view", "--email", "bob@example.org"]) == 0
    assert main(["users", "role", "ann", "promote"]) == 0
    assert main(["users", "remove", "Bob"]) == 0
    assert read_users() == {"ann": User("Ann", Role.PROMOTE, password=WEAK)}
    assert main(["users", "list"]) == 0
    shown = capsys.readouterr()
    assert "promote" in shown.out
    assert str(WEAK) not in shown.out + shown.err
    assert main(["users", "remove", "Bob"]) == 2
    assert main(["users", "role", "Ann", "king"]) == 2


def test_what_starts_the_app_asks_first(capsys):
    assert main(["users", "check", "--address", "127.0.0.1"]) == 0
    assert main(["users", "check", "--address", "0.0.0.0"]) == 2
    refused = capsys.readouterr().err
    assert refused.count("\n") == 1
    assert "users add" in refused
    rule = (ROOT / "Makefile").read_text(encoding="utf-8").split("\napp:")[1].split("\n\n")[0]
    assert rule.index('umt_core users check --address "$(HOST)" || exit 2') < rule.index("-m streamlit run")
