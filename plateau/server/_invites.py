"""Invitations: a signed link that begins a re-evaluation for a patient the clinic knows, and comes back to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

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
        self._signer = URLSafeSerializer(secret, salt="plateau-invite")

    def make(self, patient: str, days: int) -> tuple[str, datetime]:
        """Return a new link for the clinic's own id of a patient, and when it ends (UTC)."""
        until = datetime.now(UTC) + timedelta(days=days)
        known = f"clinic-{digest(self._secret, 'patient', patient)}"
        # "sub" is where the page looks to tell two patients on one computer apart.
        token = self._signer.dumps({"sub": known, "in": new_conversation(), "exp": int(until.timestamp())})
        return f"{self._clinic.public_url or ''}/{FRAGMENT}{PREFIX}{token}", until

    def read(self, token: str) -> Invitation:
        """Return what a link's token begins; raises BadCode for one that is not ours or has ended."""
        try:
            held = self._signer.loads(token.removeprefix(PREFIX))
        except BadSignature:
            raise BadCode from None
        if datetime.now(UTC).timestamp() > held["exp"]:
            raise BadCode
        return Invitation(held["in"], held["sub"])
