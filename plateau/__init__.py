"""Plateau: re-evaluates stalled physical therapy with the patient and says what to do next."""

__version__ = "0.1.0"
