"""Rasa's domain, rules and stories stay in step with the protocol; no Rasa is imported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.content import catalog
from plateau.protocol import QUESTIONS, SECTIONS, validate
from plateau.protocol._flow import next_section

ROOT = Path(__file__).parents[2]
DOMAIN: dict[str, Any] = yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))
# Stages besides the sections: where the dialogue stands when no question is asked.
OTHER_STAGES = ["plan", "paused", "restarting", "declined", "emergency"]
# Slots that no question fills.
OWN_SLOTS = {
    "started",
    "stage",
    "last_asked",
    "failed_readings",
    "told_flags",
    "assessment",
    "before",
    "previous",
    "said",
    "change",
    "red_flags",
    "said_back",
    "just_told",
}
FROM_WORDS = ("red_flags", "change")
# What the reader tells the actions of one message only: no slot keeps it.
IN_PASSING = ("doubts", "upside_down", "settles")
INTENTS = [next(iter(intent)) for intent in DOMAIN["intents"]]


def test_every_question_is_an_entity_and_a_slot() -> None:
    assert DOMAIN["entities"] == [*QUESTIONS, *FROM_WORDS, *IN_PASSING]
    assert set(DOMAIN["slots"]) == {*QUESTIONS, *OWN_SLOTS}


@pytest.mark.parametrize("name", [*QUESTIONS, *FROM_WORDS])
def test_an_answers_slot_takes_anything_from_its_entity_and_no_policy_looks_at_it(name: str) -> None:
    mappings = [{"type": "from_entity", "entity": name}]
    assert DOMAIN["slots"][name] == {"type": "any", "influence_conversation": False, "mappings": mappings}


def test_policies_look_at_the_stage_only() -> None:
    assert {name for name, slot in DOMAIN["slots"].items() if slot["influence_conversation"]} == {"started", "stage"}
    assert [intent for intent in DOMAIN["intents"] if list(intent.values()) != [{"use_entities": []}]] == []


def test_stages_are_the_sections_and_where_no_question_is_asked() -> None:
    assert DOMAIN["slots"]["stage"]["values"] == [*SECTIONS, *OTHER_STAGES]


def test_the_form_of_a_section_lists_its_questions_in_their_order() -> None:
    forms = {f"{section}_form": [] for section in SECTIONS}
    for name, question in QUESTIONS.items():
        forms[f"{question.section}_form"].append(name)
    assert {name: form["required_slots"] for name, form in DOMAIN["forms"].items()} == forms


def test_the_actions_listed_are_the_ones_that_exist() -> None:
    from rasa_sdk.executor import ActionExecutor

    executor = ActionExecutor()
    executor.register_package("actions")
    assert set(DOMAIN["actions"]) == set(executor.actions)
    assert len(DOMAIN["actions"]) == len(set(DOMAIN["actions"]))


def test_every_form_is_asked_and_validated() -> None:
    asks = {f"action_ask_{name}" for name in QUESTIONS}
    assert {*asks, *(f"validate_{section}_form" for section in SECTIONS)} <= set(DOMAIN["actions"])


# ---------------------------------------------------------------- rules and stories


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    files = [*(ROOT / "data" / "rules").glob("*.yml"), *(ROOT / "data" / "stories").glob("*.yml")]
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for flow in (*content.get("rules", ()), *content.get("stories", ())):
            for step in (*flow.get("condition", ()), *flow["steps"]):
                yield file.name, step


def named(kind: str) -> set[str]:
    return {step[kind] for _, step in steps() if step.get(kind)}


def test_rules_name_only_what_the_domain_has() -> None:
    actions = {*DOMAIN["actions"], *DOMAIN["forms"], *DOMAIN["responses"], "action_deactivate_loop", "action_listen"}
    assert named("intent") <= set(INTENTS)
    assert named("action") <= actions
    assert named("active_loop") <= set(DOMAIN["forms"])
    stages = {given["stage"] for _, step in steps() for given in step.get("slot_was_set", ()) if "stage" in given}
    assert stages <= set(DOMAIN["slots"]["stage"]["values"])


def test_every_section_has_its_way_in_and_its_way_out() -> None:
    content = yaml.safe_load((ROOT / "data" / "rules" / "sections.yml").read_text(encoding="utf-8"))
    rules = {rule["rule"] for rule in content["rules"]}
    wanted = {f"the {section} section is done" for section in SECTIONS} | {
        f"next comes {section}" for section in SECTIONS
    }
    assert wanted | {"next comes plan", "next comes declined", "next comes emergency"} <= rules


def test_every_intent_is_answered_by_a_rule() -> None:
    assert named("intent") == set(INTENTS)


def test_every_intent_that_words_can_have_has_examples() -> None:
    examples = {
        entry["intent"]
        for file in (ROOT / "data" / "nlu").glob("*.yml")
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["nlu"]
        if "intent" in entry
    }
    # Those that only a tap, the listener or the gateway has.
    assert examples <= set(INTENTS)
    assert set(INTENTS) - examples <= {"start", "restart_confirmed", "emergency", "flag_mistake", "flag_checked"}


# ---------------------------------------------------------------- buttons

PAYLOAD = re.compile(r"^/(?P<intent>\w+)(?P<entities>\{.*\})?$")


def payloads() -> Iterator[tuple[str, str]]:
    from actions.forms import answer_buttons

    for name, variants in DOMAIN["responses"].items():
        for variant in variants:
            yield from ((name, button["payload"]) for button in variant.get("buttons", ()))
    for question in QUESTIONS.values():
        yield from ((f"action_ask_{question.id}", button["payload"]) for button in answer_buttons(question) or ())


@pytest.mark.parametrize(("where", "payload"), payloads())
def test_a_buttons_payload_is_an_intent_with_answers_that_are_valid(where: str, payload: str) -> None:
    match = PAYLOAD.match(payload)
    assert match, f"{where}: {payload} is not a payload"
    assert match["intent"] in INTENTS
    for name, value in json.loads(match["entities"] or "{}").items():
        assert name in DOMAIN["entities"]
        assert validate(name, value) == value


def test_a_choice_is_asked_with_a_button_for_each_value() -> None:
    from actions.forms import answer_buttons

    for question in QUESTIONS.values():
        buttons = answer_buttons(question) or []
        wanted = list(question.values) if question.kind == "choice" else []
        titles = catalog().tree(f"questions.{question.id}").get("options", {})
        assert [(button["title"]) for button in buttons] == [titles[value] for value in wanted]


# ---------------------------------------------------------------- responses


def test_every_response_of_the_domain_is_uttered_by_someone() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "actions").glob("*.py"))
    uttered = set(re.findall(r'"(utter_\w+)"', source)) | {
        name for name in named("action") if name.startswith("utter_")
    }
    # Rasa's own fallback says utter_default.
    assert uttered | {"utter_default"} == set(DOMAIN["responses"])


@pytest.mark.parametrize("name", DOMAIN["responses"])
def test_a_response_is_plain_and_its_placeholders_are_filled(name: str) -> None:
    for variant in DOMAIN["responses"][name]:
        found = set(re.findall(r"\{(\w+)\}", variant["text"]))
        assert found <= {"clinic", "phone", "notes"}
        assert "!" not in variant["text"]


def test_the_first_question_is_of_the_first_section() -> None:
    assert next_section({}) == SECTIONS[0] == "opening"
