"""Hears red flags in what a patient writes: data rules a clinician can read, and an ear taught by examples; no Rasa."""

from plateau.understanding.listener._ear import ALARM, DOUBT, WEIGHTS, Ear
from plateau.understanding.listener._heard import Heard
from plateau.understanding.listener._listener import Hearing, Listener, listen_plainly
from plateau.understanding.listener._rules import RuleDataError, load_rules

__all__ = [
    "ALARM",
    "DOUBT",
    "WEIGHTS",
    "Ear",
    "Heard",
    "Hearing",
    "Listener",
    "RuleDataError",
    "listen_plainly",
    "load_rules",
]
