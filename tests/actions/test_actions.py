"""Every action on its own, one line a case: what it says and which slots it sets. No Rasa, no model."""

from __future__ import annotations

import asyncio
import datetime
import sys
from typing import Any

import pytest
from rasa_sdk.executor import ActionExecutor

from actions._state import put_down
from actions.dialogue import _examples, faq_topic
from actions.forms import ways_out
from actions.plan import spoken_plan
from plateau.content import catalog
from plateau.protocol import QUESTIONS, SECTIONS
from plateau.report import Place, Visit, plan_page

EXECUTOR = ActionExecutor()
EXECUTOR.register_package("actions")
WORDS = catalog()
CARDIAC = {"id": "cardiac", "tier": "emergency", "state": "reported"}
DVT = {"id": "dvt", "tier": "same_day", "state": "reported"}
CRPS = {"id": "crps", "tier": "within_days", "state": "reported"}
CRISIS = {"id": "mental_health_crisis", "tier": "emergency", "state": "reported", "because": "end it"}
AGREED: dict[str, Any] = {"for_whom": "self", "country": "us", "consent": "yes"}
SAFE = AGREED | {f"safety_{name}": ["none"] for name in ("now", "nerves", "ill", "injury")}


CLASHING: dict[str, dict[str, Any]] = {
    "clash_pain": {"pain_now": 7, "pain_worst": 5},
    "clash_progress": {"progress": "much_better", "pain_start": 3, "pain_now": 6},
    "clash_time": {"weeks_in_pt": 12, "weeks_with_problem": 4},
    "clash_effort": {"effort": "too_easy", "session_response": ["setback"]},
    "clash_days": {"hep_days_done": 6, "hep_days_prescribed": 3},
}
PREVIOUS = {
    "day": "2026-10-03",
    "shown": "3 October 2026",
    "weeks": 8,
    "answers": {"age_band": "40_49", "weeks_in_pt": 10, "sleep": "poor", "nutrition": "good", "tried": ["xray"]},
    "advised": ["second_opinion"],
}


def act(
    name: str, slots: Any = (), *, said: Any = (), intent: str = "answer", form: str | None = None, text: str = ""
) -> Any:
    """Run an action after a message that filled the slots of `said`; returns what it said and the slots it set."""
    slots = {**dict(slots), **dict(said)}
    message = {
        "intent": {"name": intent},
        "entities": [{"entity": entity, "value": value} for entity, value in dict(said).items()],
        "text": text,
    }
    filled = [
        {"event": "slot", "timestamp": None, "name": entity, "value": value} for entity, value in dict(said).items()
    ]
    state = {
        "sender_id": "someone",
        "slots": slots,
        "latest_message": message,
        "events": [{"event": "action", "name": "action_listen"}, {"event": "user"}, *filled],
        "active_loop": {"name": form} if form else {},
        "paused": False,
        "followup_action": None,
        "latest_action_name": None,
    }
    section = (form or "").removesuffix("_form")
    asked = [question.id for question in QUESTIONS.values() if question.section == section]
    domain = {"forms": {form: {"required_slots": asked}}, "slots": {}} if form else {}
    call = {"next_action": name, "sender_id": "someone", "tracker": state, "domain": domain}
    result = asyncio.run(EXECUTOR.run(call))
    responses = [response.get("id") or response.get("response") for response in result["responses"]]
    events = {event["name"]: event["value"] for event in result["events"] if event["event"] == "slot"}
    return responses, events


def settled(flag: dict[str, str], state: str) -> dict[str, str]:
    """A red flag as it stands after the patient settled it, with the words for it."""
    return {"because": WORDS.tree("plan.evidence.red_flags.items")[flag["id"]], **flag, "state": state}


# ---------------------------------------------------------------- the moves

