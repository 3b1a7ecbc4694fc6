"""Reads lengths of time (in weeks) and numbers of visits, and which question each belongs to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

from ._calendar import CALENDAR, NUMBER, PER_UNIT, UNIT, Span, middle, number_range, tidy
from ._choices import yes_or_no
from ._lexicon import phrase_groups
from ._text import corrected
from ._visits import RATE, few_visits, ordinals_as_digits, per_week, visits_asked
from ._visits import count_visits as count_visits

WEEKS = ("weeks_in_pt", "weeks_with_problem", "recent_surgery_weeks", "unchanged_weeks")
TIME = (*WEEKS, "sessions")
SURGERY = "recent_surgery_weeks"
Doubts = list[tuple[str, str]]
Answers = dict[str, float | int | None]

_FEW = {
    "a": 1, "an": 1, "another": 1, "a couple of": 2, "a couple": 2, "couple of": 2, "couple": 2, "a few": 3, "few": 3,
    "several": 5, "a good few": 5, "a good": 1, "a whole": 1, "whole": 1, "a full": 1, "a solid": 1, "quite a few": 5,
    "the best part of a": 1, "about a": 1, "last": 1, "this": 1, "many": 10, "the last": 1, "the past": 1, "past": 1,
    "a handful of": 4,
}  # fmt: skip
_VAGUE = ("several", "many", "quite a few", "a good few", "a handful of")
_SPAN = re.compile(
    rf"(?:{number_range('low', 'high', NUMBER)}|(?P<few>\b(?:{'|'.join(sorted(_FEW, key=len, reverse=True))}))"
    r"|(?P<bare>^|\b(?:for|these|been|ages|about|its|and|took)\b))"
    r" ?(?:ish |plus |\+ |odd |long |or so |solid |full |good |whole |more |lunar |calendar )?"
    rf"(?P<unit>{UNIT})(?! of sundays)(?: and a (?P<half>half|bit))?"
    rf"(?:(?: and)? (?P<more>\d{{1,2}}|a|a few|a couple of) (?P<unit2>{UNIT}))?"
)
_SHARES = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4}
_PART_OF_UNIT = re.compile(
    r"(?:(?:\b(?P<count>\d) )?\b(?P<share>half|third|quarter)s?|\b(?P<over>[12345])/(?P<under>[234568])) "
    rf"(?:of )?(?:an?|1|the) (?P<unit>{UNIT})"
)
_NUMBERED = re.compile(r"\b(?P<unit>week|month|day) (?:number )?(?P<n>\d{1,3})\b(?! ?(?:of pregnancy|%))")
_NTH_WORDS = {"first": 1, "second": 2, "third": 3}
_IN_THE_NTH = re.compile(
    r"(?:^|\b(?:my|the|in|this is|on) )(?P<n>first|second|third|\d{1,2}(?:st|nd|rd|th)) (?P<unit>week|"
    r"month)\b(?! (?:of|in|i)\b)"
)
# A unit said once holds for a later number: "6 weeks ago, physio for 4 of them", "3 months, more like 5".
_ELIDED = re.compile(
    rf"(?P<n>{NUMBER}) of (?:them|those|these|that|which)\b"
    rf"|(?:\b(?:physio|pt|rehab|therapy) (?:for |only |about |just )*(?:the )?(?:last |past )?"
    r"|\banother |\b(?:more like|really its|actually its) )"
    rf"(?P<n2>{NUMBER})(?![\d./]| ?[a-z])"
)
_LESS = re.compile(r"\b(?:less than|under|not even|not quite|below|fewer than|within) (?:an? |the )?$")
_ADDED = re.compile(r"\b(?:another|plus|and a further|then a further) (?:\d+)?$")
_NOT_A_SPAN_BEFORE = re.compile(
    r"(?:for another|in another|next|wait|waiting|(?:takes|lasts)(?: me)?(?: about)?|every|each|blocks? of|"
    r"donkeys|years) ?$|\btill? ?$|\buntil ?$"
)
_RATE_BEFORE = re.compile(
    r"(?:times?|times in|twice|once|x|per|each|every|days?|hours?|minutes|visits?|sessions?|\d)(?: in)? ?$"
)
# An age at two times: "since i was 20, im 45 now", "started 2 weeks after my op, op was 10 weeks ago".
_AGE = r"(?P<n>\d{1,2})(?![/.%\d])(?: ?(?P<unit>day|week|month|year)s?\b)?"
_APART = (
    re.compile(
        rf"\b(?:since|when|from) (?:\w+ ){{1,3}}?(?:was|were|turned) (?:about |around |only |just )*{_AGE}(?! ?ago)"
    ),
    re.compile(
        rf"\b(?:was|were) (?:about |around |only |just )*{_AGE} (?:old )?when (?:i|we|it|physio|"
        rf"pt) (?:\w+ )?(?:started|began|came)"
    ),
    re.compile(
        r"\b(?:since|from) (?P<unit>week|day|month) (?P<n>\d{1,2})(?= of (?:my |the )?(?:pregnan|recovery)|"
        r" (?:pregnan|post))"
    ),
    re.compile(
        rf"\b(?:since|from|started|began)(?: \w+){{0,2}}? {_AGE} (?:post ?partum|pp|pregnant|post ?op|(?:after|"
        rf"post|from) "
        r"(?:my |the |giving )?(?:op|operation|surgery|birth|baby|injury|accident|fall))\b"
    ),
)
_AGE_NOW = re.compile(
    r"\b(?:im|i am|hes|shes|its|theyre|he is|she is|it is|is|now)(?: (?:now|just|nearly|almost|about|gone|hes|"
    r"shes|im))* "
    rf"{_AGE}(?! ?(?:of|sessions|visits|ago|out|times))|\b(?:was|is|were) (?:about )?(?P<n2>\d{{1,2}}) "
    r"(?P<unit2>day|week|month|year)s? ago\b"
)
_STAGES = {"primary school": 8, "childhood": 8, "high school": 15, "secondary school": 15, "school": 15, "college": 20,
           "teenager": 16, "teens": 16, "kid": 10, "child": 10, "student": 20,
           "uni": 20, "university": 20}  # fmt: skip
_STAGE = re.compile(
    rf"\b(?:since|from|in) (?:my |i left |i was in |i was at |i was an? |leaving )?(?P<stage>{'|'.join(_STAGES)})\b"
)
_MY_AGE = re.compile(
    r"\b(?:im|i am|aged?) (?:now |nearly |almost )?(?P<age>[1-9]\d)\b(?! ?(?:days|weeks|months|sessions|"
    r"visits|%|out|/))"
)
# How old the child is that it came with.
_CHILD = re.compile(
    r"\b(?:since|after|with|from) (?:i had )?(?:my |the |our |giving )*(?:\w+ )?(?:birth|pregnancy|child|baby|"
    r"son|daughter|kid|"
    r"youngest|eldest|her|him)\b"
)
_CHILD_AGE = re.compile(
    r"\b(?:hes|shes|he is|she is|theyre|(?:child|baby|son|daughter|kid|youngest|eldest) is) (?:now |nearly |"
    r"almost |only |just )*"
    rf"{_AGE}(?! ?(?:of|sessions|visits|ago|out|times))"
)
_MY_LIFE = re.compile(r"\b(?P<half>half (?:of )?)?my (?:whole |entire )?life\b")
_A_CLOCK = re.compile(
    r"\b(?:(?:is|are|be) at|takes?|costs?|aged?|born|oclock|[ap]m|(?:hes|shes|he is|she is) \d+|day 1)\b"
)
_BARE = re.compile(
    rf"(?:[a-z ,]*?\b)?(?P<low>{NUMBER})(?: ?(?:-|to|or|maybe|,) ?(?P<high>{NUMBER}))?(?: ?ish|\+)?(?:,? (?:i think|"
    r"or so|odd|ish|maybe|so far|in total|total|probably|tops|at most|ive had|now|i guess|about|roughly|"
    r"give or take|ago|of them|at a guess))*"
)


def read_time(plain: str, question: str, today: date) -> tuple[Answers, Doubts]:
    """Return the answers about time and visits in `plain` when `question` (one of TIME) was asked."""
    plain = ordinals_as_digits(corrected(plain))
    if question == SURGERY and phrase_groups("_time").find_group("no_surgery", plain):
        return {SURGERY: None}, []
    spans = _spans(plain, today)
    if question == SURGERY and _none_had(plain, spans, today):
        return {SURGERY: None}, []
    answers, doubts = _lengths(plain, spans, question)
    visits = visits_asked(plain) if question == "sessions" else count_visits(plain)
    if visits is not None:
        answers["sessions"] = visits
    if question not in answers:
        _by_rate(plain, spans, question, answers, doubts)
    if question not in answers and not spans:
        _without_unit(plain, question, answers, doubts)
    if question != SURGERY:
        # The operation that a time is counted from need not be the recent one that its own question is about.
        answers.pop(SURGERY, None)
    if (visits := answers.get("sessions")) is not None:
        answers["sessions"] = math.ceil(visits)
    return answers, doubts


def no_operation(plain: str) -> bool:
    """Tell whether a message says beside something else that there was no operation."""
    return _no_operation(plain) is not None


def _no_operation(plain: str) -> re.Match[str] | None:
    return phrase_groups("_time").find_group("no_operation", plain)


def problem_weeks(plain: str, today: date, told: bool) -> int | float | None:
    """Return how long the problem has been there, where a message says so; `told`: it tells how it began."""
    lengths = {span.role: span for span in reversed(_spans(ordinals_as_digits(corrected(plain)), today))}
    span = lengths.get("weeks_with_problem") or ((lengths.get(None) or lengths.get("asked")) if told else None)
    # "It just started one day": no problem brought to a plateau is days old.
    return None if span is None or span.vague or span.weeks < 1 else tidy(span.weeks)


def _none_had(plain: str, spans: list[Span], today: date) -> bool:
    """Tell whether a message says that there was no operation; a time in it is then of something else."""
    denied = _no_operation(plain)
    if denied:
        # Its own "surgery" is not what a time beside it is of.
        plain = plain[: denied.start()] + plain[denied.end() :]
    roles = {span.role for span in (_spans(plain, today) if denied else spans)}
    return SURGERY not in roles and (denied is not None or (yes_or_no(plain) is False and None not in roles))


def volunteered_time(plain: str, today: date) -> Answers:
    """Return the answers about time and visits that a message gives unasked, where its words say of what."""
    answers: Answers = {}
    visits = count_visits(plain, strict=True)
    if visits is not None:
        answers["sessions"] = visits
    for span in _spans(plain, today):
        # A few days are how long something lasts, not how long someone has been in PT.
        if span.role in ("weeks_in_pt", "unchanged_weeks") and not span.vague and span.weeks >= 1:
            answers.setdefault(span.role, tidy(span.weeks))
    return answers


def _lengths(plain: str, spans: list[Span], question: str) -> tuple[Answers, Doubts]:
    """Return the answers that lengths of time give, by the words beside each."""
    answers: Answers = {}
    doubts: Doubts = []
    asked = question if question in WEEKS else "weeks_in_pt"
    if len(spans) == 1 and question in WEEKS and question != SURGERY:
        if spans[0].role != "asked" and phrase_groups("_time").find_group("since_surgery", plain):
            # "since the op in june": the operation is where the answer is counted from.
            return {question: tidy(spans[0].weeks)}, doubts
        lone = {"weeks_in_pt": ("weeks_with_problem",), "unchanged_weeks": WEEKS}.get(question, ())
        if spans[0].role in (*lone, *(("ignore",) if question == "unchanged_weeks" else ())):
            spans = [replace(spans[0], role=question)]
    if question == SURGERY:
        # "10 days ago the stitches came out, op was 3 weeks": what stands before the operation is of something else.
        first = next((i for i, span in enumerate(spans) if span.role == SURGERY), 0)
        spans = [span if span.role else replace(span, role=SURGERY) for span in spans[first:]]
    for span in spans:
        role = asked if span.role in (None, "asked") else span.role
        if question == "sessions" and span.role is None and not RATE.search(plain):
            continue
        if role == "ignore":
            continue
        if role not in answers or (span.role and role != SURGERY):
            answers[role] = tidy(span.weeks)
            if span.vague and role == question:
                doubts.append((role, "vague"))
        elif role == SURGERY:
            # Of two operations the later one rules.
            answers[role] = min(tidy(span.weeks), answers[role] or 0)
    return answers, doubts


def _by_rate(plain: str, spans: list[Span], question: str, answers: Answers, doubts: Doubts) -> None:
    """Work visits out of "twice a week for 6 weeks", weeks out of "10 sessions, one a week"."""
    rate = RATE.search(plain)
    if rate is None:
        return
    lengths = [span.weeks for span in spans if span.role != "ignore"]
    if question == "sessions" and lengths:
        answers[question] = round(per_week(rate) * lengths[0])
    elif question in WEEKS and not spans and (visits := answers.get("sessions")):
        answers[question] = tidy(visits / per_week(rate))
        if question != "weeks_in_pt":
            del answers["sessions"]
    else:
        return
    doubts.append((question, "worked_out"))


def _without_unit(plain: str, question: str, answers: Answers, doubts: Doubts) -> None:
    """Read a bare number, "not yet", "just started": no unit is said."""
    groups = phrase_groups("_time")
    bare = _BARE.fullmatch(plain)
    if question == SURGERY and groups.find_group("recent_surgery_weeks_none", plain):
        answers[question] = None
    elif groups.find_group(f"{question}_zero", plain):
        answers[question] = 0
    elif bare and "sessions" not in answers and not _A_CLOCK.search(plain) and float(bare["low"]) < 1500:
        answers[question] = tidy(middle(float(bare["low"]), float(bare["high"] or bare["low"])))
        if question in WEEKS:
            doubts.append((question, "unit"))
    elif question == "sessions":
        few, vague = few_visits(plain)
        if few is not None:
            answers[question] = few
        if vague:
            doubts.append((question, "vague"))


def _spans(plain: str, today: date) -> list[Span]:
    """Return the lengths of time said, in order, each with the question that its words point to."""
    apart = _apart(plain)
    if apart is not None:
        return [apart]
    found: list[Span] = []
    for finder in _FINDERS:
        for span in finder(plain, today):
            if not any(other.start < span.end and span.start < other.end for other in found):
                found.append(span)
    found.sort(key=lambda span: span.start)
    found = _with_elided(plain, found)
    bounds = [0, *(span.end for span in found)], [*(span.start for span in found[1:]), len(plain)]
    return [
        span if span.role else replace(span, role=_role(plain, span, left, right))
        for span, left, right in zip(found, *bounds, strict=False)
    ]


def _with_elided(plain: str, found: list[Span]) -> list[Span]:
    """Add numbers that share an earlier unit; add up "another 4 weeks"; a better guess replaces the one before."""
    unit = next(
        (u for span in found for u in PER_UNIT if re.search(rf"\b{u}s?\b", plain[span.start : span.end])), "week"
    )
    spans = list(found)
    for m in _ELIDED.finditer(plain) if found else ():
        start, end = m.span("n" if m["n"] else "n2")
        if not any(span.start < end and start < span.end for span in found):
            spans.append(Span(float(m["n"] or m["n2"]) * PER_UNIT[unit], start, end))
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        before = plain[: span.start]
        if kept and plain.startswith((" later", " after that"), span.end):
            kept.append(replace(span, weeks=max(0.0, kept[-1].weeks - span.weeks)))
        elif kept and _ADDED.search(before):
            kept[-1] = replace(kept[-1], weeks=kept[-1].weeks + span.weeks)
        elif (
            kept
            and re.search(r"\b(?:more like|really its|actually its|actually|so|ok) $", before)
            and span not in found
        ):
            kept[-1] = span
        else:
            kept.append(span)
    return kept


def _apart(plain: str) -> Span | None:
    """Return the time between two ages of the same thing, or since a stage of the patient's life."""
    mine = _MY_AGE.search(plain)
    stage, life = _STAGE.search(plain), _MY_LIFE.search(plain)
    if mine and (stage or life):
        years = float(mine["age"])
        years = years - _STAGES[stage["stage"]] if stage else years / 2 if life and life["half"] else years
        return Span(years * 52, 0, len(plain), "asked") if years > 0 else None
    then = next((m for pattern in _APART if (m := pattern.search(plain))), None)
    if then is None:
        child = _CHILD_AGE.search(plain) if _CHILD.search(plain) else None
        return Span(float(child["n"]) * PER_UNIT[child["unit"] or "year"], 0, len(plain), "asked") if child else None
    now = next((m for m in _AGE_NOW.finditer(plain) if m.end() <= then.start() or then.end() <= m.start()), None)
    if now is None:
        return None
    n, unit = (now["n"], now["unit"]) if now["n"] else (now["n2"], now["unit2"])
    per_now = PER_UNIT[unit or then["unit"] or "year"]
    weeks = float(n) * per_now - float(then["n"]) * PER_UNIT[then["unit"] or unit or "year"]
    return Span(weeks, then.start(), then.end(), "asked") if weeks > 0 else None


