"""One finished re-evaluation as FHIR R4 (hl7.org/fhir/R4), as plain dictionaries; docs/fhir.md tells what is where."""

from __future__ import annotations

import hashlib
import json
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from plateau.content import Catalog
from plateau.escalation import assess, psfs_changes
from plateau.protocol import NO_ANSWER, QUESTIONS, RED_FLAGS, STATES, TIERS, Question, Tier, adherence, validate_record

Resource = dict[str, Any]

BASE = "https://plateau.example/fhir"
QUESTIONNAIRE = f"{BASE}/Questionnaire/re-evaluation"
CODE_SYSTEM = f"{BASE}/CodeSystem/re-evaluation"
# The systems of the two opaque ids.
PATIENTS = f"{BASE}/NamingSystem/patient"
VISITS = f"{BASE}/NamingSystem/visit"

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
DATA_ABSENT = f"{_EXTENSIONS}/data-absent-reason"
_SURVEY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}],
}
# At a point in time (loinc.org/72514-3): it fits pain now, neither the worst of a week nor a memory of the start.
_LOINC_PAIN = {
    "system": LOINC,
    "code": "72514-3",
    "display": "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
}
_LOINC_OF = {"pain_now": _LOINC_PAIN}
_ABSENT = dict(zip(NO_ANSWER, ("asked-unknown", "asked-declined"), strict=True))
_ABSENT_NONE = "not-applicable"
_UCUM_OF = {"weeks": "wk", "visits": "{visit}", "days a week": "d/wk"}
_SCORE, _PERCENT = "{score}", "%"
_TYPES = {"choice": "choice", "multi": "choice", "nprs": "integer", "text": "text", "activities": "group"}
# Questions in the patient's words that know one answer by its name.
_NAMED = {"diagnosis_given": ("not_told",)}
_PAINS = ("pain_now", "pain_worst", "pain_start")
_RECALLED = ("pain_start",)
_SCORES = ("adherence", "psfs_activity", "psfs_mean", "pain_change", "psfs_change", "recalled")
_TEXT_LIMIT = 2000
_VERSION_DIGITS = 12


def code_system(words: Catalog) -> Resource:
    """Return the CodeSystem of every code of our own, in groups: a question and its answers, red flags, tiers, scores.

    Its version is a digest of its concepts: it changes when they do, and only then.
    """
    concepts = list(_concepts(words))
    return {
        "resourceType": "CodeSystem",
        "id": _uuid("CodeSystem", "re-evaluation"),
        "language": words.language,
        "url": CODE_SYSTEM,
        "version": _digest(concepts),
        "name": "ReEvaluationCodes",
        "title": words.get("fhir.code_system"),
        "status": "active",
        "caseSensitive": True,
        "hierarchyMeaning": "grouped-by",
        "content": "complete",
        "count": sum(1 + len(concept.get("concept", ())) for concept in concepts),
        "concept": concepts,
    }


def questionnaire(words: Catalog) -> Resource:
    """Return the Questionnaire: every question of the answer record, then the red flags as a group that repeats.

    When a question is asked is left out: an item that is absent from a response was not needed. Its version is a digest
    of its items.
    """
    codes = _Codes.of(words)
    items = [_question_item(question, words, codes) for question in _recorded()]
    items.append(_flags_item(words, codes))
    return {
        "resourceType": "Questionnaire",
        "id": _uuid("Questionnaire", "re-evaluation"),
        "language": words.language,
        "url": QUESTIONNAIRE,
        "version": _digest(items),
        "name": "ReEvaluation",
        "title": words.get("fhir.questionnaire"),
        "status": "active",
        "subjectType": ["Patient"],
        "item": items,
    }


