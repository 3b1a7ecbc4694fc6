"""Answers in the words the patient sees."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from plateau.content import Catalog

from ._over_time import shown_again
from ._questions import NO_ANSWER, QUESTIONS


def asked(question: str, answers: Mapping[str, Any], words: Catalog, part: str = "ask") -> str:
    """Return a question's text (`part`: ask or retry), with the answers it names; who comes back is asked `again`."""
    own, previous = words.tree(f"questions.{question}"), answers.get("previous")
    template = str(own[part])
    known = {name: value for name, value in answers.items() if name in QUESTIONS and value is not None}
    said = {"day": previous["shown"]} if previous else {}
    if previous and part == "ask" and "again" in own:
        known = {**shown_again(previous), **known}
        if set(_names(own["again"])) <= {*known, "day"}:
            template = str(own["again"])
    said |= {name: spoken(name, known[name], words) for name in _names(template) if name in known}
    return template.format(**said).strip()


def _names(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


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
