"""Keeps the patient's own words: diagnosis, better, worse, goal, and activities with their scores (PSFS)."""

from __future__ import annotations

import re

from ._choices import yes_or_no
from ._digressions import whole_digression
from ._lexicon import phrase_groups
from ._text import Text, spell_numbers

TEXTS = ("diagnosis_given", "better", "worse", "goal")
ACTIVITIES_LIMIT = 3

_LETTER = re.compile(r"[^\W\d_]")
_OK = re.compile(r"(?:ok|okay)[ .,!]*")
_ITEM = re.compile(r"\s*(?:[,;\n]|\.\s|\band\b(?=[^,;\n]*\d)|\bthen\b|\bplus\b|&|\+)\s*", re.IGNORECASE)
_SCORE = re.compile(
    r"[\s:=(\-]*(?<![\w.])(?P<score>10|\d)(?![\w.]*\w)(?:\s*(?:/|out of|of)\s*10)?"
    r"(?!\s*(?:min|hour|mile|km|step|stair|kg|lb|metre|meter|flight|year|day|week|kid|time))[\s)]*",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"^(?:for|n|is|are|im|i'm|about|at|a|like|maybe|id say|i'd say|probably|say|would be|its|it's|-|:|to|"
    r"around)\s+|\s+(?:is|are|im|i'm|about|at|a|like|maybe|id say|i'd say|probably|say|would be|its|it's|"
    r"-|:|=|around)$",
    re.IGNORECASE,
)


def read_free(text: Text, question: str) -> str | None:
    """Return the patient's words as the answer to a question of TEXTS, `not_told` for a denied diagnosis, or None."""
    if not _LETTER.search(text.raw) or _only_yes(text.plain):
        return None
    if question == "diagnosis_given":
        told = not phrase_groups("_diagnosis").find_group("not_told", text.plain) and not _only_no(text.plain)
        return text.raw if told else "not_told"
    # Nothing is better, nothing is worse; but "no" is no goal.
    return None if question == "goal" and whole_digression(text.plain) == "deny" else text.raw


def read_activities(text: Text) -> list[dict[str, object]]:
    """Return the activities named, with their 0-10 scores where said: all of them, of which three can be kept."""
    if whole_digression(text.plain) == "deny" or _only_yes(text.plain) or phrase_groups("_brief").whole(text.plain):
        return []
    found: dict[str, dict[str, object]] = {}
    for item in _ITEM.split(text.raw):
        for entry in _activities(item):
            found.setdefault(str(entry["activity"]), entry)
    return list(found.values())


def _activities(item: str) -> list[dict[str, object]]:
    """Return the activities of a stretch without commas: "stairs 3 running 2", "4 for walking", "running 5k"."""
    said = spell_numbers(item.strip())
    scores = list(_SCORE.finditer(said))
    # What stands before the first number has it; only where nothing does, the names follow their numbers.
    leads = bool(scores) and not _LETTER.search(said[: scores[0].start()])
    starts, ends = [0, *(m.end() for m in scores)], [*(m.start() for m in scores), len(said)]
    names = [_strip(said[start:end]) for start, end in zip(starts, ends, strict=True)][leads:]
    scored: list[dict[str, object]] = [
        {"activity": name, "score": int(m["score"])}
        for name, m in zip(names, scores, strict=False)
        if _LETTER.search(name) and len(name) > 1
    ]
    if scored:
        return scored
    name = _strip(item)
    return [{"activity": name}] if len(_LETTER.findall(name)) > 2 else []


def _strip(words: str) -> str:
    words = words.strip(" \t.,;:!?-()")
    while (shorter := _FILLER.sub("", words).strip()) != words:
        words = shorter
    return words


def _only_no(plain: str) -> bool:
    return yes_or_no(plain) is False and len(plain.split()) <= 3


def _only_yes(plain: str) -> bool:
    return (yes_or_no(plain) is True and len(plain.split()) <= 2) or bool(_OK.fullmatch(plain))
