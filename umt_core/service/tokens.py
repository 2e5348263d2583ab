"""Who may ask: tokens by name, of which only a hash is kept.

A token has 256 random bits, so that its SHA-256 tells nothing of it: what makes guessing a password's hash easy is
that passwords are few. The file has a line for each token, ``<name> <SHA-256 in hex>``; a line with ``#`` is a remark.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from umt_core.data.files import Stamp, home_dir, locked, stamp_of, write_text
from umt_core.errors import ConfigError, DataError

TOKEN_BYTES = 32  # random
PREFIX = "mner_"  # by which scanners for leaked secrets, and people, know one
LONGEST_NAME = 40  # characters
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")
_LINE = re.compile(rf"({_NAME.pattern}) ([0-9a-f]{{64}})")


def default_file() -> Path:
    return home_dir() / "service_tokens"


def new_token(path: Path, name: str) -> str:
    """A new token of this name, which is added to the file; it cannot be told again.

    Raises:
        ConfigError: the name is not one, or has a token.
        DataError: the file cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"wanted a name of 1 to {LONGEST_NAME} letters, digits, dots, hyphens and underscores, got {name!r}"
        )
    with locked(path.resolve().parent, wait=True):
        text = _read(path) if path.exists() else ""
        if name in parse_tokens(text, source=str(path)).values():
            raise ConfigError(f"{path}: wanted a name without a token, {name!r} has one; remove its line to revoke it")
        token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        if text and not text.endswith("\n"):
            text += "\n"
        write_text(path, f"{text}{name} {token_hash(token)}\n")
        path.chmod(0o600)
    return token


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def parse_tokens(text: str, *, source: str) -> dict[str, str]:
    """Names by hash (``DataError``: a line is not in the file's form)."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line.strip())):
            raise DataError(f"{source}:{number}: wanted a token's name and its SHA-256, got something else")
        found[match[2]] = match[1]
    return found


class Tokens:
    """The tokens of a file, read again when it changes: a line that is removed is a token revoked."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            DataError: the file cannot be read, or a line is not in its form.
            ConfigError: it has no token.
        """
        self.path = path
        self._stamp = self._stamp_now()
        self._names = parse_tokens(_read(path), source=str(path))
        if not self._names:
            raise ConfigError(f"{path}: wanted at least one token, got none; serve --new-token NAME makes one")

    def owner(self, token: str) -> str | None:
        """The name of a token; ``None``: nobody has it."""
        self._look()
        hashed = token_hash(token)
        owner = None
        for known, name in self._names.items():  # all of them: the time tells nothing
            if hmac.compare_digest(known, hashed):
                owner = name
        return owner

    def _look(self) -> None:
        if (stamp := self._stamp_now()) == self._stamp:
            return
        try:
            names = parse_tokens(_read(self.path), source=str(self.path))
        except DataError:
            names = {}  # who can no longer be told from a stranger is one
        self._names, self._stamp = names, stamp

    def _stamp_now(self) -> Stamp | None:
        try:
            return stamp_of(self.path)
        except OSError:
            return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "something that is no text"
        raise DataError(f"{path}: wanted a file of tokens, got: {reason}") from error
