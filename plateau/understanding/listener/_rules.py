"""Loads the red-flag rules from YAML and checks them; errors name file, rule or concept, field and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from plateau.understanding.listener._patterns import Matcher, PatternError
from plateau.understanding.listener._words import Speller

FOLDER = Path(__file__).with_name("red_flags")

TIERS = ("within_days", "same_day", "emergency")
FLAGS = (
    "cauda_equina", "stroke", "cardiac", "pe", "aaa", "limb_ischaemia", "compartment", "overdose",
    "mental_health_crisis", "septic_joint", "infection", "fracture", "progressive_neuro", "cord_compression", "dvt",
    "post_op", "giant_cell_arteritis", "abuse", "malignancy", "crps", "inflammatory", "other",
)  # fmt: skip
MEANINGS = ("negated", "past", "resolved", "other_person", "hypothetical")
_LISTS = ("all", "any", "none")


class RuleDataError(ValueError):
    """A rule file is broken; the message names the file, the place, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Concept:
    """Something a patient may say or we may know: phrases, phrases that cancel them, and answers that stand for it."""

    key: str
    despite: frozenset[str]
    known: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Concepts that together mean a red flag at a tier. Each entry of `all_of` is a set of which one is needed."""

    flag: str
    id: str
    tier: str
    all_of: tuple[tuple[str, ...], ...]
    any_of: tuple[str, ...]
    none_of: tuple[str, ...]
    at_least: int
    of: tuple[str, ...]
    reason: str
    source: str


@dataclass(frozen=True)
class RuleSet:
    """Everything the listener needs, compiled."""

    rules: tuple[Rule, ...]
    concepts: Mapping[str, Concept]
    matcher: Matcher
    speller: Speller
    denials: frozenset[tuple[str, ...]]

    @cached_property
    def knowable(self) -> tuple[str, ...]:
        """The concepts that an answer given so far may stand for."""
        return tuple(key for key, concept in self.concepts.items() if concept.known)


@cache
def load_rules(folder: Path = FOLDER) -> RuleSet:
    """Return the rules of `folder`, compiled once a process; raises RuleDataError."""
    words = _read(folder / "words.yml")
    _only(words, "words.yml", ("groups", "fillers", "places", "ordinary", "denials"))
    groups = _groups(words["groups"])
    try:
        matcher = Matcher(groups, words["fillers"], words["places"])
    except PatternError as error:
        raise RuleDataError(f"words.yml: {error}") from None
    concepts: dict[str, Concept] = {}
    files = sorted(path for path in folder.glob("*.yml") if path.name != "words.yml")
    data = {path.stem: _read(path) for path in files}
    for stem, content in data.items():
        _only(content, f"{stem}.yml", ("concepts", "rules") if stem != "common" else ("concepts",))
        for name, body in content["concepts"].items():
            concepts[f"{stem}.{name}"] = _concept(stem, name, body, matcher)
    rules = tuple(
        _rule(stem, body, concepts)
        for stem, content in data.items()
        if stem != "common"
        for body in content["rules"] or ()
    )
    seen: set[tuple[str, str]] = set()
    for rule in rules:
        if (rule.flag, rule.id) in seen:
            raise RuleDataError(f"{rule.flag}.yml: rule {rule.id}: id is used twice")
        seen.add((rule.flag, rule.id))
    used = {name for rule in rules for group in (*rule.all_of, rule.any_of, rule.none_of, rule.of) for name in group}
    for key in concepts.keys() - used:
        raise RuleDataError(f"{key.replace('.', '.yml: concept ', 1)}: no rule uses it")
    speller = Speller(matcher.vocabulary(), frozenset(words["ordinary"]))
    denials = frozenset(tuple(phrase.split()) for phrase in words["denials"])
    return RuleSet(rules, concepts, matcher, speller, denials)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RuleDataError(f"{path.name}: there is no such file in {path.parent.name}") from None
    except yaml.YAMLError as error:
        raise RuleDataError(f"{path.name}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise RuleDataError(f"{path.name}: must be a mapping, is {type(content).__name__}")
    if path.stem not in (*FLAGS, "words", "common"):
        raise RuleDataError(f"{path.name}: must be named after a red flag: {', '.join(FLAGS)}")
    return content


def _only(body: Any, where: str, allowed: Sequence[str], optional: Sequence[str] = ()) -> None:
    if not isinstance(body, dict):
        raise RuleDataError(f"{where}: must be a mapping with {', '.join(allowed)}")
    for field in body:
        if field not in allowed and field not in optional:
            raise RuleDataError(f"{where}: field {field!r} is not known; allowed: {', '.join((*allowed, *optional))}")
    for field in allowed:
        if field not in body:
            raise RuleDataError(f"{where}: field {field!r} is missing")


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise RuleDataError(f"{where}: must be a list of texts")
    for each in value:
        if not isinstance(each, str):
            raise RuleDataError(f"{where}: {each!r} is not a text; put it in quotes")
    return value


def _groups(groups: Any) -> dict[str, list[str]]:
    if not isinstance(groups, dict):
        raise RuleDataError("words.yml: field 'groups' must be a mapping")
    return {name: _texts(phrases, f"words.yml: group {name}") for name, phrases in groups.items()}


def _concept(stem: str, name: str, body: Any, matcher: Matcher) -> Concept:
    where = f"{stem}.yml: concept {name}"
    _only(body, where, (), ("say", "unless", "despite", "known"))
    if "say" not in body and "known" not in body:
        raise RuleDataError(f"{where}: needs 'say' or 'known'")
    key = f"{stem}.{name}"
    for field, prefix in (("say", ""), ("unless", "!")):
        for phrase in _texts(body[field], f"{where}: {field}") if field in body else ():
            try:
                matcher.add(prefix + key, phrase, close=field == "unless")
            except PatternError as error:
                raise RuleDataError(f"{where}: {field}: {phrase!r}: {error}") from None
    despite = frozenset(_texts(body["despite"], f"{where}: despite")) if "despite" in body else frozenset()
    if not despite <= set(MEANINGS):
        raise RuleDataError(f"{where}: despite: allowed are {', '.join(MEANINGS)}")
    known = body.get("known", {})
    if not isinstance(known, dict) or not all(_known_test(test) for test in known.values()):
        raise RuleDataError(f"{where}: known: each field takes a list of values, or {{at_least: n}}, or {{at_most: n}}")
    return Concept(key, despite, known)


def _known_test(test: Any) -> bool:
    if isinstance(test, list):
        return bool(test)
    return isinstance(test, dict) and len(test) == 1 and set(test) <= {"at_least", "at_most"}


def _rule(stem: str, body: Any, concepts: Mapping[str, Concept]) -> Rule:
    where = f"{stem}.yml: rule {body.get('id', '?') if isinstance(body, dict) else '?'}"
    _only(body, where, ("id", "tier", "reason", "source"), (*_LISTS, "at_least", "of"))
    if body["tier"] not in TIERS:
        raise RuleDataError(f"{where}: tier {body['tier']!r} is not one of {', '.join(TIERS)}")
    for field in ("id", "reason", "source"):
        if not isinstance(body[field], str) or not body[field].strip():
            raise RuleDataError(f"{where}: {field} must be a text")
    if ("at_least" in body) != ("of" in body):
        raise RuleDataError(f"{where}: at_least and of go together")
    if not {"all", "any", "of"} & set(body):
        raise RuleDataError(f"{where}: needs all, any, or at_least with of")

    def resolve(field: str, name: str) -> str:
        for key in (f"{stem}.{name}", f"common.{name}", name):
            if key in concepts:
                return key
        own = sorted(key for key in concepts if key.startswith((f"{stem}.", "common.")))
        raise RuleDataError(f"{where}: {field}: no concept {name!r}; there are: {', '.join(own)}")

    def listed(field: str) -> list[str]:
        return _texts(body[field], f"{where}: {field}") if field in body else []

    of = tuple(resolve("of", name) for name in listed("of"))
    least = body.get("at_least", 0)
    if not isinstance(least, int) or not 0 <= least <= len(of):
        raise RuleDataError(f"{where}: at_least must be a number from 1 to {len(of)}, the length of 'of'")
    return Rule(
        flag=stem,
        id=body["id"],
        tier=body["tier"],
        all_of=tuple(tuple(resolve("all", name) for name in each.split(" or ")) for each in listed("all")),
        any_of=tuple(resolve("any", name) for name in listed("any")),
        none_of=tuple(resolve("none", name) for name in listed("none")),
        at_least=least,
        of=of,
        reason=body["reason"],
        source=body["source"],
    )
