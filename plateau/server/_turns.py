"""One turn of a conversation: a message goes in, a reply comes out, and both are saved, or neither is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.trackers import DialogueStateTracker
from sqlalchemy.orm import Session

from plateau.channels import BadTap, Dialogue, Said, meant, turn_screen
from plateau.content import Catalog, Clinic, clinic
from plateau.escalation import clinic_rules
from plateau.protocol import QUESTIONS, answered_together, merge_flags, red_flags, screen
from plateau.server._actions import Failures, failures
from plateau.server._carried import Aside, new_session, slots_before, turns_of
from plateau.server._channel import TurnChannel
from plateau.server._incoming import WORD_JOINER, BadRequest, Incoming
from plateau.server._limits import TEXT_CHARACTERS
from plateau.server._metrics import Metrics
from plateau.server._net import SafetyNet, said
from plateau.server._news import (
    MESSAGE_URGENCY,
    NOTE,
    REPLY,
    SUMMARY,
    TIER_URGENCY,
    News,
    Noticed,
    channel_of,
    letter_key,
)
from plateau.server._sessions import BadToken
from plateau.server._visits import LAST_VISITS, previous_of
from plateau.server.tracker_store import PlateauTrackerStore, with_staff
from plateau.store import (
    Conflict,
    ContactRow,
    Contacts,
    Database,
    Inbox,
    LetterRow,
    Outbox,
    Repository,
    StoreError,
    Unanswered,
)
from plateau.understanding.listener import Heard

logger = logging.getLogger(__name__)

TURN_SECONDS = 20.0
# Danger in words is answered by then, saved or not.
EMERGENCY_SECONDS = 2.0
ASK_AGAIN_SECONDS = 2.0
# Who else writes to a conversation does not heed its lock, or has lost it; more of them than this there are not.
TRIES = 3
# A message left in the inbox this long was left by a worker that died; if none can answer it, it is given up.
LEFT_SECONDS = 2.0
ATTEMPTS = 3
RECOVERED_AT_ONCE = 100
START = "start"
# No client can send this id: theirs are ASCII.
FIRST_ID = "·start"
# What stays of a conversation whose patient declined: where to call, and that we may not ask.
KEPT_AFTER_DECLINE = ("started", "stage", "for_whom", "country", "consent")
# What the staff writes; any other aside is the id of a text.
STAFF = "staff"
# What the dialogue says to red flags that a patient settles.
SETTLING_TEXTS = {"safety.mistake", "safety.checked"}
SETTLING_COMMANDS = ("mistake", "checked")
INTENTS = {
    "why": "ask_why",
    "back": "go_back",
    "human": "human",
    "stop": "stop",
    "resume": "resume",
    "restart": "restart_confirmed",
    "change": "correct_answer",
    "mistake": "flag_mistake",
    "checked": "flag_checked",
}


class NotSaved(Exception):
    """The turn was not saved; `reply` says so to the patient, with the safety net's words if danger was heard."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__("the turn was not saved")
        self.reply = reply


class Stale(Exception):
    """The conversation has gone on since the turn that the client last saw; `turn` is the latest reply."""

    def __init__(self, turn: Mapping[str, Any]) -> None:
        super().__init__("the conversation has gone on since")
        self.turn = turn


class Unanswerable(Exception):
    """A message left in the inbox was tried too often."""


@dataclass(frozen=True, slots=True)
class _Received:
    """What a message meets: its reply, if there is one; messages that wait before it; where the conversation stands."""

    held: dict[str, Any] | None = None
    left: Sequence[Unanswered] = ()
    tracker: DialogueStateTracker | None = None


