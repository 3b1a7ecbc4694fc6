"""Text messages: one-word answers, short forms, several answers in one line."""

from __future__ import annotations

from typing import Any

import pytest
from reader_table import matches

from plateau.understanding import Reader
from plateau.understanding._turn import interpret

SHORT = [
    ("pain_spread", "y", {"pain_spread": "yes"}),
    ("pain_spread", "n", {"pain_spread": "no"}),
    ("night_pain", "Y.", {"night_pain": "yes"}),
    ("joint_replacement", "yep", {"joint_replacement": "yes"}),
    ("smoking", "nope", {"smoking": "no"}),
    ("pregnancy", "n", {"pregnancy": "no"}),
    ("told_therapist", "y", {"told_therapist": "yes"}),
    ("diagnosis_fit", "y", {"diagnosis_fit": "fits"}),
    ("diagnosis_fit", "dunno", {"diagnosis_fit": "unsure"}),
    ("diagnosis_given", "n", {"diagnosis_given": "not_told"}),
    ("diagnosis_given", "y", {}),
    ("consent", "y", {"consent": "yes"}),
    ("consent", "k", {"consent": "yes"}),
    ("consent", "n", {"consent": "no"}),
    ("red_flags", "n", {"red_flags": []}),
    ("conditions", "n", {"conditions": {"none"}}),
    ("medicines", "nope", {"medicines": {"none"}}),
    ("mechanical", "n", {"mechanical": {"none"}}),
    ("recent_surgery_weeks", "n", {"recent_surgery_weeks": None}),
    ("recent_surgery_weeks", "6", {"recent_surgery_weeks": 6}),
    ("recent_surgery_weeks", "10ish", {"recent_surgery_weeks": 10}),
    ("side", "L", {"side": "left"}),
    ("side", "R", {"side": "right"}),
    ("side", "rt", {"side": "right"}),
    ("pain_now", "0", {"pain_now": 0}),
    ("pain_worst", "10/10", {"pain_worst": 10}),
    ("pain_start", "8 b4 surgery", {"pain_start": 8}),
    ("onset", "b4 surgery", {}),
    ("weeks_with_problem", "2wks", {"weeks_with_problem": 2}),
    ("weeks_in_pt", "6mo", {"weeks_in_pt": 26}),
    ("hep_days_prescribed", "5x a wk", {"hep_days_prescribed": 5}),
    ("hep_days_done", "n", {"hep_days_done": 0}),
    ("progress", "a lil better", {"progress": "a_bit_better"}),
    ("progress", "abt the same", {"progress": "same"}),
    ("effort", "way 2 hard", {"effort": "too_hard"}),
    ("confidence", "not v hopeful", {"confidence": "low"}),
    ("treatment_type", "exs w/ some massage", {"treatment_type": {"exercises", "manual_therapy"}}),
    ("better", "n", {"better": "n"}),
    ("goal", "n", {}),
    ("goal", "k", {}),
    ("goal", "no more surgery", {"goal": "no more surgery"}),
    ("activities", "nope", {}),
    ("activities", "same", {}),
]


@pytest.mark.parametrize(("question", "text", "answers"), SHORT)
def test_reads_short_answers(reader: Reader, question: str, text: str, answers: dict[str, Any]) -> None:
    assert matches(reader.read(text, question).answers, answers)


MOVES = [
    ("sleep", "y?", "ask_why"),
    ("smoking", "y do u want 2 know", "ask_why"),
    ("stress", "y tho", "ask_why"),
    ("stress", "idk", "dont_know"),
    ("pain_start", "cant rmbr", "dont_know"),
    ("medicines", "dunno", "dont_know"),
    ("sleep", "pass", "skip"),
    ("mood", "skip", "skip"),
    ("progress", "back", "go_back"),
    ("progress", "again", "go_back"),
    ("hep_barriers", "human pls", "human"),
    (None, "thx", "thanks"),
    (None, "k", "affirm"),
    (None, "yep", "affirm"),
    (None, "n", "deny"),
    ("sleep", "what will you do with my answers?", "privacy"),
    ("mood", "what are you going to do with all this info", "privacy"),
    ("pain_now", "so how do you use what i tell you", "privacy"),
    ("goal", "what happens to my answers when im done", "privacy"),
]


@pytest.mark.parametrize(("question", "text", "intent"), MOVES)
def test_reads_short_moves(reader: Reader, question: str | None, text: str, intent: str) -> None:
    reading = reader.read(text, question)
    assert (reading.intent, matches(reading.answers, {})) == (intent, True)


@pytest.mark.parametrize("text", ["what do you do for a stiff neck", "what happens if i skip a day", "who are you"])
def test_what_is_not_about_what_becomes_of_the_answers(reader: Reader, text: str) -> None:
    assert reader.read(text, "sleep").intent != "privacy"


