"""Reads dates, seasons, holidays and the like as weeks gone by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

from ._lexicon import phrase_groups

PER_UNIT = {
    "hour": 1 / 168, "day": 1 / 7, "week": 1.0, "fortnight": 2.0, "month": 52 / 12, "year": 52.0, "decade": 520.0,
    "quarter": 13.0, "term": 12.0, "trimester": 13.0, "season": 13.0, "semester": 17.0,
}  # fmt: skip
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The month that a season begins with.
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}


def number_range(low: str, high: str, number: str) -> str:
    """Pattern of one number or "N to M", as two named groups."""
    return rf"(?P<{low}>{number})(?: ?(?:-|to|or|and|maybe|or maybe|/) ?(?P<{high}>{number}))?"


NUMBER = r"(?<![\w.])\d{1,4}(?:\.\d+)?"
UNIT = r"(?:hour|day|week|fortnight|month|year|decade|quarter|(?:school )?term|trimester|semester|season)s?\b"

_SINCE = (
    r"(?:since|from|in|it was|was|around|about|began|started|starting|back in|after|before|sometime in|back at|on|by|"
    r"until|till|for|next)"
)
_PART = (
    r"(?:the )?(?P<part>start|beginning|early|end|late|middle|mid|1st week|first week|last week|second week|third week)"
)
_IN_PART = rf"(?:{_PART}(?: of| in)?(?: the)? )"
_MONTH = re.compile(
    rf"(?:\b(?P<lead>{_SINCE}) (?:about |around |roughly |like |maybe |last |this |the )*|\b(?P<last>last|"
    rf"this) )?{_IN_PART}?"
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)? (?:of )?)?"
    r"\b(?:(?P<sure>jan(?:uary)?|feb(?:ruary)?|april|june|july|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|"
    r"dec(?:ember)?)|(?P<word>mar(?:ch)?|apr|may|jun|jul))\b"
    r"(?: (?P<day2>\d{1,2})(?:(?:st|nd|rd|th)\b|(?=[,.;!?]|$| (?:and|but|so|was|is|i|it|this)\b)))?"
    r"(?:,? (?:of )?(?P<year>(?:19|20)\d\d)\b)?(?P<ago> (?:of )?last year| (?:the )?year before last)?"
)
_DATE = re.compile(
    r"(?<![\w./-])(?:(?P<y>20\d\d)-(?P<m>[01]?\d)-(?P<d>[0-3]?\d)|"
    r"(?P<a>\d{1,2})(?P<mark>[/.])(?P<b>\d{1,2})(?:(?P=mark)(?P<year>(?:20)?\d\d))?)(?![\w/.-]*\d)"
    rf"(?! ?(?:of|an?|{UNIT}|visits?|sessions?|appointments?|or so|ish|times)\b)"
)
_SEASON = re.compile(
    rf"(?:\b(?P<lead>{_SINCE}) )?\b(?:the )?(?:last |this )?{_IN_PART}?"
    r"(?P<name>spring|summer|autumn|winter|(?<!a )(?<!my )(?<!bad )(?<!had )fall)\b(?! (?:of (?!(?:19|"
    r"20)\d\d)|(?:off|down|over)\b))"
    r"(?P<after> (?:started|began|semester|term))?(?P<ago> (?:of )?last year)?(?:,? (?:of )?(?P<year>(?:19|20)\d\d)\b)?"
)
_WEEKDAY = re.compile(
    r"\b(?:since|(?<!is )(?<!weeks )(?<!months )(?<!years )on|was|last|from) (?:last |this |the )?(?P<day>mon|"
    r"tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\b"
)
_LAST = re.compile(r"\b(?:(?P<before>week|month|year) before last|last (?P<unit>week|month|year))\b(?! of)")
# "worse last month": that is when it turned, not for how long it has been.
_TURNED = re.compile(
    r"\b(?:worse|better|easier|flared(?: up)?|a flare(?: up)?|no \w+)(?: in| since| over| for)?(?: the)? $"
)
_YEAR = re.compile(r"\b(?:since|in|from|back in|around|about|was) (?:about |around )?(?P<year>(?:19|20)\d\d)\b")
# Not told of what has been: "booked for january", "i was good until june", "stopped in july".
_AHEAD = ("by", "until", "till", "for", "next")


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time said: weeks, where, which question its words point to, and whether it was vague."""

    weeks: float
    start: int
    end: int
    role: str | None = None
    vague: bool = False


