"""Says what a red flag needs: once for each, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions._state import answers_of, numbers, texts
from plateau.protocol import STOPPING_TEXTS, awaits_direct_question, red_flags, safety_texts


def reported(tracker: Tracker) -> list[dict[str, Any]]:
    """Return the red flags reported so far, most urgent first."""
    return [flag for flag in red_flags(answers_of(tracker)) if flag["state"] == "reported"]


def unanswered(tracker: Tracker) -> list[dict[str, Any]]:
    """Return what an emergency list left unanswered stands for: one thing to be seen today."""
    answers = answers_of(tracker)
    open_ones = any(
        flag["state"] == "unknown" and flag["tier"] == "emergency" and not awaits_direct_question(answers, flag)
        for flag in red_flags(answers)
    )
    return [{"id": "unanswered", "tier": "same_day"}] if open_ones else []


def tell_new_flags(dispatcher: CollectingDispatcher, tracker: Tracker) -> list[EventType]:
    """Say what each newly reported red flag below emergency needs; an emergency has an action of its own."""
    told = tracker.get_slot("told_flags") or []
    new = [flag for flag in (*reported(tracker), *unanswered(tracker)) if _mark(flag) not in told]
    if not new or any(flag["tier"] == "emergency" for flag in new):
        # An emergency has an action of its own, and nothing is said before it.
        return []
    for key in messages(new):
        say(dispatcher, tracker, key)
    # One turn may pass here twice, before and after the form's validation: remember at once.
    marks = [*told, *map(_mark, new)]
    tracker.slots["told_flags"] = marks
    return [SlotSet("told_flags", marks), SlotSet("just_told", [flag["id"] for flag in new])]


def messages(flags: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of what to say for these red flags, most urgent first, each once."""
    return safety_texts((flag["id"], flag["tier"]) for flag in flags)


def say(dispatcher: CollectingDispatcher, tracker: Tracker, key: str) -> None:
    """Say a text of content/en/safety.yml with the numbers of the patient's country."""
    kind = "emergency" if key in STOPPING_TEXTS else "urgent"
    dispatcher.utter_message(text=texts().get(f"safety.{key}", **numbers(tracker)), id=f"safety.{key}", kind=kind)


def _mark(flag: Mapping[str, Any]) -> str:
    return f"{flag['id']}:{flag['tier']}"