SEVERAL = [
    # A diagnosis and whether it fits.
    ("diagnosis_given", "rotator cuff they reckon, and yes that sounds right", {"diagnosis_fit": "fits"}),
    ("diagnosis_given", "bursitis apparently, makes sense", {"diagnosis_fit": "fits"}),
    ("diagnosis_given", "sciatica apparently, but it hurts way lower down", {"diagnosis_fit": "different_place"}),
    ("diagnosis_given", "a strain, doesnt add up though", {"diagnosis_fit": "different_place"}),
    ("diagnosis_given", "disc bulge, not sure i buy it", {"diagnosis_fit": "unsure"}),
    ("diagnosis_given", "right rotator cuff tear", {}),
    ("diagnosis_given", "torn meniscus in the left knee", {}),
    # An age and where it hurts.
    ("age_band", "i turned 58 in march and it's the hip, right one", {"body_region": "hip", "side": "right"}),
    ("age_band", "44, left knee", {"body_region": "knee", "side": "left"}),
    ("age_band", "im 61 and its my lower back", {"body_region": "lower_back"}),
    ("age_band", "30s, both ankles", {"body_region": "ankle_foot", "side": "both"}),
    ("age_band", "29 f, sore elbow, R", {"body_region": "elbow", "side": "right"}),
    ("age_band", "turned 50 back in june", {}),
    ("age_band", "63 next month, right before christmas", {}),
    # How it began, for how long, and no operation.
    ("onset", "wore down slowly, maybe two years of it", {"weeks_with_problem": 104}),
    ("onset", "fell off my bike 3 months ago", {"weeks_with_problem": 13}),
    ("onset", "it just started one day", {}),
    ("onset", "crept up over a year, no operation", {"weeks_with_problem": 52, "recent_surgery_weeks": None}),
    ("onset", "slowly over 18 months, never had surgery", {"weeks_with_problem": 78, "recent_surgery_weeks": None}),
    ("weeks_with_problem", "two years, came on slowly", {"onset": "gradual"}),
    ("weeks_with_problem", "a year, crept up on me, no op", {"onset": "gradual", "recent_surgery_weeks": None}),
    ("recent_surgery_weeks", "none, it crept up over a year", {"onset": "gradual", "weeks_with_problem": 52}),
    ("recent_surgery_weeks", "no surgery just injections 3 weeks ago", {}),
    ("body_region", "hip, wore away slowly over about 3 years", {"onset": "gradual", "weeks_with_problem": 156}),
    ("side", "left, no surgery", {"recent_surgery_weeks": None}),
]


@pytest.mark.parametrize(("question", "text", "besides"), SEVERAL)
def test_reads_what_else_is_said(reader: Reader, question: str, text: str, besides: dict[str, Any]) -> None:
    answers = dict(reader.read(text, question).answers)
    assert question in answers
    assert matches({name: value for name, value in answers.items() if name != question}, besides)


@pytest.mark.parametrize("question", [None, "diagnosis_given", "weeks_in_pt", "unchanged_weeks", "sleep", "goal"])
@pytest.mark.parametrize("text", ["worse last month", "no name for it but worse last month", "better since last week"])
def test_when_it_turned_is_no_length_of_time(reader: Reader, question: str | None, text: str) -> None:
    assert {"weeks_in_pt", "unchanged_weeks"}.isdisjoint(reader.read(text, question).answers)


STORIES = [
    ("knee pain, did my knee skiing, been to pt 7 times", {"body_region": "knee", "onset": "injury", "sessions": 7}),
    ("neck pain for 2 years", {"body_region": "neck"}),
]


@pytest.mark.parametrize(("text", "answers"), STORIES)
def test_reads_a_story_in_one_line(reader: Reader, text: str, answers: dict[str, Any]) -> None:
    assert matches(reader.read(text).answers, answers)


ACTIVITIES = [
    ("stairs 3 running 2 sleeping 5", [("stairs", 3), ("running", 2), ("sleeping", 5)]),
    ("stairs 3/10 running 2/10", [("stairs", 3), ("running", 2)]),
    ("stairs 3 n running 2", [("stairs", 3), ("running", 2)]),
    ("4 for walking, 3 for driving", [("walking", 4), ("driving", 3)]),
    ("running 5k 3, climbing 10 stairs 4", [("running 5k", 3), ("climbing 10 stairs", 4)]),
    ("walking 10 mins", [("walking 10 mins", None)]),
    ("picking up my 2 year old 3", [("picking up my 2 year old", 3)]),
]


@pytest.mark.parametrize(("text", "activities"), ACTIVITIES)
def test_reads_activities(reader: Reader, text: str, activities: list[tuple[str, int | None]]) -> None:
    read = reader.read(text, "activities").answers["activities"]
    assert [(item["activity"], item.get("score")) for item in read] == activities


def test_a_fourth_activity_is_not_dropped_in_silence(reader: Reader) -> None:
    turn = interpret(reader, "stairs 3, running 2, sleeping 5, gardening 4", question="activities", held={})
    kept = [item["activity"] for item in turn.entities["activities"]]
    assert (kept, turn.entities["doubts"]) == (["stairs", "running", "sleeping"], ["activities"])
