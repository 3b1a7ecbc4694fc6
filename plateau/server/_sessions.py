"""Signed session tokens: each is bound to one conversation and expires."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

from plateau.content import SettingError

LIFETIME = 12 * 60 * 60  # seconds
# Whoever guesses the secret opens every conversation, link and code.
LEAST_SECRET = 32


class BadToken(Exception):
    """The token is not one of ours, or too old; `turn` is what is said even so, where danger was heard."""

    def __init__(self, turn: Mapping[str, Any] | None = None) -> None:
        super().__init__("bad token")
        self.turn = turn


class Sessions:
    """Issues and checks tokens with one secret."""

    def __init__(self, secret: str, lifetime: int = LIFETIME) -> None:
        self.lifetime = lifetime
        self._signer = URLSafeTimedSerializer(secret, salt="plateau-session")

    def issue(self, conversation: str) -> str:
        return str(self._signer.dumps(conversation))

    def conversation(self, token: str, *, even_old: bool = False) -> str:
        """Return the conversation a token is for; raises BadToken, unless `even_old`, for one that has ended."""
        try:
            conversation, issued = self._signer.loads(token, return_timestamp=True)
        except BadSignature:
            raise BadToken from None
        # Not by max_age: a clock that was set back, and so a token of the future, would shut everyone out.
        if not even_old and (datetime.now(UTC) - issued).total_seconds() > self.lifetime:
            raise BadToken
        return str(conversation)


def new_conversation() -> str:
    """Return an id that nobody can guess and that says nothing of the patient."""
    return f"web-{secrets.token_urlsafe(24)}"


def checked_secret(secret: str | None) -> str | None:
    """Return the secret that the clinic set; raises SettingError for one that can be guessed."""
    if secret is not None and len(secret.encode()) < LEAST_SECRET:
        raise SettingError(f"PLATEAU_SECRET: has {len(secret.encode())} bytes; allowed: at least {LEAST_SECRET}")
    return secret


def kept_secret(folder: Path) -> str:
    """Return the secret kept in `folder`, made there on first use, readable by its owner only."""
    file = folder / "secret"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Written aside and linked into place: another worker sees either the whole secret or none.
        aside = folder / f"secret.{secrets.token_hex(8)}"
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            file.hardlink_to(aside)
        aside.unlink()
    kept = file.read_text()
    if len(kept.encode()) < LEAST_SECRET:
        raise SettingError(f"{file}: has {len(kept.encode())} bytes; allowed: at least {LEAST_SECRET}; delete it")
    return kept
