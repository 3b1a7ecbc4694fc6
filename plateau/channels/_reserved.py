"""Words that belong to the carrier or the platform and not to the conversation: what they ask for, by channel."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Wish = Literal["stop", "start", "help"]

# What a patient's tap on Messenger's "Get Started" sends, as the page's profile is set up to.
GET_STARTED = "GET_STARTED"
# Twilio's own keywords in English, which it also acts on itself; all but YES, which is an answer in our dialogue.
_CARRIER: Mapping[str, Wish] = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"), "stop"),
    **dict.fromkeys(("start", "unstop"), "start"),
    **dict.fromkeys(("help", "info"), "help"),
}
_PLATFORM: Mapping[str, Wish] = {"stop": "stop", "start": "start", "help": "help"}
# "/start", also as "/start@PlateauBot", and with the argument of a link.
_COMMAND = re.compile(r"\s*/(start|stop|help)(?:@\w+)?(?:\s.*)?", re.IGNORECASE | re.DOTALL)


def reserved(channel: str, text: str) -> Wish | None:
    """Return what a reserved word asks for; None for everything else, which is for the conversation."""
    if channel in ("sms", "whatsapp"):
        return _CARRIER.get(_bare(text))
    if channel == "telegram":
        found = _COMMAND.fullmatch(text)
        return _PLATFORM[found[1].lower()] if found else None
    if channel == "messenger":
        return "start" if text == GET_STARTED else _PLATFORM.get(_bare(text))
    return None


def _bare(text: str) -> str:
    """Return text in small letters without punctuation around and between."""
    return "".join(sign for sign in text.casefold() if not unicodedata.category(sign).startswith("P")).strip()
