"""One form for each section, and one ask for each question; the protocol decides, these only carry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.types import DomainDict

from actions._safety import tell_new_flags
from actions._state import (
    answered,
    answers_of,
    entities_of,
    in_own_words,
    intent_of,
    notes,
    put_down,
    slots,
    texts,
    which_end,
)
from plateau.protocol import (
    NO_ANSWER,
    QUESTIONS,
    SECTIONS,
    InvalidAnswer,
    Question,
    asked,
    offered,
    required,
    validate,
    with_before,
)

# Answers that stand beside the patient's own words for them in the plan, if those are short.
QUOTED = ("choice", "multi", "number", "nprs")
LONGEST_QUOTE = 80  # characters


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
        current = tracker.get_slot("requested_slot")
        typed = in_own_words(tracker)
        previous = tracker.get_slot("previous") if typed else None
        for name, value in tracker.slots_to_validate().items():
            if name in QUESTIONS:
                once_more = _asked_once_more(name, value, tracker)
                valid = _reopening(name, with_before(name, _valid(name, value), previous), tracker)
                settled |= {name: None, "failed_readings": 1} if once_more else valid
        settled |= _confirmed(settled, tracker)
        held = tracker.get_slot("said") or {}
        if (said := _said(held, {name for name in settled if name in QUESTIONS}, typed)) != held:
            settled["said"] = said
        if any(value is not None for name, value in settled.items() if name in QUESTIONS):
            settled["failed_readings"] = None
            if settled.get(current) is not None:
                # After an answer, "that" is no longer the red flag that was said before it.
                settled["just_told"] = None
            corrected = {name: value for name, value in answered(tracker).items() if name != current}
            if corrected and intent_of(tracker) == "correct_answer":
                dispatcher.utter_message(response="utter_changed", notes=notes(corrected))
        # Only now: a list that is asked once more has not been left unanswered yet.
        tracker.slots.update(settled)
        told = tell_new_flags(dispatcher, tracker)
        return [*slots(settled.items()), *told, *_say_back(dispatcher, tracker, settled)]


def _reopening(name: str, value: Any, tracker: Tracker) -> dict[str, Any]:
    """Return the slots an answer sets: where it names another question as wrong, that one is open again."""
    if not QUESTIONS[name].reopens or value not in QUESTIONS:
        return {name: value}
    return {name: None, value: None, "before": {value: tracker.get_slot(value)}, "last_asked": None}


def _confirmed(settled: Mapping[str, Any], tracker: Tracker) -> dict[str, Any]:
    """Return "both" for a contradiction whose answer was asked again and given again: it is meant so."""
    before = tracker.get_slot("before") or {}
    same = {name for name, value in settled.items() if value is not None and before.get(name) == value}
    return {question.id: "both" for question in QUESTIONS.values() if question.reopens and same & set(question.values)}


def _said(held: Mapping[str, str], told: set[str], typed: str | None) -> dict[str, str]:
    """Return the patient's own words by question: those of a message that is short and about one question only."""
    kept = {name: words for name, words in held.items() if name not in told}
    if typed is None or len(typed) > LONGEST_QUOTE or len(told) != 1:
        return kept
    return kept | {name: typed for name in told if QUESTIONS[name].record and QUESTIONS[name].kind in QUOTED}


def _say_back(dispatcher: CollectingDispatcher, tracker: Tracker, settled: Mapping[str, Any]) -> list[EventType]:
    """Say once what was put down where the words left room for doubt, and how to change it."""
    before = tracker.get_slot("said_back") or []
    doubted = entities_of(tracker).get("doubts") or ()
    # One turn may pass here twice, when the next section's form begins.
    new = {name: settled[name] for name in doubted if settled.get(name) is not None and name not in before}
    if new:
        dispatcher.utter_message(response="utter_said_back", notes=put_down(new))
        return [SlotSet("said_back", list(new))]
    answered_since = any(value is not None for name, value in settled.items() if name in QUESTIONS)
    return [SlotSet("said_back", None)] if before and answered_since and not doubted else []


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
        answers = answers_of(tracker)
        words = [
            asked(question.id, answers, texts(), "retry" if again else "ask"),
            *_listed(question, answers.get("previous")),
        ]
        if which_end(tracker) == question.id:
            words.insert(0, texts().get("questions.nprs.which_end"))
        dispatcher.utter_message(
            text="\n".join(words),
            buttons=answer_buttons(question),
            id=f"{'retry' if again else 'ask'}.{question.id}",
            kind="question",
        )
        return [*events, SlotSet("last_asked", question.id)]


def _listed(question: Question, previous: Mapping[str, Any] | None) -> list[str]:
    """Return the options of a question that takes several, for channels that show only text."""
    if question.kind not in ("multi", "flags"):
        return []
    titles = texts().tree(f"questions.{question.id}.options")
    return [f"- {titles[value]}" for value in offered(question, previous)]


def answer_buttons(question: Question) -> list[dict[str, str]] | None:
    """Return a button for each option of a choice."""
    if question.kind != "choice":
        return None
    titles = texts().tree(f"questions.{question.id}.options")
    return [{"title": titles[value], "payload": f'/answer{{"{question.id}": "{value}"}}'} for value in question.values]


def ways_out(question: Question) -> list[dict[str, str]]:
    """Return the buttons that leave a question: skip it, not know, talk to a person."""
    titles = texts().tree("page.commands")
    moves = [] if question.required else [("skip", "skipped"), ("dont_know", "unknown")]
    leave = [{"title": titles[name], "payload": f'/{name}{{"{question.id}": "{value}"}}'} for name, value in moves]
    return [*leave, {"title": titles["human"], "payload": "/human"}]


# Rasa's action server finds actions as classes; there is one of each for every section and question of the protocol.
FORMS = [type(f"Validate{name.title()}Form", (SectionForm,), {"section": name}) for name in SECTIONS]
ASKS = [type(f"Ask_{name}", (Ask,), {"question": question}) for name, question in QUESTIONS.items()]
