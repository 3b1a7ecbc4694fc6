"""From a reading to what the dialogue is told: one intent, and the slots to fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plateau.protocol import QUESTIONS, InvalidAnswer, merge_flags, screen, validate

from ._reader import SCREEN, Reader, Reading

# A form keeps asking until it is answered; a bare yes or no that answers nothing is a failed reading there, not a move.
MEANINGLESS_IN_A_FORM = ("affirm", "deny")
NOT_FOR_PAPER = ("mental_health_crisis", "abuse")
NAMES_A_QUESTION = ("correct_answer", "go_back")
# Kinds whose words tell which question they answer; a bare number or free words would fit anywhere.
READ_BESIDE = ("choice", "multi")


@dataclass(frozen=True, slots=True)
class Turn:
    """What the dialogue is told of a message: intent and slots it fills; `reading` is what `plateau read` prints."""

    intent: str
    entities: Mapping[str, Any]
    reading: Mapping[str, Any]


def interpret(
    reader: Reader,
    text: str,
    *,
    question: str | None,
    held: Mapping[str, Any],
) -> Turn:
    """Read `text` against `question`, given the answers `held` so far.

    An emergency fills no slot but `red_flags`: so the form, which would go on with its next question, steps back.
    """
    listed = question in QUESTIONS and QUESTIONS[question].kind == "flags"
    reading = reader.read(text, SCREEN if listed else question, known=held)
    before = held.get("red_flags") or []
    flags = merge_flags(before, [flag.to_dict() for flag in reading.red_flags])
    new = {} if flags == before else {"red_flags": flags}
    if any(flag.tier == "emergency" for flag in reading.red_flags):
        return Turn("emergency", new, reading.to_dict())
    if held.get("stage") == "emergency":
        return Turn(_after_emergency(reader, text, reading), new, reading.to_dict())
    answers = dict(reading.answers)
    if any(flag.id in NOT_FOR_PAPER for flag in reading.red_flags):
        # Words like these are no goal and no "what is worse": they must not stand on a page for the therapist.
        answers = {name: value for name, value in answers.items() if QUESTIONS[name].kind not in ("text", "activities")}
    if question is None and reading.intent in MEANINGLESS_IN_A_FORM and reader.read(text).intent != reading.intent:
        # The classifier's guess alone is not enough for a yes that may delete every answer.
        return Turn("answer", {**answers, **new}, reading.to_dict())
    if listed and question is not None:
        answers |= _screened(question, answers.pop(SCREEN, None), reading)
    if question and not answers and reading.intent is None:
        answers = _beside(reader, text, question, held)
    if reading.intent in NAMES_A_QUESTION and not answers and (named := reader.named(text)):
        # "Go back to the sleep question" and "change my sleep answer" are one wish.
        return Turn("correct_answer", {**new, "change": named}, reading.to_dict())
    answers = dict(_canonical(answers))
    # The record has null for "none"; to Rasa an entity without a value is no entity.
    filled = {name: "none" if value is None else value for name, value in answers.items()}
    read = {**reading.to_dict(), "answers": {name: value for name, value in answers.items() if QUESTIONS[name].record}}
    return Turn(_intent(reading, question, answers), {**filled, **new}, read)


def _after_emergency(reader: Reader, text: str, reading: Reading) -> str:
    """Return the intent of a message after an emergency: settled, or a wish for a person, or nothing that counts."""
    settled = None if reading.red_flags else reader.settles(text)
    if settled:
        return f"flag_{settled}"
    return "human" if reading.intent == "human" else "answer"


def _canonical(answers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the answers as the protocol takes them, without those it does not."""
    for name, value in answers.items():
        try:
            yield name, None if value is None and QUESTIONS[name].none else validate(name, value)
        except InvalidAnswer:
            continue


def _beside(reader: Reader, text: str, question: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the message answers of the questions shown on the same screen as the one it did not answer."""
    for name in screen(held, question).questions:
        if name != question and QUESTIONS[name].kind in READ_BESIDE:
            value = reader.beside(text, name)
            if value is not None:
                return {name: value}
    return {}


def _intent(reading: Reading, question: str | None, answers: Mapping[str, Any]) -> str:
    digression = reading.intent
    if digression is None or (question and digression in MEANINGLESS_IN_A_FORM):
        return "answer"
    return digression


def _screened(question: str, none_of_these: list[str] | None, reading: Reading) -> dict[str, Any]:
    """Return the answer to a safety list: what was heard of it, none, or unknown; nothing after a bare yes."""
    raises = QUESTIONS[question].raises or {}
    heard = {flag.id for flag in reading.red_flags}
    chosen = [value for value, raised in raises.items() if raised.flag in heard]
    if chosen and not QUESTIONS[question].single:
        return {question: chosen}
    doubts = dict(reading.doubts)
    if none_of_these is not None:
        return {question: [QUESTIONS[question].harmless]}
    if doubts.get(SCREEN) == "unsure" or reading.intent == "dont_know":
        return {question: ["unsure"] if QUESTIONS[question].single else "unknown"}
    if reading.intent == "skip":
        return {question: "skipped"}
    if doubts.get(SCREEN) == "yes" and QUESTIONS[question].single:
        return {question: ["yes"]}
    return {}
