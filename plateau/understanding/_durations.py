"""Reads lengths of time (in weeks) and numbers of visits, and which question each belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ._lexicon import phrase_groups

WEEKS = ("weeks_in_pt", "weeks_with_problem", "recent_surgery_weeks", "unchanged_weeks")
TIME = (*WEEKS, "sessions")
Doubts = list[tuple[str, str]]

PER_UNIT = {
    "hour": 1 / 168,
    "day": 1 / 7,
    "week": 1.0,
    "fortnight": 2.0,
    "month": 52 / 12,
    "year": 52.0,
    "decade": 520.0,
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The middle of a season, as a month number.
SEASONS = {
    "spring": 4, "summer": 7, "autumn": 10, "fall": 10, "winter": 1, "christmas": 12, "xmas": 12,
    "new year": 1, "easter": 4, "thanksgiving": 11, "halloween": 10,
}  # fmt: skip

_N = r"(?<![\w.])\d{1,4}(?:\.\d+)?"
_FEW = {
    "a": 1, "an": 1, "another": 1, "a couple of": 2, "a couple": 2, "couple of": 2, "couple": 2, "a few": 3, "few": 3,
    "several": 5, "half a": 0.5, "half": 0.5, "a good few": 5, "a good": 1, "a whole": 1, "a solid": 1, "1 whole": 1,
    "quite a few": 5, "the best part of a": 1, "about a": 1, "1 and a half": 1.5, "last": 1, "this": 1, "many": 10,
    "the last": 1, "the past": 1, "past": 1, "a quarter of a": 0.25, "three quarters of a": 0.75,
}  # fmt: skip
_UNIT = r"(?:hour|day|week|fortnight|month|year|decade)s?\b"
_SPAN = re.compile(
    rf"(?:(?P<low>{_N})(?: ?(?:-|to|or|and|maybe|or maybe|/) ?(?P<high>{_N}))?|"
    rf"(?P<few>\b(?:{'|'.join(sorted(_FEW, key=len, reverse=True))}))"
    r"|(?P<bare>\b(?:for|these|been|in|since|ages|about|of)?)) ?(?:ish |plus |\+ |odd |long |or so |solid "
    r"|full |good |whole |more )?"
    rf"(?P<unit>{_UNIT})(?P<half> and a half)?(?P<ish> ?ish)?"
    rf"(?:(?: and)? (?P<more>\d{{1,2}}|a|a few|a couple of) (?P<unit2>{_UNIT}))?"
)
_OF_THEM = re.compile(
    rf"(?P<n>{_N}) of (?:them|those|these|that|which)\b|(?:physio|pt|rehab|therapy) for (?:about |the last "
    rf")?(?P<n2>{_N})(?![\d.]| ?{_UNIT})"
)
_SINCE = re.compile(
    r"\b(?:since|from|started (?:back )?in|began in|back in|it was|was in|in|starting|start of|end of|"
    r"beginning of|mid|early|late)"
    r" (?:about |around |roughly |early |late |mid |the start of |the end of |the beginning of |the |like "
    r"|maybe |sometime in |last |this )*"
    rf"(?P<name>(?:{'|'.join(MONTHS)})[a-z]*|{'|'.join(SEASONS)})\b(?: the)?(?: of)?(?: "
    r"last)?(?P<lastyear> last year| year before last)?(?: (?P<year>(?:19|20)\d\d))?"
)
_MONTH_ALONE = re.compile(
    r"\b(?:(?P<day>\d{1,2})(?:st|nd|rd|th)? (?:of )?)?"
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|april|june|july|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b"
    r"(?: (?P<year>(?:19|20)\d\d))?"
)
_LAST = re.compile(
    r"\blast (?P<name>week|month|year|spring|summer|autumn|fall|winter|christmas|easter|"
    + "|".join(f"{m}[a-z]*" for m in MONTHS)
    + r")\b"
)
_YEAR = re.compile(r"\b(?:since|in|from|back in|around|about) (?P<year>(?:19|20)\d\d)\b")
_MONTH_WORD = re.compile(
    r"^(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)$"
)
_VISIT = (
    r"(?:visits?|sessions?|appointments?|times|goes|treatments?|lessons?|classes|meetings|occasions|"
    r"sittings|consultations?)"
)
_VISITS = re.compile(
    rf"(?P<low>{_N}|a couple of|couple of|a few|few|several|a|1|half a dozen)(?: ?(?:-|to|or|and|maybe|or "
    rf"maybe|/) ?(?P<high>{_N}))?(?:ish|th|st|nd|rd|\+)? "
    r"(?:or so |odd |total |physio |pt |therapy |actual |proper |full |more |in person |different |\d+ "
    rf"minute |private |nhs )*{_VISIT}\b(?P<per> (?:a|per|each|every|in the) (?:week|month|day|"
    r"fortnight))?"
)
_NTH = re.compile(
    rf"\b(?:session|visit|appointment|appt|number) (?:number )?(?P<low>{_N})(?: ?(?:-|to|or|and|maybe) "
    rf"?(?P<high>{_N}))?"
)
_WENT = re.compile(
    r"\b(?:went|been|gone|(?:seen|saw|see) (?:him|her|them|the physio|the pt|my physio|my pt)|had|only) "
    r"(?:there |about |only |like |for |around |in |"
    r"maybe |just )*(?P<low>\d{1,3})(?: ?(?:-|to|or) ?(?P<high>\d{1,3}))? times?\b(?! (?:a|per|each) )|"
    r"\b(?:went|been|gone|(?:seen|saw|see) (?:him|her|them|the physio|the pt|my physio|my pt)) (?:only |"
    r"just |like |there )*(?P<word>once|twice)\b"
)
_RATE = re.compile(
    r"(?P<n>\d{1,2}|once|twice|a couple of times)(?: ?(?:x|times?|visits|sessions|appointments))?(?: a| "
    r"per| each| every|/| in the| in| in a)+ ?(?P<unit>week|month|fortnight)"
)
_COUNTED = re.compile(
    rf"(?P<n>{_N})(?:st|nd|rd|th)?\b(?! ?(?:/|%|x? ?(?:a|per) |times (?:a|per)|weeks?|months?|years?|days?|"
    r"hours?|minutes?))"
)
_FEW_VISITS = {
    "a couple of": 2.0,
    "couple of": 2.0,
    "a few": 3.0,
    "few": 3.0,
    "several": 5.0,
    "a": 1.0,
    "half a dozen": 6.0,
}


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time said: weeks, where, which question its words point to, and whether it was vague."""

    weeks: float
    start: int
    end: int
    role: str | None
    vague: bool = False


