"""Whether the app is open to all, asks who comes, or does not start."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from umt_core.access.users import read_users, users_path
from umt_core.errors import AccessError

ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Door:
    """How people come in."""

    login: bool  # they have to sign in
    passwords: bool = False  # somebody has a password
    provider: bool = False  # an OpenID provider is configured, ``[auth]`` in Streamlit's secrets


def door(address: str | None) -> Door:
    """The door of an app that is served on an address ("" or ``None``: on all of the machine's).

    Open without a login on a loopback address alone, and there only while there is no users' file, no ``[auth]``, and
    ``$UMT_LOGIN`` is not "always", as it has to be behind a proxy.

    Raises:
        AccessError: nobody could sign in where they have to, or what says who may is damaged.
    """
    setting = os.environ.get("UMT_LOGIN", "")
    if setting not in ("", ALWAYS):
        raise AccessError(f"UMT_LOGIN: wanted {ALWAYS} or nothing, got {setting!r}")
    path, users, provider = users_path(), read_users(), has_provider()
    if is_loopback(address) and not path.exists() and not provider and setting != ALWAYS:
        return Door(login=False)
    if provider and importlib.util.find_spec("authlib") is None:
        raise AccessError("[auth] in secrets.toml wants the package Authlib, which is not installed")
    passwords = any(user.password for user in users.values())
    if not passwords and not provider:
        where = f"served on {address or 'all addresses'}"
        raise AccessError(
            f"{where}: wanted users who may sign in, got {len(users) or 'none'} in {path}"
            f"{' without a password, and no [auth] in secrets.toml' if users else ''}; "
            "add one: python -m umt_core users add NAME --role promote"
        )
    return Door(True, passwords, provider)


def is_loopback(address: str | None) -> bool:
    """Whether only this machine can reach an address, or is called by a name.

    >>> [is_loopback(address) for address in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None, "example.org")]
    [True, True, True, False, False, False, False]
    """
    if not address:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def has_provider() -> bool:
    """Whether one of Streamlit's secrets files, of this folder and of the user, has an ``[auth]``."""
    folders = [Path.cwd()]
    with contextlib.suppress(RuntimeError):  # a user without a home
        folders.append(Path.home())
    return any(_has_auth(folder / ".streamlit" / "secrets.toml") for folder in folders)


def _has_auth(path: Path) -> bool:
    try:
        return "auth" in tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise AccessError(f"{path}: wanted a readable file, got: {error.strerror}") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise AccessError(f"{path}: wanted TOML, got: {error}") from error
