"""Writes the assessment of design section 5 from the verdicts: tier, advice with its reasons, what is held back."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plateau.content import Catalog, catalog, dated
from plateau.protocol import Condition, Tier

from ._engine import SUSPENDING, Outcome, Verdict, evaluate
from ._evidence import sentence
from ._facts import Record, Since
from ._rules import LOADS, TRENDS, Note, Rules, default_rules

MOST_RECOMMENDATIONS = 6
MOST_HELD = 4
MOST_QUESTIONS = 5
MOST_EVIDENCE = 4
MOST_REASONS = 2
# Two barrier plans at a time: more are not carried out (clinical dossier 3.4).
BARRIER, MOST_BARRIER_PLANS = "barrier_", 2
ALWAYS_LISTED = "talk_to_therapist"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired, the answers that fired it in plain words, and where the rule comes from."""

    rule: str
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One piece of advice with its reason."""

    id: str
    text: str
    because: str
    # The ids of the notes (plan.notes) that are part of the text.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Advice that waits, and until when."""

    id: str
    until: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What Plateau makes of an answer record; `primary` is the id of the first recommendation."""

    tier: Tier
    primary: str
    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]
    questions_for_therapist: tuple[str, ...]
    held_back: tuple[HeldBack, ...]
    trend: str
    check_again_weeks: int
    load: str
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """Return the line of `plateau assess`, valid against assessment.schema.json."""
        return {
            "tier": self.tier,
            "primary": self.primary,
            "findings": [asdict(finding) for finding in self.findings],
            "recommendations": [asdict(recommendation) for recommendation in self.recommendations],
            "questions_for_therapist": list(self.questions_for_therapist),
            "held_back": [asdict(held) for held in self.held_back],
            "trend": self.trend,
            "check_again_weeks": self.check_again_weeks,
            "load": self.load,
        }

    def explain(self) -> list[dict[str, Any]]:
        """Return for every rule, in ladder order, what became of it, which clauses hold and the facts they saw."""
        return [_explained(verdict, self.outcome.facts) for verdict in self.outcome.verdicts]


def assess(
    record: Record,
    *,
    since: Since | None = None,
    rules: Rules | None = None,
    words: Catalog | None = None,
    numbers: Mapping[str, str] | None = None,
    said: Mapping[str, str] | None = None,
    today: datetime.date | None = None,
) -> Assessment:
    """Assess a validated answer record (design, section 3).

    `since` is the visit before; `numbers` are those to call where the patient is; `said` holds the patient's words
    by question; with `today`, what waits is dated instead of counted in weeks; `words` are the texts.
    """
    rules = rules or default_rules()
    outcome = evaluate(rules, record, since)
    texts = words or catalog()
    told = _Words(outcome.facts, texts, numbers or texts.tree("safety.numbers.elsewhere"), said or {}, today)
    opened = outcome.of("open")
    recommendations = _recommendations(opened, rules, told)
    primary = recommendations[0].id
    given = {recommendation.id for recommendation in recommendations}
    trend = _first(rules.trend, outcome.facts, TRENDS[-1])
    return Assessment(
        tier="routine" if outcome.tier == "none" and primary != "continue_plan" else outcome.tier,
        primary=primary,
        findings=tuple(_finding(verdict, told) for verdict in opened),
        recommendations=recommendations,
        questions_for_therapist=_questions(outcome, rules, told),
        held_back=_held_back(outcome.of("held"), given, rules, told),
        trend=trend,
        check_again_weeks=_check_again(primary, trend, rules),
        load=_first(rules.load, outcome.facts, LOADS[-1]),
        outcome=outcome,
    )


def _first(conditions: Mapping[str, Condition], facts: Mapping[str, Any], otherwise: str) -> str:
    return next((name for name, when in conditions.items() if when.holds(facts)), otherwise)


def _check_again(primary: str, trend: str, rules: Rules) -> int:
    weeks = rules.check_again.get(primary, rules.check_again["default"])
    return min(weeks, rules.check_again.get("worse", weeks)) if trend == "worse" else weeks


@dataclass(frozen=True, slots=True)
class _Words:
    """The texts of one language, filled in with one patient's facts."""

    facts: Mapping[str, Any]
    texts: Catalog
    numbers: Mapping[str, str]
    said: Mapping[str, str]
    today: datetime.date | None

    def say(self, path: str) -> str:
        return self.texts.get(f"plan.{path}", **self.numbers)

    def evidence(self, names: Sequence[str]) -> list[str]:
        return [told for name in names if (told := self._told(name))]

    def _told(self, name: str) -> str | None:
        known = sentence(self.texts, name, self.facts)
        if known is None or name not in self.said:
            return known
        return f"{known} {self.texts.get('plan.said.in_your_words', words=self.said[name])}"

    def ask_again(self, weeks: int) -> str:
        if self.today is not None:
            day = dated(self.texts, self.today + datetime.timedelta(weeks=weeks))
            return self.texts.get("plan.said.ask_again.dated", day=day)
        return self.texts.get(f"plan.said.ask_again.{'one' if weeks == 1 else 'other'}", weeks=weeks)


