"""Whatever is typed: no exception, every answer valid, doubts and intents known."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plateau.protocol import QUESTIONS, validate
from plateau.understanding import Reader, Reading

ASKED = [None, "red_flags", "activities", *(name for name, q in QUESTIONS.items() if q.record)]
WORDS = """
pain 7 ten 0 -3 1e9 99999999999 4/10 3-4 half every other day monday weekends weeks months since february 2019
31 not no yes never but my mum knee left worse better burning mri injection forgot time stress / % . , ? ! ' "
; and or a few couple twice physio sessions surgery ago skip why actually make it the i dont know hours sleep
out of
"""
INTENTS = {
    "ask_why", "ask_faq", "go_back", "correct_answer", "skip", "dont_know", "stop", "restart", "human", "frustrated",
    "medication_question", "diagnosis_request", "privacy", "greet", "thanks", "bye", "affirm", "deny", "out_of_scope",
}  # fmt: skip

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(reading: Reading) -> None:
    for question, value in reading.answers.items():
        if question == "red_flags":
            assert value == []
        elif question == "recent_surgery_weeks" and value is None:
            continue
        else:
            validate(question, value)
    assert reading.intent is None or reading.intent in INTENTS
    assert set(reading.to_dict()) == {"answers", "intent", "red_flags"}


@quick
@given(text=st.text(max_size=120), question=st.sampled_from(ASKED))
def test_any_text_is_read_without_an_exception(reader: Reader, text: str, question: str | None) -> None:
    check(reader.read(text, question))


@quick
@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=14), question=st.sampled_from(ASKED))
def test_any_mix_of_telling_words_gives_valid_answers(reader: Reader, words: list[str], question: str | None) -> None:
    check(reader.read(" ".join(words), question))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00",
        "\ud800\udfff",
        "😩😩",
        "<b>7</b>",
        "/restart",
        "7" * 5000,
        "a" * 100_000,
        "not " * 3000,
        "\n\n\n",
        "½",
        "١٢",
        "🦵 6",
    ],
)
@pytest.mark.parametrize("question", ["pain_now", "hep_days_done", "weeks_in_pt", "tried", "goal", None])
def test_odd_input_is_read_quietly(reader: Reader, text: str, question: str | None) -> None:
    check(reader.read(text, question))


def test_only_the_first_two_thousand_characters_are_read(reader: Reader) -> None:
    assert "pain_now" not in reader.read("x" * 2000 + " 7", "pain_now").answers


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("5 or 6", ("pain_now", "range")),
        ("20 out of 10", ("pain_now", "over_scale")),
        ("3 sitting, 8 walking the dog, 5 now", ("pain_now", "two_numbers")),
        ("pretty nasty", ("pain_now", "vague")),
        ("2, where 10 is perfect", ("pain_now", "upside_down")),
    ],
)
def test_a_settled_doubt_is_handed_on(reader: Reader, text: str, doubt: tuple[str, str]) -> None:
    assert doubt in reader.read(text, "pain_now").doubts


@pytest.mark.parametrize(
    ("text", "question", "intents"),
    [
        ("7", "pain_now", {None}),
        ("it is pointless, no better", "progress", {None}),
        ("is there parking", "pain_now", {"ask_faq", "out_of_scope"}),
        ("who are you people", "sleep", {"ask_faq"}),
        ("gibberish blah", "sleep", {None}),
    ],
)
def test_what_answers_is_an_answer_and_a_question_is_not(
    reader: Reader, text: str, question: str, intents: set[str | None]
) -> None:
    assert reader.read(text, question).intent in intents
