"""The sign-off: read, checked, and held against what runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.cli.serve import _signed as told
from plateau.content import SettingError
from plateau.escalation import _sign_off as module
from plateau.escalation import fingerprint, sign_off_file, signature, signed

ROOT = Path(__file__).parents[2]
FILES = [file.relative_to(module.PACKAGE).as_posix() for file in module.signed_files()]
GOOD = {
    "clinician": "Dr Ada Example",
    "role": "consultant physiotherapist",
    "registration": "HCPC PH000000",
    "date": "2026-12-01",
}


def written(folder: Path, **changes: Any) -> Path:
    """Write a sign-off of what runs, with the date as YAML reads one; a change to None leaves the field out."""
    fields = {**GOOD, "fingerprint": fingerprint(), **changes}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    file = folder / "sign-off.yml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the signed files, which the fingerprint is taken of."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    monkeypatch.setattr(module, "DEFAULT_FILE", tmp_path / "escalation" / "rules.yml")
    return tmp_path


def here(package: Path) -> str:
    return fingerprint(package / "escalation" / "rules.yml")


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_any_signed_file_changes_the_fingerprint(name: str, package: Path) -> None:
    before = here(package)
    with (package / name).open("a", encoding="utf-8") as file:
        file.write("# one more remark\n")
    assert here(package) != before


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("ending", "start"), [(b"\r\n", b""), (b"\r", b""), (b"\n", b"\xef\xbb\xbf")])
def test_another_machines_text_files_change_nothing(name: str, ending: bytes, start: bytes, package: Path) -> None:
    file = package / name
    before = here(package)
    file.write_bytes(start + file.read_bytes().replace(b"\n", ending))
    assert here(package) == before == fingerprint()


def test_the_rules_the_protocol_and_every_text_of_the_plan_are_signed() -> None:
    content = {f"content/en/{name}.yml" for name in ("plan", "safety", "questions", "faq", "page")}
    decide = {"escalation/rules.yml", "protocol/questions.yml", "protocol/red_flags.yml"}
    assert content | decide <= set(FILES)


def test_text_moved_from_one_file_to_the_next_changes_the_fingerprint(package: Path) -> None:
    before = here(package)
    first, second = (package / name for name in FILES[-2:])
    whole = first.read_text(encoding="utf-8")
    first.write_text(whole[:-40], encoding="utf-8")
    second.write_text(whole[-40:] + second.read_text(encoding="utf-8"), encoding="utf-8")
    assert here(package) != before


def test_a_sign_off_of_what_runs_is_current(tmp_path: Path) -> None:
    found = signature(written(tmp_path))
    assert found is not None
    assert (found.clinician, found.date, found.current) == ("Dr Ada Example", "2026-12-01", True)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"clinician": None}, "clinician", "is missing; needed fields: clinician, role"),
        ({"role": '""'}, "role", "one line of 1 to 200 characters"),
        ({"role": '"  "'}, "role", "one line of 1 to 200 characters"),
        ({"role": '"a\\nb"'}, "role", "one line"),
        ({"role": "x" * 201}, "role", "one line of 1 to 200"),
        ({"registration": "123456"}, "registration", "a number in quotes"),
        ({"date": "soon"}, "date", "a date such as 2026-11-23"),
        ({"date": "2026-12-01 10:00:00"}, "date", "a date such as"),
        ({"date": "2026-13-41"}, "YAML", "month must be in"),
        ({"fingerprint": "abc"}, "fingerprint", "plateau rules --fingerprint"),
        ({"fingerprint": "7" * 64}, "fingerprint", "the 64 small letters and digits"),
        ({"fingerprint": "A" * 64}, "fingerprint", "the 64 small letters and digits"),
        ({"stamp": "yes"}, "stamp", "is not a field; allowed fields: clinician, role"),
        ({"clinician": "[unclosed"}, "YAML", "is not valid YAML"),
    ],
    ids=str,
)
def test_a_wrong_sign_off_is_named(changes: dict[str, Any], field: str, said: str, tmp_path: Path) -> None:
    file = written(tmp_path, **changes)
    with pytest.raises(SettingError) as raised:
        signature(file)
    message = str(raised.value)
    assert message.startswith(f"{file}: ")
    assert [word for word in (field, said) if word not in message] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "clinician: is missing"),
        (b"- a\n", "the whole file: is list; allowed fields"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_sign_off(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "sign-off.yml"
    file.write_bytes(content)
    with pytest.raises(SettingError, match=said):
        signature(file)


def test_a_folder_is_no_sign_off(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        signature(tmp_path)


@pytest.mark.parametrize(
    ("named", "clinic", "expected"),
    [
        (None, None, "sign-off.yml"),
        (None, "settings/hill_street.yml", "settings/sign-off.yml"),
        ("elsewhere/mine.yml", "settings/hill_street.yml", "elsewhere/mine.yml"),
        ("", "", "sign-off.yml"),
    ],
)
def test_where_the_sign_off_is_looked_for(
    named: str | None, clinic: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("PLATEAU_SIGN_OFF", named), ("PLATEAU_CLINIC", clinic)):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    assert sign_off_file() == Path(expected)


def test_no_file_is_no_signature_but_a_named_one_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEAU_SIGN_OFF", raising=False)
    monkeypatch.setenv("PLATEAU_CLINIC", str(tmp_path / "clinic.yml"))
    assert (signature(), signed()) == (None, None)
    monkeypatch.setenv("PLATEAU_SIGN_OFF", str(tmp_path / "none.yml"))
    with pytest.raises(SettingError, match=r"none\.yml: there is no such file"):
        signed()


@pytest.mark.parametrize(("mark", "current"), [(None, True), ("e" * 64, False)])
def test_signed_is_only_what_runs(
    mark: str | None, current: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEAU_SIGN_OFF", str(written(tmp_path, **({"fingerprint": mark} if mark else {}))))
    found = signature()
    assert found is not None
    assert found.current is current
    assert signed() == (found if current else None)


@pytest.mark.parametrize(
    ("changes", "words", "lines"),
    [
        ({}, ["signed by Dr Ada Example (consultant physiotherapist, HCPC PH000000) on 2026-12-01"], 1),
        ({"fingerprint": "e" * 64}, ["Signed by Dr Ada Example", "on 2026-12-01, but changed since", "sign-off.md"], 6),
        (None, ["No clinician has signed", "Do not put it in front of patients", "plateau rules --fingerprint"], 6),
    ],
)
def test_the_start_says_whether_it_is_signed(
    changes: dict[str, Any] | None, words: list[str], lines: int, tmp_path: Path
) -> None:
    said = told(None if changes is None else signature(written(tmp_path, **changes)))
    assert [word for word in words if word not in said] == []
    assert len(said.splitlines()) == lines
    assert len({len(line) for line in said.splitlines()}) == 1


def test_the_example_is_whole_but_signs_nothing() -> None:
    file = ROOT / "docs" / "clinical" / "sign-off.example.yml"
    assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) == set(module.FIELDS)
    found = signature(file)
    assert found is not None
    assert not found.current
