"""Where patients are reached on messengers, and what was taken from them, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ._errors import StoreError
from ._keys import key_of, opened_key
from ._models import Contact, Conversation, Seen
from ._sealing import DataKey


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A conversation's patient on a messenger; `stopped` while they want no messages.

    `active_at` (UTC) is when the conversation last had a turn.
    """

    digest: str
    conversation_id: str
    channel: str
    address: str
    last_order: int | None
    stopped: bool
    active_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Contacts:
    """The patients' addresses in one open `session`; each is sealed with its conversation's key."""

    def __init__(self, session: Session, now: Callable[[], datetime] = _utc_now) -> None:
        self._session, self._now = session, now
        self._insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[session.get_bind().dialect.name]

    def take_once(self, digest: str, until: datetime) -> bool:
        """Note that a platform's message is taken, to be known `until` then; False where it was taken before."""
        noted = self._insert(Seen).values(digest=digest, expires_at=until).on_conflict_do_nothing()
        return bool(self._session.execute(noted).rowcount)

    def seen(self, digest: str) -> bool:
        """Tell whether a digest was noted and is known still."""
        found = select(Seen.digest).where(Seen.digest == digest)
        return self._session.execute(found).one_or_none() is not None

    def unsee(self, digest: str) -> None:
        """Forget that a digest was noted."""
        gone = delete(Seen).where(Seen.digest == digest)
        self._session.execute(gone, execution_options={"synchronize_session": False})

    def find(self, digest: str) -> ContactRow | None:
        """Return the contact with this digest of an address."""
        return self._contact(Contact.digest == digest)

    def of(self, conversation_id: str) -> ContactRow | None:
        """Return the contact of a conversation."""
        return self._contact(Contact.conversation_id == conversation_id)

    def add(self, digest: str, channel: str, conversation_id: str, address: str) -> bool:
        """Keep where a stored conversation's patient is reached; False where the address has a conversation already.

        Raises StoreError for a conversation that is not stored.
        """
        row = {
            "digest": digest,
            "conversation_id": conversation_id,
            "channel": channel,
            "sealed": self._key(conversation_id).seal(address, "contacts", conversation_id, channel),
            "created_at": self._now(),
        }
        kept = self._insert(Contact).values(row).on_conflict_do_nothing(index_elements=["digest"])
        return bool(self._session.execute(kept).rowcount)

    def moved(self, digest: str, order: int) -> None:
        """Note the platform's number of the latest message."""
        self._change(digest, last_order=order)

    def stop(self, digest: str) -> None:
        """Note that the patient wants no more messages."""
        self._change(digest, stopped_at=self._now())

    def start(self, digest: str) -> None:
        """Note that the patient wants messages again."""
        self._change(digest, stopped_at=None)

    def clear(self, digest: str) -> None:
        """Forget an address whose conversation can be read no more, as in an old backup."""
        found = select(Contact.conversation_id, Conversation.key_id).where(Contact.digest == digest)
        row = self._session.execute(found.join(Conversation)).one_or_none()
        if row is not None and opened_key(self._session, row.key_id) is None:
            # That one only: another worker may have put a new one in its place.
            dead = delete(Contact).where(Contact.digest == digest, Contact.conversation_id == row.conversation_id)
            self._session.execute(dead, execution_options={"synchronize_session": False})

    def _change(self, digest: str, **values: object) -> None:
        changed = update(Contact).where(Contact.digest == digest).values(**values)
        self._session.execute(changed, execution_options={"synchronize_session": False})

    def _contact(self, condition: object) -> ContactRow | None:
        found = select(
            Contact.digest,
            Contact.conversation_id,
            Contact.channel,
            Contact.sealed,
            Contact.last_order,
            Contact.stopped_at,
            Conversation.key_id,
            Conversation.updated_at,
        )
        found = found.join(Conversation, Conversation.id == Contact.conversation_id).where(condition)
        row = self._session.execute(found).one_or_none()
        if row is None or (key := opened_key(self._session, row.key_id)) is None:
            return None
        address = key.open(row.sealed, "contacts", row.conversation_id, row.channel)
        return ContactRow(
            digest=row.digest,
            conversation_id=row.conversation_id,
            channel=row.channel,
            address=address,
            last_order=row.last_order,
            stopped=row.stopped_at is not None,
            active_at=row.updated_at,
        )

    def _key(self, conversation_id: str) -> DataKey:
        key = key_of(self._session, conversation_id)
        if key is None:
            raise StoreError("an address belongs to a conversation only that is stored, and not erased")
        return key
