"""Makes the plan from the answers and says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions._state import answers_of, numbers, texts
from plateau.escalation import assess
from plateau.protocol import record_of


class MakePlan(Action):  # type: ignore[misc]
    """Assesses the record and says what to do, with its reasons."""

    def name(self) -> str:
        return "action_make_plan"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        assessment = assessed(tracker)
        dispatcher.utter_message(response="utter_making_plan")
        for part in spoken_plan(assessment):
            dispatcher.utter_message(**part)
        return [SlotSet("assessment", assessment)]


def assessed(tracker: Tracker) -> dict[str, Any]:
    """Return the assessment of the answers so far, as `plateau assess` gives it."""
    return assess(record_of(answers_of(tracker)), numbers=numbers(tracker)).to_dict()


def spoken_plan(assessment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the plan's messages: what to do, what to ask the therapist, what waits, and when to look again."""
    words = texts()

    def title(recommendation: str) -> str:
        return words.get(f"plan.recommendations.{recommendation}.title")

    items = [
        {"title": title(item["id"]), "text": item["text"], "because": item["because"]}
        for item in assessment["recommendations"]
    ]
    lines = [f"{n}. {item['title']}\n{item['text']}\n{item['because']}" for n, item in enumerate(items, start=1)]
    parts: list[dict[str, Any]] = [
        {"text": "\n".join(lines), "items": items, "id": "plan.recommendations", "kind": "plan"}
    ]
    asked = [f"- {question}" for question in assessment["questions_for_therapist"]]
    later = [f"- {title(item['id'])}: {item['until']}" for item in assessment["held_back"]]
    for key, entries in (("questions", asked), ("later", later)):
        if entries:
            text = "\n".join([words.get(f"plan.said.{key}"), *entries])
            parts.append({"text": text, "id": f"plan.{key}", "kind": "plan"})
    parts.append({"text": words.get("plan.said.closing"), "id": "plan.closing", "kind": "plan"})
    return parts
