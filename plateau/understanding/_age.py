"""Reads an age band from an age, a decade of life or a birth year."""

from __future__ import annotations

import re
from datetime import date

BANDS = ((18, "under_18"), (40, "18_39"), (50, "40_49"), (65, "50_64"), (200, "65_plus"))

_BORN = re.compile(r"\b(?P<year>(?:19|20)\d\d)\b")
_BORN_SHORT = re.compile(r"\bborn (?:in )?(?P<year>\d\d)\b")
_DECADE = re.compile(
    r"\b(?:(?P<part>early|mid|middle|late|upper|low|lower|high|in my|my|in the) )*(?P<decade>[1-9]0)(?: "
    r"?s|\+| plus| ish)?\b"
)
_DECADE_WORD = re.compile(
    r"\b(?:(?P<part>early|mid|middle|late) )?(?P<decade>teens?|twenties|thirties|forties|fourties|fifties|"
    r"sixties|seventies|eighties|nineties)\b"
)
_DECADES = ("teen", "twent", "thirt", "fo", "fif", "sixt", "sevent", "eight", "ninet")
_AGE = re.compile(r"(?<![\w./-])(?P<age>\d{1,3})(?:[mf]\b)?(?![\w/%]|\.\d| ?(?:weeks|months|days|/))(?! ?(?:to|-) ?\d)")
_RANGE = re.compile(r"\b(?P<low>\d\d) ?(?:to|-) ?(?P<high>\d\d)\b")
_OVER = re.compile(
    r"\b(?:over|above|past|more than|older than|plus) (?:the age of )?(?P<age>\d\d)\b|\b(?P<plus>\d\d) "
    r"?(?:\+|plus|and over|or over|and above|or older)"
)
_UNDER = re.compile(
    r"\b(?:will be|ill be|be|under|below|not yet|younger than|nearly|almost|just under|turning|coming up to) "
    r"(?P<age>\d\d)\b"
)
_PLAIN_AGE = re.compile(
    r"\b(?:(?:im|i am|aged?|age is)(?: a| nearly| almost| only| just)? (?P<age>\d\d)(?! ?(?:weeks|months|"
    r"days|minutes|hours|sessions|visits|%|percent|/|out of|in|years (?:in|of|into|post|since)|st |lb|kg|"
    r"miles|stone))|(?P<old>\d\d) ?(?:years? old|yrs? old|year old|yo|y o|y/o|yr old)\b)"
)
_BAND_WORDS = {
    "under_18": re.compile(
        r"\b(?:teen\w*|child|kid|minor|school ?(?:boy|girl|kid)|high school|year (?:9|10|11|12|13)|a levels|"
        r"gcses?|sixth form|6th form)\b"
    ),
    "65_plus": re.compile(r"\b(?:pensioner|oap|senior citizen|octogenarian|septuagenarian|elderly)\b"),
}


def read_age(plain: str, today: date) -> str | None:
    """Return the age band said in answer to the question about age, or None."""
    year = _BORN.search(plain)
    if year and 0 <= today.year - int(year["year"]) <= 115:
        return band(today.year - int(year["year"]))
    short = _BORN_SHORT.search(plain)
    if short:
        return band((today.year - int(short["year"])) % 100)
    limits = _RANGE.search(plain)
    if limits:
        return band((int(limits["low"]) + int(limits["high"])) // 2)
    over = _OVER.search(plain)
    if over:
        return band(int(over["age"] or over["plus"]) + 1)
    under = _UNDER.search(plain)
    if under:
        return band(int(under["age"]) - 1)
    word = _DECADE_WORD.search(plain)
    if word:
        decade = next(i for i, stem in enumerate(_DECADES, 1) if word["decade"].startswith(stem))
        return band(decade * 10 + _within(word["part"]))
    decade_number = _DECADE.search(plain)
    if decade_number and (decade_number["part"] or re.search(rf"{decade_number['decade']} ?s\b", plain)):
        return band(int(decade_number["decade"]) + _within(decade_number["part"]))
    said = _AGE.search(plain)
    if said and 1 <= int(said["age"]) <= 115:
        return band(int(said["age"]))
    return next((name for name, words in _BAND_WORDS.items() if words.search(plain)), None)


def volunteered_age(plain: str) -> str | None:
    """Return the age band where a message says plainly how old the patient is: "I'm 34", "52 years old"."""
    m = _PLAIN_AGE.search(plain)
    return band(int(m["age"] or m["old"])) if m else None


def band(age: int) -> str:
    """Return the band of an age in years."""
    return next(name for limit, name in BANDS if age < limit)


def _within(part: str | None) -> int:
    return {"early": 2, "low": 2, "lower": 2, "late": 8, "upper": 8, "high": 8}.get(part or "", 5)
