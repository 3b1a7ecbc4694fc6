"""Backup, loss, restore: every row is back and opens, on either database; who was erased since stays gone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, select

from plateau.cli import main
from plateau.store import Database, Repository, StoreError, verify
from plateau.store._masters import new_master

WORDS = "canary-in-the-coal-mine"
ASSESSMENT = {"tier": "none", "findings": [], "recommendations": [], "primary": "continue_plan"}


def fill(database: Database, *conversations: str) -> None:
    for conversation in conversations:
        with database.transaction() as session:
            repository = Repository(session)
            repository.append(conversation, None, [{"event": "user", "timestamp": 1.0, "text": WORDS}])
            repository.save_consent(conversation, "given", "1")
            repository.save_reevaluation(conversation, {"goal": WORDS}, ASSESSMENT, patient_id=f"p-{conversation}")
            repository.remember_reply(conversation, "m1", {"text": WORDS})


def rows(url: Any, without: tuple[str, ...] = ("audit",)) -> dict[str, list[str]]:
    engine = create_engine(url, future=True)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        found = {
            table.name: sorted(
                str([bytes(cell) if isinstance(cell, memoryview) else cell for cell in row])
                for row in connection.execute(select(table)).all()
            )
            for table in tables.sorted_tables
            if table.name not in without
        }
    engine.dispose()
    return found


def wipe(database: Database) -> None:
    """Lose the main database, tables and all; the key store stays."""
    engine = create_engine(database._url, future=True)
    with engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)
        tables.drop_all(connection)
        if database.dialect == "postgresql":
            connection.exec_driver_sql("DROP FUNCTION IF EXISTS plateau_audit_refuses() CASCADE")
    engine.dispose()


def reply(database: Database, conversation: str) -> Any:
    with database.reading() as session:
        return Repository(session).reply(conversation, "m1")


def whole(database: Database) -> int:
    with database.reading() as session:
        return verify(session, database.vault)


def test_what_was_lost_is_back(database: Database, tmp_path: Path) -> None:
    fill(database, "c1", "c2")
    file = tmp_path / "backup.zip"
    manifest = database.backup(file)
    assert manifest["tables"]["conversations"]["rows"] == 2 and manifest["schema"]
    assert file.stat().st_mode & 0o077 == 0
    before = rows(database._url)
    wipe(database)
    assert database.restore(file) == {
        "rows": sum(told["rows"] for told in manifest["tables"].values()),
        "conversations": 2,
        "erased_since": 0,
    }
    assert rows(database._url) == before
    assert reply(database, "c1") == {"text": WORDS}
    assert whole(database) == 4
    # New rows are numbered after those that came back.
    fill(database, "c3")
    assert reply(database, "c3") == {"text": WORDS}


def test_no_word_and_no_key_is_in_a_backup(database: Database, tmp_path: Path) -> None:
    fill(database, "c1")
    database.backup(tmp_path / "backup.zip")
    database.backup_keys(tmp_path / "keys.zip")
    for name in ("backup.zip", "keys.zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            told = b"".join(archive.read(member) for member in archive.namelist())
        assert WORDS.encode() not in told
        assert (b"wrapped" in told) == (name == "keys.zip")


def test_who_was_erased_after_the_backup_stays_gone(database: Database, tmp_path: Path) -> None:
    fill(database, "c1", "c2")
    database.backup(tmp_path / "backup.zip")
    with database.transaction() as session:
        Repository(session).forget_patient_of("c1")
    wipe(database)
    told = database.restore(tmp_path / "backup.zip")
    assert (told["conversations"], told["erased_since"]) == (2, 1)
    assert reply(database, "c1") is None and reply(database, "c2") == {"text": WORDS}
    with database.reading() as session:
        repository = Repository(session)
        assert repository.position("c1") is None and repository.history("p-c1") == []
        assert not any(repository.export("c1").values())
    # The entries written after the backup are gone, and the trail says so itself.
    assert whole(database) == 4


def test_a_backup_moves_to_the_other_database(database: Database, tmp_path: Path) -> None:
    fill(database, "c1")
    database.backup(tmp_path / "backup.zip")
    database.backup_keys(tmp_path / "keys.zip")
    (tmp_path / "new").mkdir()
    other = Database(
        f"sqlite:///{tmp_path}/new/plateau.db",
        keys=f"sqlite:///{tmp_path}/new/keys.db",
        master=(tmp_path / "master.key").read_text(),
    )
    with pytest.raises(StoreError, match="PLATEAU_KEYS: has no keys yet: restore them first"):
        other.restore(tmp_path / "backup.zip")
    other.vault.restore(tmp_path / "keys.zip")
    other.restore(tmp_path / "backup.zip")
    assert reply(other, "c1") == {"text": WORDS}
    fill(other, "c2")
    assert reply(other, "c2") == {"text": WORDS} and whole(other)
    other.close()


def test_keys_need_their_master_key(database: Database, tmp_path: Path) -> None:
    fill(database, "c1")
    database.backup_keys(tmp_path / "keys.zip")
    (tmp_path / "new").mkdir()
    place = f"sqlite:///{tmp_path}/new"
    other = Database(f"{place}/plateau.db", keys=f"{place}/keys.db", master=new_master())
    with pytest.raises(StoreError, match=r"master key [0-9a-f]{16} is missing"):
        other.vault.restore(tmp_path / "keys.zip")
    other.close()
    with pytest.raises(StoreError, match="PLATEAU_KEYS: has keys already"):
        database.vault.restore(tmp_path / "keys.zip")


def test_an_older_schema_is_upgraded(database: Database, tmp_path: Path) -> None:
    from alembic import command

    fill(database, "c1")
    with database._migration() as config:
        command.downgrade(config, "0003")
    with database._errors(), database._reader.connect() as connection:
        from plateau.store._backup import write

        write(connection, "data", tmp_path / "old.zip", "0003")
    wipe(database)
    assert database.restore(tmp_path / "old.zip")["conversations"] == 1
    assert reply(database, "c1") == {"text": WORDS}
    assert WORDS not in str(rows(database._url))


def _rewritten(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return damage


def _manifest(**new: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **new}).encode()

    return change


DAMAGE: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no file", lambda file: file.unlink(), "cannot be read"),
    ("other file", lambda file: file.write_bytes(b"PK nothing"), "is not a whole backup"),
    ("cut", lambda file: file.write_bytes(file.read_bytes()[:-200]), "is not a whole backup"),
    ("row lost", _rewritten(lambda members: members.update({"turns.jsonl": b""})), "table turns is not as it was"),
    (
        "row changed",
        _rewritten(lambda members: members.update({"turns.jsonl": members["turns.jsonl"].replace(b"m1", b"m2")})),
        "table turns is not as it was",
    ),
    ("table lost", _rewritten(lambda members: members.pop("turns.jsonl")), "is not a whole backup"),
    ("of keys", _rewritten(_manifest(kind="keys")), "kind 'keys'; allowed: format 1, kind 'data'"),
    ("newer", _rewritten(_manifest(schema="9999")), "newer version, with schema 9999"),
    ("format", _rewritten(_manifest(format=2)), "format 2"),
]


@pytest.mark.parametrize(("damage", "told"), [pytest.param(do, told, id=name) for name, do, told in DAMAGE])
def test_a_damaged_backup_changes_nothing(
    database: Database, tmp_path: Path, damage: Callable[[Path], Any], told: str
) -> None:
    fill(database, "c1")
    file = tmp_path / "backup.zip"
    database.backup(file)
    wipe(database)
    damage(file)
    with pytest.raises(StoreError, match=told):
        database.restore(file)
    assert not any(rows(database._url, without=("audit", "alembic_version", "installation")).values())


def test_a_database_that_is_not_empty_is_left_alone(database: Database, tmp_path: Path) -> None:
    fill(database, "c1")
    database.backup(tmp_path / "backup.zip")
    before = rows(database._url, without=())
    with pytest.raises(StoreError, match="the database is not empty: there are rows in"):
        database.restore(tmp_path / "backup.zip")
    assert rows(database._url, without=()) == before
    with pytest.raises(StoreError, match="exists already; allowed: the name of a new file"):
        database.backup(tmp_path / "backup.zip")


# The commands


@pytest.fixture
def command(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Returns `command(*words)`: runs `plateau` on the database; gives the exit code, the lines, the complaint."""
    monkeypatch.setenv("PLATEAU_DATABASE", url)
    monkeypatch.delenv("PLATEAU_MASTER_KEY", raising=False)

    def run(*words: str) -> tuple[int, list[Any], str]:
        code = main(words)
        out, told = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{") and line != "{"], told

    return run


def test_a_rotated_master_key_opens_everything_without_the_old_one(
    database: Database, command: Callable[..., Any], tmp_path: Path
) -> None:
    fill(database, "c1", "c2")
    before = rows(database._url)
    old = (tmp_path / "master.key").read_text()
    assert command("keys", "status")[1][0]["keys"] == {database.vault.masters.first.id: 3}
    code, [told], _ = command("keys", "rotate", "--file")
    new = (tmp_path / "master.key").read_text().split(",")[0]
    assert code == 0 and told["wrapped_again"] == 3 and new != old
    assert sorted(told["keys"].values()) == [0, 3] and told["keys"][told["wraps"]] == 3
    assert rows(database._url) == before
    # A worker that has been running all along goes on: it reads the file again.
    database.vault.forget_cached()
    assert reply(database, "c1") == {"text": WORDS}
    (tmp_path / "master.key").write_text(new)
    fresh = Database(database._url.render_as_string(hide_password=False))
    fresh.upgrade()
    assert reply(fresh, "c2") == {"text": WORDS} and whole(fresh)
    fresh.close()
    (tmp_path / "master.key").write_text(old)
    code, _, told = command("keys", "status")
    assert code == 2 and "is missing, with which data keys are wrapped" in told


def test_rotation_goes_on_where_it_was_broken_off(database: Database) -> None:
    fill(database, *(f"c{number}" for number in range(5)))
    database.vault.masters.add_to_file()
    assert database.vault.rewrap(limit=2) == 2
    assert sorted(database.vault.counts().values()) == [2, 4]
    fill(database, "c9")
    assert [database.vault.rewrap(limit=3), database.vault.rewrap(limit=3), database.vault.rewrap()] == [3, 1, 0]
    database.vault.forget_cached()
    assert reply(database, "c3") == reply(database, "c9") == {"text": WORDS}


def test_the_commands_of_a_clinics_administrator(
    database: Database, command: Callable[..., Any], tmp_path: Path
) -> None:
    fill(database, "c1", "c2")
    assert command("export", "c1")[0] == 0
    assert command("backup", str(tmp_path / "b.zip"))[0] == 0
    assert command("backup", "--keys", str(tmp_path / "k.zip"))[0] == 0
    assert command("erase", "c1")[0] == 0
    code, listed, _ = command("audit")
    assert code == 0
    assert [entry["kind"] for entry in listed] == ["consent", "consent", "export", "backup", "backup", "erase"]
    assert command("audit", "--verify")[1] == [{"entries": 6, "whole": True}]
    wipe(database)
    assert command("restore", str(tmp_path / "b.zip"))[1][0]["erased_since"] == 1
    assert command("export", "c1")[0] == 1
    assert command("export", "c2")[0] == 0
    code, _, told = command("restore", str(tmp_path / "b.zip"))
    assert code == 2 and "plateau restore: the database is not empty" in told
    assert command("audit", "--verify")[0] == 0
