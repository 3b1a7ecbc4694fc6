"""Invitations: a signed link that begins a re-evaluation for a patient the clinic knows, and comes back to it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, Signer

from plateau.content import Clinic
from plateau.server._codes import BadCode, digest
from plateau.server._sessions import new_conversation

# Before the token in a link's fragment, which no server and no log gets to see.
FRAGMENT = "#invite="
PREFIX = "invite."


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whose re-evaluation a link begins, and in which conversation: opened again, it goes on there."""

    conversation: str
    patient: str


class Invites:
    """Makes and reads invitations with one secret."""

    def __init__(self, secret: str, clinic: Clinic) -> None:
        self._secret, self._clinic = secret, clinic
        # Not a serializer, which packs what it signs: the page has to read "sub".
        self._signer = Signer(secret, salt="plateau-invite")

    def make(self, patient: str, days: int) -> tuple[str, datetime]:
        """Return a new link for the clinic's own id of a patient, and when it ends (UTC)."""
        until = datetime.now(UTC) + timedelta(days=days)
        known = f"clinic-{digest(self._secret, 'patient', patient)}"
        # "sub" is where the page looks to tell two patients on one computer apart.
        held = {"sub": known, "in": new_conversation(), "exp": int(until.timestamp())}
        token = self._signer.sign(urlsafe_b64encode(json.dumps(held).encode()).rstrip(b"=")).decode()
        return f"{self._clinic.public_url or ''}/{FRAGMENT}{PREFIX}{token}", until

    def read(self, token: str) -> Invitation:
        """Return what a link's token begins; raises BadCode for one that is not ours or has ended."""
        try:
            payload = self._signer.unsign(token.removeprefix(PREFIX))
            held = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        except (BadSignature, UnicodeError):
            raise BadCode from None
        if datetime.now(UTC).timestamp() > held["exp"]:
            raise BadCode
        return Invitation(held["in"], held["sub"])
