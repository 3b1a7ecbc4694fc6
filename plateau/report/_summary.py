"""The summary of a re-evaluation as plain text: the plan first, then the answers it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plateau.content import Catalog
from plateau.protocol import QUESTIONS, spoken, taken_back


def summary_text(answers: Mapping[str, Any], assessment: Mapping[str, Any] | None, words: Catalog) -> str:
    """Return the summary of an answer record and its assessment (None while there is no plan yet)."""
    return "\n".join([*_plan(assessment, words), "", *_answers(answers, words)])


def _plan(assessment: Mapping[str, Any] | None, words: Catalog) -> Iterator[str]:
    if assessment is None:
        yield words.get("page.no_plan_yet")
        return
    yield words.get("page.plan_title")
    for number, item in enumerate(assessment["recommendations"], start=1):
        title = words.get(f"plan.recommendations.{item['id']}.title")
        yield f"{number}. {title}: {item['text']} {item['because']}"
    for question in assessment["questions_for_therapist"]:
        yield f"- {question}"


def _answers(answers: Mapping[str, Any], words: Catalog) -> Iterator[str]:
    yield words.get("questions.sections.review")
    for name, value in answers.items():
        if name in QUESTIONS:
            shown = words.get("questions.recent_surgery_weeks.none") if value is None else spoken(name, value, words)
            yield f"{words.get(f'questions.{name}.label')}: {shown}"
    for flag in answers.get("red_flags") or ():
        if flag["state"] != "denied" or taken_back(flag):
            state = words.get("safety.settled.mistake") if taken_back(flag) else flag["state"]
            yield f"{flag['id']}: {state}, {flag['tier']}"