def _parts_of_units(plain: str, today: date) -> Iterator[Span]:
    for m in _PART_OF_UNIT.finditer(plain):
        share = float(m["over"]) / float(m["under"]) if m["over"] else _SHARES[m["share"]] * float(m["count"] or 1)
        yield Span(share * PER_UNIT[_unit(m["unit"])], m.start(), m.end())


def _numbered(plain: str, today: date) -> Iterator[Span]:
    for m in _IN_THE_NTH.finditer(plain):
        nth = _NTH_WORDS.get(m["n"]) or float(m["n"][:-2])
        yield Span((nth - 0.5) * PER_UNIT[m["unit"]], m.start(), m.end())
    for m in _NUMBERED.finditer(plain):
        start = m["unit"] == "day" and m["n"] in ("0", "1")
        if not start and not re.search(r"\b(?:per|a|every|each|in the) $", plain[: m.start()]):
            yield Span(float(m["n"]) * PER_UNIT[m["unit"]], m.start(), m.end())


def _counted_spans(plain: str, today: date) -> Iterator[Span]:
    for m in _SPAN.finditer(plain):
        span = _span(plain, m)
        if span:
            yield span


def _span(plain: str, m: re.Match[str]) -> Span | None:
    before, after = plain[max(0, m.start() - 14) : m.start()], plain[m.end() : m.end() + 20]
    rate = _RATE_BEFORE.search(before)
    if rate and m["few"] in ("a", None, "last") and (m["low"] is None or "every" in before or "each" in before):
        return None
    if _NOT_A_SPAN_BEFORE.search(before) or re.match(
        r" (?:(?:a|per|each|every|out of) (?:week|month|day)|of age\b)", after
    ):
        return None
    if re.match(r" (?:old|young)\b", after) and not re.search(r"\b(?:pain|problem|injury|ache)\b", plain[: m.start()]):
        return None
    unit = _unit(m["unit"])
    count, vague = _count(m, unit)
    if count is None:
        return None
    weeks = (count + {"half": 0.5, "bit": 0.15}.get(m["half"], 0.0)) * PER_UNIT[unit]
    if m["unit2"]:
        more = {"a": 1.0, "a few": 3.0, "a couple of": 2.0}.get(m["more"]) or float(m["more"])
        weeks += more * PER_UNIT[_unit(m["unit2"])]
    if _LESS.search(plain[: m.start()]) or (m["few"] and _LESS.search(plain[: m.start()] + m["few"] + " ")):
        weeks *= 0.85
    return Span(weeks, m.start(), m.end(), vague=vague)


