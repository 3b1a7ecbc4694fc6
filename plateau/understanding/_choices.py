"""Reads an answer of which there is one: a choice."""

from __future__ import annotations

import re

from ._lexicon import Lexicon, Match, lexicons, phrase_groups
from ._numbers import scale_of_ten

_YES = re.compile(
    r"^(?:oh |um |er |well |i think |i guess |hmm )*(?:yes|yeah|yea|yep|yup|ya|yh|ye|aye|yess|si|y|sure|"
    r"correct|definitely|absolutely|of course|for sure|"
    r"indeed|affirmative|unfortunately yes|afraid so|i think so|it does|it is|i do|i am|i have|they do|i "
    r"did|true|uh huh|mhm|certainly|totally|sadly)\b"
)
_NO = re.compile(
    r"^(?:oh |um |er |well |i think |i guess |hmm |god |hell |lord )*(?:no|nope|nah|naw|na|negative|not "
    r"really|not at all|never|none|definitely not|absolutely not|"
    r"of course not|i dont think so|dont think so|i do not|i dont|it doesnt|it isnt|i havent|i didnt|im "
    r"not|i am not|not me|not that i know|no way|nay|n)\b"
    r"(?! idea| clue| problems?\b| worries| (?:want|wanna|wish|like|care|feel like) | (?:1|one) | but| sure)"
)
_DENIAL = re.compile(
    r"\b(?:not|never|no|isnt|arent|wasnt|dont|doesnt|didnt|havent|hasnt|cant|wont|hardly|aint|nor|neither|"
    r"nothing|without|werent)"
    r"(?: (?:really|ever|had|having|needed|very|too|that|so|much|all|a|an|the|been|feel|feeling|particularly|at|even|"
    r"exactly|quite|getting|any|in|is|it|any|to|more|overly|entirely|totally|my|have|got|be))*$"
)
WORDS_AFTER_YES = 3
_FILLERS = frozenset(
    """
    i im a an the and so well um er oh ok okay guess think then thanks thank you please it its is thats that this with
    me my by to do can may will be go ahead sure of just really very in on for all yes no
    """.split()
)
SCALES = {
    "stress": ((3.5, "low"), (6.5, "moderate"), (99, "high")),
    "confidence": ((3.5, "low"), (6.5, "moderate"), (99, "high")),
    "sleep": ((3.5, "poor"), (6.5, "fair"), (99, "good")),
    "nutrition": ((3.5, "poor"), (6.5, "fair"), (99, "good")),
    "mood": ((5.5, "low"), (99, "good")),
    "effort": ((3.5, "too_easy"), (7.5, "about_right"), (99, "too_hard")),
}
_HOURS = re.compile(
    r"\b(?P<low>\d{1,2}(?:\.\d)?)(?: ?(?:-|to|or|maybe|/) ?(?P<high>\d{1,2}(?:\.\d)?))?(?: ?ish)? "
    r"?(?:hours?|h)?\b(?! ?(?:times|x|nights|weeks|months|years|am|pm|/|out|days|of))"
)
_PERCENT = re.compile(r"\b(\d{1,3}) ?(?:%|percent)")
_BARE_NUMBER = re.compile(r"(?:about |around |maybe |a |im |like |say |probably )*(\d{1,2}(?:\.\d)?)(?: ?ish)?")


def read_choice(plain: str, question: str) -> str | None:
    """Return the value of a choice that was asked for, or None."""
    lexicon = lexicons()[lexicon_of(question)]
    scaled = _by_scale(plain, question)
    if scaled:
        return scaled
    if lexicon.yes in ("yes", "fits", "high") and lexicon.kind == "choice" and question not in SCALES:
        led = _by_lead(plain, lexicon)
        if led:
            return led
    found = _values(plain, lexicon, lexicon.asked.find(plain))
    if found:
        return _settle(found, lexicon)
    if question == "sleep" and len(plain.split()) <= 6 and (hours := _by_hours(plain)):
        return hours
    if lexicon.yes and _YES.match(plain):
        return lexicon.yes
    if lexicon.no and _NO.match(plain):
        return lexicon.no
    return None


def is_the_point(plain: str, span: tuple[int, int]) -> bool:
    """Tell whether the words of `span` are the point of a message: it begins with them, or they are half of it."""
    before, inside = plain[: span[0]].split(), plain[span[0] : span[1]].split()
    weighty = [word for word in plain.split() if word.strip(".,!?") not in _FILLERS]
    return not [word for word in before if word.strip(".,!?") not in _FILLERS] or 2 * len(inside) >= len(weighty)


