"""`plateau channels`: what it says of each channel, and what is laid down at the platforms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from inbound import (
    ACCOUNT,
    APP_SECRET,
    MESSENGER_TOKEN,
    NUMBER,
    PAGE,
    PATIENT,
    PUBLIC_URL,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    TWILIO_TOKEN,
    VERIFY,
    WEBHOOK_SECRET,
)
from standins import Fault, GraphServer, TelegramServer, TwilioServer, telegram_error, twilio_error

from plateau.cli import main
from plateau.content import clinic
from plateau.server._settings import READERS
from plateau.server.platforms._setup import templates
from plateau.server.platforms._twilio import Twilio

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
CHANNELS = {
    "sms": {"from": NUMBER},
    "whatsapp": {"from": NUMBER},
    "telegram": {"bot": "riversidebot"},
    "messenger": {"page": PAGE},
}
NAMES = [*(f"buttons_{count}" for count in range(1, 4)), *(f"list_{count}" for count in range(2, 11))]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run `plateau channels` with a clinic and an environment; returns its code and what it wrote."""

    def run(
        *arguments: str, channels: Any = CHANNELS, without: str = "", public_url: str | None = PUBLIC_URL, **more: str
    ) -> tuple[int, str, str]:
        raw = {"name": "Riverside", "phone": "+1 555 0100", "default_country": "us", "channels": channels}
        raw |= {"staff": {"slack": True}, **({"public_url": public_url} if public_url else {})}
        (tmp_path / "clinic.yml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        for variable, _ in READERS.values():
            monkeypatch.delenv(variable, raising=False)
        for variable, value in {**ENVIRONMENT, **more, "PLATEAU_CLINIC": str(tmp_path / "clinic.yml")}.items():
            if variable != without:
                monkeypatch.setenv(variable, value)
        clinic.cache_clear()
        code = main(["channels", *arguments])
        return code, *capsys.readouterr()

    yield run
    clinic.cache_clear()


# ---------------------------------------------------------------- check


SLACK = {"PLATEAU_SLACK_URL": "https://hooks.example/services/T/B/hooksecret"}


def test_check_says_what_is_on_what_is_missing_and_where_to_post(run: Run) -> None:
    code, told, _ = run("check", "--json", without="PLATEAU_TELEGRAM_SECRET", **SLACK)
    lines = {one["channel"]: one for one in map(json.loads, told.splitlines())}
    assert code == 1
    assert {name: one["on"] for name, one in lines.items()} == {
        "sms": True, "whatsapp": True, "telegram": True, "messenger": True, "webhook": False,
        "staff.email": False, "staff.webhook": False, "staff.slack": True, "staff.fhir": False,
    }  # fmt: skip
    assert lines["telegram"]["missing"] == ["PLATEAU_TELEGRAM_SECRET"]
    assert lines["staff.email"]["missing"] == ["PLATEAU_SMTP_URL"]
    assert lines["sms"] == {"channel": "sms", "on": True, "missing": [], "webhook": f"{PUBLIC_URL}/channels/sms"}


def test_check_says_it_in_words(run: Run) -> None:
    code, told, _ = run("check", without="PLATEAU_TWILIO_AUTH_TOKEN", **SLACK)
    assert code == 1
    assert re.search(r"^sms +on +not set: PLATEAU_TWILIO_AUTH_TOKEN; the platform posts to https://.*/sms$", told, re.M)
    assert re.search(r"^webhook +off +all is set; ", told, re.M)


def test_check_is_content_when_all_is_set(run: Run) -> None:
    assert run("check", **SLACK)[0] == 0


def test_check_misses_the_public_address(run: Run) -> None:
    code, told, _ = run("check", public_url=None, **SLACK)
    assert code == 1 and "not set: public_url" in told


def test_check_refuses_a_wrong_value_without_telling_it(run: Run) -> None:
    code, told, why = run("check", PLATEAU_TELEGRAM_TOKEN="987654321:oops")
    assert (code, told) == (2, "")
    assert "PLATEAU_TELEGRAM_TOKEN" in why and "oops" not in why


def test_no_secret_is_printed(run: Run) -> None:
    told = " ".join(run("check", **SLACK)[1:]) + " ".join(run("check", "--json", **SLACK)[1:])
    assert not [secret for secret in (*ENVIRONMENT.values(), "hooksecret") if secret in told]


# ---------------------------------------------------------------- Telegram


def test_telegram_is_told_where_to_post_and_with_what_secret(run: Run) -> None:
    with TelegramServer(TELEGRAM_TOKEN) as server:
        for _ in range(2):
            code, told, _ = run("set-up", "telegram", PLATEAU_TELEGRAM_API=server.url)
            assert code == 0
    assert json.loads(told)["webhook"] == f"{PUBLIC_URL}/channels/telegram"
    assert server.webhook == {
        "url": f"{PUBLIC_URL}/channels/telegram",
        "secret_token": TELEGRAM_SECRET,
        "allowed_updates": ["message", "edited_message", "callback_query", "my_chat_member"],
        "drop_pending_updates": False,
    }
    assert TELEGRAM_SECRET not in told


@pytest.mark.parametrize(
    ("channels", "fault", "why"),
    [
        ({"telegram": {"bot": "AnotherBot"}}, None, "is not the bot of PLATEAU_TELEGRAM_TOKEN"),
        ({"telegram": {"bot": "RiversideBot"}}, telegram_error(401, "Unauthorized"), "error 401"),
        ({"telegram": {"bot": "RiversideBot"}}, Fault.dropped, "no answer"),
        ({"sms": {"from": NUMBER}}, None, "channels.telegram is not switched on"),
    ],
)
def test_telegram_is_not_set_up_where_something_is_wrong(run: Run, channels: Any, fault: Any, why: str) -> None:
    with TelegramServer(TELEGRAM_TOKEN) as server:
        server.fail(*([fault] if fault else []))
        code, _, told = run("set-up", "telegram", channels=channels, PLATEAU_TELEGRAM_API=server.url)
    assert code == 2 and why in told and TELEGRAM_TOKEN not in told
    assert server.webhook == {}


# ---------------------------------------------------------------- Messenger


def test_the_page_is_subscribed_and_has_a_start_button(run: Run) -> None:
    with GraphServer(PAGE, APP_SECRET, MESSENGER_TOKEN) as server:
        code, told, why = run("set-up", "messenger", PLATEAU_MESSENGER_API=server.url)
    assert code == 0, why
    assert server.subscribed == ["messages", "messaging_postbacks", "messaging_referrals", "message_edits"]
    assert server.profile == {"get_started": {"payload": "/start"}}
    assert server.violations == []
    assert json.loads(told)["webhook"] == f"{PUBLIC_URL}/channels/messenger"


# ---------------------------------------------------------------- WhatsApp


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer(ACCOUNT, TWILIO_TOKEN, (NUMBER, f"whatsapp:{NUMBER}")) as server:
        yield server


def test_whatsapps_templates_are_made_once(run: Run, twilio: TwilioServer) -> None:
    first = json.loads(run("set-up", "whatsapp", PLATEAU_TWILIO_API=twilio.url)[1])["templates"]
    assert list(first) == NAMES
    assert len(twilio.contents) == len(NAMES)
    assert json.loads(run("set-up", "whatsapp", PLATEAU_TWILIO_API=twilio.url)[1])["templates"] == first
    assert len(twilio.contents) == len(NAMES)
    assert twilio.violations == []


def test_what_is_printed_can_stand_in_clinic_yml(run: Run, twilio: TwilioServer) -> None:
    made = json.loads(run("set-up", "whatsapp", PLATEAU_TWILIO_API=twilio.url)[1])["templates"]
    assert run("check", channels={"whatsapp": {"from": NUMBER, "templates": made}}, **SLACK)[0] == 0


@pytest.mark.parametrize("name", NAMES)
async def test_each_template_can_be_filled_in_as_the_renderer_does(name: str, twilio: TwilioServer) -> None:
    count = int(name.partition("_")[2])
    sid = "HX" + "c" * 32
    twilio.contents[sid] = {"types": templates("Choose")[name]}
    pairs = [value for at in range(count) for value in (f"Option {at}", f"7:abcdef:o:{at}")]
    variables = {str(at): value for at, value in enumerate(["How is it?", *pairs], start=1)}
    whatsapp = Twilio(
        "whatsapp", sender=NUMBER, account=ACCOUNT, token=TWILIO_TOKEN, public_url=PUBLIC_URL, api=twilio.url
    )
    await whatsapp.send(f"whatsapp:{PATIENT}", {"template": sid, "variables": variables, "body": "no"})
    await whatsapp.close()
    (text,) = twilio.taken
    assert (text.text, list(text.options)) == ("How is it?", pairs[1::2])
    assert twilio.violations == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (twilio_error(401, 20003, "Authenticate"), "PLATEAU_TWILIO_AUTH_TOKEN is wrong"),
        (twilio_error(400, 20001, "Invalid"), "Twilio refused (HTTP 400, error 20001)"),
        (Fault.status(503, "<html>"), "answered 503"),
        (Fault.status(200, "<html>"), "answered 200"),
    ],
)
def test_templates_are_not_made_where_twilio_refuses(run: Run, twilio: TwilioServer, fault: Any, why: str) -> None:
    twilio.fail(fault)
    code, told, error = run("set-up", "whatsapp", PLATEAU_TWILIO_API=twilio.url)
    assert (code, told) == (2, "") and why in error and TWILIO_TOKEN not in error


def test_text_messages_need_nothing_but_the_address(run: Run) -> None:
    code, _, why = run("set-up", "sms")
    assert code == 2 and f"enter {PUBLIC_URL}/channels/sms there" in why
