"""What of a reply is to be said and asked where only one thing can be shown at a time."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plateau.content import Catalog
from plateau.protocol import QUESTIONS

from ._limits import LIMITS
from ._split import units

NONE = "none"
URGENT = ("emergency", "urgent")
# Said when an answer could not be read: then the ways out are told again.
UNREAD = ("utter_not_understood", "utter_explain", "utter_offer_help")
# The first question of all and the first that may be skipped: there the ways out are new.
HINTED = (next(iter(QUESTIONS)), next(name for name, question in QUESTIONS.items() if not question.required))
HINTS = ("back", "skip", "why")
LETTERS = string.ascii_uppercase
FEW_OPTIONS = 3
# So few numbers are each a button.
FEW_NUMBERS = 10
_DIGIT = re.compile(r"\d")

Turn = Mapping[str, Any]
Asked = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The texts of a reply by their place: what is urgent, what is said, the plan, the question in the turn's words."""

    urgent: tuple[str, ...]
    said: tuple[str, ...]
    plan: tuple[Mapping[str, Any], ...]
    question: str | None


def blocks(turn: Turn) -> Blocks:
    """Sort the messages of a reply; what is urgent comes first wherever it stood."""
    texts: dict[str, list[Any]] = {"urgent": [], "say": [], "plan": [], "question": []}
    for message in turn["messages"]:
        kind = "urgent" if message["kind"] in URGENT else message["kind"]
        texts[kind].append(message if kind == "plan" else message["text"])
    asked = "\n\n".join(texts["question"]) or None
    return Blocks(tuple(texts["urgent"]), tuple(texts["say"]), tuple(texts["plan"]), asked)


def kind_of(turn: Turn) -> str | None:
    """Return the kind of the turn's screen, or None where there is none."""
    return turn["screen"]["kind"] if turn["screen"] else None


def asked(turn: Turn | None) -> Asked | None:
    """Return the one question of the turn's screen, or None where nothing is asked."""
    if turn is None or kind_of(turn) != "questions":
        return None
    screen = turn["screen"]
    found: Asked = next(question for question in screen["questions"] if question["id"] == screen["asked"])
    return found


def is_repeated(turn: Turn) -> bool:
    """Tell whether the question comes back, as after a digression and after an answer that could not be read."""
    return any(message["kind"] == "question" and message["id"].startswith("retry.") for message in turn["messages"])


def question_text(turn: Turn, question: Asked, words: Catalog) -> str:
    """Return the question in the turn's words, with how far the conversation is, without the list of its options."""
    listed = {f"- {option['title']}" for option in question.get("options", ())}
    lines = (blocks(turn).question or question["text"]).splitlines()
    text = "\n".join(line for line in lines if line not in listed)
    section = turn["screen"]["section"]
    if section is None:
        return text
    return words.get("channels.progress", number=section["number"], of=section["of"], text=text)


def options(question: Asked) -> list[Mapping[str, str]]:
    """Return the options that are marked with numbers or letters; "none" of several is 0 and not among them."""
    given = question.get("options", [])
    return [option for option in given if option["value"] != NONE] if question["kind"] == "multi" else list(given)


def none_of(question: Asked) -> str | None:
    """Return the title of "none" among several, or None where there is no such option."""
    if question["kind"] != "multi":
        return None
    return next((option["title"] for option in question["options"] if option["value"] == NONE), None)


def is_lettered(question: Asked) -> bool:
    """Tell whether a number could be the answer itself: an age, or the right one of two numbers that do not fit."""
    numeric = any(_DIGIT.search(option["title"]) for option in options(question))
    return question["kind"] == "choice" and (numeric or QUESTIONS[question["id"]].reopens)


def marks(question: Asked) -> list[str]:
    """Return what is typed for each of the options."""
    count = len(options(question))
    return list(LETTERS[:count]) if is_lettered(question) else [str(number) for number in range(1, count + 1)]


def is_marked(channel: str, question: Asked) -> bool:
    """Tell whether the channel shows the options with what is typed for each, and so reads it."""
    if question["kind"] not in ("choice", "multi") or channel == "webhook":
        return False
    if channel in ("sms", "whatsapp"):
        return True
    limits = LIMITS[channel]
    too_long = any(units(option["title"]) > limits.title for option in question["options"])
    if channel == "telegram":
        return too_long
    return too_long or question["kind"] == "multi" or len(question["options"]) > limits.buttons - 1


def marked(question: Asked, words: Catalog) -> list[str]:
    """Return the options as lines, each after its number or letter."""
    shown = zip(marks(question), options(question), strict=True)
    return [words.get("channels.reply.option", mark=mark, title=option["title"]) for mark, option in shown]


def how_to_type(question: Asked, words: Catalog) -> list[str]:
    """Return the sentences that say how the question is answered by typing."""
    kind = question["kind"]
    if kind == "choice":
        return [_one_of(question, words)]
    if kind == "multi":
        return _several_of(question, words)
    if kind == "nprs":
        return [words.get("channels.reply.nprs", min=question["min"], max=question["max"], **question["anchors"])]
    if kind == "number":
        return [words.get("channels.reply.number", unit=unit_of(question, words))]
    return [words.get("questions.examples.activities")] if kind == "activities" else []


def _one_of(question: Asked, words: Catalog) -> str:
    first, *middle, last = marks(question)
    if len(middle) < FEW_OPTIONS - 1:
        shown = words.get("channels.reply.last", before=", ".join([first, *middle]), last=last)
        return words.get("channels.reply.options", options=shown)
    path = "letters" if is_lettered(question) else "numbers"
    return str(words.tree("channels.reply")[path].format(first=first, last=last))


def _several_of(question: Asked, words: Catalog) -> list[str]:
    count = len(options(question))
    example = "1" if count == 1 else f"1 {min(3, count)}"
    none = none_of(question)
    lines = [words.get("channels.reply.several", example=example)]
    return [*lines, words.get("channels.reply.none", none=none)] if none else lines


def unit_of(question: Asked, words: Catalog) -> str:
    """Return the unit of a number in words."""
    return str(words.tree("questions.units")[question["unit"]])


def hints(turn: Turn, words: Catalog) -> list[str]:
    """Return the words that lead elsewhere, where they are new or an answer could not be read."""
    screen = turn["screen"]
    unread = any(message["id"] in UNREAD for message in turn["messages"])
    if not unread and screen.get("asked") not in HINTED:
        return []
    texts = words.tree("channels.hints")
    return [texts[name] for name in HINTS if name in screen["commands"]]


def joined(texts: Iterable[str]) -> str:
    """Return texts as paragraphs of one message."""
    return "\n\n".join(text for text in texts if text)
