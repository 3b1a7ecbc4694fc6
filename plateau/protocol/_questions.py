"""The questions as data: loads and checks questions.yml and red_flags.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from ._conditions import Condition, ConditionError, Conditions, FactType

HERE = Path(__file__).parent

Kind = Literal["choice", "multi", "nprs", "number", "text", "activities", "flags"]
Tier = Literal["none", "routine", "within_days", "same_day", "emergency"]

TIERS: tuple[Tier, ...] = get_args(Tier)
NO_ANSWER = ("unknown", "skipped")

_FACT_TYPES: dict[Kind, FactType] = {
    "choice": "choice",
    "text": "choice",
    "multi": "set",
    "flags": "set",
    "activities": "set",
    "nprs": "number",
    "number": "number",
}
_DERIVED: dict[str, FactType] = {
    "tier": "choice",
    "adherence": "number",
    "early": "flag",
    "well": "flag",
    "urgent": "flag",
    "mood_crisis": "flag",
    "returning": "flag",
    "agreed": "flag",
}
_FIELDS = {
    "id", "section", "screen", "kind", "values", "min", "max", "unit", "step", "none", "when", "record", "required",
    "single", "alone", "carry", "reopens", "picture",
}  # fmt: skip
# The drawings on which a question may be answered.
_PICTURES = ("body",)


class ProtocolError(ValueError):
    """The protocol's own files are wrong: names the file, the question, the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class Raised:
    """What one value of a safety list raises: a red flag id at a tier."""

    flag: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the re-evaluation.

    `values` are the answers allowed (choice, multi, flags); `minimum`, `maximum` and `step` bound numbers;
    `none` says that "none" is an answer standing for null; `alone` are values dropped beside others; `raises` maps a
    safety list's values to red flags; `carry` says what stands for someone who comes back (True, "grow", "shown" or
    the values that do); `reopens` that the answer names a question to ask again; `picture` on which drawing it may be
    answered.
    """

    id: str
    section: str
    screen: str
    kind: Kind
    when: Condition
    values: tuple[str, ...] = ()
    minimum: float = 0
    maximum: float = 0
    step: float | None = None
    unit: str | None = None
    none: bool = False
    record: bool = True
    required: bool = False
    single: bool = False
    alone: tuple[str, ...] = ()
    raises: Mapping[str, Raised] | None = None
    carry: bool | str | tuple[str, ...] = False
    reopens: bool = False
    picture: str | None = None

    @property
    def harmless(self) -> str:
        """The value of a safety list that raises nothing."""
        return next(value for value in self.values if value not in (self.raises or {}))


def _load() -> tuple[tuple[str, ...], dict[str, Question], dict[str, Tier], Conditions]:
    raw = _read("questions.yml")
    flags = _red_flags(_read("red_flags.yml"))
    entries = raw["questions"]
    sections = tuple(raw["sections"])
    types = dict(_DERIVED)
    for entry in entries:
        _check_fields(entry, sections, types)
        types[entry["id"]] = _FACT_TYPES[entry["kind"]]
    conditions = Conditions(types)
    return sections, {entry["id"]: _question(entry, conditions, flags) for entry in entries}, flags, conditions


def _read(name: str) -> Any:
    try:
        return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ProtocolError(f"protocol/{name} is not valid YAML: {error}") from None


def _red_flags(raw: Mapping[str, str]) -> dict[str, Tier]:
    for flag, tier in raw.items():
        if tier not in TIERS[2:]:
            raise ProtocolError(f"protocol/red_flags.yml: {flag}: tier {tier!r} is not one of {', '.join(TIERS[2:])}")
    return cast("dict[str, Tier]", dict(raw))


def _check_fields(entry: Mapping[str, Any], sections: tuple[str, ...], seen: Mapping[str, FactType]) -> None:
    name = entry.get("id", "a question without id")
    where = f"protocol/questions.yml: {name}"
    if unknown := set(entry) - _FIELDS:
        raise ProtocolError(f"{where}: unknown field {sorted(unknown)}; allowed: {', '.join(sorted(_FIELDS))}")
    for field in ("id", "section", "screen", "kind"):
        if field not in entry:
            raise ProtocolError(f"{where}: field {field!r} is missing")
    if entry["section"] not in sections:
        raise ProtocolError(f"{where}: section {entry['section']!r} is not one of {', '.join(sections)}")
    if entry["kind"] not in _FACT_TYPES:
        raise ProtocolError(f"{where}: kind {entry['kind']!r} is not one of {', '.join(_FACT_TYPES)}")
    if name in seen:
        raise ProtocolError(f"{where}: this id is there twice")


def _question(entry: Mapping[str, Any], conditions: Conditions, flags: Mapping[str, Tier]) -> Question:
    where = f"protocol/questions.yml: {entry['id']}"
    try:
        when = conditions.compile(entry.get("when", "true"))
    except ConditionError as error:
        raise ProtocolError(f"{where}: when: {error}") from None
    values = entry.get("values", ())
    raises = None
    if entry["kind"] == "flags":
        raises = {value: Raised(**raised) for value, raised in values.items() if raised}
        for value, raised in raises.items():
            if raised.flag not in flags or raised.tier not in TIERS[2:]:
                raise ProtocolError(f"{where}: {value}: {raised} is not a red flag and tier of red_flags.yml")
    if odd := [value for value in values if not isinstance(value, str)]:
        raise ProtocolError(
            f"{where}: values: {odd} must be in quotes, for YAML reads them as something else than text"
        )
    if entry["kind"] in ("choice", "multi") and not values:
        raise ProtocolError(f"{where}: a {entry['kind']} question needs values")
    return Question(
        id=entry["id"],
        section=entry["section"],
        screen=entry["screen"],
        kind=entry["kind"],
        when=when,
        values=tuple(values),
        minimum=entry.get("min", 0),
        maximum=entry.get("max", 0),
        step=1 if entry["kind"] == "nprs" else entry.get("step"),
        unit=entry.get("unit"),
        none=entry.get("none", False),
        record=entry.get("record", True),
        required=entry.get("required", False),
        single=entry.get("single", False),
        alone=tuple(entry.get("alone", ())),
        raises=raises,
        carry=_carry(entry, where),
        reopens=entry.get("reopens", False),
        picture=_picture(entry, where),
    )


def _carry(entry: Mapping[str, Any], where: str) -> bool | str | tuple[str, ...]:
    carry = entry.get("carry", False)
    if isinstance(carry, list):
        if odd := [value for value in carry if value not in entry.get("values", ())]:
            raise ProtocolError(f"{where}: carry: {odd} are not values of it")
        return tuple(carry)
    if carry not in (True, False, "grow", "shown"):
        raise ProtocolError(f"{where}: carry: {carry!r} is not allowed; allowed: true, grow, shown or a list of values")
    return cast("bool | str", carry)


def _picture(entry: Mapping[str, Any], where: str) -> str | None:
    picture: str | None = entry.get("picture")
    if picture is not None and (picture not in _PICTURES or entry["kind"] != "choice"):
        allowed = f"for a choice question: {', '.join(_PICTURES)}"
        raise ProtocolError(f"{where}: picture: {picture!r} is not allowed; allowed {allowed}")
    return picture


SECTIONS, QUESTIONS, RED_FLAGS, CONDITIONS = _load()
