"""Applies the rules to a record: which fire, which are open, held back or done, in ladder order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plateau.protocol import TIERS, Tier

from ._facts import Record, Since, facts_of
from ._rules import Rule, Rules

Status = Literal["open", "held", "done", "suspended", "quiet"]

SUSPENDING: tuple[Tier, ...] = ("emergency", "same_day")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one rule.

    open: its advice is given; held: it is right but waits, `until` (an id under plan.until) says for what; done: its
    rung is closed by what was tried; suspended: an emergency or same-day finding comes first; quiet: it does not fire.
    """

    rule: Rule
    status: Status
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdicts on all rules, in ladder order, the facts they saw, and the highest tier of the rules that fired."""

    facts: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    tier: Tier

    def of(self, status: Status) -> list[Verdict]:
        """Return the verdicts with this status, in ladder order."""
        return [verdict for verdict in self.verdicts if verdict.status == status]


def evaluate(rules: Rules, record: Record, since: Since | None = None) -> Outcome:
    """Apply `rules` to a validated answer record; `since` is the visit before, for someone who comes back."""
    facts = _named_facts(rules, record, since)
    fired = {rule.id: _rank(rule) for rule in rules.rules if rule.when.holds(facts)}
    tier = TIERS[max(fired.values(), default=0)]
    least_rank = TIERS.index(tier) if tier in SUSPENDING else 0
    blockers: dict[str, list[str]] = {rung.id: [] for rung in rules.ladder}
    verdicts: list[Verdict] = []
    for rung in rules.ladder:
        here: list[Verdict] = []
        for rule in rules.of_rung[rung.id]:
            if rule.id not in fired:
                here.append(Verdict(rule, "quiet"))
            elif fired[rule.id] < least_rank:
                here.append(Verdict(rule, "suspended"))
            elif rung.done and facts[rung.done]:
                here.append(Verdict(rule, "done"))
            else:
                here.append(_in_turn(rule, facts, blockers[rung.id]))
        for later in _holding(here):
            blockers[later].append(rung.id)
        verdicts += here
    return Outcome(facts, tuple(verdicts), tier)


def _rank(rule: Rule) -> int:
    return TIERS.index(rule.tier) if rule.tier else 0


def _in_turn(rule: Rule, facts: Mapping[str, Any], blockers: Sequence[str]) -> Verdict:
    waits_for = next((rung for rung in blockers if rung not in rule.despite), None)
    if waits_for:
        return Verdict(rule, "held", waits_for)
    if rule.opens and not rule.opens.holds(facts):
        return Verdict(rule, "held", rule.until)
    return Verdict(rule, "open")


def _holding(verdicts: Sequence[Verdict]) -> set[str]:
    """Return the rungs that wait for these verdicts: advice that is itself held still holds what comes after it."""
    active = [verdict.rule for verdict in verdicts if verdict.status in ("open", "held") and verdict.rule.lead]
    return {later for rule in active for later in rule.holds}


def _named_facts(rules: Rules, record: Record, since: Since | None) -> dict[str, Any]:
    facts = facts_of(record, since)
    factor = rules.stretch_factor if rules.stretch_when.holds(facts) else 1
    for name, value in rules.gates.items():
        facts[name] = value * factor if name in rules.stretched else value
    for name, definition in rules.definitions.items():
        facts[name] = definition.value(facts)
    return facts
