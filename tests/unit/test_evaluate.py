"""How `make evaluate` scores: by the rules of the labelled samples."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "eval"


def module(path: Path) -> ModuleType:
    """A script as a module; scripts import each other as they do when run."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, made)
    spec.loader.exec_module(made)
    return made


scoring = module(ROOT / "scripts" / "scoring.py")
evaluate = module(ROOT / "scripts" / "evaluate.py")

FLAG = {"id": "cauda_equina", "tier": "emergency"}


@pytest.mark.parametrize(
    ("check", "value", "right"),
    [
        ({"any": ["a", "b"]}, "b", True),
        ({"any": ["a", "b"]}, "c", False),
        ({"any": ["6"]}, 6, True),
        ({"any": ["a"]}, "unknown", False),
        ({"any": ["a"]}, [], False),
        ({"between": [6, 8]}, 7, True),
        ({"between": [6, 8]}, 9, False),
        ({"between": [6, 8]}, "often", False),
        ({"has": [["a", "b"], ["c"]]}, ["b", "c"], True),
        ({"has": [["a", "b"], ["c"]]}, ["b"], False),
        ({"has": [["a"]]}, ["a", "x"], True),
        ({"has": [["a"]]}, ["a", "x", "y"], False),
        ({"has": [["a"]], "not": ["x"]}, ["a", "x"], False),
        ({"has": [], "not": ["x"]}, ["y", "z"], True),
    ],
)
def test_an_answer_is_checked(check: dict[str, Any], value: Any, right: bool) -> None:
    assert scoring.answer_is_right(check, value) is right


@pytest.mark.parametrize(
    ("question", "expect", "read", "right"),
    [
        ("pain_now", {"answers": {"pain_now": {"any": ["7"]}}}, {"answers": {"pain_now": 7}}, True),
        ("pain_now", {"answers": {"pain_now": {"any": ["7"]}}}, {"answers": {"pain_now": 7, "mood": "low"}}, False),
        ("pain_now", {"answers": {"pain_now": {"any": ["7"]}}}, {"answers": {"pain_now": 7, "goal": "run"}}, True),
        ("pain_now", {"answers": {"pain_now": {"any": ["7"]}}}, {"error": "no"}, False),
        ("pain_now", {"answers": {"pain_now": {"any": ["7"]}}}, {"answers": {"pain_now": 7}, "intent": "stop"}, False),
        (
            "pain_now",
            {"answers": {"pain_now": {"any": ["7"]}}},
            {"answers": {"pain_now": 7}, "red_flags": [FLAG]},
            False,
        ),
        ("mood", {"answers": {}, "red_flag": True}, {"answers": {}, "red_flags": [FLAG]}, True),
        ("mood", {"answers": {}, "red_flag": True}, {"answers": {}}, False),
        ("mood", {"answers": {}, "intent": "skip"}, {"answers": {"mood": "skipped"}}, True),
        ("mood", {"answers": {}, "intent": "thanks"}, {"answers": {}, "intent": "bye"}, True),
        ("mood", {"answers": {}, "intent": "thanks"}, {"answers": {}, "intent": "stop"}, False),
        ("mood", {"answers": {}, "intent": "thanks"}, {"answers": {"mood": "low"}, "intent": "thanks"}, False),
        ("mood", {"answers": {"mood": {"any": ["low"]}}, "vague": True}, {"answers": {}}, True),
        ("goal", {"answers": {}, "free": "goal"}, {"answers": {"goal": "run"}}, True),
        ("goal", {"answers": {}, "free": "goal"}, {"answers": {}}, False),
    ],
)
def test_a_reading_is_right(question: str, expect: Any, read: Any, right: bool) -> None:
    assert scoring.reading_is_right({"question": question, "expect": expect, **read}) is right


