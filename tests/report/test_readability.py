"""The texts for patients are easy to read: whole pages at grade 6 or lower, single messages at grade 8 or lower."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from plateau.content import catalog

ROOT = Path(__file__).parents[2]
WORDS = catalog()


def module(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, made)
    spec.loader.exec_module(made)
    return made


readability = module(ROOT / "scripts" / "readability.py")
PAGES = {name: (record, lines) for name, record, lines in readability.pages(WORDS)}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_easy_to_read(name: str) -> None:
    record, lines = PAGES[name]
    assert readability.grade(lines, WORDS, readability.own_words(record)) <= 6
    assert readability.plain_grade(lines) <= 6, "with every word counted"


@pytest.mark.parametrize("path", [path for _, path, _ in readability.messages(WORDS)])
def test_a_message_is_easy_to_read(path: str) -> None:
    text = next(text for _, found, text in readability.messages(WORDS) if found == path)
    assert readability.grade([text], WORDS) <= 8


def test_what_is_measured_is_there() -> None:
    groups = readability.message_grades(WORDS)
    assert all(len(grades) >= 10 for grades in groups.values())
    paths = {path for grades in groups.values() for _, path in grades}
    assert {"questions.consent.ask", "safety.emergency", "plan.recommendations.talk_to_therapist.text"} <= paths
    assert len(PAGES) > 100


# ---- how it is measured

HARD = "The multidisciplinary administration necessitates comprehensive documentation of physiological irregularities."


def test_hard_text_has_a_high_grade_and_easy_text_a_low_one() -> None:
    assert readability.grade([HARD], WORDS) > 12
    assert readability.plain_grade([HARD]) > 12
    assert readability.grade(["We sat in the sun. It was warm. The dog ran to us."], WORDS) < 2
    assert readability.grade([], WORDS) == readability.plain_grade([]) == 0


@pytest.mark.parametrize(
    ("line", "as_easy_as"),
    [
        ("Ask a rheumatologist to look at it.", "Ask a word to look at it."),
        ("Ask two Rheumatologists to look at it.", "Ask two word to look at it."),
        ("Look at it on 28 November 2026 again.", "Look at it on word again."),
        ("You do it 3 of 7 days, so 42.5% of it.", "You do it word of word days, so word of it."),
        ('You told us "multidisciplinary administration" of it.', "You told us word of it."),
        ("Call {emergency} at once for it now.", "Call word at once for it now."),
        ("catastrophizing relatives: from 2 to 5 out of it", "word: from word to word out of it"),
    ],
)
def test_what_is_not_ours_counts_as_easy(line: str, as_easy_as: str) -> None:
    own = ["catastrophizing relatives"]
    assert readability.grade([line], WORDS, own) == readability.grade([as_easy_as], WORDS)


def test_a_line_of_a_list_is_a_sentence() -> None:
    lines = ["a hot and swollen joint", "one calf that is sore"]
    assert readability.grade(lines, WORDS) < readability.grade([" and ".join(lines)], WORDS)


def test_each_explained_word_is_hard_or_has_its_meaning() -> None:
    for word, meaning in WORDS.tree("report.glossary").items():
        assert re.match(r"[A-Z][\w ,]*: \S", meaning), word


def test_the_page_of_figures_is_up_to_date() -> None:
    assert readability.PAGE.read_text(encoding="utf-8") == readability.report(WORDS), f"run: {readability.COMMAND}"