def decides(plain: str, question: str) -> bool:
    """Tell whether a message is about a yes or no and nothing else, so that it may stand for a decision."""
    spans = [(m.start, m.end) for m in lexicons()[question].asked.find(plain)]
    led = _YES.match(plain) or _NO.match(plain)
    if led:
        spans.append(led.span())
    rest = plain
    for start, end in sorted(spans, reverse=True):
        rest = f"{rest[:start]} {rest[end:]}"
    left = [word for word in rest.split() if word.strip(".,!?") not in _FILLERS]
    return bool(spans) and len(left) <= (WORDS_AFTER_YES if led else 0)


def volunteered_choice(plain: str, question: str) -> str | None:
    """Return the value of a choice that a message gives unasked, or None."""
    lexicon = lexicons()[question]
    found = _values(plain, lexicon, lexicon.unasked.find(plain))
    return _settle(found, lexicon) if found else None


def yes_or_no(plain: str) -> bool | None:
    """Return what a message says that begins with a yes or a no, else None."""
    if _NO.match(plain):
        return False
    return True if _YES.match(plain) else None


def lexicon_of(question: str) -> str:
    return "body_region" if question == "hurts_at" else question


def _by_lead(plain: str, lexicon: Lexicon) -> str | None:
    said = yes_or_no(plain)
    if said is None:
        return None
    others = [m.value for m in lexicon.asked.find(plain) if m.value not in (lexicon.yes, lexicon.no)]
    if others:
        return None
    return lexicon.yes if said else lexicon.no


def _values(plain: str, lexicon: Lexicon, matches: list[Match]) -> list[str]:
    values = []
    for m in matches:
        if not denied(plain, m):
            values.append(m.value)
        elif m.value in lexicon.when_denied:
            values.append(lexicon.when_denied[m.value])
    return values


def denied(plain: str, m: Match) -> bool:
    """Tell whether what stands before a match in its clause denies it."""
    return bool(_DENIAL.search(_clause_before(plain, m.start)))


def _clause_before(plain: str, start: int) -> str:
    left = max(
        plain.rfind(mark, 0, start) + len(mark) if mark in plain[:start] else 0
        for mark in (". ", ", ", "; ", "! ", "? ", "but ")
    )
    return plain[left:start].strip()


def _settle(values: list[str], lexicon: Lexicon) -> str:
    said = set(values)
    for mixed, (some, others) in lexicon.mixed.items():
        if said & some and said & others:
            return mixed
    return next((value for value in lexicon.prefer if value in said), values[0])


def _by_scale(plain: str, question: str) -> str | None:
    bounds = SCALES.get(question)
    if bounds is None:
        return _progress_percent(plain) if question == "progress" else None
    score = scale_of_ten(plain)
    if score is None and question != "sleep":
        bare = _BARE_NUMBER.fullmatch(plain)
        score = float(bare[1]) if bare and float(bare[1]) <= 10 else None
    if score is None:
        percent = _PERCENT.search(plain)
        score = float(percent[1]) / 10 if percent and question in ("confidence", "stress") else None
    return None if score is None else next(value for bound, value in bounds if score < bound)


def _progress_percent(plain: str) -> str | None:
    percent = _PERCENT.search(plain)
    if percent is None:
        return None
    share = float(percent[1])
    if phrase_groups("_progress").find_group("worse", plain):
        return "much_worse" if share >= 50 else "a_bit_worse"
    return "same" if share == 0 else "much_better" if share >= 60 else "a_bit_better"


def _by_hours(plain: str) -> str | None:
    m = _HOURS.search(plain)
    if not m:
        return None
    hours = (float(m["low"]) + float(m["high"] or m["low"])) / 2
    if hours > 14:
        return None
    return "good" if hours >= 7 else "fair" if hours >= 6 else "poor"


def pick_region(plain: str, matches: list[Match]) -> str | None:
    """Return the region of the trouble: the one stressed, else the first named that is not denied or only treated."""
    kept = [m for m in matches if not denied(plain, m)]
    groups = phrase_groups("_regions")
    kept = [m for m in kept if not _beside(groups.spans("only_treated", plain), m)] or kept
    stressed = [m for m in kept if _beside(groups.spans("stressed", plain), m)]
    chosen = stressed or kept
    if any(m.value == "widespread" for m in kept):
        return "widespread"
    return chosen[0].value if chosen else None


def _beside(spans: list[tuple[int, int]], m: Match) -> bool:
    return any(a <= m.start and m.end <= b for a, b in spans)
