"""Schemathesis, from its own environment, drives a real server by docs/openapi.yml."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hostile_run import Talk
from real_server import ROOT, RealServer

PROGRAM = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
SETTING_UP = "run python3 scripts/setup.py --tests"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def drive(server: RealServer, examples: int, seed: int, folder: Path) -> dict[str, Any]:
    """Send `examples` generated requests or so to each operation; return Schemathesis's own report."""
    assert PROGRAM.exists(), f"{PROGRAM} is missing; {SETTING_UP}"
    report = folder / "schemathesis.json"
    talk = Talk(server)
    talk.walk(4)
    command = [str(PROGRAM), "run", str(ROOT / "docs" / "openapi.yml"), "--url", server.url]
    command += ["-H", f"Authorization: Bearer {talk.token}", "--checks", CHECKS, "--continue-on-failure"]
    # The rest would be told that their conversation is gone.
    command += ["--exclude-operation-id", "forget"]
    command += ["-n", str(examples), "--seed", str(seed), "--generation-database", "none", "--request-timeout", "10"]
    command += ["--phases", "examples,coverage,fuzzing", "--warnings", "off", "--no-color"]
    command += ["--report", "json", "--report-json-path", str(report)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert report.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


def counts(report: dict[str, Any]) -> dict[str, Any]:
    """The counts of a report that belong into ours."""
    return {
        "version": report["schemathesis_version"],
        "operations": report["operations"]["tested"],
        "inputs": report["test_cases"]["generated"],
        "faults": report["test_cases"]["with_failures"] + report["test_cases"]["errored"],
    }
