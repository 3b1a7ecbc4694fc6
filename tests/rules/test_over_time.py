"""Someone who comes back: measured against the last visit, and the ladder climbs on what was done since."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from plateau.escalation import Since, assess, psfs_changes

STALLED: dict[str, Any] = {
    "weeks_in_pt": 16,
    "sessions": 20,
    "progress": "same",
    "diagnosis_fit": "fits",
    "hep_days_prescribed": 5,
    "hep_days_done": 5,
    "effort": "about_right",
    "told_therapist": "yes",
    "pain_now": 6,
}


def primary(record: dict[str, Any], *advised: str, followed: tuple[str, ...] | None, weeks: float = 5) -> str:
    return assess(record, since=Since(STALLED, advised, weeks, followed)).primary


@pytest.mark.parametrize(
    ("tried", "done", "first"),
    [
        (["none"], [], "change_modality"),
        (["none"], ["change_modality"], "second_opinion"),
        (["programme_change"], ["second_opinion"], "discuss_imaging"),
        (["programme_change"], ["second_opinion", "discuss_imaging"], "nonsurgical_options"),
        (["programme_change", "second_opinion", "mri_ct"], ["nonsurgical_options"], "multidisciplinary_care"),
        (
            ["programme_change", "second_opinion", "mri_ct", "injection"],
            ["multidisciplinary_care"],
            "surgical_consult",
        ),
    ],
)
def test_the_ladder_climbs_on_what_was_done_since(tried: list[str], done: list[str], first: str) -> None:
    advised = tuple(done) or ("change_modality",)
    assert primary(STALLED | {"tried": tried}, *advised, followed=tuple(done)) == first


def test_advice_that_nobody_asked_about_closes_nothing() -> None:
    asked = assess(STALLED, since=Since(STALLED, ("change_modality",), 5, None))
    assert asked.primary == assess(STALLED).primary == "change_modality"


def test_a_change_is_given_its_time() -> None:
    assert primary(STALLED, "change_modality", followed=("change_modality",), weeks=1) == "too_early"


def activities(*scores: int) -> dict[str, Any]:
    return {"activities": [{"activity": f"activity {n}", "score": score} for n, score in enumerate(scores)]}


@pytest.mark.parametrize(
    ("then", "now", "progress", "first"),
    [
        ((3, 4), (5, 6), "same", "continue_plan"),  # function outranks pain and the feeling of "same"
        ((3, 4), (6, 4), "same", "continue_plan"),  # one activity by three
        ((3, 4), (4, 5), "same", "change_modality"),  # less than the smallest change that counts
        ((6, 6), (3, 4), "same", "change_modality"),
        ((3, 4), (3, 4), "much_better", "continue_plan"),
    ],
)
def test_function_outranks_pain(then: tuple[int, ...], now: tuple[int, ...], progress: str, first: str) -> None:
    before = STALLED | activities(*then)
    record = STALLED | activities(*now) | {"progress": progress}
    assert assess(record, since=Since(before, (), 5, None)).primary == first


def test_activities_are_compared_by_their_name() -> None:
    then = {"activities": [{"activity": "Climb  stairs", "score": 3}, {"activity": "run", "score": 2}]}
    now = {"activities": [{"activity": "climb stairs", "score": 5}, {"activity": "swim", "score": 9}]}
    assert psfs_changes(now, then) == {"climb stairs": 2}


@pytest.mark.parametrize(
    ("record", "held", "weeks", "dated"),
    [
        (STALLED | {"weeks_in_pt": 3, "sessions": 6, "progress": "a_bit_better"}, "second_opinion", None, None),
        (STALLED, "second_opinion", "in about 6 weeks", "by 9 January 2027"),
        (STALLED | {"hep_days_done": 1}, "change_modality", "in about 4 weeks", "by 26 December 2026"),
        (
            STALLED | {"weeks_in_pt": 5, "pain_quality": ["burning", "electric"], "pain_spread": "yes"},
            "neuropathic_management",
            "in about a week",
            "by 5 December 2026",
        ),
    ],
)
def test_what_waits_says_when_to_ask_again(record: dict[str, Any], held: str, weeks: str | None, dated: str) -> None:
    today = datetime.date(2026, 11, 28)
    until = {item.id: item.until for item in assess(record).held_back}
    on_a_day = {item.id: item.until for item in assess(record, today=today).held_back}
    if weeks is None:
        assert held not in until
    else:
        assert weeks in until[held]
        assert dated in on_a_day[held]


def test_the_patients_own_words_stand_beside_the_answer() -> None:
    record = {"hep_days_prescribed": 5, "hep_days_done": 2, "hep_barriers": ["time"]}
    because = assess(record, said={"hep_barriers": "three kids, say no more"}).recommendations[0].because
    assert "What gets in the way: there is no time. In your words: “three kids, say no more”." in because
