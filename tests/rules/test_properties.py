"""What must hold for every answer record, not only for the examples."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plateau.escalation import Assessment, Since, assess
from plateau.escalation._rules import RECOMMENDATIONS
from plateau.protocol import NO_ANSWER, QUESTIONS, RED_FLAGS, TIERS, Question

ABOVE_THE_SURGEON = {"programme_change", "manual_therapy", "dry_needling", "other_treatment"}


def answers(question: Question) -> st.SearchStrategy[Any]:
    if question.kind == "choice":
        return st.sampled_from(question.values)
    if question.kind == "multi":
        several = [value for value in question.values if value != "none"]
        return st.lists(st.sampled_from(several), unique=True) | (
            st.just(["none"]) if "none" in question.values else st.nothing()
        )
    if question.kind == "activities":
        activity = st.fixed_dictionaries({"activity": st.just("walk")}, optional={"score": st.integers(0, 10)})
        return st.lists(activity, max_size=3)
    if question.kind == "text":
        return st.sampled_from(["not_told", "a strain", ""])
    number = st.integers(0, 10) if question.kind == "nprs" else st.integers(0, int(min(question.maximum, 120)))
    return number | st.none() if question.none else number


FLAGS = st.sampled_from(list(RED_FLAGS)) | st.fixed_dictionaries(
    {
        "id": st.sampled_from(list(RED_FLAGS)),
        "tier": st.sampled_from(TIERS[2:]),
        "state": st.sampled_from(["reported", "denied", "unknown", "checked"]),
    }
)
FIELDS = {
    name: answers(question) | st.sampled_from(NO_ANSWER) for name, question in QUESTIONS.items() if question.record
}
RECORDS = st.fixed_dictionaries({}, optional=FIELDS | {"red_flags": st.lists(FLAGS, max_size=2)})
CALM_RECORDS = st.fixed_dictionaries({}, optional=FIELDS)


def ids(assessment: Assessment) -> list[str]:
    return [recommendation.id for recommendation in assessment.recommendations]


def rank(assessment: Assessment) -> int:
    return TIERS.index(assessment.tier)


@settings(max_examples=100, deadline=None)
@given(RECORDS)
def test_every_record_gives_a_plan(record: dict[str, Any]) -> None:
    assessment = assess(record)
    listed = ids(assessment)
    assert 1 <= len(listed) <= 6
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(RECOMMENDATIONS)
    assert assessment.primary == listed[0]
    assert all(r.text and r.because for r in assessment.recommendations)
    assert not {held.id for held in assessment.held_back} & set(listed)
    if assessment.tier in ("emergency", "same_day"):
        assert listed in (["emergency_care"], ["same_day_care"])
    else:
        assert 3 <= len(assessment.questions_for_therapist) <= 5
        assert "talk_to_therapist" in listed or assessment.outcome.facts["improved"]


SINCE = st.builds(
    Since,
    st.fixed_dictionaries({}, optional=FIELDS),
    st.lists(st.sampled_from(RECOMMENDATIONS), unique=True, max_size=6).map(tuple),
    st.floats(0, 200),
    st.none() | st.lists(st.sampled_from(RECOMMENDATIONS), unique=True, max_size=6).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(RECORDS, SINCE)
def test_who_comes_back_gets_a_plan_too_and_the_same_urgency(record: dict[str, Any], since: Since) -> None:
    assessment = assess(record, since=since)
    assert assessment.primary == ids(assessment)[0]
    first = assess(record)
    # What the last visit says never calms a red flag.
    assert TIERS.index(assessment.tier) >= TIERS.index(first.tier) or first.tier in ("none", "routine")
    if "surgical_consult" in ids(assessment):
        followed = set(since.followed or ())
        tried = set(record.get("tried") or ())
        assert tried & {"second_opinion"} or "second_opinion" in followed
        assert tried & {"injection", "nerve_block"} or "nonsurgical_options" in followed
        assert tried & {"pain_specialist", "rheumatologist"} or "multidisciplinary_care" in followed


@settings(max_examples=60, deadline=None)
@given(RECORDS, FLAGS)
def test_another_red_flag_never_lowers_the_tier(record: dict[str, Any], flag: Any) -> None:
    more = record | {"red_flags": [*record.get("red_flags", []), flag]}
    # A flag that says "denied" or "checked" answers a question that was open; it is not another red flag.
    if isinstance(flag, str) or flag["state"] in ("reported", "unknown"):
        assert rank(assess(more)) >= rank(assess(record))


@settings(max_examples=60, deadline=None)
@given(CALM_RECORDS, st.integers(1, 7), st.integers(0, 7), st.integers(0, 7))
def test_doing_more_never_adds_the_advice_to_do_more(record: dict[str, Any], days: int, some: int, other: int) -> None:
    less, more = sorted((some, other))
    before = assess(record | {"hep_days_prescribed": days, "hep_days_done": less})
    after = assess(record | {"hep_days_prescribed": days, "hep_days_done": more})
    assert "improve_adherence" in ids(before) or "improve_adherence" not in ids(after)


@settings(max_examples=60, deadline=None)
@given(CALM_RECORDS, st.sampled_from([[], ["none"], ["xray"], ["xray", "medication"], "unknown", "skipped"]))
def test_no_surgeon_while_nothing_was_tried(record: dict[str, Any], tried: Any) -> None:
    assert "surgical_consult" not in ids(assess(record | {"tried": tried}))


@settings(max_examples=100, deadline=None)
@given(CALM_RECORDS)
def test_a_surgeon_only_after_the_rungs_below(record: dict[str, Any]) -> None:
    if "surgical_consult" in ids(assess(record)):
        tried = set(record["tried"])
        assert tried & ABOVE_THE_SURGEON or {"manual_therapy", "dry_needling"} <= set(record["treatment_type"])
        assert "second_opinion" in tried
        assert tried & {"mri_ct", "xray"}
        assert tried & {"injection", "nerve_block"}
        assert tried & {"pain_specialist", "rheumatologist"}
        assert not tried & {"surgeon", "surgery"}


@pytest.mark.parametrize(
    "protected",
    [
        {"age_band": "under_18"},
        {"pregnancy": "yes"},
        {"recent_surgery_weeks": 8},
        {"recent_surgery_weeks": "unknown"},
        {"onset": "surgery", "recent_surgery_weeks": 20},
        {"conditions": ["post_exertional"]},
        {"red_flags": ["inflammatory"]},
        {"red_flags": [{"id": "dvt", "tier": "same_day", "state": "unknown"}]},
        {"session_response": ["setback"]},
        {"progress": "a_bit_worse"},
    ],
    ids=str,
)
@settings(max_examples=15, deadline=None)
@given(record=CALM_RECORDS)
def test_nobody_who_must_not_is_told_to_progress_load(record: dict[str, Any], protected: dict[str, Any]) -> None:
    assert "increase_load" not in ids(assess(record | {"effort": "too_easy"} | protected))


@settings(max_examples=50, deadline=None)
@given(CALM_RECORDS, st.sampled_from(["setback", "new_night_pain", "worse_over_24h"]))
def test_nobody_in_a_flare_is_told_to_do_more(record: dict[str, Any], reaction: str) -> None:
    assessment = assess(record | {"session_response": [reaction]})
    assert not {"increase_load", "improve_adherence"} & set(ids(assessment))
    assert assessment.primary in ("reduce_load", "see_clinician_soon")
