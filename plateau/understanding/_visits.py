"""Reads numbers of visits, and how often they are."""

from __future__ import annotations

import re

from ._calendar import NUMBER, PER_UNIT, UNIT, middle, number_range, tidy
from ._lexicon import phrase_groups

_VISIT = (
    r"(?:visits?|sessions?|appointments?|times|goes|treatments?|lessons?|classes|meetings|occasions|"
    r"sittings|consultations?)"
)
_FEW_VISITS = {
    "a couple of": 2.0, "couple of": 2.0, "a few": 3.0, "few": 3.0, "several": 5.0, "a": 1.0, "half a dozen": 6.0,
    "a handful of": 5.0,
}  # fmt: skip
_VISITS = re.compile(
    rf"(?:{number_range('low', 'high', NUMBER)}|\b(?P<few>{'|'.join(_FEW_VISITS)}))(?:ish|th|st|nd|rd|\+)? "
    r"(?:or so |odd |total |physio |pt |therapy |actual |proper |full |more |in person |different |\d+ "
    rf"minute |private |nhs )*{_VISIT}\b(?P<per> (?:a|per|each|every|in the) (?:week|month|day|fortnight))?"
)
_NTH = re.compile(
    rf"\b(?:session|visit|appointment|appt|number) (?:number )?{number_range('low', 'high', NUMBER)}"
    rf"(?! ?(?:booked|left|{UNIT}))"
)
_SEEN = r"(?:went|been|gone|(?:seen|saw|see) (?:him|her|them|the physio|the pt|my physio|my pt))"
_WENT = re.compile(
    rf"\b(?:{_SEEN}|had|only) (?:to (?:pt|physio|therapy|rehab) |there |about |only |like |for |around |in |maybe |"
    r"just )*"
    rf"{number_range('low', 'high', NUMBER)} times?\b(?! (?:a|per|each) )"
    rf"|\b{_SEEN} (?:only |just |like |there )*(?P<word>once|twice)\b"
)
_PERIODS = {"weekly": 1.0, "fortnightly": 2.0, "monthly": 52 / 12}
RATE = re.compile(
    r"(?:(?P<n>\d{1,2}|once|twice|a couple of times)(?: ?(?:x|times?|visits|sessions|appointments))?"
    r"(?: a| per| each| every|/| in the| in| in a)+ ?|\b(?:every|each|per) )"
    r"(?P<gap>other |second |[234] )?(?P<unit>week|month|fortnight)s?\b"
    r"|(?:\b(?P<n2>\d{1,2}|once|twice) (?:times )?)?\b(?P<period>weekly|fortnightly|monthly)\b"
)
_COUNTED = re.compile(
    rf"(?P<n>{NUMBER})(?:st|nd|rd|th)?\b(?! ?(?:/|%|x? ?(?:a|per) |times (?:a|per)|weeks?|months?|years?|days?|"
    r"hours?|minutes?))"
)
# A number said of a whole: "20 of my 30", "4 left of 10", "missed 2 of the 8".
_OF_TOTAL = re.compile(
    rf"(?P<n>{NUMBER})(?P<left> (?:visits |sessions )?(?:left|to go|remaining))? (?:(?:visits|sessions|appointments) )?"
    rf"(?:out )?of (?:my |the |an? |those )?(?P<of>{NUMBER})"
)
_BOOKED = re.compile(
    rf"(?P<of>{NUMBER}) (?:\w+ )?(?:booked|scheduled|planned)\b.*?\b(?:cancel|miss|skip)\w* (?:about |"
    rf"only )?(?P<n>{NUMBER})"
)
_MISSED = re.compile(r"\b(?:miss\w*|cancel\w*|skip\w*|lost)\b[a-z ]*$")
_STILL_AHEAD = re.compile(
    r"\b(?:next (?:1|one|session|visit|appointment)|tomorrow|tonight|later today|upcoming|coming up|(?:will|"
    r"ill) be|is (?:on|this|next))\b"
)
_ORDINAL = re.compile(
    rf"\b(?:my |the |number |session |visit )+(?P<n>\d{{1,3}})(?:st|nd|rd|th)?\b(?! ?{UNIT})|"
    rf"\b(?P<n2>\d{{1,3}})(?:st|nd|rd|th)\b"
    r"|\b(?P<word>first|second)\b(?! (?:week|month|person|guy|therapist|physio))"
)
_TWO_KINDS = re.compile(
    rf"(?P<a>{NUMBER}) (?!(?:of|or|to)\b)[a-z][a-z ]*(?:,|,? and|,? plus|,? then) (?P<b>{NUMBER}) [a-z][a-z ]*"
)
_ORDINALS = {
    "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12,
}  # fmt: skip
_ORDINAL_WORD = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b(?! (?:week of|of|day))")
_NOT_VISITS = re.compile(r" (?:left|to go|remaining|booked|more|a week|a month|per|a day|every|each|approved)")
_MORE_THAN = re.compile(r"\b(?:over|more than|above|upwards of) $")