def bundle(
    record: Mapping[str, Any],
    *,
    id: str,
    at: datetime,
    words: Catalog,
    visit_id: str,
    tier: Tier | None = None,
    previous: Mapping[str, Any] | None = None,
) -> Resource:
    """Return one re-evaluation as a Bundle (collection): codes, form, Patient, response and its Observations.

    `record` is an answer record (design, section 3); `id` the patient's opaque id; `at` when it was finished, aware;
    `visit_id` names this re-evaluation among all; `tier` the stored plan's, else worked out from the record;
    `previous` the answer record of the visit before, for the changes since. The same ids give the same urn:uuid names.
    Raises InvalidRecord, and ValueError for an `at` without time zone or an empty id.
    """
    if at.tzinfo is None:
        raise ValueError("a FHIR time needs a time zone; `at` has none")
    if not id.strip() or not visit_id.strip():
        raise ValueError("the ids of patient and visit must not be empty")
    record = validate_record(record)
    form = questionnaire(words)
    visit = _Visit(
        id=visit_id,
        at=at.astimezone(UTC).isoformat(timespec="seconds"),
        patient=_uuid("Patient", id),
        response=_uuid("QuestionnaireResponse", visit_id),
        codes=_Codes.of(words),
    )
    resources = [
        code_system(words),
        form,
        {"resourceType": "Patient", "id": visit.patient, "identifier": [{"system": PATIENTS, "value": _text(id)}]},
        _response(record, form, visit, words),
        *_observations(record, tier or assess(record).tier, visit),
        *_changes(record, validate_record(previous or {}), visit),
    ]
    return {
        "resourceType": "Bundle",
        "id": _uuid("Bundle", visit_id),
        "identifier": {"system": VISITS, "value": _text(visit_id)},
        "type": "collection",
        "timestamp": visit.at,
        "entry": [{"fullUrl": _urn(resource["id"]), "resource": resource} for resource in resources],
    }


# ---------------------------------------------------------------- codes


@dataclass(frozen=True, slots=True)
class _Codes:
    """Our own codes with their displays."""

    displays: Mapping[str, str]

    @classmethod
    def of(cls, words: Catalog) -> _Codes:
        concepts = (concept for top in _concepts(words) for concept in (top, *top.get("concept", ())))
        return cls({concept["code"]: concept["display"] for concept in concepts})

    def coding(self, code: str) -> Resource:
        return {"system": CODE_SYSTEM, "code": code, "display": self.displays[code]}

    def concept(self, code: str, text: str | None = None) -> Resource:
        """Return the CodeableConcept of one of our codes, with LOINC's first where it means the same."""
        codings = [*([_LOINC_OF[code]] if code in _LOINC_OF else []), self.coding(code)]
        return {"coding": codings, **({"text": text} if text else {})}


def _concepts(words: Catalog) -> Iterator[Resource]:
    for question in _recorded():
        options = words.tree(f"questions.{question.id}").get("options", {})
        values = {value: options[value] for value in question.values}
        values |= {value: words.get(f"fhir.{value}") for value in _NAMED.get(question.id, ())}
        yield _concept(words, question.id, words.get(f"questions.{question.id}.label"), values)
    flags, tiers, states = (words.tree(path) for path in ("plan.evidence.red_flags.items", "fhir.tiers", "fhir.states"))
    yield _concept(words, "red_flags", words.get("fhir.red_flags.label"), {flag: flags[flag] for flag in RED_FLAGS})
    yield _concept(words, "tier", words.get("fhir.tier"), {tier: tiers[tier] for tier in TIERS})
    yield _concept(words, "state", words.get("fhir.state"), {state: states[state] for state in STATES})
    for score in _SCORES:
        yield _concept(words, score, words.get(f"fhir.scores.{score}"), {})


def _concept(words: Catalog, code: str, display: str, values: Mapping[str, str]) -> Resource:
    concept: Resource = {"code": code, "display": display}
    if words.has(f"fhir.definitions.{code}"):
        concept["definition"] = words.get(f"fhir.definitions.{code}")
    if values:
        # The same value means another thing in another question, and a code may stand only once.
        concept["concept"] = [{"code": f"{code}.{value}", "display": text} for value, text in values.items()]
    return concept


# ---------------------------------------------------------------- the Questionnaire


def _recorded() -> list[Question]:
    return [question for question in QUESTIONS.values() if question.record]


def _question_item(question: Question, words: Catalog, codes: _Codes) -> Resource:
    kind, named = question.kind, _NAMED.get(question.id, ())
    item: Resource = {
        "linkId": question.id,
        "code": codes.concept(question.id)["coding"],
        "text": words.get(f"questions.{question.id}.ask"),
        "type": "open-choice" if named else _TYPES.get(kind) or ("quantity" if question.unit else "decimal"),
    }
    if kind in ("multi", "activities"):
        item["repeats"] = True
    if kind == "text":
        item["maxLength"] = _TEXT_LIMIT
    if kind == "nprs":
        item["extension"] = _bounds(int(question.minimum), int(question.maximum))
    if question.unit:
        unit = _unit(question.unit, words)
        coding = {"system": UCUM, "code": unit["code"], "display": unit["unit"]}
        item["extension"] = [{"url": f"{_EXTENSIONS}/questionnaire-unitOption", "valueCoding": coding}]
    if values := (*question.values, *named):
        item["answerOption"] = _options(codes, question.id, values)
    if kind == "activities":
        item["item"] = [
            {
                "linkId": f"{question.id}.activity",
                "text": words.get("fhir.activities.activity"),
                "type": "text",
                "maxLength": _TEXT_LIMIT,
            },
            {
                "linkId": f"{question.id}.score",
                "extension": _bounds(0, 10),
                "code": [codes.coding("psfs_activity")],
                "text": words.get("fhir.activities.score"),
                "type": "integer",
            },
        ]
    return item


