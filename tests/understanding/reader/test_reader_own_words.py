"""The patient's own words, and activities with their scores."""

from __future__ import annotations

from typing import Any

import pytest
from reader_table import matches

from plateau.understanding import Reader


@pytest.mark.parametrize(
    ("question", "text", "answers"),
    [
        ("diagnosis_given", "frozen shoulder", {"diagnosis_given": "frozen shoulder"}),
        ("diagnosis_given", "no", {"diagnosis_given": "not_told"}),
        ("diagnosis_given", "nobody has told me", {"diagnosis_given": "not_told"}),
        ("diagnosis_given", "they never said", {"diagnosis_given": "not_told"}),
        ("diagnosis_given", "tendinopathy i think", {"diagnosis_given": "tendinopathy i think"}),
        ("goal", "play golf again", {"goal": "play golf again"}),
        ("goal", "walk without a stick", {"goal": "walk without a stick"}),
        ("better", "heat and rest", {"better": "heat and rest"}),
        ("better", "nothing", {"better": "nothing"}),
        ("worse", "sitting too long", {"worse": "sitting too long"}),
        ("worse", "stairs", {"worse": "stairs"}),
        ("activities", "climbing stairs 3", {"activities": [{"activity": "climbing stairs", "score": 3}]}),
        (
            "activities",
            "stairs 2, sleeping 5 and my job 4/10",
            {
                "activities": [
                    {"activity": "stairs", "score": 2},
                    {"activity": "sleeping", "score": 5},
                    {"activity": "my job", "score": 4},
                ]
            },
        ),
        ("activities", "running", {"activities": [{"activity": "running"}]}),
        (
            "activities",
            "gardening (4), driving (6)",
            {"activities": [{"activity": "gardening", "score": 4}, {"activity": "driving", "score": 6}]},
        ),
        ("activities", "walking the dog is a three", {"activities": [{"activity": "walking the dog", "score": 3}]}),
        ("goal", "oops i meant 6 for the pain", {"pain_now": 6}),
        ("goal", "want to be able to run again", {"goal": "want to be able to run again"}),
        ("goal", "can lift my grandkids without wincing", {"goal": "can lift my grandkids without wincing"}),
        ("goal", "back at work full time", {"goal": "back at work full time"}),
        ("diagnosis_given", "yes, a rotator cuff tear", {"diagnosis_given": "yes, a rotator cuff tear"}),
        ("diagnosis_given", "none given", {"diagnosis_given": "not_told"}),
        ("diagnosis_given", "dont know, they havent said", {"diagnosis_given": "not_told"}),
        ("diagnosis_given", "PFPS", {"diagnosis_given": "PFPS"}),
    ],
)
def test_reads_exactly(reader: Reader, question: str | None, text: str, answers: dict[str, Any]) -> None:
    assert matches(reader.read(text, question).answers, answers)
