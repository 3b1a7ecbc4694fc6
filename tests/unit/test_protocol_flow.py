"""Which question comes next, and which are never asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plateau.protocol import (
    QUESTIONS,
    SECTIONS,
    adherence,
    answered_together,
    merge_flags,
    next_question,
    next_section,
    opening,
    previous_question,
    record_of,
    red_flags,
    required,
    screen,
    settle,
    taken_back,
    tier,
    validate,
)

STARTED = {"for_whom": "self", "country": "us", "consent": "yes"}
SAFE = {**STARTED, **{name: ["none"] for name in ("safety_now", "safety_nerves", "safety_ill", "safety_injury")}}
MOST_SCREENS = 26


def quiet_answer(name: str) -> Any:
    question = QUESTIONS[name]
    if question.kind == "flags":
        return [next(value for value in question.values if value not in (question.raises or {}))]
    return {
        "choice": question.values[0] if question.values else None,
        "multi": ["none"] if "none" in question.values else [question.values[0] if question.values else ""],
        "nprs": 5,
        "number": 5,
        "text": "words",
        "activities": [{"activity": "stairs", "score": 4}],
    }[question.kind]


def walk(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Answer question after question; return the answers and the screens seen."""
    answers: dict[str, Any] = {}
    screens: list[str] = []
    while name := next_question(answers):
        shown = screen(answers, name).id
        if screens[-1:] != [shown]:
            screens.append(shown)
        answers[name] = validate(name, given.get(name, quiet_answer(name)))
        assert len(answers) <= len(QUESTIONS)
    return answers, screens


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, "for_whom"),
        ({"for_whom": "self"}, "country"),
        ({"for_whom": "self", "country": "uk"}, "consent"),
        ({**STARTED, "consent": "no"}, None),
        (STARTED, "safety_now"),
        ({**STARTED, "pain_now": 5}, "safety_now"),
        (SAFE, "age_band"),
        ({**STARTED, "safety_now": ["chest_pain"]}, None),
        ({**STARTED, "red_flags": [{"id": "stroke", "tier": "emergency", "state": "reported"}]}, None),
        ({**STARTED, "red_flags": [{"id": "stroke", "tier": "emergency", "state": "denied"}]}, "safety_now"),
        ({**SAFE, "mood": "very_low"}, "safety_mood"),
        ({**SAFE, "mood": "low"}, "age_band"),
        (
            {**SAFE, "red_flags": [{"id": "mental_health_crisis", "tier": "same_day", "state": "reported"}]},
            "safety_mood",
        ),
    ],
)
def test_next_question(answers: dict[str, Any], expected: str | None) -> None:
    assert next_question(answers) == expected


@pytest.mark.parametrize(
    ("given", "asked", "not_asked"),
    [
        ({"age_band": "65_plus"}, {"age_band"}, {"pregnancy"}),
        ({"age_band": "18_39"}, {"pregnancy"}, set()),
        ({"body_region": "knee"}, {"side"}, set()),
        ({"body_region": "lower_back"}, set(), {"side", "joint_replacement"}),
        ({"body_region": "knee", "age_band": "65_plus"}, {"joint_replacement"}, set()),
        ({"diagnosis_fit": "different_place"}, {"hurts_at"}, set()),
        ({"diagnosis_fit": "fits"}, set(), {"hurts_at"}),
        ({"hep_days_prescribed": 0}, set(), {"hep_days_done", "hep_barriers"}),
        ({"hep_days_prescribed": 7, "hep_days_done": 3}, {"hep_barriers"}, set()),
        ({"hep_days_prescribed": 5, "hep_days_done": 5}, set(), {"hep_barriers"}),
        ({"progress": "much_better"}, {"hep_days_done"}, {"sleep", "tried", "mechanical"}),
        ({"weeks_in_pt": 1, "sessions": 2, "progress": "same"}, {"session_response"}, {"effort", "sleep", "tried"}),
        ({"weeks_in_pt": 1, "sessions": 2, "progress": "much_worse"}, {"effort", "sleep", "tried"}, set()),
        ({"effort": "too_hard"}, set(), {"unchanged_weeks"}),
        ({"safety_ill": ["fever_shivers"]}, {"body_region", "pain_now"}, {"sleep", "hep_days_done", "goal"}),
        ({"mood": "good"}, set(), {"safety_mood"}),
    ],
)
def test_only_what_can_change_the_plan_is_asked(given: dict[str, Any], asked: set[str], not_asked: set[str]) -> None:
    answers, _ = walk(given)
    assert asked <= set(answers)
    assert not not_asked & set(answers)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"age_band": "50_64", "body_region": "knee", "diagnosis_fit": "different_place", "onset": "surgery"},
        {"hep_days_prescribed": 7, "hep_days_done": 1, "mood": "very_low", "diagnosis_fit": "different_place"},
    ],
)
def test_no_patient_sees_too_many_screens(given: dict[str, Any]) -> None:
    assert len(walk(given)[1]) <= MOST_SCREENS


