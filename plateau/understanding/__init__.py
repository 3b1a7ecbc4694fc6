"""Reads what patients write: answers against the question asked, digressions, red flags."""

from ._reader import Reader, Reading

__all__ = ["Reader", "Reading"]