def _flags_item(words: Catalog, codes: _Codes) -> Resource:
    def part(name: str, kind: Resource) -> Resource:
        return {"linkId": f"red_flags.{name}", "text": words.get(f"fhir.red_flags.{name}"), **kind}

    def choice(group: str, values: Iterable[str]) -> Resource:
        return {"type": "choice", "answerOption": _options(codes, group, values)}

    return {
        "linkId": "red_flags",
        "code": [codes.coding("red_flags")],
        "text": words.get("fhir.red_flags.label"),
        "type": "group",
        "repeats": True,
        "item": [
            part("id", choice("red_flags", RED_FLAGS)),
            part("tier", choice("tier", TIERS[2:])),
            part("state", choice("state", STATES)),
            part("because", {"type": "text"}),
        ],
    }


def _options(codes: _Codes, group: str, values: Iterable[str]) -> list[Resource]:
    return [{"valueCoding": codes.coding(f"{group}.{value}")} for value in values]


def _bounds(least: int, most: int) -> list[Resource]:
    return [
        {"url": f"{_EXTENSIONS}/minValue", "valueInteger": least},
        {"url": f"{_EXTENSIONS}/maxValue", "valueInteger": most},
    ]


def _unit(unit: str, words: Catalog) -> Resource:
    return {"unit": words.get(f"questions.units.{unit}"), "system": UCUM, "code": _UCUM_OF[unit]}


# ---------------------------------------------------------------- the QuestionnaireResponse


@dataclass(frozen=True, slots=True)
class _Visit:
    """What every resource of one visit needs: its id, FHIR time, the uuids it points to, and our codes."""

    id: str
    at: str
    patient: str
    response: str
    codes: _Codes


def _response(record: Mapping[str, Any], form: Resource, visit: _Visit, words: Catalog) -> Resource:
    patient = {"reference": _urn(visit.patient)}
    texts = {item["linkId"]: item["text"] for top in form["item"] for item in (top, *top.get("item", ()))}
    items: list[Resource] = [
        item
        for question in _recorded()
        if question.id in record
        for item in _answered(question, record[question.id], texts, visit.codes, words)
    ]
    items += [_flag(flag, texts, visit.codes) for flag in record.get("red_flags", ())]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": visit.response,
        "identifier": {"system": VISITS, "value": _text(visit.id)},
        "questionnaire": f"{form['url']}|{form['version']}",
        "status": "completed",
        "subject": patient,
        "authored": visit.at,
        # Someone who typed for the patient is not known; the answers are the patient's.
        **({"author": patient} if record.get("for_whom") == "self" else {}),
        "source": patient,
        **({"item": items} if items else {}),
    }


def _answered(
    question: Question, value: Any, texts: Mapping[str, str], codes: _Codes, words: Catalog
) -> Iterator[Resource]:
    link, kind = question.id, question.kind
    reason = _ABSENT_NONE if value is None else _ABSENT.get(value) if isinstance(value, str) else None
    if reason and kind == "activities":
        # A group has no answer of its own.
        yield {"linkId": link, "extension": [_absent(reason)], "text": texts[link]}
    elif reason:
        yield _entry(link, texts, [{"extension": [_absent(reason)]}])
    elif kind == "activities":
        for activity in value:
            yield _activity(activity, texts)
    elif kind in ("choice", "multi"):
        chosen = value if isinstance(value, list) else [value]
        yield _entry(link, texts, _options(codes, link, chosen))
    elif kind == "nprs":
        yield _entry(link, texts, [{"valueInteger": value}])
    elif kind == "number" and question.unit:
        yield _entry(link, texts, [{"valueQuantity": {"value": value, **_unit(question.unit, words)}}])
    elif kind == "number":
        yield _entry(link, texts, [{"valueDecimal": value}])
    elif value in _NAMED.get(link, ()):
        yield _entry(link, texts, _options(codes, link, [value]))
    else:
        yield _entry(link, texts, [{"valueString": _text(value)}])


def _activity(activity: Mapping[str, Any], texts: Mapping[str, str]) -> Resource:
    items = [_entry("activities.activity", texts, [{"valueString": _text(activity["activity"])}])]
    if "score" in activity:
        items.append(_entry("activities.score", texts, [{"valueInteger": activity["score"]}]))
    return _group("activities", texts, items)


