"""What all tests share: the Hypothesis profile, fresh databases, and the real gateway, loaded once a run."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine

from plateau.store import Database

if TYPE_CHECKING:
    import httpx

os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The same examples on every run, however slow the machine: a test that fails once fails always.
settings.register_profile("plateau", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plateau")

# `scripts/test` starts a PostgreSQL and names it here; without it the tests of the database run on SQLite alone.
POSTGRES = os.environ.get("PLATEAU_TEST_POSTGRES")
SECURITY_HEADERS = ("Content-Security-Policy", "Cache-Control", "Referrer-Policy", "X-Content-Type-Options")
# What brings a new conversation to a place, step by step.
PLACES: dict[str, list[dict[str, Any]]] = {
    "start": [],
    "consent": [{"answers": {"for_whom": "self", "country": "us"}}],
}
PLACES["safety_now"] = [*PLACES["consent"], {"answers": {"consent": "yes"}}]
PLACES["you"] = [
    *PLACES["safety_now"],
    *({"answers": {name: ["none"]}} for name in ("safety_now", "safety_nerves", "safety_ill", "safety_injury")),
]


class Patient:
    """One patient's conversation over HTTP; every response is checked for its security headers."""

    def __init__(self, client: httpx.AsyncClient, app: Any, token: str = "") -> None:
        self.client, self.app, self.token = client, app, token
        self.turn: dict[str, Any] = {}

    @property
    def conversation(self) -> str:
        """The conversation's id in the database."""
        return str(self.app.state.gateway.sessions.conversation(self.token))

    @property
    def asked(self) -> list[str]:
        """The questions on the patient's screen."""
        return [question["id"] for question in (self.turn["screen"] or {}).get("questions", ())]

    @property
    def heard(self) -> list[str]:
        """The ids of what the bot said last."""
        return [message["id"] for message in self.turn["messages"]]

    async def call(self, method: str, path: str, body: Any = None, headers: Any = None) -> httpx.Response:
        content = body if isinstance(body, bytes | str | None) else json.dumps(body)
        given = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        response = await self.client.request(method, path, content=content, headers=given)
        missing = [name for name in SECURITY_HEADERS if name not in response.headers]
        assert not missing, f"{method} {path} answered {response.status_code} without {missing}"
        return response

    async def begin(self) -> None:
        response = await self.call("POST", "/api/session", headers={})
        assert response.status_code == 201, response.text
        self.token, self.turn = response.json()["token"], response.json()["turn"]

    async def post(self, message: Any, **headers: Any) -> httpx.Response:
        """Post one message; a mapping without an id gets a new one."""
        if isinstance(message, dict) and "id" not in message:
            message = {"id": uuid.uuid4().hex, **message}
        return await self.call("POST", "/api/turn", message, **headers)

    async def send(self, **message: Any) -> dict[str, Any]:
        """Send what must be taken; returns the turn."""
        response = await self.post(message)
        assert response.status_code == 200, response.text
        self.turn = response.json()
        return self.turn

    async def resume(self) -> dict[str, Any]:
        response = await self.call("GET", "/api/resume")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Every row stored of the conversation, by table."""
        from plateau.store import Repository

        with self.app.state.gateway.database.reading() as session:
            return Repository(session).export(self.conversation)

    def answers(self) -> dict[str, Any]:
        """The answers stored of the conversation."""
        row = self._reevaluation()
        return dict(row.answers) if row else {}

    def assessment(self) -> dict[str, Any]:
        """The assessment stored of the conversation."""
        return dict(self._reevaluation().assessment or {})

    def _reevaluation(self) -> Any:
        from plateau.store import Repository

        with self.app.state.gateway.database.reading() as session:
            return Repository(session).reevaluation(self.conversation)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """The real gateway, ready: an HTTP client for it, and the app. Needs the trained model (`make setup`)."""
    from plateau.cli._gateway import gateway

    async with gateway(str(tmp_path_factory.mktemp("served"))) as (client, app):
        yield client, app


@pytest.fixture
def visitor(served: tuple[httpx.AsyncClient, Any]) -> Patient:
    """Someone without a conversation."""
    return Patient(*served)


@pytest.fixture
def patient(served: tuple[httpx.AsyncClient, Any]) -> Callable[[str], Awaitable[Patient]]:
    """Returns `await patient(place)`: a new conversation, brought to one of PLACES."""

    async def new(place: str = "start") -> Patient:
        made = Patient(*served)
        await made.begin()
        for message in PLACES[place]:
            await made.send(**message)
        return made

    return new


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database; on PostgreSQL its key store is another schema, named in the environment."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/plateau.db"
        return
    schema = f"test_{uuid.uuid4().hex}"
    schemas = (schema, f"{schema}_keys")
    server = create_engine(POSTGRES, future=True)
    with server.begin() as connection:
        for name in schemas:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    place = f"{POSTGRES}{'&' if '?' in str(POSTGRES) else '?'}options=-csearch_path%3D"
    monkeypatch.setenv("PLATEAU_KEYS", f"{place}{schema}_keys")
    monkeypatch.setenv("PLATEAU_DATA", str(tmp_path))
    yield f"{place}{schema}"
    with server.begin() as connection:
        for name in schemas:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
    server.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An upgraded database without rows."""
    database = Database(url)
    database.upgrade()
    yield database
    database.close()
