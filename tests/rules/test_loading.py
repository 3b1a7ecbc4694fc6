"""A rule file that cannot be used says where it is wrong and what is allowed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.escalation import RuleError, assess, load_rules

SOUND: dict[str, Any] = yaml.safe_load("""
version: 1
reviewed: 2026-11-23
sources: {jack: Jack 2010}
gates:
  {nprs_mid: 2, nprs_floor: 2, psfs_mid: 2, psfs_one_mid: 3, early_weeks: 2, trial_weeks: {value: 6, stretched: true}}
stretch: {factor: 1.5, when: '"diabetes" in conditions'}
definitions:
  stalled: progress == "same"
  specialist_seen: {any: {tried: [pain_specialist]}}
  strain: {points: {stress: {high: 2}, sleep: {poor: 1}}}
  signs: {count: [stalled, weeks_in_pt >= trial_weeks]}
ladder:
  - {id: safety, holds: []}
  - {id: adherence, holds: [surgeon]}
  - {id: surgeon, holds: [], done: specialist_seen}
rules:
  - {id: adherence.low, version: 1, rung: adherence, when: adherence < 50, recommend: improve_adherence,
     because: adherence_low, evidence: [adherence], source: jack}
  - {id: surgeon.last, version: 2, rung: surgeon, when: stalled and signs >= 2, opens: strain < 2, until: modality,
     recommend: surgical_consult, because: last_step, evidence: [], source: jack, reviewed: 2026-01-02}
