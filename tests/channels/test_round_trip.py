"""What a channel shows can be answered there: every option of every question, typed or tapped, is that answer."""

from __future__ import annotations

from typing import Any

import pytest
from replies import ASKED, HERE, NUMBERS, TEMPLATES, WORDS, buttons, control, question, text_of

from plateau.channels import Place, Said, meant, rendered
from plateau.protocol import validate

TEXT_CHANNELS = ("sms", "whatsapp")
CHOICES = [name for name in ASKED if control(question(name))["kind"] == "choice"]
SEVERAL = [name for name in ASKED if control(question(name))["kind"] == "multi"]
NUMERIC = [name for name in ASKED if control(question(name))["kind"] in ("number", "nprs")]
FEW = [name for name in NUMERIC if control(question(name))["max"] <= 10]
WITH_TEMPLATES = Place(NUMBERS, templates=TEMPLATES)


def typed(channel: str, text: str, turn: Any) -> Any:
    return meant(channel, Said(text=text), turn, WORDS)


def tapped(channel: str, data: str, turn: Any) -> Any:
    return meant(channel, Said(tap=data), turn, WORDS)


def marks(channel: str, turn: Any) -> dict[str, str]:
    """What is to be typed for each option, as the rendered text says it."""
    lines = [line.split(" ", 1) for line in text_of(rendered(channel, turn, WORDS, HERE)[-1]).splitlines()]
    return {line[1]: line[0] for line in lines if len(line) > 1}


@pytest.mark.parametrize("channel", TEXT_CHANNELS)
@pytest.mark.parametrize("name", CHOICES)
def test_what_stands_before_an_option_is_its_answer(name: str, channel: str) -> None:
    turn = question(name)
    shown = marks(channel, turn)
    for option in control(turn)["options"]:
        found = typed(channel, shown[option["title"]], turn)
        assert (found.answers, found.after) == ({name: option["value"]}, turn["number"])
        validate(name, found.answers[name])


@pytest.mark.parametrize("channel", TEXT_CHANNELS)
@pytest.mark.parametrize("name", SEVERAL)
def test_several_are_answered_by_their_numbers_and_none_by_0(name: str, channel: str) -> None:
    turn = question(name)
    shown, values = marks(channel, turn), []
    for option in control(turn)["options"]:
        if option["value"] == "none":
            assert typed(channel, "0", turn).answers == {name: ["none"]}
            assert f"0 = {option['title']}." in text_of(rendered(channel, turn, WORDS, HERE)[-1])
            continue
        assert typed(channel, shown[option["title"]], turn).answers == {name: [option["value"]]}
        values.append(option["value"])
    everything = " ".join(str(number) for number in range(1, len(values) + 1))
    assert typed(channel, everything, turn).answers == {name: values}


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "telegram", "messenger"])
@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("text", ["0", "7", "10", "seven", "about a 7"])
def test_a_number_is_never_a_place_in_a_list(text: str, name: str, channel: str) -> None:
    assert typed(channel, text, question(name)).text == text


@pytest.mark.parametrize("name", CHOICES)
def test_every_option_of_a_choice_is_a_button_on_telegram(name: str) -> None:
    turn = question(name)
    shown = list(buttons(rendered("telegram", turn, WORDS, HERE)[-1]).values())
    for data, option in zip(shown, control(turn)["options"], strict=False):
        assert tapped("telegram", data, turn).answers == {name: option["value"]}


@pytest.mark.parametrize("name", CHOICES)
def test_every_option_of_a_choice_is_a_quick_reply_on_messenger_or_a_number(name: str) -> None:
    turn = question(name)
    message = rendered("messenger", turn, WORDS, HERE)[-1]
    for place, option in enumerate(control(turn)["options"]):
        if len(control(turn)["options"]) > 12:
            assert typed("messenger", str(place + 1), turn).answers == {name: option["value"]}
        else:
            data = list(buttons(message).values())[place]
            assert tapped("messenger", data, turn).answers == {name: option["value"]}


@pytest.mark.parametrize("name", CHOICES)
def test_with_the_clinics_templates_a_choice_has_buttons_or_a_list_on_whatsapp(name: str) -> None:
    turn = question(name)
    message = rendered("whatsapp", turn, WORDS, WITH_TEMPLATES)[-1]
    options = control(turn)["options"]
    longest = max(len(option["title"]) for option in options)
    few = len(options) <= 3
    assert ("template" in message) is (len(options) <= 10 and longest <= (20 if few else 72))
    for option, data in zip(options, buttons(message).values(), strict=False):
        assert tapped("whatsapp", data, turn).answers == {name: option["value"]}


@pytest.mark.parametrize("channel", ["telegram", "messenger"])
@pytest.mark.parametrize("name", FEW)
def test_a_short_scale_is_one_tap(name: str, channel: str) -> None:
    turn = question(name)
    shown = buttons(rendered(channel, turn, WORDS, HERE)[-1])
    for value in range(control(turn)["max"] + 1):
        assert tapped(channel, shown[str(value)], turn).answers == {name: value}


@pytest.mark.parametrize("channel", ["telegram", "messenger"])
@pytest.mark.parametrize("name", [*SEVERAL, *NUMERIC])
def test_none_is_one_tap_where_it_is_an_answer(name: str, channel: str) -> None:
    turn = question(name)
    titles = [option["title"] for option in control(turn).get("options", ()) if option["value"] == "none"]
    titles += [control(turn)["none"]["title"]] if "none" in control(turn) else []
    for title in titles:
        data = buttons(rendered(channel, turn, WORDS, HERE)[-1])[title]
        assert tapped(channel, data, turn).answers == {name: "none" if name in NUMERIC else ["none"]}


@pytest.mark.parametrize("channel", ["telegram", "messenger"])
@pytest.mark.parametrize("name", ASKED)
def test_every_command_that_is_shown_is_that_command(name: str, channel: str) -> None:
    turn = question(name)
    titles = {title: name for name, title in WORDS.tree("channels.commands").items()}
    shown = {
        titles[title]: data
        for title, data in buttons(rendered(channel, turn, WORDS, HERE)[-1]).items()
        if title in titles
    }
    assert set(shown) <= set(turn["screen"]["commands"])
    if channel == "telegram":
        assert set(shown) == set(turn["screen"]["commands"])
    for command, data in shown.items():
        assert tapped(channel, data, turn).command == command
