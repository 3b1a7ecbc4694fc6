"""What the rules alone read from a message: answers to the question asked, to its neighbours, and volunteered ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from . import _age, _choices, _digressions, _durations, _free, _frequency, _numbers, _sets
from ._lexicon import lexicons, phrase_groups
from ._text import Text

Doubts = list[tuple[str, str]]
Found = tuple[dict[str, Any], Doubts]

SCREEN = "red_flags"
CHOICES = (
    "for_whom", "pregnancy", "side", "onset", "joint_replacement", "diagnosis_fit", "progress", "effort", "sleep",
    "nutrition", "stress", "mood", "confidence", "smoking", "pain_spread", "night_pain", "told_therapist",
)  # fmt: skip
# Asked by the conversation, not part of the answer record.
CLASHES = ("clash_pain", "clash_progress", "clash_time", "clash_effort", "clash_days")
CONVERSATION = ("country", "consent", "review", *CLASHES)
SETS = (
    "hep_barriers",
    "session_response",
    "treatment_type",
    "conditions",
    "medicines",
    "pain_quality",
    "mechanical",
    "tried",
)
# Of the conversation too: what of the last visit's advice was done.
CONVERSATION_SETS = ("followed",)
UNSURE = {"onset": "unsure", "diagnosis_fit": "unsure"}
# Decisions that a word in passing must not take.
DECISIONS = ("consent", "review")
# What names its subject by the bare word: "diabetes", "on warfarin".
TOLD = ("conditions", "medicines")
# What a message may answer besides the question asked, when that question was answered: its near neighbours only.
NEIGHBOURS = {
    "body_region": ("side",),
    "side": ("body_region",),
    "for_whom": ("country",),
    "country": ("for_whom",),
    "hurts_at": ("side",),
}
# What is said of the fit of a diagnosis beside it, the more telling first; and that none was told.
FIT = ("different_place", "unsure", "fits")
NOT_TOLD = "not_told"
_CLAUSE = re.compile(r"[^,.;!? ][^,.;!?]*")
# "Over the winter" says how it went, not since when.
_SEASON = re.compile(r"\b(?:winter|spring|summer|autumn|fall)\b")
# Asked about the problem: of it, how it began is often told along.
PROBLEM = (
    "age_band", "body_region", "side", "hurts_at", "diagnosis_given", "diagnosis_fit", "onset", "weeks_with_problem",
    "recent_surgery_weeks", "joint_replacement",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One message, the question just asked, the day it is, and the judge of how its words are meant."""

    text: Text
    question: str | None
    today: date
    judge: _sets.Judge

    @property
    def plain(self) -> str:
        return self.text.plain


def asked(message: Message) -> Found:
    """Return what a message answers to the question asked, and the doubts to say back."""
    question = message.question
    if question is None or question not in READERS:
        return {}, []
    return READERS[question](message, question)


def _screen(message: Message, question: str) -> Found:
    groups = phrase_groups("_screen")
    if groups.find_group("unsure", message.plain):
        return {}, [(SCREEN, "unsure")]
    denied = groups.find_group("no", message.plain)
    if _choices.yes_or_no(message.plain) is False or (denied and _choices.is_the_point(message.plain, denied.span())):
        return {SCREEN: []}, []
    return {}, [(SCREEN, "yes")] if _choices.yes_or_no(message.plain) else []


def _pain(message: Message, question: str) -> Found:
    answers, doubts = _numbers.read_pain(message.plain, question)
    return dict(answers), doubts


def _days(message: Message, question: str) -> Found:
    answers, doubts = _frequency.read_days(message.plain, question)
    return dict(answers), doubts


def _time(message: Message, question: str) -> Found:
    answers, doubts = _durations.read_time(message.plain, question, message.today)
    return dict(answers), doubts


def _choice(message: Message, question: str) -> Found:
    if question in DECISIONS and not _choices.decides(message.plain, question):
        return {}, []
    if question in UNSURE and _digressions.whole_digression(message.plain) == "dont_know":
        return {question: UNSURE[question]}, []
    value = _choices.read_choice(message.plain, question)
    return ({question: value} if value else {}), []


def _region(message: Message, question: str) -> Found:
    matches = lexicons()["body_region"].asked.find(message.plain)
    value = _choices.pick_region(message.plain, matches)
    return ({question: value} if value else {}), []


def _age_band(message: Message, question: str) -> Found:
    value = _age.read_age(message.plain, message.today)
    return ({question: value} if value else {}), []


def _set(message: Message, question: str) -> Found:
    values = _sets.read_set(message.plain, question, message.judge)
    return ({question: values} if values else {}), []


def _free_text(message: Message, question: str) -> Found:
    value = _free.read_free(message.text, question)
    return ({question: value} if value else {}), []


