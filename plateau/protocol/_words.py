"""Answers in the words the patient sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plateau.content import Catalog

from ._questions import NO_ANSWER, QUESTIONS


def spoken(question: str, value: Any, words: Catalog) -> str:
    """Return an answer as the patient sees it, in the words of the question's options and unit."""
    texts = words.tree("questions")
    own = texts[question]
    if isinstance(value, str) and value in NO_ANSWER:
        return str(texts[value])
    if value == "none" and "none" in own:
        return str(own["none"])
    options = own.get("options", {})
    if isinstance(value, list):
        return ", ".join(_item(options, item) for item in value)
    unit = QUESTIONS[question].unit
    shown = options.get(value, _number(value, unit) if isinstance(value, int | float) else value)
    return f"{shown} {texts['unit' if shown == '1' else 'units'][unit]}" if unit else str(shown)


def _number(value: float, unit: str | None) -> str:
    """Weeks may come from "since June": nobody says them with a fraction."""
    return f"{value:.0f}" if unit == "weeks" and value >= 2 else f"{value:g}"


def _item(options: Mapping[str, str], item: Any) -> str:
    if not isinstance(item, Mapping):
        return options.get(item, str(item))
    score = item.get("score")
    return str(item["activity"]) if score is None else f"{item['activity']} ({score}/10)"
