"""Hears red flags in what a patient writes: data rules a clinician can read, no model, no Rasa, no network."""

from plateau.understanding.listener._listener import Heard, Listener, listen_plainly
from plateau.understanding.listener._rules import RuleDataError, load_rules

__all__ = ["Heard", "Listener", "RuleDataError", "listen_plainly", "load_rules"]
