"""The condition language: what is missing is false, what is misspelt is named."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.protocol import ConditionError, Conditions

LANGUAGE = Conditions({"adherence": "number", "progress": "choice", "tried": "set", "urgent": "flag"})


@pytest.mark.parametrize(
    ("source", "facts", "expected"),
    [
        ("adherence < 80", {"adherence": 60.0}, True),
        ("adherence < 80", {}, False),
        ("adherence >= 80", {}, False),
        ("not (adherence < 80)", {}, True),
        ("adherence < 80 or urgent", {"urgent": True}, True),
        ('progress == "same"', {"progress": "same"}, True),
        ('progress in ["same", "up_and_down"]', {}, False),
        ('"xray" in tried', {"tried": ["xray"]}, True),
        ('"xray" in tried', {}, False),
        ("not urgent", {}, True),
    ],
)
def test_holds(source: str, facts: dict[str, Any], expected: bool) -> None:
    assert LANGUAGE.compile(source).holds({**LANGUAGE.blank(), **facts}) is expected


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("adherance < 80", "adherance"),
        ("adherence <", "adherence <"),
        ('adherence > "much"', "adherence"),
        ("__import__('os')", "__import__"),
    ],
)
def test_a_wrong_condition_is_named(source: str, named: str) -> None:
    with pytest.raises(ConditionError, match=named.replace("(", r"\(").replace(")", r"\)")):
        LANGUAGE.compile(source)


def test_names_are_those_the_condition_uses() -> None:
    assert LANGUAGE.compile('adherence < 80 and "xray" in tried').names == {"adherence", "tried"}


@pytest.mark.parametrize(
    ("source", "clauses"),
    [
        ("urgent", ["urgent"]),
        ("adherence < 80 and urgent", ["adherence < 80", "urgent"]),
        ("not urgent and not adherence >= 80", ["not urgent", "not adherence >= 80"]),
        ("urgent and (adherence < 80 and adherence > 2)", ["urgent", "(adherence < 80 and adherence > 2)"]),
        ('progress == "up and down" and urgent', ['progress == "up and down"', "urgent"]),
        ('progress == "a \\" and b" and urgent', ['progress == "a \\" and b"', "urgent"]),
        ("progress == 'so and (so' and urgent", ["progress == 'so and (so'", "urgent"]),
        ('progress in ["a and b", "or"] and urgent', ['progress in ["a and b", "or"]', "urgent"]),
        ("urgent and adherence < 80 or urgent", ["urgent and adherence < 80 or urgent"]),
        ("urgent and (urgent or adherence < 80)", ["urgent", "(urgent or adherence < 80)"]),
        ("urgent and adherence < 80 ? urgent : not urgent", ["urgent and adherence < 80 ? urgent : not urgent"]),
    ],
)
def test_clauses_are_what_and_joins_at_the_top(source: str, clauses: list[str]) -> None:
    assert [clause.source for clause in LANGUAGE.compile(source).clauses()] == clauses
