"""Reads what a patient says of a red flag that was heard: that it was a mistake, or that it has been checked since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._digressions import is_question
from ._lexicon import phrase_groups

ABOUT = "about_"


@dataclass(frozen=True, slots=True)
class Settled:
    """How a red flag was settled, and the ids of those that the words name; none where they only say "that"."""

    how: Literal["mistake", "checked"]
    about: frozenset[str]


def read_settled(plain: str) -> Settled | None:
    """Return how `plain` settles a red flag, or None; what is denied, planned or worse again settles nothing."""
    groups = phrase_groups("_settle")
    if groups.find_group("unsettled", plain):
        return None
    about = frozenset(
        name.removeprefix(ABOUT) for name, pattern in groups.patterns if _names(name) and pattern.search(plain)
    )
    if groups.find_group("checked", plain):
        # "Has a doctor looked at it?" is no news of a doctor.
        return None if is_question(plain) else Settled("checked", about)
    return Settled("mistake", about) if groups.find_group("mistake", plain) else None


def _names(group: str) -> bool:
    return group.startswith(ABOUT)
