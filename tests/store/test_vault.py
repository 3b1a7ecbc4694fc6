"""Sealed at rest: no word of a patient's in clear in either database, and none at all once the key is gone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, create_engine, inspect, select, text, update

from plateau.store import Database, Inbox, Repository, StoreError
from plateau.store._masters import new_master
from plateau.store._sealing import DataKey
from plateau.store._vault import data_keys

# What the patient says, answers and is told, each in another place.
CANARIES = [
    f"canary-{place}" for place in ("event", "answer", "said", "rule", "because", "source", "plan", "reply", "waiting")
]
EVENT, ANSWER, SAID, RULE, BECAUSE, SOURCE, PLAN, REPLY, WAITING = CANARIES
ASSESSMENT = {
    "tier": PLAN,
    "findings": [{"rule": RULE, "because": [BECAUSE], "source": SOURCE}],
    "recommendations": [],
}
LATER = datetime(2999, 1, 1, tzinfo=UTC)
PLACE = ("answers", "c1", 1, "goal")


def fill(database: Database, conversation: str = "c1", patient: str | None = "p1") -> None:
    """Store one of everything, each with a canary in it."""
    with database.transaction() as session:
        repository = Repository(session)
        repository.append(conversation, None, [{"event": "user", "timestamp": 1.0, "text": EVENT}])
        repository.save_consent(conversation, "given", "1")
        repository.save_reevaluation(
            conversation, {"goal": ANSWER}, ASSESSMENT, patient_id=patient, said={"goal": SAID}
        )
        repository.remember_reply(conversation, "m1", {"text": REPLY})
        Inbox(session).receive(conversation, "m2", {"text": WAITING})


def read(database: Database, conversation: str = "c1") -> list[Any]:
    """Return what the repository tells of a conversation, in every way it can be asked."""
    with database.reading() as session:
        repository = Repository(session)
        return [
            repository.position(conversation),
            repository.events(conversation, 0, 9),
            repository.reevaluation(conversation),
            repository.history("p1"),
            repository.reply(conversation, "m1"),
            repository.last_reply(conversation),
            Inbox(session).waiting(conversation),
            [rows for rows in repository.export(conversation).values() if rows],
        ]


def cells(database: Database) -> str:
    """Return every cell of every table of both databases, as text."""
    found = []
    for url in (database._url, database.vault._url):
        engine = create_engine(url, future=True)
        tables = MetaData()
        tables.reflect(engine)
        assert tables.tables
        with engine.connect() as connection:
            for table in tables.sorted_tables:
                for row in connection.execute(select(table)).all():
                    found += [bytes(cell) if isinstance(cell, bytes | memoryview) else cell for cell in row]
        engine.dispose()
    return "\n".join(map(str, found))


def files(database: Database) -> bytes:
    """Return the bytes of every file of an SQLite database and its key store; none of PostgreSQL's."""
    if database.dialect != "sqlite":
        return b""
    return b"".join(file.read_bytes() for file in sorted(Path(database._url.database).parent.iterdir()))


def test_no_word_of_a_patient_is_kept_in_clear(database: Database) -> None:
    fill(database)
    told = str(read(database))
    assert [word for word in CANARIES if word not in told] == []
    kept, raw = cells(database), files(database)
    assert "c1" in kept
    assert [word for word in CANARIES if word in kept or word.encode() in raw] == []


def test_what_an_older_version_kept_in_clear_is_sealed(database: Database) -> None:
    fill(database)
    before = read(database)
    with database._migration() as config:
        command.downgrade(config, "0003")
    assert [word for word in CANARIES if word not in cells(database)] == []
    database.upgrade()
    kept, raw = cells(database), files(database)
    assert [word for word in CANARIES if word in kept or word.encode() in raw] == []
    # All but the consent's audit entry, which belongs to the older key.
    assert read(database)[:7] == before[:7]
    with database.reading() as session:
        assert not [name for name in inspect(session.connection()).get_table_names() if name.startswith("old_")]


def test_a_failed_upgrade_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    with database._migration() as config:
        command.downgrade(config, "0003")
    before, keys = cells(database), _keys(database)

    def broken(*_: Any) -> Any:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(DataKey, "seal", broken)
        with pytest.raises(StoreError, match="the disk is full"):
            database.upgrade()
    assert (cells(database), _keys(database)) == (before, keys)
    database.upgrade()
    assert read(database)[4] == {"text": REPLY}


# What is sealed opens in its place only


