"""`plateau assess`: lines in, lines out; a bad line does not stop the rest."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import pytest

from plateau.cli import assess as command


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, list[dict[str, Any]], str]:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["assess", *argv])
    code = args.run(args)
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "records.jsonl"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("text", "primaries"),
    [
        ('{"effort": "too_easy", "weeks_in_pt": 8}', ["increase_load"]),
        ('{"record": {"red_flags": ["dvt"]}}', ["same_day_care"]),
        ('{\n "record": {\n  "red_flags": ["dvt"]\n }\n}\n', ["same_day_care"]),
        ('[{"red_flags": ["dvt"]}, {"effort": "too_hard"}]', ["same_day_care", "reduce_load"]),
        ('{"red_flags": ["dvt"]}\n\n{"effort": "too_hard"}\n', ["same_day_care", "reduce_load"]),
        ('\ufeff{"effort": "too_hard"}', ["reduce_load"]),
        ('{"goal": "run\u2028again", "effort": "too_hard"}\n{}', ["reduce_load", "talk_to_therapist"]),
        ("", []),
    ],
)
def test_the_forms_a_record_may_come_in(text: str, primaries: list[str], tmp_path: Path, capsys: Any) -> None:
    code, lines, _ = run(capsys, written(tmp_path, text))
    assert code == 0
    assert [line["primary"] for line in lines] == primaries


def test_other_keys_pass_through(tmp_path: Path, capsys: Any) -> None:
    _, lines, _ = run(capsys, written(tmp_path, '{"id": 7, "expect": {"a": 1}, "record": {}}'))
    assert (lines[0]["id"], lines[0]["expect"]) == (7, {"a": 1})
    assert "record" not in lines[0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"id": 1, "record": {"progress": "great"}}', "progress"),
        ('{"id": 1, "record": {"shoe_size": 43}}', "shoe_size"),
        ('{"id": 1, "record": {"pain_now": 11}}', "pain_now"),
        ('{"id": 1, "record": [1]}', "an answer record is an object"),
        ('{"id": 1, "record": {', "not JSON"),
        ("7", "an answer record is an object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(bad: str, said: str, tmp_path: Path, capsys: Any) -> None:
    code, lines, err = run(capsys, written(tmp_path, f'{bad}\n{{"id": 2, "record": {{}}}}'))
    assert code == 0
    assert said in lines[0]["error"]
    assert "primary" not in lines[0]
    assert (lines[1]["id"], lines[1]["primary"]) == (2, "talk_to_therapist")
    assert "1 of the records could not be assessed" in err


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"red_flags": ["pe"]}'))
    assert run(capsys, "-")[1][0]["primary"] == "emergency_care"


def test_explain_adds_every_rule(tmp_path: Path, capsys: Any) -> None:
    _, lines, _ = run(capsys, "--explain", written(tmp_path, '{"effort": "too_hard"}'))
    assert {"rule", "status", "when", "facts"} <= set(lines[0]["explain"][0])


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "records.jsonl"
    if content is not None:
        file.write_bytes(content)
    code, lines, err = run(capsys, str(file))
    assert (code, lines) == (2, [])
    assert "records.jsonl" in err
