"""What breaks, and what the patient then gets: plain words, nothing half saved, and in danger the number to call."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from plateau.cli import main
from plateau.content import SettingError, clinic
from plateau.escalation import RuleError
from plateau.escalation import _rules as rules
from plateau.server import _turns as turns
from plateau.server import create_app
from plateau.server._settings import Settings
from plateau.store import Database, StoreError

New = Callable[[str], Awaitable[Any]]
Served = tuple[Any, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

EMERGENCY = "I have crushing chest pain and I cannot breathe"
NOT_SAVED = ["safety.net.not_saved"]


def said(response: httpx.Response) -> list[str]:
    return [message["id"] for message in response.json()["turn"]["messages"]]


# ---------------------------------------------------------------- actions


def raises(dispatcher: Any, tracker: Any, domain: Any) -> Any:
    raise KeyError("anything")


async def hangs(dispatcher: Any, tracker: Any, domain: Any) -> Any:
    await asyncio.Event().wait()


def speaks_then_raises(dispatcher: Any, tracker: Any, domain: Any) -> Any:
    dispatcher.utter_message(text="All is well")
    raise KeyError("anything")


def returns(value: Any) -> Any:
    return lambda dispatcher, tracker, domain: value


def says_garbage(dispatcher: Any, tracker: Any, domain: Any) -> Any:
    dispatcher.messages.append("not a message")
    return []


FAULTS = [
    ("raises", raises),
    ("speaks, then raises", speaks_then_raises),
    ("hangs", hangs),
    ("returns a string", returns("garbage")),
    ("returns a number", returns(7)),
    ("returns an object", returns({"event": "slot"})),
    ("returns events without a name", returns([{"name": "stage"}])),
    ("returns an event nobody knows", returns([{"event": "explode", "timestamp": None}])),
    ("returns an event without its fields", returns([{"event": "slot", "timestamp": None}])),
    ("says garbage", says_garbage),
]


@in_one_loop
@pytest.mark.parametrize("action", ["validate_safety_form", "action_ask_safety_nerves", "action_explain_why"])
@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in FAULTS])
async def test_a_turn_whose_action_fails_is_not_saved_and_works_the_next_time(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch, action: str, fault: Any
) -> None:
    endpoint = served[1].state.gateway.turns._agent.action_endpoint
    message = {"id": "m1", "answers": {"safety_now": ["none"]}}
    if action == "action_explain_why":
        message = {"id": "m1", "command": {"name": "why"}}
    someone = await patient("safety_now")
    rows = someone.rows()
    with monkeypatch.context() as broken:
        broken.setitem(endpoint._executor.actions, action, fault)
        broken.setattr(endpoint, "_budget", 0.01 if fault is hangs else 5.0)
        response = await someone.post(message)
    assert (response.status_code, response.json()["error"]["code"], said(response)) == (503, "not_saved", NOT_SAVED)
    assert response.json()["turn"]["saved"] is False
    assert someone.rows() == rows
    again = await someone.post(message)
    assert (again.status_code, again.json()["saved"]) == (200, True)
    assert (await someone.resume()) == again.json()


@in_one_loop
async def test_a_failing_turn_that_tells_of_an_emergency_says_whom_to_call_first(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await patient("safety_now")
    actions = served[1].state.gateway.turns._agent.action_endpoint._executor.actions
    monkeypatch.setitem(actions, "action_emergency", raises)
    response = await someone.post({"text": EMERGENCY})
    assert (response.status_code, said(response)) == (503, ["safety.emergency", *NOT_SAVED])
    assert "911" in response.json()["turn"]["messages"][0]["text"]


@in_one_loop
async def test_a_turn_that_takes_too_long_is_not_saved_even_when_the_database_then_fails_too(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = served[1].state.gateway
    endpoint = gateway.turns._agent.action_endpoint
    with ExitStack() as faults, monkeypatch.context() as broken:
        someone = await patient("safety_now")

        async def hangs_and_loses_the_database(dispatcher: Any, tracker: Any, domain: Any) -> Any:
            faults.enter_context(failing(gateway.database, lambda statement: True))
            await asyncio.Event().wait()

        broken.setitem(endpoint._executor.actions, "action_emergency", hangs_and_loses_the_database)
        broken.setattr(turns, "TURN_SECONDS", 0.5)
        response = await someone.post({"text": EMERGENCY})
    assert (response.status_code, said(response)) == (503, ["safety.emergency", *NOT_SAVED])


@in_one_loop
async def test_the_net_speaks_when_the_dialogue_does_not_act_on_an_emergency(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await patient("safety_now")
    actions = served[1].state.gateway.turns._agent.action_endpoint._executor.actions

    def deaf(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        dispatcher.utter_message(text="Hm", id="hm")
        return []

    monkeypatch.setitem(actions, "action_emergency", deaf)
    await someone.send(text=EMERGENCY)
    assert someone.heard == ["safety.emergency", "hm"]


@in_one_loop
async def test_the_plain_listener_hears_when_the_trained_one_fails(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def listen(self, text: str, known: Any) -> Any:
            raise RuntimeError

    someone = await patient("safety_now")
    monkeypatch.setattr(served[1].state.gateway.net, "_listener", Broken())
    heard = served[1].state.gateway.net.hear(EMERGENCY)
    assert "emergency" in {flag.tier for flag in heard}
    assert (await someone.send(text=EMERGENCY))["stage"] == "emergency"


# ---------------------------------------------------------------- the database


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    """SQLite itself refuses every write."""

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    event.listen(database._engine, "begin", begun)
    try:
        yield
    finally:
        event.remove(database._engine, "begin", begun)
        # The connections in the pool would stay so.
        database._engine.dispose()


@contextmanager
def failing(database: Database, wanted: Callable[[str], bool]) -> Iterator[None]:
    """The driver raises on the statements wanted, as for a disk that fails."""

    def broken(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if wanted(statement):
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(database._engine, "do_execute", broken)
    event.listen(database._engine, "do_executemany", broken)
    try:
        yield
    finally:
        event.remove(database._engine, "do_execute", broken)
        event.remove(database._engine, "do_executemany", broken)


DATABASE_FAULTS = [
    ("read-only", read_only),
    ("every statement fails", lambda database: failing(database, lambda statement: True)),
    ("every read fails", lambda database: failing(database, lambda statement: statement.startswith("SELECT"))),
    ("events cannot be written", lambda database: failing(database, lambda s: s.startswith("INSERT INTO events"))),
    ("answers cannot be written", lambda database: failing(database, lambda s: s.startswith("INSERT INTO answers"))),
    ("replies cannot be written", lambda database: failing(database, lambda s: s.startswith("INSERT INTO turns"))),
]


@in_one_loop
@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in DATABASE_FAULTS])
@pytest.mark.parametrize(
    ("place", "message", "words"),
    [
        ("safety_now", {"id": "m1", "answers": {"safety_now": ["none"]}}, NOT_SAVED),
        ("safety_now", {"id": "m1", "text": EMERGENCY}, ["safety.emergency", *NOT_SAVED]),
    ],
    ids=["an answer", "an emergency"],
)
async def test_a_turn_that_cannot_be_saved_says_so_and_works_when_the_database_does(
    patient: New, served: Served, fault: Any, place: str, message: Any, words: list[str]
) -> None:
    someone = await patient(place)
    rows = someone.rows()
    with fault(served[1].state.gateway.database):
        response = await someone.post(message)
    assert (response.status_code, response.json()["error"]["code"], said(response)) == (503, "not_saved", words)
    left = someone.rows()
    # Danger waits to be on record; what the patient was told to send again does not, unless that cannot be written.
    assert {row["client_message_id"] for row in left.pop("inbox")} <= {"m1"}
    assert left == {name: held for name, held in rows.items() if name != "inbox"}
    again = await someone.post(message)
    assert (again.status_code, someone.rows()["inbox"]) == (200, [])
    assert someone.rows()["turns"][-1]["reply"] == again.json() or again.json() in [
        turn["reply"] for turn in someone.rows()["turns"]
    ]


@in_one_loop
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("GET", "/ready", 503), ("GET", "/api/resume", 503), ("POST", "/api/session", 503),
     ("POST", "/api/forget", 503)],
)  # fmt: skip
async def test_without_the_database_each_route_says_so(
    patient: New, served: Served, method: str, path: str, status: int
) -> None:
    someone = await patient("start")
    with failing(served[1].state.gateway.database, lambda statement: True):
        response = await someone.call(method, path)
    assert response.status_code == status
    if path.startswith("/api"):
        assert "911" in response.json()["error"]["message"]
    assert (await someone.call("GET", "/ready")).status_code == 200


# ---------------------------------------------------------------- no model


@asynccontextmanager
async def without_model(folder: Path, model: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    app = create_app(Settings(data=str(folder), model=str(model)))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        while app.state.gateway.problem is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield client, app


@in_one_loop
@pytest.mark.parametrize("model", ["missing", "broken"])
async def test_without_a_model_nothing_is_taken_but_danger_is_still_answered(tmp_path: Path, model: str) -> None:
    file = tmp_path / "model.tar.gz"
    if model == "broken":
        file.write_bytes(b"not a model")
    async with without_model(tmp_path, file) as (client, app):
        assert str(file) in app.state.gateway.problem
        assert "make setup" in app.state.gateway.problem
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "because": "loading"})
        begun = await client.post("/api/session")
        assert (begun.status_code, said(begun)) == (503, NOT_SAVED)
        token = app.state.gateway.sessions.issue("web-someone")
        headers = {"Authorization": f"Bearer {token}"}
        turn = await client.post("/api/turn", json={"id": "m1", "text": EMERGENCY}, headers=headers)
        assert (turn.status_code, said(turn)) == (503, ["safety.emergency", *NOT_SAVED])
        assert "911" in turn.json()["turn"]["messages"][0]["text"]


# ---------------------------------------------------------------- settings and rules that cannot be right

CLINIC = {"name": "A", "phone": "+1 555 0100", "default_country": "us"}


def written(folder: Path, changes: dict[str, Any]) -> str:
    import yaml

    file = folder / "clinic.yml"
    file.write_text(yaml.safe_dump({**CLINIC, **changes}))
    return str(file)


CLINIC_FAULTS = [
    # what is wrong, and what the error must name: the field, what is wrong, what is allowed
    ({"phone": "call us"}, ["phone", "call us", "pattern"]),
    ({"default_country": "fr"}, ["default_country", "fr", "elsewhere"]),
    ({"colour": "blue"}, ["colour", "allowed fields: name, phone"]),
    ({"keep_before_consent_minutes": 0}, ["keep_before_consent_minutes", "minimum"]),
    ({"keep_before_consent_minutes": "ten"}, ["keep_before_consent_minutes", "ten", "integer"]),
    ({"numbers": {"us": {"emergency": ""}}}, ["numbers.us.emergency", "minLength"]),
    ({"booking_link": "http://x"}, ["booking_link", "https"]),
]


@pytest.mark.parametrize(("changes", "named"), CLINIC_FAULTS, ids=str)
def test_a_wrong_clinic_setting_stops_the_start(tmp_path: Path, changes: dict[str, Any], named: list[str]) -> None:
    file = written(tmp_path, changes)
    with pytest.raises(SettingError) as raised:
        create_app(Settings(data=str(tmp_path), clinic=file))
    assert [word for word in [file, *named] if word not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: [", "not valid YAML"),
        ("", "whole file"),
        ("- a\n", "whole file"),
        ("name: A\n", "phone"),
        (None, "no such file"),
    ],
)
def test_a_clinic_file_that_cannot_be_read_stops_the_start(tmp_path: Path, text: str | None, named: str) -> None:
    file = tmp_path / "clinic.yml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingError) as raised:
        create_app(Settings(data=str(tmp_path), clinic=str(file)))
    assert str(file) in str(raised.value)
    assert named in str(raised.value)


@pytest.fixture
def rule_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The clinic's own rule file, which may be broken."""
    from plateau.content import clinic
    from plateau.escalation import clinic_rules

    file = tmp_path / "rules.yml"
    file.write_text(rules.DEFAULT_FILE.read_text(encoding="utf-8"))
    monkeypatch.setenv("PLATEAU_CLINIC", written(tmp_path, {"rules": str(file)}))
    for cached in (clinic, clinic_rules):
        cached.cache_clear()
    yield file
    monkeypatch.undo()
    for cached in (clinic, clinic_rules):
        cached.cache_clear()


