"""The testers' scenario files: read, refused where wrong, and compared with what came back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.cli import main
from plateau.cli._scenario import EXPECTATIONS, ScenarioError, answer_for, differences, load
from plateau.cli.test import files
from plateau.protocol import QUESTIONS, validate


def written(folder: Path, content: Any) -> Path:
    file = folder / "one.yml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return file


def test_a_file_holds_one_scenario_or_a_list(tmp_path: Path) -> None:
    one = {"title": "A", "steps": [{"say": "hello"}]}
    assert [scenario.title for scenario in load(written(tmp_path, one))] == ["A"]
    assert [scenario.title for scenario in load(written(tmp_path, {"scenarios": [one, {**one, "title": "B"}]}))] == [
        "A",
        "B",
    ]


WRONG = [
    ("title: [", "cannot be read"),
    ("", "a title and a list of steps"),
    ({"steps": []}, "a title and a list of steps"),
    ({"title": "A"}, "a title and a list of steps"),
    ({"title": "A", "steps": ["hello"]}, "A: step 1: allowed are say, answer, answer_all, do, expect"),
    ({"title": "A", "steps": [{"say": "x"}, {"shout": "x"}]}, "A: step 2: allowed are say"),
    ({"title": "A", "steps": [{"expect": {"smells": 1}}]}, "expect: unknown ['smells']; allowed: says"),
    (
        {"title": "A", "steps": [{"answer": {"pain_now": 11}}]},
        "pain_now: 11 is not an answer; allowed: a number from 0 to 10",
    ),
    (
        {"title": "A", "steps": [{"answer_all": {"shoe_size": 4}}]},
        "shoe_size: 4 is not an answer; allowed: one of the questions",
    ),
]


@pytest.mark.parametrize(("content", "problem"), WRONG, ids=str)
def test_a_wrong_file_is_refused_with_its_name_and_its_step(tmp_path: Path, content: Any, problem: str) -> None:
    file = written(tmp_path, content)
    with pytest.raises(ScenarioError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert problem in str(raised.value)


def test_the_command_exits_2_for_a_file_it_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(tmp_path / "missing.yml")]) == 2
    assert "missing.yml: cannot be read" in capsys.readouterr().err


def test_a_folder_stands_for_the_scenarios_in_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    inner = written(tmp_path / "deep", "x")
    assert files([str(tmp_path)]) == [inner]
    assert files([str(inner)]) == [inner]


@pytest.mark.parametrize("question", QUESTIONS)
def test_someone_with_nothing_to_report_has_a_valid_answer_to_every_question(question: str) -> None:
    value = answer_for(question, {})
    assert validate(question, value) == value


def test_a_scenarios_own_answer_goes_before() -> None:
    assert answer_for("sleep", {"sleep": "poor"}) == "poor"


TURN = {
    "messages": [{"id": "why.side"}, {"id": "retry.side"}],
    "screen": {"id": "you", "kind": "questions", "questions": [{"id": "side"}]},
}
STORED = {
    "answers": {"pain_now": 4, "red_flags": [{"id": "dvt", "tier": "same_day", "state": "reported"}]},
    "assessment": {
        "recommendations": [{"id": "too_early"}, {"id": "talk_to_therapist"}],
        "held_back": [{"id": "discuss_imaging"}],
    },
}
HOLDS = [
    {"says": ["why.side", "retry.side"]},
    {"says": ["retry.side"]},
    {"not_says": ["utter_greeting"]},
    {"asks": "side"},
    {"screen": "questions"},
    {"answers": {"pain_now": 4, "sleep": None}},
    {"red_flags": {"dvt": "reported"}},
    {"red_flags": {"dvt": ["reported", "same_day"]}},
    {"first": "too_early"},
    {"recommends": ["talk_to_therapist"]},
    {"not_recommends": ["discuss_imaging"]},
    {"held_back": ["discuss_imaging"]},
]
FAILS = [
    ({"says": ["retry.side", "why.side"]}, "says: expected ['retry.side', 'why.side'] in this order"),
    ({"says": ["ask.side"]}, "says: expected"),
    ({"not_says": ["why.side"]}, "not_says: why.side was said"),
    ({"asks": "sleep"}, "asks: expected sleep, got side"),
    ({"asks": None}, "asks: expected None, got side"),
    ({"screen": "plan"}, "screen: expected plan, got questions"),
    ({"answers": {"pain_now": 5}}, "answers.pain_now: expected 5, got 4"),
    ({"answers": {"pain_now": None}}, "answers.pain_now: expected None, got 4"),
    ({"red_flags": {"dvt": "denied"}}, "red_flags.dvt: expected denied"),
    ({"red_flags": {"dvt": ["reported", "emergency"]}}, "red_flags.dvt: expected"),
    ({"red_flags": {"pe": "reported"}}, "red_flags.pe: expected reported, got [None, None]"),
    ({"first": "talk_to_therapist"}, "first: expected talk_to_therapist, got ['too_early']"),
    ({"recommends": ["discuss_imaging"]}, "recommends: discuss_imaging is not among"),
    ({"not_recommends": ["too_early"]}, "not_recommends: too_early is among"),
    ({"held_back": ["too_early"]}, "held_back: too_early is not among"),
]


@pytest.mark.parametrize("expected", HOLDS, ids=str)
def test_what_holds_makes_no_difference(expected: dict[str, Any]) -> None:
    assert list(differences(expected, TURN, STORED)) == []


@pytest.mark.parametrize(("expected", "difference"), FAILS, ids=str)
def test_what_does_not_hold_is_said_in_words(expected: dict[str, Any], difference: str) -> None:
    (found,) = differences(expected, TURN, STORED)
    assert found.startswith(difference)


def test_every_expectation_is_tried_both_ways() -> None:
    assert (
        {name for case in HOLDS for name in case} == set(EXPECTATIONS) == {name for case, _ in FAILS for name in case}
    )
