"""Opens SQLite files and PostgreSQL databases the same careful way, and says what went wrong without quoting anyone."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError, StatementError
from sqlalchemy.pool import QueuePool

from ._errors import Conflict, StoreError

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg2")
POOL_SIZE = 5
BUSY_SECONDS = 30
CONNECT_SECONDS = 5
# A connection that answered so lately is taken to be open; an older one is asked before it is used.
FRESH_SECONDS = 1.0
# How long a turn waits for one answer of the server; a migration, a backup or the command line waits for ever.
ANSWER_SECONDS = 15.0
# serialization_failure and deadlock_detected: the other transaction won.
LOST_RACES = ("40001", "40P01")

# What psycopg2 calls the state of a connection that is not being made any more.
OPEN = (extensions.STATUS_READY, extensions.STATUS_BEGIN, extensions.STATUS_PREPARED)

_answer_within: ContextVar[float | None] = ContextVar("plateau_answer_within", default=None)


@contextmanager
def impatient(seconds: float | None = None) -> Iterator[None]:
    """Within the block a PostgreSQL server that is silent for so long has failed, and its connection is closed.

    Else a peer that has forgotten the connection, as a firewall or a pooler may, would hold this thread for ever.
    """
    token = _answer_within.set(ANSWER_SECONDS if seconds is None else seconds)
    try:
        yield
    finally:
        _answer_within.reset(token)


def _wait(connection: Any) -> None:
    """Wait for libpq as psycopg2's own wait does, with an end; what it raises closes the connection."""
    while (state := connection.poll()) != extensions.POLL_OK:
        seconds = _answer_within.get() if connection.status in OPEN else CONNECT_SECONDS
        file = [connection.fileno()]
        reads, writes = (file, []) if state == extensions.POLL_READ else ([], file)
        if not any(select.select(reads, writes, [], seconds)):
            raise psycopg2.OperationalError(f"no answer within {seconds} seconds")


extensions.set_wait_callback(_wait)


def checked(url: str) -> Any:
    """Return the URL, parsed; raises StoreError for a database that is not supported. Makes an SQLite file."""
    allowed = "sqlite:////folder/file.db or postgresql://user:password@host/name"
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise StoreError(f"the database URL cannot be read; allowed: {allowed}") from None
    if parsed.drivername not in DRIVERS:
        raise StoreError(f"no database of kind {parsed.drivername!r} is supported; allowed: {allowed}")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:") or parsed.database.startswith("file:"):
            raise StoreError(f"SQLite needs a file, as each connection sees its own memory; allowed: {allowed}")
        private_file(Path(parsed.database))
    return parsed


def private_file(path: Path) -> None:
    """Create `path` readable by its owner only; SQLite gives its log files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path}: the database file cannot be opened ({error.strerror})") from None


def engine_of(url: Any, poolclass: Any = QueuePool, foreign_keys: bool = True) -> Any:
    """Return an engine whose errors and logs hold no values, and whose transactions begin when they say so."""
    options: dict[str, Any] = {"future": True, "hide_parameters": True, "poolclass": poolclass}
    if poolclass is QueuePool:
        options |= {"pool_size": POOL_SIZE, "max_overflow": POOL_SIZE, "pool_use_lifo": True}
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS}, **options)
        _ask_the_idle(engine)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **options)

    def opened(connection: Any, _: Any) -> None:
        # The driver must not begin transactions itself: it would begin them too late.
        connection.isolation_level = None
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA secure_delete = ON")

    def begun(connection: Any) -> None:
        # A writer takes its lock first, so that waiting for it is possible; upgrading a read lock later is not.
        begin = connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE")
        if begin:
            connection.exec_driver_sql(begin)

    event.listen(engine, "connect", opened)
    event.listen(engine, "begin", begun)
    return engine


def _ask_the_idle(engine: Any) -> None:
    """Have the pool try a connection before use, as `pool_pre_ping` does, but not one that was just used."""

    def returned(_: Any, record: Any) -> None:
        record.info["returned"] = time.monotonic()

    def taken(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("returned", time.monotonic()) <= FRESH_SECONDS:
            return
        if not engine.dialect.do_ping(connection):
            # The pool then opens another one, and doubts all others.
            raise InvalidatePoolError

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


@contextmanager
def snapshot(engine: Any) -> Iterator[Any]:
    """Yield a connection that sees one picture of the database, however long it reads and whatever is written."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def translated(error: SQLAlchemyError, name: str) -> StoreError:
    """Return our error for `error`: its kind and code, without the statement, its values or the server's detail."""
    cause = getattr(error, "orig", None)
    if isinstance(error, StatementError) and isinstance(cause, StoreError):
        return cause
    code = getattr(cause, "pgcode", None) or getattr(cause, "sqlite_errorname", None)
    kind = f"{type(error).__name__}, {code}" if code else type(error).__name__
    if code in LOST_RACES:
        return Conflict(f"{name}: another transaction was first ({kind})")
    return StoreError(f"{name}: the database failed ({kind})")