def _flag(flag: Mapping[str, Any], texts: Mapping[str, str], codes: _Codes) -> Resource:
    values: dict[str, Resource] = {
        "id": {"valueCoding": codes.coding(f"red_flags.{flag['id']}")},
        "tier": {"valueCoding": codes.coding(f"tier.{flag['tier']}")},
        "state": {"valueCoding": codes.coding(f"state.{flag['state']}")},
        **({"because": {"valueString": _text(flag["because"])}} if flag.get("because") else {}),
    }
    return _group("red_flags", texts, [_entry(f"red_flags.{part}", texts, [value]) for part, value in values.items()])


def _entry(link: str, texts: Mapping[str, str], answers: list[Resource]) -> Resource:
    return {"linkId": link, "text": texts[link], "answer": answers}


def _group(link: str, texts: Mapping[str, str], items: list[Resource]) -> Resource:
    return {"linkId": link, "text": texts[link], "item": items}


def _absent(reason: str) -> Resource:
    return {"url": DATA_ABSENT, "valueCode": reason}


# ---------------------------------------------------------------- the Observations


def _observations(record: Mapping[str, Any], tier: Tier, visit: _Visit) -> Iterator[Resource]:
    for name in _PAINS:
        if (pain := _number(record, name)) is not None:
            method = visit.codes.concept("recalled") if name in _RECALLED else None
            yield _observation(visit, name, _quantity(pain), said=True, method=method)
    activities = [item for item in _listed(record, "activities") if "score" in item]
    scored = [
        _observation(
            visit, "psfs_activity", _quantity(item["score"]), said=True, number=number, text=_text(item["activity"])
        )
        for number, item in enumerate(activities, start=1)
    ]
    yield from scored
    if scored:
        mean = fmean(item["score"] for item in activities)
        yield _observation(visit, "psfs_mean", _quantity(round(mean, 2)), sources=[item["id"] for item in scored])
    done = adherence(record)
    if done == done:  # not NaN
        yield _observation(visit, "adherence", _quantity(round(done, 1), _PERCENT))
    if record.get("progress") not in (None, *NO_ANSWER):
        progress = visit.codes.concept(f"progress.{record['progress']}")
        yield _observation(visit, "progress", {"valueCodeableConcept": progress}, said=True)
    yield _observation(visit, "tier", {"valueCodeableConcept": visit.codes.concept(f"tier.{tier}")})


def _changes(record: Mapping[str, Any], previous: Mapping[str, Any], visit: _Visit) -> Iterator[Resource]:
    now, before = _number(record, "pain_now"), _number(previous, "pain_now")
    if now is not None and before is not None:
        yield _observation(visit, "pain_change", _quantity(now - before))
    if changes := psfs_changes(record, previous):
        yield _observation(visit, "psfs_change", _quantity(round(fmean(changes.values()), 2)))


def _observation(
    visit: _Visit,
    code: str,
    value: Resource,
    *,
    said: bool = False,
    number: int | None = None,
    text: str | None = None,
    method: Resource | None = None,
    sources: Iterable[str] = (),
) -> Resource:
    """Return a survey Observation; `said` by the patient and not worked out; `sources` are Observations it rests on."""
    patient: Resource = {"reference": _urn(visit.patient)}
    name = code if number is None else f"{code}.{number}"
    return {
        "resourceType": "Observation",
        "id": _uuid("Observation", f"{visit.id}/{name}"),
        "status": "final",
        "category": [_SURVEY],
        "code": visit.codes.concept(code, text),
        "subject": patient,
        "effectiveDateTime": visit.at,
        **({"performer": [patient]} if said else {}),
        **value,
        **({"method": method} if method else {}),
        "derivedFrom": [{"reference": _urn(source)} for source in (visit.response, *sources)],
    }


def _quantity(value: float, unit: str = _SCORE) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def _number(record: Mapping[str, Any], name: str) -> int | None:
    value = record.get(name)
    return value if isinstance(value, int) else None


def _listed(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = record.get(name)
    return value if isinstance(value, list) else []


# ---------------------------------------------------------------- names and texts


def _uuid(kind: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{BASE}/{kind}/{name}"))


def _urn(name: str) -> str:
    return f"urn:uuid:{name}"


def _digest(content: list[Resource]) -> str:
    plain = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:_VERSION_DIGITS]


def _text(text: str) -> str:
    """Return `text` as a FHIR string may be: spaces for odd white space, U+FFFD for control characters."""
    return "".join(map(_character, text)).strip() or "\ufffd"


def _character(character: str) -> str:
    if character in "\r\n\t":
        return character
    if character.isspace():
        return " "
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") else character
