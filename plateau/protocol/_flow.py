"""Decides the next question: pure functions of the answers given so far.

`answers` maps question ids to validated answers; the listener's red flags stand under "red_flags", the last visit of
someone who comes back under "previous". An id that is absent or None has not been answered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ._answers import validate_flag
from ._over_time import agreed, carried
from ._questions import CONDITIONS, NO_ANSWER, QUESTIONS, RED_FLAGS, SECTIONS, TIERS, Tier

Answers = Mapping[str, Any]
URGENT: tuple[Tier, ...] = ("same_day", "emergency")
ADHERENT = 80  # % of the prescribed days, the commonest threshold in 86 studies (Bailey 2020, BJSM 54:326)
SAFETY_TEXTS = ("emergency", "mental_health", "abuse", "same_day", "within_days")
# Flags whose first words are their own, whatever the tier.
_OWN_TEXT = {"mental_health_crisis": "mental_health", "abuse": "abuse"}
# Texts that are shown as a full stop and not as one message among others.
STOPPING_TEXTS = ("emergency", "mental_health", "after_emergency")
CRISIS = "mental_health_crisis"
# The one question that is put directly about it, and the answer that settles a mistake.
DIRECT_QUESTION, DIRECT_NO = "safety_mood", ["no"]
EARLY_WEEKS, EARLY_SESSIONS = 2, 3
REVIEW = "review"
_WHEN = {question.when.source: question.when for question in QUESTIONS.values()}
# The facts that conditions look at: each one, and all of them.
_ASKS = {source: tuple(sorted(condition.names)) for source, condition in _WHEN.items()}
_ALL_ASKED = tuple(sorted({name for names in _ASKS.values() for name in names}))
_BLANK = CONDITIONS.blank()
_LISTS = tuple(name for name, question in QUESTIONS.items() if question.raises)


@dataclass(frozen=True, slots=True)
class Screen:
    """Questions shown together: those still open that belong with the one that is asked.

    `left` is how many screens are to be expected after this one, as far as the answers tell; the review is not counted.
    """

    id: str
    section: str
    number: int
    of: int
    left: int
    questions: tuple[str, ...]


def facts(answers: Answers) -> dict[str, Any]:
    """Return the names that conditions may use, from the answers."""
    known = dict(_BLANK)
    for name, value in answers.items():
        question = QUESTIONS.get(name)
        if question is None or value is None or value in NO_ANSWER or (question.none and value == "none"):
            continue
        if question.kind in ("number", "nprs") and (isinstance(value, bool) or not isinstance(value, int | float)):
            # Not validated yet, so it says nothing.
            continue
        known[name] = [item["activity"] for item in value] if question.kind == "activities" else value
    known["adherence"] = adherence(answers)
    known["tier"] = tier(red_flags(answers))
    known["urgent"] = known["tier"] in URGENT
    known["well"] = known["progress"] == "much_better"
    known["early"] = (
        known["weeks_in_pt"] < EARLY_WEEKS
        and not known["sessions"] >= EARLY_SESSIONS
        and known["progress"] not in ("much_worse", "a_bit_worse")
    )
    known["returning"] = bool(answers.get("previous"))
    known["agreed"] = agreed(answers.get("previous"))
    known["mood_crisis"] = any(
        flag["id"] == CRISIS and flag["state"] in ("reported", "unknown") for flag in answers.get("red_flags") or ()
    )
    return known


def adherence(answers: Answers) -> float:
    """Return done / prescribed x 100 of the home exercise programme (HEP), at most 100; NaN unless both are known."""
    done, prescribed = answers.get("hep_days_done"), answers.get("hep_days_prescribed")
    if not isinstance(done, int | float) or not isinstance(prescribed, int | float) or prescribed == 0:
        # One and the same, so that what is remembered of it is found again: no other number equals it.
        return math.nan
    return min(100.0, 100 * done / prescribed)


def red_flags(answers: Answers) -> list[dict[str, Any]]:
    """Return the red flags of the answers: the safety lists' and the listener's, one entry for each id.

    What was reported outweighs what was denied; the higher tier wins (design, section 3).
    """
    listed = [dict(flag) for flag in _listed(tuple(_hashable(answers.get(name)) for name in _LISTS))]
    if not (told := answers.get("red_flags")):
        return listed
    return _weightiest([*listed, *(_directly(validate_flag(item), answers) for item in told)])


@lru_cache(maxsize=1024)
def _listed(given: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    """Return the red flags of the safety lists by their answers, which stay the same for most of a conversation."""
    return tuple(_weightiest(_screened(zip(_LISTS, given, strict=True))))


def _weightiest(flags: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for flag in flags:
        held = found.get(flag["id"])
        if held is None or _weight(flag) > _weight(held):
            found[flag["id"]] = flag
    return [found[name] for name in RED_FLAGS if name in found]


def settle(flag: Mapping[str, Any], state: str, because: str) -> dict[str, Any]:
    """Return a reported red flag with what the patient says of it since: "denied", for a mistake, or "checked".

    `because`, the words it was reported in, stays with it: that tells what was taken back from what never was.
    A crisis is not settled as a mistake by that alone: it stays unknown until the direct question is answered.
    """
    kept = {"because": because, **{name: value for name, value in flag.items() if value}}
    return {**kept, "state": "unknown" if state == "denied" and flag["id"] == CRISIS else state}


def taken_back(flag: Mapping[str, Any]) -> bool:
    """Tell whether a red flag was reported and then called a mistake, and not only denied when it was asked for."""
    return flag["state"] == "denied" and bool(flag.get("because"))


def awaits_direct_question(answers: Answers, flag: Mapping[str, Any]) -> bool:
    """Tell whether a red flag was called a mistake and the direct question about it is still open."""
    return flag["id"] == CRISIS and flag["state"] == "unknown" and is_open(answers, DIRECT_QUESTION)


def safety_texts(flags: Iterable[tuple[str, str]]) -> list[str]:
    """Return which texts of content/*/safety.yml red flags, as (id, tier), need: the most urgent first, each once."""
    wanted = {_OWN_TEXT.get(name, tier) for name, tier in flags}
    return [text for text in SAFETY_TEXTS if text in wanted]


def merge_flags(held: Sequence[Mapping[str, Any]], heard: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the held flags with the heard ones added: tiers only rise, and what is said again counts again."""
    merged = {flag["id"]: dict(flag) for flag in held}
    for flag in heard:
        old = merged.get(flag["id"])
        if old is None or old["state"] != "reported" or TIERS.index(flag["tier"]) > TIERS.index(old["tier"]):
            merged[flag["id"]] = dict(flag)
    return list(merged.values())


def tier(flags: Sequence[Mapping[str, Any]]) -> Tier:
    """Return the highest tier among the red flags reported; an unknown answer to an emergency one is same_day."""
    ranks = [0]
    for flag in flags:
        if flag["state"] == "reported":
            ranks.append(TIERS.index(flag["tier"]))
        elif flag["state"] == "unknown" and flag["tier"] == "emergency":
            ranks.append(TIERS.index("same_day"))
    return TIERS[max(ranks)]


def is_open(answers: Answers, name: str) -> bool:
    return answers.get(name) is None


def applicable(answers: Answers) -> list[str]:
    """Return the ids of all questions that are asked of someone with these answers, in order."""
    known = facts(answers)
    return list(_asked_with(tuple(_hashable(known[name]) for name in _ALL_ASKED)))


@lru_cache(maxsize=1024)
def _asked_with(values: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the questions asked with these facts; a turn comes to the same ones several times."""
    known = dict(zip(_ALL_ASKED, values, strict=True))
    # Many questions share a condition; each is worked out once.
    holds = {source: _holds(source, tuple(known[name] for name in names)) for source, names in _ASKS.items()}
    return tuple(name for name, question in QUESTIONS.items() if holds[question.when.source])


@lru_cache(maxsize=4096)
def _holds(source: str, values: tuple[Any, ...]) -> bool:
    """Tell whether a condition holds, by the facts it asks for: most are the same from one turn to the next."""
    return _WHEN[source].holds(dict(zip(_ASKS[source], values, strict=True)))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def next_question(answers: Answers) -> str | None:
    """Return the next question; None when all is asked, consent was declined or an emergency was reported."""
    return None if _stopped(answers) else next((name for name in applicable(answers) if is_open(answers, name)), None)


def next_section(answers: Answers) -> str | None:
    """Return the section of the next question, or None."""
    name = next_question(answers)
    return QUESTIONS[name].section if name else None


def required(section: str, answers: Answers) -> list[str]:
    """Return the ids a section's form needs: none still open unless the next question of all is one of its own.

    So a form ends by itself when a changed answer opens an earlier question, or when an emergency was reported.
    """
    asked = applicable(answers)
    mine = [name for name in asked if QUESTIONS[name].section == section]
    following = None if _stopped(answers) else next((name for name in asked if is_open(answers, name)), None)
    if following is not None and QUESTIONS[following].section == section:
        return mine
    return [name for name in mine if not is_open(answers, name)]


def previous_question(answers: Answers, current: str | None) -> str | None:
    """Return the last question answered before `current` that may be asked again, or None at the very start."""
    names = applicable(answers)
    before = names[: names.index(current)] if current in names else names
    # What stands from the last visit was not asked before; in the review it can be changed.
    previous = answers.get("previous")
    stood = {"consent", *(carried(previous) if previous else ())}
    return next((name for name in reversed(before) if not is_open(answers, name) and name not in stood), None)


def screen(answers: Answers, current: str) -> Screen:
    """Return the screen that asks `current`: with it, the open questions that belong together with it."""
    asked = QUESTIONS[current]
    waiting = [name for name in applicable(answers) if name == current or is_open(answers, name)]
    together = tuple(name for name in waiting if QUESTIONS[name].screen == asked.screen)
    after = {*list(QUESTIONS)[list(QUESTIONS).index(current) :]}
    left = {QUESTIONS[name].screen for name in waiting if name in after and name != REVIEW} - {asked.screen}
    shown = SECTIONS[1:-1]
    number = shown.index(asked.section) + 1 if asked.section in shown else 0
    return Screen(asked.screen, asked.section, number, len(shown), len(left), together)


def opening(answers: Answers, name: str, other: str) -> tuple[str, ...]:
    """Return the values of the question `name` after which `other`, open and of the same screen, is asked."""
    question, following = QUESTIONS[name], QUESTIONS[other]
    if name == other or question.screen != following.screen or not is_open(answers, other):
        return ()
    return tuple(value for value in question.values if following.when.holds(facts({**answers, name: value})))


def answered_together(answers: Answers, current: str, given: Answers) -> tuple[str, ...]:
    """Return which of `given`, answers of one moment, are asked on the screen of `current`.

    Beside the questions shown, these are the open ones of the same screen that the answers before them bring up.
    """
    shown = screen(answers, current)
    taken = [name for name in shown.questions if name in given]
    for name, question in QUESTIONS.items():
        if question.screen != shown.id or name in taken or name not in given or not is_open(answers, name):
            continue
        if question.when.holds(facts({**answers, **{before: given[before] for before in taken}})):
            taken.append(name)
    return tuple(taken)


def record_of(answers: Answers) -> dict[str, Any]:
    """Return the answer record of design section 3: what was asked and answered, with the red flags of both sources."""
    record: dict[str, Any] = {}
    for name in applicable(answers):
        question, value = QUESTIONS[name], answers.get(name)
        if question.record and value is not None:
            record[name] = None if question.none and value == "none" else value
    record["red_flags"] = red_flags(answers)
    return record


def _stopped(answers: Answers) -> bool:
    return answers.get("consent") == "no" or tier(red_flags(answers)) == "emergency"


def _screened(lists: Iterable[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    for name, given in lists:
        if given is None:
            continue
        for value, raised in (QUESTIONS[name].raises or {}).items():
            yield {"id": raised.flag, "tier": raised.tier, "state": _state(given, value)}


def _state(given: Any, value: str) -> str:
    if given in NO_ANSWER:
        return "unknown"
    return "reported" if value in given else "denied"


def _directly(flag: dict[str, Any], answers: Answers) -> dict[str, Any]:
    """Return a crisis called a mistake as denied once the direct question has been answered with no."""
    mistaken = flag["id"] == CRISIS and flag["state"] == "unknown" and answers.get(DIRECT_QUESTION) == DIRECT_NO
    return {**flag, "state": "denied"} if mistaken else flag


def _weight(flag: Mapping[str, Any]) -> tuple[int, bool, int, bool]:
    order = ("denied", "unknown", "checked", "reported")
    return order.index(flag["state"]), taken_back(flag), TIERS.index(flag["tier"]), bool(flag.get("because"))
