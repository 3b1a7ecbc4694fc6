"""Telegram by buttons alone: ticks, keypad, sections, drawn from what is tapped; what no button sends is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import ASKED, HERE, WORDS, buttons, control, emergency, ended, plan, question, review

from plateau.channels import CHANNELS, BadTap, Meant, Said, StaleTap, check, meant, rendered
from plateau.protocol import validate

DONE, DELETE = WORDS.get("channels.tap.done"), WORDS.get("channels.tap.delete")


def ticked(title: str) -> str:
    return WORDS.get("channels.tap.ticked", title=title)


class Chat:
    """A patient who taps what the latest message shows, by its title."""

    def __init__(self, turn: Any) -> None:
        self.turn = turn
        self.shown: Mapping[str, Any] = rendered("telegram", turn, WORDS, HERE)[-1]
        self.meant: Meant | None = None

    @property
    def titles(self) -> list[str]:
        return list(buttons(self.shown))

    def tap(self, *titles: str) -> Chat:
        for title in titles:
            self.meant = meant("telegram", Said(tap=buttons(self.shown)[title]), self.turn, WORDS)
            if self.meant.redraw is not None:
                check("telegram", self.meant.redraw)
                self.shown = {**self.shown, **self.meant.redraw}
        return self


@pytest.mark.parametrize(
    ("name", "taps", "answer"),
    [
        ("treatment_type", ["3 Dry needling", DONE], ["dry_needling"]),
        ("pain_quality", ["Sharp", "Numb", DONE], ["sharp", "numb"]),
        ("pain_quality", ["Numb", "Sharp", DONE], ["sharp", "numb"]),
        ("pain_quality", ["Sharp", "Numb", ticked("Sharp"), DONE], ["numb"]),
        ("mechanical", ["None of these"], ["none"]),
        ("session_response", ["No reaction"], ["none"]),
        ("session_response", ["Swelling", ticked("Swelling"), "No reaction"], ["none"]),
        ("safety_mood", ["No"], "no"),
        ("pain_now", ["0"], 0),
        ("pain_now", ["10"], 10),
        ("hep_days_done", ["7"], 7),
        ("weeks_with_problem", ["1", "2", DONE], 12),
        ("weeks_with_problem", ["0", DONE], 0),
        ("weeks_with_problem", ["0", "5", DONE], 5),
        ("weeks_with_problem", ["1", "2", DELETE, "0", DONE], 10),
        ("weeks_with_problem", ["9", "9", "9", "9", DELETE, DONE], 999),
        ("recent_surgery_weeks", ["No operation"], "none"),
        ("recent_surgery_weeks", ["1", DELETE, "No operation"], "none"),
        ("sessions", ["2", "0", "0", "0", DONE], 2000),
        ("side", ["Both"], "both"),
        ("body_region", ["Hip or groin"], "hip"),
    ],
)
def test_taps_walk_to_an_answer(name: str, taps: list[str], answer: Any) -> None:
    chat = Chat(question(name)).tap(*taps)
    assert chat.meant == Meant(answers={name: answer}, after=7)
    assert validate(name, answer) is not None


def test_a_tick_changes_only_the_buttons_and_done_comes_in_place_of_none() -> None:
    chat = Chat(question("session_response")).tap("Swelling")
    assert chat.meant and chat.meant.redraw and set(chat.meant.redraw) == {"method", "reply_markup"}
    assert chat.meant.redraw["method"] == "editMessageReplyMarkup"
    assert ticked("Swelling") in chat.titles
    assert DONE in chat.titles and "No reaction" not in chat.titles
    assert DONE not in Chat(question("session_response")).titles


def test_digits_are_said_with_their_unit_and_a_number_out_of_range_in_words() -> None:
    assert "1 week" in Chat(question("weeks_with_problem")).tap("1").shown["text"].splitlines()
    chat = Chat(question("weeks_with_problem")).tap("5")
    assert chat.meant and chat.meant.redraw and chat.meant.redraw["method"] == "editMessageText"
    assert "5 weeks" in chat.shown["text"] and "How long have you had" in chat.shown["text"]
    chat.tap("2", "0", "1")
    assert "5201 weeks cannot be. It must be from 0 to 5200." in chat.shown["text"]
    assert DONE not in chat.titles and DELETE in chat.titles and "1" not in chat.titles
    assert "520 weeks" in chat.tap(DELETE).shown["text"]


def test_another_zero_is_not_offered_where_it_changes_nothing() -> None:
    assert "0" not in Chat(question("sessions")).tap("0").titles


@pytest.mark.parametrize("name", ["sleep", "pain_quality"])
def test_an_answer_about_to_be_changed_is_ticked(name: str) -> None:
    current = {"sleep": "poor", "pain_quality": ["numb", "other"]}[name]
    titles = Chat(question(name, **{name: current})).titles
    expected = {"sleep": {"Poor"}, "pain_quality": {"Numb", "Something else"}}[name]
    assert {title for title in titles if title.startswith("✓")} == {ticked(title) for title in expected}


@pytest.mark.parametrize("name", [name for name in ASKED if control(question(name))["kind"] in ("text", "activities")])
def test_what_is_typed_may_be_skipped(name: str) -> None:
    assert Chat(question(name)).tap("Skip").meant == Meant(command="skip", after=7)


def test_the_review_confirms_or_opens_a_section_and_changes_one_answer() -> None:
    chat = Chat(review())
    assert chat.titles[0] == "Show my plan"
    assert Chat(review()).tap("Show my plan").meant == Meant(command="confirm", after=7)
    chat.tap("Your problem")
    assert "Treated area: Knee" in chat.titles
    assert "Safety check" in chat.tap("All parts").titles
    assert chat.tap("Your problem", "Treated area: Knee").meant == Meant(
        command="change", question="body_region", after=7
    )


@pytest.mark.parametrize(
    ("turn", "taps", "result"),
    [
        (
            plan(),
            ["Change an answer", "Your health", "Sleep: Poor"],
            Meant(command="change", question="sleep", after=7),
        ),
        # To clear all answers is asked about first, by the dialogue.
        (plan(), ["Start over"], Meant(text="Start over", after=7)),
        (plan(), ["A person"], Meant(command="human", after=7)),
        (emergency(), ["That was a mistake"], Meant(command="mistake", after=7)),
        (emergency(), ["Already checked"], Meant(command="checked", after=7)),
        (emergency(), ["A person"], Meant(command="human", after=7)),
        (ended("paused"), ["Carry on"], Meant(command="resume", after=7)),
        (ended("restarting"), ["Start over"], Meant(command="restart", after=7)),
        (ended("restarting"), ["Carry on"], Meant(command="resume", after=7)),
    ],
    ids=lambda value: value["screen"]["kind"] if isinstance(value, dict) else "",
)
def test_the_other_screens_have_their_moves(turn: Any, taps: list[str], result: Meant) -> None:
    assert Chat(turn).tap(*taps).meant == result


def test_on_messenger_the_plan_leads_back_to_the_review_by_word() -> None:
    data = buttons(rendered("messenger", plan(), WORDS, HERE)[-1])["Change an answer"]
    assert meant("messenger", Said(tap=data), plan(), WORDS) == Meant(text="Back", after=7)


# ---- what no button sends


def data(turn: Any, rest: str) -> str:
    """Well-formed data of a turn's own screen with another act."""
    own = next(iter(buttons(rendered("telegram", turn, WORDS, HERE)[-1]).values()))
    return ":".join([*own.split(":")[:2], rest])


