"""Someone who comes back: what still stands of the last visit's answers, and what is shown when it is asked again.

`previous` describes that visit: "day" (ISO), "shown" (the day written out), "weeks" (since then), "answers" (as
they were given), "advised" (recommendation ids) and "flags" (red flags that nobody has settled since).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._questions import NO_ANSWER, QUESTIONS, Question

Previous = Mapping[str, Any]


def carried(previous: Previous) -> dict[str, Any]:
    """Return the answers of the last visit that stand without being asked again; weeks have gone on since."""
    known = {name: previous["answers"].get(name) for name in QUESTIONS}
    return {name: _grown(name, value, previous) for name, value in known.items() if _stands(QUESTIONS[name], value)}


def shown_again(previous: Previous) -> dict[str, Any]:
    """Return the old answers that are shown where a question is asked again: never a score, which draws the new one."""
    known = {name: previous["answers"].get(name) for name, question in QUESTIONS.items() if question.carry == "shown"}
    return {
        name: _without_scores(value) for name, value in known.items() if value is not None and value not in NO_ANSWER
    }


def with_before(name: str, value: Any, previous: Previous | None) -> Any:
    """Return what was typed since the last visit together with what was told then, where the old answer was shown."""
    question = QUESTIONS[name]
    old = previous["answers"].get(name) if previous else None
    added_to = question.kind == "multi" and question.carry == "shown"
    if not added_to or not isinstance(old, list) or not isinstance(value, list):
        return value
    both = [item for item in question.values if item in value or item in old]
    return [item for item in both if item != "none"] or ["none"]


def offered(question: Question, previous: Previous | None) -> tuple[str, ...]:
    """Return the options of a question: of what was agreed last time, only that."""
    if question.id != "followed" or previous is None:
        return question.values
    return tuple(value for value in question.values if value == "none" or value in previous["advised"])


def agreed(previous: Previous | None) -> bool:
    """Tell whether something was advised at the last visit that a patient can have done since."""
    return previous is not None and bool(set(previous["advised"]) & set(QUESTIONS["followed"].values))


def _stands(question: Question, value: Any) -> bool:
    if value is None or value in NO_ANSWER or not question.carry or question.carry == "shown":
        return False
    if question.carry == "grow":
        # "No operation" may have changed since; only a time goes on by itself.
        return isinstance(value, int | float)
    return value in question.carry if isinstance(question.carry, tuple) else True


def _grown(name: str, value: Any, previous: Previous) -> Any:
    if QUESTIONS[name].carry == "grow":
        return min(value + previous["weeks"], QUESTIONS[name].maximum)
    return value


def _without_scores(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{"activity": item["activity"]} if isinstance(item, Mapping) else item for item in value]
