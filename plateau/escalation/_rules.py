"""Loads and checks a rule file: every error names the file, the rule, the field, what is wrong and what is allowed."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from plateau.content import ContentError, catalog, clinic
from plateau.protocol import QUESTIONS, RED_FLAGS, TIERS, Condition, ConditionError, Conditions, FactType, Tier

from ._facts import ADVICE_FACTS, FIELDS, TYPES

DEFAULT_FILE = Path(__file__).parent / "rules.yml"

RECOMMENDATIONS = (
    "emergency_care",
    "same_day_care",
    "see_clinician_soon",
    "continue_plan",
    "too_early",
    "improve_adherence",
    "reduce_load",
    "increase_load",
    "recheck_diagnosis",
    "address_lifestyle",
    "broader_medical_review",
    "change_modality",
    "talk_to_therapist",
    "second_opinion",
    "discuss_imaging",
    "neuropathic_management",
    "nonsurgical_options",
    "multidisciplinary_care",
    "surgical_consult",
)

# What counts as a change on the pages, whatever else a rule file changes.
MEASURE_GATES = ("nprs_mid", "nprs_floor", "psfs_mid", "psfs_one_mid")

# The progress categories; the last where no other holds.
TRENDS = ("unknown", "mixed", "worse", "improved", "small_gain", "plateau", "no_change")

# How the body may be loaded; the last where no other holds.
LOADS = ("paced", "protected", "easing", "relative", "usual")

_SECTIONS = (
    "version",
    "reviewed",
    "sources",
    "gates",
    "stretch",
    "definitions",
    "ladder",
    "rules",
    "trend",
    "check_again",
    "load",
    "weeks_until",
    "notes",
    "questions",
)
_RULE_FIELDS = ("id", "version", "rung", "when", "recommend", "because", "evidence", "source")
_RULE_OPTIONAL = ("opens", "until", "despite", "holds", "lead", "tier", "reviewed")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_IN_LIST = re.compile(r'"(\w+)"\s+(?:not\s+)?in\s+([a-z_]+)')
_EQUALS = re.compile(r'([a-z_]+)\s*[!=]=\s*"(\w+)"')
_ONE_OF = re.compile(r"([a-z_]+)\s+(?:not\s+)?in\s+\[([^\]]*)\]")


class RuleError(ValueError):
    """A rule file that cannot be used; says where (file, rule, field), what is wrong and what is allowed."""

    def __init__(self, file: str, where: str, field: str, wrong: str) -> None:
        super().__init__(f"{file}: {where}: {field}: {wrong}")
        self.file, self.where, self.field = file, where, field


@dataclass(frozen=True, slots=True)
class Holds:
    """True where its condition holds."""

    condition: Condition

    def value(self, facts: Mapping[str, Any]) -> bool:
        return self.condition.holds(facts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where an answer is, or a list of answers holds, one of the values."""

    table: tuple[tuple[str, frozenset[str]], ...]

    def value(self, facts: Mapping[str, Any]) -> bool:
        return any(not values.isdisjoint(_given(facts[name])) for name, values in self.table)


@dataclass(frozen=True, slots=True)
class Points:
    """The sum of the points of the values that were given."""

    table: tuple[tuple[str, Mapping[str, int]], ...]

    def value(self, facts: Mapping[str, Any]) -> int:
        return sum(points.get(item, 0) for name, points in self.table for item in _given(facts[name]))


@dataclass(frozen=True, slots=True)
class Count:
    """How many of its conditions hold."""

    conditions: tuple[Condition, ...]

    def value(self, facts: Mapping[str, Any]) -> int:
        return sum(condition.holds(facts) for condition in self.conditions)


Definition = Holds | AnyOf | Points | Count


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder; `holds` wait while advice of this rung is open, `done` (a definition) closes it."""

    id: str
    holds: frozenset[str]
    done: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One clinical rule; the head of rules.yml explains its fields."""

    id: str
    version: int
    rung: str
    when: Condition
    recommend: str
    because: str
    evidence: tuple[str, ...]
    source: str
    reviewed: str
    opens: Condition | None
    until: str | None
    despite: frozenset[str]
    holds: frozenset[str]
    lead: bool
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class Wait:
    """In how many weeks what waits may be asked for again: `weeks`, or a gate less a number of the record."""

    weeks: float | None = None
    gate: str = ""
    less: str = ""

    def left(self, facts: Mapping[str, Any]) -> int | None:
        """Return whole weeks from now; None where the record does not tell, or where the time has passed."""
        weeks = self.weeks if self.weeks is not None else facts[self.gate] - facts[self.less]
        return None if math.isnan(weeks) or weeks <= 0 else math.ceil(weeks)


