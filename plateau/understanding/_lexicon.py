"""Loads the lexicons: YAML files of phrases with the value that each phrase means.

A phrase is plain words in a small notation:

    a | b, (a|b)    either                      (a|b)?      may be missing
    (a|b)*          any number of them          ...         up to five words of the same sentence
    pain*           any ending                  pains?      the last letter may be missing
    knee ?cap       with or without the space   ach(e|ing)  one word
    N               a number                    _           any word
    <name>          a word list of _words.yml
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "lexicon"
_SEPARATOR = r"[,:]? "
_GLUE = {" ?": " ?", "~": ""}
_TIMES = {"optional": "?", "repeat": "{0,4}"}
_NUMBER = r"\d+(?:\.\d+)?"
_GAP = r"(?:[,:]? [\w/%+'-]+){0,5}?"
_GLUED = re.compile(r"(?<=\w)\((?! )")
_PIECE = re.compile(r"\.\.\.|[()|~]|(?<=\))[?*]| \?(?=[a-z(])|[\w%+/.-]+[?*]?")
_LONG_WORD = re.compile(r"[a-z]{5,}(?![a-z*])")
_MACRO = re.compile(r"<(\w+)>")


class _AllText(yaml.SafeLoader):
    """Reads every scalar as text: "no" is a word here, not a truth value."""


_AllText.yaml_implicit_resolvers = {}


class LexiconError(ValueError):
    """A lexicon file is not as it must be; the message names file, entry, fault and what is allowed."""


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase found: its value and where it stands in the plain text."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Spelling:
    """Short forms and typos no rule can mend, as `word: words`; those that are only when alone; words that are real."""

    shorthand: Mapping[str, str]
    alone: Mapping[str, str]
    real_words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of some values; `find` gives every value met, the longer phrase shielding the shorter one in it."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    def find(self, plain: str) -> list[Match]:
        """Return the matches in `plain`, in order, without those inside a longer match of another value."""
        found = [Match(value, m.start(), m.end()) for value, pattern in self.patterns for m in pattern.finditer(plain)]
        kept = [m for m in found if not any(_covers(other, m) for other in found)]
        return sorted((m for m in kept if not m.value.startswith("ignore")), key=lambda m: m.start)

    def find_group(self, group: str, plain: str) -> re.Match[str] | None:
        """Return the first match of one group's phrases, or None; a group that is not there never matches."""
        return next((m for name, pattern in self.patterns if name == group for m in pattern.finditer(plain)), None)

    def spans(self, group: str, plain: str) -> list[tuple[int, int]]:
        """Return where one group's phrases stand in `plain`."""
        return [m.span() for name, pattern in self.patterns if name == group for m in pattern.finditer(plain)]

    def whole(self, plain: str) -> str | None:
        """Return the first group ending in _whole whose phrase is all of `plain`, without that ending, or None."""
        said = plain.strip(" .,!?;:")
        wholes = (name for name, pattern in self.patterns if name.endswith("_whole") and pattern.fullmatch(said))
        return next((name.removesuffix("_whole") for name in wholes), None)

    def first(self, plain: str) -> str | None:
        """Return the first group, in the order of the file, that stands in `plain`; not those ending in _whole."""
        groups = (name for name, pattern in self.patterns if not name.endswith("_whole") and pattern.search(plain))
        return next(groups, None)

    def only(self, prefix: str) -> Phrases:
        """Return the groups whose name starts with `prefix`, with those named ignore_`prefix`... as their shields."""
        wanted = (prefix, f"ignore_{prefix}")
        return Phrases(tuple(entry for entry in self.patterns if entry[0].startswith(wanted)))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """How one answer is said. `asked` counts when its question was asked, `unasked` also when it was not."""

    id: str
    kind: str
    asked: Phrases
    unasked: Phrases
    yes: str | None
    no: str | None
    when_denied: Mapping[str, str]
    mixed: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    prefer: tuple[str, ...]
    past_counts: bool
    hypothetical_counts: bool
    denied_before: re.Pattern[str] | None
    denied_after: re.Pattern[str] | None
    drops: Mapping[str, tuple[str, ...]]


