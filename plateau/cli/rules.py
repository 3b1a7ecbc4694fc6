"""`plateau rules`: the clinical rules as a clinician reads, checks and signs them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from plateau.content import SettingError, catalog
from plateau.escalation import Rule, RuleError, Rules, default_rules, fingerprint, load_rules, running
from plateau.escalation._rules import AnyOf, Count, Definition, Holds, Points, Wait
from plateau.protocol import Condition

REGENERATE = ".venv/bin/plateau rules --markdown > docs/clinical/rules.md"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "rules",
        help="list, check or fingerprint the clinical rules",
        description="Lists every rule in ladder order, with its condition, reason, source and date of review",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one compact JSON object a line")
    forms.add_argument("--markdown", action="store_true", help="the whole rule file as docs/clinical/rules.md")
    forms.add_argument("--check", metavar="FILE", help="load a clinic's own rule file and say whether it is right")
    forms.add_argument("--fingerprint", action="store_true", help="print the SHA-256 of what a clinician signs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; return 2 where a rule file is wrong, else 0."""
    try:
        rules = load_rules(args.check) if args.check else default_rules()
        mark = fingerprint(args.check) if args.check else running() if args.fingerprint else ""
    except (RuleError, SettingError) as error:
        print(f"plateau rules: {error}", file=sys.stderr)
        return 2
    if args.check:
        print(f"{args.check}: {len(rules.rules)} rules, version {rules.version}, fingerprint {mark}")
    elif args.fingerprint:
        print(mark)
    elif args.json:
        for rule in rules.rules:
            print(json.dumps(_told(rule, rules), separators=(",", ":")))
    elif args.markdown:
        print("\n".join(_markdown(rules)))
    else:
        print("\n".join(_listed(rules)))
    return 0


def _told(rule: Rule, rules: Rules) -> dict[str, Any]:
    return {
        "id": rule.id,
        "version": rule.version,
        "rung": rule.rung,
        "tier": rule.tier,
        "recommend": rule.recommend,
        "when": rule.when.source,
        "opens": rule.opens.source if rule.opens else None,
        "until": rule.until,
        "because": rule.because,
        "reason": catalog().tree("plan.reasons")[rule.because].strip(),
        "evidence": list(rule.evidence),
        "source": rule.source.strip(),
        "reviewed": rule.reviewed,
        "holds": _in_order(rule.holds, rules),
        "despite": _in_order(rule.despite, rules),
        "lead": rule.lead,
    }


def _in_order(rungs: frozenset[str], rules: Rules) -> list[str]:
    return [rung.id for rung in rules.ladder if rung.id in rungs]


def _listed(rules: Rules) -> Iterator[str]:
    yield f"{rules.file}, version {rules.version}: {len(rules.rules)} rules in ladder order"
    for rule in rules.rules:
        told = _told(rule, rules)
        yield ""
        yield "  ".join([rule.id, f"version {rule.version}", f"rung {rule.rung}", rule.recommend, *_extras(rule)])
        yield f"  when      {rule.when.source}"
        if rule.opens:
            yield f"  opens     {rule.opens.source}  (else held until: {rule.until})"
        yield f"  because   {told['reason']}"
        yield f"  source    {told['source']}"
        yield f"  reviewed  {rule.reviewed}"


def _extras(rule: Rule) -> list[str]:
    return [*([f"tier {rule.tier}"] if rule.tier else []), *([] if rule.lead else ["never first"])]


def _markdown(rules: Rules) -> Iterator[str]:
    yield f"<!-- Made by `{REGENERATE}`; change plateau/escalation/rules.yml instead. -->"
    yield "# The clinical rules\n"
    size = f"{len(rules.rules)} rules in {len(rules.ladder)} rungs"
    yield f"`plateau/escalation/rules.yml`, version {rules.version}: {size}. The head of that file explains the words."
    yield "What a clinician must sign before real use: `docs/clinical/sign-off.md`.\n"
    yield "## The ladder\n"
    rungs = [(_code(rung.id), _names(_in_order(rung.holds, rules)), _code(rung.done or "")) for rung in rules.ladder]
    yield from _table(("rung", "while open, holds back", "closed by"), rungs)
    for rung in rules.ladder:
        yield f"\n## Rung: {rung.id}\n"
        yield from _table(
            ("rule", "recommends", "when", "reason told to the patient", "source", "reviewed"),
            [_row(rule, rules) for rule in rules.of_rung[rung.id]],
        )
    yield "\n## Gates\n"
    factor = f"{rules.stretch_factor:g}"
    yield f"A stretched gate is {factor} times as long when {_code(rules.stretch_when.source)}.\n"
    gates = [(_code(name), f"{value:g}", name in rules.stretched) for name, value in rules.gates.items()]
    yield from _table(
        ("gate", "value", "stretched"), [(name, value, "yes" if yes else "") for name, value, yes in gates]
    )
    yield "\n## Definitions\n"
    definitions = [(_code(name), _meaning(definition)) for name, definition in rules.definitions.items()]
    yield from _table(("name", "means"), definitions)
    yield "\n## How long what waits has to wait\n"
    until = catalog().tree("plan.until")
    waits = [(_code(name), until[name], _weeks(wait)) for name, wait in rules.weeks_until.items()]
    yield from _table(("until", "text", "weeks"), waits)
    yield "\n## Notes and filters added to an advice\n"
    words = catalog().tree("plan.notes")
    notes = [note for notes in rules.notes.values() for note in notes]
    yield from _table(
        ("note", "added to", "when", "text"),
        [(_code(note.id), _code(note.to), _always(note.when), words[note.id]) for note in notes],
    )
    yield "\n## Questions for the therapist\n"
    asked = catalog().tree("plan.questions")
    yield "The first five that hold are given.\n"
    yield from _table(
        ("question", "when", "text"), [(_code(q.id), _always(q.when), asked[q.id]) for q in rules.questions]
    )


def _row(rule: Rule, rules: Rules) -> Sequence[str]:
    when = [_code(rule.when.source)]
    if rule.opens:
        when.append(f"Opens when {_code(rule.opens.source)}, else held until {_code(rule.until or '')}.")
    if rule.despite:
        when.append(f"Not held by {_names(_in_order(rule.despite, rules))}.")
    if rule.holds != next(rung.holds for rung in rules.ladder if rung.id == rule.rung):
        when.append(f"Holds back only {_names(_in_order(rule.holds, rules)) or 'nothing'}.")
    told = _told(rule, rules)
    name = ", ".join([f"{_code(rule.id)} v{rule.version}", *_extras(rule)])
    return name, _code(rule.recommend), " ".join(when), told["reason"], told["source"], rule.reviewed


def _meaning(definition: Definition) -> str:
    match definition:
        case Holds(condition):
            return _code(condition.source)
        case AnyOf(table):
            return " or ".join(f"{_code(name)}: any of {', '.join(sorted(values))}" for name, values in table)
        case Points(table):
            sums = (
                f"{_code(name)}: {', '.join(f'{value} {points}' for value, points in scores.items())}"
                for name, scores in table
            )
            return "points, " + "; ".join(sums)
        case Count(conditions):
            return "how many hold: " + "; ".join(_code(condition.source) for condition in conditions)


def _weeks(wait: Wait) -> str:
    return f"{wait.weeks:g}" if wait.weeks is not None else f"{_code(wait.gate)} less {_code(wait.less)}"


def _always(condition: Condition) -> str:
    return "always" if condition.source == "true" else _code(condition.source)


def _names(names: Sequence[str]) -> str:
    return ", ".join(_code(name) for name in names)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    yield from (_line(row) for row in rows)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