def _dates(plain: str, today: date) -> Iterator[Span]:
    for m in _DATE.finditer(plain):
        days = {d for d in _possible(m, today) if d is not None and d <= today}
        # Day and month could be either way round: only one of them may lie in the past.
        if len(days) == 1:
            yield _since(days.pop(), m.start(), m.end(), today)


def _possible(m: re.Match[str], today: date) -> Iterator[date | None]:
    if m["y"]:
        yield _day(int(m["y"]), int(m["m"]), int(m["d"]))
        return
    for month, day in {(int(m["b"]), int(m["a"])), (int(m["a"]), int(m["b"]))}:
        if m["year"]:
            yield _day(int(m["year"]) % 100 + 2000, month, day)
        else:
            yield _latest(month, day, today)


def _months(plain: str, today: date) -> Iterator[Span]:
    for m in _MONTH.finditer(plain):
        alone = m.group() == plain.strip(" ,.!?")
        firm = m["lead"] or m["last"] or m["part"] or m["day"] or m["year"] or m["ago"] or alone
        if _still_ahead(plain, m) or (m["word"] and not firm):
            continue
        month = MONTHS.index((m["sure"] or m["word"])[:3]) + 1
        said = int(m["day"] or m["day2"] or 0)
        day = said if 1 <= said <= 31 else _PART_DAYS.get(m["part"] or "", 12)
        when = _dated(month, day, m, today, exact=bool(said))
        if when is not None:
            yield _since(when, m.start(), m.end(), today)


_PART_DAYS = {
    "start": 4, "beginning": 4, "early": 4, "first week": 4, "1st week": 4, "second week": 11, "third week": 18,
    "end": 26, "late": 26, "last week": 27,
}  # fmt: skip


def _seasons(plain: str, today: date) -> Iterator[Span]:
    for m in _SEASON.finditer(plain):
        if _still_ahead(plain, m) or re.search(r"\b(?:all|every|each|whole) $", plain[: m.start()]):
            continue
        part = "start" if m["after"] else m["part"] or ""
        later = {"start": 0, "beginning": 0, "early": 0, "end": 2, "late": 2}.get(part, 1)
        month = (SEASONS[m["name"]] + later - 1) % 12 + 1
        when = _dated(month, {0: 4, 2: 26}.get(later, 15), m, today)
        if when is None:
            continue
        # "since autumn" said in early October: the middle is still to come, the season is not.
        begun = _latest(SEASONS[m["name"]], 1, today)
        if begun is not None and (today - begun).days < 91 and when < begun and not m["ago"] and not m["year"]:
            when = begun
        yield _since(when, m.start(), m.end(), today)


def _still_ahead(plain: str, m: re.Match[str]) -> bool:
    """Tell whether a time is what comes or came to an end; "didnt start till june" is when it began."""
    return m["lead"] in _AHEAD and not (m["lead"] in ("till", "until") and _NOT.search(plain[: m.start()]))


_NOT = re.compile(r"\b(?:not|didnt|wasnt|couldnt|never|hadnt)\b[^.,;]*$")


