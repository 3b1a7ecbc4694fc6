"""The real gateway as a process of its own over HTTP, and a client that sends any bytes and believes nothing."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 300
# What is not answered by then, hangs.
ANSWER_SECONDS = 10.0
# As `plateau serve` does it, with settings that have no environment variable.
SERVE = """
import json, os, sys
port, settings = json.loads(sys.argv[1])
from plateau.server._logging import quiet
quiet(settings.get("log", "text"), requests=True)
exec(os.environ.get("TEST_PRELUDE", ""))
from plateau.cli._server import server
from plateau.server import create_app
from plateau.server._settings import Settings
server(create_app(Settings(**settings)), "127.0.0.1", port, (), 0).run()
"""
UNLIMITED = {"turns_per_minute": 1_000_000, "sessions_per_minute": 1_000_000}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, 0 where the server closed the connection without a word; the body; the time."""

    status: int
    body: bytes
    seconds: float
    kind: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


class Hang(AssertionError):
    """The server did not answer in time."""


class RealServer:
    """`plateau serve`, as it were, in the folder `data`; stopped when the block ends."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.data = data
        self._settings = {"data": str(data), **settings}
        self._environment = {**os.environ, "RASA_TELEMETRY_ENABLED": "false", **(environment or {})}
        self._log = data / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RealServer:
        self.data.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", SERVE, json.dumps([self.port, self._settings])],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def until(self, path: str, status: int = 200) -> None:
        """Wait until GET `path` gives `status`; a process that ended before says so with its log."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            assert self.alive(), f"the server ended: {self.log()[-2000:]}"
            with suppress(OSError):
                if _status(f"{self.url}{path}") == status:
                    return
            time.sleep(0.1)
        raise AssertionError(f"{path} never gave {status}: {self.log()[-2000:]}")

    def until_log(self, words: str) -> None:
        """Wait until the server has said these words."""
        end = time.monotonic() + READY_SECONDS
        while words not in self.log():
            assert self.alive() and time.monotonic() < end, f"never said {words!r}: {self.log()[-2000:]}"
            time.sleep(0.1)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        """Everything that the process wrote, on both of its outputs."""
        return self._log.read_text("utf-8", "replace")

    def send(self, raw: bytes, *, pieces: int = 1) -> Answer:
        """Send the bytes on a connection of their own and return what comes back; raises Hang."""
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as connection:
            step = max(1, -(-len(raw) // pieces))
            # Who is refused before having said all gets a broken pipe, and the answer still.
            with suppress(BrokenPipeError, ConnectionResetError):
                for start in range(0, len(raw), step):
                    connection.sendall(raw[start : start + step])
            response = http.client.HTTPResponse(connection, method=raw[:4].decode("latin-1").strip())
            try:
                response.begin()
                body, status, kind = response.read(), response.status, response.headers.get_content_type()
            except TimeoutError:
                raise Hang(f"no answer in {ANSWER_SECONDS} s to {raw[:200]!r}") from None
            except (http.client.HTTPException, ConnectionError):
                body, status, kind = b"", 0, ""
        return Answer(status, body, time.monotonic() - started, kind)

    def call(
        self, method: str, path: str, body: bytes | Mapping[str, Any] | None = None, token: str | None = None
    ) -> Answer:
        """One well-formed request."""
        content = json.dumps(body).encode() if isinstance(body, Mapping) else body or b""
        headers = [("Authorization", f"Bearer {token}")] if token else []
        return self.send(request(method, path, content, headers))


def request(method: str, path: str, body: bytes = b"", headers: list[tuple[str, str]] | None = None) -> bytes:
    """The bytes of an HTTP/1.1 request; nothing is escaped or checked."""
    lines = [("Host", "127.0.0.1"), ("Connection", "close"), *(headers or [])]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in lines):
        lines.append(("Content-Length", str(len(body))))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


class Rows:
    """Every row of an SQLite database, read beside the server; cheap to ask while nothing has changed."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        self._version = -1
        self._rows: dict[str, list[tuple[Any, ...]]] = {}

    def all(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows by table."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version, self._rows = version, {name: self._table(name) for name in self._tables()}
        return self._rows

    def without(self, conversation: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows in which the conversation is not named, by table."""
        return {
            name: [row for row in rows if not any(isinstance(part, str) and conversation in part for part in row)]
            for name, rows in self.all().items()
        }

    def close(self) -> None:
        self._connection.close()

    def _tables(self) -> list[str]:
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in found]

    def _table(self, name: str) -> list[tuple[Any, ...]]:
        return sorted(self._connection.execute(f'SELECT * FROM "{name}"'), key=repr)  # noqa: S608


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
