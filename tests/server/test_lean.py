"""What is taken out of Rasa's turns changes nothing: the same talks give the same events with Rasa's own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
# Forms that go on and end, digressions, going back, corrections, red flags and what becomes of them, stops, the plan.
TALKS = ("tests/e2e/flows", "tests/e2e/rows/S03.yml")
# Rasa's code is changed for the whole process, so each kind of agent gets one of its own.
PLAY = """
import asyncio, json, sys
from plateau.cli._gateway import gateway
from plateau.cli._scenario import load
from plateau.cli.test import files, play
from plateau.server import _agent
from plateau.server._logging import quiet
from plateau.store import Repository

kind, folder, out, *talks = sys.argv[1:]
if kind == "stock":
    _agent.make_lean = lambda agent: None

async def main():
    made = []
    async with gateway(folder) as (client, app):
        for talk in (scenario for file in files(talks) for scenario in load(file)):
            outcome = await play(talk, client, app)
            made.append([talk.title, outcome.differences, outcome.transcript])
        with app.state.gateway.database.reading() as session:
            repository = Repository(session)
            for conversation in repository.conversation_ids():
                made.append(repository.events(conversation, 0, repository.position(conversation).version))
    json.dump(made, open(out, "w"))

quiet()
asyncio.run(main())
"""
# What differs from one run to the next.
OF_THE_RUN = ("timestamp", "message_id", "model_id")


def _played(kind: str, folder: Path) -> Any:
    """Return what the talks said, and every event of theirs, with an agent of that kind."""
    data = folder / kind
    command = [sys.executable, "-c", PLAY, kind, str(data), str(folder / f"{kind}.json"), *TALKS]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return _lasting(json.loads((folder / f"{kind}.json").read_text()))


def _lasting(value: Any) -> Any:
    if isinstance(value, list):
        return [_lasting(item) for item in value]
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in OF_THE_RUN}
    return value


def test_a_lean_agent_does_what_a_stock_one_does(tmp_path: Path) -> None:
    lean, stock = _played("lean", tmp_path), _played("stock", tmp_path)
    assert len(lean) == len(stock) > 40
    for mine, theirs in zip(lean, stock, strict=True):
        assert mine == theirs