@dataclass(frozen=True, slots=True)
class Note:
    """A text added to an advice where its condition holds, or in the place of its text."""

    id: str
    to: str
    when: Condition
    instead: bool = False


@dataclass(frozen=True, slots=True)
class BankQuestion:
    """A question for the therapist, offered where its condition holds and the advice it asks for does not wait."""

    id: str
    when: Condition
    asks_for: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """A checked rule file, its conditions compiled."""

    file: str
    version: int
    gates: Mapping[str, float]
    stretched: frozenset[str]
    stretch_factor: float
    stretch_when: Condition
    definitions: Mapping[str, Definition]
    ladder: tuple[Rung, ...]
    rules: tuple[Rule, ...]
    of_rung: Mapping[str, tuple[Rule, ...]]
    trend: Mapping[str, Condition]
    check_again: Mapping[str, int]
    load: Mapping[str, Condition]
    weeks_until: Mapping[str, Wait]
    notes: Mapping[str, tuple[Note, ...]]
    questions: tuple[BankQuestion, ...]


@cache
def default_rules() -> Rules:
    """Return the rules Plateau ships with."""
    return load_rules()


@cache
def clinic_rules() -> Rules:
    """Return the rules as this clinic runs them: its own file and time gates, where clinic.yml names any."""
    here = clinic()
    return load_rules(here.rules or DEFAULT_FILE, here.time_gates)


def load_rules(path: str | Path = DEFAULT_FILE, gates: Mapping[str, float] | None = None) -> Rules:
    """Load and check a rule file, `gates` replacing some of its own; raises RuleError."""
    return _Loader(Path(path), gates or {}).load()


