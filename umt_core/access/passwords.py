"""Passwords: hashed by scrypt with a salt of their own, and checked in the same time whoever asks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cache

from umt_core.errors import AccessError

SHORTEST, LONGEST = 10, 200  # characters
AT_ONCE = 2  # checks that are in work, each with 32 MiB
_SALT, _KEY = 16, 32  # bytes


@dataclass(frozen=True, slots=True)
class Hash:
    """A hashed password: scrypt's cost, block size and parallelism, salt and key.

    >>> Hash.parse(str(Hash(4, 8, 1, b"salt", b"key")))
    Hash(cost=4, block=8, parallel=1, salt=b'salt', key=b'key')
    """

    cost: int  # the power of two: memory is 128 * block * 2 ** cost bytes
    block: int
    parallel: int
    salt: bytes
    key: bytes

    def __str__(self) -> str:
        salt, key = (base64.b64encode(part).decode() for part in (self.salt, self.key))
        return f"scrypt${self.cost}${self.block}${self.parallel}${salt}${key}"

    @classmethod
    def parse(cls, text: str) -> Hash:
        """What ``str`` wrote (``AccessError`` where it is anything else)."""
        try:
            name, cost, block, parallel, salt, key = text.split("$")
            found = cls(
                int(cost), int(block), int(parallel), *(base64.b64decode(part, validate=True) for part in (salt, key))
            )
        except (ValueError, binascii.Error):
            raise AccessError("wanted a hash, scrypt$cost$block$parallel$salt$key, got another text") from None
        if name != "scrypt" or not (1 <= found.cost <= 20 and 1 <= found.block <= 32 and 1 <= found.parallel <= 16):
            raise AccessError("wanted a password's hash by scrypt with cost 1 to 20, block 1 to 32, parallel 1 to 16")
        return found

    def fits(self, password: str) -> bool:
        return hmac.compare_digest(_scrypt(password, self), self.key)


def hash_password(password: str, name: str = "") -> Hash:
    """A new hash of a password, of 32 MiB and about a tenth of a second.

    Raises:
        AccessError: the password is too short, too long, or the name it is for.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccessError(f"wanted a password of {SHORTEST} to {LONGEST} characters, got {len(password)}")
    if password.casefold() == name.casefold():
        raise AccessError("wanted a password that is not the user's name")
    return _hash(password)


def check_password(password: str, known: Hash | None) -> bool:
    """Whether a password is the one that was hashed; ``None``, of nobody we know, takes as long and is never right."""
    fits = (known or _nobody()).fits(password[:LONGEST])
    return fits and known is not None and len(password) <= LONGEST


def _hash(password: str) -> Hash:
    blank = Hash(15, 8, 1, secrets.token_bytes(_SALT), bytes(_KEY))
    return Hash(blank.cost, blank.block, blank.parallel, blank.salt, _scrypt(password, blank))


@cache
def _nobody() -> Hash:
    return _hash(secrets.token_urlsafe())


def _scrypt(password: str, of: Hash) -> bytes:
    # The same letters from another keyboard may come as other code points.
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    need = 128 * of.block * (2**of.cost + of.parallel + 2)
    return hashlib.scrypt(
        text, salt=of.salt, n=2**of.cost, r=of.block, p=of.parallel, dklen=len(of.key) or _KEY, maxmem=need + 2**20
    )
