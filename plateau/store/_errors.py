"""What can go wrong in the store; messages carry names and codes, never a patient's words or ids."""

from __future__ import annotations


class StoreError(Exception):
    """The database cannot be used, or cannot hold what it was given; nothing of the transaction was written."""


class Conflict(StoreError):
    """Someone else wrote to the conversation first; nothing was written: read it again and repeat the turn."""
