"""Messages received and not yet answered, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ._errors import StoreError
from ._keys import key_of, opened_key
from ._models import Waiting, metadata
from ._sealing import DataKey


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message without a reply; `attempts` counts how often an answer was begun."""

    client_message_id: str
    message: Mapping[str, Any]
    attempts: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Inbox:
    """The messages waiting for their replies, in one open `session`; a reply that is remembered ends the wait."""

    def __init__(self, session: Session, now: Callable[[], datetime] = _utc_now) -> None:
        self._session, self._now = session, now

    def receive(
        self, conversation_id: str, client_message_id: str, message: Mapping[str, Any], key_id: str | None = None
    ) -> None:
        """Keep a message until it has its reply; received again, it keeps its place and counts one attempt more.

        `key_id` names the conversation's key, where it is known. Raises StoreError for a conversation not stored.
        """
        key = self._key(conversation_id, key_id)
        row = {
            "conversation_id": conversation_id,
            "client_message_id": client_message_id,
            "sealed": key.seal(dict(message), "inbox", conversation_id, client_message_id),
            "attempts": 1,
            "received_at": self._now(),
        }
        self._session.execute(_RECEIVE[self._session.get_bind().dialect.name], row)

    def waiting(self, conversation_id: str) -> list[Unanswered]:
        """Return the conversation's messages without a reply, in the order they came."""
        found = select(Waiting.client_message_id, Waiting.sealed, Waiting.attempts)
        found = found.where(Waiting.conversation_id == conversation_id).order_by(Waiting.id)
        rows = self._session.execute(found).all()
        if not rows or (key := key_of(self._session, conversation_id)) is None:
            return []
        return [Unanswered(id, key.open(sealed, "inbox", conversation_id, id), began) for id, sealed, began in rows]

    def conversations(self, received_before: datetime, limit: int) -> list[str]:
        """Return conversations with a message that came before the given time, the longest waiting first."""
        first = func.min(Waiting.received_at)
        found = select(Waiting.conversation_id).where(Waiting.received_at < received_before)
        found = found.group_by(Waiting.conversation_id).order_by(first).limit(limit)
        return list(self._session.execute(found).scalars())

    def drop(self, conversation_id: str, client_message_id: str) -> None:
        """Let a message go that gets no reply, or has got it."""
        self._session.execute(DROP, {"of": conversation_id, "message": client_message_id})

    def _key(self, conversation_id: str, key_id: str | None) -> DataKey:
        key = key_of(self._session, conversation_id) if key_id is None else opened_key(self._session, key_id)
        if key is None:
            raise StoreError("a message waits in a conversation only that is stored, and not erased")
        return key


# Made once: what every turn runs takes longer to put together than to run.
_INBOX = metadata.tables["inbox"]
_RECEIVE = {
    dialect: insert(_INBOX).on_conflict_do_update(
        index_elements=["conversation_id", "client_message_id"], set_={"attempts": _INBOX.c.attempts + 1}
    )
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
DROP = delete(_INBOX).where(
    _INBOX.c.conversation_id == bindparam("of"), _INBOX.c.client_message_id == bindparam("message")
)
