"""Validates one answer, or a whole answer record (design, section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ._questions import NO_ANSWER, QUESTIONS, RED_FLAGS, TIERS, Question

STATES = ("reported", "denied", "unknown", "checked")
TEXT_LIMIT = 2000
DAYS_A_WEEK = 7
ACTIVITIES_LIMIT = 3


class InvalidAnswer(ValueError):
    """An answer that its question does not allow; `question`, `got` and `allowed` say which, what and what would do."""

    def __init__(self, question: str, got: object, allowed: str) -> None:
        super().__init__(f"{question}: {_short(got)} is not an answer; allowed: {allowed}")
        self.question, self.got, self.allowed = question, got, allowed


class InvalidRecord(ValueError):
    """An answer record with wrong ids or values; `problems` lists every one."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def validate(question: str, value: Any) -> Any:
    """Return `value` in its canonical form; idempotent; raises InvalidAnswer."""
    if question not in QUESTIONS:
        raise InvalidAnswer(question, value, "one of the questions " + ", ".join(QUESTIONS))
    rule = QUESTIONS[question]
    if isinstance(value, str) and value in NO_ANSWER and value not in rule.values:
        if rule.required:
            raise InvalidAnswer(question, value, ", ".join(rule.values))
        return value
    return _VALIDATORS[rule.kind](rule, value)


def validate_record(record: Any) -> dict[str, Any]:
    """Return a canonical copy of an answer record as `plateau assess` takes it; raises InvalidRecord."""
    if not isinstance(record, Mapping):
        raise InvalidRecord([f"an answer record is an object, not {_short(record)}"])
    clean: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in record.items():
        try:
            if name == "red_flags":
                clean[name] = [validate_flag(item) for item in _items(name, value, "a list of red flags")]
            elif name not in QUESTIONS or not QUESTIONS[name].record:
                known = ", ".join(q.id for q in QUESTIONS.values() if q.record)
                problems.append(f"{_short(name)} is not a field of the answer record; allowed: {known}, red_flags")
            elif value is None and QUESTIONS[name].none:
                clean[name] = None
            elif value not in ([], ""):
                # An empty list or text says as much as no answer.
                clean[name] = _recorded(name, value)
        except InvalidAnswer as error:
            problems.append(str(error))
    if problems:
        raise InvalidRecord(problems)
    return clean


def _recorded(name: str, value: Any) -> Any:
    """Validate an answer of a record, which may come from elsewhere: looser than the dialogue where nothing is lost."""
    question = QUESTIONS[name]
    if isinstance(value, str) and value in NO_ANSWER:
        return value
    if question.kind == "multi" and isinstance(value, list) and "none" in value and len(set(map(str, value))) > 1:
        value = [item for item in value if item != "none"]
    if question.kind == "number" and question.maximum > DAYS_A_WEEK and _is_number(value) and value >= 0:
        return value
    return validate(name, value)


def validate_flag(item: Any) -> dict[str, Any]:
    """Return a red flag as {"id", "tier", "state"[, "because"]}; a bare id is reported at its usual tier."""
    flag = {"id": item} if isinstance(item, str) else item
    if not isinstance(flag, Mapping) or flag.get("id") not in RED_FLAGS:
        raise InvalidAnswer("red_flags", item, "ids " + ", ".join(RED_FLAGS))
    tier = flag.get("tier", RED_FLAGS[flag["id"]])
    state = flag.get("state", "reported")
    if tier not in TIERS[2:]:
        raise InvalidAnswer("red_flags", item, "tiers " + ", ".join(TIERS[2:]))
    if state not in STATES:
        raise InvalidAnswer("red_flags", item, "states " + ", ".join(STATES))
    if unknown := set(flag) - {"id", "tier", "state", "because"}:
        raise InvalidAnswer("red_flags", sorted(unknown), "id, tier, state, because")
    because = {"because": str(flag["because"])} if flag.get("because") else {}
    return {"id": flag["id"], "tier": tier, "state": state, **because}


def _choice(question: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in question.values:
        raise InvalidAnswer(question.id, value, ", ".join(question.values))
    return value


def _multi(question: Question, value: Any) -> list[str]:
    if question.single and isinstance(value, str):
        value = [value]
    items = _items(question.id, value, "a list of " + ", ".join(question.values))
    chosen = {_choice(question, item) for item in items}
    if not chosen:
        raise InvalidAnswer(question.id, value, "at least one of " + ", ".join(question.values))
    if "none" in chosen and len(chosen) > 1:
        raise InvalidAnswer(question.id, value, '"none" alone, or the others without it')
    if question.single and len(chosen) > 1:
        raise InvalidAnswer(question.id, value, "one of " + ", ".join(question.values))
    chosen = chosen - set(question.alone) or chosen
    return [known for known in question.values if known in chosen]


def _number(question: Question, value: Any) -> float | int | str:
    allowed = f"a number from {question.minimum:g} to {question.maximum:g}" + (' or "none"' if question.none else "")
    if question.none and value == "none":
        return "none"
    if not _is_number(value):
        raise InvalidAnswer(question.id, value, allowed)
    if not question.minimum <= value <= question.maximum:
        raise InvalidAnswer(question.id, value, allowed)
    if question.step and value % question.step:
        raise InvalidAnswer(question.id, value, f"{allowed}, in steps of {question.step:g}")
    return int(value) if value == int(value) else round(float(value), 2)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(question: Question, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidAnswer(question.id, value, "some words")
    return value.strip()[:TEXT_LIMIT]


def _activities(question: Question, value: Any) -> list[dict[str, Any]]:
    allowed = 'up to 3 of {"activity": some words, "score": 0 to 10}'
    items = _items(question.id, value, allowed)
    if not 1 <= len(items) <= ACTIVITIES_LIMIT:
        raise InvalidAnswer(question.id, value, allowed)
    named: dict[str, dict[str, Any]] = {}
    for item in items:
        activity = _activity(question, item, allowed)
        # The same activity twice could not be told apart at the next visit: the first counts.
        named.setdefault(" ".join(activity["activity"].lower().split()), activity)
    return list(named.values())


def _activity(question: Question, item: Any, allowed: str) -> dict[str, Any]:
    if not isinstance(item, Mapping) or set(item) - {"activity", "score"}:
        raise InvalidAnswer(question.id, item, allowed)
    name, score = item.get("activity"), item.get("score")
    if not isinstance(name, str) or not name.strip():
        raise InvalidAnswer(question.id, item, allowed)
    if score is None:
        return {"activity": name.strip()[:TEXT_LIMIT]}
    if isinstance(score, bool) or not isinstance(score, int | float) or score != int(score) or not 0 <= score <= 10:
        raise InvalidAnswer(question.id, item, allowed)
    return {"activity": name.strip()[:TEXT_LIMIT], "score": int(score)}


def _items(name: str, value: Any, allowed: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InvalidAnswer(name, value, allowed)
    return list(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_VALIDATORS = {
    "choice": _choice,
    "multi": _multi,
    "flags": _multi,
    "nprs": _number,
    "number": _number,
    "text": _text,
    "activities": _activities,
}
