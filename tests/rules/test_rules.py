"""The shipped rules: each one opens, stays quiet, waits or is done where it should; the rows; the vignettes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from plateau.content import catalog, clinic
from plateau.escalation import Assessment, Since, assess, default_rules
from plateau.escalation._rules import RECOMMENDATIONS

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "cases.yml").read_text())
VIGNETTES: list[dict[str, Any]] = yaml.safe_load((HERE / "vignettes.yml").read_text())["vignettes"]
ROWS = [json.loads(path.read_text()) for path in sorted((HERE / "rows").glob("S*.json"))]
SCHEMA = json.loads((HERE / "assessment.schema.json").read_text())


def ids(assessment: Assessment) -> list[str]:
    return [recommendation.id for recommendation in assessment.recommendations]


def advice(record: dict[str, Any], recommendation: str) -> str:
    return next(r.text for r in assess(record).recommendations if r.id == recommendation)


SOON = ["see_clinician_soon", "talk_to_therapist"]
STATUS_CASES = [
    pytest.param(rule, status, {**entry.get("base", {}), **record}, id=f"{rule}-{status}")
    for rule, entry in CASES.items()
    for status, record in entry.items()
    if status != "base"
]


@pytest.mark.parametrize(("rule", "status", "record"), STATUS_CASES)
def test_each_rule_opens_and_stays_quiet_where_it_should(rule: str, status: str, record: dict[str, Any]) -> None:
    before = record.pop("since", None)
    outcome = assess(record, since=Since(**before) if before else None).outcome
    verdict = next(verdict for verdict in outcome.verdicts if verdict.rule.id == rule)
    assert verdict.status == status


def test_every_rule_has_its_cases() -> None:
    for rule in default_rules().rules:
        assert {"open", "quiet"} <= set(CASES[rule.id]) or {"held", "quiet"} <= set(CASES[rule.id]), rule.id


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_row_of_the_design_gives_its_advice(row: dict[str, Any]) -> None:
    assessment = assess(row["record"])
    expected = row["expect"]
    assert assessment.primary == expected["primary"]
    assert set(expected["listed"]) <= set(ids(assessment))
    assert set(expected["held_back"]) <= {held.id for held in assessment.held_back}
    assert assessment.tier == expected["tier"]


def test_all_rows_are_there() -> None:
    assert [row["id"] for row in ROWS] == [f"S{number:02d}" for number in range(1, 16)]


@pytest.mark.parametrize("vignette", VIGNETTES, ids=lambda vignette: vignette["id"])
def test_vignettes_get_the_first_advice_a_clinician_would_give(vignette: dict[str, Any]) -> None:
    assessment = assess(vignette["record"])
    assert assessment.primary in vignette["first"]
    assert assessment.primary not in vignette.get("never", [])
    assert set(vignette.get("listed", [])) <= set(ids(assessment))
    assert assessment.tier == vignette.get("tier", assessment.tier)


@pytest.mark.parametrize("record", [v["record"] for v in VIGNETTES] + [{}], ids=lambda record: str(len(record)))
def test_assessments_fit_the_schema(record: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(assess(record).to_dict())), SCHEMA)


def test_the_answers_that_fired_a_rule_are_named_with_their_values() -> None:
    assessment = assess({"hep_days_prescribed": 5, "hep_days_done": 2, "hep_barriers": ["time", "forgetting"]})
    because = assessment.recommendations[0].because
    assert "You do your exercises 2 of 5 days a week, about 40%." in because
    assert "What gets in the way: there is no time and you forget." in because


@pytest.mark.parametrize(
    ("reports", "tier", "recommended"),
    [
        (["compartment"], "emergency", ["emergency_care"]),
        ([{"id": "compartment", "tier": "emergency", "state": "unknown"}], "same_day", ["same_day_care"]),
        ([{"id": "compartment", "tier": "emergency", "state": "denied"}], "routine", ["talk_to_therapist"]),
        (["post_op"], "same_day", ["same_day_care"]),
        ([{"id": "post_op", "tier": "emergency"}], "emergency", ["emergency_care"]),
        (["post_op", "stroke"], "emergency", ["emergency_care"]),
        ([{"id": "post_op", "tier": "same_day", "state": "unknown"}], "within_days", SOON),
        (["inflammatory"], "within_days", SOON),
        ([{"id": "fracture", "tier": "within_days"}], "within_days", SOON),
        ([{"id": "other", "tier": "within_days", "state": "unknown"}], "routine", ["talk_to_therapist"]),
        ([{"id": "pe", "tier": "emergency", "state": "checked"}], "routine", ["talk_to_therapist"]),
        ([{"id": "dvt", "tier": "same_day", "state": "denied"}, "dvt"], "same_day", ["same_day_care"]),
    ],
)  # fmt: skip
def test_red_flags_by_state_and_tier(reports: list[Any], tier: str, recommended: list[str]) -> None:
    assessment = assess({"red_flags": reports})
    assert (assessment.tier, ids(assessment)) == (tier, recommended)


STALLED: dict[str, Any] = {"weeks_in_pt": 9, "progress": "same", "diagnosis_fit": "fits"}
INFLAMED_NECK = {"conditions": ["inflammatory_arthritis"], "body_region": "neck"}
EXHAUSTED: dict[str, Any] = {"weeks_in_pt": 30, "tried": ["programme_change", "second_opinion", "mri_ct"]}


@pytest.mark.parametrize(
    ("record", "recommendation", "note", "there"),
    [
        (STALLED, "change_modality", "needling", True),
        (STALLED | {"medicines": ["blood_thinner"]}, "change_modality", "needling", False),
        (STALLED | {"medicines": ["blood_thinner"]}, "change_modality", "no_needling", True),
        (STALLED | {"conditions": ["clotting_disorder"]}, "change_modality", "needling", False),
        (STALLED | {"pregnancy": "yes"}, "change_modality", "needling", False),
        (STALLED | {"conditions": ["osteoporosis"]}, "change_modality", "no_manipulation", True),
        (STALLED | {"conditions": ["cancer_history"]}, "change_modality", "no_manipulation", True),
        (STALLED | INFLAMED_NECK, "change_modality", "no_manipulation", True),
        (STALLED, "change_modality", "no_manipulation", False),
        (EXHAUSTED | {"conditions": ["diabetes"]}, "nonsurgical_options", "steroid_sugar", True),
        (EXHAUSTED, "nonsurgical_options", "steroid_sugar", False),
    ],
)  # fmt: skip
def test_filters_shape_the_advice(record: dict[str, Any], recommendation: str, note: str, there: bool) -> None:
    assert (catalog().get(f"plan.notes.{note}") in advice(record, recommendation)) is there


def test_two_barrier_plans_at_most() -> None:
    barriers = ["forgetting", "time", "boring", "cost"]
    text = advice({"hep_days_prescribed": 5, "hep_days_done": 1, "hep_barriers": barriers}, "improve_adherence")
    said = [barrier for barrier in barriers if catalog().get(f"plan.notes.barrier_{barrier}") in text]
    assert said == ["forgetting", "time"]


@pytest.mark.parametrize("slower", [{"conditions": ["diabetes"]}, {"smoking": "yes"}])
def test_slower_healing_stretches_the_later_gates(slower: dict[str, Any]) -> None:
    record = {"weeks_in_pt": 7, "progress": "same", "tried": ["programme_change"]}
    assert "second_opinion" in ids(assess(record))
    assert "second_opinion" not in ids(assess(record | slower))


def test_explain_says_what_became_of_every_rule_and_what_it_saw() -> None:
    assessment = assess({"hep_days_prescribed": 5, "hep_days_done": 1, "diagnosis_fit": "unsure", "weeks_in_pt": 8})
    explained = {entry["rule"]: entry for entry in assessment.explain()}
    assert len(explained) == len(default_rules().rules)
    assert explained["adherence.low"]["status"] == "open"
    assert explained["adherence.low"]["facts"]["adherence"] == 20
    assert (explained["diagnosis.unsure"]["status"], explained["diagnosis.unsure"]["waits_for"]) == (
        "held",
        "adherence",
    )
    assert explained["nerve.strong"]["status"] == "quiet"
    json.dumps(assessment.explain(), allow_nan=False)


def test_emergency_numbers_follow_the_country() -> None:
    assert (
        "999"
        in assess({"red_flags": ["stroke"]}, numbers=clinic("clinic.yml").numbers_for("uk")).recommendations[0].text
    )


def test_every_recommendation_has_its_words_and_a_rule_that_gives_it() -> None:
    words = catalog().tree("plan.recommendations")
    assert set(words) == set(RECOMMENDATIONS)
    assert {rule.recommend for rule in default_rules().rules} == set(RECOMMENDATIONS)
    assert all({"title", "text"} == set(entry) for entry in words.values())


@pytest.mark.parametrize("group", ["reasons", "until", "questions", "notes"])
def test_no_text_of_the_plan_is_left_over(group: str) -> None:
    rules = default_rules()
    used = {
        "reasons": {rule.because for rule in rules.rules} | {"fallback"},
        "until": {rule.until for rule in rules.rules if rule.until} | {rule.rung for rule in rules.rules if rule.holds},
        "questions": {question.id for question in rules.questions},
        "notes": {note.id for notes in rules.notes.values() for note in notes},
    }
    assert set(catalog().tree(f"plan.{group}")) == used[group]


@pytest.mark.parametrize(
    ("state", "words"),
    [("checked", "A doctor has already checked a swollen"), ("denied", "You first told me about a swollen")],
)
def test_the_plan_names_a_settled_red_flag_among_much_else(state: str, words: str) -> None:
    flag = {"id": "dvt", "tier": "same_day", "state": state, "because": "my calf is swollen"}
    busy = {"weeks_in_pt": 9, "sessions": 14, "progress": "a_bit_worse", "told_therapist": "no", "effort": "too_hard"}
    much = {"session_response": ["setback"], "sleep": "poor", "mood": "low", "confidence": "low", "pain_now": 7}
    plan = assess({**busy, **much, "red_flags": [flag]}).to_dict()
    assert any(words in item["because"] for item in plan["recommendations"])
    assert plan["tier"] == "routine"
