"""`plateau erase` leaves nothing: every column of every table of both databases, and every byte of the files."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, select

from plateau.cli import main
from plateau.store import Database, Inbox, Repository, StoreError

LATER = datetime(2999, 1, 1, tzinfo=UTC)
WORDS = "canary-my-knee-gives-way"
ASSESSMENT = {"tier": "none", "findings": [{"rule": WORDS, "because": [WORDS], "source": WORDS}], "primary": WORDS}


def fill(database: Database, conversation: str, patient: str) -> None:
    """Store one row of everything about a patient."""
    with database.transaction() as session:
        repository = Repository(session)
        repository.append(conversation, None, [{"event": "user", "timestamp": 1.0, "text": WORDS}])
        repository.save_consent(conversation, "given", "1")
        repository.save_reevaluation(
            conversation, {"goal": WORDS}, ASSESSMENT, patient_id=patient, said={"goal": WORDS}
        )
        repository.remember_reply(conversation, "m1", {"text": WORDS})
        repository.save_code(patient, f"code-of-{patient}", LATER)
        repository.save_link(conversation, 1, "plan", f"link-of-{conversation}", LATER)
        Inbox(session).receive(conversation, "m2", {"text": WORDS})
        repository.audit("report", conversation)


def cells(url: Any) -> dict[str, list[str]]:
    """Return every cell of every table there is at `url`, as text, by table and column."""
    engine = create_engine(url, future=True)
    tables = MetaData()
    tables.reflect(engine)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for name, cell in row.items():
                    plain = bytes(cell) if isinstance(cell, bytes | memoryview) else cell
                    found.setdefault(f"{table.name}.{name}", []).append(str(plain))
    engine.dispose()
    return found


def holding(found: dict[str, list[str]], *words: str) -> list[str]:
    return sorted(name for name, told in found.items() if any(word in cell for cell in told for word in words))


def test_erase_leaves_no_row_in_either_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for conversation, patient in (("visit-one", "person-gone"), ("visit-two", "person-gone"), ("visit-x", "person-x")):
        fill(database, conversation, patient)
    with database.reading() as session:
        gone = [Repository(session).position(name).key for name in ("visit-one", "visit-two")]
        pseudonyms = {entry["subject"] for entry in Repository(session).export("visit-one")["audit"]}
    traces = ["visit-one", "visit-two", "person-gone", *gone]
    keys_url = database.vault._url
    assert len(holding(cells(database._url), *traces)) > 10
    assert holding(cells(keys_url), *traces) == ["data_keys.id"]
    others = {name: [cell for cell in told if "visit-x" in cell] for name, told in cells(database._url).items()}

    monkeypatch.setenv("PLATEAU_DATABASE", database._url.render_as_string(hide_password=False))
    assert main(["export", "visit-one"]) == 0
    assert WORDS in capsys.readouterr().out
    assert main(["erase", "visit-one"]) == 0
    capsys.readouterr()

    left = {**cells(database._url), **cells(keys_url)}
    assert holding(left, *traces, WORDS) == []
    # What is left of them: pseudonyms in the audit trail, made with a key that is gone.
    assert holding(left, *pseudonyms) == ["audit.subject"]
    assert {name: [cell for cell in told if "visit-x" in cell] for name, told in cells(database._url).items()} == others
    if database.dialect == "sqlite":
        kept = sorted(file for file in tmp_path.iterdir() if ".db" in file.name)
        assert {"plateau.db", "plateau.db-wal", "keys.db", "keys.db-wal"} <= {file.name for file in kept}
        raw = b"".join(file.read_bytes() for file in kept)
        assert [trace for trace in [*traces, WORDS] if trace.encode() in raw] == []
    assert main(["export", "visit-one"]) == 1
    assert main(["export", "visit-x"]) == 0


def test_an_old_copy_of_the_database_shows_nothing_of_an_erased_patient(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    database = Database.in_folder(tmp_path / "live")
    database.upgrade()
    fill(database, "visit-one", "person-gone")
    fill(database, "visit-x", "person-x")
    database.scrub()
    shutil.copy(tmp_path / "live" / "plateau.db", tmp_path / "copy.db")
    with database.transaction() as session:
        Repository(session).forget_patient_of("visit-one")
    database.scrub()
    database.close()
    # The copy put back, as a bad day's administrator would.
    for name in ("plateau.db", "plateau.db-wal", "plateau.db-shm"):
        (tmp_path / "live" / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", tmp_path / "live" / "plateau.db")
    restored = Database.in_folder(tmp_path / "live")
    restored.upgrade()
    with restored.reading() as session:
        repository = Repository(session)
        assert repository.position("visit-one") is None
        assert repository.events("visit-one", 0, 9) == []
        assert repository.reevaluation("visit-one") is None
        assert repository.reply("visit-one", "m1") is repository.last_reply("visit-one") is None
        assert Inbox(session).waiting("visit-one") == []
        assert repository.patient_by_code("code-of-person-gone") is None
        assert repository.link("link-of-visit-one") is None
        assert not any(repository.export("visit-one").values())
        assert repository.reply("visit-x", "m1") == {"text": WORDS}
    with pytest.raises(StoreError, match="its key is gone"), restored.transaction() as session:
        repository = Repository(session)
        repository.remember_reply("visit-one", "m3", {})
    restored.close()
