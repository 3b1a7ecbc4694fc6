"""The patient's page, whatever was answered: few actions, the right flare rule, in danger only help, no secrets."""

from __future__ import annotations

import datetime
import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from plateau.content import catalog
from plateau.escalation import assess
from plateau.escalation._facts import Since
from plateau.protocol import validate_record
from plateau.report import (
    Links,
    Place,
    PlanPage,
    Visit,
    plain_text,
    plan_html,
    plan_page,
    summary,
    summary_html,
    summary_text,
)

ROOT = Path(__file__).parents[2]
RULES = ROOT / "tests" / "rules"
WORDS = catalog()
DAY = datetime.date(2026, 11, 28)
BEFORE = datetime.date(2026, 10, 31)
PLACE = Place(
    "Riverside Physical Therapy",
    "+1 555 0100",
    WORDS.tree("safety.numbers.us"),
    "https://clinic.example/book",
    ("manual_therapy", "dry_needling", "pool"),
)
LINKS = Links(style="/pages/report.css")
RECORDS: dict[str, dict[str, Any]] = {
    **{file.stem: json.loads(file.read_text())["record"] for file in sorted((RULES / "rows").glob("*.json"))},
    **{
        vignette["id"]: vignette["record"]
        for vignette in map(json.loads, (RULES / "own_vignettes.jsonl").read_text().splitlines())
    },
}
PRIVATE = ("mental_health_crisis", "abuse", "overdose")
TALK = "talk_to_therapist"
# Someone with nothing to report, who does the plan and is stuck.
STEADY: dict[str, Any] = {
    "weeks_in_pt": 9, "sessions": 14, "progress": "same", "hep_days_prescribed": 5, "hep_days_done": 5,
    "effort": "about_right", "diagnosis_fit": "fits", "red_flags": [], "tried": ["none"], "session_response": ["none"],
    "sleep": "good", "stress": "low", "nutrition": "good", "smoking": "no", "conditions": ["none"],
    "told_therapist": "yes", "mechanical": ["none"], "pain_now": 6, "pain_start": 6, "body_region": "shoulder",
    "age_band": "40_49",
}  # fmt: skip

Record = dict[str, Any]


def visit_of(record: Record, *, day: datetime.date = DAY, before: Visit | None = None) -> Visit:
    """A finished visit, assessed as the action does it; `before` is the visit before."""
    record = validate_record(record)
    known = None
    if before is not None:
        advised = tuple(item["id"] for item in before.assessment["recommendations"])
        known = Since(before.record, advised, weeks=(day - before.day).days / 7)
    made = assess(record, since=known, words=WORDS, numbers=PLACE.numbers, today=day)
    return Visit(day, record, made.to_dict())


def page_of(record: Record, place: Place = PLACE) -> PlanPage:
    return plan_page([visit_of(record)], place, WORDS)


def lines_of(page: PlanPage) -> dict[str, tuple[str, ...]]:
    """The script's lines by the name of their label."""
    names = {label: name for name, label in WORDS.tree("report.script.labels").items()}
    return {names[label]: lines for label, lines in page.script.lines} if page.script else {}


def everything(visits: Sequence[Visit]) -> str:
    """All that anybody can read of the page and of the summary: as HTML, and as the data of the PDFs."""
    page, short = plan_page(visits, PLACE, WORDS), summary(visits, PLACE, WORDS)
    made = [
        html.unescape(plan_html(page, PLACE, WORDS, LINKS)),
        html.unescape(summary_html(short, PLACE, WORDS, LINKS)),
        json.dumps(asdict(page), ensure_ascii=False),
        json.dumps(asdict(short), ensure_ascii=False),
        *summary_text(short),
    ]
    return "\n".join(made).lower()


by_record = pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in RECORDS.items()])


# ---------------------------------------------------------------- actions


@by_record
def test_at_most_three_actions_and_none_twice(record: Record) -> None:
    visit = visit_of(record)
    page = plan_page([visit], PLACE, WORDS)
    advised = [item["id"] for item in visit.assessment["recommendations"]]
    shown = [action.id for action in page.actions]
    assert 1 <= len(shown) <= 3
    assert shown[0] == advised[0]
    assert shown == [name for name in advised if name in shown]
    titles = [WORDS.get(f"plan.recommendations.{name}.title") for name in advised if name not in (*shown, TALK)]
    assert list(page.also) == titles
    assert all(action.title and action.text and action.because for action in page.actions)


