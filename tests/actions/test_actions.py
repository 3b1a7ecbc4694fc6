"""Every action on its own, one line a case: what it says and which slots it sets. No Rasa, no model."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from rasa_sdk.executor import ActionExecutor

from actions.dialogue import faq_topic
from actions.plan import spoken_plan
from plateau.content import catalog
from plateau.protocol import QUESTIONS, SECTIONS

EXECUTOR = ActionExecutor()
EXECUTOR.register_package("actions")
WORDS = catalog()
CARDIAC = {"id": "cardiac", "tier": "emergency", "state": "reported"}
DVT = {"id": "dvt", "tier": "same_day", "state": "reported"}
CRPS = {"id": "crps", "tier": "within_days", "state": "reported"}
AGREED: dict[str, Any] = {"for_whom": "self", "country": "us", "consent": "yes"}
SAFE = AGREED | {f"safety_{name}": ["none"] for name in ("now", "nerves", "ill", "injury")}


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
    ("action_flag_mistake", STOPPED, ["safety.mistake"], {"red_flags": [{**CARDIAC, "state": "denied"}]}),
    ("action_flag_checked", STOPPED, ["safety.checked"], {"red_flags": [{**CARDIAC, "state": "checked"}]}),
    ("action_flag_checked", SAFE | {"safety_now": ["chest_pain"], "stage": "emergency"}, ["safety.checked"],
     {"red_flags": [{**CARDIAC, "state": "checked"}], "safety_now": ["none"]}),
    ("action_flag_checked", SAFE | {"safety_injury": ["cannot_bear_weight", "swollen_calf"], "stage": "emergency"},
     ["safety.checked"], {"safety_injury": ["swollen_calf"]}),
    ("action_flag_mistake", SAFE | {"red_flags": [DVT], "stage": "pain"}, [], {"red_flags": "not set"}),
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

CLARIFY = [
    # slots, what the message filled, form, says, sets
    ({"stage": "paused"}, {}, None, ["utter_paused_hint"], {}),
    ({"stage": "declined"}, {}, None, ["utter_declined_hint"], {}),
    ({"stage": "plan"}, {}, None, ["utter_after_plan"], {}),
    ({"stage": "opening"}, {}, None, ["utter_nothing_asked"], {}),
    ({"stage": "emergency", "told_flags": ["cardiac:emergency"]} | REPORTED, {}, None, ["safety.after_emergency"], {}),
    ({"stage": "pain"}, {}, "pain_form", ["utter_not_understood"], {"failed_readings": 1}),
    ({"stage": "pain", "failed_readings": 1}, {}, "pain_form", ["utter_offer_help"], {"failed_readings": 2}),
    ({"stage": "pain", "failed_readings": 7}, {}, "pain_form", ["utter_offer_help"], {"failed_readings": 8}),
    ({"stage": "pain"}, {"sleep": "poor"}, "pain_form", ["utter_noted"], {}),
    (
        {"stage": "pain"},
        {"pain_now": 20},
        "pain_form",
        ["utter_not_understood"],
        {"pain_now": None, "failed_readings": 1},
    ),
    ({"stage": "pain"}, {"red_flags": [DVT]}, "pain_form", ["safety.same_day"], {"told_flags": ["dvt:same_day"]}),
]


@pytest.mark.parametrize(("slots", "filled", "form", "says", "sets"), CLARIFY, ids=str)
def test_words_that_answer_nothing_are_met_by_where_one_stands(
    slots: Any, filled: Any, form: str | None, says: list[str], sets: Any
) -> None:
    assert act("action_clarify", slots, said=filled, form=form) == (says, sets)


# ---------------------------------------------------------------- asking


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_asked_in_full_and_then_shorter(name: str) -> None:
    assert act(f"action_ask_{name}", SAFE) == ([f"ask.{name}"], {"last_asked": name})
    assert act(f"action_ask_{name}", SAFE | {"last_asked": name}) == ([f"retry.{name}"], {"last_asked": name})


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
    first = next(q.id for q in QUESTIONS.values() if q.section == section)
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
        ([], [], ["plan.recommendations", "plan.closing"]),
        (["Why?"], [], ["plan.recommendations", "plan.questions", "plan.closing"]),
        ([], [{"id": "discuss_imaging", "until": "Later."}], ["plan.recommendations", "plan.later", "plan.closing"]),
    ],
    ids=str,
)
def test_the_plan_says_no_empty_part(questions: Any, held_back: Any, parts: list[str]) -> None:
    advice = [{"id": "too_early", "text": "Wait.", "because": "It is early."}]
    plan = {"recommendations": advice, "questions_for_therapist": questions, "held_back": held_back}
    said = spoken_plan(plan)
    assert [part["id"] for part in said] == parts
    assert said[0]["items"] == [
        {"title": WORDS.get("plan.recommendations.too_early.title"), "text": "Wait.", "because": "It is early."}
    ]


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
