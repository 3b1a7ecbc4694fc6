"""Long texts in pieces: cut between sentences, else between words, never within a link that fits."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

# The end of a line, or of a sentence with what closes it.
_END = re.compile(r"\n+|[.?!][\"'”’)]*\s+")
# "1." at the start of a line begins an item; it ends nothing.
_ITEM = re.compile(r"(?:^|\n)\d+[.)]\s+$")
_SPACE = re.compile(r"\s+")


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units, as the platforms count: an emoji is two."""
    return len(text) + sum(ord(sign) > 0xFFFF for sign in text)


def split(text: str, limit: int, size: Callable[[str], int] = units) -> list[str]:
    """Return the text in pieces of at most `limit` by `size`, which never falls as a text grows.

    Nothing is lost but the white space at the cuts. A piece is at least one character, whatever its size.
    """
    pieces, left = [], text.strip()
    while size(left) > limit:
        cut = _cut(left, limit, size)
        pieces.append(left[:cut].rstrip())
        left = left[cut:].lstrip()
    return [*pieces, left] if left else pieces


def _cut(text: str, limit: int, size: Callable[[str], int]) -> int:
    room = max(1, bisect_right(range(len(text)), limit, key=lambda length: size(text[:length])) - 1)
    # White space that falls off at the cut needs no room.
    within = [found.end() for found in _END.finditer(text) if len(text[: found.end()].rstrip()) <= room]
    sentences = [end for end in within if not _ITEM.search(text[:end])]
    if sentences:
        return sentences[-1]
    words = [found.end() for found in _SPACE.finditer(text) if found.start() <= room]
    if words:
        return words[-1]
    # One word longer than a piece.
    return room


def shortened(text: str, limit: int, more: str) -> str:
    """Return the text on one line with at most `limit` code units, cut between words and ended by `more`."""
    line = " ".join(text.split())
    if units(line) <= limit:
        return line
    return split(line, limit - units(more))[0].rstrip(".,;:") + more
