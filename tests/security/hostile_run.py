"""Hostile input at a real server, one after the other: what must hold after each, and the counts."""

from __future__ import annotations

import base64
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from hostile import Attack, Known, attacks
from interview import next_message
from real_server import UNLIMITED, Answer, Hang, RealServer, Rows

# Turns that an attacker's conversation takes before a new one: no conversation of a patient goes on for ever either.
TURNS = 20
EVERY = 50
CANARY = "zebrafinch"
ASKS_FOR_CONSENT = ("opening", "declined", "restarting")
# What is refused leaves every table as it was, but for danger that was heard: told whom to call, the patient need not
# send it again, so the message stays here to be on record once that is possible.
WAITING = {"inbox"}
# What a server that is well never says.
FAULTY = ("Traceback", "unexpected:", "not saved", "the database failed", "Exception in ASGI")


@dataclass
class Result:
    """Inputs by family, answers by status, the slowest answer in seconds, and everything that must not be."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        return {
            "inputs": sum(self.inputs.values()),
            "by_family": dict(sorted(self.inputs.items())),
            "by_status": dict(sorted(self.answers.items())),
            "slowest_seconds": round(self.slowest, 2),
            "faults": len(self.faults),
        }


class Run:
    """A bystander with a plan, an attacker with conversations of their own, and the rows of both."""

    def __init__(self, server: RealServer) -> None:
        self.server, self.result = server, Result()
        self.bystander = Talk(server)
        self.bystander.finish(goal=f"to walk my {CANARY} again")
        self.before = self.bystander.latest()
        gone = Talk(server)
        server.call("POST", "/api/forget", token=gone.token)
        self.forgotten = gone.token
        self.rows = Rows(server.data / "plateau.db")
        self.kept = self.rows.all()
        self.attacker, self.places = Talk(server), 0

    def known(self) -> Known:
        if self.attacker.turns > TURNS:
            # Deleted, so that there are few rows to compare after each input.
            self.server.call("POST", "/api/forget", token=self.attacker.token)
            self.attacker, self.places = Talk(self.server), self.places + 1
            # Not only at the first question: further into the interview each time, to the plan and from there again.
            self.attacker.walk(self.places % 19)
        return Known(self.attacker.token, self.forgotten, self.bystander.conversation)

    def go(self, seed: int, count: int) -> Result:
        for number, attack in enumerate(islice(attacks(seed, self.known), count), start=1):
            self._one(attack)
            if number % EVERY == 0 or number == count:
                self._all_well(attack.family)
        log = self.server.log()
        self.result.faults += [f"the log says {word!r}" for word in (*FAULTY, CANARY) if word in log]
        return self.result

    def _one(self, attack: Attack) -> None:
        rows, last = self.rows.all(), self.attacker.number
        try:
            answer = self.server.send(attack.raw, pieces=attack.pieces)
        except Hang as hang:
            self._fault(attack, str(hang))
            return
        self.result.inputs[attack.family] += 1
        self.result.answers[str(answer.status) if answer.status else "closed"] += 1
        self.result.slowest = max(self.result.slowest, answer.seconds)
        if not self.server.alive():
            raise AssertionError(f"the server died of {attack.raw[:300]!r}: {self.server.log()[-2000:]}")
        if answer.status >= 500 and not _tells_of_danger(answer):
            self._fault(attack, f"answered {answer.status}")
        if not answer.status and not attack.drops:
            self._fault(attack, "the connection was closed without an answer")
        if CANARY.encode() in answer.body:
            self._fault(attack, "answered with the words of another patient")
        if answer.status == 200 and attack.turn is not None and attack.raw.startswith(b"POST /api/turn"):
            self._taken(attack, answer, rows, last)
        elif answer.status == 201:
            self._fault(attack, "opened a conversation, or made a link")
        elif changed := _changed(rows, self.rows.all()) - (WAITING if _tells_of_danger(answer) else set()):
            self._fault(attack, f"answered {answer.status} and changed {sorted(changed)}")

    def _taken(self, attack: Attack, answer: Answer, before: dict[str, list[Any]], last: int) -> None:
        """A turn that was acknowledged is stored once, as the next one, and has done nothing else."""
        turn = answer.json()
        # Never less, also where what was said is dropped because consent was declined.
        if (turn["id"], turn["saved"], turn["number"]) != (attack.turn, True, last + 1):
            self._fault(attack, f"acknowledged as {turn['id']!r}, number {turn['number']}, after {last}")
        if self.attacker.latest() != turn:
            self._fault(attack, "the turn acknowledged is not the latest one stored")
        if attack.payload:
            after = self.rows.all()
            kinds = [row for row in after["events"] if row not in before["events"]]
            if any(word in repr(row) for row in kinds for word in ("'restart'", "'reset_slots'", "'session_started'")):
                self._fault(attack, "a typed payload was obeyed")
            # It is words, so it may mean what they mean; but it is no order to Rasa, and consent stays as it was.
            consent = [[row for row in rows["answers"] if row[1] == "consent"] for rows in (before, after)]
            if self.attacker.turn["stage"] not in ASKS_FOR_CONSENT and consent[0] != consent[1]:
                self._fault(attack, "a typed payload changed the consent")
        self.attacker.number, self.attacker.turns = turn["number"], self.attacker.turns + 1
        self.attacker.turn = turn

    def _all_well(self, family: str) -> None:
        if self.server.call("GET", "/ready").status != 200:
            self.result.faults.append(f"not ready, after {family}")
        if self.bystander.latest() != self.before:
            self.result.faults.append(f"the bystander's conversation changed, after {family}")
        now = self.rows.all()
        for table, rows in self.kept.items():
            if missing := [row for row in rows if row not in now[table]]:
                self.result.faults.append(f"{len(missing)} rows of others gone from {table}, after {family}")

    def _fault(self, attack: Attack, what: str) -> None:
        self.result.faults.append(f"{attack.family}: {what}: {attack.raw[:400]!r}")


class Talk:
    """A conversation over HTTP."""

    def __init__(self, server: RealServer) -> None:
        self._server = server
        begun = server.call("POST", "/api/session")
        assert begun.status == 201, begun.body
        self.token: str = begun.json()["token"]
        self.turn: dict[str, Any] = begun.json()["turn"]
        self.number, self.turns = int(self.turn["number"]), 0

    @property
    def conversation(self) -> str:
        """Its id in the database: the token is signed, not secret."""
        part = self.token.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))

    def walk(self, screens: int, **given: Any) -> None:
        for step in range(screens):
            message = next_message(self.turn, given)
            if message is None:
                return
            sent = self._server.call("POST", "/api/turn", {"id": f"walk{step}", **message}, token=self.token)
            assert sent.status == 200, sent.body
            self.turn = sent.json()
        self.number = int(self.turn["number"])

    def finish(self, **given: Any) -> None:
        self.walk(60, **given)
        assert self.turn["screen"]["kind"] == "plan", self.turn["screen"]
        self.number = int(self.turn["number"])

    def latest(self) -> dict[str, Any]:
        answer = self._server.call("GET", "/api/resume", token=self.token)
        assert answer.status == 200, answer.body
        return dict(answer.json())


@contextmanager
def under_attack(data: Path) -> Iterator[Run]:
    """A real server in `data` without limits on callers, ready, and a run against it."""
    with RealServer(data, **UNLIMITED) as server:
        server.until("/ready")
        run = Run(server)
        yield run
        run.rows.close()


@contextmanager
def slow_callers(server: RealServer, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have begun a request and do not end it."""
    callers = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(count)]
    for number, caller in enumerate(callers):
        caller.sendall(b"POST /api/turn HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"[: 20 + number])
    yield callers
    for caller in callers:
        with suppress(OSError):
            caller.close()


def _tells_of_danger(answer: Answer) -> bool:
    """Danger in what cannot be taken is answered with the number to call, as a turn that was not saved."""
    with suppress(ValueError, KeyError, TypeError):
        told = answer.json()
        first, *more = told["turn"]["messages"]
        # The last of them says only that nothing was saved, which a server that is well never says alone.
        return told["error"]["code"] == "not_saved" and first["kind"] == "emergency" and bool(more)
    return False


def _changed(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> set[str]:
    return set() if after == before else {name for name in after if after[name] != before.get(name)}
