"""The therapist's summary: SBAR, at most 350 words and one page whatever was answered, and nothing private."""

from __future__ import annotations

import datetime
import json
import runpy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plan_page import BEFORE, DAY, PLACE, RULES, STEADY, TOLD, WORDS, Record, by_record, visit_of

from plateau.escalation import default_rules
from plateau.protocol import QUESTIONS, RED_FLAGS, Question
from plateau.report import Summary, Visit, summary, summary_text
from plateau.report._render import TEMPLATES, _told
from plateau.report._summary import LIMITS, MOST_WORDS, PRIVATE, word_count

RECORD_STRATEGY: st.SearchStrategy[Record] = runpy.run_path(str(RULES / "test_properties.py"))["RECORDS"]
STATES = ("reported", "unknown", "checked", "denied")
LONG = ("it really hurts a lot whenever I do this " * 60)[:2000]


def lines_of(page: Summary) -> dict[str, str]:
    names = {label: name for name, label in WORDS.tree("summary.labels").items()}
    return {names[label]: text for section in page.sections for label, text in section.lines}


def pages_of(page: Summary) -> int:
    """How many pages the PDF has: Typst draws several as a list."""
    data = {"page": asdict(page), **_told(PLACE, WORDS)}
    drawn = typst.compile(
        str(Path(TEMPLATES) / "summary.typ"),
        root=str(TEMPLATES),
        sys_inputs={"data": json.dumps(data)},
        ignore_system_fonts=True,
        format="png",
        ppi=10,
    )
    return len(drawn) if isinstance(drawn, list) else 1


def fits(visits: list[Visit]) -> Summary:
    """The summary, checked for its length."""
    page = summary(visits, PLACE, WORDS)
    words, pages = word_count(page), pages_of(page)
    assert words <= MOST_WORDS == 350
    assert pages == 1
    return page


# ---------------------------------------------------------------- length


def most(question: Question, text: str) -> Any:
    """The longest answer to a question."""
    if question.kind == "choice":
        return max(question.values, key=len)
    if question.kind in ("multi", "flags"):
        several = [value for value in question.values if value != "none" and value not in question.alone]
        return several[:1] if question.single else several
    if question.kind == "activities":
        return [{"activity": f"{score} {text}", "score": score} for score in range(3)]
    if question.kind == "text":
        return text
    return 10 if question.kind == "nprs" else min(question.maximum, 1000)


def huge(text: str, flags: list[Record]) -> Record:
    return {name: most(question, text) for name, question in QUESTIONS.items() if question.record} | {
        "red_flags": flags
    }


def every_flag(*states: str, because: bool = True) -> list[Record]:
    """Every red flag there is, the states in turn."""
    told = {"because": LONG} if because else {}
    return [
        {"id": flag, "tier": "within_days", "state": states[number % len(states)], **told}
        for number, flag in enumerate(RED_FLAGS)
    ]


FLAGS = {
    "none": [],
    **{state: every_flag(state) for state in STATES},
    "denied when asked": every_flag("denied", because=False),
    "mixed": every_flag(*STATES),
}


@by_record
def test_every_patient_fits_on_a_page(record: Record) -> None:
    fits([visit_of(record)])


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
@pytest.mark.parametrize("text", [LONG, "x" * 2000, "漢" * 2000], ids=["words", "letters", "no spaces"])
def test_the_fullest_record_fits_on_a_page(flags: list[Record], text: str) -> None:
    record = huge(text, flags)
    before = visit_of(record, day=BEFORE)
    fits([visit_of(record)])
    advised = [item["id"] for item in before.assessment["recommendations"]]
    fits([before, replace(visit_of(record, before=before), followed=advised)])


@pytest.mark.parametrize("state", ["reported", "unknown", "checked"])
def test_no_red_flag_is_left_out_for_want_of_room(state: str) -> None:
    told = lines_of(summary([visit_of(huge(LONG, every_flag(state)))], PLACE, WORDS))["flags"]
    names = WORDS.tree("summary.flags")
    assert not [flag for flag in RED_FLAGS if flag not in PRIVATE and names[flag] not in told]


@settings(max_examples=25)
@given(RECORD_STRATEGY, RECORD_STRATEGY)
def test_every_record_fits_in_the_words(record: Record, earlier: Record) -> None:
    before = visit_of(earlier, day=BEFORE)
    for visits in ([visit_of(record)], [before, visit_of(record, before=before)]):
        page = summary(visits, PLACE, WORDS)
        words = word_count(page)
        assert words <= MOST_WORDS
        assert not [line for line in summary_text(page) if "{" in line or "None" in line]
        assert all(len(row) == len(page.columns) for row in page.rows)


@settings(max_examples=6)
@given(RECORD_STRATEGY)
def test_every_record_fits_on_a_page(record: Record) -> None:
    fits([visit_of(record)])


def test_words_are_counted_as_they_stand() -> None:
    page = summary([visit_of(TOLD)], PLACE, WORDS)
    assert word_count(page) == sum(len(line.replace(" | ", " ").split()) for line in summary_text(page))