@dataclass(frozen=True, slots=True)
class _Beside:
    """A turn that the dialogue takes no notice of: what is said, and whether a person writes with the patient now."""

    who: str
    text: str
    messages: Sequence[Mapping[str, Any]]
    staff: bool | None = None
    noticed: tuple[Noticed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What of a messenger's conversation outlives a declined consent: the address, what waits to be read or sent."""

    contact: ContactRow | None
    waiting: Sequence[Unanswered]
    letters: Sequence[LetterRow]

    @classmethod
    def of(cls, session: Session, conversation: str, answered: str) -> _Kept:
        """Read it, the conversation taken for this transaction."""
        Repository(session).begin(conversation)
        waiting = [one for one in Inbox(session).waiting(conversation) if one.client_message_id != answered]
        key = letter_key(REPLY, conversation, answered)
        letters = [
            one
            for one in Outbox(session).of(conversation)
            if one.state == "waiting" and (one.key == key or one.kind == NOTE)
        ]
        return cls(Contacts(session).of(conversation), waiting, letters)

    def restore(self, session: Session) -> None:
        """Write it again, sealed with the conversation's new key."""
        if (contact := self.contact) is None:
            return
        contacts, outbox, conversation = Contacts(session), Outbox(session), contact.conversation_id
        contacts.add(contact.digest, contact.channel, conversation, contact.address)
        if contact.last_order is not None:
            contacts.moved(contact.digest, contact.last_order)
        if contact.stopped:
            contacts.stop(contact.digest)
        for one in self.waiting:
            Inbox(session).receive(conversation, one.client_message_id, one.message)
        for letter in self.letters:
            outbox.put(letter.key, conversation, letter.kind, letter.target, letter.content, letter.ordered)


class Turns:
    """Takes the messages of all conversations of this worker."""

    def __init__(
        self, database: Database, clinic: Clinic, words: Catalog, net: SafetyNet, metrics: Metrics | None = None
    ) -> None:
        self._database, self._clinic, self._words, self._net = database, clinic, words, net
        self._metrics = metrics or Metrics()
        self._news = News(clinic, words)
        self._agent: Agent | None = None
        self._store: PlateauTrackerStore | None = None
        # For the one thing that is said when the database cannot be read: which number to call.
        self._countries: dict[str, str | None] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def start(self, agent: Agent, store: PlateauTrackerStore) -> None:
        self._agent, self._store = agent, store

    @property
    def started(self) -> bool:
        """Whether the model is loaded and the database has this release's tables."""
        return self._agent is not None

    async def begin(self, conversation: str, patient: str | None = None) -> dict[str, Any]:
        """Start a conversation: the greeting and the first question; `patient` is someone known."""
        if patient is not None:
            await self._database.run(lambda session: self._recognise(session, conversation, patient))
        return await self.take(conversation, Incoming(FIRST_ID, command=START))

    def _recognise(self, session: Session, conversation: str, patient: str) -> None:
        """Link a new conversation to its patient, with the last visit where there is one."""
        repository = Repository(session)
        repository.link_patient(conversation, patient)
        held = repository.position(conversation)
        if held is not None and held.version:
            # Begun before, when the greeting could not be given.
            return
        previous = previous_of(repository.history(patient, LAST_VISITS), self._words, datetime.now(UTC))
        if previous is not None:
            repository.append(conversation, None, [event.as_dict() for event in new_session({"previous": previous})])

    async def take(self, conversation: str, message: Incoming) -> dict[str, Any]:
        """Return the reply to a message, the same one to the same message.

        Raises NotSaved; BadRequest, BadToken or Stale where the message cannot be taken, unless it tells of danger.
        """
        heard = self._heard(message)
        seconds = EMERGENCY_SECONDS if _is_emergency(heard) else TURN_SECONDS
        try:
            return await asyncio.wait_for(self._take(conversation, message, heard), seconds)
        except (BadRequest, BadToken, Stale):
            if not _is_emergency(heard):
                raise
            raise NotSaved(self._apology(conversation, message, heard)) from None
        except Exception as error:
            # The reason, never the words: an error's text may quote the patient.
            logger.error("a turn was not saved: %s", type(error).__name__)
            if isinstance(error, TimeoutError) and not _is_emergency(heard):
                with suppress(StoreError, TimeoutError):
                    held = await asyncio.wait_for(self._held(conversation, message.id), ASK_AGAIN_SECONDS)
                    if held is not None:
                        # The database was slow, not absent: the turn was saved after all.
                        return held
            raise NotSaved(self._apology(conversation, message, heard)) from None

    async def say(self, conversation: str, message: Incoming) -> dict[str, Any]:
        """Bring in what the gateway or the staff says, once however often it is sent; raises StoreError or BadToken."""
        async with self._one_at_a_time(conversation):
            held = await self._held(conversation, message.id)
            if held is not None:
                return held
            if await self.last(conversation) is None:
                raise BadToken
            return await self._answer(conversation, message, ())

    async def recover(self) -> int:
        """Answer the messages that a worker which died has left in the inbox; return how many got their replies."""
        if self._agent is None:
            return 0
        before = datetime.now(UTC) - timedelta(seconds=LEFT_SECONDS)
        left = await self._database.read(lambda session: Inbox(session).conversations(before, RECOVERED_AT_ONCE))
        recovered = 0
        for conversation in left:
            # Where it is under way, here or elsewhere, nobody has died.
            if conversation in self._locks:
                continue
            with suppress(StoreError):
                async with self._one_at_a_time(conversation, seconds=0):
                    waiting = await self._database.read(_waiting(conversation))
                    recovered += await self._catch_up(conversation, waiting)
        self._metrics.recovered.inc(recovered)
        return recovered

    async def _take(self, conversation: str, message: Incoming, heard: tuple[Heard, ...]) -> dict[str, Any]:
        async with self._one_at_a_time(conversation):
            if message.command == START:
                held = await self._held(conversation, message.id)
                return held if held is not None else await self._answer(conversation, message, heard)
            received = await self._receive(conversation, message, heard)
            if received.left:
                # What was sent before is answered before.
                self._metrics.recovered.inc(await self._catch_up(conversation, received.left))
                received = await self._receive(conversation, message, heard, after_all=True)
            if received.held is not None:
                self._metrics.turn("replayed")
                return received.held
            try:
                return await self._answer(conversation, message, heard, received.tracker)
            except Exception:
                # The patient is told to send it again. Danger stays, to be on record once that is possible.
                if not _is_emergency(heard):
                    with suppress(StoreError):
                        await self._database.run(_drop(conversation, message.id))
                raise

    async def _receive(
        self, conversation: str, message: Incoming, heard: Iterable[Heard], after_all: bool = False
    ) -> _Received:
        """Find the reply that the message already has, or else keep it in the inbox until it has one.

        Where messages wait before it, it is not kept yet, unless `after_all`. Raises BadToken or Stale.
        """
        read = self._store.reading(conversation) if self._store is not None else None

        def work(session: Session) -> _Received:
            standing, inbox = Repository(session).standing(conversation, message.id), Inbox(session)
            if standing is None:
                raise BadToken
            if standing.reply is not None:
                return _Received(held=dict(standing.reply))
            if standing.waits and not after_all:
                left = [one for one in inbox.waiting(conversation) if one.client_message_id != message.id]
                return _Received(left=left)
            _check_latest(standing.last, message, heard)
            inbox.receive(conversation, message.id, message.to_dict(), standing.position.key)
            return _Received(tracker=read(session, standing.position) if read is not None else None)

        # The lock keeps others out; where it is lost, the guard on the conversation's version is what holds.
        return await self._database.step(work)

    async def _catch_up(self, conversation: str, left: Iterable[Unanswered]) -> int:
        """Answer the messages of a conversation that a worker which died has left; return how many got replies."""
        answered = 0
        if self._agent is None:
            # They wait for the model, and no attempt is counted; danger does not wait.
            for one in left:
                await self._database.run(self._warned(conversation, one))
            return 0
        for one in left:
            try:
                if one.attempts >= ATTEMPTS:
                    raise Unanswerable
                await self._database.run(_keep(conversation, one))
                message = Incoming.from_dict(one.message)
                await asyncio.wait_for(self._answer(conversation, message, self._heard(message)), TURN_SECONDS)
                answered += 1
            except (Unanswerable, BadRequest, BadToken, Stale) as error:
                logger.error("a message left in the inbox was given up: %s", type(error).__name__)
                await self._database.run(self._given_up(conversation, one))
            except Exception as error:
                # Whatever it is, it must not keep the messages after it waiting; so many attempts, and it is given up.
                logger.error("a message left in the inbox waits on: %s", type(error).__name__)
                await self._database.run(self._warned(conversation, one))
        return answered

    async def arrive(self, conversation: str) -> int:
        """Answer what a messenger has brought and waits in the inbox; return how many messages got replies."""
        async with self._one_at_a_time(conversation):
            return await self._catch_up(conversation, await self._database.read(_waiting(conversation)))

    def _given_up(self, conversation: str, one: Unanswered) -> Callable[[Session], None]:
        """Let a message go; who wrote it on a messenger is told so, for no error reaches them otherwise."""

        def work(session: Session) -> None:
            Inbox(session).drop(conversation, one.client_message_id)
            if (message := _read(one)) is not None:
                self._note(session, conversation, message, self._heard(message))

        return work

    def _warned(self, conversation: str, one: Unanswered) -> Callable[[Session], None]:
        """Answer danger on a messenger now, whatever becomes of the message."""
        message = _read(one)
        heard = self._heard(message) if message is not None else ()

        def work(session: Session) -> None:
            if message is not None and _is_emergency(heard):
                self._note(session, conversation, message, heard)

        return work

    def _note(self, session: Session, conversation: str, message: Incoming, heard: tuple[Heard, ...]) -> None:
        if (channel := channel_of(conversation)) is None:
            return
        content = {"messages": self._apology(conversation, message, heard)["messages"]}
        key = letter_key(NOTE, conversation, message.id)
        Outbox(session).put(key, conversation, NOTE, channel, content)

    def refuse(self, conversation: str, words: str) -> None:
        """Let a message go that cannot be taken; raises NotSaved with the number to call if it tells of danger."""
        if reply := self.last_words(words, conversation):
            raise NotSaved(reply)

    def sorry(self, words: str) -> list[dict[str, Any]]:
        """Return the messages for words that cannot be taken now: danger first, then that they were not saved."""
        messages: list[dict[str, Any]] = self._apology("", Incoming("refused"), self._net.hear(words))["messages"]
        return messages

    def last_words(self, words: str, conversation: str = "") -> dict[str, Any] | None:
        """Return what is said to danger in words that cannot be taken, with the number to call; else None."""
        heard = self._net.hear(words)
        return self._apology(conversation, Incoming("refused"), heard) if _is_emergency(heard) else None

    async def last(self, conversation: str) -> dict[str, Any] | None:
        """Return the latest reply of a conversation, or None when there is no such conversation."""
        return await self._database.read(lambda session: Repository(session).last_reply(conversation))

    async def forget(self, conversation: str) -> None:
        """Delete everything of a conversation, and of the patient's visits before it; raises StoreError."""
        async with self._one_at_a_time(conversation):
            gone = await self._database.run(lambda session: _forget(session, conversation))
            await asyncio.to_thread(self._database.scrub)
            if self._store is not None:
                for one in gone:
                    self._store.discard(one)

    async def purge(self) -> int:
        """Delete what the clinic keeps no longer, with and without consent; return how many conversations."""
        now = datetime.now(UTC)
        unconsented = now - timedelta(minutes=self._clinic.keep_before_consent_minutes)
        finished = now - timedelta(days=self._clinic.keep_days)
        purged = 0
        while batch := await self._database.run(lambda session: Repository(session).purge_unconsented(unconsented)):
            purged += batch
        while batch := await self._database.run(lambda session: Repository(session).purge_finished(finished)):
            purged += batch
        while await self._database.run(lambda session: Repository(session).purge_expired()):
            continue
        if purged:
            await asyncio.to_thread(self._database.scrub)
        return purged

    @asynccontextmanager
    async def _one_at_a_time(self, conversation: str, seconds: float = TURN_SECONDS) -> Any:
        """Hold the conversation's locks: that of this worker, and then that of all workers."""
        lock = self._locks.setdefault(conversation, asyncio.Lock())
        async with lock, self._database.alone(conversation, seconds):
            yield

    def _heard(self, message: Incoming) -> tuple[Heard, ...]:
        """Red flags in the message: said in words, or ticked in a safety list; the staff says none."""
        if message.aside is not None:
            return ()
        ticked = [flag for flag in red_flags(message.answers) if flag["state"] == "reported"]
        return (*self._net.hear(message.words), *(Heard(flag["id"], flag["tier"], "") for flag in ticked))

    async def _held(self, conversation: str, message_id: str) -> dict[str, Any] | None:
        held = await self._database.read(lambda session: Repository(session).reply(conversation, message_id))
        if held is not None:
            self._metrics.turn("replayed")
        return held

    async def _answer(
        self,
        conversation: str,
        message: Incoming,
        heard: tuple[Heard, ...],
        tracker: DialogueStateTracker | None = None,
    ) -> dict[str, Any]:
        if self._agent is None or self._store is None:
            raise StoreError("the model is not loaded")
        if message.channel is not None:
            message = self._understood(message, await self.last(conversation), heard)
            # A number may have ticked a safety list.
            heard = self._heard(message)
        for _ in range(TRIES):
            with suppress(Conflict):
                try:
                    return await self._turn(self._agent, self._store, conversation, message, heard, tracker)
                except BadRequest:
                    if message.channel is None:
                        raise
                    # Where nothing else can be shown, it is said.
                    message = _aside(message, "channels.said.not_asked")
                    return await self._turn(self._agent, self._store, conversation, message, heard, None)
            # Another worker was quicker: what it saved is now the truth, be it this very message or one before it.
            self._metrics.conflicts.inc()
            tracker = None
            held = await self._held(conversation, message.id)
            if held is not None:
                return held
            if message.after is not None:
                _check_latest(await self.last(conversation), message, heard)
        raise StoreError("other turns of this conversation were always saved first")

    def _understood(self, message: Incoming, last: Mapping[str, Any] | None, heard: tuple[Heard, ...]) -> Incoming:
        """Return what a messenger's message means to the latest reply: a number may be an option, say."""
        channel = message.channel or ""
        if message.aside is not None:
            return message
        try:
            found = meant(channel, Said(message.text, message.tap), last, self._words)
        except BadTap:
            return _aside(message, "channels.said.stale")
        if found.redraw is not None or (found.after is not None and (last is None or last["number"] != found.after)):
            return _aside(message, "channels.said.stale")
        if found.text is not None and len(found.text) > TEXT_CHARACTERS and not heard:
            return _aside(message, "channels.said.too_long")
        return replace(
            message, text=found.text, tap=None, answers=found.answers, command=found.command, question=found.question
        )

    async def _turn(
        self,
        agent: Agent,
        store: PlateauTrackerStore,
        conversation: str,
        message: Incoming,
        heard: tuple[Heard, ...],
        tracker: DialogueStateTracker | None,
    ) -> dict[str, Any]:
        channel, failed = TurnChannel(), Failures()
        told: dict[str, Any] = {}
        noticed: list[Noticed] = []
        beside: _Beside | None = None

        def make_reply(tracker: DialogueStateTracker) -> Mapping[str, Any]:
            if failed.names or not channel.messages:
                raise StoreError(
                    f"the turn is not saved, for an action failed: {', '.join(failed.names) or 'no answer'}"
                )
            noticed.extend([*self._news.noticed(channel.messages, tracker.current_slot_values())])
            noticed.extend(beside.noticed if beside else ())
            told.update(self._reply(message, tracker, channel.messages, heard, noticed, beside))
            return told

        def write(session: Session) -> None:
            self._news.write(session, conversation, told, noticed)
            if beside is not None and beside.staff is not None:
                Repository(session).hand_over(conversation, beside.staff)
            for kind in [one.kind for one in noticed if one.kind == SUMMARY]:
                Repository(session).audit(f"{kind}_sent", conversation)

        token = failures.set(failed)
        try:
            with store.pending_reply(conversation, message.id, make_reply, tracker, write) as pending:
                here = tracker if tracker is not None else await store.peek(conversation)
                beside = self._beside(message, here, heard)
                if beside is None:
                    held = here.current_slot_values() if here is not None else {}
                    await agent.handle_message(self._user_message(conversation, message, channel, held))
                else:
                    channel.messages.extend(dict(one) for one in beside.messages)
                    await _say(store, conversation, beside)
        finally:
            failures.reset(token)
        if not pending.saved:
            raise StoreError("the turn was not saved")
        if _drops(message, told):
            await self._drop_words(store, conversation, message.id, told)
        self._metrics.turn("saved")
        return told

    def _beside(self, message: Incoming, here: DialogueStateTracker | None, heard: tuple[Heard, ...]) -> _Beside | None:
        """Return what the gateway answers without the dialogue; danger is always the dialogue's."""
        if here is None or heard:
            return None
        slots = here.current_slot_values()
        if message.aside == STAFF:
            return _Beside(
                "staff", message.text or "", [self._text("staff.from_staff", slots, message.text)], staff=True
            )
        if message.aside is not None:
            return _Beside("gateway", message.aside, [self._text(message.aside, slots)])
        if message.command == "share":
            return self._shared(slots)
        if not with_staff(here) or message.command in SETTLING_COMMANDS:
            return None
        if message.text is None or message.text.strip(" .!").lower() in self._words.tree("staff")["continue_words"]:
            return _Beside("patient", message.text or "", [self._text("staff.back", slots)], staff=False)
        told = Noticed("message", MESSAGE_URGENCY, {"text": message.text})
        return _Beside("patient", message.text, [self._text("staff.passed_on", slots)], noticed=(told,))

    def _shared(self, slots: Mapping[str, Any]) -> _Beside:
        assessment = slots.get("assessment")
        if slots.get("stage") != "plan" or not assessment or not self._news.summaries:
            return _Beside("patient", "", [self._text("staff.nothing_to_share", slots)])
        told = Noticed(SUMMARY, TIER_URGENCY[assessment["tier"]])
        return _Beside("patient", "", [self._text("staff.shared", slots)], noticed=(told,))

    def _text(self, name: str, slots: Mapping[str, Any], text: str | None = None) -> dict[str, Any]:
        values = {**self._numbers(slots), **({} if text is None else {"text": text})}
        return {"id": name, "kind": "say", "text": self._words.get(name, **values)}

    async def _slots(self, store: PlateauTrackerStore, conversation: str) -> dict[str, Any]:
        tracker = await store.peek(conversation)
        return tracker.current_slot_values() if tracker else {}

    def _user_message(
        self, conversation: str, message: Incoming, channel: TurnChannel, held: Mapping[str, Any]
    ) -> UserMessage:
        if message.text:
            text, parsed = message.text, self._no_order(message.text, held)
        else:
            parsed = self._parsed(message, held)
            text = parsed["text"]
        return UserMessage(text, channel, conversation, parse_data=parsed, input_channel="web", message_id=message.id)

    def _no_order(self, text: str, held: Mapping[str, Any]) -> dict[str, Any] | None:
        """What looks like an order to Rasa is words, but never the yes that deletes all answers; None: read as ever."""
        if held.get("stage") != "restarting" or not text.startswith(f"{WORD_JOINER}/") or self._net.hear(text, held):
            return None
        return {"text": text, "intent": {"name": "out_of_scope", "confidence": 1.0}, "entities": []}

    def _parsed(self, message: Incoming, held: Mapping[str, Any]) -> dict[str, Any]:
        """What Rasa would have read from a tap: no model has to guess at it."""
        intent, entities = self._tapped(message, held)
        heard = [flag.to_dict() for flag in self._net.hear(message.words, held)]
        before = held.get("red_flags") or []
        if heard and (flags := merge_flags(before, heard)) != before:
            entities["red_flags"] = flags
        if any(flag["tier"] == "emergency" for flag in heard):
            intent, entities = "emergency", {"red_flags": entities.get("red_flags", before)}
        return {
            "text": f"/{intent}",
            "intent": {"name": intent, "confidence": 1.0},
            "entities": [{"entity": name, "value": value} for name, value in entities.items()],
        }

    def _tapped(self, message: Incoming, held: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if message.answers:
            shown, taken = self._shown(held), self._taken(message.answers, held)
            if unasked := [name for name in message.answers if name not in taken]:
                raise BadRequest("not_asked", f"{unasked[0]} is not asked now; asked: {', '.join(shown) or 'nothing'}.")
            return "answer", dict(message.answers)
        if message.command == START:
            return "start", {}
        if message.command == "confirm":
            if "review" not in self._shown(held):
                raise BadRequest("not_asked", "There is nothing to confirm now; confirm belongs to the review.")
            return "answer", {"review": "confirm"}
        if message.command in ("skip", "dont_know"):
            value = "skipped" if message.command == "skip" else "unknown"
            unanswered = [name for name in self._shown(held) if held.get(name) is None]
            return message.command, {name: value for name in unanswered if not QUESTIONS[name].required}
        if message.command == "change":
            return "correct_answer", {"change": message.question}
        return INTENTS[message.command or ""], {}

    def _shown(self, held: Mapping[str, Any]) -> tuple[str, ...]:
        """The questions on the patient's screen: only these can be answered by a tap, so nothing before consent."""
        asked = held.get("requested_slot")
        return screen(_answers(held), asked).questions if asked in QUESTIONS else ()

    def _taken(self, given: Mapping[str, Any], held: Mapping[str, Any]) -> tuple[str, ...]:
        """Those of the answers that the patient's screen asks for, now or with the others."""
        asked = held.get("requested_slot")
        return answered_together(_answers(held), asked, given) if asked in QUESTIONS else ()

    def _reply(
        self,
        message: Incoming,
        tracker: DialogueStateTracker,
        messages: list[dict[str, Any]],
        heard: tuple[Heard, ...],
        noticed: Iterable[Noticed] = (),
        beside: _Beside | None = None,
    ) -> dict[str, Any]:
        slots = tracker.current_slot_values()
        stage = slots.get("stage")
        messages = self._news.told(messages, noticed, self._numbers(slots))
        staff = with_staff(tracker) if beside is None or beside.staff is None else beside.staff
        if staff and stage != "emergency":
            stage = STAFF
        if missing := self._unsaid(heard, slots, messages):
            # The dialogue did not act on what the net heard: the net speaks first.
            messages = [*said(missing, self._words, self._numbers(slots)), *messages]
        self._countries[tracker.sender_id] = slots.get("country")
        asked = slots.get("requested_slot") if tracker.active_loop_name else None
        dialogue = Dialogue(
            stage, asked, _answers(slots), self._numbers(slots), slots.get("before") or {}, bool(self._news.summaries)
        )
        return {
            "id": message.id,
            "number": turns_of(tracker),
            "saved": True,
            "stage": stage,
            "messages": messages,
            "screen": turn_screen(dialogue, self._words),
        }

    def _unsaid(
        self, heard: tuple[Heard, ...], slots: Mapping[str, Any], messages: list[dict[str, Any]]
    ) -> list[Heard]:
        ids = {message["id"] for message in messages}
        told = slots.get("told_flags") or []
        if ids & SETTLING_TEXTS:
            # "The doctor looked at my swollen calf": heard, and settled by the same words.
            settled = [flag["id"] for flag in red_flags(_answers(slots)) if flag["state"] != "reported"]
            heard = tuple(flag for flag in heard if flag.id not in settled)
        new = [flag for flag in heard if f"{flag.id}:{flag.tier}" not in told]
        numbers = self._numbers(slots)
        return [flag for flag in new if not {part["id"] for part in said([flag], self._words, numbers)} & ids]

    def _numbers(self, slots: Mapping[str, Any]) -> dict[str, str]:
        here = self._clinic
        return {**here.numbers_for(slots.get("country")), "clinic": here.name, "phone": here.phone}

    def _apology(self, conversation: str, message: Incoming, heard: tuple[Heard, ...]) -> dict[str, Any]:
        numbers = self._numbers({"country": self._countries.get(conversation)})
        words = {
            "id": "safety.net.not_saved",
            "kind": "urgent",
            "text": self._words.get("safety.net.not_saved", **numbers),
        }
        messages = [*said(heard, self._words, numbers), words]
        return {"id": message.id, "number": 0, "saved": False, "stage": None, "messages": messages, "screen": None}

    async def _drop_words(
        self, store: PlateauTrackerStore, conversation: str, message_id: str, reply: Mapping[str, Any]
    ) -> None:
        """Drop what was said before consent was declined; the conversation itself can be taken up again."""
        slots = await self._slots(store, conversation)
        kept = {name: slots[name] for name in KEPT_AFTER_DECLINE if slots.get(name) is not None}
        events = new_session(kept, reply["number"])

        def work(session: Session) -> None:
            repository = Repository(session)
            kept = _Kept.of(session, conversation, message_id) if channel_of(conversation) else None
            repository.forget(conversation)
            repository.append(conversation, None, [event.as_dict() for event in events])
            repository.save_consent(conversation, "declined", self._clinic.consent_version)
            repository.remember_reply(conversation, message_id, reply)
            if kept is not None:
                kept.restore(session)

        await self._database.run(work)
        await asyncio.to_thread(self._database.scrub)
        store.discard(conversation)


async def _say(store: PlateauTrackerStore, conversation: str, beside: _Beside) -> None:
    """Save a turn of which the dialogue takes no notice."""
    tracker = await store.retrieve(conversation)
    if tracker is None:
        raise StoreError("there is no such conversation")
    tracker.update(Aside(beside.who, beside.text))
    await store.save(tracker)


def _read(one: Unanswered) -> Incoming | None:
    """Return a message that waits; None for one in a form of another release."""
    try:
        return Incoming.from_dict(one.message)
    except TypeError:
        return None


def _aside(message: Incoming, text: str) -> Incoming:
    return Incoming(message.id, channel=message.channel, aside=text)


def _drops(message: Incoming, reply: Mapping[str, Any]) -> bool:
    """Tell whether a reply ends consent, so that what was said before it goes."""
    return message.command != "resume" and reply["stage"] == "declined"


def _is_emergency(heard: Iterable[Heard]) -> bool:
    return any(flag.tier == "emergency" for flag in heard)


def _waiting(conversation: str) -> Callable[[Session], list[Unanswered]]:
    return lambda session: Inbox(session).waiting(conversation)


def _keep(conversation: str, one: Unanswered) -> Callable[[Session], None]:
    return lambda session: Inbox(session).receive(conversation, one.client_message_id, one.message)


def _drop(conversation: str, message_id: str) -> Callable[[Session], None]:
    return lambda session: Inbox(session).drop(conversation, message_id)


def _check_latest(last: Mapping[str, Any] | None, message: Incoming, heard: Iterable[Heard]) -> None:
    """Check that the conversation exists and stands where the client takes it to be; raises BadToken or Stale."""
    if last is None:
        # Purged, because consent was never given; the token outlives the words.
        raise BadToken
    # Danger in words is taken wherever the conversation stands; the rest must answer what is shown.
    urgent = message.text is not None and _is_emergency(heard)
    if message.after is not None and message.after != last["number"] and not urgent:
        raise Stale(last)


def _forget(session: Session, conversation: str) -> list[str]:
    """Forget a conversation, and with it, once consent was given, the patient's others; return which."""
    repository = Repository(session)
    if repository.consent(conversation) != "given":
        # Whoever typed a code and went away again has not shown to be the patient.
        repository.forget(conversation)
        return [conversation]
    gone = repository.conversations_of(conversation)
    repository.forget_patient_of(conversation)
    return gone


def project(session: Session, tracker: DialogueStateTracker) -> None:
    """Write what follows from a turn, in the transaction that saves it: consent, answers, plan."""
    slots = tracker.current_slot_values()
    before = slots_before(tracker)
    if before is not None and _projected(before) == _projected(slots):
        # The turn changed nothing of it, and the turn before was saved with it.
        return
    consent = slots.get("consent")
    repository = Repository(session)
    if consent == "yes":
        if (before or {}).get("consent") != "yes":
            # To the text of that moment; the clinic may have another one since.
            repository.save_consent(tracker.sender_id, "given", clinic().consent_version)
        repository.save_reevaluation(
            tracker.sender_id,
            # As answered: "none" and what a later answer made void are settled when the record is read.
            {name: value for name, value in _answers(slots).items() if name != "previous"},
            # Only while it is what the patient was told: a changed answer makes an older one void.
            slots.get("assessment") if slots.get("stage") in ("plan", "emergency") else None,
            patient_id=repository.patient_of(tracker.sender_id) or f"patient-{tracker.sender_id}",
            rules_version=str(clinic_rules().version),
            said=slots.get("said"),
        )


def _projected(slots: Mapping[str, Any]) -> dict[str, Any]:
    names = (*QUESTIONS, "red_flags", "previous", "stage", "assessment", "said")
    return {name: value for name in names if (value := slots.get(name)) is not None}


def _answers(slots: Mapping[str, Any]) -> dict[str, Any]:
    names = (*QUESTIONS, "red_flags", "previous")
    return {name: value for name in names if (value := slots.get(name)) is not None}
