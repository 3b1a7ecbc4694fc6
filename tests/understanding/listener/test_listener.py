"""What the listener makes of answers already known, of denials, the past, other people; what it says of itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from plateau.understanding.listener import Heard, Listener, listen_plainly


@pytest.mark.parametrize(
    ("text", "known", "flag", "tier"),
    [
        ("my calf hurts", {}, None, None),
        ("my calf hurts", {"recent_surgery_weeks": 3}, "dvt", "same_day"),
        ("my calf hurts", {"recent_surgery_weeks": 60}, None, None),
        ("my calf hurts", {"recent_surgery_weeks": None}, None, None),
        ("my calf hurts", {"recent_surgery_weeks": "unknown"}, None, None),
        ("my calf hurts", {"pregnancy": "yes"}, "dvt", "same_day"),
        ("my calf hurts", {"conditions": ["clotting_disorder"]}, "dvt", "same_day"),
        ("bit out of breath after the bike", {}, None, None),
        ("a bit breathless with my asthma", {"red_flags": [{"id": "dvt", "state": "denied"}]}, None, None),
        ("a bit breathless with my asthma", {"red_flags": [{"id": "dvt", "state": "reported"}]}, "pe", "emergency"),
        ("deep ache in my spine all night", {"conditions": ["cancer_history"]}, "malignancy", "same_day"),
        ("the knee is hot and swollen", {}, "septic_joint", "same_day"),
        ("the knee is hot and swollen", {"joint_replacement": "yes"}, "septic_joint", "emergency"),
        ("the knee is hot and swollen", {"medicines": ["immunosuppressant"]}, "septic_joint", "emergency"),
        ("temples are tender", {}, None, None),
        ("temples are tender", {"age_band": "65_plus"}, "giant_cell_arteritis", "same_day"),
        ("temples are tender", {"age_band": "18_39"}, None, None),
        ("back agony since lifting the shopping", {"conditions": ["osteoporosis"]}, "fracture", "same_day"),
        ("temperature of 38.6 today", {"recent_surgery_weeks": 2}, "post_op", "same_day"),
        ("nothing new", {"conditions": ["cancer_history"], "age_band": "65_plus"}, None, None),
    ],
)  # fmt: skip
def test_known_answers_sharpen(
    listener: Listener, text: str, known: dict[str, Any], flag: str | None, tier: str | None
) -> None:
    heard = {each.id: each.tier for each in listener.listen(text, known)}
    assert heard.get(flag or "") == tier if flag else heard == {}


@pytest.mark.parametrize(
    "text",
    [
        "no numbness between my legs",
        "no chest pain",
        "i don't have any chest pain",
        "I haven't had a fever or chills with the back pain",
        "not suicidal",
        "mum had a stroke in her sixties",
        "my neighbour had a heart attack",
        "used to get chest pains years ago",
        "had foot drop in 2016, fully recovered",
        "what if i get a blood clot in my calf",
        "scared of having a stroke",
        "no fever, chills or weight loss",
    ],
)
def test_not_the_patient_now(listener: Listener, text: str) -> None:
    assert listener.listen(text) == ()


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("no fever but the knee is hot, red and swollen", "septic_joint"),
        ("no numbness in my arm, my face is drooping on one side", "stroke"),
        ("no, my privates are numb", "cauda_equina"),
        ("mum had a stroke and now my own face is drooping", "stroke"),
        ("my husband says my speech is slurred", "stroke"),
        ("i have no pain in my calf but it is twice the size", "dvt"),
        ("typing for my mum, she cannot feel when she wipes", "cauda_equina"),
        ("my dad's face has dropped and he can't speak, help", "stroke"),
        ("dont know why but i cant pee since last night", "cauda_equina"),
        ("its probably just the gym but my chest is tight and my left arm is heavy", "cardiac"),
        ("if this doesnt stop im going to kill myself", "mental_health_crisis"),
        ("lol no seriously i want to die", "mental_health_crisis"),
        ("SUDDEN SLURRED SPEECH!!!", "stroke"),
        ("i cant feeeel when i wipe", "cauda_equina"),
        ("nummness in my privat parts", "cauda_equina"),
    ],
)
def test_danger_beside_a_denial_or_another_person(listener: Listener, text: str, flag: str) -> None:
    assert flag in {heard.id for heard in listener.listen(text)}
    assert flag in {heard.id for heard in listen_plainly(text)}


def test_because_holds_the_patients_own_words(listener: Listener) -> None:
    (heard,) = listener.listen("Since Friday my CALF is really swollen")
    assert heard == Heard("dvt", "same_day", "CALF … swollen")
    assert heard.to_dict() == {
        "id": "dvt",
        "tier": "same_day",
        "state": "reported",
        "because": "CALF … swollen",
    }


def test_most_urgent_comes_first(listener: Listener) -> None:
    heard = listener.listen("lost two stone without trying, and now i have chest pain")
    assert [flag.id for flag in heard] == ["cardiac", "malignancy"]


def test_danger_at_the_end_of_a_very_long_message(listener: Listener) -> None:
    story = "I did my exercises and then had lunch with a friend. " * 400
    assert [flag.id for flag in listener.listen(story + "I have chest pain now.")] == ["cardiac"]


def test_last_resort_needs_no_spacy() -> None:
    code = (
        "import sys; from plateau.understanding.listener import listen_plainly;"
        "heard = listen_plainly('i have chest pain');"
        "loaded = {'spacy', 'medspacy', 'rasa', 'tensorflow'} & set(sys.modules);"
        "print(heard[0].id, sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "cardiac []"
