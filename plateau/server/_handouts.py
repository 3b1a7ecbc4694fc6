"""The pages of a finished re-evaluation: made on request, behind links that nobody can guess and that end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from plateau.content import Catalog, Clinic, dated
from plateau.escalation import Signature
from plateau.report import (
    PRIVATE,
    STOPPING,
    Links,
    Picture,
    Place,
    Visit,
    calendar,
    place_of,
    plan_html,
    plan_page,
    plan_pdf,
    summary,
    summary_html,
    summary_pdf,
)
from plateau.store import Database, ReevaluationRow, Repository

from ._codes import BadCode, digest, new_code, new_link, plain_code
from ._visits import bundle_of, visits_until

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
    row: ReevaluationRow


class Handouts:
    """Makes and opens links and codes with one secret."""

    def __init__(
        self, database: Database, clinic: Clinic, words: Catalog, secret: str, signed: Signature | None
    ) -> None:
        self._database, self._clinic, self._words, self._secret = database, clinic, words, secret
        self._signed = signed

    async def make(self, conversation: str) -> dict[str, Any]:
        """Return new links to the pages of a conversation's latest plan, and a new code to come back; raises NoPlan."""
        plan, summary, code = new_link(), new_link(), new_code()
        now = datetime.now(UTC)
        # Nothing is promised for longer than it is kept.
        kept = now + timedelta(days=self._clinic.keep_days)
        until = min(kept, now + timedelta(hours=self._clinic.link_hours))
        code_until = min(kept, now + timedelta(days=self._clinic.code_days))

        def work(session: Session) -> Mapping[str, Any] | None:
            repository = Repository(session)
            row = repository.reevaluation(conversation)
            if row is None or row.assessment is None:
                return None
            for kind, link in ((PLAN, plan), (SUMMARY, summary)):
                repository.save_link(conversation, row.run, kind, digest(self._secret, kind, link), until)
            if row.patient_id:
                repository.save_code(row.patient_id, digest(self._secret, "code", plain_code(code)), code_until)
            return row.assessment

        assessment = await self._database.run(work)
        if assessment is None:
            raise NoPlan
        return {
            "plan": f"/plan/{plan}",
            "plan_pdf": f"/plan/{plan}/pdf",
            "calendar": f"/plan/{plan}/calendar" if assessment["primary"] not in STOPPING else None,
            "summary": f"/summary/{summary}",
            "summary_pdf": f"/summary/{summary}/pdf",
            "fhir": f"/summary/{summary}/fhir",
            "until": until.isoformat(timespec="seconds"),
            "code": code,
            "code_until": code_until.isoformat(timespec="seconds"),
        }

    async def plan_link(self, conversation: str) -> str:
        """Return the path of a new link to the page of a conversation's latest plan; raises NoPlan."""
        link = new_link()
        until = datetime.now(UTC) + min(
            timedelta(days=self._clinic.keep_days), timedelta(hours=self._clinic.link_hours)
        )

        def work(session: Session) -> bool:
            repository = Repository(session)
            row = repository.reevaluation(conversation)
            if row is None or row.assessment is None:
                return False
            repository.save_link(conversation, row.run, PLAN, digest(self._secret, PLAN, link), until)
            return True

        if not await self._database.run(work):
            raise NoPlan
        return f"/plan/{link}"

    async def for_clinic(self, conversation: str) -> tuple[dict[str, Any], str]:
        """Return a conversation's latest finished re-evaluation as a FHIR R4 bundle, and its tier; raises NoPlan."""
        opened = await self._latest(conversation)
        tier: str = opened.visits[-1].assessment["tier"]
        return await asyncio.to_thread(self.fhir, opened), tier

    async def clinic_pdf(self, conversation: str) -> bytes:
        """Return the therapist's summary of a conversation's latest re-evaluation as PDF; raises NoPlan."""
        return await asyncio.to_thread(self.summary_pdf, await self._latest(conversation))

    async def clinic_page(self, conversation: str, style: str, pdf: str) -> str:
        """Return the therapist's page of a conversation's latest re-evaluation; raises NoPlan."""
        opened = await self._latest(conversation)
        page = await asyncio.to_thread(summary, opened.visits, opened.place, self._words)
        return summary_html(page, opened.place, self._words, Links(style=style, pdf=pdf))

    async def _latest(self, conversation: str) -> Opened:
        def work(session: Session) -> Opened | None:
            repository = Repository(session)
            row = repository.reevaluation(conversation)
            if row is None or row.assessment is None or not (visits := visits_until(repository, row)):
                return None
            place = place_of(self._clinic, row.answers.get("country"), self._signed)
            return Opened(visits, place, datetime.now(UTC), row)

        opened = await self._database.read(work)
        if opened is None:
            raise NoPlan
        return opened

    async def pictures(self, conversation: str) -> tuple[Picture, ...]:
        """Return the pictures of the page of a conversation's latest plan; raises NoPlan."""

        def work(session: Session) -> tuple[list[Visit], str | None] | None:
            repository = Repository(session)
            row = repository.reevaluation(conversation)
            return (visits_until(repository, row), row.answers.get("country")) if row and row.assessment else None

        found = await self._database.read(work)
        if found is None or not found[0]:
            raise NoPlan
        visits, country = found
        place = place_of(self._clinic, country, self._signed)
        return (await asyncio.to_thread(plan_page, visits, place, self._words)).pictures

    async def patient(self, typed: str) -> str:
        """Return whose code this is; raises BadCode."""
        found = digest(self._secret, "code", plain_code(typed))

        def work(session: Session) -> str | None:
            repository = Repository(session)
            patient = repository.patient_by_code(found)
            if patient is not None:
                repository.audit_code(patient)
            return patient

        patient = await self._database.run(work)
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
            place = place_of(self._clinic, row.answers.get("country"), self._signed)
            return Opened(visits, place, found.expires_at, row)

        opened = await self._database.read(work)
        if opened is None:
            raise NoPlan
        # Nobody sees the page before it is on record that they do; links that open nothing write nothing.
        of, run = opened.row.conversation_id, opened.row.run
        await self._database.run(lambda session: Repository(session).audit("link_opened", of, page=kind, run=run))
        return opened

    def plan_page(self, opened: Opened, link: str) -> str:
        """Return the patient's page."""
        links = Links(
            style=STYLE_PATH,
            pdf=f"/plan/{link}/pdf",
            calendar=f"/plan/{link}/calendar" if opened.visits[-1].assessment["primary"] not in STOPPING else None,
            until=dated(self._words, self._clinic.day_of(opened.until)),
        )
        page = plan_page(opened.visits, opened.place, self._words)
        return plan_html(page, opened.place, self._words, links)

    def plan_pdf(self, opened: Opened) -> bytes:
        """Return the patient's plan as PDF."""
        return plan_pdf(plan_page(opened.visits, opened.place, self._words), opened.place, self._words)

    def plan_calendar(self, opened: Opened) -> bytes:
        """Return the day to look again as a calendar file; raises NoPlan where help comes first."""
        visit = opened.visits[-1]
        if visit.assessment["primary"] in STOPPING:
            raise NoPlan
        # The id says nothing of the patient, and is the same each time, so that a second import changes the first.
        uid = f"{digest(self._secret, 'calendar', f'{opened.row.conversation_id}/{opened.row.run}')[:32]}@plateau"
        return calendar(visit, opened.place, self._words, uid=uid, now=datetime.now(UTC))

    def summary_page(self, opened: Opened, link: str) -> str:
        """Return the therapist's page."""
        page = summary(opened.visits, opened.place, self._words)
        return summary_html(page, opened.place, self._words, Links(style=STYLE_PATH, pdf=f"/summary/{link}/pdf"))

    def summary_pdf(self, opened: Opened) -> bytes:
        """Return the therapist's summary as PDF."""
        return summary_pdf(summary(opened.visits, opened.place, self._words), opened.place, self._words)

    def fhir(self, opened: Opened) -> dict[str, Any]:
        """Return the re-evaluation as a FHIR R4 bundle, without what the summary keeps private: links are handed on."""
        return bundle_of(opened.row, opened.visits, self._words, unsaid=PRIVATE)