def test_a_changed_answer_takes_the_form_back_to_the_earlier_section() -> None:
    answers, _ = walk({})
    del answers["review"]
    answers["diagnosis_fit"] = "different_place"
    assert next_section(answers) == "problem"
    assert "review" not in required("review", answers)
    assert "hurts_at" in required("problem", answers)


def test_what_no_longer_applies_leaves_the_record() -> None:
    answers, _ = walk({"diagnosis_fit": "different_place", "hurts_at": "hip"})
    assert record_of(answers)["hurts_at"] == "hip"
    assert "hurts_at" not in record_of({**answers, "diagnosis_fit": "fits"})


def test_going_back_never_reopens_consent() -> None:
    assert previous_question(STARTED, "safety_now") == "country"
    assert previous_question({}, "for_whom") is None
    assert previous_question(SAFE, "age_band") == "safety_injury"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"safety_now": ["none"]}, "none"),
        ({"safety_now": ["chest_pain"]}, "emergency"),
        ({"safety_now": "unknown"}, "same_day"),
        ({"safety_ill": "skipped"}, "none"),
        ({"safety_ill": ["weight_loss_sweats"]}, "within_days"),
        (
            {"safety_ill": ["none"], "red_flags": [{"id": "infection", "tier": "emergency", "state": "reported"}]},
            "emergency",
        ),
        ({"red_flags": [{"id": "dvt", "tier": "same_day", "state": "checked"}]}, "none"),
        ({"safety_mood": ["yes"]}, "emergency"),
        ({"safety_mood": ["unsure"]}, "same_day"),
    ],
)
def test_tier(answers: dict[str, Any], expected: str) -> None:
    assert tier(red_flags(answers)) == expected


def test_flags_only_rise_and_count_again_when_said_again() -> None:
    low = {"id": "fracture", "tier": "same_day", "state": "reported"}
    high = {"id": "fracture", "tier": "emergency", "state": "reported"}
    assert merge_flags([high], [low]) == [high]
    assert merge_flags([low], [high]) == [high]
    assert merge_flags([{**high, "state": "denied"}], [low]) == [low]


MISTAKEN = {"id": "dvt", "tier": "same_day", "state": "denied", "because": "my calf is swollen"}
CRISIS = {"id": "mental_health_crisis", "tier": "emergency", "state": "reported", "because": "end it"}
OPEN_CRISIS = {**CRISIS, "state": "unknown"}


@pytest.mark.parametrize(
    ("answers", "name", "state", "tiers"),
    [
        # Taken back outweighs what the list only denies, and is told from it by its words.
        ({"safety_injury": ["none"], "red_flags": [MISTAKEN]}, "dvt", "denied", "none"),
        # What is not known, or reported again, outweighs what was taken back.
        ({"safety_injury": "unknown", "red_flags": [MISTAKEN]}, "dvt", "unknown", "none"),
        ({"safety_injury": ["swollen_calf"], "red_flags": [MISTAKEN]}, "dvt", "reported", "same_day"),
        ({"red_flags": [OPEN_CRISIS]}, "mental_health_crisis", "unknown", "same_day"),
        ({"red_flags": [OPEN_CRISIS], "safety_mood": "skipped"}, "mental_health_crisis", "unknown", "same_day"),
        ({"red_flags": [OPEN_CRISIS], "safety_mood": ["no"]}, "mental_health_crisis", "denied", "none"),
        ({"red_flags": [OPEN_CRISIS], "safety_mood": ["yes"]}, "mental_health_crisis", "reported",
         "emergency"),
        # A wish that was not taken back stays reported whatever the direct question brings.
        ({"red_flags": [{**CRISIS, "tier": "same_day"}], "safety_mood": ["no"]}, "mental_health_crisis", "reported",
         "same_day"),
    ],
    ids=str,
)  # fmt: skip
def test_how_a_red_flag_stands(answers: dict[str, Any], name: str, state: str, tiers: str) -> None:
    flags = red_flags(answers)
    assert next(flag["state"] for flag in flags if flag["id"] == name) == state
    assert tier([flag for flag in flags if flag["id"] == name]) == tiers


