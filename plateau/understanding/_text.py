"""Turns what a patient typed into plain lower-case words that the lexicons can be matched against."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LONGEST = 2000

_QUOTES = re.compile("['’‘`´ʼ]")
_UNPRINTABLE = re.compile(r"[^\w\s.,;:!?/%+\-()&=<>]", re.UNICODE)
_BREAK = re.compile(r"[\r\n]+")
_DOTS = re.compile(r"\.{2,}|…")
_DASH = re.compile(r"\s+-+\s+|--+|[()]")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z0-9])|(?<=[0-9])-(?=[a-z])")
# "mon-fri", "oct - nov": from one to the other, not two of them.
_FROM_TO = re.compile(
    r"\b((?:mon|tue|wed|thu|fri|sat|sun)[a-z]*|(?:jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)[a-z]*) ?- ?"
    r"(?=(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b)"
)
_POINT = re.compile(r"(?<=\d)[.,](?=\d)")
_PUNCTUATION = re.compile(r"\s*([,;:!?]|\.(?!\d))[\s,;:]*")
_SPACE = re.compile(r"\s+")
# Not the ending of "2nd": "nd" is short for "and" elsewhere.
_WORD = re.compile(r"(?<![a-z])(?!(?<=\d)(?:st|nd|rd|th)\b)[a-z]+")
_AND = re.compile(r"(?<=[a-z])[ ']n[ '](?=[a-z])")
# "w/ a limp", "w/o a stick", "bad w stairs"; a bare w between short words may be a wednesday.
_WITH = re.compile(r"(?<![a-z])w/ ?(?=[a-z])|(?<=[a-z]{3} )w (?=[a-z]{2})")
_WITHOUT = re.compile(r"(?<![a-z])w/o\b")
# "b4", "l8r": short forms with a digit, which the words below are not.
_DIGIT_WORD = re.compile(r"\b(?:[a-z]+\d+[a-z]*|\d[a-z]+)\b")
_WHY = re.compile(r"^y(?= (?:do|does|would|should|is|are|r|u|you|tho|though|ask|asking|need|that|this|not|even)\b)")
_TOO = re.compile(
    r"\b2 (?=(?:much|hard|easy|ez|many|busy|tired|far|long|late|sore|scared|painful|heavy|boring|soon|little|old|"
    r"young|lazy|knackered|stressed|stiff|weak)\b)"
)
_STRETCHED = re.compile(r"([a-z])\1{2,}")

UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
_TENS_UNITS = re.compile(rf"\b({'|'.join(TENS)})(?: ({'|'.join(list(UNITS)[1:10])}))?\b")
_UNIT = re.compile(rf"\b({'|'.join(u for u in UNITS if u != 'one')})\b")
# "one" is a number only where it is not a pronoun: "this one started in may", "the bad one".
_ONE = re.compile(
    r"(?<!\bthis )(?<!\bthat )(?<!\bthe )(?<!\bbad )(?<!\bother )(?<!\bno )(?<!\bany )(?<!\bevery )(?<!\bnext )"
    r"(?<!\bleft )(?<!\bright )(?<!\bgood )(?<!\bnot )(?<!\blast )\bone\b(?! to [a-z]| number\b)"
)
_HUNDRED = re.compile(r"\b(?:(\d|a) )?hundred(?: and (\d{1,2}))?\b")
_DOZEN = re.compile(r"\b(half a |a couple of |a couple |couple of |couple |a |[1-9] )?dozen\b")
_POINT_FIVE = re.compile(r"\b(\d+) point (\d)\b")
_AND_A_HALF = re.compile(r"\b(\d+) (?:and (?:a )?half|1/2)\b")
_PLURAL = re.compile(r"\b(?:in the|low|lower|high|upper|mid) (two|three|four|five|six|seven|eight|nine)e?s\b")
# Numbers as voice typing hears them, read only where nothing but a number can stand.
_MISHEARD = {
    "won": "1", "too": "2", "tow": "2", "tree": "3", "fore": "4", "fife": "5", "sicks": "6", "sex": "6", "sven": "7",
    "ate": "8", "nien": "9", "nein": "9", "tin": "10",
}  # fmt: skip
_COUNTABLE = r"(?:days?|weeks?|months?|years?|times|visits|sessions|and a half|out of|/)"
_MISHEARD_BESIDE = re.compile(
    rf"(?<!days )(?<!weeks )(?<!months )(?<!years )\b({'|'.join(_MISHEARD)})(?= {_COUNTABLE}(?:\b| ))"
)
_TO_BESIDE = re.compile(rf"(?:^|\b(?:about|around|maybe|only|just|like|for) )to(?= {_COUNTABLE}\b)")
_MISHEARD_UNIT = re.compile(r"(?<=\d) (weak|weaks|moth|moths|weekes|dais)\b")
_UNITS_MEANT = {
    "weak": "weeks",
    "weaks": "weeks",
    "moth": "months",
    "moths": "months",
    "weekes": "weeks",
    "dais": "days",
}
# What follows takes back what was said before: "4 no wait 5", "a month of sundays. no really, 2 months".
_TAKEN_BACK = (
    r"\b(?:no wait|wait no|wait,? actually|no really|no sorry|sorry,? (?:i mean(?:t)?|its|no)|scratch that|"
    r"i mean(?:t)?|"
    r"correction|actually no|no actually|or rather|ha no|haha no|no,? its|oops|(?:make (?:that|it)|"
    r"ok)(?= (?:an? )?\d))\b"
    r"[ ,.:;]*(?=.*\d)"
)
_NUMBER_TAKEN_BACK = re.compile(rf"\b\d+(?:\.\d+)?(?: [a-z]+){{0,3}}[ ,.;]+{_TAKEN_BACK}")
_ALL_TAKEN_BACK = re.compile(rf"(?:^|(?<=[,.;!?] )){_TAKEN_BACK}")


@dataclass(frozen=True, slots=True)
class Text:
    """One message: `raw` as typed (cleaned of what cannot be stored), `plain` as matched, `mended` what changed."""

    raw: str
    plain: str
    mended: Mapping[str, str] = field(default_factory=dict, compare=False)


def clean(raw: str) -> str:
    """Return the first 2,000 characters without NUL, lone surrogates and control characters."""
    kept = (c for c in raw[:LONGEST] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn"))
    return "".join(kept).strip()


def plain_words(
    cleaned: str, shorthand: Mapping[str, str], correct: Callable[[str], str], mended: dict[str, str] | None = None
) -> str:
    """Return `cleaned` lower-cased, without apostrophes, shorthand spelt out, typos mended, numbers as digits.

    Words that were spelt out or mended are added to `mended`, with what they became.
    """
    text = unicodedata.normalize("NFKC", cleaned).lower()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    text = _QUOTES.sub("", _BREAK.sub(". ", _DOTS.sub(", ", text)))
    text = text.replace("½", " and a half").replace("1⁄2", " and a half").replace("–", "-").replace("—", " - ")
    text = _FROM_TO.sub(r"\1 to ", text)
    text = _HYPHEN.sub(" ", _DASH.sub(", ", text)).replace("&", " and ").replace(" + ", " and ")
    text = _UNPRINTABLE.sub(" ", text)
    text = _SPACE.sub(" ", _PUNCTUATION.sub(r"\1 ", _POINT.sub(".", text))).strip(" ,")
    text = _WITH.sub("with ", _WITHOUT.sub("without", _AND.sub(" and ", text)))
    text = _TOO.sub("too ", _WHY.sub("why", _DIGIT_WORD.sub(lambda m: shorthand.get(m.group(), m.group()), text)))

    def mend(m: re.Match[str]) -> str:
        word, meant = m.group(), _mend(m.group(), shorthand, correct)
        if mended is not None and word != meant:
            mended[word] = meant
        return meant

    text = _WORD.sub(mend, text)
    return spell_numbers(_SPACE.sub(" ", text).strip(" ,"))


def spell_numbers(text: str) -> str:
    """Return `text` with number words as digits: "twenty one" -> "21", "a dozen" -> "12", "two and a half" -> "2.5"."""
    text = _PLURAL.sub(lambda m: m[1], text)
    text = _TENS_UNITS.sub(lambda m: str(TENS[m[1]] + UNITS.get(m[2] or "", 0)), text)
    text = _UNIT.sub(lambda m: str(UNITS[m[1]]), text)
    text = _ONE.sub("1", text)
    text = _heard_right(text)
    text = _HUNDRED.sub(lambda m: str(100 * int((m[1] or "1").replace("a", "1")) + int(m[2] or 0)), text)
    text = _DOZEN.sub(_dozens, text)
    text = _POINT_FIVE.sub(r"\1.\2", text)
    return _AND_A_HALF.sub(r"\1.5", text)


def corrected(plain: str) -> str:
    """Return `plain` without the number that a "no wait" takes back, or without all that stands before one."""
    return _ALL_TAKEN_BACK.split(_NUMBER_TAKEN_BACK.sub("", plain))[-1]


def _dozens(m: re.Match[str]) -> str:
    said = (m[1] or "").strip()
    return "6" if said == "half a" else str(12 * int(said)) if said.isdigit() else "24" if "couple" in said else "12"


def _heard_right(text: str) -> str:
    if text.strip(" .,!?") in _MISHEARD:
        return _MISHEARD[text.strip(" .,!?")]
    text = _MISHEARD_BESIDE.sub(lambda m: _MISHEARD[m[1]], text)
    text = _TO_BESIDE.sub(lambda m: f"{m[0][:-2]}2", text)
    return _MISHEARD_UNIT.sub(lambda m: f" {_UNITS_MEANT[m[1]]}", text)


def _mend(word: str, shorthand: Mapping[str, str], correct: Callable[[str], str]) -> str:
    if word in shorthand:
        return shorthand[word]
    if len(word) > 3 and _STRETCHED.search(word):
        word = _STRETCHED.sub(r"\1", word)
    return correct(word) if len(word) >= 5 else word
