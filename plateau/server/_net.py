"""The red-flag safety net: hears danger in every message and answers it, even when nothing else works."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from plateau.content import Catalog
from plateau.protocol import STOPPING_TEXTS, safety_texts
from plateau.understanding.listener import Ear, Heard, Listener, listen_plainly

logger = logging.getLogger(__name__)


class SafetyNet:
    """Listens to each message beside the dialogue; without spaCy if need be."""

    def __init__(self) -> None:
        self._listener: Listener | None = None

    def start(self) -> None:
        """Load the listener with ConText; until then, and if it fails, the plain one listens."""
        self._listener = Listener(Ear.load())

    def hear(self, words: str, known: Mapping[str, Any] | None = None) -> tuple[Heard, ...]:
        """Return the red flags in a patient's words; never raises."""
        if not words:
            return ()
        try:
            if self._listener is not None:
                return self._listener.listen(words, known)
        except Exception as error:
            logger.error("the listener failed: %s", type(error).__name__)
        return listen_plainly(words, known)


def said(heard: Sequence[Heard], words: Catalog, numbers: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the messages that these red flags need, most urgent first."""
    return [
        {
            "id": f"safety.{key}",
            "kind": "emergency" if key in STOPPING_TEXTS else "urgent",
            "text": words.get(f"safety.{key}", **numbers),
        }
        for key in safety_texts((flag.id, flag.tier) for flag in heard)
    ]
