"""One database for everything Plateau keeps: conversations, their events, answers, plans, replies, codes and links."""

from ._audit import AUDIT_KINDS, Broken, entries, verify
from ._contacts import ContactRow, Contacts
from ._database import Database
from ._errors import Conflict, StoreError
from ._health import has_schema, newest_revision, touch
from ._inbox import Inbox, Unanswered
from ._models import CONSENT_STATES, LINK_KINDS
from ._outbox import LetterRow, NoticeRow, Notices, Outbox
from ._repository import LinkRow, Position, ReevaluationRow, Repository, Standing

__all__ = [
    "AUDIT_KINDS",
    "Broken",
    "CONSENT_STATES",
    "LINK_KINDS",
    "Conflict",
    "ContactRow",
    "Contacts",
    "Database",
    "Inbox",
    "LetterRow",
    "LinkRow",
    "NoticeRow",
    "Notices",
    "Outbox",
    "Position",
    "ReevaluationRow",
    "Repository",
    "Standing",
    "StoreError",
    "Unanswered",
    "entries",
    "has_schema",
    "newest_revision",
    "touch",
    "verify",
]
