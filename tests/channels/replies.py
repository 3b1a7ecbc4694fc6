"""Replies of the gateway for the tests of the channels: every question, the review, the plan, the stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plateau.channels import Dialogue, Place, turn_screen
from plateau.content import catalog
from plateau.protocol import QUESTIONS

WORDS = catalog()
NUMBERS = {
    "emergency": "911",
    "crisis": "988 (call or text)",
    "advice": "your doctor or an urgent care clinic",
    "clinic": "Riverside Physical Therapy",
    "phone": "+1 555 0100",
}
WEB = "https://riverside.example/check"
PLAN = "https://riverside.example/plan/0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
TEMPLATES = {
    f"{form}_{count}": f"HX{form}{count}"
    for form, counts in (("buttons", (2, 3)), ("list", range(4, 11)))
    for count in counts
}
HERE = Place(NUMBERS, web=WEB, plan=PLAN)
PREVIOUS = {
    "day": "2026-10-03",
    "shown": "3 October 2026",
    "weeks": 8,
    "answers": {"activities": [{"activity": "stairs", "score": 3}], "tried": ["xray"]},
    "advised": ["second_opinion", "talk_to_therapist"],
}
AGREED: dict[str, Any] = {"for_whom": "self", "country": "us", "consent": "yes"}
SAFE = AGREED | {f"safety_{name}": ["none"] for name in ("now", "nerves", "ill", "injury")}
# What must have been answered for a question to be asked at all.
NEEDS: dict[str, dict[str, Any]] = {
    "for_whom": {},
    "country": {"for_whom": "self"},
    "consent": {"for_whom": "self", "country": "us"},
    "safety_now": AGREED,
    "safety_mood": SAFE | {"mood": "very_low"},
    "pregnancy": SAFE | {"age_band": "18_39"},
    "side": SAFE | {"body_region": "knee"},
    "hurts_at": SAFE | {"diagnosis_fit": "different_place"},
    "joint_replacement": SAFE | {"body_region": "knee", "age_band": "65_plus"},
    "hep_barriers": SAFE | {"hep_days_prescribed": 5, "hep_days_done": 1},
    "followed": SAFE | {"previous": PREVIOUS},
    "clash_pain": SAFE | {"pain_now": 7, "pain_worst": 5},
    "clash_progress": SAFE | {"progress": "much_better", "pain_start": 3, "pain_now": 6},
    "clash_time": SAFE | {"weeks_in_pt": 12, "weeks_with_problem": 4},
    "clash_effort": SAFE | {"effort": "too_easy", "session_response": ["setback"]},
    "clash_days": SAFE | {"hep_days_done": 6, "hep_days_prescribed": 3},
}
ASKED = [name for name in QUESTIONS if name != "review"]
REVIEWED = SAFE | {
    "age_band": "40_49",
    "body_region": "knee",
    "side": "left",
    "diagnosis_given": "runner's knee, said the therapist after the second visit in a long talk",
    "sleep": "poor",
    "pain_now": 5,
    "tried": ["xray"],
}
ADVICE = [
    {
        "title": "Make the home exercises fit your life",
        "text": "Tell your therapist. Ask for three.",
        "because": "40%.",
    },
    {"title": "Talk with your therapist", "text": "Plan five minutes for a real talk.", "because": "Not told."},
]


def message(kind: str, text: str, id: str = "utter_x", **more: Any) -> dict[str, Any]:
    return {"id": id, "kind": kind, "text": text, **more}


def reply(screen: Any, *messages: Any, number: int = 7, id: str = "m7") -> dict[str, Any]:
    return {"id": id, "number": number, "saved": True, "stage": "x", "messages": list(messages), "screen": screen}


def screen(stage: str, asked: str | None, answers: Mapping[str, Any], **before: Any) -> Any:
    return turn_screen(Dialogue(stage, asked, answers, NUMBERS, before), WORDS)


def question(name: str, *before: Any, again: bool = False, number: int = 7, **current: Any) -> dict[str, Any]:
    """The reply that asks a question, as the dialogue words it: the options of several are listed in its text."""
    shown = screen("x", name, NEEDS.get(name, SAFE), **current)
    control = next(each for each in shown["questions"] if each["id"] == name)
    part = "retry" if again else "text"
    listed = [f"- {option['title']}" for option in control.get("options", ())] if control["kind"] == "multi" else []
    said = message("question", "\n".join([control[part], *listed]), f"{'retry' if again else 'ask'}.{name}")
    return reply(shown, *before, said, number=number)


def control(turn: Mapping[str, Any]) -> Any:
    """The one question of a reply."""
    return next(each for each in turn["screen"]["questions"] if each["id"] == turn["screen"]["asked"])


def review(again: bool = False, **answers: Any) -> dict[str, Any]:
    part = "retry" if again else "ask"
    said = message("question", WORDS.get(f"questions.review.{part}"), f"{part}.review")
    return reply(screen("review", "review", REVIEWED | answers), said)


def plan() -> dict[str, Any]:
    text = "\n".join(f"{number}. {item['title']}\n{item['text']}" for number, item in enumerate(ADVICE, start=1))
    later = message("plan", "What can wait:\n- A scan.", "plan.later")
    said = [message("say", "Thank you."), message("plan", text, "plan.recommendations", items=ADVICE), later]
    return reply(screen("plan", None, REVIEWED), *said)


def emergency() -> dict[str, Any]:
    said = message("emergency", WORDS.get("safety.emergency", **NUMBERS), "safety.emergency")
    return reply(screen("emergency", None, REVIEWED), said)


def ended(stage: str) -> dict[str, Any]:
    return reply(screen(stage, None, REVIEWED), message("say", "We can stop here."))


def buttons(shown: Mapping[str, Any]) -> dict[str, str]:
    """What can be tapped on a rendered message: the data by the title."""
    if "message" in shown:
        return {each["title"]: each["payload"] for each in shown["message"].get("quick_replies", ())}
    if "variables" in shown:
        _, *values = shown["variables"].values()
        columns = 2 if len(values) <= 6 else 3
        return dict(zip(values[0::columns], values[1::columns], strict=True))
    rows = shown.get("reply_markup", {}).get("inline_keyboard", ())
    return {button["text"]: button["callback_data"] for row in rows for button in row}


def text_of(shown: Mapping[str, Any]) -> str:
    """The words of a rendered message."""
    return str(shown["message"]["text"] if "message" in shown else shown.get("body") or shown["text"])
