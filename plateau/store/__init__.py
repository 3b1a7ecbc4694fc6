"""One database for everything Plateau keeps: conversations, their events, answers, plans and replies."""

from ._database import Database
from ._errors import Conflict, StoreError
from ._models import CONSENT_STATES
from ._repository import Position, ReevaluationRow, Repository

__all__ = ["CONSENT_STATES", "Conflict", "Database", "Position", "ReevaluationRow", "Repository", "StoreError"]
