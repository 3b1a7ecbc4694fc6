"""Rasa's tracker store on Plateau's database: a turn is saved whole, onto the turn it followed, or not at all.

In endpoints.yml (`url` is optional):

    tracker_store:
      type: plateau.server.tracker_store.PlateauTrackerStore
      url: postgresql://user:password@host/name
"""

from __future__ import annotations

import os
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rasa.core.tracker_store import FailSafeTrackerStore, SerializedTrackerAsText, TrackerStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, Event
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.utils.common import all_subclasses
from sqlalchemy.orm import Session

from plateau.server._carried import next_session, shortened, waits
from plateau.store import Database, Position, Repository, StoreError

if TYPE_CHECKING:
    # Importing the agent brings in TensorFlow, seconds that `plateau erase` and the tests here need not wait.
    from rasa.core.agent import Agent

Projector = Callable[[Session, DialogueStateTracker], None]
MakeReply = Callable[[DialogueStateTracker], Mapping[str, Any]]

DATA_FOLDER = "PLATEAU_DATA"
DEFAULT_FOLDER = "var"
CACHED_EVENTS = 50_000
# A session that holds more events begins anew, unnoticed: about fifteen turns.
ROTATE_EVENTS = 250
_MARK = "plateau_mark"
_EVENT_TYPES: dict[str, type[Event]] = {kind.type_name: kind for kind in all_subclasses(Event)}


@dataclass(frozen=True, slots=True)
class _Mark:
    """What of a tracker is stored already: its first `count` events, or what they stand for.

    That is the log from event number `start` on, as far as `position`.
    """

    position: Position
    start: int
    count: int


@dataclass(slots=True)
class PendingReply:
    """The message being answered; `saved` tells that its turn, with the reply, is in the database.

    `tracker` is the one that a peek has just read, for the turn to go on from.
    """

    conversation_id: str
    client_message_id: str
    make_reply: MakeReply
    saved: bool = False
    tracker: DialogueStateTracker | None = None
    beside: Callable[[Session], None] | None = None


_pending: ContextVar[PendingReply | None] = ContextVar("plateau_pending_reply", default=None)


