"""The moves of the conversation: begin, go on, go back, correct, pause, start again, explain, clarify."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions._safety import reported, say, tell_new_flags
from actions._state import (
    answered,
    answers_of,
    intent_of,
    notes,
    numbers,
    slots,
    stage_of,
    texts,
    which_end,
)
from actions.forms import answer_buttons, ways_out
from plateau.protocol import (
    QUESTIONS,
    InvalidAnswer,
    Question,
    carried,
    merge_flags,
    offered,
    previous_question,
    red_flags,
    shown_again,
    taken_back,
    validate,
)
from plateau.report import listed

FAILED_READINGS_BEFORE_HELP = 2
UNKNOWN_TOPIC, WHO_I_AM = "general", "are_you_a_person"
MOST_EXAMPLES = 4


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
        answers = answers_of(tracker)
        known = welcome_back(dispatcher, answers)
        return slots([*known.items(), ("stage", stage_of({**answers, **known}, emergency=emergency))])


def welcome_back(dispatcher: CollectingDispatcher, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Greet someone who comes back, once they agreed to go on; return the slots with what still stands."""
    previous = answers.get("previous")
    if not previous or previous.get("welcomed") or answers.get("consent") != "yes":
        return {}
    words = texts()
    known = words.tree("plan.evidence.advised.items")
    items = [known[name] for name in previous["advised"] if name in known]
    key = "welcome" if items else "welcome_plain"
    text = words.get(f"plan.said.{key}", day=previous["shown"], items=listed(words, items))
    dispatcher.utter_message(text=text, id=f"plan.said.{key}")
    stands = {name: value for name, value in carried(previous).items() if answers.get(name) is None}
    known_now = {**stands, "before": shown_again(previous), "previous": {**previous, "welcomed": True}}
    return known_now | _still_open(dispatcher, answers, previous)


def _still_open(
    dispatcher: CollectingDispatcher, answers: Mapping[str, Any], previous: Mapping[str, Any]
) -> dict[str, Any]:
    """Say which red flags of the last visit nobody has settled; they stand until the patient settles them."""
    flags = previous.get("flags") or []
    if not flags:
        return {}
    words = texts()
    names = words.tree("plan.evidence.red_flags.items")
    said = listed(words, [names[flag["id"]] for flag in flags])
    dispatcher.utter_message(text=words.get("plan.said.still_open", items=said), id="plan.said.still_open")
    return {
        "red_flags": merge_flags(flags, answers.get("red_flags") or ()),
        "just_told": [flag["id"] for flag in flags],
        "told_flags": [f"{flag['id']}:{flag['tier']}" for flag in flags],
    }


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
            aside = intent_of(tracker) == "out_of_scope"
            dispatcher.utter_message(
                response="utter_out_of_scope" if aside else _HINTS.get(stage, "utter_nothing_asked")
            )
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
        first = "utter_out_of_scope" if intent_of(tracker) == "out_of_scope" else "utter_not_understood"
        # The question that follows an upside-down scale says which end is which; that is help enough for once.
        return [*slots(wrong.items()), *failed(dispatcher, tracker, None if which_end(tracker) else first)]


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


def _failures(tracker: Tracker) -> int:
    return (tracker.get_slot("failed_readings") or 0) + 1


def failed(dispatcher: CollectingDispatcher, tracker: Tracker, first: str | None) -> list[EventType]:
    """Help after a reading that failed: first with `first`, then with examples, then with a way out."""
    failures = _failures(tracker)
    question = QUESTIONS.get(tracker.get_slot("requested_slot"))
    if question is None:
        dispatcher.utter_message(response="utter_not_understood")
    elif failures > FAILED_READINGS_BEFORE_HELP:
        dispatcher.utter_message(response=_WAYS_OUT[question.required], buttons=ways_out(question))
    elif failures == FAILED_READINGS_BEFORE_HELP:
        dispatcher.utter_message(
            response="utter_explain",
            notes=_examples(question, tracker.get_slot("previous")),
            buttons=answer_buttons(question),
        )
    elif first:
        dispatcher.utter_message(response=first)
    return [SlotSet("failed_readings", failures)]


# What cannot be skipped offers a person only.
_WAYS_OUT = {True: "utter_offer_person", False: "utter_offer_help"}


def _examples(question: Question, previous: Mapping[str, Any] | None) -> str:
    """Return how a question can be answered: by the options it offers, or by examples of its kind."""
    words = texts()
    own = words.tree(f"questions.{question.id}").get("options", {})
    titles = '", "'.join(own[value] for value in offered(question, previous)[:MOST_EXAMPLES])
    kind = "choice" if question.single else question.unit or question.kind
    return words.get(f"questions.examples.{kind}", options=titles)


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
        return _reopen([before], tracker)


class Correct(Action):  # type: ignore[misc]
    """Takes a new answer to an earlier question, or opens it again."""

    def name(self) -> str:
        return "action_correct"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        events = tell_new_flags(dispatcher, tracker)
        given, wrong = _sorted_out(answered(tracker))
        if given:
            dispatcher.utter_message(response="utter_changed", notes=notes(given))
            after = [("review", None), ("assessment", None), ("said_back", None)]
            return [*events, *slots([*wrong.items(), *after])]
        question = tracker.get_slot("change")
        if question in QUESTIONS and question not in ("consent", "review"):
            return [*events, *_reopen([question], tracker), SlotSet("change", None)]
        if said_back := tracker.get_slot("said_back"):
            # "Change", said to what was just said back.
            return [*events, *_reopen(said_back, tracker)]
        dispatcher.utter_message(response="utter_what_to_change")
        return events


def _reopen(questions: Sequence[str], tracker: Tracker) -> list[EventType]:
    before = {question: tracker.get_slot(question) for question in questions}
    cleared = [(name, None) for name in (*questions, "review", "last_asked", "assessment", "failed_readings")]
    return slots([*cleared, ("said_back", None), ("before", before)])


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
        stays = ("for_whom", "country", "consent", "red_flags", "previous")
        opened = [(name, None) for name in answers if name not in stays]
        forgotten = [(name, None) for name in ("last_asked", "failed_readings", "assessment", "before", "said")]
        kept = [flag for flag in red_flags(answers) if flag["state"] != "denied" or taken_back(flag)]
        return slots([*opened, *forgotten, ("red_flags", kept or None)])


class Human(Action):  # type: ignore[misc]
    """Says how to reach a person."""

    def name(self) -> str:
        return "action_human"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        if tracker.get_slot("stage") == "emergency":
            say(dispatcher, tracker, "after_emergency")
        elif faq_topic(tracker.latest_message.get("text") or "") == WHO_I_AM:
            # "Are you a person?" is answered before where to find one.
            dispatcher.utter_message(text=texts().get(f"faq.{WHO_I_AM}.text"), id=f"faq.{WHO_I_AM}")
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
        if topic == UNKNOWN_TOPIC and tracker.active_loop_name and tracker.get_slot("requested_slot") in QUESTIONS:
            # What looked like a question may be an answer that was not understood: never a loop.
            events = [*events, *failed(dispatcher, tracker, None)]
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
    return max(found)[1] if found else UNKNOWN_TOPIC


def _plain(text: str) -> str:
    """Return the words of a text, small, without apostrophes, a space before and after each."""
    bare = re.sub(r"['\u2019]", "", text.lower())
    words = " ".join(re.sub(r"\W+", " ", bare).split())
    return f" {words} "
