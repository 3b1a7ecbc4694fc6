"""How the tables of the reader's tests are compared with what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Between:
    """Any number from low to high."""

    low: float
    high: float


class OneOf(frozenset[str]):
    """Any one of these values."""

    def __new__(cls, *values: str) -> OneOf:
        return super().__new__(cls, values)


def matches(got: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether the answers read are exactly those wanted: none missing, none invented."""
    read = {name: value for name, value in got.items() if value not in ("unknown", "skipped")}
    return set(read) == set(wanted) and all(_fits(read[name], value) for name, value in wanted.items())


def _fits(got: Any, wanted: Any) -> bool:
    match wanted:
        case Between():
            return isinstance(got, int | float) and wanted.low <= got <= wanted.high
        case OneOf():
            return got in wanted
        case set():
            return isinstance(got, list) and set(got) == wanted
        case _:
            return bool(got == wanted)
