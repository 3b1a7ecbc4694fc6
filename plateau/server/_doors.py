"""Where messengers come in: verified, written down once, answered at once; the turn itself runs after."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from plateau.channels import BadTap, meant, rendered, reserved
from plateau.content import Catalog, Clinic
from plateau.server._codes import digest
from plateau.server._courier import Courier, identified
from plateau.server._incoming import Incoming, clean, read_body
from plateau.server._limits import TEXT_CHARACTERS, Rate
from plateau.server._metrics import Metrics
from plateau.server._net import SafetyNet, said
from plateau.server._news import NOTE, letter_key
from plateau.server._turns import FIRST_ID, START, Turns
from plateau.server.platforms import EDITED, Arrived, Broken, Forged, Platform, Received, Refused, Unreachable
from plateau.store import Conflict, ContactRow, Contacts, Database, Inbox, Outbox, Repository, StoreError

logger = logging.getLogger(__name__)

# Messenger puts many messages into one request.
BODY_BYTES = 256 * 1024
# For so long a platform's message is known again, whatever became of its conversation.
SEEN_DAYS = 400
TRIES = 3
# Telegram begins to count anew after a week without messages.
COUNTED = timedelta(days=1)
# Twilio would take words in the answer for a message to send.
SILENT = ("sms", "whatsapp")
INVITATION = "invitation"
# What cannot promise privacy is only a way to the clinic's own page, unless the clinic wants more.
INVITES = ("telegram", "messenger")


class Doors:
    """Takes the requests of all messengers that the clinic has switched on."""

    def __init__(
        self,
        database: Database,
        clinic: Clinic,
        words: Catalog,
        platforms: Mapping[str, Platform],
        turns: Turns,
        courier: Courier,
        net: SafetyNet,
        secret: str,
        metrics: Metrics,
        rate: Rate,
    ) -> None:
        self._database, self._clinic, self._words, self._platforms = database, clinic, words, platforms
        self._turns, self._courier, self._net, self._secret = turns, courier, net, secret
        self._metrics, self._rate = metrics, rate
        self.running: set[asyncio.Task[None]] = set()

    async def enter(self, request: Request) -> Response:
        """Answer one request of a platform; what it brings is in the database by then, or it is told to wait."""
        platform = self._platforms.get(request.path_params["channel"])
        if platform is None:
            raise HTTPException(404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await read_body(request, BODY_BYTES)
        received = Received(request.method, request.url.path, request.url.query, headers, body)
        try:
            if request.method == "GET":
                return _greeted(platform.greeting(received))
            arrived = platform.arrived(received)
        except Forged:
            self._metrics.arrived(platform.name, "forged")
            return PlainTextResponse("forged", 403)
        except Broken as error:
            self._metrics.arrived(platform.name, "broken")
            return PlainTextResponse(str(error), 400)
        for one in arrived:
            if not await self._taken(platform, one):
                return PlainTextResponse("unavailable", 503)
        return Response(status_code=204 if platform.name in SILENT else 200)

    async def close(self) -> None:
        """Wait for what is under way; what is not done then, another worker finds in the database."""
        if self.running:
            await asyncio.wait(self.running, timeout=5)

    async def _taken(self, platform: Platform, one: Arrived) -> bool:
        """Take one message, so that it is answered come what may; False: nothing is kept of it."""
        words = clean(one.said.text or "")
        if self._invites(platform.name):
            return await self._invited(platform, one, words)
        try:
            if words.strip(" .!").lower() in self._words.tree("channels.words")["forget"]:
                return await self._forgotten(platform, one)
            if one.said.tap is not None and await self._redrawn(platform, one):
                return True
            conversation = await self._written(platform, one, words)
        except (StoreError, TimeoutError) as error:
            logger.error("a message could not be taken: %s", type(error).__name__)
            self._metrics.arrived(platform.name, "not_taken")
            await self._alone(platform, one.address, self._turns.sorry(words))
            return False
        self._metrics.arrived(platform.name, "taken" if conversation else "ignored")
        if one.edit is not None:
            self._soon(self._answered_tap(platform, one, None))
        if conversation:
            self._soon(self._go_on(conversation))
        return True

    async def _written(self, platform: Platform, one: Arrived, words: str) -> str | None:
        for attempt in range(TRIES):
            try:
                return await self._database.run(lambda session: self._write(session, platform.name, one, words))
            except Conflict:
                # Two first messages at once: the second finds what the first has made.
                if attempt == TRIES - 1:
                    raise
        return None

    def _write(self, session: Session, channel: str, one: Arrived, words: str) -> str | None:
        """Write down what has come; return the conversation that goes on with it, None where nothing does."""
        contacts = Contacts(session)
        if one.id.endswith(EDITED) and not self._net.hear(words):
            # No new answer; danger in it is heard.
            return None
        until = datetime.now(UTC) + timedelta(days=SEEN_DAYS)
        if not contacts.take_once(self._digest("arrival", channel, one.id), until):
            return None
        address = self.digest_of(channel, one.address)
        order = one.carrier or reserved(channel, words)
        contact = contacts.find(address)
        if contact is None:
            contacts.remove(address)
            contact = self._first(session, address, channel, one, words, order)
            return contact.conversation_id
        if order is not None:
            return self._ordered(session, contact, one, order)
        if contact.stopped:
            return self._despite(session, contact, one, words)
        Inbox(session).receive(contact.conversation_id, self._id(channel, one), self._message(contact, one, words))
        if one.order is not None and not _overtaken(contact, one):
            contacts.moved(address, one.order)
        return contact.conversation_id

    def _first(
        self, session: Session, address: str, channel: str, one: Arrived, words: str, order: str | None
    ) -> ContactRow:
        """Begin a conversation: the greeting answers the first words, unless they tell of danger."""
        conversation = f"{channel}-{secrets.token_urlsafe(24)}"
        Repository(session).begin(conversation)
        contacts = Contacts(session)
        if not contacts.add(address, channel, conversation, one.address):
            raise Conflict("another message of this address came first")
        if one.order is not None:
            contacts.moved(address, one.order)
        contact = contacts.find(address)
        if contact is None:
            raise StoreError("the address was not kept")
        if order in ("stop", "help"):
            self._ordered(session, contact, one, order)
            return contact
        inbox = Inbox(session)
        inbox.receive(conversation, FIRST_ID, Incoming(FIRST_ID, command=START).to_dict())
        if self._net.hear(words):
            inbox.receive(conversation, self._id(channel, one), self._message(contact, one, words))
        return contact

    def _ordered(self, session: Session, contact: ContactRow, one: Arrived, order: str) -> str:
        """Do what a reserved word wants; where the carrier has answered it, nothing is said."""
        contacts = Contacts(session)
        if order == "start":
            contacts.start(contact.digest)
            message = Incoming(self._id(contact.channel, one), channel=contact.channel, aside="channels.said.start")
            Inbox(session).receive(contact.conversation_id, message.id, message.to_dict())
            return contact.conversation_id
        if order == "stop":
            contacts.stop(contact.digest)
        if one.carrier is None:
            name = "channels.said.stop" if order == "stop" else "channels.said.help"
            self._note(session, contact, one, [self._text(name)])
        return contact.conversation_id

    def _despite(self, session: Session, contact: ContactRow, one: Arrived, words: str) -> str | None:
        """Who wants no messages gets none, but for the number to call."""
        heard = [flag for flag in self._net.hear(words) if flag.tier == "emergency"]
        if not heard:
            return None
        self._note(session, contact, one, said(heard, self._words, self._numbers()))
        return contact.conversation_id

    def _note(self, session: Session, contact: ContactRow, one: Arrived, messages: list[dict[str, str]]) -> None:
        key = letter_key(NOTE, contact.conversation_id, self._id(contact.channel, one))
        content = {"messages": messages, "even_stopped": True}
        Outbox(session).put(key, contact.conversation_id, NOTE, contact.channel, content)

    def _message(self, contact: ContactRow, one: Arrived, words: str) -> dict[str, Any]:
        """Return what goes into the inbox: what was said, or what is to be said of it."""
        message = Incoming(self._id(contact.channel, one), channel=contact.channel)
        late = _overtaken(contact, one)
        values: dict[str, Any] = {"text": words or None, "tap": one.said.tap}
        if late and not self._net.hear(words):
            # It answers a question that is answered already.
            values = {"aside": "channels.said.out_of_order"}
        elif one.said.tap is None and not words:
            values = {"aside": "channels.said.attachment"}
        elif not self._rate.allows(contact.digest) and not self._net.hear(words):
            values = {"aside": "channels.said.too_fast"}
        elif len(words) > TEXT_CHARACTERS and not self._net.hear(words):
            values = {"aside": "channels.said.too_long"}
        return {**message.to_dict(), **{name: value for name, value in values.items() if value is not None}}

    async def _redrawn(self, platform: Platform, one: Arrived) -> bool:
        """Answer a tap that only changes what is shown, such as a tick; False where it is an answer."""
        address = self.digest_of(platform.name, one.address)

        def work(session: Session) -> Mapping[str, Any] | None:
            contact = Contacts(session).find(address)
            return None if contact is None else Repository(session).last_reply(contact.conversation_id)

        last = await self._database.read(work)
        try:
            found = meant(platform.name, one.said, last, self._words)
        except BadTap:
            return False
        if found.redraw is None or one.edit is None or last is None or last["number"] != found.after:
            return False
        self._soon(self._answered_tap(platform, one, found.redraw))
        return True

    async def _answered_tap(self, platform: Platform, one: Arrived, drawn: Mapping[str, Any] | None) -> None:
        if one.edit is None:
            return
        try:
            await platform.redraw(one.address, one.edit, drawn)
        except (Unreachable, Refused) as error:
            # Only the look: the next tap draws it anew.
            logger.warning("a tapped message was not drawn anew: %s", type(error).__name__)

    async def _forgotten(self, platform: Platform, one: Arrived) -> bool:
        """Delete everything of the patient, as they have asked in so many words; no outbox is left to say so."""
        seen, address = self._id(platform.name, one), self.digest_of(platform.name, one.address)
        until = datetime.now(UTC) + timedelta(days=SEEN_DAYS)

        def work(session: Session) -> ContactRow | None:
            contacts = Contacts(session)
            return contacts.find(address) if contacts.take_once(seen, until) else None

        contact = await self._database.run(work)
        if contact is not None:
            await self._turns.forget(contact.conversation_id)
            await self._alone(platform, one.address, [self._text("channels.said.deleted")])
        self._metrics.arrived(platform.name, "taken" if contact else "ignored")
        return True

    async def _invited(self, platform: Platform, one: Arrived, words: str) -> bool:
        """Answer with the way to the clinic's page, and keep nothing; danger is answered first."""
        seen = self._digest("arrival", platform.name, one.id)
        until = datetime.now(UTC) + timedelta(days=SEEN_DAYS)
        try:
            if not await self._database.run(lambda session: Contacts(session).take_once(seen, until)):
                return True
        except (StoreError, TimeoutError):
            # Told twice is better than not at all.
            pass
        heard = [flag for flag in self._net.hear(words) if flag.tier == "emergency"]
        messages = [*said(heard, self._words, self._numbers()), self._text("channels.said.invite")]
        return await self._alone(platform, one.address, messages)

    async def _alone(self, platform: Platform, address: str, messages: list[dict[str, str]]) -> bool:
        """Send what no outbox holds; False where the platform does not take it."""
        turn = {"id": "", "number": 0, "stage": None, "screen": None, "messages": messages}
        place = self._courier.place(platform.name, None, False, None)
        try:
            for message in rendered(platform.name, turn, self._words, place):
                await platform.send(address, identified(platform.name, message, secrets.token_hex(16)))
        except (Unreachable, Refused) as error:
            logger.error("a message was not taken by %s: %s", platform.name, type(error).__name__)
            return False
        return True

    async def _go_on(self, conversation: str) -> None:
        try:
            await self._turns.arrive(conversation)
            await self._courier.deliver(conversation)
        except (StoreError, TimeoutError) as error:
            # It is in the database: whoever is well again takes it up.
            logger.error("a messenger's turn waits: %s", type(error).__name__)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def _invites(self, channel: str) -> bool:
        default = INVITATION if channel in INVITES else None
        return bool(self._clinic.channels[channel].get("mode", default) == INVITATION)

    def _text(self, name: str) -> dict[str, str]:
        numbers = {**self._numbers(), "web": self._clinic.public_url or ""}
        return {"id": name, "kind": "say", "text": self._words.get(name, **numbers)}

    def _numbers(self) -> dict[str, str]:
        here = self._clinic
        return {**here.numbers_for(None), "clinic": here.name, "phone": here.phone}

    def digest_of(self, channel: str, address: str) -> str:
        """Return by what an address is found."""
        return self._digest("contact", channel, address)

    def _id(self, channel: str, one: Arrived) -> str:
        return self._digest("arrival", channel, one.id)

    def _digest(self, kind: str, channel: str, value: str) -> str:
        return digest(self._secret, kind, f"{channel}:{value}")


def _overtaken(contact: ContactRow, one: Arrived) -> bool:
    """Tell whether a later message of the same address was taken before."""
    if one.order is None or contact.last_order is None or datetime.now(UTC) - contact.active_at > COUNTED:
        return False
    return one.order < contact.last_order


def _greeted(words: str | None) -> Response:
    if words is None:
        raise HTTPException(405)
    return PlainTextResponse(words)
