"""The shared spaCy pipeline: a blank English tokenizer, a clause splitter, medspaCy's ConText with our cues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import spacy
import yaml
from medspacy.context import ConTextRule
from spacy.language import Language
from spacy.tokens import Doc

CUES_FILE = Path(__file__).with_name("context.yml")

CATEGORIES = ("negated", "past", "resolved", "other_person", "hypothetical")
_DIRECTIONS = {"forward": "FORWARD", "backward": "BACKWARD", "both": "BIDIRECTIONAL"}
_ENDERS = frozenset({".", "!", "?", ";", ":", "...", "…"})
# Where a new subject stands, a denial is over: "if this doesn't get better I will ..." denies nothing of what I will.
_SUBJECTS = ("i", "im", "i'm", "ive", "i've", "id", "i'd", "ill", "i'll", "theres", "there's", "hes", "shes", "theyre")
_OWN = ("my", "me", "its", "it's")
_PREPOSITIONS = (
    "in", "on", "of", "with", "to", "for", "at", "from", "around", "round", "between", "down", "up", "under", "over",
    "behind", "across", "inside", "into", "near", "when", "if", "where", "while", "after", "or", "and", "about",
)  # fmt: skip
_SPELT = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty",
    "thirty", "forty", "fifty", "a", "few", "couple",
)  # fmt: skip


class ContextDataError(ValueError):
    """context.yml is broken: the message names the field, what is wrong and what is allowed."""


@cache
def cues() -> Mapping[str, Any]:
    """Return the parsed context.yml; raises ContextDataError."""
    data = yaml.safe_load(CUES_FILE.read_text(encoding="utf-8"))
    allowed = {"cues", "pseudo", "types_for", "happens_now", "words", "clause"}
    if not isinstance(data, dict) or set(data) != allowed:
        raise ContextDataError(f"context.yml must hold exactly {sorted(allowed)}")
    for category, groups in data["cues"].items():
        if category not in CATEGORIES:
            raise ContextDataError(f"context.yml: cues.{category} is not one of {', '.join(CATEGORIES)}")
        for group in groups:
            if group.get("look") not in _DIRECTIONS:
                raise ContextDataError(f"context.yml: cues.{category}: look must be one of {', '.join(_DIRECTIONS)}")
            if not isinstance(group.get("words"), int) or group["words"] < 1:
                raise ContextDataError(f"context.yml: cues.{category}: words must be a number from 1")
            if not group.get("say") or not all(isinstance(phrase, str) for phrase in group["say"]):
                raise ContextDataError(f"context.yml: cues.{category}: say must be a list of texts")
    return data


@cache
def nlp() -> Language:
    """Return the pipeline, built once a process: text in, a Doc with clauses as sentences and ConText's cues out."""
    language = spacy.blank("en")
    # Without the exceptions "cant" and "im" stay whole words, as patients write them.
    language.tokenizer.rules = {}
    Language.component("plateau_clauses", func=mark_clauses)
    language.add_pipe("plateau_clauses")
    language.add_pipe("medspacy_context", config={"rules": None, "span_attrs": None}).add(list(_rules(cues())))
    return language


def mark_clauses(doc: Doc) -> Doc:
    """Begin a sentence at every clause, so that a cue in one clause says nothing about the next."""
    clause = cues()["clause"]
    starts, subjects, needs = _words(clause["starts"]), _words(clause["subjects"]), _words(clause["needs_subject"])
    list_words = _words(clause["list_words"])
    lowers = [token.lower_.replace("'", "").replace("’", "") for token in doc]
    for i, token in enumerate(doc):
        token.is_sent_start = i == 0 or _begins(lowers, i, starts, subjects, needs, list_words)
    return doc


def _begins(
    lowers: list[str],
    i: int,
    starts: frozenset[str],
    subjects: frozenset[str],
    needs: frozenset[str],
    list_words: frozenset[str],
) -> bool:
    before, word = lowers[i - 1], lowers[i]
    if before in _ENDERS or "\n" in before:
        return True
    if (before, word) == ("ago", "now"):
        # "Cancer 3 years ago now back pain": what is so now is not what was.
        return True
    if before in (",", "-", "–", "—", "(", ")"):
        return not _goes_on(lowers, i, list_words)
    if word not in starts:
        return False
    following = lowers[i + 1] if i + 1 < len(lowers) else ""
    return word not in needs or following in subjects


