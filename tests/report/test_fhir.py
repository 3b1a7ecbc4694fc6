"""The FHIR export: valid resources, codes that mean what they say, and nothing said that the record does not hold."""

from __future__ import annotations

import copy
import json
import re
import runpy
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plateau.cli import main
from plateau.content import catalog
from plateau.escalation import assess
from plateau.protocol import NO_ANSWER, QUESTIONS, RED_FLAGS, TIERS, InvalidRecord, validate_record
from plateau.protocol._answers import STATES
from plateau.report import bundle, code_system, questionnaire
from plateau.report._fhir import CODE_SYSTEM, DATA_ABSENT, LOINC, PATIENTS, QUESTIONNAIRE, UCUM
from plateau.store import Database, Repository

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-fhir" / "bin" / "python"
WORDS = catalog()
AT = datetime(2026, 11, 23, 12, 30, 15, 123, tzinfo=UTC)
URN = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FHIR_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")

# Required bindings of R4, by hand from hl7.org/fhir/R4.
BUNDLE_TYPES = set(
    "document message transaction transaction-response batch batch-response history searchset collection".split()
)
RESPONSE_STATUSES = set("in-progress completed amended entered-in-error stopped".split())
OBSERVATION_STATUSES = set("registered preliminary final amended corrected cancelled entered-in-error unknown".split())
PUBLICATION_STATUSES = set("draft active retired unknown".split())
ITEM_TYPES = set(
    "group display boolean decimal integer date dateTime time string text url choice open-choice attachment reference "
    "quantity".split()
)
HIERARCHIES = set("grouped-by is-a part-of classified-with".split())
CONTENTS = set("not-present example fragment complete supplement".split())
CATEGORIES = set("social-history vital-signs imaging laboratory procedure survey exam therapy activity".split())
ABSENT_REASONS = set(
    "unknown asked-unknown temp-unknown not-asked asked-declined masked not-applicable unsupported as-text error "
    "not-a-number negative-infinity positive-infinity not-performed not-permitted".split()
)
UNITS = {"wk", "{visit}", "d/wk", "{score}", "%"}
VALUES = {
    "choice": {"valueCoding"},
    "open-choice": {"valueCoding", "valueString"},
    "integer": {"valueInteger"},
    "decimal": {"valueDecimal"},
    "quantity": {"valueQuantity"},
    "text": {"valueString"},
    "group": set(),
}

FULL: dict[str, Any] = {
    "for_whom": "self", "age_band": "40_49", "pregnancy": "no", "body_region": "knee", "side": "left",
    "diagnosis_given": "runner's knee", "diagnosis_fit": "different_place", "hurts_at": "hip", "onset": "gradual",
    "weeks_with_problem": 30.5, "recent_surgery_weeks": 12, "joint_replacement": "no", "weeks_in_pt": 9, "sessions": 14,
    "progress": "same", "better": "heat", "worse": "stairs", "goal": "hike again", "treatment_type": ["exercises"],
    "activities": [{"activity": "stairs", "score": 4}, {"activity": "kneeling", "score": 2}, {"activity": "run"}],
    "hep_days_prescribed": 7, "hep_days_done": 3, "hep_barriers": ["time", "pain"], "effort": "too_easy",
    "session_response": ["none"], "unchanged_weeks": 5, "sleep": "fair", "nutrition": "good", "stress": "high",
    "smoking": "former", "mood": "low", "confidence": "moderate", "conditions": ["diabetes", "thyroid"],
    "medicines": ["blood_thinner"], "pain_now": 5, "pain_worst": 8, "pain_start": 6,
    "pain_quality": ["burning", "dull"], "pain_spread": "no", "night_pain": "yes", "mechanical": ["none"],
    "tried": ["xray", "injection"],
    "told_therapist": "partly",
    "red_flags": [
        {"id": "dvt", "tier": "same_day", "state": "checked", "because": "my calf is swollen"},
        {"id": "stroke", "tier": "emergency", "state": "denied"},
    ],
}  # fmt: skip
ASKED = [question for question in QUESTIONS.values() if question.record]
RECORDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "full": FULL,
    "pain only": {"pain_now": 0},
    "nothing known": {question.id: "unknown" for question in ASKED if not question.required},
    "nothing said": {question.id: "skipped" for question in ASKED if not question.required},
    "for another": {"for_whom": "other", "recent_surgery_weeks": None, "diagnosis_given": "not_told"},
    "emergency": {"red_flags": ["cauda_equina"], "pain_now": 9},
    "a flag said twice": {"red_flags": ["fracture", {"id": "fracture", "tier": "emergency", "state": "unknown"}]},
    "odd characters": {
        "goal": "run\u2028again \x00\t\u00e9\U0001f3c3",
        "better": "\x07",
        "worse": " \u2003a\ud800 \n b",
    },
    "no exercises": {"hep_days_prescribed": 0, "activities": [{"activity": "lift"}], "weeks_in_pt": 0},
    **{
        file.stem: json.loads(file.read_text(encoding="utf-8"))["record"]
        for file in sorted((ROOT / "tests" / "rules" / "rows").glob("*.json"))
    },
}
by_record = pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in RECORDS.items()])


