"""Keeps the patient's own words: diagnosis, better, worse, goal, and activities with their scores (PSFS)."""

from __future__ import annotations

import re

from ._choices import yes_or_no
from ._lexicon import phrase_groups
from ._text import Text, spell_numbers

TEXTS = ("diagnosis_given", "better", "worse", "goal")
ACTIVITIES_LIMIT = 3

_LETTER = re.compile(r"[^\W\d_]")
_ITEM = re.compile(r"\s*(?:[,;\n]|\.\s|\band\b(?=[^,;\n]*\d)|\bthen\b|\bplus\b|&)\s*", re.IGNORECASE)
_SCORED = re.compile(
    r"(?P<before>.*?)[\s:=(\-]*(?<![\w.])(?P<score>10|\d)(?:\s*(?:/|out of|of)\s*10)?\s*\)?(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MEASURE = re.compile(
    r"\s*(?:min|hour|mile|km|step|stair|kg|lb|metre|meter|flight|year|day|week|kid|time)", re.IGNORECASE
)
_FILLER = re.compile(
    r"^(?:is|are|im|i'm|about|at|a|like|maybe|id say|i'd say|probably|say|would be|its|it's|-|:|to|"
    r"around)\s+|\s+(?:is|are|im|i'm|about|at|a|like|maybe|id say|i'd say|probably|say|would be|its|it's|"
    r"-|:|=|around)$",
    re.IGNORECASE,
)


def read_free(text: Text, question: str) -> str | None:
    """Return the patient's words as the answer to a question of TEXTS, `not_told` for a denied diagnosis, or None."""
    if not _LETTER.search(text.raw):
        return None
    if question == "diagnosis_given":
        if phrase_groups("_diagnosis").find_group("not_told", text.plain) or _only_no(text.plain):
            return "not_told"
        if yes_or_no(text.plain) is True and len(text.plain.split()) <= 2:
            return None
    return text.raw


def read_activities(text: Text) -> list[dict[str, object]]:
    """Return up to three activities with their 0-10 scores where said; empty when no activity is named."""
    found: list[dict[str, object]] = []
    for item in _ITEM.split(text.raw):
        entry = _activity(item)
        if entry is not None and all(entry["activity"] != known["activity"] for known in found):
            found.append(entry)
    return found[:ACTIVITIES_LIMIT]


def _activity(item: str) -> dict[str, object] | None:
    said = spell_numbers(item.strip())
    m = _SCORED.fullmatch(said)
    if m and not _MEASURE.match(m["after"]):
        name = _strip(m["before"]) or _strip(m["after"])
        if _LETTER.search(name) and len(name) > 1:
            return {"activity": name, "score": int(m["score"])}
    name = _strip(item)
    return {"activity": name} if len(_LETTER.findall(name)) > 2 else None


def _strip(words: str) -> str:
    words = words.strip(" \t.,;:!?-()")
    while (shorter := _FILLER.sub("", words).strip()) != words:
        words = shorter
    return words


def _only_no(plain: str) -> bool:
    return yes_or_no(plain) is False and len(plain.split()) <= 3
