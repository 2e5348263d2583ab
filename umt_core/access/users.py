"""The users' file: who there is, what each may do, and by what they are known."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from umt_core.access.passwords import Hash
from umt_core.data.files import Stamp, home_dir, locked, stamp_of, write_stream
from umt_core.errors import AccessError, DataError

VERSION = 1
LONGEST_NAME = 80  # characters
LONGEST_EMAIL = 254


class Role(StrEnum):
    """What a user may do; each role may do all that those before it may.

    >>> Role.TRAIN.may(Role.ANNOTATE), Role.TRAIN.may(Role.PROMOTE)
    (True, False)
    """

    VIEW = "view"  # look at everything, and ask the taggers
    ANNOTATE = "annotate"  # correct labels, add tweets, let taggers read a data set
    TRAIN = "train"  # start, stop and remove retrainings
    PROMOTE = "promote"  # decide over what all others use: versions that are served, data sets that are removed

    def may(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in. Without a password they come through the OpenID provider, by their e-mail address."""

    name: str  # the author of what they do
    role: Role
    email: str = ""
    password: Hash | None = field(default=None, repr=False)


Users = Mapping[str, User]  # by name, as ``key_of`` writes it


def users_path() -> Path:
    """``$UMT_USERS``, else ``users.json`` in ``home_dir()``."""
    return Path(os.environ.get("UMT_USERS") or home_dir() / "users.json")


def key_of(text: str) -> str:
    """A name or an e-mail address as it is compared: upper and lower case are one."""
    return text.strip().casefold()


def read_users(path: Path | None = None) -> Users:
    """All users; none where there is no file.

    Raises:
        AccessError: the file cannot be read, or is not in its form.
    """
    path = path or users_path()
    try:
        return _read(path, stamp_of(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AccessError(f"{path}: wanted the users' file, got: {error.strerror}") from error


@lru_cache(maxsize=8)
def _read(path: Path, stamp: Stamp) -> Users:
    try:
        return parse_users(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AccessError(f"{path}: wanted the users' file, got: {error.strerror}") from error
    except (AccessError, UnicodeDecodeError) as error:
        raise AccessError(f"{path}: {error}") from error


def parse_users(text: str) -> Users:
    """The users of a file's text (``AccessError``)."""
    try:
        values = json.loads(text)
        rows = values["users"] if values["version"] == VERSION else None
    except (ValueError, TypeError, KeyError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise AccessError(f'wanted {{"version": {VERSION}, "users": [...]}}, got another text')
    users: dict[str, User] = {}
    emails: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            user = _user(row)
            _check_new(user, users, emails)
        except AccessError as error:
            raise AccessError(f"user {number}: {error}") from error
        users[key_of(user.name)] = user
        emails.add(key_of(user.email))
    return users


def _user(row: Any) -> User:
    texts = {"name", "role", "email", "password"}
    if not isinstance(row, dict) or not {"name", "role"} <= row.keys() <= texts:
        raise AccessError("wanted name and role, and perhaps email and password, got other fields")
    if not all(isinstance(value, str) for value in row.values()):
        raise AccessError("wanted texts, got another kind of value")
    password = Hash.parse(row["password"]) if row.get("password") else None
    return User(row["name"], role_of(row["role"]), row.get("email", ""), password)


def role_of(name: str) -> Role:
    """
    Raises:
        AccessError: there is no such role.
    """
    try:
        return Role(name)
    except ValueError:
        raise AccessError(f"wanted a role of {', '.join(Role)}, got {name!r}") from None


def _check_new(user: User, users: Users, emails: set[str]) -> None:
    name = user.name
    if not name or name != " ".join(name.split()) or len(name) > LONGEST_NAME or not name.isprintable():
        raise AccessError(f"wanted a name of 1 to {LONGEST_NAME} characters, without spaces around it, got {name!r}")
    if key_of(name) in users:
        raise AccessError(f"wanted a name that is new, got {name!r}, which there is")
    if user.email:
        if len(user.email) > LONGEST_EMAIL or not user.email.isprintable() or user.email.count("@") != 1:
            raise AccessError(f"wanted an e-mail address, got {user.email!r}")
        if key_of(user.email) in emails:
            raise AccessError(f"wanted an e-mail address that is nobody's yet, got {user.email!r}")
    if not user.email and user.password is None:
        raise AccessError(f"wanted a password or an e-mail address for {name!r}, got neither")


def with_email(users: Users, email: str) -> User | None:
    """Whose address it is."""
    return next((user for user in users.values() if user.email and key_of(user.email) == key_of(email)), None)


# --- changing ------------------------------------------------------------------------------------


def add_user(user: User) -> None:
    """
    Raises:
        AccessError: the name or the e-mail address is none, or somebody's already.
        DataError: the file cannot be written.
    """
    with _changing() as users:
        _check_new(user, users, {key_of(one.email) for one in users.values()})
        users[key_of(user.name)] = user


def change_user(name: str, **fields: Any) -> User:
    """Gives a user another ``role`` or ``password`` (errors as ``add_user``; ``AccessError`` if there is none)."""
    with _changing() as users:
        user = users[key_of(name)] = replace(find_user(users, name), **fields)
    return user


def remove_user(name: str) -> None:
    """Errors as ``change_user``. The file stays when nobody is left, so that the app does not open to all."""
    with _changing() as users:
        del users[key_of(find_user(users, name).name)]


def find_user(users: Users, name: str) -> User:
    """
    Raises:
        AccessError: there is no such user.
    """
    try:
        return users[key_of(name)]
    except KeyError:
        known = ", ".join(user.name for user in users.values()) or "nobody"
        raise AccessError(f"{users_path()}: wanted a user of {known}, got {name!r}") from None


@contextmanager
def _changing() -> Iterator[dict[str, User]]:
    path = users_path()
    with locked(path.parent, wait=True):
        users = dict(read_users(path))
        yield users
        with write_stream(path, mode=0o600) as file:
            file.write(_text(users).encode())


def _text(users: Users) -> str:
    rows = []
    for user in sorted(users.values(), key=lambda user: key_of(user.name)):
        row = {"name": user.name, "role": str(user.role)}
        row |= {"email": user.email} if user.email else {}
        row |= {"password": str(user.password)} if user.password else {}
        rows.append(json.dumps(row, ensure_ascii=False))
    try:
        text = f'{{"version": {VERSION}, "users": [\n' + ",\n".join(rows) + "\n]}\n"
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{users_path()}: wanted text, got half a surrogate pair") from error
    return text
