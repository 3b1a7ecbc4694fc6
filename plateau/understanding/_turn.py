"""From a reading to what the dialogue is told: one intent, and the slots to fill."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plateau.protocol import QUESTIONS, InvalidAnswer, merge_flags, offered, red_flags, screen, shown_again, validate

from ._digressions import asks_to_know
from ._reader import SCREEN, Reader, Reading
from ._settled import Settled

# A form keeps asking until it is answered; a bare yes or no that answers nothing is a failed reading there, not a move.
MEANINGLESS_IN_A_FORM = ("affirm", "deny")
NOT_FOR_PAPER = ("mental_health_crisis", "abuse")
NAMES_A_QUESTION = ("correct_answer", "go_back")
# A message that gives several of these is said back: which number is which was worked out from its words.
NUMBERS = ("nprs", "number")
UPSIDE_DOWN = "upside_down"
# Kinds whose words tell which question they answer; a bare number or free words would fit anywhere.
READ_BESIDE = ("choice", "multi")
# "The worst one is wrong": this one is no number.
_NO_NUMBER = re.compile(r"\b(?:the|that|this)(?: \w+)? one\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the dialogue is told of a message: intent and slots it fills; `reading` is what `plateau read` prints.

    `source` is the reading that it was made of.
    """

    intent: str
    entities: Mapping[str, Any]
    reading: Mapping[str, Any]
    source: Reading


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
    listed = _listed(question)
    reading = reader.read(text, SCREEN if listed else question, known=held)
    before = held.get("red_flags") or []
    flags = merge_flags(before, [flag.to_dict() for flag in reading.red_flags])
    new = {} if flags == before else {"red_flags": flags}
    if any(flag.tier == "emergency" for flag in reading.red_flags):
        return Turn("emergency", new, reading.to_dict(), reading)
    settled = _settled(reader, text, question, held, reading)
    if settled:
        return Turn(f"flag_{settled.how}", _settling(settled, question, reading), reading.to_dict(), reading)
    if held.get("stage") == "emergency":
        return Turn("human" if reading.intent == "human" else "answer", new, reading.to_dict(), reading)
    mended = _mended(reader, text, question, held)
    if mended is not None:
        return Turn("correct_answer", {**mended, **new}, reading.to_dict(), reading)
    if question and reader.asks_again(text):
        return Turn("resume", new, reading.to_dict(), reading)
    beside = _from_beside(reader, text, question, held, reading) if question else {}
    if beside and question:
        # Several at once, and the scores of old activities, which are not shown, are said back.
        plainly = len(beside) == 1 and QUESTIONS[question].kind != "activities"
        doubts = {} if plainly else {"doubts": list(beside)}
        read = {**reading.to_dict(), "answers": beside, "intent": None}
        return Turn("answer", {**beside, **doubts, **new}, read, reading)
    answers = dict(reading.answers)
    if any(flag.id in NOT_FOR_PAPER for flag in reading.red_flags):
        # Words like these are no goal and no "what is worse": they must not stand on a page for the therapist.
        answers = {name: value for name, value in answers.items() if QUESTIONS[name].kind not in ("text", "activities")}
    if question is None and reading.intent in MEANINGLESS_IN_A_FORM and reader.read(text).intent != reading.intent:
        # The classifier's guess alone is not enough for a yes that may delete every answer.
        return Turn("answer", {**answers, **new}, reading.to_dict(), reading)
    if listed and question is not None:
        answers |= _screened(question, answers.pop(SCREEN, None), reading)
    if question and not answers and reading.intent is None:
        answers = _beside(reader, text, question, held)
    if held.get("stage") == "declined" and reading.intent == "correct_answer":
        # After a no to consent the only answer there is to change is that one.
        return Turn("affirm", new, reading.to_dict(), reading)
    if reading.intent in NAMES_A_QUESTION and not answers and (named := reader.named(text)):
        # "Go back to the sleep question" and "change my sleep answer" are one wish.
        return Turn("correct_answer", {**new, "change": named}, reading.to_dict(), reading)
    answers = dict(_canonical(answers))
    # The record has null for "none"; to Rasa an entity without a value is no entity.
    filled = {name: "none" if value is None else value for name, value in answers.items()}
    if _upside_down(reading, question):
        filled[UPSIDE_DOWN] = question
    if doubted := _doubted(reading, question, answers):
        filled["doubts"] = doubted
    read = {**reading.to_dict(), "answers": {name: value for name, value in answers.items() if QUESTIONS[name].record}}
    return Turn(_intent(reading, question, answers), {**filled, **new}, read, reading)


