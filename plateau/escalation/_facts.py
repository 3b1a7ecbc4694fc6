"""Turns an answer record into the named facts that conditions use. Arithmetic only; its meaning stands in rules.yml."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plateau.protocol import NO_ANSWER, QUESTIONS, FactType, adherence, record_of, taken_back, validate_flag

Record = Mapping[str, Any]

_KINDS: dict[str, FactType] = {
    "choice": "choice",
    "text": "choice",
    "multi": "set",
    "activities": "set",
    "nprs": "number",
    "number": "number",
}
_DERIVED: dict[str, FactType] = {
    "adherence": "number",
    "pain_change": "number",
    "pain_change_percent": "number",
    "psfs": "number",
    "returning": "flag",
    "weeks_since": "number",
    "pain_since": "number",
    "psfs_since": "number",
    "psfs_one_since": "number",
    "psfs_up_activity": "choice",
    "psfs_up_from": "number",
    "psfs_up_to": "number",
    "psfs_down_activity": "choice",
    "psfs_down_from": "number",
    "psfs_down_to": "number",
    "pain_moved_from": "number",
    "advised": "set",
    "followed": "set",
    "followed_asked": "flag",
    "flags_reported": "set",
    "flags_settled": "set",
    "tiers_reported": "set",
    "tiers_unanswered": "set",
    "tiers_checked": "set",
    "flags_unanswered": "set",
    "flags_checked": "set",
    "flags_taken_back": "set",
    "missing": "set",
    "unanswered": "set",
}
FIELDS = tuple(name for name, question in QUESTIONS.items() if question.record)
TYPES: dict[str, FactType] = {**{name: _KINDS[QUESTIONS[name].kind] for name in FIELDS}, **_DERIVED}
# Facts whose words are recommendation ids.
ADVICE_FACTS = ("advised", "followed")
_EMPTY: dict[FactType, Any] = {"number": math.nan, "choice": None, "set": (), "flag": False}


@dataclass(frozen=True, slots=True)
class Since:
    """The visit before: its answer record, what was advised then, how many weeks ago, and what was done of it.

    `followed` holds recommendation ids; None where nobody has asked.
    """

    record: Record
    advised: tuple[str, ...]
    weeks: float
    followed: tuple[str, ...] | None = None


def since(answers: Record) -> Since | None:
    """Return the visit before from the answers of a conversation (its "previous" and "followed"), or None."""
    previous = answers.get("previous")
    if not previous:
        return None
    followed = answers.get("followed")
    return Since(
        record=record_of(previous["answers"]),
        advised=tuple(previous["advised"]),
        weeks=previous["weeks"],
        followed=tuple(item for item in followed if item != "none") if isinstance(followed, list) else None,
    )


def facts_of(record: Record, since: Since | None = None) -> dict[str, Any]:
    """Return the facts of `record`: a missing number is NaN, a missing choice None, a missing list empty.

    `since` is the visit before, for someone who comes back.
    """
    known: dict[str, Any] = {name: _value(record, name) for name in FIELDS}
    known["adherence"] = adherence(record)
    known["pain_change"] = known["pain_start"] - known["pain_now"]
    known["pain_change_percent"] = 100 * known["pain_change"] / known["pain_start"] if known["pain_start"] else math.nan
    # Named only where it has moved, so that nobody reads that their pain went from 6 to 6.
    known["pain_moved_from"] = known["pain_start"] if known["pain_change"] else math.nan
    known["psfs"] = _mean(item.get("score") for item in _activities(record))
    known["missing"] = tuple(name for name in FIELDS if name not in record)
    known["unanswered"] = tuple(name for name in FIELDS if _no_answer(record.get(name)))
    known.update(_over_time(record, since))
    known.update(_flags(record))
    return known


def psfs_changes(record: Record, earlier: Record) -> dict[str, int]:
    """Return for each PSFS activity scored at both visits, by its name, the score now minus then."""
    then = {_same(item["activity"]): item["score"] for item in _activities(earlier) if item.get("score") is not None}
    return {
        item["activity"]: item["score"] - then[_same(item["activity"])]
        for item in _activities(record)
        if item.get("score") is not None and _same(item["activity"]) in then
    }


def _same(activity: str) -> str:
    return " ".join(activity.lower().split())


def _moved(way: str, record: Record, changes: Mapping[str, int], most: int) -> dict[str, Any]:
    """Return the activity that moved most in one direction, and from where to where; empty where none did."""
    name = next((name for name, change in changes.items() if change == most), None)
    if name is None or (most <= 0 if way == "up" else most >= 0):
        return {f"psfs_{way}_activity": None, f"psfs_{way}_from": math.nan, f"psfs_{way}_to": math.nan}
    now = next(item["score"] for item in _activities(record) if item["activity"] == name)
    return {f"psfs_{way}_activity": name, f"psfs_{way}_from": now - most, f"psfs_{way}_to": now}


_OVER_TIME = (
    "returning",
    "weeks_since",
    "pain_since",
    "psfs_since",
    "psfs_one_since",
    "psfs_up_activity",
    "psfs_up_from",
    "psfs_up_to",
    "psfs_down_activity",
    "psfs_down_from",
    "psfs_down_to",
    *ADVICE_FACTS,
    "followed_asked",
)


def _over_time(record: Record, since: Since | None) -> dict[str, Any]:
    if since is None:
        return {name: _EMPTY[_DERIVED[name]] for name in _OVER_TIME}
    by_name = psfs_changes(record, since.record)
    changes = list(by_name.values())
    return {
        "returning": True,
        "weeks_since": since.weeks,
        "pain_since": _value(since.record, "pain_now") - _value(record, "pain_now"),
        "psfs_since": _mean(changes),
        "psfs_one_since": max(changes, default=math.nan),
        **_moved("up", record, by_name, max(changes, default=0)),
        **_moved("down", record, by_name, min(changes, default=0)),
        "advised": tuple(since.advised),
        "followed": tuple(since.followed or ()),
        "followed_asked": since.followed is not None,
    }


def _value(record: Record, name: str) -> Any:
    value = record.get(name)
    if value is None or _no_answer(value):
        return _EMPTY[TYPES[name]]
    if QUESTIONS[name].kind == "activities":
        return tuple(item["activity"] for item in value)
    return tuple(value) if TYPES[name] == "set" else value


def _no_answer(value: object) -> bool:
    return isinstance(value, str) and value in NO_ANSWER


def _activities(record: Record) -> list[Mapping[str, Any]]:
    value = record.get("activities")
    return value if isinstance(value, list) else []


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _flags(record: Record) -> dict[str, tuple[str, ...]]:
    # Every entry counts, not the last one of an id: a flag reported once and denied once is still reported.
    flags = [validate_flag(item) for item in record.get("red_flags") or ()]
    return {
        "flags_reported": _unique(flag["id"] for flag in flags if flag["state"] == "reported"),
        "flags_settled": _unique(flag["id"] for flag in flags if flag["state"] in ("denied", "checked")),
        "tiers_reported": _unique(flag["tier"] for flag in flags if flag["state"] == "reported"),
        "tiers_unanswered": _unique(flag["tier"] for flag in flags if flag["state"] == "unknown"),
        "tiers_checked": _unique(flag["tier"] for flag in flags if flag["state"] == "checked"),
        "flags_unanswered": _unique(flag["id"] for flag in flags if flag["state"] == "unknown"),
        "flags_checked": _unique(flag["id"] for flag in flags if flag["state"] == "checked"),
        "flags_taken_back": _unique(flag["id"] for flag in flags if taken_back(flag)),
    }


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
