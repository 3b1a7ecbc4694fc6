"""The screen that follows a turn: what is asked, with what controls, and which moves are open to the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plateau.content import Catalog
from plateau.protocol import (
    QUESTIONS,
    SECTIONS,
    Answers,
    Question,
    applicable,
    asked,
    offered,
    opening,
    previous_question,
    screen,
    spoken,
)

# What a patient may tap besides an answer.
COMMANDS = (
    "why", "back", "skip", "dont_know", "human", "stop", "resume", "restart", "change", "confirm", "mistake", "checked",
    "share",
)  # fmt: skip
# What a drawing answers in one touch with the region: which of the two sides it is on.
SIDE, SIDES = "side", ("left", "right")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where a conversation stands: the dialogue's stage, the question asked, the answers so far.

    `before` holds the answers that a patient is about to change, to be shown as the current ones. `shares`: the plan's
    summary can be sent to the clinic.
    """

    stage: str | None
    asked: str | None
    answers: Answers
    numbers: Mapping[str, str]
    before: Mapping[str, Any] = field(default_factory=dict)
    shares: bool = False


def turn_screen(dialogue: Dialogue, words: Catalog) -> dict[str, Any] | None:
    """Return the screen of design section 5's web contract, or None before the conversation began."""
    if dialogue.stage == "emergency":
        card = words.tree("safety.emergency_card")
        return _plain("emergency", card["title"].format(**dialogue.numbers), ["mistake", "checked", "human"])
    if dialogue.stage == "staff":
        return _plain("end", words.get("staff.screen", **dialogue.numbers), ["resume"])
    if dialogue.stage == "plan":
        moves = [*(["share"] if dialogue.shares else []), "change", "restart", "human"]
        return _plain("plan", words.get("page.plan_title"), moves, rows=_rows(dialogue, words))
    if dialogue.asked == "review":
        title = words.get("questions.sections.review")
        return _plain("review", title, ["change", "confirm", "back", "human", "stop"], rows=_rows(dialogue, words))
    if dialogue.asked in QUESTIONS:
        return _questions(dialogue, dialogue.asked, words)
    if dialogue.stage in ("paused", "declined", "restarting"):
        moves = ["restart", "resume", "human"] if dialogue.stage == "restarting" else ["resume", "human"]
        return _plain("end", words.get("page.paused_title"), moves)
    return None


def _plain(kind: str, title: str, commands: list[str], rows: list[dict[str, str]] | None = None) -> dict[str, Any]:
    made = {"id": kind, "title": title, "section": None, "kind": kind, "questions": [], "commands": commands}
    return made if rows is None else {**made, "rows": rows}


def _questions(dialogue: Dialogue, current: str, words: Catalog) -> dict[str, Any]:
    shown = screen(dialogue.answers, current)
    title = words.get(f"questions.sections.{shown.section}")
    commands = ["why", "human", "stop"]
    if previous_question(dialogue.answers, current):
        commands.append("back")
    if not any(QUESTIONS[name].required for name in shown.questions):
        commands += ["skip", "dont_know"]
    place = {"id": shown.section, "title": title, "number": shown.number, "of": shown.of, "left": shown.left}
    return {
        "id": shown.id,
        "title": title,
        "section": place if shown.number else None,
        "kind": "questions",
        # Where only one question can be shown at a time, this one.
        "asked": current,
        "questions": [
            _question(QUESTIONS[name], dialogue.answers, dialogue.before.get(name), words) for name in shown.questions
        ],
        "commands": [name for name in COMMANDS if name in commands],
    }


def _question(question: Question, answers: Answers, before: Any, words: Catalog) -> dict[str, Any]:
    texts, previous = words.tree(f"questions.{question.id}"), answers.get("previous")
    current = answers.get(question.id, before)
    kind: str = question.kind
    if kind == "flags":
        kind = "choice" if question.single else "multi"
    made: dict[str, Any] = {
        "id": question.id,
        "kind": kind,
        "text": asked(question.id, answers, words),
        "retry": asked(question.id, answers, words, "retry"),
        "current": current[0] if question.single and isinstance(current, list) else current,
        "optional": not question.required,
    }
    if question.values:
        made["options"] = [{"value": value, "title": texts["options"][value]} for value in offered(question, previous)]
    if kind in ("number", "nprs"):
        made |= {"min": question.minimum, "max": question.maximum, "unit": question.unit}
    if question.none:
        made["none"] = {"value": "none", "title": texts["none"]}
    if kind in ("nprs", "activities"):
        scale = words.tree("questions.nprs" if kind == "nprs" else "questions.psfs")
        made["anchors"] = {"low": scale["low"], "high": scale["high"]}
    if "placeholder" in texts:
        made["help"] = texts["placeholder"]
    if question.picture:
        made |= {"picture": question.picture, **_sides(question, answers, words)}
    return made


def _sides(question: Question, answers: Answers, words: Catalog) -> dict[str, Any]:
    """Return for which values the side is asked next, so that it can be answered with them; nothing where it is not."""
    values = opening(answers, question.id, SIDE)
    titles = words.tree(f"questions.{SIDE}.options")
    sides = {"question": SIDE, "values": list(values), "titles": {side: titles[side] for side in SIDES}}
    return {"sides": sides} if values else {}


def _rows(dialogue: Dialogue, words: Catalog) -> list[dict[str, str]]:
    rows = []
    for name in applicable(dialogue.answers):
        value = dialogue.answers.get(name)
        if value is None or QUESTIONS[name].section == SECTIONS[-1] or name == "consent":
            continue
        label = words.get(f"questions.{name}.label")
        section = words.get(f"questions.sections.{QUESTIONS[name].section}")
        rows.append({"question": name, "label": label, "answer": spoken(name, value, words), "section": section})
    return rows
