"""Opens the database, brings it to the newest schema and runs transactions on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool

from ._errors import Conflict, StoreError
from ._locks import AdvisoryLocks, FileLocks

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
FILE_NAME = "plateau.db"
LOCKS_SUFFIX = "-locks"
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg2")
POOL_SIZE = 5
BUSY_SECONDS = 30
CONNECT_SECONDS = 5
# serialization_failure and deadlock_detected: the other transaction won.
LOST_RACES = ("40001", "40P01")
# Any number will do, as long as every worker takes the same one while the schema changes.
UPGRADE_LOCK = 7_528_283


class Database:
    """An SQLite file (`sqlite:////folder/plateau.db`) or a PostgreSQL database (`postgresql://...`).

    Raises StoreError for a URL of any other kind. Every method raises StoreError when the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self.dialect: str = self._url.get_backend_name()
        self._engine = _engine(self._url)
        self._reader = self._engine.execution_options(sqlite_begin="BEGIN")
        # SQLite has one writer at a time: queueing for one warm connection beats its sleep-and-retry between threads.
        workers = 1 if self.dialect == "sqlite" else POOL_SIZE
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="plateau-store")
        self._locks = _locks_of(self._url, self._engine)

    @classmethod
    def in_folder(cls, folder: Path | str) -> Database:
        """Return the SQLite database `plateau.db` in `folder`, which is made if it is missing."""
        return cls(f"sqlite:///{Path(folder).absolute() / FILE_NAME}")

    def upgrade(self) -> None:
        """Bring the schema to the newest version; safe to call from several workers at once, and again."""
        with self._alone():
            if self.dialect == "sqlite":
                # Readers and a writer then work side by side. The file remembers; switching needs it to itself.
                self._pragma("journal_mode = WAL")
            with self._migration() as config:
                command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session that may write: committed at the end of the block, rolled back on any exception."""
        with self._errors(), Session(self._engine, future=True) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that only reads, and so never waits for a writer."""
        with self._errors(), Session(self._reader, future=True) as session, session.begin():
            yield session

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run `work(session)` as one transaction in a database thread; the event loop goes on meanwhile."""
        return await self._in_thread(lambda: _within(self.transaction, work))

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run `work(session)`, which only reads, in a database thread."""
        return await self._in_thread(lambda: _within(self.reading, work))

    def alone(self, conversation_id: str, seconds: float) -> AbstractAsyncContextManager[None]:
        """Hold the conversation's lock, which no other worker has meanwhile; the event loop goes on.

        Raises StoreError when another worker still holds it after that many seconds.
        """
        return self._locks.hold(conversation_id, seconds)

    def scrub(self) -> None:
        """Leave no bytes of erased rows in SQLite's write-ahead log (PostgreSQL's vacuum is the server's own)."""
        if self.dialect == "sqlite":
            self._pragma("wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Wait for work under way, then close every connection."""
        self._threads.shutdown()
        self._locks.close()
        self._engine.dispose()

    async def _in_thread(self, job: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, job)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold a lock on SQLite's folder; PostgreSQL's is taken inside the migration's transaction."""
        if self.dialect != "sqlite":
            yield
            return
        # Not on the file: closing it would drop the locks of this process's other connections.
        folder = os.open(Path(self._url.database).parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _pragma(self, pragma: str) -> None:
        """Run an SQLite command that must not be inside a transaction."""
        bare = self._engine.execution_options(sqlite_begin=None)
        with self._errors(), bare.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA {pragma}")

    @contextmanager
    def _migration(self) -> Iterator[Config]:
        """Yield an Alembic configuration bound to one open transaction, which no other worker shares."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        # Rebuilding an SQLite table drops the old one, which enforced foreign keys would forbid.
        engine = _engine(self._url, poolclass=NullPool, foreign_keys=False)
        with self._errors(), engine.begin() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
            config.attributes["connection"] = connection
            yield config

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the database's exceptions, whose texts may quote a patient, into ours."""
        try:
            yield
        except SQLAlchemyError as error:
            raise _translated(error, self._url.render_as_string(hide_password=True)) from None


def _within(opened: Callable[[], Any], work: Callable[[Session], T]) -> T:
    with opened() as session:
        return work(session)


def _checked(url: str) -> Any:
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
        _private_file(Path(parsed.database))
    return parsed


def _locks_of(url: Any, engine: Any) -> AdvisoryLocks | FileLocks:
    if url.get_backend_name() == "postgresql":
        return AdvisoryLocks(engine)
    return FileLocks(Path(f"{url.database}{LOCKS_SUFFIX}"))


def _private_file(path: Path) -> None:
    """Create `path` readable by its owner only; SQLite gives its log files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path}: the database file cannot be opened ({error.strerror})") from None


def _engine(url: Any, poolclass: Any = QueuePool, foreign_keys: bool = True) -> Any:
    options: dict[str, Any] = {"future": True, "hide_parameters": True, "poolclass": poolclass}
    if poolclass is QueuePool:
        options |= {"pool_size": POOL_SIZE, "max_overflow": POOL_SIZE, "pool_use_lifo": True}
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}, **options)
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


def _translated(error: SQLAlchemyError, name: str) -> StoreError:
    """Return our error for `error`: its kind and code, without the statement, its values or the server's detail."""
    cause = getattr(error, "orig", None)
    if isinstance(error, StatementError) and isinstance(cause, StoreError):
        return cause
    code = getattr(cause, "pgcode", None) or getattr(cause, "sqlite_errorname", None)
    kind = f"{type(error).__name__}, {code}" if code else type(error).__name__
    if code in LOST_RACES:
        return Conflict(f"{name}: another transaction was first ({kind})")
    return StoreError(f"{name}: the database failed ({kind})")
