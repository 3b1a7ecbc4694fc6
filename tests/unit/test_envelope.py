"""The screen that follows a turn: for each place of the conversation, what is asked and what may be tapped."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.channels import COMMANDS, Dialogue, turn_screen
from plateau.content import catalog
from plateau.protocol import QUESTIONS, offered

WORDS = catalog()
NUMBERS = {"emergency": "911", "crisis": "988", "advice": "your doctor", "clinic": "A", "phone": "1"}
AGREED: dict[str, Any] = {"for_whom": "self", "country": "us", "consent": "yes"}
# What must have been answered for a question to be asked at all.
PREVIOUS = {
    "day": "2026-10-03",
    "shown": "3 October 2026",
    "weeks": 8,
    "answers": {"activities": [{"activity": "stairs", "score": 3}], "tried": ["xray"]},
    "advised": ["second_opinion", "talk_to_therapist"],
}
NEEDS: dict[str, dict[str, Any]] = {
    "safety_mood": {"mood": "very_low"},
    "pregnancy": {"age_band": "18_39"},
    "side": {"body_region": "knee"},
    "hurts_at": {"diagnosis_fit": "different_place"},
    "joint_replacement": {"body_region": "knee", "age_band": "65_plus"},
    "hep_barriers": {"hep_days_prescribed": 5, "hep_days_done": 1},
    "followed": {"previous": PREVIOUS},
    "clash_pain": {"pain_now": 7, "pain_worst": 5},
    "clash_progress": {"progress": "much_better", "pain_start": 3, "pain_now": 6},
    "clash_time": {"weeks_in_pt": 12, "weeks_with_problem": 4},
    "clash_effort": {"effort": "too_easy", "session_response": ["setback"]},
    "clash_days": {"hep_days_done": 6, "hep_days_prescribed": 3},
}
SAFE = AGREED | {f"safety_{name}": ["none"] for name in ("now", "nerves", "ill", "injury")}


def shown(stage: str | None, asked: str | None, answers: Any = SAFE, **before: Any) -> Any:
    return turn_screen(Dialogue(stage, asked, answers, NUMBERS, before), WORDS)


@pytest.mark.parametrize(
    ("stage", "asked", "kind", "commands"),
    [
        ("opening", "for_whom", "questions", "why human stop"),
        ("safety", "safety_now", "questions", "why back skip dont_know human stop"),
        ("problem", "age_band", "questions", "why back skip dont_know human stop"),
        ("review", "review", "review", "change confirm back human stop"),
        ("plan", None, "plan", "change restart human"),
        ("emergency", None, "emergency", "mistake checked human"),
        ("emergency", "pain_now", "emergency", "mistake checked human"),
        ("paused", None, "end", "resume human"),
        ("declined", None, "end", "resume human"),
        ("restarting", None, "end", "restart resume human"),
    ],
)
def test_each_place_has_its_kind_of_screen_and_its_moves(
    stage: str, asked: str | None, kind: str, commands: str
) -> None:
    answers = {} if asked == "for_whom" else AGREED if asked == "safety_now" else SAFE
    screen = shown(stage, asked, answers)
    assert (screen["kind"], set(screen["commands"])) == (kind, set(commands.split()))
    assert set(screen["commands"]) <= set(COMMANDS)
    assert screen["title"].strip()
    assert "{" not in screen["title"]


def test_before_the_first_word_there_is_no_screen() -> None:
    assert shown(None, None, {}) is None


@pytest.mark.parametrize(
    ("asked", "answers", "questions"),
    [
        ("for_whom", {}, ["for_whom", "country"]),
        ("country", {"for_whom": "self"}, ["country"]),
        ("age_band", SAFE, ["age_band", "body_region"]),
        ("pregnancy", SAFE | {"age_band": "18_39"}, ["pregnancy", "body_region"]),
        ("pain_now", SAFE, ["pain_now", "pain_worst", "pain_start"]),
        ("pain_worst", SAFE | {"pain_now": 3}, ["pain_worst", "pain_start"]),
    ],
)
def test_questions_that_belong_together_are_shown_together_while_open(
    asked: str, answers: Any, questions: list[str]
) -> None:
    assert [question["id"] for question in shown("x", asked, answers)["questions"]] == questions


@pytest.mark.parametrize(
    ("asked", "section"),
    [("safety_now", {"id": "safety", "number": 1, "of": 7}), ("pain_now", {"id": "pain", "number": 6, "of": 7})],
)
def test_a_section_says_how_far_it_is(asked: str, section: dict[str, Any]) -> None:
    found = shown("x", asked)["section"]
    assert {name: found[name] for name in section} == section


YOU = {"age_band": "65_plus", "body_region": "neck", "diagnosis_given": "a sprain", "diagnosis_fit": "fits"}
URGENT = [{"id": "dvt", "tier": "same_day", "state": "reported"}]


@pytest.mark.parametrize(
    ("asked", "answers", "left"),
    [
        ("safety_now", AGREED, 16),
        ("age_band", SAFE, 12),
        ("onset", SAFE | YOU, 10),
        ("hurts_at", SAFE | YOU | {"diagnosis_fit": "different_place"}, 11),
        ("pain_now", SAFE, 2),
        ("tried", SAFE, 0),
        ("tried", SAFE | NEEDS["clash_pain"], 1),
        ("onset", SAFE | YOU | {"red_flags": URGENT}, 4),
    ],
)
def test_a_section_says_how_many_screens_are_left(asked: str, answers: Any, left: int) -> None:
    assert shown("x", asked, answers)["section"]["left"] == left


def control(name: str, answers: Any) -> dict[str, Any]:
    return next(item for item in shown("x", name, answers)["questions"] if item["id"] == name)


def test_only_where_the_body_is_asked_about_it_may_be_drawn() -> None:
    drawn = {name: control(name, SAFE | NEEDS.get(name, {})).get("picture") for name in QUESTIONS if name != "review"}
    assert {name: picture for name, picture in drawn.items() if picture} == {"body_region": "body", "hurts_at": "body"}


def test_the_drawing_says_for_which_regions_the_side_is_asked_with_them() -> None:
    sides = control("body_region", SAFE)["sides"]
    assert sides["question"] == "side"
    assert sides["titles"] == {"left": "Left", "right": "Right"}
    assert {"knee", "shoulder"} <= set(sides["values"])
    for region in QUESTIONS["body_region"].values:
        then = [item["id"] for item in shown("x", "body_region", SAFE | {"body_region": region})["questions"]]
        assert ("side" in then) is (region in sides["values"]), region


@pytest.mark.parametrize(("name", "more"), [("body_region", {"side": "left"}), ("hurts_at", {"body_region": "knee"})])
def test_no_side_is_drawn_where_it_is_known_or_not_asked_there(name: str, more: Any) -> None:
    assert "sides" not in control(name, SAFE | NEEDS.get(name, {}) | more)


def test_the_opening_is_no_numbered_section() -> None:
    assert shown("opening", "for_whom", {})["section"] is None


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "review"])
def test_a_question_has_what_its_control_needs(name: str) -> None:
    question = QUESTIONS[name]
    control = next(item for item in shown("x", name, SAFE | NEEDS.get(name, {}))["questions"] if item["id"] == name)
    kind = "choice" if question.single else {"flags": "multi"}.get(question.kind, question.kind)
    assert control["kind"] == kind
    assert control["text"] and control["retry"]
    assert [option["value"] for option in control.get("options", ())] == list(offered(question, PREVIOUS))
    assert all(option["title"] for option in control.get("options", ()))
    assert control["optional"] is not question.required
    assert ("min" in control, "max" in control) == ((kind in ("number", "nprs")),) * 2
    assert ("anchors" in control) == (kind in ("nprs", "activities"))
    assert ("none" in control) == question.none


@pytest.mark.parametrize(
    ("name", "value", "current"),
    [("sleep", "poor", "poor"), ("tried", ["xray"], ["xray"]), ("safety_mood", ["no"], "no"), ("pain_now", 0, 0)],
)
def test_the_answer_about_to_be_changed_is_shown_as_the_current_one(name: str, value: Any, current: Any) -> None:
    answers = SAFE | NEEDS.get(name, {})
    for screen in (shown("x", name, answers, **{name: value}), shown("x", name, answers | {name: value})):
        assert next(item for item in screen["questions"] if item["id"] == name)["current"] == current


def test_the_review_shows_each_answer_in_the_patients_words_but_not_the_consent() -> None:
    answers = SAFE | {"age_band": "18_39", "pregnancy": "no", "body_region": "knee", "pain_now": 7, "sleep": "skipped"}
    rows = {row["question"]: row for row in shown("review", "review", answers)["rows"]}
    assert rows["body_region"] == {
        "question": "body_region",
        "label": "Treated area",
        "answer": "Knee",
        "section": "Your problem",
    }
    assert (rows["pain_now"]["answer"], rows["sleep"]["answer"]) == ("7", "Not answered")
    assert not {"consent", "review", "stress"} & set(rows)


def test_an_answer_that_no_longer_applies_is_not_shown() -> None:
    rows = shown("plan", None, SAFE | {"age_band": "65_plus", "pregnancy": "yes"})["rows"]
    assert "pregnancy" not in [row["question"] for row in rows]


def test_who_comes_back_is_asked_only_for_what_was_agreed() -> None:
    options = shown("progress", "followed", SAFE | {"previous": PREVIOUS})["questions"][0]["options"]
    assert [option["value"] for option in options] == ["talk_to_therapist", "second_opinion", "none"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("progress", "Compared with our last talk on 3 October 2026, how are you now?"),
        ("activities", "Last time you told me: stairs. How well can you do these now"),
    ],
)
def test_who_comes_back_is_asked_against_the_last_visit(name: str, text: str) -> None:
    control = shown("progress", name, SAFE | {"previous": PREVIOUS, "followed": ["none"]})["questions"]
    assert next(item for item in control if item["id"] == name)["text"].startswith(text)


def test_two_answers_that_do_not_fit_are_named_in_the_question() -> None:
    control = shown("review", "clash_pain", SAFE | NEEDS["clash_pain"])["questions"][0]
    assert "7" in control["text"] and "5" in control["text"]
