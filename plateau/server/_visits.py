"""Stored re-evaluations as the visits that reports and the returning patient's dialogue are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from plateau.content import Catalog, dated
from plateau.protocol import QUESTIONS, record_of
from plateau.report import Visit
from plateau.store import ReevaluationRow, Repository

DAYS_A_WEEK = 7


def visit_of(row: ReevaluationRow) -> Visit | None:
    """Return a stored re-evaluation as a visit; None while it has no plan."""
    if row.assessment is None or row.finished_at is None:
        return None
    followed = row.answers.get("followed")
    return Visit(
        day=row.finished_at.date(),
        record=record_of(row.answers),
        assessment=row.assessment,
        followed=[item for item in followed if item != "none"] if isinstance(followed, list) else None,
        rules_version=row.rules_version,
    )


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
