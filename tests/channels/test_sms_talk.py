"""A whole re-evaluation by text message alone, on the trained model, through a Twilio that enforces its limits."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from phones import House, Texter, transcript

from plateau.channels import LIMITS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = Path(__file__).parents[2] / "docs" / "transcripts" / "sms.md"
NOTE = (
    "Made by `tests/channels/test_sms_talk.py` with the trained model, through the gateway's route for Twilio and a "
    "stand-in of Twilio that enforces its limits (`make transcripts` writes it anew); not edited, but for "
    "the links."
)
OLD = "the page is old: make transcripts writes it"
# What is typed at each question: by number, by word, by title, in one's own words.
TYPED = {
    "for_whom": "1",
    "country": "us",
    "consent": "1",
    "safety_now": "0",
    "safety_nerves": "0",
    "safety_ill": "none of these",
    "safety_injury": "0.",
    "age_band": "43",
    "pregnancy": "2",
    "body_region": "12",
    "side": "left",
    "diagnosis_given": "runner's knee they said",
    "diagnosis_fit": "yes",
    "onset": "1",
    "weeks_with_problem": "about 7 months",
    "recent_surgery_weeks": "never had one",
    "weeks_in_pt": "10 weeks",
    "sessions": "12",
    "progress": "same as when i started",
    "pain_start": "6",
    "pain_now": "6",
    "pain_worst": "8",
    "activities": "stairs 4, running 2",
    "better": "heat",
    "worse": "sitting long",
    "goal": "run 10k with my sister",
    "treatment_type": "1 2",
    "hep_days_prescribed": "5",
    "hep_days_done": "1",
    "hep_barriers": "1 and 2",
    "session_response": "1",
    "effort": "about right",
    "unchanged_weeks": "3 weeks",
    "sleep": "good",
    "nutrition": "1",
    "stress": "2",
    "smoking": "no",
    "mood": "fine",
    "confidence": "1",
    "conditions": "0",
    "medicines": "none",
    "pain_quality": "aching",
    "pain_spread": "no",
    "night_pain": "no",
    "mechanical": "0",
    "tried": "0",
    "told_therapist": "no",
    "review": "ok",
}
MOST_MESSAGES = 60


def without_links(text: str) -> str:
    return re.sub(r"/plan/[\w-]+", "/plan/...", text)


async def test_a_whole_re_evaluation(home: House) -> None:
    me = Texter(home)
    await me.say("hi")
    for _ in range(MOST_MESSAGES):
        asked = me.asked
        if asked == "plan":
            break
        assert asked in TYPED, f"asked {asked!r} after {me.log[-4:]}"
        await me.say(TYPED[asked])
        assert me.asked != asked, f"{TYPED[asked]!r} was not taken at {asked}: {me.shown}"
    assert home.assessment(me.conversation)["primary"] == "improve_adherence"
    assert home.answers(me.conversation)["body_region"] == "knee"
    assert home.answers(me.conversation)["hep_barriers"] == ["forgetting", "time"]
    plan = "\n".join(me.shown)
    assert re.search(r"https://chat\.clinic\.example/plan/[\w-]{40,}", plan)
    told = transcript("A whole re-evaluation by text message", me.log, NOTE)
    if os.environ.get("PLATEAU_WRITE_TRANSCRIPTS"):
        PAGE.write_text(without_links(told), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == without_links(told), OLD


async def test_nothing_a_phone_would_not_show(home: House) -> None:
    shown = [one.text for one in home.platforms["sms"].taken]
    assert shown and all(len(text) <= LIMITS["sms"].text for text in shown)
    assert [text for text in shown if re.search(r"/\w+\{|<[a-z]+>|utter_|\{\w+\}", text)] == []