REPORTED = {"red_flags": [CARDIAC]}
STOPPED = SAFE | REPORTED | {"stage": "emergency"}
MOVES = [
    # action, slots before, says, sets (a part of what it sets)
    ("action_begin", {}, ["utter_greeting"], {"started": True, "stage": "opening"}),
    ("action_next_section", {}, [], {"stage": "opening"}),
    ("action_next_section", AGREED, [], {"stage": "safety"}),
    ("action_next_section", AGREED | {"consent": "no"}, [], {"stage": "declined"}),
    ("action_next_section", SAFE, [], {"stage": "problem"}),
    ("action_next_section", SAFE | REPORTED, [], {"stage": "emergency"}),
    ("action_next_section", SAFE | {"red_flags": [{**CARDIAC, "state": "checked"}]}, [], {"stage": "problem"}),
    ("action_next_section", SAFE | {"mood": "very_low"}, [], {"stage": "safety"}),
    ("action_explain_why", {"requested_slot": "sleep"}, ["why.sleep"], {}),
    ("action_explain_why", {"requested_slot": None}, ["utter_nothing_asked"], {}),
    ("action_pause", {}, ["utter_paused"], {"stage": "paused"}),
    ("action_resume", {"stage": "paused"}, ["utter_resumed"], {}),
    ("action_resume", {"stage": "restarting"}, ["utter_restart_cancelled"], {}),
    ("action_resume", {"stage": "declined"}, ["utter_taken_up_again"], {"consent": None, "last_asked": None}),
    ("action_ask_restart", {}, ["utter_ask_restart"], {"stage": "restarting"}),
    ("action_restart_interview", SAFE | {"pain_now": 5}, ["utter_restarted"], {"pain_now": None, "safety_now": None}),
    ("action_decline", AGREED | {"consent": "no", "goal": "run"}, ["utter_declined"], {"goal": None}),
    ("action_human", {}, ["utter_human"], {}),
    ("action_go_back", {}, ["utter_start_of_questions"], {}),
    ("action_go_back", {"for_whom": "self", "requested_slot": "country"}, ["utter_went_back"], {"for_whom": None}),
    ("action_go_back", AGREED | {"requested_slot": "safety_now"}, ["utter_went_back"], {"country": None}),
    ("action_go_back", SAFE | {"requested_slot": "age_band"}, ["utter_went_back"],
     {"safety_injury": None, "before": {"safety_injury": ["none"]}, "review": None}),
    ("action_correct", SAFE, ["utter_what_to_change"], {}),
    ("action_correct", SAFE | {"change": "safety_ill"}, [],
     {"safety_ill": None, "before": {"safety_ill": ["none"]}, "change": None}),
    ("action_correct", SAFE | {"change": "consent"}, ["utter_what_to_change"], {}),
    ("action_correct", SAFE | {"change": "shoe_size"}, ["utter_what_to_change"], {}),
    ("action_pause", STOPPED, ["safety.after_emergency"], {"stage": "not set"}),
    ("action_flag_mistake", STOPPED, ["safety.mistake"], {"red_flags": [settled(CARDIAC, "denied")]}),
    ("action_flag_checked", STOPPED, ["safety.checked"], {"red_flags": [settled(CARDIAC, "checked")], "review": None}),
    ("action_flag_checked", SAFE | {"safety_now": ["chest_pain"], "stage": "emergency"}, ["safety.checked"],
     {"red_flags": [settled(CARDIAC, "checked")], "safety_now": ["none"]}),
    ("action_flag_checked", SAFE | {"safety_injury": ["cannot_bear_weight", "swollen_calf"], "stage": "emergency"},
     ["safety.checked"], {"safety_injury": ["swollen_calf"]}),
    # Not what was said last, and not named: nothing is settled.
    ("action_flag_mistake", SAFE | {"red_flags": [DVT], "stage": "pain"}, [], {"red_flags": "not set"}),
    ("action_flag_mistake", SAFE | {"red_flags": [DVT], "stage": "pain", "just_told": ["dvt"], "told_flags": [
        "crps:within_days", "dvt:same_day"]}, ["safety.mistake"],
     {"red_flags": [settled(DVT, "denied")], "told_flags": ["crps:within_days"], "last_asked": "not set"}),
    ("action_flag_checked", SAFE | {"red_flags": [DVT, CRPS], "stage": "pain", "just_told": ["crps"]},
     ["safety.checked"], {"red_flags": [DVT, settled(CRPS, "checked")]}),
    ("action_flag_checked", SAFE | {"safety_injury": ["swollen_calf"], "stage": "pain", "just_told": ["dvt"]},
     ["safety.checked"], {"red_flags": [settled(DVT, "checked")], "safety_injury": ["none"]}),
    # A crisis is no mistake before the direct question is answered.
    ("action_flag_mistake", SAFE | {"red_flags": [CRISIS], "safety_mood": ["yes"], "stage": "emergency"}, [],
     {"red_flags": [{**CRISIS, "state": "unknown"}], "safety_mood": None}),
    ("action_flag_checked", SAFE | {"red_flags": [CRISIS], "stage": "emergency"}, ["safety.checked"],
     {"red_flags": [{**CRISIS, "state": "checked"}]}),
    ("action_next_section", SAFE | {"red_flags": [{**CRISIS, "state": "unknown"}]}, [], {"stage": "safety"}),
    ("action_next_section", SAFE | {"red_flags": [{**CRISIS, "state": "unknown"}], "safety_mood": ["no"]}, [],
     {"stage": "problem"}),
    ("action_restart_interview", SAFE | {"red_flags": [settled(DVT, "denied"), {**CRPS, "state": "denied"}]},
     ["utter_restarted"], {"red_flags": [settled(DVT, "denied")]}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "slots", "says", "sets"), MOVES, ids=str)