@pytest.mark.parametrize(
    ("turn", "rest"),
    [
        (question("sleep"), "o:3"),
        (question("sleep"), "o:-1"),
        (question("sleep"), "o:"),
        (question("sleep"), "o:99999"),
        (question("sleep"), "t:1"),
        (question("sleep"), "d:1"),
        (question("sleep"), "k:1"),
        (question("sleep"), "e:1"),
        (question("sleep"), "n:"),
        (question("sleep"), "r:0"),
        (question("sleep"), "s:0"),
        (question("sleep"), "x:"),
        (question("sleep"), "b:"),
        (question("sleep"), "c:confirm"),
        (question("sleep"), "c:nothing"),
        (question("sleep"), "z:0"),
        (question("country"), "c:skip"),
        (question("mechanical"), "o:0"),
        (question("mechanical"), "t:10"),
        (question("mechanical"), "d:ffffffff"),
        (question("mechanical"), "d:zz"),
        (question("pain_quality"), "d:0"),
        (question("pain_now"), "e:11"),
        (question("pain_now"), "e:"),
        (question("pain_now"), "k:5"),
        (question("hep_days_done"), "e:8"),
        (question("sessions"), "e:007"),
        (question("sessions"), "e:1234567"),
        (question("sessions"), "n:"),
        (review(), "r:99"),
        (review(), "s:99"),
        (review(), "o:0"),
        (review(), "c:skip"),
        (emergency(), "r:0"),
        (emergency(), "c:resume"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["screen"]["id"],
)
def test_an_act_that_the_screen_does_not_have_is_refused(turn: Any, rest: str) -> None:
    with pytest.raises(BadTap):
        meant("telegram", Said(tap=data(turn, rest)), turn, WORDS)


@pytest.mark.parametrize(
    "tap", ["", "o:0", "7:abcdef", "7:xyzxyz:o:0", "7:abcdef:o:0:1", "/answer{}", "7:abcdef:o:\n", "٧:abcdef:o:0"]
)
def test_what_is_no_data_of_a_button_is_refused(tap: str) -> None:
    with pytest.raises(BadTap):
        meant("telegram", Said(tap=tap), question("sleep"), WORDS)


def test_a_button_of_another_turn_screen_or_conversation_is_stale() -> None:
    old, now = question("sleep", number=6), question("sleep", number=7)
    elsewhere = {**now, "id": "of another conversation"}
    for shown in (old, question("mood", number=7), elsewhere):
        tap = next(iter(buttons(rendered("telegram", shown, WORDS, HERE)[-1]).values()))
        with pytest.raises(StaleTap):
            meant("telegram", Said(tap=tap), now, WORDS)
    with pytest.raises(StaleTap):
        meant("telegram", Said(tap=tap), None, WORDS)


@pytest.mark.parametrize(
    ("channel", "turn", "rest"),
    [
        ("sms", question("sleep"), "o:0"),
        ("webhook", question("sleep"), "o:0"),
        ("messenger", question("pain_quality"), "t:1"),
        ("messenger", question("sessions"), "k:1"),
        ("messenger", question("sessions"), "e:99999"),
        ("whatsapp", review(), "x:"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_channel_that_has_no_such_button_refuses_it(channel: str, turn: Any, rest: str) -> None:
    with pytest.raises(BadTap):
        meant(channel, Said(tap=data(turn, rest)), turn, WORDS)


@pytest.mark.parametrize("name", ["sessions", "weeks_with_problem"])
def test_digits_out_of_range_that_are_sent_as_done_are_said_to_be(name: str) -> None:
    turn = question(name)
    found = meant("telegram", Said(tap=data(turn, "e:99999")), turn, WORDS)
    assert found.redraw and "99999" in found.redraw["text"]


TURNS = [*(question(name) for name in ASKED), review(), plan(), emergency(), ended("paused")]
ACTS = st.sampled_from([*"otdkencrsxbz"])


@given(
    turn=st.sampled_from(TURNS),
    act=ACTS,
    argument=st.one_of(
        st.text("0123456789abcdef", max_size=9), st.sampled_from(["skip", "back", "confirm", "mistake"])
    ),
    channel=st.sampled_from(CHANNELS),
)
def test_whatever_is_tapped_is_a_valid_answer_a_move_of_the_screen_or_refused(
    turn: Any, act: str, argument: str, channel: str
) -> None:
    try:
        found = meant(channel, Said(tap=data(turn, f"{act}:{argument}")), turn, WORDS)
    except BadTap:
        return
    assert found.after == turn["number"]
    if found.answers:
        ((name, value),) = found.answers.items()
        assert name == turn["screen"]["asked"] and validate(name, value) is not None
    elif found.redraw:
        check("telegram", found.redraw)
    else:
        assert found.text or found.command in turn["screen"]["commands"]


@given(tap=st.text(max_size=70), turn=st.sampled_from([*TURNS, None]))
def test_any_data_at_all_is_refused_with_one_error(tap: str, turn: Any) -> None:
    with pytest.raises(BadTap):
        meant("telegram", Said(tap=tap), turn, WORDS)