trend: {improved: progress == "much_better"}
check_again: {default: 4, too_early: 2}
load: {relative: pain_now >= 4}
weeks_until: {adherence: 4, modality: {gate: trial_weeks, less: weeks_in_pt}}
notes: [{id: barrier_time, to: improve_adherence, when: '"time" in hep_barriers'}]
questions: [{id: how_long, when: true}]
""")
EXTRA = {"id": "x", "to": "too_early", "when": "true"}
Break = Callable[[dict[str, Any]], object]


def rule(raw: dict[str, Any], name: str = "adherence.low") -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in raw["rules"] if entry["id"] == name)
    return found


@pytest.mark.parametrize(
    ("broken", "where", "field", "said"),
    [
        (lambda raw: raw.pop("ladder"), "file", "ladder", "is missing"),
        (lambda raw: raw.update(extra=1), "file", "extra", "allowed: version, reviewed"),
        (lambda raw: raw.update(version="new"), "file", "version", "a whole number"),
        (lambda raw: raw.update(reviewed="soon"), "file", "reviewed", "a date such as"),
        (lambda raw: raw.update(gates=[1]), "gates", "value", "names with values"),
        (lambda raw: raw["gates"].update(early_weeks=-1), "gate early_weeks", "value", "a number above 0"),
        (lambda raw: raw["gates"].update(early_weeks=True), "gate early_weeks", "value", "a number above 0"),
        (lambda raw: raw["gates"].update(early_weeks={"value": 2}), "gate early_weeks", "stretched", "is missing"),
        (lambda raw: raw["gates"].update(progress=3), "gate progress", "name", "already the name"),
        (lambda raw: raw["gates"].update({"Bad Name": 3}), "gate Bad Name", "name", "small letters"),
        (lambda raw: raw["trend"].update(soso="true"), "trend", "name", "allowed: unknown, mixed"),
        (lambda raw: raw["check_again"].update(later=2), "check_again", "later", "is not a field"),
        (lambda raw: raw["check_again"].pop("default"), "check_again", "default", "is missing"),
        (lambda raw: raw["check_again"].update(too_early=0), "check_again", "too_early", "a whole number"),
        (lambda raw: raw["load"].update(heavy="true"), "load", "name", "allowed: paced, protected"),
        (lambda raw: raw["notes"][0].update(instead="yes"), "note barrier_time", "instead", "allowed: true, false"),
        (lambda raw: raw["questions"][0].update(asks_for="tea"), "question how_long", "asks_for", "emergency_care"),
        (lambda raw: raw["weeks_until"].update(when=3), "weeks_until when", "name", "no text plan.until.when"),
        (lambda raw: raw["weeks_until"].update(load=0), "weeks_until load", "weeks", "a number above 0"),
        (lambda raw: raw["weeks_until"]["modality"].update(gate="six"), "weeks_until modality", "gate", "trial_weeks"),
        (lambda raw: raw["weeks_until"]["modality"].update(less="sleep"), "weeks_until modality", "less", "sessions"),
        (lambda raw: raw["stretch"].update(factor=0), "stretch", "factor", "a number above 0"),
        (lambda raw: raw["definitions"].update(x={"all": []}), "definition x", "value", "any, points, count"),
        (lambda raw: raw["definitions"].update(x="x"), "definition x", "condition", "unknown name 'x'"),
        (lambda raw: raw["definitions"].update(x={"any": {"tried": ["mri"]}}), "definition x", "any", "'mri' is not"),
        (lambda raw: raw["definitions"].update(x={"any": {"goal": ["run"]}}), "definition x", "any", "no fixed values"),
        (lambda raw: raw["definitions"].update(x={"points": {"mood": {"low": 0}}}), "definition x", "points low", "1"),
        (lambda raw: raw["ladder"][0].update(holds=["nowhere"]), "rung safety", "holds", "'nowhere' is not allowed"),
        (lambda raw: raw["ladder"][-1].update(holds=["safety"]), "rung surgeon", "holds", "'safety' is not allowed"),
        (lambda raw: raw["ladder"][0].update(done="weeks_in_pt"), "rung safety", "done", "is not a definition"),
        (lambda raw: raw["ladder"].append({"id": "safety", "holds": []}), "rung safety", "id", "is there twice"),
        (lambda raw: rule(raw).pop("source"), "rule adherence.low", "source", "is missing"),
        (lambda raw: rule(raw).update(note="x"), "rule adherence.low", "note", "is not a field"),
        (lambda raw: rule(raw).update(id=7), "rule 7", "id", "text such as"),
        (lambda raw: rule(raw).update(id="surgeon.last"), "rule surgeon.last", "id", "is there twice"),
        (lambda raw: rule(raw).update(version=0), "rule adherence.low", "version", "a whole number"),
        (lambda raw: rule(raw).update(rung="hope"), "rule adherence.low", "rung", "allowed: safety, adherence"),
        (lambda raw: rule(raw).update(when="adherance < 50"), "rule adherence.low", "when", "unknown name 'adherance'"),
        (lambda raw: rule(raw).update(when="adherence <"), "rule adherence.low", "when", "cannot read"),
        (lambda raw: rule(raw).update(when="adherence < progress"), "rule adherence.low", "when", "cannot read"),
        (lambda raw: rule(raw).update(when=""), "rule adherence.low", "when", "is not a condition"),
        (lambda raw: rule(raw).update(when='"mri" in tried'), "rule adherence.low", "when", "'mri' is not a value"),
        (lambda raw: rule(raw).update(when='progress == "better"'), "rule adherence.low", "when", "allowed: much"),
        (lambda raw: rule(raw).update(when='effort in ["easy"]'), "rule adherence.low", "when", "'easy' is not"),
        (lambda raw: rule(raw).update(recommend="rest"), "rule adherence.low", "recommend", "allowed: emergency_care"),
        (lambda raw: rule(raw).update(because="why"), "rule adherence.low", "because", "no text plan.reasons.why"),
        (lambda raw: rule(raw).update(evidence=["age"]), "rule adherence.low", "evidence", "no text plan.evidence.age"),
        (lambda raw: rule(raw).update(evidence="adherence"), "rule adherence.low", "evidence", "allowed: a list"),
        (lambda raw: rule(raw).update(source="a friend"), "rule adherence.low", "source", "is not allowed"),
        (lambda raw: rule(raw).update(opens="stalled"), "rule adherence.low", "until", "is needed with opens"),
        (lambda raw: rule(raw).update(until="modality"), "rule adherence.low", "until", "only with it"),
        (lambda raw: rule(raw).update(lead="first"), "rule adherence.low", "lead", "allowed: true, false"),
        (lambda raw: rule(raw).update(tier="soon"), "rule adherence.low", "tier", "allowed: routine"),
        (lambda raw: raw["notes"].append(EXTRA), "note x", "id", "no text plan.notes.x"),
        (lambda raw: raw["questions"].append({"id": "x", "when": "true"}), "question x", "id", "no text plan"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(broken: Break, where: str, field: str, said: str, tmp_path: Path) -> None:
    raw = copy.deepcopy(SOUND)
    broken(raw)
    file = tmp_path / "clinic.yml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rules(file)
    assert (caught.value.file, caught.value.where, caught.value.field) == ("clinic.yml", where, field)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"rules: [", "clinic.yml: file: YAML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"- 1", "allowed: names with values"),
        (b"", "allowed: names with values"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_rule_file(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "clinic.yml"
    file.write_bytes(content)
    with pytest.raises(RuleError, match=said):
        load_rules(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"none\.yml: file: path: cannot be read: No such file"):
        load_rules(tmp_path / "none.yml")


def test_a_clinic_may_change_a_gate(tmp_path: Path) -> None:
    raw = copy.deepcopy(SOUND)
    raw["gates"]["early_weeks"] = 3
    file = tmp_path / "clinic.yml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    assert load_rules(file).gates["early_weeks"] == 3


def test_a_clinic_may_write_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "clinic.yml"
    file.write_text(yaml.safe_dump(SOUND, sort_keys=False), encoding="utf-8")
    rules = load_rules(file)
    assert [(rule.id, rule.version, rule.reviewed) for rule in rules.rules] == [
        ("adherence.low", 1, "2026-11-23"),
        ("surgeon.last", 2, "2026-01-02"),
    ]
    record = {"progress": "same", "weeks_in_pt": 8, "hep_days_prescribed": 4, "hep_days_done": 1}
    assessment = assess(record, rules=rules)
    assert assessment.primary == "improve_adherence"
    assert [held.id for held in assessment.held_back] == ["surgical_consult"]
    assert assess({"hep_days_prescribed": 4, "hep_days_done": 4}, rules=rules).primary == "talk_to_therapist"
