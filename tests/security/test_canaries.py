"""Nothing that a patient says, sends or is known by comes out in a log, a metric, an error, a process list or a file.

The patient below says canary words in every field, on paths that work and on paths that fail; then every place is
searched where they must not be. The database itself holds what patients say: its encryption has tests of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile_run import Talk
from real_server import UNLIMITED, RealServer, request

WORDS = (
    "zebrafinch",
    "quokkaword",
    "narwhalid",
    "okapicode",
    "axolotlpath",
    "pangolintoken",
    "tapirquery",
    "dugongorigin",
)
FINCH, QUOKKA, NARWHAL, OKAPI, AXOLOTL, PANGOLIN, TAPIR, DUGONG = WORDS
DANGER = f"I have crushing chest pain and I cannot breathe, {FINCH}"
# An action that fails with the patient's own words in its error, as a careless one would.
RAISES = """
import actions.dialogue as dialogue
def run(self, dispatcher, tracker, domain):
    raise ValueError(f"cannot explain {tracker.latest_message} of {tracker.slots}")
dialogue.ExplainWhy.run = run
"""
# A gateway that logs what it gets: what the search below has to find.
LEAKS = """
import logging
import plateau.server._incoming as incoming
plain = incoming.clean
def clean(text):
    logging.getLogger("plateau").warning("got %s", text)
    return plain(text)
incoming.clean = clean
"""


def pry(server: RealServer, talk: Talk) -> None:
    """Say canary words wherever there is room for them, rightly and wrongly."""
    token, words = talk.token, f"{FINCH} {QUOKKA}"
    messages: list[bytes | dict[str, object]] = [
        {"id": NARWHAL, "text": words},
        {"id": f"{NARWHAL}2", "text": DANGER},
        {"id": f"{NARWHAL}3", "command": {"name": "why"}},
        {"id": f"{NARWHAL}4", "answers": {"goal": words}},
        {"id": f"{NARWHAL}5", "answers": {"activities": [{"activity": words, "score": 99}]}},
        {"id": NARWHAL * 20, "text": words},
        {"id": f"{NARWHAL}6", "text": words * 500},
        {"id": f"{NARWHAL}7", FINCH: words, "text": words},
        {"id": f"{NARWHAL}8", "answers": {FINCH: words}},
        {"id": f"{NARWHAL}9", "command": {"name": FINCH, "question": words}},
        {"id": f"{NARWHAL}a", "text": words, "after": words},
        f'{{"id": "{NARWHAL}b", "text": "{words}'.encode(),
        words.encode() * 2000,
        f'{{"id": "{NARWHAL}c", "text": "{words} \xff"}}'.encode("latin-1"),
        f'/inform{{"pain": "{words}"}}'.encode(),
    ]
    for body in messages:
        server.call("POST", "/api/turn", body, token=token)
        server.call("POST", "/api/turn", body, token=PANGOLIN)
    for body in ({"code": OKAPI}, {"patient": f"{OKAPI}.{OKAPI}.{OKAPI}"}, {OKAPI: OKAPI}):
        server.call("POST", "/api/session", body)
    for path in ("plan/", "summary/", "component/", "api/", ""):
        server.call("GET", f"/{path}{AXOLOTL}?{TAPIR}={TAPIR}", token=token)
    for path in ("resume", "pictures", f"resume?{TAPIR}"):
        server.call("GET", f"/api/{path}", token=PANGOLIN)
    server.send(
        request("POST", "/api/turn", json.dumps(messages[0]).encode(), [("Origin", f"https://{DUGONG}.example")])
    )
    server.send(f"GET /{AXOLOTL} HTTP/1.1\r\n{TAPIR}\r\n\r\n".encode())


def found(server: RealServer) -> list[str]:
    """Every place in which a canary word is that must not be in it."""
    assert server.process is not None
    process = Path("/proc") / str(server.process.pid)
    places = {"the log": server.log().encode()}
    places |= {f"/proc {name}": (process / name).read_bytes() for name in ("cmdline", "environ", "comm")}
    calls = "GET /metrics, GET /health, GET /ready, GET /api/words, GET /api/resume, POST /api/turn, POST /api/session"
    stranger = [(call.split()[0], call.split()[1]) for call in f"{calls}, GET /plan/x, GET /nothing".split(",")]
    places |= {f"{method} {path}": server.call(method, path).body for method, path in stranger}
    for file in server.data.rglob("*"):
        if file.is_file() and not file.name.startswith("plateau.db"):
            places[file.name] = file.name.encode() + file.read_bytes()
    return [f"{word} in {place}" for place, content in places.items() for word in WORDS if word.encode() in content]


@contextmanager
def serving(data: Path, **more: str) -> Iterator[RealServer]:
    with RealServer(data, {"TEST_PRELUDE": more.get("prelude", "")}, **UNLIMITED) as server:
        server.until("/ready")
        yield server


def all_well(server: RealServer, talk: Talk) -> None:
    talk.finish(goal=f"{FINCH} again", better=QUOKKA, worse=FINCH, diagnosis_given=QUOKKA)
    pages = server.call("POST", "/api/handout", token=talk.token).json()
    for name in ("plan", "plan_pdf", "summary", "summary_pdf", "fhir", "calendar"):
        assert server.call("GET", pages[name]).status == 200


def without_tables(server: RealServer, talk: Talk) -> None:
    """Every statement fails from here on, and a database's errors quote the values of the statement."""
    with sqlite3.connect(server.data / "plateau.db") as connection:
        for table in ("turns", "events"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")


FAULTS: list[tuple[str, str, Callable[[RealServer, Talk], None]]] = [
    ("all well", "", all_well),
    ("an action raises", RAISES, lambda server, talk: None),
    ("the database fails", "", without_tables),
]


@pytest.mark.parametrize(("prelude", "prepare"), [pytest.param(*row[1:], id=row[0]) for row in FAULTS])
def test_no_canary_comes_out(tmp_path: Path, prelude: str, prepare: Callable[[RealServer, Talk], None]) -> None:
    with serving(tmp_path / "data", prelude=prelude) as server:
        talk = Talk(server)
        talk.walk(4)
        prepare(server, talk)
        if prelude:
            failed = server.call("POST", "/api/turn", {"id": "why", "command": {"name": "why"}}, token=talk.token)
            assert failed.status == 503, "the action was to fail"
        pry(server, talk)
        assert found(server) == []
        assert server.alive()


def test_no_canary_comes_out_without_a_model(tmp_path: Path) -> None:
    with RealServer(tmp_path / "data", model=str(tmp_path / "none.tar.gz"), **UNLIMITED) as server:
        server.until_log("there is no trained model")
        for body in ({"id": NARWHAL, "text": DANGER}, {"id": NARWHAL, "text": QUOKKA}, FINCH.encode()):
            assert server.call("POST", "/api/turn", body, token=PANGOLIN).status == 401
        server.call("POST", "/api/session", {"code": OKAPI})
        assert found(server) == []


def test_a_server_that_did_log_what_patients_say_would_be_found_out(tmp_path: Path) -> None:
    with serving(tmp_path / "data", prelude=LEAKS) as server:
        pry(server, Talk(server))
        (server.data / f"{OKAPI}.tmp").write_text("kept")
        leaks = found(server)
    assert f"{FINCH} in the log" in leaks
    assert f"{OKAPI} in {OKAPI}.tmp" in leaks
