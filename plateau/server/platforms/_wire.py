"""What all platforms have in common: requests in, messages out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from plateau.channels import Said

# In the id of a message that was changed after it had been sent: it is no new answer, but danger in it is heard.
EDITED = "/edited"


@dataclass(frozen=True, slots=True)
class Received:
    """One HTTP request of a platform, its body unchanged; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """Where a tap came from, so that the message tapped can be drawn anew and the platform told that it was seen."""

    message: str
    callback: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of a patient: who sent it (`address`), the platform's own id for it, and what was said.

    `order` grows with each message of an address where the platform says so. `carrier` is what the carrier has already
    done about a reserved word: "stop", "start" or "help".
    """

    address: str
    id: str
    said: Said
    order: int | None = None
    edit: Edit | None = None
    carrier: str | None = None


class Forged(Exception):
    """The request is not the platform's: a signature or token is missing or wrong, or too old."""


class Broken(ValueError):
    """The request is the platform's, but cannot be read; the message says what is wrong and what is allowed."""


class Unreachable(Exception):
    """The platform did not take the message now: try again, after `seconds` where it says so."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """The platform will never take this message: the number is wrong, the patient has opted out, the window is over."""


class Platform(Protocol):
    """One platform, set up with the clinic's settings and secrets; no patient's words or address stand in an error."""

    name: str

    def arrived(self, request: Received) -> Sequence[Arrived]:
        """Return the messages in a request, none where it is only a receipt; raises Forged or Broken."""

    def greeting(self, request: Received) -> str | None:
        """Return what answers the platform's own check of the address (a GET); raises Forged; None: it has none."""

    async def send(self, address: str, message: Mapping[str, Any]) -> None:
        """Send one message as `plateau.channels` rendered it; raises Unreachable or Refused."""

    async def redraw(self, address: str, edit: Edit, message: Mapping[str, Any] | None) -> None:
        """Tell the platform that a tap was seen, and draw the message anew where there is one to draw."""

    async def close(self) -> None:
        """Let connections go."""
