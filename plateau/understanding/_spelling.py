"""Mends slips of spelling towards the words that the lexicons know."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

SHORTEST = 5
LONG = 8

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEAR_KEYS = {
    key: {
        _ROWS[r][c]
        for r in (row - 1, row, row + 1)
        for c in (column - 1, column, column + 1)
        if 0 <= r < len(_ROWS) and 0 <= c < len(_ROWS[r])
    }
    for row, keys in enumerate(_ROWS)
    for column, key in enumerate(keys)
}


class Mender:
    """Finds the one lexicon word that a misspelt word of five letters or more must be; leaves all others alone."""

    def __init__(self, vocabulary: Iterable[str], real_words: Iterable[str]) -> None:
        self._known = frozenset(vocabulary) | frozenset(real_words)
        self._by_letter: dict[str, list[str]] = {}
        for word in sorted(vocabulary):
            self._by_letter.setdefault(word[0], []).append(word)
        self.mend = lru_cache(maxsize=20_000)(self._mend)

    def _mend(self, word: str) -> str:
        if len(word) < SHORTEST or len(word) > 24 or word in self._known or _inflected(word, self._known):
            return word
        # Slips seldom touch the first letter; asking for it keeps "night" from becoming "right".
        allowed = 2 if len(word) >= LONG else 1
        near = process.extract(
            word, self._by_letter.get(word[0], []), scorer=DamerauLevenshtein.distance, score_cutoff=allowed, limit=2
        )
        near = [hit for hit in near if len(word) >= LONG or _slip(word, str(hit[0]))]
        if not near or (len(near) > 1 and near[0][1] == near[1][1]):
            return word
        return str(near[0][0])


def _slip(word: str, meant: str) -> bool:
    """Tell whether one slip makes `word` of `meant`: a letter lost, doubled or swapped, a near key, a vowel."""
    if len(word) != len(meant):
        return True
    wrong = [(a, b) for a, b in zip(word, meant, strict=True) if a != b]
    if len(wrong) != 1:
        return True
    typed, right = wrong[0]
    return typed in NEAR_KEYS[right] or (typed in "aeiouy" and right in "aeiouy")


def _inflected(word: str, known: frozenset[str]) -> bool:
    """Tell whether `word` is a known word with a usual ending, so no slip at all."""
    endings = ("s", "es", "ed", "d", "ing", "ly", "er", "y")
    return any(word.endswith(end) and word[: -len(end)] in known for end in endings)
