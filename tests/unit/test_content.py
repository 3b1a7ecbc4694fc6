"""What patients read: complete, fillable, plain, and nowhere but in the content and the domain."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plateau.content import ContentError, catalog
from plateau.protocol import QUESTIONS, SECTIONS, spoken

ROOT = Path(__file__).parents[2]
WORDS = catalog()
FOUR = ("ask", "retry", "why", "label")
# Data beside the texts: lists of strings, where they are meant.
LISTS = (
    r"faq\.\w+\.match", r"page\.emergency\.signs", r"report\.flare\.\w+", r"report\.help\.\w*signs",
    r"channels\.words\.\w+", r"channels\.number_words", r"channels\.numbers",
    r"staff\.continue_words",
)  # fmt: skip
# Names that may stand in braces, by the file or the text they stand in.
PLACEHOLDERS = {
    "safety": {"emergency", "crisis", "advice", "because"},
    # A question may name answers that were given.
    "questions": {"value", "options", "day", *QUESTIONS},
    "faq": set(),
}


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            assert isinstance(key, str), f"{path}: the key {key!r} must be in quotes, for YAML reads it as no text"
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, node


LEAVES = list(leaves(dict(WORDS.texts)))
TEXTS = [(path, value) for path, value in LEAVES if isinstance(value, str)]
DANGER = (
    "emergency", "mental_health", "abuse", "same_day", "within_days", "mistake", "checked", "after_emergency",
    "net.not_saved", "net.unavailable",
)  # fmt: skip
ABBREVIATIONS = {"NPRS", "PSFS", "COVID", "CRPS"}
# What is typed in a text message, which has no other way to set it apart.
TYPED = {"BACK", "SKIP", "STOP", "START", "HELP", "MISTAKE", "CHECKED", "SEND"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# ---------------------------------------------------------------- questions


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_its_four_texts_and_a_title_for_each_of_its_values(name: str) -> None:
    question, texts = QUESTIONS[name], WORDS.tree(f"questions.{name}")
    assert [part for part in FOUR if not texts.get(part, "").strip()] == []
    assert list(texts.get("options", {})) == list(question.values)
    assert ("none" in texts) == question.none
    assert ("noted" in texts) == (question.kind in ("number", "nprs", "activities"))
    assert set(texts) <= {*FOUR, "options", "none", "placeholder", "noted", "again"}
    assert question.unit is None or question.unit in WORDS.tree("questions.units")


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_asked_again_is_asked_shorter(name: str) -> None:
    texts = WORDS.tree(f"questions.{name}")
    assert len(texts["retry"]) <= max(len(texts["ask"]), 100)
    assert len(texts["label"]) <= 40


@pytest.mark.parametrize("name", [q.id for q in QUESTIONS.values() if q.values])
def test_no_two_options_look_alike(name: str) -> None:
    titles = [title.lower() for title in WORDS.tree(f"questions.{name}.options").values()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_answer_can_be_said(name: str) -> None:
    question = QUESTIONS[name]
    values: list[Any] = [*question.values] if question.kind == "choice" else [[value] for value in question.values]
    if question.kind in ("number", "nprs"):
        values = [question.minimum, question.maximum, *(["none"] if question.none else [])]
    for value in [*values, "unknown", "skipped"]:
        assert spoken(name, value, WORDS).strip()


def test_the_words_of_the_questions_are_of_questions_that_exist() -> None:
    shared = {"yes_no", "regions", "sections", "units", "unit", "examples", "unknown", "skipped", "nprs", "psfs"}
    assert set(WORDS.tree("questions")) == {*QUESTIONS, *shared}
    assert list(WORDS.tree("questions.sections")) == list(SECTIONS)


# ---------------------------------------------------------------- every text


def test_every_leaf_is_a_text_or_a_list_meant_to_be_one() -> None:
    odd = [
        path
        for path, value in LEAVES
        if not (isinstance(value, str) and value.strip())
        and not (isinstance(value, list) and any(re.fullmatch(pattern, path) for pattern in LISTS))
    ]
    assert odd == []
    lists = [(path, item) for path, value in LEAVES if isinstance(value, list) for item in value]
    assert [path for path, item in lists if not isinstance(item, str) or not item.strip()] == []


def test_placeholders_are_known_names_and_can_be_filled() -> None:
    assert [path for path, text in TEXTS if not all(re.fullmatch(r"[a-z_]+", name) for name in fields(text))] == []
    strange = {path: fields(text) - PLACEHOLDERS.get(path.split(".")[0], fields(text)) for path, text in TEXTS}
    assert {path: names for path, names in strange.items() if names} == {}
    assert [path for path, text in TEXTS if "{" in WORDS.get(path, **dict.fromkeys(fields(text), "x"))] == []


@pytest.mark.parametrize("name", DANGER)
@pytest.mark.parametrize("country", WORDS.tree("safety.numbers"))
def test_the_words_of_danger_are_complete_in_every_country(country: str, name: str) -> None:
    text = WORDS.get(f"safety.{name}", **WORDS.tree(f"safety.numbers.{country}"))
    assert WORDS.tree(f"safety.numbers.{country}")["emergency"] in text or name == "mental_health"
    assert "{" not in text


def test_countries_are_the_ones_that_can_be_chosen() -> None:
    assert list(WORDS.tree("safety.numbers")) == list(QUESTIONS["country"].values)


def test_patients_are_not_shouted_at() -> None:
    spoken_texts = [(path, text) for path, text in TEXTS if not path.endswith(".source")]
    assert [path for path, text in spoken_texts if "!" in text or re.search(r"[\U0001F300-\U0001FAFF]", text)] == []
    capitals = {word for _, text in spoken_texts for word in re.findall(r"\b[A-Z]{4,}\b", text)}
    assert capitals <= ABBREVIATIONS | TYPED


# ---------------------------------------------------------------- looked up from Python

SOURCES = sorted([*(ROOT / "plateau").rglob("*.py"), *(ROOT / "actions").rglob("*.py")])
LOOKUPS = ("get", "tree", "has")
# Objects with a `get` that is not the catalogue's are told by the id: a text's id has a file's name before its dot.
FILES = tuple(WORDS.texts)
GAPS = {
    # f-string gaps, by text: each must exist for every value the gap can have.
    "questions.{}.label": list(QUESTIONS),
    "questions.{}.why": list(QUESTIONS),
    "questions.{}.options": [name for name, question in QUESTIONS.items() if question.values],
    "questions.{}": list(QUESTIONS),
    "questions.sections.{}": list(SECTIONS),
    "faq.{}.text": list(WORDS.tree("faq")),
}


def lookups() -> Iterator[tuple[str, str]]:
    """Every text id that Python asks for, with {} for what a variable fills in."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr in LOOKUPS and (path := pattern(node.args[0])).startswith(
                tuple(f"{name}." for name in FILES)
            ):
                yield str(file.relative_to(ROOT)), path


