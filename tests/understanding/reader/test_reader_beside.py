"""Answers that say something only beside what is shown: the old answer, a list, two answers of which one is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.understanding import Reader
from plateau.understanding._turn import interpret

DIABETES, SCAN = ["diabetes"], ["xray"]
OLD = {
    "activities": [{"activity": "stairs", "score": 3}, {"activity": "running", "score": 2}],
    "hep_days_prescribed": 5,
    "conditions": DIABETES,
    "tried": SCAN,
}


def back(*advised: str) -> dict[str, Any]:
    """Someone who comes back after six weeks."""
    return {
        "previous": {
            "day": "2026-10-01", "shown": "1 October", "weeks": 6, "answers": OLD, "advised": advised, "flags": []
        }
    }  # fmt: skip


SAME = [
    ("activities", "same", OLD["activities"]),
    ("activities", "about the same", OLD["activities"]),
    ("activities", "4 and 6", [{"activity": "stairs", "score": 4}, {"activity": "running", "score": 6}]),
    ("activities", "5/10, 5/10", [{"activity": "stairs", "score": 5}, {"activity": "running", "score": 5}]),
    ("hep_days_prescribed", "same", 5),
    ("hep_days_prescribed", "same as last time", 5),
    ("hep_days_prescribed", "still the same", 5),
    ("conditions", "no change", DIABETES),
    ("tried", "nothing new", SCAN),
    ("hep_days_prescribed", "4 now", 4),
]


@pytest.mark.parametrize(("question", "text", "value"), SAME)
def test_the_old_answer_that_is_shown(reader: Reader, question: str, text: str, value: Any) -> None:
    assert interpret(reader, text, question=question, held=back()).entities[question] == value


def test_the_answer_about_to_be_changed_may_stay(reader: Reader) -> None:
    turn = interpret(reader, "leave it as it is", question="hep_days_done", held={"before": {"hep_days_done": 4}})
    assert turn.entities["hep_days_done"] == 4


def test_without_an_old_answer_same_says_nothing(reader: Reader) -> None:
    assert interpret(reader, "same", question="hep_days_prescribed", held={}).entities == {}


def test_the_scores_meant_by_same_are_said_back(reader: Reader) -> None:
    assert interpret(reader, "same", question="activities", held=back()).entities["doubts"] == ["activities"]


TWO, THREE = ("reduce_load", "improve_adherence"), ("reduce_load", "improve_adherence", "second_opinion")
FOLLOWED = [
    (TWO, "both", {"improve_adherence", "reduce_load"}),
    (TWO, "did both of them", {"improve_adherence", "reduce_load"}),
    (TWO, "all of it", {"improve_adherence", "reduce_load"}),
    (THREE, "everything", {"improve_adherence", "reduce_load", "second_opinion"}),
    (THREE, "i did it all", {"improve_adherence", "reduce_load", "second_opinion"}),
    (TWO, "just the first one", {"improve_adherence"}),
    (THREE, "the last one", {"second_opinion"}),
    (("reduce_load",), "yep", {"reduce_load"}),
    (TWO, "none of it", {"none"}),
    # Which two, or which one?
    (THREE, "both", set()),
    (TWO, "yep", set()),
]


@pytest.mark.parametrize(("advised", "text", "done"), FOLLOWED)
def test_what_was_done_of_what_was_agreed(reader: Reader, advised: tuple[str, ...], text: str, done: set[str]) -> None:
    assert set(interpret(reader, text, question="followed", held=back(*advised)).entities.get("followed", ())) == done


PAIN = {"pain_now": 8, "pain_worst": 5}
DAYS = {"hep_days_done": 6, "hep_days_prescribed": 3}
TIME = {"weeks_in_pt": 30, "weeks_with_problem": 10}
PROGRESS = {"progress": "much_better", "pain_now": 7, "pain_start": 3}
EFFORT = {"effort": "too_easy", "session_response": ["setback"]}
CLASHES = [
    ("clash_pain", PAIN, "pain now is 4", {"pain_now": 4}),
    ("clash_pain", PAIN, "the worst is 9", {"pain_worst": 9}),
    ("clash_pain", PAIN, "now 4 worst 9", {"pain_now": 4, "pain_worst": 9}),
    ("clash_pain", PAIN, "pain now", {"clash_pain": "pain_now"}),
    ("clash_pain", PAIN, "both are right", {"clash_pain": "both"}),
    ("clash_pain", PAIN, "now is 8", {"clash_pain": "pain_now"}),
    ("clash_pain", PAIN, "4", {}),
    ("clash_days", DAYS, "i only do 2", {"hep_days_done": 2}),
    ("clash_days", DAYS, "they told me 6", {"hep_days_prescribed": 6}),
    ("clash_days", DAYS, "5", {}),
    ("clash_time", TIME, "8 weeks of physio", {"weeks_in_pt": 8}),
    ("clash_time", TIME, "had the problem 2 years", {"weeks_with_problem": 104}),
    ("clash_progress", PROGRESS, "im actually worse", {"progress": "a_bit_worse"}),
    ("clash_effort", EFFORT, "its too hard really", {"effort": "too_hard"}),
    ("clash_effort", EFFORT, "too easy", {"clash_effort": "effort"}),
]


@pytest.mark.parametrize(("question", "held", "text", "answers"), CLASHES)
def test_the_right_answer_is_taken_where_two_clash(
    reader: Reader, question: str, held: dict[str, Any], text: str, answers: dict[str, Any]
) -> None:
    told = dict(interpret(reader, text, question=question, held=held).entities)
    told.pop("doubts", None)
    assert told == answers


THREE_SCORES = ("pain_now", "pain_worst", "pain_start")
IN_ORDER = [
    ("pain_now", {}, "4, 8, 6", dict(zip(THREE_SCORES, (4, 8, 6), strict=True))),
    ("pain_now", {}, "4 8 6", dict(zip(THREE_SCORES, (4, 8, 6), strict=True))),
    ("pain_now", {}, "4/8/6", dict(zip(THREE_SCORES, (4, 8, 6), strict=True))),
    ("pain_now", {}, "4/10, 8/10, 6/10", dict(zip(THREE_SCORES, (4, 8, 6), strict=True))),
    ("pain_worst", {"pain_now": 4}, "8, 6", {"pain_worst": 8, "pain_start": 6}),
    # A range, or one score.
    ("pain_now", {}, "4, 6", {"pain_now": 5}),
    ("pain_worst", {"pain_now": 4}, "8-9", {"pain_worst": 9}),
    ("pain_worst", {"pain_now": 4}, "8/10", {"pain_worst": 8}),
    ("pain_start", {"pain_now": 4, "pain_worst": 8}, "6 or 7", {"pain_start": 7}),
]


@pytest.mark.parametrize(("question", "held", "text", "answers"), IN_ORDER)
def test_scores_in_the_order_of_the_screen(
    reader: Reader, question: str, held: dict[str, Any], text: str, answers: dict[str, int]
) -> None:
    told = dict(interpret(reader, text, question=question, held=held).entities)
    told.pop("doubts", None)
    assert told == answers


@pytest.mark.parametrize("text", ["again", "again pls", "say that again", "repeat the question"])
def test_the_same_question_once_more(reader: Reader, text: str) -> None:
    turn = interpret(reader, text, question="progress", held={})
    assert (turn.intent, turn.entities, turn.reading["intent"]) == ("resume", {}, "go_back")
