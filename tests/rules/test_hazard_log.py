"""The hazard log names controls and tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLUMNS = ["id", "hazard", "cause", "before", "control", "where", "test", "after", "open"]
IN_BACKTICKS = re.compile(r"`([^`]+)`")
RATING = re.compile(r"S([1-4]) L([1-3])")


def rows() -> list[dict[str, str]]:
    lines = (ROOT / "docs" / "clinical" / "hazard-log.md").read_text(encoding="utf-8").splitlines()
    table = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    assert table[0] == COLUMNS
    return [dict(zip(COLUMNS, cells, strict=True)) for cells in table[2:]]


HAZARDS = rows()
each_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard["id"])


def exists(test: str) -> bool:
    """Tell whether a test's node id, or a scenario file, is in the tree."""
    file, _, name = test.partition("::")
    path = ROOT / file
    if not name:
        return path.suffix == ".yml" and path.is_file()
    return path.is_file() and any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name and name.startswith("test_")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )


def test_hazards_are_numbered_in_order() -> None:
    assert [hazard["id"] for hazard in HAZARDS] == [f"H{number:02}" for number in range(1, len(HAZARDS) + 1)]


@each_hazard
def test_every_control_is_somewhere(hazard: dict[str, str]) -> None:
    files = IN_BACKTICKS.findall(hazard["where"])
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


@each_hazard
def test_every_test_named_exists_and_its_lack_is_told(hazard: dict[str, str]) -> None:
    tests = IN_BACKTICKS.findall(hazard["test"])
    assert tests or (hazard["test"] == "None" and hazard["open"])
    assert [test for test in tests if not exists(test)] == []


@each_hazard
def test_a_control_never_raises_a_rating(hazard: dict[str, str]) -> None:
    before, after = (RATING.fullmatch(hazard[column]) for column in ("before", "after"))
    assert before
    assert after
    assert all(int(now) <= int(then) for then, now in zip(before.groups(), after.groups(), strict=True))


@pytest.mark.parametrize(
    "test",
    [
        "tests/rules/test_hazard_log.py::test_that_is_not_there",
        "tests/rules/test_hazard_log.py::exists",
        "tests/rules/test_none.py::test_every_control_is_somewhere",
        "tests/e2e/flows/none.yml",
    ],
)
def test_what_is_not_in_the_tree_is_not_found(test: str) -> None:
    assert not exists(test)
