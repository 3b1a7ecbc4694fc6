"""Recorded conversations, and going on with them on another version: the same questions, the same answers.

`python -m benchmarks.reliability.replay` records the talks of tests/e2e/talks anew, whole and half-way, with the
database as this version leaves it, into tests/faults/recorded. The files stand for a version: record only a release.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from plateau.cli._scenario import load
from plateau.server._sessions import Sessions
from plateau.store import Database, Repository

from .servers import ROOT
from .stack import stack

TALKS = ROOT / "tests" / "e2e" / "talks"
RECORDED = ROOT / "tests" / "faults" / "recorded"
CONVERSATIONS, DUMP = "conversations.json", "database.sql"
# How far the open conversations have come.
SHARES = (0.2, 0.55)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message, and what the answer to it must still be on another version: not its wording."""

    message: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A conversation: `done` exchanges were played on the version that recorded it; `answers` are those at its end."""

    title: str
    conversation: str
    done: int
    exchanges: Sequence[Exchange]
    answers: Mapping[str, Any]


class Replay:
    """One conversation over HTTP on one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http, self._url, self._headers = http, url, {"Authorization": f"Bearer {token}"}

    async def send(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a message; return the turn, or the error that came instead."""
        async with self._http.post(f"{self._url}/api/turn", json=message, headers=self._headers) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def resume(self) -> dict[str, Any]:
        async with self._http.get(f"{self._url}/api/resume", headers=self._headers) as response:
            found: dict[str, Any] = await response.json()
            return found


def shape(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a turn what another version must say too: stage, screen, questions, which texts; no wording."""
    if "error" in turn:
        return {"error": turn["error"]["code"]}
    screen = turn["screen"] or {}
    return {
        "number": turn["number"],
        "stage": turn["stage"],
        "screen": screen.get("id"),
        "asks": [question["id"] for question in screen.get("questions", ())],
        "says": [message["id"] for message in turn["messages"]],
    }


def messages(title: str) -> list[dict[str, Any]]:
    """Return a talk's messages, each with an id of its own."""
    (scenario,) = load(TALKS / f"{title}.yml")
    said = [step["say"] for step in scenario.steps if "say" in step]
    return [{"id": f"m{number}", "text": text} for number, text in enumerate(said, start=1)]


def titles() -> list[str]:
    return sorted(file.stem for file in TALKS.glob("*.yml"))


async def begin(http: aiohttp.ClientSession, url: str) -> str:
    """Begin a conversation; return its token."""
    async with http.post(f"{url}/api/session") as response:
        return str((await response.json())["token"])


async def play(replay: Replay, said: Iterable[Mapping[str, Any]]) -> list[Exchange]:
    """Send messages one after the other; return them with the shapes of the answers."""
    return [Exchange(message, shape(await replay.send(message))) for message in said]


def answers(database: Database, conversation: str) -> dict[str, Any]:
    """Return the answers stored of a conversation."""
    with database.reading() as session:
        row = Repository(session).reevaluation(conversation)
    return dict(row.answers) if row else {}


async def record(folder: Path) -> None:
    """Record every talk whole, then leave it open at each of SHARES; write both and the database's rows."""
    async with stack("sqlite", workers=1) as running:
        url, sessions = running.urls[0], Sessions(running.secret)
        made: list[Recording] = []
        for title in titles():
            said = messages(title)
            whole = await begin(running.http, url)
            exchanges = await play(Replay(running.http, url, whole), said)
            database = running.database()
            at_the_end = answers(database, sessions.conversation(whole))
            database.close()
            for share in SHARES:
                token = await begin(running.http, url)
                done = round(share * len(said))
                await play(Replay(running.http, url, token), said[:done])
                made.append(Recording(title, sessions.conversation(token), done, exchanges, at_the_end))
        await running.workers[0].stop()
        write(folder, running.secret, made, dump(running.data / "plateau.db", {one.conversation for one in made}))


def write(folder: Path, secret: str, made: Sequence[Recording], rows: str) -> None:
    """Write what was recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DUMP).write_text(rows, encoding="utf-8")
    told = {"secret": secret, "conversations": [asdict(one) for one in made]}
    (folder / CONVERSATIONS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def dump(file: Path, conversations: set[str]) -> str:
    """Return an SQLite database as SQL, of only these conversations."""
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for table in ("turns", "events"):
            others = f"DELETE FROM {table} WHERE conversation_id NOT IN ({','.join('?' * len(conversations))})"  # noqa: S608
            connection.execute(others, sorted(conversations))
        return "\n".join(connection.iterdump()) + "\n"


def recorded(folder: Path = RECORDED) -> tuple[str, list[Recording]]:
    """Return the secret that the recorded conversations' tokens were signed with, and the conversations."""
    told = json.loads((folder / CONVERSATIONS).read_text(encoding="utf-8"))
    made = [
        Recording(**{**one, "exchanges": [Exchange(**exchange) for exchange in one["exchanges"]]})
        for one in told["conversations"]
    ]
    return told["secret"], made


def restore(file: Path, folder: Path = RECORDED) -> None:
    """Make the SQLite database `file` from the recorded rows."""
    with sqlite3.connect(file) as connection:
        connection.executescript((folder / DUMP).read_text(encoding="utf-8"))


def main() -> int:
    asyncio.run(record(RECORDED))
    print(f"{RECORDED}: written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