@pytest.mark.parametrize(
    ("advised", "shown", "also"),
    [
        ([TALK], [TALK], 0),
        ([TALK, "reduce_load", "recheck_diagnosis", "second_opinion"], [TALK, "reduce_load", "recheck_diagnosis"], 1),
        (["reduce_load", TALK], ["reduce_load", TALK], 0),
        (["reduce_load", "recheck_diagnosis", TALK], ["reduce_load", "recheck_diagnosis", TALK], 0),
        (
            ["reduce_load", TALK, "recheck_diagnosis", "second_opinion"],
            ["reduce_load", "recheck_diagnosis", "second_opinion"],
            0,
        ),
        (
            ["reduce_load", "recheck_diagnosis", "second_opinion", "discuss_imaging", TALK],
            ["reduce_load", "recheck_diagnosis", "second_opinion"],
            1,
        ),
    ],
)
def test_the_talk_is_an_action_where_it_leads_or_there_is_room(advised: list[str], shown: list[str], also: int) -> None:
    visit = visit_of(STEADY)
    items = [{"id": name, "text": "Do it.", "because": "It helps.", "notes": ()} for name in advised]
    made = dict(visit.assessment) | {"primary": advised[0], "recommendations": items}
    page = plan_page([Visit(DAY, visit.record, made)], PLACE, WORDS)
    assert [action.id for action in page.actions] == shown
    assert len(page.also) == also
    assert page.script is not None


@by_record
def test_barrier_plans_stand_in_their_own_part(record: Record) -> None:
    visit = visit_of(record)
    page = plan_page([visit], PLACE, WORDS)
    plans = {name: text for name, text in WORDS.tree("plan.notes").items() if name.startswith("barrier_")}
    noted = [
        note for item in visit.assessment["recommendations"] for note in item["notes"] if note.startswith("barrier_")
    ]
    assert page.barriers == tuple(WORDS.get(f"plan.notes.{note}") for note in noted)
    assert len(page.barriers) <= 2
    for action in page.actions:
        assert not [name for name, text in plans.items() if text.strip() in action.text]
        assert "  " not in action.text


def test_barriers_that_were_named_have_their_plan() -> None:
    page = page_of(STEADY | {"hep_days_done": 1, "hep_barriers": ["forgetting", "time", "cost"]})
    assert page.actions[0].id == "improve_adherence"
    assert page.barriers == (WORDS.get("plan.notes.barrier_forgetting"), WORDS.get("plan.notes.barrier_time"))


# ---------------------------------------------------------------- flares


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, "usual"),
        ({"age_band": "65_plus"}, "usual"),
        ({"pain_now": 6}, "relative"),
        ({"pregnancy": "no"}, "usual"),
        ({"recent_surgery_weeks": None}, "usual"),
        ({"conditions": ["diabetes"]}, "usual"),
        ({"red_flags": [{"id": "dvt", "tier": "same_day", "state": "denied"}]}, "usual"),
        ({"age_band": "under_18"}, "protected"),
        ({"pregnancy": "yes"}, "protected"),
        ({"recent_surgery_weeks": 8}, "protected"),
        ({"recent_surgery_weeks": 0}, "protected"),
        ({"red_flags": [{"id": "inflammatory", "tier": "within_days", "state": "reported"}]}, "protected"),
        ({"age_band": "under_18", "pain_now": 6}, "protected"),
        ({"conditions": ["post_exertional"]}, "paced"),
        ({"conditions": ["diabetes", "post_exertional"], "age_band": "under_18"}, "paced"),
        ({"conditions": "unknown"}, "usual"),
    ],
    ids=str,
)
def test_the_flare_rule_fits_the_patient(changed: Record, rule: str) -> None:
    assert page_of(STEADY | {"pain_now": 3} | changed).flare == tuple(WORDS.tree("report.flare")[rule])


# ---------------------------------------------------------------- danger


@pytest.mark.parametrize(
    ("flag", "tier", "advice"),
    [
        ("cauda_equina", "emergency", "emergency_care"),
        ("mental_health_crisis", "emergency", "emergency_care"),
        ("overdose", "emergency", "emergency_care"),
        ("dvt", "same_day", "same_day_care"),
        ("abuse", "same_day", "same_day_care"),
    ],
)
@pytest.mark.parametrize("record", [STEADY, RECORDS["S02"] | {"activities": [{"activity": "stairs", "score": 3}]}])
def test_in_danger_the_page_holds_nothing_but_help(flag: str, tier: str, advice: str, record: Record) -> None:
    visit = visit_of(record | {"red_flags": [{"id": flag, "tier": tier, "state": "reported"}]})
    page = plan_page([visit], PLACE, WORDS)
    assert [action.id for action in page.actions] == [advice]
    assert page.urgent == WORDS.get(f"report.urgent.{tier}", **PLACE.numbers)
    assert (page.script, page.flare, page.barriers, page.pictures, page.later, page.also) == (None, (), (), (), (), ())
    made = plan_html(page, PLACE, WORDS, LINKS)
    assert "<svg" not in made
    assert re.findall(r'<h2 id="(\w+)"', made) == ["urgent", "actions", "check", "help", "words"]
    for number in ("911", "988"):
        assert number in made


