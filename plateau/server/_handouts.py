"""The pages of a finished re-evaluation: made on request, behind links that nobody can guess and that end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from plateau.content import Catalog, Clinic, dated
from plateau.escalation import signed
from plateau.report import (
    PRIVATE,
    Links,
    Place,
    Visit,
    bundle,
    calendar,
    place_of,
    plan_html,
    plan_page,
    plan_pdf,
    summary,
    summary_html,
    summary_pdf,
)
from plateau.store import Database, Repository

from ._codes import BadCode, digest, new_code, new_link, plain_code
from ._visits import visits_until, without

STYLE_PATH = "/report.css"
PLAN, SUMMARY = "plan", "summary"


class NoPlan(Exception):
    """There is no finished re-evaluation, or the link has ended."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What stands behind a link: the visits up to that re-evaluation, where it was made, when the link ends."""

    visits: list[Visit]
    place: Place
    until: datetime
    conversation: str
    run: int


class Handouts:
    """Makes and opens links and codes with one secret."""

    def __init__(self, database: Database, clinic: Clinic, words: Catalog, secret: str) -> None:
        self._database, self._clinic, self._words, self._secret = database, clinic, words, secret

    async def make(self, conversation: str) -> dict[str, Any]:
        """Return new links to the pages of a conversation's latest plan, and a new code to come back; raises NoPlan."""
        plan, summary, code = new_link(), new_link(), new_code()
        now = datetime.now(UTC)
        until = now + timedelta(hours=self._clinic.link_hours)
        code_until = now + timedelta(days=self._clinic.code_days)

        def work(session: Session) -> bool:
            repository = Repository(session)
            row = repository.reevaluation(conversation)
            if row is None or row.assessment is None:
                return False
            for kind, link in ((PLAN, plan), (SUMMARY, summary)):
                repository.save_link(conversation, row.run, kind, digest(self._secret, kind, link), until)
            if row.patient_id:
                repository.save_code(row.patient_id, digest(self._secret, "code", plain_code(code)), code_until)
            return True

        if not await self._database.run(work):
            raise NoPlan
        return {
            "plan": f"/plan/{plan}",
            "plan_pdf": f"/plan/{plan}/pdf",
            "calendar": f"/plan/{plan}/calendar",
            "summary": f"/summary/{summary}",
            "summary_pdf": f"/summary/{summary}/pdf",
            "fhir": f"/summary/{summary}/fhir",
            "until": until.isoformat(timespec="seconds"),
            "code": code,
            "code_until": code_until.isoformat(timespec="seconds"),
        }

    async def patient(self, typed: str) -> str:
        """Return whose code this is; raises BadCode."""
        found = digest(self._secret, "code", plain_code(typed))
        patient = await self._database.read(lambda session: Repository(session).patient_by_code(found))
        if patient is None:
            raise BadCode
        return patient

    async def open(self, kind: str, link: str) -> Opened:
        """Return what stands behind a link; raises NoPlan for one that is not ours or has ended."""

        def work(session: Session) -> Opened | None:
            repository = Repository(session)
            found = repository.link(digest(self._secret, kind, link))
            row = repository.reevaluation(found.conversation_id, found.run) if found and found.kind == kind else None
            if found is None or row is None or not (visits := visits_until(repository, row)):
                return None
            place = place_of(self._clinic, row.answers.get("country"), signed())
            return Opened(visits, place, found.expires_at, found.conversation_id, found.run)

        opened = await self._database.read(work)
        if opened is None:
            raise NoPlan
        return opened

    def plan_page(self, opened: Opened, link: str) -> str:
        """Return the patient's page."""
        links = Links(
            style=STYLE_PATH,
            pdf=f"/plan/{link}/pdf",
            calendar=f"/plan/{link}/calendar",
            until=dated(self._words, opened.until.date()),
        )
        page = plan_page(opened.visits, opened.place, self._words)
        return plan_html(page, opened.place, self._words, links)

    def plan_pdf(self, opened: Opened) -> bytes:
        """Return the patient's plan as PDF."""
        return plan_pdf(plan_page(opened.visits, opened.place, self._words), opened.place, self._words)

    def plan_calendar(self, opened: Opened) -> bytes:
        """Return the day to look again as a calendar file."""
        visit = opened.visits[-1]
        # The id says nothing of the patient, and is the same each time, so that a second import changes the first.
        uid = f"{digest(self._secret, 'calendar', f'{opened.conversation}/{opened.run}')[:32]}@plateau"
        return calendar(visit, opened.place, self._words, uid=uid, now=datetime.now(UTC))

    def summary_page(self, opened: Opened, link: str) -> str:
        """Return the therapist's page."""
        page = summary(opened.visits, opened.place, self._words)
        return summary_html(page, opened.place, self._words, Links(style=STYLE_PATH, pdf=f"/summary/{link}/pdf"))

    def summary_pdf(self, opened: Opened) -> bytes:
        """Return the therapist's summary as PDF."""
        return summary_pdf(summary(opened.visits, opened.place, self._words), opened.place, self._words)

    def fhir(self, opened: Opened) -> dict[str, Any]:
        """Return the re-evaluation as a FHIR R4 bundle."""
        visit = opened.visits[-1]
        exported: dict[str, Any] = bundle(
            # The link may be handed on: what the summary keeps private is not in it either.
            without(PRIVATE, visit.record),
            id=digest(self._secret, "fhir", opened.conversation)[:32],
            at=datetime.combine(visit.day, datetime.min.time(), UTC),
            words=self._words,
            visit_id=f"{opened.conversation}/{opened.run}",
            tier=visit.assessment["tier"],
            previous=opened.visits[-2].record if len(opened.visits) > 1 else None,
        )
        return exported