def _count(m: re.Match[str], unit: str) -> tuple[float | None, bool]:
    """Return how many units a match says, and whether it is vague; None where it says none."""
    if m["low"]:
        return middle(float(m["low"]), float(m["high"] or m["low"])), False
    if m["few"]:
        return (None if m["few"] in ("last", "this", "past", "another") else float(_FEW[m["few"]])), m["few"] in _VAGUE
    if m["unit"] == "fortnight" or m["half"]:
        return 1.0, False
    return (None, False) if not m["unit"].endswith("s") or unit in ("day", "hour") else (3.0, True)


def _role(plain: str, span: Span, left: int, right: int) -> str | None:
    """Return the question that the words nearest to a span point to; its neighbours stand at `left` and `right`."""
    groups = phrase_groups("_time")
    marks = [m.span() for m in _CLAUSE.finditer(plain, left, right)]
    cuts = [end for start, end in marks if end <= span.start]
    begin = cuts[-1] if cuts else left
    end = next((start for start, _ in marks if start >= span.end), right)
    if groups.find_group("elsewhere", plain[begin:end]):
        return "ignore"
    found = _nearest(plain, span, begin, end)
    if found is None and cuts and plain[cuts[-1] - 2 : cuts[-1]] in (", ", ": "):
        # "the therapy, 8 weeks": what stands before the comma names what the length is of.
        return _nearest(plain, span, cuts[-2] if len(cuts) > 1 else left, begin)
    return found


_CLAUSE = re.compile(r"[.,;!?:] | (?:but|then) ")


def _nearest(plain: str, span: Span, begin: int, end: int) -> str | None:
    groups = phrase_groups("_time")
    best: tuple[int, str] | None = None
    for role in (*WEEKS, "asked", "ignore"):
        for a, b in groups.spans(role, plain[begin:end]):
            distance = span.start - (begin + b) if begin + b <= span.start else max(0, begin + a - span.end)
            if best is None or distance < best[0]:
                best = (distance, role)
    return best[1] if best else None


def _unit(said: str) -> str:
    return said.removeprefix("school ").rstrip("s")


_FINDERS: tuple[Callable[[str, date], Iterator[Span]], ...] = (
    *CALENDAR[:2], _parts_of_units, _numbered, CALENDAR[2], _counted_spans, *CALENDAR[3:],
)  # fmt: skip
