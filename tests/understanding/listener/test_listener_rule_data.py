"""The rule files: every red flag is reachable at each of its tiers, and every mistake is named."""
# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from listener_table import BLIND, texts

from plateau.understanding.listener import RuleDataError, listen_plainly, load_rules
from plateau.understanding.listener import _listener as module
from plateau.understanding.listener._rules import FLAGS, FOLDER

# Design section 3: the usual tier and what it is raised or lowered to.
EMERGENCY_ONLY = "cauda_equina stroke cardiac pe aaa limb_ischaemia compartment overdose"
SAME_DAY_RAISED = "septic_joint infection progressive_neuro cord_compression dvt post_op giant_cell_arteritis abuse"
TIERS_OF = {
    **{flag: {"emergency"} for flag in EMERGENCY_ONLY.split()},
    **{flag: {"same_day", "emergency"} for flag in SAME_DAY_RAISED.split()},
    "mental_health_crisis": {"emergency", "same_day"},
    "fracture": {"within_days", "same_day", "emergency"},
    "malignancy": {"within_days", "same_day"},
    "crps": {"within_days", "same_day"},
    "inflammatory": {"within_days", "same_day"},
    "other": {"within_days"},
}


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_is_heard_at_each_of_its_tiers(flag: str) -> None:
    heard = {h.tier for text in texts("alarms.yml", *BLIND) for h in listen_plainly(text) if h.id == flag}
    assert heard >= TIERS_OF[flag]


def test_every_rule_fires_somewhere_in_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    fired: set[tuple[str, str]] = set()
    really = module._fires

    def watching(rule: Any, *rest: Any) -> bool:
        fires = really(rule, *rest)
        if fires:
            fired.add((rule.flag, rule.id))
        return fires

    monkeypatch.setattr(module, "_fires", watching)
    for text in texts("alarms.yml", *BLIND):
        listen_plainly(text)
    assert {(rule.flag, rule.id) for rule in load_rules().rules} - fired == set()


def test_every_rule_gives_a_reason_and_a_source() -> None:
    assert all(rule.reason.endswith(".") and rule.source for rule in load_rules().rules)


RULE = {"id": "r", "tier": "emergency", "all": ["c"], "reason": "Because.", "source": "here"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a list", "dvt.yml: must be a mapping, is list"),
        ("concepts: {", "dvt.yml: not valid YAML"),
        ({"concepts": {}}, "dvt.yml: field 'rules' is missing"),
        ({"concepts": {}, "rules": [], "rule": []}, "dvt.yml: field 'rule' is not known; allowed: concepts, rules"),
        ({"concepts": {"c": {}}, "rules": []}, "dvt.yml: concept c: needs 'say' or 'known'"),
        ({"concepts": {"c": {"say": "x"}}, "rules": []}, "dvt.yml: concept c: say: must be a list of texts"),
        ({"concepts": {"c": {"say": [False]}}, "rules": []}, "dvt.yml: concept c: say: False is not a text; put it in quotes"),
        ({"concepts": {"c": {"say": ["{nope} calf"]}}, "rules": []}, "dvt.yml: concept c: say: '{nope} calf': no word group {nope}; there are: "),
        ({"concepts": {"c": {"say": ["Calf"]}}, "rules": []}, "dvt.yml: concept c: say: 'Calf': allowed are small letters"),
        ({"concepts": {"c": {"say": ["calf +"]}}, "rules": []}, "dvt.yml: concept c: say: 'calf +': nothing after the last ~ or +"),
        ({"concepts": {"c": {"say": ["(calf)?"]}}, "rules": []}, "dvt.yml: concept c: say: '(calf)?': nothing to match"),
        ({"concepts": {"c": {"say": ["(like|calf) (hot)?"]}}, "rules": []}, "dvt.yml: concept c: say: '(like|calf) (hot)?': nothing but filler words"),
        ({"concepts": {"c": {"say": ["calf"], "despite": ["negation"]}}, "rules": []}, "dvt.yml: concept c: despite: allowed are negated, past, resolved, other_person, hypothetical"),
        ({"concepts": {"c": {"known": {"age_band": "65_plus"}}}, "rules": []}, "dvt.yml: concept c: known: each field takes a list of values"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": []}, "dvt.yml: concept c: no rule uses it"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "tier": "urgent"}]}, "dvt.yml: rule r: tier 'urgent' is not one of within_days, same_day, emergency"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "all": ["d"]}]}, "dvt.yml: rule r: all: no concept 'd'; there are: "),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "reason": ""}]}, "dvt.yml: rule r: reason must be a text"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "when": []}]}, "dvt.yml: rule r: field 'when' is not known; allowed: id, tier, reason, source, all, any, none, at_least, of"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "at_least": 2}]}, "dvt.yml: rule r: at_least and of go together"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{**RULE, "at_least": 2, "of": ["c"]}]}, "dvt.yml: rule r: at_least must be a number from 1 to 1"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [{k: v for k, v in RULE.items() if k != "all"}]}, "dvt.yml: rule r: needs all, any, or at_least with of"),
        ({"concepts": {"c": {"say": ["calf"]}}, "rules": [RULE, RULE]}, "dvt.yml: rule r: id is used twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, content: Any, message: str) -> None:
    words = {"groups": {"g": ["a"]}, "fillers": ["like"], "places": [], "ordinary": [], "denials": []}
    (tmp_path / "words.yml").write_text(yaml.safe_dump(words))
    (tmp_path / "dvt.yml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(RuleDataError) as error:
        load_rules(tmp_path)
    assert str(error.value).startswith(message)


def test_a_file_named_after_no_flag_is_named(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "flags")
    (tmp_path / "flags" / "headache.yml").write_text("concepts: {}\nrules: []\n")
    with pytest.raises(RuleDataError, match=r"^headache.yml: must be named after a red flag: cauda_equina, "):
        load_rules(tmp_path / "flags")


def test_a_missing_words_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleDataError, match=r"^words.yml: there is no such file in "):
        load_rules(tmp_path)
