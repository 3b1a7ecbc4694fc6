"""Sends what waits in the outbox: replies to messengers, alerts and summaries to the staff; again until it is taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from plateau.channels import Place, rendered
from plateau.content import Catalog, Clinic, dated
from plateau.server._handouts import Handouts, NoPlan
from plateau.server._metrics import Metrics
from plateau.server._news import ALERT, NOTE, REPLY
from plateau.server._staff import StaffLinks
from plateau.server._turns import FIRST_ID
from plateau.server.platforms import Platform, Refused, Unreachable
from plateau.server.staff import Sender
from plateau.store import ContactRow, Contacts, Database, LetterRow, Outbox, Repository, StoreError

logger = logging.getLogger(__name__)

# A letter that its worker has not done with by then is taken for one whose worker has died.
LEASE = timedelta(seconds=120)
AT_ONCE = 20
# Until it is tried again, in seconds; the last goes on.
DELAYS = (5, 15, 60, 300, 900, 3600)
# A letter that cannot be made is tried so many times.
MAKING = 2
# After a day a reply is no answer any more, and WhatsApp and Messenger take none; the staff's letters wait a weekend.
REPLY_HOURS, STAFF_HOURS = 24, 96
PROBLEM_CHARACTERS = 200
STAFF_TARGET = "staff_"


class Undeliverable(Exception):
    """A letter that nobody can be sent: its contact, reply or plan is gone, or the way is switched off."""


class Courier:
    """Delivers the letters of all conversations; every worker has one, and each letter is one's at a time."""

    def __init__(
        self,
        database: Database,
        clinic: Clinic,
        words: Catalog,
        platforms: Mapping[str, Platform],
        senders: Mapping[str, Sender],
        handouts: Handouts,
        staff: StaffLinks,
        metrics: Metrics,
    ) -> None:
        self._database, self._clinic, self._words = database, clinic, words
        self._platforms, self._senders = platforms, senders
        self._handouts, self._staff, self._metrics = handouts, staff, metrics

    async def deliver(self, conversation: str | None = None) -> int:
        """Send what is due, of one conversation or of all; return how many letters were taken; raises StoreError."""
        taken = 0
        if conversation is None and not await self._database.read(lambda session: Outbox(session).due()):
            return 0
        while letters := await self._database.run(lambda session: _claimed(session, conversation)):
            taken += sum(await asyncio.gather(*(self._deliver(letter) for letter in letters)))
        return taken

    async def close(self) -> None:
        """Let connections go."""
        for one in (*self._platforms.values(), *self._senders.values()):
            await one.close()

    def place(self, contact_channel: str, country: str | None, first: bool, plan: str | None) -> Place:
        """Return what a renderer has to know of the clinic."""
        here = self._clinic
        numbers = {**here.numbers_for(country), "clinic": here.name, "phone": here.phone}
        templates = here.channels.get(contact_channel, {}).get("templates", {})
        return Place(numbers, here.public_url, plan, first, templates)

    async def _deliver(self, letter: LetterRow) -> bool:
        try:
            if letter.target.startswith(STAFF_TARGET):
                await self._to_staff(letter)
            else:
                await self._to_patient(letter)
        except (Unreachable, TimeoutError) as error:
            seconds = error.seconds if isinstance(error, Unreachable) else None
            await self._failed(letter, error, _next(letter, seconds))
        except (Refused, Undeliverable) as error:
            await self._failed(letter, error, None)
        except asyncio.CancelledError:
            # This worker stops; another need not wait until the lease is over.
            with suppress(Exception):
                await asyncio.shield(self._database.run(lambda session: Outbox(session).release(letter.id)))
            raise
        except StoreError:
            with suppress(StoreError):
                await self._database.run(lambda session: Outbox(session).release(letter.id))
            raise
        except Exception as error:
            # Its text may quote the patient. What cannot be made must not keep what comes after it waiting.
            logger.error("a letter could not be made: %s", type(error).__name__)
            again = _next(letter, None) if letter.attempts < MAKING else None
            await self._failed(letter, Undeliverable(type(error).__name__), again)
        else:
            await self._database.run(lambda session: Outbox(session).sent(letter.id))
            self._metrics.letter(letter.target, "sent")
            return True
        return False

    async def _failed(self, letter: LetterRow, error: Exception, again: datetime | None) -> None:
        problem = f"{type(error).__name__}: {error}"[:PROBLEM_CHARACTERS]
        await self._database.run(lambda session: Outbox(session).failed(letter.id, problem, again))
        self._metrics.letter(letter.target, "given_up" if again is None else "failed")
        logger.error("a letter to %s was not taken: %s", letter.target, type(error).__name__)

    async def _to_patient(self, letter: LetterRow) -> None:
        platform = self._platforms.get(letter.target)
        if platform is None:
            raise Undeliverable(f"{letter.target} is switched off")
        contact, turn, country = await self._database.read(lambda session: self._found(session, letter))
        if contact.stopped and not letter.content.get("even_stopped") and not _is_emergency(turn):
            raise Undeliverable("the patient wants no messages")
        plan = await self._plan_link(letter, turn)
        place = self.place(letter.target, country, turn["id"] == FIRST_ID, plan)
        for number, message in enumerate(rendered(letter.target, turn, self._words, place), start=1):
            if number > letter.parts:
                await platform.send(contact.address, identified(letter.target, message, f"{letter.key}-{number}"))
                await self._database.run(_went(letter.id, number))

    def _found(self, session: Session, letter: LetterRow) -> tuple[ContactRow, Mapping[str, Any], str | None]:
        """Return whom a letter goes to, what it says as a reply does, and in which country they are."""
        contact = Contacts(session).of(letter.conversation_id)
        if contact is None:
            raise Undeliverable("the address is gone")
        if letter.kind == NOTE:
            turn = {"id": "", "number": 0, "stage": None, "screen": None, "messages": letter.content["messages"]}
            return contact, turn, letter.content.get("country")
        repository = Repository(session)
        reply = repository.reply(letter.conversation_id, letter.content["message"]) if letter.kind == REPLY else None
        if reply is None:
            raise Undeliverable("the reply is gone")
        row = repository.reevaluation(letter.conversation_id)
        return contact, reply, row.answers.get("country") if row else None

    async def _plan_link(self, letter: LetterRow, turn: Mapping[str, Any]) -> str | None:
        if self._clinic.public_url is None or not any(message["kind"] == "plan" for message in turn["messages"]):
            return None
        try:
            return f"{self._clinic.public_url}{await self._handouts.plan_link(letter.conversation_id)}"
        except NoPlan:
            # Deleted or changed since: the words stand for themselves.
            return None

    async def _to_staff(self, letter: LetterRow) -> None:
        way = letter.target.removeprefix(STAFF_TARGET)
        sender = self._senders.get(way)
        if sender is None:
            raise Undeliverable(f"staff.{way} is switched off")
        if letter.kind == ALERT:
            await sender.send(letter.key, self._alert(way, letter.content["kind"], letter))
            return
        try:
            bundle, tier = await self._handouts.for_clinic(letter.conversation_id)
            if way == "fhir":
                await sender.send(letter.key, {"bundle": bundle})
                return
            told = self._alert(way, "summary", letter)
            if way == "webhook":
                told = {**told, "tier": tier, "fhir": bundle}
            elif self._clinic.staff.get("email_attaches"):
                pdf = await self._handouts.clinic_pdf(letter.conversation_id)
                told = {**told, "attachments": [{"name": "summary.pdf", "type": "application/pdf", "bytes": pdf}]}
            await sender.send(letter.key, told)
        except NoPlan:
            raise Undeliverable("the plan is gone") from None

    def _alert(self, way: str, kind: str, letter: LetterRow) -> dict[str, Any]:
        """Return what the staff is told: that there is something to see, and where; nothing of a patient's health."""
        link, until = self._staff.make()
        urgency = letter.content.get("urgency")
        if way == "webhook":
            at = letter.created_at.isoformat(timespec="seconds")
            return {"kind": kind, "urgency": urgency, "at": at, "link": link}
        subject = self._words.get(f"staff.alerts.subject.{kind}")
        text = self._words.get(
            "staff.alerts.text",
            subject=subject,
            clinic=self._clinic.name,
            when=dated(self._words, self._clinic.day_of(letter.created_at)),
            until=dated(self._words, self._clinic.day_of(until)),
            link=link,
        )
        return {"notice": text} if way == "slack" else {"subject": f"{subject} ({self._clinic.name})", "text": text}


def identified(channel: str, message: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a message with the id by which a clinic's own app knows it when it is sent again."""
    return {**message, "id": key} if channel == "webhook" else message


def _claimed(session: Session, conversation: str | None) -> list[LetterRow]:
    return Outbox(session).claim(datetime.now(UTC) + LEASE, AT_ONCE, conversation)


def _went(id: int, parts: int) -> Callable[[Session], None]:
    return lambda session: Outbox(session).went(id, parts, datetime.now(UTC) + LEASE)


def _next(letter: LetterRow, seconds: float | None) -> datetime | None:
    """Return when a letter is tried again; None once it is too late."""
    now = datetime.now(UTC)
    hours = STAFF_HOURS if letter.target.startswith(STAFF_TARGET) else REPLY_HOURS
    if now - letter.created_at > timedelta(hours=hours):
        return None
    wait = DELAYS[min(letter.attempts, len(DELAYS) - 1)]
    return now + timedelta(seconds=max(wait, seconds or 0))


def _is_emergency(turn: Mapping[str, Any]) -> bool:
    return any(message["kind"] == "emergency" for message in turn["messages"])
