"""The actions around an emergency."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions._safety import messages, reported, say
from actions._state import answers_of, slots
from actions.plan import assessed
from plateau.protocol import QUESTIONS


class Emergency(Action):  # type: ignore[misc]
    """Stops the interview with one clear instruction first."""

    def name(self) -> str:
        return "action_emergency"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        flags = [flag for flag in reported(tracker) if flag["tier"] == "emergency"]
        for key in messages(flags):
            say(dispatcher, tracker, key)
        marks = [*(tracker.get_slot("told_flags") or ()), *(f"{flag['id']}:{flag['tier']}" for flag in flags)]
        return slots([("stage", "emergency"), ("told_flags", marks), ("assessment", assessed(tracker))])


class _Settle(Action, ABC):  # type: ignore[misc]
    """Records what the patient says of the red flags reported: the flag stays on record with its new state."""

    @property
    @abstractmethod
    def state(self) -> str: ...

    @property
    @abstractmethod
    def text(self) -> str: ...

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        if tracker.get_slot("stage") != "emergency":
            # Only what stopped the interview can be settled so; the rest is changed in the review.
            return []
        say(dispatcher, tracker, self.text)
        settled = [flag for flag in reported(tracker) if flag["tier"] == "emergency"]
        held = {flag["id"]: flag for flag in tracker.get_slot("red_flags") or ()}
        held |= {flag["id"]: {**flag, "state": self.state} for flag in settled}
        given = {name: value for name, value in answers_of(tracker).items() if name in QUESTIONS}
        lists = ((name, _without(name, value, held)) for name, value in given.items())
        changed = [(name, value) for name, value in lists if value is not None]
        return slots([*changed, ("red_flags", list(held.values())), ("last_asked", None), ("assessment", None)])


def _without(name: str, value: Any, settled: Mapping[str, Any]) -> list[str] | None:
    """Return a safety list's values without those that raised a settled red flag; None where nothing changes."""
    raises = QUESTIONS[name].raises
    if not raises or not isinstance(value, list):
        return None
    kept = [item for item in value if item not in raises or raises[item].flag not in settled]
    if kept == value:
        return None
    return kept or [QUESTIONS[name].harmless]


class FlagMistake(_Settle):
    """The patient says that it was a mistake."""

    state, text = "denied", "mistake"

    def name(self) -> str:
        return "action_flag_mistake"


class FlagChecked(_Settle):
    """The patient says that a clinician has checked it since."""

    state, text = "checked", "checked"

    def name(self) -> str:
        return "action_flag_checked"
