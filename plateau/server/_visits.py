"""Stored re-evaluations as the visits that reports and the returning patient's dialogue are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

from plateau.content import Catalog, clinic, clinic_words, dated
from plateau.escalation import assess, clinic_rules
from plateau.protocol import QUESTIONS, record_of
from plateau.report import Visit
from plateau.store import ReevaluationRow, Repository

DAYS_A_WEEK = 7
# Not written on a page that someone at home may find, nor hinted at; what to do about it is said in the chat.
UNWRITTEN = ("abuse",)


def visit_of(row: ReevaluationRow) -> Visit | None:
    """Return a stored re-evaluation as a visit; None while it has no plan."""
    if row.assessment is None or row.finished_at is None:
        return None
    followed, day = row.answers.get("followed"), row.finished_at.date()
    answers = without(UNWRITTEN, row.answers)
    # Without it, the questions that a red flag made needless count again.
    record = record_of(answers)
    return Visit(
        day=day,
        record=record,
        assessment=row.assessment if answers == row.answers else _assessed(row, record, day),
        followed=[item for item in followed if item != "none"] if isinstance(followed, list) else None,
        rules_version=row.rules_version,
    )


def without(flags: Collection[str], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers, or an answer record, without these red flags."""
    kept = [flag for flag in answers.get("red_flags") or () if flag["id"] not in flags]
    return {**answers, "red_flags": kept} if "red_flags" in answers else dict(answers)


def _assessed(row: ReevaluationRow, record: Mapping[str, Any], day: date) -> dict[str, Any]:
    numbers = clinic().numbers_for(row.answers.get("country"))
    words, said = clinic_words(), row.said
    return assess(record, rules=clinic_rules(), words=words, numbers=numbers, said=said, today=day).to_dict()


def visits_until(repository: Repository, row: ReevaluationRow) -> list[Visit]:
    """Return a re-evaluation and those of the same patient before it, oldest first; none while it has no plan."""
    rows = [*repository.history(row.patient_id)] if row.patient_id else []
    earlier = [before for before in reversed(rows) if before.id < row.id]
    visits = [visit for before in (*earlier, row) if (visit := visit_of(before)) is not None]
    return visits if row.assessment is not None else []


def previous_of(row: ReevaluationRow | None, words: Catalog, now: datetime) -> dict[str, Any] | None:
    """Return the last visit as the dialogue keeps it (plateau/protocol/_over_time.py), or None."""
    visit = visit_of(row) if row else None
    if row is None or visit is None or row.finished_at is None:
        return None
    return {
        "day": visit.day.isoformat(),
        "shown": dated(words, visit.day),
        "weeks": round((now - row.finished_at.astimezone(UTC)).days / DAYS_A_WEEK, 1),
        "answers": {name: value for name, value in row.answers.items() if name in QUESTIONS},
        "advised": _advised(visit.assessment),
    }


def _advised(assessment: Mapping[str, Any]) -> list[str]:
    return [item["id"] for item in assessment["recommendations"]]