def read_time(plain: str, question: str, today: date) -> tuple[dict[str, float | int | None], Doubts]:
    """Return the answers about time and visits in `plain` when `question` (one of TIME) was asked."""
    answers: dict[str, float | int | None] = {}
    doubts: Doubts = []
    spans = list(_spans(plain, today))
    visits = count_visits(plain)
    if visits is not None:
        answers["sessions"] = visits
    for span in spans:
        role = span.role or (question if question in WEEKS else "weeks_in_pt")
        if role == "ignore" or (role == "recent_surgery_weeks" and question != role):
            continue
        if role not in answers or span.role:
            answers[role] = tidy(span.weeks)
            if span.vague and role == question:
                doubts.append((role, "vague"))
    if question == "weeks_in_pt" and question not in answers and "sessions" not in answers:
        _lone_span(spans, question, answers)
    if question == "unchanged_weeks" and question not in answers and len(spans) == 1:
        answers = {question: tidy(spans[0].weeks)}
    if question in answers:
        return answers, doubts
    return _without_unit(plain, question, answers, doubts, spans)


def volunteered_time(plain: str, today: date) -> dict[str, float | int | None]:
    """Return the answers about time and visits that a message gives unasked, where its words say of what."""
    answers: dict[str, float | int | None] = {}
    visits = count_visits(plain, strict=True)
    if visits is not None:
        answers["sessions"] = visits
    for span in _spans(plain, today):
        if span.role in ("weeks_in_pt", "unchanged_weeks") and not span.vague:
            answers.setdefault(span.role, tidy(span.weeks))
    return answers


