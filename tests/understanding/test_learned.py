"""What is learned from examples: weights that are the same each time, kept without code, able to say why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plateau.understanding._learned import Example, Learned
from plateau.understanding._lessons import LessonError, load_lessons
from plateau.understanding.listener import RuleDataError
from plateau.understanding.listener._lessons import load_told

EASY = ("could do it asleep", "far too light for me", "a child could do these", "no effort at all")
HARD = ("wiped out for hours", "far too heavy for me", "i dread these sessions", "it floors me every time")
EXAMPLES = {
    "effort": [
        *(Example(text, {}, frozenset({"too_easy"})) for text in EASY * 2),
        *(Example(text, {"says too_hard": 1.0}, frozenset({"too_hard"})) for text in HARD * 2),
    ]
}


@pytest.fixture(scope="module")
def learned() -> Learned:
    return Learned.fit(EXAMPLES)


@pytest.mark.parametrize(
    ("text", "cues", "label"),
    [
        ("could do these asleep", {}, "too_easy"),
        ("it is too light", {}, "too_easy"),
        ("they floor me for hours", {}, "too_hard"),
        ("qwerty", {"says too_hard": 1.0}, "too_hard"),
    ],
)
def test_judges_unseen_words_and_cues(learned: Learned, text: str, cues: dict[str, float], label: str) -> None:
    likely = learned.judge("effort", learned.features(text), cues)
    assert max(likely, key=lambda name: likely[name]) == label
    assert all(0 <= share <= 1 for share in likely.values())


def test_learns_the_same_each_time(learned: Learned) -> None:
    again = Learned.fit(EXAMPLES)
    assert learned.judge("effort", learned.features("too light"), {}) == again.judge(
        "effort", again.features("too light"), {}
    )


def test_says_which_words_and_cues_decided(learned: Learned) -> None:
    said = dict(learned.because("effort", "wiped out again", {"says too_hard": 1.0}, "too_hard"))
    assert "wiped" in said and "[says too_hard]" in said
    assert "wiped" not in dict(learned.because("effort", "wiped out again", {}, "too_easy"))


def test_saves_arrays_without_code_and_reads_them_back(learned: Learned, tmp_path: Path) -> None:
    learned.save(tmp_path)
    for path in tmp_path.iterdir():
        with np.load(path, allow_pickle=False) as data:
            assert data.files
    back = Learned.load(tmp_path)
    features = back.features("no effort for me")
    assert back.knows("effort") and not back.knows("sleep")
    assert back.judge("effort", features, {}) == learned.judge("effort", features, {})


@pytest.mark.parametrize("text", ["", " ", "?", "x" * 2000, "é" * 50])
def test_judges_any_text(learned: Learned, text: str) -> None:
    assert set(learned.judge("effort", learned.features(text), {})) == {"too_easy", "too_hard"}


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="rarity"):
        Learned.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("shoe_size.yml", "big: [a]", "must be named after a question"),
        ("effort.yml", "way_too_hard: [a]", "'way_too_hard' is not one of too_easy, about_right"),
        ("effort.yml", "too_hard: [7]", "too_hard: 7 is not a text; put it in quotes"),
    ],
)
def test_a_broken_file_of_answers_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LessonError, match=message):
        list(load_lessons(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dvt.yml", "[a]", "must be a mapping with danger, harmless"),
        ("dvt.yml", "danger: [{tier: soon, say: [a]}]", "tier 'soon' is not one of"),
        ("dvt.yml", "danger: [{tier: same_day, also: [cold], say: [a]}]", "'cold' is not one of"),
        ("dvt.yml", "harmless: [yes]", "must be lists of texts"),
    ],
)
def test_a_broken_file_of_red_flags_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RuleDataError, match=message):
        load_told(tmp_path)
