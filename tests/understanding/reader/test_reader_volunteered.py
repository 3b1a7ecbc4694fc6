"""What a message says unasked, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from reader_table import Between, matches

from plateau.understanding import Reader


@pytest.mark.parametrize(
    ("question", "text", "answers"),
    [
        (
            None,
            "my right knee has been hurting for a year, 12 weeks of physio and no better",
            {"body_region": "knee", "side": "right", "weeks_in_pt": 12, "progress": "same"},
        ),
        (None, "i do my exercises every day but its not improving", {"hep_days_done": 7, "progress": "same"}),
        (None, "i had 2 kids and work 5 days", {}),
        (None, "7", {}),
        (None, "monday", {}),
        (
            None,
            "lower back pain, pt for 3 months, sleeping badly and very stressed",
            {"body_region": "lower_back", "weeks_in_pt": Between(12, 14), "sleep": "poor", "stress": "high"},
        ),
        (None, "im 45 and my neck hurts", {"age_band": "40_49", "body_region": "neck"}),
        (
            None,
            "left hip pain after 10 sessions, slightly better",
            {"body_region": "hip", "side": "left", "sessions": 10, "progress": "a_bit_better"},
        ),
        (None, "45", {}),
        (None, "i'm fine", {}),
        (None, "my husband does the cooking", {}),
        (None, "the clinic is 3 weeks behind", {}),
        (None, "it took 10 minutes", {}),
        (None, "my mum has arthritis", {}),
        (None, "left it at home", {}),
        (None, "they gave me 5 exercises", {}),
        (None, "dr smith told me to come here", {}),
        (None, "i work 6 days a week", {}),
        (None, "my son is 15", {}),
        (None, "the receptionist was rude", {}),
        (None, "i feel good today", {}),
        (None, "had a bad night at the casino", {}),
        (None, "my back door is broken", {}),
        (None, "the hip new cafe", {}),
        (None, "i ran 10k last year", {}),
        (
            None,
            "both ankles sore, 4 months of therapy, no change at all",
            {"body_region": "ankle_foot", "side": "both", "weeks_in_pt": Between(16, 18), "progress": "same"},
        ),
        (None, "had 3 cortisone shots and an mri, still no better", {"tried": {"injection"}, "progress": "same"}),
        (None, "i smoke and i dont sleep", {"smoking": "yes", "sleep": "poor"}),
        (
            None,
            "been in PT 5 months for my neck, its getting worse",
            {"weeks_in_pt": Between(21, 22), "progress": "a_bit_worse"},
        ),
        (None, "I do my home exercises 4 times a week and my knee locks", {"hep_days_done": 4}),
        (
            None,
            "52 yo, right hip replacement in march, 20 sessions",
            {"age_band": "50_64", "side": "right", "body_region": "hip", "joint_replacement": "yes", "sessions": 20},
        ),
    ],
)
def test_reads_exactly(reader: Reader, question: str | None, text: str, answers: dict[str, Any]) -> None:
    assert matches(reader.read(text, question).answers, answers)
