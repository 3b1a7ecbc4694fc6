"""What someone who knows Rasa runs: `rasa data validate` and `rasa test core`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "data validate": ["data", "validate", "--fail-on-warnings"],
    "test core": ["test", "core", "--model", "models/plateau.tar.gz", "--stories", "tests/conversations",
                  "--fail-on-prediction-errors", "--no-plot"],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_rasa_command_succeeds(command: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)] if command == "test core" else []
    environment = {
        **os.environ,
        "RASA_TELEMETRY_ENABLED": "false",
        "PLATEAU_DATA": str(tmp_path),
        "PYTHONWARNINGS": "ignore",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "rasa", *COMMANDS[command], *out],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"[-4000:]
