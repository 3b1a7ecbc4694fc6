"""Collects what Rasa says in one turn."""

from __future__ import annotations

from typing import Any

from rasa.core.channels.channel import OutputChannel

KINDS = ("say", "question", "urgent", "emergency", "plan")


class TurnChannel(OutputChannel):  # type: ignore[misc]
    """Keeps each message whole, with the id of its text; Rasa's own collector would cut it up."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    @classmethod
    def name(cls) -> str:
        return "plateau"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        text = message.get("text")
        if not text:
            return
        kind = message.get("kind") if message.get("kind") in KINDS else "say"
        said = {"id": message.get("id") or message.get("utter_action") or "", "kind": kind, "text": text}
        if message.get("items"):
            said["items"] = message["items"]
        self.messages.append(said)
