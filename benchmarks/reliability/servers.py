"""The processes under test: real `plateau serve` workers and a real PostgreSQL server, started, hurt and stopped."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psycopg2

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 180.0
POLL_SECONDS = 0.1
# The conversations, and the keys that seal them.
DATABASES = ("plateau", "keys")
# Ours are many patients at one address.
UNLIMITED = "1000000"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class HarnessError(RuntimeError):
    """The harness cannot go on: what it started did not come up."""


class NotHere(HarnessError):
    """This machine cannot do what is asked: a tool or a right is missing."""


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Worker:
    """One `plateau serve` process on a port of its own, which it keeps over restarts."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name, self._folder, self.environment = name, folder, dict(environment)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the worker says on standard error, over all its starts."""
        return self._folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self, **environment: str) -> None:
        """Start the process; `environment` is added for this start only."""
        self.starts += 1
        command = [sys.executable, "-m", "plateau", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**self.environment, **environment}, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End the process at once, as kill -9 does."""
        if self.alive:
            self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> None:
        """Ask the process to end, and wait until it has."""
        if self.alive:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        await self.ended()

    async def ended(self, seconds: float = 60.0) -> int:
        """Return the exit code once the process has ended; a process that does not end is killed."""
        assert self._process is not None
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    async def ready(self, http: aiohttp.ClientSession, *, wanted: bool = True, seconds: float = READY_SECONDS) -> float:
        """Wait until /ready says so (or, with `wanted` false, no longer); return after how many seconds."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if await is_ready(http, self.url) == wanted:
                return time.monotonic() - begun
            if wanted and not self.alive:
                break
            await asyncio.sleep(POLL_SECONDS)
        raise HarnessError(f"{self.name} was not {'ready' if wanted else 'unready'} in {seconds} s; see {self.log}")

    def megabytes(self) -> float:
        """Return the process's resident memory in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def is_ready(http: aiohttp.ClientSession, url: str, seconds: float = 5.0) -> bool:
    """Tell whether a worker says that it is ready."""
    try:
        async with http.get(f"{url}/ready", timeout=aiohttp.ClientTimeout(total=seconds)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


class Disk:
    """A small disk in memory, mounted on a folder, which can be filled to its last byte; raises HarnessError."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self._filler = folder, folder / "filler"
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise NotHere(f"no small disk can be mounted here: {done.stderr.decode().strip()}")

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as filler, suppress(OSError):
            while filler.write(b"\0" * 65536):
                continue
        with self._filler.open("ab", buffering=0) as filler, suppress(OSError):
            while filler.write(b"\0"):
                continue

    def free(self) -> None:
        """Give back what was filled."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)


class Postgres:
    """A PostgreSQL server in a folder of its own, with fsync on: what it has committed is on disk."""

    def __init__(self, folder: Path, *, small: bool = False) -> None:
        """`small` keeps its log small enough for a small disk, at the price of a checkpoint every few seconds."""
        self.folder, self.data, self._small = folder, folder / "data", small
        self._bin = postgres_programs()
        self._as: Sequence[str] = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        """The database's URL over the server's own socket."""
        return self.url_of("plateau")

    def url_of(self, database: str, port: int | None = None) -> str:
        """Return a database's URL over the server's own socket, or through a proxy on a loopback port."""
        if port is None:
            return f"postgresql://clinic@/{database}?host={self.folder}"
        return f"postgresql://clinic@127.0.0.1:{port}/{database}"

    def create(self) -> None:
        """Make the server's folder, start it, and make the database and the user that the workers have."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._as:
            shutil.chown(self.folder, "postgres")
        segments = ["--wal-segsize=1"] if self._small else []
        self._run("initdb", "-D", self.data, "-U", "owner", "-A", "trust", *segments)
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n"
                "fsync = on\nmax_connections = 60\nrestart_after_crash = on\n"
            )
            if self._small:
                settings.write("max_wal_size = 8MB\nmin_wal_size = 2MB\n")
        self.start()
        # No superuser, for whom connections are kept free.
        self.sql("CREATE ROLE clinic LOGIN", *(f"CREATE DATABASE {name} OWNER clinic" for name in DATABASES))

    def start(self, seconds: float = 60.0) -> None:
        """Start the server; after a kill it may have to wait for its orphans to end."""
        until = time.monotonic() + seconds
        while True:
            log = self.folder / "log"
            done = self._try("pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", log, "start")
            if done.returncode == 0:
                return
            if time.monotonic() > until:
                raise HarnessError(f"PostgreSQL did not start: {log.read_text()[-1000:]}")
            time.sleep(POLL_SECONDS)

    def stop(self, how: str = "fast") -> None:
        """Stop the server: `fast`, or `immediate`, which leaves it to recover at the next start."""
        self._try("pg_ctl", "-D", self.data, "-m", how, "-w", "-t", "30", "stop")

    def postmaster(self) -> int:
        """Return the server's process id."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """Kill the server's first process, as the kernel does when memory is short."""
        os.kill(self.postmaster(), signal.SIGKILL)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and every process of it."""
        first = self.postmaster()
        for pid in [first, *_children(first)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def backends(self) -> list[int]:
        """Return the process ids of the workers' connections."""
        found = self.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'clinic' ORDER BY pid")
        return [int(row[0]) for row in found]

    def kill_one(self, pid: int) -> None:
        """Kill one process of the server; it ends the others and recovers."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def setting(self, name: str, value: str) -> None:
        """Change a setting of the running server for everybody."""
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the owner, each by itself; return the last one's rows."""
        connection = self._connect(database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _connect(self, database: str, seconds: float = 30.0) -> Any:
        until = time.monotonic() + seconds
        while True:
            try:
                return psycopg2.connect(dbname=database, user="owner", host=str(self.folder), connect_timeout=10)
            except psycopg2.OperationalError:
                # It may just be recovering from what we did to it.
                if time.monotonic() > until:
                    raise
                time.sleep(POLL_SECONDS)

    def version(self) -> str:
        return str(self.sql("SHOW server_version")[0][0])

    def _run(self, program: str, *arguments: Any) -> None:
        done = self._try(program, *arguments)
        if done.returncode:
            raise HarnessError(f"{program} failed: {done.stderr.decode()[-1000:]}")

    def _try(self, program: str, *arguments: Any) -> subprocess.CompletedProcess[bytes]:
        command = [*self._as, str(self._bin / program), *map(str, arguments)]
        # Not into a pipe: the server would inherit it, and the pipe would never close.
        errors = self.folder / f"{program}.out"
        with errors.open("wb") as out:
            done = subprocess.run(command, cwd=self.folder, stdout=out, stderr=out, check=False)
        return subprocess.CompletedProcess(command, done.returncode, b"", errors.read_bytes())


def postgres_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; raises HarnessError when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    if not found:
        raise NotHere("PostgreSQL is missing; install the system's package `postgresql`")
    return found[-1].parent


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_environment(data: Path, secret: str, **more: str) -> dict[str, str]:
    """Return the environment of a worker over `data`: with SQLite in it, unless `more` names databases."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PLATEAU_")}
    # A start without compiled modules takes 20 s of processor, with them 8.
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **clean,
        "PYTHONPYCACHEPREFIX": str(ROOT / "var" / "reliability-pycache"),
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PLATEAU_DATA": str(data),
        "PLATEAU_SECRET": secret,
        "PLATEAU_TURNS_PER_MINUTE": UNLIMITED,
        "PLATEAU_SESSIONS_PER_MINUTE": UNLIMITED,
        **more,
    }


def new_secret() -> str:
    return secrets.token_urlsafe(32)
