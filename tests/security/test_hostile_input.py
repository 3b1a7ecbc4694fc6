"""Hostile input over HTTP, at a real server: no fault, no hang, no dead worker, nothing changed by what is refused.

`make fuzz` runs ten times as many and writes docs/fuzz.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from described_fuzz import drive
from hostile_run import Run, Talk, slow_callers
from real_server import RealServer

INPUTS = 1000
SEED = 7


@pytest.fixture(scope="module")
def run(attacked_server: RealServer) -> Iterator[Run]:
    ready = Run(attacked_server)
    yield ready
    ready.rows.close()


def test_hostile_input_harms_nothing(run: Run) -> None:
    result = run.go(SEED, INPUTS)
    assert result.faults == []
    assert sum(result.inputs.values()) == INPUTS
    # A run in which nothing was taken, or nothing refused, would prove nothing.
    assert result.answers["200"] > 100 and result.answers["400"] > 100 and result.answers["401"] > 30
    assert len(result.inputs) == 11


def test_callers_who_never_end_their_request_keep_nobody_waiting(run: Run) -> None:
    with slow_callers(run.server, 40):
        talk = Talk(run.server)
        talk.walk(3)
        assert run.server.call("GET", "/ready").seconds < 5
        assert talk.latest() == talk.turn


def test_what_the_description_allows_is_answered_as_described(run: Run, tmp_path: Path) -> None:
    report = drive(run.server, examples=8, seed=SEED, folder=tmp_path)
    assert report["failures"] == [] and report["errors"] == []
    assert report["operations"]["tested"] == report["operations"]["total"] - 1
    assert report["test_cases"]["generated"] > 250