class PlateauTrackerStore(TrackerStore, SerializedTrackerAsText):  # type: ignore[misc]
    """Keeps trackers as rows of events.

    `projector(session, tracker)` runs inside the transaction that saves a turn, in a database thread, to write what
    follows from it. Methods raise StoreError when the database fails, and Conflict when another turn of the
    conversation was saved since this one was retrieved; then nothing of the turn is written.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        host: str | None = None,
        event_broker: Any = None,
        *,
        database: Database | None = None,
        projector: Projector | None = None,
        cached_events: int = CACHED_EVENTS,
        short: bool = False,
        **unknown: Any,
    ) -> None:
        """Use `database` as it is, or open and upgrade the one at URL `host` (Rasa passes the endpoint's url so).

        Without either it is the SQLite file in the folder that the environment's PLATEAU_DATA names, or in ./var.
        `short`: trackers hold only what Rasa needs to go on, and long sessions begin anew.
        """
        if unknown:
            raise StoreError(f"tracker_store: unknown setting {', '.join(sorted(unknown))}; allowed: type, url")
        if event_broker is not None:
            raise StoreError("event_broker: not supported, remove it; every event is in the table `events`")
        self.database = database or _open(host)
        self.projector = projector
        self._short = short
        self._cache = _TrackerCache(cached_events)
        super().__init__(domain, None)

    @property
    def domain(self) -> Domain:
        """The model's domain; trackers of another model's are not used again."""
        return self._domain

    @domain.setter
    def domain(self, domain: Domain | None) -> None:
        self._domain = domain or Domain.empty()
        self._cache.clear()

    @contextmanager
    def pending_reply(
        self,
        conversation_id: str,
        client_message_id: str,
        make_reply: MakeReply,
        tracker: DialogueStateTracker | None = None,
        beside: Callable[[Session], None] | None = None,
    ) -> Iterator[PendingReply]:
        """Within the block, the turn that this task saves also stores its reply, in the same transaction.

        The turn goes on from `tracker`, if it was read before, without reading it again. `beside` is done there too.

        `make_reply(tracker)` is called once, when the turn is saved: the output channel holds every message by then.
        What it raises reaches the caller of the turn, and nothing is saved.
        """
        pending = PendingReply(conversation_id, client_message_id, make_reply, tracker=tracker, beside=beside)
        token = _pending.set(pending)
        try:
            yield pending
        finally:
            _pending.reset(token)

    def discard(self, conversation_id: str) -> None:
        """Drop the conversation from this worker's memory, as after it was erased."""
        self._cache.take(conversation_id)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Append the tracker's new events, its projection and the pending reply in one transaction."""
        mark: _Mark | None = vars(tracker).get(_MARK)
        new = [event.as_dict() for event in islice(tracker.events, mark.count if mark else 0, None)]
        if not new:
            return
        pending = _pending_of(tracker.sender_id)
        reply = pending.make_reply(tracker) if pending else None
        held = mark.position.version - mark.position.session_seq if mark else 0
        if self._short and held + len(new) > ROTATE_EVENTS and waits(tracker):
            # Whoever has to read the conversation from the database reads no more than this.
            new += [event.as_dict() for event in next_session(tracker)]

        def work(session: Session) -> Position:
            repository = Repository(session)
            position = repository.append(tracker.sender_id, mark.position if mark else None, new)
            self._project(session, tracker)
            if pending is not None and reply is not None:
                repository.remember_reply(tracker.sender_id, pending.client_message_id, reply)
                if pending.beside is not None:
                    pending.beside(session)
            return position

        position = await self.database.run(work)
        vars(tracker)[_MARK] = _Mark(position, mark.start if mark else 0, len(tracker.events))
        if pending is not None:
            pending.saved = True
        kept = self._shortened(tracker)
        # A tracker that saw a session begin still holds the one before, which a retrieved tracker must not.
        if vars(kept)[_MARK].start == position.session_seq:
            self._cache.put(kept)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Return a tracker to go on with, the caller's to change; None when there is no such conversation."""
        pending = _pending_of(sender_id)
        if pending is not None and pending.tracker is not None:
            tracker, pending.tracker = pending.tracker, None
            return tracker
        read = self.reading(sender_id)
        return await self.database.read(lambda session: read(session, Repository(session).position(sender_id)))

    def reading(self, sender_id: str) -> Callable[[Session, Position | None], DialogueStateTracker | None]:
        """Return what `retrieve` does, to be done in a session of the caller's, who knows the position already."""
        # Taken out, so that a turn that fails leaves nothing of itself behind.
        cached = self._cache.take(sender_id)
        return lambda session, position: self._read(session, sender_id, position, cached)

    async def create_tracker(self, sender_id: str, append_action_listen: bool = True) -> DialogueStateTracker:
        """Return a new tracker; it is stored with its first turn, where Rasa would store it empty before."""
        tracker = self.init_tracker(sender_id)
        if append_action_listen:
            tracker.update(ActionExecuted(ACTION_LISTEN_NAME))
        return tracker

    async def peek(self, sender_id: str) -> DialogueStateTracker | None:
        """Return that tracker to look at, not to change; None when there is no such conversation.

        Within `pending_reply` the turn goes on from this tracker without reading it again.
        """
        tracker = await self.retrieve(sender_id)
        if tracker is not None:
            if (pending := _pending_of(sender_id)) is not None:
                pending.tracker = tracker
            else:
                self._cache.put(tracker)
        return tracker

    async def retrieve_full_tracker(self, conversation_id: str) -> DialogueStateTracker | None:
        """Return the tracker with the events of every session; None when there is no such conversation."""

        def work(session: Session) -> DialogueStateTracker | None:
            return self._read(session, conversation_id, Repository(session).position(conversation_id), whole=True)

        return await self.database.read(work)

    async def exists(self, conversation_id: str) -> bool:
        """Tell whether the conversation has events."""
        position = await self.database.read(lambda session: Repository(session).position(conversation_id))
        return position is not None and position.version > 0

    async def keys(self) -> Iterable[str]:
        """Return the ids of all conversations with events, oldest first."""
        return await self.database.read(lambda session: Repository(session).conversation_ids())

    def _read(
        self,
        session: Session,
        sender_id: str,
        position: Position | None,
        cached: DialogueStateTracker | None = None,
        whole: bool = False,
    ) -> DialogueStateTracker | None:
        if position is None or position.version == 0:
            return None
        start = 0 if whole else position.session_seq
        if cached is not None and _is_beginning(cached, position, start):
            tracker, known = cached, vars(cached)[_MARK].position.version
        else:
            tracker, known = DialogueStateTracker(sender_id, self.domain.slots), start
        if known < position.version:
            for data in Repository(session).events(sender_id, known, position.version):
                tracker.update(_event(data))
        vars(tracker)[_MARK] = _Mark(position, start, len(tracker.events))
        return tracker if whole else self._shortened(tracker)

    def _shortened(self, tracker: DialogueStateTracker) -> DialogueStateTracker:
        """Return a tracker with few events that goes on from where this one, all stored, has come."""
        if not self._short or not waits(tracker):
            return tracker
        position = vars(tracker)[_MARK].position
        short = shortened(tracker, self.domain.slots)
        vars(short)[_MARK] = _Mark(position, position.session_seq, len(short.events))
        return short

    def _project(self, session: Session, tracker: DialogueStateTracker) -> None:
        if self.projector is None:
            return
        try:
            self.projector(session, tracker)
        except StoreError:
            raise
        except Exception as error:
            # The text of the error may quote the patient; where it happened does not.
            raise StoreError(f"the turn could not be projected: {type(error).__name__} at {_place(error)}") from None


def with_staff(tracker: DialogueStateTracker | None) -> bool:
    """Tell whether a person of the clinic wrote with the patient when the tracker was read."""
    mark: _Mark | None = vars(tracker).get(_MARK) if tracker is not None else None
    return mark is not None and mark.position.with_staff


def make_loud(agent: Agent) -> PlateauTrackerStore:
    """Take away the wrapper in which Rasa would go on in memory when the database fails; return our store.

    Raises StoreError when the agent uses another store, as Rasa falls back to memory when it cannot load ours.
    """
    store = agent.tracker_store
    if isinstance(store, FailSafeTrackerStore):
        store = store._tracker_store
    if not isinstance(store, PlateauTrackerStore):
        raise StoreError(
            f"tracker_store: the agent uses {type(store).__name__}, allowed: {PlateauTrackerStore.__name__}"
        )
    agent.tracker_store = store
    if agent.processor is not None:
        agent.processor.tracker_store = store
    return store


class _TrackerCache:
    """The most recently saved trackers of this worker, as many as hold `capacity` events together."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._trackers: OrderedDict[str, tuple[DialogueStateTracker, int]] = OrderedDict()

    def put(self, tracker: DialogueStateTracker) -> None:
        self.take(tracker.sender_id)
        size = len(tracker.events)
        self._trackers[tracker.sender_id] = (tracker, size)
        self._held += size
        while self._held > self._capacity:
            _, (_, oldest) = self._trackers.popitem(last=False)
            self._held -= oldest

    def take(self, sender_id: str) -> DialogueStateTracker | None:
        tracker, size = self._trackers.pop(sender_id, (None, 0))
        self._held -= size
        return tracker

    def clear(self) -> None:
        self._trackers.clear()
        self._held = 0


def _pending_of(sender_id: str) -> PendingReply | None:
    pending = _pending.get()
    return pending if pending is not None and pending.conversation_id == sender_id else None


def _open(url: str | None) -> Database:
    database = Database(url) if url else Database.in_folder(os.environ.get(DATA_FOLDER, DEFAULT_FOLDER))
    database.upgrade()
    return database


def _is_beginning(tracker: DialogueStateTracker, position: Position, start: int) -> bool:
    """Tell whether a tracker kept in memory stands for the events from `start` on, up to `position` or some before."""
    mark: _Mark = vars(tracker)[_MARK]
    return (
        mark.start == start
        and mark.position.created_at == position.created_at
        and mark.position.version <= position.version
        and len(tracker.events) == mark.count
    )


def _event(data: dict[str, Any]) -> Event:
    """Return the event that `data` describes; Rasa would go through all its classes to find the right one."""
    kind = _EVENT_TYPES.get(data["event"]) or Event.resolve_by_type(data["event"])
    event: Event = kind._from_parameters(data)
    return event


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"
