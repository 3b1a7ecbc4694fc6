"""A clinic's settings: read, completed and, where wrong, refused with the file, the field and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.content import SettingError, catalog, clinic

GOOD = {"name": "Hill Street", "phone": "+44 1632 960001", "default_country": "uk"}


def load(folder: Path, settings: Any) -> Any:
    file = folder / "clinic.yml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return clinic(str(file))


def test_the_shipped_clinic_is_right() -> None:
    here = clinic(str(Path(__file__).parents[2] / "clinic.yml"))
    assert here.numbers_for(None) == here.numbers_for(here.default_country)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    here = load(tmp_path, GOOD)
    assert (here.booking_link, here.keep_before_consent_minutes, dict(here.numbers)) == (None, 15, {})


@pytest.mark.parametrize(
    ("country", "emergency"),
    [("us", "911"), ("uk", "999"), ("au", "000"), ("eu", "112"), (None, "999"), ("atlantis", "999")],
)
def test_numbers_are_of_the_patients_country_or_the_clinics(
    tmp_path: Path, country: str | None, emergency: str
) -> None:
    assert load(tmp_path, GOOD).numbers_for(country)["emergency"] == emergency


def test_the_clinics_own_numbers_go_before(tmp_path: Path) -> None:
    here = load(tmp_path, {**GOOD, "numbers": {"uk": {"advice": "our nurse"}}})
    assert here.numbers_for("uk") == {**catalog().tree("safety.numbers.uk"), "advice": "our nurse"}


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"name": ""}, "name", '"minLength": 1'),
        ({"name": 7}, "name", '"string"'),
        ({"name": "x" * 121}, "name", '"maxLength": 120'),
        ({"phone": "ring us"}, "phone", "pattern"),
        ({"phone": None}, "phone", '"string"'),
        ({"default_country": "UK"}, "default_country", "elsewhere"),
        ({"booking_link": "javascript:alert(1)"}, "booking_link", "https"),
        ({"keep_before_consent_minutes": 1441}, "keep_before_consent_minutes", '"maximum": 1440'),
        ({"numbers": {"mars": {}}}, "numbers", "elsewhere"),
        ({"numbers": {"us": {"pizza": "555"}}}, "numbers.us", "emergency, crisis, advice"),
        ({"colour": "blue"}, "the whole file", "name, phone, booking_link"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(tmp_path: Path, change: Any, field: str, allowed: str) -> None:
    with pytest.raises(SettingError) as raised:
        load(tmp_path, {**GOOD, **change})
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'clinic.yml'}: {field}: ")
    assert "allowed" in message
    assert allowed in message


@pytest.mark.parametrize("missing", GOOD)
def test_a_setting_that_must_be_there_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingError, match=f"'{missing}' is a required property"):
        load(tmp_path, {name: value for name, value in GOOD.items() if name != missing})
