"""One database for everything Plateau keeps: conversations, their events, answers, plans, replies, codes and links."""

from ._audit import AUDIT_KINDS, Broken, entries, verify
from ._database import Database
from ._errors import Conflict, StoreError
from ._health import has_schema, newest_revision, touch
from ._inbox import Inbox, Unanswered
from ._models import CONSENT_STATES, LINK_KINDS
from ._repository import LinkRow, Position, ReevaluationRow, Repository

__all__ = [
    "AUDIT_KINDS",
    "Broken",
    "CONSENT_STATES",
    "LINK_KINDS",
    "Conflict",
    "Database",
    "Inbox",
    "LinkRow",
    "Position",
    "ReevaluationRow",
    "Repository",
    "StoreError",
    "Unanswered",
    "entries",
    "has_schema",
    "newest_revision",
    "touch",
    "verify",
]