@pytest.mark.parametrize(
    ("changed", "opens"),
    [
        (lambda sealed: (sealed, PLACE), True),
        (lambda sealed: (sealed, ("answers", "c2", 1, "goal")), False),
        (lambda sealed: (sealed, ("answers", "c1", 2, "goal")), False),
        (lambda sealed: (sealed, ("answers", "c1", 1, "side")), False),
        (lambda sealed: (sealed, ("plans", "c1", 1, "goal")), False),
        (lambda sealed: (b"\x02" + sealed[1:], PLACE), False),
        (lambda sealed: (sealed[:-1] + bytes([sealed[-1] ^ 1]), PLACE), False),
        (lambda sealed: (sealed[:20], PLACE), False),
        (lambda sealed: (b"", PLACE), False),
    ],
    ids=["as sealed", "conversation", "run", "question", "table", "form", "bit", "cut", "empty"],
)
def test_a_sealed_value_opens_in_its_place_only(changed: Callable[[bytes], Any], opens: bool) -> None:
    key = DataKey(bytes(32))
    sealed, place = changed(key.seal(["stairs", None], *PLACE))
    if opens:
        assert key.open(sealed, *place) == ["stairs", None]
        return
    with pytest.raises(StoreError, match="does not open"):
        key.open(sealed, *place)


def test_another_key_does_not_open_it_and_two_seals_differ() -> None:
    key = DataKey(bytes(32))
    with pytest.raises(StoreError, match="answers: a sealed value does not open"):
        DataKey(bytes([1] * 32)).open(key.seal("stairs", *PLACE), *PLACE)
    assert key.seal("stairs", *PLACE) != key.seal("stairs", *PLACE)


def test_an_answer_moved_to_another_patients_row_is_not_read(database: Database) -> None:
    fill(database)
    fill(database, "c2", "p2")
    with database.transaction() as session:
        stolen = session.execute(text("SELECT sealed FROM turns WHERE conversation_id = 'c1'")).scalar_one()
        session.execute(text("UPDATE turns SET sealed = :s WHERE conversation_id = 'c2'"), {"s": stolen})
    with database.reading() as session, pytest.raises(StoreError, match="turns: a sealed value does not open"):
        Repository(session).reply("c2", "m1")


@pytest.mark.parametrize(("start", "stop"), [(0, 9), (1, 2), (2, 5), (4, 4), (3, 99), (8, 9), (9, 12)])
def test_events_of_any_stretch(database: Database, start: int, stop: int) -> None:
    events = [{"event": "user", "timestamp": float(n), "text": f"{n}" * 200} for n in range(9)]
    position = None
    with database.transaction() as session:
        for first, last in ((0, 3), (3, 4), (4, 9)):
            position = Repository(session).append("c1", position, events[first:last])
        assert Repository(session).events("c1", start, stop) == events[start:stop]


# Keys


def _keys(database: Database) -> list[str]:
    with database.vault.reading() as connection:
        return sorted(connection.execute(select(data_keys.c.id)).scalars())


def test_without_its_key_a_conversation_is_not_there(database: Database) -> None:
    fill(database)
    fill(database, "c2", "p2")
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_code("p1", "code", LATER)
        repository.save_link("c1", 1, "plan", "link", LATER)
        key_id = repository.position("c1").key
    database.vault.destroy([key_id])
    assert read(database) == [None, [], None, [], None, None, [], []]
    with database.reading() as session:
        assert Repository(session).patient_by_code("code") is None
        assert Repository(session).link("link") is None
    with pytest.raises(StoreError, match="its key is gone"), database.transaction() as session:
        Repository(session).remember_reply("c1", "m2", {})
    assert read(database, "c2")[4] == {"text": REPLY}


def test_erasure_destroys_the_keys(database: Database) -> None:
    before = _keys(database)
    fill(database)
    fill(database, "c2", "p1")
    assert len(_keys(database)) == len(before) + 2
    with database.transaction() as session:
        Repository(session).forget_patient_of("c1")
    assert _keys(database) == before == ["audit"]
    assert "canary" not in str(read(database))


def test_a_crash_between_rows_and_keys_is_cleaned_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)

    def crashed(*_: Any) -> None:
        raise StoreError("the key store is gone")

    with monkeypatch.context() as patch:
        patch.setattr(database.vault, "destroy", crashed)
        with database.transaction() as session:
            Repository(session).forget("c1")
        with pytest.raises(StoreError, match="the key store is gone"):
            database.scrub()
    assert len(_keys(database)) == 2
    with database.transaction() as session:
        Repository(session).purge_expired()
    assert _keys(database) == ["audit"]
    assert database.finish_erasures() == 0


