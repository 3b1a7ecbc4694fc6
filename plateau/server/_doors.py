"""Where messengers come in: verified, written down once, answered at once; the turn itself runs after."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
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
from plateau.understanding.listener import Heard

logger = logging.getLogger(__name__)

# Messenger puts many messages into one request.
BODY_BYTES = 256 * 1024
# For so long a platform's message is known again, whatever became of its conversation.
SEEN_DAYS = 400
TRIES = 3
# What a database holds in a number's column.
MOST_ORDER = 2**62
SORRY = 1000
CLOSING_SECONDS = 5
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
        self._slowed: set[str] = set()
        # To whom it was said that a message was not saved: the platform may send it many times.
        self._sorry: deque[str] = deque(maxlen=SORRY)

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
        # All of them, for danger in a later one is answered though an earlier one cannot be kept.
        taken = [await self._taken(platform, one) for one in arrived]
        if not all(taken):
            return PlainTextResponse("unavailable", 503)
        return Response(status_code=204 if platform.name in SILENT else 200)

    async def close(self) -> None:
        """Wait for what is under way; what is not done then, another worker finds in the database."""
        if self.running:
            _, late = await asyncio.wait(self.running, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

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
            # Before the transaction: it takes a while, and others wait for that.
            conversation = await self._written(platform, one, words, self._net.hear(words))
        except (StoreError, TimeoutError) as error:
            logger.error("a message could not be taken: %s", type(error).__name__)
            self._metrics.arrived(platform.name, "not_taken")
            if (said_of := self._id(platform.name, one)) not in self._sorry:
                self._sorry.append(said_of)
                await self._alone(platform, one.address, self._turns.sorry(words))
            return False
        self._metrics.arrived(platform.name, "taken" if conversation else "ignored")
        if one.edit is not None:
            self._soon(self._answered_tap(platform, one, None))
        if conversation:
            self._soon(self._go_on(conversation))
        return True

    async def _written(self, platform: Platform, one: Arrived, words: str, heard: tuple[Heard, ...]) -> str | None:
        for attempt in range(TRIES):
            try:
                return await self._database.run(lambda session: self._write(session, platform.name, one, words, heard))
            except Conflict:
                # Two first messages at once: the second finds what the first has made.
                if attempt == TRIES - 1:
                    raise
        return None

    def _write(self, session: Session, channel: str, one: Arrived, words: str, heard: tuple[Heard, ...]) -> str | None:
        """Write down what has come; return the conversation that goes on with it, None where nothing does."""
        contacts = Contacts(session)
        if EDITED in one.id and not heard:
            # No new answer; danger in it is heard.
            return None
        if not contacts.take_once(self._id(channel, one), _until()):
            return None
        order = self._order(channel, one)
        contact, new = self._contact(session, channel, one)
        address = contact.digest
        if new and contacts.seen(self._wish(contact)) and order != "start" and not heard:
            # They had stopped before their conversation was deleted.
            contacts.stop(address)
            return None
        if order is not None:
            return self._ordered(session, contact, one, order)
        if contact.stopped:
            return self._despite(session, contact, one, heard)
        Outbox(session).hurry(contact.conversation_id)
        if self._greet(session, contact.conversation_id) and not heard:
            # The greeting answers the first words, unless they tell of danger.
            return contact.conversation_id
        if (message := self._message(contact, one, words, bool(heard))) is None:
            return None
        Inbox(session).receive(contact.conversation_id, self._id(channel, one), message)
        if one.order is not None and not _overtaken(contact, one):
            contacts.moved(address, one.order)
        return contact.conversation_id

    def _contact(self, session: Session, channel: str, one: Arrived) -> tuple[ContactRow, bool]:
        """Return whose message it is, their conversation taken for this transaction, and whether they are new."""
        contacts, repository, address = Contacts(session), Repository(session), self.digest_of(channel, one.address)
        found = contacts.find(address)
        if found is not None:
            # Whoever deletes the conversation waits, or was quicker.
            repository.begin(found.conversation_id)
            again = contacts.find(address)
            if again is None or again.conversation_id != found.conversation_id:
                raise Conflict("the conversation was deleted meanwhile")
            return again, False
        contacts.clear(address)
        conversation = f"{channel}-{secrets.token_urlsafe(24)}"
        repository.begin(conversation)
        if not contacts.add(address, channel, conversation, one.address):
            raise Conflict("another message of this address came first")
        if one.order is not None and abs(one.order) <= MOST_ORDER:
            contacts.moved(address, one.order)
        made = contacts.find(address)
        if made is None:
            raise StoreError("the address was not kept")
        return made, True

    def _greet(self, session: Session, conversation: str) -> bool:
        """Have a conversation begin in which nothing was said yet; True where it does."""
        position = Repository(session).position(conversation)
        inbox = Inbox(session)
        if (position is not None and position.version) or inbox.waiting(conversation):
            return False
        inbox.receive(conversation, FIRST_ID, Incoming(FIRST_ID, command=START).to_dict())
        return True

    def _order(self, channel: str, one: Arrived) -> str | None:
        """Return what a reserved word orders; as it came, for a slash would be taken for no order."""
        return one.carrier or reserved(channel, (one.said.text or "").strip())

    def _wish(self, contact: ContactRow) -> str:
        """Return by what a STOP is known though the conversation is deleted."""
        return digest(self._secret, "stopped", contact.digest)

    def _ordered(self, session: Session, contact: ContactRow, one: Arrived, order: str) -> str:
        """Do what a reserved word wants; where the carrier has answered it, nothing is said."""
        contacts = Contacts(session)
        if order == "start":
            contacts.start(contact.digest)
            contacts.unsee(self._wish(contact))
            if not self._greet(session, contact.conversation_id):
                message = Incoming(self._id(contact.channel, one), channel=contact.channel, aside="channels.said.start")
                Inbox(session).receive(contact.conversation_id, message.id, message.to_dict())
            return contact.conversation_id
        if order == "stop":
            contacts.stop(contact.digest)
            contacts.take_once(self._wish(contact), _until())
        if one.carrier is None:
            name = "channels.said.stop" if order == "stop" else "channels.said.help"
            self._note(session, contact, one, [self._text(name)])
        return contact.conversation_id

    def _despite(self, session: Session, contact: ContactRow, one: Arrived, heard: tuple[Heard, ...]) -> str | None:
        """Who wants no messages gets none, but for the number to call."""
        danger = [flag for flag in heard if flag.tier == "emergency"]
        if not danger:
            return None
        self._note(session, contact, one, said(danger, self._words, self._numbers()))
        return contact.conversation_id

    def _note(self, session: Session, contact: ContactRow, one: Arrived, messages: list[dict[str, str]]) -> None:
        key = letter_key(NOTE, contact.conversation_id, self._id(contact.channel, one))
        content = {"messages": messages, "even_stopped": True}
        Outbox(session).put(key, contact.conversation_id, NOTE, contact.channel, content, ordered=False)

    def _message(self, contact: ContactRow, one: Arrived, words: str, danger: bool) -> dict[str, Any] | None:
        """Return what goes into the inbox: what was said, or what is to be said of it; None: nothing any more."""
        message = Incoming(self._id(contact.channel, one), channel=contact.channel)
        late = _overtaken(contact, one)
        values: dict[str, Any] = {"text": words or None, "tap": one.said.tap}
        if late and not danger:
            # It answers a question that is answered already.
            values = {"aside": "channels.said.out_of_order"}
        elif one.said.tap is None and not words:
            values = {"aside": "channels.said.attachment"}
        elif not self._rate.allows(contact.digest) and not danger:
            if contact.digest in self._slowed:
                # Said once; each answer costs, and two machines would never end.
                return None
            self._slowed.add(contact.digest)
            values = {"aside": "channels.said.too_fast"}
        elif len(words) > TEXT_CHARACTERS and not danger:
            values = {"aside": "channels.said.too_long"}
        else:
            self._slowed.discard(contact.digest)
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

        def work(session: Session) -> ContactRow | None:
            contacts = Contacts(session)
            return None if contacts.seen(seen) else contacts.find(address)

        contact = await self._database.read(work)
        if contact is not None:
            await self._turns.forget(contact.conversation_id)
            # Only now: what fails before is done when it is sent again.
            await self._database.run(lambda session: Contacts(session).take_once(seen, _until()))
            if not contact.stopped:
                await self._alone(platform, one.address, [self._text("channels.said.deleted")])
        self._metrics.arrived(platform.name, "taken" if contact else "ignored")
        return True

    async def _invited(self, platform: Platform, one: Arrived, words: str) -> bool:
        """Answer with the way to the clinic's page, and keep nothing; danger is answered first."""
        seen = self._id(platform.name, one)
        heard = [flag for flag in self._net.hear(words) if flag.tier == "emergency"]
        if not heard and not self._may_invite(platform.name, one):
            return True
        with suppress(StoreError, TimeoutError):
            # Without a database: told twice is better than not at all.
            if await self._database.read(lambda session: Contacts(session).seen(seen)):
                return True
        messages = [*said(heard, self._words, self._numbers()), self._text("channels.said.invite")]
        if not await self._alone(platform, one.address, messages):
            return False
        with suppress(StoreError, TimeoutError):
            await self._database.run(lambda session: Contacts(session).take_once(seen, _until()))
        return True

    def _may_invite(self, channel: str, one: Arrived) -> bool:
        """Tell whether a message is answered with an invitation: no order to stop, no edit, and not too many."""
        wanted = self._order(channel, one) != "stop" and EDITED not in one.id
        return wanted and self._rate.allows(self.digest_of(channel, one.address))

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
        except (StoreError, TimeoutError, RuntimeError) as error:
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


def _until() -> datetime:
    return datetime.now(UTC) + timedelta(days=SEEN_DAYS)


def _overtaken(contact: ContactRow, one: Arrived) -> bool:
    """Tell whether a later message of the same address was taken before, or its number is none to keep."""
    if one.order is not None and abs(one.order) > MOST_ORDER:
        return True
    if one.order is None or contact.last_order is None or datetime.now(UTC) - contact.active_at > COUNTED:
        return False
    return one.order < contact.last_order


def _greeted(words: str | None) -> Response:
    if words is None:
        raise HTTPException(405)
    return PlainTextResponse(words)
