"""Nothing that a patient says, sends or is known by comes out in a log, a metric, an error, a process list or a file.

The patient below says canary words in every field, on paths that work and on paths that fail; then every place is
searched where they must not be, the files of the databases too: what patients say is sealed in them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hostile_run import Talk
from real_server import RealServer, request

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
TOKEN = "for-these-tests-only"
# A client makes its messages' ids, and they are kept as they are: nothing that a patient says.
IN_THE_DATABASE = (NARWHAL,)
# What the careless server logs on purpose.
LEAK = "ibisleak"


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


def found(server: RealServer, words: Sequence[str] = WORDS) -> list[str]:
    """Every place in which a canary word is that must not be in it."""
    assert server.process is not None
    process = Path("/proc") / str(server.process.pid)
    places = {"the log": server.log().encode()}
    places |= {f"/proc {name}": (process / name).read_bytes() for name in ("cmdline", "environ", "comm")}
    metrics = server.call("GET", "/metrics", token=TOKEN)
    assert metrics.status == 200
    places |= {"GET /metrics": metrics.body}
    calls = "GET /metrics, GET /health, GET /ready, GET /api/words, GET /api/resume, POST /api/turn, POST /api/session"
    stranger = [(call.split()[0], call.split()[1]) for call in f"{calls}, GET /plan/x, GET /nothing".split(",")]
    places |= {f"{method} {path} of a stranger": server.call(method, path).body for method, path in stranger}
    for file in sorted(server.data.rglob("*")):
        if file.is_file():
            places[file.name] = file.name.encode() + file.read_bytes()
    return [
        f"{word} in {place}"
        for place, content in places.items()
        for word in words
        if word.encode() in content and not (word in IN_THE_DATABASE and place.startswith("plateau.db"))
    ]


def all_well(server: RealServer, talk: Talk) -> None:
    talk.finish(goal=f"{FINCH} again", better=QUOKKA, worse=FINCH, diagnosis_given=QUOKKA)
    pages = server.call("POST", "/api/handout", token=talk.token).json()
    for name in ("plan", "plan_pdf", "summary", "summary_pdf", "fhir", "calendar"):
        assert server.call("GET", pages[name]).status == 200


def action_raises(server: RealServer, talk: Talk) -> None:
    failed = server.call("POST", "/api/turn", {"id": "why", "command": {"name": "why"}}, token=talk.token)
    assert failed.status == 503, "the action was to fail"


def without_tables(server: RealServer, talk: Talk) -> None:
    """Every statement fails from here on, and a database's errors quote the values of the statement."""
    with sqlite3.connect(server.data / "plateau.db") as connection:
        for table in ("turns", "events"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")


# One after the other at the same server, the last of which it does not survive whole.
STEPS: list[tuple[str, int, Callable[[RealServer, Talk], None]]] = [
    ("all well", 0, all_well),
    ("an action raises", 4, action_raises),
    ("the database fails", 4, without_tables),
]


@pytest.mark.parametrize(("screens", "prepare"), [pytest.param(*row[1:], id=row[0]) for row in STEPS])
def test_no_canary_comes_out(
    careless_server: RealServer, screens: int, prepare: Callable[[RealServer, Talk], None]
) -> None:
    talk = Talk(careless_server)
    talk.walk(screens)
    prepare(careless_server, talk)
    pry(careless_server, talk)
    assert found(careless_server) == []
    assert careless_server.alive()
    lines = [json.loads(line) for line in careless_server.log().splitlines()]
    assert [line for line in lines if line.get("route") == "/api/turn"]


def test_no_canary_comes_out_without_the_model(unsealed_server: RealServer) -> None:
    for body in ({"id": NARWHAL, "text": DANGER}, {"id": NARWHAL, "text": QUOKKA}, FINCH.encode()):
        assert unsealed_server.call("POST", "/api/turn", body, token=PANGOLIN).status == 401
    unsealed_server.call("POST", "/api/session", {"code": OKAPI})
    assert found(unsealed_server) == []


def test_a_server_that_did_log_or_keep_what_patients_say_would_be_found_out(careless_server: RealServer) -> None:
    body = {"id": NARWHAL, "text": f"{DANGER} {LEAK}"}
    assert careless_server.call("POST", "/api/turn", body, token=PANGOLIN).status == 401
    kept = [careless_server.data / name for name in (f"{LEAK}.tmp", "plateau.db-copy")]
    for file in kept:
        file.write_text(f"kept {LEAK}")
    leaks = found(careless_server, (LEAK,))
    for file in kept:
        file.unlink()
    places = ("the log", "server.log", *(file.name for file in kept))
    assert sorted(leaks) == sorted(f"{LEAK} in {place}" for place in places)
