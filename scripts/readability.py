#!/usr/bin/env python3
"""Measures how hard the texts for patients are to read, and writes docs/readability.md.

The grade is Flesch-Kincaid's from textstat's counts. Words that the page explains, numbers, dates, names of places and
the patient's own words count as one easy word each, so that the grade says how we write and nothing else.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from plateau.content import Catalog, catalog
from plateau.escalation import assess
from plateau.protocol import validate_record
from plateau.report import Place, Visit, plain_text, plan_page

with warnings.catch_warnings():
    # textstat 0.7.3 finds its word lists with pkg_resources, which warns about itself.
    warnings.simplefilter("ignore")
    from textstat import textstat

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "tests" / "rules"
PAGE = ROOT / "docs" / "readability.md"
COMMAND = ".venv/bin/python scripts/readability.py"
DAY = datetime.date(2026, 11, 28)
# Grades of the US school system: the page as a whole, and one message on its own.
PAGE_GRADE, MESSAGE_GRADE = 6, 8
# A title, a label or an answer to tap is no message: a grade of one or two words says nothing.
FEWEST_WORDS = 6
WORST = 5
# One word of one syllable stands for each word that does not count.
EASY = "word"
GROUPS = {
    "questions (ask)": r"questions\.\w+\.(ask|again)",
    "safety": r"safety\.(?!numbers)[\w.]+",
    "advice (plan)": r"plan\.recommendations\.\w+\.text",
    "the page (report)": r"report\.[\w.]+",
    "text messages (channels)": r"channels\.(?!words|numbers)[\w.]+",
}
_PLACEHOLDER = re.compile(r"\{\w+\}")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*%?")

Record = Mapping[str, Any]


def grade(lines: Iterable[str], words: Catalog, own: Sequence[str] = ()) -> float:
    """Return the Flesch-Kincaid grade of a text; each line is at least a sentence, `own` are the patient's words."""
    return plain_grade(plain for line in lines if (plain := _plain(line, words, own)))


def plain_grade(lines: Iterable[str]) -> float:
    """Return the grade of a text with every word counted as it stands."""
    text = " ".join(map(_ended, lines))
    counted = textstat.lexicon_count(text)
    if not counted:
        return 0.0
    per_sentence = counted / textstat.sentence_count(text)
    # textstat's own flesch_kincaid_grade rounds syllables a word to one digit, which moves the grade by half a year.
    return float(round(0.39 * per_sentence + 11.8 * textstat.syllable_count(text) / counted - 15.59, 1))


def pages(words: Catalog) -> Iterator[tuple[str, Record, list[str]]]:
    """Yield every patient of tests/rules: its id, its answer record, and the lines of its page."""
    for name, record in records():
        record = validate_record(record)
        place = Place("Riverside Physical Therapy", "+1 555 0100", words.tree("safety.numbers.us"))
        visit = Visit(DAY, record, assess(record, words=words, numbers=place.numbers, today=DAY).to_dict())
        yield name, record, list(plain_text(plan_page([visit], place, words)))


def records() -> Iterator[tuple[str, Record]]:
    for file in sorted((RULES / "rows").glob("*.json")):
        yield file.stem, json.loads(file.read_text(encoding="utf-8"))["record"]
    for line in (RULES / "own_vignettes.jsonl").read_text(encoding="utf-8").splitlines():
        vignette = json.loads(line)
        yield vignette["id"], vignette["record"]


def own_words(record: Record) -> list[str]:
    """Return what the patient wrote of an answer record, as it can stand on a page."""
    return [activity["activity"] for activity in record.get("activities") or () if isinstance(activity, Mapping)]


def messages(words: Catalog) -> Iterator[tuple[str, str, str]]:
    """Yield every message that is measured on its own: its group, its id, its text."""
    for path, text in _leaves(words.texts):
        for group, pattern in GROUPS.items():
            if re.fullmatch(pattern, path) and len(_PLACEHOLDER.sub(EASY, text).split()) >= FEWEST_WORDS:
                yield group, path, text