@by_record
def test_where_to_get_help_stands_on_every_page(record: Record) -> None:
    page = page_of(record)
    assert "911" in page.help_now
    assert any("988" in sign for sign in page.help_signs)
    assert PLACE.numbers["advice"] in page.soon
    assert not [line for line in plain_text(page) if re.search(r"[{}]", line)]


@pytest.mark.parametrize("country", list(WORDS.tree("safety.numbers")))
def test_numbers_are_those_of_the_country(country: str) -> None:
    numbers = WORDS.tree(f"safety.numbers.{country}")
    page = page_of(STEADY, Place("Here", "1", numbers))
    assert numbers["emergency"] in page.help_now
    assert numbers["advice"] in page.soon
    assert numbers["crisis"] in " ".join(page.help_signs)


@pytest.mark.parametrize(("tier", "urgent"), [("routine", False), ("none", False), ("within_days", True)])
def test_only_what_is_urgent_is_marked(tier: str, urgent: bool) -> None:
    visit = visit_of(STEADY)
    page = plan_page([Visit(DAY, visit.record, dict(visit.assessment) | {"tier": tier})], PLACE, WORDS)
    assert bool(page.urgent) is urgent


# ---------------------------------------------------------------- what is private

FLAG_STATES = [
    ("reported", None), ("unknown", None), ("checked", None), ("checked", "he hits me"), ("denied", None),
    ("denied", "he hits me"), ("reported", "he hits me"),
]  # fmt: skip


@pytest.mark.parametrize("flag", PRIVATE)
@pytest.mark.parametrize(("state", "because"), FLAG_STATES)
@pytest.mark.parametrize("tier", ["emergency", "same_day", "within_days"])
@pytest.mark.parametrize("beside", ["no other", "dvt", "checked cardiac"])
def test_private_answers_stand_on_no_page(flag: str, state: str, because: str | None, tier: str, beside: str) -> None:
    others = {
        "no other": [],
        "dvt": [{"id": "dvt", "tier": "same_day", "state": "reported"}],
        "checked cardiac": [{"id": "cardiac", "tier": "emergency", "state": "checked"}],
    }
    told = {"id": flag, "tier": tier, "state": state} | ({"because": because} if because else {})
    visit = visit_of(STEADY | {"red_flags": [told, *others[beside]]})
    text = everything([visit])
    assert all(action.because.strip() for action in plan_page([visit], PLACE, WORDS).actions)
    for path in ("plan.evidence.red_flags.items", "summary.flags", "fhir.red_flags"):
        if WORDS.has(f"{path}.{flag}"):
            assert WORDS.get(f"{path}.{flag}").lower() not in text
    assert WORDS.get("plan.notes.abuse", **PLACE.numbers).lower() not in text
    assert WORDS.get("safety.abuse", **PLACE.numbers).lower() not in text
    assert "he hits me" not in text
    assert flag not in text
    asked_in_private = WORDS.get("summary.private").lower() in text
    assert asked_in_private is (state != "denied" or because is not None)


def test_other_red_flags_are_named() -> None:
    flag = {"id": "cardiac", "tier": "emergency", "state": "checked", "because": "my chest hurt"}
    visit = visit_of(STEADY | {"red_flags": [flag]})
    assert "chest pain" in everything([visit])
    assert any(WORDS.get("plan.reasons.checked") in a.because for a in page_of(STEADY | {"red_flags": [flag]}).actions)


# ---------------------------------------------------------------- when to look again


@by_record
def test_the_page_says_when_to_look_again(record: Record) -> None:
    visit = visit_of(record)
    weeks = visit.assessment["check_again_weeks"]
    page = plan_page([visit], PLACE, WORDS)
    day = DAY + datetime.timedelta(weeks=weeks)
    assert visit.check_again == day
    if visit.assessment["primary"] in ("emergency_care", "same_day_care"):
        assert page.check == WORDS.get("report.check.seen")
        return
    assert f"{day.day} {day:%B} {day.year}" in page.check
    assert ("in a week" if weeks == 1 else f"in {weeks} weeks") in page.check


