"""What each channel can show, in one place: the renderers keep to it and check themselves against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from ._split import units

NO_LIMIT = sys.maxsize


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one message of a channel may have; NO_LIMIT where the channel sets none or knows no such thing.

    Lengths are in UTF-16 code units, which no platform counts stricter, `data` in UTF-8 bytes. `sources` says for each
    where it comes from; what is ours, and not the platform's, says so.
    """

    sources: Mapping[str, str]
    text: int = NO_LIMIT
    parts: int = NO_LIMIT
    template_text: int = NO_LIMIT
    buttons: int = NO_LIMIT
    row: int = NO_LIMIT
    title: int = NO_LIMIT
    list_rows: int = NO_LIMIT
    list_title: int = NO_LIMIT
    description: int = NO_LIMIT
    data: int = NO_LIMIT


NAMES = MappingProxyType(
    {
        "text": "characters of a text",
        "parts": "SMS parts of a text that can be divided",
        "template_text": "characters of a text with buttons or a list",
        "buttons": "buttons of a message",
        "row": "buttons beside each other",
        "title": "characters of a button",
        "list_rows": "rows of a list",
        "list_title": "characters of a list's row",
        "description": "characters below it",
        "data": "bytes that a button sends back",
    }
)
_TWILIO = "Twilio, Messages resource: Body"
_QUICK_REPLY = "Twilio Content API, twilio/quick-reply"
_LIST_PICKER = "Twilio Content API, twilio/list-picker"
_BOT_API = "Telegram Bot API"
_QUICK_REPLIES = "Messenger Platform, Quick Replies"

LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "sms": Limits(
            text=1600,
            parts=3,
            sources={
                "text": _TWILIO,
                "parts": "ours: each part is paid for, and long texts arrive less surely",
            },
        ),
        "whatsapp": Limits(
            text=1600,
            template_text=1024,
            buttons=3,
            title=20,
            list_rows=10,
            list_title=24,
            description=72,
            data=200,
            sources={
                "text": _TWILIO,
                "template_text": f"{_QUICK_REPLY} and twilio/list-picker: body",
                "buttons": f"{_QUICK_REPLY}: actions within a session",
                "title": f"{_QUICK_REPLY}: title",
                "list_rows": f"{_LIST_PICKER}: items",
                "list_title": f"{_LIST_PICKER}: item",
                "description": f"{_LIST_PICKER}: description, which each item must have",
                "data": f"{_LIST_PICKER}: id, the narrower of the two",
            },
        ),
        "telegram": Limits(
            text=4096,
            buttons=100,
            row=8,
            title=34,
            data=64,
            sources={
                "text": f"{_BOT_API}, sendMessage: text",
                "buttons": "Telegram's server takes no more in one keyboard",
                "row": "Telegram's server takes no more in one row",
                "title": "ours: what a phone shows of a button as wide as the screen",
                "data": f"{_BOT_API}, InlineKeyboardButton: callback_data",
            },
        ),
        "messenger": Limits(
            text=2000,
            buttons=13,
            title=20,
            data=1000,
            sources={
                "text": "Messenger Platform, Send API: message.text",
                "buttons": f"{_QUICK_REPLIES}: quick_replies",
                "title": f"{_QUICK_REPLIES}: title",
                "data": f"{_QUICK_REPLIES}: payload",
            },
        ),
        "webhook": Limits(sources={}),
    }
)


class OverLimit(ValueError):
    """A message that its channel would cut, refuse or swallow: `thing` is `length` long, `allowed` is the most."""

    def __init__(self, channel: str, thing: str, length: int, allowed: int) -> None:
        super().__init__(f"{channel}: {thing}: {length}; allowed: {allowed}")
        self.channel, self.thing, self.length, self.allowed = channel, thing, length, allowed


def check(channel: str, message: Mapping[str, Any]) -> None:
    """Check a rendered message against its channel's limits; raises OverLimit."""
    for name, length in _CHECKED[channel](message):
        allowed = getattr(LIMITS[channel], name)
        if length > allowed:
            raise OverLimit(channel, NAMES[name], length, allowed)
        if length == 0:
            raise OverLimit(channel, f"{NAMES[name]}, of which there is none", 0, allowed)


def limits_table() -> str:
    """Return the limits as a Markdown table, a row for each with its source."""
    rows = [
        f"| {channel} | {NAMES[field.name]} | {getattr(limits, field.name)} | {limits.sources[field.name]} |"
        for channel, limits in LIMITS.items()
        for field in fields(limits)
        if field.name in limits.sources
    ]
    return "\n".join(["| channel | at most | | source |", "|---|---|---|---|", *rows]) + "\n"


def bytes_of(data: str) -> int:
    return len(data.encode())


def _sms(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield "text", units(message["body"])


def _whatsapp(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield "text", units(message["body"])
    if "template" not in message:
        return
    text, *shown = message["variables"].values()
    yield "template_text", units(text)
    # A button is its title and its data; a row of a list, of which there are more, has a description as well.
    few = len(shown) <= 2 * LIMITS["whatsapp"].buttons
    columns = ("title", "data") if few else ("list_title", "data", "description")
    yield ("buttons" if few else "list_rows"), len(shown) // len(columns)
    for place, value in enumerate(shown):
        name = columns[place % len(columns)]
        yield name, bytes_of(value) if name == "data" else units(value)


def _telegram(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if "text" in message:
        yield "text", units(message["text"])
    keyboard = message.get("reply_markup", {}).get("inline_keyboard")
    if keyboard is None:
        return
    yield "buttons", sum(map(len, keyboard))
    for row in keyboard:
        yield "row", len(row)
        for button in row:
            yield "title", units(button["text"])
            yield "data", bytes_of(button["callback_data"])


def _messenger(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield "text", units(message["message"]["text"])
    replies = message["message"].get("quick_replies")
    if replies is None:
        return
    yield "buttons", len(replies)
    for reply in replies:
        yield "title", units(reply["title"])
        yield "data", bytes_of(reply["payload"])


def _webhook(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """A clinic's own app draws the screen itself: no limit of ours."""
    return iter(())


_CHECKED: Mapping[str, Callable[[Mapping[str, Any]], Iterator[tuple[str, int]]]] = {
    "sms": _sms,
    "whatsapp": _whatsapp,
    "telegram": _telegram,
    "messenger": _messenger,
    "webhook": _webhook,
}
