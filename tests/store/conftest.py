"""Databases for the store's tests: a fresh SQLite file, and a fresh PostgreSQL schema where a server is named."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from plateau.store import Database

POSTGRES = os.environ.get("PLATEAU_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/plateau.db"
        return
    schema = f"test_{uuid.uuid4().hex}"
    server = create_engine(POSTGRES, future=True)
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield f"{POSTGRES}{'&' if '?' in str(POSTGRES) else '?'}options=-csearch_path%3D{schema}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    server.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An upgraded database without rows."""
    database = Database(url)
    database.upgrade()
    yield database
    database.close()
