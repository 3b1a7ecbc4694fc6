"""What settles a red flag that was heard, in patients' words, and what does not; what mends an answer said back."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.understanding._reader import Reader
from plateau.understanding._turn import interpret

CHECKED = """gp looked at it yesterday
already had the scan, no clot
my doctor already checked my heart for that on Friday
a doctor looked at it last week and said its fine
been to a&e about it, they did an ultrasound and it was clear
the hospital ruled out a clot
saw my GP about that on monday
ive had that checked
i already had it looked at
they did bloods and everything came back normal
had an xray, nothing broken
my surgeon has seen the wound and isnt worried
its been checked by the nurse
got the all clear from the er
went to the ER last night and they said no fracture
went to urgent care yesterday and they said its just a strain
the doctor said its nothing to worry about
Already been seen by a doctor for this
ultrasound was negative
paramedics came and checked me over
scan came back clear
im already on antibiotics for it
had a doppler yesterday, all fine
already had the scan of the calf, no clot""".splitlines()

MISTAKE = """no i didnt mean that
that was a joke
i was talking about my sister
sorry wrong button
i pressed the wrong thing
oh i ticked that by accident
i was only joking
that's not what i meant
you misunderstood me
it was a figure of speech
i take that back
ignore that
no no thats wrong, you got that wrong
that's about my mum not me
that was my husband, not me
i meant my dad's leg
i was exaggerating
my finger slipped
typo sorry
didn't mean to tick that
i never said that
thats not true
just kidding""".splitlines()

NEITHER = """has a doctor looked at it?
should i get it checked by a doctor
no doctor has checked it
nobody has looked at it yet
i havent seen a doctor about it
going to see the gp tomorrow
the gp looked at it but its got worse since
my doctor sent me for a scan next week
waiting for the scan results
this is not a joke
i want a doctor to check it
the physio has shown me exercises
he gave me the wrong exercises
they checked it years ago
i need to see a doctor about it
about a 7
none of these
no
the doctor hasnt seen it
physio was a mistake from the start
what is a blood clot
my sister had the same thing
i hurt it by accident
i was in a car accident
they looked at it but it came back
the gp wont see me
the doctor said it might be a clot
they said it could be broken
the doctor said its serious
gp looked at it and said go to a&e""".splitlines()


@pytest.mark.parametrize(
    ("text", "how"),
    [
        *((text, "checked") for text in CHECKED),
        *((text, "mistake") for text in MISTAKE),
        *((text, None) for text in NEITHER),
    ],
)
def test_what_settles_a_red_flag(reader: Reader, text: str, how: str | None) -> None:
    said = reader.settles(text)
    assert (said.how if said else None) == how


DVT = {"id": "dvt", "tier": "same_day", "state": "reported", "because": "my calf is swollen"}
CRPS = {"id": "crps", "tier": "within_days", "state": "reported"}
TURNS = [
    # words, question asked, slots, intent, what the dialogue is told
    ("no i didnt mean that", "age_band", {"red_flags": [DVT], "just_told": ["dvt"]}, "flag_mistake", ["dvt"]),
    ("gp looked at it yesterday", "age_band", {"red_flags": [DVT], "just_told": ["dvt"]}, "flag_checked", ["dvt"]),
    ("my doctor looked at my swollen calf", "sleep", {"red_flags": [DVT]}, "flag_checked", ["dvt"]),
    ("no i didnt mean that", "safety_injury", {"red_flags": [CRPS], "just_told": ["crps"]}, "flag_mistake", ["crps"]),
    # Later the words must name it, and they settle only what they name.
    ("that was a joke", "age_band", {"red_flags": [DVT]}, "answer", None),
    ("the scan showed no clot, all clear", "age_band", {"red_flags": [DVT, CRPS]}, "flag_checked", ["dvt"]),
    # A doctor in an answer to what was asked is no news of the red flag.
    ("my gp looked at it and said tendonitis", "diagnosis_given", {"red_flags": [CRPS], "just_told": ["crps"]},
     "answer", None),
    # Nothing was reported, or it was settled before.
    ("that was a joke", "age_band", {}, "answer", None),
    ("gp looked at it yesterday", "age_band", {"red_flags": [{**DVT, "state": "checked"}], "just_told": ["dvt"]},
     "answer", None),
    ("gp looked at it yesterday", None, {"red_flags": [DVT], "stage": "plan"}, "flag_checked", ["dvt"]),
    ("gp looked at it yesterday", None, {"red_flags": [DVT, CRPS], "stage": "plan"}, "answer", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "question", "held", "intent", "settles"), TURNS, ids=str)
def test_which_red_flags_a_message_settles(
    reader: Reader, text: str, question: str | None, held: Any, intent: str, settles: Any
) -> None:
    turn = interpret(reader, text, question=question, held={"stage": "problem", **held})
    assert turn.entities.get("settles") == settles
    assert turn.intent == intent or settles is None


def test_news_of_danger_settles_nothing(reader: Reader) -> None:
    held = {"stage": "problem", "red_flags": [CRPS], "just_told": ["crps"]}
    turn = interpret(reader, "that was a joke but my calf is swollen and red", question="age_band", held=held)
    assert "settles" not in turn.entities
    assert {flag["id"] for flag in turn.entities["red_flags"]} == {"crps", "dvt"}


MENDED = [
    # words, what they put right of pain_now after it was said back, whether they only say that it is wrong
    ("no i meant 6", 6, False),
    ("change it to 6", 6, False),
    ("no its 6", 6, False),
    ("thats not right its 6", 6, False),
    ("make that a 6", 6, False),
    ("thats wrong", None, True),
    ("change", None, True),
    ("no thats not what i said", None, True),
    ("put it at 8", None, False),
    ("8", None, False),
    ("about 8 i think", None, False),
    ("why do you ask", None, False),
    ("change my sleep answer", None, False),
]


@pytest.mark.parametrize(("text", "value", "wrong"), MENDED)
def test_what_mends_an_answer_that_was_said_back(reader: Reader, text: str, value: int | None, wrong: bool) -> None:
    assert reader.mends(text, "pain_now") == (value, wrong)


DOUBTED = [
    # words, question, what is to be said back, the one that was asked first
    ("5 sitting but 9 on stairs", "pain_now", ["pain_now", "pain_worst"]),
    ("20 out of 10", "pain_now", ["pain_now"]),
    ("right now 5, worst 9", "pain_worst", ["pain_worst", "pain_now"]),
    ("pretty bad", "pain_now", ["pain_now"]),
    ("between 4 and 6", "pain_now", ["pain_now"]),
    ("twice a week for 6 weeks", "sessions", ["sessions", "weeks_in_pt"]),
    ("7", "pain_now", None),
    ("about a seven", "pain_now", None),
]


@pytest.mark.parametrize(("text", "question", "doubted"), DOUBTED)
def test_what_is_to_be_said_back(reader: Reader, text: str, question: str, doubted: Any) -> None:
    turn = interpret(reader, text, question=question, held={"stage": "pain"})
    assert turn.entities.get("doubts") == doubted


@pytest.mark.parametrize("text", ["10 is good, so 2", "10 is good so 2?", "2 with 1 being the worst"])
def test_an_upside_down_scale_answers_nothing_and_is_no_question(reader: Reader, text: str) -> None:
    turn = interpret(reader, text, question="pain_now", held={"stage": "pain"})
    assert (turn.intent, turn.entities) == ("answer", {"upside_down": "pain_now"})
