"""Reads an answer of which there may be several: a set, with denials, the past and other people kept out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ._choices import yes_or_no
from ._lexicon import Lexicon, Match, lexicons

if TYPE_CHECKING:
    from ._context import Assertion

# Tells how a stretch of the plain text is meant: negated, past, other_person, hypothetical.
Judge = Callable[[int, int], "Assertion"]

_NONE_OF = re.compile(
    r"^(?:none|nothing|no|nope|nah|nil|neither|nowt|nada|zilch|(?:i )?(?:dont|do not|havent|have not) "
    r"(?:have|got|had|take|tried|taken|done) (?:any|anything|a thing|one))\b"
)
_SAID_NO = re.compile(r" (?:no|nope|not|never)(?=[,.;]|$| \w+ (?:yes|yeah|no)\b)")
# "no swelling, just sore": what follows these words is meant, whatever was denied before.
_BUT = re.compile(
    r"\b(?:just|only|but|more|mostly|mainly|now|actually)(?: (?:a|an|the|of|like|really|plain|bit|very|some|it|its))*$"
)


def read_set(plain: str, question: str, judge: Judge) -> list[str]:
    """Return the values of a set that was asked for, in the order said; empty when nothing was read."""
    lexicon = lexicons()[question]
    matches = lexicon.asked.find(plain)
    values = _kept(plain, lexicon, matches, judge)
    named = [value for value in values if value != "none"]
    if named:
        return named
    if lexicon.no and (
        values
        or (matches and all(m.value != "none" for m in matches))
        or yes_or_no(plain) is False
        or _NONE_OF.match(plain)
    ):
        return [lexicon.no]
    return []


def volunteered_set(plain: str, question: str, judge: Judge, told: bool = False) -> list[str]:
    """Return the values of a set that a message gives unasked; `told`: the bare words count as when asked."""
    lexicon = lexicons()[question]
    matches = (lexicon.asked if told else lexicon.unasked).find(plain)
    return [value for value in _kept(plain, lexicon, matches, judge) if value != "none"]


def _kept(plain: str, lexicon: Lexicon, matches: list[Match], judge: Judge) -> list[str]:
    values = [m.value for m, counts in weighed(plain, lexicon, matches, judge) if counts]
    dropped = {less for value in values for less in lexicon.drops.get(value, ())}
    return [value for value in dict.fromkeys(values) if value not in dropped]


def weighed(plain: str, lexicon: Lexicon, matches: list[Match], judge: Judge) -> Iterator[tuple[Match, bool]]:
    """Yield each match of a set's phrases, and whether it counts."""
    nexts = [*(m.start for m in matches[1:]), len(plain)]
    for m, end in zip(matches, nexts, strict=False):
        yield m, m.value == "none" or _counts(plain, lexicon, m, end, judge)


def _counts(plain: str, lexicon: Lexicon, m: Match, end: int, judge: Judge) -> bool:
    left, right = _around(plain, m.start, m.end)
    if lexicon.denied_before and _reaches(lexicon.denied_before, plain[left : m.start]):
        return False
    if lexicon.denied_after and _follows(lexicon.denied_after, plain[m.end : min(right, max(end, m.end))]):
        return False
    if _SAID_NO.match(plain, m.end):
        return False
    against = judge(m.start, m.end).kinds
    if _BUT.search(plain[: m.start].rstrip()):
        against -= {"negated"}
    if lexicon.past_counts:
        against -= {"past", "resolved"}
    if lexicon.hypothetical_counts:
        against -= {"hypothetical"}
    return not against


def _around(plain: str, start: int, end: int) -> tuple[int, int]:
    """Bounds of what a denial can reach: up to a sentence mark or "but"; a comma ends it unless a list goes on."""
    lefts = [
        m.end()
        for m in re.finditer(
            r"[.;!?] |\b(?:but|though|just|only|now|yes|however|except|apart from)\b|, (?!(?:or|nor|and)\b)",
            plain[:start],
        )
    ]
    right = re.search(r"[.;!?] |\b(?:though|except|apart from)\b", plain[end:])
    return (lefts[-1] if lefts else 0), (end + right.start() if right else len(plain))


def _reaches(pattern: re.Pattern[str], before: str) -> bool:
    hits = list(pattern.finditer(before))
    return bool(hits) and len(before[hits[-1].end() :].split()) <= 5


def _follows(pattern: re.Pattern[str], after: str) -> bool:
    hit = pattern.search(after)
    return hit is not None and len(after[: hit.start()].split()) <= 5
