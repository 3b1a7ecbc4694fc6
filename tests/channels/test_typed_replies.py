"""What is typed: numbers mean the options they stand before, a few words mean moves, all else is for the reader."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import ASKED, WORDS, control, emergency, ended, plan, question, review

from plateau.channels import CHANNELS, Meant, Said, meant
from plateau.protocol import validate

SEVERAL = [name for name in ASKED if control(question(name))["kind"] == "multi"]
TURNS = [
    *(question(name) for name in ASKED),
    review(),
    plan(),
    emergency(),
    *(ended(s) for s in ("paused", "restarting")),
]


def typed(text: str, turn: Any, channel: str = "sms") -> Meant:
    return meant(channel, Said(text=text), turn, WORDS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "fair"),
        ("2.", "fair"),
        ("2)", "fair"),
        ("(2)", "fair"),
        ("#2", "fair"),
        (" 2 \n", "fair"),
        ('"2"', "fair"),
        ("number 2", "fair"),
        ("Option two", "fair"),
        ("Two", "fair"),
        ("TWO.", "fair"),
        ("2️⃣", "fair"),
        ("２", "fair"),
        ("Fair", "fair"),
        ("fair.", "fair"),
    ],
)
def test_one_option_is_its_number_its_word_or_its_title(text: str, value: str) -> None:
    assert typed(text, question("sleep")).answers == {"sleep": value}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "4",
        "22",
        "-2",
        "2.5",
        "1 3",
        "1 and 2",
        "1-2",
        "1/3",
        "2 hours",
        "about 2",
        "twofold",
        "fairly",
        "good and bad",
        "x",
    ],
)
def test_what_is_no_one_option_is_left_to_the_reader(text: str) -> None:
    assert typed(text, question("sleep")) == Meant(text=text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", ["osteoarthritis"]),
        ("1 3", ["osteoarthritis", "inflammatory_arthritis"]),
        ("3 1", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1,3", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1, 3.", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1 and 3", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1 & 3", ["osteoarthritis", "inflammatory_arthritis"]),
        ("numbers 1, 3 and also 5", ["osteoarthritis", "inflammatory_arthritis", "diabetes"]),
        ("one three", ["osteoarthritis", "inflammatory_arthritis"]),
        ("(1) (3)", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1\n3", ["osteoarthritis", "inflammatory_arthritis"]),
        ("1 1 1", ["osteoarthritis"]),
        ("16", ["other"]),
        ("0", ["none"]),
        ("zero", ["none"]),
        ("None of these", ["none"]),
        ("diabetes", ["diabetes"]),
    ],
)
def test_several_are_their_numbers(text: str, values: list[str]) -> None:
    assert typed(text, question("conditions")).answers == {"conditions": values}


@pytest.mark.parametrize("text", ["17", "1 17", "0 1", "1-3", "1.3", "10/10", "13 weeks", "1 or 3", "not 1", "all"])
def test_what_is_not_plainly_several_is_left_to_the_reader(text: str) -> None:
    assert typed(text, question("conditions")) == Meant(text=text)


def test_0_is_nothing_where_none_is_no_answer() -> None:
    assert typed("0", question("pain_quality")) == Meant(text="0")


@pytest.mark.parametrize("name", ["age_band", "clash_pain", "clash_days"])
@pytest.mark.parametrize("text", ["1", "3", "5", "three"])
def test_where_the_answer_may_be_a_number_itself_a_number_is_no_place(text: str, name: str) -> None:
    assert typed(text, question(name)) == Meant(text=text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a", "under_18"), ("A", "under_18"), ("(b)", "18_39"), ("E.", "65_plus"), ("18 to 39", "18_39")],
)
def test_there_a_letter_is(text: str, value: str) -> None:
    assert typed(text, question("age_band")).answers == {"age_band": value}


@pytest.mark.parametrize("text", ["f", "ab", "a b", "é"])
def test_no_other_letter_is(text: str) -> None:
    assert typed(text, question("age_band")) == Meant(text=text)


@pytest.mark.parametrize("channel", ["telegram", "messenger", "webhook"])
def test_a_number_that_was_not_shown_stands_for_nothing(channel: str) -> None:
    assert typed("2", question("sleep"), channel) == Meant(text="2")


@pytest.mark.parametrize(
    ("channel", "name"), [("telegram", "safety_now"), ("messenger", "body_region"), ("messenger", "tried")]
)
def test_a_number_that_was_shown_does_on_every_channel(channel: str, name: str) -> None:
    assert typed("2", question(name), channel).answers


@pytest.mark.parametrize(
    ("text", "turn", "command"),
    [
        ("ok", review(), "confirm"),
        ("OK.", review(), "confirm"),
        ("Yes", review(), "confirm"),
        ("Show my plan", review(), "confirm"),
        ("MISTAKE", emergency(), "mistake"),
        ("mistake.", emergency(), "mistake"),
        ("That was a mistake", emergency(), "mistake"),
        ("CHECKED", emergency(), "checked"),
        ("continue", ended("paused"), "resume"),
        ("Carry on", ended("restarting"), "resume"),
        ("Start over", ended("restarting"), "restart"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["screen"]["kind"],
)
def test_words_that_the_reader_cannot_know_are_moves(text: str, turn: Any, command: str) -> None:
    assert typed(text, turn) == Meant(command=command, after=turn["number"])


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("1", emergency()),
        ("2", emergency()),
        ("1", plan()),
        ("ok", question("sleep")),
        ("mistake", question("sleep")),
        ("no", review()),
        ("ok but my sleep is good", review()),
        ("Start over", plan()),
        ("back", review()),
        ("skip", question("sleep")),
        ("why", question("sleep")),
        ("yes", ended("restarting")),
    ],
    ids=lambda value: value if isinstance(value, str) else value["screen"]["kind"],
)
def test_a_late_number_ends_no_emergency_and_other_words_are_the_readers(text: str, turn: Any) -> None:
    assert typed(text, turn) == Meant(text=text)


@pytest.mark.parametrize("text", ["3", "3.", "(3)", "three", "number 3"])
def test_in_the_review_a_number_changes_the_answer_it_stands_before(text: str) -> None:
    rows = review()["screen"]["rows"]
    assert typed(text, review()) == Meant(command="change", question=rows[2]["question"], after=7)


@pytest.mark.parametrize("channel", ["telegram", "webhook"])
def test_a_review_without_numbers_is_not_changed_by_one(channel: str) -> None:
    assert typed("3", review(), channel) == Meant(text="3")


@pytest.mark.parametrize("text", ["0", "99", "1 2", "5 for my pain"])
def test_what_is_no_row_changes_nothing(text: str) -> None:
    assert typed(text, review()) == Meant(text=text)


def test_before_anything_was_said_words_are_words() -> None:
    assert meant("sms", Said(text="2"), None, WORDS) == Meant(text="2")


@given(text=st.text(max_size=40), turn=st.sampled_from(TURNS), channel=st.sampled_from(CHANNELS))
def test_any_words_mean_themselves_or_a_valid_answer_of_the_question(text: str, turn: Any, channel: str) -> None:
    found = typed(text, turn, channel)
    if found.text is not None:
        assert found == Meant(text=text)
    elif found.answers:
        ((name, value),) = found.answers.items()
        assert name == turn["screen"]["asked"] and found.after == turn["number"]
        assert validate(name, value)
    else:
        assert found.command in turn["screen"]["commands"]


@given(text=st.text("0123456789 ,.and()-/#", max_size=12), name=st.sampled_from(SEVERAL))
def test_numbers_in_any_spelling_are_the_options_they_stand_before(text: str, name: str) -> None:
    turn = question(name)
    marked = [option["value"] for option in control(turn)["options"] if option["value"] != "none"]
    if found := typed(text, turn).answers:
        places = {int(number) for number in re.findall(r"[0-9]+", text)}
        assert found[name] == [value for place, value in enumerate(marked, start=1) if place in places] or ["none"]
        assert found[name] != ["none"] or places == {0}