def test_limits_go_from_roomy_to_tight() -> None:
    for name in LIMITS[0].__slots__:
        values = [getattr(limits, name) for limits in LIMITS]
        assert values == sorted(values, reverse=True), name


# ---------------------------------------------------------------- order and parts


@by_record
def test_the_parts_stand_in_sbar_order(record: Record) -> None:
    page = summary([visit_of(record)], PLACE, WORDS)
    names = [section.title for section in page.sections]
    assert names == ["Situation", "Background", "Assessment", "Recommendation"]
    assert all(label and text for section in page.sections for label, text in section.lines)
    told = lines_of(page)
    assert {"status", "urgency", "flags", "advised", "review"} <= set(told)
    assert "not a diagnosis" in page.header


def test_the_summary_says_what_was_told() -> None:
    record = TOLD | {
        "side": "left", "hurts_at": "neck", "diagnosis_fit": "different_place", "diagnosis_given": "frozen shoulder",
        "onset": "gradual", "weeks_with_problem": 20, "conditions": ["diabetes"], "medicines": ["blood_thinner"],
        "pain_quality": ["burning"], "night_pain": "yes", "sleep": "poor", "smoking": "former", "pain_worst": 8,
    }  # fmt: skip
    told = lines_of(summary([visit_of(record)], PLACE, WORDS))
    assert told["flags"] == "none reported"
    assert told["told"] == "“frozen shoulder”; patient feels another place"
    assert "treated Shoulder, hurts at Neck" in told["place"]
    assert "left" in told["place"]
    assert "20 weeks" in told["onset"]
    assert "9 weeks" in told["therapy"]
    assert "14 visits" in told["therapy"]
    assert told["tried"] == "X-ray, MRI or CT"
    assert told["health"] == "diabetes"
    assert told["medicines"] == "anticoagulant"
    assert "4 of 5 days a week = 80%" in told["adherence"]
    assert "no time" in told["adherence"]
    assert told["response"].startswith("sore under 24 h, swelling; effort too easy")
    assert told["pain"] == "burning; wakes at night"
    assert told["lifestyle"] == "sleep poor, former smoker"
    assert told["words"] == "better “heat”; worse “stairs and rain”"
    assert told["goal"] == "“hike again”"


def test_the_rules_that_fired_are_named() -> None:
    visit = visit_of(STEADY | {"hep_days_done": 1})
    page = summary([visit], PLACE, WORDS)
    fired = lines_of(page)["rules"].split(", ")
    known = {rule.id for rule in default_rules().rules}
    assert fired
    assert set(fired) <= known
    assert fired == [finding["rule"] for finding in visit.assessment["findings"]][: len(fired)]
    assert f"Rules version {default_rules().version}" in page.rules


def test_the_summary_says_who_signed_the_rules() -> None:
    visits = [visit_of(STEADY)]
    assert "not signed by a clinician" in summary(visits, PLACE, WORDS).rules
    signed = replace(PLACE, signed_by="Dr A. Example", signed_on="2026-11-01")
    assert "signed by Dr A. Example on 2026-11-01" in summary(visits, signed, WORDS).rules


def test_who_types_for_another_is_named() -> None:
    assert "by someone for the patient" in summary([visit_of(STEADY | {"for_whom": "other"})], PLACE, WORDS).header


def test_open_answers_are_counted() -> None:
    record = STEADY | {"sleep": "unknown", "mood": "skipped", "side": "unknown"}
    assert "Unanswered: 3." in summary([visit_of(record)], PLACE, WORDS).rules


def test_what_was_done_since_last_time_is_told() -> None:
    before = visit_of(STEADY, day=BEFORE)
    now = replace(visit_of(STEADY, before=before), followed=["talk_to_therapist"])
    assert lines_of(summary([before, now], PLACE, WORDS))["last"] == "4 weeks; followed: Talk with your therapist"
    assert "last" not in lines_of(summary([now], PLACE, WORDS))


# ---------------------------------------------------------------- red flags


@pytest.mark.parametrize(
    ("flag", "flags", "denied"),
    [
        ({"state": "reported"}, "reported: DVT signs", ""),
        ({"state": "unknown"}, "not sure: DVT signs", ""),
        ({"state": "checked"}, "checked since: DVT signs", ""),
        ({"state": "denied"}, "none reported", "DVT signs"),
        ({"state": "denied", "because": "my calf"}, "reported, then called a mistake: DVT signs", ""),
    ],
    ids=str,
)
def test_a_red_flag_stands_with_its_state(flag: Record, flags: str, denied: str) -> None:
    told = lines_of(
        summary([visit_of(STEADY | {"red_flags": [{"id": "dvt", "tier": "same_day", **flag}]})], PLACE, WORDS)
    )
    assert told["flags"] == flags
    assert told.get("denied", "") == denied


