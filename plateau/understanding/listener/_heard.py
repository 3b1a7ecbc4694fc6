"""A red flag heard, and the patient's words that it was heard in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plateau.understanding.listener._words import Word


@dataclass(frozen=True, slots=True)
class Heard:
    """A red flag heard: `id` and `tier` of the design's table; `because` holds the patient's words that fired it."""

    id: str
    tier: str
    because: str

    def to_dict(self) -> dict[str, str]:
        """Return the flag as the answer record stores it."""
        return {"id": self.id, "tier": self.tier, "state": "reported", "because": self.because}


def quote(text: str, words: Sequence[Word], marked: Iterable[int]) -> str:
    """Return the words of `text` at the places `marked`, with an ellipsis between those that are apart."""
    pieces: list[list[int]] = []
    for at in sorted(set(marked)):
        if pieces and at == pieces[-1][1]:
            pieces[-1][1] = at + 1
        else:
            pieces.append([at, at + 1])
    return " … ".join(text[words[first].start : words[last - 1].end] for first, last in pieces)