def test_a_move_says_and_sets(action: str, slots: Any, says: list[str], sets: dict[str, Any]) -> None:
    said, changed = act(action, slots)
    assert said == says
    assert {name: changed.get(name, "not set") for name in sets} == sets


@pytest.mark.parametrize(
    ("action", "slots", "kept"),
    [
        (
            "action_restart_interview",
            SAFE | REPORTED | {"pain_now": 5},
            {"for_whom", "country", "consent", "red_flags"},
        ),
        ("action_decline", AGREED | {"consent": "no", "pain_now": 5}, {"for_whom", "country", "consent"}),
        ("action_pause", SAFE, set(SAFE)),
        ("action_ask_restart", SAFE, set(SAFE)),
    ],
    ids=str,
)
def test_a_move_deletes_no_more_than_it_says(action: str, slots: Any, kept: set[str]) -> None:
    _, changed = act(action, slots)
    assert {name for name in slots if changed.get(name, "kept") is not None} == kept


# ---------------------------------------------------------------- words that answer nothing

PAIN = {"stage": "pain", "requested_slot": "pain_now"}
CLARIFY = [
    # slots, what the message filled, form, says, sets
    ({"stage": "paused"}, {}, None, ["utter_paused_hint"], {}),
    ({"stage": "declined"}, {}, None, ["utter_declined_hint"], {}),
    ({"stage": "plan"}, {}, None, ["utter_after_plan"], {}),
    ({"stage": "opening"}, {}, None, ["utter_nothing_asked"], {}),
    ({"stage": "emergency", "told_flags": ["cardiac:emergency"]} | REPORTED, {}, None, ["safety.after_emergency"], {}),
    ({"stage": "pain"}, {}, "pain_form", ["utter_not_understood"], {"failed_readings": 1}),
    (PAIN | {"failed_readings": 1}, {}, "pain_form", ["utter_explain"], {"failed_readings": 2}),
    (PAIN | {"failed_readings": 2}, {}, "pain_form", ["utter_offer_help"], {"failed_readings": 3}),
    (PAIN | {"failed_readings": 7}, {}, "pain_form", ["utter_offer_help"], {"failed_readings": 8}),
    (PAIN | {"requested_slot": "consent", "failed_readings": 7}, {}, "pain_form", ["utter_offer_person"],
     {"failed_readings": 8}),
    (PAIN, {"upside_down": "pain_now"}, "pain_form", [], {"failed_readings": 1}),
    (PAIN | {"failed_readings": 1}, {"upside_down": "pain_now"}, "pain_form", ["utter_explain"],
     {"failed_readings": 2}),
    ({"stage": "pain"}, {"sleep": "poor"}, "pain_form", ["utter_noted"], {}),
    (
        {"stage": "pain"},
        {"pain_now": 20},
        "pain_form",
        ["utter_not_understood"],
        {"pain_now": None, "failed_readings": 1},
    ),
    ({"stage": "pain"}, {"red_flags": [DVT]}, "pain_form", ["safety.same_day"],
     {"told_flags": ["dvt:same_day"], "just_told": ["dvt"]}),
]  # fmt: skip


@pytest.mark.parametrize(("slots", "filled", "form", "says", "sets"), CLARIFY, ids=str)
def test_words_that_answer_nothing_are_met_by_where_one_stands(
    slots: Any, filled: Any, form: str | None, says: list[str], sets: Any
) -> None:
    assert act("action_clarify", slots, said=filled, form=form) == (says, sets)


