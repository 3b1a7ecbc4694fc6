"""Turns a message into plain words, forgiving apostrophes, stretched letters and spelling mistakes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from rapidfuzz.distance import OSA

_TOKEN = re.compile(
    r"\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’‘`´][^\W\d_]+)*['’‘`´]?|[.!?;:\n…]+|[,()\u2013\u2014/+&%]|(?<=\s)-+(?=\s)"
)
_QUOTES = re.compile("['’‘`´]")
_STRETCHED = re.compile(r"(.)\1{2,}")
_DOUBLED = re.compile(r"(.)\1")
_ENDERS = frozenset(".!?;:\n…")
STOP, COMMA = ".", ","

NUMBER_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "couple": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "several": 3, "fortnight": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """One word as matched (`plain`) and where it stands in the message."""

    plain: str
    start: int
    end: int


def split(text: str) -> list[Word]:
    """Return the words of `text`; sentence ends become ".", commas, brackets and dashes ","."""
    # A capital can lower to two letters ("İ"), so offsets are kept by lowering each word on its own.
    words = []
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if piece[0] in _ENDERS:
            plain = STOP
        elif piece[0].isalpha():
            plain = _plain(piece)
        elif piece[0].isdigit():
            plain = piece.replace(",", ".")
        else:
            plain = {"/": "/", "+": "and", "&": "and", "%": "%"}.get(piece[0], COMMA)
        if plain:
            words.append(Word(plain, match.start(), match.end()))
    return words


def _plain(piece: str) -> str:
    folded = unicodedata.normalize("NFKD", _QUOTES.sub("", piece)).lower()
    bare = "".join(c for c in folded if not unicodedata.combining(c))
    squeezed = _STRETCHED.sub(r"\1\1", bare)
    return {"soo": "so", "noo": "no"}.get(squeezed, squeezed)


def plain(words: Iterable[Word]) -> str:
    """Return the words as matched, in one line, without the marks between them."""
    return " ".join(word.plain for word in words if word.plain not in (STOP, COMMA))


def number(word: str) -> float | None:
    """Return the value of a number or number word, else None."""
    if word[:1].isdigit():
        try:
            return float(word)
        except ValueError:
            return None
    return NUMBER_WORDS.get(word)


@dataclass(slots=True)
class Speller:
    """Finds the words of five letters or more a misspelt one may stand for: one slip, two from nine letters.

    `known` are the words looked for; neither they nor `ordinary` words are mended.
    """

    known: Collection[str]
    ordinary: Collection[str]
    _by_deletion: dict[str, set[str]] = field(default_factory=dict)
    _cache: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word in self.known:
            if len(word) >= 5:
                for shorter in _deletions(word, _slips(word)):
                    self._by_deletion.setdefault(shorter, set()).add(word)

    def readings(self, word: str) -> tuple[str, ...]:
        """Return the words to match `word` as: itself, and what it may be a slip of when it is no word we know."""
        if word in self.known or word in self.ordinary or not 4 <= len(word) <= 20 or not word.isalpha():
            return (word,)
        found = self._cache.get(word)
        if found is None:
            found = (word, *self._corrections(word))
            if len(self._cache) < 10_000:
                self._cache[word] = found
        return found

    def _corrections(self, word: str) -> Iterable[str]:
        single = _DOUBLED.sub(r"\1", word)
        if single in self.known:
            return [single]
        near: set[str] = set()
        for shorter in _deletions(word, _slips(word)):
            near |= self._by_deletion.get(shorter, set())
        scored = sorted((OSA.distance(word, known), known) for known in near if known[0] == word[0])
        best = scored[0][0] if scored else 0
        return [known for slips, known in scored if slips == best and slips <= min(_slips(known), _slips(word))]


def _slips(word: str) -> int:
    return 2 if len(word) >= 9 else 1


def _deletions(word: str, slips: int) -> set[str]:
    found = {word}
    for _ in range(slips):
        found |= {each[:i] + each[i + 1 :] for each in found for i in range(len(each))}
    return found
