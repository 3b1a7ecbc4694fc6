"""Callers who hang up, or never end what they began: the real protocol on a socket, the real gateway behind it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from uvicorn.server import ServerState

from plateau.cli import _server
from plateau.server import _incoming

New = Callable[[str], Awaitable[Any]]
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

# Seconds in these tests, and what must have come by then on a busy machine.
SOON, LATER, AT_LAST = 0.2, 0.6, 60


class Port:
    """Where the gateway listens, and what its connections do there."""

    def __init__(self, config: uvicorn.Config) -> None:
        self.number, self.state, self.lost = 0, ServerState(), asyncio.Event()
        self._config = config

    def protocol(self) -> _server.Protocol:
        lost = self.lost

        class Watched(_server.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.set()

        return Watched(config=self._config, server_state=self.state, app_state={})

    async def opened(self) -> Opened:
        return await asyncio.open_connection("127.0.0.1", self.number)

    async def quiet(self) -> None:
        """Wait until the connection is lost and what it asked for is done with."""
        async with asyncio.timeout(AT_LAST):
            await self.lost.wait()
            if self.state.tasks:
                await asyncio.wait(self.state.tasks)


@pytest_asyncio.fixture(loop_scope="session")
async def port(served: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    monkeypatch.setattr(_server, "HEAD_SECONDS", LATER)
    monkeypatch.setattr(_server, "BODY_CUT_SECONDS", LATER)
    monkeypatch.setattr(_incoming, "BODY_SECONDS", SOON)
    config = uvicorn.Config(served[1], lifespan="off", ws="none", log_config=None, access_log=False)
    config.load()
    here = Port(config)
    listening = await asyncio.get_running_loop().create_server(here.protocol, "127.0.0.1", 0)
    here.number = listening.sockets[0].getsockname()[1]
    yield here
    listening.close()


def head(method: str, path: str, token: str, length: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {token}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes the connection."""
    async with asyncio.timeout(AT_LAST):
        return await reader.read()


@in_one_loop
@pytest.mark.parametrize("ours", [True, False], ids=["with a token", "with a wrong token"])
async def test_who_hangs_up_in_the_middle_of_a_message_is_no_error(
    patient: New, port: Port, caplog: pytest.LogCaptureFixture, ours: bool
) -> None:
    someone = await patient("start")
    rows = someone.rows()
    _, writer = await port.opened()
    writer.write(head("POST", "/api/turn", someone.token if ours else "x", 100) + b'{"id": "a", "text": "I ha')
    await writer.drain()
    writer.close()
    await port.quiet()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert someone.rows() == rows


@in_one_loop
async def test_who_does_not_wait_for_the_answer_is_no_error_and_the_message_is_kept(
    patient: New, port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    someone = await patient("start")
    body = json.dumps({"id": "gone", "text": "hello"}).encode()
    _, writer = await port.opened()
    writer.write(head("POST", "/api/turn", someone.token, len(body)) + body)
    await writer.drain()
    writer.close()
    # The very same again, as the page does it, is the same turn.
    again = await someone.post({"id": "gone", "text": "hello"})
    await port.quiet()
    assert (again.status_code, again.json()) == (200, await someone.resume())
    assert again.json()["number"] == someone.turn["number"] + 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@in_one_loop
async def test_a_message_that_does_not_end_is_told_so_and_then_cut_off(patient: New, port: Port) -> None:
    someone = await patient("start")
    reader, writer = await port.opened()
    writer.write(head("POST", "/api/turn", someone.token, 100) + b'{"id"')
    told = await to_the_end(reader)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'"too_slow"' in told
    writer.close()


@in_one_loop
@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        pytest.param(100, b"a", id="a body that nobody reads"),
        pytest.param(0, b"GET /hea", id="the head of a second request"),
    ],
)
async def test_what_does_not_end_holds_no_connection(visitor: Any, port: Port, announced: int, sent: bytes) -> None:
    reader, writer = await port.opened()
    writer.write(head("GET", "/health", "x", announced) + sent)
    assert (await to_the_end(reader)).startswith(b"HTTP/1.1 200 ")
    writer.close()


@in_one_loop
async def test_a_connection_goes_on_after_a_whole_request(visitor: Any, port: Port) -> None:
    reader, writer = await port.opened()
    for _ in range(2):
        writer.write(head("GET", "/health", "x", 0))
        async with asyncio.timeout(AT_LAST):
            assert (await reader.readuntil(b'{"alive":true}')).startswith(b"HTTP/1.1 200 ")
        # Longer than a head or a body may take: between requests nothing is awaited.
        await asyncio.sleep(1.5 * LATER)
    writer.close()
