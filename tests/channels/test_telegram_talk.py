"""A whole re-evaluation on Telegram by tapping buttons alone: not one word is typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from phones import House, Tapper, transcript
from test_sms_talk import OLD, without_links

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = Path(__file__).parents[2] / "docs" / "transcripts" / "telegram.md"
NOTE = (
    "Made by `tests/channels/test_telegram_talk.py` with the trained model, through the gateway's route for Telegram "
    "and a stand-in of its Bot API that enforces its limits (`make transcripts` writes it anew); not "
    "edited, but for the links. What is tapped stands in brackets."
)

# What is tapped at each question, in order; a title is enough of a button to know it by.
TAPPED: dict[str, list[str]] = {
    "for_whom": ["For myself"],
    "country": ["United Kingdom"],
    "consent": ["I agree"],
    "safety_now": ["None of these"],
    "safety_nerves": ["None of these"],
    "safety_ill": ["None of these"],
    "safety_injury": ["None of these"],
    "age_band": ["50 to 64"],
    "pregnancy": ["No"],
    "body_region": ["Lower back"],
    "diagnosis_given": ["Skip"],
    "side": ["Right"],
    "onset": ["Slowly over time"],
    # On the keypad: a slip of the finger, and back.
    "weeks_with_problem": ["4", "5", "Delete", "0", "Done"],
    "recent_surgery_weeks": ["No operation"],
    "weeks_in_pt": ["1", "2", "Done"],
    "sessions": ["1", "4", "Done"],
    "progress": ["About the same"],
    "activities": ["Skip"],
    "better": ["Skip"],
    "worse": ["Skip"],
    "goal": ["Skip"],
    "treatment_type": ["Exercises", "Hands-on work", "Done"],
    "hep_days_prescribed": ["5"],
    "hep_days_done": ["5"],
    "hep_barriers": ["Nothing"],
    "session_response": ["No reaction"],
    "effort": ["About right"],
    "unchanged_weeks": ["2", "Done"],
    "sleep": ["Good"],
    "nutrition": ["Well"],
    "stress": ["Low"],
    "smoking": ["No"],
    "mood": ["Good"],
    "confidence": ["High"],
    "conditions": ["None of these"],
    "medicines": ["None"],
    "pain_now": ["5"],
    "pain_worst": ["7"],
    "pain_start": ["5"],
    # Ticked, taken back, ticked.
    "pain_quality": ["Aching", "Dull", "Dull", "Stiff", "Done"],
    "pain_spread": ["No"],
    "night_pain": ["No"],
    "mechanical": ["None of these"],
    "tried": ["None of these"],
    "told_therapist": ["Yes"],
    "review": ["Show my plan"],
}
MOST_SCREENS = 60


def button(me: Tapper, title: str) -> str:
    """Return the button that begins so, whatever mark stands before it; an exact one first."""
    plain = {one.lstrip("✓ ").partition(" ")[2] if one.lstrip("✓ ")[:1].isdigit() else one: one for one in me.buttons}
    found = [one for one in (*me.buttons, *plain) if one == title] or [one for one in me.buttons if title in one]
    assert found, f"no button {title!r} at {me.asked}; there are {list(me.buttons)}"
    return plain.get(found[0], found[0])


async def test_a_whole_re_evaluation(home: House) -> None:
    me = Tapper(home)
    await me.start()
    for _ in range(MOST_SCREENS):
        asked = me.asked
        if asked == "plan":
            break
        assert asked in TAPPED, f"asked {asked!r}, with {list(me.buttons)}"
        for title in TAPPED[asked]:
            await me.tap(button(me, title))
        assert me.asked != asked, f"{TAPPED[asked]} did not answer {asked}: {me.messages[-1]}"
    answers = home.answers(me.conversation)
    assert home.assessment(me.conversation)["primary"] == "change_modality"
    assert (answers["weeks_with_problem"], answers["pain_quality"]) == (40, ["aching", "stiff"])
    taps = [text for who, text in me.log if who == "patient" and text.startswith("[")]
    calls = [method for method, _ in home.platforms["telegram"].taken]
    assert calls.count("answerCallbackQuery") == len(taps), "no button keeps turning"
    told = transcript("A whole re-evaluation on Telegram, by buttons alone", me.log, NOTE)
    if os.environ.get("PLATEAU_WRITE_TRANSCRIPTS"):
        PAGE.write_text(without_links(told), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == without_links(told), OLD


async def test_the_summary_is_sent_by_a_button_of_the_plan(home: House) -> None:
    me = Tapper(home)
    await me.tap("Send my summary")
    assert [message["id"] for message in home.last(me.conversation)["messages"]] == ["staff.shared"]
    assert [one.kind for one in home.notices()] == ["summary"]


async def test_a_button_of_an_earlier_question_is_refused_kindly_and_changes_nothing(home: House) -> None:
    me = Tapper(home, chat=555)
    await me.start()
    old = me.buttons["For myself"]
    await me.tap("For myself")
    await me.tap("United States")
    before = home.last(me.conversation)["screen"]
    await me.tap_data(old)
    assert "earlier question" in me.messages[-2]["text"] or "earlier question" in me.messages[-1]["text"]
    assert home.last(me.conversation)["screen"] == before


@pytest.mark.parametrize("data", ["", "x", "1:000000:o:0", "99999:abcdef:o:0", "/restart", "o:0", "1" * 64])
async def test_data_that_no_button_of_ours_has_changes_nothing(home: House, data: str) -> None:
    me = Tapper(home, chat=556)
    if not me.conversation:
        await me.start()
    before = home.last(me.conversation)["screen"]
    await me.tap_data(data)
    assert home.last(me.conversation)["screen"] == before