@pytest.mark.parametrize(
    ("intent", "form", "failures", "says"),
    [
        ("out_of_scope", "pain_form", None, ["utter_out_of_scope"]),
        ("out_of_scope", "pain_form", 1, ["utter_explain"]),
        ("out_of_scope", None, None, ["utter_out_of_scope"]),
    ],
)
def test_what_is_out_of_scope_is_no_loop(intent: str, form: str | None, failures: int | None, says: list[str]) -> None:
    said, _ = act("action_clarify", PAIN | {"failed_readings": failures}, intent=intent, form=form)
    assert said == says


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_can_be_explained_and_left(name: str) -> None:
    question = QUESTIONS[name]
    assert _examples(question, None).strip()
    payloads = [button["payload"] for button in ways_out(question)]
    ways = [f'/skip{{"{name}": "skipped"}}', f'/dont_know{{"{name}": "unknown"}}']
    assert payloads == [*([] if question.required else ways), "/human"]


# ---------------------------------------------------------------- saying back

SAID_BACK = [
    # what the message filled, what was said back before, says, what is said back now
    ({"pain_now": 5, "pain_worst": 9, "doubts": ["pain_now", "pain_worst"]}, None, ["utter_said_back"],
     ["pain_now", "pain_worst"]),
    ({"pain_now": 7, "doubts": ["pain_now"]}, None, ["utter_said_back"], ["pain_now"]),
    # Once an answer: the next section's form may look at the same message again.
    ({"pain_now": 7, "doubts": ["pain_now"]}, ["pain_now"], [], "not set"),
    ({"pain_now": 7}, None, [], "not set"),
    ({"pain_worst": 7}, ["pain_now"], [], None),
    ({"pain_now": 12, "doubts": ["pain_now"]}, None, [], "not set"),
]  # fmt: skip


@pytest.mark.parametrize(("filled", "before", "says", "after"), SAID_BACK, ids=str)
def test_what_left_room_for_doubt_is_said_back_once(filled: Any, before: Any, says: list[str], after: Any) -> None:
    slots = SAFE | {"requested_slot": "pain_now", "said_back": before}
    said, sets = act("validate_pain_form", slots, said=filled, form="pain_form")
    assert (said, sets.get("said_back", "not set")) == (says, after)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pain_now": 5}, "5 for now"),
        ({"pain_worst": 9, "pain_now": 5}, "5 for now and 9 for the worst"),
        ({"sessions": 12, "weeks_in_pt": 6}, "6 weeks in therapy and 12 visits"),
        ({"hep_days_done": 1}, "1 day a week done"),
        ({"pain_now": 5, "pain_worst": 9, "pain_start": 8}, "5 for now, 9 for the worst and 8 for the start"),
    ],
    ids=str,
)
def test_numbers_are_said_back_in_plain_words(values: Any, words: str) -> None:
    assert put_down(values) == words


def test_change_opens_what_was_said_back() -> None:
    slots = SAFE | {"pain_now": 5, "pain_worst": 9, "said_back": ["pain_now", "pain_worst"]}
    said, sets = act("action_correct", slots, intent="correct_answer")
    assert (said, sets["pain_now"], sets["pain_worst"], sets["said_back"]) == ([], None, None, None)
    assert sets["before"] == {"pain_now": 5, "pain_worst": 9}


def test_an_upside_down_scale_is_asked_about_in_the_question() -> None:
    slots = SAFE | {"last_asked": "pain_now"}
    message = {"intent": {"name": "answer"}, "entities": [{"entity": "upside_down", "value": "pain_now"}]}
    tracker = {"sender_id": "someone", "slots": slots, "latest_message": message, "events": []}
    (asked,) = asyncio.run(EXECUTOR.run({"next_action": "action_ask_pain_now", "tracker": tracker}))["responses"]
    assert asked["id"] == "retry.pain_now"
    assert asked["text"].startswith(WORDS.get("questions.nprs.which_end"))


# ---------------------------------------------------------------- asking


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_asked_in_full_and_then_shorter(name: str) -> None:
    named = SAFE | CLASHING.get(name, {})
    assert act(f"action_ask_{name}", named) == ([f"ask.{name}"], {"last_asked": name})
    assert act(f"action_ask_{name}", named | {"last_asked": name}) == ([f"retry.{name}"], {"last_asked": name})


def test_a_danger_in_the_last_answer_is_told_before_the_next_question() -> None:
    said, sets = act("action_ask_sleep", SAFE | {"red_flags": [CRPS]})
    assert said == ["safety.within_days", "ask.sleep"]
    assert sets["told_flags"] == ["crps:within_days"]


# ---------------------------------------------------------------- forms

