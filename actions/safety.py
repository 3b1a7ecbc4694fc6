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
from actions._state import answered, answers_of, entities_of, slots, texts
from actions.plan import assessed
from plateau.protocol import CRISIS, DIRECT_QUESTION, QUESTIONS, settle


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
        settled = {flag["id"]: settle(flag, self.state, _words(flag)) for flag in _meant(tracker)}
        if not settled:
            return []
        if any(flag["state"] == self.state for flag in settled.values()):
            say(dispatcher, tracker, self.text)
        held = {flag["id"]: flag for flag in tracker.get_slot("red_flags") or ()} | settled
        # Heard again, it is said again.
        told = [mark for mark in tracker.get_slot("told_flags") or () if mark.split(":")[0] not in settled]
        after: list[tuple[str, Any]] = [("red_flags", list(held.values())), ("told_flags", told), ("just_told", None)]
        if tracker.get_slot("stage") == "emergency":
            # The question that the emergency broke off was asked long ago.
            after.append(("last_asked", None))
        return slots([*_reopened(tracker, settled), *after, ("review", None), ("assessment", None)])


def _meant(tracker: Tracker) -> list[dict[str, Any]]:
    """Return the red flags reported that the message is about: those its words name, else what was just said."""
    if tracker.get_slot("stage") == "emergency":
        return [flag for flag in reported(tracker) if flag["tier"] == "emergency"]
    about = entities_of(tracker).get("settles") or tracker.get_slot("just_told") or ()
    return [flag for flag in reported(tracker) if flag["id"] in about]


def _words(flag: Mapping[str, Any]) -> str:
    return str(texts().tree("plan.evidence.red_flags.items")[flag["id"]])


def _reopened(tracker: Tracker, settled: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the safety lists without what raised the settled red flags; the direct question opens again."""
    given = {name: value for name, value in answers_of(tracker).items() if name in QUESTIONS}
    lists = [(name, _without(name, value, settled)) for name, value in given.items() if name != DIRECT_QUESTION]
    changed: list[tuple[str, Any]] = [(name, value) for name, value in lists if value is not None]
    if CRISIS in settled and DIRECT_QUESTION not in answered(tracker):
        changed.append((DIRECT_QUESTION, None))
    return changed


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
