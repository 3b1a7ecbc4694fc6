"""The small language of the phrase lists, and its matcher.

A phrase is plain words; between them the patient may put filler words ("my", "really", ...). Further:
`{group}` a word group of words.yml; `(a|b c|{group})` one of these; `word*` any ending; `(thing)?` may be left out;
`#` a number, `#3-12` a number in that range; `a .. b` up to 4 words between, `a ... b` up to 8, in this order;
`a ~ b` close by, either order, no other body part between; `a + b` in the same sentence, either order.
Phrases that cancel others (`unless`) must stand closer: half those distances.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from plateau.understanding.listener._words import COMMA, STOP, Speller, Word, number

Span = tuple[int, int]
_PIECE = re.compile(r"\([^()]*\)\??|\{\w+\}\??|\.{2,3}|[~+]|#(?:\d+-\d+)?|[a-z0-9.%/&]+\*?|,")
_RANGE = re.compile(r"#(?:\d+-\d+)?")
_GAPS = {"": 0, "..": 4, "...": 8, "~": 5, "+": 12}
_CLOSE_GAPS = {"": 0, "..": 2, "...": 4, "~": 3, "+": 6}
_MOST_FILLERS = 3
_MOST_MATCHES = 24
_ENDINGS = ("", "s", "ed", "ing", "en", "y", "er", "ness", "d", "e", "al")


class PatternError(ValueError):
    """A phrase cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One match: the stretches of words that matched, in order of the phrase, and which of them are only places."""

    parts: tuple[Span, ...]
    places: tuple[bool, ...]

    @property
    def start(self) -> int:
        return min(start for start, _ in self.parts)

    @property
    def end(self) -> int:
        return max(end for _, end in self.parts)


@dataclass(frozen=True, slots=True)
class _Pattern:
    # Each part: elements with the gap allowed before each; parts stand in any order, `joint` apart at most.
    parts: tuple[tuple[tuple[int, int], ...], ...]
    joints: tuple[tuple[int, bool], ...]  # how far apart, and whether a body part may stand between
    needs: frozenset[int]


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    stems: dict[str, _Node] = field(default_factory=dict)
    ranges: dict[tuple[float, float], _Node] = field(default_factory=dict)
    elements: list[int] = field(default_factory=list)


class Matcher:
    """All phrases of all concepts, compiled once; `find` runs them over one message together."""

    def __init__(self, groups: Mapping[str, Sequence[str]], fillers: Iterable[str], places: Iterable[str]) -> None:
        self._groups = groups
        self._fillers = frozenset(fillers)
        self._elements: dict[tuple[str, ...], int] = {}
        self._root = _Node()
        self._vocabulary: set[str] = set()
        self._by_anchor: dict[int, list[tuple[str, _Pattern]]] = {}
        self._sizes: dict[int, int] = {}
        place_phrases = {phrase for name in places for phrase in self._expand("{" + name + "}")}
        self._place_phrases = place_phrases
        self._place_elements: set[int] = set()
        self._hollow: set[int] = set()
        self._any_place = self._element(tuple(sorted(place_phrases)))

    def add(self, key: str, phrase: str, *, close: bool = False) -> None:
        """Compile `phrase` and let its matches count for `key`; with `close`, its words must stand closer.

        Raises PatternError.
        """
        pieces = _pieces(phrase)
        for variant in _without_optionals(pieces):
            pattern = self._compile(variant, _CLOSE_GAPS if close else _GAPS)
            if len(variant) < len(pieces) and len(pattern.needs) == 1 and pattern.needs <= self._hollow:
                raise PatternError("nothing but filler words is left when the optional words are away")
            anchor = min(pattern.needs, key=lambda e: (e in self._place_elements, self._sizes[e]))
            self._by_anchor.setdefault(anchor, []).append((key, pattern))

    def vocabulary(self) -> set[str]:
        """Return every word the phrases use."""
        return self._vocabulary

    def find(self, words: Sequence[Word], speller: Speller) -> dict[str, list[Hit]]:
        """Return the hits in `words` by key."""
        spans = self._tag(words, speller)
        if not spans:
            return {}
        blocked = [False] * len(words)
        for start, end in spans.get(self._any_place, ()):
            blocked[start:end] = [True] * (end - start)
        stops = list(itertools.accumulate(word.plain == STOP for word in words))
        filler = [word.plain in self._fillers for word in words]
        present = spans.keys()
        found: dict[str, list[Hit]] = {}
        for element in present:
            for key, pattern in self._by_anchor.get(element, ()):
                if pattern.needs <= present:
                    hits = self._match(pattern, spans, blocked, stops, filler)
                    if hits:
                        found.setdefault(key, []).extend(hits)
        return found

    def _expand(self, alternative: str, trail: tuple[str, ...] = ()) -> list[str]:
        opening = alternative.find("{")
        if opening < 0:
            return [alternative]
        closing = alternative.index("}")
        name = alternative[opening + 1 : closing]
        if name not in self._groups:
            raise PatternError(f"no word group {{{name}}}; there are: {', '.join(sorted(self._groups))}")
        if name in trail:
            raise PatternError(f"word group {{{name}}} holds itself")
        inner = [phrase for each in self._groups[name] for phrase in self._expand(each, (*trail, name))]
        rest = self._expand(alternative[closing + 1 :], trail)
        return [alternative[:opening] + middle + end for middle in inner for end in rest]

    def _element(self, alternatives: tuple[str, ...]) -> int:
        if alternatives in self._elements:
            return self._elements[alternatives]
        phrases = dict.fromkeys(phrase for each in alternatives for phrase in self._expand(each))
        element = self._elements[alternatives] = len(self._elements)
        self._sizes[element] = len(phrases)
        for phrase in phrases:
            node = self._root
            for word in phrase.split():
                if word.startswith("#") and _RANGE.fullmatch(word):
                    low, _, high = word[1:].partition("-")
                    node = node.ranges.setdefault((float(low or 0), float(high or 10_000)), _Node())
                elif word.endswith("*"):
                    stem = word[:-1]
                    if len(stem) < 3:
                        raise PatternError(f"{word!r}: at least three letters before *")
                    node = node.stems.setdefault(stem, _Node())
                    self._vocabulary.update(stem + ending for ending in _ENDINGS)
                elif re.fullmatch(r"[a-z0-9.%/&]+", word):
                    node = node.children.setdefault(word, _Node())
                    self._vocabulary.add(word)
                else:
                    raise PatternError(f"{word!r}: use small letters and digits, no apostrophe")
            node.elements.append(element)
        if any(self._fillers.issuperset(phrase.split()) for phrase in phrases):
            self._hollow.add(element)
        if phrases and all(phrase in self._place_phrases for phrase in phrases):
            self._place_elements.add(element)
        return element

    def _compile(self, pieces: Sequence[str], gaps: Mapping[str, int]) -> _Pattern:
        parts: list[list[tuple[int, int]]] = [[]]
        joints: list[tuple[int, bool]] = []
        gap = ""
        for piece in pieces:
            if piece in ("~", "+"):
                if not parts[-1]:
                    raise PatternError(f"nothing before {piece}")
                parts.append([])
                joints.append((gaps[piece], piece == "+"))
                gap = ""
            elif piece in ("..", "..."):
                gap = piece
            else:
                parts[-1].append((self._piece(piece), gaps[gap]))
                gap = ""
        if not all(parts):
            raise PatternError("nothing after the last ~ or +" if parts[0] else "nothing to match")
        needs = frozenset(element for part in parts for element, _ in part)
        return _Pattern(tuple(tuple(part) for part in parts), tuple(joints), needs)

    def _piece(self, piece: str) -> int:
        inner = piece[1:-1].split("|") if piece.startswith("(") else [piece]
        return self._element(tuple(each.strip() for each in inner))

    def _tag(self, words: Sequence[Word], speller: Speller) -> dict[int, list[Span]]:
        readings = [speller.readings(word.plain) for word in words]
        spans: dict[int, list[Span]] = {}
        for start in range(len(words)):
            for element, end in self._walk(self._root, readings, start, 0):
                at = spans.setdefault(element, [])
                if (start, end) not in at:
                    at.append((start, end))
        return spans

    def _walk(
        self, node: _Node, readings: Sequence[tuple[str, ...]], at: int, skipped: int
    ) -> Iterator[tuple[int, int]]:
        if at >= len(readings):
            return
        for word in readings[at]:
            for child in _children(node, word):
                for element in child.elements:
                    yield element, at + 1
                if child.children or child.stems or child.ranges:
                    yield from self._walk(child, readings, at + 1, 0)
        if node is not self._root and skipped < _MOST_FILLERS and readings[at][0] in self._fillers:
            yield from self._walk(node, readings, at + 1, skipped + 1)

    def _match(
        self,
        pattern: _Pattern,
        spans: Mapping[int, list[Span]],
        blocked: Sequence[bool],
        stops: Sequence[int],
        filler: Sequence[bool],
    ) -> list[Hit]:
        per_part = [self._sequences(part, spans, stops, filler) for part in pattern.parts]
        if not all(per_part):
            return []
        chains: list[tuple[tuple[Span, ...], ...]] = [(first,) for first in per_part[0]]
        for joint, options in zip(pattern.joints, per_part[1:], strict=True):
            joined = (
                (*chain, option)
                for chain in chains
                for option in options
                if _joined(joint, chain, option, blocked, stops)
            )
            chains = list(itertools.islice(joined, _MOST_MATCHES))
        flags = tuple(element in self._place_elements for part in pattern.parts for element, _ in part)
        return [Hit(tuple(span for part in chain for span in part), flags) for chain in chains]

    def _sequences(
        self,
        part: tuple[tuple[int, int], ...],
        spans: Mapping[int, list[Span]],
        stops: Sequence[int],
        filler: Sequence[bool],
    ) -> list[tuple[Span, ...]]:
        found: list[tuple[Span, ...]] = [(span,) for span in spans[part[0][0]]]
        for element, gap in part[1:]:
            longer = (
                (*chain, span)
                for chain in found
                for span in spans[element]
                if _follows(chain[-1][1], span[0], gap, stops, filler)
            )
            found = list(itertools.islice(longer, _MOST_MATCHES))
        return found


def _children(node: _Node, word: str) -> Iterator[_Node]:
    child = node.children.get(word)
    if child is not None:
        yield child
    if node.stems:
        for length in range(3, len(word) + 1):
            stem = node.stems.get(word[:length])
            if stem is not None:
                yield stem
    if node.ranges:
        value = number(word)
        if value is not None:
            yield from (child for (low, high), child in node.ranges.items() if low <= value <= high)


def _follows(end: int, start: int, gap: int, stops: Sequence[int], filler: Sequence[bool]) -> bool:
    between = start - end
    if between < 0 or (between and stops[start - 1] > stops[end - 1]):
        return False
    skipped = sum(filler[end:start])
    return between - skipped <= gap and skipped <= _MOST_FILLERS + gap


def _joined(
    joint: tuple[int, bool],
    chain: Sequence[Sequence[Span]],
    option: Sequence[Span],
    blocked: Sequence[bool],
    stops: Sequence[int],
) -> bool:
    start, end = option[0][0], option[-1][1]
    taken = [(part[0][0], part[-1][1]) for part in chain]
    if any(start < right and left < end for left, right in taken):
        return False
    left, right = max(
        ((right, start) if right <= start else (end, left) for left, right in taken), key=lambda gap: gap[0] - gap[1]
    )
    gap, across = joint
    if right - left > gap or (right > left and stops[right - 1] > stops[left - 1]):
        return False
    return across or not any(blocked[left:right])


def _pieces(phrase: str) -> list[str]:
    pieces = _PIECE.findall(phrase)
    if "".join(pieces).replace(" ", "") != phrase.replace(" ", ""):
        raise PatternError("allowed are small letters, digits, {group}, (a|b), word*, ?, #, .., ..., ~ and +")
    if COMMA in pieces:
        raise PatternError("a comma does not belong in a phrase")
    return pieces


def _without_optionals(pieces: Sequence[str]) -> Iterator[list[str]]:
    choices = [[[piece[:-1]], []] if piece.endswith("?") else [[piece]] for piece in pieces]
    for combination in itertools.product(*choices):
        yield [piece for choice in combination for piece in choice]
