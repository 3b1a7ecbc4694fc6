"""Opening, upgrading, transactions, and errors that quote nobody."""

from __future__ import annotations

import json
import stat
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, inspect, select, text

from plateau.store import Conflict, Database, Repository, StoreError
from plateau.store._models import metadata

CANARY = "numb-between-the-legs"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mysql://host/name", "mysql"),
        ("postgres://host/name", "postgres"),
        ("postgresql+asyncpg://host/name", "asyncpg"),
        ("nonsense", "cannot be read"),
        ("", "cannot be read"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///file:shared?mode=memory&uri=true", "needs a file"),
    ],
)
def test_url_is_refused(url: str, named: str) -> None:
    with pytest.raises(StoreError, match=named) as caught:
        Database(url)
    assert "sqlite:////folder/file.db or postgresql://" in str(caught.value)


def test_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    with pytest.raises(StoreError, match=r"taken/plateau\.db: the database file cannot be opened"):
        Database.in_folder(tmp_path / "taken")


def test_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "plateau.db").write_text(CANARY * 100)
    database = Database.in_folder(tmp_path)
    with pytest.raises(StoreError, match="DatabaseError, SQLITE_NOTADB"):
        database.upgrade()
    database.close()


def test_server_that_is_not_there_keeps_the_password_out() -> None:
    database = Database("postgresql://user:secret@127.0.0.1:1/name", keys="postgresql://user:secret@127.0.0.1:1/keys")
    with pytest.raises(StoreError, match="OperationalError") as caught, database.reading() as session:
        session.execute(text("SELECT 1"))
    database.close()
    assert "secret" not in str(caught.value)


def test_folder_and_files_are_the_owners_only(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path / "var")
    database.upgrade()
    with database.transaction() as session:
        Repository(session).save_consent("c1", "given")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "var").iterdir()}
    database.close()
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    databases = [f"{name}.db{end}" for name in ("plateau", "keys") for end in ("", "-wal", "-shm")]
    assert modes == dict.fromkeys([*databases, "plateau.db-locks", "master.key"], 0o600)


def test_sqlite_settings(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.upgrade()
    with database.reading() as session:
        settings = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous", "secure_delete")
        }
    database.close()
    assert settings == {
        "journal_mode": "wal",
        "busy_timeout": 30_000,
        "foreign_keys": 1,
        "synchronous": 2,
        "secure_delete": 1,
    }


def test_migrations_up_down_up(database: Database) -> None:
    upgraded = _tables(database)
    with database._migration() as config:
        command.downgrade(config, "base")
    assert _tables(database) == {"alembic_version"}
    database.upgrade()
    assert _tables(database) == upgraded == {*metadata.tables, "alembic_version"}


# One row of each table of 0001, as its code wrote them; SQLite keeps times as text.
AT = datetime(2026, 11, 23, 12)
SINCE = ("codes", "links", "inbox", "contacts", "outbox", "notices")
FIRST_ROWS: dict[str, dict[str, Any]] = {
    "patients": {"id": "p1", "created_at": AT},
    "conversations": {
        "id": "c1",
        "patient_id": "p1",
        "consent_state": "given",
        "consent_version": "1",
        "consent_at": AT,
        "version": 1,
        "session_seq": 0,
        "created_at": AT,
        "updated_at": AT,
    },
    "events": {
        "conversation_id": "c1",
        "seq": 0,
        "type": "user",
        "timestamp": AT,
        "data": json.dumps({"event": "user", "timestamp": AT.replace(tzinfo=UTC).timestamp()}, separators=(",", ":")),
    },
    "reevaluations": {
        "id": 1,
        "patient_id": "p1",
        "conversation_id": "c1",
        "run": 1,
        "started_at": AT,
        "finished_at": AT,
    },
    "answers": {"reevaluation_id": 1, "question": "goal", "value": '"stairs"'},
    "findings": {"reevaluation_id": 1, "position": 0, "rule": "r", "because": "[]", "source": '"s"'},
    "plans": {"reevaluation_id": 1, "assessment": '{"tier":"none"}', "rules_version": "1", "created_at": AT},
    "turns": {"conversation_id": "c1", "client_message_id": "m1", "version": 1, "reply": "{}", "created_at": AT},
}


def test_rows_of_the_first_version_live_through_upgrade_and_downgrade(database: Database) -> None:
    newest = _schema(database)
    _migrate(database, "0001")
    first = _schema(database)
    with database.transaction() as session:
        tables = MetaData()
        tables.reflect(session.connection())
        for name, row in FIRST_ROWS.items():
            session.execute(tables.tables[name].insert(), [row])
    before = _dump(database)
    assert {name: len(rows) for name, rows in before.items()} == dict.fromkeys(FIRST_ROWS, 1)

    database.upgrade()
    assert _schema(database) == newest
    with database.transaction() as session:
        repository = Repository(session)
        row = repository.latest("p1")
        assert row is not None
        assert (row.answers, row.said, row.assessment) == ({"goal": "stairs"}, {}, {"tier": "none"})
        repository.save_reevaluation("c1", {"goal": "stairs"}, said={"goal": CANARY})
        repository.save_code("p1", "d1", datetime.now(UTC))
        repository.save_link("c1", 1, "plan", "d2", datetime.now(UTC))

    _migrate(database, "0001")
    assert _schema(database) == first
    assert _dump(database) == before
    database.upgrade()
    with database.transaction() as session:
        stored = Repository(session).reevaluation("c1")
        assert stored is not None and stored.said == {}
        assert Repository(session).forget("c1") == {**dict.fromkeys(FIRST_ROWS, 1), **dict.fromkeys(SINCE, 0)}