@pytest.mark.skipif(not SHARED.is_dir(), reason="the sample is not part of the project")
def test_the_rules_are_those_of_the_sample() -> None:
    theirs = module(SHARED / "score.py")
    lines = [json.loads(text) for text in (SHARED / "reading.jsonl").read_text(encoding="utf-8").splitlines()]
    compared = [(theirs.reading_ok(line), scoring.reading_is_right(line), line) for line in _readings(lines)]
    assert [line for their, our, line in compared if bool(their) != our] == []
    assert {our for _, our, _ in compared} == {True, False}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the sample is not part of the project")
def test_the_figures_are_those_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = module(SHARED / "score.py")
    dice = random.Random(7)
    read = [json.loads(text) for text in (SHARED / "reading.jsonl").read_text(encoding="utf-8").splitlines()]
    heard = [json.loads(text) for text in (SHARED / "red_flags.jsonl").read_text(encoding="utf-8").splitlines()]
    flags = [{**line, "red_flags": _flags(dice, str(line["expect"].get("flag")))} for line in heard]
    readings = list(_readings(read))
    ours = evaluate.score([*readings, *flags])
    missed: list[Any] = []
    figures = theirs.score_reading(readings, missed)
    tiers = theirs.score_red_flags(flags, missed)
    assert ours.answers.total().share == figures["answers"]
    assert ours.digressions.total().share == figures["digressions"]
    assert ours.alarms.share == figures["alarms_on_ordinary"]
    assert {name.replace(" ", "_"): count.share for name, count in ours.red_flags.items()} == tiers
    assert ours.misses == missed


def test_the_picture_is_the_same_every_time_and_names_all() -> None:
    confusion = {("stop", "stop"): 3, ("stop", "answer"): 1, ("answer", "answer"): 9, ("thanks", "nothing"): 2}
    drawn = evaluate.draw(confusion)
    assert drawn == evaluate.draw(dict(reversed(confusion.items())))
    assert all(f">{name}<" in drawn for name in ("stop", "thanks", "answer", "nothing", "9"))


def test_a_line_that_is_no_labelled_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "reading.jsonl"
    file.write_text('{"id": "a", "text": "hello"}\n', encoding="utf-8")
    with pytest.raises(evaluate.SampleError, match=r"reading\.jsonl, line 1: .*expect"):
        evaluate.labelled([file])


def _readings(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each line as many ways read: rightly, wrongly, too much, not at all."""
    dice = random.Random(42)
    intents = [None, "affirm", "deny", "skip", "dont_know", "stop", "bye", "ask_faq", "human", "frustrated"]
    for line in lines:
        want = line["expect"]
        for _ in range(40):
            answers = {
                name: _value(dice, check) for name, check in want.get("answers", {}).items() if dice.random() < 0.8
            }
            if dice.random() < 0.3:
                extra = dice.choice([line["question"] or "mood", "mood", "goal", "sessions"])
                answers[extra] = dice.choice(["low", 3, "skipped", "unknown", None, []])
            if "free" in want and dice.random() < 0.5:
                answers[want["free"]] = "words"
            intent = want.get("intent") if dice.random() < 0.6 else dice.choice(intents)
            flags = _flags(dice, "stroke") if want.get("red_flag") or dice.random() < 0.2 else []
            error = {"error": "broken"} if dice.random() < 0.02 else {}
            yield {**line, "answers": answers, "intent": intent, "red_flags": flags, **error}


def _value(dice: random.Random, check: dict[str, Any]) -> Any:
    if dice.random() < 0.2:
        return dice.choice(["unknown", "skipped", "elsewhere", 99, ["elsewhere"], None])
    if "between" in check:
        return dice.choice([*check["between"], check["between"][1] + 1])
    if "any" in check:
        return dice.choice(check["any"])
    values = [dice.choice(group) for group in check.get("has", []) if dice.random() < 0.9]
    return [*values, *dice.sample(["x", "y", *check.get("not", [])], dice.choice([0, 0, 1, 2]))]


def _flags(dice: random.Random, flag: str) -> list[dict[str, str]]:
    tiers = dice.sample(["routine", "within_days", "same_day", "emergency"], dice.choice([0, 1, 1, 2]))
    return [
        {"id": dice.choice([flag, "other"]), "tier": t, "state": dice.choice(["reported", "checked"])} for t in tiers
    ]
