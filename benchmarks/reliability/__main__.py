"""The reliability runs: real servers under load, killed and hurt; the long form writes docs/reliability.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .faults import fault_runs
from .kills import kill_run
from .load import load_run
from .report import page, problems
from .servers import ROOT, postgres_programs

PARTS = ("kills", "faults", "load", "in-process")
RESULTS = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
# Where `make fuzz` leaves its counts.
FUZZ = ROOT / "docs" / "fuzz.json"


@dataclass(frozen=True, slots=True)
class Form:
    """How much is done: kills by database, patients and seconds under load, which faults (None: all)."""

    name: str
    kills: dict[str, int]
    load: tuple[int, ...]
    load_seconds: float
    faults: tuple[str, ...] | None


LONG = Form("long", {"postgresql": 240, "sqlite": 60}, (100, 300, 1000), 120.0, None)
SHORT = Form(
    "short",
    {"postgresql": 10, "sqlite": 3},
    (20,),
    10.0,
    ("postgresql/stopped", "postgresql/refused"),
)


def main() -> int:
    """Run the parts asked for; returns 1 when anything was lost, doubled or told wrongly."""
    # So that a run that is ended early leaves no server and no mounted disk behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    form = SHORT if options.short else LONG
    parts = options.only or PARTS
    began = time.monotonic()
    results: dict[str, Any] = {"kills": [], "faults": [], "load": []}
    if options.keep and RESULTS.exists():
        # The parts that are not run now stay as they were.
        results |= json.loads(RESULTS.read_text(encoding="utf-8"))
    if "kills" in parts:
        results["kills"] = [
            _said(asyncio.run(kill_run(kind, options.kills or count, options.seed)))
            for kind, count in form.kills.items()
        ]
    if "faults" in parts:
        outcomes = asyncio.run(fault_runs(options.seed, options.fault or form.faults, _say))
        results["faults"] = _instead(results["faults"], outcomes) if options.keep and options.fault else outcomes
    if "load" in parts:
        patients = options.patients or form.load
        seconds = options.seconds or form.load_seconds
        results["load"] = [_said(asyncio.run(load_run("postgresql", n, seconds, options.seed))) for n in patients]
    if "in-process" in parts and not options.short:
        results["in_process"] = _in_process()
    if FUZZ.exists():
        results["inputs"] = json.loads(FUZZ.read_text(encoding="utf-8"))["http"]["inputs"]
    minutes = round((time.monotonic() - began) / 60, 1)
    took = f"{', '.join(parts)} took {minutes} minutes" if options.only else f"{minutes} minutes in all"
    if options.keep:
        took = f"the last part, {took}; the others were run before it"
    results["about"] = {**_machine(), "form": form.name, "seed": options.seed, "took": took}
    wrong = problems(results)
    print("\n".join(wrong) or "nothing was lost, doubled or told wrongly", file=sys.stderr)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.long:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        benchmarks = ROOT / "docs" / "benchmarks.md"
        PAGE.write_text(page(results, benchmarks.read_text("utf-8") if benchmarks.exists() else ""), encoding="utf-8")
    return int(bool(wrong))


def _instead(held: list[dict[str, Any]], again: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outcomes of an earlier run with those of the faults that were run again in their places."""
    new = {(one["database"], one["name"]): one for one in again}
    kept = [new.pop((one["database"], one["name"]), one) for one in held]
    return [*kept, *new.values()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--long", action="store_true", help="everything, some 70 minutes; writes docs/reliability.md")
    form.add_argument("--short", action="store_true", help="a little of each, two to three minutes; writes nothing")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given more than once")
    parser.add_argument("--keep", action="store_true", help="take the other parts from the last long run")
    parser.add_argument("--fault", action="append", metavar="DATABASE/NAME", help="only this fault, e.g. sqlite/full")
    parser.add_argument("--kills", type=int, help="so many kills on each database")
    parser.add_argument("--patients", type=int, action="append", help="so many patients at once")
    parser.add_argument("--seconds", type=float, help="measure each load for so long")
    parser.add_argument("--seed", type=int, default=7, help="what chance begins with (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    commit = ["git", "rev-parse", "--short", "HEAD"]
    version = [str(postgres_programs() / "postgres"), "--version"]
    return {
        "date": f"{datetime.now(UTC):%d %B %Y}",
        "commit": subprocess.run(commit, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "postgresql": subprocess.run(version, capture_output=True, text=True, check=True).stdout.split()[2],
    }


def _in_process() -> dict[str, int]:
    """Run the faults that are made inside the process, by pytest, and count them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "tests/faults/test_faults.py", f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr)
        # Written by our own pytest just now.
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314
    assert suite is not None
    failures = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    return {"tests": int(suite.attrib["tests"]), "failures": failures}


def _said(run: dict[str, Any]) -> dict[str, Any]:
    _say(json.dumps({name: value for name, value in run.items() if name != "proof"}))
    _say(json.dumps(run["proof"]))
    return run


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
