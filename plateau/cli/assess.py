"""`plateau assess FILE`: answer records in, assessments out (design, section 5)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plateau.escalation import RECOMMENDATIONS, Rules, Since, assess, default_rules
from plateau.protocol import InvalidRecord, validate_record


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "assess",
        help="assess answer records",
        description="Reads an answer record, or a line of JSON for each, and prints one assessment a line.",
    )
    parser.add_argument("file", metavar="FILE", help="JSON or JSON lines; - for standard input")
    parser.add_argument("--explain", action="store_true", help="add what became of every rule, and the facts it saw")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one compact JSON object for each record; return 2 where the file cannot be read, else 0."""
    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8-sig")
    except OSError as error:
        print(f"plateau assess: {args.file} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    except UnicodeDecodeError:
        print(f"plateau assess: {args.file} is not UTF-8 text", file=sys.stderr)
        return 2
    rules = default_rules()
    failed = 0
    for entry in _entries(text):
        answer = _answer(entry, rules, explain=args.explain)
        failed += "error" in answer
        print(json.dumps(answer, separators=(",", ":")))
    if failed:
        print(f"plateau assess: {failed} of the records could not be assessed; see their error", file=sys.stderr)
    return 0


def _entries(text: str) -> Iterator[Any]:
    """Yield each JSON value: the whole text, the items of a list, or each line; a ValueError stands for a bad line."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        # Not splitlines(): a JSON text may hold other line separators, such as U+2028.
        yield from (_parsed(line) for line in text.split("\n") if line.strip())
        return
    yield from whole if isinstance(whole, list) else [whole]


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return ValueError(f"not JSON: {error}")
    except RecursionError:
        return ValueError("not an answer record: nested too deeply")


def _answer(entry: Any, rules: Rules, *, explain: bool) -> dict[str, Any]:
    if isinstance(entry, ValueError):
        return {"error": str(entry)}
    wrapped = isinstance(entry, Mapping) and "record" in entry
    others = {name: value for name, value in entry.items() if name != "record"} if wrapped else {}
    try:
        record = validate_record(entry["record"] if wrapped else entry)
        assessment = assess(record, since=_since(others.get("since")), rules=rules)
    except InvalidRecord as error:
        return {**others, "error": str(error)}
    return {**others, **assessment.to_dict(), **({"explain": assessment.explain()} if explain else {})}


def _since(raw: Any) -> Since | None:
    """Return the visit before: {"record", "weeks", "advised": [ids], "followed": [ids]}, the last two optional."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or "record" not in raw or not _is_number(raw.get("weeks")):
        raise InvalidRecord(["since is the visit before: an object with record and weeks, and advised and followed"])
    return Since(
        record=validate_record(raw["record"]),
        advised=_advice("advised", raw.get("advised", [])),
        weeks=raw["weeks"],
        followed=None if raw.get("followed") is None else _advice("followed", raw["followed"]),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10_000


def _advice(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(item in RECOMMENDATIONS for item in value):
        raise InvalidRecord([f"since: {name} is a list of recommendation ids; allowed: {', '.join(RECOMMENDATIONS)}"])
    return tuple(value)