class _Loader:
    """Reads one file; knows its name and the names its conditions may use."""

    def __init__(self, path: Path, own_gates: Mapping[str, float]) -> None:
        self.path, self.own_gates = path, own_gates
        self.types: dict[str, FactType] = dict(TYPES)
        self._compiler: Conditions | None = None

    def load(self) -> Rules:
        raw = self._read()
        self._fields("file", raw, _SECTIONS, ())
        sources = self._mapping("sources", raw["sources"])
        gates, stretched = self._gates(raw["gates"])
        factor, slower = self._stretch(raw["stretch"])
        definitions = self._definitions(raw["definitions"])
        ladder = self._ladder(raw["ladder"])
        rules = self._rules(raw["rules"], ladder, sources, self._date("file", "reviewed", raw["reviewed"]))
        return Rules(
            file=self.path.name,
            version=self._whole("file", "version", raw["version"]),
            gates=gates,
            stretched=stretched,
            stretch_factor=factor,
            stretch_when=slower,
            definitions=definitions,
            ladder=ladder,
            rules=rules,
            of_rung={rung.id: tuple(rule for rule in rules if rule.rung == rung.id) for rung in ladder},
            trend=self._trend(raw["trend"]),
            check_again=self._check_again(raw["check_again"]),
            load=self._load(raw["load"]),
            weeks_until=self._weeks_until(raw["weeks_until"], gates),
            notes=self._notes(raw["notes"]),
            questions=self._questions(raw["questions"]),
        )

    def _error(self, where: str, field: str, wrong: str) -> RuleError:
        return RuleError(self.path.name, where, field, wrong)

    def _read(self) -> Mapping[str, Any]:
        try:
            raw = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise self._error("file", "path", f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self._error("file", "text", "is not UTF-8") from None
        except yaml.YAMLError as error:
            raise self._error("file", "YAML", " ".join(str(error).split())) from None
        return self._mapping("file", raw)

    def _mapping(self, where: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self._error(where, "value", f"is {type(value).__name__}; allowed: names with values")
        return value

    def _list(self, where: str, field: str, value: Any) -> Sequence[Any]:
        if not isinstance(value, list):
            raise self._error(where, field, f"is {type(value).__name__}; allowed: a list")
        return value

    def _fields(self, where: str, entry: Mapping[str, Any], needed: Sequence[str], optional: Sequence[str]) -> None:
        for field in needed:
            if field not in entry:
                raise self._error(where, field, f"is missing; needed: {', '.join(needed)}")
        for field in entry:
            if field not in needed and field not in optional:
                raise self._error(where, field, f"is not a field; allowed: {', '.join([*needed, *optional])}")

    def _one_of(self, where: str, field: str, value: Any, allowed: Sequence[str]) -> str:
        if value not in allowed:
            raise self._error(where, field, f"{value!r} is not allowed; allowed: {', '.join(allowed)}")
        return cast("str", value)

    def _some_of(self, where: str, field: str, value: Any, allowed: Sequence[str]) -> frozenset[str]:
        return frozenset(self._one_of(where, field, item, allowed) for item in self._list(where, field, value))

    def _whole(self, where: str, field: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._error(where, field, f"{value!r} is not allowed; allowed: a whole number from 1")
        return value

    def _positive(self, where: str, field: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10_000:
            raise self._error(where, field, f"{value!r} is not allowed; allowed: a number above 0")
        return float(value)

    def _date(self, where: str, field: str, value: Any) -> str:
        if not isinstance(value, datetime.date):
            raise self._error(where, field, f"{value!r} is not allowed; allowed: a date such as 2026-11-23")
        return value.isoformat()

    def _text(self, where: str, field: str, group: str, value: Any) -> str:
        try:
            known = catalog().tree(group)
        except ContentError as error:
            raise self._error(where, field, str(error)) from None
        if value not in known:
            raise self._error(where, field, f"no text {group}.{value}; allowed: {', '.join(sorted(known))}")
        return cast("str", value)

    def _new_name(self, where: str, name: str, kind: FactType) -> None:
        if not _NAME.fullmatch(name):
            raise self._error(where, "name", f"{name!r} is not allowed; allowed: small letters, digits and _")
        if name in self.types:
            raise self._error(where, "name", f"{name!r} is already the name of a fact, a gate or a definition")
        self.types[name] = kind
        self._compiler = None

    def _condition(self, where: str, field: str, value: Any) -> Condition:
        # YAML reads a bare `true` as a boolean.
        source = str(value).lower() if isinstance(value, bool) else value
        if not isinstance(source, str) or not source.strip():
            raise self._error(where, field, f"{value!r} is not a condition; allowed: text such as adherence < 80")
        source = " ".join(source.split())
        try:
            self._compiler = self._compiler or Conditions(self.types)
            condition = self._compiler.compile(source)
        except ConditionError as error:
            raise self._error(where, field, str(error)) from None
        for name, word in _words(source):
            allowed = _values(name)
            if allowed and word not in allowed:
                raise self._error(where, field, f"{word!r} is not a value of {name}; allowed: {', '.join(allowed)}")
        return condition

    def _gates(self, raw: Any) -> tuple[dict[str, float], frozenset[str]]:
        gates: dict[str, float] = {}
        stretched: set[str] = set()
        for name, value in self._mapping("gates", raw).items():
            self._new_name(f"gate {name}", name, "number")
            if isinstance(value, dict):
                self._fields(f"gate {name}", value, ("value", "stretched"), ())
                if value["stretched"] is True:
                    stretched.add(name)
                value = value["value"]
            gates[name] = self._positive(f"gate {name}", "value", value)
        for name, value in self.own_gates.items():
            timed = [gate for gate in gates if gate.endswith(("_weeks", "_visits"))]
            self._one_of("time_gates of clinic.yml", "name", name, timed)
            gates[name] = self._positive("time_gates of clinic.yml", name, value)
        for name in MEASURE_GATES:
            if name not in gates:
                raise self._error("gates", name, f"is missing; needed for the pages: {', '.join(MEASURE_GATES)}")
        return gates, frozenset(stretched)

    def _stretch(self, raw: Any) -> tuple[float, Condition]:
        entry = self._mapping("stretch", raw)
        self._fields("stretch", entry, ("factor", "when"), ())
        return self._positive("stretch", "factor", entry["factor"]), self._condition("stretch", "when", entry["when"])

    def _definitions(self, raw: Any) -> dict[str, Definition]:
        definitions: dict[str, Definition] = {}
        for name, value in self._mapping("definitions", raw).items():
            where = f"definition {name}"
            # Named only after it is read, so that none can refer to itself.
            definitions[name] = self._definition(where, value)
            self._new_name(where, name, "flag" if isinstance(definitions[name], Holds | AnyOf) else "number")
        return definitions

    def _definition(self, where: str, value: Any) -> Definition:
        if not isinstance(value, dict):
            return Holds(self._condition(where, "condition", value))
        if list(value) == ["any"]:
            table = self._mapping(where, value["any"])
            return AnyOf(tuple((name, self._table_values(where, "any", name, words)) for name, words in table.items()))
        if list(value) == ["points"]:
            table = self._mapping(where, value["points"])
            return Points(tuple((name, self._points(where, name, points)) for name, points in table.items()))
        if list(value) == ["count"]:
            counted = self._list(where, "count", value["count"])
            return Count(tuple(self._condition(where, "count", item) for item in counted))
        raise self._error(where, "value", "is not a definition; allowed: a condition, or one of any, points, count")

    def _table_values(self, where: str, field: str, name: str, words: Any) -> frozenset[str]:
        if self.types.get(name) not in ("choice", "set") or not _values(name):
            known = [known for known in self.types if _values(known)]
            raise self._error(where, field, f"{name!r} has no fixed values; allowed: {', '.join(known)}")
        return self._some_of(where, field, words, _values(name))

    def _points(self, where: str, name: str, points: Any) -> dict[str, int]:
        table = self._mapping(where, points)
        self._table_values(where, "points", name, list(table))
        return {word: self._whole(where, f"points {word}", value) for word, value in table.items()}

    def _ladder(self, raw: Any) -> tuple[Rung, ...]:
        entries = [self._mapping("ladder", item) for item in self._list("ladder", "rungs", raw)]
        names: list[str] = []
        for entry in entries:
            self._fields(f"rung {entry.get('id')}", entry, ("id", "holds"), ("done",))
            if entry["id"] in names:
                raise self._error(f"rung {entry['id']}", "id", "is there twice")
            names.append(entry["id"])
        return tuple(self._rung(entry, names) for entry in entries)

    def _rung(self, entry: Mapping[str, Any], names: Sequence[str]) -> Rung:
        where, done = f"rung {entry['id']}", entry.get("done")
        later = names[names.index(entry["id"]) + 1 :]
        if done is not None and self.types.get(done) != "flag":
            flags = [name for name, kind in self.types.items() if kind == "flag"]
            raise self._error(where, "done", f"{done!r} is not a definition; allowed: {', '.join(flags)}")
        return Rung(entry["id"], self._holds(where, entry["id"], entry["holds"], later), done)

    def _holds(self, where: str, rung: str, value: Any, later: Sequence[str]) -> frozenset[str]:
        holds = self._some_of(where, "holds", value, later)
        if holds:
            # What is held is told until when, by the rung that holds it.
            self._text(where, "rung", "plan.until", rung)
        return holds

    def _rules(self, raw: Any, ladder: Sequence[Rung], sources: Mapping[str, Any], reviewed: str) -> tuple[Rule, ...]:
        rungs = {rung.id: rung for rung in ladder}
        order = list(rungs)
        rules = [
            self._rule(self._mapping("rules", item), rungs, sources, reviewed)
            for item in self._list("rules", "rules", raw)
        ]
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise self._error(f"rule {rule.id}", "id", "is there twice")
            seen.add(rule.id)
        return tuple(sorted(rules, key=lambda rule: order.index(rule.rung)))

    def _rule(
        self, entry: Mapping[str, Any], rungs: Mapping[str, Rung], sources: Mapping[str, Any], reviewed: str
    ) -> Rule:
        where = f"rule {entry.get('id', 'without id')}"
        self._fields(where, entry, _RULE_FIELDS, _RULE_OPTIONAL)
        if not isinstance(entry["id"], str):
            raise self._error(where, "id", f"{entry['id']!r} is not allowed; allowed: text such as adherence.low")
        rung = rungs[self._one_of(where, "rung", entry["rung"], list(rungs))]
        opens = self._condition(where, "opens", entry["opens"]) if "opens" in entry else None
        if (opens is None) != ("until" not in entry):
            raise self._error(where, "until", "is needed with opens, and only with it")
        if not isinstance(entry.get("lead", True), bool):
            raise self._error(where, "lead", f"{entry['lead']!r} is not allowed; allowed: true, false")
        tier = self._one_of(where, "tier", entry["tier"], TIERS[1:]) if "tier" in entry else None
        source = sources[self._one_of(where, "source", entry["source"], list(sources))]
        evidence = self._list(where, "evidence", entry["evidence"])
        order = list(rungs)
        return Rule(
            id=entry["id"],
            version=self._whole(where, "version", entry["version"]),
            rung=rung.id,
            when=self._condition(where, "when", entry["when"]),
            recommend=self._one_of(where, "recommend", entry["recommend"], RECOMMENDATIONS),
            because=self._text(where, "because", "plan.reasons", entry["because"]),
            evidence=tuple(self._text(where, "evidence", "plan.evidence", item) for item in evidence),
            source=str(source),
            reviewed=self._date(where, "reviewed", entry["reviewed"]) if "reviewed" in entry else reviewed,
            opens=opens,
            until=self._text(where, "until", "plan.until", entry["until"]) if opens else None,
            despite=self._some_of(where, "despite", entry.get("despite", []), order),
            holds=self._holds(where, rung.id, entry["holds"], order) if "holds" in entry else rung.holds,
            lead=entry.get("lead", True),
            tier=cast("Tier | None", tier),
        )

    def _trend(self, raw: Any) -> dict[str, Condition]:
        return {
            self._one_of("trend", "name", name, TRENDS[:-1]): self._condition(f"trend {name}", "when", when)
            for name, when in self._mapping("trend", raw).items()
        }

    def _check_again(self, raw: Any) -> dict[str, int]:
        entry = self._mapping("check_again", raw)
        self._fields("check_again", entry, ("default",), ("worse", *RECOMMENDATIONS))
        return {name: self._whole("check_again", name, weeks) for name, weeks in entry.items()}

    def _load(self, raw: Any) -> dict[str, Condition]:
        return {
            self._one_of("load", "name", name, LOADS[:-1]): self._condition(f"load {name}", "when", when)
            for name, when in self._mapping("load", raw).items()
        }

    def _flag(self, where: str, field: str, entry: Mapping[str, Any]) -> bool:
        value = entry.get(field, False)
        if not isinstance(value, bool):
            raise self._error(where, field, f"{value!r} is not allowed; allowed: true, false")
        return value

    def _weeks_until(self, raw: Any, gates: Mapping[str, float]) -> dict[str, Wait]:
        waits: dict[str, Wait] = {}
        for name, value in self._mapping("weeks_until", raw).items():
            where = f"weeks_until {name}"
            self._text(where, "name", "plan.until", name)
            if isinstance(value, dict):
                self._fields(where, value, ("gate", "less"), ())
                numbers = [fact for fact, kind in TYPES.items() if kind == "number"]
                gate = self._one_of(where, "gate", value["gate"], list(gates))
                waits[name] = Wait(gate=gate, less=self._one_of(where, "less", value["less"], numbers))
            else:
                waits[name] = Wait(self._positive(where, "weeks", value))
        return waits

    def _notes(self, raw: Any) -> dict[str, tuple[Note, ...]]:
        notes: dict[str, tuple[Note, ...]] = {}
        for item in self._list("notes", "notes", raw):
            entry = self._mapping("notes", item)
            where = f"note {entry.get('id', 'without id')}"
            self._fields(where, entry, ("id", "to", "when"), ("instead",))
            to = self._one_of(where, "to", entry["to"], RECOMMENDATIONS)
            name = self._text(where, "id", "plan.notes", entry["id"])
            when = self._condition(where, "when", entry["when"])
            notes[to] = (*notes.get(to, ()), Note(name, to, when, self._flag(where, "instead", entry)))
        return notes

    def _questions(self, raw: Any) -> tuple[BankQuestion, ...]:
        entries = [self._mapping("questions", item) for item in self._list("questions", "questions", raw)]
        return tuple(self._question(entry) for entry in entries)

    def _question(self, entry: Mapping[str, Any]) -> BankQuestion:
        where = f"question {entry.get('id', 'without id')}"
        self._fields(where, entry, ("id", "when"), ("asks_for",))
        name = self._text(where, "id", "plan.questions", entry["id"])
        asks_for = entry.get("asks_for")
        if asks_for is not None:
            self._one_of(where, "asks_for", asks_for, RECOMMENDATIONS)
        return BankQuestion(name, self._condition(where, "when", entry["when"]), asks_for)


def _given(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _words(source: str) -> list[tuple[str, str]]:
    """Return the (name, word) pairs a condition compares: `"x" in name`, `name == "x"`, `name in ["x"]`."""
    pairs = [(name, word) for word, name in _IN_LIST.findall(source)]
    pairs += _EQUALS.findall(source)
    for name, words in _ONE_OF.findall(source):
        pairs += [(name, word) for word in re.findall(r'"(\w+)"', words)]
    return pairs


_VOCABULARY: dict[str, Callable[[], Sequence[str]]] = {
    "flags_reported": lambda: list(RED_FLAGS),
    "flags_settled": lambda: list(RED_FLAGS),
    "flags_unanswered": lambda: list(RED_FLAGS),
    "flags_checked": lambda: list(RED_FLAGS),
    "flags_taken_back": lambda: list(RED_FLAGS),
    "tiers_reported": lambda: TIERS[2:],
    "tiers_unanswered": lambda: TIERS[2:],
    "tiers_checked": lambda: TIERS[2:],
    **{name: lambda: RECOMMENDATIONS for name in ADVICE_FACTS},
    "missing": lambda: FIELDS,
    "unanswered": lambda: FIELDS,
}


def _values(name: str) -> Sequence[str]:
    """Return the words a fact may hold; empty where any word will do."""
    if name in _VOCABULARY:
        return _VOCABULARY[name]()
    return QUESTIONS[name].values if name in QUESTIONS else ()
