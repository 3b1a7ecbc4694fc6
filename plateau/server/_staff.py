"""The staff's own pages, behind a signed link that ends: what has come in, and writing to a patient."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from plateau.content import Catalog, Clinic, dated
from plateau.report import staff_list_html, staff_notice_html
from plateau.server._carried import Aside
from plateau.server._codes import digest
from plateau.server._handouts import STYLE_PATH, Handouts, NoPlan
from plateau.server._incoming import BadRequest, Incoming, clean
from plateau.server._news import channel_of
from plateau.server._turns import STAFF, Turns
from plateau.store import ContactRow, Contacts, Database, NoticeRow, Notices, Repository

PATH = "/staff"
LISTED = 200
REPLY_CHARACTERS = 1000
# Whose address is a number that can be called.
REACHABLE = ("sms", "whatsapp")
ID = re.compile(r"[0-9a-f]{32}")


class BadStaffLink(Exception):
    """The link is not one of ours, or has ended."""


class StaffLinks:
    """Makes and checks the links with one secret."""

    def __init__(self, secret: str, clinic: Clinic) -> None:
        self._signer = URLSafeSerializer(secret, salt="plateau-staff")
        self._clinic = clinic

    def make(self) -> tuple[str, datetime]:
        """Return a new link to the list, and when it ends (UTC)."""
        until = datetime.now(UTC) + timedelta(hours=self._clinic.link_hours)
        return f"{self._clinic.public_url or ''}{PATH}/{self._signer.dumps(int(until.timestamp()))}", until

    def check(self, token: str) -> None:
        """Raise BadStaffLink unless the token is ours and has not ended."""
        try:
            until = self._signer.loads(token)
        except BadSignature:
            raise BadStaffLink from None
        if not isinstance(until, int) or datetime.now(UTC).timestamp() > until:
            raise BadStaffLink


class StaffPages:
    """What the staff sees behind a link; every opening is on record before the page is shown."""

    def __init__(
        self, database: Database, clinic: Clinic, words: Catalog, handouts: Handouts, turns: Turns, links: StaffLinks
    ) -> None:
        self._database, self._clinic, self._words = database, clinic, words
        self._handouts, self._turns, self._links = handouts, turns, links

    async def list(self, token: str) -> str:
        """Return the list of what has come in; raises BadStaffLink."""
        self._links.check(token)
        notices = await self._database.read(lambda session: Notices(session).listing(LISTED))
        rows = [self._row(token, one) for one in notices]
        return staff_list_html(rows, self._clinic.name, self._words, STYLE_PATH)

    async def one(self, token: str, notice: int, **shown: Any) -> str:
        """Return the page of one, and note that it was opened; raises BadStaffLink, or NoPlan where there is none."""
        self._links.check(token)
        found, contact, written = await self._database.run(lambda session: _opened(session, notice))
        base = f"{PATH}/{token}/{notice}"
        page = {
            **self._row(token, found),
            "key": secrets.token_hex(16),
            "reach": self._reach(contact),
            "flags": [
                {"name": self._words.get(f"summary.flags.{flag['id']}"), "because": flag["because"]}
                for flag in found.content.get("flags", ())
            ],
            "summary": f"{base}/summary" if found.kind == "summary" else None,
            "said": [{**said, "when": self._when(said["at"])} for said in written],
            "reply": f"{base}/reply",
        }
        back = f"{PATH}/{token}"
        return staff_notice_html(
            page, self._clinic.name, self._words, STYLE_PATH, back=back, most=REPLY_CHARACTERS, **shown
        )

    async def summary(self, token: str, notice: int) -> str:
        """Return the therapist's page of the re-evaluation a notice is about; raises BadStaffLink or NoPlan."""
        conversation = await self._conversation(token, notice, "summary")
        return await self._handouts.clinic_page(conversation, STYLE_PATH, f"{PATH}/{token}/{notice}/pdf")

    async def pdf(self, token: str, notice: int) -> bytes:
        """Return the same as PDF."""
        return await self._handouts.clinic_pdf(await self._conversation(token, notice, "summary"))

    async def reply(self, token: str, notice: int, identifier: str, text: str) -> str:
        """Bring what the staff writes into the conversation, once however often it is sent; return its id.

        Raises BadStaffLink, NoPlan, or BadRequest for a text that is empty or too long.
        """
        conversation = await self._conversation(token, notice)
        words = clean(text)
        if not 0 < len(words) <= REPLY_CHARACTERS or not ID.fullmatch(identifier):
            raise BadRequest("bad_text", self._words.get("staff.page.too_long", most=REPLY_CHARACTERS))
        message = Incoming(digest("", "staff", f"{notice}:{identifier}"), text=words, aside=STAFF)
        await self._turns.say(conversation, message)
        await self._database.run(lambda session: Repository(session).audit("staff_wrote", conversation))
        return conversation

    async def _conversation(self, token: str, notice: int, kind: str | None = None) -> str:
        self._links.check(token)
        found = await self._database.read(lambda session: Notices(session).get(notice))
        if found is None or (kind is not None and found.kind != kind):
            raise NoPlan
        return found.conversation_id

    def _row(self, token: str, one: NoticeRow) -> dict[str, Any]:
        page = self._words.tree("staff.page")
        opened = page["opened"].format(when=self._when(one.opened_at)) if one.opened_at else None
        return {
            "href": f"{PATH}/{token}/{one.id}",
            "kind": page["kinds"][one.kind],
            "urgency": one.urgency,
            "says": page["urgency"][str(one.urgency)],
            "when": self._when(one.created_at),
            "channel": page["channels"][channel_of(one.conversation_id) or "web"],
            "opened": opened,
        }

    def _reach(self, contact: ContactRow | None) -> str:
        if contact is not None and contact.stopped:
            return self._words.get("staff.page.stopped", address=contact.address)
        if contact is None or contact.channel not in REACHABLE:
            return self._words.get("staff.page.no_reach" if contact is None else "staff.page.reach_here")
        return self._words.get("staff.page.reach", address=contact.address)

    def _when(self, moment: datetime) -> str:
        here = self._clinic.time_of(moment)
        return f"{dated(self._words, here.date())}, {here:%H:%M}"


def _opened(session: Session, notice: int) -> tuple[NoticeRow, ContactRow | None, list[dict[str, Any]]]:
    notices, repository = Notices(session), Repository(session)
    found = notices.get(notice)
    if found is None:
        raise NoPlan
    conversation = found.conversation_id
    notices.open(notice)
    repository.audit("staff_opened", conversation, notice=found.kind)
    return found, Contacts(session).of(conversation), _written(repository, conversation)


def _written(repository: Repository, conversation: str) -> list[dict[str, Any]]:
    """Return what the patient and the staff wrote to each other, the oldest first."""
    position = repository.position(conversation)
    events = repository.events(conversation, 0, position.version) if position else []
    return [
        {"staff": event["who"] == "staff", "text": event["text"], "at": datetime.fromtimestamp(event["timestamp"], UTC)}
        for event in events
        if event["event"] == Aside.type_name and event["who"] in ("staff", "patient") and event["text"]
    ]
