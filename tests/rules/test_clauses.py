"""`plateau assess --explain`: which parts of a rule's condition hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.escalation import assess

VIGNETTES = yaml.safe_load((Path(__file__).parent / "vignettes.yml").read_text(encoding="utf-8"))["vignettes"]
HOLDS, FAILS = True, False


def explained(record: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(entry for entry in assess(record).explain() if entry["rule"] == rule)


@pytest.mark.parametrize(
    ("record", "rule", "key", "clauses"),
    [
        ({}, "safety.same_day", "clauses", {'"same_day" in tiers_reported': FAILS}),
        ({"red_flags": ["dvt"]}, "safety.same_day", "clauses", {'"same_day" in tiers_reported': HOLDS}),
        ({"hep_days_prescribed": 5, "hep_days_done": 1, "progress": "much_better"}, "adherence.low", "clauses",
         {"adherence < adherence_low": HOLDS, "not improved": FAILS, "not post_exertional": HOLDS}),
        ({"mechanical": ["locking"]}, "imaging.mechanical", "clauses",
         {"mechanical_strong": HOLDS, "not improved": HOLDS}),
        ({"mechanical": ["locking"], "weeks_with_problem": 2}, "imaging.mechanical", "opens", {"nerve_long": FAILS}),
        ({"hep_days_prescribed": 5, "hep_days_done": 1, "effort": "too_easy"}, "dose.held", "opens",
         {"not not_adherent": FAILS}),
        ({"tried": ["programme_change"]}, "surgeon.last_step", "opens",
         {"imaging_done": FAILS, "specialist_seen": FAILS, "not not_adherent": HOLDS}),
    ],
)  # fmt: skip
def test_each_clause_says_whether_it_holds(record: dict[str, Any], rule: str, key: str, clauses: Any) -> None:
    assert {clause["if"]: clause["holds"] for clause in explained(record, rule)[key]} == clauses


def test_a_rule_that_is_never_held_opens_on_nothing() -> None:
    assert explained({}, "safety.same_day")["opens"] is None


@pytest.mark.parametrize("vignette", VIGNETTES, ids=lambda vignette: vignette["id"])
def test_a_rule_fires_where_all_its_clauses_hold(vignette: dict[str, Any]) -> None:
    assessment = assess(vignette["record"])
    for verdict, entry in zip(assessment.outcome.verdicts, assessment.explain(), strict=True):
        assert all(clause["holds"] for clause in entry["clauses"]) is (verdict.status != "quiet"), entry["rule"]
        if verdict.rule.opens:
            opens = verdict.rule.opens.holds(assessment.outcome.facts)
            assert all(clause["holds"] for clause in entry["opens"]) is opens, entry["rule"]
    json.dumps(assessment.explain(), allow_nan=False)
