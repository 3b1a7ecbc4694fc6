"""The audit trail: what it records, of whom, and that every way of tampering with it shows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from plateau.store import Broken, Database, Repository, StoreError, entries, verify

LATER = datetime(2999, 1, 1, tzinfo=UTC)


def listed(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.reading() as session:
        return [(entry.kind, entry.detail) for entry in entries(session)]


def check(database: Database) -> int:
    with database.reading() as session:
        return verify(session, database.vault)


def consent(database: Database, *conversations: str) -> None:
    for conversation in conversations:
        with database.transaction() as session:
            Repository(session).save_consent(conversation, "given", "1")


ACTS: dict[str, tuple[Callable[[Repository], Any], list[tuple[str, dict[str, Any]]]]] = {
    "consent given": (
        lambda repository: repository.save_consent("c2", "given", "2"),
        [("consent", {"state": "given", "version": "2"})],
    ),
    "consent declined": (
        lambda repository: repository.save_consent("c1", "declined", "1"),
        [("consent", {"state": "declined", "version": "1"})],
    ),
    "the same consent": (lambda repository: repository.save_consent("c1", "given", "1"), []),
    "export": (lambda repository: repository.audit("export", "c1"), [("export", {})]),
    "report": (lambda repository: repository.audit("report", "c1"), [("report", {})]),
    "link": (
        lambda repository: repository.audit("link_opened", "c1", page="plan", run=1),
        [("link_opened", {"page": "plan", "run": 1})],
    ),
    "code": (lambda repository: repository.audit_code("p1"), [("code_used", {})]),
    "code of nobody": (lambda repository: repository.audit_code("nobody"), []),
    "of nobody": (lambda repository: repository.audit("export", "nobody"), []),
    "erase": (lambda repository: repository.forget("c1"), [("erase", {})]),
    "erase nobody": (lambda repository: repository.forget("nobody"), []),
    "purge": (lambda repository: repository.purge_finished(LATER), [("purge", {"finished": 1})]),
    "purge nothing": (lambda repository: repository.purge_unconsented(LATER), []),
    "keys": (lambda repository: repository.audit_all("keys_rotated", keys=2), [("keys_rotated", {"keys": 2})]),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_is_recorded(database: Database, act: str) -> None:
    with database.transaction() as session:
        Repository(session).save_consent("c1", "given", "1")
        Repository(session).link_patient("c1", "p1")
    before = listed(database)
    do, recorded = ACTS[act]
    with database.transaction() as session:
        do(Repository(session))
    assert listed(database) == [*before, *recorded]
    assert check(database) == len(before) + len(recorded)


def test_an_unknown_kind_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="allowed: consent, code_used"), database.transaction() as session:
        Repository(session).audit_all("gossip")


def test_what_is_rolled_back_is_not_recorded(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        Repository(session).save_consent("c1", "given")
        raise RuntimeError
    assert listed(database) == [] and check(database) == 0


def test_the_export_has_the_entries_about_the_patient_and_no_other(database: Database) -> None:
    consent(database, "c1", "c2")
    with database.transaction() as session:
        Repository(session).audit("report", "c1")
    with database.reading() as session:
        about = Repository(session).export("c1")["audit"]
    assert [(entry["seq"], entry["kind"]) for entry in about] == [(1, "consent"), (3, "report")]


def test_after_an_erasure_only_pseudonyms_are_left_that_nobody_can_link(database: Database) -> None:
    consent(database, "someone")
    with database.transaction() as session:
        Repository(session).forget("someone")
    consent(database, "someone")
    with database.reading() as session:
        subjects = [entry.subject for entry in entries(session)]
        assert "someone" not in str(list(entries(session)))
    assert subjects[0] == subjects[1] != subjects[2]
    assert check(database) == 3


@pytest.mark.parametrize("statement", ["UPDATE audit SET kind = 'report'", "DELETE FROM audit WHERE seq = 1"])
def test_the_database_refuses_to_change_or_delete(database: Database, statement: str) -> None:
    consent(database, "c1")
    with pytest.raises(StoreError, match="the database failed"), database.transaction() as session:
        session.execute(text(statement))
    assert check(database) == 1


TAMPERING = [
    ("UPDATE audit SET kind = 'report' WHERE seq = 3", "entry 3: was changed or put in"),
    ("UPDATE audit SET subject = NULL WHERE seq = 2", "entry 2: was changed or put in"),
    ("UPDATE audit SET detail = '{}' WHERE seq = 1", "entry 1: was changed or put in"),
    ("DELETE FROM audit WHERE seq = 1", "entry 1: is missing, and so are all up to 1"),
    ("DELETE FROM audit WHERE seq = 3", "entry 3: is missing, and so are all up to 3"),
    ("DELETE FROM audit WHERE seq = 5", "entry 5: is missing, and so are all up to 5: the end was cut off"),
    ("DELETE FROM audit WHERE seq > 2", "entry 3: is missing, and so are all up to 5: the end was cut off"),
    ("DELETE FROM audit", "entry 1: is missing, and so are all up to 5: the end was cut off"),
    (
        "INSERT INTO audit SELECT 6, at, kind, subject, detail, link FROM audit WHERE seq = 5",
        "entry 6: was changed or put in",
    ),
    (
        "INSERT INTO audit SELECT 6, at, 'restore', NULL, '{\"after\":5}', link FROM audit WHERE seq = 5",
        "entry 6: was changed or put in",
    ),
]


def tamper(database: Database, statement: str) -> None:
    """Run a statement as someone does who may do all in this database, and nothing in the key store."""
    engine = create_engine(database._url, future=True)
    with engine.begin() as connection:
        if database.dialect == "sqlite":
            for act in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_refuses_{act}")
        else:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_refuses ON audit")
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize(("statement", "told"), TAMPERING)
def test_tampering_shows(database: Database, statement: str, told: str) -> None:
    consent(database, "c1", "c2", "c3", "c4", "c5")
    assert check(database) == 5
    tamper(database, statement)
    with pytest.raises(Broken, match=told):
        check(database)


def test_a_cut_off_end_shows_also_after_new_entries(database: Database) -> None:
    consent(database, "c1", "c2", "c3")
    tamper(database, "DELETE FROM audit WHERE seq > 1")
    consent(database, "c4", "c5", "c6")
    with pytest.raises(Broken, match="entry 2: is missing, and so are all up to 3"):
        check(database)


def test_a_forged_end_shows(database: Database) -> None:
    consent(database, "c1", "c2")
    with database.vault.writing() as connection:
        connection.exec_driver_sql("UPDATE audit_head SET seq = 1")
    with pytest.raises(StoreError, match="audit_head: is missing from the key store, or was changed"):
        check(database)


def test_a_crash_before_the_end_was_moved_is_no_tampering(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    consent(database, "c1")
    with monkeypatch.context() as patch:
        patch.setattr(database.vault, "move_head", lambda *_: None)
        consent(database, "c2")
    assert check(database) == 2
    consent(database, "c3")
    assert check(database) == 3


def test_workers_together_keep_one_chain(url: str) -> None:
    workers = [Database(url) for _ in range(4)]
    workers[0].upgrade()
    with ThreadPoolExecutor(4) as threads:
        list(
            threads.map(
                lambda number: consent(workers[number], *(f"c{number}-{n}" for n in range(8))), range(len(workers))
            )
        )
    assert check(workers[0]) == 32
    for worker in workers:
        worker.close()


def test_nothing_older_than_policy_stays(database: Database) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with database.transaction() as session:
        for days in (1, 40):
            repository = Repository(session, now=lambda days=days: now - timedelta(days=days))
            for state in ("given", "declined"):
                name = f"{state} {days}"
                seen = repository.append(name, None, [{"event": "user", "timestamp": 1.0}])
                repository.save_consent(name, state)
                repository.save_reevaluation(name, {"goal": "stairs"}, patient_id=f"p {name}")
                repository.save_code(f"p {name}", f"code {name}", now - timedelta(days=days - 30))
                repository.save_link(name, 1, "plan", f"link {name}", now - timedelta(days=days - 30))
                assert seen.version == 1
    with database.transaction() as session:
        repository = Repository(session, now=lambda: now)
        older = now - timedelta(days=30)
        assert (repository.purge_unconsented(older), repository.purge_finished(older)) == (1, 1)
        repository.purge_expired()
    with database.reading() as session:
        left = Repository(session).conversation_ids()
        tables = ("conversations", "patients", "codes", "links", "events", "reevaluations", "answers", "erasures")
        counts = {name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}  # noqa: S608
    assert sorted(left) == ["declined 1", "given 1"]
    assert counts == {**dict.fromkeys(tables, 2), "erasures": 0}
    # Two conversations' keys and the audit trail's.
    assert sum(database.vault.counts().values()) == 3