def test_database_refuses_a_link_of_another_kind(database: Database) -> None:
    with database.transaction() as session:
        Repository(session).save_consent("c1", "given")
    columns = "digest, conversation_id, run, kind, created_at, expires_at"
    link = f"INSERT INTO links ({columns}) VALUES ('d1', 'c1', 1, 'diary', '2026-11-23', '2026-11-24')"  # noqa: S608
    with pytest.raises(StoreError, match="IntegrityError"), database.transaction() as session:
        session.execute(text(link))


def test_upgrade_again_keeps_the_rows(database: Database) -> None:
    with database.transaction() as session:
        Repository(session).save_consent("c1", "given")
    database.upgrade()
    with database.reading() as session:
        assert Repository(session).consent("c1") == "given"


def test_workers_that_start_together_upgrade_once(url: str) -> None:
    workers = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Database.upgrade, workers))
    assert _tables(workers[0]) == {*metadata.tables, "alembic_version"}
    for worker in workers:
        worker.close()


def test_tables_are_the_models(database: Database) -> None:
    with database._migration() as config:
        command.check(config)


def test_every_constraint_has_a_name(database: Database) -> None:
    assert all(constraint.name for table in metadata.tables.values() for constraint in table.constraints)
    with database.reading() as session:
        found = inspect(session.connection())
        for table in metadata.tables:
            keys = [
                found.get_pk_constraint(table),
                *found.get_foreign_keys(table),
                *found.get_unique_constraints(table),
            ]
            assert all(key["name"] for key in keys), table


def test_transaction_is_whole_or_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="halfway"), database.transaction() as session:
        Repository(session).save_consent("c1", "given")
        raise RuntimeError("halfway")
    with database.reading() as session:
        assert Repository(session).consent("c1") == "pending"


def test_errors_quote_no_value(database: Database) -> None:
    with pytest.raises(StoreError, match="IntegrityError") as caught, database.transaction() as session:
        session.execute(text("INSERT INTO patients (id, created_at) VALUES (:id, NULL)"), {"id": CANARY})
    told = "".join(traceback.format_exception(caught.value))
    assert CANARY not in told and "INSERT" not in told


def test_lost_race_of_the_database_is_a_conflict(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    with pytest.raises(Conflict), database.transaction() as session:
        session.execute(text("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))


def test_scrub_leaves_no_bytes_of_what_was_forgotten(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.upgrade()
    with database.transaction() as session:
        Repository(session).save_reevaluation("c1", {"goal": CANARY * 2000, "better": CANARY})
        found = session.execute(text("SELECT sealed FROM answers")).scalars().all()
    with database.vault.reading() as keys:
        found += keys.execute(text("SELECT wrapped FROM data_keys WHERE id != 'audit'")).scalars().all()
    assert len(found) == 3 and all(_kept(tmp_path, part) for part in found)
    with database.transaction() as session:
        Repository(session).forget("c1")
    database.scrub()
    assert not any(_kept(tmp_path, part) for part in found)
    database.close()


def _kept(folder: Path, part: bytes) -> bool:
    """Tell whether a file holds the beginning of these bytes; a page of the database may end within them."""
    return any(part[:40] in path.read_bytes() for path in folder.iterdir())


async def test_work_runs_in_a_thread_and_its_exception_comes_back(database: Database) -> None:
    await database.run(lambda session: Repository(session).save_consent("c1", "declined"))
    assert await database.read(lambda session: Repository(session).consent("c1")) == "declined"
    with pytest.raises(ValueError, match="allowed: pending, given"):
        await database.run(lambda session: Repository(session).save_consent("c1", "maybe"))


def _tables(database: Database) -> set[str]:
    with database.reading() as session:
        return set(inspect(session.connection()).get_table_names())


def _migrate(database: Database, revision: str) -> None:
    """Go down to `revision`."""
    with database._migration() as config:
        command.downgrade(config, revision)


def _dump(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as the driver gives it."""
    with database.reading() as session:
        tables = MetaData()
        tables.reflect(session.connection())
        return {
            name: [dict(row) for row in session.execute(select(table)).mappings()]
            for name, table in tables.tables.items()
            if name != "alembic_version"
        }


def _schema(database: Database) -> dict[str, str]:
    """What the database tells of each table: columns, keys, checks and indexes, in any order."""
    with database.reading() as session:
        found = inspect(session.connection())
        kinds = ("columns", "foreign_keys", "unique_constraints", "check_constraints", "indexes")
        return {
            f"{table} {kind}": str(sorted(json.dumps(one, default=str, sort_keys=True) for one in told))
            for table in found.get_table_names()
            for kind, told in [
                *((kind, getattr(found, f"get_{kind}")(table)) for kind in kinds),
                ("pk", [found.get_pk_constraint(table)]),
            ]
        }
