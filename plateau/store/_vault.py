"""The key store: one wrapped data key for each conversation, in a database of its own that dumps do not hold."""

from __future__ import annotations

import hmac
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, delete, func, insert, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from ._backup import checked_manifest, load, write
from ._columns import Identifier, UtcDateTime
from ._engines import checked, engine_of, snapshot, translated
from ._errors import StoreError
from ._masters import FILE_NAME as MASTER_FILE
from ._masters import VARIABLE as MASTER_VARIABLE
from ._masters import Masters
from ._sealing import KEY_BYTES, DataKey

VARIABLE = "PLATEAU_KEYS"
DATA_VARIABLE, DATA_FOLDER = "PLATEAU_DATA", "var"
CACHED = 5_000
BATCH = 500
# Any number will do, as long as every worker takes the same one while the tables are made.
TABLES_LOCK = 7_528_285
# The one key that is no conversation's: the audit trail's.
AUDIT_KEY = "audit"
KEYS = "keys"
FIRST_LINK = bytes(32)

metadata = MetaData()
data_keys = Table(
    "data_keys",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("master", Identifier, nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
# Whose keys these are: the id of the one installation, which its database holds too.
owner = Table("owner", metadata, Column("installation", Identifier, primary_key=True))
# The last entry of the audit trail, so that cutting off its end shows.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("link", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)


@dataclass(slots=True)
class Work:
    """What one transaction of the main database leaves to do with the key store, and its audit entries to come.

    `made` are new keys, of no use if it fails; `gone` are keys to destroy once it is committed. `locked` are rows that
    it has locked and that nobody else can change until it ends, by conversation.
    """

    vault: Vault
    made: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    head: tuple[int, bytes] | None = None
    locked: dict[str, Any] = field(default_factory=dict)


class Vault:
    """The data keys of one database; every method raises StoreError when the key store cannot be used."""

    def __init__(self, url: Any, masters: Masters) -> None:
        self._url, self.masters = url, masters
        self._engine = engine_of(url)
        self._reader = self._engine.execution_options(sqlite_begin="BEGIN")
        self._cache: OrderedDict[str, DataKey] = OrderedDict()
        self._guard = threading.Lock()

    def upgrade(self) -> None:
        """Make the tables and the master key where there are none; raises StoreError when a master key is missing."""
        if self._url.get_backend_name() == "sqlite":
            self._pragma("journal_mode = WAL")
        with self._writing() as connection:
            if self._url.get_backend_name() == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TABLES_LOCK})")
            if inspect(connection).has_table("conversations"):
                raise StoreError(f"{VARIABLE}: names the database of the conversations; allowed: {ALLOWED}")
            metadata.create_all(connection)
            wrapped_by = connection.execute(select(data_keys.c.master).distinct()).scalars().all()
            self.masters.load(make=not wrapped_by)
            for master in wrapped_by:
                self.masters.get(master)
            if not connection.execute(select(data_keys.c.id).where(data_keys.c.id == AUDIT_KEY)).first():
                raw = self._insert(connection, AUDIT_KEY)
                head = self._signed(DataKey(raw), 0, FIRST_LINK)
                connection.execute(insert(audit_head).values(id=1, **head))

    def owner(self) -> str | None:
        """Return the id of the installation whose keys these are; None while there is none."""
        with self._reading() as connection:
            found: str | None = connection.execute(select(owner.c.installation)).scalar_one_or_none()
        return found

    def known_owner(self) -> str | None:
        """Return the owner, also where the key store has no tables yet."""
        with self._reading() as connection:
            there = inspect(connection).has_table(owner.name)
        return self.owner() if there else None

    def bind(self, installation: str) -> None:
        """Tie the key store to one installation; raises StoreError when it is another's."""
        with self._writing() as connection:
            known = connection.execute(select(owner.c.installation)).scalar_one_or_none()
            if known is None:
                connection.execute(insert(owner).values(installation=installation))
            elif known != installation:
                raise StoreError(f"{VARIABLE}: holds the keys of another database than this; nothing was changed")

    # Data keys

    def create(self) -> tuple[str, DataKey]:
        """Return a new data key and its id; it is on disk before anything is sealed with it."""
        return self.create_many(1)[0]

    def create_many(self, number: int) -> list[tuple[str, DataKey]]:
        """Return new data keys and their ids, all on disk."""
        ids = [secrets.token_hex(16) for _ in range(number)]
        with self._writing() as connection:
            made = [(key_id, DataKey(self._insert(connection, key_id))) for key_id in ids]
        for key_id, key in made:
            self._keep(key_id, key)
        return made

    def key(self, key_id: str) -> DataKey | None:
        """Return a data key; None when it was destroyed, and with it all that was sealed."""
        with self._guard:
            if key_id in self._cache:
                self._cache.move_to_end(key_id)
                return self._cache[key_id]
        with self._reading() as connection:
            found = select(data_keys.c.master, data_keys.c.wrapped).where(data_keys.c.id == key_id)
            row = connection.execute(found).one_or_none()
        if row is None:
            return None
        key = DataKey(self.masters.get(row.master).unwrap(row.wrapped, key_id))
        self._keep(key_id, key)
        return key

    def destroy(self, key_ids: Iterable[str]) -> None:
        """Destroy data keys for good; what they sealed cannot be read again, here or in any backup."""
        ids = [key_id for key_id in key_ids if key_id != AUDIT_KEY]
        if not ids:
            return
        with self._guard:
            for key_id in ids:
                self._cache.pop(key_id, None)
        with self._writing() as connection:
            connection.execute(delete(data_keys).where(data_keys.c.id.in_(ids)))

    def _insert(self, connection: Any, key_id: str) -> bytes:
        raw, master = secrets.token_bytes(KEY_BYTES), self.masters.first
        row = {"id": key_id, "master": master.id, "wrapped": master.wrap(raw, key_id), "created_at": datetime.now(UTC)}
        connection.execute(insert(data_keys).values(row))
        return raw

    def _keep(self, key_id: str, key: DataKey) -> None:
        with self._guard:
            self._cache[key_id] = key
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)

    # Rotation

    def rewrap(self, limit: int = BATCH) -> int:
        """Wrap up to `limit` data keys, that another master key wraps, with the first one; return how many."""
        first = self.masters.first
        others = select(data_keys).where(data_keys.c.master != first.id).order_by(data_keys.c.id).limit(limit)
        with self._writing() as connection:
            rows = connection.execute(others.with_for_update()).all()
            for row in rows:
                raw = self.masters.get(row.master).unwrap(row.wrapped, row.id)
                again = update(data_keys).where(data_keys.c.id == row.id)
                connection.execute(again.values(master=first.id, wrapped=first.wrap(raw, row.id)))
        return len(rows)

    def counts(self) -> dict[str, int]:
        """Return how many data keys each master key wraps, by its id; 0 for one that is at hand and wraps none."""
        with self._reading() as connection:
            found = select(data_keys.c.master, func.count()).group_by(data_keys.c.master)
            wrapped = {master: number for master, number in connection.execute(found).all()}
        return {**dict.fromkeys(self.masters.ids, 0), **wrapped}

    # The audit trail's end

    @property
    def chain(self) -> bytes:
        """The key that links the audit trail's entries; raises StoreError when it is gone."""
        key = self.key(AUDIT_KEY)
        if key is None:
            raise StoreError("data_keys: the audit trail's key is missing from the key store")
        return key.chain

    def head(self) -> tuple[int, bytes]:
        """Return number and link of the audit trail's last entry; raises StoreError when they are gone or forged."""
        with self._reading() as connection:
            row = connection.execute(select(audit_head).where(audit_head.c.id == 1)).one_or_none()
        if row is None or not hmac.compare_digest(_signature(self.chain, row.seq, row.link), bytes(row.signature)):
            raise StoreError("audit_head: is missing from the key store, or was changed")
        return row.seq, bytes(row.link)

    def move_head(self, seq: int, link: bytes) -> None:
        """Record a later end of the audit trail; never an earlier one."""
        later = update(audit_head).where(audit_head.c.id == 1, audit_head.c.seq < seq)
        signature = _signature(self.chain, seq, link)
        with self._writing() as connection:
            connection.execute(later.values(seq=seq, link=link, signature=signature))

    def _signed(self, key: DataKey, seq: int, link: bytes) -> dict[str, Any]:
        return {"seq": seq, "link": link, "signature": _signature(key.chain, seq, link)}

    # Backups

    def backup(self, file: Path) -> dict[str, Any]:
        """Write the wrapped keys to the new `file`, of no use without the master key; return its manifest."""
        with self._errors(), snapshot(self._reader) as connection:
            return write(connection, KEYS, file, None)

    def restore(self, file: Path) -> dict[str, Any]:
        """Take the keys of a backup into a key store that has none yet; raises StoreError, with nothing changed."""
        manifest = checked_manifest(file, KEYS)
        with self._writing() as connection:
            metadata.create_all(connection)
            if connection.execute(select(data_keys.c.id).where(data_keys.c.id != AUDIT_KEY).limit(1)).first():
                raise StoreError(f"{VARIABLE}: has keys already; allowed: a key store without any")
            for table in (data_keys, owner, audit_head):
                connection.execute(table.delete())
            load(connection, file, manifest)
            self.masters.load(make=False)
            for master in connection.execute(select(data_keys.c.master).distinct()).scalars():
                self.masters.get(master)
        self.forget_cached()
        return manifest

    def missing(self, key_ids: Iterable[str]) -> int:
        """Return how many of these keys were destroyed."""
        ids, found = list(key_ids), 0
        with self._reading() as connection:
            for start in range(0, len(ids), BATCH):
                some = data_keys.c.id.in_(ids[start : start + BATCH])
                found += connection.execute(select(func.count()).select_from(data_keys).where(some)).scalar_one()
        return len(ids) - found

    # The key store itself

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a connection that only reads: one consistent picture of the key store."""
        with self._reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a connection in a transaction, as for restoring keys."""
        with self._writing() as connection:
            yield connection

    def forget_cached(self) -> None:
        """Drop the keys held in memory."""
        with self._guard:
            self._cache.clear()

    def scrub(self) -> None:
        """Leave no bytes of destroyed keys in SQLite's write-ahead log."""
        if self._url.get_backend_name() == "sqlite":
            self._pragma("wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection and drop the keys held in memory."""
        self._engine.dispose()
        self.forget_cached()

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with self._errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        with self._errors(), self._reader.begin() as connection:
            yield connection

    def _pragma(self, pragma: str) -> None:
        with self._errors(), self._engine.execution_options(sqlite_begin=None).connect() as connection:
            connection.exec_driver_sql(f"PRAGMA {pragma}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise translated(error, f"{VARIABLE} {self._url.render_as_string(hide_password=True)}") from None


ALLOWED = "the URL of a database of its own, postgresql://user:password@host/keys or sqlite:////folder/keys.db"


def vault_for(database: Any, keys: str | None = None, master: str | None = None) -> Vault:
    """Return the key store of the database at URL `database`.

    `keys` is its URL and `master` its master keys; without them, PLATEAU_KEYS and PLATEAU_MASTER_KEY. Beside an SQLite
    database it is a file of its own, unless it is named. Raises StoreError where it must be named.
    """
    named = keys or os.environ.get(VARIABLE)
    sqlite = database.get_backend_name() == "sqlite"
    if not named and not sqlite:
        raise StoreError(f"{VARIABLE}: is missing, which a PostgreSQL database needs; allowed: {ALLOWED}")
    try:
        url = checked(named or f"sqlite:///{_beside(Path(database.database))}")
    except StoreError as error:
        raise StoreError(f"{VARIABLE}: {error}") from None
    if _place(url) == _place(database):
        raise StoreError(f"{VARIABLE}: names the database of the conversations; allowed: {ALLOWED}")
    folder = Path(database.database).parent if sqlite else Path(os.environ.get(DATA_VARIABLE) or DATA_FOLDER)
    return Vault(url, Masters(master or os.environ.get(MASTER_VARIABLE), folder / MASTER_FILE))


def _beside(database: Path) -> Path:
    return database.with_name("keys.db" if database.stem == "plateau" else f"{database.stem}.keys.db")


def _place(url: Any) -> tuple[str | None, ...]:
    """Return what makes two URLs name the same tables."""
    if url.get_backend_name() == "sqlite":
        return ("sqlite", str(Path(url.database).resolve()))
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port") or 5432
    return ("postgresql", host, str(port), url.database, url.query.get("options"))


def _signature(chain: bytes, seq: int, link: bytes) -> bytes:
    return hmac.digest(chain, b"head %d " % seq + bytes(link), "sha256")
