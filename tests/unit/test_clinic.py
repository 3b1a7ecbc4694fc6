"""A clinic's settings: read, completed and, where wrong, refused with the file, the field and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.content import SettingError, catalog, clinic, clinic_words
from plateau.escalation import RuleError, assess, clinic_rules, running
from plateau.escalation._rules import DEFAULT_FILE

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
    assert (here.origins, here.exit_link) == ((), "https://www.wikipedia.org/")


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.example",
        "https://www.a-b.example:8443",
        "https://203.0.113.7",
        "https://intranet",
        "http://localhost:8000",
        "http://127.0.0.1:8000",
    ],
)
def test_pages_of_the_clinics_sites_may_hold_the_chat(tmp_path: Path, origin: str) -> None:
    assert load(tmp_path, {**GOOD, "origins": [origin]}).origins == [origin]


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
        ({"keep_days": 0}, "keep_days", '"minimum": 1'),
        ({"link_hours": 721}, "link_hours", '"maximum": 720'),
        ({"code_days": "long"}, "code_days", '"integer"'),
        ({"therapist": {"one": "physio"}}, "therapist", "one, many"),
        ({"therapist": {"one": "PT", "many": "pts"}}, "therapist.one", "pattern"),
        ({"services": ["leeches"]}, "services.0", "manual_therapy"),
        ({"time_gates": {"adequate_trial_weeks": 0}}, "time_gates.adequate_trial_weeks", "exclusiveMinimum"),
        ({"texts": {"consent": "ok?"}}, "texts.consent", '"minLength": 40'),
        ({"texts": {"privacy": "{phone}" * 9}}, "texts.privacy", "pattern"),
        ({"texts": {"greeting": "x" * 50}}, "texts", "consent, privacy"),
        ({"origins": "https://a.example"}, "origins", '"array"'),
        ({"origins": None}, "origins", '"array"'),
        ({"origins": ["https://a.example", "https://a.example"]}, "origins", "uniqueItems"),
        ({"origins": [7]}, "origins.0", '"string"'),
        *(
            ({"origins": ["https://a.example", wrong]}, "origins.1", "pattern")
            for wrong in (
                "*",
                "null",
                "",
                "a.example",
                "http://a.example",
                "https://a.example/",
                "https://a.example/chat",
                "https://A.example",
                "https://*.example",
                "https://a.example:443",
                "https://a.example:0",
                "https://a.example:x",
                "https://a.example; script-src *",
                "https://a.example\n",
                "https://a@b.example",
                "https://-a.example",
                "http://localhost",
                "http://localhost:80",
                "http://127.0.0.2:8000",
                "http://localhost.example:8000",
            )
        ),
        ({"exit_link": "http://a.example"}, "exit_link", "https"),
        ({"exit_link": "https://"}, "exit_link", "https"),
        ({"exit_link": "https://a.example\n"}, "exit_link", "https"),
        ({"exit_link": "javascript:alert(1)"}, "exit_link", "https"),
        ({"exit_link": None}, "exit_link", '"string"'),
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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes clinic.yml with these settings the one that runs."""

    def make(**settings: Any) -> None:
        (tmp_path / "clinic.yml").write_text(yaml.safe_dump({**GOOD, **settings}), encoding="utf-8")
        monkeypatch.setenv("PLATEAU_CLINIC", str(tmp_path / "clinic.yml"))
        forget()

    def forget() -> None:
        for cached in (clinic, clinic_words, clinic_rules):
            cached.cache_clear()

    yield make
    monkeypatch.undo()
    forget()


def test_the_clinics_word_for_a_therapist_is_said_everywhere(here: Callable[..., None]) -> None:
    here(therapist={"one": "physio", "many": "physios"})
    assert clinic().worded("Therapists and a therapist; psychotherapist") == "Physios and a physio; psychotherapist"
    assert "your physio" in clinic_words().get("plan.recommendations.reduce_load.text")
    assert "your therapist" in catalog().get("plan.recommendations.reduce_load.text")


def test_the_clinics_own_text_for_consent_has_its_own_version(here: Callable[..., None]) -> None:
    here()
    usual = clinic().consent_version
    here(texts={"consent": "We at Hill Street ask about your health. May we keep your answers?"})
    assert clinic_words().get("questions.consent.ask").startswith("We at Hill Street")
    assert clinic().consent_version != usual
    assert clinic().consent_version.startswith(usual)


def test_the_clinics_time_gates_are_those_of_its_rules(here: Callable[..., None]) -> None:
    record = {"weeks_in_pt": 5, "progress": "same", "diagnosis_fit": "fits"}
    here()
    assert assess(record, rules=clinic_rules()).primary == "change_modality"
    here(time_gates={"reevaluate_weeks": 6})
    assert assess(record, rules=clinic_rules()).primary == "too_early"
    here(time_gates={"tea_weeks": 6})
    with pytest.raises(RuleError, match=r"time_gates of clinic\.yml: name: 'tea_weeks'.*reevaluate_weeks"):
        clinic_rules()


def test_a_clinic_may_run_its_own_rule_file(here: Callable[..., None], tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace("reevaluate_weeks: 4", "reevaluate_weeks: 7"))
    before = running()
    here(rules=str(own))
    assert clinic_rules().gates["reevaluate_weeks"] == 7
    assert running() != before, "what is signed has changed"
    here(rules=str(tmp_path / "none.yml"))
    with pytest.raises(RuleError, match=r"none\.yml: file: path: cannot be read"):
        clinic_rules()
