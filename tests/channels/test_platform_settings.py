"""Which platforms are there: what clinic.yml switches on, with its secrets from the environment and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from inbound import (
    ACCOUNT,
    APP_SECRET,
    MESSENGER_TOKEN,
    NUMBER,
    PAGE,
    PUBLIC_URL,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    TWILIO_TOKEN,
    VERIFY,
    WEBHOOK_SECRET,
)

from plateau.channels import CHANNELS
from plateau.content import Clinic, SettingError
from plateau.server._settings import READERS, Settings
from plateau.server.platforms import address_of, missing, path_of, platforms

ENVIRONMENT = {
    "PLATEAU_TWILIO_ACCOUNT_SID": ACCOUNT,
    "PLATEAU_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
    "PLATEAU_TELEGRAM_TOKEN": TELEGRAM_TOKEN,
    "PLATEAU_TELEGRAM_SECRET": TELEGRAM_SECRET,
    "PLATEAU_MESSENGER_APP_SECRET": APP_SECRET,
    "PLATEAU_MESSENGER_TOKEN": MESSENGER_TOKEN,
    "PLATEAU_MESSENGER_VERIFY": VERIFY,
    "PLATEAU_WEBHOOK_SECRET": WEBHOOK_SECRET,
}
ON: dict[str, dict[str, Any]] = {
    "sms": {"from": NUMBER},
    "whatsapp": {"from": NUMBER},
    "telegram": {"bot": "RiversideBot"},
    "messenger": {"page": PAGE},
    "webhook": {"url": "https://portal.clinic.example/plateau"},
}
NEEDED = {
    "sms": ["PLATEAU_TWILIO_ACCOUNT_SID", "PLATEAU_TWILIO_AUTH_TOKEN"],
    "whatsapp": ["PLATEAU_TWILIO_ACCOUNT_SID", "PLATEAU_TWILIO_AUTH_TOKEN"],
    "telegram": ["PLATEAU_TELEGRAM_TOKEN", "PLATEAU_TELEGRAM_SECRET"],
    "messenger": ["PLATEAU_MESSENGER_APP_SECRET", "PLATEAU_MESSENGER_TOKEN", "PLATEAU_MESSENGER_VERIFY"],
    "webhook": ["PLATEAU_WEBHOOK_SECRET"],
}


def clinic(*on: str, public_url: str | None = PUBLIC_URL) -> Clinic:
    channels = {name: ON[name] for name in on}
    return Clinic("Riverside", "+1 555 0100", "us", public_url=public_url, channels=channels)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _ in READERS.values():
        monkeypatch.delenv(variable, raising=False)
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.parametrize("on", [(), *((name,) for name in CHANNELS), CHANNELS])
def test_what_is_switched_on_is_there_and_nothing_else(on: tuple[str, ...]) -> None:
    made = platforms(clinic(*on), Settings.from_environment())
    assert [(name, platform.name) for name, platform in made.items()] == [(name, name) for name in on]


@pytest.mark.parametrize(("channel", "variable"), [(name, variable) for name in NEEDED for variable in NEEDED[name]])
def test_a_missing_secret_is_named(channel: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable)
    settings = Settings.from_environment()
    assert missing(channel, settings) == [variable]
    with pytest.raises(SettingError, match=f"^channels.{channel} is switched on, but {variable} is not set; "):
        platforms(clinic(channel), settings)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_public_address_is_needed(channel: str) -> None:
    with pytest.raises(SettingError, match=f"^channels.{channel} is switched on, but public_url is not set"):
        platforms(clinic(channel, public_url=None), Settings.from_environment())


def test_the_address_to_enter_at_the_platform() -> None:
    assert path_of("sms") == "/channels/sms"
    assert address_of("sms", clinic()) == f"{PUBLIC_URL}/channels/sms"
    assert address_of("sms", clinic(public_url=None)) is None


WRONG = {
    "PLATEAU_TWILIO_ACCOUNT_SID": ["SK" + "0" * 32, "AC123", ACCOUNT + "0", ACCOUNT.upper()],
    "PLATEAU_TWILIO_AUTH_TOKEN": ["tiny-one", "with a\nnew line, and long", "ümlaut-0123456789"],
    "PLATEAU_TWILIO_API": ["http://api.twilio.com", "http://127.0.0.1.evil.example"],
    "PLATEAU_TELEGRAM_TOKEN": ["AAtelegram", "987654321", "123456789:tiny", f"bot{TELEGRAM_TOKEN}"],
    "PLATEAU_TELEGRAM_SECRET": ["tiny-one", "with spaces in the secret", "x" * 257, "dots.are.not.allowed"],
    "PLATEAU_TELEGRAM_API": ["http://localhost.evil.example", "api.telegram.org"],
    "PLATEAU_MESSENGER_APP_SECRET": ["tiny-one"],
    "PLATEAU_MESSENGER_TOKEN": ["tiny-one"],
    "PLATEAU_MESSENGER_VERIFY": ["tiny-one"],
    "PLATEAU_MESSENGER_API": ["http://graph.facebook.com"],
    "PLATEAU_WEBHOOK_SECRET": ["only-16-characters", f"{WEBHOOK_SECRET},tiny-one", f"{WEBHOOK_SECRET},"],
    "PLATEAU_STAFF_SECRET": ["only-16-characters"],
    "PLATEAU_SMTP_URL": [
        "mail.clinic.example:587",
        "http://mail.clinic.example",
        "smtp://a:b@c@mail.example",
        "smtp://:587",
    ],
    "PLATEAU_SLACK_URL": ["http://hooks.slack.com/services/T/B/X"],
    "PLATEAU_FHIR_TOKEN": ["tiny-one"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_is_refused_without_being_told(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError, match=f"^{variable}: .*; allowed: ") as raised:
        Settings.from_environment()
    assert value not in str(raised.value)


RIGHT = {
    "PLATEAU_TWILIO_API": ("twilio_api", "http://127.0.0.1:8099", "http://127.0.0.1:8099"),
    "PLATEAU_TELEGRAM_API": (
        "telegram_api",
        "https://proxy.clinic.example/telegram/",
        "https://proxy.clinic.example/telegram",
    ),
    "PLATEAU_MESSENGER_API": ("messenger_api", "http://localhost:1/", "http://localhost:1"),
    "PLATEAU_WEBHOOK_SECRET": ("webhook_secrets", f"{'a' * 32}, {'b' * 32}", ("a" * 32, "b" * 32)),
    "PLATEAU_SMTP_URL": (
        "smtp",
        "smtp://user%40clinic:p%2Fw@mail.example:587",
        "smtp://user%40clinic:p%2Fw@mail.example:587",
    ),
}


@pytest.mark.parametrize("variable", RIGHT)
def test_a_right_value_is_read(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value, read = RIGHT[variable]
    monkeypatch.setenv(variable, value)
    assert getattr(Settings.from_environment(), name) == read


def test_no_secret_stands_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {
        "PLATEAU_SMTP_URL": "smtp://u:mailpassword@m.example",
        "PLATEAU_SLACK_URL": "https://hooks.example/T/B/hooksecret",
    }
    for variable, value in more.items():
        monkeypatch.setenv(variable, value)
    settings = Settings.from_environment()
    made = platforms(clinic(*CHANNELS), settings)
    told = f"{settings!r} {made!r}"
    secrets = [*ENVIRONMENT.values(), "mailpassword", "hooksecret"]
    assert [secret for secret in secrets if secret in told] == []
