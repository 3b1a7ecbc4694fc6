"""What every way to the clinic's staff has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Letter = Mapping[str, Any]


class Sender(Protocol):
    """One way to the clinic; no patient's words and no address stand in an error or a log.

    A letter may hold `subject` and `text` (for e-mail and webhook), `notice` (a text that says nothing about health,
    for Slack), `attachments` (each with `name`, `type`, such as application/pdf, and `bytes`) and `bundle` (FHIR).
    """

    name: str

    async def send(self, key: str, letter: Letter) -> None:
        """Send one letter; the same `key` again is the same letter again. Raises Unreachable or Refused."""

    async def close(self) -> None:
        """Let connections go."""
