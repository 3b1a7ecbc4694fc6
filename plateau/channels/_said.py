"""What a patient said on a channel, and what it means to the screen they saw: the words between wire and dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHANNELS = ("sms", "whatsapp", "telegram", "messenger", "webhook")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a patient: words, or the data of what they tapped; exactly one of the two."""

    text: str | None = None
    tap: str | None = None


@dataclass(frozen=True, slots=True)
class Meant:
    """What it means: exactly one of words for the reader, answers, or a command (`question` goes with "change").

    `after` is the number of the turn that showed what was tapped, or the place that was typed; `redraw` is set instead
    of all these where a tap only changes what is shown (a tick, a digit): it takes the place of the message tapped.
    """

    text: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    question: str | None = None
    after: int | None = None
    redraw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a renderer knows besides the reply: the clinic, its numbers, and the links it may give.

    `web` is the clinic's own chat page, `plan` the page of this patient's plan; `first` marks the first message of a
    conversation, in which a channel that is not private says so.
    """

    numbers: Mapping[str, str]
    web: str | None = None
    plan: str | None = None
    first: bool = False
    templates: Mapping[str, str] = field(default_factory=dict)