FORMS = [
    # section, slots, what the message filled, accepted as (None: asked again)
    ("opening", {}, {"for_whom": "self"}, {"for_whom": "self"}),
    ("opening", {}, {"for_whom": "my cat"}, {"for_whom": None}),
    ("opening", {}, {"country": "unknown"}, {"country": None}),
    ("opening", {}, {"consent": "skipped"}, {"consent": None}),
    ("safety", AGREED, {"safety_now": ["none"]}, {"safety_now": ["none"]}),
    ("safety", AGREED, {"safety_now": ["none", "chest_pain"]}, {"safety_now": None}),
    ("safety", AGREED, {"safety_now": "chest_pain"}, {"safety_now": None}),
    ("safety", AGREED | {"mood": "very_low"}, {"safety_mood": "no"}, {"safety_mood": ["no"]}),
    ("problem", SAFE, {"age_band": "50_64", "body_region": "knee"}, {"age_band": "50_64", "body_region": "knee"}),
    ("problem", SAFE, {"age_band": "unknown"}, {"age_band": "unknown"}),
    ("problem", SAFE, {"recent_surgery_weeks": "none"}, {"recent_surgery_weeks": "none"}),
    ("problem", SAFE, {"weeks_with_problem": -1}, {"weeks_with_problem": None}),
    ("problem", SAFE, {"diagnosis_given": "  "}, {"diagnosis_given": None}),
    ("pain", SAFE, {"pain_now": 7}, {"pain_now": 7}),
    ("pain", SAFE, {"pain_now": 7.0}, {"pain_now": 7}),
    ("pain", SAFE, {"pain_now": 11}, {"pain_now": None}),
    ("pain", SAFE, {"pain_now": 6.5}, {"pain_now": None}),
    ("pain", SAFE, {"pain_now": True}, {"pain_now": None}),
    ("pain", SAFE, {"pain_quality": ["sharp", "burning"]}, {"pain_quality": ["sharp", "burning"]}),
    ("pain", SAFE, {"pain_quality": []}, {"pain_quality": None}),
    (
        "progress",
        SAFE,
        {"activities": [{"activity": "stairs", "score": 4}]},
        {"activities": [{"activity": "stairs", "score": 4}]},
    ),
    ("progress", SAFE, {"activities": [{"activity": "stairs", "score": 11}]}, {"activities": None}),
    ("progress", SAFE, {"sessions": 3.5}, {"sessions": None}),
    ("exercises", SAFE, {"hep_days_done": 8}, {"hep_days_done": None}),
    ("tried", SAFE, {"tried": ["none"]}, {"tried": ["none"]}),
    ("review", SAFE, {"review": "confirm"}, {"review": "confirm"}),
    ("review", SAFE, {"review": "no"}, {"review": None}),
]


@pytest.mark.parametrize(("section", "slots", "filled", "accepted"), FORMS, ids=str)
def test_a_form_takes_what_the_protocol_takes(section: str, slots: Any, filled: Any, accepted: Any) -> None:
    _, sets = act(f"validate_{section}_form", slots, said=filled, form=f"{section}_form")
    assert {name: sets.get(name, "not set") for name in accepted} == accepted
    # Only an answer that was taken ends a run of failed readings.
    taken = any(value is not None for value in accepted.values())
    assert ("failed_readings" in sets) is taken


@pytest.mark.parametrize("section", SECTIONS)
def test_a_form_asks_its_sections_next_question(section: str) -> None:
    # What is asked only of who comes back, or of who contradicts themselves, stands before the first question of all.
    first = next(q.id for q in QUESTIONS.values() if q.section == section and q.id not in {"followed", *CLASHING})
    before = {q.id: "skipped" for q in QUESTIONS.values() if list(QUESTIONS).index(q.id) < list(QUESTIONS).index(first)}
    answers = {name: value for name, value in before.items() if name not in AGREED and not name.startswith("safety_")}
    safe = {} if section == "opening" else AGREED if section == "safety" else SAFE
    _, sets = act(f"validate_{section}_form", safe | answers, form=f"{section}_form")
    # Where the protocol wants all the domain lists, Rasa's own form takes the first.
    assert sets.get("requested_slot", first) == first


@pytest.mark.parametrize(
    ("slots", "form"),
    [
        (AGREED | {"safety_now": ["chest_pain"]}, "safety_form"),
        (SAFE | {"mood": "very_low"}, "lifestyle_form"),
    ],
    ids=str,
)
def test_a_form_ends_when_the_protocol_leads_elsewhere(slots: Any, form: str) -> None:
    _, sets = act(f"validate_{form}", slots, form=form)
    assert sets["requested_slot"] is None