def _settled(
    reader: Reader, text: str, question: str | None, held: Mapping[str, Any], reading: Reading
) -> Settled | None:
    """Return how a message settles red flags reported before, with their ids; None where it settles none.

    "That was a joke" is of what was just said; later, the words must name the red flag.
    """
    emergency = held.get("stage") == "emergency"
    reported = {
        flag["id"]: flag
        for flag in red_flags(held)
        if flag["state"] == "reported" and (flag["tier"] == "emergency") is emergency
    }
    said = reader.settles(text) if reported else None
    if said is None:
        return None
    named = said.about & set(reported)
    if emergency:
        return None if reading.red_flags else Settled(said.how, frozenset(reported))
    fresh = frozenset(held.get("just_told") or ()) & set(reported)
    if held.get("stage") == "plan" and len(reported) == 1:
        # The plan has just named it.
        fresh = frozenset(reported)
    if said.how == "checked" and question in reading.answers and not _listed(question):
        # "The doctor looked at it and said tendon" answers what was asked, unless it names the red flag.
        fresh = frozenset()
    about = named or fresh
    # "The doctor looked at my swollen calf" is heard again; anything else heard is news, and news settles nothing.
    old = {(name, flag["tier"]) for name, flag in reported.items() if name in about and said.how == "checked"}
    heard_again = {(flag.id, flag.tier) for flag in reading.red_flags} <= old
    return Settled(said.how, about) if about and heard_again else None


def _settling(settled: Settled, question: str | None, reading: Reading) -> dict[str, Any]:
    """Return what the dialogue is told of settled red flags; a "no" to the direct question goes with it."""
    direct = question in QUESTIONS and QUESTIONS[question].single and reading.answers.get(SCREEN) == []
    answer = {question: [QUESTIONS[question].harmless]} if question and direct else {}
    return {"settles": sorted(settled.about), **answer}


