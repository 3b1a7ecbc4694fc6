"""A conversation's data key, for what keeps sealed values of its own."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ._models import Conversation
from ._sealing import DataKey


def key_of(session: Session, conversation_id: str) -> DataKey | None:
    """Return the key of a conversation; None where it is not stored, or its key was destroyed."""
    found = select(Conversation.key_id).where(Conversation.id == conversation_id)
    return opened_key(session, session.execute(found).scalar_one_or_none())


def opened_key(session: Session, key_id: str | None) -> DataKey | None:
    """Return the key with this id; None where there is none."""
    return None if key_id is None else session.info["plateau"].vault.key(key_id)