def count_visits(plain: str, strict: bool = False) -> int | float | None:
    """Return the number of visits said; `strict` leaves out "N times" that are not said of therapy."""
    went = _WENT.search(plain)
    if re.search(r"\b(?:visits|sessions|appointments)\b", plain) and (part := _part_of_total(plain)) is not None:
        return part
    for m in [*_VISITS.finditer(plain), *_NTH.finditer(plain)]:
        said = m.groupdict()
        if said.get("per") or _NOT_VISITS.match(plain, m.end()):
            continue
        if m.group().endswith(("times", "goes")) and (strict or not (went or m.group().endswith("goes"))):
            continue
        if said.get("few") == "a" and not re.search(r"visits|sessions", m.group()):
            continue
        low = _FEW_VISITS[said["few"]] if said.get("few") else float(m["low"])
        return _at_least(plain, m.start(), middle(low, float(m["high"] or low)))
    if went is None or (strict and " to " not in went.group()):
        return None
    if went["word"]:
        return {"once": 1, "twice": 2}[went["word"]]
    return tidy(middle(float(went["low"]), float(went["high"] or went["low"])))


def visits_asked(plain: str) -> int | float | None:
    """Return the number of visits where only it can be meant: "my next one is the 7th", "5 in person and 4 on zoom"."""
    if phrase_groups("_time").find_group("sessions_one", plain):
        return 1
    if _STILL_AHEAD.search(plain) and (nth := _ORDINAL.search(plain)):
        return max(0, {"first": 1, "second": 2}.get(nth["word"]) or int(nth["n"] or nth["n2"])) - 1
    part = _part_of_total(plain)
    if part is not None:
        return part
    kinds = _TWO_KINDS.fullmatch(plain)
    if kinds and not re.search(
        rf"\d (?:times |visits |sessions )?(?:(?:a|per|each|or)\b|{UNIT})|booked|cancel|miss", plain
    ):
        return tidy(float(kinds["a"]) + float(kinds["b"]))
    more = re.search(rf"\b(?:over|more than|above|upwards of) (?P<n>{NUMBER})$", plain)
    return _at_least(plain, more.start("n"), float(more["n"])) if more else count_visits(plain)


def _part_of_total(plain: str) -> int | float | None:
    """Return the visits made where a number is said of a whole; what is left or was missed counts down from it."""
    m = _OF_TOTAL.search(plain) or _BOOKED.search(plain)
    if m is None:
        return None
    n, of = float(m["n"]), float(m["of"])
    if n > of:
        return None
    down = "left" not in m.re.groupindex or m["left"] or _MISSED.search(plain[: m.start()])
    return tidy(of - n if down else n)


def _at_least(plain: str, start: int, count: float) -> int | float:
    """Return `count`, or a little above it after "over"."""
    return round(count * 1.1 + 0.5) if _MORE_THAN.search(plain[:start]) else tidy(count)


def few_visits(plain: str) -> tuple[int | float | None, bool]:
    """Return a number of visits said without the word, "a few", and whether it is vague."""
    counted = _COUNTED.search(plain)
    word = re.search(r"\b(?:once|twice|few|couple|handful)\b", plain)
    if counted and (word is None or word[0] not in ("once", "twice")):
        return tidy(float(counted["n"])), False
    if word is None:
        return None, False
    return {"once": 1, "twice": 2, "couple": 2, "few": 3, "handful": 5}[word[0]], word[0] in ("few", "handful")


def per_week(m: re.Match[str]) -> float:
    """Return the visits a week of a match of RATE."""
    said = m["n"] or m["n2"] or "once"
    count = {"once": 1.0, "twice": 2.0, "a couple of times": 2.0}.get(said) or float(said)
    if m["period"]:
        return count / _PERIODS[m["period"]]
    gap = {"other": 2.0, "second": 2.0}.get((m["gap"] or "").strip()) or float(m["gap"] or 1)
    return count / gap / PER_UNIT[m["unit"]]


def ordinals_as_digits(plain: str) -> str:
    """Return `plain` with "fifth" as "5th", where no week or day of something is counted."""
    return _ORDINAL_WORD.sub(lambda m: f"{_ORDINALS[m[0]]}th", plain)
