"""Stored re-evaluations as the visits that reports and the returning patient's dialogue are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from plateau.content import Catalog, clinic, clinic_words, dated
from plateau.escalation import Since, assess, clinic_rules
from plateau.protocol import QUESTIONS, record_of, red_flags
from plateau.report import DAYS_A_WEEK, STOPPING, Visit, bundle
from plateau.store import ReevaluationRow, Repository

# Not written on a page that someone at home may find, nor hinted at; what to do about it is said in the chat.
UNWRITTEN = ("abuse",)
# So many visits are looked at for one to go on from.
LAST_VISITS = 5


def visit_of(row: ReevaluationRow, earlier: Visit | None = None) -> Visit | None:
    """Return a stored re-evaluation as a visit, `earlier` being the one before it; None while it has no plan."""
    if row.assessment is None or row.finished_at is None:
        return None
    followed, day = row.answers.get("followed"), clinic().day_of(row.finished_at)
    answers = without(UNWRITTEN, row.answers)
    # Without it, the questions that a red flag made needless count again.
    record = record_of(answers)
    done = [item for item in followed if item != "none"] if isinstance(followed, list) else None
    visit = Visit(day, record, row.assessment, done, row.rules_version)
    return visit if answers == row.answers else replace(visit, assessment=_assessed(row, visit, earlier))


def without(flags: Collection[str], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers, or an answer record, without these red flags."""
    kept = [flag for flag in answers.get("red_flags") or () if flag["id"] not in flags]
    return {**answers, "red_flags": kept} if "red_flags" in answers else dict(answers)


def _assessed(row: ReevaluationRow, visit: Visit, earlier: Visit | None) -> dict[str, Any]:
    before = None
    if earlier is not None:
        weeks = (visit.day - earlier.day).days / DAYS_A_WEEK
        done = None if visit.followed is None else tuple(visit.followed)
        before = Since(earlier.record, tuple(_advised(earlier.assessment)), weeks, done)
    return assess(
        visit.record,
        since=before,
        rules=clinic_rules(),
        words=clinic_words(),
        numbers=clinic().numbers_for(row.answers.get("country")),
        said=row.said,
        today=visit.day,
    ).to_dict()


def visits_until(repository: Repository, row: ReevaluationRow) -> list[Visit]:
    """Return a re-evaluation and those of the same patient before it, oldest first; none while it has no plan."""
    rows = [*repository.history(row.patient_id)] if row.patient_id else []
    visits: list[Visit] = []
    for one in (*(before for before in reversed(rows) if before.id < row.id), row):
        visit = visit_of(one, visits[-1] if visits else None)
        visits += [visit] if visit else []
    return visits if row.assessment is not None else []


def bundle_of(
    row: ReevaluationRow, visits: Sequence[Visit], words: Catalog, unsaid: Collection[str] = ()
) -> dict[str, Any]:
    """Return a finished re-evaluation as a FHIR R4 bundle, without the red flags `unsaid`."""
    visit = visits[-1]
    made: dict[str, Any] = bundle(
        without(unsaid, visit.record),
        id=sha256(f"fhir:{row.patient_id or row.conversation_id}".encode()).hexdigest()[:32],
        at=row.finished_at or row.started_at,
        words=words,
        visit_id=f"{row.conversation_id}/{row.run}",
        tier=visit.assessment["tier"],
        previous=visits[-2].record if len(visits) > 1 else None,
    )
    return made


def previous_of(rows: Sequence[ReevaluationRow], words: Catalog, now: datetime) -> dict[str, Any] | None:
    """Return the last visit as the dialogue keeps it (plateau/protocol/_over_time.py), or None; rows latest first.

    A visit that danger broke off is passed over: it has neither the answers nor the advice to go on from. What it
    reported and nobody has settled goes on.
    """
    full = next((row for row in rows if not _broken_off(row)), rows[0] if rows else None)
    visit = visit_of(full) if full else None
    if full is None or visit is None or full.finished_at is None:
        return None
    return {
        "day": visit.day.isoformat(),
        "shown": dated(words, visit.day),
        "weeks": round((now - full.finished_at.astimezone(UTC)).days / DAYS_A_WEEK, 1),
        "answers": {name: value for name, value in full.answers.items() if name in QUESTIONS},
        "advised": _advised(visit.assessment),
        "flags": [flag for flag in red_flags(without(UNWRITTEN, rows[0].answers)) if flag["state"] == "reported"],
    }


def _broken_off(row: ReevaluationRow) -> bool:
    return row.assessment is None or row.assessment["primary"] in STOPPING


def _advised(assessment: Mapping[str, Any]) -> list[str]:
    return [item["id"] for item in assessment["recommendations"]]
