"""Invitations: what a link begins, for how long, and that nobody can make one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plateau.cli import main
from plateau.content import Clinic
from plateau.server._codes import BadCode, digest
from plateau.server._invites import FRAGMENT, PREFIX, Invites

SECRET, OTHER = "s" * 48, "o" * 48
CLINIC = Clinic("Riverside", "+1 555 0100", "us", public_url="https://bot.clinic.example")


def made(patient: str = "4711", days: int = 14, secret: str = SECRET) -> str:
    """Return the token of a new link."""
    link, _ = Invites(secret, CLINIC).make(patient, days)
    base, _, token = link.partition(FRAGMENT)
    assert base == "https://bot.clinic.example/"
    return token


def test_a_link_names_the_patient_as_the_clinics_own_token_would() -> None:
    found = Invites(SECRET, CLINIC).read(made())
    assert found.patient == f"clinic-{digest(SECRET, 'patient', '4711')}"
    assert found.conversation.startswith("web-")


def test_a_link_does_not_hold_the_patients_number() -> None:
    assert "4711" not in made("4711" * 3)


def test_each_link_is_a_conversation_of_its_own() -> None:
    invites = Invites(SECRET, CLINIC)
    first, second = made(), made()
    assert invites.read(first).conversation != invites.read(second).conversation
    assert invites.read(first) == invites.read(first)


@pytest.mark.parametrize(
    "token",
    [
        made(secret=OTHER),
        made(days=-1),
        made()[:-2],
        made().replace(PREFIX, PREFIX + "x"),
        PREFIX,
        "",
        "invite.e30.sig",
        PREFIX + "ü",
    ],
    ids=["another secret", "ended", "cut", "changed", "empty", "nothing", "unsigned", "not ASCII"],
)
def test_refused(token: str) -> None:
    with pytest.raises(BadCode):
        Invites(SECRET, CLINIC).read(token)


@pytest.fixture
def clinic_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    file = tmp_path / "clinic.yml"
    file.write_text("name: R\nphone: '+1 555 0100'\ndefault_country: us\npublic_url: https://bot.clinic.example\n")
    monkeypatch.setenv("PLATEAU_CLINIC", str(file))
    monkeypatch.setenv("PLATEAU_SECRET", SECRET)
    monkeypatch.setenv("PLATEAU_DATA", str(tmp_path))
    return file


@pytest.mark.usefixtures("clinic_file")
def test_the_command_prints_a_link_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["invite", "4711", "--days", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Invites(SECRET, CLINIC).read(told["link"].partition(FRAGMENT)[2]).patient.startswith("clinic-")


@pytest.mark.usefixtures("clinic_file")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["4711", "--days", "0"], "--days"),
        (["4711", "--days", "61"], "--days"),
        ([" "], "PATIENT"),
        (["4711", "--sms", "+15550100"], "channels.sms"),
        (["4711", "--email", "a@b.example"], "staff.email_from"),
    ],
    ids=["no day", "too many days", "nobody", "SMS is off", "e-mail is off"],
)
def test_the_command_says_what_is_wrong(options: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["invite", *options]) == 2
    assert named in capsys.readouterr().err


def test_the_command_needs_the_public_address(clinic_file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    clinic_file.write_text("name: R\nphone: '+1 555 0100'\ndefault_country: us\n")
    assert main(["invite", "4711"]) == 2
    assert "public_url" in capsys.readouterr().err