@pytest.mark.parametrize("how", ["fails", "loses the race"])
def test_a_key_that_came_to_nothing_is_destroyed(database: Database, how: str) -> None:
    if how == "fails":
        with pytest.raises(RuntimeError), database.transaction() as session:
            Repository(session).save_consent("c1", "given")
            raise RuntimeError
    else:
        with database.transaction() as session:
            repository = Repository(session)
            repository.save_consent("c1", "given")
            found, repository._locked = repository._locked, lambda _: None  # type: ignore[method-assign]
            repository.append("c1", None, [{"event": "user", "timestamp": 1.0}])
            repository._locked = found  # type: ignore[method-assign]
    assert len(_keys(database)) == (1 if how == "fails" else 2)


def test_words_dropped_in_the_transaction_that_goes_on_have_a_new_key(database: Database) -> None:
    fill(database)
    with database.transaction() as session:
        repository = Repository(session)
        before = repository.position("c1").key
        repository.forget("c1")
        repository.append("c1", None, [{"event": "session_started", "timestamp": 2.0}])
    with database.reading() as session:
        after = Repository(session).position("c1")
        assert Repository(session).events("c1", 0, 9) == [{"event": "session_started", "timestamp": 2.0}]
    assert after.key != before and _keys(database) == sorted(["audit", after.key])


# Master keys and where the key store is


@pytest.fixture
def masters(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two master keys, neither given yet."""
    monkeypatch.delenv("PLATEAU_MASTER_KEY", raising=False)
    yield [new_master(), new_master()]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("short", "key 1 is not one"),
        (base64.b64encode(b"x" * 31).decode(), "key 1 is not one"),
        ("", ""),
        (f"{new_master()},", "key 2 is not one"),
        (",".join([base64.b64encode(b"k" * 32).decode()] * 2), "the same key stands there twice"),
    ],
)
def test_a_bad_master_key_is_refused_without_being_told(tmp_path: Path, given: str, named: str) -> None:
    if not named:
        Database.in_folder(tmp_path).close()
        return
    with pytest.raises(StoreError, match=f"PLATEAU_MASTER_KEY: {named}; allowed: base64 of 32 random bytes") as caught:
        Database(f"sqlite:///{tmp_path}/plateau.db", master=given)
    assert given not in str(caught.value)


def test_a_missing_master_key_is_named(url: str, masters: list[str]) -> None:
    first = Database(url, master=masters[0])
    first.upgrade()
    fill(first)
    first.close()
    other = Database(url, master=masters[1])
    with pytest.raises(StoreError, match=r"PLATEAU_MASTER_KEY: master key [0-9a-f]{16} is missing"):
        other.upgrade()
    other.close()
    both = Database(url, master=",".join(reversed(masters)))
    both.upgrade()
    assert read(both)[4] == {"text": REPLY}
    both.close()
    # And none is made beside keys that another one wraps.
    none = Database(url)
    with pytest.raises(StoreError, match=r"or the file .*master\.key: master key [0-9a-f]{16} is missing"):
        none.upgrade()
    none.close()


def test_postgresql_needs_a_key_store_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEAU_KEYS", raising=False)
    main = "postgresql://plateau@db.example/plateau"
    with pytest.raises(StoreError, match="PLATEAU_KEYS: is missing, which a PostgreSQL database needs"):
        Database(main)
    for same in (main, "postgresql://other@db.example:5432/plateau"):
        with pytest.raises(StoreError, match="PLATEAU_KEYS: names the database of the conversations"):
            Database(main, keys=same)
    with pytest.raises(StoreError, match="PLATEAU_KEYS: no database of kind 'mysql'"):
        Database(main, keys="mysql://db.example/keys")


def test_another_databases_keys_are_refused(database: Database, tmp_path: Path) -> None:
    fill(database)
    keys = database.vault._url.render_as_string(hide_password=False)
    (tmp_path / "other").mkdir()
    other = Database(f"sqlite:///{tmp_path}/other/plateau.db", keys=f"sqlite:///{tmp_path}/other/keys.db")
    other.upgrade()
    other.close()
    mixed = Database(f"sqlite:///{tmp_path}/other/plateau.db", keys=keys, master=_master_of(tmp_path))
    with pytest.raises(StoreError, match="PLATEAU_KEYS: holds the keys of another database"):
        mixed.upgrade()
    mixed.close()


def _master_of(folder: Path) -> str:
    return (folder / "master.key").read_text()


def test_a_data_key_moved_to_another_row_is_not_taken(database: Database) -> None:
    fill(database)
    fill(database, "c2", "p2")
    with database.reading() as session:
        one, two = (Repository(session).position(name).key for name in ("c1", "c2"))
    with database.vault.writing() as connection:
        stolen = connection.execute(select(data_keys.c.wrapped).where(data_keys.c.id == one)).scalar_one()
        connection.execute(update(data_keys).where(data_keys.c.id == two).values(wrapped=stolen))
    database.vault.forget_cached()
    with pytest.raises(StoreError, match="data_keys: a wrapped key does not open"):
        read(database, "c2")