def message_grades(words: Catalog) -> dict[str, list[tuple[float, str]]]:
    """Return by group the grade and the id of every message, the hardest first."""
    found: dict[str, list[tuple[float, str]]] = {group: [] for group in GROUPS}
    for group, path, text in messages(words):
        found[group].append((grade([text], words), path))
    return {group: sorted(grades, key=lambda each: (-each[0], each[1])) for group, grades in found.items()}


def page_grades(words: Catalog) -> list[tuple[float, str]]:
    """Return the grade and the id of every patient's page, the hardest first."""
    made = [(grade(lines, words, own_words(record)), name) for name, record, lines in pages(words)]
    return sorted(made, key=lambda each: (-each[0], each[1]))


def plain_page_grades(words: Catalog) -> list[tuple[float, str]]:
    """Return the same with every word counted."""
    return sorted(((plain_grade(lines), name) for name, _, lines in pages(words)), key=lambda each: (-each[0], each[1]))


def report(words: Catalog) -> str:
    """Return docs/readability.md."""
    return _WRITTEN.format(
        command=COMMAND,
        pages=_table(page_grades(words), PAGE_GRADE),
        plain=_table(plain_page_grades(words), PAGE_GRADE),
        page_grade=PAGE_GRADE,
        message_grade=MESSAGE_GRADE,
        fewest=FEWEST_WORDS,
        messages="\n".join(
            f"### {group}\n\n{_table(grades, MESSAGE_GRADE)}" for group, grades in message_grades(words).items()
        ),
    )


_WRITTEN = """# How easy the texts are to read

Flesch-Kincaid grades: about the school year that a reader needs. Words that the page explains (`report.glossary`),
numbers, dates, placeholders, quotes and the patient's own words count as one easy word each; a line of a list counts as
a sentence. Syllables are textstat's, which takes some words of two syllables ("again") for one: grades can be a year
too low. `{command}` writes this page; tests/report/test_readability.py holds it true.

## Whole pages

The plan of every patient of `tests/rules/rows` and `tests/rules/own_vignettes.jsonl`. Bound: {page_grade}.

{pages}
With every word counted, also those that are explained:

{plain}
## Single messages

Every text with {fewest} words or more. Bound: {message_grade}.

{messages}"""


def _table(grades: Sequence[tuple[float, str]], bound: float) -> str:
    values = [value for value, _ in grades]
    rows = "".join(f"| `{name}` | {value} |\n" for value, name in grades[:WORST])
    above = sum(value > bound for value in values)
    head = f"{len(values)} texts: median {median(values):.1f}, worst {max(values)}, above the bound {above}.\n\n"
    return f"{head}| hardest | grade |\n|---|---|\n{rows}"


def _plain(line: str, words: Catalog, own: Sequence[str]) -> str:
    for said in sorted(own, key=len, reverse=True):
        line = line.replace(said, EASY)
    line = _dates(words).sub(EASY, _PLACEHOLDER.sub(EASY, _QUOTED.sub(EASY, line)))
    return _NUMBER.sub(EASY, _explained(words).sub(EASY, line)).strip()


def _ended(line: str) -> str:
    return line if line.endswith((".", "!", "?")) else f"{line}."


@cache
def _pattern(names: tuple[str, ...], end: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, names))}){end}\b", re.IGNORECASE)


def _explained(words: Catalog) -> re.Pattern[str]:
    return _pattern(tuple(words.tree("report.glossary")), "s?(?:'s)?")


def _dates(words: Catalog) -> re.Pattern[str]:
    months = "|".join(words.tree("plan.months").values())
    return re.compile(rf"\b\d{{1,2}} (?:{months}) \d{{4}}\b")


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _leaves(value, f"{path}.{number}")
    elif isinstance(node, str):
        yield path, node


def main() -> int:
    text = report(catalog())
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
