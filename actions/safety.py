"""The actions around an emergency."""

from __future__ import annotations

from abc import ABC, abstractmethod

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
        marks = [f"{flag['id']}:{flag['tier']}" for flag in flags]
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
        say(dispatcher, tracker, self.text)
        settled = [{**flag, "state": self.state} for flag in reported(tracker)]
        # A safety list ticked by mistake is answered anew by what the patient now says: its flags move to `red_flags`.
        lists = [(name, [_harmless(name)]) for name in answers_of(tracker) if _raised(name, tracker)]
        return slots([*lists, ("red_flags", settled), ("told_flags", None), ("last_asked", None)])


def _raised(name: str, tracker: Tracker) -> bool:
    question = QUESTIONS.get(name)
    given = tracker.get_slot(name)
    return bool(question and question.raises and isinstance(given, list) and set(given) & set(question.raises))


def _harmless(name: str) -> str:
    """Return the value of a safety list that raises nothing."""
    question = QUESTIONS[name]
    return next(value for value in question.values if value not in (question.raises or {}))


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
