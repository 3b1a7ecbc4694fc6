"""Conversation tests that a tester without Python can read, copy and run: docs/testing.md explains the format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from plateau.protocol import QUESTIONS, InvalidAnswer, validate

STEPS = ("say", "answer", "answer_all", "do", "expect")
EXPECTATIONS = {
    "says": "response ids that must be among the reply's, in this order",
    "not_says": "response ids that must not be among the reply's",
    "asks": "the question asked next; null: none",
    "screen": "the kind of screen: questions, review, plan, emergency, end",
    "answers": "answers recorded so far, by question; null: not recorded",
    "red_flags": "red flags recorded, by id: state, or [state, tier]",
    "first": "the first recommendation",
    "recommends": "recommendations that must be in the plan",
    "not_recommends": "recommendations that must not be in the plan",
    "held_back": "recommendations that must be held back",
}
# Answers given where a scenario does not say: those of someone with nothing to report.
QUIET = {"country": "us", "consent": "yes", "review": "confirm", "age_band": "40_49", "pregnancy": "no"}


class ScenarioError(ValueError):
    """A scenario file cannot be run: names the file, the step, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One conversation: what the patient does, step by step, and what must come back."""

    title: str
    steps: tuple[Mapping[str, Any], ...]
    file: str = ""


@dataclass(slots=True)
class Outcome:
    """What a scenario gave: every difference from what was expected, and the transcript so far."""

    differences: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)


def load(path: Path) -> list[Scenario]:
    """Return the scenarios of a YAML file (one, or a list under `scenarios`); raises ScenarioError."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{path}: cannot be read: nested too deeply") from None
    entries = raw["scenarios"] if isinstance(raw, dict) and "scenarios" in raw else [raw]
    if not isinstance(entries, list) or not entries:
        raise ScenarioError(f"{path}: scenarios: must be a list of at least one scenario")
    return [_scenario(entry, path) for entry in entries]


def answer_for(question: str, given: Mapping[str, Any]) -> Any:
    """Return the scenario's answer to a question, or the quiet one of someone with nothing to report."""
    if question in given:
        return given[question]
    if question in QUIET:
        return QUIET[question]
    known = QUESTIONS[question]
    if known.kind == "flags":
        return [known.harmless]
    if "none" in known.values:
        return ["none"]
    return "none" if known.none else "self" if question == "for_whom" else "skipped"


def differences(expected: Mapping[str, Any], turn: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterable[str]:
    """Yield what of `expected` does not hold, in words; `stored` holds the record and the assessment."""
    said = [message["id"] for message in turn["messages"]]
    plan = stored.get("assessment") or {}
    recommended = [item["id"] for item in plan.get("recommendations", ())]
    record = stored.get("answers") or {}
    flags = {flag["id"]: flag for flag in record.get("red_flags", ())}
    screen = turn["screen"] or {}
    if "says" in expected and not _in_order(expected["says"], said):
        yield f"says: expected {expected['says']} in this order, got {said}"
    for name in expected.get("not_says", ()):
        if name in said:
            yield f"not_says: {name} was said"
    if "asks" in expected:
        asked = next((question["id"] for question in screen.get("questions", ())), screen.get("id"))
        if asked != expected["asks"]:
            yield f"asks: expected {expected['asks']}, got {asked}"
    if "screen" in expected and screen.get("kind") != expected["screen"]:
        yield f"screen: expected {expected['screen']}, got {screen.get('kind')}"
    for name, value in expected.get("answers", {}).items():
        if record.get(name) != value:
            yield f"answers.{name}: expected {value!r}, got {record.get(name)!r}"
    for name, wanted in expected.get("red_flags", {}).items():
        flag = flags.get(name, {})
        state, tier = (wanted, flag.get("tier")) if isinstance(wanted, str) else wanted
        if (flag.get("state"), flag.get("tier")) != (state, tier):
            yield f"red_flags.{name}: expected {wanted}, got {[flag.get('state'), flag.get('tier')]}"
    if "first" in expected and recommended[:1] != [expected["first"]]:
        yield f"first: expected {expected['first']}, got {recommended[:1]}"
    for name in expected.get("recommends", ()):
        if name not in recommended:
            yield f"recommends: {name} is not among {recommended}"
    for name in expected.get("not_recommends", ()):
        if name in recommended:
            yield f"not_recommends: {name} is among {recommended}"
    for name in expected.get("held_back", ()):
        if name not in [item["id"] for item in plan.get("held_back", ())]:
            yield f"held_back: {name} is not among {plan.get('held_back')}"


def _scenario(entry: Any, path: Path) -> Scenario:
    whole = isinstance(entry, dict) and isinstance(entry.get("title"), str) and isinstance(entry.get("steps"), list)
    if not whole:
        raise ScenarioError(f"{path}: a scenario needs a title and a list of steps")
    for number, step in enumerate(entry["steps"], start=1):
        _check(step, f"{path}: {entry['title']}: step {number}")
    return Scenario(entry["title"], tuple(entry["steps"]), str(path))


def _check(step: Any, where: str) -> None:
    if not isinstance(step, dict) or not set(step) <= {*STEPS}:
        raise ScenarioError(f"{where}: allowed are {', '.join(STEPS)}")
    if not isinstance(step.get("say", ""), str):
        raise ScenarioError(f"{where}: say: {step['say']!r} is not text; put what the patient says in quotes")
    for part in ("answer", "answer_all", "expect"):
        if not isinstance(step.get(part, {}), dict):
            raise ScenarioError(f"{where}: {part}: {step[part]!r:.60} is not a mapping of names and values")
    move = step["do"].get("name") if isinstance(step.get("do"), dict) else step.get("do", "")
    if not isinstance(move, str):
        raise ScenarioError(f"{where}: do: {step['do']!r:.60} is not the name of a move")
    if unknown := set(step.get("expect", {})) - set(EXPECTATIONS):
        raise ScenarioError(f"{where}: expect: unknown {sorted(unknown)}; allowed: {', '.join(EXPECTATIONS)}")
    for name, value in {**step.get("answer", {}), **step.get("answer_all", {})}.items():
        try:
            validate(name, value)
        except InvalidAnswer as error:
            raise ScenarioError(f"{where}: {error}") from None


def _in_order(wanted: Iterable[str], said: list[str]) -> bool:
    rest = iter(said)
    return all(name in rest for name in wanted)
