"""A PostgreSQL server that says nothing any more fails soon, in the turns; and what comes after it works."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from plateau.store import Database, StoreError
from plateau.store import _engines as engines
from plateau.store._engines import engine_of, impatient

SILENCE = 0.3  # seconds


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts a connection and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield f"postgresql://plateau@127.0.0.1:{server.getsockname()[1]}/plateau"
        server.close()
        for one in held:
            one.close()


def test_a_server_that_never_greets_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "CONNECT_SECONDS", SILENCE)
    started = time.monotonic()
    with pytest.raises(Exception, match="no answer within"):
        engine_of(make_url(silent)).connect()
    assert SILENCE <= time.monotonic() - started < 20 * SILENCE


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(60)"])
def test_a_turn_does_not_wait_for_an_answer_that_does_not_come(database: Database, statement: str) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server")
    started = time.monotonic()
    with impatient(SILENCE), pytest.raises(StoreError, match="the database failed"), database.reading() as session:
        session.connection().exec_driver_sql(statement)
    assert time.monotonic() - started < 30
    # The connection is gone, and the next is a new one.
    with impatient(SILENCE * 30), database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT 1").scalar_one() == 1


def test_who_is_not_in_a_turn_waits(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server")
    with database.reading() as session:
        session.connection().exec_driver_sql(f"SELECT pg_sleep({2 * SILENCE})")


@pytest.mark.parametrize(("fresh", "noticed"), [(-1.0, True), (3600.0, False)], ids=["idle for long", "used just now"])
def test_a_connection_that_was_ended_is_noticed_before_use_where_it_was_idle(
    database: Database, monkeypatch: pytest.MonkeyPatch, fresh: float, noticed: bool
) -> None:
    """One that was just used is not asked; when it fails, that turn does, and all others of the pool are new."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server")
    monkeypatch.setattr(engines, "FRESH_SECONDS", fresh)
    with database.reading() as session:
        mine = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with create_engine(database._url).connect() as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")

    def ask() -> int:
        with database.reading() as session:
            return int(session.connection().exec_driver_sql("SELECT 1").scalar_one())

    if not noticed:
        with pytest.raises(StoreError, match="the database failed"):
            ask()
    assert ask() == 1
