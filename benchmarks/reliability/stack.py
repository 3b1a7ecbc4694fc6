"""What a run is made against: two workers on PostgreSQL, or one on SQLite, kept up as a supervisor keeps them."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from plateau.store import Database

from .patients import client
from .proxy import Proxy
from .servers import Disk, Postgres, Worker, new_secret, worker_environment

RESTART_SECONDS = 0.2
DATA = "PLATEAU_DATA"


@dataclass(slots=True)
class Stack:
    """The processes of one run and how to reach them; `proxy` stands between workers and PostgreSQL where asked for."""

    folder: Path
    data: Path
    secret: str
    http: aiohttp.ClientSession
    workers: list[Worker]
    postgres: Postgres | None = None
    proxy: Proxy | None = None
    disk: Disk | None = None

    @property
    def urls(self) -> list[str]:
        return [worker.url for worker in self.workers]

    @property
    def name(self) -> str:
        return "PostgreSQL" if self.postgres else "SQLite"

    def database(self) -> Database:
        """Open the database as a worker does, with the keys of the workers' data folder; the caller closes it."""
        before = os.environ.get(DATA)
        os.environ[DATA] = str(self.data)
        try:
            if self.postgres is None:
                return Database.in_folder(self.data)
            return Database(self.postgres.url, keys=self.postgres.url_of("keys"))
        finally:
            del os.environ[DATA]
            if before is not None:
                os.environ[DATA] = before

    async def ready(self) -> float:
        """Wait until every worker is ready; return the seconds that the last one took."""
        return max(await asyncio.gather(*(worker.ready(self.http) for worker in self.workers)))

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Within the block, start again whatever worker ends, as systemd or Kubernetes would."""

        async def watch() -> None:
            while True:
                for worker in self.workers:
                    if not worker.alive:
                        worker.start()
                await asyncio.sleep(RESTART_SECONDS)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


@asynccontextmanager
async def stack(
    kind: str, *, workers: int = 2, through_proxy: bool = False, small_disk: int = 0, **environment: str
) -> AsyncIterator[Stack]:
    """Start workers on `kind`, "postgresql" or "sqlite"; yields them ready, and stops all of it after.

    `small_disk` puts the database on a disk of its own of so many MiB, which needs root.
    """
    folder, data = _folders()
    secret, postgres, proxy = new_secret(), None, None
    made: list[Worker] = []
    disk = None
    try:
        if small_disk:
            disk = Disk(folder / "postgres" if kind == "postgresql" else data, small_disk)
        if kind == "postgresql":
            postgres = Postgres(folder / "postgres", small=bool(small_disk))
            await asyncio.to_thread(postgres.create)
            port = None
            if through_proxy:
                proxy = Proxy(postgres.socket)
                port = await proxy.start()
            environment["PLATEAU_DATABASE"] = postgres.url_of("plateau", port)
            environment["PLATEAU_KEYS"] = postgres.url_of("keys", port)
        settings = worker_environment(data, secret, **environment)
        made = [Worker(f"worker-{number}", folder, settings) for number in range(1, workers + 1)]
        async with client() as http:
            running = Stack(folder, data, secret, http, made, postgres, proxy, disk)
            for worker in made:
                worker.start()
            await running.ready()
            yield running
    finally:
        for worker in made:
            with suppress(AssertionError):
                await worker.stop()
        if proxy is not None:
            await proxy.close()
        if postgres is not None:
            await asyncio.to_thread(postgres.stop, "immediate")
        if disk is not None:
            disk.close()
        shutil.rmtree(folder, ignore_errors=True)


def _folders() -> tuple[Path, Path]:
    """Make a folder for one run and, in it, the workers' data folder."""
    folder = Path(tempfile.mkdtemp(prefix="plateau-reliability-"))
    # The database server is another user.
    folder.chmod(0o755)
    data = folder / "workers"
    data.mkdir(mode=0o700)
    return folder, data
