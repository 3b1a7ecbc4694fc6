"""Reads pain scores (NPRS, 0-10) from what a patient says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ._lexicon import phrase_groups, word_lists
from ._text import corrected

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
# "day 1", the ends of the scale and differences are no scores.
_NOT_SCORES = re.compile(
    rf"{_SCALE.pattern}|\b(?:day|week|month|session|visit) (?:1|0)\b"
    r"|\b\d (?:points? )?(?:better|worse|less|more|higher|lower|up|down) (?:th[ae]n|on)\b"
)
_NOT_A_SCORE = re.compile(rf" ?-?{_UNITS}| ?/ ?7\b")
_SCORE = re.compile(
    rf"(?P<low>{_N})(?: ?(?:-|to|[.,]? or|maybe|/(?! ?10)|,|and|or maybe|maybe even|or even|possibly|sometimes|"
    r"verging on|pushing)+ ?"
    rf"(?:an? |maybe |even |possibly |about )?(?P<high>{_N}))?(?: ?(?:ish|ishs))?(?: ?(?P<of>/|out of|of|"
    rf"on) ?(?P<scale>10{{1,2}})\b| (?P<of5>out of) (?:a )?5\b)?"
    r"(?P<percent> ?(?:%|percent))?"
)
_NEVER = r"(?:no|never|nothing|rarely|not|wasnt|isnt|doesnt|hasnt|dont|didnt|wouldnt|wont|cant|hardly)"
_CAPPED = re.compile(rf"\b{_NEVER}\b[a-z ]*\b(?:th[ae]n|over|above|under|below|past|beyond) (?:an? )?$")
_BELOW = re.compile(r"\b(?:not even|less th[ae]n|under|below|just under|lower th[ae]n|not quite) (?:an? )?$")
_ABOVE = re.compile(r"\b(?:more th[ae]n|over|above|higher th[ae]n|worse th[ae]n|north of) (?:an? )?$")
_DENIED = re.compile(r"\b(?:not|isnt|wasnt) (?:quite |really |exactly )?(?:an? )?$")
_NEARLY = re.compile(
    r" (?:but|though) (?:its |it is |was |very |pretty )*(?:close|near|nearly|almost|not far|just under)\b"
)
# From then to now: "down from 7 to 6", "gone up to 8 from 5".
_MOVED = re.compile(
    r"\b(?:down|up|gone|went|dropped|come|came|moved|improved|fallen|risen|reduced|climbed) (?:\w+ )?"
    rf"from (?:an? |about )*(?P<then>{_N}) (?:down |up )?to (?:an? |about )*(?P<now>{_N})"
    rf"|\b(?:up|down|dropped|risen|gone) to (?:an? |about )*(?P<now2>{_N}) from (?:an? |about )*(?P<then2>{_N})"
)
# One score told by another: "two points worse than today, today im a 4", "half of what it was, was an 8".
_REFERENCE = (
    r"(?P<start>(?:what it was )?when (?:i|we|it) (?:first )?(?:started|began)|(?:at )?the (?:start|beginning)|"
    r"before|day 1)"
    r"|(?P<now>(?:it is |its |i am |im )?(?:right )?(?:now|today)|(?:what )?(?:it is|its|im at|i am)(?: now)?)"
    r"|(?:what )?it (?:was|used to be)|(?:an? )?(?=\d)"
)
_RELATIVE = re.compile(
    r"(?:\b(?P<by>\d) (?:points? )?(?:less|lower|better|worse|higher|more|above|below|up|down)(?: (?:than|from|on))?"
    r"|\b(?:dropped|fallen|fell|gone down|come down|risen|gone up) (?:by )?(?P<by2>\d)(?: points?)? from"
    rf"|\b(?P<times>half|twice|double)(?: of)?) (?:{_REFERENCE})"
)
_SAME_AS_THEN = re.compile(
    rf"\bsame (?P<n>{_N}) (?:as|like) (?:at |on |when )?(?:the |i )?(?:day 1|start\w*|beginning|began|before)"
)
_IN_ORDER = re.compile(
    r"(?:10|\d)(?: ?(?:/|out of) ?10)?(?:(?:, | |,? and |,? then |; )(?:10|\d)(?: ?(?:/|out of) ?10)?)+"
)
_THREE_TOGETHER = re.compile(r"(?:10|\d)(?: ?[/-] ?(?:10|\d)){2}")
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
    plain = corrected(plain)
    compared = _compared(plain, question)
    if compared:
        return compared, [(question, "worked_out")]
    scores = [*_scores(plain, question)] or [*_scores(plain, question, lenient=True)]
    if len(scores) == 1:
        # "a good day, so 2": a lone number answers, whatever day it is said of.
        scores = [replace(scores[0], role=_kept(scores[0].role))]
    elif all(s.role == "ignore" for s in scores):
        scores = [replace(s, role=None) for s in scores]
    scores = [s for s in scores if s.role != "ignore"]
    if not scores:
        return _vague(plain, question)
    answers, doubts = _settled(scores, question)
    if question not in answers and len(answers) == 1 and len(scores) == 1:
        # A lone number answers the question, whatever word stands beside it: "at worst" after "pain now?" is rare.
        only = next(iter(answers))
        answers = {question: answers[only]} if _weak_role(plain, question) else answers
    return answers, doubts


def _settled(scores: list[Score], question: str) -> tuple[dict[str, int], Doubts]:
    """Return one number for each question that the scores are about, with the doubts to say back."""
    answers: dict[str, int] = {}
    doubts: Doubts = []
    for role in PAIN:
        mine = [s for s in scores if s.role == role] or [s for s in scores if s.role is None and role == question]
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
    if question != "pain_worst" and answers.get("pain_worst", 10) < answers.get("pain_now", 0):
        # A worst below the present pain was no worst: "mornings 3, usually 4".
        del answers["pain_worst"]
    return answers, doubts


def _compared(plain: str, question: str) -> dict[str, int]:
    """Return the answers of a score told by another: "one less than when I started, that was 6"."""
    same = _SAME_AS_THEN.search(plain)
    if same and question != "pain_worst":
        return {name: settle(float(same["n"]), float(same["n"]), name) for name in ("pain_now", "pain_start")}
    moved = _MOVED.search(plain)
    if moved and question != "pain_worst":
        value = (moved["now"] or moved["now2"]) if question == "pain_now" else (moved["then"] or moved["then2"])
        return {question: settle(float(value), float(value), question)}
    m = _RELATIVE.search(plain)
    other = re.search(_N, plain[m.end() :]) if m else None
    if m is None or other is None:
        return {}
    base, by = float(other[0]), float(m["by"] or m["by2"] or 0)
    if m["times"]:
        value = base / 2 if m["times"] == "half" else base * 2
    else:
        value = base - by if re.search("less|lower|better|below|down|dropped|fell|fallen", m[0]) else base + by
    reference = "pain_start" if m["start"] else "pain_now" if m["now"] else None
    answers = {question: settle(value, value, question)}
    return answers | ({reference: settle(base, base, reference)} if reference and reference != question else {})


def volunteered_pain(plain: str) -> dict[str, int]:
    """Return NPRS answers that a message gives unasked: the number must stand beside the word pain or its like."""
    if phrase_groups("_pain").find_group("upside_down", plain):
        return {}
    answers: dict[str, int] = {}
    for score in _scores(plain, "pain_now"):
        left = plain[max(0, score.start - 30) : score.start]
        right = plain[score.end : score.end + 25]
        scaled = re.search(r"(?:/|out of|of) ?10$", plain[score.start : score.end].strip())
        if _BESIDE_PAIN.search(left) or (scaled and re.match(r" ?(?:for )?(?:the )?pain\b", right)):
            role = score.role if score.role in PAIN else "pain_now"
            answers.setdefault(role, settle(score.low, score.high, role))
    return answers


def scores_in_order(plain: str) -> list[int]:
    """Return the scores of a message that is nothing but scores, "4, 6, 8"; empty for a range or anything else."""
    said = plain.strip(" .,!")
    if not (_IN_ORDER.fullmatch(said) or _THREE_TOGETHER.fullmatch(said)):
        return []
    scores = [int(n) for n in re.findall(r"\d+", re.sub(r" ?(?:/|out of) ?10\b(?!/)", "", said))]
    return scores if max(scores) <= 10 else []


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


def _scores(plain: str, question: str, lenient: bool = False) -> Iterator[Score]:
    text = _NOT_SCORES.sub(lambda m: " " * len(m.group()), plain)
    for m in _SCORE.finditer(text):
        if _NOT_A_SCORE.match(text, m.end()) or _counts_something(text, m, lenient):
            continue
        low, high = _value(m["low"], m), _value(m["high"] or m["low"], m)
        if m["high"] and high < low and high != 10 and m["of"] is None and "/" in m.group():
            continue
        left, over = text[: m.start()], max(low, high) > 10
        if _DENIED.search(left):
            if re.search(r"\d", text[m.end() :]):
                continue
            low = high = high - 1 if _NEARLY.match(text, m.end()) else high
        if _CAPPED.search(left):
            pass
        elif _BELOW.search(left):
            low = high = max(0.0, math.ceil(low) - 1)
        elif _ABOVE.search(left):
            low = high = low + 1
        role = _role(text, m.start(), m.end(), question)
        yield Score(min(low, high), max(low, high), m.start(), m.end(), role, over)


def _value(said: str, m: re.Match[str]) -> float:
    value = float(said)
    if m["scale"] == "100" or (m["percent"] and value > 10):
        return value / 10
    if m["of5"] and value <= 5:
        return value * 2
    if m["scale"] is None and 20 < value < 100 and value % 5 == 0:
        return value / 10
    return value


def _counts_something(text: str, m: re.Match[str], lenient: bool) -> bool:
    """Tell whether the number is of things, "2 kids", not a score; `lenient` minds plurals only."""
    after = re.match(r" ([a-z]+)", text[m.end() :])
    if after is None or m["scale"] or m["of5"] or m["percent"] or after[1] in word_lists()["after_a_score"]:
        return False
    return after[1].endswith("s") if lenient else not _ANOTHER_TIME.match(after[1])


def _role(text: str, start: int, end: int, question: str) -> str | None:
    """Return the question that the words nearest to a number point to; a weak word counts for its own question only."""
    left, right = _clause(text, start, end)
    groups = phrase_groups("_pain")
    near: list[tuple[bool, int, str]] = []
    for group in _ROLES:
        role = group.removesuffix("_weak")
        for a, b in groups.spans(group, text[left:right]):
            before = left + b <= start
            distance = start - (left + b) if before else left + a - end
            weak = group != role
            near.append((weak, distance, role if not weak or role == question else "ignore"))
    return min(near, key=lambda entry: entry[:2])[2] if near else None


_ROLES = ("ignore", *PAIN, "pain_now_weak", "pain_worst_weak", "pain_start_weak")


def _clause(text: str, start: int, end: int) -> tuple[int, int]:
    """Bounds of the stretch about one number: up to the next number, comma or "but"."""
    cuts = [m.end() for m in _CUT_BEFORE.finditer(text, 0, start)]
    left = cuts[-1] if cuts else 0
    after = _CUT_AFTER.search(text, end)
    right = after.start() if after else len(text)
    if after and after[0].isdigit():
        # "bad days 8 good days 3": where the words come first, those after a number are of the next one.
        groups = phrase_groups("_pain")
        if any(groups.find_group(role, text[left:start]) for role in _ROLES):
            right = end
    return left, right


_CUT_BEFORE = re.compile(r"[,.;!?] |\b(?:but|and|then|now its)\b|\d+(?:\.\d+)?")
_CUT_AFTER = re.compile(
    r"[,.;!?] |\b(?:but|and|then|to)\b ?(?=[^.;]*\d)|\bnow (?=(?:its |it is |im |an? |at |more |about |like )*\d)|\d"
)
_ANOTHER_TIME = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekends?|mornings?|evenings?|afternoons?|other(?:wise)?|once|twice"
)


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
