"""One form for each section, and one ask for each question; the protocol decides, these only carry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.types import DomainDict

from actions._safety import tell_new_flags
from actions._state import answered, answers_of, intent_of, notes, slots, texts
from plateau.protocol import NO_ANSWER, QUESTIONS, SECTIONS, InvalidAnswer, Question, required, validate


class SectionForm(FormValidationAction, ABC):  # type: ignore[misc]
    """Asks a section's questions: which ones, and whether an answer will do, is the protocol's to say."""

    # Abstract, so that the action server does not take the class itself for an action.
    @property
    @abstractmethod
    def section(self) -> str: ...

    def name(self) -> str:
        return f"validate_{self.section}_form"

    async def required_slots(
        self, domain_slots: list[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> list[str]:
        return required(self.section, answers_of(tracker))

    async def get_validation_events(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> list[EventType]:
        settled: dict[str, Any] = {}
        asked = tracker.get_slot("requested_slot")
        for name, value in tracker.slots_to_validate().items():
            if name in QUESTIONS:
                once_more = _asked_once_more(name, value, tracker)
                settled |= {name: None, "failed_readings": 1} if once_more else {name: _valid(name, value)}
        if any(value is not None for name, value in settled.items() if name in QUESTIONS):
            settled["failed_readings"] = None
            corrected = {name: value for name, value in answered(tracker).items() if name != asked}
            if corrected and intent_of(tracker) == "correct_answer":
                dispatcher.utter_message(response="utter_changed", notes=notes(corrected))
        # Only now: a list that is asked once more has not been left unanswered yet.
        tracker.slots.update(settled)
        return [*slots(settled.items()), *tell_new_flags(dispatcher, tracker)]


def _asked_once_more(name: str, value: Any, tracker: Tracker) -> bool:
    """Tell whether a safety list left unanswered is asked once in other words before "unknown" counts."""
    return bool(QUESTIONS[name].raises) and value in NO_ANSWER and not tracker.get_slot("failed_readings")


def _valid(name: str, value: Any) -> Any:
    try:
        return validate(name, value)
    except InvalidAnswer:
        # No value: the form asks again, shorter.
        return None


class Ask(Action, ABC):  # type: ignore[misc]
    """Asks one question: in full the first time, shorter when it comes back."""

    @property
    @abstractmethod
    def question(self) -> Question: ...

    def name(self) -> str:
        return f"action_ask_{self.question.id}"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        events = tell_new_flags(dispatcher, tracker)
        question = self.question
        again = tracker.get_slot("last_asked") == question.id
        dispatcher.utter_message(
            text="\n".join([texts().get(f"questions.{question.id}.{'retry' if again else 'ask'}"), *_listed(question)]),
            buttons=_buttons(question),
            id=f"{'retry' if again else 'ask'}.{question.id}",
            kind="question",
        )
        return [*events, SlotSet("last_asked", question.id)]


def _listed(question: Question) -> list[str]:
    """Return the options of a question that takes several, for channels that show only text."""
    if question.kind not in ("multi", "flags"):
        return []
    titles = texts().tree(f"questions.{question.id}.options")
    return [f"- {titles[value]}" for value in question.values]


def _buttons(question: Question) -> list[dict[str, str]] | None:
    if question.kind != "choice":
        return None
    titles = texts().tree(f"questions.{question.id}.options")
    return [{"title": titles[value], "payload": f'/answer{{"{question.id}": "{value}"}}'} for value in question.values]


# Rasa's action server finds actions as classes; there is one of each for every section and question of the protocol.
FORMS = [type(f"Validate{name.title()}Form", (SectionForm,), {"section": name}) for name in SECTIONS]
ASKS = [type(f"Ask_{name}", (Ask,), {"question": question}) for name, question in QUESTIONS.items()]