def test_a_broken_rule_file_stops_the_start(rule_file: Path, tmp_path: Path) -> None:
    rule_file.write_text("rules: [")
    with pytest.raises(RuleError, match=r"rules\.yml"):
        create_app(Settings(data=str(tmp_path)))


def test_a_rule_with_an_unknown_name_stops_the_start(rule_file: Path, tmp_path: Path) -> None:
    import yaml

    content = yaml.safe_load(rule_file.read_text(encoding="utf-8"))
    first = content["rules"][0]
    first["when"] = "shoe_size > 40"
    rule_file.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(RuleError) as raised:
        create_app(Settings(data=str(tmp_path)))
    named = (rule_file.name, first["id"], "when", "shoe_size", "allowed", "adherence")
    assert [word for word in named if word not in str(raised.value)] == []


def test_serve_exits_2_with_the_setting_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATEAU_CLINIC", written(tmp_path, {"default_country": "fr"}))
    monkeypatch.setenv("PLATEAU_DATA", str(tmp_path))
    assert main(["serve", "--port", "0"]) == 2
    written_out = capsys.readouterr()
    assert written_out.out == ""
    assert written_out.err.startswith("plateau serve: ")
    assert "default_country" in written_out.err


def test_serve_exits_2_with_the_sign_off_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sign-off.yml"
    file.write_text("clinician: Dr Ada Example\n")
    monkeypatch.setenv("PLATEAU_SIGN_OFF", str(file))
    monkeypatch.setenv("PLATEAU_DATA", str(tmp_path))
    assert main(["serve", "--port", "0"]) == 2
    assert f"{file}: role: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "nonsense"])
def test_serve_exits_2_with_what_a_database_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("PLATEAU_DATABASE", url)
    monkeypatch.setenv("PLATEAU_DATA", str(tmp_path))
    assert main(["serve", "--port", "0"]) == 2
    assert "allowed: sqlite:" in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StoreError, SettingError), match="file"):
        create_app(Settings(data=str(tmp_path / "file" / "data")))


def test_the_clinics_own_numbers_are_the_ones_shown(tmp_path: Path) -> None:
    here = clinic(written(tmp_path, {"numbers": {"us": {"advice": "the clinic"}}}))
    assert here.numbers_for("us")["advice"] == "the clinic"
    assert here.numbers_for("us")["emergency"] == "911"
    assert here.numbers_for("nowhere") == here.numbers_for("us")
