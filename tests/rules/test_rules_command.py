"""`plateau rules`: every rule with its reason and source, a clinic's file checked, the page of the docs up to date."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plateau.cli import main
from plateau.cli.rules import REGENERATE
from plateau.escalation import default_rules, fingerprint
from plateau.escalation._rules import DEFAULT_FILE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clinical" / "rules.md"
Said = pytest.CaptureFixture[str]


def said(capsys: Said, *argv: str) -> tuple[int, str, str]:
    code = main(["rules", *argv])
    return (code, *capsys.readouterr())


def test_the_list_tells_every_rule_in_ladder_order(capsys: Said) -> None:
    code, out, err = said(capsys)
    assert (code, err) == (0, "")
    blocks = out.split("\n\n")[1:]
    for rule, block in zip(default_rules().rules, blocks, strict=True):
        assert block.startswith(f"{rule.id}  version {rule.version}  rung {rule.rung}  {rule.recommend}")
        told = [rule.when.source, rule.source.strip(), rule.reviewed, *([rule.opens.source] if rule.opens else [])]
        assert [text for text in told if text not in block] == []


def test_json_is_one_compact_object_a_rule(capsys: Said) -> None:
    lines = said(capsys, "--json")[1].splitlines()
    rules = [json.loads(line) for line in lines]
    assert [rule["id"] for rule in rules] == [rule.id for rule in default_rules().rules]
    assert [json.dumps(rule, separators=(",", ":")) for rule in rules] == lines
    assert all(rule["reason"] and rule["source"] and rule["reviewed"] and rule["when"] for rule in rules)


def test_the_page_of_the_rules_is_up_to_date(capsys: Said) -> None:
    assert said(capsys, "--markdown")[1] == PAGE.read_text(encoding="utf-8"), f"run: {REGENERATE}"


def test_the_page_tells_every_name_a_condition_uses(capsys: Said) -> None:
    rules, page = default_rules(), said(capsys, "--markdown")[1]
    first_cells = set(re.findall(r"^\| `([\w.]+)`", page, re.MULTILINE))
    notes = {note.id for notes in rules.notes.values() for note in notes}
    questions = {question.id for question in rules.questions}
    assert {*rules.gates, *rules.definitions, *rules.of_rung, *notes, *questions} <= first_cells
    assert {rule.id for rule in rules.rules} <= first_cells


def test_the_same_page_on_every_machine() -> None:
    # Sets have another order under another hash seed.
    pages = {
        subprocess.run(
            [sys.executable, "-m", "plateau", "rules", "--markdown"],
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(pages) == 1


def test_a_right_file_is_summed_up(tmp_path: Path, capsys: Said) -> None:
    file = tmp_path / "my_rules.yml"
    file.write_bytes(DEFAULT_FILE.read_bytes())
    rules = default_rules()
    summary = f"{file}: {len(rules.rules)} rules, version {rules.version}, fingerprint {fingerprint()}\n"
    assert said(capsys, "--check", str(file)) == (0, summary, "")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("early_weeks: 2", "early_weeks: soon", ["my_rules.yml", "gate early_weeks", "'soon'", "allowed"]),
        ("rung: safety", "rung: nowhere", ["my_rules.yml", "rule safety.emergency", "rung", "nowhere", "allowed"]),
        ("rules:\n", "rules: [\n", ["my_rules.yml", "file: YAML"]),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, capsys: Said, old: str, new: str, named: list[str]) -> None:
    file = tmp_path / "my_rules.yml"
    file.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    code, out, err = said(capsys, "--check", str(file))
    assert (code, out) == (2, "")
    assert [word for word in named if word not in err] == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Said) -> None:
    code, out, err = said(capsys, "--check", str(tmp_path / "none.yml"))
    assert (code, out) == (2, "")
    assert "none.yml" in err


def test_the_fingerprint_is_that_of_what_is_signed(capsys: Said) -> None:
    assert said(capsys, "--fingerprint") == (0, f"{fingerprint()}\n", "")


def test_neither_rasa_nor_spacy_is_loaded() -> None:
    check = (
        "import sys; from plateau.cli import main; main(['rules', '--markdown']); "
        "sys.exit(bool({'rasa', 'spacy', 'medspacy', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True).returncode == 0
