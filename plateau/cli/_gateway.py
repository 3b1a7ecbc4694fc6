"""The real gateway inside this process, for the terminal chat and the scenario tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx


class GatewayError(RuntimeError):
    """The gateway refused a message; `code` and the message are the gateway's own."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status} {error.get('code')}: {error.get('message')}")
        self.status, self.error = status, error


class Conversation:
    """One patient's conversation over the gateway's HTTP interface."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.token = ""

    async def begin(self) -> dict[str, Any]:
        made = await self._call("POST", "/api/session")
        self.token = made["token"]
        turn: dict[str, Any] = made["turn"]
        return turn

    async def send(self, **message: Any) -> dict[str, Any]:
        """Send text=..., answers=... or command=...; return the turn; raises GatewayError."""
        return await self._call("POST", "/api/turn", {"id": uuid.uuid4().hex, **message})

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        response = await self._client.request(method, path, json=body, headers=headers)
        data: dict[str, Any] = response.json()
        if response.is_error:
            raise GatewayError(response.status_code, data.get("error", {}))
        return data


def stored(app: Any, conversation: Conversation) -> dict[str, Any]:
    """Return what the gateway has stored of a conversation: its answers and its assessment."""
    from plateau.protocol import record_of
    from plateau.store import Repository

    held = app.state.gateway
    with held.database.reading() as session:
        row = Repository(session).reevaluation(held.sessions.conversation(conversation.token))
    return {"answers": record_of(row.answers), "assessment": row.assessment} if row else {}


@asynccontextmanager
async def gateway(data: str, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """Run the gateway over the data folder `data`, ready to take messages; yields an HTTP client for it and the app."""
    from plateau.server import create_app
    from plateau.server._settings import Settings

    app = create_app(
        Settings(data=data, turns_per_minute=100_000, sessions_per_minute=100_000, ready_seconds=0, **settings)
    )
    transport = httpx.ASGITransport(app=app)
    client = httpx.AsyncClient(transport=transport, base_url="http://plateau")
    async with app.router.lifespan_context(app), client:
        await _until_ready(client, app.state.gateway)
        yield client, app


async def _until_ready(client: httpx.AsyncClient, held: Any) -> None:
    while not (await client.get("/ready")).is_success:
        if held.problem:
            raise GatewayError(503, {"code": "not_ready", "message": held.problem})
        await asyncio.sleep(0.1)