@pytest.mark.parametrize("value", ["unknown", "skipped"])
@pytest.mark.parametrize("name", ["safety_now", "safety_nerves", "safety_ill", "safety_injury"])
def test_a_safety_list_left_open_is_asked_once_more_and_then_counts(name: str, value: str) -> None:
    slots = AGREED | {"last_asked": name, "requested_slot": name}
    _, once = act("validate_safety_form", slots, said={name: value}, intent="skip", form="safety_form")
    assert (once[name], once["failed_readings"]) == (None, 1)
    _, twice = act("validate_safety_form", {**slots, "failed_readings": 1}, said={name: value}, form="safety_form")
    assert (twice[name], twice["failed_readings"]) == (value, None)


@pytest.mark.parametrize(
    ("intent", "filled", "says"),
    [
        ("correct_answer", {"sleep": "poor"}, ["utter_changed"]),
        ("answer", {"sleep": "poor"}, []),
        ("correct_answer", {"pain_now": 5}, []),
    ],
)
def test_a_correction_is_said_back_but_an_answer_is_not(intent: str, filled: Any, says: list[str]) -> None:
    slots = SAFE | {"requested_slot": "pain_now"}
    said, _ = act("validate_pain_form", slots, said=filled, intent=intent, form="pain_form")
    assert said == says


@pytest.mark.parametrize(
    ("filled", "says", "sets"),
    [
        ({"sleep": "poor"}, ["utter_changed"], {"review": None}),
        ({"sleep": "poor", "pain_now": 12}, ["utter_changed"], {"pain_now": None}),
        ({"pain_now": 12}, ["utter_what_to_change"], {}),
        ({"red_flags": [DVT]}, ["safety.same_day", "utter_what_to_change"], {"told_flags": ["dvt:same_day"]}),
    ],
    ids=str,
)
def test_a_correction_takes_what_is_valid(filled: Any, says: list[str], sets: Any) -> None:
    said, changed = act("action_correct", SAFE, said=filled, intent="correct_answer")
    assert said == says
    assert {name: changed.get(name, "not set") for name in sets} == sets


# ---------------------------------------------------------------- red flags

TOLD = [
    # flags reported, told before, says, told after
    ([DVT], None, ["safety.same_day"], ["dvt:same_day"]),
    ([DVT], ["dvt:same_day"], [], None),
    ([DVT, CRPS], None, ["safety.same_day", "safety.within_days"], ["dvt:same_day", "crps:within_days"]),
    ([DVT, CRPS], ["dvt:same_day"], ["safety.within_days"], ["dvt:same_day", "crps:within_days"]),
    # An emergency has an action of its own, and nothing is said before it.
    ([{**DVT, "tier": "emergency"}], ["dvt:same_day"], [], None),
    ([CARDIAC, DVT], None, [], None),
    ([{**DVT, "state": "denied"}], None, [], None),
    ([{**DVT, "state": "checked"}], None, [], None),
    ([CARDIAC], None, [], None),
    ([{"id": "abuse", "tier": "same_day", "state": "reported"}], None, ["safety.abuse"], ["abuse:same_day"]),
    ([{"id": "mental_health_crisis", "tier": "same_day", "state": "reported"}], None, ["safety.mental_health"],
     ["mental_health_crisis:same_day"]),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "told", "says", "after"), TOLD, ids=str)
def test_a_new_red_flag_is_told_once(flags: Any, told: Any, says: list[str], after: Any) -> None:
    slots = SAFE | {"red_flags": flags, "told_flags": told, "requested_slot": "pain_now"}
    said, sets = act("validate_pain_form", slots, said={"pain_now": 5}, form="pain_form")
    assert (said, sets.get("told_flags")) == (says, after)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([CARDIAC], ["safety.emergency"]),
        ([CARDIAC, DVT], ["safety.emergency"]),
        ([{"id": "mental_health_crisis", "tier": "emergency", "state": "reported"}], ["safety.mental_health"]),
        ([CARDIAC, {"id": "mental_health_crisis", "tier": "emergency", "state": "reported"}],
         ["safety.emergency", "safety.mental_health"]),
    ],
    ids=str,
)  # fmt: skip
def test_an_emergency_stops_with_one_instruction_and_a_plan(flags: Any, says: list[str]) -> None:
    said, sets = act("action_emergency", SAFE | {"red_flags": flags})
    assert said == says
    assert (sets["stage"], sets["assessment"]["tier"], sets["assessment"]["primary"]) == (
        "emergency",
        "emergency",
        "emergency_care",
    )