def pattern(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return pattern(node.left) + pattern(node.right)
    return "{}"


def test_there_are_lookups_to_check() -> None:
    assert len(list(lookups())) > 20


@pytest.mark.parametrize(("file", "path"), sorted(set(lookups())))
def test_every_text_that_python_asks_for_exists(file: str, path: str) -> None:
    if "{}" not in path:
        assert WORDS.has(path)
    elif path in GAPS:
        assert [value for value in GAPS[path] if not WORDS.has(path.replace("{}", value))] == []
    else:
        parts = path.split("{}")[0].rstrip(".")
        assert WORDS.has(parts), f"{file}: nothing at {parts}"


def test_a_text_that_does_not_exist_is_an_error_that_names_it() -> None:
    with pytest.raises(ContentError, match=r"no text 'plan\.nothing' \(nothing at 'nothing'\)"):
        WORDS.get("plan.nothing")
    with pytest.raises(ContentError, match=r"safety\.emergency cannot be filled in: KeyError\('emergency'\)"):
        WORDS.get("safety.emergency")
    with pytest.raises(ContentError, match="safety is dict, not a text"):
        WORDS.get("safety")
    with pytest.raises(ContentError, match="no texts for language 'tlh'; there are: en"):
        catalog("tlh")


# ---------------------------------------------------------------- no patient's sentence in Python

SENTENCE = re.compile(r"[.?]\s*$")
# Sentences for programmers, testers and those who run the server; each with its reason.
ALLOWED = {
    "plateau/server/_app.py": "HTTP errors, for the developer of a client; the page has its own words for each",
    "plateau/cli/__init__.py": "help of the command line",
    "plateau/cli/assess.py": "help of the command line",
    "plateau/cli/rules.py": "the page of the rules, for clinicians",
}
REGULAR_EXPRESSION = "(?"


def sentences() -> Iterator[tuple[str, int, str]]:
    """Strings of four words or more that end like a sentence, outside docstrings and raised or logged errors."""
    for file in SOURCES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        skipped = {id(node) for each in ast.walk(tree) for node in quiet(each)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                text = node.value.strip()
                if len(text.split()) >= 4 and SENTENCE.search(text) and REGULAR_EXPRESSION not in text:
                    yield str(file.relative_to(ROOT)), node.lineno, text


def quiet(node: ast.AST) -> Iterator[ast.AST]:
    """Return the strings within `node` that no patient can see."""
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    if documented and node.body and isinstance(node.body[0], ast.Expr):
        yield node.body[0].value
    logged = (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "logger"
    )
    printed = isinstance(node, ast.Call) and "sys.stderr" in ast.unparse(node)
    if isinstance(node, ast.Raise) or logged or printed:
        yield from ast.walk(node)


def test_no_sentence_for_patients_is_in_python() -> None:
    found = [f"{file}:{line}: {text}" for file, line, text in sentences() if file not in ALLOWED]
    assert found == []


def test_no_file_is_allowed_without_need() -> None:
    assert set(ALLOWED) - {file for file, _, _ in sentences()} == set()


def test_the_scan_sees_a_sentence() -> None:
    tree = ast.parse(
        '"""A docstring that is one."""\nx = "Please call your doctor today."\nraise ValueError("It is not a word.")'
    )
    seen = {id(node) for each in ast.walk(tree) for node in quiet(each)}
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in seen]
    assert strings == ["Please call your doctor today."]
