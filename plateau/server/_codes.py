"""What lets somebody in again: the code to come back, the links to pages, the clinic's token for its patient."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

import jwt

from plateau.content import SettingError

from ._limits import Rate

# Crockford's base 32: no letter that is taken for a digit. Twelve of them are 60 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH, GROUP = 12, 4
_MISREAD = str.maketrans("OIL", "011")
AUDIENCE = "plateau"
ALGORITHM = "HS256"
# An HMAC key shorter than its hash can be guessed (RFC 7518, 3.2).
LEAST_KEY = 32
# The clinic's token opens what is known of its patient, so one that leaks must soon be worth nothing.
TOKEN_SECONDS = 24 * 60 * 60
# Wrong codes at once, then by the hour: of one address, behind which a whole clinic may sit, and of all together.
WRONG_CODES, ALL_WRONG_CODES = 10, 1000


class BadCode(Exception):
    """The code or token is not one of ours, or too old."""


class Guesses:
    """Counts wrong codes: whoever guesses is stopped, whoever types their own is not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._one = Rate(WRONG_CODES / 60, burst=WRONG_CODES, clock=clock)
        self._all = Rate(ALL_WRONG_CODES / 60, burst=ALL_WRONG_CODES, clock=clock)

    def may(self, address: str) -> bool:
        """Tell whether a code from this address is looked at."""
        return self._one.left(address) >= 1 and self._all.left("") >= 1

    def missed(self, address: str) -> None:
        """Count a code from this address that was wrong."""
        self._one.allows(address)
        self._all.allows("")


def new_code() -> str:
    """Return a code that can be read out and typed: "7K3M-9QTA-2XHB"."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(drawn[start : start + GROUP] for start in range(0, CODE_LENGTH, GROUP))


def plain_code(typed: str) -> str:
    """Return a code as it was drawn, however it was typed; raises BadCode."""
    code = re.sub(r"[\s-]", "", typed.upper()).translate(_MISREAD)
    if len(code) != CODE_LENGTH or set(code) - set(ALPHABET):
        raise BadCode
    return code


def new_link() -> str:
    """Return a path segment of 256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def digest(secret: str, kind: str, value: str) -> str:
    """Return what is kept of a code or link: who reads the database cannot use it."""
    return hmac.new(secret.encode(), f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()


def clinic_patient(token: str, key: str | None, secret: str) -> str:
    """Return the patient id for the clinic's signed token (JWT, HS256: sub, exp, aud "plateau"); raises BadCode.

    `exp` may be a day ahead at most.
    """
    if key is None:
        raise BadCode
    try:
        claims = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": ["sub", "exp", "aud"]}
        )
    except (jwt.InvalidTokenError, UnicodeError):
        raise BadCode from None
    if claims["exp"] > time.time() + TOKEN_SECONDS:
        raise BadCode
    if not str(claims["sub"]).strip():
        # Every patient without a number would be the same one.
        raise BadCode
    return f"clinic-{digest(secret, 'patient', str(claims['sub']))}"


def checked_key(key: str | None) -> str | None:
    """Return the clinic's key; raises SettingError for one that can be guessed."""
    if key is not None and len(key.encode()) < LEAST_KEY:
        raise SettingError(f"PLATEAU_CLINIC_KEY: has {len(key.encode())} bytes; allowed: at least {LEAST_KEY}")
    return key
