"""The short form of the reliability runs: real processes killed and cut off under load. No timing is asserted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability.faults import fault_runs
from benchmarks.reliability.kills import kill_run
from benchmarks.reliability.ledger import FIRST_ID, Ledger, Sent, prove
from benchmarks.reliability.load import load_run
from benchmarks.reliability.report import problems
from plateau.store import Database, Repository

in_one_loop = pytest.mark.asyncio(loop_scope="session")
SEED = 7


# ---------------------------------------------------------------- the proof itself can fail


def user(message_id: str) -> dict[str, Any]:
    return {"event": "user", "timestamp": datetime.now(UTC).timestamp(), "message_id": message_id, "text": "x"}


def reply(number: int, message_id: str, word: str = "hello") -> dict[str, Any]:
    return {"id": message_id, "number": number, "saved": True, "messages": [{"id": word, "text": word}]}


def stored(database: Database, events: list[str], replies: list[tuple[int, str]]) -> str:
    """Store a conversation's user events and replies, by message id; return its id."""
    conversation = uuid.uuid4().hex
    with database.transaction() as session:
        repository = Repository(session)
        repository.append(conversation, None, [user(one) for one in events])
        for number, message_id in replies:
            repository.remember_reply(conversation, message_id, reply(number, message_id))
        repository.save_consent(conversation, "given", "1")
        repository.save_reevaluation(conversation, {"pain_now": 4})
    return conversation


def ledger(conversation: str, acknowledged: list[tuple[int, str]], **more: Any) -> Ledger:
    """Return what a client knows that had these turns acknowledged."""
    made = Ledger(conversation, "canary", finished=False, **more)
    for number, message_id in acknowledged:
        made.sent[message_id] = Sent(message_id, {}, 1, reply(number, message_id))
    return made


TURNS = [(1, FIRST_ID), (2, "a"), (3, "b")]
IDS = [message_id for _, message_id in TURNS]


def refused(told: Ledger) -> None:
    told.sent["b"].reply, told.sent["b"].refused = None, (409, "stale")


def other_words(told: Ledger) -> None:
    told.sent["b"].reply = reply(3, "b", "something else")


DIFFERENCES = [
    # what is wrong, events stored, replies stored, what the client knows differently, the counts
    ("nothing", IDS, TURNS, None, {}),
    ("a reply is missing", IDS, TURNS[:2], None, {"lost": 1}),
    ("an event is missing", IDS[:2], TURNS, None, {"lost": 1}),
    ("a message was taken twice", [*IDS, "b"], TURNS, None, {"doubled": 1}),
    ("a turn that nobody sent", [*IDS, "c"], [*TURNS, (4, "c")], None, {"doubled": 1}),
    ("another reply than the one seen", IDS, TURNS, other_words, {"changed": 1}),
    ("a number is missing", IDS, [TURNS[0], (3, "a"), (4, "b")], None, {"gaps": 1, "changed": 2}),
    ("refused, but stored", IDS, TURNS, refused, {"refused_but_stored": 1}),
    ("another answer", IDS, TURNS, lambda told: told.answers.update(pain_now=5), {"wrong_answers": 1}),
    ("the same answer", IDS, TURNS, lambda told: told.answers.update(pain_now=4), {}),
    ("a plan that is not stored", IDS, TURNS, lambda told: setattr(told, "finished", True), {"lost": 1}),
    ("what was told wrongly", IDS, TURNS, lambda told: told.surprises.append("x"), {"surprises": 1}),
]


@pytest.mark.parametrize(
    ("events", "replies", "change", "counts"),
    [pytest.param(*case[1:], id=case[0]) for case in DIFFERENCES],
)
def test_the_proof_finds_every_difference(
    tmp_path: Path,
    events: list[str],
    replies: list[tuple[int, str]],
    change: Callable[[Ledger], None] | None,
    counts: dict[str, int],
) -> None:
    database = Database.in_folder(tmp_path)
    database.upgrade()
    told = ledger(stored(database, events, replies), TURNS)
    if change:
        change(told)
    proof = prove(database, [told], to_the_end=False)
    database.close()
    assert {name: getattr(proof, name) for name in proof.WRONG if getattr(proof, name)} == counts
    assert proof.holds is not bool(counts)


# ---------------------------------------------------------------- short runs


@in_one_loop
@pytest.mark.parametrize(("kind", "kills"), [("postgresql", 6), ("sqlite", 2)])
async def test_kill_9_under_load_loses_and_doubles_nothing_and_everybody_finishes(kind: str, kills: int) -> None:
    run = await kill_run(kind, kills, SEED, patients=8)
    assert problems({"kills": [run]}) == []
    assert run["kills"] == kills
    assert run["proof"]["acknowledged"] == run["proof"]["found"] > 100


@in_one_loop
async def test_a_database_that_fails_under_load_is_told_truly_and_all_goes_on_by_itself() -> None:
    outcomes = await fault_runs(SEED, ("postgresql/stopped",))
    assert problems({"faults": outcomes}) == []
    assert [(one["holds"], one["red_flags_answered"]) for one in outcomes] == [(True, 2)]
    assert sum(one["told"].get("503 not_saved", 0) for one in outcomes) > 0


@in_one_loop
async def test_patients_at_once_on_two_workers_lose_nothing() -> None:
    run = await load_run("postgresql", 20, seconds=10, seed=SEED)
    assert problems({"load": [run]}) == []
    assert run["errors"] == {}
    assert run["proof"]["acknowledged"] == run["proof"]["found"] > 20