@pytest.mark.parametrize(
    ("flag", "state", "after"),
    [
        (MISTAKEN | {"state": "reported"}, "denied", MISTAKEN),
        ({"id": "dvt", "tier": "same_day", "state": "reported"}, "denied", MISTAKEN | {"because": "a calf"}),
        ({"id": "dvt", "tier": "same_day", "state": "reported"}, "checked",
         MISTAKEN | {"because": "a calf", "state": "checked"}),
        (CRISIS, "denied", OPEN_CRISIS),
        (CRISIS, "checked", CRISIS | {"state": "checked"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_settled_red_flag_keeps_its_words(flag: dict[str, str], state: str, after: dict[str, str]) -> None:
    assert settle(flag, state, "a calf") == after
    assert taken_back(settle(flag, state, "a calf")) is (after["state"] == "denied")


@pytest.mark.parametrize(("done", "prescribed", "expected"), [(3, 5, 60.0), (7, 5, 100.0), (0, 7, 0.0)])
def test_adherence(done: float, prescribed: float, expected: float) -> None:
    assert adherence({"hep_days_done": done, "hep_days_prescribed": prescribed}) == expected


@pytest.mark.parametrize(
    ("current", "held", "given", "taken"),
    [
        ("age_band", {}, {"age_band": "18_39"}, ["age_band"]),
        ("age_band", {}, {"side": "left", "body_region": "knee"}, ["body_region", "side"]),
        ("age_band", {}, {"pregnancy": "no", "age_band": "18_39"}, ["age_band", "pregnancy"]),
        ("age_band", {}, {"side": "left", "body_region": "neck"}, ["body_region"]),
        ("age_band", {}, {"side": "left"}, []),
        ("age_band", {"side": "right"}, {"side": "left", "body_region": "knee"}, ["body_region"]),
        ("side", {"age_band": "65_plus", "body_region": "knee"}, {"side": "left"}, ["side"]),
        ("age_band", {}, {"body_region": "knee", "onset": "injury"}, ["body_region"]),
        (
            "onset",
            {"body_region": "knee"},
            {"onset": "surgery", "joint_replacement": "yes"},
            ["onset", "joint_replacement"],
        ),
    ],
)
def test_answers_of_one_moment_are_taken_with_what_they_bring_up(
    current: str, held: dict[str, Any], given: dict[str, Any], taken: list[str]
) -> None:
    assert answered_together({**SAFE, **held}, current, given) == tuple(taken)


@pytest.mark.parametrize(
    ("name", "other", "held", "values"),
    [
        ("age_band", "pregnancy", {}, ("under_18", "18_39", "40_49")),
        ("age_band", "pregnancy", {"pregnancy": "no"}, ()),
        ("age_band", "side", {}, ()),
        ("age_band", "age_band", {}, ()),
        ("diagnosis_fit", "hurts_at", {}, ()),
        ("body_region", "joint_replacement", {"age_band": "65_plus"}, ()),
        ("onset", "joint_replacement", {"body_region": "knee", "age_band": "18_39"}, ("surgery",)),
    ],
)
def test_values_that_bring_up_another_question_of_the_screen(
    name: str, other: str, held: dict[str, Any], values: tuple[str, ...]
) -> None:
    assert opening({**SAFE, **held}, name, other) == values


def test_the_screens_left_are_never_fewer_than_those_that_come() -> None:
    answers: dict[str, Any] = {}
    seen: list[tuple[str, int]] = []
    while name := next_question(answers):
        shown = screen(answers, name)
        if seen[-1:] != [(shown.id, shown.left)]:
            seen.append((shown.id, shown.left))
        answers[name] = quiet_answer(name)
    assert [left for _, left in seen[-3:]] == [1, 0, 0]
    assert seen[0][1] >= 10


@pytest.mark.parametrize("answers", [{}, {"hep_days_done": 3}, {"hep_days_done": 3, "hep_days_prescribed": 0}])
def test_adherence_is_unknown_without_both_numbers(answers: dict[str, Any]) -> None:
    assert adherence(answers) != adherence(answers)


def a_value(name: str) -> st.SearchStrategy[Any]:
    question = QUESTIONS[name]
    plain = {
        "choice": st.sampled_from(question.values or ("",)),
        "multi": st.sampled_from(question.values or ("",)).map(lambda value: [value]),
        "flags": st.sampled_from(question.values or ("",)).map(lambda value: [value]),
        "nprs": st.integers(0, 10),
        "number": st.integers(0, 7),
        "text": st.just("words"),
        "activities": st.just([{"activity": "stairs", "score": 3}]),
    }[question.kind]
    return plain if question.required else plain | st.sampled_from(["unknown", "skipped"])


ANSWERS = st.fixed_dictionaries({}, optional={name: a_value(name) for name in QUESTIONS})


@settings(max_examples=30, deadline=None)
@given(ANSWERS)
def test_the_protocol_always_ends_and_its_forms_agree_with_it(answers: dict[str, Any]) -> None:
    asked = 0
    while name := next_question(answers):
        section = QUESTIONS[name].section
        assert name in required(section, answers)
        others = [s for s in SECTIONS if s != section]
        assert not any(answers.get(q) is None for s in others[asked % 8 :: 8] for q in required(s, answers))
        answers[name] = quiet_answer(name)
        asked += 1
        assert asked <= len(QUESTIONS)
