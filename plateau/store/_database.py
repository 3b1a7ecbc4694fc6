"""Opens the database, brings it to the newest schema and runs transactions on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import delete, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from ._audit import RESTORE, add_entry, write_entries
from ._backup import checked_manifest, filled, installation_of, load, write
from ._engines import POOL_SIZE, checked, engine_of, impatient, snapshot, translated
from ._errors import StoreError
from ._locks import AdvisoryLocks, FileLocks
from ._models import Audit, Conversation, Erasure, Installation
from ._vault import KEYS, Work, vault_for

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
FILE_NAME = "plateau.db"
LOCKS_SUFFIX = "-locks"
# Where the work that a transaction leaves for the key store stands in its session.
WORK = "plateau"
# What a backup is of.
DATA = "data"
# Any number will do, as long as every worker takes the same one while the schema changes.
UPGRADE_LOCK = 7_528_283


class Database:
    """An SQLite file (`sqlite:////folder/plateau.db`) or a PostgreSQL database (`postgresql://...`).

    What patients say and are told is sealed in it, with keys from the key store `vault`: `keys` is its URL and `master`
    its master keys, else PLATEAU_KEYS and PLATEAU_MASTER_KEY say; beside an SQLite file it is `keys.db`.

    Raises StoreError for a URL of any other kind, and for PostgreSQL without a key store. Every method raises it when
    the database or the key store cannot be used.
    """

    def __init__(self, url: str, *, keys: str | None = None, master: str | None = None) -> None:
        self._url = checked(url)
        self.dialect: str = self._url.get_backend_name()
        self.vault = vault_for(self._url, keys, master)
        self._engine = engine_of(self._url)
        self._reader = self._engine.execution_options(sqlite_begin="BEGIN")
        alone = {"isolation_level": "AUTOCOMMIT"} if self.dialect == "postgresql" else {}
        self._stepwise = self._engine.execution_options(**alone)
        # SQLite has one writer at a time: queueing for one warm connection beats its sleep-and-retry between threads.
        workers = 1 if self.dialect == "sqlite" else POOL_SIZE
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="plateau-store")
        self._locks = _locks_of(self._url, self._engine)
        # Told of every failure, in the thread where it happened.
        self.on_error: Callable[[StoreError], None] | None = None

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
            self.vault.upgrade()
            with self._migration() as config:
                command.upgrade(config, "head")
            with self.reading() as session:
                installation = session.execute(select(Installation.id)).scalar_one()
            self.vault.bind(installation)
            # What an older version kept in clear must not live on in the log.
            if self.dialect == "sqlite":
                self._pragma("wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session that may write: committed at the end of the block, rolled back on any exception."""
        work, failed = Work(self.vault), False
        try:
            with self._errors(), Session(self._engine, future=True, info={WORK: work}) as session, session.begin():
                try:
                    yield session
                    # Last, so that the audit trail's lock is never held while waiting for another.
                    write_entries(session, work)
                except BaseException:
                    failed = True
                    raise
        finally:
            # Not after a commit that failed: it may have been done all the same, and its rows need their keys.
            if failed and work.made:
                with suppress(StoreError):
                    self.vault.destroy(work.made)
        self._finish(work)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that only reads, and so never waits for a writer."""
        info = {WORK: Work(self.vault)}
        with self._errors(), Session(self._reader, future=True, info=info) as session, session.begin():
            yield session

    @contextmanager
    def steps(self) -> Iterator[Session]:
        """Yield a session whose every statement is committed by itself: no BEGIN and COMMIT on the way to PostgreSQL.

        For statements that need no transaction around them; SQLite, to which there is no way, has one all the same.
        """
        info = {WORK: Work(self.vault)}
        with self._errors(), Session(self._stepwise, future=True, info=info) as session, session.begin():
            yield session

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run `work(session)` as one transaction in a database thread; the event loop goes on meanwhile."""
        return await self._in_thread(lambda: _within(self.transaction, work))

    async def step(self, work: Callable[[Session], T]) -> T:
        """Run `work(session)` in a database thread, each of its statements committed by itself."""
        return await self._in_thread(lambda: _within(self.steps, work))

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run `work(session)`, which only reads, in a database thread."""
        return await self._in_thread(lambda: _within(self.reading, work))

    def alone(self, conversation_id: str, seconds: float) -> AbstractAsyncContextManager[None]:
        """Hold the conversation's lock, which no other worker has meanwhile; the event loop goes on.

        Raises StoreError when another worker still holds it after that many seconds.
        """
        return self._locks.hold(conversation_id, seconds)

    def finish_erasures(self) -> int:
        """Destroy the keys of what was erased, where that failed or a crash came between; return how many."""
        with self.reading() as session:
            gone = list(session.execute(select(Erasure.key_id)).scalars())
        if gone:
            self._destroy(gone)
        return len(gone)

    def scrub(self) -> None:
        """Finish erasures, and leave no bytes of them in SQLite's logs (PostgreSQL's vacuum is the server's own)."""
        self.finish_erasures()
        if self.dialect == "sqlite":
            self._pragma("wal_checkpoint(TRUNCATE)")
        self.vault.scrub()

    def backup(self, file: Path) -> dict[str, Any]:
        """Write every row to the new `file`, while the database is in use, and return the manifest."""
        with self.transaction() as session:
            add_entry(session, "backup", of=DATA)
        with self._errors(), snapshot(self._reader) as connection:
            return write(connection, DATA, file, _version(connection))

    def backup_keys(self, file: Path) -> dict[str, Any]:
        """Write the wrapped keys to the new `file`, to be kept apart from the other; return the manifest."""
        with self.transaction() as session:
            add_entry(session, "backup", of=KEYS)
        return self.vault.backup(file)

    def restore(self, file: Path) -> dict[str, int]:
        """Take the rows of a backup into a database that has none, bring them to the newest schema, and count them.

        `erased_since` counts conversations whose key was destroyed after the backup: they are not there to be read.
        The key store must be the one that belongs to the backup. Raises StoreError, with nothing changed.
        """
        manifest = checked_manifest(file, DATA)
        whose = installation_of(file, manifest)
        with self._alone():
            if whose is not None and (mine := self.vault.known_owner()) != whose:
                told = "has no keys yet: restore them first" if mine is None else "holds the keys of another database"
                raise StoreError(f"PLATEAU_KEYS: {told}; nothing was changed")
            self.vault.upgrade()
            with self._migration() as config:
                connection = config.attributes["connection"]
                if rows := filled(connection):
                    raise StoreError(f"the database is not empty: there are rows in {', '.join(rows)}")
                _to_version(config, manifest["schema"], file)
                load(connection, file, manifest)
        self.upgrade()
        with self.transaction() as session:
            last = session.execute(select(func.max(Audit.seq))).scalar_one() or 0
            add_entry(session, RESTORE, after=last, made_at=manifest["made_at"])
            keys = list(session.execute(select(Conversation.key_id)).scalars())
        rows_now = sum(told["rows"] for told in manifest["tables"].values())
        return {"rows": rows_now, "conversations": len(keys), "erased_since": self.vault.missing(keys)}

    def close(self) -> None:
        """Wait for work under way, then close every connection."""
        self._threads.shutdown()
        self._locks.close()
        self._engine.dispose()
        self.vault.close()

    def _finish(self, work: Work) -> None:
        """Do in the key store what a committed transaction left to do there; it is done later if that fails."""
        with suppress(StoreError):
            if work.gone:
                self._destroy(work.gone)
        with suppress(StoreError):
            if work.head:
                self.vault.move_head(*work.head)

    def _destroy(self, gone: list[str]) -> None:
        """Destroy keys, then strike them off the list of those to destroy."""
        self.vault.destroy(gone)
        with self._errors(), Session(self._engine, future=True) as session, session.begin():
            session.execute(
                delete(Erasure).where(Erasure.key_id.in_(gone)).execution_options(synchronize_session=False)
            )

    async def _in_thread(self, job: Callable[[], T]) -> T:
        def soon() -> T:
            with impatient():
                return job()

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, soon)

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
        engine = engine_of(self._url, poolclass=NullPool, foreign_keys=False)
        with self._errors(), engine.begin() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
            config.attributes["connection"] = connection
            config.attributes["vault"] = self.vault
            yield config

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the database's exceptions, whose texts may quote a patient, into ours."""
        try:
            yield
        except SQLAlchemyError as error:
            failure = translated(error, self._url.render_as_string(hide_password=True))
            if self.on_error is not None:
                self.on_error(failure)
            raise failure from None


def _within(opened: Callable[[], Any], work: Callable[[Session], T]) -> T:
    with opened() as session:
        return work(session)


def _version(connection: Any) -> str | None:
    """Return the version of the schema; None for a database without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def _to_version(config: Config, wanted: str, file: Path) -> None:
    """Bring tables without rows to a backup's schema, up or down; raises StoreError when it is none of ours."""
    now = _version(config.attributes["connection"])
    if now == wanted:
        return
    try:
        (command.downgrade if now is not None and now > wanted else command.upgrade)(config, wanted)
    except CommandError:
        raise StoreError(f"{file}: was made by a newer version, with schema {wanted}; allowed: up to ours") from None


def _locks_of(url: Any, engine: Any) -> AdvisoryLocks | FileLocks:
    if url.get_backend_name() == "postgresql":
        return AdvisoryLocks(engine)
    return FileLocks(Path(f"{url.database}{LOCKS_SUFFIX}"))
