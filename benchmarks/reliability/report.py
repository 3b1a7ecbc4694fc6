"""docs/reliability.md from the results of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from .ledger import Proof

NOTES = Path(__file__).with_name("notes.md")
TARGET_P95_MS = 300
TARGET_PATIENTS = 1000
MISS = "**{}**"
TEMPLATE = Path(__file__).with_name("page.md")
FAULT_HEAD = "fault|on|seconds|acknowledged|found|doubled|told so|red flag answered|ready after|holds".split("|")

Results = Mapping[str, Any]


def problems(results: Results) -> list[str]:
    """Return every way in which the run was not right, in a line each; timings are not among them."""
    found = []
    for run in results.get("kills", ()):
        found += [f"kills on {run['database']}: {line}" for line in wrong(run["proof"])]
    for one in results.get("faults", ()):
        if one["holds"] is False:
            found.append(f"fault {one['database']}/{one['name']}: {why_not(one)}")
    for run in results.get("load", ()):
        found += [f"load of {run['patients']}: {line}" for line in wrong(run["proof"])]
        found += [f"load of {run['patients']}: {count} times {what}" for what, count in run["errors"].items()]
    return found


def wrong(proof: Results) -> list[str]:
    """Return what of a proof does not hold."""
    counts = [f"{proof[name]} {name.replace('_', ' ')}" for name in Proof.WRONG if proof[name]]
    return [f"{', '.join(counts)} ({'; '.join(proof['details'][:3])})"] if counts else []


def why_not(one: Results) -> str:
    """Return in words why a fault's outcome does not hold."""
    if one.get("failed"):
        return str(one["failed"])
    said = wrong(one["proof"])
    if one["red_flags_answered"] < one["red_flags"]:
        said.append(f"red flag answered {one['red_flags_answered']} of {one['red_flags']} times")
    elif not one["red_flags_while_on"]:
        said.append(f"the red flag was answered after {one['red_flag_seconds']} s, when the fault had ended")
    if one["recovery_seconds"] is None:
        said.append("not ready again by itself")
    if one["ready_said_no"] is False:
        said.append("/ready said yes throughout")
    return "; ".join(said) or "a process was not the same afterwards"


def page(results: Results, benchmarks: str) -> str:
    """Return the page; `benchmarks` is the text of docs/benchmarks.md, whose ratios it repeats."""
    missed = problems(results)
    kills, load = results["kills"], results["load"]
    every = [f"{run['database']}, {run['workers']} worker{'s'[: run['workers'] > 1]}" for run in kills]
    parts = {
        "short": _table(("", "", "right"), _short(results)),
        "problems": "\n".join(f"- {line}" for line in missed) or "Nothing was lost, doubled or told wrongly.",
        "target_patients": f"{TARGET_PATIENTS:,}",
        "target_p95": TARGET_P95_MS,
        "load": _table(("", *(f"{run['patients']:,} patients" for run in load)), _load(load)),
        "kills": _table(("", *every), _kills(kills)),
        "faults": _table(FAULT_HEAD, [_fault(one) for one in results["faults"]]),
        "in_process": _in_process(results),
        "ratios": _first_table(benchmarks) or "Not measured yet.",
    }
    text = TEMPLATE.read_text(encoding="utf-8").format(**results["about"], **parts)
    return text + NOTES.read_text(encoding="utf-8")


def _table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _first_table(text: str) -> str:
    """Return the first table of a page in Markdown."""
    outside = dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    return "\n".join(takewhile(lambda line: line.startswith("|"), outside))


def _short(results: Results) -> list[tuple[str, str, str]]:
    runs = [*results["kills"], *(one for one in results["faults"] if "proof" in one), *results["load"]]

    def total(name: str) -> int:
        return sum(run["proof"][name] for run in runs)

    def right(count: int, wanted: int = 0) -> str:
        return "yes" if count == wanted else MISS.format("no")

    acknowledged, found = total("acknowledged"), total("found")
    faults = [one for one in results["faults"] if one["holds"] is not None]
    held = sum(one["holds"] for one in faults)
    rows = [
        ("conversations", f"{total('conversations'):,}", ""),
        ("turns sent", f"{total('sent'):,}, in {total('attempts'):,} tries", ""),
        ("turns acknowledged", f"{acknowledged:,}", ""),
        ("of those found in the database", f"{found:,}", right(found, acknowledged)),
        ("lost", f"{total('lost'):,}", right(total("lost"))),
        ("doubled", f"{total('doubled'):,}", right(total("doubled"))),
        ("reply stored other than seen", f"{total('changed'):,}", right(total("changed"))),
        ("gaps in the turn numbers", f"{total('gaps'):,}", right(total("gaps"))),
        ("answers other than acknowledged", f"{total('wrong_answers'):,}", right(total("wrong_answers"))),
        ("refused, but stored", f"{total('refused_but_stored'):,}", right(total("refused_but_stored"))),
        ("told wrongly, or another's words", f"{total('surprises'):,}", right(total("surprises"))),
        ("interviews that did not come to their plan", f"{total('unfinished'):,}", right(total("unfinished"))),
        ("double sends (same id, both workers at once)", f"{sum(run.get('double_sends', 0) for run in runs):,}", ""),
        ("two different messages at once", f"{sum(run.get('two_at_once', 0) for run in runs):,}", ""),
        ("kills", f"{sum(run['kills'] for run in results['kills']):,}", ""),
        ("faults, and how many held", f"{len(faults)}, {held}", right(held, len(faults))),
    ]
    inputs = results.get("inputs")
    if inputs:
        rows.append(("hostile inputs (`make fuzz`)", f"{inputs:,}", ""))
    return rows