@pytest.mark.parametrize(("country", "number"), [("us", "911"), ("uk", "999"), ("au", "000"), (None, "911")])
def test_an_emergency_names_the_number_of_the_patients_country(country: str | None, number: str) -> None:
    slots = {"country": country, "red_flags": [CARDIAC]}
    tracker = {"sender_id": "someone", "slots": slots, "latest_message": {}, "events": []}
    (message,) = asyncio.run(EXECUTOR.run({"next_action": "action_emergency", "tracker": tracker}))["responses"]
    assert number in message["text"]
    assert message["kind"] == "emergency"


# ---------------------------------------------------------------- questions beside the interview

FAQ = [
    ("what is dry needling?", "dry_needling"),
    ("What is an MRI for", "mri"),
    ("tell me about an EPIDURAL injection!", "nerve_block"),
    ("whats an x-ray", "ct_xray"),
    ("what is hep", "hep"),
    ("what does NPRS stand for", "nprs"),
    ("how does the pain scale work", "nprs"),
    ("what is joint mobilisation", "manual_therapy"),
    ("should i push for a scan", "mri"),
    ("are nerve blocks safe", "nerve_block"),
    ("do cortisone shots work", "steroid_injection"),
    ("can i ask another physio", "second_opinion"),
    ("should it hurt the next day", "soreness_normal"),
    ("do i keep going if it hurts", "should_i_stop"),
    ("is it safe to continue my exercises", "should_i_stop"),
    ("how long should it take", "how_long"),
    ("when should i see improvement", "how_long"),
    ("how much time does it cost me", "effort_cost"),
    ("how much work is this going to be", "effort_cost"),
    ("what do you do with my answers", "data_privacy"),
    ("is there a human behind this", "are_you_a_person"),
    ("what should i do in a flare-up", "flare_ups"),
    ("my pain flared what now", "flare_ups"),
    ("sdkjfh", "general"),
    ("", "general"),
    ("cats and octopus", "general"),
]


@pytest.mark.parametrize(("text", "topic"), FAQ)
def test_a_question_gets_the_topic_it_names(text: str, topic: str) -> None:
    assert act("action_answer_faq", text=text) == ([f"faq.{topic}"], {})


@pytest.mark.parametrize("topic", [name for name, entry in WORDS.tree("faq").items() if entry["match"]])
def test_each_phrase_of_a_topic_leads_to_it(topic: str) -> None:
    assert {
        phrase: found for phrase in WORDS.tree(f"faq.{topic}")["match"] if (found := faq_topic(phrase)) != topic
    } == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("are you a person", ["faq.are_you_a_person", "utter_human"]),
        ("is this a real person?", ["faq.are_you_a_person", "utter_human"]),
        ("can i talk to a real person", ["utter_human"]),
    ],
)
def test_who_asks_whether_i_am_a_person_is_told(text: str, says: list[str]) -> None:
    assert act("action_human", text=text, intent="human") == (says, {})


@pytest.mark.parametrize(
    ("failures", "says"),
    [(None, ["faq.general"]), (1, ["faq.general", "utter_explain"]), (2, ["faq.general", "utter_offer_help"])],
)
def test_a_question_without_an_answer_is_no_loop(failures: int | None, says: list[str]) -> None:
    said, sets = act("action_answer_faq", PAIN | {"failed_readings": failures}, text="cats", form="pain_form")
    assert (said, sets) == (says, {"failed_readings": (failures or 0) + 1})


# ---------------------------------------------------------------- the plan


def test_the_plan_is_said_with_its_reasons() -> None:
    answers = SAFE | {
        "weeks_in_pt": 9,
        "sessions": 14,
        "progress": "same",
        "hep_days_prescribed": 5,
        "hep_days_done": 1,
    }
    said, sets = act("action_make_plan", answers)
    assert said[:2] == ["utter_making_plan", "plan.recommendations"]
    assert said[-1] == "plan.closing"
    assert sets["assessment"]["primary"] == "improve_adherence"


