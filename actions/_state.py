"""What the actions read from the tracker and say in the patient's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet

from plateau.content import Catalog, clinic, clinic_words
from plateau.protocol import QUESTIONS, next_section, spoken
from plateau.report import listed

# The stage the dialogue is in when the protocol has no question left.
AFTER_QUESTIONS = "plan"
# The slots that hold answers.
ANSWERS = (*QUESTIONS, "red_flags", "previous")


def answers_of(tracker: Tracker) -> dict[str, Any]:
    """Return the answers given so far, with the red flags heard and the last visit, each under its name."""
    held = tracker.slots
    return {name: value for name in ANSWERS if (value := held.get(name)) is not None}


def stage_of(answers: Mapping[str, Any], *, emergency: bool) -> str:
    """Return the stage that the answers lead to: a section, plan, declined or emergency."""
    if emergency:
        return "emergency"
    if answers.get("consent") == "no":
        return "declined"
    return next_section(answers) or AFTER_QUESTIONS


def numbers(tracker: Tracker) -> dict[str, str]:
    """Return the numbers to call, of the patient's country, with the clinic's name and phone."""
    here = clinic()
    return {**here.numbers_for(tracker.get_slot("country")), "clinic": here.name, "phone": here.phone}


def texts() -> Catalog:
    return clinic_words()


def entities_of(tracker: Tracker) -> dict[str, Any]:
    """Return what the latest message filled: entity name to value."""
    return {entity["entity"]: entity["value"] for entity in tracker.latest_message.get("entities") or ()}


def intent_of(tracker: Tracker) -> str | None:
    """Return the latest message's intent as the reader settled it; the SDK's own method has the classifier's guess."""
    name: str | None = (tracker.latest_message.get("intent") or {}).get("name")
    return name


def in_own_words(tracker: Tracker) -> str | None:
    """Return the latest message where it was typed and tells of no danger; None for a tap."""
    text = (tracker.latest_message.get("text") or "").strip()
    return None if not text or text.startswith("/") or entities_of(tracker).get("red_flags") else text


def answered(tracker: Tracker) -> dict[str, Any]:
    """Return the answers that the latest message holds."""
    return {name: value for name, value in entities_of(tracker).items() if name in QUESTIONS}


def notes(values: Mapping[str, Any]) -> str:
    """Return answers as one line: label and words of each."""
    words = texts()
    labels = {name: words.get(f"questions.{name}.label") for name in values}
    return "; ".join(f"{labels[name]}: {spoken(name, value, words)}" for name, value in values.items())


def put_down(values: Mapping[str, Any]) -> str:
    """Return numbers as they are said back: "5 for now and 9 for the worst"."""
    words = texts()
    said = [
        words.get(f"questions.{name}.noted", value=spoken(name, value, words))
        if words.has(f"questions.{name}.noted")
        else notes({name: value})
        for name, value in sorted(values.items(), key=lambda entry: list(QUESTIONS).index(entry[0]))
    ]
    return listed(words, said)


def which_end(tracker: Tracker) -> str | None:
    """Return the question that the latest message answered on an upside-down scale, or None."""
    name: str | None = entities_of(tracker).get("upside_down")
    return name


def slots(values: Iterable[tuple[str, Any]]) -> list[EventType]:
    return [SlotSet(name, value) for name, value in values]