def _load(runs: Sequence[Results]) -> list[list[str]]:
    def row(title: str, cell: Any) -> list[str]:
        return [title, *(str(cell(run)) for run in runs)]

    def p95(run: Results) -> str:
        shown = f"{run['p95_ms']} ms"
        return MISS.format(shown) if run["p95_ms"] is None or run["p95_ms"] >= TARGET_P95_MS else shown

    def errors(run: Results) -> str:
        return MISS.format(", ".join(f"{n} x {what}" for what, n in run["errors"].items())) if run["errors"] else "0"

    def memory(run: Results) -> str:
        return ", ".join(f"{before} -> {now}" for before, now in run["memory_mib"])

    return [
        row("seconds measured", lambda run: run["seconds"]),
        row("turns measured", lambda run: f"{run['turns']:,}"),
        row("turns a second", lambda run: run["turns_per_second"]),
        row("p50", lambda run: f"{run['p50_ms']} ms"),
        row("p95", p95),
        row("p99", lambda run: f"{run['p99_ms']} ms"),
        row("slowest", lambda run: f"{run['slowest_ms']} ms"),
        row("errors", errors),
        row("acknowledged / found / doubled",
            lambda run: " / ".join(f"{run['proof'][name]:,}" for name in ("acknowledged", "found", "doubled"))),
        row("memory of each worker, MiB", memory),
        row("processor of each worker, cores", lambda run: ", ".join(map(str, run["worker_cores"]))),
        row("processor of the generator, cores", lambda run: run["generator_cores"]),
        row("generator's own lag, p99", lambda run: f"{run['generator_lag_p99_ms']} ms"),
    ]  # fmt: skip


def _kills(runs: Sequence[Results]) -> list[list[str]]:
    def row(title: str, cell: Any) -> list[str]:
        return [title, *(str(cell(run)) for run in runs)]

    return [
        row("kills", lambda run: run["kills"]),
        row("of", lambda run: ", ".join(f"{what} {count}" for what, count in sorted(run["killed"].items()))),
        row("seconds", lambda run: run["seconds"]),
        row("interviews, and finished",
            lambda run: f"{run['proof']['conversations']:,}, {run['proof']['finished']:,}"),
        row("turns sent, tries", lambda run: f"{run['proof']['sent']:,}, {run['proof']['attempts']:,}"),
        row("acknowledged / found / doubled",
            lambda run: " / ".join(f"{run['proof'][name]:,}" for name in ("acknowledged", "found", "doubled"))),
        row("double sends, two at once, reloads",
            lambda run: f"{run['double_sends']}, {run['two_at_once']}, {run['reloads']}"),
    ]  # fmt: skip


def _fault(one: Results) -> list[str]:
    title, database = one["title"], {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[one["database"]]
    if one["holds"] is None or "proof" not in one:
        why = one.get("not_run") or one.get("failed")
        return [title, database, *[""] * 7, f"not run: {why}" if one["holds"] is None else MISS.format(why)]
    proof, told = one["proof"], one["told"]
    unsaved = sum(count for what, count in told.items() if what.startswith(("503", "no ")))
    flag = f"{one['red_flags_answered']} of {one['red_flags']}, {one['red_flag_seconds']} s"
    return [
        title,
        database,
        str(one["seconds_on"]),
        f"{proof['acknowledged']:,}",
        f"{proof['found']:,}",
        str(proof["doubled"]),
        f"{unsaved:,}",
        flag,
        "never" if one["recovery_seconds"] is None else f"{one['recovery_seconds']} s",
        "yes" if one["holds"] else MISS.format(why_not(one)),
    ]


def _in_process(results: Results) -> str:
    counted = results.get("in_process")
    if not counted:
        return ""
    return (
        "Faults inside the process (`tests/faults/test_faults.py`: an action that raises, hangs or returns nonsense, "
        "statements that fail, settings and rules that cannot be right): "
        f"{counted['tests']} cases, {counted['failures']} failed."
    )
