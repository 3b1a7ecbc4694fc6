"""What waits to be sent, and what the clinic's staff should see; within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from ._errors import StoreError
from ._keys import key_of, opened_key
from ._models import Conversation, Letter, Notice


@dataclass(frozen=True, slots=True)
class LetterRow:
    """Something to be sent; `content` says what, `parts` how many messages of it were taken already."""

    id: int
    key: str
    conversation_id: str
    kind: str
    target: str
    content: Mapping[str, Any]
    state: str
    attempts: int
    parts: int
    ordered: bool
    problem: str | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """Something for the staff; `content` says what it is about, `urgency` 0 comes first."""

    id: int
    conversation_id: str
    kind: str
    urgency: int
    content: Mapping[str, Any]
    created_at: datetime
    opened_at: datetime | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Sealed:
    """What the two have in common: rows of conversations, sealed with their keys."""

    def __init__(self, session: Session, now: Callable[[], datetime] = _utc_now) -> None:
        self._session, self._now = session, now
        self._insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[session.get_bind().dialect.name]

    def _add(self, model: Any, conversation_id: str, key: str, content: Mapping[str, Any], **values: Any) -> bool:
        if (sealer := key_of(self._session, conversation_id)) is None:
            raise StoreError("a letter belongs to a conversation only that is stored, and not erased")
        row = {
            "key": key,
            "conversation_id": conversation_id,
            "sealed": sealer.seal(dict(content), model.__tablename__, conversation_id, key),
            "created_at": self._now(),
            **values,
        }
        return bool(self._session.execute(self._insert(model).values(row).on_conflict_do_nothing()).rowcount)

    def _rows(self, model: Any, query: Any) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
        """Return each row with its content opened, without those whose key was destroyed."""
        columns = model.__table__.c
        found = query.with_only_columns([*columns, Conversation.key_id], maintain_column_froms=True)
        found = found.join(Conversation, Conversation.id == columns.conversation_id)
        rows = []
        for row in self._session.execute(found).mappings():
            values = dict(row)
            key = opened_key(self._session, values.pop("key_id"))
            sealed = values.pop("sealed")
            if key is not None:
                place = (model.__tablename__, values["conversation_id"], values["key"])
                rows.append((values, key.open(sealed, *place)))
        return rows

    def _update(self, statement: Any) -> int:
        done = self._session.execute(statement, execution_options={"synchronize_session": False})
        return int(done.rowcount)


class Outbox(_Sealed):
    """The letters in one open `session`."""

    def put(
        self,
        key: str,
        conversation_id: str,
        kind: str,
        target: str,
        content: Mapping[str, Any],
        ordered: bool = True,
    ) -> None:
        """Have something sent, once however often it is put, after those before it to the same target if `ordered`.

        Raises StoreError for an unknown conversation.
        """
        values = {"kind": kind, "target": target, "ordered": ordered, "due_at": self._now()}
        self._add(Letter, conversation_id, key, content, **values, state="waiting", attempts=0, parts=0)

    def hurry(self, conversation_id: str) -> None:
        """Have what waits for a conversation tried now: its patient is there."""
        waiting = update(Letter).where(Letter.conversation_id == conversation_id, Letter.state == "waiting")
        self._update(waiting.values(due_at=self._now()))

    def due(self) -> bool:
        """Tell whether anything is to be sent now; writes nothing, as `claim` does."""
        found = select(Letter.id).where(Letter.state == "waiting", Letter.due_at <= self._now()).limit(1)
        return self._session.execute(found).first() is not None

    def claim(self, until: datetime, limit: int, conversation_id: str | None = None) -> list[LetterRow]:
        """Take letters that are due, so that nobody else sends them before `until`; those of one place in order."""
        now, earlier = self._now(), aliased(Letter)
        before = exists().where(
            earlier.conversation_id == Letter.conversation_id,
            earlier.target == Letter.target,
            earlier.state == "waiting",
            earlier.id < Letter.id,
        )
        free = or_(Letter.taken_until.is_(None), Letter.taken_until < now)
        turn = or_(Letter.ordered.is_(False), ~before)
        due = select(Letter.id).where(Letter.state == "waiting", Letter.due_at <= now, free, turn)
        if conversation_id is not None:
            due = due.where(Letter.conversation_id == conversation_id)
        ids = list(self._session.execute(due.order_by(Letter.due_at, Letter.id).limit(limit)).scalars())
        # Whoever is quicker has it.
        taken = update(Letter).where(Letter.state == "waiting", free).values(taken_until=until)
        mine = [one for one in ids if self._update(taken.where(Letter.id == one))]
        return self._letters(Letter.id.in_(mine)) if mine else []

    def went(self, id: int, parts: int, until: datetime) -> None:
        """Note that so many messages of a letter were taken, and that the rest is sent before `until`."""
        self._update(update(Letter).where(Letter.id == id).values(parts=parts, taken_until=until))

    def release(self, id: int) -> None:
        """Leave a letter to others, as it was."""
        self._update(update(Letter).where(Letter.id == id, Letter.state == "waiting").values(taken_until=None))

    def sent(self, id: int) -> None:
        """Note that a letter was taken whole."""
        done = {"state": "sent", "sent_at": self._now(), "attempts": Letter.attempts + 1, "problem": None}
        self._update(update(Letter).where(Letter.id == id).values(**done, taken_until=None))

    def failed(self, id: int, problem: str, due_at: datetime | None) -> None:
        """Note why a letter was not taken, and when it is tried again; None: never."""
        values: dict[str, Any] = {"problem": problem, "attempts": Letter.attempts + 1, "taken_until": None}
        values |= {"state": "given_up"} if due_at is None else {"due_at": due_at}
        self._update(update(Letter).where(Letter.id == id).values(**values))

    def again(self, id: int) -> bool:
        """Try a letter that was given up once more; False where there is none."""
        again = update(Letter).where(Letter.id == id, Letter.state == "given_up")
        return bool(self._update(again.values(state="waiting", due_at=self._now(), taken_until=None)))

    def listing(self, limit: int, states: Sequence[str] = ()) -> list[LetterRow]:
        """Return letters, the newest first."""
        return self._letters(Letter.state.in_(states) if states else Letter.id > 0, newest=limit)

    def of(self, conversation_id: str) -> list[LetterRow]:
        """Return a conversation's letters, the oldest first."""
        return self._letters(Letter.conversation_id == conversation_id)

    def _letters(self, condition: Any, newest: int | None = None) -> list[LetterRow]:
        query = select(Letter).where(condition)
        query = query.order_by(Letter.id) if newest is None else query.order_by(Letter.id.desc()).limit(newest)
        return [_letter(row, content) for row, content in self._rows(Letter, query)]


