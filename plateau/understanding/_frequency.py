"""Reads how many days a week: done and prescribed home exercise."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._lexicon import phrase_groups

DAYS = ("hep_days_done", "hep_days_prescribed")
Doubts = list[tuple[str, str]]

_N = r"(?<![\w.])\d{1,3}(?:\.\d+)?"
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAME = re.compile(rf"\b({'|'.join(_NAMES)})s?\b")
# What was done once is not what is done: "used to be daily, now maybe once a week".
_NO_LONGER = re.compile(
    r"\b(?:used to|was|did|at first|at the start|initially|started)\b.*?\b(?:but now|now|these days|"
    r"nowadays|lately|then)\b"
)
_DAY_LIST = re.compile(rf"\b((?:{'|'.join(_NAMES)})s?), ")
_AS_I_SHOULD = re.compile(r" as (?:i|we) (?:should|ought to|am supposed to|was told)\b")
_NAME_RANGE = re.compile(rf"\b({'|'.join(_NAMES)})s? ?(?:to|-|through|thru|till|until) ?({'|'.join(_NAMES)})s?\b")
_OUT_OF = re.compile(
    rf"(?P<done>{_N})(?: ?(?:-|to|or|maybe) ?(?P<high>{_N}))?(?: days?| times?)? ?(?:/|out of|outta|of)(?: "
    r"the| every| a| my| those)? ?(?P<of>[1-7])\b(?! ?(?:exercises|weeks))"
)
_PER_DAY = re.compile(
    r"(?:\d+ ?x?|once|twice|thrice|three times|several times|a few times|couple of times) ?(?:times? "
    r"?)?(?:a|per|each|every|/) ?(?:single )?day\b|\b\d+ (?:minutes|hours?) (?:a|per|each|every) day"
)
_COUNT = re.compile(
    rf"(?P<low>{_N})(?: ?(?:-|to|or|maybe|or maybe|/|,) ?(?P<high>{_N}))?(?: ?ish)?(?: ?x)?(?P<unit> "
    r"?(?:full |whole |good |solid )?(?:days?|times?|nights|mornings|evenings|goes|sessions))?(?P<week> "
    r"?(?:a|per|each|every|in a|in the|/|of the|out of the|this|last|x)? ?week\b| weekly)?"
)
_MISS = re.compile(
    r"\b(?:miss(?:ed|es|ing)?|skip(?:ped|s|ping)?|forgot|forget|drop(?:ped)?) (?:only |about |maybe |just "
    rf"|like |out on |at most |the |odd )*(?P<n>{_N}|a|the odd|a couple of|a couple|a few|once|twice)(?: "
    rf"?(?:-|to|or) ?(?P<high>{_N}))?(?: days?| times?| now| session|\b)"
)
_EXCEPT = re.compile(
    r"\b(?:except|bar|apart from|but not|other than|minus|not on|not|excluding|besides|off on|rest on|"
    r"skip|aside from|save for)\b(?: for| on| the| my| at)*(?P<what>[^.;]*)"
)
_EVERY_N = re.compile(
    r"\bevery (?:(?P<n>\d)(?:rd|th|nd)?|second|third|fourth|2nd|3rd|other) ?(?:or (?:so|\d) ?)?days?\b"
)
_PERCENT = re.compile(r"(?P<n>\d{1,3})(?: ?(?:-|to|or) ?(?P<high>\d{1,3}))? ?(?:%|percent)")
_SPLIT = re.compile(
    r"[,;.!?] | (?=(?:but|though|although|yet|however)\b)|(?<!^) (?=(?:i (?:do|did|manage|get|only|"
    r"probably|usually|actually|mostly|can|reckon|managed|average|end up|think i)|actually|realistically|"
    r"in reality|truthfully|honestly|more like|really its|reality)\b)"
)
_NOT_DAYS = re.compile(
    r" ?(?:weeks?|months?|years?|minutes?|hours?|reps?|sets?|exercises|different|kids?|seconds?|am\b|pm\b|"
    r"oclock|of them|stretches|jobs|people|children|mins?|year)"
)


@dataclass(frozen=True, slots=True)
class Often:
    """Days a week said in one stretch; `of` is the prescribed number where "3 out of 5" gives it."""

    days: float
    of: float | None = None
    doubt: str | None = None


def read_days(plain: str, question: str) -> tuple[dict[str, float | int], Doubts]:
    """Return days a week done and prescribed in `plain` when `question` (one of DAYS) was asked."""
    groups = phrase_groups("_frequency")
    if groups.find_group("no_programme", plain):
        return {"hep_days_prescribed": 0}, []
    answers: dict[str, float | int] = {}
    doubts: Doubts = []
    role = question
    plain = _NO_LONGER.sub("", plain) if _NO_LONGER.search(plain) else plain
    for stretch in _SPLIT.split(_DAY_LIST.sub(r"\1 ", _AS_I_SHOULD.sub("", plain))):
        if groups.find_group("prescribed", stretch):
            role = "hep_days_prescribed"
        elif groups.find_group("done", stretch) or (
            role != question and question == "hep_days_done" and role in answers
        ):
            role = "hep_days_done"
        said = often(stretch, role)
        if said is None:
            continue
        if said.of is not None:
            answers.setdefault("hep_days_done", _tidy(said.days))
            answers.setdefault("hep_days_prescribed", _tidy(said.of))
        elif role not in answers:
            answers[role] = _tidy(said.days)
        if said.doubt and role == question:
            doubts.append((role, said.doubt))
    whole = often(plain, question)
    if "hep_days_prescribed" not in answers and whole is not None and whole.of is None and _EXCEPT.search(plain):
        answers = {question: _tidy(whole.days)}
    return answers, doubts


def volunteered_days(plain: str) -> dict[str, float | int]:
    """Return days a week that a message gives unasked: it must name the exercises and how often."""
    groups = phrase_groups("_frequency")
    answers: dict[str, float | int] = {}
    for stretch in re.split(r"[,;.!?] | (?=but )| and (?=(?:its|my|the|i)\b)", plain):
        if not groups.find_group("exercises", stretch) or groups.find_group("not_volunteered", stretch):
            continue
        role = "hep_days_prescribed" if groups.find_group("prescribed", stretch) else "hep_days_done"
        said = often(stretch, role, firm=True)
        if said is not None and said.doubt is None:
            answers.setdefault(role, _tidy(said.days))
            if said.of is not None:
                answers.setdefault("hep_days_prescribed", _tidy(said.of))
    return answers


def often(stretch: str, role: str = "hep_days_done", firm: bool = False) -> Often | None:
    """Return how often one stretch of text says, or None; `firm` leaves out bare numbers and vague words."""
    out_of = _OUT_OF.search(stretch)
    if out_of and float(out_of["done"]) <= float(out_of["of"]):
        high = float(out_of["high"] or out_of["done"])
        return Often((float(out_of["done"]) + high) / 2, float(out_of["of"]), "range" if out_of["high"] else None)
    for reading in (_by_exception, _by_name, _by_count, _by_every_n, _by_percent):
        found = reading(stretch, firm)
        if found is not None:
            return found
    return _by_words(stretch, firm)


def _by_exception(stretch: str, firm: bool) -> Often | None:
    missed = _MISS.search(stretch)
    if missed and not re.search(r"\b(?:never|not|dont|didnt|havent|hasnt)\b", stretch[: missed.start()]):
        low = {
            "a": 1.0,
            "the odd": 1.0,
            "a couple": 2.0,
            "a couple of": 2.0,
            "a few": 3.0,
            "once": 1.0,
            "twice": 2.0,
        }.get(missed["n"])
        if low is None:
            low = float(missed["n"])
        high = float(missed["high"]) if missed["high"] else low
        return Often(7 - (low + high) / 2) if high <= 7 else None
    exempt = _EXCEPT.search(stretch)
    if exempt:
        days = set(_NAME.findall(exempt["what"])) | (
            {"saturday", "sunday"} if re.search(r"\bweekends?\b", exempt["what"]) else set()
        )
        if days:
            return Often(7.0 - len(days))
        if re.search(r"\b(?:1|one|a) day\b", exempt["what"]):
            return Often(6.0)
        if re.search(r"\b(?:weekdays?|work ?days?|work)\b", exempt["what"]) and "every" in stretch:
            return Often(2.0)
    return None


def _by_name(stretch: str, firm: bool) -> Often | None:
    spread = _NAME_RANGE.search(stretch)
    if spread:
        first, last = _NAMES.index(spread[1]), _NAMES.index(spread[2])
        return Often(float((last - first) % 7 + 1))
    names = set(_NAME.findall(stretch))
    if names and re.search(r"\bsat\b", stretch):
        names.add("saturday")
    extra = 2 if re.search(r"\bweekends?\b", stretch) and not names & {"saturday", "sunday"} else 0
    return Often(float(min(7, len(names) + extra))) if names else None


def _by_count(stretch: str, firm: bool) -> Often | None:
    daily = _PER_DAY.search(stretch)
    words = phrase_groups("_frequency").only("days_").find(stretch)
    for m in _COUNT.finditer(stretch):
        if daily and m.start() < daily.end() and daily.start() < m.end():
            continue
        bare = m["unit"] is None and m["week"] is None
        if _NOT_DAYS.match(stretch, m.end()) or (bare and (firm or words)):
            continue
        if m["unit"] and m["unit"].strip() in ("times", "time", "sessions", "goes") and m["week"] is None and firm:
            continue
        if re.search(r"(?:every|last|past|for|number|the other|week) $", stretch[: m.start()]) and m["week"] is None:
            continue
        low = float(m["low"])
        high = float(m["high"]) if m["high"] else low
        if high < low:
            high = low
        if high > 7:
            if m["week"] and m["unit"] and "day" not in m["unit"]:
                return Often(7.0, doubt="over_7")
            continue
        if re.search(r"(?:less than|under|not even|fewer than) (?:a )?$", stretch[: m.start()]):
            low = high = max(0.0, low - 1)
        return Often((low + high) / 2, doubt="range" if high != low else None)
    return (
        Often(7.0)
        if daily and not re.search(r"\b(?:days a week|weekdays|weekends|most days|every other)\b", stretch)
        else None
    )


def _by_every_n(stretch: str, firm: bool) -> Often | None:
    m = _EVERY_N.search(stretch)
    if not m:
        return None
    gap = int(m["n"]) if m["n"] else 4 if "fourth" in m[0] else 3 if re.search("third|3rd", m[0]) else 2
    return Often(7 / gap if gap > 0 else 7.0) if gap != 3 else Often(2.0)


def _by_percent(stretch: str, firm: bool) -> Often | None:
    m = _PERCENT.search(stretch)
    if not m or firm:
        return None
    share = (float(m["n"]) + float(m["high"] or m["n"])) / 2
    return Often(float(round(7 * share / 100)), doubt="worked_out") if share <= 100 else None


def _by_words(stretch: str, firm: bool) -> Often | None:
    groups = phrase_groups("_frequency")
    found = groups.only("days_").find(stretch)
    if found:
        best = found[0].value.removeprefix("days_").replace("_", ".")
        return Often(float(best))
    vague = [] if firm else groups.only("vague_").find(stretch)
    return Often(float(vague[0].value.removeprefix("vague_").replace("_", ".")), doubt="vague") if vague else None


def _tidy(value: float) -> float | int:
    rounded = round(min(7.0, max(0.0, value)), 1)
    return int(rounded) if rounded == int(rounded) else rounded