def made(record: dict[str, Any], **changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"id": "p-1", "at": AT, "words": WORDS, "visit_id": "c-1/1"}
    return bundle(record, **given | changed)


def resources(exported: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in exported["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def only(exported: dict[str, Any], kind: str) -> dict[str, Any]:
    (resource,) = resources(exported, kind)
    return resource


def nested(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield item
        yield from nested(item.get("item", []))


def found(node: Any, key: str) -> Iterator[Any]:
    """Every value that stands under `key`, at any depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from found(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from found(item, key)


def dictionaries(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from dictionaries(value)
    elif isinstance(node, list):
        for item in node:
            yield from dictionaries(item)


def own_codes(system: dict[str, Any]) -> dict[str, str]:
    concepts = [concept for top in system["concept"] for concept in (top, *top.get("concept", ()))]
    assert len({concept["code"] for concept in concepts}) == len(concepts) == system["count"]
    return {concept["code"]: concept["display"] for concept in concepts}


def answers(exported: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The answers of the response by linkId; those of a repeated group one after the other."""
    given: dict[str, list[dict[str, Any]]] = {}
    for item in nested(only(exported, "QuestionnaireResponse").get("item", [])):
        given.setdefault(item["linkId"], []).extend(item.get("answer", ()))
    return given


def scores(exported: dict[str, Any]) -> dict[str, list[Any]]:
    """The values of the Observations by our own code: numbers as they are, codes without their group."""
    given: dict[str, list[Any]] = {}
    for observation in resources(exported, "Observation"):
        code = observation["code"]["coding"][-1]["code"]
        quantity, concept = observation.get("valueQuantity"), observation.get("valueCodeableConcept")
        value = quantity["value"] if quantity else concept["coding"][0]["code"].split(".")[1]
        given.setdefault(code, []).append(value)
    return given


def check(exported: dict[str, Any], record: dict[str, Any]) -> None:
    """Everything that must hold of the export of any record."""
    record = validate_record(record)
    json.dumps(exported, allow_nan=False).encode()
    assert [
        each
        for each in dictionaries(exported)
        if not each or any(value in ([], {}, "", None) for value in each.values())
    ] == [], "FHIR knows no empty element"
    check_envelope(exported)
    check_codes(exported)
    check_response(exported, record)
    check_observations(exported, record)


def check_envelope(exported: dict[str, Any]) -> None:
    assert exported["type"] in BUNDLE_TYPES
    assert exported["type"] == "collection"
    urls = [entry["fullUrl"] for entry in exported["entry"]]
    assert len(set(urls)) == len(urls)
    assert [url for url in urls if not URN.fullmatch(url)] == []
    assert urls == [f"urn:uuid:{entry['resource']['id']}" for entry in exported["entry"]]
    assert set(found(exported, "reference")) <= set(urls)
    kinds = [entry["resource"]["resourceType"] for entry in exported["entry"]]
    assert kinds[:4] == ["CodeSystem", "Questionnaire", "Patient", "QuestionnaireResponse"]
    assert set(kinds[4:]) == {"Observation"}
    assert set(only(exported, "Patient")) == {"resourceType", "id", "identifier"}
    for key in ("timestamp", "authored", "effectiveDateTime"):
        assert [time for time in found(exported, key) if not FHIR_TIME.fullmatch(time)] == []


def check_codes(exported: dict[str, Any]) -> None:
    known = own_codes(only(exported, "CodeSystem"))
    codings = [each for each in dictionaries(exported) if {"system", "code"} <= set(each)]
    for coding in codings:
        system, code = coding["system"], coding["code"]
        if system == CODE_SYSTEM:
            assert coding["display"] == known[code]
        elif system == LOINC:
            assert code == "72514-3"
        elif system == UCUM:
            assert code in UNITS
        else:
            assert system == "http://terminology.hl7.org/CodeSystem/observation-category"
            assert code in CATEGORIES
    absent = [each["valueCode"] for each in dictionaries(exported) if each.get("url") == DATA_ABSENT]
    assert set(absent) <= ABSENT_REASONS


def check_response(exported: dict[str, Any], record: dict[str, Any]) -> None:
    form, response = only(exported, "Questionnaire"), only(exported, "QuestionnaireResponse")
    asked = {item["linkId"]: item for item in nested(form["item"])}
    order = list(asked)
    assert response["status"] in RESPONSE_STATUSES
    assert response["status"] == "completed"
    assert response["questionnaire"] == f"{QUESTIONNAIRE}|{form['version']}"
    top = [item["linkId"] for item in response.get("item", [])]
    assert top == sorted(top, key=order.index)
    # One item for each answer; a group once for each of its entries.
    assert set(top) == {name for name, value in record.items() if value != []}
    assert [name for name in set(top) if top.count(name) > 1 and not asked[name].get("repeats")] == []
    for item in nested(response.get("item", [])):
        question = asked[item["linkId"]]
        assert item["text"] == question["text"]
        assert ("answer" in item) + ("item" in item) + ("extension" in item) == 1
        assert question.get("repeats") or len(item.get("answer", ())) <= 1
        options = [option["valueCoding"] for option in question.get("answerOption", ())]
        for answer in item.get("answer", ()):
            kinds = {key for key in answer if key.startswith("value")}
            assert len(answer) == 1
            assert kinds <= VALUES[question["type"]]
            assert kinds or answer["extension"][0]["url"] == DATA_ABSENT
            assert "valueCoding" not in answer or answer["valueCoding"] in options


def check_observations(exported: dict[str, Any], record: dict[str, Any]) -> None:
    response = f"urn:uuid:{only(exported, 'QuestionnaireResponse')['id']}"
    for observation in resources(exported, "Observation"):
        assert observation["status"] in OBSERVATION_STATUSES
        assert observation["status"] == "final"
        assert [coding["code"] for each in observation["category"] for coding in each["coding"]] == ["survey"]
        assert len([key for key in observation if key.startswith("value")]) == 1
        assert observation["derivedFrom"][0]["reference"] == response
    given = scores(exported)
    for name in ("pain_now", "pain_worst", "pain_start", "progress"):
        assert given.get(name, []) == ([record[name]] if record.get(name) not in (None, *NO_ANSWER) else [])
    listed = record["activities"] if isinstance(record.get("activities"), list) else []
    assert given.get("psfs_activity", []) == [item["score"] for item in listed if "score" in item]


# ---------------------------------------------------------------- the form and its codes


def test_the_form_asks_every_question_of_the_record_and_the_red_flags() -> None:
    form = questionnaire(WORDS)
    assert [item["linkId"] for item in form["item"]] == [*(question.id for question in ASKED), "red_flags"]
    links = [item["linkId"] for item in nested(form["item"])]
    assert len(set(links)) == len(links)
    assert form["status"] in PUBLICATION_STATUSES
    assert re.fullmatch(r"[A-Z][A-Za-z0-9_]*", form["name"])
    for item in nested(form["item"]):
        # Invariants que-1, que-4, que-5 and que-10 of R4.
        assert item["type"] in ITEM_TYPES
        assert ("item" in item) == (item["type"] == "group")
        assert ("answerOption" in item) == (item["type"] in ("choice", "open-choice"))
        assert "maxLength" not in item or item["type"] in ("text", "open-choice")
        assert item["type"] in VALUES


@pytest.mark.parametrize("question", [pytest.param(question, id=question.id) for question in ASKED])
def test_an_item_allows_what_its_question_allows(question: Any) -> None:
    (item,) = [item for item in questionnaire(WORDS)["item"] if item["linkId"] == question.id]
    options = [option["valueCoding"]["code"] for option in item.get("answerOption", ())]
    named = ["not_told"] if question.id == "diagnosis_given" else []
    assert options == [f"{question.id}.{value}" for value in (*question.values, *named)]
    assert item.get("repeats", False) == (question.kind in ("multi", "activities"))
    assert ("unitOption" in str(item.get("extension"))) == (question.unit is not None)
    bounds = [each["valueInteger"] for each in item.get("extension", ()) if "valueInteger" in each]
    assert bounds == ([0, 10] if question.kind == "nprs" else [])


def test_the_code_system_holds_every_flag_tier_and_state() -> None:
    system = code_system(WORDS)
    known = own_codes(system)
    wanted = [*(f"red_flags.{flag}" for flag in RED_FLAGS), *(f"tier.{tier}" for tier in TIERS)]
    assert set(wanted) | {f"state.{state}" for state in STATES} <= set(known)
    assert (system["content"], system["hierarchyMeaning"]) == ("complete", "grouped-by")
    assert system["content"] in CONTENTS
    assert system["hierarchyMeaning"] in HIERARCHIES
    assert [code for code in known if re.search(r"\s", code)] == []


def test_every_definition_is_of_a_code() -> None:
    defined = {concept["code"] for concept in code_system(WORDS)["concept"] if "definition" in concept}
    assert defined == set(WORDS.tree("fhir.definitions"))


@pytest.mark.parametrize("make", [questionnaire, code_system])
def test_the_version_follows_the_content(make: Callable[[Any], dict[str, Any]]) -> None:
    texts = copy.deepcopy(dict(WORDS.texts))
    texts["questions"]["sleep"] |= {"ask": "Do you sleep well?", "label": "Your sleep"}
    texts["questions"]["sleep"]["why"] = "Not in the form."
    assert make(type(WORDS)("en", texts))["version"] != make(WORDS)["version"]
    texts = copy.deepcopy(dict(WORDS.texts))
    texts["questions"]["sleep"]["why"] = "Not in the form."
    assert make(type(WORDS)("en", texts))["version"] == make(WORDS)["version"]


# ---------------------------------------------------------------- one re-evaluation


@by_record
def test_every_record_gives_a_sound_bundle(record: dict[str, Any]) -> None:
    check(made(record), record)


@pytest.mark.parametrize(
    ("record", "link", "answered"),
    [
        ({"pain_now": 7}, "pain_now", [{"valueInteger": 7}]),
        ({"goal": "hike"}, "goal", [{"valueString": "hike"}]),
        ({"goal": "run\u2028again\x00"}, "goal", [{"valueString": "run again\ufffd"}]),
        ({"diagnosis_given": "a strain"}, "diagnosis_given", [{"valueString": "a strain"}]),
        ({"diagnosis_given": "not_told"}, "diagnosis_given", ["diagnosis_given.not_told"]),
        ({"side": "left"}, "side", ["side.left"]),
        ({"tried": ["mri_ct", "xray"]}, "tried", ["tried.xray", "tried.mri_ct"]),
        ({"mechanical": ["none"]}, "mechanical", ["mechanical.none"]),
        ({"weeks_in_pt": 6.5}, "weeks_in_pt", [(6.5, "wk")]),
        ({"sessions": 1}, "sessions", [(1, "{visit}")]),
        ({"hep_days_done": 0}, "hep_days_done", [(0, "d/wk")]),
        ({"recent_surgery_weeks": 3}, "recent_surgery_weeks", [(3, "wk")]),
        ({"recent_surgery_weeks": None}, "recent_surgery_weeks", ["absent: not-applicable"]),
        ({"recent_surgery_weeks": "unknown"}, "recent_surgery_weeks", ["absent: asked-unknown"]),
        ({"pain_now": "skipped"}, "pain_now", ["absent: asked-declined"]),
        ({"tried": "unknown"}, "tried", ["absent: asked-unknown"]),
        ({"goal": "unknown"}, "goal", ["absent: asked-unknown"]),
        ({"red_flags": ["dvt"]}, "red_flags.id", ["red_flags.dvt"]),
        ({"red_flags": ["dvt"]}, "red_flags.tier", ["tier.same_day"]),
        (
            {"red_flags": ["dvt", {"id": "pe", "state": "denied"}]},
            "red_flags.state",
            ["state.reported", "state.denied"],
        ),
        ({"red_flags": [{"id": "pe", "because": "no breath"}]}, "red_flags.because", [{"valueString": "no breath"}]),
        ({"activities": [{"activity": "a", "score": 0}, {"activity": "b"}]}, "activities.score", [{"valueInteger": 0}]),
        ({"activities": "unknown"}, "activities", []),
    ],
)
def test_an_answer_stands_as_its_question_wants(record: dict[str, Any], link: str, answered: list[Any]) -> None:
    def plain(answer: dict[str, Any]) -> Any:
        if "extension" in answer:
            return f"absent: {answer['extension'][0]['valueCode']}"
        if "valueCoding" in answer:
            return answer["valueCoding"]["code"]
        quantity = answer.get("valueQuantity")
        return (quantity["value"], quantity["code"]) if quantity else answer

    assert [plain(answer) for answer in answers(made(record))[link]] == answered


@pytest.mark.parametrize(("value", "reason"), [("unknown", "asked-unknown"), ("skipped", "asked-declined")])
def test_a_group_without_an_answer_says_why_itself(value: str, reason: str) -> None:
    (item,) = only(made({"activities": value}), "QuestionnaireResponse")["item"]
    assert item["extension"] == [{"url": DATA_ABSENT, "valueCode": reason}]


@pytest.mark.parametrize(
    ("record", "previous", "expected"),
    [
        ({}, None, {"tier": ["routine"]}),
        ({"red_flags": ["stroke"]}, None, {"tier": ["emergency"]}),
        ({"pain_now": 3}, {"pain_now": 5}, {"pain_now": [3], "pain_change": [-2]}),
        ({"pain_now": 3}, {"pain_now": "unknown"}, {"pain_now": [3]}),
        ({"pain_now": 3}, {}, {"pain_now": [3]}),
        ({"hep_days_prescribed": 7, "hep_days_done": 3}, None, {"adherence": [42.9]}),
        ({"hep_days_prescribed": 0, "hep_days_done": 0}, None, {}),
        ({"progress": "much_better"}, None, {"progress": ["much_better"]}),
        (
            {"activities": [{"activity": "Stairs", "score": 6}, {"activity": "run", "score": 1}, {"activity": "sit"}]},
            {"activities": [{"activity": "stairs ", "score": 4}, {"activity": "sit", "score": 9}]},
            {"psfs_activity": [6, 1], "psfs_mean": [3.5], "psfs_change": [2]},
        ),
    ],
)
def test_the_scores(record: dict[str, Any], previous: Any, expected: dict[str, list[Any]]) -> None:
    given = scores(made(record, previous=previous))
    assert {**given, **({} if "tier" in expected else {"tier": []})} == {"tier": [], **expected}


def test_the_tier_is_the_plans() -> None:
    assert scores(made({}, tier="within_days"))["tier"] == ["within_days"]
    assert scores(made(FULL))["tier"] == [assess(FULL).tier]


def test_loincs_code_for_pain_is_on_pain_now_alone_and_the_start_is_marked_as_recalled() -> None:
    coded = {
        observation["code"]["coding"][-1]["code"]: (
            [coding["code"] for coding in observation["code"]["coding"] if coding["system"] == LOINC],
            [coding["code"] for coding in observation.get("method", {}).get("coding", ())],
        )
        for observation in resources(made(FULL), "Observation")
    }
    assert {code: loinc for code, (loinc, _) in coded.items() if loinc} == {"pain_now": ["72514-3"]}
    assert {code: method for code, (_, method) in coded.items() if method} == {"pain_start": ["recalled"]}
    units = {
        observation["code"]["coding"][-1]["code"]: observation["valueQuantity"]["code"]
        for observation in resources(made(FULL), "Observation")
        if "valueQuantity" in observation
    }
    assert units == {**dict.fromkeys(["pain_now", "pain_worst", "pain_start", "psfs_activity", "psfs_mean"], "{score}"),
                     "adherence": "%"}  # fmt: skip


def test_an_activity_is_named_and_the_mean_rests_on_the_activities() -> None:
    observations = resources(made(FULL), "Observation")
    activities = [each for each in observations if each["code"]["coding"][0]["code"] == "psfs_activity"]
    (mean,) = [each for each in observations if each["code"]["coding"][0]["code"] == "psfs_mean"]
    assert [each["code"]["text"] for each in activities] == ["stairs", "kneeling"]
    rests_on = [reference["reference"] for reference in mean["derivedFrom"]]
    assert rests_on[1:] == [f"urn:uuid:{each['id']}" for each in activities]


@pytest.mark.parametrize(("for_whom", "authored"), [("self", True), ("other", False), (None, False)])
def test_who_typed_is_the_author_only_when_it_is_the_patient(for_whom: str | None, authored: bool) -> None:
    response = only(made({"for_whom": for_whom} if for_whom else {}), "QuestionnaireResponse")
    assert ("author" in response) == authored
    assert response["source"] == response["subject"]


def test_the_patient_is_an_opaque_id_and_nothing_else() -> None:
    patient = only(made(FULL, id="p-77"), "Patient")
    assert patient["identifier"] == [{"system": PATIENTS, "value": "p-77"}]
    assert set(patient) == {"resourceType", "id", "identifier"}


def test_the_same_visit_has_the_same_names_and_another_visit_others() -> None:
    def urls(exported: dict[str, Any], *kinds: str) -> list[str]:
        return [entry["fullUrl"] for entry in exported["entry"] if entry["resource"]["resourceType"] in kinds]

    first, again, later, other = made(FULL), made(FULL), made(FULL, visit_id="c-1/2"), made(FULL, id="p-2")
    visit, whose = ("QuestionnaireResponse", "Observation"), ("Patient", "Questionnaire", "CodeSystem")
    assert first == again
    assert not set(urls(first, *visit)) & set(urls(later, *visit))
    assert urls(first, *whose) == urls(later, *whose)
    assert urls(first, "Patient") != urls(other, "Patient")


def test_times_are_in_utc_to_the_second() -> None:
    later = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert made({}, at=later) == made({})
    assert made({})["timestamp"] == "2026-11-23T12:30:15+00:00"


@pytest.mark.parametrize(
    ("record", "changed", "error"),
    [
        ({}, {"at": datetime(2026, 11, 23)}, ValueError),
        ({}, {"id": " "}, ValueError),
        ({}, {"visit_id": ""}, ValueError),
        ({"pain_now": 11}, {}, InvalidRecord),
        ({"shoe_size": 43}, {}, InvalidRecord),
        ({}, {"previous": {"pain_now": 11}}, InvalidRecord),
    ],
)
def test_what_cannot_be_exported_is_refused(record: Any, changed: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        made(record, **changed)


# ---------------------------------------------------------------- any record


# The strategies of the rules' tests, which draw no odd texts and no broken weeks.
RULES = runpy.run_path(str(ROOT / "tests" / "rules" / "test_properties.py"))
# Any characters at all, lone surrogates and control characters among them.
TEXTS = st.text(st.characters(), min_size=1, max_size=20).filter(str.strip)
ACTIVITY = st.fixed_dictionaries({"activity": TEXTS}, optional={"score": st.integers(0, 10)})
HEARD = st.fixed_dictionaries(
    {"id": st.sampled_from(list(RED_FLAGS)), "state": st.sampled_from(STATES), "because": TEXTS}
)
OWN_WORDS = {question.id: TEXTS | st.sampled_from(NO_ANSWER) for question in ASKED if question.kind == "text"}
WEEKS = {question.id: st.floats(0, question.maximum) for question in ASKED if question.unit == "weeks"}
ANY_RECORD = st.fixed_dictionaries(
    {},
    optional={
        **{name: field | WEEKS[name] if name in WEEKS else field for name, field in RULES["FIELDS"].items()},
        **OWN_WORDS,
        "activities": st.lists(ACTIVITY, max_size=3) | st.sampled_from(NO_ANSWER),
        "red_flags": st.lists(RULES["FLAGS"] | HEARD, max_size=3),
    },
)


@settings(max_examples=100)
@given(ANY_RECORD, st.none() | ANY_RECORD)
def test_any_record_gives_a_sound_bundle(record: dict[str, Any], previous: dict[str, Any] | None) -> None:
    check(made(record, previous=previous), record)


# ---------------------------------------------------------------- the field's own library


def validated(exported: list[dict[str, Any]]) -> tuple[int, list[list[str]]]:
    assert ENVIRONMENT.exists(), "there is no .venv-fhir; `python3 scripts/setup.py --tests` makes it"
    lines = "".join(json.dumps(each) + "\n" for each in exported)
    script = str(Path(__file__).with_name("validate_fhir.py"))
    result = subprocess.run([str(ENVIRONMENT), script], input=lines, capture_output=True, text=True, timeout=120)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


def test_the_fhir_library_takes_every_sample() -> None:
    previous = {"pain_now": 7, "activities": [{"activity": "stairs", "score": 1}]}
    exported = [made(record) for record in RECORDS.values()] + [made(FULL, previous=previous)]
    assert validated(exported) == (0, [[]] * len(exported))


def test_the_fhir_library_takes_any_record() -> None:
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=60, database=None)
    @given(ANY_RECORD)
    def draw(record: dict[str, Any]) -> None:
        drawn.append(made(record))

    draw()
    assert validated(drawn) == (0, [[]] * len(drawn))


def changed(kind: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    broken = copy.deepcopy(made(FULL))
    change(broken if kind == "Bundle" else resources(broken, kind)[0])
    return broken


BROKEN = {
    "a field that FHIR does not know": ("Observation", lambda it: it.update(shoe_size=43)),
    "a required field missing": ("Observation", lambda it: it.pop("code")),
    "two values": ("Observation", lambda it: it.update(valueInteger=3)),
    "a value of the wrong type": ("Observation", lambda it: it.update(valueQuantity={"value": "much"})),
    "a time without its zone": ("Bundle", lambda it: it.update(timestamp="2026-11-23T12:30:15")),
    "a status nobody knows": ("QuestionnaireResponse", lambda it: it.update(status="bogus")),
    "a bundle type nobody knows": ("Bundle", lambda it: it.update(type="bogus")),
    "a content nobody knows": ("CodeSystem", lambda it: it.update(content="bogus")),
    "an answer of the wrong type": (
        "QuestionnaireResponse",
        lambda it: it["item"][0]["answer"][0].update(valueInteger="x"),
    ),
    "a reference to nothing": ("Observation", lambda it: it["subject"].update(reference="urn:uuid:0")),
    "a reference to the wrong type": (
        "Observation",
        lambda it: it["subject"].update(reference=it["derivedFrom"][0]["reference"]),
    ),
    "an item without its link": ("Questionnaire", lambda it: it["item"][0].pop("linkId")),
}


def test_the_fhir_library_refuses_what_is_broken() -> None:
    code, problems = validated([changed(kind, change) for kind, change in BROKEN.values()])
    assert code == 1
    assert [name for name, found in zip(BROKEN, problems, strict=True) if not found] == []


# ---------------------------------------------------------------- the command


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns `stored(conversation, answers, finished)`: saves the next run of a conversation of patient p-1."""
    url = f"sqlite:///{tmp_path}/plateau.db"
    monkeypatch.setenv("PLATEAU_DATABASE", url)
    days = iter(range(28))

    def save(conversation: str, given: dict[str, Any], finished: bool = True, patient: str | None = "p-1") -> None:
        database = Database(url)
        database.upgrade()
        day = AT + timedelta(days=next(days))
        with database.transaction() as session:
            repository = Repository(session, now=lambda: day)
            latest = repository.reevaluation(conversation)
            plan = assess({}).to_dict() | {"tier": "within_days"} if finished else None
            run = latest.run + 1 if latest else 1
            repository.save_reevaluation(conversation, given, plan, run=run, patient_id=patient)
        database.close()

    return save


GIVEN = {"for_whom": "self", "recent_surgery_weeks": "none", "pain_now": 4, "safety_now": ["none"]}


def test_export_as_fhir(stored: Any, capsys: Any) -> None:
    stored("c-0", GIVEN | {"pain_now": 6})
    stored("c-1", GIVEN)
    stored("c-1", {"for_whom": "self", "pain_now": 1}, finished=False)
    assert main(["export", "--fhir", "c-1"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert exported["timestamp"] == "2026-11-24T12:30:15+00:00"
    assert exported["identifier"]["value"] == "c-1/1"
    whose = only(exported, "Patient")["identifier"][0]["value"]
    assert main(["export", "--fhir", "c-0"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert only(before, "Patient")["identifier"][0]["value"] == whose, "one patient, whichever visit is exported"
    assert "p-1" not in json.dumps(exported)
    assert scores(exported) == {"pain_now": [4], "pain_change": [-2], "tier": ["within_days"]}
    given = answers(exported)
    assert given["recent_surgery_weeks"][0]["extension"][0]["valueCode"] == "not-applicable"
    assert {flag["valueCoding"]["code"] for flag in given["red_flags.state"]} == {"state.denied"}
    assert validated([exported]) == (0, [[]])


def test_export_as_fhir_of_someone_without_an_id_names_the_conversation(stored: Any, capsys: Any) -> None:
    stored("c-1", GIVEN, patient=None)
    assert main(["export", "c-1", "--fhir"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert len(only(exported, "Patient")["identifier"][0]["value"]) == 32
    assert scores(exported) == {"pain_now": [4], "tier": ["within_days"]}


@pytest.mark.parametrize("conversation", ["c-1", "nobody"])
def test_export_as_fhir_needs_a_finished_reevaluation(stored: Any, capsys: Any, conversation: str) -> None:
    stored("c-1", GIVEN, finished=False)
    assert main(["export", "--fhir", conversation]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "no finished re-evaluation" in said.err


def test_export_without_fhir_is_every_row_as_before(stored: Any, capsys: Any) -> None:
    stored("c-1", GIVEN)
    assert main(["export", "c-1"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"findings", "plans", "answers", "reevaluations", "turns", "events", "conversations"} <= set(rows)
    assert {row["question"]: row["value"] for row in rows["answers"]} == GIVEN
