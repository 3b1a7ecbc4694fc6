"""Which answers each kind of question takes, and what a wrong one is told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plateau.protocol import QUESTIONS, InvalidAnswer, InvalidRecord, validate, validate_record

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("pain_now", 0, 0),
    ("pain_now", 10, 10),
    ("pain_now", 7.0, 7),
    ("pain_now", "unknown", "unknown"),
    ("pain_now", "skipped", "skipped"),
    ("hep_days_done", 3.5, 3.5),
    ("sessions", 12, 12),
    ("recent_surgery_weeks", "none", "none"),
    ("recent_surgery_weeks", 6, 6),
    ("progress", "same", "same"),
    ("tried", ["xray", "injection"], ["xray", "injection"]),
    ("tried", ["injection", "xray", "xray"], ["xray", "injection"]),
    ("tried", ["none"], ["none"]),
    ("treatment_type", ["passive_only"], ["passive_only"]),
    ("treatment_type", ["exercises", "passive_only"], ["exercises"]),
    ("safety_now", ["chest_pain", "breathless"], ["chest_pain", "breathless"]),
    ("goal", "  walk the dog ", "walk the dog"),
    ("activities", [{"activity": "stairs", "score": 4}], [{"activity": "stairs", "score": 4}]),
    ("activities", [{"activity": " stairs "}], [{"activity": "stairs"}]),
    (
        "activities",
        [{"activity": "Stairs", "score": 4}, {"activity": "stairs ", "score": 6}],
        [{"activity": "Stairs", "score": 4}],
    ),
]
REJECTED: list[tuple[str, Any]] = [
    ("pain_now", 11),
    ("pain_now", -1),
    ("pain_now", 6.5),
    ("pain_now", "7"),
    ("pain_now", True),
    ("pain_now", math.nan),
    ("pain_now", None),
    ("pain_now", "none"),
    ("hep_days_done", 8),
    ("sessions", 2.5),
    ("weeks_in_pt", math.inf),
    ("progress", "great"),
    ("progress", ["same"]),
    ("for_whom", "unknown"),
    ("consent", "skipped"),
    ("tried", []),
    ("tried", "xray"),
    ("tried", ["none", "xray"]),
    ("tried", ["crystals"]),
    ("safety_mood", ["yes", "no"]),
    ("goal", "   "),
    ("goal", 5),
    ("activities", []),
    ("activities", [{"activity": "a"}] * 4),
    ("activities", [{"activity": "", "score": 3}]),
    ("activities", [{"activity": "stairs", "score": 11}]),
    ("activities", [{"activity": "stairs", "points": 1}]),
    ("no_such_question", 1),
]


@pytest.mark.parametrize(("question", "value", "canonical"), ACCEPTED)
def test_accepted(question: str, value: Any, canonical: Any) -> None:
    assert validate(question, value) == canonical
    assert validate(question, validate(question, value)) == canonical


@pytest.mark.parametrize(("question", "value"), REJECTED)
def test_rejected(question: str, value: Any) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        validate(question, value)
    assert question in str(caught.value)
    assert caught.value.allowed


@given(st.sampled_from(sorted(QUESTIONS)), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_value_is_accepted_in_canonical_form_or_refused(question: str, value: Any) -> None:
    try:
        canonical = validate(question, value)
    except InvalidAnswer:
        return
    assert validate(question, canonical) == canonical


def test_a_record_names_every_problem() -> None:
    with pytest.raises(InvalidRecord) as caught:
        validate_record({"pain_now": 12, "colour": "red", "red_flags": ["sneeze"], "consent": "yes"})
    problems = "\n".join(caught.value.problems)
    assert all(name in problems for name in ("pain_now", "colour", "red_flags", "consent"))


def test_a_bare_red_flag_is_reported_at_its_usual_tier() -> None:
    record = validate_record({"red_flags": ["dvt"], "recent_surgery_weeks": None})
    assert record == {
        "red_flags": [{"id": "dvt", "tier": "same_day", "state": "reported"}],
        "recent_surgery_weeks": None,
    }


@pytest.mark.parametrize(
    ("record", "clean"),
    [
        ({"tried": [], "goal": "", "activities": []}, {}),
        ({"tried": ["none", "xray"]}, {"tried": ["xray"]}),
        ({"for_whom": "unknown"}, {"for_whom": "unknown"}),
        ({"sessions": 2.5, "weeks_in_pt": 9999}, {"sessions": 2.5, "weeks_in_pt": 9999}),
        ({"age_band": "18_39"}, {"age_band": "18_39"}),
    ],
)
def test_a_record_from_elsewhere_is_read_kindly(record: Any, clean: Any) -> None:
    assert validate_record(record) == clean


@pytest.mark.parametrize("record", [None, [], "x", 5])
def test_a_record_is_an_object(record: Any) -> None:
    with pytest.raises(InvalidRecord):
        validate_record(record)