def compile_phrases(phrases: Iterable[str], words: Mapping[str, Sequence[str]], where: str) -> re.Pattern[str]:
    """Return one regular expression that matches any of `phrases` as whole words; raises LexiconError."""
    bodies = [body for phrase in phrases for body in _phrase(_expand(phrase, words, where), f"{where}: {phrase!r}")]
    bodies.sort(key=len, reverse=True)
    return re.compile(rf"(?<![\w.])(?:{'|'.join(bodies)})(?!\w)") if bodies else re.compile(r"(?!)")


@cache
def word_lists() -> Mapping[str, tuple[str, ...]]:
    """Return the named word lists of `_words.yml`."""
    data = _load(FOLDER / "_words.yml")
    return {name: tuple(str(entry) for entry in entries) for name, entries in data.items()}


@cache
def spelling() -> Spelling:
    """Return how short forms and typos are spelt out."""
    data = _load(FOLDER / "_spelling.yml")
    return Spelling(
        shorthand={**data["shorthand"], **data["slips"]},
        alone=data["alone"],
        real_words=frozenset(data["real_words"].split()),
    )


@cache
def lexicons() -> Mapping[str, Lexicon]:
    """Return every lexicon by answer id."""
    files = sorted(path for path in FOLDER.glob("*.yml") if not path.name.startswith("_"))
    return {lexicon.id: lexicon for lexicon in (_lexicon(path) for path in files)}


@cache
def phrase_groups(name: str) -> Phrases:
    """Return the phrases of a file of plain groups, such as `_digressions.yml`: group name -> phrases."""
    return _phrases(_load(FOLDER / f"{name}.yml"), f"{name}.yml")


@cache
def vocabulary() -> frozenset[str]:
    """Return every word of five letters or more that a lexicon uses: what a typo can be a typo of."""
    texts = (path.read_text("utf-8") for path in FOLDER.glob("*.yml") if path.name != "_spelling.yml")
    plain = (re.sub(r"#.*|<\w+>", "", text.lower()) for text in texts)
    return frozenset(word for text in plain for word in _LONG_WORD.findall(f"{text} {text.replace(' ?', '')}"))


def _lexicon(path: Path) -> Lexicon:
    data = _load(path)
    unknown = set(data) - _FIELDS
    if unknown:
        raise LexiconError(f"{path.name}: {sorted(unknown)} not known; allowed are {sorted(_FIELDS)}")
    if data.get("kind") not in ("choice", "set"):
        raise LexiconError(f"{path.name}: kind is {data.get('kind')!r}; allowed are choice, set")
    unasked = _groups(data, "unasked", path)
    asked = _groups(data, "asked", path)
    both = {value: [*asked.get(value, []), *unasked.get(value, [])] for value in {**asked, **unasked}}
    return Lexicon(
        id=path.stem,
        kind=data["kind"],
        asked=_phrases(both, path.name),
        unasked=_phrases(unasked, path.name),
        yes=data.get("yes"),
        no=data.get("no"),
        when_denied=data.get("when_denied", {}),
        mixed={v: (frozenset(a), frozenset(b)) for v, (a, b) in data.get("mixed", {}).items()},
        prefer=tuple(data.get("prefer", ())),
        past_counts=data.get("past_counts") == "true",
        hypothetical_counts=data.get("hypothetical_counts") == "true",
        denied_before=_optional(data.get("denied_before"), path.name),
        denied_after=_optional(data.get("denied_after"), path.name),
        drops={value: tuple(less) for value, less in data.get("drops", {}).items()},
    )


_FIELDS = {
    "kind", "asked", "unasked", "yes", "no", "when_denied", "mixed", "prefer", "past_counts", "hypothetical_counts",
    "denied_before", "denied_after", "drops",
}  # fmt: skip


def _groups(data: Mapping[str, Any], key: str, path: Path) -> dict[str, list[str]]:
    groups = data.get(key) or {}
    if not isinstance(groups, dict) or not all(isinstance(phrases, list) for phrases in groups.values()):
        raise LexiconError(f"{path.name}: {key} must map each value to a list of phrases")
    return {str(value): phrases for value, phrases in groups.items()}