def _goes_on(lowers: list[str], i: int, list_words: frozenset[str]) -> bool:
    """Tell whether the stretch from word `i` to the next comma is a bare list item."""
    end = next((j for j in range(i, len(lowers)) if lowers[j] in _ENDERS or lowers[j] == ","), len(lowers))
    stretch = lowers[i:end]
    return 0 < len(stretch) <= 6 and all(word in list_words for word in stretch)


@cache
def _word_set(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


def _words(words: list[str]) -> frozenset[str]:
    return _word_set(tuple(words))


def _rules(data: Mapping[str, Any]) -> Iterator[ConTextRule]:
    for category, groups in data["cues"].items():
        subject_only = {"SUBJECT"} if category == "negated" else None
        for group in groups:
            for phrase in group["say"]:
                for literal, pattern in _spellings(phrase, data["words"]):
                    yield ConTextRule(
                        literal,
                        category,
                        pattern=pattern,
                        direction=_DIRECTIONS[group["look"]],
                        max_scope=group["words"],
                        terminated_by={"SUBJECT", "OWN"} if group.get("ends_at_subject") else subject_only,
                    )
    for phrase in data["pseudo"]:
        for literal, pattern in _spellings(phrase, data["words"]):
            yield ConTextRule(literal, "PSEUDO", pattern=pattern, direction="PSEUDO")
    for category in ("types_for", "happens_now"):
        for phrase in data[category]:
            for literal, pattern in _spellings(phrase, data["words"]):
                yield ConTextRule(literal, category, pattern=pattern, direction="PSEUDO")
    for word in _SUBJECTS:
        yield ConTextRule(word, "SUBJECT", direction="FORWARD")
    for word in _OWN:
        yield ConTextRule(word, "OWN", direction="FORWARD")
    governed = [{"LOWER": {"IN": list(_PREPOSITIONS)}}, {"LOWER": {"IN": list(_SUBJECTS + _OWN)}}]
    yield ConTextRule("in my", "PSEUDO", pattern=governed, direction="PSEUDO")
    # "I could not answer my wife": she is not the one it happened to.
    spoken_to = [
        {"LOWER": {"IN": data["words"]["done_to"]}},
        {"LOWER": {"IN": data["words"]["possessive"]}},
        {"LOWER": {"IN": data["words"]["relative_word"]}},
    ]
    yield ConTextRule("to my wife", "PSEUDO", pattern=spoken_to, direction="PSEUDO")


def _spellings(phrase: str, words: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]] | None]]:
    """Yield (name, token pattern) for one phrase; a plain phrase has no pattern and matches as it stands."""
    spelt = dict.fromkeys((phrase, phrase.replace("'", ""), phrase.replace("'", "’")))
    if "{" not in phrase:
        yield from ((each, None) for each in spelt)
        return
    for each in spelt:
        patterns: list[list[dict[str, Any]]] = [[]]
        for piece in re.findall(r"\{\w+\}|[^\s{}]+", each):
            patterns = [head + tail for head in patterns for tail in _piece(piece, words)]
        for pattern in patterns:
            yield each, pattern


def _piece(piece: str, words: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    if piece == "{year}":
        return [[{"TEXT": {"REGEX": rf"^(19[{str(words['year_from'])[2]}-9]\d|20[012]\d)$"}}]]
    if piece == "{number}":
        return [[{"LIKE_NUM": True}], [{"LOWER": {"IN": list(_SPELT)}}]]
    if piece == "{relative_word}":
        return [[{"LOWER": {"IN": words["relative_word"]}}]]
    if piece == "{relative}":
        return [
            [{"LOWER": {"IN": words["possessive"]}}, {"LOWER": {"IN": words["relative_word"]}}],
            [{"LOWER": {"IN": words["bare_relative"]}}],
        ]
    if piece.startswith("{"):
        allowed = "{year}, {number}, {relative}, {relative_word}"
        raise ContextDataError(f"context.yml: {piece} is not one of {allowed}")
    return [[{"LOWER": piece}]]
