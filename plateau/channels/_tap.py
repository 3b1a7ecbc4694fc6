"""What a button says when it is tapped: short data, bound to the turn and the screen that showed it, and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

# number of the turn : mark of its screen : act : what the act needs
_DATA = re.compile(r"(\d{1,9}):([0-9a-f]{6}):([a-z]+)(?::(\w{0,20}))?", re.ASCII)


class BadTap(ValueError):
    """Data that no button of this conversation can have sent; the message says what is wrong."""


class StaleTap(BadTap):
    """A button of an earlier turn: the conversation has gone on since."""


@dataclass(frozen=True, slots=True)
class Tap:
    """What was tapped: the act and its argument, as the renderer wrote it."""

    act: str
    argument: str


def written(turn: Mapping[str, Any], act: str, argument: object = "") -> str:
    """Return the data of a button on a turn's screen."""
    return f"{turn['number']}:{_mark(turn)}:{act}:{argument}"


def read(data: str, turn: Mapping[str, Any] | None) -> Tap:
    """Return what was tapped on the latest turn; raises StaleTap or BadTap."""
    found = _DATA.fullmatch(data)
    if not found:
        raise BadTap("this is no button's data; allowed: turn:mark:act:argument")
    if turn is None:
        raise StaleTap("a button of a conversation that is over")
    number, mark, act, argument = found.groups("")
    if (int(number), mark) != (turn["number"], _mark(turn)):
        raise StaleTap(f"a button of turn {int(number)}; the latest is {turn['number']}")
    return Tap(act, argument)


def _mark(turn: Mapping[str, Any]) -> str:
    """Tell turns of the same number apart, as there are in two conversations of one patient."""
    screen = turn["screen"] or {}
    shown = "|".join(str(part) for part in (turn["id"], screen.get("id"), screen.get("asked")))
    return blake2s(shown.encode(), digest_size=3).hexdigest()