def count_visits(plain: str, strict: bool = False) -> int | float | None:
    """Return the number of visits said; `strict` leaves out bare "N times"."""
    for m in [*_VISITS.finditer(plain), *_NTH.finditer(plain)]:
        if m.groupdict().get("per") or (m.group().split()[-1] in ("times", "goes") and strict):
            continue
        if "times" in m.group() and not _WENT.search(plain):
            continue
        if m["low"] == "a" and not re.search(r"visits|sessions", m.group()):
            continue
        low = _FEW_VISITS.get(m["low"]) or float(m["low"])
        high = float(m["high"]) if m["high"] else low
        if re.match(
            r" (?:left|to go|remaining|booked|more|a week|a month|per|a day|every|each|approved)", plain[m.end() :]
        ):
            continue
        return tidy(_middle(low, high))
    went = _WENT.search(plain)
    if went and not strict:
        if went["word"]:
            return {"once": 1, "twice": 2}[went["word"]]
        return tidy(_middle(float(went["low"]), float(went["high"] or went["low"])))
    return None


def tidy(value: float) -> int | float:
    """Return `value` to one decimal, as an integer where it is one."""
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _lone_span(spans: list[Span], question: str, answers: dict[str, float | int | None]) -> None:
    mine = [s for s in spans if s.role in ("weeks_with_problem",)]
    if len(spans) == 1 and mine:
        answers.pop("weeks_with_problem", None)
        answers[question] = tidy(mine[0].weeks)


def _without_unit(
    plain: str, question: str, answers: dict[str, float | int | None], doubts: Doubts, spans: list[Span]
) -> tuple[dict[str, float | int | None], Doubts]:
    groups = phrase_groups("_time")
    if groups.find_group(f"{question}_none", plain) and question == "recent_surgery_weeks" and not spans:
        return {question: None}, doubts
    if groups.find_group(f"{question}_zero", plain) and not spans:
        return {question: 0, **answers}, doubts
    if question == "sessions":
        rate = _RATE.search(plain)
        if rate and spans:
            per_week = _rate(rate)
            return {**answers, "sessions": round(per_week * spans[0].weeks)}, [*doubts, (question, "worked_out")]
        if spans and not re.search(r"\d", _SPAN.sub("", plain)):
            return answers, doubts
    if question == "recent_surgery_weeks" and spans:
        return answers, doubts
    bare = re.fullmatch(
        rf"(?:[a-z ,]*?\b)?(?P<low>{_N})(?: ?(?:-|to|or|maybe|,) ?(?P<high>{_N}))?(?: ?ish|\+)?(?: (?:i think|"
        r"or so|odd|ish|maybe|so far|in total|total|probably|tops|at most|ive had|now|i guess|about|roughly|"
        r"give or take|ago|of them|at a guess))*",
        plain,
    )
    if bare and not spans and "sessions" not in answers:
        value = tidy(_middle(float(bare["low"]), float(bare["high"] or bare["low"])))
        return {**answers, question: value}, [*doubts, *([(question, "unit")] if question in WEEKS else [])]
    if question == "sessions" and "sessions" not in answers and re.search(r"\b(?:once|twice)\b", plain) and not spans:
        return {**answers, "sessions": 1 if "once" in plain else 2}, doubts
    counted = _COUNTED.search(plain)
    if question == "sessions" and counted and not spans and "sessions" not in answers:
        return {**answers, "sessions": tidy(float(counted["n"]))}, doubts
    if question == "sessions" and re.search(r"\b(?:a few|few)\b", plain):
        return {**answers, "sessions": 3}, [*doubts, (question, "vague")]
    if question == "sessions" and re.search(r"\b(?:a couple|couple)\b", plain):
        return {**answers, "sessions": 2}, doubts
    return answers, doubts


def _spans(plain: str, today: date) -> Iterator[Span]:
    taken: list[tuple[int, int]] = []
    unit = "week"
    for m in _SPAN.finditer(plain):
        span = _span(plain, m)
        if span:
            unit = m["unit"].rstrip("s")
            taken.append((span.start, span.end))
            yield span
    for m in _OF_THEM.finditer(plain):
        if taken:
            role = _role(plain, m.start(), m.end())
            yield Span(float(m["n"] or m["n2"]) * PER_UNIT[unit], m.start(), m.end(), role)
    for pattern in (_SINCE, _LAST, _YEAR, _MONTH_ALONE):
        for m in pattern.finditer(plain):
            weeks = _weeks_since(m, today)
            if weeks is not None and not any(a < m.end() and m.start() < b for a, b in taken):
                taken.append((m.start(), m.end()))
                yield Span(weeks, m.start(), m.end(), _role(plain, m.start(), m.end()), "name" not in m.groupdict())