def test_what_waits_says_until_when() -> None:
    later = page_of(RECORDS["S02"]).later
    assert later
    assert all(title and until for title, until in later)
    assert len({title for title, _ in later}) == len(later)


# ---------------------------------------------------------------- the talk

TOLD = STEADY | {
    "better": "heat", "worse": "stairs and rain", "goal": "hike again", "hep_barriers": ["time", "pain"],
    "tried": ["mri_ct", "xray"], "session_response": ["sore_under_24h", "swelling"], "effort": "too_easy",
    "activities": [{"activity": "stairs", "score": 4}, {"activity": "socks", "score": 9}, {"activity": "running"}],
    "hep_days_done": 4,
}  # fmt: skip


def test_the_talk_has_every_part() -> None:
    assert lines_of(page_of(TOLD)) == {
        "better": ("“heat”",),
        "worse": ("“stairs and rain”",),
        "limited": ("stairs: 4 out of 10", "running", "My pain: 6 out of 10 now."),
        "did": (
            "Home exercises: 4 of 5 days a week.",
            "What gets in the way: I have no time and it hurts.",
            "Tried so far: an X-ray and an MRI or CT scan.",
        ),
        "body": ("After a session: sore for less than a day and swelling.", "The exercises feel too easy."),
        "matters": (
            "My goal: “hike again”.",
            f"First step, by {visit_day(TOLD)}: my body is calm again by the morning after exercise.",
        ),
        "decide": (f"What we change, how we will see that it works, and a date to look again ({visit_day(TOLD)}).",),
    }


def visit_day(record: Record) -> str:
    day = visit_of(record).check_again
    return f"{day.day} {day:%B} {day.year}"


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        ({}, "pain at 4 out of 10 or less."),
        ({"pain_now": 1}, None),
        ({"pain_now": "unknown"}, None),
        ({"activities": [{"activity": "stairs", "score": 0}]}, "stairs from 0 to 2 out of 10."),
        ({"activities": [{"activity": "a", "score": 7}, {"activity": "b", "score": 3}]}, "b from 3 to 5 out of 10."),
        # What is nearly as before is no step.
        ({"activities": [{"activity": "stairs", "score": 9}]}, "pain at 4 out of 10 or less."),
        ({"activities": [{"activity": "stairs"}]}, "pain at 4 out of 10 or less."),
        ({"activities": "skipped"}, "pain at 4 out of 10 or less."),
        # A score is no step where something else comes first.
        ({"session_response": ["worse_over_24h"]}, "my body is calm again by the morning after exercise."),
        ({"age_band": "under_18"}, "we have agreed on what I may do, and at what pace."),
        ({"red_flags": ["inflammatory"]}, "the appointment is booked."),
    ],
    ids=str,
)
def test_the_first_step_is_dated_and_can_be_measured(changed: Record, step: str | None) -> None:
    record = STEADY | changed
    steps = lines_of(page_of(record)).get("matters", ())
    assert steps == (() if step is None else (f"First step, by {visit_day(record)}: {step}",))


@pytest.mark.parametrize(
    ("changed", "opening"),
    [
        ({}, "default"),
        ({"progress": "much_better", "pain_now": 1, "pain_start": 7}, "improved"),
        ({"session_response": ["worse_over_24h"]}, "flare"),
        ({"hep_days_done": 1}, "adherence"),
        ({"progress": "a_bit_worse"}, "worse"),
    ],
    ids=str,
)
def test_the_talk_opens_with_what_it_is_about(changed: Record, opening: str) -> None:
    made = page_of(STEADY | changed).script
    assert made is not None
    assert made.opening == WORDS.get(f"report.script.opening.{opening}")


@by_record
def test_the_talk_has_three_questions(record: Record) -> None:
    visit = visit_of(record)
    made = plan_page([visit], PLACE, WORDS).script
    if made is None:
        assert visit.assessment["primary"] in ("emergency_care", "same_day_care")
        return
    assert len(made.questions) == 3
    assert list(made.questions) == visit.assessment["questions_for_therapist"][:3]
    assert all(question.endswith("?") for question in made.questions)


@pytest.mark.parametrize("name", ["better", "worse", "goal"])
@pytest.mark.parametrize("text", ["word " * 400, "x" * 2000, "漢" * 2000], ids=["words", "letters", "no spaces"])
def test_long_words_are_cut(name: str, text: str) -> None:
    longest = max(len(line) for lines in lines_of(page_of(STEADY | {name: text})).values() for line in lines)
    assert longest < 600