def _landmarks(plain: str, today: date) -> Iterator[Span]:
    for rule, pattern in _landmark_rules():
        for m in pattern.finditer(plain):
            before = plain[: m.start()]
            if re.search(rf"\b(?:{'|'.join(_AHEAD)}) (?:the )?$", before):
                continue
            # "last thanksgiving", said the day after this one, is a year ago; "before" is a few days more.
            latest = today - timedelta(days=30 if before.endswith("last ") else 0)
            early = timedelta(days=4 if re.search(r"\bbefore (?:last |the )?$", before) else 0)
            year = re.match(r",? (?:(?:of |in )?((?:19|20)\d\d)\b|last year)", plain[m.end() :])
            years = [int(year[1] or today.year - 1)] if year else range(today.year, today.year - 7, -1)
            when = next((d for y in years if (d := _landmark(rule, y)) is not None and d <= latest), None)
            if when is not None:
                yield _since(when - early, m.start(), m.end() + (year.end() if year else 0), today)


@cache
def _landmark_rules() -> tuple[tuple[str, re.Pattern[str]], ...]:
    kinds = ("on ", "nth ", "easter ", "dates ")
    return tuple((name, pattern) for name, pattern in phrase_groups("_time").patterns if name.startswith(kinds))


def _landmark(rule: str, year: int) -> date | None:
    """Return the day in `year` of a rule of `_time.yml`: "on 12-25", "nth 9 1 mon", "easter -2", "dates 2026-03-04"."""
    kind, *how = rule.split()
    if kind == "on":
        month, day = map(int, how[0].split("-"))
        return date(year, month, day)
    if kind == "nth":
        return _nth_weekday(year, int(how[0]), int(how[1]), WEEKDAYS.index(how[2]))
    if kind == "easter":
        return _easter(year) + timedelta(days=int(how[0]))
    return next((date.fromisoformat(day) for day in how if day.startswith(str(year))), None)


def _nth_weekday(year: int, month: int, nth: int, weekday: int) -> date:
    """Return the nth `weekday` of a month; the last one for -1."""
    first = date(year, month, 1) if nth > 0 else date(year + month // 12, month % 12 + 1, 1) - timedelta(days=7)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (max(nth, 1) - 1))


def _easter(year: int) -> date:
    """Return Easter Sunday (Gauss, as Butcher wrote it down)."""
    century, rest = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (year % 19 + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _recent(plain: str, today: date) -> Iterator[Span]:
    for m in _WEEKDAY.finditer(plain):
        days = (today.weekday() - WEEKDAYS.index(m["day"])) % 7
        yield Span((days or 7) / 7, m.start(), m.end())
    for m in _LAST.finditer(plain):
        if _TURNED.search(plain[: m.start()]):
            continue
        unit = m["before"] or m["unit"]
        yield Span(PER_UNIT[unit] * (1.5 if m["before"] else 1), m.start(), m.end())


def _years(plain: str, today: date) -> Iterator[Span]:
    for m in _YEAR.finditer(plain):
        year = int(m["year"])
        if year <= today.year:
            middle = date(year, 7, 1) if year < today.year else date(year, 1, 1) + (today - date(year, 1, 1)) / 2
            yield replace(_since(middle, m.start(), m.end(), today), vague=True)


def _dated(month: int, day: int, m: re.Match[str], today: date, exact: bool = False) -> date | None:
    """Return the day meant: in the year said, last year where said so, else the latest one."""
    if m["year"] or m["ago"]:
        return _day(int(m["year"]) if m["year"] else today.year - 1 - ("before" in m["ago"]), month, day)
    if not exact and month == today.month and today.day >= 15:
        return date(today.year, month, min(day, today.day))
    return _latest(month, day, today)


def _latest(month: int, day: int, today: date) -> date | None:
    this_year = _day(today.year, month, day)
    return this_year if this_year is not None and this_year <= today else _day(today.year - 1, month, day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _since(when: date, start: int, end: int, today: date) -> Span:
    return Span(max(0.0, (today - when).days / 7), start, end)


def tidy(value: float) -> int | float:
    """Return `value` to one decimal, as an integer where it is one."""
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def middle(low: float, high: float) -> float:
    return (low + high) / 2 if high >= low else low


CALENDAR: tuple[Callable[[str, date], Iterator[Span]], ...] = (_dates, _landmarks, _months, _seasons, _recent, _years)