def _span(plain: str, m: re.Match[str]) -> Span | None:
    unit = m["unit"].rstrip("s")
    before, after = plain[max(0, m.start() - 14) : m.start()], plain[m.end() : m.end() + 14]
    rate = re.search(
        r"(?:times?|times in|twice|once|x|per|each|every|days?|hours?|minutes|visits?|sessions?|\d)(?: in)? "
        r"?$",
        before,
    )
    if rate and m["few"] in ("a", None, "last") and (m["low"] is None or "every" in before or "each" in before):
        return None
    if re.match(r" ?(?:old|of age)\b", after) or re.search(
        r"(?:for another|in another|next|wait|waiting|every) ?$", before
    ):
        return None
    if re.match(r" (?:a|per|each|every|out of) (?:week|month|day)", plain[m.end() :]):
        return None
    vague = False
    if m["low"]:
        count = _middle(float(m["low"]), float(m["high"] or m["low"]))
    elif m["few"]:
        count = float(_FEW[m["few"]])
        if m["few"] in ("last", "this", "past"):
            return None
        vague = m["few"] in ("several", "many", "quite a few", "a good few")
        if m["few"] in ("another",):
            return None
    else:
        if m["unit"] == "fortnight":
            count = 1.0
        elif not m["unit"].endswith("s") or unit in ("day", "hour"):
            return None
        else:
            count, vague = 3.0, True
    weeks = (count + (0.5 if m["half"] else 0)) * PER_UNIT[unit]
    if m["unit2"]:
        weeks += {"a": 1.0, "a few": 3.0, "a couple of": 2.0}.get(m["more"], 0.0) * PER_UNIT[m["unit2"].rstrip("s")]
        weeks += (float(m["more"]) if m["more"].isdigit() else 0) * PER_UNIT[m["unit2"].rstrip("s")]
    return Span(weeks, m.start(), m.end(), _role(plain, m.start(), m.end()), vague)


def _role(plain: str, start: int, end: int) -> str | None:
    groups = phrase_groups("_time")
    left = max(
        (
            plain.rfind(mark, 0, start) + len(mark)
            for mark in (". ", ", ", "; ", "! ", "? ", " but ")
            if plain.rfind(mark, 0, start) >= 0
        ),
        default=0,
    )
    rights = [at for mark in (". ", ", ", "; ", "! ", "? ", " but ") if (at := plain.find(mark, end)) >= 0]
    right = min(rights) if rights else len(plain)
    best: tuple[int, str] | None = None
    for role in (*WEEKS, "ignore"):
        for a, b in groups.spans(role, plain[left:right]):
            distance = start - (left + b) if left + b <= start else max(0, left + a - end)
            if best is None or distance < best[0]:
                best = (distance, role)
    return best[1] if best else None


def _weeks_since(m: re.Match[str], today: date) -> float | None:
    found = m.groupdict()
    name = found.get("name")
    if name is None:
        year = int(found["year"])
        return max(0.0, (today - date(year, 7, 1)).days / 7) if year <= today.year else None
    if name in ("week", "month", "year"):
        return {"week": 1.0, "month": 52 / 12, "year": 52.0}[name]
    if name in SEASONS:
        month = SEASONS[name]
    elif _MONTH_WORD.match(name):
        month = MONTHS.index(name[:3]) + 1
    else:
        return None
    year = (
        int(found["year"])
        if found.get("year")
        else today.year - (month > today.month or (month == today.month and today.day < 15))
    )
    if found.get("lastyear"):
        year = today.year - 1
    return max(0.0, (today - date(year, month, _day(m.group(), found.get("day")))).days / 7)


def _day(said: str, number: str | None) -> int:
    if number and 1 <= int(number) <= 28:
        return int(number)
    if re.search(r"\b(?:end of|late)\b", said):
        return 26
    return 4 if re.search(r"\b(?:start of|beginning of|early)\b", said) else 12


def _rate(m: re.Match[str]) -> float:
    count = {"once": 1.0, "twice": 2.0, "a couple of times": 2.0}.get(m["n"]) or float(m["n"])
    return count / PER_UNIT[m["unit"]]


def _middle(low: float, high: float) -> float:
    return (low + high) / 2 if high >= low else low