def _finding(verdict: Verdict, words: _Words) -> Finding:
    rule = verdict.rule
    said = [*words.evidence(rule.evidence), words.say(f"reasons.{rule.because}")]
    return Finding(rule.id, " ".join(said), rule.source)


def _recommendations(opened: Sequence[Verdict], rules: Rules, words: _Words) -> tuple[Recommendation, ...]:
    """Return the advice in ladder order, what only accompanies last, at most MOST_RECOMMENDATIONS."""
    grouped: dict[str, list[Verdict]] = {}
    for verdict in sorted(opened, key=lambda verdict: not verdict.rule.lead):
        grouped.setdefault(verdict.rule.recommend, []).append(verdict)
    if not grouped:
        return (
            Recommendation(
                ALWAYS_LISTED, words.say(f"recommendations.{ALWAYS_LISTED}.text"), words.say("reasons.fallback")
            ),
        )
    chosen = list(grouped)[:MOST_RECOMMENDATIONS]
    if ALWAYS_LISTED in grouped and ALWAYS_LISTED not in chosen:
        chosen[-1] = ALWAYS_LISTED
    return tuple(_recommendation(name, grouped[name], rules, words) for name in chosen)


def _recommendation(name: str, verdicts: Sequence[Verdict], rules: Rules, words: _Words) -> Recommendation:
    holding = [note for note in rules.notes.get(name, ()) if note.when.holds(words.facts)]
    instead, few = [note for note in holding if note.instead][:1], _few(holding)
    first = f"notes.{instead[0].id}" if instead else f"recommendations.{name}.text"
    text = [words.say(first), *(words.say(f"notes.{note.id}") for note in few)]
    evidence = _unique(said for verdict in verdicts for said in words.evidence(verdict.rule.evidence))
    reasons = _unique(words.say(f"reasons.{verdict.rule.because}") for verdict in verdicts)
    because = " ".join([*evidence[:MOST_EVIDENCE], *reasons[:MOST_REASONS]])
    return Recommendation(name, " ".join(text), because, tuple(note.id for note in (*instead, *few)))


def _few(notes: Sequence[Note]) -> list[Note]:
    """Return the notes that are added; of barrier plans only the first two, for more are not carried out."""
    plans = [note for note in notes if note.id.startswith(BARRIER)]
    return [note for note in notes if not note.instead and note not in plans[MOST_BARRIER_PLANS:]]


def _questions(outcome: Outcome, rules: Rules, words: _Words) -> tuple[str, ...]:
    if outcome.tier == SUSPENDING[0]:
        return ()
    # What waits is not asked for.
    waiting = _advised(outcome.of("held")) - _advised(outcome.of("open"))
    asked = [
        question.id
        for question in rules.questions
        if question.asks_for not in waiting and question.when.holds(outcome.facts)
    ]
    return tuple(words.say(f"questions.{name}") for name in asked[:MOST_QUESTIONS])


def _advised(verdicts: Sequence[Verdict]) -> set[str]:
    return {verdict.rule.recommend for verdict in verdicts}


def _held_back(held: Sequence[Verdict], given: set[str], rules: Rules, words: _Words) -> tuple[HeldBack, ...]:
    waiting: dict[str, str] = {}
    for verdict in held:
        if verdict.rule.recommend not in given:
            waiting.setdefault(verdict.rule.recommend, str(verdict.until))
    return tuple(HeldBack(name, _until(until, rules, words)) for name, until in list(waiting.items())[:MOST_HELD])


def _until(until: str, rules: Rules, words: _Words) -> str:
    wait = rules.weeks_until.get(until)
    weeks = wait.left(words.facts) if wait else None
    said = words.say(f"until.{until}")
    return said if weeks is None else f"{said} {words.ask_again(weeks)}"


def _explained(verdict: Verdict, facts: Mapping[str, Any]) -> dict[str, Any]:
    rule = verdict.rule
    names = rule.when.names | (rule.opens.names if rule.opens else frozenset())
    return {
        "rule": rule.id,
        "version": rule.version,
        "rung": rule.rung,
        "recommend": rule.recommend,
        "status": verdict.status,
        "waits_for": verdict.until,
        "when": rule.when.source,
        "clauses": _clauses(rule.when, facts),
        "opens": _clauses(rule.opens, facts) if rule.opens else None,
        "facts": {name: _plain(facts[name]) for name in sorted(names)},
    }


def _clauses(condition: Condition, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"if": clause.source, "holds": clause.holds(facts)} for clause in condition.clauses()]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
