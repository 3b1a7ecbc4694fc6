"""What the clinic's administrator sees of a running gateway: readiness, metrics, log lines, headers, limits."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import event, text

from plateau.content import SettingError, catalog
from plateau.server import _app, _ready, create_app
from plateau.server import _logging as logs
from plateau.server._limits import Crowd, household
from plateau.server._logging import pseudonym, trace
from plateau.server._metrics import Metrics, may_read
from plateau.server._ready import REASONS, Readiness
from plateau.server._settings import Settings
from plateau.store import Conflict, Database, StoreError, has_schema, newest_revision, touch

New = Callable[[str], Awaitable[Any]]
Served = tuple[Any, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

CANARY = "zebrafinch"
EMERGENCY = "I have crushing chest pain and I cannot breathe"
TOKEN = "a-token-for-tests-only"


# ---------------------------------------------------------------- readiness


class Reader:
    """An agent whose model reads, or does not."""

    def __init__(self, intent: str | None = "greet") -> None:
        self.processor, self.intent, self.asked = self, intent, 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def parse_message(self, message: Any) -> dict[str, Any]:
        self.asked += 1
        await self.go_on.wait()
        return {"intent": {"name": self.intent}}


def read_only(database: Database) -> None:
    statement = "PRAGMA query_only = ON" if database.dialect == "sqlite" else "SET TRANSACTION READ ONLY"
    event.listen(database._engine, "begin", lambda connection: connection.exec_driver_sql(statement))


def another_schema(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))


def no_schema(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DROP TABLE alembic_version"))


BROKEN: list[tuple[str, Callable[[Database], None] | None, Reader | None, str | None]] = [
    ("all is well", None, Reader(), None),
    ("the model is not loaded yet", None, None, "loading"),
    ("the model reads nothing", None, Reader(None), "model"),
    ("the database is read-only", read_only, Reader(), "write"),
    ("the schema is of another release", another_schema, Reader(), "schema"),
    ("there is no schema", no_schema, Reader(), "database"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("fault", "agent", "reason"), [pytest.param(*row[1:], id=row[0]) for row in BROKEN])
async def test_readiness_names_what_speaks_against_it(
    database: Database, fault: Any, agent: Any, reason: str | None
) -> None:
    if fault is not None:
        fault(database)
    readiness = Readiness(database, keep=0)
    if agent is not None:
        readiness.loaded(agent)
    assert await readiness.reason() == reason
    assert reason is None or reason in REASONS


def test_a_full_disk_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plateau.store import _health

    database = Database.in_folder(tmp_path)
    database.upgrade()
    monkeypatch.setattr(_health, "FREE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="the disk is full"), database.transaction() as session:
        touch(session)
    database.close()


def test_a_check_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        touch(session)
    with database.reading() as session:
        assert has_schema(session)
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest_revision()]


@pytest.mark.asyncio
async def test_however_many_ask_one_check_runs_and_counts_for_a_while(database: Database) -> None:
    now, agent = [0.0], Reader()
    readiness = Readiness(database, keep=1.0, clock=lambda: now[0])
    readiness.loaded(agent)
    assert await asyncio.gather(*(readiness.reason() for _ in range(50))) == [None] * 50
    assert agent.asked == 1
    now[0] = 0.9
    await readiness.reason()
    assert agent.asked == 1
    now[0] = 1.1
    await readiness.reason()
    assert agent.asked == 2


@pytest.mark.asyncio
async def test_a_check_that_hangs_is_slow_and_is_not_begun_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ready, "WAIT_SECONDS", 0.05)
    agent = Reader()
    agent.go_on.clear()
    readiness = Readiness(database, keep=0)
    readiness.loaded(agent)
    assert [await readiness.reason() for _ in range(3)] == ["slow"] * 3
    assert agent.asked == 1
    agent.go_on.set()
    await readiness._check
    assert await readiness.reason() is None


@pytest.mark.asyncio
async def test_draining_is_not_ready_whatever_else_holds(database: Database) -> None:
    readiness = Readiness(database, keep=60)
    readiness.loaded(Reader())
    assert await readiness.reason() is None
    readiness.drain()
    assert await readiness.reason() == "draining"


@in_one_loop
async def test_a_database_that_is_away_at_the_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_app, "CONNECT_AGAIN", (0.05,))
    file = tmp_path / "plateau.db"
    file.write_bytes(b"not a database yet, not at all" * 100)
    app = create_app(Settings(data=str(tmp_path), ready_seconds=0))
    gateway, transport = app.state.gateway, httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:

        async def ready(when: Callable[[httpx.Response], bool]) -> httpx.Response:
            async with asyncio.timeout(120):
                while not when(response := await client.get("/ready")):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            return response

        response = await ready(lambda response: gateway.problem is not None)
        assert response.json() == {"ready": False, "because": "loading"}
        assert "the database failed" in gateway.problem
        os.truncate(file, 0)
        assert (await ready(lambda response: response.is_success)).json() == {"ready": True}
        assert gateway.problem is None
        assert (await client.post("/api/session")).status_code == 201


# ---------------------------------------------------------------- metrics


@pytest.fixture
def counted(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., float]:
    """Returns `counted(name, **labels)`: how much a sample has grown since this fixture was made."""
    registry = served[1].state.gateway.metrics.registry
    before = {(s.name, *sorted(s.labels.items())): s.value for f in registry.collect() for s in f.samples}

    def grown(name: str, **labels: str) -> float:
        return (registry.get_sample_value(name, labels) or 0) - before.get((name, *sorted(labels.items())), 0)

    return grown


@pytest.fixture
def with_token(served: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway = served[1].state.gateway
    from dataclasses import replace

    monkeypatch.setattr(gateway, "settings", replace(gateway.settings, metrics_token=TOKEN))
    return TOKEN


@pytest.mark.parametrize(
    ("header", "token", "may"),
    [
        (None, None, False),
        ("Bearer ", None, False),
        (None, TOKEN, False),
        (f"Bearer {TOKEN}", None, False),
        (f"Bearer {TOKEN}x", TOKEN, False),
        (f"Basic {TOKEN}", TOKEN, False),
        (TOKEN, TOKEN, False),
        ("Bearer é", TOKEN, False),
        (f"Bearer {TOKEN}", TOKEN, True),
        (f"bearer  {TOKEN} ", TOKEN, True),
    ],
)
def test_who_may_read_the_metrics(header: str | None, token: str | None, may: bool) -> None:
    assert may_read(header, token) is may


@in_one_loop
async def test_without_the_token_there_are_no_metrics(visitor: Any, with_token: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong-token-of-16"}):
        assert (await visitor.call("GET", "/metrics", headers=headers)).status_code == 404


async def scrape(visitor: Any) -> dict[str, Any]:
    response = await visitor.call("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


@in_one_loop
async def test_the_metrics_are_openmetrics_and_tell_what_runs(visitor: Any, with_token: str) -> None:
    families = await scrape(visitor)
    build = families["plateau_build"].samples[0].labels
    assert set(build) == {"version", "rules", "model"}
    assert len(build["model"]) == 32
    assert families["plateau_ready"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 1e8
    assert {sample.labels["because"] for sample in families["plateau_not_ready"].samples} == set(REASONS)


@in_one_loop
async def test_no_label_comes_from_a_patient(patient: New, visitor: Any, with_token: str) -> None:
    someone = await patient("safety_now")
    await someone.post({"text": f"{CANARY} {EMERGENCY}"})
    await someone.call(CANARY.upper(), f"/{CANARY}")
    await someone.call("GET", f"/plan/{CANARY}")
    await someone.call("GET", f"/plan/{CANARY}/{CANARY}")
    families = await scrape(visitor)
    labels = {value for family in families.values() for sample in family.samples for value in sample.labels.values()}
    assert not [label for label in labels if CANARY in label.lower() or someone.conversation in label]
    assert {"/plan/{link}", "/plan/{link}/{form:str}", "/api/turn"} <= labels
    assert "other" in labels


async def an_answer(someone: Any) -> None:
    await someone.send(answers={"safety_now": ["none"]})


async def the_same_twice(someone: Any) -> None:
    message = {"id": "m1", "answers": {"safety_now": ["none"]}}
    assert [(await someone.post(message)).status_code for _ in range(2)] == [200, 200]


async def an_old_tab(someone: Any) -> None:
    assert (await someone.post({"answers": {"safety_now": ["none"]}, "after": 0})).status_code == 409


async def nonsense(someone: Any) -> None:
    assert (await someone.post(b"{oops")).status_code == 400


async def danger(someone: Any) -> None:
    await someone.send(text=EMERGENCY)


async def danger_when_ended(someone: Any) -> None:
    someone.token = "no-token"
    assert (await someone.post({"text": EMERGENCY})).status_code == 401


TURNS = [
    # what the patient does, and by how much which samples grow
    (an_answer, {"plateau_turns_total": [({"outcome": "saved"}, 1)], "plateau_turn_seconds_count": [({}, 1)]}),
    (the_same_twice, {"plateau_turns_total": [({"outcome": "saved"}, 1), ({"outcome": "replayed"}, 1)]}),
    (an_old_tab, {"plateau_turns_total": [({"outcome": "stale"}, 1), ({"outcome": "saved"}, 0)]}),
    (nonsense, {"plateau_turns_total": [({"outcome": "refused"}, 1)]}),
    (danger, {"plateau_safety_texts_total": [({"text": "emergency"}, 1)], "plateau_safety_net_alone_total": [({}, 0)]}),
    (
        danger_when_ended,
        {"plateau_safety_texts_total": [({"text": "emergency"}, 1)], "plateau_safety_net_alone_total": [({}, 1)]},
    ),
]


@in_one_loop
@pytest.mark.parametrize(("does", "grows"), TURNS, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_became_of_a_message_is_counted(served: Served, patient: New, does: Any, grows: Any) -> None:
    someone = await patient("safety_now")
    value = served[1].state.gateway.metrics.registry.get_sample_value
    samples = [(name, labels, grown) for name, each in grows.items() for labels, grown in each]
    before = [value(name, labels) for name, labels, _ in samples]
    await does(someone)
    after = [value(name, labels) for name, labels, _ in samples]
    assert [now - then for now, then in zip(after, before, strict=True)] == [grown for *_, grown in samples]


@in_one_loop
async def test_a_turn_that_cannot_be_saved_is_counted_with_the_database_error(
    served: Served, patient: New, counted: Callable[..., float]
) -> None:
    gateway, someone = served[1].state.gateway, await patient("safety_now")

    def broken(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        import sqlite3

        raise sqlite3.OperationalError("disk I/O error")

    event.listen(gateway.database._engine, "do_execute", broken)
    try:
        response = await someone.post({"text": EMERGENCY})
    finally:
        event.remove(gateway.database._engine, "do_execute", broken)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert counted("plateau_turns_total", outcome="not_saved") == 1
    assert counted("plateau_safety_net_alone_total") == 1
    assert counted("plateau_database_errors_total", kind="failed") >= 1
    assert counted("plateau_database_errors_total", kind="conflict") == 0


@in_one_loop
async def test_sessions_and_deletions_are_counted(served: Served, visitor: Any, counted: Callable[..., float]) -> None:
    await visitor.begin()
    assert counted("plateau_sessions_total") == 1
    await served[1].state.gateway.purge()
    assert counted("plateau_last_purge_timestamp_seconds") > 0


def test_a_lost_race_is_counted_apart() -> None:
    metrics = Metrics()
    for error in (Conflict("x"), StoreError("x")):
        metrics.database_error(isinstance(error, Conflict))
    value = metrics.registry.get_sample_value
    assert [value("plateau_database_errors_total", {"kind": kind}) for kind in ("conflict", "failed")] == [1, 1]


# ---------------------------------------------------------------- more than it can take


@in_one_loop
async def test_more_than_it_can_take_is_turned_away_but_danger_is_answered(
    served: Served, patient: New, visitor: Any, monkeypatch: pytest.MonkeyPatch, counted: Callable[..., float]
) -> None:
    someone = await patient("safety_now")
    rows = someone.rows()
    with monkeypatch.context() as full:
        full.setattr(served[1].state.gateway, "crowd", Crowd(0))
        begun = await visitor.call("POST", "/api/session")
        plain = await someone.post({"id": "m1", "answers": {"safety_now": ["none"]}})
        urgent = await someone.post({"id": "m2", "text": EMERGENCY})
    for response, code in ((begun, "busy"), (plain, "busy"), (urgent, "not_saved")):
        assert (response.status_code, response.json()["error"]["code"]) == (503, code)
        assert int(response.headers["Retry-After"]) > 0
    assert "911" in plain.json()["error"]["message"]
    assert [message["id"] for message in urgent.json()["turn"]["messages"]] == [
        "safety.emergency",
        "safety.net.not_saved",
    ]
    assert someone.rows() == rows
    assert counted("plateau_turns_total", outcome="shed") == 2
    assert (await someone.post({"id": "m1", "answers": {"safety_now": ["none"]}})).status_code == 200
    assert catalog().get("safety.net.unavailable", emergency="911") == plain.json()["error"]["message"]


def test_a_crowd_has_so_many_places_and_gets_them_back() -> None:
    crowd = Crowd(1)
    with crowd.place() as first, crowd.place() as second:
        assert (first, second, crowd.inside) == (True, False, 1)
    with pytest.raises(KeyError), crowd.place():
        raise KeyError
    assert crowd.inside == 0


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_what_counts_as_one_caller(address: str, caller: str) -> None:
    assert household(address) == caller


# ---------------------------------------------------------------- log lines


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Returns the JSON lines logged since, each checked to be one."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._Json())
    root, requests = logging.getLogger(), logging.getLogger(logs.REQUESTS)
    level = requests.level
    root.addHandler(handler)
    requests.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    requests.setLevel(level)


@in_one_loop
async def test_each_request_has_a_line_with_nothing_of_the_patient(
    served: Served, patient: New, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    someone = await patient("safety_now")
    begun = len(lines())
    await someone.post({"text": f"{CANARY} {EMERGENCY}"})
    await someone.post(f'{{"id": "{CANARY}"')
    await someone.call("GET", f"/plan/{CANARY}?{CANARY}={CANARY}")
    await someone.call("GET", f"/{CANARY}")
    await someone.call(CANARY.upper(), "/api/turn", headers={"X-Request-ID": CANARY, "User-Agent": CANARY})
    told = [line for line in lines()[begun:] if line["logger"] == logs.REQUESTS]
    assert [(line["method"], line["route"], line["status"]) for line in told] == [
        ("POST", "/api/turn", 200),
        ("POST", "/api/turn", 400),
        ("GET", "/plan/{link}", 404),
        ("GET", "/files", 404),
        ("other", "/files", 405),
    ]
    for line in told:
        assert set(line) >= {"time", "level", "logger", "event", "request", "milliseconds"}
    key = served[1].state.gateway.secret
    assert told[0]["conversation"] == pseudonym(someone.conversation, key) != pseudonym(someone.conversation, "x")
    whole = json.dumps(lines()).lower()
    for secret in (CANARY, someone.token.lower(), someone.conversation.lower(), "crushing"):
        assert secret not in whole


@in_one_loop
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("3F2504E0-4F89-11D3-9A0C-0305E82C3301", True),
        ("my-name-is-john-smith", False),
        ("abc", False),
        ("a" * 65, False),
        ("", False),
    ],
)
async def test_a_well_formed_request_id_goes_through(visitor: Any, given: str, kept: bool) -> None:
    answered = (await visitor.call("GET", "/health", headers={"X-Request-ID": given})).headers["X-Request-ID"]
    assert (answered == given) is kept
    assert 16 <= len(answered) <= 64


def test_an_exception_is_logged_by_kind_and_place_without_its_text() -> None:
    for formatter in (logs._Json(), logs._Plain("%(message)s")):
        try:
            raise ValueError(CANARY)
        except ValueError:
            import sys

            record = logging.LogRecord("plateau", logging.ERROR, "", 0, "failed", None, sys.exc_info())
        line = formatter.format(record)
        assert CANARY not in line
        assert "ValueError at test_operations.py" in line


def test_a_line_for_people_names_the_request() -> None:
    token = trace.set(logs.Trace("0123456789abcdef", "c0ffee"))
    record = logging.LogRecord("plateau", logging.INFO, "", 0, "request", None, None)
    vars(record).update(method="POST", route="/api/turn", status=200, milliseconds=1.5)
    line = logs._Plain("%(message)s").format(record)
    trace.reset(token)
    assert line == (
        "request method=POST route=/api/turn status=200 milliseconds=1.5 conversation=c0ffee request=0123456789abcdef"
    )


# ---------------------------------------------------------------- headers

SAME, CROSS = "same-origin", "cross-origin"
NO_STORE, DAY = "no-store", "public, max-age=86400"
ROUTES = [
    # path, status, Cross-Origin-Resource-Policy, Cache-Control
    ("/", 200, SAME, NO_STORE),
    ("/demo", 200, SAME, NO_STORE),
    ("/health", 200, SAME, NO_STORE),
    ("/ready", 200, SAME, NO_STORE),
    ("/metrics", 404, SAME, NO_STORE),
    ("/api/words", 200, SAME, NO_STORE),
    ("/api/figure", 200, SAME, DAY),
    ("/api/resume", 401, SAME, NO_STORE),
    ("/api/nothing", 404, SAME, NO_STORE),
    ("/plan/nothing", 404, SAME, NO_STORE),
    ("/summary/nothing/pdf", 404, SAME, NO_STORE),
    ("/component/plateau-chat.js", 200, CROSS, "no-cache"),
    ("/component/nothing.js", 404, SAME, NO_STORE),
]


@in_one_loop
@pytest.mark.parametrize(("path", "status", "resource", "cache"), ROUTES, ids=str)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_security_headers_of_each_route(
    served: Served, path: str, status: int, resource: str, cache: str, scheme: str
) -> None:
    transport = httpx.ASGITransport(app=served[1])
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://plateau") as client:
        response = await client.get(path)
    headers = response.headers
    assert response.status_code == status
    assert headers["Cross-Origin-Resource-Policy"] == resource
    assert headers["Cache-Control"] == cache
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex, nofollow"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert "camera=()" in headers["Permissions-Policy"]
    # Only what came over TLS may promise TLS.
    assert ("max-age=31536000" in headers.get("Strict-Transport-Security", "")) is (scheme == "https")


# ---------------------------------------------------------------- settings

WRONG = [
    ("PLATEAU_LOG", "xml", "text, json"),
    ("PLATEAU_METRICS_TOKEN", "zz9", "16 or more"),
    ("PLATEAU_METRICS_TOKEN", "with a\nline break in it", "printable"),
    ("PLATEAU_PROXIES", "*", "addresses or networks"),
    ("PLATEAU_PROXIES", "127.0.0.1,proxy", "'proxy'"),
    ("PLATEAU_PROXIES", "10.0.0.1/8", "addresses or networks"),
    ("PLATEAU_TURNS_PER_MINUTE", "0", "a whole number from 1"),
    ("PLATEAU_SESSIONS_PER_MINUTE", "ten", "a whole number from 1"),
    ("PLATEAU_TURNS_AT_ONCE", "1e3", "a whole number from 1"),
    ("PLATEAU_TURNS_AT_ONCE", "9" * 500, "a whole number from 1"),
]


@pytest.mark.parametrize(("variable", "value", "allowed"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_setting_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError) as raised:
        Settings.from_environment()
    assert str(raised.value).startswith(f"{variable}: ")
    assert allowed in str(raised.value)
    if "TOKEN" in variable:
        assert value not in str(raised.value)


def test_the_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOG": "json", "PROXIES": "127.0.0.1, 10.0.0.0/8", "TURNS_AT_ONCE": "7"}.items():
        monkeypatch.setenv(f"PLATEAU_{name}", value)
    found = Settings.from_environment()
    assert (found.log, found.proxies, found.turns_at_once) == ("json", ("127.0.0.1", "10.0.0.0/8"), 7)
    assert "secret" not in repr(found)