class Notices(_Sealed):
    """What the staff should see, in one open `session`."""

    def add(self, key: str, conversation_id: str, kind: str, urgency: int, content: Mapping[str, Any]) -> bool:
        """Have the staff see something, once however often it is added; False where it was there."""
        return self._add(Notice, conversation_id, key, content, kind=kind, urgency=urgency)

    def listing(self, limit: int) -> list[NoticeRow]:
        """Return the notices: those nobody has opened first, then the most urgent, then the newest."""
        first = (Notice.opened_at.isnot(None), Notice.urgency, Notice.created_at.desc(), Notice.id.desc())
        return self._notices(select(Notice).order_by(*first).limit(limit))

    def get(self, id: int) -> NoticeRow | None:
        """Return one notice."""
        return next(iter(self._notices(select(Notice).where(Notice.id == id))), None)

    def of(self, conversation_id: str) -> list[NoticeRow]:
        """Return a conversation's notices, the oldest first."""
        return self._notices(select(Notice).where(Notice.conversation_id == conversation_id).order_by(Notice.id))

    def open(self, id: int) -> None:
        """Note that somebody has looked."""
        looked = update(Notice).where(Notice.id == id, Notice.opened_at.is_(None))
        self._update(looked.values(opened_at=self._now()))

    def unopened(self, conversation_id: str, kind: str, urgency: int) -> bool:
        """Tell whether one of this kind, no less urgent, waits to be opened."""
        theirs = and_(Notice.conversation_id == conversation_id, Notice.kind == kind, Notice.urgency <= urgency)
        found = select(Notice.id).where(theirs, Notice.opened_at.is_(None)).limit(1)
        return self._session.execute(found).one_or_none() is not None

    def _notices(self, query: Any) -> list[NoticeRow]:
        return [_notice(row, content) for row, content in self._rows(Notice, query)]


def _letter(row: Mapping[str, Any], content: Mapping[str, Any]) -> LetterRow:
    values = {name: value for name, value in row.items() if name != "taken_until"}
    return LetterRow(**values, content=content)


def _notice(row: Mapping[str, Any], content: Mapping[str, Any]) -> NoticeRow:
    values = {name: value for name, value in row.items() if name != "key"}
    return NoticeRow(**values, content=content)