@pytest.mark.parametrize("name", ["carry the box " * 120, "x" * 1990], ids=["words", "letters"])
def test_a_long_activity_is_cut(name: str) -> None:
    scored = [{"activity": name + str(score), "score": score} for score in range(3)]
    visits = [visit_of(STEADY | {"activities": [{**each, "score": 0} for each in scored]}, day=BEFORE)]
    visits.append(visit_of(STEADY | {"activities": scored}, before=visits[0]))
    page = plan_page(visits, PLACE, WORDS)
    assert max(len(line) for lines in lines_of(page).values() for line in lines) < 250


# ---------------------------------------------------------------- coming back


def test_who_comes_back_sees_from_where_to_where() -> None:
    before = visit_of(TOLD | {"pain_now": 8, "activities": [{"activity": "Stairs", "score": 2}]}, day=BEFORE)
    now = visit_of(TOLD, before=before)
    page = plan_page([before, now], PLACE, WORDS)
    assert lines_of(page)["better"] == ("“heat”", "stairs: from 2 to 4 out of 10")
    by_name = {picture.id: picture for picture in page.pictures}
    assert set(by_name) == {"pain", "function", "adherence", "body"}
    assert by_name["pain"].says == "Better by 2. That is a real change."
    assert "31 October 2026: now 8" in by_name["pain"].alternative
    assert "28 November 2026: now 6" in by_name["pain"].alternative
    assert "stairs: 2 before, 4 now." in by_name["function"].alternative


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (8, "Better by 2. That is a real change."),
        (7, "Better by 1. A real change is 2 or more."),
        (6, "No change."),
        (5, "Worse by 1."),
        (4, "Worse by 2. That is a real change."),
    ],
)
def test_a_change_is_told_with_its_size(before: int, said: str) -> None:
    first = visit_of(STEADY | {"pain_now": before}, day=BEFORE)
    page = plan_page([first, visit_of(STEADY, before=first)], PLACE, WORDS)
    assert next(picture.says for picture in page.pictures if picture.id == "pain") == said


def test_an_activity_that_did_not_get_better_is_not_called_so() -> None:
    before = visit_of(TOLD | {"activities": [{"activity": "stairs", "score": 6}]}, day=BEFORE)
    now = visit_of(TOLD, before=before)
    assert lines_of(plan_page([before, now], PLACE, WORDS))["better"] == ("“heat”",)


def test_without_drawing_there_are_no_pictures_and_the_same_words() -> None:
    visit = visit_of(TOLD)
    drawn, plain = plan_page([visit], PLACE, WORDS), plan_page([visit], PLACE, WORDS, in_chat=True)
    assert drawn.pictures
    assert not plain.pictures
    assert list(plain_text(drawn)) == list(plain_text(plain))


# ---------------------------------------------------------------- hard words, and what the clinic offers


@by_record
def test_the_hard_words_used_are_explained_and_no_others(record: Record) -> None:
    page = page_of(record)
    text = " ".join(plain_text(page))
    used = {
        meaning
        for word, meaning in WORDS.tree("report.glossary").items()
        if re.search(rf"(?<!\w){word}s?(?!\w)", text, re.IGNORECASE)
    }
    assert set(page.glossary) == used
    assert len(page.glossary) == len(used)


@pytest.mark.parametrize(
    ("changed", "offered"),
    [
        ({}, "hands-on treatment, dry needling and work in warm water"),
        ({"medicines": ["blood_thinner"]}, "hands-on treatment and work in warm water"),
        ({"conditions": ["clotting_disorder"]}, "hands-on treatment and work in warm water"),
    ],
    ids=str,
)
def test_the_clinic_offers_what_nothing_speaks_against(changed: Record, offered: str) -> None:
    record = RECORDS["S05"] | {"treatment_type": ["exercises"]} | changed
    visit = visit_of(record)
    notes = next(item["notes"] for item in visit.assessment["recommendations"] if item["id"] == "change_modality")
    action = next(a for a in page_of(record).actions if a.id == "change_modality")
    assert action.text.endswith(f"Riverside Physical Therapy offers {offered}."), notes


def test_a_clinic_without_services_offers_nothing() -> None:
    plain = Place(PLACE.clinic, PLACE.phone, PLACE.numbers)
    assert "offers" not in " ".join(action.text for action in page_of(RECORDS["S05"], plain).actions)


@by_record
def test_services_go_with_another_kind_of_treatment_only(record: Record) -> None:
    for action in page_of(record).actions:
        assert ("Riverside Physical Therapy offers" in action.text) is (action.id == "change_modality")
