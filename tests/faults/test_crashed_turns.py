"""A message whose worker died in the middle of the turn is answered all the same: once, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from plateau.cli._gateway import gateway
from plateau.server import _turns as turns
from plateau.server._app import _again_and_again
from plateau.store import Inbox

New = Callable[[str], Awaitable[Any]]
Served = tuple[Any, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

NONE_NOW = {"answers": {"safety_now": ["none"]}}
NONE_NERVES = {"answers": {"safety_nerves": ["none"]}}


def leave(someone: Any, identifier: str, message: Any, times: int = 1) -> None:
    """Leave a message in the inbox as a worker does that dies after it committed it, `times` times."""
    for _ in range(times):
        with someone.app.state.gateway.database.transaction() as session:
            Inbox(session).receive(someone.conversation, identifier, {"id": identifier, **message})


def waiting(someone: Any) -> list[str]:
    return [row["client_message_id"] for row in someone.rows()["inbox"]]


def answered(someone: Any) -> list[str]:
    """The ids of the messages that have replies, in order, without those that led here."""
    known = {"m1", "m2", "m3"}
    return [row["client_message_id"] for row in someone.rows()["turns"] if row["client_message_id"] in known]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs to wait before it counts as left."""
    monkeypatch.setattr(turns, "LEFT_SECONDS", -60.0)


@in_one_loop
async def test_the_sweeper_answers_what_was_left(patient: New) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NOW)
    await someone.app.state.gateway.turns.recover()
    assert (waiting(someone), answered(someone)) == ([], ["m1"])
    reply = await someone.resume()
    assert [question["id"] for question in reply["screen"]["questions"]] == ["safety_nerves"]


@in_one_loop
async def test_the_client_that_sends_it_again_gets_the_same_reply_however_it_was_answered(patient: New) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NOW)
    first = await someone.post({"id": "m1", **NONE_NOW})
    await someone.app.state.gateway.turns.recover()
    again = await someone.post({"id": "m1", **NONE_NOW})
    assert (first.status_code, first.json()) == (200, again.json())
    assert (waiting(someone), answered(someone)) == ([], ["m1"])


@in_one_loop
async def test_what_was_left_is_answered_before_what_comes_after(patient: New) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NOW)
    reply = (await someone.post({"id": "m2", **NONE_NERVES})).json()
    assert (waiting(someone), answered(someone)) == ([], ["m1", "m2"])
    assert reply["screen"]["questions"][0]["id"] not in ("safety_now", "safety_nerves")


@in_one_loop
async def test_a_tab_that_does_not_know_what_was_left_is_told(patient: New) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NOW)
    stale = await someone.post({"id": "m2", "after": someone.turn["number"], "text": "none of these"})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale")
    assert (waiting(someone), answered(someone)) == ([], ["m1"])


@in_one_loop
async def test_what_fits_no_more_is_given_up_and_the_next_message_taken(patient: New) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NERVES)
    assert (await someone.post({"id": "m2", **NONE_NOW})).status_code == 200
    assert (waiting(someone), answered(someone)) == ([], ["m2"])


@in_one_loop
@pytest.mark.parametrize(("times", "kept"), [(1, []), (2, []), (3, [])])
async def test_a_message_that_kills_its_workers_is_given_up_after_three_attempts(
    patient: New, times: int, kept: list[str]
) -> None:
    someone = await patient("safety_now")
    leave(someone, "m1", NONE_NOW, times)
    await someone.app.state.gateway.turns.recover()
    assert (waiting(someone), answered(someone)) == (kept, ["m1"] if times < turns.ATTEMPTS else [])


@in_one_loop
async def test_what_cannot_be_answered_now_waits_on(patient: New, monkeypatch: pytest.MonkeyPatch) -> None:
    someone = await patient("safety_now")
    actions = someone.app.state.gateway.turns._agent.action_endpoint._executor.actions

    def raises(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        raise KeyError("anything")

    leave(someone, "m1", NONE_NOW)
    with monkeypatch.context() as broken:
        broken.setitem(actions, "validate_safety_form", raises)
        await someone.app.state.gateway.turns.recover()
    assert (waiting(someone), answered(someone)) == (["m1"], [])
    await someone.app.state.gateway.turns.recover()
    assert (waiting(someone), answered(someone)) == ([], ["m1"])


@in_one_loop
async def test_a_message_in_a_form_that_nobody_knows_keeps_no_other_waiting_and_is_given_up(patient: New) -> None:
    older, someone = await patient("safety_now"), await patient("safety_now")
    leave(older, "m1", {"of_another_release": True})
    leave(older, "m2", NONE_NOW)
    leave(someone, "m1", NONE_NOW)
    await someone.app.state.gateway.turns.recover()
    assert (waiting(older), answered(older), answered(someone)) == (["m1"], ["m2"], ["m1"])
    for _ in range(turns.ATTEMPTS):
        await someone.app.state.gateway.turns.recover()
    assert waiting(older) == []


@in_one_loop
async def test_what_is_done_again_and_again_outlives_an_error_that_nobody_foresaw(
    caplog: pytest.LogCaptureFixture,
) -> None:
    again, rounds = asyncio.Event(), 0

    async def purge() -> int:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise KeyError("a patient's words")
        again.set()
        return 0

    task = asyncio.create_task(_again_and_again(0, purge))
    async with asyncio.timeout(60):
        await again.wait()
    task.cancel()
    assert "could not purge: KeyError" in caplog.text
    assert "words" not in caplog.text


# ---------------------------------------------------------------- two workers on one database


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def second(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Another worker on the same database, with the same secret."""
    first = served[1].state.gateway
    async with gateway(first.settings.data, secret=first.secret) as (client, _):
        yield client


def on(client: httpx.AsyncClient, someone: Any, message: Any) -> Awaitable[httpx.Response]:
    return client.post("/api/turn", json=message, headers={"Authorization": f"Bearer {someone.token}"})


@in_one_loop
async def test_one_message_sent_to_two_workers_at_once_is_one_turn(patient: New, second: httpx.AsyncClient) -> None:
    for _ in range(5):
        someone = await patient("safety_now")
        message = {"id": "m1", **NONE_NOW}
        one, two = await asyncio.gather(on(someone.client, someone, message), on(second, someone, message))
        assert (one.status_code, two.status_code) == (200, 200)
        assert one.json() == two.json()
        assert answered(someone) == ["m1"]


@in_one_loop
async def test_two_messages_sent_to_two_workers_at_once_are_two_turns_one_after_the_other(
    patient: New, second: httpx.AsyncClient
) -> None:
    for _ in range(5):
        someone = await patient("safety_now")
        number = someone.turn["number"]
        sent = [
            (someone.client, {"id": "m1", "text": "why do you ask?"}),
            (second, {"id": "m2", "command": {"name": "why"}}),
        ]
        replies = await asyncio.gather(*(on(client, someone, message) for client, message in sent))
        assert [reply.status_code for reply in replies] == [200, 200]
        assert sorted(reply.json()["number"] for reply in replies) == [number + 1, number + 2]
        assert sorted(answered(someone)) == ["m1", "m2"]


@in_one_loop
async def test_workers_take_turns_in_one_conversation(patient: New, second: httpx.AsyncClient) -> None:
    someone = await patient("safety_now")
    for client, message in ((second, NONE_NOW), (someone.client, NONE_NERVES)):
        reply = await on(client, someone, {"id": message["answers"].__repr__()[:60], **message})
        assert reply.status_code == 200
    assert (await someone.resume())["screen"]["questions"][0]["id"] == "safety_ill"
