"""Words that are the carrier's or the platform's, exactly these and no sentence that has one in it."""

from __future__ import annotations

import pytest

from plateau.channels import CHANNELS, GET_STARTED, reserved


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
@pytest.mark.parametrize(
    ("word", "wish"),
    [
        *((word, "stop") for word in ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE")),
        *((word, "start") for word in ("START", "UNSTOP")),
        *((word, "help") for word in ("HELP", "INFO")),
    ],
)
def test_a_carriers_word_is_one_in_any_case_and_with_punctuation(word: str, wish: str, channel: str) -> None:
    for said in (word, word.lower(), word.title(), f" {word}\n", f"{word}.", f'"{word}!"', f"({word})"):
        assert reserved(channel, said) == wish


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "YES",
        "stop it",
        "please stop",
        "it hurts, help",
        "stop for now",
        "the end",
        "start over",
        "stopp",
        "no",
        "2",
    ],
)
def test_anything_else_is_of_the_conversation(text: str, channel: str) -> None:
    assert reserved(channel, text) is None


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("/start", "start"),
        ("/START", "start"),
        ("/start@PlateauBot", "start"),
        ("/start 7K3M9QTA2XHB", "start"),
        ("/start@PlateauBot 7K3M9QTA2XHB", "start"),
        ("/stop", "stop"),
        ("/help ", "help"),
        ("/starting", None),
        ("/other", None),
        ("start", None),
        ("stop", None),
        ("say /start", None),
    ],
)
def test_on_telegram_commands_are(text: str, wish: str | None) -> None:
    assert reserved("telegram", text) == wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [("Stop", "stop"), ("START", "start"), ("help?", "help"), (GET_STARTED, "start"), ("cancel", None)],
)
def test_on_messenger_three_words_and_get_started_are(text: str, wish: str | None) -> None:
    assert reserved("messenger", text) == wish


@pytest.mark.parametrize("text", ["STOP", "HELP", "/start", GET_STARTED])
def test_a_clinics_own_app_has_none(text: str) -> None:
    assert reserved("webhook", text) is None