def _phrases(groups: Mapping[str, Sequence[str]], where: str) -> Phrases:
    words = word_lists()
    return Phrases(tuple((value, compile_phrases(said, words, f"{where}: {value}")) for value, said in groups.items()))


def _optional(phrases: Sequence[str] | None, where: str) -> re.Pattern[str] | None:
    return compile_phrases(phrases, word_lists(), where) if phrases else None


def _load(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text("utf-8"), Loader=_AllText)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise LexiconError(f"{path.name}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise LexiconError(f"{path.name}: must be a mapping")
    return data


def _covers(other: Match, match: Match) -> bool:
    longer = other.end - other.start > match.end - match.start
    return longer and other.start <= match.start and match.end <= other.end and other.value != match.value


def _expand(phrase: str, words: Mapping[str, Sequence[str]], where: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise LexiconError(f"{where}: no word list {match[0]} in {phrase!r}; known are {sorted(words)}")
        return f"({'|'.join(words[match[1]])})"

    while _MACRO.search(phrase):
        phrase = _MACRO.sub(replace, phrase)
    return phrase


def _phrase(phrase: str, where: str) -> list[str]:
    phrase = _GLUED.sub("~(", phrase)
    pieces = _PIECE.findall(phrase)
    if "".join(pieces).replace(" ", "") != phrase.replace(" ", ""):
        raise LexiconError(f"{where}: a phrase has words, (a|b), word?, word*, N and ... only")
    bodies, rest = _alternatives(pieces, 0, where)
    if rest != len(pieces):
        raise LexiconError(f"{where}: brackets do not match")
    return bodies


def _alternatives(pieces: Sequence[str], at: int, where: str) -> tuple[list[str], int]:
    branches = []
    while True:
        branch, at = _sequence(pieces, at, where)
        branches.append(branch)
        if at >= len(pieces) or pieces[at] != "|":
            return branches, at
        at += 1


def _sequence(pieces: Sequence[str], at: int, where: str) -> tuple[str, int]:
    parts: list[tuple[str, str]] = []
    while at < len(pieces) and pieces[at] not in ("|", ")"):
        piece = pieces[at]
        if piece == "(":
            bodies, at = _alternatives(pieces, at + 1, where)
            if at >= len(pieces):
                raise LexiconError(f"{where}: brackets do not match")
            parts.append(("word", f"(?:{'|'.join(bodies)})"))
        elif piece == "?" and parts and parts[-1][0] == "word":
            parts[-1] = ("optional", parts[-1][1])
        elif piece == "*" and parts and parts[-1][0] == "word":
            parts[-1] = ("repeat", parts[-1][1])
        elif piece in _GLUE:
            parts.append(("glue", _GLUE[piece]))
        elif piece == "...":
            parts.append(("gap", _GAP))
        else:
            parts.append(("word", _literal(piece)))
        at += 1
    return _join(parts, where), at


def _literal(piece: str) -> str:
    if piece == "_":
        return r"[\w/%-]+"
    if piece in ("N", "N%"):
        return _NUMBER + (" ?%" if piece == "N%" else "")
    return re.escape(piece).replace(r"\*", r"\w*").replace(r"\?", "?")


def _join(parts: Sequence[tuple[str, str]], where: str) -> str:
    text, begun, separator = "", False, _SEPARATOR
    for kind, body in parts:
        if kind in ("gap", "glue") and not begun:
            raise LexiconError(f"{where}: ... and ? need a word before them")
        if kind == "glue":
            separator = body
        elif kind == "gap":
            text += body
        elif kind in _TIMES:
            text += f"(?:{separator}{body}){_TIMES[kind]}" if begun else f"(?:{body}{_SEPARATOR}){_TIMES[kind]}"
            separator = _SEPARATOR
        else:
            text += f"{separator}{body}" if begun else body
            begun, separator = True, _SEPARATOR
    if not begun:
        raise LexiconError(f"{where}: a phrase needs at least one word that cannot be missing")
    return text
