"""Conditions as a clinician writes them: `adherence < 80 and "xray" in tried`.

The language is the `rule-engine` library's: typed names, no code execution. A number nobody gave is NaN, so every
comparison with it is false instead of an error; a missing set is empty; a missing choice is null.
"""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import rule_engine

FactType = Literal["number", "choice", "set", "flag"]

_TYPES = {
    "number": rule_engine.DataType.FLOAT,
    "choice": rule_engine.DataType.STRING,
    "set": rule_engine.DataType.ARRAY(rule_engine.DataType.STRING),
    "flag": rule_engine.DataType.BOOLEAN,
}
# A comparison with NaN is a signal in decimal arithmetic; without the trap it is simply false.
_DECIMAL = decimal.Context(prec=28, traps=[])
# What decides where a condition may be taken apart: quoted text, brackets, and the words that join.
_JOINT = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[()\[\]{}?]|\b(?:and|or)\b""")


class ConditionError(ValueError):
    """A condition that cannot be read: names what is wrong and, for an unknown name, the names allowed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled condition; `holds` tells whether it is true of the facts."""

    source: str
    _rule: rule_engine.Rule
    names: frozenset[str]

    def holds(self, facts: Mapping[str, Any]) -> bool:
        return bool(self._rule.matches(facts))

    def clauses(self) -> tuple[Condition, ...]:
        """Return the conditions that `and` joins at the top: this one holds where they all do."""
        return tuple(_quick(part) for part in _joined_by_and(self.source))


class Conditions:
    """Compiles conditions over a fixed vocabulary of typed facts.

    `types` maps each fact to number, choice (string or null), set (list of strings) or flag (boolean).
    """

    def __init__(self, types: Mapping[str, FactType]) -> None:
        self.types = dict(types)
        self._resolver = rule_engine.type_resolver_from_dict({name: _TYPES[kind] for name, kind in types.items()})

    def compile(self, source: str) -> Condition:
        """Compile `source`; raises ConditionError."""
        # A context of its own for each rule: it collects the names the rule uses.
        context = rule_engine.Context(type_resolver=self._resolver, default_value=None, decimal_context=_DECIMAL)
        try:
            rule_engine.Rule(source, context=context)
        except rule_engine.SymbolResolutionError as error:
            allowed = ", ".join(sorted(self.types))
            raise ConditionError(f"unknown name {error.symbol_name!r} in {source!r}; allowed: {allowed}") from None
        except rule_engine.EngineError as error:
            raise ConditionError(f"cannot read {source!r}: {getattr(error, 'message', error)}") from None
        return _quick(source)

    def blank(self) -> dict[str, Any]:
        """Return the facts of someone who has said nothing."""
        empty: dict[FactType, Any] = {"number": math.nan, "choice": None, "set": (), "flag": False}
        return {name: empty[kind] for name, kind in self.types.items()}


@cache
def _quick(source: str) -> Condition:
    """Compile what was checked already: over a context without types a rule runs twice as fast."""
    context = rule_engine.Context(default_value=None, decimal_context=_DECIMAL)
    rule = rule_engine.Rule(source, context=context)
    return Condition(source, rule, frozenset(context.symbols))


def _joined_by_and(source: str) -> list[str]:
    """Split at each `and` outside brackets and quotes; a top-level `or` or `?` binds looser, so nothing is split."""
    depth, start, parts = 0, 0, []
    for joint in _JOINT.finditer(source):
        word = joint.group()
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if depth == 0 and word in ("or", "?"):
            return [source]
        if depth == 0 and word == "and":
            parts.append(source[start : joint.start()].strip())
            start = joint.end()
    return [*parts, source[start:].strip()]