def test_red_flags_stand_by_their_state() -> None:
    flags = [
        {"id": "dvt", "tier": "same_day", "state": "checked"},
        {"id": "malignancy", "tier": "within_days", "state": "reported"},
        {"id": "crps", "tier": "within_days", "state": "reported"},
        {"id": "cardiac", "tier": "emergency", "state": "denied"},
        {"id": "stroke", "tier": "emergency", "state": "denied"},
    ]
    told = lines_of(summary([visit_of(STEADY | {"red_flags": flags})], PLACE, WORDS))
    assert told["flags"] == "reported: cancer signs, CRPS signs; checked since: DVT signs"
    assert told["denied"] == "cardiac signs, stroke signs"


@pytest.mark.parametrize("flag", PRIVATE)
def test_what_is_private_is_asked_for_and_not_named(flag: str) -> None:
    told = lines_of(summary([visit_of(STEADY | {"red_flags": [flag]})], PLACE, WORDS))
    assert told["flags"] == WORDS.get("summary.private")


# ---------------------------------------------------------------- measures


def rows_of(*visits: Visit) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in summary(visits, PLACE, WORDS).rows}


@pytest.mark.parametrize(
    ("start", "now", "row"),
    [
        (6, 6, ("6 (recalled)", "6", "0", "2", "no")),
        (6, 5, ("6 (recalled)", "5", "-1", "2", "no")),
        (6, 4, ("6 (recalled)", "4", "-2", "2", "better")),
        (4, 6, ("4 (recalled)", "6", "+2", "2", "worse")),
        ("unknown", 6, ("–", "6", "–", "2", "–")),
    ],
)
def test_pain_stands_beside_the_start_as_it_is_recalled(start: Any, now: int, row: tuple[str, ...]) -> None:
    assert rows_of(visit_of(STEADY | {"pain_start": start, "pain_now": now}))["NPRS now"] == row


def test_a_measured_visit_goes_before_what_is_recalled() -> None:
    scored = [{"activity": "stairs", "score": 2}, {"activity": "socks", "score": 5}]
    before = visit_of(TOLD | {"pain_now": 8, "pain_worst": 9, "activities": scored}, day=BEFORE)
    scored = [{"activity": "Stairs ", "score": 6}, {"activity": "socks", "score": 6}]
    now = visit_of(TOLD | {"pain_worst": 8, "activities": scored}, before=before)
    assert rows_of(before, now) == {
        "NPRS now": ("8", "6", "-2", "2", "better"),
        "NPRS worst": ("9", "8", "-1", "2", "no"),
        "PSFS mean": ("3.5", "6", "+2.5", "2", "better"),
        "PSFS “Stairs”": ("2", "6", "+4", "3", "better"),
        "PSFS “socks”": ("5", "6", "+1", "3", "no"),
    }


def test_a_mean_over_other_activities_is_not_compared() -> None:
    before = visit_of(TOLD | {"activities": [{"activity": "stairs", "score": 2}]}, day=BEFORE)
    scored = [{"activity": "stairs", "score": 6}, {"activity": "socks", "score": 6}]
    rows = rows_of(before, visit_of(TOLD | {"activities": scored}, before=before))
    assert rows["PSFS mean"] == ("–", "6", "–", "2", "–")
    assert rows["PSFS “stairs”"][0] == "2"
    assert rows["PSFS “socks”"][0] == "–"


def test_without_numbers_there_is_no_table() -> None:
    record = {name: value for name, value in STEADY.items() if not name.startswith("pain_")}
    page = summary([visit_of(record)], PLACE, WORDS)
    assert page.rows == ()
    assert not [line for line in summary_text(page) if "|" in line]


# ---------------------------------------------------------------- the patient's words


@pytest.mark.parametrize("name", ["better", "worse", "goal", "diagnosis_given"])
@pytest.mark.parametrize("text", [LONG, "x" * 2000, "漢" * 2000], ids=["words", "letters", "no spaces"])
def test_the_patients_words_are_quoted_and_cut(name: str, text: str) -> None:
    told = lines_of(summary([visit_of(STEADY | {name: text})], PLACE, WORDS))
    line = told[{"better": "words", "worse": "words", "goal": "goal", "diagnosis_given": "told"}[name]]
    quote = line[line.index("“") + 1 : line.index("”")]
    assert quote.endswith(" …")
    assert text.startswith(quote.removesuffix(" …"))
    assert len(quote.split()) <= LIMITS[0].quote + 1
    assert len(quote) <= 200


def test_lines_of_a_patient_stay_one_line() -> None:
    told = lines_of(summary([visit_of(STEADY | {"goal": "walk\n\nand\trun "})], PLACE, WORDS))
    assert told["goal"] == "“walk and run”"


def test_the_day_of_the_check_is_on_it() -> None:
    visit = visit_of(STEADY)
    day: datetime.date = visit.check_again
    page = summary([visit], PLACE, WORDS)
    assert f"{day.day} {day:%B} {day.year}" in lines_of(page)["review"]
    assert f"{DAY.day} {DAY:%B} {DAY.year}" in page.header
