#!/usr/bin/env python3
"""Plays the talks of tests/e2e/talks over real HTTP against `plateau serve` and writes them to docs/transcripts."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from plateau.cli._gateway import Conversation, stored
from plateau.cli._scenario import Scenario, differences, load
from plateau.server._sessions import Sessions, kept_secret
from plateau.store import Database

ROOT = Path(__file__).resolve().parent.parent
TALKS = ROOT / "tests" / "e2e" / "talks"
OUT = ROOT / "docs" / "transcripts"
NAMES = ("S02", "S06", "S11", "red_flag")
READY_SECONDS = 120

Exchange = tuple[str, Mapping[str, Any]]


def main() -> int:
    """Write every transcript; returns 1 when a talk did not go as its scenario expects."""
    failed = False
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        for name in NAMES:
            (scenario,) = load(TALKS / f"{name}.yml")
            exchanges, wrong = asyncio.run(talk(scenario, url, Path(folder)))
            (OUT / f"{name}.md").write_text(page(name, scenario, exchanges), encoding="utf-8")
            print(f"docs/transcripts/{name}.md: {len(exchanges)} turns", *wrong, sep="\n  -> ")
            failed |= bool(wrong)
    return int(failed)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run `plateau serve` on a free loopback port over the data folder, and stop it after; yields its address."""
    port = free_port()
    command = [Path(sys.executable).with_name("plateau"), "serve", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PLATEAU_DATA": str(folder)}, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{url}/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"plateau serve was not ready within {READY_SECONDS} s; try it by hand: .venv/bin/plateau serve")


async def talk(scenario: Scenario, url: str, folder: Path) -> tuple[list[Exchange], list[str]]:
    """Play the scenario; return what was said with each reply, and what differs from the scenario's expectations."""
    database = Database.in_folder(str(folder))
    gateway = SimpleNamespace(database=database, sessions=Sessions(kept_secret(folder)))
    app = SimpleNamespace(state=SimpleNamespace(gateway=gateway))
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        conversation = Conversation(client)
        turn = await conversation.begin()
        exchanges: list[Exchange] = [("", turn)]
        wrong: list[str] = []
        for number, step in enumerate(scenario.steps, start=1):
            for said, message in messages(step):
                turn = await conversation.send(**message)
                exchanges.append((said, turn))
            held = stored(app, conversation)
            wrong += [f"step {number}: {line}" for line in differences(step.get("expect", {}), turn, held)]
    database.close()
    return exchanges, wrong


def messages(step: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what a step sends: how it reads in the transcript, and the message itself."""
    if "say" in step:
        yield step["say"].strip(), {"text": step["say"]}
    if "answer" in step:
        yield f"[taps {step['answer']}]", {"answers": step["answer"]}
    if "do" in step:
        command = step["do"] if isinstance(step["do"], dict) else {"name": step["do"]}
        yield f"[taps {command['name']}]", {"command": command}
    if "answer_all" in step:
        raise SystemExit("a talk for a transcript says every answer: answer_all is for taps only")


def page(name: str, scenario: Scenario, exchanges: Sequence[Exchange]) -> str:
    """Return the transcript as Markdown."""
    parts = [
        f"# {scenario.title}",
        f"Made by `make transcripts` from `tests/e2e/talks/{name}.yml`, over HTTP against `plateau serve`; "
        "not edited.\n"
        "The small names are the ids of what Plateau says.",
    ]
    for said, turn in exchanges:
        if said:
            parts.append(f"> **Patient:** {said}")
        parts += [f"**Plateau:** {shown(message['text'])} <sub>`{message['id']}`</sub>" for message in turn["messages"]]
        screen = turn["screen"] or {}
        if screen.get("kind") == "review":
            rows = [f"| {row['label']} | {row['answer']} |" for row in screen["rows"]]
            parts.append("\n".join(["| Answer | as understood |", "|---|---|", *rows]))
        if screen.get("kind") == "emergency":
            parts.append(f"*On the screen:* **{screen['title']}**")
    return "\n\n".join(parts) + "\n"


def shown(text: str) -> str:
    """Return a message's text with its line breaks kept."""
    return "  \n".join(text.strip().split("\n"))


if __name__ == "__main__":
    sys.exit(main())
