"""Whether the database can do a turn's work: it answers, its schema is this program's, and it takes a write."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.orm import Session

from ._database import MIGRATIONS
from ._errors import StoreError

FREE_BYTES = 16 * 1024 * 1024
# A check must not queue behind a migration, nor a patient's turn behind a check.
WAIT_MILLISECONDS = 2000


@cache
def newest_revision() -> str:
    """Return the schema's revision that this program was written for."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return str(ScriptDirectory.from_config(config).get_current_head())


def has_schema(session: Session) -> bool:
    """Tell whether the database has this program's schema, neither an older nor a newer one; raises StoreError."""
    _hurry(session)
    found = session.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return list(found) == [newest_revision()]


def touch(session: Session) -> None:
    """Write one row as it was, which a read-only, a full or a standby database refuses; raises StoreError."""
    _hurry(session)
    session.execute(text("UPDATE alembic_version SET version_num = version_num"))
    if session.get_bind().dialect.name == "sqlite":
        # SQLite writes over old pages of its log for a while after the disk is full.
        folder = Path(session.get_bind().url.database).parent
        if shutil.disk_usage(folder).free < FREE_BYTES:
            raise StoreError(f"{folder}: the disk is full; needed: {FREE_BYTES} free bytes")


def _hurry(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = {WAIT_MILLISECONDS}"))
        session.execute(text(f"SET LOCAL statement_timeout = {WAIT_MILLISECONDS}"))
