"""Reads pain scores (NPRS, 0-10) from what a patient says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ._lexicon import phrase_groups, word_lists

PAIN = ("pain_start", "pain_now", "pain_worst")
Doubts = list[tuple[str, str]]

_N = r"(?<![\w.])\d{1,3}(?:\.\d+)?"
_SCALE = re.compile(
    r"\b(?:on|from|out of|with|of)?(?: a| the)? ?(?:scale )?(?:of |from )?\(?[01] ?(?:to|-) ?10\b(?: "
    r"scale)?"
)
_UNITS = (
    r"(?:week|month|year|day|hour|minute|second|session|visit|appointment|time|mg|ml|kg|lb|stone|mile|km|metre|meter|"
    r"feet|foot|step|stair|rep|set|pm|am|oclock|st|nd|rd|th|x|kid|child|people|cm|inch|pound|tablet|pill|"
    r"percent of)s?\b"
)
_NOT_A_SCORE = re.compile(rf" ?-?{_UNITS}| ?/ ?7\b")
_SCORE = re.compile(
    rf"(?P<low>{_N})(?: ?(?:-|to|[.,]? or|maybe|/(?! ?10)|,|and|or maybe|maybe even|or even|possibly|sometimes|"
    r"verging on|pushing)+ ?"
    rf"(?:an? |maybe |even |possibly |about )?(?P<high>{_N}))?(?: ?(?:ish|ishs))?(?: ?(?P<of>/|out of|of|"
    rf"on|outta) ?(?P<scale>10{{1,2}})\b)?"
    r"(?P<percent> ?(?:%|percent))?"
)
_BELOW = re.compile(
    r"(?<!never )(?<!nothing )(?<!rarely )(?<!not )(?:not even|less than|under|below|just under|lower "
    r"than|not quite) (?:an? )?$"
)
_ABOVE = re.compile(
    r"(?<!never )(?<!nothing )(?<!rarely )(?<!not )(?:more than|over|above|higher than|worse than|north of) (?:an? )?$"
)
_BESIDE_PAIN = re.compile(
    r"\bpain(?:s| level| levels| score)?:? (?:(?:is|its|was|at|about|around|now|a|an|of|currently|today|"
    r"usually|still|rated|hits|"
    r"like|roughly|sits|been|level|worst)[ ,:]+)*$"
)


@dataclass(frozen=True, slots=True)
class Score:
    """One score or range said, with the place it was said at and the question its words point to."""

    low: float
    high: float
    start: int
    end: int
    role: str | None
    over_scale: bool


def read_pain(plain: str, question: str) -> tuple[dict[str, int], Doubts]:
    """Return NPRS answers and doubts in `plain` when `question` (one of PAIN) was asked."""
    if phrase_groups("_pain").find_group("upside_down", plain):
        return {}, [(question, "upside_down")]
    said = list(_scores(plain)) or list(_scores(plain, lenient=True))
    # "a good day, so 2": a lone number answers, whatever day it is said of.
    scores = (
        [s for s in said if s.role != "ignore"] if len(said) > 1 else [replace(s, role=_kept(s.role)) for s in said]
    )
    if not scores:
        return _vague(plain, question)
    answers: dict[str, int] = {}
    doubts: Doubts = []
    for role in PAIN:
        mine = [s for s in scores if (s.role or question) == role]
        if not mine:
            continue
        values = {settle(s.low, s.high, role) for s in mine}
        answers[role] = _one(values, role)
        if len(values) > 1:
            doubts.append((role, "two_numbers"))
        elif any(s.low != s.high for s in mine):
            doubts.append((role, "range"))
        if any(s.over_scale for s in mine):
            doubts.append((role, "over_scale"))
    if question not in answers and len(answers) == 1 and len(scores) == 1:
        # A lone number answers the question, whatever word stands beside it: "at worst" after "pain now?" is rare.
        only = next(iter(answers))
        answers = {question: answers[only]} if _weak_role(plain, question) else answers
    return answers, doubts


def volunteered_pain(plain: str) -> dict[str, int]:
    """Return NPRS answers that a message gives unasked: the number must stand beside the word pain or its like."""
    if phrase_groups("_pain").find_group("upside_down", plain):
        return {}
    answers: dict[str, int] = {}
    for score in _scores(plain):
        left = plain[max(0, score.start - 30) : score.start]
        right = plain[score.end : score.end + 25]
        scaled = re.search(r"(?:/|out of|of) ?10$", plain[score.start : score.end].strip())
        if _BESIDE_PAIN.search(left) or (scaled and re.match(r" ?(?:for )?(?:the )?pain\b", right)):
            role = score.role if score.role in PAIN else "pain_now"
            answers.setdefault(role, settle(score.low, score.high, role))
    return answers


def settle(low: float, high: float, role: str) -> int:
    """Return one NPRS integer for a range: the higher end for the worst pain, else the mean rounded up."""
    value = high if role == "pain_worst" else (low + high) / 2
    return max(0, min(10, math.ceil(value)))


def scale_of_ten(plain: str) -> float | None:
    """Return the x of "x/10" or "x out of 10" (mean of a range), else None."""
    found = next((m for m in _SCORE.finditer(plain) if m["scale"]), None)
    if found is None:
        return None
    low = float(found["low"])
    high = float(found["high"] or low)
    return (low + high) / 2 * 10 / float(found["scale"])


def _scores(plain: str, lenient: bool = False) -> Iterator[Score]:
    text = _SCALE.sub(lambda m: " " * len(m.group()), plain)
    for m in _SCORE.finditer(text):
        if _NOT_A_SCORE.match(text, m.end()) or _counts_something(text, m, lenient):
            continue
        low, high, over = _value(m["low"], m), _value(m["high"] or m["low"], m), False
        if m["high"] and high < low and high != 10 and m["of"] is None and "/" in m.group():
            continue
        if max(low, high) > 10:
            over = True
        left = text[: m.start()]
        if _BELOW.search(left):
            low = high = max(0.0, math.ceil(low) - 1)
        elif _ABOVE.search(left):
            low = high = low + 1
        yield Score(min(low, high), max(low, high), m.start(), m.end(), _role(text, m.start(), m.end()), over)


def _value(said: str, m: re.Match[str]) -> float:
    value = float(said)
    if m["scale"] == "100" or (m["percent"] and value > 10):
        return value / 10
    if m["scale"] is None and 20 < value < 100 and value % 5 == 0:
        return value / 10
    return value


def _counts_something(text: str, m: re.Match[str], lenient: bool) -> bool:
    """Tell whether the number is of things, "2 kids", not a score; `lenient` minds plurals only."""
    after = re.match(r" ([a-z]+)", text[m.end() :])
    if after is None or m["scale"] or m["percent"] or after[1] in word_lists()["after_a_score"]:
        return False
    return after[1].endswith("s") if lenient else True


def _role(text: str, start: int, end: int) -> str | None:
    left, right = _clause(text, start, end)
    groups = phrase_groups("_pain")
    best: tuple[int, str] | None = None
    for group in ("ignore", *PAIN):
        for at in groups.spans(group, text[left:right]):
            distance = start - (left + at[1]) if left + at[1] <= start else left + at[0] - end
            if best is None or distance < best[0]:
                best = (distance, group)
    return best[1] if best else None


def _clause(text: str, start: int, end: int) -> tuple[int, int]:
    """Bounds of the stretch about one number: up to the next number, comma or "but"."""
    before = [m.end() for m in re.finditer(r"[,.;!?] |\b(?:but|and|then|now its)\b|\d+(?:\.\d+)?", text[:start])]
    after = re.search(r"[,.;!?] |\b(?:but|and|then|to|now)\b ?(?=[^.;]*\d)|\d", text[end:])
    return (before[-1] if before else 0), (end + after.start() if after else len(text))


def _one(values: set[int], role: str) -> int:
    return max(values) if role != "pain_now" else min(values)


def _kept(role: str | None) -> str | None:
    return None if role == "ignore" else role


def _weak_role(plain: str, question: str) -> bool:
    return not phrase_groups("_pain").find_group("firm", plain) or question == "pain_worst"


def _vague(plain: str, question: str) -> tuple[dict[str, int], Doubts]:
    found = phrase_groups("_pain").only("band").find(plain)
    if not found:
        return {}, []
    bands = [int(m.value.removeprefix("band_")) for m in found]
    value = max(bands) if question == "pain_worst" else bands[0]
    exact = value in (0, 10)
    return {question: value}, [] if exact else [(question, "vague")]