def _activities(message: Message, question: str) -> Found:
    found = _free.read_activities(message.text)
    kept = found[: _free.ACTIVITIES_LIMIT]
    # The first three are kept; that it is these is said back.
    return ({question: kept} if kept else {}), [(question, "too_many")] if len(found) > len(kept) else []


# "should i get an mri" is no answer to what was tried; "is it a 7?" may be one to how bad the pain is.
NOT_FROM_QUESTIONS = frozenset((*CHOICES, *SETS, "body_region", "hurts_at", "age_band"))

READERS: Mapping[str, Callable[[Message, str], Found]] = {
    SCREEN: _screen,
    "age_band": _age_band,
    "activities": _activities,
    **dict.fromkeys(_numbers.PAIN, _pain),
    **dict.fromkeys(_frequency.DAYS, _days),
    **dict.fromkeys(_durations.TIME, _time),
    **dict.fromkeys((*CHOICES, *CONVERSATION), _choice),
    **dict.fromkeys(("body_region", "hurts_at"), _region),
    **dict.fromkeys((*SETS, *CONVERSATION_SETS), _set),
    **dict.fromkeys(_free.TEXTS, _free_text),
}


def also(message: Message, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message that answered its question says of the near neighbours of it."""
    question = message.question or ""
    found: dict[str, Any] = {}
    for neighbour in NEIGHBOURS.get(question, ()):
        value = _choices.volunteered_choice(message.plain, neighbour)
        if value:
            found[neighbour] = value
    if question in (*CHOICES, *SETS) and question != "for_whom":
        visits = _durations.count_visits(message.plain, strict=True)
        if visits is not None:
            found["sessions"] = visits
    if question == "diagnosis_given":
        matches = lexicons()["body_region"].unasked.find(message.plain)
        if matches and phrase_groups("_regions").find_group("stressed", message.plain):
            found["body_region"] = _choices.pick_region(message.plain, matches)
        fit = next((name for name in FIT if phrase_groups("_diagnosis").find_group(name, message.plain)), None)
        if fit and answers.get(question) != NOT_TOLD:
            found["diagnosis_fit"] = fit
    if question == "age_band":
        found |= _beside_an_age(message.plain)
    if question in PROBLEM:
        found |= _beginning(message, answers)
    return found


def _beside_an_age(plain: str) -> dict[str, Any]:
    """Return the body part and its side in "i turned 58 in march and it's the hip, right one"."""
    groups, clauses = phrase_groups("_regions"), [m.span() for m in _CLAUSE.finditer(plain)]
    parts = [
        m
        for m in lexicons()["body_region"].asked.find(plain)
        if (m.start, m.end) in clauses or any(a <= m.start and m.end <= b for a, b in groups.spans("told", plain))
    ]
    region = _choices.pick_region(plain, parts)
    if region is None:
        return {}
    starts = {start for start, _ in groups.spans("side", plain)} | {start for start, _ in clauses}
    sides = [m.value for m in lexicons()["side"].asked.find(plain) if m.start in starts]
    return {"body_region": region, **({"side": sides[0]} if sides else {})}


def _beginning(message: Message, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return how and when the problem began, and that nothing was operated on, where a message says so plainly."""
    plain, found = message.plain, dict[str, Any]()
    began = answers.get("onset") or _choices.volunteered_choice(plain, "onset")
    if began:
        found["onset"] = began
    # A time beside an operation is the operation's.
    told = began in ("gradual", "injury") and answers.get(_durations.SURGERY) is None
    weeks = _durations.problem_weeks(plain, message.today, told)
    if weeks is not None and not _SEASON.search(plain):
        found["weeks_with_problem"] = weeks
    if _durations.no_operation(plain):
        found[_durations.SURGERY] = None
    return found


def volunteered(message: Message, story: bool = False) -> dict[str, Any]:
    """Return the answers that a message gives unasked, each tied to words that name what it is about.

    `story`: nothing was asked and the patient tells of themselves, so a bare body part, illness or medicine is theirs.
    """
    plain, answers = message.plain, dict[str, Any]()
    lexicon = lexicons()["body_region"]
    matches = (lexicon.asked if story else lexicon.unasked).find(plain)
    region = _choices.pick_region(plain, matches) if matches else None
    if region:
        answers["body_region"] = region
    for name in CHOICES:
        value = _choices.volunteered_choice(plain, name)
        if value:
            answers[name] = value
    for name in SETS:
        values = _sets.volunteered_set(plain, name, message.judge, told=story and name in TOLD)
        if values:
            answers[name] = values
    answers.update(_durations.volunteered_time(plain, message.today))
    answers.update(_frequency.volunteered_days(plain))
    answers.update(_numbers.volunteered_pain(plain))
    age = _age.volunteered_age(plain)
    if age and message.question in (None, "for_whom"):
        answers["age_band"] = age
    return answers