@pytest.mark.parametrize(
    ("questions", "held_back", "parts"),
    [
        ([], [], ["plan.recommendations", "plan.flare", "plan.closing"]),
        (["Why?"], [], ["plan.recommendations", "plan.flare", "plan.questions", "plan.closing"]),
        (
            [],
            [{"id": "discuss_imaging", "until": "Later."}],
            ["plan.recommendations", "plan.flare", "plan.later", "plan.closing"],
        ),
    ],
    ids=str,
)
def test_the_plan_says_no_empty_part(questions: Any, held_back: Any, parts: list[str]) -> None:
    advice = [{"id": "too_early", "text": "Wait.", "because": "It is early."}]
    plan = {"recommendations": advice, "questions_for_therapist": questions, "held_back": held_back}
    plan |= {"primary": "too_early", "tier": "routine", "trend": "no_change", "check_again_weeks": 2, "load": "usual"}
    place = Place("Riverside", "555", WORDS.tree("safety.numbers.us"))
    visit = Visit(datetime.date(2026, 11, 28), {}, plan)
    said = list(spoken_plan(plan_page([visit], place, WORDS, in_chat=True)))
    assert [part["id"] for part in said] == parts
    assert said[0]["items"] == [
        {"title": WORDS.get("plan.recommendations.too_early.title"), "text": "Wait.", "because": "It is early."}
    ]


# ---------------------------------------------------------------- coming back


def test_who_comes_back_is_welcomed_with_what_was_agreed_and_keeps_what_stands() -> None:
    said, sets = act("action_next_section", AGREED | {"previous": PREVIOUS})
    assert said == ["plan.said.welcome"]
    assert sets["stage"] == "safety"
    assert (sets["age_band"], sets["weeks_in_pt"], sets["nutrition"]) == ("40_49", 18, "good")
    # Asked again: what was poor may have changed, and the list of what was tried grows.
    assert "sleep" not in sets and "tried" not in sets
    assert sets["before"] == {"tried": ["xray"]}
    assert act("action_next_section", AGREED | {"previous": sets["previous"]})[0] == []


def test_nothing_is_told_before_consent() -> None:
    said, sets = act("action_next_section", {"previous": PREVIOUS})
    assert (said, "age_band" in sets) == ([], False)


@pytest.mark.parametrize(
    ("text", "given", "held"),
    [
        ("had an mri since", ["mri_ct"], ["xray", "mri_ct"]),
        ("nothing new", ["none"], ["xray"]),
        ("/answer", ["mri_ct"], ["mri_ct"]),  # ticked on a list that showed the old answers
    ],
)
def test_what_was_tried_since_is_added_to_what_was_told_then(text: str, given: list[str], held: list[str]) -> None:
    before = SAFE | {"previous": PREVIOUS | {"welcomed": True}, "requested_slot": "tried"}
    _, sets = act("validate_tried_form", before, said={"tried": given}, form="tried_form", text=text)
    assert sets["tried"] == held


def test_the_answer_named_as_wrong_is_asked_again() -> None:
    before = SAFE | CLASHING["clash_pain"] | {"requested_slot": "clash_pain"}
    _, sets = act("validate_review_form", before, said={"clash_pain": "pain_worst"}, form="review_form")
    assert (sets["clash_pain"], sets["pain_worst"]) == (None, None)
    assert sets["before"] == {"pain_worst": 5}


@pytest.mark.parametrize(
    ("text", "said", "words"),
    [
        ("meh, no different really", {"progress": "same"}, {"progress": "meh, no different really"}),
        ("/answer", {"progress": "same"}, None),
        ("same, and i slept badly", {"progress": "same", "sleep": "poor"}, None),
        ("x" * 81, {"progress": "same"}, None),
        ("same but my calf swells", {"progress": "same", "red_flags": [CRPS]}, None),
    ],
)
def test_short_words_about_one_answer_are_kept_as_they_were_said(text: str, said: Any, words: Any) -> None:
    before = SAFE | {"requested_slot": "progress"}
    assert act("validate_progress_form", before, said=said, form="progress_form", text=text)[1].get("said") == words


# ---------------------------------------------------------------- thin


def test_the_actions_need_no_rasa() -> None:
    """They run in an action server of their own as well (`rasa run actions`)."""
    import subprocess

    heavy = ("rasa", "spacy", "tensorflow")
    modules = ", ".join(f"actions.{name}" for name in ("dialogue", "forms", "plan", "safety"))
    script = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_action_for_each_question_and_each_section() -> None:
    wanted = {f"action_ask_{name}" for name in QUESTIONS} | {f"validate_{section}_form" for section in SECTIONS}
    assert wanted <= set(EXECUTOR.actions)
