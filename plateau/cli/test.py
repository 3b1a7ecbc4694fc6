"""`plateau test FILE...`: runs testers' scenarios through the real gateway with the trained model."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plateau.cli._scenario import Outcome, Scenario, ScenarioError, answer_for, differences, load

if TYPE_CHECKING:
    import httpx

MOST_SCREENS = 60


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("test", help="run conversation tests")
    parser.add_argument("files", metavar="FILE", nargs="+", help="scenario files (YAML), or folders of them")
    parser.add_argument("--transcript", action="store_true", help="print every conversation")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run every scenario; returns 0 when all hold, 1 when some do not, 2 when a file cannot be run."""
    try:
        scenarios = [scenario for file in files(options.files) for scenario in load(file)]
    except ScenarioError as error:
        print(f"plateau test: {error}", file=sys.stderr)
        return 2
    from plateau.server._logging import quiet

    quiet()
    return asyncio.run(_run(scenarios, transcript=options.transcript))


def files(names: Sequence[str]) -> list[Path]:
    """Return the scenario files that are named, or lie in the folders named."""
    found: list[Path] = []
    for name in map(Path, names):
        found += sorted(name.rglob("*.yml")) if name.is_dir() else [name]
    return found


async def _run(scenarios: Sequence[Scenario], *, transcript: bool) -> int:
    from plateau.cli._gateway import gateway

    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        async with gateway(folder) as (client, app):
            for scenario in scenarios:
                outcome = await play(scenario, client, app)
                failed += bool(outcome.differences)
                print(f"{'FAILED' if outcome.differences else 'ok':6} {scenario.title}")
                if transcript or outcome.differences:
                    print("\n".join(f"       {line}" for line in outcome.transcript))
                for difference in outcome.differences:
                    print(f"    -> {difference}")
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    return 1 if failed else 0


async def play(scenario: Scenario, client: httpx.AsyncClient, app: Any) -> Outcome:
    """Play one scenario as one patient; stops at the first step that differs."""
    from plateau.cli._gateway import Conversation, GatewayError, stored

    outcome, conversation = Outcome(), Conversation(client)
    turn = await conversation.begin()
    _note(outcome, "", turn)
    for number, step in enumerate(scenario.steps, start=1):
        try:
            turn = await _step(step, turn, conversation, outcome)
        except GatewayError as error:
            outcome.differences.append(f"step {number}: the gateway refused: {error}")
            return outcome
        held = stored(app, conversation)
        found = [f"step {number}: {line}" for line in differences(step.get("expect", {}), turn, held)]
        if found:
            outcome.differences += found
            return outcome
    return outcome


async def _step(step: Mapping[str, Any], turn: dict[str, Any], conversation: Any, outcome: Outcome) -> dict[str, Any]:
    if "say" in step:
        turn = await conversation.send(text=step["say"])
        _note(outcome, step["say"], turn)
    if "answer" in step:
        turn = await conversation.send(answers=dict(step["answer"]))
        _note(outcome, f"[{_shown(step['answer'])}]", turn)
    if "do" in step:
        command = step["do"] if isinstance(step["do"], dict) else {"name": step["do"]}
        turn = await conversation.send(command=command)
        _note(outcome, f"[{command['name']}]", turn)
    if "answer_all" in step:
        turn = await _answer_all(step["answer_all"], turn, conversation, outcome)
    return turn


async def _answer_all(
    given: Mapping[str, Any], turn: dict[str, Any], conversation: Any, outcome: Outcome
) -> dict[str, Any]:
    """Answer screen after screen, up to the plan, an emergency or the end."""
    for _ in range(MOST_SCREENS):
        screen = turn["screen"] or {}
        if screen.get("kind") == "review":
            turn = await conversation.send(command={"name": "confirm"})
            _note(outcome, "[confirm]", turn)
        elif screen.get("kind") != "questions":
            return turn
        else:
            answers = {question["id"]: answer_for(question["id"], given) for question in screen["questions"]}
            turn = await conversation.send(answers=answers)
            _note(outcome, f"[{_shown(answers)}]", turn)
    outcome.differences.append(f"answer_all: still asking after {MOST_SCREENS} screens")
    return turn


def _note(outcome: Outcome, patient: str, turn: Mapping[str, Any]) -> None:
    if patient:
        outcome.transcript.append(f"patient: {patient}")
    outcome.transcript += [f"plateau: ({message['id']}) {message['text']}" for message in turn["messages"]]


def _shown(answers: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in answers.items())
