"""A whole interview, from wherever a patient stands up to the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plateau.cli._scenario import answer_for

MOST_SCREENS = 60


def next_message(turn: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a patient taps on the screen of `turn`: `given`, or nothing to report; None once nothing is asked."""
    screen = turn["screen"] or {}
    if screen.get("kind") == "review":
        return {"command": {"name": "confirm"}}
    if screen.get("kind") != "questions":
        return None
    return {"answers": {question["id"]: answer_for(question["id"], given) for question in screen["questions"]}}


async def finish(patient: Any, **given: Any) -> None:
    """Bring a `Patient` of conftest to the plan."""
    for _ in range(MOST_SCREENS):
        message = next_message(patient.turn, given)
        if message is None:
            return
        await patient.send(**message)
    raise AssertionError(f"still asking after {MOST_SCREENS} screens: {patient.asked}")
