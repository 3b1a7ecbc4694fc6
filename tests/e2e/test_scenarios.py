"""Every scenario under this folder, played through the real gateway, as `plateau test tests/e2e` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plateau.cli._scenario import Scenario, load
from plateau.cli.test import files, play

HERE = Path(__file__).parent
SCENARIOS = [
    pytest.param(scenario, id=f"{file.relative_to(HERE)}: {scenario.title}")
    for file in files([str(HERE)])
    for scenario in load(file)
]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenario(scenario: Scenario, served: tuple[Any, Any]) -> None:
    client, app = served
    outcome = await play(scenario, client, app)
    if outcome.differences:
        pytest.fail("\n".join([*outcome.differences, "", *outcome.transcript]), pytrace=False)


def test_there_is_a_scenario_for_every_row() -> None:
    rows = {file.stem for file in (HERE / "rows").glob("S*.yml")}
    assert rows == {f"S{number:02}" for number in range(1, 16)}
