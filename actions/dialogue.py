"""The moves of the conversation: begin, go on, go back, correct, pause, start again, explain, clarify."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions._safety import reported, say, tell_new_flags
from actions._state import answered, answers_of, notes, numbers, slots, stage_of, texts
from plateau.protocol import QUESTIONS, InvalidAnswer, previous_question, red_flags, validate

FAILED_READINGS_BEFORE_HELP = 2


class Begin(Action):  # type: ignore[misc]
    """Greets, and says what this is and is not."""

    def name(self) -> str:
        return "action_begin"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        dispatcher.utter_message(response="utter_greeting")
        return slots([("started", True), ("stage", "opening")])


class NextSection(Action):  # type: ignore[misc]
    """Sets the stage the protocol leads to."""

    def name(self) -> str:
        return "action_next_section"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        emergency = any(flag["tier"] == "emergency" for flag in reported(tracker))
        return [SlotSet("stage", stage_of(answers_of(tracker), emergency=emergency))]


class Clarify(Action):  # type: ignore[misc]
    """Answers a message that answers nothing asked: notes what it did say, or helps, by stage; never a loop."""

    def name(self) -> str:
        return "action_clarify"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        events = tell_new_flags(dispatcher, tracker)
        stage = tracker.get_slot("stage")
        if stage == "emergency":
            say(dispatcher, tracker, "after_emergency")
            return events
        if not tracker.active_loop_name:
            if again := _made_void(tracker, events):
                return again
            dispatcher.utter_message(response=_HINTS.get(stage, "utter_nothing_asked"))
            return events
        noted, wrong = _sorted_out(answered(tracker))
        if noted:
            dispatcher.utter_message(response="utter_noted", notes=notes(noted))
            return [*events, *slots(wrong.items())]
        if events:
            return events
        if tracker.get_slot("requested_slot") == "safety_mood":
            # Whatever was meant: nobody is left without a number here.
            say(dispatcher, tracker, "mental_health")
        return [*slots(wrong.items()), *_failed(dispatcher, tracker)]


def _made_void(tracker: Tracker, events: list[EventType]) -> list[EventType]:
    """Return what makes the plan anew when a message after it held a new answer or red flag; else nothing."""
    if tracker.get_slot("stage") != "plan" or not (events or answered(tracker)):
        return []
    return [*events, SlotSet("assessment", None), FollowupAction("action_next_section")]


_HINTS = {"paused": "utter_paused_hint", "declined": "utter_declined_hint", "plan": "utter_after_plan"}


def _sorted_out(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, None]]:
    """Part volunteered answers into those that are valid and those to take back."""
    noted: dict[str, Any] = {}
    wrong: dict[str, None] = {}
    for name, value in given.items():
        try:
            noted[name] = validate(name, value)
        except InvalidAnswer:
            wrong[name] = None
    return noted, wrong


def _failed(dispatcher: CollectingDispatcher, tracker: Tracker) -> list[EventType]:
    failures = (tracker.get_slot("failed_readings") or 0) + 1
    helped = failures >= FAILED_READINGS_BEFORE_HELP
    dispatcher.utter_message(response="utter_offer_help" if helped else "utter_not_understood")
    return [SlotSet("failed_readings", failures)]


class ExplainWhy(Action):  # type: ignore[misc]
    """Says why the question at hand is asked."""

    def name(self) -> str:
        return "action_explain_why"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        asked = tracker.get_slot("requested_slot")
        if asked in QUESTIONS:
            dispatcher.utter_message(text=texts().get(f"questions.{asked}.why"), id=f"why.{asked}")
        else:
            dispatcher.utter_message(response="utter_nothing_asked")
        return []


class GoBack(Action):  # type: ignore[misc]
    """Opens the question answered last."""

    def name(self) -> str:
        return "action_go_back"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        before = previous_question(answers_of(tracker), tracker.get_slot("requested_slot"))
        if before is None:
            dispatcher.utter_message(response="utter_start_of_questions")
            return []
        dispatcher.utter_message(response="utter_went_back")
        return _reopen(before, tracker)


class Correct(Action):  # type: ignore[misc]
    """Takes a new answer to an earlier question, or opens it again."""

    def name(self) -> str:
        return "action_correct"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        events = tell_new_flags(dispatcher, tracker)
        given, wrong = _sorted_out(answered(tracker))
        if given:
            dispatcher.utter_message(response="utter_changed", notes=notes(given))
            return [*events, *slots(wrong.items()), SlotSet("review", None), SlotSet("assessment", None)]
        question = tracker.get_slot("change")
        if question in QUESTIONS and question not in ("consent", "review"):
            return [*events, *_reopen(question, tracker), SlotSet("change", None)]
        dispatcher.utter_message(response="utter_what_to_change")
        return events


def _reopen(question: str, tracker: Tracker) -> list[EventType]:
    before = {question: tracker.get_slot(question)}
    cleared = [(name, None) for name in (question, "review", "last_asked", "assessment")]
    return slots([*cleared, ("before", before)])


class Pause(Action):  # type: ignore[misc]
    """Stops for now; the answers stay."""

    def name(self) -> str:
        return "action_pause"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        if tracker.get_slot("stage") == "emergency":
            say(dispatcher, tracker, "after_emergency")
            return []
        dispatcher.utter_message(response="utter_paused")
        return [SlotSet("stage", "paused")]


class Resume(Action):  # type: ignore[misc]
    """Goes on after a pause, a declined consent or a restart taken back."""

    def name(self) -> str:
        return "action_resume"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        if tracker.get_slot("stage") == "declined":
            dispatcher.utter_message(response="utter_taken_up_again")
            return slots([("consent", None), ("last_asked", None)])
        if tracker.get_slot("stage") == "emergency":
            return []
        restarting = tracker.get_slot("stage") == "restarting"
        dispatcher.utter_message(response="utter_restart_cancelled" if restarting else "utter_resumed")
        return []


class Decline(Action):  # type: ignore[misc]
    """Drops everything that was said before consent; only where to call stays."""

    def name(self) -> str:
        return "action_decline"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        dispatcher.utter_message(response="utter_declined", **numbers(tracker))
        kept = ("for_whom", "country", "consent")
        return slots((name, None) for name in answers_of(tracker) if name not in kept)


class AskRestart(Action):  # type: ignore[misc]
    """Asks before all answers are deleted."""

    def name(self) -> str:
        return "action_ask_restart"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        dispatcher.utter_message(response="utter_ask_restart")
        return [SlotSet("stage", "restarting")]


class RestartInterview(Action):  # type: ignore[misc]
    """Deletes the answers; the red flags stay, for a red flag is never lowered by a later word."""

    def name(self) -> str:
        return "action_restart_interview"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        dispatcher.utter_message(response="utter_restarted")
        answers = answers_of(tracker)
        opened = [(name, None) for name in answers if name not in ("for_whom", "country", "consent", "red_flags")]
        forgotten = [(name, None) for name in ("last_asked", "failed_readings", "assessment", "before")]
        kept = [flag for flag in red_flags(answers) if flag["state"] != "denied"]
        return slots([*opened, *forgotten, ("red_flags", kept or None)])


class Human(Action):  # type: ignore[misc]
    """Says how to reach a person."""

    def name(self) -> str:
        return "action_human"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        if tracker.get_slot("stage") == "emergency":
            say(dispatcher, tracker, "after_emergency")
        dispatcher.utter_message(response="utter_human", **numbers(tracker))
        return []


class AnswerFaq(Action):  # type: ignore[misc]
    """Gives the short answer of content/en/faq.yml whose words fit the question best."""

    def name(self) -> str:
        return "action_answer_faq"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        events = tell_new_flags(dispatcher, tracker)
        if not events and any(flag["tier"] == "same_day" for flag in reported(tracker)):
            # Nothing general may sound as if it were meant for what has to be seen today.
            say(dispatcher, tracker, "same_day")
        topic = faq_topic(tracker.latest_message.get("text") or "")
        dispatcher.utter_message(text=texts().get(f"faq.{topic}.text"), id=f"faq.{topic}")
        return _made_void(tracker, events) or events


def faq_topic(text: str) -> str:
    """Return the FAQ topic whose phrase in `text`, whole words only, is the longest; "general" when none is there."""
    plain = _plain(text)
    found = [
        (len(phrase), topic)
        for topic, entry in texts().tree("faq").items()
        for phrase in map(_plain, entry.get("match", ()))
        if phrase in plain
    ]
    return max(found)[1] if found else "general"


def _plain(text: str) -> str:
    """Return the words of a text, small, without apostrophes, a space before and after each."""
    bare = re.sub(r"['\u2019]", "", text.lower())
    words = " ".join(re.sub(r"\W+", " ", bare).split())
    return f" {words} "