def _mended(reader: Reader, text: str, question: str | None, held: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what corrects the answer said back last: a new one, or that it is wrong; None where nothing does."""
    said_back = held.get("said_back") or ()
    if not said_back or question is None:
        return None
    value, wrong = reader.mends(text, said_back[0])
    if wrong:
        return {}
    return None if value is None else dict(_canonical({said_back[0]: value})) or None


def _from_beside(reader: Reader, text: str, question: str, held: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """Return the answers of a message that says what it says only beside what is shown with the question."""
    found = (
        _as_before(reader, text, question, held)
        or _of_the_offered(reader, text, question, held)
        or _in_order(reader, text, question, held)
        or _set_right(reader, text, question, held, reading.answers.get(question))
    )
    return dict(_canonical(found))


def _as_before(reader: Reader, text: str, question: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the old answer that was shown, after "same"; new scores alone are those of the old activities."""
    previous = held.get("previous")
    shown = {**(shown_again(previous) if previous else {}), **(held.get("before") or {})}.get(question)
    if shown is None:
        return {}
    if QUESTIONS[question].kind == "activities" and isinstance(shown, list):
        scores = reader.scores(text)
        if len(scores) == len(shown):
            return {question: [{**item, "score": score} for item, score in zip(shown, scores, strict=True)]}
    if reader.brief(text) != "same":
        return {}
    # "The same" is as well as then, so the scores, which are not shown, are meant too.
    return {question: previous["answers"].get(question, shown) if previous else shown}


def _of_the_offered(reader: Reader, text: str, question: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return which of what was agreed last time "both", "all of it" or "the first one" means."""
    if question != "followed" or not held.get("previous"):
        return {}
    listed = [value for value in offered(QUESTIONS[question], held["previous"]) if value != "none"]
    meant = {"all": listed, "first": listed[:1], "second": listed[1:2], "third": listed[2:3], "last": listed[-1:]}
    if len(listed) == 2:
        meant["both"] = listed
    if len(listed) == 1:
        meant["yes"] = listed
    chosen = meant.get(reader.brief(text) or "")
    return {question: chosen} if chosen else {}


def _in_order(reader: Reader, text: str, question: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return one score for each of the pain questions on the screen, where as many numbers were said: "4, 8, 6"."""
    if QUESTIONS[question].kind != "nprs":
        return {}
    open_ones, scores = screen(held, question).questions, reader.scores(text)
    together = len(scores) > 1 and len(scores) == len(open_ones) and open_ones[0] == question
    return dict(zip(open_ones, scores, strict=True)) if together else {}


def _set_right(reader: Reader, text: str, question: str, held: Mapping[str, Any], named: Any) -> dict[str, Any]:
    """Return the new answer in "pain now is 4" to the question which of two answers is wrong."""
    rule = QUESTIONS[question]
    asked_about = [name for name in rule.values if name in QUESTIONS] if rule.reopens else []
    if not asked_about or named == "both":
        return {}
    text = _NO_NUMBER.sub("it", text)
    if named in QUESTIONS:
        found = dict(reader.reads(text, named)) if QUESTIONS[named].kind in NUMBERS else {}
    else:
        # A number must be of the same answer whichever of them is asked for: "they told me 5", but not "5".
        readings = [reader.reads(text, name) for name in asked_about]
        numbers = [read for name, read in zip(asked_about, readings, strict=True) if QUESTIONS[name].kind in NUMBERS]
        found = {
            name: value
            for read in readings
            for name, value in read.items()
            if QUESTIONS[name].kind not in NUMBERS or all(other == read for other in numbers)
        }
    # What only repeats the answer held names it as the wrong one.
    return {name: value for name, value in found.items() if name in asked_about and value != held.get(name)}


def _doubted(reading: Reading, question: str | None, answers: Mapping[str, Any]) -> list[str]:
    """Return the questions whose answers are to be said back, the one that was asked first.

    They were settled from a doubt, or are several numbers at once.
    """
    numbers = [name for name, value in answers.items() if QUESTIONS[name].kind in NUMBERS and value is not None]
    doubted = numbers if len(numbers) > 1 else [name for name, _ in reading.doubts if name in answers]
    return sorted(dict.fromkeys(doubted), key=lambda name: name != question)


def _upside_down(reading: Reading, question: str | None) -> bool:
    """Tell whether a number was said on a scale that runs the other way; "what is good?" only asks."""
    if reading.trace is None:
        return (question, UPSIDE_DOWN) in reading.doubts
    seen = reading.trace.seen
    return (question, UPSIDE_DOWN) in seen.asked[1] and not asks_to_know(seen.plain)


def _listed(question: str | None) -> bool:
    return question in QUESTIONS and QUESTIONS[question].kind == "flags"


def _canonical(answers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the answers as the protocol takes them, without those it does not."""
    for name, value in answers.items():
        try:
            yield name, None if value is None and QUESTIONS[name].none else validate(name, value)
        except InvalidAnswer:
            continue


def _beside(reader: Reader, text: str, question: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the message answers of the questions shown on the same screen as the one it did not answer."""
    if not any(letter.isalpha() for letter in text):
        # A bare number would fit any scale.
        return {}
    if reader.touches(text, question):
        # "They talked about an injection but I haven't had it" is about what was tried, although it tried nothing.
        return {}
    for name in screen(held, question).questions:
        if name != question and QUESTIONS[name].kind in READ_BESIDE:
            value = reader.beside(text, name)
            if value is not None:
                return {name: value}
    return {}


def _intent(reading: Reading, question: str | None, answers: Mapping[str, Any]) -> str:
    digression = reading.intent
    if _upside_down(reading, question):
        # "10 is good, so 2?" is a try at an answer, however it is put.
        return "answer"
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
