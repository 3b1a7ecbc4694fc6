"""Every reply on every channel: within its limits, in its form, what is urgent first, the question last and whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import (
    ADVICE,
    ASKED,
    HERE,
    NUMBERS,
    PLAN,
    TEMPLATES,
    WEB,
    WORDS,
    buttons,
    control,
    emergency,
    ended,
    message,
    plan,
    question,
    reply,
    review,
    screen,
    text_of,
)

from plateau.channels import CHANNELS, LIMITS, OverLimit, Place, check, limits_table, parts, rendered
from plateau.channels._gsm import is_gsm
from plateau.channels._limits import NO_LIMIT

SPOKEN = ("sms", "whatsapp", "telegram", "messenger")
PLACES = {
    "with links": HERE,
    "without": Place(NUMBERS),
    "first": replace(HERE, first=True),
    "with templates": replace(HERE, templates=TEMPLATES),
}
SCREENS: dict[str, Callable[[], dict[str, Any]]] = {
    **{name: (lambda name=name: question(name)) for name in ASKED},
    **{f"{name} again": (lambda name=name: question(name, again=True)) for name in ASKED},
    "review": review,
    "review again": lambda: review(again=True),
    "plan": plan,
    "emergency": emergency,
    "paused": lambda: ended("paused"),
    "restarting": lambda: ended("restarting"),
    "nothing": lambda: reply(None, message("urgent", "Sorry, that was not saved.")),
}
LONG = "This is one of many sentences that the dialogue can say. " * 120
STRANGE = ["жук " * 800, "😀" * 2000, "x" * 4000, "https://a.example/" + "y" * 1990, "“quoted” — " * 300]
SAME_DAY = WORDS.get("safety.same_day", **NUMBERS)


def texts(channel: str, turn: Mapping[str, Any], place: Place = HERE) -> list[str]:
    return [text_of(each) for each in rendered(channel, turn, WORDS, place)]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", SCREENS)
def test_every_reply_keeps_to_the_limits_of_every_channel(name: str, where: str) -> None:
    for channel in CHANNELS:
        for shown in rendered(channel, SCREENS[name](), WORDS, PLACES[where]):
            check(channel, shown)
            assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize("channel", SPOKEN)
@pytest.mark.parametrize("name", SCREENS)
def test_no_data_of_a_button_and_no_gap_is_seen(name: str, channel: str) -> None:
    turn = SCREENS[name]()
    for shown in rendered(channel, turn, WORDS, replace(HERE, first=True)):
        seen = "\n".join([text_of(shown), *buttons(shown)])
        assert not set("{}_") & set(seen.replace(PLAN, "").replace(WEB, ""))
        assert not any(sent in seen for sent in buttons(shown).values())


@pytest.mark.parametrize("name", ASKED)
def test_the_question_is_one_whole_message_on_every_channel_and_the_last(name: str) -> None:
    turn = question(name, message("say", LONG))
    for channel in SPOKEN:
        last = texts(channel, turn)[-1]
        assert control(turn)["text"].splitlines()[0] in last
        titles = [option["title"] for option in control(turn).get("options", ())]
        shown = "\n".join([last, *buttons(rendered(channel, turn, WORDS, HERE)[-1])])
        assert [title for title in titles if title not in shown] == []


@pytest.mark.parametrize("name", ASKED)
def test_a_question_is_one_text_message_of_the_gsm_alphabet(name: str) -> None:
    (body,) = texts("sms", question(name))
    assert is_gsm(body) and parts(body) <= 4


@pytest.mark.parametrize("name", ASKED)
def test_options_are_listed_once(name: str) -> None:
    titles = [option["title"] for option in control(question(name)).get("options", ())]
    for channel in SPOKEN:
        body = texts(channel, question(name))[-1]
        assert not any(f"- {title}" in body for title in titles)
        assert all(body.count(f" {title}\n") <= 1 for title in titles)


def test_what_is_said_goes_with_the_question_in_one_text_message_while_that_is_short() -> None:
    said = message("say", "Sleep matters.")
    assert texts("sms", question("sleep", said)) == [f"Sleep matters.\n\n{texts('sms', question('sleep'))[0]}"]
    *before, last = texts("sms", question("sleep", message("say", LONG)))
    assert [last] == texts("sms", question("sleep"))
    assert all(parts(body) == 3 for body in before[:-1])
    assert " ".join(before) == LONG.strip()


@pytest.mark.parametrize("place", [HERE, replace(HERE, first=True)], ids=["later", "first"])
@pytest.mark.parametrize("channel", SPOKEN)
def test_what_is_urgent_is_the_first_message_wherever_it_stood_and_whole(channel: str, place: Place) -> None:
    urgent = message("urgent", SAME_DAY, "safety.same_day")
    for turn in (question("sleep", message("say", LONG), urgent), reply(None, message("say", LONG), urgent)):
        first, *others = texts(channel, turn, place)
        assert first == SAME_DAY and others


@pytest.mark.parametrize("channel", SPOKEN)
def test_an_emergency_stands_with_the_number_to_call_and_what_can_be_answered(channel: str) -> None:
    (only,) = rendered(channel, emergency(), WORDS, HERE)
    assert text_of(only).startswith(WORDS.get("safety.emergency", **NUMBERS))
    told = "\n".join([text_of(only), *buttons(only)]).lower()
    assert "mistake" in told and "checked" in told


@pytest.mark.parametrize("channel", SPOKEN)
def test_the_first_message_of_a_conversation_says_that_the_channel_is_not_private(channel: str) -> None:
    told = WORDS.tree("channels.first")[channel].format(**NUMBERS).strip()
    first = texts(channel, question("for_whom", message("say", "Hello.")), Place(NUMBERS, first=True))[0]
    assert first.startswith(told)
    assert WEB in texts(channel, question("for_whom"), replace(HERE, first=True))[0]
    assert not any(told in text for text in texts(channel, question("for_whom")))


def test_a_clinics_own_app_gets_the_reply_as_it_is() -> None:
    turn = question("sleep")
    assert rendered("webhook", turn, WORDS, replace(HERE, first=True)) == [{"turn": turn}]


# ---- the plan


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_the_plan_is_a_short_text_with_its_link(channel: str) -> None:
    (body,) = texts(channel, plan())
    assert ADVICE[0]["title"] in body and "one more thing" in body and "911" in body and PLAN in body
    assert parts(body) <= 3


@pytest.mark.parametrize("channel", ["telegram", "messenger"])
def test_the_plan_is_what_to_do_with_the_link_to_the_reasons(channel: str) -> None:
    body = texts(channel, plan())[-1]
    assert all(item["title"] in body and item["text"] in body and item["because"] not in body for item in ADVICE)
    assert PLAN in body


@pytest.mark.parametrize("channel", SPOKEN)
def test_without_a_link_the_plan_is_said_whole(channel: str) -> None:
    told = "\n".join(texts(channel, plan(), Place(NUMBERS)))
    assert all(line in told for said in plan()["messages"] for line in said["text"].splitlines())


def test_a_question_about_the_plan_does_not_bring_the_plan_again() -> None:
    turn = reply(screen("plan", None, {}), message("say", "HEP means home exercises."))
    assert [texts(channel, turn) for channel in SPOKEN] == [["HEP means home exercises."]] * 4


# ---- the review


@pytest.mark.parametrize("channel", SPOKEN)
def test_the_review_shows_every_answer_once_and_a_long_one_shortened(channel: str) -> None:
    told = "\n".join(texts(channel, review(goal="run " * 400)))
    assert all(f"{row['label']}: " in told for row in review()["screen"]["rows"])
    assert "run run" in told and "run " * 40 not in told


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "messenger"])
def test_the_review_asked_again_is_not_listed_again(channel: str) -> None:
    (body,) = texts(channel, review(again=True))
    assert "Age" not in body and "OK" in body


# ---- the words that lead elsewhere


@pytest.mark.parametrize(
    ("turn", "hinted"),
    [
        (question("for_whom"), ["WHY"]),
        (question("safety_now"), ["BACK", "SKIP", "WHY"]),
        (question("sleep"), []),
        (question("sleep", message("say", "Sorry.", "utter_not_understood"), again=True), ["BACK", "SKIP", "WHY"]),
        (question("country", message("say", "Sorry.", "utter_not_understood"), again=True), ["BACK", "WHY"]),
    ],
    ids=["first", "first to skip", "later", "not read", "not read, required"],
)
def test_the_ways_out_are_told_where_they_are_new_or_needed(turn: Any, hinted: list[str]) -> None:
    (body,) = texts("sms", turn)
    assert [word for word in ("BACK", "SKIP", "WHY") if f"{word} = " in body] == hinted


# ---- what patients write


@pytest.mark.parametrize("channel", SPOKEN)
@pytest.mark.parametrize("words", STRANGE, ids=["cyrillic", "emoji", "one word", "a link", "typographic"])
def test_a_patients_own_words_said_back_never_break_a_message(words: str, channel: str) -> None:
    for turn in (
        question("sleep", message("say", f"You said: {words}")),
        question("sleep", message("urgent", f"{SAME_DAY} You said: {words}")),
        review(better=words, goal=words),
    ):
        told = "".join(texts(channel, turn))
        assert "sleep" in told or "Eating" in told or "answers" in told


def test_a_row_of_a_whatsapp_list_has_a_description_and_a_long_title_is_whole_there() -> None:
    shown = rendered("whatsapp", question("effort"), WORDS, PLACES["with templates"])[-1]
    text, *values = shown["variables"].values()
    assert text == "4/7 How hard are your exercises for you?"
    assert values[0::3] == ["Too easy", "About right", "Too hard", "Some too easy and..."]
    assert values[2::3] == ["1", "2", "3", "Some too easy and some too hard"]
    assert shown["body"].endswith("Reply a number from 1 to 4.")


def test_one_emoji_makes_a_text_message_dearer_and_typographic_signs_do_not() -> None:
    (dear,) = texts("sms", question("sleep", message("say", "You said: 😀.")))
    (cheap,) = texts("sms", question("sleep", message("say", "You said: “fine…” — really’.")))
    assert (parts(dear), parts(cheap)) == (2, 1)
    assert is_gsm(cheap) and not is_gsm(dear)


@given(said=st.text(min_size=1, max_size=1200), name=st.sampled_from(ASKED), channel=st.sampled_from(SPOKEN))
def test_whatever_is_said_every_message_fits(said: str, name: str, channel: str) -> None:
    for place in PLACES.values():
        for shown in rendered(channel, question(name, message("say", said)), WORDS, place):
            check(channel, shown)


# ---- the limits themselves


@pytest.mark.parametrize(
    ("channel", "message", "thing"),
    [
        ("sms", {"body": "x" * 1601}, "characters of a text: 1601; allowed: 1600"),
        ("sms", {"body": ""}, "characters of a text, of which there is none: 0"),
        (
            "whatsapp",
            {"body": "x", "template": "HX", "variables": {"1": "x" * 1025}},
            "text with buttons or a list: 1025",
        ),
        (
            "whatsapp",
            {"body": "x", "template": "HX", "variables": {"1": "x", "2": "t" * 21, "3": "d"}},
            "of a button: 21",
        ),
        (
            "whatsapp",
            {"body": "x", "template": "HX", "variables": {"1": "x", "2": "t", "3": "d" * 201}},
            "sends back: 201",
        ),
        (
            "whatsapp",
            {"body": "x", "template": "HX", "variables": {str(number): "x" for number in range(1, 35)}},
            "rows of a list: 11; allowed: 10",
        ),
        ("telegram", {"text": "😀" * 2049}, "characters of a text: 4098"),
        (
            "telegram",
            {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x", "callback_data": "é" * 33}]]}},
            "66",
        ),
        (
            "telegram",
            {"reply_markup": {"inline_keyboard": [[{"text": "x", "callback_data": "x"}] * 9]}},
            "beside each other: 9",
        ),
        (
            "telegram",
            {"reply_markup": {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]] * 101}},
            "of a message: 101",
        ),
        ("messenger", {"message": {"text": "x" * 2001}}, "characters of a text: 2001"),
        (
            "messenger",
            {"message": {"text": "x", "quick_replies": [{"title": "x", "payload": "x"}] * 14}},
            "of a message: 14",
        ),
        (
            "messenger",
            {"message": {"text": "x", "quick_replies": [{"title": "x" * 21, "payload": "x"}]}},
            "of a button: 21",
        ),
        (
            "messenger",
            {"message": {"text": "x", "quick_replies": [{"title": "x", "payload": "x" * 1001}]}},
            "back: 1001",
        ),
    ],
)
def test_a_message_over_a_limit_names_the_thing_its_length_and_what_is_allowed(
    channel: str, message: Any, thing: str
) -> None:
    with pytest.raises(OverLimit) as found:
        check(channel, message)
    assert thing in str(found.value) and str(found.value).startswith(channel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_limit_has_its_source(channel: str) -> None:
    limits = LIMITS[channel]
    known = {each.name for each in fields(limits) if getattr(limits, each.name) != NO_LIMIT} - {"sources"}
    assert known == set(limits.sources)
    assert limits_table().count(f"| {channel} |") == len(known)
