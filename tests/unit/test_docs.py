"""The pages of docs/ and the README name what exists, and all of it."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from plateau.channels import COMMANDS
from plateau.cli import COMMANDS as SUBCOMMANDS
from plateau.cli._scenario import EXPECTATIONS, STEPS, load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(WRITTEN.values())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VARIABLE = re.compile(r"PLATEAU_[A-Z_]+\b")
# A path in backticks: a file with an ending, or a folder of the top level.
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|\w[\w-]*\.(?:yml|md|toml|lock))(?: [^`]*)?`")
PLACES = (ROOT, ROOT / "docs", ROOT / "plateau")
# Made by the set-up, or named as what must not be.
NOT_IN_GIT = {
    "../shared/eval",
    "web/dist/manifest.json",
    "models/plateau.tar.gz",
    "var/model.key",
    "var/model.pub",
    "my_case.yml",
    "my_rules.yml",
    "sign-off.yml",
    "uv.lock",
}


def page(name: str) -> str:
    return WRITTEN[f"docs/{name}"]


def table(text: str, title: str) -> dict[str, list[str]]:
    """Return the rows below the header that starts with `title`, by what stands in backticks in the first column."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(f"| {title} |"))
    next(lines)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in iter(lambda: next(lines, ""), "")]
    return {name.strip("`"): rest for name, *rest in rows}


def subcommands() -> set[str]:
    subparsers = argparse.ArgumentParser().add_subparsers()
    for command in SUBCOMMANDS:
        command.add_parser(subparsers)
    return set(subparsers.choices)


def names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=~!]", requirement)[0] for requirement in requirements}


def test_every_subcommand_is_named_and_exists() -> None:
    named = set(re.findall(r"(?:\.venv/bin/|`)plateau ([a-z]+)", ALL))
    assert named == subcommands()


def test_every_make_target_is_named_and_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)) - {"help"}
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", ALL, re.MULTILINE)) == targets


def test_the_scenario_format_is_told_whole() -> None:
    assert tuple(table(page("testing.md"), "step")) == STEPS
    assert tuple(table(page("testing.md"), "in `expect`")) == tuple(EXPECTATIONS)


def test_the_moves_of_a_scenario_are_those_of_the_gateway() -> None:
    told = re.findall(r"`(\w+)`|\{name: (\w+),", table(page("testing.md"), "step")["do"][0])
    assert {name for pair in told for name in pair if name} == set(COMMANDS)


def test_the_example_of_a_scenario_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "example.yml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", page("testing.md"), re.DOTALL)[0], encoding="utf-8")
    assert len(load(file)) == 1


def test_every_clinic_field_is_told() -> None:
    schema = json.loads((ROOT / "plateau" / "content" / "clinic.schema.json").read_text(encoding="utf-8"))
    told = table(page("configuration.md"), "field")
    assert set(told) == set(schema["properties"])
    assert {name for name, (needed, *_) in told.items() if needed == "yes"} == set(schema["required"])


def test_every_environment_variable_is_told() -> None:
    readers = (
        "server/_settings.py",
        "escalation/_sign_off.py",
        "store/_vault.py",
        "store/_masters.py",
        "sealing.py",
    )
    settings = "\n".join((ROOT / "plateau" / reader).read_text(encoding="utf-8") for reader in readers)
    read = {name.group() for name in VARIABLE.finditer(settings)}
    assert set(table(page("configuration.md"), "variable")) == read
    scripts = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "scripts").iterdir() if file.is_file())
    known = read | {name.group() for name in VARIABLE.finditer(scripts)}
    assert {name.group() for name in VARIABLE.finditer(ALL)} - known == set()


@pytest.mark.parametrize("name", WRITTEN)
def test_every_path_named_exists(name: str) -> None:
    paths = {found.group(1) for found in PATH.finditer(WRITTEN[name])} - NOT_IN_GIT
    assert [path for path in sorted(paths) if not any((place / path).exists() for place in PLACES)] == []


def test_every_direct_dependency_is_told() -> None:
    text = page("dependencies.md")
    server, rest = text.split("## The chat component")
    web, rest = rest.split("## What only developing and testing need")
    tests = rest.split("## Turned down")[0]

    def told(part: str) -> set[str]:
        cells = [cell for row in re.findall(r"^\| ([\w., -]+?) \|", part, re.MULTILINE) for cell in row.split(",")]
        return {cell.split()[0] for cell in cells} - {"package"}

    assert told(server) == names(PROJECT["project"]["dependencies"])
    assert told(tests) == names(PROJECT["dependency-groups"]["dev"])
    npm = json.loads((ROOT / "web" / "package.json").read_text("utf-8"))
    assert told(web) == {*npm["dependencies"], *npm["devDependencies"], *names(PROJECT["dependency-groups"]["web"])}


def test_every_override_is_told() -> None:
    assert list(table(page("platform.md"), "override")) == PROJECT["tool"]["uv"]["override-dependencies"]
    assert all(
        f"`{constraint}`" in page("platform.md") for constraint in PROJECT["tool"]["uv"]["constraint-dependencies"]
    )


def test_every_route_is_told() -> None:
    routes = set(
        re.findall(r'Route\("(/\w[\w/]*)"', (ROOT / "plateau" / "server" / "_app.py").read_text(encoding="utf-8"))
    )
    assert set(re.findall(r"`(?:GET|POST) (/[\w/]+)`", page("architecture.md"))) == routes


def test_no_page_names_a_path_of_one_machine() -> None:
    homes = re.compile(r"(?<![\w.])/(?:home|root|Users|tmp|work|mnt)/")
    assert [name for name, text in WRITTEN.items() if homes.search(text)] == []
