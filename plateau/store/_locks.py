"""One worker at a time in each conversation; a worker that dies, however it dies, holds nothing any more."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from ._engines import impatient
from ._errors import StoreError

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05  # seconds between two tries
# struct flock of Linux: type, whence, start, length, process (0 for locks of an open file).
FLOCK = "hhqqi4x"


class FileLocks:
    """Locks on single bytes of a file beside an SQLite database, a byte for each conversation.

    They belong to the opened file, not to the process, so that two databases opened in one process exclude each other.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @asynccontextmanager
    async def hold(self, name: str, seconds: float) -> AsyncIterator[None]:
        """Hold the lock `name`; raises StoreError when another worker still has it after that many seconds."""
        byte = number_of(name)
        await _until(lambda: _at_once(self._try(byte)), seconds)
        try:
            yield
        finally:
            self._set(fcntl.F_UNLCK, byte)

    def close(self) -> None:
        os.close(self._file)

    def _try(self, byte: int) -> bool:
        try:
            self._set(fcntl.F_WRLCK, byte)
        except BlockingIOError:
            return False
        return True

    def _set(self, kind: int, byte: int) -> None:
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, struct.pack(FLOCK, kind, os.SEEK_SET, byte, 1, 0))


class AdvisoryLocks:
    """PostgreSQL's advisory locks, all held by one connection of this worker's own, in a thread of its own.

    When that connection is lost its locks are free; the guard on each conversation's version then keeps the order.
    A pooler between worker and server must hand out connections by session, not by transaction.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plateau-locks")

    @asynccontextmanager
    async def hold(self, name: str, seconds: float) -> AsyncIterator[None]:
        """Hold the lock `name`; raises StoreError when another worker still has it after that many seconds."""
        number = number_of(name)
        loop = asyncio.get_running_loop()
        try:
            await _until(lambda: loop.run_in_executor(self._thread, self._try, number), seconds)
            yield
        finally:
            # The same thread does one thing after the other: a try that was cancelled is undone by this as well.
            self._thread.submit(self._give_back, number)

    def close(self) -> None:
        self._thread.submit(self._drop)
        self._thread.shutdown()

    def _try(self, number: int) -> bool:
        try:
            with impatient():
                if self._connection is None:
                    self._connection = self._engine.connect()
                got = self._ask("SELECT pg_try_advisory_lock(%s)", number)
        except (SQLAlchemyError, psycopg2.Error) as error:
            self._drop()
            raise StoreError(f"the lock of a conversation cannot be taken ({type(error).__name__})") from None
        return bool(got)

    def _give_back(self, number: int) -> None:
        if self._connection is None:
            return
        try:
            with impatient():
                self._ask("SELECT pg_advisory_unlock(%s)", number)
        except (SQLAlchemyError, psycopg2.Error):
            self._drop()

    def _ask(self, question: str, number: int) -> Any:
        """Ask by the driver itself: twice a turn, SQLAlchemy's part would take longer than the answer."""
        with self._connection.connection.cursor() as cursor:
            cursor.execute(question, (number,))
            return cursor.fetchone()[0]

    def _drop(self) -> None:
        """Close the connection, and with it every lock it holds."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def number_of(name: str) -> int:
    """Return the lock's number, 0 to 2**62 - 1; two names that share one only wait for each other."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2


async def _until(attempt: Callable[[], Any], seconds: float) -> None:
    """Repeat `attempt()`, awaited, until it gives True; raises StoreError after that many seconds."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, FIRST_PAUSE
    while not await attempt():
        if loop.time() >= until:
            raise StoreError("another worker is still busy with this conversation")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _at_once(value: bool) -> bool:
    return value
