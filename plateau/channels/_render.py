"""A reply in the shape of a channel: one renderer each, and each message checked against the channel's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plateau.content import Catalog

from ._limits import check
from ._messenger import messenger
from ._said import Place
from ._telegram import telegram
from ._typed import sms, whatsapp


def rendered(channel: str, turn: Mapping[str, Any], words: Catalog, place: Place) -> list[Mapping[str, Any]]:
    """Return the messages of one reply, without their recipient, in order; the one with the question is the last.

    Raises OverLimit: a fault of a renderer or of a text of ours, for what patients write is shortened or divided.
    """
    messages = _RENDERERS[channel](turn, words, place)
    for message in messages:
        check(channel, message)
    return messages


def _webhook(turn: Mapping[str, Any], words: Catalog, place: Place) -> list[Mapping[str, Any]]:
    """A clinic's own app gets the reply as the web page does."""
    return [{"turn": turn}]


_RENDERERS: Mapping[str, Callable[[Mapping[str, Any], Catalog, Place], list[Mapping[str, Any]]]] = {
    "sms": sms,
    "whatsapp": whatsapp,
    "telegram": telegram,
    "messenger": messenger,
    "webhook": _webhook,
}
